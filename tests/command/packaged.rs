//! What is in `packaging`: the unit and the container file start a skep that runs,
//! and give it no more than it needs.

use std::fs;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use skep::config::Config;

use super::started::{FREE_PORTS, skep};

const UNIT: &str = include_str!("../../packaging/skep.service");
const CONTAINER: &str = include_str!("../../packaging/Containerfile");
const SETTINGS: &str = include_str!("../../rumqttd.toml");

/// What the unit says of `key`.
fn unit(key: &str) -> &'static str {
    let value = UNIT.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("the unit has no {key}"))
}

/// What the last line of the container file that begins so says.
fn container(instruction: &str) -> &'static str {
    let value = CONTAINER.lines().filter_map(|line| line.strip_prefix(instruction)?.strip_prefix(' ')).next_back();
    value.unwrap_or_else(|| panic!("the container file has no {instruction}"))
}

/// The words of a `["list", "like this"]`.
fn words(list: &str) -> Vec<String> {
    serde_json::from_str(list).unwrap_or_else(|_| panic!("a list of words, not {list}"))
}

/// Starts skep with those arguments, on free ports and with the directories of
/// the real machine below one of the test's own, and has it end.
fn starts_with(arguments: &[String]) {
    let skep = skep(&[]);
    let root = skep.dir.path().to_owned();
    fs::create_dir_all(root.join("etc/skep")).unwrap();
    fs::write(root.join("etc/skep/rumqttd.toml"), SETTINGS).unwrap();
    let below = |word: &String| if word.starts_with('/') { format!("{}{word}", root.display()) } else { word.clone() };
    let mut skep = skep;
    skep.command.args(arguments.iter().map(below)).args(FREE_PORTS);
    let mut serving = skep.serve(Stdio::piped());
    serving.welcome();
    serving.signal(Signal::TERM);
    let (status, log) = serving.end();
    assert_eq!(status, Some(0), "{log}");
}

#[test]
fn the_unit_starts_a_skep_that_is_watched_and_has_no_rights() {
    let start: Vec<String> = unit("ExecStart").split_whitespace().map(str::to_owned).collect();
    assert!(start[0].ends_with("/skep"), "{start:?}");
    starts_with(&start[1..]);
    for (key, value) in [
        ("Type", "notify"),
        ("User", "skep"),
        ("StateDirectoryMode", "0700"),
        ("UMask", "0077"),
        ("LimitCORE", "0"),
        ("CapabilityBoundingSet", ""),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateDevices", "yes"),
        ("MemoryDenyWriteExecute", "yes"),
    ] {
        assert_eq!(unit(key), value, "{key}");
    }
    let seconds = |key| unit(key).parse::<u64>().expect("a number of seconds");
    assert!(seconds("WatchdogSec") > 0);
    let config = Config::default();
    assert!(seconds("TimeoutStopSec") * 1000 > 2 * config.router.shutdown_wait_ms, "a stop takes its time");
    let buses = config.backend.values().chain(config.frontend.values());
    let connections: usize = buses.map(|bus| bus.connections.max_connections).sum();
    let files: usize = unit("LimitNOFILE").parse().expect("a number of files");
    assert!(files > connections + 100, "{files} files for {connections} connections");
}

/// systemd's own look at it, where systemd is.
#[test]
fn systemd_understands_the_unit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("skep.service");
    fs::write(&path, UNIT.replace("/usr/local/bin/skep", env!("CARGO_BIN_EXE_skep"))).unwrap();
    let Ok(verified) = Command::new("systemd-analyze").arg("verify").arg(&path).output() else {
        println!("skipped: there is no systemd-analyze here");
        return;
    };
    let said = String::from_utf8_lossy(&verified.stderr);
    let about_it: Vec<_> = said.lines().filter(|line| line.contains("skep.service")).collect();
    assert!(about_it.is_empty(), "{said}");
}

#[test]
fn the_container_runs_skep_and_asks_whether_it_is_ready() {
    assert_eq!(words(container("ENTRYPOINT")), ["skep"]);
    starts_with(&words(container("CMD")));
    let user = container("USER");
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{user} is not root");
    let (_, health) = container("HEALTHCHECK").split_once("CMD ").expect("a command");
    let health = words(health);
    assert_eq!(health[0], "skep");
    let arguments: Vec<&str> = health[1..].iter().map(String::as_str).collect();
    // Nobody listens there.
    let ran = skep(&arguments).variable("SKEP_ADMIN_URL", "http://127.0.0.1:9").run();
    ran.refused(4, &["can't be reached"]);
    let config = Config::default();
    let listeners = config.backend.values().chain(config.frontend.values()).flat_map(|bus| bus.listeners.values());
    let mut ports: Vec<u16> = listeners.map(|listener| listener.listen.port()).collect();
    let mut exposed: Vec<u16> = container("EXPOSE").split(' ').map(|port| port.parse().expect("a port")).collect();
    ports.sort_unstable();
    exposed.sort_unstable();
    assert_eq!(exposed, ports);
}
