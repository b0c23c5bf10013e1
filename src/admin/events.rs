//! `GET /api/v1/events`: the last things that went wrong, newest first.

use std::sync::Arc;

use axum::{Json, extract};
use serde::{Deserialize, Serialize};

use super::State;
use super::reply::{Query, Reply};
use crate::bus::Event;

#[derive(Serialize)]
pub struct Events {
    events: Vec<Event>,
}

#[derive(Deserialize)]
pub struct Limit {
    #[serde(default = "usual_limit")]
    limit: usize,
}

fn usual_limit() -> usize {
    100
}

/// Events of one answer; each part keeps as many.
const MAX_EVENTS: usize = 256;

pub async fn events(extract::State(state): extract::State<Arc<State>>, Query(of): Query<Limit>) -> Reply<Events> {
    let mut events: Vec<Event> = state.buses().flat_map(|bus| bus.events().list()).collect();
    events.extend(state.parts.router.events().list());
    events.sort_by_key(|event| std::cmp::Reverse(event.at_ms));
    events.truncate(of.limit.min(MAX_EVENTS));
    Ok(Json(Events { events }))
}
