//! The temporary folder of a command: Beekeeper's configuration, with our
//! addresses in it. It goes when we go, and if we are killed, too.

use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use rustix::process::Pid;
use skep::addresses::Addresses;

use super::reap;

/// Tells Beekeeper where its configuration is.
pub const VARIABLE: &str = "BEEKEEPER_CONFIG_DIR";

const BUSES: &str = "bus.config.json";
/// Whose folder it is holds a lock on this file in it.
const LOCK: &str = ".lock";
/// Whoever has made a folder has locked it after so long.
const UNLOCKED: Duration = Duration::from_secs(60);

pub struct Folder {
    path: PathBuf,
    reaper: Reaper,
    /// Held until we end, however we do.
    _lock: File,
}

/// A process that does nothing until we have ended.
struct Reaper {
    child: Child,
    /// It notices our end by that of its standard input.
    life: Option<ChildStdin>,
}

impl Folder {
    /// # Errors
    /// The system gives no temporary folder, or no process to look after it.
    pub fn new() -> anyhow::Result<Folder> {
        remove_orphans();
        let folder = tempfile::Builder::new()
            .prefix(reap::PREFIX)
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .context("no temporary folder can be made")?;
        let lock = File::create(folder.path().join(LOCK)).context("a temporary file can't be made")?;
        lock.try_lock().context("a temporary file can't be locked")?;
        let reaper = Reaper::start(folder.path())?;
        Ok(Folder { path: folder.keep(), reaper, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the buses, and takes everything else from the folder that was to
    /// be used without us.
    pub fn fill(&self, addresses: &Addresses) -> anyhow::Result<()> {
        let buses = format!("{:#}\n", addresses.bus_config());
        fs::write(self.path.join(BUSES), buses).context("the configuration for Beekeeper can't be written")?;
        let Some(other) = std::env::var_os(VARIABLE).filter(|path| Path::new(path).is_dir()) else { return Ok(()) };
        let linked = || -> std::io::Result<()> {
            for entry in fs::canonicalize(&other)?.read_dir()? {
                let entry = entry?;
                if entry.file_name() != BUSES && entry.file_name() != LOCK {
                    symlink(entry.path(), self.path.join(entry.file_name()))?;
                }
            }
            Ok(())
        };
        linked().with_context(|| format!("the files of {VARIABLE}={} can't be linked to", other.display()))
    }

    /// Has that process group end, too, if we are killed.
    pub fn warn_of(&mut self, group: Option<Pid>) {
        self.reaper.tell(group.map_or(0, Pid::as_raw_pid));
    }

    /// The leader of that group has been waited for: the number may be another's.
    pub fn forget_group(&mut self) {
        self.reaper.tell(0);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        reap::remove(&self.path);
        self.reaper.dismiss();
    }
}

/// Removes the folders of those that were killed together with their reaper,
/// by the end of a container say.
fn remove_orphans() {
    let Ok(entries) = std::env::temp_dir().read_dir() else { return };
    for entry in entries.flatten() {
        let folder = entry.path();
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        if reap::is_ours(&folder) && age().is_some_and(|age| age > UNLOCKED) && !is_locked(&folder) {
            reap::remove(&folder);
        }
    }
}

/// One that can't be looked at is somebody else's.
fn is_locked(folder: &Path) -> bool {
    match File::open(folder.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_err(),
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

impl Reaper {
    fn start(folder: &Path) -> anyhow::Result<Reaper> {
        let own = std::env::current_exe().context("skep does not find its own program")?;
        let mut command = Command::new(own);
        command.arg(reap::COMMAND).arg(folder);
        // It has to outlive us, also if we run within another skep exec, which
        // ends what names its folder.
        command.env_remove(VARIABLE);
        // What is sent to all of a job is not for it.
        command.process_group(0);
        // Nor may it keep those waiting who read our output to its end.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().context("the process that clears up can't be started")?;
        let life = child.stdin.take();
        Ok(Reaper { child, life })
    }

    /// `group`: 0 for none.
    fn tell(&mut self, group: i32) {
        if let Some(life) = &mut self.life {
            // One that has been killed by somebody clears nothing up.
            let _ = writeln!(life, "{group}");
        }
    }

    fn dismiss(&mut self) {
        if let Some(mut life) = self.life.take() {
            let _ = writeln!(life, "{}", reap::FAREWELL);
        }
        // Nothing of us is left when we have ended.
        let _ = self.child.wait();
    }
}
