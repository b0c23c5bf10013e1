//! A client's session: who it is, what it subscribed to, what goes out to it.
//! It is not its connection, which comes and goes.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::mqtt::{AckKind, Reason};

use super::access::Account;
use super::batch::Batch;
use super::common::Common;
use super::link::{Control, Farewell};
use super::message::{Message, Publication};
use super::outbound::{Acked, Grant, Offered, Outbound, Terms, held_size};
use super::queue::Queue;
use super::will::Will;

/// A session. Shared by its connection, by the subscriptions that lead to it,
/// and by the table of sessions.
pub struct Session {
    /// Tells sessions apart, also those that had the same client id.
    pub key: u64,
    pub id: Arc<str>,
    pub account: Arc<Account>,
    common: Arc<Common>,
    /// What [`Outbound::room`] says, readable without the lock.
    room: AtomicI32,
    /// In somebody's [`Batch`].
    touched: AtomicBool,
    /// The first denial has been logged.
    pub denial_logged: AtomicBool,
    /// Subscriptions in the topic engine; where it is 1, no two overlap.
    pub plain_subscriptions: AtomicU32,
    /// Work queues it is a member of.
    pub queues: RwLock<Vec<Arc<Queue>>>,
    out: Mutex<Outbound>,
    pub state: Mutex<State>,
}

/// What changes seldom. Lock order: this before everything else.
#[derive(Default)]
pub struct State {
    /// The session is over; nothing may be added to it.
    pub ended: bool,
    pub subscriptions: Vec<Subscription>,
    /// QoS 2 packet ids that the client has published and not yet released.
    pub incoming: BTreeSet<u16>,
    /// Seconds that the session outlives its connection; `u32::MAX`: the most
    /// that the settings allow.
    pub expiry_s: u32,
    /// When it ends, [`super::clock::now_ms`]; 0 while connected.
    pub expires_at: u64,
    pub will: Option<Box<Will>>,
    /// Bytes of its filters as counted in the memory of the bus.
    counted: usize,
}

/// What a subscription takes beside its filter, in bytes.
const SUBSCRIPTION: usize = 256;

/// A filter as the client gave it, `$share/…` included.
pub struct Subscription {
    pub filter: Box<str>,
    pub grant: Grant,
}

impl State {
    /// Bytes of the filters that it has and of one more.
    pub fn filter_bytes(&self, more: &str) -> usize {
        self.subscriptions.iter().map(|subscription| subscription.filter.len()).sum::<usize>() + more.len()
    }
}

impl Session {
    pub fn new(key: u64, id: Arc<str>, account: Arc<Account>, common: Arc<Common>) -> Session {
        Session {
            key,
            id,
            account,
            common,
            room: AtomicI32::new(0),
            touched: AtomicBool::new(false),
            denial_logged: AtomicBool::new(false),
            plain_subscriptions: AtomicU32::new(0),
            queues: RwLock::new(Vec::new()),
            out: Mutex::new(Outbound::default()),
            state: Mutex::new(State::default()),
        }
    }

    /// The outgoing half, for a change after which [`Session::publish_room`]
    /// has to be called if it touched what is in flight.
    pub fn out(&self) -> MutexGuard<'_, Outbound> {
        self.out.lock()
    }

    /// Makes the room that `out` has now known to the work queues.
    pub fn publish_room(&self, out: &mut Outbound) {
        self.room.store(out.room(), Ordering::SeqCst);
        self.count_waiting(out);
    }

    /// Counts what waits for the client in the memory of the bus.
    fn count_waiting(&self, out: &mut Outbound) {
        let waiting = out.waiting_bytes();
        if waiting != out.counted {
            self.common.memory.change(&mut out.counted, waiting);
        }
    }

    /// Messages it takes right now; 0 or less: none.
    pub fn room(&self) -> i32 {
        self.room.load(Ordering::SeqCst)
    }

    pub fn is_connected(&self) -> bool {
        self.out.lock().link.is_some()
    }

    /// Where the client is connected from.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.out.lock().link.as_ref().map(|link| link.control.peer)
    }

    /// Counts what is held for the client, which is away from now on.
    pub fn count_away(&self, state: &State, out: &mut Outbound) {
        let will = state.will.as_ref().map_or(0, |will| will.size());
        // In the session, in the topic engine, and in the key of a queue.
        let filters: usize = state.subscriptions.iter().map(|subscription| 3 * subscription.filter.len()).sum();
        let bytes = will + filters + out.message_bytes();
        out.away_bytes = Some(bytes);
        self.common.away_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The client is back, or the session has ended.
    pub fn uncount_away(&self, out: &mut Outbound) {
        let bytes = out.away_bytes.take().unwrap_or_default();
        self.common.away_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether `control` is still the session's connection.
    pub fn has_link(&self, control: &Arc<Control>) -> bool {
        self.out.lock().link.as_ref().is_some_and(|link| Arc::ptr_eq(&link.control, control))
    }

    /// Sends a message to the client, or keeps it for it.
    pub fn deliver(self: &Arc<Self>, publication: &Publication<'_>, terms: Terms<'_>, batch: &mut Batch) -> Offered {
        let limits = &self.common.settings;
        let mut out = self.out.lock();
        let connected = out.link.is_some();
        let limit = if connected {
            (usize::MAX, limits.connections.max_backlog_bytes)
        } else {
            (limits.sessions.max_held_messages, limits.sessions.max_held_bytes)
        };
        let memory = &self.common.memory;
        let share = memory.share(limit.1);
        let offered = out.offer(publication, terms, (limit.0, share), memory);
        if offered == Offered::Taken
            && let Some(held) = &mut out.away_bytes
        {
            let bytes = held_size(publication.message(memory));
            *held += bytes;
            self.common.away_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        self.publish_room(&mut out);
        let control = out.link.as_ref().map(|link| Arc::clone(&link.control));
        drop(out);
        let stats = &self.common.stats;
        if share < limit.1 && matches!(offered, Offered::Dropped | Offered::Full) {
            stats.memory_full.add(1);
        }
        match (&offered, control) {
            (Offered::Taken, Some(_)) => {
                stats.messages_out.add(1);
                batch.touch(self);
            }
            (Offered::Taken, None) => {}
            (Offered::TooLarge, _) => stats.dropped_too_large.add(1),
            (Offered::Dropped, Some(_)) => stats.dropped_slow.add(1),
            (Offered::Dropped | Offered::Full, None) => stats.dropped_away.add(1),
            (Offered::Full, Some(control)) => {
                stats.slow_disconnects.add(1);
                self.end_link(&control, Reason::QuotaExceeded, "the client reads too slowly for what it subscribed to");
            }
        }
        offered
    }

    /// Takes a message of a work queue, if there is room for it right now.
    pub fn assign(&self, message: &Arc<Message>, grant: &Grant, dup: bool, from: &Arc<Queue>) -> Option<Offered> {
        let ids = [grant.subscription_id];
        let ids = if grant.subscription_id == 0 { &[][..] } else { &ids[..] };
        let mut out = self.out.lock();
        let terms = grant.terms(&message.publication(), ids);
        let offered = out.assign(message, terms, dup, from, &self.common.memory);
        self.publish_room(&mut out);
        drop(out);
        match offered {
            Some(Offered::Taken) => self.common.stats.messages_out.add(1),
            Some(Offered::TooLarge) => self.common.stats.dropped_too_large.add(1),
            _ => {}
        }
        offered
    }

    /// Handles PUBACK, PUBREC or PUBCOMP.
    pub fn acknowledged(&self, kind: AckKind, id: u16, reason: Reason, now: u64) -> Acked {
        let mut out = self.out.lock();
        let acked = out.acknowledged(kind, id, reason);
        if let Acked::Freed(_) = acked {
            let expired = out.send_pending(now);
            self.common.stats.expired.add(expired as u64);
            self.publish_room(&mut out);
        }
        acked
    }

    /// Appends bytes that answer the client, such as an acknowledgement, if
    /// `control` is still the session's connection.
    pub fn answer(self: &Arc<Self>, control: &Arc<Control>, batch: &mut Batch, write: impl FnOnce(&mut Vec<u8>)) {
        let mut out = self.out.lock();
        if out.link.as_ref().is_some_and(|link| Arc::ptr_eq(&link.control, control)) {
            write(&mut out.wire);
            self.count_waiting(&mut out);
            batch.touch(self);
            // Whoever asks without end and reads nothing is not waited for.
            // Twice, since messages may have filled it once.
            let full = out.wire.len() > self.common.settings.connections.max_backlog_bytes.saturating_mul(2);
            drop(out);
            if full && !control.is_ending() {
                self.common.stats.slow_disconnects.add(1);
                self.end_link(control, Reason::QuotaExceeded, "the client does not read what it is answered");
            }
        }
    }

    /// True for the first caller since the last flush.
    pub fn mark_touched(&self) -> bool {
        !self.touched.swap(true, Ordering::AcqRel)
    }

    /// Writes unsent bytes to the socket, as far as it takes them.
    pub fn flush(&self) {
        // Before the bytes are looked at: whoever adds some later touches anew.
        self.touched.store(false, Ordering::Release);
        let mut out = self.out.lock();
        loop {
            let Outbound { link, wire, .. } = &mut *out;
            let Some(link) = link else { return };
            if wire.is_empty() || link.blocked || link.writing {
                // A backlog that is gone makes room again.
                self.publish_room(&mut out);
                return;
            }
            if link.control.direct.is_none() {
                link.control.want_write();
                return;
            }
            // Written without the lock, so that others can add meanwhile.
            link.writing = true;
            link.control.begin_write();
            let bytes = std::mem::take(wire);
            let control = Arc::clone(&link.control);
            drop(out);
            let written = socket_write(&control, &bytes);
            self.common.stats.bytes_out.add(written as u64);
            out = self.out.lock();
            let Outbound { link, wire, .. } = &mut *out;
            let Some(link) = link.as_mut().filter(|link| Arc::ptr_eq(&link.control, &control)) else {
                // Ended or taken over meanwhile: nobody writes the rest.
                control.end_write(written < bytes.len());
                return;
            };
            link.writing = false;
            control.end_write(false);
            if written < bytes.len() {
                wire.splice(0..0, bytes[written..].iter().copied());
                link.blocked = true;
                self.count_waiting(&mut out);
                control.want_write();
                return;
            }
        }
    }

    /// For the connection's task: takes what is to be written, if `control` is
    /// still the session's connection.
    pub fn take_wire(&self, control: &Arc<Control>) -> Vec<u8> {
        let mut out = self.out.lock();
        let Outbound { link, wire, .. } = &mut *out;
        match link {
            Some(link) if Arc::ptr_eq(&link.control, control) && !link.writing => {
                let wire = std::mem::take(wire);
                self.count_waiting(&mut out);
                wire
            }
            _ => Vec::new(),
        }
    }

    /// For the end of the connection `control`: takes what is to be written,
    /// and has nobody but the connection's task write from now on.
    pub fn take_last_wire(&self, control: &Arc<Control>) -> Vec<u8> {
        if let Some(link) = self.out.lock().link.as_mut().filter(|link| Arc::ptr_eq(&link.control, control)) {
            link.blocked = true;
        }
        self.take_wire(control)
    }

    /// Forgets messages for a client that is away whose time has run out.
    pub fn expire_held(&self, now: u64) {
        let mut out = self.out.lock();
        if out.away_bytes.is_none() {
            return;
        }
        let (expired, bytes) = out.expire(now);
        self.common.stats.expired.add(expired as u64);
        if let Some(held) = &mut out.away_bytes {
            let freed = bytes.min(*held);
            *held -= freed;
            self.common.away_bytes.fetch_sub(freed, Ordering::Relaxed);
        }
        self.count_waiting(&mut out);
    }

    /// The connection that it has.
    pub fn control(&self) -> Option<Arc<Control>> {
        Some(Arc::clone(&self.out.lock().link.as_ref()?.control))
    }

    /// The connection it has, and the bytes that are kept because its client
    /// does not read or acknowledge.
    pub fn owed(&self) -> Option<(Arc<Control>, usize)> {
        let out = self.out.lock();
        let control = Arc::clone(&out.link.as_ref()?.control);
        let owed = out.owed() + control.held.load(Ordering::Relaxed);
        Some((control, owed))
    }

    /// Counts the filters of its subscriptions in the memory of the bus.
    pub fn count_filters(&self, state: &mut State) {
        let bytes = state.subscriptions.iter().map(|subscription| filter_cost(&subscription.filter)).sum();
        self.common.memory.change(&mut state.counted, bytes);
    }

    /// For the connection's task, which has written all it took: whether there
    /// is nothing more, and others may write again.
    pub fn unblock(&self, control: &Arc<Control>) -> bool {
        let mut out = self.out.lock();
        let Outbound { link, wire, .. } = &mut *out;
        let Some(link) = link.as_mut().filter(|link| Arc::ptr_eq(&link.control, control)) else { return true };
        link.blocked = !wire.is_empty();
        let unblocked = !link.blocked;
        self.publish_room(&mut out);
        unblocked
    }

    /// Ends the connection `control`, if the session still has it: unsent
    /// bytes go first, then a DISCONNECT.
    pub fn end_link(&self, control: &Arc<Control>, reason: Reason, text: &str) {
        let unsent = self.take_last_wire(control);
        control.end(Farewell { reason, text: Some(text.to_owned()), unsent });
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let counted = self.out.get_mut().counted + self.state.get_mut().counted;
        self.common.memory.give_back(counted);
    }
}

/// Bytes that a subscription takes: its filter is in the session, in the topic
/// engine, and in the key of a queue.
fn filter_cost(filter: &str) -> usize {
    3 * filter.len() + SUBSCRIPTION
}

/// Bytes that the socket took; an error shows up when the connection reads.
fn socket_write(control: &Control, bytes: &[u8]) -> usize {
    let Some(socket) = &control.direct else { return 0 };
    let mut written = 0;
    while written < bytes.len() {
        match socket.try_write(&bytes[written..]) {
            Ok(0) => break,
            Ok(n) => written += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => break,
            // The peer is gone; the reading side will notice. Until then what
            // is written to it is lost, as it would be on the wire.
            Err(_) => return bytes.len(),
        }
    }
    written
}
