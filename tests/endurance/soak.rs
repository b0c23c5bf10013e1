//! Client lives, one after the other on many threads: connect, bind, call, be
//! pushed to, go. At the end skep takes up what it did near the beginning.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::number;
use super::process::{Process, Usage};
use super::support::Message;
use super::support::rpc::{answer, binding, json_of, notification, request, send_router_call, service};

/// Sessions end so long after their last request, in s: short, so that they
/// come and go during the run.
const SESSION_TIMEOUT: u64 = 20;

/// Lives that are lived at one time.
const THREADS: u64 = 24;

/// A client id, and the name of its user.
fn name(life: u64) -> String {
    format!("life_{life:0>11}")
}

fn live(skep: &Process, life: u64) {
    let id = name(life);
    let mut client = skep.user(&id);
    client.publish(request(&id, "soak.login", life));
    let (mut logged_in, mut pushed) = (false, false);
    while !(logged_in && pushed) {
        let message = json_of(&client.message());
        if message["method"] == "soak.hello" {
            pushed = message["params"] == life;
        } else {
            assert_eq!((&message["id"], &message["result"]), (&life.into(), &1.into()), "{message}");
            logged_in = true;
        }
    }
    client.publish(request(&id, "soak.whoami", life));
    let response = json_of(&client.message());
    assert_eq!(response["result"], id.as_str(), "{response}");
    // Some go without a word.
    if life % 4 == 0 { client.reset() } else { client.leave() }
}

/// Serves logins and calls until told to stop.
fn work(skep: &Process, stop: &AtomicBool) {
    const ID: &str = "soak_worker";
    let mut worker = skep.worker(ID, 500);
    worker.subscribe(&service("soak.login"), 1);
    worker.subscribe(&service("soak.whoami"), 1);
    let mut logins: HashMap<u64, Message> = HashMap::new();
    while !stop.load(Ordering::Relaxed) {
        let Some(message) = worker.message_within(Duration::from_millis(200)) else { continue };
        let content = json_of(&message);
        let life = content["id"].as_u64().expect("the number of a life");
        if message.topic == format!("priv/{ID}") {
            assert_eq!(content["result"], 1, "{content}");
            let login = logins.remove(&life).expect("a login under way");
            answer(&mut worker, &login, 1);
            let hello = format!(r#"{{"method":"soak.hello","params":{life}}}"#);
            worker.publish(notification(Some(&format!("user-{life}")), &hello));
        } else if content["method"] == "soak.login.do" {
            let params = binding(&name(life), Some(&format!("frontend.user-{life}")), &name(life));
            send_router_call(&mut worker, ID, "bind", params, life);
            logins.insert(life, message);
        } else {
            let who = message.get("auth").unwrap_or("nobody").to_owned();
            answer(&mut worker, &message, who);
        }
    }
    worker.disconnect();
}

fn row(lives: u64, began: Instant, usage: Usage) {
    let seconds = began.elapsed().as_secs_f64();
    let Usage { memory_kib, files, threads, disk_kib } = usage;
    println!(
        "| {lives} | {seconds:.0} | {:.0} | {:.1} | {files} | {threads} | {:.1} |",
        lives as f64 / seconds,
        memory_kib as f64 / 1024.0,
        disk_kib as f64 / 1024.0
    );
}

#[test]
fn client_lives_leave_nothing_behind() {
    let lives = number("SKEP_LIVES", 2_000);
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("disk/data");
    let timeout = format!("bindings.session_timeout_s={SESSION_TIMEOUT}");
    let skep = Process::start(&data, &[&timeout]);
    let (stop, next) = (AtomicBool::new(false), AtomicU64::new(0));
    let began = Instant::now();
    let mut seen = Vec::new();
    println!("| lives | s | lives/s | memory, MiB | files | threads | disk, MiB |");
    println!("|---|---|---|---|---|---|---|");
    row(0, began, skep.usage(&data));
    std::thread::scope(|scope| {
        scope.spawn(|| work(&skep, &stop));
        let lived: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let life = next.fetch_add(1, Ordering::Relaxed);
                        if life >= lives || stop.load(Ordering::Relaxed) {
                            return;
                        }
                        // Else one life that fails has all others wait for it.
                        let stopping = StopOnPanic(&stop);
                        live(&skep, life);
                        drop(stopping);
                    }
                })
            })
            .collect();
        let mut rows = 1;
        while lived.iter().any(|thread| !thread.is_finished()) {
            std::thread::sleep(Duration::from_millis(20));
            let so_far = next.load(Ordering::Relaxed).min(lives);
            if so_far * 10 / lives >= rows {
                rows = so_far * 10 / lives + 1;
                let usage = skep.usage(&data);
                row(so_far, began, usage);
                seen.push(usage);
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    let end = after_the_last(&skep, &data);
    println!("after the last session has expired:");
    row(lives, began, end);
    // The first tenths fill what is kept for use: pools, caches, the database.
    let Some(early) = seen.get(1) else { return };
    assert!(end.files <= early.files && end.threads <= early.threads, "{end:?} after {early:?}");
    assert!(end.memory_kib < early.memory_kib * 5 / 4 + 32 * 1024, "{end:?} after {early:?}");
    let most = seen.iter().take(seen.len() / 2).map(|usage| usage.disk_kib).max().unwrap_or(0);
    assert!(end.disk_kib < most * 5 / 4 + 16 * 1024, "{end:?} after {early:?}");
}

struct StopOnPanic<'a>(&'a AtomicBool);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// What is taken up when all connections are closed and all sessions expired.
fn after_the_last(skep: &Process, data: &Path) -> Usage {
    let least = |usage: &Usage| (usage.files, usage.memory_kib);
    let until = Instant::now() + Duration::from_secs(2 * SESSION_TIMEOUT);
    let mut usage = skep.usage(data);
    while Instant::now() < until && number("SKEP_LIVES", 0) > 0 {
        std::thread::sleep(Duration::from_millis(500));
        let now = skep.usage(data);
        if least(&now) < least(&usage) {
            usage = now;
        }
    }
    usage
}
