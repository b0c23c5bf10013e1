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

use calls::{CALLERS, Calls};
use process::Process;
use support::metrics::Series;

/// How long calls are measured, each time.
const MEASURED: Duration = Duration::from_millis(1_500);

/// Whatever others do, 99 of 100 calls take no longer: on a machine that runs
/// both sides of it, in a build that is not optimised, beside other tests.
const BOUND: Duration = Duration::from_secs(1);

/// Or so many times what they take when nothing else goes on, if that is more:
/// the machine is busy then.
const FACTOR: u32 = 20;

/// RSS that may stay behind: what the allocator keeps for the next time, and
/// tables that have grown. Up to 9 MiB were seen at the first look, 6 MiB once it
/// had settled.
const KEPT: usize = 10 * 1024 * 1024;

/// By how much a gauge may be over what it was, as the calls that go on have
/// something in hand at one moment and not at another.
fn in_hand(gauge: &str) -> f64 {
    match gauge {
        // Each side of a call is counted in steps of 4 KiB, if at all.
        "skep_memory_used_bytes" | "skep_queue_waiting_bytes" => (CALLERS * 4096) as f64,
        "skep_queue_waiting_messages" | "skep_queue_held_messages" => CALLERS as f64,
        _ => 0.0,
    }
}

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
    /// go on meanwhile; afterwards all that they took comes back.
    fn while_they(&self, others: &[&(dyn Fn() + Sync)]) {
        let calm = self.calls.p99(MEASURED);
        let before = Taken::by(&self.process);
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
        let left = self.recovers(&before);
        let after = self.calls.p99(MEASURED);
        let mib = |bytes: usize| bytes / 1024 / 1024;
        println!("p99 {calm:?} without, {loaded:?} with them, {after:?} afterwards");
        println!("{} MiB before, {} MiB then, {} MiB afterwards", mib(before.memory), mib(peak), mib(left));
        assert!(after <= bound, "p99 {after:?} afterwards, at most {bound:?} is allowed");
    }

    /// Waits until it takes and holds no more than it did before, and says how
    /// much memory it takes.
    fn recovers(&self, before: &Taken) -> usize {
        let until = Instant::now() + RECOVERY;
        loop {
            let now = Taken::by(&self.process);
            let Some(more) = now.exceeds(before) else { return now.memory };
            assert!(Instant::now() < until, "{more}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// What the program takes of the system, and what it holds by its own account.
struct Taken {
    memory: usize,
    files: usize,
    gauges: Vec<Series>,
}

impl Taken {
    fn by(process: &Process) -> Taken {
        let (memory, files) = (process.memory(), process.files());
        Taken { memory, files, gauges: process.gauges() }
    }

    /// What there is more of than there was `before`, and may not be.
    fn exceeds(&self, before: &Taken) -> Option<String> {
        if self.memory > before.memory + KEPT {
            return Some(format!("{} bytes of memory are taken, {} were before", self.memory, before.memory));
        }
        if self.files > before.files {
            return Some(format!("{} files are open, {} were before", self.files, before.files));
        }
        let more = self.gauges.iter().find(|now| {
            let was = before.gauges.iter().find(|was| (&was.name, &was.labels) == (&now.name, &now.labels));
            was.is_none_or(|was| now.value > was.value + in_hand(&now.name))
        });
        more.map(|now| format!("{now:?} where there was less before"))
    }
}
