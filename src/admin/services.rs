//! `GET /api/v1/services`: what workers serve on the backends, how many there
//! are, what waits, and how long it takes.

use std::collections::HashMap;
use std::sync::Arc;

use axum::{Json, extract};
use serde::Serialize;

use super::State;
use super::reply::Reply;
use crate::bus::{Bus, ServiceStats};

/// A service with what its queues hold now.
pub struct Service {
    pub stats: Arc<ServiceStats>,
    pub workers: usize,
    pub waiting: usize,
    pub held: usize,
}

#[derive(Serialize)]
pub struct Services {
    services: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    backend: String,
    name: String,
    workers: usize,
    waiting: usize,
    held: usize,
    calls: u64,
    errors: u64,
    redelivered: u64,
    wait_p50_us: u64,
    wait_p99_us: u64,
    p50_us: u64,
    p95_us: u64,
    p99_us: u64,
}

pub async fn services(extract::State(state): extract::State<Arc<State>>) -> Reply<Services> {
    state.walk(|state| Services { services: rows(state) }).await.map(Json)
}

fn rows(state: &State) -> Vec<Row> {
    let backends = state.parts.backends.iter();
    let services = backends.flat_map(|bus| services_of(bus).into_iter().map(move |service| (bus, service)));
    services.map(|(bus, service)| row(bus, &service)).collect()
}

fn row(bus: &Bus, service: &Service) -> Row {
    let Service { stats, workers, waiting, held } = service;
    let (wait, latency) = (stats.wait.counts(), stats.latency.counts());
    Row {
        backend: bus.id().to_owned(),
        name: stats.name.to_string(),
        workers: *workers,
        waiting: *waiting,
        held: *held,
        calls: stats.calls.get(),
        errors: stats.errors.get(),
        redelivered: stats.redelivered.get(),
        wait_p50_us: wait.percentile(0.50),
        wait_p99_us: wait.percentile(0.99),
        p50_us: latency.percentile(0.50),
        p95_us: latency.percentile(0.95),
        p99_us: latency.percentile(0.99),
    }
}

/// The services of a bus by name; those past its limit are one, the last.
pub fn services_of(bus: &Bus) -> Vec<Service> {
    let known = bus.services();
    let mut places: HashMap<Box<str>, usize> = HashMap::new();
    let mut other = None;
    let mut services = Vec::with_capacity(known.len());
    for (at, (filter, stats)) in known.into_iter().enumerate() {
        match filter {
            Some(filter) => drop(places.insert(filter, at)),
            None => other = Some(at),
        }
        services.push(Service { stats, workers: 0, waiting: 0, held: 0 });
    }
    let prefix = format!("req/{}/", bus.role());
    for queue in bus.queues() {
        let other = other.filter(|_| queue.filter.starts_with(&prefix));
        let service = places.get(&queue.filter).copied().or(other).and_then(|at| services.get_mut(at));
        if let Some(service) = service {
            service.workers += queue.members;
            service.waiting += queue.waiting;
            service.held += queue.held;
        }
    }
    services
}
