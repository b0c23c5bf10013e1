//! Requests: from a client on a frontend to a service on a backend.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::bus::{Batch, Bus, EventKind, Hook, Inbound, Message, Publication, Undeliverable};
use crate::mqtt::{QoS, Reason, write_response_topic, write_user_property, write_user_property_of};

use super::Core;
use super::jsonrpc::{INVALID_REQUEST, NOT_AVAILABLE, OVERLOADED, RpcError, SHUTTING_DOWN};
use super::names::{is_caller_id, is_request_topic};

/// Takes from `req/{backend role}-{lane}` on one frontend.
pub struct Requests {
    core: Arc<Core>,
    frontend: Box<str>,
    backend_role: Box<str>,
    /// Where workers send the responses: `res/{frontend id}-{lane}`.
    response_topic: Box<str>,
    /// Backends of one role take turns.
    turn: AtomicUsize,
}

thread_local! {
    /// Properties of the request that is being routed.
    static PROPERTIES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Requests {
    pub fn new(core: &Arc<Core>, frontend: &str, backend_role: &str, lane: u8) -> Requests {
        Requests {
            core: Arc::clone(core),
            frontend: frontend.into(),
            backend_role: backend_role.into(),
            response_topic: format!("res/{frontend}-{lane}").into(),
            turn: AtomicUsize::new(0),
        }
    }

    fn backend(&self) -> Option<&Bus> {
        let backends = &self.core.buses.get()?.backends;
        if let [only] = &backends[..] {
            return Some(only).filter(|bus| bus.role() == &*self.backend_role);
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let of_role: Vec<_> = backends.iter().filter(|bus| bus.role() == &*self.backend_role).collect();
        of_role.get(turn % of_role.len().max(1)).copied()
    }

    /// Tells the caller why its request goes no further.
    fn answer(&self, publish: &Inbound<'_>, error: RpcError<'_>, batch: &mut Batch) {
        let fwd_to = publish.properties.user().get("fwd_to").unwrap_or_default();
        self.core.note_error(&self.frontend, publish.client, fwd_to, &error);
        if let (Some(frontend), Some(topic)) = (self.core.frontend(&self.frontend), publish.properties.response_topic) {
            self.core.answer_error(frontend, topic, None, publish.payload, error, batch);
        }
    }
}

impl Hook for Requests {
    fn publish(&self, publish: &Inbound<'_>, batch: &mut Batch) -> Reason {
        let stats = &self.core.stats;
        // Else one client could make calls in another's name.
        let own = publish.properties.response_topic.and_then(|topic| topic.strip_prefix("priv/"));
        if own != Some(publish.client) || !is_caller_id(publish.client) {
            stats.refused_response_topic.add(1);
            let given = publish.properties.response_topic.unwrap_or("none");
            let why = "the response topic is not the sender's own mailbox";
            self.core.events.add(
                EventKind::Refused,
                &self.frontend,
                publish.client,
                &format!("request with response topic {given}"),
                why,
            );
            tracing::debug!(
                bus = &*self.frontend,
                client = publish.client,
                response_topic = publish.properties.response_topic,
                "request refused: its response topic has to be priv/{{client id}}, with a client id of 16 to 23 letters, digits or _"
            );
            return Reason::NotAuthorized;
        }
        let fwd_to = publish.properties.user().get("fwd_to").unwrap_or_default();
        if !is_request_topic(fwd_to) {
            stats.refused_fwd_to.add(1);
            let data = "fwd_to is not req/{backend role}/{service}";
            self.answer(publish, RpcError { data: Some(data), ..INVALID_REQUEST }, batch);
            return Reason::TopicNameInvalid;
        }
        if self.core.stopping.load(Ordering::Acquire) {
            self.answer(publish, SHUTTING_DOWN, batch);
            return Reason::ImplementationSpecificError;
        }
        let Some(backend) = self.backend() else {
            self.answer(publish, NOT_AVAILABLE, batch);
            return Reason::ImplementationSpecificError;
        };
        stats.requests.add(1);
        let published = PROPERTIES.with_borrow_mut(|properties| {
            properties.clear();
            self.write_properties(publish.client, properties);
            let mut request = Publication::new(fwd_to, properties, publish.payload);
            request.qos = QoS::AtLeastOnce;
            request.expires_at = publish.expires_at;
            request.answerable = true;
            backend.publish(&request, batch)
        });
        if published.full {
            stats.overloaded.add(1);
            self.answer(publish, OVERLOADED, batch);
            return Reason::QuotaExceeded;
        }
        Reason::Success
    }

    fn undeliverable(&self, _message: &Arc<Message>, _why: Undeliverable, _batch: &mut Batch) {
        // Requests wait on the backend, see `super::calls`.
    }
}

impl Requests {
    /// Who calls, where the response goes, and what a worker has bound to the
    /// caller. Nothing that the client set itself is passed on.
    fn write_properties(&self, client: &str, out: &mut Vec<u8>) {
        write_response_topic(out, &self.response_topic);
        write_user_property(out, "clid", client);
        write_user_property_of(out, "addr", &["priv/", client, "@", &self.frontend]);
        self.core.bindings.touch(client, |auth| {
            if !auth.is_empty() {
                write_user_property(out, "auth", auth);
            }
        });
    }
}
