//! `skep exec`: the command gets an instance of its own, and nothing stays.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::started::{Skep, skep};
use crate::support::wait_until;

/// `skep exec -- sh -c SCRIPT`, with a folder for temporary files of its own.
fn exec(script: &str) -> Skep {
    with_own_temporary_files(skep(&["exec", "--", "sh", "-c", script]))
}

fn with_own_temporary_files(mut skep: Skep) -> Skep {
    let folder = skep.dir.path().join("tmp");
    std::fs::create_dir(&folder).unwrap();
    skep.command.env("TMPDIR", folder).env_remove("BEEKEEPER_CONFIG_DIR");
    skep
}

fn temporary_files(dir: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(dir.path().join("tmp")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn output(skep: &mut Skep) -> Output {
    skep.command.output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A command that has said its first line.
struct Running {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    dir: TempDir,
    said: String,
}

fn running(script: &str) -> Running {
    let Skep { dir, mut command } = exec(script);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    stdout.read_line(&mut said).unwrap();
    Running { child, stdout, dir, said: said.trim_end().to_owned() }
}

impl Running {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        let status = self.child.wait().unwrap().code();
        assert_eq!(temporary_files(&self.dir), Vec::<String>::new());
        (status, rest)
    }
}

fn is_there(pid: &str) -> bool {
    // A zombie is nobody.
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    status.is_ok_and(|status| !status.contains(") Z "))
}

#[test]
fn the_command_finds_the_buses_and_calls_through_them() {
    let script = r#"
        "$0" call --timeout 1 myapp.nobody; echo "status $?"
        echo "$SKEP_BACKEND_URL $SKEP_FRONTEND_URL $SKEP_FRONTEND_WS_URL"
        echo "$SKEP_BACKEND_USER:$SKEP_BACKEND_PASSWORD $SKEP_FRONTEND_USER:$SKEP_FRONTEND_PASSWORD"
    "#;
    let program = env!("CARGO_BIN_EXE_skep");
    let args = ["exec", "--set", "backend.backend-1.queues.grace_ms=0", "--", "sh", "-c", script, program];
    let mut skep = with_own_temporary_files(skep(&args));
    let output = output(&mut skep);
    let text = text(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "status 1", "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("-31601"), "{output:?}");
    let urls: Vec<&str> = lines[1].split(' ').collect();
    assert!(urls[0].starts_with("mqtt://127.0.0.1:") && urls[1].starts_with("mqtt://127.0.0.1:"), "{urls:?}");
    assert!(urls[2].starts_with("ws://127.0.0.1:") && urls[2].ends_with("/mqtt"), "{urls:?}");
    assert_eq!(lines[2], "backend:def456 frontend:abc123");
    assert_eq!(output.status.code(), Some(0));
    let ports: BTreeSet<_> = urls.iter().map(|url| url.trim_end_matches("/mqtt").rsplit(':').next()).collect();
    for port in ports.into_iter().flatten() {
        assert!(TcpStream::connect(format!("127.0.0.1:{port}")).is_err(), "somebody listens at {port}");
    }
    assert_eq!(temporary_files(&skep.dir), Vec::<String>::new());
}

#[test]
fn a_skep_that_the_command_starts_takes_its_variables_for_no_settings() {
    let program = env!("CARGO_BIN_EXE_skep");
    let mut skep = with_own_temporary_files(skep(&["exec", "--", program, "check"]));
    skep.command.env("SKEP_BIN", program);
    let output = output(&mut skep);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let mut nested = with_own_temporary_files(self::skep(&["exec", "--", program, "exec", "--", "sh", "-c", "exit 9"]));
    assert_eq!(self::output(&mut nested).status.code(), Some(9));
}

#[test]
fn the_status_is_the_commands() {
    for (script, status) in [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137), ("kill -TERM $$", 143)] {
        let mut skep = exec(script);
        let output = output(&mut skep);
        assert_eq!(output.status.code(), Some(status), "{script}: {output:?}");
        assert_eq!(temporary_files(&skep.dir), Vec::<String>::new(), "{script}");
    }
}

#[test]
fn a_command_that_can_not_run_is_126_or_127() {
    for (command, status) in [("no-such-command", 127), ("./text", 126), (".", 126)] {
        let mut skep = with_own_temporary_files(skep(&["exec", "--", command]).file("text", "not for running"));
        let output = output(&mut skep);
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(command), "{output:?}");
        assert_eq!(temporary_files(&skep.dir), Vec::<String>::new());
    }
}

#[test]
fn a_skep_that_can_not_start_is_125() {
    for (arg, part) in
        [("router.lanes=0", "router.lanes"), ("backend.backend-1.listeners.tcp.listen=192.0.2.1:9", "tcp")]
    {
        let args = ["exec", "--set", arg, "--set", "backend.backend-1.listeners.tcp.allow_insecure=true", "--", "true"];
        let mut skep = with_own_temporary_files(skep(&args));
        let output = output(&mut skep);
        assert_eq!(output.status.code(), Some(125), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(part), "{output:?}");
        assert_eq!(temporary_files(&skep.dir), Vec::<String>::new());
    }
    skep(&["exec", "--data", "here", "--", "true"]).run().refused(125, &["--data", "memory"]);
    skep(&["exec"]).run().refused(2, &["COMMAND"]);
}

#[test]
fn settings_of_a_file_hold_but_for_ports_and_bindings() {
    let file = "data = 'here'\n[backend.east.listeners.tcp]\nlisten = '127.0.0.1:1883'\n[backend.east.users.me]\npassword = 'x'\n";
    let skep =
        with_own_temporary_files(skep(&["exec", "--", "sh", "-c", "echo $SKEP_BACKEND_USER; echo $SKEP_BACKEND_URL"]));
    let mut skep = skep.file("rumqttd.toml", file);
    let output = output(&mut skep);
    let text = text(&output);
    assert!(text.starts_with("me\nmqtt://127.0.0.1:"), "{output:?}");
    assert!(!text.contains(":1883\n"), "{text}");
    assert!(!skep.dir.path().join("here").exists());
}

#[test]
fn signals_are_passed_on() {
    let signals = [
        (Signal::INT, "INT"),
        (Signal::TERM, "TERM"),
        (Signal::HUP, "HUP"),
        (Signal::QUIT, "QUIT"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
    ];
    for (signal, name) in signals {
        // A shell sees to a trap when what it runs has ended.
        let script = format!("trap 'echo got {name}; exit 40' {name}; echo ready; while :; do sleep 0.02; done");
        let command = running(&script);
        assert_eq!(command.said, "ready");
        command.signal(signal);
        assert_eq!(command.end(), (Some(40), format!("got {name}\n")));
    }
}

#[test]
fn a_command_that_a_signal_ends_gives_128_and_its_number() {
    for (signal, status) in [(Signal::TERM, 143), (Signal::USR1, 138)] {
        let command = running("echo ready; exec sleep 100");
        command.signal(signal);
        assert_eq!(command.end().0, Some(status));
    }
}

#[test]
fn signals_ignored_at_the_start_are_ignored_by_the_command_too() {
    let Skep { dir: _dir, .. } = skep(&[]);
    let mut shell = Command::new("sh");
    let script = r#"trap '' HUP; exec "$0" exec -- sh -c 'kill -HUP $$; echo alive'"#;
    let output = shell.args(["-c", script, env!("CARGO_BIN_EXE_skep")]).output().unwrap();
    assert_eq!(text(&output), "alive\n", "{output:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn when_skep_is_killed_so_is_the_command_and_nothing_stays() {
    let mut command = running("echo $$; while :; do sleep 0.05; done");
    assert!(is_there(&command.said));
    assert_eq!(temporary_files(&command.dir).len(), 1);
    command.signal(Signal::KILL);
    assert_eq!(command.child.wait().unwrap().signal(), Some(9));
    wait_until("the command has ended", || !is_there(&command.said));
    wait_until("the temporary files are gone", || temporary_files(&command.dir).is_empty());
}

/// In the background, in a session of its own, and one that will not end.
#[cfg(target_os = "linux")]
const LEFT_BEHIND: &str = r#"
    sleep 100 & echo $!
    setsid sleep 100 & echo $!
    sh -c 'trap "" TERM; while :; do sleep 0.05; done' & echo $!
"#;

#[test]
#[cfg(target_os = "linux")]
fn what_the_command_leaves_in_the_background_ends_with_it() {
    let mut skep = exec(&format!("{LEFT_BEHIND} exit 6"));
    let output = output(&mut skep);
    assert_eq!(output.status.code(), Some(6));
    let text = text(&output);
    assert_eq!(text.lines().count(), 3, "{output:?}");
    for pid in text.lines() {
        wait_until("it has ended", || !is_there(pid));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn when_skep_is_killed_so_is_what_runs_in_the_background() {
    let mut command = running(&format!("{LEFT_BEHIND} echo all; sleep 100"));
    let mut pids = vec![command.said.clone()];
    while pids.last().is_none_or(|line| line != "all") {
        let mut line = String::new();
        assert!(command.stdout.read_line(&mut line).unwrap() > 0, "{pids:?}");
        pids.push(line.trim_end().to_owned());
    }
    command.signal(Signal::KILL);
    assert_eq!(command.child.wait().unwrap().signal(), Some(9));
    for pid in pids.iter().filter(|line| *line != "all") {
        wait_until("it has ended", || !is_there(pid));
    }
    wait_until("the temporary files are gone", || temporary_files(&command.dir).is_empty());
}

/// The inner one has a process of its own that clears up, which the outer one
/// leaves alone.
#[test]
#[cfg(target_os = "linux")]
fn when_the_outer_of_two_is_killed_nothing_stays_of_the_inner_either() {
    let inner = format!(r#"'{}' exec -- sh -c 'setsid sleep 100 & echo $!; sleep 100'"#, env!("CARGO_BIN_EXE_skep"));
    let mut command = running(&inner);
    command.signal(Signal::KILL);
    assert_eq!(command.child.wait().unwrap().signal(), Some(9));
    wait_until("what the inner one left has ended", || !is_there(&command.said));
    wait_until("the temporary files of both are gone", || temporary_files(&command.dir).is_empty());
}

#[test]
#[cfg(target_os = "linux")]
fn the_process_that_clears_up_touches_no_folder_but_those_of_skep_exec() {
    let dir = tempfile::tempdir().unwrap();
    let mut innocent = Command::new("sleep").arg("100").env("BEEKEEPER_CONFIG_DIR", dir.path()).spawn().unwrap();
    let mut reap = skep(&["reap", dir.path().to_str().unwrap()]);
    assert!(!reap.command.stdin(Stdio::null()).status().unwrap().success());
    assert!(dir.path().exists() && innocent.try_wait().unwrap().is_none());
    innocent.kill().unwrap();
    innocent.wait().unwrap();
}

#[test]
fn what_a_killed_run_left_is_cleared_away_by_the_next() {
    let mut skep = exec("true");
    let orphan = skep.dir.path().join("tmp/skep-exec-orphan");
    let young = skep.dir.path().join("tmp/skep-exec-young");
    for folder in [&orphan, &young] {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("bus.config.json"), "[]").unwrap();
    }
    let old = std::fs::FileTimes::new().set_modified(std::time::SystemTime::now() - Duration::from_secs(600));
    std::fs::File::open(&orphan).unwrap().set_times(old).unwrap();
    assert_eq!(output(&mut skep).status.code(), Some(0));
    assert_eq!(temporary_files(&skep.dir), ["skep-exec-young"]);
}

#[test]
fn sixteen_at_once_do_not_meet() {
    let script = r#"echo $SKEP_BACKEND_URL $SKEP_FRONTEND_URL $SKEP_FRONTEND_WS_URL $BEEKEEPER_CONFIG_DIR; read line"#;
    let all: Vec<_> = (0..16)
        .map(|_| {
            let Skep { dir, mut command } = exec(script);
            let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            (dir, child)
        })
        .collect();
    let mut seen = BTreeSet::new();
    let mut waiting = Vec::new();
    for (dir, mut child) in all {
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        seen.extend(line.split_whitespace().map(String::from));
        waiting.push((dir, child));
    }
    assert_eq!(seen.len(), 4 * 16, "{seen:?}");
    for (dir, mut child) in waiting {
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(temporary_files(&dir), Vec::<String>::new());
    }
}

#[test]
fn beekeeper_finds_its_buses_and_the_rest_of_its_configuration() {
    let own = tempfile::tempdir().unwrap();
    std::fs::write(own.path().join("pool.config.json"), "[]").unwrap();
    let mut skep = exec("ls $BEEKEEPER_CONFIG_DIR; cat $BEEKEEPER_CONFIG_DIR/bus.config.json; echo $SKEP_BACKEND_URL");
    skep.command.env("BEEKEEPER_CONFIG_DIR", own.path());
    let text = text(&output(&mut skep));
    let (list, rest) = text.split_once('[').unwrap();
    assert_eq!(list, "bus.config.json\npool.config.json\n");
    let (buses, url) = rest.rsplit_once(']').unwrap();
    let buses: serde_json::Value = serde_json::from_str(&format!("[{buses}]")).unwrap();
    let backend = buses.as_array().unwrap().iter().find(|bus| bus["bus_id"] == "backend-1").unwrap();
    assert_eq!(format!("mqtt://127.0.0.1:{}", backend["port"]), url.trim());
    assert_eq!((&backend["bus_role"], &backend["default"]), (&"backend".into(), &1.into()));
    assert!(Path::new(own.path()).join("pool.config.json").exists());
}

#[test]
fn the_command_reads_what_skep_is_given_to_read() {
    let mut skep = exec("tr a-z A-Z");
    let piped = skep.command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"hello").unwrap();
    assert_eq!(text(&child.wait_with_output().unwrap()), "HELLO");
}

/// Types what people type at a shell with job control: interrupts the command,
/// stops it, continues it, interrupts it again and quits.
#[test]
fn on_a_terminal_the_command_is_a_job_and_is_interrupted_once_each_time() {
    let dir = tempfile::tempdir().unwrap();
    // Counts interrupts, of which there are more if skep passes them on as well.
    let job = r#"n=0
        trap 'n=$((n + 1)); echo "interrupt $n"' INT
        trap 'echo "$n in all"; exit 5' QUIT
        echo "job is ready"
        while :; do sleep 0.05; done"#;
    std::fs::write(dir.path().join("job"), job).unwrap();
    let mut terminal = Command::new("python3");
    terminal.args(["-c", TERMINAL, env!("CARGO_BIN_EXE_skep")]).current_dir(dir.path());
    let output = terminal.env("TMPDIR", dir.path()).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = text(&output);
    assert!(said.contains("2 in all") && said.contains("status 5"), "{said}");
}

const TERMINAL: &str = r#"
import os, pty, select, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.execvp("bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"])
seen = ""
def wait(part):
    global seen
    until = time.monotonic() + 20
    while part not in seen:
        if not select.select([terminal], [], [], max(0, until - time.monotonic()))[0]:
            sys.exit(f"no {part!r} in {seen}")
        seen += os.read(terminal, 4096).decode().replace("\r", "")
def type(text):
    os.write(terminal, text.encode())
type(f"{sys.argv[1]} exec -- sh job; echo status $?\n")
wait("job is ready\n")
type("\x03")
wait("interrupt 1\n")
type("\x1a")
wait("Stopped")
type("fg\n")
type("\n")
wait("fg")
# The shell has to have put it into the foreground.
while os.tcgetpgrp(terminal) == pid:
    time.sleep(0.01)
type("\x03")
wait("interrupt 2\n")
type("\x1c")
wait("2 in all\n")
type("echo status $?; exit\n")
wait("status 5\n")
print(seen)
"#;
