//! Under a service manager, and what a process of ours must not leave behind.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

use super::started::{FREE_PORTS, Skep, skep};

/// What the manager hears within ten seconds, up to the line that ends it.
fn heard(manager: &UnixDatagram, last: &str) -> Vec<String> {
    let until = Instant::now() + Duration::from_secs(10);
    let mut heard = Vec::new();
    let mut buffer = [0; 1024];
    manager.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    while Instant::now() < until {
        if let Ok(n) = manager.recv(&mut buffer) {
            heard.extend(String::from_utf8_lossy(&buffer[..n]).lines().map(str::to_owned));
            if heard.iter().any(|line| line == last) {
                return heard;
            }
        }
    }
    panic!("{last} is not among {heard:?}");
}

#[test]
fn a_service_manager_hears_that_skep_is_ready_alive_reloads_and_stops() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let command = skep(&FREE_PORTS);
    let command = command.variable("NOTIFY_SOCKET", path.to_str().unwrap()).variable("WATCHDOG_USEC", "100000");
    let serving = command.serve(Stdio::null());
    let before_ready = heard(&manager, "READY=1");
    assert_eq!(before_ready, ["READY=1"], "the first that it hears");
    for _ in 0..3 {
        heard(&manager, "WATCHDOG=1");
    }
    serving.signal(Signal::HUP);
    let reload = heard(&manager, "RELOADING=1");
    assert!(reload.iter().any(|line| line.starts_with("MONOTONIC_USEC=")), "{reload:?}");
    heard(&manager, "READY=1");
    serving.signal(Signal::TERM);
    heard(&manager, "STOPPING=1");
}

/// Lets it dump as much core as whoever runs this may.
fn with_core_dumps(mut skep: Skep) -> Skep {
    let own = getrlimit(Resource::Core);
    // SAFETY: one system call between fork and exec, which neither allocates nor locks.
    unsafe {
        skep.command.pre_exec(move || Ok(setrlimit(Resource::Core, Rlimit { current: own.maximum, ..own })?));
    }
    skep
}

/// The soft limit that /proc/PID/limits says, in bytes or `unlimited`.
fn core_limit(limits: &str) -> &str {
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    core.split_whitespace().nth(4).unwrap()
}

#[test]
fn no_core_dump_is_made_of_it() {
    let mut serving = with_core_dumps(skep(&FREE_PORTS)).serve(Stdio::piped());
    serving.welcome();
    let limits = fs::read_to_string(format!("/proc/{}/limits", serving.child.id())).unwrap();
    assert!(["0", "1"].contains(&core_limit(&limits)), "{limits}");
}

#[test]
fn a_command_may_dump_core_but_not_the_skep_that_runs_it() {
    let script = "cat /proc/$PPID/limits; echo; cat /proc/$$/limits";
    let ran = with_core_dumps(skep(&["exec", "--", "sh", "-c", script])).run();
    let (skeps, commands) = ran.stdout.split_once("\n\n").unwrap();
    assert!(["0", "1"].contains(&core_limit(skeps)), "{skeps}");
    let most = getrlimit(Resource::Core).maximum.map_or("unlimited".to_owned(), |most| most.to_string());
    assert_eq!(core_limit(commands), most);
}
