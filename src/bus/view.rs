//! What there is to see of a bus from outside: its clients, one by one, and what
//! an operator can do to one. Nothing here keeps a lock while it looks at more
//! than one client, however many there are.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::histogram::Counts;
use crate::mqtt::{QoS, Reason, Version};

use super::Bus;
use super::clock;
use super::session::Session;
use super::settings::Transport;

/// A connected client.
#[derive(Clone, Debug)]
pub struct ClientInfo {
    pub id: Arc<str>,
    pub user: Arc<str>,
    pub peer: SocketAddr,
    /// Name of the listener it came in on.
    pub listener: Arc<str>,
    pub transport: Transport,
    /// With TLS around it.
    pub tls: bool,
    pub version: Version,
    pub connected_for_ms: u64,
    pub subscriptions: usize,
    /// Messages sent and not yet acknowledged.
    pub inflight: usize,
    /// Messages that wait for room.
    pub held: usize,
    /// Bytes that wait for the client.
    pub held_bytes: usize,
    /// PUBLISH packets on this connection, each way.
    pub messages_in: u64,
    pub messages_out: u64,
}

/// A subscription of a client.
#[derive(Clone, Debug)]
pub struct FilterInfo {
    /// As the client gave it, `$share/…` included.
    pub filter: Box<str>,
    pub qos: QoS,
    pub no_local: bool,
    pub retain_as_published: bool,
    /// 0: none.
    pub subscription_id: u32,
}

/// Some of many, and how many there are.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub total: usize,
    pub items: Vec<T>,
}

impl Bus {
    /// Connected clients whose id, user or address has `search` in it (upper
    /// and lower case alike), the longest connected first: `limit` of them from
    /// number `offset` on.
    pub fn clients(&self, search: &str, offset: usize, limit: usize) -> Page<ClientInfo> {
        let matches = |session: &Arc<Session>| {
            let Some(peer) = session.peer() else { return false };
            has(&session.id, search) || has(&session.account.name, search) || has(&peer.to_string(), search)
        };
        let connected = |session: &Arc<Session>| session.is_connected();
        let mut found = self.0.sessions.all();
        // The address costs the most to look at.
        if search.is_empty() {
            found.retain(connected)
        } else {
            found.retain(matches)
        }
        found.sort_unstable_by_key(|session| session.key);
        let total = found.len();
        let items = found.iter().skip(offset).take(limit).filter_map(|session| self.client_info(session)).collect();
        Page { total, items }
    }

    /// A connected client with its subscriptions; `None`: it isn't connected.
    pub fn client(&self, id: &str) -> Option<(ClientInfo, Vec<FilterInfo>)> {
        let session = self.0.sessions.get(id)?;
        let info = self.client_info(&session)?;
        let state = session.state.lock();
        let filters = state.subscriptions.iter().map(|subscription| FilterInfo {
            filter: subscription.filter.clone(),
            qos: subscription.grant.qos,
            no_local: subscription.grant.no_local,
            retain_as_published: subscription.grant.retain_as_published,
            subscription_id: subscription.grant.subscription_id,
        });
        Some((info, filters.collect()))
    }

    fn client_info(&self, session: &Arc<Session>) -> Option<ClientInfo> {
        // The order of locks: state before out.
        let subscriptions = session.state.lock().subscriptions.len();
        let out = session.out();
        let link = out.link.as_ref()?;
        let listener = self.limits().listeners.get(&*link.control.listener);
        Some(ClientInfo {
            id: Arc::clone(&session.id),
            user: Arc::clone(&session.account.name),
            peer: link.control.peer,
            listener: Arc::clone(&link.control.listener),
            tls: listener.is_some_and(|listener| listener.tls.cert.is_some()),
            transport: listener.map(|listener| listener.transport).unwrap_or_default(),
            version: link.version,
            connected_for_ms: clock::now_ms().saturating_sub(link.control.connected_at),
            subscriptions,
            inflight: out.inflight(),
            held: out.held(),
            held_bytes: out.backlog(),
            messages_in: link.control.messages_in.get(),
            messages_out: link.sent,
        })
    }

    /// Ends a client's connection with DISCONNECT 0x98 (administrative action).
    /// False: it isn't connected.
    pub fn kick(&self, id: &str) -> bool {
        let Some(session) = self.0.sessions.get(id) else { return false };
        let Some(control) = session.control().filter(|control| !control.is_ending()) else { return false };
        session.end_link(&control, Reason::AdministrativeAction, "disconnected by the operator");
        true
    }

    /// Distinct topic filters that somebody is subscribed to, work queues not
    /// counted.
    pub fn topic_filters(&self) -> usize {
        self.0.topics.filters()
    }

    /// How long messages took through a topic engine that has threads of its
    /// own; `None`: they are delivered at once.
    pub fn topics_delay(&self) -> Option<Counts> {
        self.0.topics.delay()
    }

    /// Messages that the topic engine lost because it was behind.
    pub fn topics_lost(&self) -> u64 {
        self.0.topics.lost()
    }

    /// Messages that wait in work queues for a member with room.
    pub fn waiting(&self) -> usize {
        self.0.queues.waiting()
    }

    /// Bytes held for all clients that are away.
    pub fn away_bytes(&self) -> usize {
        self.0.common.away_bytes.load(Ordering::Relaxed)
    }

    /// Retained messages, and their bytes.
    pub fn retained(&self) -> (usize, usize) {
        let retained = self.0.retained.read();
        (retained.len(), retained.bytes())
    }

    /// Whether it takes new connections; not while it stops.
    pub fn is_accepting(&self) -> bool {
        !self.is_stopping()
    }
}

/// Whether `text` has `search` in it, upper and lower case of ASCII alike.
pub(crate) fn has(text: &str, search: &str) -> bool {
    let (text, search) = (text.as_bytes(), search.as_bytes());
    search.is_empty() || text.windows(search.len()).any(|part| part.eq_ignore_ascii_case(search))
}
