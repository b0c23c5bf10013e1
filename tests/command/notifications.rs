//! `skep notify`, `listen` and `serve-echo`: who hears what, and how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::buses::Buses;
use crate::started::{Skep, skep};

/// A command that runs until it is told to stop.
struct Running {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: BufReader<ChildStderr>,
    _dir: tempfile::TempDir,
}

/// Starts one, and waits for the line on standard error that says it is there.
fn start(command: Skep) -> Running {
    let Skep { dir, mut command } = command;
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stdout = child.stdout.take().map(BufReader::new);
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let mut running = Running { child, stdout, stderr, _dir: dir };
    let said = running.said();
    assert!(said.contains("; end with Ctrl-C"), "{said}");
    running
}

impl Running {
    fn said(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        line
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn json(&mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    /// Waits for its end, which this signal asks for.
    fn end(mut self, signal: Option<Signal>) -> (Option<i32>, String, String) {
        if let Some(signal) = signal {
            kill_process(Pid::from_child(&self.child), signal).unwrap();
        }
        let (mut stdout, mut stderr) = (String::new(), String::new());
        if let Some(mut open) = self.stdout.take() {
            open.read_to_string(&mut stdout).unwrap();
        }
        self.stderr.read_to_string(&mut stderr).unwrap();
        (self.child.wait().unwrap().code(), stdout, stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already unless a test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One who binds whoever logs in to an address.
fn buses() -> Buses {
    let mut buses = Buses::start();
    buses.work(|worker| {
        worker.serve("t", "login", |request, (user,): (String,)| async move {
            Ok(request.bind(Some(&format!("frontend.user-{user}")), &user).await?)
        })
    });
    buses
}

#[test]
fn what_everybody_is_told_comes_as_a_line_of_json_and_ctrl_c_sums_up() {
    let buses = buses();
    let mut listener = start(buses.command(&["listen"]));
    let told = buses.run(&["notify", "a.b", "{\"text\":\"hi\"}"]);
    assert_eq!((told.status, told.stdout, told.stderr), (Some(0), String::new(), String::new()));
    assert_eq!(listener.json(), json!({ "method": "a.b", "params": { "text": "hi" }, "private": false }));
    let (status, stdout, stderr) = listener.end(Some(Signal::INT));
    assert_eq!((status, stdout.as_str()), (Some(0), ""));
    assert!(stderr.starts_with("1 notifications in ") && stderr.contains("0 private, 0 missed"), "{stderr}");
}

#[test]
fn a_push_comes_to_all_devices_of_who_logged_in_and_to_nobody_else() {
    let buses = buses();
    let of = |user: &str| {
        let params = format!("[\"{user}\"]");
        start(buses.command(&["listen", "--count", "1", "--login", "t.login", &params]))
    };
    let (phone, laptop, mut other) = (of("ann"), of("ann"), of("bob"));
    buses.run(&["notify", "a.b", "[1]", "--to", "frontend.user-ann"]);
    for device in [phone, laptop] {
        let (status, stdout, stderr) = device.end(None);
        assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap()["private"], true);
        assert!(stderr.contains("1 private"), "{stderr}");
        assert_eq!(status, Some(0), "--count ends it");
    }
    buses.run(&["notify", "a.b", "[2]"]);
    assert_eq!(other.json()["params"], json!([2]), "nothing came before");
}

#[test]
fn a_pattern_chooses_and_none_is_shown_twice() {
    let buses = buses();
    let mut listener = start(buses.command(&["listen", "a.b.c", "a.*", "x.y", "--format", "raw"]));
    for (method, params) in [("b.c", "[0]"), ("a.b.c", "[1]"), ("a.d", "[2]"), ("x.z", "[3]"), ("x.y", "[4]")] {
        buses.run(&["notify", method, params]);
    }
    assert_eq!([listener.line(), listener.line(), listener.line()], ["[1]", "[2]", "[4]"]);
    let (status, stdout, _) = listener.end(Some(Signal::TERM));
    assert_eq!((status, stdout.as_str()), (Some(0), ""));
}

#[test]
fn workers_are_told_on_the_backend_and_clients_are_not() {
    let buses = buses();
    let mut worker = start(buses.command(&["listen", "--backend", "a.*"]));
    let mut client = start(buses.command(&["listen", "a.*"]));
    buses.run(&["notify", "a.b", "--workers"]);
    buses.run(&["notify", "a.c"]);
    assert_eq!(worker.json()["method"], "a.b");
    assert_eq!(client.json()["method"], "a.c");
}

#[test]
fn each_line_of_standard_input_is_a_notification() {
    let buses = buses();
    let listener = start(buses.command(&["listen", "--count", "3", "--format", "raw"]));
    let told = buses.command(&["notify", "a.b", "--lines"]).run_with("[1]\nnonsense\n[2]\n{\"a\":3}\n");
    assert_eq!(told.status, Some(2), "{told:?}");
    assert!(told.stderr.contains("line 2: "), "{told:?}");
    let (status, stdout, _) = listener.end(None);
    assert_eq!((status, stdout.as_str()), (Some(0), "[1]\n[2]\n{\"a\":3}\n"));
}

#[test]
fn too_few_in_time_is_status_3_and_without_a_count_time_is_enough() {
    let buses = buses();
    let ran = buses.run(&["listen", "--timeout", "0.2", "--count", "2"]);
    assert_eq!(ran.status, Some(3));
    assert!(ran.stderr.contains("only 0 of 2 came in time"), "{ran:?}");
    let ran = buses.run(&["listen", "--timeout", "0.2", "--quiet"]);
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn a_reader_who_goes_ends_the_listening_even_if_nothing_comes() {
    let buses = buses();
    let mut listener = start(buses.command(&["listen"]));
    listener.stdout = None;
    let (status, _, stderr) = listener.end(None);
    assert_eq!(status, Some(0));
    assert!(stderr.starts_with("0 notifications"), "{stderr}");

    let line = format!("'{}' listen 2>&1 | head -n 1; exit ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_skep"));
    let mut bash = Command::new("bash");
    let output = bash.args(["-c", &line]).env("SKEP_FRONTEND_URL", &buses.urls[0]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "nor does it matter that nobody hears the summary");
}

#[test]
fn a_reader_who_takes_his_time_holds_up_neither_ctrl_c_nor_an_answer() {
    let buses = buses();
    let long = format!("[\"{}\"]", "x".repeat(100_000));
    // More than a pipe holds.
    let mut listener = start(buses.command(&["listen"]));
    let told = buses.command(&["notify", "a.b", "-", "--count", "20"]).run_with(&long);
    assert_eq!(told.status, Some(0), "{told:?}");
    kill_process(Pid::from_child(&listener.child), Signal::INT).unwrap();
    assert_eq!(listener.child.wait().unwrap().code(), Some(0));

    let mut echo = start(buses.command(&["serve-echo"]));
    let asked = buses.command(&["call", "test.me", "-", "--count", "20", "--timeout", "20"]).run_with(&long);
    assert_eq!((asked.status, asked.stdout.lines().count()), (Some(0), 20), "{}", asked.stderr);
    kill_process(Pid::from_child(&echo.child), Signal::INT).unwrap();
    assert_eq!(echo.child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_makes_no_sense_or_is_refused_says_why() {
    let buses = buses();
    skep(&["listen", "a"]).run().refused(2, &["expected a method such as"]);
    skep(&["listen", "a.#"]).run().refused(2, &["expected a method such as"]);
    skep(&["notify", "a.b", "3"]).run().refused(2, &["a JSON object or list"]);
    skep(&["notify", "a.b", "--to", "ann"]).run().refused(2, &["such as frontend.user-123"]);
    skep(&["notify", "a.b", "--to", "f.a", "--workers"]).run().refused(2, &["--workers"]);
    skep(&["serve-echo", "a/b"]).run().refused(2, &["the name of a service"]);
    skep(&["serve-echo", "--fail-every", "2"]).run().refused(2, &["--fail"]);
    buses.run(&["listen", "--password", "wrong"]).refused(4, &["can't connect to", "user \"frontend\""]);
    buses.run(&["notify", "a.b", "--password", "wrong"]).refused(4, &["can't connect to", "user \"backend\""]);
    buses.run(&["serve-echo", "--password", "wrong"]).refused(4, &["can't connect to", "user \"backend\""]);
    // A service that only skep itself has.
    buses.run(&["notify", "a.b", "--url", &buses.urls[0]]).refused(4, &["can't connect"]);
}

#[test]
fn an_echo_answers_with_what_it_got_and_shows_who_asked() {
    let buses = buses();
    let mut echo = start(buses.command(&["serve-echo", "a.b", "c"]));
    let call = |args: &[&str]| buses.run(&[&["call", "--format", "json"], args].concat());
    assert_eq!(call(&["a.b.one", "{\"x\":1}"]).stdout, "{\"x\":1}\n");
    let shown = echo.json();
    assert_eq!((&shown["method"], &shown["params"]), (&json!("a.b.one"), &json!({ "x": 1 })));
    assert!(shown["caller_addr"].as_str().unwrap().starts_with("priv/"), "{shown}");
    assert_eq!(call(&["c.two", "[]"]).stdout, "[]\n");
    assert_eq!(call(&["a.three", "[]"]).status, Some(1), "nobody's");
    let (status, _, stderr) = echo.end(Some(Signal::INT));
    assert_eq!(status, Some(0));
    assert!(stderr.starts_with("2 requests in ") && stderr.contains("0 answered with an error"), "{stderr}");
}

#[test]
fn an_echo_fails_and_takes_time_as_it_is_asked_to() {
    let buses = buses();
    let mut echo = start(buses.command(&["serve-echo", "--fail", "-32000", "--fail-every", "2", "--count", "4"]));
    let ran = buses.command(&["call", "test.me", "--lines"]).run_with("[1]\n[2]\n[3]\n[4]\n");
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(1), "[1]\n[3]\n"));
    assert!(ran.stderr.contains("line 2: error -32000: ") && ran.stderr.contains("line 4: "), "{ran:?}");
    assert_eq!(echo.json()["params"], json!([1]));
    let (status, _, stderr) = echo.end(None);
    assert_eq!(status, Some(0), "--count ends it");
    assert!(stderr.starts_with("4 requests") && stderr.contains("2 answered with an error"), "{stderr}");

    let _slow = start(buses.command(&["serve-echo", "--delay", "30"]));
    buses.run(&["call", "test.me", "[]", "--timeout", "0.5"]).refused(3, &["no answer"]);
}

#[test]
fn standard_input_of_a_command_that_only_prints_is_left_alone() {
    let buses = buses();
    let mut command = buses.command(&["listen", "--timeout", "0.2", "--quiet"]);
    let mut child = command.command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may have ended already.
    let _ = stdin.write_all(b"x");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
