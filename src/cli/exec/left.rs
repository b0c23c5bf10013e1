//! Processes that a command started and left behind: in the background, in a
//! session of their own, however it was done. They are known by the temporary
//! folder that their environment names, which is that of one `skep exec` only.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::folder::VARIABLE;

/// How long those that were asked to end have for it, and those that were killed.
const PATIENCE: Duration = Duration::from_secs(2);
/// First pause before looking again, and the longest: a look is at all processes.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

/// Asks them to end, and ends those that don't.
pub fn end(folder: &Path) {
    send_until_gone(folder, Signal::TERM);
    kill(folder);
}

/// Ends them at once.
pub fn kill(folder: &Path) {
    send_until_gone(folder, Signal::KILL);
}

/// Tells each of them once, also those that they have started meanwhile.
fn send_until_gone(folder: &Path, signal: Signal) {
    let mut told = BTreeSet::new();
    let until = Instant::now() + PATIENCE;
    let mut pause = PAUSE.0;
    loop {
        let left = find(folder);
        if left.is_empty() || Instant::now() > until {
            return;
        }
        for (pid, process) in left {
            if told.insert(pid) {
                // It may have ended meanwhile.
                let _ = pidfd_send_signal(process, signal);
            }
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(PAUSE.1);
    }
}

/// By process id, with a handle that stays theirs whoever gets that number next.
fn find(folder: &Path) -> Vec<(i32, OwnedFd)> {
    let wanted = [VARIABLE.as_bytes(), b"=", folder.as_os_str().as_bytes()].concat();
    let names_it = |environment: &[u8]| environment.split(|byte| *byte == 0).any(|entry| entry == wanted);
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let ids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let left = ids.filter_map(|id: i32| {
        // First the handle, so that it is of the process that is looked at.
        let process = pidfd_open(Pid::from_raw(id)?, PidfdFlags::empty()).ok()?;
        // Those of others can't be read, nor can those of programs with rights of
        // their own (set-uid) or with something to hide.
        let environment = fs::read(format!("/proc/{id}/environ")).ok()?;
        names_it(&environment).then_some((id, process))
    });
    left.collect()
}
