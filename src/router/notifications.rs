//! Notifications: from a worker to everybody on the frontends, or to all
//! devices of one address.

use std::sync::Arc;

use crate::bus::{Batch, EventKind, Hook, Inbound, Message, Publication, Undeliverable};
use crate::mqtt::{Reason, valid_topic};

use super::Core;
use super::names::split_address;

/// Takes from `msg/{frontend role}-{lane}` on a backend.
pub struct Notifications {
    core: Arc<Core>,
    /// Bus id of that backend.
    backend: Box<str>,
    frontend_role: Box<str>,
}

impl Notifications {
    pub fn new(core: &Arc<Core>, backend: &str, frontend_role: &str) -> Notifications {
        Notifications { core: Arc::clone(core), backend: backend.into(), frontend_role: frontend_role.into() }
    }

    fn broadcast(&self, topic: &str, publish: &Inbound<'_>, batch: &mut Batch) -> usize {
        self.core.stats.broadcasts.add(1);
        let notification = notification(topic, publish);
        self.core.frontends_of(&self.frontend_role).map(|bus| bus.publish(&notification, batch).reached).sum()
    }

    fn unicast(&self, address: &str, publish: &Inbound<'_>, batch: &mut Batch) -> usize {
        self.core.stats.unicasts.add(1);
        let address = format!("{}.{address}", self.frontend_role);
        let mut reached = 0;
        self.core.bindings.at(&address, |topic, frontend| {
            if let Some(bus) = self.core.frontend(frontend) {
                reached += bus.publish(&notification(topic, publish), batch).reached;
            }
        });
        if reached == 0 {
            self.core.stats.unicasts_to_nobody.add(1);
        }
        reached
    }
}

fn notification<'a>(topic: &'a str, publish: &Inbound<'a>) -> Publication<'a> {
    let mut notification = Publication::new(topic, &[], publish.payload);
    notification.qos = publish.qos;
    notification.expires_at = publish.expires_at;
    notification
}

impl Hook for Notifications {
    fn publish(&self, publish: &Inbound<'_>, batch: &mut Batch) -> Reason {
        let fwd_to = publish.properties.user().get("fwd_to").unwrap_or_default();
        let (topic, address) = match fwd_to.split_once('@') {
            Some((topic, address)) => (topic, Some(address)),
            None => (fwd_to, None),
        };
        let known_address = address.is_none_or(|address| split_address(&format!("x.{address}")).is_some());
        if !valid_topic(topic) || topic.starts_with('$') || !known_address {
            self.core.stats.refused_fwd_to.add(1);
            let why = "fwd_to is not msg/{frontend role}/{service}/{method}[@{address}]";
            let what = format!("notification for {fwd_to}");
            self.core.events.add(EventKind::Refused, &self.backend, publish.client, &what, why);
            tracing::debug!(
                client = publish.client,
                fwd_to,
                "notification dropped: fwd_to is not msg/{{frontend role}}/{{service}}/{{method}}[@{{address}}]"
            );
            return Reason::TopicNameInvalid;
        }
        let reached = match address {
            Some(address) => self.unicast(address, publish, batch),
            None => self.broadcast(topic, publish, batch),
        };
        if reached == 0 { Reason::NoMatchingSubscribers } else { Reason::Success }
    }

    fn undeliverable(&self, _message: &Arc<Message>, _why: Undeliverable, _batch: &mut Batch) {
        // Notifications do not wait.
    }
}
