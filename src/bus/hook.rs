//! How somebody outside the bus is called for certain topics, in the task of
//! the client that publishes there.

use std::sync::Arc;

use crate::mqtt::{PublishProperties, QoS, Reason};

use super::batch::Batch;
use super::message::Message;

/// A PUBLISH that has passed the topic rules.
pub struct Inbound<'a> {
    pub topic: &'a str,
    pub properties: &'a PublishProperties<'a>,
    pub payload: &'a [u8],
    pub qos: QoS,
    /// Client id of the publisher.
    pub client: &'a str,
    /// [`super::clock::now_ms`] after which nobody wants it; 0: never.
    pub expires_at: u64,
}

/// Why a message that wanted an answer will not be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undeliverable {
    /// Nobody served its topic within the grace period.
    Unserved,
    /// Several members of its work queue went away with it in hand.
    SetAside,
    /// Its expiry interval ran out while it waited.
    Expired,
    /// Its work queues, or the memory of the bus, were full when they came.
    NoRoom,
    /// Larger than any member of its work queue accepts.
    TooLarge,
}

/// Told by a bus whose clients come and go. Calls are short and never block:
/// they run in the task of the client's connection.
pub trait ClientHook: Send + Sync {
    /// A client has connected, or a connection of it is over. Which of the two
    /// holds now, [`super::Bus::is_connected`] tells: calls for one client that
    /// overlap come in no order, but the last comes after the last change.
    fn changed(&self, client: &str);
}

/// Called by a bus for the topics it was registered for. Calls are short and
/// never block: they run in the publisher's task.
pub trait Hook: Send + Sync {
    /// A client published to one of the hook's topics. The reason goes into
    /// the acknowledgement; an error there also counts as refused.
    fn publish(&self, publish: &Inbound<'_>, batch: &mut Batch) -> Reason;

    /// A message on a topic of `holds` will not be served.
    fn undeliverable(&self, message: &Arc<Message>, why: Undeliverable, batch: &mut Batch);
}
