//! `/api/v1/sessions`, `session`, `session/unbind` and `addresses`: who is bound,
//! and forgetting one session or all of an address.

use std::sync::Arc;

use axum::{Json, extract};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::State;
use super::reply::{Body, Error, Listing, Query, Reply};
use crate::bindings::{JournalError, SessionInfo};
use crate::bus::has;

#[derive(Serialize)]
pub struct Sessions {
    total: usize,
    sessions: Vec<Session>,
}

#[derive(Serialize)]
pub struct Session {
    caller: String,
    frontend: String,
    address: Option<String>,
    auth: String,
    expires_in_s: u32,
    connected: bool,
}

#[derive(Serialize)]
pub struct Addresses {
    total: usize,
    addresses: Vec<Address>,
}

#[derive(Serialize)]
struct Address {
    address: String,
    sessions: usize,
}

#[derive(Deserialize)]
pub struct Caller {
    caller: String,
}

/// One of the two.
#[derive(Deserialize)]
pub struct Unbind {
    caller: Option<String>,
    address: Option<String>,
}

#[derive(Serialize)]
pub struct Unbound {
    /// Sessions that there were, and are no more.
    unbound: usize,
}

pub async fn list(
    extract::State(state): extract::State<Arc<State>>,
    Query(listing): Query<Listing>,
) -> Reply<Sessions> {
    let made = state.walk(move |state| {
        let matches = |text: &str| has(text, &listing.search);
        let (total, found) = state.parts.bindings.sessions(matches, listing.offset, listing.limit());
        Sessions { total, sessions: found.into_iter().map(|info| state.session(info)).collect() }
    });
    made.await.map(Json)
}

pub async fn one(extract::State(state): extract::State<Arc<State>>, Query(of): Query<Caller>) -> Reply<Session> {
    let info = state.parts.bindings.session(&of.caller);
    let info = info.ok_or_else(|| Error::not_found(format!("caller {:?} is not bound", of.caller)))?;
    Ok(Json(state.session(info)))
}

pub async fn addresses(
    extract::State(state): extract::State<Arc<State>>,
    Query(listing): Query<Listing>,
) -> Reply<Addresses> {
    let made = state.walk(move |state| {
        let matches = |text: &str| has(text, &listing.search);
        let (total, found) = state.parts.bindings.addresses(matches, listing.offset, listing.limit());
        Addresses {
            total,
            addresses: found.into_iter().map(|(address, sessions)| Address { address, sessions }).collect(),
        }
    });
    made.await.map(Json)
}

pub async fn unbind(extract::State(state): extract::State<Arc<State>>, Body(what): Body<Unbind>) -> Reply<Unbound> {
    let bindings = &state.parts.bindings;
    let (done, on_disk) = oneshot::channel();
    // Nobody waits any more if the caller has gone; it is done all the same.
    let done = move |outcome: Result<usize, JournalError>| drop(done.send(outcome));
    match (&what.caller, &what.address) {
        (Some(caller), None) => {
            tracing::info!(caller, "unbound by the operator");
            bindings.unbind_caller_counted(caller, done);
        }
        (None, Some(address)) => {
            tracing::info!(address, "unbound by the operator");
            bindings.unbind_address_counted(address, done);
        }
        _ => return Err(Error::bad("give either \"caller\" or \"address\"")),
    }
    match on_disk.await {
        Ok(Ok(unbound)) => Ok(Json(Unbound { unbound })),
        Ok(Err(error)) => Err(Error::unavailable(error.to_string())),
        Err(_) => Err(Error::broken()),
    }
}

impl State {
    fn session(&self, info: SessionInfo) -> Session {
        let SessionInfo { caller, frontend, topic, address, auth, expires_in_s } = info;
        let client = topic.strip_prefix("priv/");
        let bus = self.parts.frontends.iter().find(|bus| bus.id() == frontend);
        let connected = bus.zip(client).is_some_and(|(bus, client)| bus.has_client(client));
        Session { caller, frontend, address, auth, expires_in_s, connected }
    }
}
