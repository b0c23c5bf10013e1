//! `GET /api/v1/history`: the last minutes, a sample a second, kept in a ring
//! that one task fills whether or not anybody looks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::{Json, extract};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};

use super::reply::{Query, Reply};
use super::{State, wall_ms};
use crate::histogram::Counts;

const STEP: Duration = Duration::from_secs(1);

/// Samples kept.
const SAMPLES: usize = 300;

/// The ring, oldest first.
#[derive(Default)]
pub struct Ring(Mutex<VecDeque<Sample>>);

/// What happened in one step, and what there was at its end.
#[derive(Clone, Serialize)]
struct Sample {
    at_ms: u64,
    calls: u64,
    errors: u64,
    p50_us: u64,
    p95_us: u64,
    p99_us: u64,
    waiting: usize,
    connections: usize,
    messages_in: u64,
    messages_out: u64,
}

#[derive(Serialize)]
pub struct History {
    step_ms: u64,
    samples: Vec<Sample>,
}

#[derive(Deserialize)]
pub struct Span {
    #[serde(default = "all")]
    seconds: usize,
}

fn all() -> usize {
    SAMPLES
}

pub async fn history(extract::State(state): extract::State<Arc<State>>, Query(span): Query<Span>) -> Reply<History> {
    let ring = state.history.0.lock();
    let skipped = ring.len().saturating_sub(span.seconds);
    let samples = ring.iter().skip(skipped).cloned().collect();
    Ok(Json(History { step_ms: STEP.as_millis() as u64, samples }))
}

/// All counters at one moment.
#[derive(Default)]
struct Totals {
    calls: u64,
    errors: u64,
    latency: Counts,
    messages_in: u64,
    messages_out: u64,
}

impl Totals {
    fn now(state: &State) -> Totals {
        let mut totals = Totals::default();
        for (_, service) in state.parts.backends.iter().flat_map(|bus| bus.services()) {
            totals.calls += service.calls.get();
            totals.errors += service.errors.get();
            service.latency.add_to(&mut totals.latency);
        }
        for bus in state.buses() {
            totals.messages_in += bus.stats().messages_in.get();
            totals.messages_out += bus.stats().messages_out.get();
        }
        totals
    }
}

/// Fills the ring until it is aborted.
pub async fn record(state: Arc<State>) {
    let mut ticks = interval(STEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first comes at once.
    ticks.tick().await;
    let mut before = Totals::now(&state);
    loop {
        ticks.tick().await;
        let now = Totals::now(&state);
        let latency = now.latency.since(&before.latency);
        let sample = Sample {
            at_ms: wall_ms(),
            calls: now.calls.saturating_sub(before.calls),
            errors: now.errors.saturating_sub(before.errors),
            p50_us: latency.percentile(0.50),
            p95_us: latency.percentile(0.95),
            p99_us: latency.percentile(0.99),
            waiting: state.parts.backends.iter().map(|bus| bus.waiting()).sum(),
            connections: state.buses().map(|bus| bus.connections()).sum(),
            messages_in: now.messages_in.saturating_sub(before.messages_in),
            messages_out: now.messages_out.saturating_sub(before.messages_out),
        };
        let mut ring = state.history.0.lock();
        if ring.len() == SAMPLES {
            ring.pop_front();
        }
        ring.push_back(sample);
        drop(ring);
        before = now;
    }
}
