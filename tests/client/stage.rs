//! What each test starts with: a skep, and clients of it.

use std::time::{Duration, Instant};

use serde_json::Value;
use skep::client::{CallError, Client, Options, Serving, Worker};
use skep::config::Config;
use tokio::runtime::Runtime;

use crate::support::{Instance, PATIENCE};

/// Runs a test against a skep of its own.
pub fn with_skep(test: impl AsyncFnOnce(&Instance)) {
    with_settings(|_| {}, test);
}

pub fn with_settings(change: impl FnOnce(&mut Config), test: impl AsyncFnOnce(&Instance)) {
    let skep = Instance::start_with(change);
    Runtime::new().expect("a runtime").block_on(test(&skep));
}

pub fn backend(skep: &Instance) -> Options {
    backend_at(&skep.backend().to_string())
}

pub fn backend_at(address: &str) -> Options {
    Options::backend(&format!("mqtt://{address}")).unwrap().login("backend", "def456")
}

pub fn frontend(skep: &Instance) -> Options {
    frontend_at(&skep.frontend().to_string())
}

pub fn frontend_at(address: &str) -> Options {
    Options::frontend(&format!("mqtt://{address}")).unwrap().login("frontend", "abc123")
}

pub async fn connect(options: Options) -> Client {
    Client::connect(options).await.unwrap()
}

pub async fn start(worker: Worker) -> Serving {
    worker.start().await.unwrap()
}

/// The code of the JSON-RPC error that a call ends in.
pub async fn code(client: &Client, method: &str, params: impl serde::Serialize) -> i64 {
    match client.call::<_, Value>(method, params).await {
        Err(CallError::Rpc(error)) => error.code,
        other => panic!("{method}: {other:?}"),
    }
}

/// Waits until `condition` holds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "it never came true that {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
