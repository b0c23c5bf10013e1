//! What is left to do when `skep exec` was killed: a process of its own waits
//! for that, since who is killed does nothing any more.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

pub const COMMAND: &str = "reap";
/// What the name of every folder begins with that may be removed.
pub const PREFIX: &str = "skep-exec-";
/// Said by who ends in an orderly way.
pub const FAREWELL: &str = "bye";

/// A process that was just killed may still make a file.
const PATIENCE: Duration = Duration::from_secs(2);

/// Wait for the end of standard input, then remove a folder of skep exec
#[derive(Debug, clap::Args)]
pub struct ReapArgs {
    folder: PathBuf,
}

pub fn run(args: &ReapArgs) -> ExitCode {
    let mut said = String::new();
    // What came until then counts.
    let _ = std::io::stdin().lock().read_to_string(&mut said);
    if !is_ours(&args.folder) {
        return ExitCode::FAILURE;
    }
    let last = said.lines().next_back();
    if last != Some(FAREWELL) {
        let group = last.and_then(|line| line.parse().ok()).and_then(Pid::from_raw);
        // The command has been killed by the system; the others go with it.
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
        #[cfg(target_os = "linux")]
        super::left::kill(&args.folder);
    }
    remove(&args.folder);
    ExitCode::SUCCESS
}

/// By its name.
pub fn is_ours(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(PREFIX))
}

/// Removes a folder that skep exec has made, and nothing else.
pub fn remove(folder: &Path) {
    if !is_ours(folder) {
        return;
    }
    let until = Instant::now() + PATIENCE;
    while fs::remove_dir_all(folder).is_err() && folder.exists() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
}
