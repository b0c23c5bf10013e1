//! What commands do differently at a terminal, seen through a real one: a pty
//! that `script` opens.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::termios::{LocalModes, tcgetattr};

use crate::buses::Buses;
use crate::support::wait_until;

/// The command at a terminal, which shows both its outputs.
fn terminal(buses: &Buses, args: &[&str]) -> Command {
    let quoted: Vec<String> = args.iter().map(|arg| format!("'{}'", arg.replace('\'', r"'\''"))).collect();
    let line = format!("exec '{}' {}", env!("CARGO_BIN_EXE_skep"), quoted.join(" "));
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).stdin(Stdio::null());
    command.env("SKEP_FRONTEND_URL", &buses.urls[0]).env("SKEP_BACKEND_URL", &buses.backend);
    command.env_remove("NO_COLOR").env("TERM", "xterm");
    command
}

/// What is shown until it ends by itself.
fn at_a_terminal(buses: &Buses, args: &[&str]) -> String {
    let output = terminal(buses, args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until what is typed is not shown: the prompt comes a moment before.
fn wait_until_hidden(script: &Child) {
    let children = format!("/proc/{0}/task/{0}/children", script.id());
    let is_hidden = || {
        let child = std::fs::read_to_string(&children).ok()?;
        let input = format!("/proc/{}/fd/0", child.split_whitespace().next()?);
        let terminal = rustix::fs::open(input, OFlags::RDONLY | OFlags::NOCTTY, Mode::empty()).ok()?;
        Some(!tcgetattr(terminal).ok()?.local_modes.contains(LocalModes::ECHO))
    };
    wait_until("the terminal shows nothing typed", || is_hidden() == Some(true));
}

#[test]
fn ctrl_c_ends_listening_and_serving_with_a_summary() {
    let buses = Buses::start();
    for (command, summary) in [("listen", "0 notifications in "), ("serve-echo", "0 requests in ")] {
        let mut script = terminal(&buses, &[command]);
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut shown = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        shown.read_line(&mut line).unwrap();
        assert!(line.contains("end with Ctrl-C"), "{line:?}");
        child.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
        let mut rest = String::new();
        shown.read_to_string(&mut rest).unwrap();
        assert!(rest.contains(summary), "{rest:?}");
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_password_that_nothing_says_is_asked_for() {
    let mut buses = Buses::start();
    buses.work(|worker| worker.serve_rest("t", |_, params: serde_json::Value| async { Ok(params) }));
    let mut script = terminal(&buses, &["call", "t.echo", "[\"x\"]", "--user", "ann", "--format", "json"]);
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut shown = child.stdout.take().unwrap();
    let mut prompt = [0; 17];
    shown.read_exact(&mut prompt).unwrap();
    assert_eq!(&prompt, b"Password of ann: ");
    wait_until_hidden(&child);
    child.stdin.as_mut().unwrap().write_all(b"abc123\n").unwrap();
    let mut rest = String::new();
    shown.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("[\"x\"]") && !rest.contains("abc123"), "{rest:?}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_new_users_password_is_asked_for_twice_and_not_shown() {
    let buses = Buses::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("users.toml");
    for (again, status, says) in [("s3cret", 0, ""), ("secret", 1, "two different")] {
        let user = format!("user-{status}");
        let mut script = terminal(&buses, &["user", "add", &user, "--file", file.to_str().unwrap()]);
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut shown = child.stdout.take().unwrap();
        let mut said = String::new();
        for password in ["s3cret", again] {
            while !said.trim_end_matches(' ').ends_with(':') {
                let mut byte = [0];
                assert!(shown.read(&mut byte).unwrap() > 0, "{said:?}");
                said.push(byte[0].into());
            }
            said.push_str(" and ");
            wait_until_hidden(&child);
            child.stdin.as_mut().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
        }
        shown.read_to_string(&mut said).unwrap();
        assert!(said.contains(says) && !said.contains("cret"), "{said:?}");
        assert_eq!(child.wait().unwrap().code(), Some(status), "{said:?}");
    }
    let users = std::fs::read_to_string(&file).unwrap();
    assert!(users.contains("user-0") && !users.contains("user-1"), "{users}");
}

#[test]
fn a_bench_shows_how_far_it_is_and_colours_what_got_worse() {
    let buses = Buses::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("before.json");
    let file = file.to_str().unwrap();
    let shown = at_a_terminal(&buses, &["bench", "--duration", "0.5", "--warmup", "0.3", "--save", file]);
    assert!(shown.contains("warming up") && shown.contains("measuring") && shown.contains("=>"), "{shown:?}");
    // As if it had been a hundred times as fast.
    let mut before: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    before["per_second"] = (before["per_second"].as_f64().unwrap() * 100.0).into();
    std::fs::write(file, before.to_string()).unwrap();
    let shown = at_a_terminal(&buses, &["bench", "--duration", "0.3", "--warmup", "0", "--compare", file]);
    assert!(shown.contains("\u{1b}[31m  0.0"), "{shown:?}");
}

#[test]
fn notifications_are_for_people_and_hold_nothing_that_a_terminal_obeys() {
    let mut buses = Buses::start();
    // Says something as soon as somebody listens.
    buses.work(|worker| {
        worker.serve("t", "hello", |request, _: serde_json::Value| async move {
            let text = serde_json::json!({ "text": "a\u{1b}]0;title\u{7}\u{9b}2J" });
            Ok(request.client().broadcast("a.b", text).await?)
        })
    });
    for format in ["pretty", "json", "raw"] {
        let args = ["listen", "a.*", "--count", "1", "--timeout", "20", "--quiet", "--format", format];
        let shown = at_a_terminal(&buses, &[&args[..], &["--login", "t.hello", "[]"]].concat());
        assert!(shown.contains(r#""text":"a\u001b]0;title\u0007\u009b2J""#), "{shown:?}");
        assert!(!shown.contains("\u{1b}]") && !shown.contains('\u{9b}'), "{shown:?}");
    }
    let shown = at_a_terminal(&buses, &["listen", "--count", "1", "--quiet", "--login", "t.hello", "[]"]);
    assert!(shown.contains("\u{1b}[1ma.b\u{1b}[0m {\"text\""), "pretty is what a terminal gets: {shown:?}");
}
