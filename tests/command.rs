//! The `skep` command as it is typed: output, messages, exit statuses.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{Event, MqttOptions};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The command in an empty directory, with no `SKEP_…` variable.
struct Skep {
    dir: TempDir,
    command: Command,
}

fn skep(args: &[&str]) -> Skep {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_skep"));
    command.args(args).current_dir(dir.path()).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SKEP_") {
            command.env_remove(name);
        }
    }
    Skep { dir, command }
}

impl Skep {
    fn file(self, name: &str, text: &str) -> Skep {
        std::fs::write(self.dir.path().join(name), text).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Skep {
        self.command.env(name, value);
        self
    }

    fn run(mut self) -> Ran {
        Ran::from(self.command.output().unwrap())
    }

    /// Runs it with that text piped in.
    fn run_with(mut self, stdin: &str) -> Ran {
        let piped = self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        // A command that refuses its options reads nothing.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        Ran::from(child.wait_with_output().unwrap())
    }
}

#[derive(Debug)]
struct Ran {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    #[track_caller]
    fn refused(self, status: i32, parts: &[&str]) {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in: {}", self.stderr);
        }
    }
}

// Help

#[test]
fn help_shows_examples_and_exit_statuses() {
    for (args, parts) in [
        (&["--help"][..], &["Usage: skep", "Examples:", "exit statuses", "serve", "check", "call"][..]),
        (&["-h"], &["Examples:", "--set"]),
        (&["serve", "--help"], &["--set-aside-bindings", "Exit status"]),
        (&["check", "--help"], &["--config", "Exit status"]),
        (&["call", "--help"], &["Examples:", "--timeout", "Exit status", "--password-file"]),
    ] {
        let ran = skep(args).run();
        assert_eq!(ran.status, Some(0), "{ran:?}");
        for part in parts {
            assert!(ran.stdout.contains(part), "{args:?}: no {part:?} in {}", ran.stdout);
        }
    }
}

#[test]
fn version_is_the_packages() {
    assert_eq!(skep(&["--version"]).run().stdout, format!("skep {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_command_line_that_makes_no_sense_is_status_2() {
    skep(&["chek"]).run().refused(2, &["chek"]);
    skep(&["--no-such-option"]).run().refused(2, &["--no-such-option"]);
    skep(&["check", "--set", "router.lanes"]).run().refused(2, &["KEY=VALUE"]);
    skep(&["check", "--set", "a b=1"]).run().refused(2, &["a b", "dotted key"]);
    skep(&["check", "--log-format", "xml"]).run().refused(2, &["auto, human, json"]);
}

// skep check

#[test]
fn check_prints_what_is_in_force_and_where_each_setting_comes_from() {
    let ran = skep(&["check", "--data", "/a", "--set", "router.lanes=3", "--log", "debug"])
        .variable("SKEP_BINDINGS__SESSION_TIMEOUT_S", "60")
        .file("rumqttd.toml", "\n[frontend.web.queues]\ngrace_ms = 7\n")
        .run();
    assert_eq!(ran.status, Some(0), "{ran:?}");
    for line in [
        "data = \"/a\"   # --data",
        "router.lanes = 3   # --set",
        "log.filter = \"debug\"   # --log",
        "bindings.session_timeout_s = 60   # SKEP_BINDINGS__SESSION_TIMEOUT_S",
        "frontend.web.queues.grace_ms = 7   # rumqttd.toml:3",
        "frontend.web.role = \"frontend\"   # default",
        "# router.auth_salt is not set   # default",
    ] {
        assert!(ran.stdout.lines().any(|printed| printed == line), "no {line} in {}", ran.stdout);
    }
}

#[test]
fn check_shows_no_password_and_no_salt() {
    let ran = skep(&["check", "--set", "router.auth_salt=pepper"]).run();
    for secret in ["def456", "abc123", "ghi789", "pepper"] {
        assert!(!ran.stdout.contains(secret), "{}", ran.stdout);
    }
    assert!(ran.stdout.contains("router.auth_salt = \"***\"   # --set"));
}

#[test]
fn what_check_prints_is_a_settings_file() {
    let printed = skep(&["check", "--set", "frontend.frontend-1.users.\"a.b\".password=x"]).run().stdout;
    let again = skep(&["check", "--config", "printed.toml"]).file("printed.toml", &printed).run();
    assert_eq!(again.status, Some(0), "{again:?}");
    let settings = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.split("   # ").next()).map(String::from).collect()
    };
    assert_eq!(settings(&printed), settings(&again.stdout));
}

#[test]
fn check_reports_everything_wrong_and_prints_nothing() {
    let ran = skep(&["check", "--set", "router.lanes=0", "--set", "nothing=1"]);
    ran.run().refused(1, &["2 settings can't be used", "router.lanes (--set)", "nothing (--set)"]);
}

#[test]
fn serve_refuses_the_same_settings_as_check() {
    for args in [&[][..], &["serve"]] {
        let set = ["--set", "backend.backend-1.listeners.tcp.listen=0.0.0.0:0"];
        let ran = skep(&[args, &set].concat()).run();
        ran.refused(1, &["a setting can't be used", "\"backend\" has a sample password"]);
    }
}

#[test]
fn the_file_is_the_named_one_or_else_the_usual_one() {
    let lanes = |skep: Skep| {
        let ran = skep
            .file("rumqttd.toml", "router.lanes = 11")
            .file("a.toml", "router.lanes = 12")
            .file("b.toml", "router.lanes = 13")
            .run();
        let line = ran.stdout.lines().find(|line| line.starts_with("router.lanes"));
        line.unwrap().to_owned()
    };
    assert_eq!(lanes(skep(&["check"])), "router.lanes = 11   # rumqttd.toml:1");
    let variable = skep(&["check"]).variable("SKEP_CONFIG", "a.toml");
    assert_eq!(lanes(variable), "router.lanes = 12   # a.toml:1");
    let option = skep(&["check", "--config", "b.toml"]).variable("SKEP_CONFIG", "a.toml");
    assert_eq!(lanes(option), "router.lanes = 13   # b.toml:1");
}

#[test]
fn a_named_file_has_to_be_there() {
    skep(&["check", "--config", "x.toml"]).run().refused(1, &["x.toml (--config): can't be read"]);
    let named = skep(&["check"]).variable("SKEP_CONFIG", "x.toml").run();
    named.refused(1, &["x.toml (SKEP_CONFIG): can't be read"]);
}

// skep serve

/// A running skep on free ports.
struct Serving {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    _dir: TempDir,
}

const FREE_PORTS: [&str; 6] = [
    "--set",
    "backend.backend-1.listeners.tcp.listen=127.0.0.1:0",
    "--set",
    "frontend.frontend-1.listeners.tcp.listen=127.0.0.1:0",
    "--set",
    "frontend.frontend-1.listeners.ws.listen=127.0.0.1:0",
];

fn serve(args: &[&str]) -> Serving {
    let Skep { dir, mut command } = skep(&[&FREE_PORTS, args].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    Serving { child, stdout, _dir: dir }
}

impl Serving {
    /// What it prints until a call to try, which comes last.
    fn welcome(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| line.contains("skep call")) {
            let mut line = String::new();
            assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "it ended after {lines:?}");
            lines.push(line.trim_end().to_owned());
        }
        lines
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn end(mut self) -> (Option<i32>, String) {
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (self.child.wait().unwrap().code(), stderr)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Gone already unless a test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in the line of that listener.
fn address(welcome: &[String], bus: &str, listener: &str) -> SocketAddr {
    let words = |line: &String| line.split_whitespace().map(String::from).collect::<Vec<_>>();
    let mut lines = welcome.iter().map(words);
    let line = lines.find(|words| words.get(1..3) == Some(&[bus.to_owned(), listener.to_owned()]));
    let url = line.unwrap()[3].clone();
    let address = url.split("//").nth(1).unwrap().trim_end_matches("/mqtt");
    address.parse().unwrap()
}

#[test]
fn serve_tells_where_each_listener_is_and_a_call_to_try() {
    let mut serving = serve(&["--data", "bindings"]);
    let welcome = serving.welcome();
    let text = welcome.join("\n");
    assert!(text.starts_with(&format!("skep {}\n", env!("CARGO_PKG_VERSION"))), "{text}");
    for (bus, listener) in [("backend-1", "tcp"), ("frontend-1", "tcp"), ("frontend-1", "ws")] {
        TcpStream::connect(address(&welcome, bus, listener)).unwrap();
    }
    let frontend = address(&welcome, "frontend-1", "tcp");
    let call = format!("skep call --url mqtt://{frontend} myapp.str.uc '{{\"string\":\"hello\"}}'");
    assert!(text.contains(&call), "{text}");
    assert!(text.contains("bindings"), "{text}");
    serving.signal(Signal::TERM);
    assert_eq!(serving.end().0, Some(0));
}

#[test]
fn a_signal_ends_it_with_status_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut serving = serve(&[]);
        serving.welcome();
        serving.signal(signal);
        let (status, log) = serving.end();
        assert_eq!(status, Some(0), "{log}");
        assert!(log.contains("stopped"), "{log}");
    }
}

#[test]
fn a_log_for_programs_has_the_addresses_and_nothing_on_standard_output() {
    let mut serving = serve(&["--log-format", "json"]);
    let mut log = BufReader::new(serving.child.stderr.take().unwrap()).lines();
    let mut urls = Vec::new();
    loop {
        let record: serde_json::Value = serde_json::from_str(&log.next().unwrap().unwrap()).unwrap();
        let fields = &record["fields"];
        match fields["message"].as_str() {
            Some("listening") => urls.push(fields["url"].as_str().unwrap().to_owned()),
            Some("ready") => break,
            _ => {}
        }
    }
    assert_eq!(urls.len(), 3, "{urls:?}");
    assert!(urls.iter().any(|url| url.starts_with("ws://127.0.0.1:") && url.ends_with("/mqtt")));
    serving.signal(Signal::INT);
    let mut printed = String::new();
    serving.stdout.read_to_string(&mut printed).unwrap();
    assert_eq!(printed, "");
    assert_eq!(serving.child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_address_in_use_says_which_listener_wanted_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let listen = format!("frontend.frontend-1.listeners.ws.listen={address}");
    let ran = skep(&[&FREE_PORTS[..], &["--set", &listen]].concat()).run();
    assert_eq!(ran.status, Some(1), "{ran:?}");
    for part in ["frontend-1", "ws", &address] {
        assert!(ran.stderr.contains(part), "{part:?} is not in: {}", ran.stderr);
    }
}

/// Connects to a backend as a worker that takes a request and never answers it.
fn hold_a_request(backend: SocketAddr) -> rumqttc::v5::Client {
    let mut options = MqttOptions::new("holds-a-request-1", backend.ip().to_string(), backend.port());
    options.set_credentials("backend", "def456").set_manual_acks(true);
    let (client, mut connection) = rumqttc::v5::Client::new(options, 8);
    client.subscribe("$share/BKPR/req/backend/slow/#", QoS::AtLeastOnce).unwrap();
    for event in connection.iter() {
        match event.unwrap() {
            Event::Incoming(Packet::SubAck(_)) => {
                client.publish("req/backend/slow/x", QoS::AtLeastOnce, false, "{}").unwrap();
            }
            Event::Incoming(Packet::Publish(_)) => break,
            _ => {}
        }
    }
    // The connection lives as long as somebody looks after it.
    std::thread::spawn(move || connection.iter().take_while(Result::is_ok).count());
    client
}

#[test]
fn a_second_signal_ends_it_at_once_with_the_signals_status() {
    for (second, expected) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut serving = serve(&["--set", "router.shutdown_wait_ms=600000"]);
        let welcome = serving.welcome();
        let _worker = hold_a_request(address(&welcome, "backend-1", "tcp"));
        let mut log = BufReader::new(serving.child.stderr.take().unwrap()).lines();
        serving.signal(Signal::TERM);
        assert!(log.any(|line| line.unwrap().contains("stopping")));
        serving.signal(second);
        assert_eq!(serving.child.wait().unwrap().code(), Some(expected));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn as_many_files_can_be_open_as_the_system_allows() {
    let Skep { dir, .. } = skep(&[]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -Sn 64 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_skep")]).args(FREE_PORTS);
    shell.current_dir(dir.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = shell.spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let mut serving = Serving { child, stdout, _dir: dir };
    serving.welcome();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", serving.child.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers[0], numbers[1], "{line}");
    assert_ne!(numbers[0], "64", "{line}");
}

#[test]
fn damaged_bindings_say_how_to_set_them_aside() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    // One run makes the store.
    let mut serving = serve(&["--data", data]);
    serving.welcome();
    serving.signal(Signal::TERM);
    assert_eq!(serving.end().0, Some(0));
    damage(dir.path());

    let ran = skep(&[&FREE_PORTS[..], &["--data", data]].concat()).run();
    ran.refused(1, &["--set-aside-bindings"]);

    let mut serving = serve(&["--data", data, "--set-aside-bindings"]);
    serving.welcome();
    serving.signal(Signal::TERM);
    let (status, log) = serving.end();
    assert_eq!(status, Some(0), "{log}");
    assert!(log.contains(data), "{log}");
}

/// Overwrites every file of the store.
fn damage(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            damage(&path);
        } else {
            std::fs::write(&path, [0xa5; 4_096]).unwrap();
        }
    }
}

// skep call

#[test]
fn a_call_that_makes_no_sense_is_status_2() {
    skep(&["call"]).run().refused(2, &["METHOD"]);
    skep(&["call", "uc"]).run().refused(2, &["a service and a method", "myapp.str.uc"]);
    skep(&["call", "myapp..uc"]).run().refused(2, &["a service and a method"]);
    skep(&["call", "myapp.str/#.uc"]).run().refused(2, &["a service and a method"]);
    skep(&["call", "a.b", "{"]).run().refused(2, &["the parameters are not JSON", "line 1"]);
    skep(&["call", "a.b", "3"]).run().refused(2, &["a JSON object or list"]);
    skep(&["call", "a.b", "-"]).run_with("[1,").refused(2, &["the parameters are not JSON"]);
    skep(&["call", "a.b"]).run_with("[1,").refused(2, &["the parameters are not JSON"]);
    skep(&["call", "a.b", "--timeout", "0"]).run().refused(2, &["number of seconds above 0"]);
    skep(&["call", "a.b", "--timeout", "NaN"]).run().refused(2, &["number of seconds above 0"]);
    skep(&["call", "a.b", "--user", "web"]).run().refused(2, &["\"web\" needs a password"]);
    skep(&["call", "a.b", "--password-file", "no"]).run().refused(2, &["password file no can't"]);
}

#[test]
fn a_call_to_nobody_is_status_4() {
    // Nothing listens on a port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [format!("mqtt://{address}"), format!("ws://{address}/mqtt")] {
        let ran = skep(&["call", "a.b", "{}", "--url", &url, "--timeout", "20"]).run();
        ran.refused(4, &["can't connect to", &url]);
    }
}

#[test]
fn nothing_is_left_in_the_directory_by_check_and_call() {
    for args in [&["check"][..], &["call", "uc"]] {
        let mut skep = skep(args);
        skep.command.output().unwrap();
        let left = |dir: &Path| std::fs::read_dir(dir).unwrap().count();
        assert_eq!(left(skep.dir.path()), 0);
    }
}
