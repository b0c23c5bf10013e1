//! Calls from many clients at once, each answered before the next.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use rand::RngExt;
use serde_json::Value;
use skep::client::{CallError, Client, Serving, Worker};
use tokio::task::JoinSet;

use super::pace::Pace;
use super::run::{Measured, Settings};
use super::{Args, close, connect};
use crate::cli::connect::Endpoint;
use crate::cli::failure::Failure;

/// Requests that one of our workers works on at once: it never makes the bus wait.
const CONCURRENCY: u16 = 256;

/// Clients measure into so many places, each of which takes 300 KB.
const SHARES: usize = 16;

pub struct Load {
    clients: Vec<Client>,
    depth: u32,
    method: Arc<str>,
    params: Arc<Value>,
    workers: Vec<Serving>,
}

impl Load {
    pub async fn start(
        args: &Args,
        settings: &Settings,
        frontend: &Endpoint,
        backend: &Endpoint,
        params: Value,
    ) -> Result<Load, Failure> {
        let mut workers = Vec::new();
        let method = match &args.method {
            Some(method) => method.clone(),
            None => {
                // Nobody else's, whoever else measures here.
                let service = format!("skep-bench.{:08x}", rand::rng().random::<u32>());
                for _ in 0..args.workers {
                    let worker = Worker::new(backend.anew().options).concurrency(CONCURRENCY);
                    let worker = worker.serve(&service, "echo", |_, params: Value| async move { Ok(params) });
                    workers.push(worker.start().await.map_err(|error| backend.unreachable(&error))?);
                }
                format!("{service}.echo")
            }
        };
        let mut frontend = frontend.clone();
        frontend.options = frontend.options.call_timeout(args.timeout);
        let clients = connect(&frontend, settings.clients).await?;
        Ok(Load { clients, depth: settings.depth, method: method.into(), params: Arc::new(params), workers })
    }

    pub async fn run(&self, pace: Arc<Pace>) -> Measured {
        let mut callers = JoinSet::new();
        let shares = self.clients.len().min(SHARES);
        let shares: Vec<_> = (0..shares).map(|_| Arc::new(Mutex::new(Measured::default()))).collect();
        for (client, measured) in self.clients.iter().zip(shares.iter().cycle()) {
            for _ in 0..self.depth {
                let (client, pace, measured) = (client.clone(), Arc::clone(&pace), Arc::clone(measured));
                callers.spawn(call(client, Arc::clone(&self.method), Arc::clone(&self.params), pace, measured));
            }
        }
        while callers.join_next().await.is_some() {}
        let mut all = Measured::over(pace.elapsed());
        shares.iter().for_each(|measured| all.add(&measured.lock()));
        all
    }

    pub async fn stop(self) {
        close(&self.clients).await;
        for worker in self.workers {
            worker.stop().await;
        }
    }
}

async fn call(client: Client, method: Arc<str>, params: Arc<Value>, pace: Arc<Pace>, measured: Arc<Mutex<Measured>>) {
    while pace.begin() {
        let began = Instant::now();
        let answer: Result<Value, CallError> = client.call(&method, &*params).await;
        let took = began.elapsed();
        pace.done();
        // Locked for a moment, and never across an await.
        let mut measured = measured.lock();
        match answer {
            Ok(_) => measured.good(took),
            Err(CallError::Rpc(error)) => measured.error(error.to_string()),
            Err(error) => measured.lost(1, error.to_string()),
        }
    }
}
