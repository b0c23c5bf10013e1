//! Time and bindings: they age by what has been measured, and by nothing else.
//! Boots and uptimes are the test's; that skep asks no wall clock is the point.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use skep::bindings::{Binding, Bindings, Settings, Uptime, Watch};

const TIMEOUT: u64 = 1_800;
const MONDAY: u128 = 1;
const TUESDAY: u128 = 2;

fn open(dir: &Path, boot: u128, seconds: u64) -> Bindings {
    let settings = Settings { session_timeout_s: TIMEOUT };
    Bindings::open_by(dir, &settings, Watch::of(move || Uptime { boot, seconds })).expect("the bindings open")
}

fn bind(bindings: &Bindings, caller: &str) {
    let (send, receive) = mpsc::channel();
    let topic = format!("priv/{caller}");
    let binding = Binding { caller, topic: &topic, frontend: "frontend-1", address: None, auth: "auth" };
    bindings.bind(binding, move |done| send.send(done).expect("somebody waits"));
    receive.recv_timeout(Duration::from_secs(30)).expect("it is answered").expect("it is on disk");
}

/// Who of these is bound; looking does not count as a request.
fn bound(bindings: &Bindings) -> usize {
    bindings.len()
}

#[test]
fn a_down_time_within_one_boot_counts_to_the_second() {
    for (down, left) in [(0, 1), (TIMEOUT - 1, 1), (TIMEOUT, 0), (10 * TIMEOUT, 0)] {
        let dir = tempfile::tempdir().unwrap();
        bind(&open(dir.path(), MONDAY, 5_000), "caller_of_monday");
        assert_eq!(bound(&open(dir.path(), MONDAY, 5_000 + down)), left, "down for {down} s");
    }
}

#[test]
fn several_down_times_add_up() {
    let dir = tempfile::tempdir().unwrap();
    bind(&open(dir.path(), MONDAY, 5_000), "caller_of_monday");
    for n in 1..6 {
        let bindings = open(dir.path(), MONDAY, 5_000 + n * TIMEOUT / 6);
        assert_eq!(bound(&bindings), 1, "after {n} sixths");
    }
    assert_eq!(bound(&open(dir.path(), MONDAY, 5_000 + TIMEOUT)), 0);
}

#[test]
fn a_reboot_expires_nobody_however_long_it_took() {
    let dir = tempfile::tempdir().unwrap();
    bind(&open(dir.path(), MONDAY, 5_000), "caller_of_monday");
    for (boot, seconds) in [(TUESDAY, 0), (3, 1_000_000_000), (4, 1)] {
        assert_eq!(bound(&open(dir.path(), boot, seconds)), 1, "boot {boot}");
    }
}

#[test]
fn reboots_make_nobody_young_again() {
    let dir = tempfile::tempdir().unwrap();
    bind(&open(dir.path(), MONDAY, 5_000), "caller_of_monday");
    // Each boot is too short for the session to end in it.
    for boot in 1..=4u64 {
        let begin = if boot == 1 { 5_000 } else { 10 };
        let boot_id = u128::from(boot);
        let down = open(dir.path(), boot_id, begin);
        drop(down);
        let bindings = open(dir.path(), boot_id, begin + TIMEOUT / 4);
        assert_eq!(bound(&bindings), usize::from(boot < 4), "after {boot} quarters");
    }
}

#[test]
fn a_touch_begins_the_time_anew_and_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    bind(&open(dir.path(), MONDAY, 5_000), "caller_of_monday");
    let bindings = open(dir.path(), MONDAY, 5_000 + TIMEOUT - 10);
    assert_eq!(bindings.touch("caller_of_monday", str::to_owned).as_deref(), Some("auth"));
    drop(bindings);
    assert_eq!(bound(&open(dir.path(), MONDAY, 5_000 + TIMEOUT + 10)), 1);
    assert_eq!(bound(&open(dir.path(), MONDAY, 5_000 + 2 * TIMEOUT)), 0);
}

#[test]
fn an_uptime_that_goes_back_or_is_unknown_takes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    bind(&open(dir.path(), MONDAY, 5_000), "caller_of_monday");
    assert_eq!(bound(&open(dir.path(), MONDAY, 4_000)), 1);
    assert_eq!(bound(&open(dir.path(), 0, 1_000_000)), 1);
    assert_eq!(bound(&open(dir.path(), 0, 9_000_000)), 1);
}

#[test]
fn without_its_stamp_the_time_of_the_last_batch_holds() {
    let dir = tempfile::tempdir().unwrap();
    bind(&open(dir.path(), MONDAY, 5_000), "caller_of_monday");
    for torn in [&[][..], &[0; 8], &[0; 20], &[0xFF; 44][8..]] {
        let path = dir.path().join("bindings.last");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.truncate(8);
        bytes.extend_from_slice(torn);
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(bound(&open(dir.path(), TUESDAY, 1_000_000)), 1, "{} bytes after it", torn.len());
    }
    std::fs::remove_file(dir.path().join("bindings.last")).unwrap();
    assert_eq!(bound(&open(dir.path(), TUESDAY, 1_000_000 + TIMEOUT - 1)), 1);
    assert_eq!(bound(&open(dir.path(), TUESDAY, 1_000_000 + TIMEOUT)), 0);
}

#[test]
fn the_system_says_which_boot_this_is() {
    let (first, second) = (Watch::system().now(), Watch::system().now());
    if Path::new("/proc/sys/kernel/random/boot_id").exists() {
        assert!(second.since(first).is_some_and(|seconds| seconds < 60), "{first:?} {second:?}");
    }
}
