//! Who is logged in: client sessions that a worker has bound, kept in memory
//! and journaled in sled, so that they survive any death of the process.
//! Knows nothing of MQTT.
//!
//! Memory is the table that is asked. A change is made there first, in the
//! order in which the journal will have it, and answered once it is on disk.

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
/// Time that nobody can set.
mod watch;

use std::path::Path;
use std::sync::Arc;

pub use error::{JournalError, OpenError};
pub use journal::JournalStats;
pub use settings::Settings;
pub use store::set_aside;
#[doc(hidden)]
pub use watch::{Uptime, Watch};

use entry::Entry;
use journal::{Change, Done, Journal};
use store::Store;
use table::Table;

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

/// The bindings of one data directory. Cheap to clone.
#[derive(Clone)]
pub struct Bindings(Arc<Inner>);

struct Inner {
    table: Arc<Table>,
    journal: Journal,
}

impl Bindings {
    /// Opens or makes the store in `dir`, and loads what has not expired.
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
        let begin = |stored| table.clock().begin(stored);
        let store = Store::open(dir, watch, begin, |key, record| {
            let entry = Entry::decode(key, record, table.clock())?;
            let alive = !table.is_expired(&entry);
            if alive {
                table.put(Arc::new(entry));
            }
            Some(alive)
        })?;
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

    /// Binds a caller, in place of what it had. `done` is called once, from
    /// any thread, when that is on disk or has failed.
    pub fn bind(&self, binding: Binding<'_>, done: impl FnOnce(Result<(), JournalError>) + Send + 'static) {
        let entry = Arc::new(Entry::new(&binding, self.0.table.clock()));
        self.change(Box::new(done), |table, changes| {
            let old = table.put(Arc::clone(&entry));
            changes.push(Change { caller: entry.caller().into(), old, new: Some(entry) });
        });
    }

    /// Forgets one caller; nothing happens if it isn't bound.
    pub fn unbind_caller(&self, caller: &str, done: impl FnOnce(Result<(), JournalError>) + Send + 'static) {
        self.change(Box::new(done), |table, changes| {
            if let Some(old) = table.remove(caller) {
                changes.push(Change { caller: caller.into(), old: Some(old), new: None });
            }
        });
    }

    /// Forgets all callers bound to an address.
    pub fn unbind_address(&self, address: &str, done: impl FnOnce(Result<(), JournalError>) + Send + 'static) {
        self.change(Box::new(done), |table, changes| {
            for entry in table.all_at(address) {
                if let Some(old) = table.remove(entry.caller()) {
                    changes.push(Change { caller: entry.caller().into(), old: Some(old), new: None });
                }
            }
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

    pub fn stats(&self) -> JournalStats {
        self.0.journal.stats()
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
