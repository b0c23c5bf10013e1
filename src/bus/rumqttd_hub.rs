//! rumqttd's router as a topic engine: one link of ours into one router a bus.
//!
//! The link (the *hub*) subscribes once to each distinct filter. Each filter has
//! a subscription identifier of its own, which comes back with every message:
//! so a delivery says which filter it is for, and the bus fans out from there.
//! What this engine lacks compared with our own is in `docs/decisions/`.
//!
//! Names that go to the router get a first level in front: `u` for ordinary
//! ones, `s` for those that begin with `$`. Without it rumqttd drops messages on
//! `$` topics, cuts the link that subscribes to one, and its thread panics on a
//! topic whose first character is not ASCII.
//!
//! A router cannot be stopped: rumqttd keeps a sender to its own channel. After
//! [`Hub::close`] its thread sleeps for the rest of the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use rumqttd::local::{LinkBuilder, LinkError, LinkTx};
use rumqttd::protocol::{
    Disconnect, DisconnectReasonCode, Filter, Packet, Publish, QoS, RetainForwardRule, Subscribe, SubscribeProperties,
    Unsubscribe,
};
use rumqttd::{Router, RouterConfig};

mod envelope;
mod filters;
mod reader;

use envelope::{Envelope, in_router};
use filters::Filters;
use reader::Reader;

use super::Topics;

/// One link into one rumqttd router.
pub struct Hub {
    shared: Arc<Shared>,
    reader: Mutex<Option<JoinHandle<()>>>,
}

/// A message for those who subscribed to one filter. A message that several
/// filters match arrives once for each.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    pub filter: &'a str,
    pub topic: &'a str,
    /// As they were published.
    pub properties: &'a [u8],
    pub payload: &'a [u8],
    pub qos: u8,
    pub tag: u64,
}

/// Why a hub did not start.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    #[error("`topics.max_segment_size` is {0} bytes; rumqttd takes 1024 or more")]
    SegmentSize(usize),
    #[error("`topics.{0}` is 0; rumqttd needs at least 1")]
    Zero(&'static str),
    #[error("bus {bus}: no link to its rumqttd router")]
    Link { bus: String, source: Box<LinkError> },
    #[error("bus {bus}: no thread to read from its rumqttd router; raise the limit on threads")]
    Thread { bus: String, source: std::io::Error },
}

/// Why a message or a subscription did not go to the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the rumqttd router has ended, or the hub is closed")]
    Gone,
    #[error("the rumqttd router is behind: messages of {max} bytes wait for it already")]
    Behind { max: usize },
    #[error("rumqttd has kept {max} distinct filters, and drops none; raise `topics.max_filters`")]
    TooManyFilters { max: usize },
}

struct Shared {
    bus: String,
    /// Locked before `filters` where both are.
    inlet: Mutex<Inlet>,
    filters: Mutex<Filters>,
    lost: AtomicU64,
    is_alive: AtomicBool,
}

/// The sending half of the link, and what may be in it.
struct Inlet {
    link: LinkTx,
    /// Bytes of what was put in since the router last emptied it.
    bytes: usize,
    max_bytes: usize,
    is_closing: bool,
}

impl Hub {
    /// Starts a router and a thread that calls `deliver` for each message.
    /// `deliver` must not wait: what arrives meanwhile is kept in the filters'
    /// logs (`max_segment_size` times `max_segment_count` bytes each), and what
    /// those can't hold is [lost](Hub::lost), the oldest first.
    ///
    /// # Errors
    /// On settings that rumqttd doesn't take, and when there is no thread.
    pub fn start(
        bus: &str,
        settings: &Topics,
        deliver: impl Fn(Delivery<'_>) + Send + 'static,
    ) -> Result<Hub, HubError> {
        let router = Router::new(0, router_config(settings)?);
        // Dynamic filters stay off, so that topics without a subscriber get no log.
        let (link, outlet, _) = LinkBuilder::new("hub", router.spawn())
            .build()
            .map_err(|source| HubError::Link { bus: bus.into(), source: source.into() })?;
        let shared = Arc::new(Shared {
            bus: bus.into(),
            inlet: Mutex::new(Inlet {
                link,
                bytes: 0,
                // What a log can't hold would be lost; it may as well be refused.
                max_bytes: settings.max_segment_size.saturating_mul(settings.max_segment_count),
                is_closing: false,
            }),
            filters: Mutex::new(Filters::new(settings.max_filters)),
            lost: AtomicU64::new(0),
            is_alive: AtomicBool::new(true),
        });
        let reader = Reader { outlet, shared: shared.clone(), deliver };
        let thread = thread::Builder::new()
            .name(format!("hub-{bus}"))
            .spawn(move || reader.run())
            .map_err(|source| HubError::Thread { bus: bus.into(), source })?;
        Ok(Hub { shared, reader: Mutex::new(Some(thread)) })
    }

    /// Subscribes to a filter; does nothing if it is subscribed already. Messages
    /// published by any thread after this returns are delivered.
    ///
    /// # Errors
    /// When the router is gone, or would have to remember one filter too many:
    /// it keeps each for good, subscribed or not.
    pub fn subscribe(&self, filter: &str) -> Result<(), Refused> {
        let mut inlet = self.shared.inlet.lock();
        let Some(id) = self.shared.filters.lock().add(filter)? else { return Ok(()) };
        let filter = Filter {
            path: in_router(filter),
            qos: QoS::AtMostOnce,
            nolocal: false,
            preserve_retain: false,
            retain_forward_rule: RetainForwardRule::Never,
        };
        let properties = SubscribeProperties { id: Some(id), user_properties: Vec::new() };
        let subscribe = Subscribe { pkid: 0, filters: vec![filter] };
        self.shared.push(&mut inlet, Packet::Subscribe(subscribe, Some(properties)))
    }

    /// Ends the subscription to a filter; messages that are under way are not
    /// delivered any more. Does nothing if there is none.
    pub fn unsubscribe(&self, filter: &str) {
        let mut inlet = self.shared.inlet.lock();
        if !self.shared.filters.lock().remove(filter) {
            return;
        }
        let filter = in_router(filter);
        {
            let mut waiting = inlet.link.buffer();
            let is_its_subscribe = |packet: &Packet| match packet {
                Packet::Subscribe(subscribe, _) => subscribe.filters.iter().any(|of| of.path == filter),
                _ => false,
            };
            if let Some(at) = waiting.iter().rposition(is_its_subscribe) {
                // The router has not seen it yet.
                waiting.remove(at);
                return;
            }
            if !waiting.is_empty() {
                // In front of any PUBLISH: a batch that has a matching one first
                // leaves the router with the subscription, though without its
                // identifier, and with two of them after the next SUBSCRIBE.
                waiting.push_front(unsubscribe(filter));
                return;
            }
        }
        // A dead router has no subscriptions.
        let _ = self.shared.push(&mut inlet, unsubscribe(filter));
    }

    /// Publishes. `tag` comes back with each delivery, `properties` (in wire
    /// format) and `payload` too; none of them is looked at. Never waits.
    ///
    /// # Errors
    /// When the router is gone or behind. The message then reaches nobody.
    pub fn publish(&self, topic: &str, properties: &[u8], payload: &[u8], qos: u8, tag: u64) -> Result<(), Refused> {
        let (topic, payload) = Envelope { qos, tag }.pack(topic, properties, payload);
        let publish = Packet::Publish(Publish::new(topic, payload, false), None);
        self.shared.push(&mut self.shared.inlet.lock(), publish)
    }

    /// Messages that a filter's log dropped before `deliver` got to them, over
    /// all filters. Those between a repeated subscription to a filter and its
    /// first delivery can't be told, and are not counted.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Whether messages still pass: false after [`close`](Hub::close), and when
    /// the router's thread has panicked. There is no way back.
    pub fn is_alive(&self) -> bool {
        self.shared.is_alive.load(Ordering::Acquire)
    }

    /// Ends the link and waits for the last delivery, unless called by `deliver`.
    pub fn close(&self) {
        self.shared.close();
        if let Some(reader) = self.reader.lock().take()
            && reader.thread().id() != thread::current().id()
            && reader.join().is_err()
        {
            tracing::error!(bus = self.shared.bus, "delivering a message panicked");
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// Gives the router a packet. Never waits for it.
    fn push(&self, inlet: &mut Inlet, packet: Packet) -> Result<(), Refused> {
        if inlet.is_closing || !self.is_alive.load(Ordering::Acquire) {
            return Err(Refused::Gone);
        }
        let bytes = cost(&packet);
        {
            let mut waiting = inlet.link.buffer();
            if !waiting.is_empty() {
                // The router has yet to see the event that came with the first of
                // them, and takes all there is by then. More events would only
                // fill its channel, where `send` does wait.
                if inlet.bytes.saturating_add(bytes) > inlet.max_bytes && matches!(packet, Packet::Publish(..)) {
                    return Err(Refused::Behind { max: inlet.max_bytes });
                }
                waiting.push_back(packet);
                drop(waiting);
                inlet.bytes = inlet.bytes.saturating_add(bytes);
                return Ok(());
            }
        }
        inlet.bytes = bytes;
        inlet.send(packet)
    }

    fn close(&self) {
        let mut inlet = self.inlet.lock();
        if std::mem::replace(&mut inlet.is_closing, true) {
            return;
        }
        // The router panics on a `ready` from a link that is gone. None follows,
        // now that the link is closing; one that was sent lies in the channel, and
        // the DISCONNECT's event must come after it: not with an earlier batch.
        while self.is_alive.load(Ordering::Acquire) && !inlet.link.buffer().is_empty() {
            thread::sleep(Duration::from_micros(50));
        }
        let reason_code = DisconnectReasonCode::NormalDisconnection;
        // Gone already is as good.
        let _ = inlet.send(Packet::Disconnect(Disconnect { reason_code }, None));
    }
}

impl Inlet {
    fn send(&mut self, packet: Packet) -> Result<(), Refused> {
        // Async in name only: it puts the packet in and sends the event.
        match self.link.send(packet).now_or_never() {
            Some(Ok(_)) => Ok(()),
            Some(Err(_)) | None => Err(Refused::Gone),
        }
    }
}

fn unsubscribe(filter: String) -> Packet {
    Packet::Unsubscribe(Unsubscribe { pkid: 0, filters: vec![filter] }, None)
}

/// Bytes that a packet takes while it waits.
fn cost(packet: &Packet) -> usize {
    let own = match packet {
        Packet::Publish(publish, _) => publish.topic.len() + publish.payload.len(),
        _ => 0,
    };
    size_of::<Packet>() + own
}

fn router_config(settings: &Topics) -> Result<RouterConfig, HubError> {
    // rumqttd panics on some of these, in its own thread at the first subscription.
    if settings.max_segment_size < 1024 {
        return Err(HubError::SegmentSize(settings.max_segment_size));
    }
    if settings.max_segment_count == 0 {
        return Err(HubError::Zero("max_segment_count"));
    }
    if settings.max_outgoing_packet_count == 0 {
        return Err(HubError::Zero("max_outgoing_packet_count"));
    }
    Ok(RouterConfig {
        max_connections: 1,
        max_outgoing_packet_count: settings.max_outgoing_packet_count,
        max_segment_size: settings.max_segment_size,
        max_segment_count: settings.max_segment_count,
        ..RouterConfig::default()
    })
}

#[cfg(test)]
mod tests;
