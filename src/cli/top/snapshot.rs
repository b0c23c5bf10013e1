//! What the admin listener says of skep at one moment: the parts of its answers
//! that are shown.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::admin::{Admin, Failure};

/// All that one picture is made of.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Snapshot {
    pub overview: Overview,
    /// Oldest first, one a second.
    pub samples: Vec<Sample>,
    pub services: Vec<Service>,
    pub queues: Vec<Queue>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Overview {
    pub version: String,
    pub uptime_s: u64,
    pub ready: bool,
    pub buses: Vec<Bus>,
    pub bindings: Bindings,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Bus {
    pub id: String,
    pub connections: u64,
    pub messages_in: u64,
    pub messages_out: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Bindings {
    pub sessions: u64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Sample {
    pub at_ms: u64,
    pub calls: u64,
    pub errors: u64,
    pub p50_us: u64,
    pub p95_us: u64,
    pub p99_us: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Service {
    pub backend: String,
    pub name: String,
    pub workers: u64,
    pub waiting: u64,
    pub held: u64,
    pub calls: u64,
    pub errors: u64,
    pub wait_p99_us: u64,
    pub p50_us: u64,
    pub p95_us: u64,
    pub p99_us: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Queue {
    pub bus: String,
    pub group: String,
    pub filter: String,
    pub members: u64,
    pub waiting: u64,
    pub bytes: u64,
    pub held: u64,
    pub oldest_ms: u64,
}

/// Work that has waited longer than this is worth a look.
const LONG_MS: u64 = 5_000;

impl Snapshot {
    /// How skep is now.
    ///
    /// # Errors
    /// Nobody answers, or not with what was asked for.
    pub fn ask(admin: &Admin) -> Result<Snapshot, Failure> {
        serde_json::from_value(Snapshot::answers(admin)?).map_err(|error| {
            Failure::Unreachable(format!("{} answers as another version of skep does: {error}", admin.url()))
        })
    }

    /// The listener's answers as they are, as one.
    pub fn answers(admin: &Admin) -> Result<Value, Failure> {
        let part = |path: &str, name: &str| admin.get(path, &[]).map(|mut answer| answer[name].take());
        Ok(json!({
            "overview": admin.get("overview", &[])?,
            "samples": part("history", "samples")?,
            "services": part("services", "services")?,
            "queues": part("queues", "queues")?,
        }))
    }

    pub fn waiting(&self) -> u64 {
        self.queues.iter().map(|queue| queue.waiting).sum()
    }

    pub fn connections(&self) -> u64 {
        self.overview.buses.iter().map(|bus| bus.connections).sum()
    }

    /// Errors in place of answers over the last minute.
    pub fn errors_lately(&self) -> u64 {
        let last = self.samples.last().map_or(0, |sample| sample.at_ms);
        self.samples.iter().filter(|sample| sample.at_ms + 60_000 > last).map(|sample| sample.errors).sum()
    }

    /// Calls a second, over the last five: one second alone jumps about.
    pub fn calls_per_second(&self) -> f64 {
        let last = &self.samples[self.samples.len().saturating_sub(5)..];
        last.iter().map(|sample| sample.calls as f64).sum::<f64>() / last.len().max(1) as f64
    }

    /// What is not well, worst first.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !self.overview.ready {
            found.push("skep is not ready (see /readyz)".to_owned());
        }
        let waiting = || self.queues.iter().filter(|queue| queue.waiting > 0);
        for queue in waiting().filter(|queue| queue.members == 0) {
            found.push(format!("{} wait for {}, which nobody serves", queue.waiting, queue.filter));
        }
        for queue in waiting().filter(|queue| queue.members > 0 && queue.oldest_ms >= LONG_MS) {
            let (waiting, filter, seconds) = (queue.waiting, &queue.filter, queue.oldest_ms / 1_000);
            found.push(format!("{waiting} wait for {filter}, the first for {seconds} s"));
        }
        match self.errors_lately() {
            0 => {}
            1 => found.push("1 call of the last minute got an error from skep".to_owned()),
            n => found.push(format!("{n} calls of the last minute got an error from skep")),
        }
        found
    }
}
