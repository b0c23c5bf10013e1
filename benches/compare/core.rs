//! Which cores processes run on. Waking a process on another core costs several
//! times what all programs here do for a call, and the system decides anew all
//! the time whether it has to: on one core, what the programs do is seen.

use std::fs;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Keeps processes, with this one, on one core until it is dropped.
pub struct OneCore {
    pids: Vec<u32>,
    /// Where this process may run otherwise, and so may those.
    usual: CpuSet,
}

impl OneCore {
    pub fn new(mut pids: Vec<u32>) -> OneCore {
        pids.push(std::process::id());
        let usual = sched_getaffinity(None).expect("a process has cores");
        let mut one = CpuSet::new();
        let first = (0..CpuSet::MAX_CPU).find(|core| usual.is_set(*core));
        one.set(first.expect("at least one"));
        let kept = OneCore { pids, usual };
        kept.run_on(&one);
        kept
    }

    fn run_on(&self, cores: &CpuSet) {
        let threads = |pid: &u32| fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        for thread in self.pids.iter().flat_map(threads) {
            let id = thread.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
            // One that has ended meanwhile runs nowhere.
            let _ = sched_setaffinity(id, cores);
        }
    }
}

impl Drop for OneCore {
    fn drop(&mut self) {
        self.run_on(&self.usual);
    }
}
