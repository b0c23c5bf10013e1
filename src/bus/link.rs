//! A connection as others see it. The connection's task owns the reading side;
//! what is here lets anybody write to its socket, wake it, or end it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::net::tcp::OwnedWriteHalf;

use crate::mqtt::{Outgoing, Reason, Version};

use super::clock;
use super::stats::Counter;

/// The handle of one network connection.
pub struct Control {
    pub peer: SocketAddr,
    /// Listener it came in on.
    pub listener: Arc<str>,
    /// The socket, where bytes can be written to it by any task: plain TCP.
    /// Else the connection's task writes, as TLS and WebSocket keep state.
    pub direct: Option<OwnedWriteHalf>,
    pub waker: AtomicWaker,
    /// When it was let in, [`clock::now_ms`].
    pub connected_at: u64,
    /// PUBLISH packets from the client. Only the connection's task adds to it.
    pub messages_in: Counter,
    /// The connection's task has something to write.
    pub write_wanted: AtomicBool,
    /// [`clock::now_ms`] of the last packet from the peer, or of the last large
    /// part of one.
    pub last_heard: AtomicU64,
    /// Silence after which the peer is given up, in ms; 0: never.
    pub silence_limit: AtomicU64,
    /// When what the client logged in with ends, [`clock::now_ms`]; 0: never.
    pub ends_at: AtomicU64,
    /// Bytes that the connection itself holds: of packets that have not come
    /// whole, and of what is being written.
    pub held: AtomicUsize,
    /// Boxed, as most have none.
    farewell: Mutex<Option<Box<Farewell>>>,
    ending: AtomicBool,
    /// Somebody is writing to the socket directly.
    writing: AtomicBool,
    /// A packet has been written in part, and nobody has the rest.
    torn: AtomicBool,
}

/// How a connection is ended from our side.
pub struct Farewell {
    pub reason: Reason,
    pub text: Option<String>,
    /// Bytes that were still to be sent.
    pub unsent: Vec<u8>,
}

impl Control {
    pub fn new(peer: SocketAddr, listener: &Arc<str>, direct: Option<OwnedWriteHalf>) -> Control {
        let now = clock::now_ms();
        Control {
            peer,
            listener: Arc::clone(listener),
            direct,
            waker: AtomicWaker::new(),
            connected_at: now,
            messages_in: Counter::default(),
            write_wanted: AtomicBool::new(false),
            last_heard: AtomicU64::new(now),
            silence_limit: AtomicU64::new(0),
            ends_at: AtomicU64::new(0),
            farewell: Mutex::new(None),
            ending: AtomicBool::new(false),
            writing: AtomicBool::new(false),
            torn: AtomicBool::new(false),
            held: AtomicUsize::new(0),
        }
    }

    /// Ends the connection: its task sends what is unsent, then DISCONNECT.
    /// Only the first call counts.
    pub fn end(&self, farewell: Farewell) {
        if !self.ending.swap(true, Ordering::AcqRel) {
            *self.farewell.lock() = Some(Box::new(farewell));
        }
        self.waker.wake();
    }

    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    pub fn take_farewell(&self) -> Option<Farewell> {
        self.farewell.lock().take().map(|farewell| *farewell)
    }

    /// A direct write begins; under the lock of the session whose link it is.
    pub fn begin_write(&self) {
        self.writing.store(true, Ordering::Relaxed);
    }

    /// It is over; `torn`: in the middle of a packet, for good.
    pub fn end_write(&self, torn: bool) {
        if torn {
            self.torn.store(true, Ordering::Relaxed);
        }
        self.writing.store(false, Ordering::Release);
    }

    /// Whether a packet may be written now by the one who ends the connection:
    /// not while somebody is in the middle of another.
    pub fn is_between_packets(&self) -> bool {
        !self.writing.load(Ordering::Acquire) && !self.torn.load(Ordering::Relaxed)
    }

    /// Whether somebody is writing to the socket directly.
    pub fn is_written_to(&self) -> bool {
        self.writing.load(Ordering::Acquire)
    }

    /// Has the connection's task write.
    pub fn want_write(&self) {
        self.write_wanted.store(true, Ordering::Release);
        self.waker.wake();
    }

    pub fn is_over(&self, now: u64) -> bool {
        let ends_at = self.ends_at.load(Ordering::Relaxed);
        ends_at != 0 && now >= ends_at
    }

    pub fn silent_too_long(&self, now: u64) -> bool {
        let limit = self.silence_limit.load(Ordering::Relaxed);
        limit != 0 && now.saturating_sub(self.last_heard.load(Ordering::Relaxed)) > limit
    }
}

/// What a session knows of the connection it has now.
pub struct Link {
    pub control: Arc<Control>,
    pub version: Version,
    /// QoS 1 and 2 messages that the client takes unacknowledged.
    pub receive_maximum: u16,
    /// Largest packet that the client takes, in bytes.
    pub maximum_packet_size: u32,
    pub aliases: Option<Box<OutgoingAliases>>,
    /// PUBLISH packets sent, those sent again included.
    pub sent: u64,
    /// Bytes that may wait for the socket before it counts as slow.
    pub max_backlog: usize,
    /// The socket took no more: its task waits until it does.
    pub blocked: bool,
    /// Somebody is writing to the socket right now.
    pub writing: bool,
}

/// The packet is larger than the client takes [MQTT-3.1.2-24].
pub struct TooLarge;

impl Link {
    /// Appends a PUBLISH to `wire`; gives back its size.
    pub fn encode(&mut self, wire: &mut Vec<u8>, mut publish: Outgoing<'_>) -> Result<usize, TooLarge> {
        let size = publish.size(self.version);
        if size + 3 > self.maximum_packet_size as usize {
            // An alias can add 3 bytes; without one the exact size counts.
            self.aliases = None;
            if size > self.maximum_packet_size as usize {
                return Err(TooLarge);
            }
        }
        if let Some(aliases) = &mut self.aliases {
            aliases.apply(&mut publish);
        }
        let before = wire.len();
        publish.encode(wire, self.version);
        self.sent += 1;
        Ok(wire.len() - before)
    }
}

/// Topic aliases that we set on a connection: the first topics that come get
/// one, up to what the client and our settings allow.
pub struct OutgoingAliases {
    topics: ahash::AHashMap<Box<str>, u16>,
    max: u16,
}

impl OutgoingAliases {
    pub fn new(max: u16) -> Option<Box<OutgoingAliases>> {
        (max > 0).then(|| Box::new(OutgoingAliases { topics: ahash::AHashMap::new(), max }))
    }

    fn apply(&mut self, publish: &mut Outgoing<'_>) {
        if let Some(alias) = self.topics.get(publish.topic) {
            publish.topic_alias = Some(*alias);
            publish.topic = "";
        } else if self.topics.len() < self.max as usize {
            let alias = self.topics.len() as u16 + 1;
            self.topics.insert(publish.topic.into(), alias);
            publish.topic_alias = Some(alias);
        }
    }
}
