//! Under a service manager, and what a process of ours must not leave behind.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

use super::started::{FREE_PORTS, serve, skep};

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

#[test]
fn no_core_dump_is_made_of_it() {
    // From whoever starts it, it may have any.
    let own = getrlimit(Resource::Core);
    setrlimit(Resource::Core, Rlimit { current: own.maximum, ..own }).unwrap();
    let mut serving = serve(&[]);
    serving.welcome();
    let limits = fs::read_to_string(format!("/proc/{}/limits", serving.child.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let soft: u64 = core.split_whitespace().nth(4).unwrap().parse().unwrap();
    assert!(soft <= 1, "{core}");
}
