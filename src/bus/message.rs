//! An application message: while it passes through ([`Publication`], borrowed
//! from the publisher's read buffer) and when it has to be kept ([`Message`]).

use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::mqtt::QoS;

use super::clock;
use super::memory::Memory;

/// A message on its way. Nothing of it is copied until somebody has to keep it.
#[derive(Clone)]
pub struct Publication<'a> {
    pub topic: &'a str,
    /// Properties as they go out, wire-encoded: without message expiry, topic
    /// alias and subscription identifiers.
    pub properties: &'a [u8],
    pub payload: &'a [u8],
    pub qos: QoS,
    /// The publisher's RETAIN flag.
    pub retain: bool,
    /// [`clock::now_ms`] after which nobody wants it any more; 0: never.
    pub expires_at: u64,
    /// Key of the session that published it; 0: the server itself.
    pub publisher: u64,
    /// Whoever sent it wants to hear if nobody serves its topic.
    pub answerable: bool,
    kept: OnceCell<Arc<Message>>,
}

impl<'a> Publication<'a> {
    /// A QoS 0 message of the server's own.
    pub fn new(topic: &'a str, properties: &'a [u8], payload: &'a [u8]) -> Self {
        Publication {
            topic,
            properties,
            payload,
            qos: QoS::AtMostOnce,
            retain: false,
            expires_at: 0,
            publisher: 0,
            answerable: false,
            kept: OnceCell::new(),
        }
    }

    /// The message to be kept; copied once, however many keep it, and counted
    /// once, in the `memory` of the bus that is first to keep it.
    pub fn message(&self, memory: &Arc<Memory>) -> &Arc<Message> {
        self.kept.get_or_init(|| Arc::new(Message::new(self, memory)))
    }
}

/// A message that waits or is in flight: topic, properties and payload in one
/// allocation.
pub struct Message {
    bytes: Box<[u8]>,
    topic_len: u32,
    properties_len: u32,
    pub qos: QoS,
    pub retain: bool,
    pub answerable: bool,
    pub publisher: u64,
    pub expires_at: u64,
    /// Members of a work queue that went away while they held it.
    deaths: AtomicU32,
    /// When it began to wait to be worked on, [`clock::now_us`]; 0: it doesn't.
    taken_at: AtomicU64,
    /// Where its size is counted for as long as somebody keeps it.
    memory: Arc<Memory>,
}

impl Message {
    fn new(of: &Publication<'_>, memory: &Arc<Memory>) -> Message {
        let mut bytes = Vec::with_capacity(of.topic.len() + of.properties.len() + of.payload.len());
        bytes.extend_from_slice(of.topic.as_bytes());
        bytes.extend_from_slice(of.properties);
        bytes.extend_from_slice(of.payload);
        let message = Message {
            bytes: bytes.into_boxed_slice(),
            topic_len: of.topic.len() as u32,
            properties_len: of.properties.len() as u32,
            qos: of.qos,
            retain: of.retain,
            answerable: of.answerable,
            publisher: of.publisher,
            expires_at: of.expires_at,
            deaths: AtomicU32::new(0),
            taken_at: AtomicU64::new(0),
            memory: Arc::clone(memory),
        };
        memory.take(message.size());
        message
    }

    pub fn topic(&self) -> &str {
        // Copied from a str, so this never fails; the check costs less than an
        // unsafe block would in trust.
        std::str::from_utf8(&self.bytes[..self.topic_len as usize]).unwrap_or_default()
    }

    pub fn properties(&self) -> &[u8] {
        &self.bytes[self.topic_len as usize..][..self.properties_len as usize]
    }

    pub fn payload(&self) -> &[u8] {
        &self.bytes[(self.topic_len + self.properties_len) as usize..]
    }

    /// Bytes that the limits count.
    pub fn size(&self) -> usize {
        self.bytes.len() + size_of::<Message>()
    }

    pub fn expired(&self, now: u64) -> bool {
        self.expires_at != 0 && self.expires_at <= now
    }

    /// It waits to be worked on, since `now` if not for longer.
    pub fn taken(&self, now: u64) {
        if self.taken_at() == 0 {
            self.taken_at.store(now, Ordering::Relaxed);
        }
    }

    pub fn taken_at(&self) -> u64 {
        self.taken_at.load(Ordering::Relaxed)
    }

    /// One more member of a work queue died with it in hand; how many now.
    pub fn died(&self) -> u32 {
        self.deaths.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The same message on its way again.
    pub fn publication(self: &Arc<Self>) -> Publication<'_> {
        Publication {
            topic: self.topic(),
            properties: self.properties(),
            payload: self.payload(),
            qos: self.qos,
            retain: self.retain,
            expires_at: self.expires_at,
            publisher: self.publisher,
            answerable: self.answerable,
            kept: OnceCell::from(Arc::clone(self)),
        }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.memory.give_back(self.size());
    }
}

/// Seconds left to live, for the property of a message that goes out now
/// [MQTT-3.3.2-6]. 0 where it came with 0, or was begun before it expired and is
/// sent again.
pub fn seconds_left(expires_at: u64) -> Option<u32> {
    (expires_at != 0).then(|| {
        let left = expires_at.saturating_sub(clock::now_ms()).div_ceil(1000);
        left.min(u32::MAX as u64) as u32
    })
}
