//! All sessions of a bus, by client id: who gets which session at CONNECT, and
//! what becomes of it when the connection goes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ahash::RandomState;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use parking_lot::Mutex;

use crate::mqtt::{Connack, Reason};

use super::Bus;
use super::access::Account;
use super::batch::{Batch, give_way};
use super::clock;
use super::link::{Control, Farewell, Link};
use super::queue::{GivenUp, Queue};
use super::session::{Session, State};
use super::will::Will;

/// Clients that are away and have all of `max_held_bytes` held for them; all
/// that are away may have as many bytes together,
const FULL_AWAY: usize = 16;

/// or so many.
const LEAST_AWAY_BYTES: usize = 16 * 1024 * 1024;

/// Sessions that are looked at before other tasks get their turn.
const HELD_CHUNK: usize = 64;

/// When a session ends whose client is away, its key, and its client id.
type Away = (u64, u64, Arc<str>);

/// The table of sessions.
pub struct SessionTable {
    by_id: DashMap<Arc<str>, Arc<Session>, RandomState>,
    next_key: AtomicU64,
    /// Sessions without a connection, by the time that they end. Locked after
    /// their `state`, so that it has those that are away and no others.
    away: Mutex<BTreeSet<Away>>,
    away_count: AtomicUsize,
}

impl Default for SessionTable {
    fn default() -> Self {
        SessionTable {
            by_id: DashMap::default(),
            next_key: AtomicU64::new(1),
            away: Mutex::default(),
            away_count: AtomicUsize::new(0),
        }
    }
}

impl SessionTable {
    pub fn get(&self, id: &str) -> Option<Arc<Session>> {
        self.by_id.get(id).map(|entry| Arc::clone(entry.value()))
    }

    /// All of them, without order. The table is locked a part at a time.
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.by_id.iter().map(|entry| Arc::clone(entry.value())).collect()
    }

    /// Asked with the table locked, so that of a session that is being taken
    /// over it sees what was before or what comes after.
    pub fn is_connected(&self, id: &str) -> bool {
        self.by_id.get(id).is_some_and(|session| session.is_connected())
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Sessions that wait for their client to come back.
    pub fn away(&self) -> usize {
        self.away_count.load(Ordering::Relaxed)
    }
}

/// What a client asks for at CONNECT, and brings.
pub struct Attach {
    pub id: Arc<str>,
    pub account: Arc<Account>,
    pub clean_start: bool,
    pub expiry_s: u32,
    pub will: Option<Box<Will>>,
    pub link: Link,
    pub connack: Connack,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// DISCONNECT with reason 0: no will.
    Properly,
    /// DISCONNECT, but the will is wanted.
    WithWill,
    /// The connection broke, or we ended it.
    Broken,
}

impl Bus {
    /// Gives the client its session: the one it had, or a new one. The CONNACK
    /// and what was still in flight are the first bytes on the new connection.
    ///
    /// # Errors
    /// The session belongs to another user.
    pub(super) fn attach(&self, attach: Attach, batch: &mut Batch) -> Result<Arc<Session>, Reason> {
        let table = &self.0.sessions;
        let mut ended = None;
        let mut back = Vec::new();
        let mut will = None;
        let session = match table.by_id.entry(Arc::clone(&attach.id)) {
            Entry::Occupied(mut entry) => {
                let old = Arc::clone(entry.get());
                if !old.account.is_same_user(&attach.account) {
                    return Err(Reason::NotAuthorized);
                }
                back = self.take_over(&old);
                if attach.clean_start || !self.outlives_connection(&old.state.lock()) {
                    let new = self.new_session(&attach);
                    entry.insert(Arc::clone(&new));
                    ended = Some(old);
                    self.start_link(&new, attach, false);
                    new
                } else {
                    will = self.start_link(&old, attach, true);
                    old
                }
            }
            Entry::Vacant(entry) => {
                let new = self.new_session(&attach);
                entry.insert(Arc::clone(&new));
                self.start_link(&new, attach, false);
                new
            }
        };
        // Not while the table is locked: these reach other sessions.
        self.give_back(back, true, batch);
        if let Some(will) = will {
            self.publish_will(&will, session.key, batch);
        }
        if let Some(old) = ended {
            self.end_session(&old, batch);
        }
        batch.touch(&session);
        self.serve(&session, batch);
        Ok(session)
    }

    fn outlives_connection(&self, state: &State) -> bool {
        state.expiry_s.min(self.limits().sessions.max_expiry_s) > 0
    }

    fn new_session(&self, attach: &Attach) -> Arc<Session> {
        let key = self.0.sessions.next_key.fetch_add(1, Ordering::Relaxed);
        let (id, account) = (Arc::clone(&attach.id), Arc::clone(&attach.account));
        Arc::new(Session::new(key, id, account, Arc::clone(&self.0.common)))
    }

    /// Ends the connection that `old` has, for another one takes its place
    /// [MQTT-3.1.4-3]. Gives back the work it held.
    fn take_over(&self, old: &Arc<Session>) -> Vec<(Arc<Queue>, Arc<super::Message>)> {
        let mut out = old.out();
        if let Some(link) = out.link.take() {
            // While somebody writes, what has come since goes nowhere.
            let unsent = if link.writing { Vec::new() } else { std::mem::take(&mut out.wire) };
            let text = Some("another connection uses this client id".to_owned());
            link.control.end(Farewell { reason: Reason::SessionTakenOver, text, unsent });
        }
        out.wire = Vec::new();
        let back = out.give_back(|_| true);
        old.publish_room(&mut out);
        back
    }

    /// Gives back the will of the connection taken over, if it is to be sent.
    fn start_link(&self, session: &Arc<Session>, attach: Attach, present: bool) -> Option<Box<Will>> {
        let mut state = session.state.lock();
        self.no_longer_away(session, &mut state);
        state.expiry_s = attach.expiry_s;
        // The client is back before the delay of its will is over: the will is
        // not sent [MQTT-3.1.3-9]. One without delay is.
        drop(self.0.wills.take(session.key));
        let left = std::mem::replace(&mut state.will, attach.will);
        let mut out = session.out();
        session.uncount_away(&mut out);
        let version = attach.link.version;
        let connack = Connack { session_present: present, ..attach.connack };
        out.wire.clear();
        connack.encode(&mut out.wire, version);
        out.link = Some(attach.link);
        out.resend();
        let dropped = out.send_held(clock::now_ms());
        self.0.common.stats.expired.add(dropped as u64);
        session.publish_room(&mut out);
        left.filter(|will| will.delay_s == 0)
    }

    fn no_longer_away(&self, session: &Session, state: &mut State) {
        let expires_at = std::mem::take(&mut state.expires_at);
        if expires_at != 0 {
            let table = &self.0.sessions;
            table.away.lock().remove(&(expires_at, session.key, Arc::clone(&session.id)));
            table.away_count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The connection `control` is over.
    pub(super) fn detach(&self, session: &Arc<Session>, control: &Arc<Control>, gone: Gone, batch: &mut Batch) {
        // Held to the end, so that a client that comes back meets the session
        // either connected or away, and nothing in between.
        let mut state = session.state.lock();
        let back = {
            let mut out = session.out();
            match &out.link {
                Some(link) if Arc::ptr_eq(&link.control, control) => {}
                // Taken over meanwhile: the session is another connection's.
                _ => return,
            }
            out.link = None;
            out.wire = Vec::new();
            out.count_all();
            let back = out.give_back(|_| true);
            session.publish_room(&mut out);
            back
        };
        if gone == Gone::Properly {
            state.will = None;
        }
        let expiry_s = state.expiry_s.min(self.limits().sessions.max_expiry_s);
        if !self.outlives_connection(&state) {
            drop(state);
            self.0.sessions.by_id.remove_if(&session.id, |_, other| other.key == session.key);
            self.give_back(back, gone != Gone::Properly, batch);
            self.end_session(session, batch);
            return;
        }
        session.count_away(&state, &mut session.out());
        let now = clock::now_ms();
        state.expires_at = now + expiry_s as u64 * 1000;
        let expires_at = state.expires_at;
        let table = &self.0.sessions;
        table.away.lock().insert((expires_at, session.key, Arc::clone(&session.id)));
        let away = table.away_count.fetch_add(1, Ordering::Relaxed) + 1;
        let will = match state.will.take() {
            Some(will) if will.delay_s > 0 => {
                let due = now + will.delay_s as u64 * 1000;
                self.0.wills.add(session.key, due.min(expires_at), will);
                None
            }
            will => will,
        };
        drop(state);
        self.give_back(back, gone != Gone::Properly, batch);
        if let Some(will) = will {
            self.publish_will(&will, session.key, batch);
        }
        if away > self.limits().sessions.max_away {
            self.end_earliest_away(batch);
        }
        self.bound_away_bytes(batch);
    }

    /// Ends sessions until those that are away hold no more bytes than may be.
    fn bound_away_bytes(&self, batch: &mut Batch) {
        let max = self.limits().sessions.max_held_bytes.saturating_mul(FULL_AWAY).max(LEAST_AWAY_BYTES);
        // What waits for long may not take all memory.
        let max = max.min(self.0.common.memory.limit() / 4);
        while self.0.common.away_bytes.load(Ordering::Relaxed) > max && self.end_earliest_away(batch) {}
    }

    /// Too many sessions wait: ends the one that would end first. False: none
    /// is left.
    fn end_earliest_away(&self, batch: &mut Batch) -> bool {
        loop {
            let Some((at, key, id)) = self.0.sessions.away.lock().pop_first() else { return false };
            if self.end_away(&id, key, at, batch) {
                self.stats().ended_away.add(1);
                return true;
            }
        }
    }

    /// Ends sessions whose client has been away for too long.
    pub(super) fn expire_sessions(&self, now: u64, batch: &mut Batch) {
        self.bound_away_bytes(batch);
        loop {
            let mut away = self.0.sessions.away.lock();
            if away.first().is_none_or(|next| next.0 > now) {
                return;
            }
            let Some((at, key, id)) = away.pop_first() else { return };
            drop(away);
            self.end_away(&id, key, at, batch);
        }
    }

    /// Forgets messages held for clients that are away whose time has run out.
    pub(super) async fn expire_held(&self, now: u64) {
        let away: Vec<_> = self.0.sessions.away.lock().iter().map(|(_, _, id)| Arc::clone(id)).collect();
        for some in away.chunks(HELD_CHUNK) {
            some.iter().filter_map(|id| self.0.sessions.get(id)).for_each(|session| session.expire_held(now));
            give_way().await;
        }
    }

    /// Connected clients for which more than `least` bytes are kept, those with
    /// the most first, and how much.
    pub(super) fn owed_most(&self, least: usize) -> Vec<(usize, Arc<Session>, Arc<Control>)> {
        let all = self.0.sessions.by_id.iter();
        let mut owed: Vec<_> = all
            .filter_map(|entry| {
                let (control, bytes) = entry.value().owed()?;
                (bytes > least).then(|| (bytes, Arc::clone(entry.value()), control))
            })
            .collect();
        owed.sort_unstable_by_key(|(bytes, ..)| std::cmp::Reverse(*bytes));
        owed
    }

    /// Ends the session if it is still away since then.
    fn end_away(&self, id: &Arc<str>, key: u64, at: u64, batch: &mut Batch) -> bool {
        let gone = self.0.sessions.by_id.remove_if(id, |_, session| {
            let mut state = session.state.lock();
            let ends = session.key == key && state.expires_at == at;
            state.ended |= ends;
            ends
        });
        match gone {
            Some((_, session)) => {
                self.end_session(&session, batch);
                true
            }
            None => false,
        }
    }

    /// The session is over and out of the table: nothing of it stays behind.
    fn end_session(&self, session: &Arc<Session>, batch: &mut Batch) {
        let mut state = session.state.lock();
        state.ended = true;
        self.no_longer_away(session, &mut state);
        self.leave_all(session, &mut state);
        let will = state.will.take().or_else(|| self.0.wills.take(session.key));
        drop(state);
        // QoS 2 work goes to nobody else [MQTT-4.8.2-5].
        let mut out = session.out();
        session.uncount_away(&mut out);
        let forgotten = out.forget_work();
        drop(out);
        forgotten.iter().for_each(|queue| queue.acknowledged());
        if let Some(will) = will {
            self.publish_will(&will, session.key, batch);
        }
    }

    pub(super) fn publish_will(&self, will: &Will, publisher: u64, batch: &mut Batch) {
        let mut publication = will.publication(publisher);
        // Of MQTT 3.1.1, which can't be told that nothing is retained.
        publication.retain &= self.limits().sessions.retain;
        if publication.retain {
            self.retain(&publication);
        }
        self.publish(&publication, batch);
    }

    /// Returns to their queues messages that a session held.
    pub(super) fn give_back(&self, messages: Vec<(Arc<Queue>, Arc<super::Message>)>, died: bool, batch: &mut Batch) {
        let limits = &self.limits().queues;
        self.0.common.stats.redelivered.add(messages.len() as u64);
        let mut gone = GivenUp::new();
        let mut homeless = Vec::new();
        for of_one in messages.chunk_by(|a, b| a.0.key == b.0.key) {
            let queue = &of_one[0].0;
            let messages = of_one.iter().map(|(_, message)| Arc::clone(message)).collect();
            homeless.extend(queue.take_back(messages, died, limits, batch, &mut gone));
        }
        self.given_up(gone, batch);
        // Their queue was left by all its members meanwhile; another may have
        // been made, or they wait for one.
        for message in homeless {
            self.publish_again(&message, batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::login::Known;
    use crate::bus::{Hooks, Settings, Trust, User};
    use crate::mqtt::{Connect, next_frame};

    #[test]
    fn a_client_that_comes_and_goes_leaves_one_entry_among_those_away() {
        let bus = Bus::new("b", Settings::sample_frontend(), Hooks::default()).expect("a bus");
        let usual = User::recommended_on_frontend();
        bus.trust(Trust::load(bus.settings(), &usual).expect("no files"));
        // Session expiry 60 s.
        let connect = b"\x10\x25\0\x04MQTT\x05\xc0\0\0\x05\x11\0\0\0\x3c\0\x01c\0\x08frontend\0\x06abc123";
        let mut batch = Batch::new();
        for _ in 0..20 {
            let frame = next_frame(connect, 100).expect("well formed").expect("whole");
            let connect = Connect::decode(&frame).expect("well formed");
            let control = Arc::new(Control::new(([127, 0, 0, 1], 1).into(), &"t".into(), None));
            let account = bus.current_trust().trust.accounts.get("frontend").map(Arc::clone).expect("a user");
            let known = Known { account, generation: 1, ends_at: 0 };
            let Ok(mut seat) = bus.0.connections.admit(control.peer.ip()) else { panic!("there is room") };
            let Ok(admitted) = bus.connect(connect, known, &control, &mut seat, &mut batch) else { panic!("let in") };
            assert_eq!((bus.sessions_away(), bus.0.sessions.away.lock().len()), (0, 0));
            bus.detach(&admitted.session, &control, Gone::Broken, &mut batch);
            assert_eq!((bus.sessions_away(), bus.0.sessions.away.lock().len()), (1, 1));
        }
        bus.expire_sessions(clock::now_ms() + 61_000, &mut batch);
        assert_eq!((bus.sessions(), bus.0.sessions.away.lock().len()), (0, 0));
    }
}
