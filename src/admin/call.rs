//! `POST /api/v1/call`: a call made on a backend, and its response.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::{Json, extract};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::State;
use super::reply::{Body, Error, Reply};
use crate::router::CallError;

#[derive(Deserialize)]
pub struct Call {
    method: String,
    #[serde(default)]
    params: Value,
    #[serde(default = "usual_timeout")]
    timeout_ms: u64,
    backend: Option<String>,
}

fn usual_timeout() -> u64 {
    10_000
}

/// The longest that a call may take, in ms.
const MAX_TIMEOUT: u64 = 60_000;

#[derive(Serialize)]
pub struct Answer {
    response: Value,
    took_us: u64,
}

pub async fn call(extract::State(state): extract::State<Arc<State>>, Body(call): Body<Call>) -> Reply<Answer> {
    if !(1..=MAX_TIMEOUT).contains(&call.timeout_ms) {
        return Err(Error::bad(format!("timeout_ms has to be from 1 to {MAX_TIMEOUT}, given {}", call.timeout_ms)));
    }
    // JSON-RPC 2.0, 4.2: parameters are a structured value.
    if !(call.params.is_object() || call.params.is_array() || call.params.is_null()) {
        return Err(Error::bad("params has to be an object or a list"));
    }
    let time = Duration::from_millis(call.timeout_ms);
    let began = Instant::now();
    let response = state.parts.router.call(call.backend.as_deref(), &call.method, call.params, time).await;
    let took_us = began.elapsed().as_micros() as u64;
    response.map(|response| Json(Answer { response, took_us })).map_err(Error::from)
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Error {
        let status = match error {
            CallError::NoBackend(_) => StatusCode::NOT_FOUND,
            CallError::Method(_) => StatusCode::BAD_REQUEST,
            CallError::Off | CallError::TooMany => StatusCode::SERVICE_UNAVAILABLE,
        };
        Error::new(status, error.to_string())
    }
}
