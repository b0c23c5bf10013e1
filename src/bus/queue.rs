//! One work queue: the messages of a shared subscription and its members.
//!
//! A queue is a (group, filter) pair. Each message goes to the member with the
//! most room, waits while nobody has any, and comes back to the front when the
//! member that holds it goes away.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::batch::Batch;
use super::clock;
use super::hook::Undeliverable;
use super::memory::Memory;
use super::message::{Message, Publication};
use super::outbound::{Grant, Offered};
use super::services::ServiceStats;
use super::session::Session;
use super::settings::Queues as Limits;

/// A work queue. Lock order: a queue's state, then a session's outbound half.
pub struct Queue {
    /// Tells queues apart.
    pub key: u64,
    pub group: Box<str>,
    pub filter: Box<str>,
    /// What is counted of the service that its members are workers of.
    service: Option<Arc<ServiceStats>>,
    state: Mutex<State>,
    /// Messages that wait, readable without the lock.
    waiting: AtomicUsize,
    /// Messages that members hold unacknowledged.
    held: AtomicUsize,
    /// Somebody will look again at the end of [`PATIENCE_MS`].
    looking_again: AtomicBool,
}

#[derive(Default)]
struct State {
    members: Vec<Member>,
    /// Where the search for the roomiest member begins, so that ties go round.
    next: usize,
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// Messages given out since the members' counts began.
    given: u64,
    /// Some waiting message has an expiry.
    mortal: bool,
    /// Since when nobody connected serves the queue; 0: somebody does.
    unserved_since: u64,
    /// The queue has left the table; whoever still has it must look again.
    retired: bool,
}

struct Member {
    session: Arc<Session>,
    grant: Grant,
    /// Messages it got since messages began to wait.
    served: u64,
    /// When it got the last one, [`clock::now_ms`].
    served_at: u64,
}

/// While messages wait, a member gets at most so many more of them than one
/// that is at work on its own. Else the one that happens to have the processor
/// runs off with the queue: it is given the next message before it lets go.
const LEAD: u64 = 24;

/// After so many messages a member, counting begins anew: workers that are
/// quicker for good get more, in the end.
const EPOCH: u64 = 100;

/// A member that is at work for longer, in ms, has a long task; the others do
/// not wait for it.
const PATIENCE_MS: u64 = 2;

struct Waiting {
    message: Arc<Message>,
    redelivered: bool,
}

/// Why a queue did not take a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// At its limit on messages or bytes.
    Full,
    /// It would have to wait, and the bus holds all that it may.
    NoMemory,
    /// Gone from the table meanwhile.
    Retired,
}

/// Messages that the queue gives up on.
pub type GivenUp = Vec<(Arc<Message>, Undeliverable)>;

/// What there is to see of a queue.
pub struct QueueInfo {
    pub group: Box<str>,
    pub filter: Box<str>,
    pub members: usize,
    pub waiting: usize,
    pub bytes: usize,
    pub held: usize,
    /// Milliseconds that the first of those waiting has waited; 0: none waits.
    pub oldest_ms: u64,
}

impl Queue {
    pub fn new(key: u64, group: &str, filter: &str, service: Option<Arc<ServiceStats>>) -> Queue {
        let state = State { unserved_since: clock::now_ms(), ..State::default() };
        Queue {
            key,
            group: group.into(),
            filter: filter.into(),
            service,
            state: Mutex::new(state),
            waiting: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            looking_again: AtomicBool::new(false),
        }
    }

    /// Messages that wait or that members hold.
    pub fn unfinished(&self) -> usize {
        self.waiting.load(Ordering::Relaxed) + self.held.load(Ordering::Relaxed)
    }

    /// Messages that wait for a member with room.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub fn info(&self) -> QueueInfo {
        let state = self.state.lock();
        let now = clock::now_us();
        QueueInfo {
            group: self.group.clone(),
            filter: self.filter.clone(),
            members: state.members.len(),
            waiting: state.waiting.len(),
            bytes: state.bytes,
            held: self.held.load(Ordering::Relaxed),
            oldest_ms: state.waiting.front().map_or(0, |first| now.saturating_sub(first.message.taken_at()) / 1_000),
        }
    }

    /// Adds a member, or changes what an old one was granted; it gets work at
    /// the next [`Queue::serve`]. False: the queue has retired.
    pub fn join(&self, session: &Arc<Session>, grant: Grant) -> bool {
        let mut state = self.state.lock();
        if state.retired {
            return false;
        }
        match state.members.iter_mut().find(|m| m.session.key == session.key) {
            Some(member) => member.grant = grant,
            None => {
                let served = state.most_served();
                state.members.push(Member { session: Arc::clone(session), grant, served, served_at: 0 });
            }
        }
        state.unserved_since = 0;
        true
    }

    /// Removes a member. True: that was the last one, and nothing waits; the
    /// queue has retired.
    pub fn leave(&self, session: u64) -> bool {
        let mut state = self.state.lock();
        state.members.retain(|m| m.session.key != session);
        self.retire_if_idle(&mut state)
    }

    fn retire_if_idle(&self, state: &mut State) -> bool {
        if state.members.is_empty() && state.waiting.is_empty() {
            state.retired = true;
        }
        state.retired
    }

    /// Gives a message to a member, or keeps it until one has room.
    pub fn offer(
        self: &Arc<Self>,
        publication: &Publication<'_>,
        limits: &Limits,
        memory: &Arc<Memory>,
        batch: &mut Batch,
        gone: &mut GivenUp,
    ) -> Result<(), Refused> {
        let mut state = self.state.lock();
        if state.retired {
            return Err(Refused::Retired);
        }
        self.count(|service| service.calls.add(1));
        if state.waiting.len() >= limits.max_messages || state.bytes >= limits.max_bytes {
            self.count(|service| service.errors.add(1));
            return Err(Refused::Full);
        }
        let now = clock::now_us();
        state.push_back(publication.message(memory), now);
        self.dispatch(&mut state, now, batch, gone);
        // What a member takes at once is welcome even then. Messages are given
        // out in order, so that if any waits, the last one is this.
        if memory.is_full() && state.pop_back().is_some() {
            self.waiting.store(state.waiting.len(), Ordering::SeqCst);
            self.count(|service| service.errors.add(1));
            return Err(Refused::NoMemory);
        }
        Ok(())
    }

    /// Takes over messages that waited before anybody served their topic.
    pub fn adopt(
        self: &Arc<Self>,
        messages: impl IntoIterator<Item = Arc<Message>>,
        batch: &mut Batch,
        gone: &mut GivenUp,
    ) {
        let mut state = self.state.lock();
        let now = clock::now_us();
        for message in messages {
            state.push_back(&message, now);
            self.count(|service| service.calls.add(1));
        }
        self.dispatch(&mut state, now, batch, gone);
    }

    /// Messages come back, oldest first, from a member that went away with
    /// them; `died`: without leaving properly. Those that so many members died
    /// of are given up. Gives the rest back if the queue has retired.
    #[must_use]
    pub fn take_back(
        self: &Arc<Self>,
        messages: Vec<Arc<Message>>,
        died: bool,
        limits: &Limits,
        batch: &mut Batch,
        gone: &mut GivenUp,
    ) -> Vec<Arc<Message>> {
        self.held.fetch_sub(messages.len(), Ordering::Relaxed);
        let (dead, alive): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|message| died && message.died() >= limits.max_deaths);
        self.count(|service| {
            service.errors.add(dead.len() as u64);
            service.redelivered.add(alive.len() as u64);
        });
        gone.extend(dead.into_iter().map(|message| (message, Undeliverable::SetAside)));
        let mut state = self.state.lock();
        if state.retired {
            return alive;
        }
        for message in alive.into_iter().rev() {
            state.bytes += message.size();
            state.mortal |= message.expires_at != 0;
            state.waiting.push_front(Waiting { message, redelivered: true });
        }
        self.dispatch(&mut state, clock::now_us(), batch, gone);
        Vec::new()
    }

    /// So many messages have been given up.
    fn count_errors(&self, given_up: usize) {
        if given_up > 0 {
            self.count(|service| service.errors.add(given_up as u64));
        }
    }

    fn count(&self, count: impl FnOnce(&ServiceStats)) {
        if let Some(service) = &self.service {
            count(service);
        }
    }

    /// A member has acknowledged, at `now`, a message that was taken at
    /// `taken_at`, and has room for another. Both: [`clock::now_us`].
    pub fn answered(&self, taken_at: u64, now: u64) {
        self.count(|service| service.latency.record(now.saturating_sub(taken_at)));
        self.acknowledged();
    }

    /// A message that a member had is done with, and has room for another.
    pub fn acknowledged(&self) {
        self.held.fetch_sub(1, Ordering::Relaxed);
    }

    /// A member has room: gives out what waits.
    pub fn serve(self: &Arc<Self>, batch: &mut Batch, gone: &mut GivenUp) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            let mut state = self.state.lock();
            self.dispatch(&mut state, clock::now_us(), batch, gone);
        }
    }

    /// `now_us`: [`clock::now_us`], read while the state was locked.
    fn dispatch(self: &Arc<Self>, state: &mut State, now_us: u64, batch: &mut Batch, gone: &mut GivenUp) {
        let gone_before = gone.len();
        // Told before the search for room begins: a member that gets room while
        // we search sees that something waits, and comes for it.
        self.waiting.store(state.waiting.len(), Ordering::SeqCst);
        let now = clock::to_ms(now_us);
        while let Some(front) = state.waiting.front() {
            if front.message.expired(now) {
                gone.extend(state.pop_front().map(|w| (w.message, Undeliverable::Expired)));
                continue;
            }
            match self.assign(state, now_us, batch) {
                Assigned::Member => {}
                Assigned::TooLarge => gone.extend(state.pop_front().map(|w| (w.message, Undeliverable::TooLarge))),
                Assigned::NoRoom => break,
                Assigned::Ahead => {
                    if !self.looking_again.load(Ordering::Acquire) {
                        batch.look_again(self);
                    }
                    break;
                }
            }
        }
        self.count_errors(gone.len() - gone_before);
        if state.waiting.is_empty() {
            state.mortal = false;
            state.count_anew();
            if state.waiting.capacity() > 64 {
                state.waiting = VecDeque::new();
            }
        }
        self.waiting.store(state.waiting.len(), Ordering::SeqCst);
    }

    /// Waits until those who are ahead need wait no longer. False: somebody
    /// waits for that already.
    pub async fn patience(&self) -> bool {
        if self.looking_again.swap(true, Ordering::AcqRel) {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(PATIENCE_MS)).await;
        self.looking_again.store(false, Ordering::Release);
        true
    }

    /// Gives the first waiting message to the member with the most room.
    fn assign(self: &Arc<Self>, state: &mut State, now_us: u64, batch: &mut Batch) -> Assigned {
        let now = clock::to_ms(now_us);
        let mut too_large_for: Vec<u64> = Vec::new();
        loop {
            let at = match state.roomiest(&too_large_for, now) {
                Roomiest::Member(at) => at,
                Roomiest::AllAhead => return Assigned::Ahead,
                Roomiest::Nobody if too_large_for.is_empty() => return Assigned::NoRoom,
                Roomiest::Nobody => return Assigned::TooLarge,
            };
            let Some(front) = state.waiting.front() else { return Assigned::NoRoom };
            let Member { session, grant, .. } = &state.members[at];
            match session.assign(&front.message, grant, front.redelivered, self) {
                // Another queue was quicker; the member's room is up to date now.
                None => continue,
                Some(Offered::TooLarge) => too_large_for.push(session.key),
                Some(_) => {
                    batch.touch(session);
                    if front.message.qos.min(grant.qos) != crate::mqtt::QoS::AtMostOnce {
                        self.held.fetch_add(1, Ordering::Relaxed);
                    }
                    state.next = at + 1;
                    // One that comes from a long task need not catch up.
                    let behind = state.most_served().saturating_sub(LEAD);
                    let member = &mut state.members[at];
                    member.served = (member.served + 1).max(behind);
                    member.served_at = now;
                    state.given += 1;
                    if state.given >= EPOCH * state.members.len() as u64 {
                        state.count_anew();
                    }
                    if let Some(given) = state.pop_front()
                        && !given.redelivered
                    {
                        self.count(|service| service.wait.record(now_us.saturating_sub(given.message.taken_at())));
                    }
                    return Assigned::Member;
                }
            }
        }
    }

    /// Gives up what has waited in vain. True: the queue is empty, without
    /// members, and has retired.
    pub fn sweep(self: &Arc<Self>, now: u64, limits: &Limits, batch: &mut Batch, gone: &mut GivenUp) -> bool {
        let mut state = self.state.lock();
        let gone_before = gone.len();
        if state.members.iter().any(|m| m.session.is_connected()) {
            state.unserved_since = 0;
        } else if state.unserved_since == 0 {
            state.unserved_since = now;
        }
        if state.mortal {
            state.give_up(Undeliverable::Expired, gone, |message| message.expired(now));
        }
        // A queue can be younger than the tick, whose `now` it is.
        if state.unserved_since != 0 && now.saturating_sub(state.unserved_since) >= limits.grace_ms {
            // Members that are away but will be back keep their messages;
            // callers that wait for an answer get one.
            let deserted = state.members.is_empty();
            state.give_up(Undeliverable::Unserved, gone, |message| deserted || message.answerable);
        }
        self.count_errors(gone.len() - gone_before);
        let now = if state.waiting.is_empty() { 0 } else { clock::now_us() };
        self.dispatch(&mut state, now, batch, gone);
        self.retire_if_idle(&mut state)
    }
}

enum Assigned {
    Member,
    NoRoom,
    TooLarge,
    /// Whoever has room is too far ahead of others at work.
    Ahead,
}

enum Roomiest {
    Member(usize),
    Nobody,
    AllAhead,
}

impl State {
    fn push_back(&mut self, message: &Arc<Message>, now: u64) {
        message.taken(now);
        self.bytes += message.size();
        self.mortal |= message.expires_at != 0;
        self.waiting.push_back(Waiting { message: Arc::clone(message), redelivered: false });
    }

    fn pop_front(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop_front()?;
        self.bytes -= waiting.message.size();
        Some(waiting)
    }

    fn pop_back(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop_back()?;
        self.bytes -= waiting.message.size();
        Some(waiting)
    }

    fn give_up(&mut self, why: Undeliverable, gone: &mut GivenUp, which: impl Fn(&Message) -> bool) {
        let bytes = &mut self.bytes;
        self.waiting.retain(|waiting| {
            let give_up = which(&waiting.message);
            if give_up {
                *bytes -= waiting.message.size();
                gone.push((Arc::clone(&waiting.message), why));
            }
            !give_up
        });
    }

    fn count_anew(&mut self) {
        self.given = 0;
        self.members.iter_mut().for_each(|member| member.served = 0);
    }

    fn most_served(&self) -> u64 {
        self.members.iter().map(|member| member.served).max().unwrap_or(0)
    }

    /// The member with the most room, if any has some; ties go round.
    fn roomiest(&self, except: &[u64], now: u64) -> Roomiest {
        let count = self.members.len();
        let mut best = None;
        let mut most = 0;
        // What the furthest behind of those at work has had.
        let mut least_served = u64::MAX;
        for step in 0..count {
            let at = (self.next + step) % count;
            let Member { session, served, served_at, .. } = &self.members[at];
            let room = session.room();
            if room > most && !except.contains(&session.key) {
                most = room;
                best = Some(at);
            } else if room <= 0 && now - served_at <= PATIENCE_MS {
                least_served = least_served.min(*served);
            }
        }
        match best {
            None => Roomiest::Nobody,
            Some(at) if self.members[at].served <= least_served.saturating_add(LEAD) => Roomiest::Member(at),
            Some(_) => {
                // Another one with room, who has had less?
                let fair = |member: &Member| {
                    member.served <= least_served.saturating_add(LEAD)
                        && member.session.room() > 0
                        && !except.contains(&member.session.key)
                };
                self.members.iter().position(fair).map_or(Roomiest::AllAhead, Roomiest::Member)
            }
        }
    }
}
