//! One MQTT broker: listeners, connections, sessions, work queues, mailboxes,
//! topics. Knows nothing of the router: it offers hooks on topics.
//!
//! A message takes the same way whoever publishes it ([`crate::bus::Bus::publish`]): to the
//! retained messages, to the mailbox or the work queues of its topic, and to
//! the topic engine for everybody else who subscribed to it.

/// Who may do what.
pub(crate) mod access;
/// What one read of a socket leaves to be written.
mod batch;
/// The clock of all timeouts.
mod clock;
/// What all parts of a bus read.
mod common;
/// The life of one connection: its task.
mod connection;
/// All connections: limits, keep-alive, the end.
mod connections;
/// CONNECT: who it is and what session it gets.
mod handshake;
/// How others are called for a topic.
mod hook;
/// The packets of a connected client.
mod inbound;
/// A connection as seen by others.
mod link;
/// Sockets that accept.
mod listener;
/// How much is logged of what peers do.
mod log_limit;
/// What memory the machine has.
mod machine;
/// How much memory a bus may take.
mod memory;
/// Messages.
mod message;
/// What goes out to one client.
mod outbound;
/// The way of a published message.
mod publish;
/// One work queue.
mod queue;
/// All work queues.
mod queues;
/// Limits on messages and bytes per second.
mod rate;
/// What a bus gives up when its memory is full.
mod relief;
/// Retained messages.
mod retained;
/// One link into rumqttd's router.
mod rumqttd_hub;
/// rumqttd's router as the topic engine.
mod rumqttd_topics;
/// One client's session.
mod session;
/// All sessions: resumption, takeover, expiry.
mod sessions;
/// What the owner sets.
mod settings;
/// Counters.
mod stats;
/// SUBSCRIBE and UNSUBSCRIBE.
mod subscribe;
/// Time passing: expiry, keep-alive, wills.
mod sweep;
/// `$SYS` topics.
mod sys;
/// Reading slowly from clients that send too much.
mod throttle;
/// The topic engine.
mod topics;
/// The bytes of a connection, whatever carries them.
pub(crate) mod transport;
/// Subscriptions by topic filter.
mod tree;
/// A trie over the levels of topics and filters.
mod trie;
/// Memory handed back to the system.
mod trim;
/// MQTT in WebSocket frames.
pub(crate) mod websocket;
/// Wills.
mod will;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use ahash::AHashMap;
use parking_lot::RwLock;
use tokio::sync::Notify;

pub use batch::{Batch, allow_putting_off, flush_put_off};
pub use clock::now_ms;
pub use hook::{Hook, Inbound, Undeliverable};
pub use listener::{Bound, ListenError};
pub use message::{Message, Publication};
pub use publish::Published;
pub use queue::QueueInfo;
pub use rumqttd_hub::HubError;
#[doc(hidden)]
pub use rumqttd_hub::{Delivery, Hub};
pub use settings::{Connections, Engine, Listener, Queues, Sessions, Settings, Topics, Transport, User};
pub use stats::{Counter, Stats};
#[doc(hidden)]
pub use tree::FilterTree;

use access::Accounts;
use common::Common;
use log_limit::LogLimit;
use memory::Memory;
use message::Message as Kept;
use retained::Retained;
use topics::TopicEngine;

/// A running bus. Cheap to clone; the last handle does not stop it,
/// [`Bus::stop`] does.
#[derive(Clone)]
pub struct Bus(Arc<Inner>);

struct Inner {
    common: Arc<Common>,
    accounts: Accounts,
    connections: Arc<connections::Connections>,
    sessions: sessions::SessionTable,
    queues: queues::Queues,
    topics: Box<dyn TopicEngine>,
    retained: RwLock<Retained<Arc<Kept>>>,
    wills: will::DelayedWills,
    hooks: Hooks,
    stopping: AtomicBool,
    stopped: Notify,
    started_at: u64,
}

/// Who is called for which topics.
#[derive(Default)]
pub struct Hooks {
    topics: AHashMap<Box<str>, Arc<dyn Hook>>,
    /// Topics on which work waits for somebody to serve it, and whom to tell
    /// if nobody does. A filter such as `req/backend/#`.
    work: Option<(Box<str>, Arc<dyn Hook>)>,
}

impl Hooks {
    /// Calls `hook` for each PUBLISH to exactly `topic`.
    pub fn on_topic(&mut self, topic: &str, hook: Arc<dyn Hook>) {
        self.topics.insert(topic.into(), hook);
    }

    /// Has messages on topics that `filter` matches wait for somebody to serve
    /// them, and tells `hook` of those that nobody does.
    pub fn on_work(&mut self, filter: &str, hook: Arc<dyn Hook>) {
        self.work = Some((filter.into(), hook));
    }
}

impl Bus {
    /// A bus that nobody can reach yet; see [`Bus::listen`].
    ///
    /// # Errors
    /// The topic engine does not start.
    pub fn new(id: &str, settings: Settings, hooks: Hooks) -> Result<Bus, HubError> {
        let memory = Memory::new(settings.max_memory_bytes);
        // What stays for good may not take all of it.
        let max_retained_bytes = settings.sessions.max_retained_bytes.min(memory.limit() / 4);
        let retained = Retained::new(settings.sessions.max_retained, max_retained_bytes);
        let topics: Box<dyn TopicEngine> = match settings.topics.engine {
            Engine::Tree => Box::new(topics::SubscriptionTree::new(settings.topics.max_filters)),
            Engine::Rumqttd => Box::new(rumqttd_topics::RumqttdTopics::start(id, &settings.topics)?),
        };
        Ok(Bus(Arc::new(Inner {
            accounts: Accounts::new(&settings),
            connections: connections::Connections::new(&settings.connections),
            sessions: sessions::SessionTable::default(),
            queues: queues::Queues::default(),
            topics,
            retained: RwLock::new(retained),
            wills: will::DelayedWills::default(),
            hooks,
            stopping: AtomicBool::new(false),
            stopped: Notify::new(),
            started_at: clock::now_ms(),
            common: Arc::new(Common {
                id: id.into(),
                settings,
                stats: Stats::default(),
                memory,
                log_limit: LogLimit::default(),
                away_bytes: AtomicUsize::new(0),
            }),
        })))
    }

    /// The bus id.
    pub fn id(&self) -> &str {
        &self.0.common.id
    }

    pub fn role(&self) -> &str {
        &self.0.common.settings.role
    }

    pub fn settings(&self) -> &Settings {
        &self.0.common.settings
    }

    pub fn stats(&self) -> &Stats {
        &self.0.common.stats
    }

    /// Messages in work queues and in the hands of workers.
    pub fn unfinished_work(&self) -> usize {
        self.0.queues.unfinished()
    }

    /// Connections, those that have not yet sent CONNECT included.
    pub fn connections(&self) -> usize {
        self.0.connections.open()
    }

    /// Sessions, those of clients that are away included.
    pub fn sessions(&self) -> usize {
        self.0.sessions.len()
    }

    /// Sessions whose client is away.
    pub fn sessions_away(&self) -> usize {
        self.0.sessions.away()
    }

    /// Bytes that the bus holds for others: messages that wait, are in flight
    /// or are retained, unsent bytes, wills, filters.
    pub fn memory_used(&self) -> usize {
        self.0.common.memory.used()
    }

    /// How many it may hold, in bytes.
    pub fn memory_limit(&self) -> usize {
        self.0.common.memory.limit()
    }

    pub fn queues(&self) -> Vec<QueueInfo> {
        self.0.queues.list()
    }

    fn limits(&self) -> &Settings {
        &self.0.common.settings
    }
}
