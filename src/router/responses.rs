//! Responses: from a worker to the mailbox of the caller on its frontend.

use std::sync::Arc;

use crate::bus::{Batch, Hook, Inbound, Message, Publication, Undeliverable};
use crate::mqtt::Reason;

use super::Core;
use super::names::split_caller_addr;

/// Takes from `res/{frontend id}-{lane}` on a backend.
pub struct Responses {
    core: Arc<Core>,
    frontend: Box<str>,
}

impl Responses {
    pub fn new(core: &Arc<Core>, frontend: &str) -> Responses {
        Responses { core: Arc::clone(core), frontend: frontend.into() }
    }
}

impl Hook for Responses {
    fn publish(&self, publish: &Inbound<'_>, batch: &mut Batch) -> Reason {
        let addr = publish.properties.user().get("addr").unwrap_or_default();
        let Some((topic, _)) = split_caller_addr(addr) else {
            tracing::debug!(
                client = publish.client,
                addr,
                "response dropped: addr is not priv/{{client id}}@{{frontend id}}"
            );
            return Reason::ImplementationSpecificError;
        };
        let Some(frontend) = self.core.frontend(&self.frontend) else { return Reason::NoMatchingSubscribers };
        // The payload passes untouched; it may be compressed.
        let mut response = Publication::new(topic, &[], publish.payload);
        response.qos = publish.qos;
        response.expires_at = publish.expires_at;
        self.core.stats.responses.add(1);
        let published = frontend.publish(&response, batch);
        if published.reached == 0 {
            self.core.stats.responses_to_nobody.add(1);
        }
        published.reason()
    }

    fn undeliverable(&self, _message: &Arc<Message>, _why: Undeliverable, _batch: &mut Batch) {
        // Responses do not wait.
    }
}
