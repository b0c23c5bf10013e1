//! `GET /api/v1/overview`: the whole at a glance.

use std::sync::Arc;

use axum::{Json, extract};
use serde::Serialize;

use super::State;
use super::reply::Reply;
use crate::bus::Bus;
use crate::skep::Kind;

#[derive(Serialize)]
pub struct Overview {
    version: &'static str,
    pid: u32,
    started_ms: u64,
    uptime_s: u64,
    ready: bool,
    buses: Vec<BusOverview>,
    router: RouterOverview,
    bindings: BindingsOverview,
}

#[derive(Serialize)]
struct BusOverview {
    kind: Kind,
    id: String,
    role: String,
    engine: crate::bus::Engine,
    listeners: Vec<ListenerOverview>,
    connections: usize,
    sessions: usize,
    subscriptions: usize,
    retained: usize,
    messages_in: u64,
    messages_out: u64,
    bytes_in: u64,
    bytes_out: u64,
    dropped: u64,
    denied: u64,
}

#[derive(Serialize)]
struct ListenerOverview {
    name: String,
    url: String,
}

#[derive(Serialize)]
struct RouterOverview {
    requests: u64,
    responses: u64,
    broadcasts: u64,
    unicasts: u64,
    errors_answered: u64,
    refused: u64,
    overloaded: u64,
    unicasts_to_nobody: u64,
    responses_to_nobody: u64,
    unauthorized_calls: u64,
}

#[derive(Serialize)]
struct BindingsOverview {
    sessions: usize,
    addresses: usize,
}

pub async fn overview(extract::State(state): extract::State<Arc<State>>) -> Reply<Overview> {
    let backends = state.parts.backends.iter().map(|bus| state.bus_overview(Kind::Backend, bus));
    let frontends = state.parts.frontends.iter().map(|bus| state.bus_overview(Kind::Frontend, bus));
    let router = state.parts.router.stats();
    let bindings = &state.parts.bindings;
    Ok(Json(Overview {
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        started_ms: state.started_ms,
        uptime_s: state.started.elapsed().as_secs(),
        ready: state.not_ready().is_empty(),
        buses: backends.chain(frontends).collect(),
        router: RouterOverview {
            requests: router.requests.get(),
            responses: router.responses.get(),
            broadcasts: router.broadcasts.get(),
            unicasts: router.unicasts.get(),
            errors_answered: router.errors_answered.get(),
            refused: router.refused_response_topic.get() + router.refused_fwd_to.get(),
            overloaded: router.overloaded.get(),
            unicasts_to_nobody: router.unicasts_to_nobody.get(),
            responses_to_nobody: router.responses_to_nobody.get(),
            unauthorized_calls: router.unauthorized_calls.get(),
        },
        bindings: BindingsOverview { sessions: bindings.len(), addresses: bindings.addresses_len() },
    }))
}

impl State {
    fn bus_overview(&self, kind: Kind, bus: &Bus) -> BusOverview {
        let listeners = self.parts.listeners.iter().filter(|bound| bound.bus == bus.id());
        let stats = bus.stats();
        BusOverview {
            kind,
            id: bus.id().to_owned(),
            role: bus.role().to_owned(),
            engine: bus.settings().topics.engine,
            listeners: listeners.map(|b| ListenerOverview { name: b.name.clone(), url: b.url() }).collect(),
            connections: bus.connections(),
            sessions: bus.sessions(),
            subscriptions: bus.topic_filters(),
            retained: bus.retained().0,
            messages_in: stats.messages_in.get(),
            messages_out: stats.messages_out.get(),
            bytes_in: stats.bytes_in.get(),
            bytes_out: stats.bytes_out.get(),
            dropped: stats.dropped(),
            denied: stats.denied_publish.get() + stats.denied_subscribe.get(),
        }
    }
}
