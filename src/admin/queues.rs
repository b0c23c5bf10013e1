//! `GET /api/v1/queues`: work queues of all buses, the fullest first.

use std::sync::Arc;

use axum::{Json, extract};
use serde::Serialize;

use super::State;
use super::reply::Reply;
use crate::bus::QueueInfo;

#[derive(Serialize)]
pub struct Queues {
    queues: Vec<Queue>,
}

#[derive(Serialize)]
struct Queue {
    bus: String,
    group: Box<str>,
    filter: Box<str>,
    members: usize,
    waiting: usize,
    bytes: usize,
    held: usize,
    oldest_ms: u64,
}

pub async fn queues(extract::State(state): extract::State<Arc<State>>) -> Reply<Queues> {
    state.walk(|state| Queues { queues: queues_of(state) }).await.map(Json)
}

fn queues_of(state: &State) -> Vec<Queue> {
    let mut queues: Vec<Queue> = state
        .buses()
        .flat_map(|bus| bus.queues().into_iter().map(move |queue| (bus.id(), queue)))
        .map(|(bus, queue)| {
            let QueueInfo { group, filter, members, waiting, bytes, held, oldest_ms } = queue;
            Queue { bus: bus.to_owned(), group, filter, members, waiting, bytes, held, oldest_ms }
        })
        .collect();
    queues.sort_by(|a, b| {
        (b.waiting, b.held).cmp(&(a.waiting, a.held)).then_with(|| (&a.filter, &a.group).cmp(&(&b.filter, &b.group)))
    });
    // A client can be a member of many queues that nobody else knows of.
    queues.truncate(MAX_QUEUES);
    queues
}

/// Queues of one answer.
const MAX_QUEUES: usize = 1_000;
