//! `skep serve --ephemeral`, and how a fixture in any language learns where it is.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::started::{FREE_PORTS, Skep, serve, skep};
use crate::support::wait_until;

/// Starts it, and reads the first line of standard output.
fn ready(args: &[&str]) -> (Skep, std::process::Child, Value) {
    let mut skep = skep(args);
    let mut child = skep.command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    // Nothing but that line; it stays open, as ours.
    child.stdout = Some(stdout.into_inner());
    let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    (skep, child, ready)
}

#[test]
fn the_ready_line_has_every_address_and_who_may_log_in() {
    let (skep, mut child, ready) = ready(&["serve", "--ephemeral", "--ready-fd", "1", "--log", "warn"]);
    assert_eq!(ready["pid"], child.id());
    assert_eq!(ready["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(ready["data"], Value::Null);
    let backend = &ready["backend"]["backend-1"];
    assert_eq!((&backend["role"], &backend["users"]["backend"]), (&"backend".into(), &"def456".into()));
    let frontend = &ready["frontend"]["frontend-1"];
    assert_eq!(frontend["users"]["frontend"], "abc123");
    for listener in [&backend["listeners"]["tcp"], &frontend["listeners"]["tcp"], &frontend["listeners"]["ws"]] {
        let (host, port) = (listener["host"].as_str().unwrap(), listener["port"].as_u64().unwrap());
        TcpStream::connect((host, port as u16)).unwrap();
        assert!(listener["url"].as_str().unwrap().contains(&format!("://{host}:{port}")));
    }
    assert_eq!(frontend["listeners"]["ws"]["transport"], "ws");
    assert!(ready["admin"]["url"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert_eq!(ready["environment"]["SKEP_ADMIN_URL"], ready["admin"]["url"]);
    assert_eq!(ready["environment"]["SKEP_FRONTEND_WS_URL"], frontend["listeners"]["ws"]["url"]);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let mut rest = String::new();
    child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!((child.wait().unwrap().code(), rest.as_str()), (Some(0), ""));
    assert!(skep.dir.path().read_dir().unwrap().next().is_none(), "nothing is on disk");
}

#[test]
fn a_skep_that_stays_keeps_its_passwords_to_itself() {
    let args = [&["serve"], &FREE_PORTS[..], &["--ready-fd", "1", "--data", "kept"]].concat();
    let (skep, mut child, ready) = ready(&args);
    assert_eq!(ready["data"], "kept");
    assert_eq!(ready["backend"]["backend-1"]["users"], serde_json::json!({ "backend": null }));
    assert!(!ready.to_string().contains("def456") && !ready.to_string().contains("abc123"));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(skep.dir.path().join("kept").exists());
}

#[test]
fn the_ready_file_is_there_for_as_long_as_skep_is_ready() {
    let skep = skep(&["serve", "--ephemeral", "--ready-file", "ready.json"]).file("ready.json", "of an earlier run");
    let Skep { dir, mut command } = skep;
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let path = dir.path().join("ready.json");
    let text = || std::fs::read_to_string(&path).unwrap_or_default();
    wait_until("the file is written", || text().starts_with('{'));
    // Never seen half written.
    let ready: Value = serde_json::from_str(&text()).unwrap();
    assert_eq!(ready["pid"], child.id());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(dir.path().read_dir().unwrap().next().is_none());
}

#[test]
fn any_open_descriptor_will_do_and_is_closed() {
    let script = r#"exec "$0" serve --ephemeral --ready-fd 3 --die-with-stdin 3>&1 >/dev/null 2>/dev/null"#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_skep")]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = shell.spawn().unwrap();
    let mut line = String::new();
    // Read to its end, while skep goes on.
    child.stdout.take().unwrap().read_to_string(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(ready["pid"], child.id());
    assert!(child.try_wait().unwrap().is_none());
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_descriptor_or_file_that_can_not_be_is_refused_before_anything_starts() {
    skep(&["serve", "--ephemeral", "--ready-fd", "77"]).run().refused(1, &["--ready-fd 77", "open"]);
    skep(&["serve", "--ephemeral", "--ready-fd", "0"]).run().refused(2, &["--ready-fd"]);
    skep(&["serve", "--ready-fd", "1", "--ready-file", "x"]).run().refused(2, &["--ready-file"]);
    skep(&["serve", "--ephemeral", "--ready-file", "."]).run().refused(1, &["--ready-file", "directory"]);
    skep(&["serve", "--ephemeral", "--ready-file", "no/such/file"]).run().refused(1, &["no folder no/such"]);
    skep(&["serve", "--ephemeral", "--data", "x"]).run().refused(1, &["--data", "memory"]);
}

#[test]
fn it_ends_when_its_standard_input_does() {
    let (_skep, mut child, _) = ready(&["serve", "--ephemeral", "--ready-fd", "1", "--die-with-stdin"]);
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn it_ends_with_its_parent_however_that_ends() {
    let Skep { dir, .. } = skep(&[]);
    let script = r#""$0" serve --ephemeral --ready-file ready.json --die-with-parent 2>/dev/null & wait"#;
    let mut parent = Command::new("sh");
    parent.args(["-c", script, env!("CARGO_BIN_EXE_skep")]).current_dir(dir.path()).stdout(Stdio::null());
    let mut parent = parent.spawn().unwrap();
    let path = dir.path().join("ready.json");
    wait_until("it is ready", || path.exists());
    let ready: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let url = ready["environment"]["SKEP_URL"].as_str().unwrap().replace("mqtt://", "");
    TcpStream::connect(&url).unwrap();
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until("nobody listens", || TcpStream::connect(&url).is_err());
    wait_until("the file is gone", || !path.exists());
}

#[test]
fn only_set_changes_a_port() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    drop(taken);
    let set = format!("frontend.frontend-1.listeners.ws.listen=127.0.0.1:{port}");
    let (_skep, mut child, ready) =
        ready(&["serve", "--ephemeral", "--ready-fd", "1", "--set", &set, "--die-with-stdin"]);
    assert_eq!(ready["frontend"]["frontend-1"]["listeners"]["ws"]["port"], port);
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn its_welcome_speaks_of_no_directory() {
    let mut serving = serve(&["--ephemeral"]);
    let welcome = serving.welcome();
    assert!(welcome.iter().any(|line| line.contains("bindings are in memory")), "{welcome:?}");
    assert!(!welcome.iter().any(|line| line.contains("kept in")), "{welcome:?}");
}
