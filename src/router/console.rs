//! Calls that the operator makes on a backend, in memory: the request is
//! published as any other, and the response caught on a topic of its own.

use std::time::Duration;

use ahash::AHashMap;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::oneshot;

use crate::bus::{Batch, Bus, Hook, Inbound, Message, Publication, Undeliverable, now_ms};
use crate::client::inflate::inflated;
use crate::mqtt::{QoS, Reason, write_response_topic};

use super::names::is_request_topic;
use super::{Core, Router, jsonrpc};

/// Where workers send their responses.
pub const TOPIC: &str = "res/_console";

/// Calls under way at once.
const MAX_CALLS: usize = 64;

/// Largest response taken, uncompressed, in bytes.
const MAX_RESPONSE: usize = 4 * 1024 * 1024;

/// Calls that wait for their response, by the id of the request.
#[derive(Default)]
pub struct Console(Mutex<AHashMap<String, oneshot::Sender<Value>>>);

/// Why a call was not made.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("the router is switched off (router.enabled)")]
    Off,
    #[error("there is no backend {0:?}")]
    NoBackend(String),
    #[error("{0:?} is not a service and a method, such as myapp.str.uc")]
    Method(String),
    #[error("{MAX_CALLS} calls are under way: wait until one has ended")]
    TooMany,
}

/// Takes the place of a call among those under way, until it is dropped.
struct Place<'a> {
    console: &'a Console,
    id: &'a str,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.console.0.lock().remove(self.id);
    }
}

impl Console {
    /// A response, or an error in the place of one. Those that nobody waits for
    /// any more are dropped.
    pub fn answered(&self, payload: &[u8]) {
        #[derive(Deserialize)]
        struct Envelope {
            id: String,
        }
        if self.0.lock().is_empty() {
            return;
        }
        let Ok(payload) = inflated(payload, MAX_RESPONSE) else { return };
        let Ok(Envelope { id }) = serde_json::from_slice(&payload) else { return };
        let Some(caller) = self.0.lock().remove(&id) else { return };
        if let Ok(response) = serde_json::from_slice(&payload) {
            // The caller may have given up just now.
            let _ = caller.send(response);
        }
    }
}

impl Router {
    /// Calls a method on a backend (`None`: the first one) and waits for the
    /// response: a JSON-RPC response object, which is a timeout error if none
    /// came in time. The call carries no authorization data.
    ///
    /// # Errors
    /// The call can't be made.
    pub async fn call(
        &self,
        backend: Option<&str>,
        method: &str,
        params: Value,
        time: Duration,
    ) -> Result<Value, CallError> {
        let core = &*self.0;
        if !core.settings.enabled {
            return Err(CallError::Off);
        }
        let backends = core.buses.get().map_or(&[][..], |buses| &buses.backends);
        let found = backends.iter().find(|bus| backend.is_none_or(|id| bus.id() == id));
        let bus = found.ok_or_else(|| CallError::NoBackend(backend.unwrap_or_default().to_owned()))?;
        let service = method
            .rsplit_once('.')
            .filter(|(_, name)| !name.is_empty() && !method.contains('/'))
            .map(|(service, _)| service);
        let topic = service.map(|service| format!("req/{}/{}", bus.role(), service.replace('.', "/")));
        let topic = topic.filter(|topic| is_request_topic(topic));
        let topic = topic.ok_or_else(|| CallError::Method(method.to_owned()))?;

        let id = crate::random::client_id();
        let (caller, answer) = oneshot::channel();
        {
            let mut calls = core.console.0.lock();
            if calls.len() >= MAX_CALLS {
                return Err(CallError::TooMany);
            }
            calls.insert(id.clone(), caller);
        }
        let _place = Place { console: &core.console, id: &id };
        let mut request = json!({ "jsonrpc": "2.0", "method": method, "id": id });
        if !params.is_null() {
            request["params"] = params;
        }
        core.publish_call(bus, &topic, &request.to_string(), time);
        match tokio::time::timeout(time, answer).await {
            Ok(Ok(response)) => Ok(response),
            _ => Ok(json!({ "jsonrpc": "2.0", "id": id, "error": jsonrpc::REQUEST_TIMEOUT })),
        }
    }
}

impl Core {
    fn publish_call(&self, bus: &Bus, topic: &str, request: &str, time: Duration) {
        let mut properties = Vec::new();
        write_response_topic(&mut properties, TOPIC);
        let mut publication = Publication::new(topic, &properties, request.as_bytes());
        publication.qos = QoS::AtLeastOnce;
        publication.answerable = true;
        publication.expires_at = now_ms() + time.as_millis() as u64;
        let mut batch = Batch::new();
        if bus.publish(&publication, &mut batch).full {
            self.answer_error(bus, TOPIC, None, request.as_bytes(), jsonrpc::OVERLOADED, &mut batch);
        }
        batch.flush();
    }
}

/// Takes from [`TOPIC`] on a backend.
pub struct Answers(pub Arc<Core>);

impl Hook for Answers {
    fn publish(&self, publish: &Inbound<'_>, _batch: &mut Batch) -> Reason {
        self.0.console.answered(publish.payload);
        Reason::Success
    }

    fn undeliverable(&self, _message: &Arc<Message>, _why: Undeliverable, _batch: &mut Batch) {
        // Responses do not wait.
    }
}
