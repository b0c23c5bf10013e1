//! Client lives, one after the other on many threads: connect, bind, call, be
//! pushed to, go. At the end skep takes up what it did near the beginning.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use skep::bus::Bus;
use skep::{Kind, Skep};

use super::number;
use super::process::{Buses, Process, Usage};
use super::support::rpc::{answer, binding, json_of, notification, request, send_router_call, service};
use super::support::{Message, settings, wait_until};

/// Sessions end so long after their last request, in s: short, so that they
/// come and go during the run.
const SESSION_TIMEOUT: u64 = 20;

/// From a tenth of the lives on, memory is at most this share over what it is
/// half-way: it is taken and given back in turns, as sessions expire together
/// and the allocator hands back what is free now and then.
const MEMORY_MORE: f64 = 0.10;

/// And so much, in KiB: what is taken in steps, whatever came before. A thread
/// of sled's that starts late has a stack and an arena of its own, and a table
/// that is full doubles. At a million lives both together are less than 20 bytes
/// for each of the second half.
const MEMORY_STEPS: u64 = 4 * 1024;

/// And so much, in KiB, for each life after half-way, in a run so short that
/// sessions do not end yet as fast as they come: they are bound, and in sled's
/// cache.
const MEMORY_OF_A_SESSION: u64 = 2;

/// Lives that are lived at one time.
const THREADS: u64 = 24;

/// A client id, and the name of its user.
fn name(life: u64) -> String {
    format!("life_{life:0>11}")
}

fn live(skep: &Buses, life: u64) {
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
    if life.is_multiple_of(4) { client.reset() } else { client.leave() }
}

/// Serves logins and calls until told to stop.
fn work(skep: &Buses, stop: &AtomicBool) {
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
    let Usage { memory_kib, files, threads, tasks, disk_kib } = usage;
    println!(
        "| {lives} | {seconds:.0} | {:.0} | {:.1} | {files} | {threads} | {tasks} | {:.1} |",
        lives as f64 / seconds,
        memory_kib as f64 / 1024.0,
        disk_kib as f64 / 1024.0
    );
}

#[test]
fn client_lives_leave_nothing_behind() {
    let lives = number("SKEP_LIVES", 1_000);
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("disk/data");
    let timeout = format!("bindings.session_timeout_s={SESSION_TIMEOUT}");
    let skep = Process::start(&data, &[&timeout]);
    let (stop, next) = (AtomicBool::new(false), AtomicU64::new(0));
    let began = Instant::now();
    let mut seen = Vec::new();
    println!("| lives | s | lives/s | memory, MiB | files | threads | tasks | disk, MiB |");
    println!("|---|---|---|---|---|---|---|---|");
    let start = skep.usage(&data);
    row(0, began, start);
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
                seen.push((so_far, began.elapsed(), usage));
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    wait_until("no more tasks are left than at the start", || skep.tasks() <= start.tasks);
    let end = after_the_last(&skep, &data);
    println!("after the last session has expired:");
    row(lives, began, end);
    // The first tenths fill what is kept for use: pools, caches, the database.
    let Some((.., early)) = seen.get(1).copied() else { return };
    assert!(end.files <= early.files, "{end:?} after {early:?}");
    // sled starts a few threads when it has much to write, and keeps some.
    assert!(end.threads <= early.threads + 4, "{end:?} after {early:?}");
    seen.push((lives, began.elapsed(), end));
    if let Some((half, took, half_way)) = seen.iter().find(|(so_far, ..)| so_far * 2 >= lives) {
        let settled = took.as_secs() >= 2 * SESSION_TIMEOUT;
        let most = (half_way.memory_kib as f64 * (1.0 + MEMORY_MORE)) as u64 + MEMORY_STEPS;
        for (so_far, _, usage) in &seen {
            let more = if settled { 0 } else { so_far.saturating_sub(*half) * MEMORY_OF_A_SESSION };
            assert!(usage.memory_kib <= most + more, "at most {} KiB after {so_far} lives: {usage:?}", most + more);
        }
    }
    let most = seen.iter().take(seen.len() / 2).map(|(.., usage)| usage.disk_kib).max().unwrap_or(0);
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

#[test]
fn client_lives_leave_no_task_and_no_session_behind() {
    let data = tempfile::tempdir().expect("a directory");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let skep = runtime.block_on(Skep::start(settings(&data))).expect("skep starts");
    let address = |kind| {
        let mut tcp = skep.listeners().iter().filter(|bound| bound.kind == kind);
        tcp.find(|bound| bound.url().starts_with("mqtt:")).expect("a listener").address
    };
    let buses = Buses { backend: address(Kind::Backend), frontend: address(Kind::Frontend) };
    let stop = AtomicBool::new(false);
    let tasks = || runtime.metrics().num_alive_tasks();
    let before = tasks();
    std::thread::scope(|scope| {
        scope.spawn(|| work(&buses, &stop));
        (0..100).for_each(|life| live(&buses, life));
        stop.store(true, Ordering::Relaxed);
    });
    wait_until("all tasks have ended", || tasks() <= before);
    let left = |bus: &Bus| bus.sessions() + bus.connections() + bus.unfinished_work();
    assert_eq!(skep.backends().iter().chain(skep.frontends()).map(left).sum::<usize>(), 0);
    runtime.block_on(skep.stop());
}
