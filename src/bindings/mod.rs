//! Who is logged in: client sessions that a worker has bound, kept in memory
//! and journaled in sled, so that they survive any death of the process.
//! Knows nothing of MQTT.
//!
//! Memory is the table that is asked. A change is made there first, in the
//! order in which the journal will have it, and answered once it is on disk.

/// The data directory.
mod directory;
/// One binding, compact.
mod entry;
/// What can go wrong.
mod error;
/// The thread that writes changes to disk, many at once.
mod journal;
/// Going on after the disk has failed.
mod recovery;
mod settings;
/// The sled database: its format, its lock, its evidence of loss.
mod store;
/// The table in memory: by caller and by address.
mod table;
/// What there is to see of them.
mod view;
/// Time that nobody can set.
mod watch;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use error::{JournalError, OpenError};
pub use journal::JournalStats;
pub use settings::Settings;
pub use store::{holder, is_holder, set_aside};
pub use view::SessionInfo;
#[doc(hidden)]
pub use watch::{Uptime, Watch};

use crate::histogram::Counts;
use entry::Entry;
use journal::{Change, Done, Journal};
use store::Store;
use table::Table;

/// Entries that room is made for before they are read.
const MAX_RESERVED: usize = 4_000_000;

/// What a worker binds to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding<'a> {
    /// Client id of the caller.
    pub caller: &'a str,
    /// Where the caller is reached: `priv/{client id}`.
    pub topic: &'a str,
    /// Bus id of the caller's frontend.
    pub frontend: &'a str,
    /// Such as `frontend.user-123`; several callers may have the same.
    pub address: Option<&'a str>,
    /// Goes with each request of the caller; at most 65,535 bytes.
    pub auth: &'a str,
}

/// The bindings of one instance. Cheap to clone.
#[derive(Clone)]
pub struct Bindings(Arc<Inner>);

struct Inner {
    table: Arc<Table>,
    journal: Journal,
}

impl Bindings {
    /// Opens or makes the store in `dir`, and loads what has not expired; leaves
    /// `dir` alone if the settings say that nothing is kept there.
    ///
    /// # Errors
    /// Another process has it, it can't be read or written, or something that
    /// was acknowledged is missing from it.
    pub fn open(dir: &Path, settings: &Settings) -> Result<Bindings, OpenError> {
        Bindings::open_by(dir, settings, Watch::system())
    }

    /// The same with a watch of the caller's own, for tests of down times.
    #[doc(hidden)]
    pub fn open_by(dir: &Path, settings: &Settings, watch: Watch) -> Result<Bindings, OpenError> {
        let table = Arc::new(Table::new(settings.session_timeout_s));
        let begin = |stored, count: usize| {
            table.clock().begin(stored);
            // A record on disk says so; it grows beyond that if need be.
            table.reserve(count.min(MAX_RESERVED));
        };
        let load = |key: &[u8], record: &[u8]| {
            let entry = Entry::decode(key, record, table.clock())?;
            if table.is_expired(&entry) {
                table.skip_slot(entry.slot());
                return Some(false);
            }
            table.load(entry).then_some(true)
        };
        let store = settings.persist.then(|| Store::open(dir, watch, begin, load)).transpose()?;
        let journal = Journal::start(store, Arc::clone(&table));
        Ok(Bindings(Arc::new(Inner { table, journal })))
    }

    /// Hands the auth data of a bound caller to `f`, and has its session begin
    /// anew: no disk, no lock that anybody waits long for.
    pub fn touch<R>(&self, caller: &str, f: impl FnOnce(&str) -> R) -> Option<R> {
        self.0.table.touch(caller, f)
    }

    /// Calls `f` with topic and frontend of each caller bound to `address`;
    /// gives back how many there are.
    pub fn at(&self, address: &str, mut f: impl FnMut(&str, &str)) -> usize {
        let callers = self.0.table.at(address);
        for entry in &callers {
            entry.with_topic(|topic| f(topic, entry.frontend()));
        }
        callers.len()
    }

    /// Devices bound to `address` that have not expired: calls `f` with client id
    /// and frontend of each.
    pub fn devices(&self, address: &str, mut f: impl FnMut(&str, &str)) {
        for entry in self.0.table.at(address) {
            f(entry.caller(), entry.frontend());
        }
    }

    /// The address that a caller on `frontend` is bound to, if it is, also when
    /// the binding has just expired.
    pub fn address_of(&self, caller: &str, frontend: &str) -> Option<String> {
        let entry = self.0.table.select_one(caller)?;
        (entry.frontend() == frontend && !entry.address().is_empty()).then(|| entry.address().to_owned())
    }

    /// Every address that somebody is bound to.
    pub fn addresses(&self) -> Vec<String> {
        self.0.table.addresses()
    }

    /// Has `watcher` called with each address to which a caller was bound or is
    /// no longer, from the journal's thread, after the change. Only the first
    /// watcher counts.
    pub fn watch(&self, watcher: impl Fn(&str) + Send + Sync + 'static) {
        self.0.table.watch(Box::new(watcher));
    }

    /// Has `around` called with what calls the `done`s of one write, one after
    /// the other: so it can make one of what they do. Only the first counts.
    pub fn answer_within(&self, around: impl Fn(&mut dyn FnMut()) + Send + Sync + 'static) {
        self.0.journal.answer_within(Box::new(around));
    }

    /// Binds a caller, in place of what it had. `done` is called once, from
    /// any thread, when that is on disk or has failed.
    pub fn bind(&self, binding: Binding<'_>, done: impl FnOnce(Result<(), JournalError>) + Send + 'static) {
        let table = &self.0.table;
        let entry = Arc::new(Entry::new(table.next_slot(), &binding, table.clock()));
        self.change(Box::new(done), |table, changes| {
            let old = table.put(Arc::clone(&entry));
            changes.push(Change { old, new: Some(entry) });
        });
    }

    /// Forgets one caller; nothing happens if it isn't bound.
    pub fn unbind_caller(&self, caller: &str, done: impl FnOnce(Result<(), JournalError>) + Send + 'static) {
        self.unbind_caller_counted(caller, |outcome| done(outcome.map(drop)));
    }

    /// The same; `done` hears whether it was bound: 1 or 0.
    pub fn unbind_caller_counted(&self, caller: &str, done: impl FnOnce(Result<usize, JournalError>) + Send + 'static) {
        self.unbind(done, |table, changes| {
            if let Some(old) = table.remove(caller) {
                changes.push(Change { old: Some(old), new: None });
            }
        });
    }

    /// Forgets all callers bound to an address.
    pub fn unbind_address(&self, address: &str, done: impl FnOnce(Result<(), JournalError>) + Send + 'static) {
        self.unbind_address_counted(address, |outcome| done(outcome.map(drop)));
    }

    /// The same; `done` hears how many there were.
    pub fn unbind_address_counted(
        &self,
        address: &str,
        done: impl FnOnce(Result<usize, JournalError>) + Send + 'static,
    ) {
        self.unbind(done, |table, changes| {
            for entry in table.all_at(address) {
                if let Some(old) = table.remove(entry.caller()) {
                    changes.push(Change { old: Some(old), new: None });
                }
            }
        });
    }

    /// A change that removes; `done` hears how many.
    fn unbind(
        &self,
        done: impl FnOnce(Result<usize, JournalError>) + Send + 'static,
        make: impl FnOnce(&Table, &mut Vec<Change>),
    ) {
        // Set while the journal's lock is held, read after that.
        let removed = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&removed);
        let done = move |outcome: Result<(), JournalError>| done(outcome.map(|()| removed.load(Ordering::Relaxed)));
        self.change(Box::new(done), |table, changes| {
            let before = changes.len();
            make(table, changes);
            count.store(changes.len() - before, Ordering::Relaxed);
        });
    }

    /// Changes table and journal in one order.
    fn change(&self, done: Done, make: impl FnOnce(&Table, &mut Vec<Change>)) {
        self.0.journal.append(done, |changes| make(&self.0.table, changes));
    }

    /// Callers that are bound.
    pub fn len(&self) -> usize {
        self.0.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How long writes to disk took.
    pub fn flush_times(&self) -> Counts {
        self.0.journal.flush_times()
    }

    pub fn stats(&self) -> JournalStats {
        self.0.journal.stats()
    }

    /// Why nothing can be bound any more; `None`: it can.
    pub fn trouble(&self) -> Option<JournalError> {
        self.0.journal.trouble()
    }

    /// Addresses that somebody is bound to.
    pub fn address_count(&self) -> usize {
        self.0.table.address_count()
    }

    /// Writes what is to be written, and stops; later changes fail. Calling it
    /// again does nothing.
    pub fn close(&self) {
        self.0.journal.close();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.journal.close();
    }
}
