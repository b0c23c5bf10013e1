//! The table in memory: callers by id, and by the address they are bound to.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use ahash::RandomState;
use hashbrown::HashTable;
use parking_lot::RwLock;

use super::entry::Entry;

/// Shards of each index: more than there are cores.
const SHARDS: usize = 64;

pub struct Table {
    by_caller: Box<[RwLock<HashTable<Arc<Entry>>>]>,
    by_address: Box<[RwLock<HashTable<Bound>>]>,
    hasher: RandomState,
    count: AtomicUsize,
    next_slot: AtomicU64,
    timeout_s: u32,
    clock: Clock,
    watcher: OnceLock<Watcher>,
}

/// Who hears of addresses whose callers have changed.
pub type Watcher = Box<dyn Fn(&str) + Send + Sync>;

/// The callers of one address: nearly always one, or a few. Boxed, so that the
/// usual entry takes two words.
#[expect(clippy::box_collection)]
enum Bound {
    One(Arc<Entry>),
    Many(Box<Vec<Arc<Entry>>>),
}

impl Bound {
    fn entries(&self) -> &[Arc<Entry>] {
        match self {
            Bound::One(entry) => std::slice::from_ref(entry),
            Bound::Many(entries) => entries,
        }
    }

    fn address(&self) -> &str {
        self.entries().first().map_or("", |entry| entry.address())
    }
}

impl Table {
    pub fn new(timeout_s: u64) -> Table {
        Table {
            by_caller: (0..SHARDS).map(|_| RwLock::default()).collect(),
            by_address: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: RandomState::new(),
            count: AtomicUsize::new(0),
            next_slot: AtomicU64::new(0),
            timeout_s: timeout_s.min(u32::MAX as u64) as u32,
            clock: Clock::new(),
            watcher: OnceLock::new(),
        }
    }

    pub fn watch(&self, watcher: Watcher) {
        // A second one is dropped, as documented.
        let _ = self.watcher.set(watcher);
    }

    pub fn watcher(&self) -> Option<&Watcher> {
        self.watcher.get()
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub fn timeout_s(&self) -> u32 {
        self.timeout_s
    }

    /// A key for a new record.
    pub fn next_slot(&self) -> u64 {
        self.next_slot.fetch_add(1, Ordering::Relaxed)
    }

    /// Has no later record get this key.
    pub fn skip_slot(&self, slot: u64) {
        self.next_slot.fetch_max(slot.saturating_add(1), Ordering::Relaxed);
    }

    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Addresses that some entry has.
    pub fn address_count(&self) -> usize {
        self.by_address.iter().map(|shard| shard.read().len()).sum()
    }

    pub fn is_expired(&self, entry: &Entry) -> bool {
        self.clock.now().saturating_sub(entry.touched()) >= self.timeout_s
    }

    fn place(&self, key: &str) -> (u64, usize) {
        let hash = self.hasher.hash_one(key);
        // The table uses the highest and lowest bits.
        (hash, (hash >> 32) as usize % SHARDS)
    }

    /// Hands the auth data of a caller to `f` and renews its session.
    pub fn touch<R>(&self, caller: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
        let (hash, shard) = self.place(caller);
        let table = self.by_caller[shard].read();
        let entry = table.find(hash, |entry| entry.caller() == caller)?;
        if self.is_expired(entry) {
            return None;
        }
        entry.touch(self.clock.now());
        Some(f(entry.auth()))
    }

    /// Callers bound to an address that have not expired.
    pub fn at(&self, address: &str) -> Vec<Arc<Entry>> {
        let mut entries = self.all_at(address);
        entries.retain(|entry| !self.is_expired(entry));
        entries
    }

    pub fn all_at(&self, address: &str) -> Vec<Arc<Entry>> {
        let (hash, shard) = self.place(address);
        let table = self.by_address[shard].read();
        table.find(hash, |bound| bound.address() == address).map_or(Vec::new(), |bound| bound.entries().to_vec())
    }

    /// Adds an entry; gives back the one that its caller had. Not to be called
    /// by two threads at once: the journal's lock sees to that.
    pub fn put(&self, entry: Arc<Entry>) -> Option<Arc<Entry>> {
        let old = self.remove(entry.caller());
        self.add(entry);
        old
    }

    /// The same where its caller has none.
    fn add(&self, entry: Arc<Entry>) {
        let (hash, shard) = self.place(entry.caller());
        self.by_caller[shard].write().insert_unique(hash, Arc::clone(&entry), |e| self.hasher.hash_one(e.caller()));
        self.count.fetch_add(1, Ordering::Relaxed);
        if !entry.address().is_empty() {
            self.index(entry);
        }
    }

    /// Makes room for so many entries, which will be spread over the shards
    /// not quite evenly.
    pub fn reserve(&self, entries: usize) {
        let each = entries / SHARDS;
        let each = each + each / 16;
        for shard in &self.by_caller {
            shard.write().reserve(each, |entry| self.hasher.hash_one(entry.caller()));
        }
    }

    /// Adds an entry that is on disk. False: its caller has one already.
    pub fn load(&self, entry: Entry) -> bool {
        self.skip_slot(entry.slot());
        let is_new = self.select_one(entry.caller()).is_none();
        if is_new {
            self.add(Arc::new(entry));
        }
        is_new
    }

    fn index(&self, entry: Arc<Entry>) {
        let (hash, shard) = self.place(entry.address());
        let mut table = self.by_address[shard].write();
        match table.find_mut(hash, |bound| bound.address() == entry.address()) {
            None => {
                table.insert_unique(hash, Bound::One(entry), |bound| self.hasher.hash_one(bound.address()));
            }
            Some(Bound::Many(entries)) => entries.push(entry),
            Some(bound) => {
                let mut entries = bound.entries().to_vec();
                entries.push(entry);
                *bound = Bound::Many(Box::new(entries));
            }
        }
    }

    pub fn remove(&self, caller: &str) -> Option<Arc<Entry>> {
        let (hash, shard) = self.place(caller);
        let found = self.by_caller[shard].write().find_entry(hash, |entry| entry.caller() == caller).ok()?.remove().0;
        self.count.fetch_sub(1, Ordering::Relaxed);
        if !found.address().is_empty() {
            self.unindex(&found);
        }
        Some(found)
    }

    fn unindex(&self, entry: &Arc<Entry>) {
        let (hash, shard) = self.place(entry.address());
        let mut table = self.by_address[shard].write();
        let Ok(mut bound) = table.find_entry(hash, |bound| bound.address() == entry.address()) else { return };
        if let Bound::Many(entries) = bound.get_mut() {
            entries.retain(|other| !Arc::ptr_eq(other, entry));
            match &entries[..] {
                [] => drop(bound.remove()),
                [one] => *bound.get_mut() = Bound::One(Arc::clone(one)),
                _ => {}
            }
        } else {
            bound.remove();
        }
    }

    pub fn addresses(&self) -> Vec<String> {
        let mut all = Vec::new();
        for shard in &self.by_address {
            all.extend(shard.read().iter().map(|bound| bound.address().to_owned()));
        }
        all
    }

    pub fn select_one(&self, caller: &str) -> Option<Arc<Entry>> {
        let (hash, shard) = self.place(caller);
        self.by_caller[shard].read().find(hash, |entry| entry.caller() == caller).cloned()
    }

    /// All entries of a shard that `which` wants; for all shards, call it with
    /// each number below [`Table::shards`].
    pub fn select(&self, shard: usize, which: impl Fn(&Entry) -> bool) -> Vec<Arc<Entry>> {
        self.by_caller[shard].read().iter().filter(|entry| which(entry)).cloned().collect()
    }

    pub fn shards(&self) -> usize {
        SHARDS
    }
}

/// Seconds that the bindings have lived, as far as anybody has measured them:
/// see `docs/decisions/0006-time-of-bindings.md`. Within the process it goes by
/// the monotonic clock, and begins where the store's last stamp says.
pub struct Clock {
    started: Instant,
    /// What the store's clock stood at then.
    stored_at_start: AtomicU64,
}

/// Seconds that the clock begins with: older touches are all the same.
const BEFORE: u32 = 1 << 30;

impl Clock {
    fn new() -> Clock {
        Clock { started: Instant::now(), stored_at_start: AtomicU64::new(0) }
    }

    /// The store's clock stands at `stored` as the process opens it.
    pub fn begin(&self, stored: u64) {
        self.stored_at_start.store(stored, Ordering::Relaxed);
    }

    pub fn now(&self) -> u32 {
        BEFORE.saturating_add(self.started.elapsed().as_secs() as u32)
    }

    /// What the store's clock stands at.
    pub fn stored_now(&self) -> u64 {
        self.stored(self.now())
    }

    /// A time on this clock as the store has it.
    pub fn stored(&self, at: u32) -> u64 {
        (self.stored_at_start.load(Ordering::Relaxed) + at as u64).saturating_sub(BEFORE as u64)
    }

    /// The store's time on this clock. One that is yet to come, as a stamp may be
    /// older than what was written after it, counts as now.
    pub fn of_stored(&self, stored: u64) -> u32 {
        let at = stored.saturating_add(BEFORE as u64).saturating_sub(self.stored_at_start.load(Ordering::Relaxed));
        at.min(self.now() as u64) as u32
    }
}
