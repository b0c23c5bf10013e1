//! Overload: while some clients do their worst, the calls of others go on in
//! bounded time, and what it took is given back afterwards.
//!
//! Each test runs the real program and measures the same calls twice, without
//! and with the others.

#[path = "../support/mod.rs"]
mod support;

/// Calls whose time is taken.
mod calls;
/// The program, and what it takes of the system.
mod process;

/// Many connections, and what they don't say.
mod connections;
/// Few connections, and what they say all the time.
mod floods;
/// Clients that don't read.
mod readers;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use calls::Calls;
use process::Process;

/// How long calls are measured, each time.
const MEASURED: Duration = Duration::from_millis(1_500);

/// Whatever others do, 99 of 100 calls take no longer: on a machine that runs
/// both sides of it, in a build that is not optimised, beside other tests.
const BOUND: Duration = Duration::from_secs(1);

/// Or so many times what they take when nothing else goes on, if that is more:
/// the machine is busy then.
const FACTOR: u32 = 20;

/// RSS that may stay behind: what the allocator keeps for the next time.
const KEPT: usize = 32 * 1024 * 1024;

/// How long it may take until the rest is given back.
const RECOVERY: Duration = Duration::from_secs(30);

/// Two of these tests at once would disturb each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The scene of one test.
struct Stage {
    // In the order in which they end.
    calls: Calls,
    process: Process,
    _turn: MutexGuard<'static, ()>,
}

impl Stage {
    /// With settings of the frontend, such as `connections.max_connections=10`.
    fn set(settings: &[&str]) -> Stage {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let process = Process::start(settings);
        let calls = Calls::start(&process);
        Stage { calls, process, _turn: turn }
    }

    /// Has `others` do what they do, again and again, in a thread each. Calls
    /// go on meanwhile; afterwards memory and file handles come back.
    fn while_they(&self, others: &[&(dyn Fn() + Sync)]) {
        let calm = self.calls.p99(MEASURED);
        let (memory, files) = (self.process.memory(), self.process.files());
        let over = AtomicBool::new(false);
        let (loaded, peak) = thread::scope(|scope| {
            for other in others {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        other();
                    }
                });
            }
            let loaded = self.calls.p99(MEASURED);
            let peak = self.process.memory();
            over.store(true, Ordering::Relaxed);
            (loaded, peak)
        });
        let bound = BOUND.max(calm * FACTOR);
        assert!(loaded <= bound, "p99 {loaded:?}, at most {bound:?} is allowed");
        let left = self.recovers(memory + KEPT, files);
        let after = self.calls.p99(MEASURED);
        let mib = |bytes: usize| bytes / 1024 / 1024;
        println!("p99 {calm:?} without, {loaded:?} with them, {after:?} afterwards");
        println!("{} MiB before, {} MiB then, {} MiB afterwards", mib(memory), mib(peak), mib(left));
        assert!(after <= bound, "p99 {after:?} afterwards, at most {bound:?} is allowed");
    }

    /// Waits until no more memory and files are taken, and says how much memory is.
    fn recovers(&self, memory: usize, files: usize) -> usize {
        let until = Instant::now() + RECOVERY;
        loop {
            let now = (self.process.memory(), self.process.files());
            if now.0 <= memory && now.1 <= files {
                return now.0;
            }
            assert!(Instant::now() < until, "{now:?} bytes and files are taken, {:?} should be", (memory, files));
            thread::sleep(Duration::from_millis(50));
        }
    }
}
