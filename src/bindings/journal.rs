//! The thread that writes changes to disk: all that have come since the last
//! write in one batch, one flush for everybody who waits.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::histogram::{Counts, Histogram};

use super::entry::Entry;
use super::error::JournalError;
use super::store::{Record, Store};
use super::table::{Clock, Table};

pub type Done = Box<dyn FnOnce(Result<(), JournalError>) + Send>;

/// Calls what calls the answers of one write.
pub type Around = Box<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// What happened to one caller.
pub struct Change {
    pub old: Option<Arc<Entry>>,
    pub new: Option<Arc<Entry>>,
}

impl Change {
    /// The keys that it removes and writes.
    fn slots(&self) -> impl Iterator<Item = u64> {
        self.old.iter().chain(&self.new).map(|entry| entry.slot())
    }

    /// Its part of a batch.
    fn records(&self, clock: &Clock) -> impl Iterator<Item = Record> {
        let old = self.old.as_ref().map(|old| (old.slot(), None));
        let new = self.new.as_ref().map(|new| (new.slot(), Some(new.encode(clock))));
        old.into_iter().chain(new)
    }
}

/// Numbers of the journal since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalStats {
    pub changes: u64,
    pub flushes: u64,
    pub expired: u64,
    pub errors: u64,
    /// Microseconds that the last flush took.
    pub last_flush_us: u64,
    pub max_flush_us: u64,
}

#[derive(Default)]
struct Counters {
    changes: AtomicU64,
    flushes: AtomicU64,
    expired: AtomicU64,
    errors: AtomicU64,
    last_flush_us: AtomicU64,
    max_flush_us: AtomicU64,
    flush_times: Histogram,
}

pub struct Journal {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    /// Held while table and queue change, so that both have one order.
    queue: Mutex<Queue>,
    more: Condvar,
    around: OnceLock<Around>,
    counters: Counters,
}

#[derive(Default)]
struct Queue {
    changes: Vec<Change>,
    waiting: Vec<Done>,
    closed: bool,
    /// The disk failed; changes are refused until it takes writes again.
    failed: Option<JournalError>,
}

impl Journal {
    /// Without a store there is nothing to write, and all is answered at once.
    pub fn start(store: Option<Store>, table: Arc<Table>) -> Journal {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            more: Condvar::new(),
            around: OnceLock::new(),
            counters: Counters::default(),
        });
        let flusher = Flusher { shared: Arc::clone(&shared), store, table, next_try: None };
        let thread = std::thread::Builder::new().name("skep-bindings".into()).spawn(move || flusher.run());
        // A process that can't start a thread has not come this far: tokio's
        // run already. If it happens all the same, every change says so.
        let thread = thread.map_err(|error| {
            shared.queue.lock().failed = Some(JournalError::Write(format!("no thread for the journal: {error}")));
        });
        Journal { shared, thread: Mutex::new(thread.ok()) }
    }

    pub fn answer_within(&self, around: Around) {
        // A second one is dropped, as documented.
        let _ = self.shared.around.set(around);
    }

    /// Has `make` change the table and list what it changed; `done` is called
    /// once that is on disk.
    pub fn append(&self, done: Done, make: impl FnOnce(&mut Vec<Change>)) {
        let mut queue = self.shared.queue.lock();
        let refused = if queue.closed { Some(JournalError::Closed) } else { queue.failed.clone() };
        if let Some(error) = refused {
            drop(queue);
            return done(Err(error));
        }
        make(&mut queue.changes);
        queue.waiting.push(done);
        drop(queue);
        self.shared.more.notify_one();
    }

    pub fn close(&self) {
        self.shared.queue.lock().closed = true;
        self.shared.more.notify_one();
        if let Some(thread) = self.thread.lock().take() {
            // The last handle may be dropped by the thread itself, in a `done`.
            if thread.thread().id() != std::thread::current().id() {
                // A panic in there has been printed already.
                let _ = thread.join();
            }
        }
    }

    /// Why changes are refused, if they are.
    pub fn trouble(&self) -> Option<JournalError> {
        let queue = self.shared.queue.lock();
        if queue.closed { Some(JournalError::Closed) } else { queue.failed.clone() }
    }

    /// How long flushes took, from the first change to its being on disk.
    pub fn flush_times(&self) -> Counts {
        self.shared.counters.flush_times.counts()
    }

    pub fn stats(&self) -> JournalStats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.shared.counters;
        JournalStats {
            changes: of(&counters.changes),
            flushes: of(&counters.flushes),
            expired: of(&counters.expired),
            errors: of(&counters.errors),
            last_flush_us: of(&counters.last_flush_us),
            max_flush_us: of(&counters.max_flush_us),
        }
    }
}

struct Flusher {
    shared: Arc<Shared>,
    store: Option<Store>,
    table: Arc<Table>,
    /// When the disk is tried again, after it has failed.
    next_try: Option<Instant>,
}

/// Pause between two tries to go on after the disk has failed.
const RETRY: Duration = Duration::from_secs(1);

/// Where a try takes long, as the database is large, the pause is so many times
/// as long.
const RETRY_FACTOR: u32 = 5;

impl Flusher {
    fn run(mut self) {
        let pause = self.sweep_pause();
        let mut next_sweep = Instant::now() + pause;
        loop {
            let mut queue = self.shared.queue.lock();
            while queue.waiting.is_empty() && !queue.closed {
                let until = self.next_try.map_or(next_sweep, |next_try| next_try.min(next_sweep));
                if self.shared.more.wait_until(&mut queue, until).timed_out() {
                    break;
                }
            }
            let changes = std::mem::take(&mut queue.changes);
            let waiting = std::mem::take(&mut queue.waiting);
            let closed = queue.closed;
            drop(queue);
            if !waiting.is_empty() {
                self.write(changes, waiting);
            }
            if closed {
                self.renew(0);
                let now = self.table.clock().stored_now();
                return if let Some(mut store) = self.store {
                    store.stamp(now);
                    store.close()
                };
            }
            if self.next_try.is_some_and(|next_try| Instant::now() >= next_try) {
                self.recover();
            }
            if Instant::now() >= next_sweep {
                self.expire();
                self.renew(self.table.timeout_s() / 4);
                let now = self.table.clock().stored_now();
                if let Some(store) = &mut self.store {
                    store.stamp(now);
                }
                next_sweep = Instant::now() + pause;
            }
        }
    }

    /// Often enough that a stored time is at most half a timeout old.
    fn sweep_pause(&self) -> Duration {
        Duration::from_millis((self.table.timeout_s() as u64 * 1000 / 8).clamp(100, 30_000))
    }

    fn write(&mut self, changes: Vec<Change>, waiting: Vec<Done>) {
        let began = Instant::now();
        let clock = self.table.clock();
        let grown: isize =
            changes.iter().map(|change| change.new.is_some() as isize - change.old.is_some() as isize).sum();
        let written = match &mut self.store {
            Some(store) if !changes.is_empty() => {
                store.write(changes.iter().flat_map(|change| change.records(clock)), grown, clock.stored_now())
            }
            _ => Ok(()),
        };
        let counters = &self.shared.counters;
        let took = began.elapsed().as_micros() as u64;
        counters.flushes.fetch_add(1, Ordering::Relaxed);
        counters.last_flush_us.store(took, Ordering::Relaxed);
        counters.max_flush_us.fetch_max(took, Ordering::Relaxed);
        counters.flush_times.record(took);
        match written {
            Ok(()) => {
                counters.changes.fetch_add(changes.len() as u64, Ordering::Relaxed);
                self.answer(waiting);
                self.tell_watcher(&changes);
            }
            Err(error) => self.fail(changes, waiting, error),
        }
    }

    fn answer(&self, mut waiting: Vec<Done>) {
        let mut answer = || waiting.drain(..).for_each(|done| done(Ok(())));
        match self.shared.around.get() {
            Some(around) => around(&mut answer),
            None => answer(),
        }
    }

    /// Once it is settled whether they hold: what is told is then on disk.
    fn tell_watcher(&self, changes: &[Change]) {
        let Some(watcher) = self.table.watcher() else { return };
        for change in changes {
            let (old, new) = (change.old.as_deref(), change.new.as_deref());
            let (old, new) = (old.map_or("", Entry::address), new.map_or("", Entry::address));
            let changed = [old, new];
            let changed = if old == new { &changed[1..] } else { &changed[..] };
            changed.iter().filter(|address| !address.is_empty()).for_each(|address| watcher(address));
        }
    }

    /// The disk does not have these changes, so the table must not either.
    fn fail(&mut self, mut changes: Vec<Change>, mut waiting: Vec<Done>, error: JournalError) {
        tracing::error!("{error}; binds fail until the disk takes writes again, which is tried every second");
        self.next_try = Some(Instant::now() + RETRY);
        self.shared.counters.errors.fetch_add(1, Ordering::Relaxed);
        let mut queue = self.shared.queue.lock();
        queue.failed = Some(error.clone());
        changes.append(&mut queue.changes);
        waiting.append(&mut queue.waiting);
        for change in changes.iter().rev() {
            match &change.old {
                Some(old) => drop(self.table.put(Arc::clone(old))),
                None => drop(change.new.as_ref().and_then(|new| self.table.remove(new.caller()))),
            }
        }
        drop(queue);
        self.tell_watcher(&changes);
        waiting.into_iter().for_each(|done| done(Err(error.clone())));
    }

    /// Goes on if the disk lets us. No change is made meanwhile, as all are
    /// refused while `failed` says why.
    fn recover(&mut self) {
        let Some(store) = &mut self.store else { return };
        let began = Instant::now();
        let recovered = store.recover(&self.table);
        let pause = RETRY.max(began.elapsed() * RETRY_FACTOR);
        self.next_try = recovered.is_err().then(|| Instant::now() + pause);
        match &recovered {
            Ok(repaired) => tracing::info!(repaired, "the disk takes writes again, and so do the bindings"),
            Err(error) => tracing::debug!("the bindings still can't be written: {error}"),
        }
        self.shared.queue.lock().failed = recovered.err();
    }

    /// Forgets what has expired, in memory and on disk.
    fn expire(&mut self) {
        for shard in 0..self.table.shards() {
            let expired = self.table.select(shard, |entry| self.table.is_expired(entry));
            if expired.is_empty() {
                continue;
            }
            let mut queue = self.shared.queue.lock();
            if queue.failed.is_some() {
                return;
            }
            for entry in expired {
                // Touched or bound anew meanwhile?
                let same = self.table.select_one(entry.caller()).is_some_and(|now| Arc::ptr_eq(&now, &entry));
                if same && self.table.is_expired(&entry) {
                    let old = self.table.remove(entry.caller());
                    queue.changes.push(Change { old, new: None });
                    self.shared.counters.expired.fetch_add(1, Ordering::Relaxed);
                }
            }
            // Written with the next batch, or now if none waits.
            queue.waiting.push(Box::new(|_| {}));
        }
    }

    /// Writes the time of the last touch of sessions whose stored one is more
    /// than `lag` seconds older.
    fn renew(&mut self, lag: u32) {
        let Some(store) = &mut self.store else { return };
        if self.shared.queue.lock().failed.is_some() {
            return;
        }
        for shard in 0..self.table.shards() {
            let lagging = self.table.select(shard, |entry| entry.lag() > lag);
            if lagging.is_empty() {
                continue;
            }
            // Under the lock, so that no entry is written that has been
            // removed or replaced meanwhile.
            let queue = self.shared.queue.lock();
            let pending: HashSet<u64> = queue.changes.iter().flat_map(Change::slots).collect();
            let clock = self.table.clock();
            let current = lagging.iter().filter(|entry| {
                !pending.contains(&entry.slot())
                    && self.table.select_one(entry.caller()).is_some_and(|now| Arc::ptr_eq(&now, entry))
            });
            let records = current.map(|entry| (entry.slot(), Some(entry.encode(clock))));
            if let Err(error) = store.write(records, 0, clock.stored_now()) {
                drop(queue);
                return self.fail(Vec::new(), Vec::new(), error);
            }
        }
    }
}
