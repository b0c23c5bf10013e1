//! All work queues of a bus, found by topic; and work that came before anybody
//! served its topic.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ahash::AHashMap;
use parking_lot::{Mutex, RwLock};

use crate::mqtt;

use super::batch::Batch;
use super::clock;
use super::hook::Undeliverable;
use super::memory::Memory;
use super::message::{Message, Publication};
use super::outbound::Grant;
use super::queue::{GivenUp, Queue, QueueInfo, Refused};
use super::services::Services;
use super::session::Session;
use super::settings::Queues as Limits;
use super::topics::TooManyFilters;
use super::tree::FilterTree;

pub struct Queues {
    services: Services,
    table: RwLock<Table>,
    early: Mutex<Early>,
    next_key: AtomicU64,
}

struct Table {
    by_topic: FilterTree<u64, Arc<Queue>>,
    by_name: AHashMap<(Box<str>, Box<str>), Arc<Queue>>,
}

/// Messages on topics that no queue covers yet, for the grace period.
#[derive(Default)]
struct Early {
    topics: AHashMap<Box<str>, VecDeque<(u64, Arc<Message>)>>,
    messages: usize,
    bytes: usize,
}

/// What became of a message offered to the queues.
#[derive(Default)]
pub struct Queued {
    /// Queues that cover the topic.
    pub matching: usize,
    /// Those among them that were full.
    pub full: usize,
    /// Those that did not take it because the bus holds all that it may.
    pub no_memory: usize,
}

impl Queued {
    /// Queues that took it.
    pub fn taken(&self) -> usize {
        self.matching - self.full - self.no_memory
    }
}

impl Default for Table {
    fn default() -> Self {
        Table { by_topic: FilterTree::new(), by_name: AHashMap::new() }
    }
}

impl Queues {
    /// `role`: of the bus, whose services' requests come on `req/{role}/…`.
    pub fn new(role: &str) -> Queues {
        Queues {
            services: Services::new(role),
            table: RwLock::default(),
            early: Mutex::default(),
            next_key: AtomicU64::default(),
        }
    }

    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Makes `session` a member of the queue (group, filter), which is made if
    /// there is none and fewer than `max` are there.
    pub fn join(
        &self,
        group: &str,
        filter: &str,
        session: &Arc<Session>,
        grant: Grant,
        max: usize,
    ) -> Result<Arc<Queue>, TooManyFilters> {
        loop {
            let queue = self.get_or_make(group, filter, max)?;
            if queue.join(session, grant) {
                return Ok(queue);
            }
            self.remove(&queue);
        }
    }

    /// Gives a queue what came before it, and its members what waits.
    pub fn start(&self, queue: &Arc<Queue>, batch: &mut Batch, gone: &mut GivenUp) {
        let early = self.early.lock().take(&queue.filter);
        queue.adopt(early, batch, gone);
    }

    fn get_or_make(&self, group: &str, filter: &str, max: usize) -> Result<Arc<Queue>, TooManyFilters> {
        let mut table = self.table.write();
        let name = (group.into(), filter.into());
        if let Some(queue) = table.by_name.get(&name) {
            return Ok(Arc::clone(queue));
        }
        if table.by_name.len() >= max {
            return Err(TooManyFilters);
        }
        let key = self.next_key.fetch_add(1, Ordering::Relaxed);
        let queue = Arc::new(Queue::new(key, group, filter, self.services.of_queue(filter)));
        table.by_topic.insert(filter, key, Arc::clone(&queue));
        table.by_name.insert(name, Arc::clone(&queue));
        Ok(queue)
    }

    pub fn leave(&self, queue: &Arc<Queue>, session: u64) {
        if queue.leave(session) {
            self.remove(queue);
        }
    }

    /// Forgets a queue that has retired.
    fn remove(&self, queue: &Queue) {
        let mut table = self.table.write();
        table.by_topic.remove(&queue.filter, queue.key);
        let name = (queue.group.clone(), queue.filter.clone());
        if table.by_name.get(&name).is_some_and(|other| other.key == queue.key) {
            table.by_name.remove(&name);
        }
    }

    /// Gives a message to every queue that covers its topic.
    pub fn offer(
        &self,
        publication: &Publication<'_>,
        limits: &Limits,
        memory: &Arc<Memory>,
        batch: &mut Batch,
        gone: &mut GivenUp,
    ) -> Queued {
        let mut queued = Queued::default();
        let mut retired = Vec::new();
        let table = self.table.read();
        table.by_topic.matches(publication.topic, |_, queue| {
            match queue.offer(publication, limits, memory, batch, gone) {
                Ok(()) => {}
                Err(Refused::Full) => queued.full += 1,
                Err(Refused::NoMemory) => queued.no_memory += 1,
                Err(Refused::Retired) => return retired.push(Arc::clone(queue)),
            }
            queued.matching += 1;
        });
        drop(table);
        for queue in retired {
            self.remove(&queue);
        }
        queued
    }

    /// Whether some queue covers `topic`.
    pub fn covers(&self, topic: &str) -> bool {
        let mut covered = false;
        self.table.read().by_topic.matches(topic, |_, _| covered = true);
        covered
    }

    /// Whether some queue is of just this filter.
    pub fn has(&self, filter: &str) -> bool {
        self.table.read().by_topic.entries(filter).next().is_some()
    }

    /// Keeps a message for whoever comes to serve its topic within the grace
    /// period.
    ///
    /// # Errors
    /// Too much is kept already.
    pub fn keep_early(
        &self,
        publication: &Publication<'_>,
        now_us: u64,
        limits: &Limits,
        memory: &Arc<Memory>,
    ) -> Result<(), Refused> {
        let mut early = self.early.lock();
        if early.messages >= limits.max_messages || early.bytes >= limits.max_bytes {
            return Err(Refused::Full);
        }
        let message = Arc::clone(publication.message(memory));
        if memory.is_full() {
            return Err(Refused::NoMemory);
        }
        message.taken(now_us);
        let now = clock::to_ms(now_us);
        early.messages += 1;
        early.bytes += message.size();
        match early.topics.get_mut(publication.topic) {
            Some(kept) => kept.push_back((now, message)),
            None => {
                early.topics.insert(publication.topic.into(), [(now, message)].into());
            }
        }
        Ok(())
    }

    /// Moves what is kept for `topic` into the queues that cover it by now; what
    /// none of them has room for is given up.
    pub fn settle_early(
        &self,
        topic: &str,
        limits: &Limits,
        memory: &Arc<Memory>,
        batch: &mut Batch,
        gone: &mut GivenUp,
    ) {
        if self.covers(topic) {
            let early = self.early.lock().take(topic);
            for message in early {
                let queued = self.offer(&message.publication(), limits, memory, batch, gone);
                if queued.matching == 0 {
                    // It has gone again.
                    self.services.unserved(topic);
                    gone.push((message, Undeliverable::Unserved));
                } else if queued.taken() == 0 {
                    gone.push((message, Undeliverable::NoRoom));
                }
            }
        }
    }

    /// Gives up what has waited in vain, everywhere.
    pub fn sweep(&self, now: u64, limits: &Limits, batch: &mut Batch) -> GivenUp {
        let mut gone = GivenUp::new();
        let queues: Vec<_> = self.table.read().by_name.values().cloned().collect();
        for queue in queues {
            if queue.sweep(now, limits, batch, &mut gone) {
                self.remove(&queue);
            }
        }
        let from_queues = gone.len();
        self.early.lock().sweep(now, limits.grace_ms, &mut gone);
        gone[from_queues..].iter().for_each(|(message, _)| self.services.unserved(message.topic()));
        gone
    }

    /// Messages that wait in a queue or that a member holds.
    pub fn unfinished(&self) -> usize {
        self.table.read().by_name.values().map(|queue| queue.unfinished()).sum()
    }

    /// Messages that wait in a queue, or for there to be one.
    pub fn waiting(&self) -> usize {
        let early = self.early.lock().messages;
        early + self.table.read().by_name.values().map(|queue| queue.waiting()).sum::<usize>()
    }

    pub fn list(&self) -> Vec<QueueInfo> {
        // Not while the table is locked: each has to be waited for.
        let queues: Vec<_> = self.table.read().by_name.values().cloned().collect();
        queues.iter().map(|queue| queue.info()).collect()
    }
}

impl Early {
    /// Takes out all messages on topics that `filter` matches.
    fn take(&mut self, filter: &str) -> Vec<Arc<Message>> {
        let mut taken = Vec::new();
        if !filter.contains(['+', '#']) {
            // A look-up: clients choose how many topics there are to look through.
            taken.extend(self.topics.remove(filter).into_iter().flatten().map(|(_, message)| message));
        } else {
            self.topics.retain(|topic, kept| {
                let take = mqtt::matches(filter, topic);
                if take {
                    taken.extend(kept.drain(..).map(|(_, message)| message));
                }
                !take
            });
        }
        self.messages -= taken.len();
        self.bytes -= taken.iter().map(|message| message.size()).sum::<usize>();
        taken
    }

    fn sweep(&mut self, now: u64, grace_ms: u64, gone: &mut GivenUp) {
        let Early { topics, messages, bytes } = self;
        topics.retain(|_, kept| {
            kept.retain(|(since, message)| {
                let why = match message.expired(now) {
                    true => Undeliverable::Expired,
                    // It may have come since the tick began, whose `now` it is.
                    false if now.saturating_sub(*since) >= grace_ms => Undeliverable::Unserved,
                    false => return true,
                };
                *messages -= 1;
                *bytes -= message.size();
                gone.push((Arc::clone(message), why));
                false
            });
            !kept.is_empty()
        });
        if topics.is_empty() {
            // Clients choose how many there were.
            *topics = AHashMap::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_after_the_tick_began_is_not_given_up() {
        let limits = Limits::default();
        let queues = Queues::new("backend");
        let memory = Memory::new(None);
        let kept = queues.keep_early(&Publication::new("req/backend/a", &[], b"x"), 7_000_000, &limits, &memory);
        assert_eq!(kept, Ok(()));
        let queue = queues.get_or_make("g", "req/backend/b", 1).expect("the first");
        queue
            .offer(
                &Publication::new("req/backend/b", &[], b"y"),
                &limits,
                &memory,
                &mut Batch::new(),
                &mut GivenUp::new(),
            )
            .expect("an empty queue");
        // The tick's time was taken before both of them came.
        assert!(queues.sweep(0, &limits, &mut Batch::new()).is_empty());
    }

    #[test]
    fn what_a_queue_come_meanwhile_has_no_room_for_is_given_up_and_not_lost() {
        let limits = Limits::default();
        let queues = Queues::new("backend");
        let memory = Memory::new(None);
        let mut gone = GivenUp::new();
        for payload in [b"x", b"y"] {
            let publication = Publication::new("req/backend/a", &[], payload);
            queues.keep_early(&publication, 0, &limits, &memory).expect("there is room");
        }
        let _queue = queues.get_or_make("g", "req/backend/a", 1).expect("the first");
        let one = Limits { max_messages: 1, ..limits };
        queues.settle_early("req/backend/a", &one, &memory, &mut Batch::new(), &mut gone);
        assert_eq!(queues.waiting(), 1);
        assert!(matches!(&gone[..], [(message, Undeliverable::NoRoom)] if message.payload() == b"y"));
    }
}
