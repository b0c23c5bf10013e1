//! `/api/v1/clients`, `client` and `client/kick`: who is connected to which bus.

use std::sync::Arc;

use axum::{Json, extract};
use serde::{Deserialize, Serialize};

use super::reply::{Body, Error, Listing, Query, Reply};
use super::{State, wall_ms};
use crate::bus::{Bus, ClientInfo, FilterInfo, Page, Transport};
use crate::mqtt::Version;

#[derive(Serialize)]
pub struct Clients {
    total: usize,
    clients: Vec<Client>,
}

#[derive(Serialize)]
struct Client {
    bus: String,
    id: String,
    user: String,
    peer: String,
    listener: Box<str>,
    transport: &'static str,
    protocol: &'static str,
    /// Only those that are connected are listed.
    connected: bool,
    /// Whether it has a session: only clients of a frontend can.
    bound: bool,
    since_ms: u64,
    subscriptions: usize,
    inflight: usize,
    held: usize,
    held_bytes: usize,
    messages_in: u64,
    messages_out: u64,
}

#[derive(Serialize)]
pub struct ClientWithFilters {
    #[serde(flatten)]
    client: Client,
    filters: Vec<Filter>,
}

#[derive(Serialize)]
struct Filter {
    filter: Box<str>,
    qos: u8,
    no_local: bool,
    retain_as_published: bool,
    subscription_id: Option<u32>,
}

/// Restricts a list to one bus.
#[derive(Deserialize)]
pub struct OfBus {
    #[serde(default)]
    bus: String,
}

/// What names a client.
#[derive(Deserialize)]
pub struct Name {
    bus: String,
    id: String,
}

#[derive(Serialize)]
pub struct Kicked {
    kicked: bool,
}

pub async fn list(
    extract::State(state): extract::State<Arc<State>>,
    Query(of): Query<OfBus>,
    Query(listing): Query<Listing>,
) -> Reply<Clients> {
    if !of.bus.is_empty() {
        state.bus_or_error(&of.bus)?;
    }
    state.walk(move |state| clients(state, &of.bus, &listing)).await.map(Json)
}

fn clients(state: &State, only: &str, listing: &Listing) -> Clients {
    let mut found = Clients { total: 0, clients: Vec::new() };
    for bus in state.buses().filter(|bus| only.is_empty() || bus.id() == only) {
        let offset = listing.offset.saturating_sub(found.total);
        let limit = listing.limit() - found.clients.len();
        let Page { total, items } = bus.clients(&listing.search, offset, limit);
        found.total += total;
        found.clients.extend(items.into_iter().map(|info| state.client(bus, info)));
    }
    found
}

pub async fn one(
    extract::State(state): extract::State<Arc<State>>,
    Query(name): Query<Name>,
) -> Reply<ClientWithFilters> {
    let bus = state.bus_or_error(&name.bus)?;
    let (info, filters) = bus.client(&name.id).ok_or_else(|| name.not_connected())?;
    let filters = filters.into_iter().map(Filter::from).collect();
    Ok(Json(ClientWithFilters { client: state.client(bus, info), filters }))
}

pub async fn kick(extract::State(state): extract::State<Arc<State>>, Body(name): Body<Name>) -> Reply<Kicked> {
    if !state.bus_or_error(&name.bus)?.kick(&name.id) {
        return Err(name.not_connected());
    }
    tracing::info!(bus = name.bus, client = name.id, "disconnected by the operator");
    Ok(Json(Kicked { kicked: true }))
}

impl Name {
    fn not_connected(&self) -> Error {
        Error::not_found(format!("no client {:?} is connected to bus {}", self.id, self.bus))
    }
}

impl State {
    fn client(&self, bus: &Bus, info: ClientInfo) -> Client {
        Client {
            bus: bus.id().to_owned(),
            id: info.id.to_string(),
            user: info.user.to_string(),
            peer: info.peer.to_string(),
            listener: (*info.listener).into(),
            transport: match (info.transport, info.tls) {
                (Transport::Tcp, false) => "tcp",
                (Transport::Tcp, true) => "tls",
                (Transport::Ws, false) => "ws",
                (Transport::Ws, true) => "wss",
            },
            protocol: match info.version {
                Version::V5 => "MQTT 5",
                Version::V311 => "MQTT 3.1.1",
            },
            connected: true,
            bound: self.parts.bindings.is_bound(&info.id, bus.id()),
            since_ms: wall_ms().saturating_sub(info.connected_for_ms),
            subscriptions: info.subscriptions,
            inflight: info.inflight,
            held: info.held,
            held_bytes: info.held_bytes,
            messages_in: info.messages_in,
            messages_out: info.messages_out,
        }
    }
}

impl From<FilterInfo> for Filter {
    fn from(info: FilterInfo) -> Filter {
        Filter {
            filter: info.filter,
            qos: info.qos as u8,
            no_local: info.no_local,
            retain_as_published: info.retain_as_published,
            subscription_id: (info.subscription_id != 0).then_some(info.subscription_id),
        }
    }
}
