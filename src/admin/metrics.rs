//! `GET /metrics`: what the parts count, in Prometheus' text format. Read from
//! them at each scrape; nothing is counted twice. `docs/metrics.md` has a row
//! for each name, which a test compares with what is served.

/// The families whose values are counters of a part, as tables.
mod counters;
/// Writing a family.
mod family;
/// What the process takes of the system.
mod process;

use std::fmt;
use std::sync::Arc;

use axum::extract;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text};
use prometheus_client::registry::Registry;

use super::State;
use super::reply::Error;
use super::services::{Service, services_of};
use crate::bus::Bus;
use counters::{BUS_COUNTERS, JOURNAL_COUNTERS, ROUTER_COUNTERS};
use family::{Family, Labels};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub async fn metrics(extract::State(state): extract::State<Arc<State>>) -> Result<Response, Error> {
    let made = state.walk_shared(|state| {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Metrics(state)));
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry).map(|()| text)
    });
    let text = made.await?.map_err(|_| Error::broken())?;
    Ok(([(CONTENT_TYPE, TEXT)], text).into_response())
}

struct Metrics(Arc<State>);

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let state = &*self.0;
        process::encode(state, &mut encoder)?;
        buses(state, &mut encoder)?;
        queues(state, &mut encoder)?;
        services(state, &mut encoder)?;
        router(state, &mut encoder)?;
        bindings(state, &mut encoder)
    }
}

/// Each bus with its labels.
fn labelled(state: &State) -> impl Iterator<Item = (&Bus, [(&'static str, &str); 2])> {
    let backends = state.parts.backends.iter().map(|bus| ("backend", bus));
    let frontends = state.parts.frontends.iter().map(|bus| ("frontend", bus));
    backends.chain(frontends).map(|(kind, bus)| (bus, [("bus", bus.id()), ("kind", kind)]))
}

fn buses(state: &State, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    for counters in BUS_COUNTERS {
        counters.encode(to, labelled(state).map(|(bus, labels)| (bus.stats(), labels)))?;
    }
    type Gauge = fn(&Bus) -> u64;
    let gauges: [(&str, &str, Gauge); 8] = [
        ("skep_connections", "Connections now, those without CONNECT included.", |bus| bus.connections() as u64),
        ("skep_sessions", "Sessions now, those of clients that are away included.", |bus| bus.sessions() as u64),
        ("skep_sessions_away", "Sessions whose client is away.", |bus| bus.sessions_away() as u64),
        ("skep_sessions_away_bytes", "Bytes held for clients that are away.", |bus| bus.away_bytes() as u64),
        ("skep_topic_filters", "Distinct topic filters subscribed now, work queues not counted.", |bus| {
            bus.topic_filters() as u64
        }),
        ("skep_memory_used_bytes", "Bytes of messages, unsent bytes, wills and filters held.", |bus| {
            bus.memory_used() as u64
        }),
        ("skep_memory_limit_bytes", "How many it may hold.", |bus| bus.memory_limit() as u64),
        ("skep_retained_messages", "Retained messages now.", |bus| bus.retained().0 as u64),
    ];
    for (name, help, value) in gauges {
        Family::gauge(name, help).all(to, labelled(state).map(|(bus, labels)| (labels.to_vec(), value(bus))))?;
    }
    let bytes = labelled(state).map(|(bus, labels)| (labels.to_vec(), bus.retained().1 as u64));
    Family::gauge("skep_retained_bytes", "Bytes of the retained messages.").all(to, bytes)?;
    let delays = labelled(state).filter_map(|(bus, labels)| Some((labels.to_vec(), bus.topics_delay()?)));
    Family::histogram(
        "skep_hub_delay_seconds",
        "Time of a message through rumqttd's router, where that is the engine.",
    )
    .times(to, delays)?;
    let lost = labelled(state).filter(|(bus, _)| bus.topics_delay().is_some());
    Family::counter("skep_hub_lost_messages", "Messages that rumqttd's router dropped because it was behind.")
        .all(to, lost.map(|(bus, labels)| (labels.to_vec(), bus.topics_lost())))
}

fn queues(state: &State, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let mut sums = Vec::new();
    for (bus, labels) in labelled(state) {
        let queues = bus.queues();
        let bytes: usize = queues.iter().map(|queue| queue.bytes).sum();
        let held: usize = queues.iter().map(|queue| queue.held).sum();
        let oldest_ms = queues.iter().map(|queue| queue.oldest_ms).max().unwrap_or(0);
        sums.push((labels.to_vec(), [queues.len(), bus.waiting(), bytes, held], oldest_ms));
    }
    let gauges = [
        ("skep_queues", "Work queues now."),
        ("skep_queue_waiting_messages", "Messages that wait in work queues for a worker with room."),
        ("skep_queue_waiting_bytes", "Bytes of the messages that wait in work queues."),
        ("skep_queue_held_messages", "Messages that workers hold and have not acknowledged."),
    ];
    for (at, (name, help)) in gauges.into_iter().enumerate() {
        Family::gauge(name, help).all(to, sums.iter().map(|(labels, sum, _)| (labels.clone(), sum[at] as u64)))?;
    }
    let oldest = sums.iter().map(|(labels, _, ms)| (labels.clone(), *ms as f64 / 1000.0));
    Family::gauge("skep_queue_oldest_seconds", "How long the first message of any work queue has waited.")
        .all_floats(to, oldest)
}

fn services(state: &State, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let services: Vec<(&str, Service)> = state
        .parts
        .backends
        .iter()
        .flat_map(|bus| services_of(bus).into_iter().map(move |service| (bus.id(), service)))
        .collect();
    let labels = |bus: &'_ str, service: &Service| -> Labels {
        vec![("bus".into(), bus.into()), ("service".into(), service.stats.name.to_string())]
    };
    let labels = &labels;
    type Number = fn(&Service) -> u64;
    let numbers: [(Family, Number); 5] = [
        (Family::gauge("skep_service_workers", "Workers of the service now."), |s| s.workers as u64),
        (Family::gauge("skep_service_waiting_messages", "Requests that wait for a worker with room."), |s| {
            s.waiting as u64
        }),
        (Family::counter("skep_service_calls", "Requests that came for the service."), |s| s.stats.calls.get()),
        (Family::counter("skep_service_errors", "Requests that nobody served, or that were refused."), |s| {
            s.stats.errors.get()
        }),
        (
            Family::counter("skep_service_redeliveries", "Requests given to another worker, as the first went away."),
            |s| s.stats.redelivered.get(),
        ),
    ];
    for (family, value) in numbers {
        family.all_owned(to, services.iter().map(|(bus, service)| (labels(bus, service), value(service))))?;
    }
    let waits = services.iter().map(|(bus, service)| (labels(bus, service), service.stats.wait.counts()));
    Family::histogram("skep_service_wait_seconds", "Time that requests waited to be given to a worker.")
        .times_owned(to, waits)?;
    let latencies = services.iter().map(|(bus, service)| (labels(bus, service), service.stats.latency.counts()));
    Family::histogram("skep_service_latency_seconds", "Time from a request to its worker's PUBACK.")
        .times_owned(to, latencies)
}

fn router(state: &State, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let stats = state.parts.router.stats();
    ROUTER_COUNTERS.iter().try_for_each(|counters| counters.encode(to, [(stats, [])]))
}

fn bindings(state: &State, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let bindings = &state.parts.bindings;
    let stats = bindings.stats();
    JOURNAL_COUNTERS.iter().try_for_each(|counters| counters.encode(to, [(&stats, [])]))?;
    Family::gauge("skep_bindings", "Sessions that are bound.").one(to, &[], bindings.len() as u64)?;
    Family::gauge("skep_bindings_addresses", "Addresses that some session is bound to.").one(
        to,
        &[],
        bindings.address_count() as u64,
    )?;
    Family::histogram("skep_bindings_flush_seconds", "Time to write a batch of changes to disk, sync included.")
        .times(to, [(vec![], bindings.flush_times())])
}
