//! One MQTT broker: listeners, connections, sessions, work queues, mailboxes,
//! topics. Knows nothing of the router: it offers hooks on topics.
//!
//! A message takes the same way whoever publishes it ([`crate::bus::Bus::publish`]): to the
//! retained messages, to the mailbox or the work queues of its topic, and to
//! the topic engine for everybody else who subscribed to it.

/// Users and their topic rules.
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
/// The last things that went wrong.
mod events;
/// Failed logins by address.
mod failures;
/// CONNECT: what the client is told and what session it gets.
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
/// Who a client is.
mod login;
/// What memory the machine has.
mod machine;
/// How much memory a bus may take.
mod memory;
/// Messages.
mod message;
/// From the first byte to CONNECT.
mod opening;
/// What goes out to one client.
mod outbound;
/// Passwords and their hashes.
mod password;
/// Topic patterns of access rules.
mod pattern;
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
/// What is counted of each service.
mod services;
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
/// The files and the client certificates of a listener with TLS.
mod tls;
/// JSON Web Tokens.
pub(crate) mod token;
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
/// Whom a bus trusts, read and replaced as a whole.
mod trust;
/// Users in a file.
mod users_file;
/// Logins that were right a short while ago.
mod verified;
/// What there is to see of it from outside.
mod view;
/// MQTT in WebSocket frames.
pub(crate) mod websocket;
/// Wills.
mod will;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize};

use ahash::AHashMap;
use parking_lot::RwLock;
use tokio::sync::Notify;

pub use access::is_user_name;
pub use batch::{Batch, allow_putting_off, flush_put_off, writing_once};
pub use clock::now_ms;
pub use events::{Event, EventKind, Events};
pub use hook::{ClientHook, Hook, Inbound, Undeliverable};
pub use listener::{Bound, ListenError};
pub use message::{Message, Publication};
pub use password::{HashError, check_stored, hash as hash_password, is_hash};
pub(crate) use pattern::check_pattern;
pub use publish::Published;
pub use queue::QueueInfo;
pub use rumqttd_hub::HubError;
#[doc(hidden)]
pub use rumqttd_hub::{Delivery, Hub};
pub use services::ServiceStats;
pub use settings::{
    Algorithm, ClientAuth, Connections, Engine, Jwt, Listener, Login, Queues, SAMPLE_PASSWORDS, Sessions, Settings,
    Tls, Topics, Transport, User,
};
pub use stats::{Counter, Stats};
pub(crate) use tls::roots;
#[doc(hidden)]
pub use token::{TokenError, Tokens};
#[doc(hidden)]
pub use tree::FilterTree;
pub use trust::{FileError, Trust};
pub use users_file::{FileUser, UsersFile};
pub(crate) use view::has;
pub use view::{ClientInfo, FilterInfo, Page};

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
    /// Replaced on a reload, with `generation` counted up. Locked for a moment
    /// only, and not for messages.
    trust: RwLock<Arc<Trust>>,
    generation: AtomicU32,
    desk: login::Desk,
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
    /// Who hears of clients that come and go.
    clients: Option<Arc<dyn ClientHook>>,
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

    /// Tells `hook` of every client that comes or goes.
    pub fn on_clients(&mut self, hook: Arc<dyn ClientHook>) {
        self.clients = Some(hook);
    }
}

impl Bus {
    /// A bus that nobody can reach yet, see [`Bus::listen`], and that lets nobody
    /// in yet, see [`Bus::trust`].
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
            trust: RwLock::new(Arc::new(Trust::nobody())),
            generation: AtomicU32::new(0),
            desk: login::Desk::new(&settings.login),
            connections: connections::Connections::new(&settings.connections),
            sessions: sessions::SessionTable::default(),
            queues: queues::Queues::new(&settings.role),
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
                events: Events::default(),
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

    /// The last things that went wrong.
    pub fn events(&self) -> &Events {
        &self.0.common.events
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

    /// Whether a client has a connection now.
    pub fn is_connected(&self, client: &str) -> bool {
        self.0.sessions.is_connected(client)
    }

    /// Whether somebody serves just this topic: has subscribed to it without
    /// wildcards, shared or not.
    pub fn is_served(&self, topic: &str) -> bool {
        self.0.queues.has(topic) || self.0.topics.is_subscribed(topic)
    }

    /// Whether a message on this topic would get to somebody.
    pub fn is_wanted(&self, topic: &str) -> bool {
        self.0.queues.covers(topic) || self.0.topics.covers(topic)
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

    /// What is counted of the services that workers serve here, each with the
    /// filter of its queue; last the one for all past a limit, without a filter.
    pub fn services(&self) -> Vec<(Option<Box<str>>, Arc<ServiceStats>)> {
        self.0.queues.services().list()
    }

    /// A client has come or gone; not to be called with a lock held.
    fn client_changed(&self, client: &str) {
        if let Some(hook) = &self.0.hooks.clients {
            hook.changed(client);
        }
    }

    fn limits(&self) -> &Settings {
        &self.0.common.settings
    }
}
