//! Bindings and death: what was answered is there again, whatever happened.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::json;
use skep::bindings::{Binding, Bindings, JournalError, OpenError, Settings, set_aside};
use support::metrics::Metrics;
use support::rpc::{binding, json_of, notification, router_call, send_router_call};
use support::{Client, Instance, Login, PATIENCE, http, id, wait_until};

/// The real program, on ports of the system's choice.
struct Process {
    child: Child,
    backend: SocketAddr,
    frontend: SocketAddr,
    admin: SocketAddr,
}

impl Process {
    fn start(data: &Path) -> Process {
        Process::run(Command::new(env!("CARGO_BIN_EXE_skep")), data)
    }

    /// One for which a file that may grow no more is an error like any other,
    /// as on a full disk, and no signal.
    fn start_without_signal(data: &Path) -> Process {
        let mut shell = Command::new("sh");
        shell.args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#, env!("CARGO_BIN_EXE_skep")]);
        Process::run(shell, data)
    }

    fn run(mut command: Command, data: &Path) -> Process {
        let mut child = command
            .args(["--data", data.to_str().expect("a path of text"), "--log", "error"])
            .args(["--set", "backend.backend-1.listeners.tcp.listen=127.0.0.1:0"])
            .args(["--set", "frontend.frontend-1.listeners.tcp.listen=127.0.0.1:0"])
            .args(["--set", "frontend.frontend-1.listeners.ws.listen=127.0.0.1:0"])
            .args(["--set", "admin.listen=127.0.0.1:0"])
            .current_dir(data.parent().expect("a parent"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let (mut backend, mut frontend, mut admin) = (None, None, None);
        for line in lines.map(|line| line.expect("a line of text")) {
            let address = line.split("://").nth(1).and_then(|address| address.trim_end_matches('/').parse().ok());
            match line.split_whitespace().next() {
                Some("backend") => backend = address,
                Some("frontend") if frontend.is_none() => frontend = address,
                Some("admin") => admin = address,
                _ => {}
            }
            if let (Some(backend), Some(frontend), Some(admin)) = (backend, frontend, admin) {
                return Process { child, backend, frontend, admin };
            }
        }
        let ended = child.wait().expect("it has ended");
        panic!("it ended ({ended}) without saying where it listens");
    }

    /// Lets no file of the process grow past so many bytes; `None`: any size.
    fn limit_files(&self, bytes: Option<u64>) {
        let limit = rustix::process::Rlimit { current: bytes, maximum: None };
        let pid = Some(rustix::process::Pid::from_child(&self.child));
        rustix::process::prlimit(pid, rustix::process::Resource::Fsize, limit).expect("a limit");
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it has ended");
    }

    fn worker(&self) -> Client {
        let mut worker = Client::connect(self.backend, Login::new("worker").user("backend", "def456"));
        worker.subscribe("priv/worker", 0);
        worker
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn no_answered_bind_is_lost_when_skep_is_killed_again_and_again() {
    const KILLS: u64 = 30;
    const BATCH: u64 = 40;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut answered = BTreeSet::new();
    for round in 0..KILLS {
        let skep = Process::start(&data);
        let mut worker = skep.worker();
        // All that was ever answered is still bound.
        for n in answered.iter().rev().step_by(7).take(10) {
            let device = id(&format!("device{n}"));
            let mut user = Client::connect(skep.frontend, Login::new(&device).user("frontend", "abc123"));
            user.subscribe(&format!("priv/{device}"), 0);
            worker.publish(notification(Some(&format!("user-{n}")), "still there?"));
            assert_eq!(user.message().text(), "still there?", "binding {n} in round {round}");
        }
        // Killed with binds in flight, sooner or later.
        for n in round * BATCH..(round + 1) * BATCH {
            let params = binding(&id(&format!("device{n}")), Some(&format!("frontend.user-{n}")), "auth");
            send_router_call(&mut worker, "worker", "bind", params, n);
        }
        for _ in 0..(round * 3) % BATCH {
            let response = json_of(&worker.message());
            assert_eq!(response["result"], 1);
            answered.insert(response["id"].as_u64().unwrap());
        }
        skep.kill();
        while let Some(response) = worker.message_within(Duration::from_millis(1)) {
            answered.insert(json_of(&response)["id"].as_u64().unwrap());
        }
    }
    assert!(answered.len() > 100, "{} binds were answered", answered.len());
    let bindings = Bindings::open(&data, &Settings::default()).unwrap();
    for n in &answered {
        assert_eq!(bindings.at(&format!("frontend.user-{n}"), |_, _| {}), 1, "binding {n}");
    }
}

#[test]
fn a_client_that_comes_back_after_a_kill_is_bound_still() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let skep = Process::start(&data);
    let device = id("device");
    let response = router_call(&mut skep.worker(), "worker", "bind", binding(&device, Some("frontend.alice"), "alice"));
    assert_eq!(response["result"], 1);
    skep.kill();
    let skep = Process::start(&data);
    let mut worker = skep.worker();
    worker.subscribe("$share/BKPR/req/backend/a", 1);
    let mut user = Client::connect(skep.frontend, Login::new(&device).user("frontend", "abc123"));
    user.subscribe(&format!("priv/{device}"), 0);
    user.publish(support::rpc::request(&device, "a", 1));
    assert_eq!(worker.message().get("auth"), Some("alice"));
}

#[test]
fn a_second_process_is_told_who_has_the_data() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Bindings::open(dir.path(), &Settings::default()).unwrap();
    let error = Bindings::open(dir.path(), &Settings::default()).err().expect("it is held");
    assert!(matches!(&error, OpenError::Held { pid, .. } if *pid == std::process::id().to_string()));
    assert!(error.to_string().contains("--data"), "{error}");
}

/// Does `change` and waits for the disk.
fn done(change: impl FnOnce(Box<dyn FnOnce(Result<(), JournalError>) + Send>)) -> Result<(), JournalError> {
    let (send, receive) = mpsc::channel();
    change(Box::new(move |result| send.send(result).expect("somebody waits")));
    receive.recv_timeout(PATIENCE).expect("it is answered")
}

fn bind(bindings: &Bindings, n: u32, address: &str) -> Result<(), JournalError> {
    let caller = id(&format!("caller{n}"));
    let topic = format!("priv/{caller}");
    let address = (!address.is_empty()).then_some(address);
    let auth = format!("auth-{n}");
    done(|done| {
        bindings.bind(Binding { caller: &caller, topic: &topic, frontend: "frontend-1", address, auth: &auth }, done)
    })
}

fn auth(bindings: &Bindings, n: u32) -> Option<String> {
    bindings.touch(&id(&format!("caller{n}")), str::to_owned)
}

#[test]
fn everything_about_a_binding_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let bindings = Bindings::open(dir.path(), &Settings::default()).unwrap();
    bind(&bindings, 1, "frontend.a").unwrap();
    bind(&bindings, 2, "frontend.a").unwrap();
    bind(&bindings, 3, "").unwrap();
    let other = Binding {
        caller: &id("other"),
        topic: "priv/elsewhere",
        frontend: "f-2",
        address: Some("frontend.b"),
        auth: "",
    };
    done(|done| bindings.bind(other, done)).unwrap();
    drop(bindings);
    let bindings = Bindings::open(dir.path(), &Settings::default()).unwrap();
    assert_eq!(bindings.len(), 4);
    let mut found = Vec::new();
    bindings.at("frontend.a", |topic, frontend| found.push((topic.to_owned(), frontend.to_owned())));
    found.sort();
    let of = |n: u32| (format!("priv/{}", id(&format!("caller{n}"))), "frontend-1".to_owned());
    assert_eq!(found, [of(1), of(2)]);
    bindings.at("frontend.b", |topic, frontend| assert_eq!((topic, frontend), ("priv/elsewhere", "f-2")));
    assert_eq!(auth(&bindings, 3).as_deref(), Some("auth-3"));
    done(|done| bindings.unbind_address("frontend.a", done)).unwrap();
    bindings.close();
    assert!(matches!(bind(&bindings, 9, ""), Err(JournalError::Closed)));
    drop(bindings);
    assert_eq!(Bindings::open(dir.path(), &Settings::default()).unwrap().len(), 2);
}

#[test]
fn a_session_that_is_not_touched_expires_and_one_that_is_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { session_timeout_s: 2, ..Settings::default() };
    let bindings = Bindings::open(dir.path(), &settings).unwrap();
    bind(&bindings, 1, "frontend.a").unwrap();
    bind(&bindings, 2, "frontend.b").unwrap();
    wait_until("the silent one has expired", || {
        assert!(auth(&bindings, 1).is_some(), "the one that calls stays");
        bindings.at("frontend.b", |_, _| {}) == 0
    });
    wait_until("it has been removed", || bindings.len() == 1);
    drop(bindings);
    let bindings = Bindings::open(dir.path(), &settings).unwrap();
    assert_eq!(bindings.len(), 1, "the touched one was renewed on disk, the other one removed");
}

#[test]
fn the_files_are_for_their_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let bindings = Bindings::open(&data, &Settings::default()).unwrap();
    bind(&bindings, 1, "").unwrap();
    assert_private(&data);
    drop(bindings);
    set_aside(&data).unwrap().expect("something is set aside");
    assert_private(&data);
}

fn assert_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mut todo = vec![path.to_owned()];
    while let Some(path) = todo.pop() {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} is {mode:o}", path.display());
        if path.is_dir() {
            todo.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
}

#[test]
fn a_damaged_store_is_a_clear_error_or_whole_never_a_panic_or_a_silent_loss() {
    let variants: u32 = std::env::var("SKEP_DAMAGE_VARIANTS").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    let bindings = Bindings::open(&whole, &Settings::default()).unwrap();
    for n in 0..300 {
        bind(&bindings, n, &format!("frontend.user-{}", n % 50)).unwrap();
    }
    drop(bindings);
    let database = fs::read(whole.join("bindings/db")).unwrap();
    let mut dice = 1u64;
    let mut roll = |sides: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) as usize % sides
    };
    let (mut refused, mut unharmed) = (0, 0);
    for variant in 0..variants {
        let damaged = dir.path().join(format!("damaged-{variant}"));
        copy(&whole, &damaged);
        let mut bytes = database.clone();
        // sled writes far less than the file's length; damage what is there.
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        match variant % 3 {
            0 => bytes.truncate(roll(used)),
            1 => bytes[roll(used)] ^= 1 << roll(8),
            _ => {
                let at = roll(used);
                let end = (at + 64).min(bytes.len());
                bytes[at..end].fill(0);
            }
        }
        fs::write(damaged.join("bindings/db"), bytes).unwrap();
        match Bindings::open(&damaged, &Settings::default()) {
            Ok(bindings) => {
                unharmed += 1;
                for n in 0..300 {
                    assert_eq!(auth(&bindings, n), Some(format!("auth-{n}")), "variant {variant} lost binding {n}");
                }
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("--set-aside-bindings"), "variant {variant}: {error}");
                let aside = set_aside(&damaged).unwrap().expect("something is set aside");
                assert!(aside.join("bindings/db").exists());
                assert!(Bindings::open(&damaged, &Settings::default()).unwrap().is_empty());
            }
        }
        fs::remove_dir_all(damaged).unwrap();
    }
    assert_eq!(refused + unharmed, variants);
    assert!(refused > variants / 4, "{refused} of {variants} were noticed");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_missing_or_unusable_store_is_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let bindings = Bindings::open(dir.path(), &Settings::default()).unwrap();
    bind(&bindings, 1, "").unwrap();
    drop(bindings);
    fs::remove_dir_all(dir.path().join("bindings")).unwrap();
    let error = Bindings::open(dir.path(), &Settings::default()).err().expect("what was there is missing");
    assert!(error.to_string().contains("missing"), "{error}");

    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    let error = Bindings::open(&file, &Settings::default()).err().expect("it is no directory");
    assert!(matches!(error, OpenError::Directory { .. }), "{error}");
}

/// sled's threads may have it for a moment after it was closed.
#[test]
fn a_database_that_is_let_go_of_late_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let bindings = Bindings::open(dir.path(), &Settings::default()).unwrap();
    bind(&bindings, 1, "").unwrap();
    drop(bindings);
    let file = fs::File::open(dir.path().join("bindings/db")).unwrap();
    file.lock().unwrap();
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| Bindings::open(dir.path(), &Settings::default()));
        std::thread::sleep(Duration::from_millis(200));
        assert!(!opening.is_finished());
        drop(file);
        assert_eq!(opening.join().unwrap().unwrap().len(), 1);
    });
}

#[test]
fn binds_from_many_threads_end_as_the_last_of_each_says() {
    let dir = tempfile::tempdir().unwrap();
    let bindings = Bindings::open(dir.path(), &Settings::default()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let bindings = &bindings;
            scope.spawn(move || {
                for n in 0..200 {
                    bind(bindings, thread * 10 + n % 10, &format!("frontend.user-{n}")).unwrap();
                }
            });
        }
    });
    assert_eq!(bindings.len(), 40);
    assert_eq!((0..200).map(|n| bindings.at(&format!("frontend.user-{n}"), |_, _| {})).sum::<usize>(), 40);
    drop(bindings);
    let bindings = Bindings::open(dir.path(), &Settings::default()).unwrap();
    assert_eq!((0..200).map(|n| bindings.at(&format!("frontend.user-{n}"), |_, _| {})).sum::<usize>(), 40);
}

#[test]
fn binds_that_wait_together_share_a_flush() {
    let skep = Instance::start();
    let mut worker = skep.worker("worker");
    worker.subscribe("priv/worker", 0);
    let began = Instant::now();
    for n in 0..500 {
        let params = binding(&id(&format!("device{n}")), Some("frontend.a"), "x");
        send_router_call(&mut worker, "worker", "bind", params, n);
    }
    for _ in 0..500 {
        assert_eq!(json_of(&worker.message())["result"], json!(1));
    }
    let flushes = skep.skep().bindings().stats().flushes;
    assert!(flushes < 250, "{flushes} flushes for 500 binds in {:?}", began.elapsed());
}

/// A disk that is full for a while: what was answered before stays bound, what
/// fails is not bound, and binds work again once there is room, without a restart.
#[test]
fn binds_work_again_once_the_disk_has_room_again() {
    const FAILED: i64 = -32603;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let skep = Process::start_without_signal(&data);
    let mut worker = skep.worker();
    let device = |n: u32| id(&format!("device{n}"));
    let address = |n: u32| format!("frontend.user-{n}");
    let mut bind = |n: u32| {
        let params = binding(&device(n), Some(&address(n)), &"x".repeat(10_000));
        router_call(&mut worker, "worker", "bind", params)
    };
    let mut answered = BTreeSet::new();
    let mut next = 0;
    // Twice, as what was mended once must be so again.
    for _ in 0..2 {
        for n in next..next + 20 {
            assert_eq!(bind(n)["result"], 1);
            answered.insert(n);
        }
        next += 20;
        skep.limit_files(Some(4096));
        let refused = loop {
            let response = bind(next);
            next += 1;
            match response["error"]["code"].as_i64() {
                Some(code) => break (code, response),
                None => drop(answered.insert(next - 1)),
            }
        };
        assert_eq!(refused.0, FAILED, "{}", refused.1);
        let refused = next - 1;
        // Those before are in force, the one that failed is not.
        let mut user = Client::connect(skep.frontend, Login::new(&device(3)).user("frontend", "abc123"));
        user.subscribe(&format!("priv/{}", device(3)), 0);
        let mut sender = Client::connect(skep.backend, Login::new("sender").user("backend", "def456"));
        assert_eq!(sender.publish_acked(notification(Some("user-3"), "still there?")), 0);
        assert_eq!(user.message().text(), "still there?");
        assert_eq!(sender.publish_acked(notification(Some(&format!("user-{refused}")), "?")), 0x10);
        // Only what is on disk counts as that.
        let metrics = Metrics::at(skep.admin);
        assert_eq!(metrics.value("skep_bindings_changes_total", &[]), answered.len() as f64);
        assert!(metrics.value("skep_bindings_write_errors_total", &[]) > 0.0);
        let (_, ready) = http::get(skep.admin, "/readyz");
        assert!(ready.contains("can't be written"), "{ready}");
        // It goes on refusing while there is no room.
        std::thread::sleep(Duration::from_millis(1_200));
        assert_eq!(bind(next)["error"]["code"], FAILED);
        skep.limit_files(None);
        next += 1;
        wait_until("binds work again", || bind(next)["result"] == 1);
        answered.insert(next);
        next += 1;
    }
    skep.kill();
    let bindings = Bindings::open(&data, &Settings::default()).unwrap();
    for n in 0..next {
        let bound = bindings.at(&format!("frontend.user-{n}"), |_, _| {});
        assert_eq!(bound, usize::from(answered.contains(&n)), "binding {n}");
    }
}

/// What is left of the database after a failure may be unreadable: what is in
/// memory is written anew, and the old one is kept aside.
#[test]
fn a_database_that_a_failure_has_ruined_is_written_anew_from_memory() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let skep = Process::start_without_signal(&data);
    let mut worker = skep.worker();
    let mut bind = |n: u32| {
        let params = binding(&id(&format!("device{n}")), Some(&format!("frontend.user-{n}")), &"x".repeat(10_000));
        router_call(&mut worker, "worker", "bind", params)["result"] == 1
    };
    let answered: Vec<u32> = (0..100).take_while(|n| bind(*n)).collect();
    assert_eq!(answered.len(), 100);
    skep.limit_files(Some(4096));
    let failed = (100..1_000).find(|n| !bind(*n)).expect("one that fails");
    // The disk has done its worst.
    fs::remove_file(data.join("bindings/db")).unwrap();
    fs::create_dir(data.join("bindings/db")).unwrap();
    skep.limit_files(None);
    wait_until("binds work again", || bind(failed + 1));
    skep.kill();
    let bindings = Bindings::open(&data, &Settings::default()).unwrap();
    for n in answered.into_iter().chain(100..failed).chain([failed + 1]) {
        assert_eq!(bindings.at(&format!("frontend.user-{n}"), |_, _| {}), 1, "binding {n}");
    }
    assert_eq!(bindings.at(&format!("frontend.user-{failed}"), |_, _| {}), 0);
    let aside = fs::read_dir(&data).unwrap().flatten();
    let aside = aside.filter(|entry| entry.file_name().to_string_lossy().starts_with("bindings.set-aside-"));
    assert_eq!(aside.count(), 1);
}
