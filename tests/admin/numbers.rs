//! What is shown equals what was done.

use rustix::process::{Resource, getrlimit};
use serde_json::json;

use crate::http::{admin, items};
use crate::make_calls;
use crate::support::metrics::wait_until_counted;
use crate::support::rpc::{answer, request, service};
use crate::support::{Instance, id, wait_until};

#[test]
fn five_calls_are_five_everywhere() {
    let skep = Instance::start();
    let admin = admin(&skep);
    let (_worker, _user) = make_calls(&skep, "myapp.str", 5);
    let services = admin.api("services");
    let [service] = items(&services, "services") else { panic!("{services}") };
    for (name, value) in [
        ("backend", json!("backend-1")),
        ("name", json!("myapp.str")),
        ("workers", json!(1)),
        ("waiting", json!(0)),
        ("held", json!(0)),
        ("calls", json!(5)),
        ("errors", json!(0)),
        ("redelivered", json!(0)),
    ] {
        assert_eq!(service[name], value, "{name} in {service}");
    }
    assert!(service["p50_us"].as_u64() > Some(0) && service["p50_us"].as_u64() <= service["p99_us"].as_u64());
    let of = ["service=\"myapp.str\"", "bus=\"backend-1\""];
    assert_eq!(admin.value("skep_service_calls_total", &of), 5.0);
    assert_eq!(admin.value("skep_service_latency_seconds_count", &of), 5.0);
    assert_eq!(admin.value("skep_service_wait_seconds_count", &of), 5.0);
    assert_eq!(admin.value("skep_service_workers", &of), 1.0);
    assert_eq!(admin.value("skep_router_messages_total", &["flow=\"request\""]), 5.0);
    assert_eq!(admin.value("skep_router_messages_total", &["flow=\"response\""]), 5.0);
    assert_eq!(admin.value("skep_messages_received_total", &["bus=\"frontend-1\""]), 5.0);
    assert_eq!(admin.value("skep_connections", &["bus=\"backend-1\""]), 1.0);
    assert_eq!(admin.value("skep_clients_accepted_total", &["bus=\"frontend-1\""]), 1.0);
    let overview = admin.api("overview");
    assert_eq!((&overview["router"]["requests"], &overview["ready"]), (&json!(5), &json!(true)));
    let buses = items(&overview, "buses");
    assert_eq!((&buses[0]["kind"], &buses[1]["kind"]), (&json!("backend"), &json!("frontend")));
    assert_eq!((&buses[1]["messages_in"], &buses[1]["messages_out"]), (&json!(5), &json!(5)));
    assert_eq!(items(&buses[1], "listeners").len(), 2);
    let worker = admin.api("client?bus=backend-1&id=worker-1");
    assert_eq!((&worker["messages_in"], &worker["messages_out"]), (&json!(5), &json!(5)));
    // In the end all five are in the history, in whichever second.
    wait_until("the history has them", || {
        let history = admin.api("history");
        items(&history, "samples").iter().map(|sample| sample["calls"].as_u64().unwrap()).sum::<u64>() == 5
    });
    assert_eq!(items(&admin.api("history?seconds=1"), "samples").len(), 1);
}

#[test]
fn what_waits_and_what_is_in_hand_is_shown_with_its_age() {
    let skep = Instance::start();
    let admin = admin(&skep);
    let mut worker = skep.worker("worker-1");
    worker.subscribe(&service("a.b"), 1);
    let caller = id("caller");
    let mut user = skep.user(&caller);
    for n in 0..3 {
        user.publish(request(&caller, "a.b", n));
    }
    let held = worker.message();
    user.assert_no_message();
    wait_until("the first of them is old", || {
        let queues = admin.api("queues");
        let [queue] = items(&queues, "queues") else { panic!("{queues}") };
        let numbers = ["members", "waiting", "held"].map(|name| queue[name].as_u64().unwrap());
        assert_eq!(numbers, [1, 2, 1], "{queue}");
        assert_eq!((&queue["group"], &queue["filter"]), (&json!("BKPR"), &json!("req/backend/a/b")));
        queue["oldest_ms"].as_u64() > Some(20)
    });
    assert_eq!(admin.value("skep_queue_waiting_messages", &["backend-1"]), 2.0);
    assert_eq!(admin.value("skep_queue_held_messages", &["backend-1"]), 1.0);
    answer(&mut worker, &held, 1);
    for _ in 0..2 {
        let next = worker.message();
        answer(&mut worker, &next, 1);
    }
    worker.assert_no_message();
    let services = admin.api("services");
    let service = &items(&services, "services")[0];
    assert!(service["wait_p99_us"].as_u64() > Some(20_000), "{service}");
    assert!(service["p99_us"].as_u64() >= service["wait_p99_us"].as_u64(), "{service}");
}

#[test]
fn a_dead_workers_request_is_a_redelivery_and_a_given_up_one_an_error() {
    let skep = Instance::start_with(|config| {
        config.backend.get_mut("backend-1").unwrap().queues.max_deaths = 2;
    });
    let admin = admin(&skep);
    let caller = id("caller");
    let mut user = skep.user(&caller);
    let mut worker = skep.worker("worker-0");
    worker.subscribe(&service("a.b"), 1);
    user.publish(request(&caller, "a.b", 1));
    worker.message();
    let mut second = skep.worker("worker-1");
    second.subscribe(&service("a.b"), 1);
    worker.kill();
    second.message();
    second.kill();
    user.message();
    let services = admin.api("services");
    let service = &items(&services, "services")[0];
    assert_eq!(
        (&service["calls"], &service["errors"], &service["redelivered"]),
        (&json!(1), &json!(1), &json!(1)),
        "{service}"
    );
    let of = ["bus=\"backend-1\""];
    let dropped = "skep_messages_dropped_total";
    wait_until_counted(&skep, &of, dropped, "reason", &[("set_aside", 1.0)]);
    // Taken back twice, given to another once.
    assert_eq!(admin.value("skep_redeliveries_total", &of), 2.0);
    assert_eq!(admin.value("skep_service_redeliveries_total", &of), 1.0);
    assert_eq!(admin.value("skep_service_errors_total", &of), 1.0);
}

#[test]
fn tasks_and_open_files_of_the_process_are_counted() {
    const CLIENTS: usize = 50;
    let skep = Instance::start();
    let admin = admin(&skep);
    let tasks = || admin.value("skep_tasks", &[]) as usize;
    let before = tasks();
    let clients: Vec<_> = (0..CLIENTS).map(|n| skep.user(&id(&format!("client{n}")))).collect();
    assert!(tasks() >= before + CLIENTS, "{} after {before}", tasks());
    // Both ends of each are open here, and what other tests have.
    let files = admin.value("process_open_fds", &[]);
    assert!(files >= 2.0 * CLIENTS as f64, "{files}");
    let limit = getrlimit(Resource::Nofile).current.expect("a limit");
    assert_eq!(admin.value("process_max_fds", &[]), limit as f64);
    assert!(files < limit as f64);
    assert!(admin.value("process_resident_memory_bytes", &[]) > 1e6);
    drop(clients);
    wait_until("all tasks have ended", || tasks() <= before);
}

#[test]
fn readiness_ends_when_skep_stops_and_aliveness_does_not() {
    let skep = Instance::start_with(|config| config.router.shutdown_wait_ms = 60_000);
    let admin = admin(&skep);
    assert_eq!((admin.get("/healthz").body, admin.get("/readyz").body), ("ok\n".into(), "ready\n".into()));
    skep.skep().bindings().close();
    let reply = admin.get("/readyz");
    assert_eq!(reply.status, 503, "{reply:?}");
    assert!(reply.body.contains("bindings are closed"), "{reply:?}");
    assert_eq!(admin.api("overview")["ready"], false);
    assert_eq!(admin.value("skep_ready", &[]), 0.0);
    skep.skep().frontends()[0].stop_accepting();
    let body = admin.get("/readyz").body;
    assert!(body.lines().any(|line| line == "bus frontend-1 takes no connections"), "{body}");
    assert_eq!(admin.get("/healthz").status, 200);
}
