//! The sled database in a data directory: who may open it, what is in it, and
//! the evidence by which a loss is noticed.
//!
//! Each batch writes, beside its records, one with its number and the count of
//! bindings after it. The number of the last batch that reached the disk is in
//! a small file beside the database too. So a database that lost its end (sled
//! cuts off what it can't read) or a record from its middle does not pass for
//! whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sled::{Db, Mode};

use super::directory;
use super::error::{JournalError, OpenError};
use super::watch::{Uptime, Watch};

pub(super) const DATABASE: &str = "bindings";
const LOCK: &str = "lock";
const LAST_BATCH: &str = "bindings.last";

/// Key of the record about the database itself; the others' have 8 bytes.
pub(super) const META: &[u8] = b"\0meta";
const FORMAT: u8 = 3;

/// A record's key, and the record; `None`: none any more.
pub(super) type Record = (u64, Option<Vec<u8>>);

/// Bytes of its pages that sled keeps; the table is ours to keep.
const CACHE: u64 = 16 * 1024 * 1024;

/// A process that has been killed holds its lock until the system has cleared
/// it away; who starts the next one at once need not know that.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// How long sled's threads may take to let go of a database that was closed.
const SLED_PATIENCE: Duration = Duration::from_secs(5);

pub struct Store {
    pub(super) dir: PathBuf,
    /// Closed only while it is opened anew, see `super::recovery`.
    db: Option<Db>,
    /// How often in a row it could not be.
    pub(super) failed_opens: u32,
    /// sled's own file, to be synced: its flush leaves that to the kernel.
    file: File,
    last_batch: File,
    meta: Meta,
    watch: Watch,
    /// Held for as long as the store is open; frees itself when we die.
    _lock: File,
}

/// What is known of the last batch.
#[derive(Clone, Copy, Default)]
pub(super) struct Meta {
    pub batch: u64,
    count: u64,
}

/// What the store's clock stood at, and when that was.
#[derive(Clone, Copy)]
pub(super) struct Stamp {
    stored: u64,
    at: Uptime,
}

impl Stamp {
    const LEN: usize = 32;

    fn encode(self) -> [u8; Stamp::LEN] {
        let mut out = [0; Stamp::LEN];
        out[..8].copy_from_slice(&self.stored.to_be_bytes());
        out[8..16].copy_from_slice(&self.at.seconds.to_be_bytes());
        out[16..].copy_from_slice(&self.at.boot.to_be_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Stamp> {
        let (stored, bytes) = bytes.split_first_chunk::<8>()?;
        let (seconds, boot) = bytes.split_first_chunk::<8>()?;
        let at = Uptime { boot: u128::from_be_bytes(boot.try_into().ok()?), seconds: u64::from_be_bytes(*seconds) };
        Some(Stamp { stored: u64::from_be_bytes(*stored), at })
    }

    /// What the clock stands at `now`: further by what has been measured.
    fn by(self, now: Uptime) -> u64 {
        self.stored.saturating_add(now.since(self.at).unwrap_or(0))
    }
}

impl Meta {
    fn encode(self, stamp: Stamp) -> Vec<u8> {
        let mut out = vec![FORMAT];
        out.extend_from_slice(&self.batch.to_be_bytes());
        out.extend_from_slice(&self.count.to_be_bytes());
        out.extend_from_slice(&stamp.encode());
        let sum = crc32fast::hash(&out);
        out.extend_from_slice(&sum.to_be_bytes());
        out
    }

    /// Also what the clock stood at with it.
    pub fn decode(bytes: &[u8]) -> Option<(Meta, Stamp)> {
        let (body, sum) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(body) != u32::from_be_bytes(*sum) {
            return None;
        }
        let body = body.strip_prefix(&[FORMAT])?;
        let (batch, body) = body.split_first_chunk::<8>()?;
        let (count, stamp) = body.split_first_chunk::<8>()?;
        let meta = Meta { batch: u64::from_be_bytes(*batch), count: u64::from_be_bytes(*count) };
        Some((meta, Stamp::decode(stamp)?))
    }
}

impl Store {
    /// Opens the database, tells `begin` what its clock stands at and how many
    /// records it has, and hands each to `load`, which says whether the record is
    /// to be kept; `None`: it is damaged.
    pub fn open(
        dir: &Path,
        watch: Watch,
        begin: impl FnOnce(u64, usize),
        mut load: impl FnMut(&[u8], &[u8]) -> Option<bool>,
    ) -> Result<Store, OpenError> {
        let failed = |action| move |error| OpenError::Directory { dir: dir.into(), action, error };
        directory::make(dir).map_err(failed("can't be made"))?;
        let lock = take_lock(dir)?;
        let path = dir.join(DATABASE);
        // What sled panics about is damage, too.
        let opened = catch_unwind(AssertUnwindSafe(|| Store::open_database(dir, &path, lock, watch, begin, &mut load)));
        opened.unwrap_or_else(|panic| {
            let what = panic.downcast_ref::<String>().map(String::as_str);
            let what = what.or(panic.downcast_ref::<&str>().copied()).unwrap_or("the database can't be read");
            Err(OpenError::Corrupt { path, what: what.lines().next().unwrap_or_default().to_owned() })
        })
    }

    fn open_database(
        dir: &Path,
        path: &Path,
        lock: File,
        watch: Watch,
        begin: impl FnOnce(u64, usize),
        load: &mut impl FnMut(&[u8], &[u8]) -> Option<bool>,
    ) -> Result<Store, OpenError> {
        let corrupt = |what: String| OpenError::Corrupt { path: path.into(), what };
        let unreadable = |error: sled::Error| match error {
            sled::Error::Io(error)
                if is_in_use(&error)
                    || error.kind() != io::ErrorKind::Other && error.kind() != io::ErrorKind::InvalidData =>
            {
                OpenError::Unreadable { path: path.into(), what: error.to_string() }
            }
            other => corrupt(other.to_string()),
        };
        let is_new = !path.exists();
        let failed = |action| move |error| OpenError::Directory { dir: dir.into(), action, error };
        let mut last_batch = private_file(&dir.join(LAST_BATCH)).map_err(failed("can't be written to"))?;
        let (known, beside) = read_last_batch(&mut last_batch).map_err(failed("can't be read"))?;
        if is_new && known > 0 {
            return Err(corrupt("the database is missing".into()));
        }
        make_database_dir(path).map_err(failed("can't be made"))?;
        let db = open_sled(path).map_err(unreadable)?;
        make_private(path).map_err(failed("can't be made private"))?;
        let file = File::open(path.join("db")).map_err(failed("can't be read"))?;

        let meta = db.get(META).map_err(unreadable)?;
        let decode = |value: sled::IVec| {
            Meta::decode(&value)
                .ok_or_else(|| corrupt("its own record is damaged, or of another version of skep".into()))
        };
        let meta = meta.map(decode).transpose()?;
        let stamps = beside.into_iter().chain(meta.map(|(_, stamp)| stamp));
        // The clock of a new store begins with the wall clock.
        let now = watch.now();
        let stored = stamps.max_by_key(|stamp| stamp.stored).map_or_else(wall_clock_s, |stamp| stamp.by(now));
        begin(stored, meta.map_or(0, |(meta, _)| meta.count as usize));
        let mut count = 0;
        let mut expired = Vec::new();
        for record in db.iter() {
            let (key, value) = record.map_err(unreadable)?;
            if key == META {
                continue;
            }
            count += 1;
            match load(&key, &value) {
                Some(true) => {}
                Some(false) => expired.extend(slot_of(&key)),
                None => return Err(corrupt(format!("record {count} is damaged"))),
            }
        }
        let meta = match meta {
            Some((meta, _)) => meta,
            None if count == 0 && known == 0 => Meta::default(),
            None => return Err(corrupt("its own record is missing".into())),
        };
        if meta.batch < known {
            let lost = known - meta.batch;
            return Err(corrupt(format!("the last {lost} of {known} batches of changes are missing")));
        }
        if meta.count != count {
            return Err(corrupt(format!("{count} bindings are there, {} should be", meta.count)));
        }
        let mut store =
            Store { dir: dir.into(), db: Some(db), failed_opens: 0, file, last_batch, meta, watch, _lock: lock };
        let gone = -(expired.len() as isize);
        let expired = expired.into_iter().map(|slot| (slot, None));
        // The first batch also shows early that the disk takes writes.
        store
            .write(expired, gone, stored)
            .map_err(|error| OpenError::Unreadable { path: path.into(), what: error.to_string() })?;
        Ok(store)
    }

    /// Writes a batch of records (`None`: removes one) and waits until it is
    /// on disk. `grown`: by how much the count of bindings changes; `stored`: what
    /// the clock stands at.
    pub fn write(
        &mut self,
        records: impl IntoIterator<Item = Record>,
        grown: isize,
        stored: u64,
    ) -> Result<(), JournalError> {
        let count = self.meta.count.saturating_add_signed(grown as i64);
        let stamp = Stamp { stored, at: self.watch.now() };
        let meta = Meta { batch: self.meta.batch + 1, count };
        let mut batch = sled::Batch::default();
        for (slot, record) in records {
            match record {
                Some(record) => batch.insert(&slot.to_be_bytes(), record),
                None => batch.remove(&slot.to_be_bytes()),
            }
        }
        batch.insert(META, meta.encode(stamp));
        let written = catch_unwind(AssertUnwindSafe(|| {
            let db = self.database()?;
            db.apply_batch(batch).map_err(|error| error.to_string())?;
            db.flush().map_err(|error| error.to_string())?;
            self.file.sync_data().map_err(|error| error.to_string())?;
            write_last_batch(&mut self.last_batch, meta.batch, stamp).map_err(|error| error.to_string())
        }));
        match written {
            Ok(Ok(())) => {
                self.meta = meta;
                Ok(())
            }
            Ok(Err(error)) => Err(JournalError::Write(error)),
            Err(_) => Err(JournalError::Write("the database failed".into())),
        }
    }

    /// Notes what the clock stands at, so that as much has been measured when we
    /// are gone. Costs no sync; nothing but a little time is lost with it.
    pub fn stamp(&mut self, stored: u64) {
        let stamp = Stamp { stored, at: self.watch.now() };
        if let Err(error) = write_last_batch(&mut self.last_batch, self.meta.batch, stamp) {
            tracing::debug!("the time of the bindings can't be noted: {error}");
        }
    }

    pub(super) fn database(&self) -> Result<&Db, String> {
        self.db.as_ref().ok_or_else(|| "the database is closed since a write has failed".to_owned())
    }

    /// Has the database at `path` take the place of the one that was closed.
    pub(super) fn open_database_at(&mut self, path: &Path) -> Result<(), sled::Error> {
        let db = open_sled(path)?;
        make_private(path)?;
        self.file = File::open(path.join("db"))?;
        self.db = Some(db);
        Ok(())
    }

    pub(super) fn close_database(&mut self) {
        let db = self.db.take();
        drop(catch_unwind(AssertUnwindSafe(|| drop(db))));
    }

    /// The database has so many bindings, and `batch` was its last one; the
    /// next gets a number that none has had.
    pub(super) fn begin_with(&mut self, batch: u64, count: u64) {
        self.meta.batch = self.meta.batch.max(batch);
        self.meta.count = count;
    }

    pub fn close(mut self) {
        // All that was acknowledged has been flushed; this frees sled's files
        // and only then, with the rest of us, the lock.
        self.close_database();
    }
}

fn slot_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}

/// Makes this process the only one in the directory.
fn take_lock(dir: &Path) -> Result<File, OpenError> {
    let failed = |action| move |error| OpenError::Directory { dir: dir.into(), action, error };
    let mut lock = private_file(&dir.join(LOCK)).map_err(failed("its lock file can't be opened"))?;
    let until = Instant::now() + LOCK_PATIENCE;
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOCK_PATIENCE / 50),
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Only for the message; without it, it still says enough.
                let _ = lock.read_to_string(&mut pid);
                let pid = if pid.trim().is_empty() { "unknown".into() } else { pid.trim().into() };
                return Err(OpenError::Held { dir: dir.into(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(failed("can't be locked")(error)),
        }
    }
    let note = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
    note.map_err(failed("can't be written to"))?;
    Ok(lock)
}

/// The process that has a data directory open, by what it wrote into its lock;
/// none: nobody has.
///
/// # Errors
/// The lock can't be looked at. There being none is no error.
pub fn holder(dir: &Path) -> io::Result<Option<u32>> {
    let mut lock = match File::open(dir.join(LOCK)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match lock.try_lock_shared() {
        // Given up at once: who starts now waits a little for it.
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            lock.read_to_string(&mut pid)?;
            pid.trim().parse().map(Some).map_err(io::Error::other)
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether that process has the lock open: its number may be one of another
/// machine or container that shares the directory. Where the system does not
/// tell, it is believed.
pub fn is_holder(dir: &Path, pid: u32) -> bool {
    let Ok(lock) = fs::metadata(dir.join(LOCK)) else { return false };
    let files = match fs::read_dir(format!("/proc/{pid}/fd")) {
        Ok(files) => files,
        Err(_) => return !Path::new("/proc/self/fd").exists(),
    };
    let same = |file: fs::Metadata| (file.dev(), file.ino()) == (lock.dev(), lock.ino());
    files.filter_map(|file| fs::metadata(file.ok()?.path()).ok()).any(same)
}

pub(super) fn make_database_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Waits for a database of this process that was closed a moment ago: sled's own
/// threads may have it still. Others can't, as we have the directory.
fn open_sled(path: &Path) -> Result<Db, sled::Error> {
    let until = Instant::now() + SLED_PATIENCE;
    let config = sled::Config::new().path(path).mode(Mode::HighThroughput).cache_capacity(CACHE).flush_every_ms(None);
    loop {
        match config.open() {
            Err(sled::Error::Io(error)) if is_in_use(&error) && Instant::now() < until => {
                std::thread::sleep(LOCK_PATIENCE / 50);
            }
            opened => return opened,
        }
    }
}

/// sled has no kind of error of its own for that.
fn is_in_use(error: &io::Error) -> bool {
    error.to_string().starts_with("could not acquire lock")
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn make_private(path: &Path) -> io::Result<()> {
    for file in fs::read_dir(path)? {
        let file = file?;
        let mode = if file.file_type()?.is_dir() { 0o700 } else { 0o600 };
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// The last batch, 0 if none has been written; and the last stamp, if it is whole.
fn read_last_batch(file: &mut File) -> io::Result<(u64, Option<Stamp>)> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(1024).read_to_end(&mut bytes)?;
    let Some((batch, _)) = bytes.split_first_chunk::<8>() else { return Ok((0, None)) };
    let whole = bytes.split_last_chunk::<4>().filter(|(body, sum)| crc32fast::hash(body) == u32::from_be_bytes(**sum));
    let stamp = whole.and_then(|(body, _)| Stamp::decode(body.get(8..)?));
    Ok((u64::from_be_bytes(*batch), stamp))
}

/// After the batch itself has been synced, so never ahead of it; it needs no
/// sync of its own, as an older number only notices less.
fn write_last_batch(file: &mut File, batch: u64, stamp: Stamp) -> io::Result<()> {
    let mut bytes = [&batch.to_be_bytes()[..], &stamp.encode()].concat();
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&bytes)
}

fn wall_clock_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A name in `dir`, not taken yet, for a database that is moved aside.
pub(super) fn aside_name(dir: &Path) -> PathBuf {
    let now = wall_clock_s();
    let first = dir.join(format!("{DATABASE}.set-aside-{now}"));
    let others = (2u32..).map(|n| dir.join(format!("{DATABASE}.set-aside-{now}-{n}")));
    std::iter::once(first.clone()).chain(others).find(|name| !name.exists()).unwrap_or(first)
}

/// Moves a database that can't be opened away, and says where to; `None`:
/// there is none.
///
/// # Errors
/// Another process has it, or it can't be moved.
pub fn set_aside(dir: &Path) -> Result<Option<PathBuf>, OpenError> {
    let failed = |action| move |error| OpenError::Directory { dir: dir.into(), action, error };
    let path = dir.join(DATABASE);
    if !path.exists() && !dir.join(LAST_BATCH).exists() {
        return Ok(None);
    }
    let _lock = take_lock(dir)?;
    let aside = aside_name(dir);
    fs::DirBuilder::new().mode(0o700).create(&aside).map_err(failed("can't be written to"))?;
    for name in [DATABASE, LAST_BATCH] {
        if dir.join(name).exists() {
            fs::rename(dir.join(name), aside.join(name)).map_err(failed("can't be written to"))?;
        }
    }
    Ok(Some(aside))
}
