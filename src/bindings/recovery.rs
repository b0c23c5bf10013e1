//! After a write that failed: sled takes no more of them until it is opened
//! anew. What it holds then can be older than what was answered, or have what
//! was not; the table in memory is what it is made equal to.

use std::collections::HashSet;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::entry::Entry;
use super::error::JournalError;
use super::store::{DATABASE, META, Meta, Store, aside_name, make_database_dir};
use super::table::Table;

/// Where a database is written anew, beside the one that can't be read.
const NEW: &str = "bindings.new";

/// Tries to open it after which an error of the disk is taken for one of the
/// database. A new one is made then; while the disk takes nothing, that fails
/// too, and nothing has changed.
const PATIENCE: u32 = 4;

/// Records in one batch.
const BATCH: usize = 10_000;

/// A record to be written, or removed, and by how much that changes their count.
type Repair = (u64, Option<Arc<Entry>>, isize);

impl Store {
    /// Opens the database again and makes it hold what `table` does, which must
    /// not change meanwhile. Gives back how many records that took. One that
    /// can't be read any more is moved aside, and a new one takes its place.
    ///
    /// # Errors
    /// The disk still takes no writes; to be tried again later.
    pub fn recover(&mut self, table: &Table) -> Result<usize, JournalError> {
        let tried = catch_unwind(AssertUnwindSafe(|| {
            self.close_database();
            let path = self.dir.join(DATABASE);
            let compared = self.open_again(&path).and_then(|()| self.compare(table));
            match compared {
                Ok(repairs) => self.repair(repairs, table),
                Err(Unusable::Database(what)) => self.rebuild(table, &what),
                Err(Unusable::Disk(what)) => Err(what),
            }
        }));
        let tried = tried.unwrap_or_else(|_| Err("the database failed".into()));
        tried.map_err(|what| {
            self.close_database();
            JournalError::Write(what)
        })
    }

    fn open_again(&mut self, path: &Path) -> Result<(), Unusable> {
        let opened = self.open_database_at(path);
        self.failed_opens = if opened.is_ok() { 0 } else { self.failed_opens + 1 };
        opened.map_err(|error| match error {
            sled::Error::Io(error) if self.failed_opens < PATIENCE => Unusable::Disk(error.to_string()),
            other => Unusable::Database(other.to_string()),
        })
    }

    /// What of the database is not as in `table`.
    fn compare(&mut self, table: &Table) -> Result<Vec<Repair>, Unusable> {
        let damaged = |error: sled::Error| Unusable::Database(error.to_string());
        let mut repairs: Vec<Repair> = Vec::new();
        let mut known = HashSet::new();
        let mut count = 0;
        let mut batch = 0;
        for record in self.database().map_err(Unusable::Disk)?.iter() {
            let (key, value) = record.map_err(damaged)?;
            if key == META {
                batch = Meta::decode(&value).map_or(0, |(meta, _)| meta.batch);
                continue;
            }
            count += 1;
            let stored = Entry::decode(&key, &value, table.clock());
            let stored = stored.ok_or_else(|| Unusable::Database(format!("record {count} is damaged")))?;
            let current = table.select_one(stored.caller()).filter(|entry| entry.slot() == stored.slot());
            match current {
                // Nothing but the time of the last touch can differ; it is
                // renewed as usual, by what the disk has.
                Some(entry) => {
                    entry.is_stored_as(&stored);
                    known.insert(Arc::as_ptr(&entry));
                }
                None => repairs.push((stored.slot(), None, -1)),
            }
        }
        for shard in 0..table.shards() {
            for entry in table.select(shard, |_| true) {
                if !known.contains(&Arc::as_ptr(&entry)) {
                    repairs.push((entry.slot(), Some(entry), 1));
                }
            }
        }
        self.begin_with(batch, count);
        Ok(repairs)
    }

    /// Writes at least one batch, which shows that the disk takes it.
    fn repair(&mut self, repairs: Vec<Repair>, table: &Table) -> Result<usize, String> {
        let clock = table.clock();
        let mut write = |some: &[Repair]| {
            let records = some.iter().map(|(slot, entry, _)| (*slot, entry.as_ref().map(|e| e.encode(clock))));
            let grown = some.iter().map(|(.., grown)| grown).sum();
            self.write(records, grown, clock.stored_now()).map_err(|error| error.to_string())
        };
        if repairs.is_empty() {
            write(&[])?;
        }
        repairs.chunks(BATCH).try_for_each(&mut write)?;
        Ok(repairs.len())
    }

    /// Writes all of `table` into a new database, and has it take the place of
    /// the old one in one step.
    fn rebuild(&mut self, table: &Table, why: &str) -> Result<usize, String> {
        let text = |error: std::io::Error| error.to_string();
        self.close_database();
        let (path, new) = (self.dir.join(DATABASE), self.dir.join(NEW));
        if new.exists() {
            fs::remove_dir_all(&new).map_err(text)?;
        }
        make_database_dir(&new).map_err(text)?;
        self.open_database_at(&new).map_err(|error| error.to_string())?;
        let repairs = self.compare(table).map_err(|unusable| match unusable {
            Unusable::Disk(what) | Unusable::Database(what) => what,
        })?;
        let written = self.repair(repairs, table)?;
        self.close_database();
        renameat_with(CWD, &new, CWD, &path, RenameFlags::EXCHANGE).map_err(|error| error.to_string())?;
        let aside = aside_name(&self.dir);
        fs::rename(&new, &aside).map_err(text)?;
        tracing::error!(
            aside = %aside.display(),
            "the database of the bindings could not be read again ({why}): it was moved aside, and all bindings in \
             memory are in a new one"
        );
        // What is answered from now on must be found under the name even if the
        // power fails.
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(text)?;
        self.open_database_at(&path).map_err(|error| error.to_string())?;
        Ok(written)
    }
}

/// Why the database can't go on.
enum Unusable {
    /// The disk does not let it.
    Disk(String),
    /// What is on the disk can't be read.
    Database(String),
}

#[cfg(test)]
mod tests {
    use super::super::{Binding, watch::Watch};
    use super::*;

    #[test]
    fn a_touch_that_did_not_reach_the_disk_is_to_be_renewed_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let table = Table::new(1_800);
        let begin = |stored, _| table.clock().begin(stored);
        let mut store = Store::open(dir.path(), Watch::system(), begin, |_, _| None).expect("a new store");
        let binding = Binding {
            caller: "abcdefghijklmnop",
            topic: "priv/abcdefghijklmnop",
            frontend: "f",
            address: None,
            auth: "a",
        };
        let entry = Arc::new(Entry::new(table.next_slot(), &binding, table.clock()));
        table.put(Arc::clone(&entry));
        let record = (entry.slot(), Some(entry.encode(table.clock())));
        store.write([record], 1, table.clock().stored_now()).expect("the disk takes it");
        entry.touch(entry.touched() + 100);
        // Made to be written, but the write fails.
        entry.encode(table.clock());
        assert_eq!(entry.lag(), 0);
        assert_eq!(store.recover(&table).ok(), Some(0));
        assert_eq!(entry.lag(), 100);
    }
}
