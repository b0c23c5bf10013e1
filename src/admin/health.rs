//! `/healthz`: the process is alive. `/readyz`: it does its work, or why not.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract;
use axum::http::StatusCode;

use super::State;

pub async fn alive() -> &'static str {
    "ok\n"
}

pub async fn ready(extract::State(state): extract::State<Arc<State>>) -> (StatusCode, String) {
    let reasons = state.not_ready();
    match reasons.is_empty() {
        true => (StatusCode::OK, "ready\n".into()),
        false => (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n"),
    }
}

impl State {
    /// Why it can't do its work; empty: it can.
    pub fn not_ready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.stopping.load(Ordering::Acquire) {
            reasons.push("skep is stopping".to_owned());
        }
        for bus in self.buses().filter(|bus| !bus.is_accepting()) {
            reasons.push(format!("bus {} takes no connections", bus.id()));
        }
        if let Some(trouble) = self.parts.bindings.trouble() {
            reasons.push(trouble.to_string());
        }
        reasons
    }
}
