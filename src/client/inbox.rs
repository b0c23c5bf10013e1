//! What comes by a connection, and to whom it goes: answers to calls,
//! notifications, requests to serve.

use std::sync::Arc;

use parking_lot::Mutex;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Publish};
use tokio::sync::mpsc;

use super::inflate::inflated;
use super::link::Link;
use super::listeners::Listeners;
use super::notifications::Notification;
use super::rpc::Received;

/// A request to serve, and the connection that it came by.
pub struct Work {
    pub link: Arc<Link>,
    pub publish: Publish,
}

pub struct Inbox {
    mailbox: String,
    pub listeners: Listeners,
    max_payload: usize,
    work: Option<mpsc::UnboundedSender<Work>>,
    /// Filters of the services that are served. Locked for a moment only.
    services: Mutex<Vec<String>>,
}

impl Inbox {
    pub fn new(
        client_id: &str,
        max_payload: usize,
        serves: Option<(mpsc::UnboundedSender<Work>, Vec<String>)>,
    ) -> Inbox {
        let (work, services) = serves.unzip();
        Inbox {
            mailbox: format!("priv/{client_id}"),
            listeners: Listeners::default(),
            max_payload,
            work,
            services: Mutex::new(services.unwrap_or_default()),
        }
    }

    pub fn serves(&self) -> bool {
        self.work.is_some()
    }

    /// With a Receive Maximum of 1, a worker that calls while it holds a request
    /// would wait for an answer that the bus must hold back, if it came at QoS 1.
    fn qos(&self) -> QoS {
        if self.serves() { QoS::AtMostOnce } else { QoS::AtLeastOnce }
    }

    /// A subscription to notifications.
    pub fn filter(&self, path: &str) -> Filter {
        Filter::new(path, self.qos())
    }

    /// What every connection subscribes to first, and does not work without.
    pub fn first_filters(&self) -> Vec<Filter> {
        let services = self.services.lock();
        let services = services.iter().map(|filter| Filter::new(filter, QoS::AtLeastOnce));
        std::iter::once(Filter::new(&self.mailbox, self.qos())).chain(services).collect()
    }

    /// Serves no more: connections to come don't subscribe to any service. Gives
    /// back those that this one did.
    pub fn serve_no_more(&self) -> Vec<String> {
        std::mem::take(&mut self.services.lock())
    }

    /// Takes one message that has come.
    pub fn take(&self, link: &Arc<Link>, publish: Publish) {
        let Ok(topic) = std::str::from_utf8(&publish.topic) else { return };
        if let (Some(work), true) = (&self.work, topic.starts_with("req/")) {
            // Who works has left; the bus gives it to somebody else.
            let _ = work.send(Work { link: Arc::clone(link), publish });
            return;
        }
        let private = topic == self.mailbox;
        let payload = match inflated(&publish.payload, self.max_payload) {
            Ok(payload) => payload,
            Err(error) => {
                tracing::warn!(topic, "a message was dropped: {error}");
                return;
            }
        };
        match Received::read(&payload) {
            Ok(Received::Answer { id, outcome }) if private => link.answer(id, outcome),
            Ok(Received::Notification { method, params }) => {
                let properties = publish.properties.as_ref();
                let user = |name| properties.and_then(|properties| super::connection::user_property(properties, name));
                let notification =
                    Notification { method, params, private, caller_id: user("clid"), auth: user("auth") };
                let identifiers = properties.map_or(&[][..], |properties| &properties.subscription_identifiers);
                self.listeners.deliver(&notification, identifiers);
            }
            Ok(_) => tracing::debug!(topic, "a message was dropped: it is neither an answer nor a notification"),
            Err(error) => tracing::warn!(topic, "a message was dropped: it is not JSON: {error}"),
        }
    }
}
