//! Notifications from one program on the backend to many clients, each of which
//! has come everywhere before the next.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use skep::client::{Client, Notifications};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::pace::Pace;
use super::run::{Measured, Settings};
use super::{Args, close, connect};
use crate::cli::connect::Endpoint;
use crate::cli::failure::Failure;

#[derive(Serialize, Deserialize)]
struct Tick {
    /// Which of those that are under way at once.
    lane: usize,
    number: u64,
    text: String,
}

/// That one came somewhere.
struct Arrival {
    number: u64,
    at: Instant,
}

type Arrivals = mpsc::UnboundedReceiver<Arrival>;

pub struct Load {
    notifier: Client,
    method: String,
    listeners: Vec<Client>,
    text: String,
    timeout: Duration,
    /// One for each that may be under way.
    lanes: Vec<Arc<tokio::sync::Mutex<Lane>>>,
    /// What listens, until dropped.
    _listening: JoinSet<()>,
}

struct Lane {
    number: u64,
    arrivals: Arrivals,
}

impl Load {
    pub async fn start(
        args: &Args,
        settings: &Settings,
        frontend: &Endpoint,
        backend: &Endpoint,
    ) -> Result<Load, Failure> {
        let mut backend = backend.clone();
        backend.options = backend.options.call_timeout(args.timeout);
        let notifier = backend.connect().await?;
        let method = format!("skep-bench.{:08x}.tick", rand::rng().random::<u32>());
        let (mut lanes, mut senders) = (Vec::new(), Vec::new());
        for _ in 0..settings.depth {
            let (sender, arrivals) = mpsc::unbounded_channel();
            lanes.push(Arc::new(tokio::sync::Mutex::new(Lane { number: 0, arrivals })));
            senders.push(sender);
        }
        let senders: Arc<[_]> = senders.into();
        let mut frontend = frontend.clone();
        frontend.options = frontend.options.max_unread(settings.depth as usize + 1);
        let mut listening = JoinSet::new();
        let listeners = connect(&frontend, settings.clients).await?;
        for client in &listeners {
            let heard = client.listen(&method).await;
            let heard = heard.map_err(|error| Failure::of_call(error, &frontend.place, &method))?;
            listening.spawn(note(heard, Arc::clone(&senders)));
        }
        let text = "x".repeat(args.size as usize);
        Ok(Load { notifier, method, listeners, text, timeout: args.timeout, lanes, _listening: listening })
    }

    pub async fn run(&self, pace: Arc<Pace>) -> Measured {
        let mut under_way = JoinSet::new();
        let all = Arc::new(Mutex::new(Measured::default()));
        for (index, lane) in self.lanes.iter().enumerate() {
            let (lane, pace, all) = (Arc::clone(lane), Arc::clone(&pace), Arc::clone(&all));
            let (notifier, method, text) = (self.notifier.clone(), self.method.clone(), self.text.clone());
            let (listeners, time) = (self.listeners.len(), self.timeout);
            under_way.spawn(async move {
                // Nobody else's; across awaits, as this task alone has it.
                let mut lane = lane.lock().await;
                let mut tick = Tick { lane: index, number: 0, text };
                while pace.begin() {
                    lane.number += 1;
                    tick.number = lane.number;
                    let mut took = Vec::with_capacity(listeners);
                    let outcome = send(&notifier, &method, &tick, &mut lane.arrivals, time, listeners, &mut took).await;
                    pace.done();
                    let mut all = all.lock();
                    all.notifications += 1;
                    let lost = listeners - took.len();
                    took.into_iter().for_each(|took| all.good(took));
                    if lost > 0 {
                        let why = outcome.err().unwrap_or_else(|| format!("did not come within {time:?}"));
                        all.lost(lost as u64, why);
                    }
                }
            });
        }
        while under_way.join_next().await.is_some() {}
        let mut measured = Measured::over(pace.elapsed());
        measured.add(&all.lock());
        measured
    }

    pub async fn stop(self) {
        self.notifier.close().await;
        close(&self.listeners).await;
    }
}

/// Sends one, and waits until it has come to all.
async fn send(
    notifier: &Client,
    method: &str,
    tick: &Tick,
    arrivals: &mut Arrivals,
    time: Duration,
    listeners: usize,
    took: &mut Vec<Duration>,
) -> Result<(), String> {
    let began = Instant::now();
    notifier.broadcast(method, tick).await.map_err(|error| error.to_string())?;
    let late = tokio::time::Instant::from_std(began + time);
    while took.len() < listeners {
        match timeout_at(late, arrivals.recv()).await {
            // One that was given up may come yet.
            Ok(Some(arrival)) if arrival.number != tick.number => {}
            Ok(Some(arrival)) => took.push(arrival.at.saturating_duration_since(began)),
            Ok(None) | Err(_) => break,
        }
    }
    Ok(())
}

/// One client: tells of what comes.
async fn note(mut heard: Notifications, lanes: Arc<[mpsc::UnboundedSender<Arrival>]>) {
    while let Some(notification) = heard.recv().await {
        let at = Instant::now();
        // Anybody may say anything under this name.
        let Ok(Tick { lane, number, .. }) = notification.params() else { continue };
        if let Some(lane) = lanes.get(lane) {
            // At the end nobody counts any more.
            let _ = lane.send(Arrival { number, at });
        }
    }
}
