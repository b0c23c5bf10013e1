//! `skep top` in a terminal, before a real skep under load.

#[path = "support/mod.rs"]
#[allow(unused_imports, reason = "of what the tests share, instances and requests are needed here")]
mod support;
#[path = "top/terminal.rs"]
mod terminal;

use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::LocalModes;
use support::{Instance, Message, id, rpc, wait_until};
use terminal::Terminal;

const SKEP: &str = env!("CARGO_BIN_EXE_skep");

fn url(skep: &Instance) -> String {
    skep.skep().admin().expect("an admin listener").url()
}

fn top(skep: &Instance) -> Terminal {
    Terminal::run(SKEP, &["top", "--admin", &url(skep)], 130, 30)
}

/// Calls of `myapp.str` as fast as its worker answers, until dropped.
struct Load {
    on: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    fn on(skep: &Instance) -> Load {
        let on = Arc::new(AtomicBool::new(true));
        let (mut worker, mut user) = (skep.worker(&id("worker")), skep.user(&id("user")));
        assert_eq!(worker.subscribe(&rpc::service("myapp.str"), 1), 1);
        let working = Arc::clone(&on);
        let work = std::thread::spawn(move || {
            while working.load(Ordering::Relaxed) {
                if let Some(request) = worker.message_within(Duration::from_millis(50)) {
                    rpc::answer(&mut worker, &request, "done");
                }
            }
        });
        let calling = Arc::clone(&on);
        let call = std::thread::spawn(move || {
            while calling.load(Ordering::Relaxed) {
                user.publish(rpc::request(&id("user"), "myapp.str", 1));
                user.message_within(Duration::from_millis(500));
            }
        });
        Load { on, threads: vec![work, call] }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.on.store(false, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("the load");
        }
    }
}

/// The columns of the row that begins with `name`.
fn row(lines: &[String], name: &str) -> Option<Vec<String>> {
    let line = lines.iter().find(|line| line.trim_start().starts_with(name))?;
    Some(line.split_whitespace().map(str::to_owned).collect())
}

#[test]
fn a_service_under_load_is_seen_with_its_workers_and_rates() {
    let skep = Instance::start();
    let load = Load::on(&skep);
    let top = top(&skep);
    let lines = top.until("a rate of myapp.str", |lines| {
        row(lines, "myapp.str").is_some_and(|row| row[3].replace(',', "").parse::<f64>().is_ok_and(|rate| rate > 0.0))
    });
    assert_eq!(row(&lines, "myapp.str").expect("its row")[..3], ["myapp.str", "backend-1", "1"]);
    assert!(lines[0].starts_with("skep "), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("Services by latency")), "{lines:?}");
    assert!(row(&lines, "req/backend/myapp/str").is_some(), "{lines:?}");
    top.until("latency", |lines| lines[2].contains("µs") || lines[2].contains("ms"));
    drop(load);
}

#[test]
fn q_and_control_c_leave_the_terminal_as_it_was() {
    let skep = Instance::start();
    for key in ["q", "\u{3}"] {
        let mut top = top(&skep);
        top.shows("Services");
        assert!(!top.modes().contains(LocalModes::ECHO), "keys are not echoed meanwhile");
        top.press(key);
        left_clean(top);
    }
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let skep = Instance::start();
    for signal in [Signal::TERM, Signal::HUP] {
        let top = top(&skep);
        top.shows("Services");
        let pid = Pid::from_raw(i32::try_from(top.pid()).expect("a pid")).expect("a pid");
        kill_process(pid, signal).expect("it runs");
        left_clean(top);
    }
}

#[track_caller]
fn left_clean(top: Terminal) {
    let before = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
    wait_until("the modes are those of a shell", || top.modes().contains(before));
    let (status, clean) = top.ended();
    assert!(status.success(), "{status}");
    assert!(clean, "the screen of the shell is back, with its cursor");
}

#[test]
fn keys_order_services_and_pause() {
    let skep = Instance::start();
    let mut workers: Vec<_> = (0..3).map(|n| skep.worker(&id(&format!("worker{n}")))).collect();
    for (n, worker) in workers.iter_mut().enumerate() {
        assert_eq!(worker.subscribe(&rpc::service("myapp.many"), 1), 1);
        if n == 0 {
            assert_eq!(worker.subscribe(&rpc::service("myapp.aaa"), 1), 1);
        }
    }
    // A service is one from its first call on, if not before.
    let mut user = skep.user(&id("user"));
    for service in ["myapp.many", "myapp.aaa"] {
        user.publish(rpc::request(&id("user"), service, 1));
    }
    let mut top = top(&skep);
    let first = |lines: &[String], name: &str| {
        let heading = lines.iter().position(|line| line.contains("Services")).unwrap_or(0);
        lines.get(heading + 2).is_some_and(|line| line.trim_start().starts_with(name))
    };
    top.shows("myapp.many");
    top.press("n");
    top.until("names in their order", |lines| first(lines, "myapp.aaa"));
    top.press("k");
    top.until("most workers first", |lines| first(lines, "myapp.many"));
    top.press("r");
    top.until("fewest workers first", |lines| first(lines, "myapp.aaa"));
    top.press("p");
    top.shows("paused");
    top.press("q");
    left_clean(top);
}

#[test]
fn a_resized_terminal_is_filled_anew() {
    let skep = Instance::start();
    let mut top = top(&skep);
    top.until("keys on the last line", |lines| lines[29].contains("quit"));
    top.resize(80, 12);
    top.until("keys on the new last line", |lines| lines.len() == 12 && lines[11].contains("quit"));
    // Too small for anything is no reason to fail.
    top.resize(3, 1);
    top.until("something", |lines| lines.iter().any(|line| !line.is_empty()));
    top.resize(130, 40);
    top.until("keys on the last line again", |lines| lines[39].contains("quit"));
    top.press("q");
    left_clean(top);
}

#[test]
fn a_narrow_terminal_has_whole_numbers_or_none() {
    let skep = Instance::start();
    let load = Load::on(&skep);
    let mut top = top(&skep);
    top.shows("myapp.str");
    let titles = [
        (69, "service workers calls/s waiting median 99% errors"),
        (61, "service workers calls/s waiting 99% errors"),
        (53, "service calls/s waiting 99% errors"),
        (45, "service calls/s waiting 99%"),
    ];
    for (columns, titles) in titles {
        top.resize(columns, 30);
        let titles: Vec<&str> = titles.split(' ').collect();
        top.until("the columns that have room, whole", |lines| {
            row(lines, "service").is_some_and(|heading| heading == titles)
        });
    }
    top.press("q");
    left_clean(top);
    drop(load);
}

#[test]
fn a_lost_connection_is_shown_and_tried_again() {
    let skep = Instance::start();
    let address = skep.skep().admin().expect("an admin listener").address();
    let mut top = top(&skep);
    top.shows("all is well");
    skep.stop();
    top.shows("connection lost for");
    // The port may be in somebody else's hands by now: then there is nothing to see.
    let again = Instance::start_with(|config| config.admin.listen = address);
    top.shows("all is well");
    top.press("q");
    left_clean(top);
    again.stop();
}

#[test]
fn what_clients_choose_tells_the_terminal_nothing() {
    let skep = Instance::open_bus(|_| {});
    let mut worker = support::Client::connect(skep.backend(), support::Login::new("evil"));
    assert_eq!(worker.subscribe("$share/BKPR/req/backend/\u{202e}evil", 1), 1);
    worker.publish_acked(Message::new("req/backend/\u{202e}evil", "x"));
    let mut top = top(&skep);
    top.shows("\\u{202e}evil");
    let once = run(&["--once", "--admin", &url(&skep)]);
    let text = String::from_utf8(once.stdout).expect("text");
    assert!(text.contains("req/backend/\\u{202e}evil") && !text.contains('\u{202e}'), "{text}");
    top.press("q");
    left_clean(top);
}

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(SKEP);
    command.arg("top").args(args).stdin(Stdio::null());
    for name in ["SKEP_ADMIN_URL", "SKEP_ADMIN_TOKEN"] {
        command.env_remove(name);
    }
    command.output().expect("skep starts")
}

#[test]
fn once_prints_a_plain_picture() {
    let skep = Instance::start();
    let load = Load::on(&skep);
    let address = url(&skep);
    let printed = || {
        let ran = run(&["--once", "--admin", &address]);
        assert_eq!(ran.status.code(), Some(0), "{ran:?}");
        String::from_utf8(ran.stdout).expect("text")
    };
    wait_until("calls of myapp.str are counted", || {
        let lines: Vec<String> = printed().lines().map(str::to_owned).collect();
        row(&lines, "myapp.str").is_some_and(|row| row[4] != "0")
    });
    let text = printed();
    assert!(!text.contains('\u{1b}'), "no colours in a pipe: {text:?}");
    assert!(text.contains("✓ all is well"), "{text}");
    drop(load);
}

#[test]
fn a_token_is_asked_for_and_taken() {
    let token = "a-token-that-nobody-guesses";
    let skep = Instance::start_with(|config| config.admin.token = Some(token.into()));
    let address = url(&skep);
    let refused = run(&["--once", "--admin", &address]);
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--token-file"), "{refused:?}");
    let file = skep.data.path().join("token");
    std::fs::write(&file, format!("{token}\n")).expect("a file");
    let let_in = run(&["--once", "--admin", &address, "--token-file", file.to_str().expect("a path")]);
    assert_eq!(let_in.status.code(), Some(0), "{let_in:?}");
}

#[test]
fn what_is_wrong_is_said() {
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    let nobody = format!("http://{free}");
    let cases: [(&[&str], i32, &str); 4] = [
        (&["--once", "--admin", &nobody], 4, "nobody listens at http://127.0.0.1:"),
        (&["--once", "--admin", "mqtt://127.0.0.1:1883"], 2, "is no URL of an admin listener"),
        (&["--once", "--token-file", "/there/is/none"], 2, "/there/is/none can't be read"),
        (&["--admin", &nobody], 2, "this is not a terminal"),
    ];
    for (args, status, said) in cases {
        let ran = run(args);
        assert_eq!(ran.status.code(), Some(status), "{args:?}: {ran:?}");
        assert_eq!(ran.stdout, b"", "{args:?}");
        let errors = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(errors.contains(said), "{args:?}: {errors}");
    }
}
