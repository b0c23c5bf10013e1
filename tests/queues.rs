//! Work queues: who gets a request, and what becomes of it when a worker goes.

mod support;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::json;
use support::client::{PUBACK, PUBREC};
use support::rpc::{answer, json_of, request, service};
use support::{Client, Instance, Login, Message, PATIENCE, id, wait_until};

#[test]
fn a_killed_workers_request_goes_to_another_with_dup_set() {
    let skep = Instance::start();
    let mut first = skep.worker("first");
    first.subscribe(&service("a.b"), 1);
    let caller = id("caller");
    let mut user = skep.user(&caller);
    user.publish(request(&caller, "a.b", 1));
    let held = first.message();
    assert!(!held.dup);
    let mut second = skep.worker("second");
    second.subscribe(&service("a.b"), 1);
    first.kill();
    let again = second.message();
    assert!(again.dup);
    assert_eq!(again.payload, held.payload);
    answer(&mut second, &again, "done");
    assert_eq!(json_of(&user.message())["result"], "done");
}

#[test]
fn hundreds_of_requests_survive_workers_killed_at_random() {
    const REQUESTS: u64 = 400;
    let skep = Instance::start_with(|config| {
        config.backend.get_mut("backend-1").unwrap().queues.max_deaths = 1_000;
    });
    let caller = id("caller");
    let mut user = skep.user(&caller);
    let mut workers: Vec<Client> = Vec::new();
    let hire = |n: usize| {
        let mut worker = skep.worker(&format!("worker-{n}"));
        worker.subscribe(&service("a.b"), 1);
        worker
    };
    for n in 0..6 {
        workers.push(hire(n));
    }
    for n in 0..REQUESTS {
        user.publish(request(&caller, "a.b", n));
    }
    // A generator of the test's own, so that a failure can be had again.
    let mut dice = 7u32;
    let mut roll = |sides: u32| {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (dice >> 16) % sides
    };
    let mut answers: HashMap<u64, u32> = HashMap::new();
    let mut hired = workers.len();
    let until = Instant::now() + 3 * PATIENCE;
    while answers.len() < REQUESTS as usize {
        assert!(Instant::now() < until, "{} of {REQUESTS} answered", answers.len());
        let at = roll(workers.len() as u32) as usize;
        if let Some(request) = workers[at].message_within(Duration::from_millis(1)) {
            if roll(4) == 0 {
                // Dies with the request in hand; before or after its answer.
                let mut dying = std::mem::replace(&mut workers[at], hire(hired));
                hired += 1;
                if roll(2) == 0 {
                    dying.publish(Message::new("log/debug/dying", "x"));
                }
                dying.kill();
            } else {
                answer(&mut workers[at], &request, "ok");
            }
        }
        while let Some(response) = user.message_within(Duration::from_micros(100)) {
            let response = json_of(&response);
            assert_eq!(response["result"], "ok", "{response}");
            *answers.entry(response["id"].as_u64().unwrap()).or_default() += 1;
        }
    }
    assert!(answers.values().all(|times| *times == 1), "none lost, none twice");
}

#[test]
fn a_slow_worker_gets_no_second_request_while_others_are_idle() {
    let skep = Instance::start();
    let caller = id("caller");
    let mut user = skep.user(&caller);
    let mut workers: Vec<_> = (0..3).map(|n| skep.worker(&format!("worker-{n}"))).collect();
    for worker in &mut workers {
        worker.subscribe(&service("a.b"), 1);
    }
    user.publish(request(&caller, "a.b", 0));
    let slow = workers.iter_mut().position(|worker| worker.message_within(Duration::from_millis(300)).is_some());
    let slow = slow.expect("somebody has the first request");
    for n in 1..=20 {
        user.publish(request(&caller, "a.b", n));
        let mut served = false;
        let until = Instant::now() + PATIENCE;
        while !served && Instant::now() < until {
            for (at, worker) in workers.iter_mut().enumerate() {
                if let Some(request) = worker.message_within(Duration::from_millis(5)) {
                    assert_ne!(at, slow, "request {n} went to the busy worker");
                    answer(worker, &request, n);
                    served = true;
                }
            }
        }
        assert_eq!(json_of(&user.message())["id"], n);
    }
}

/// [MQTT-3.3.4-9] [MQTT-4.9.0-2]
#[test]
fn receive_maximum_holds_back_what_a_worker_has_not_asked_for() {
    let skep = Instance::start();
    let login = Login::new("three").user("backend", "def456").receive_maximum(3);
    let mut worker = Client::connect(skep.backend(), login);
    worker.subscribe(&service("a.b"), 1);
    let mut sender = skep.worker("sender");
    for n in 0..5 {
        sender.publish_acked(Message::new("req/backend/a/b", n.to_string()));
    }
    let held: Vec<_> = (0..3).map(|_| worker.message()).collect();
    worker.assert_no_message();
    worker.ack(PUBACK, held[1].packet_id);
    assert_eq!(worker.message().text(), "3");
    worker.assert_no_message();
}

#[test]
fn services_in_one_group_do_not_mix() {
    let skep = Instance::start();
    let mut workers: Vec<_> = (0..5)
        .map(|n| {
            let mut worker = skep.worker(&format!("worker-{n}"));
            worker.subscribe(&service(&format!("svc-{n}")), 1);
            worker
        })
        .collect();
    let mut sender = skep.worker("sender");
    for round in 0..10 {
        for n in 0..5 {
            sender.publish_acked(Message::new(&format!("req/backend/svc-{n}"), format!("{round}")));
        }
    }
    for (n, worker) in workers.iter_mut().enumerate() {
        for round in 0..10 {
            let message = worker.message();
            assert_eq!(
                (message.topic.as_str(), message.text()),
                (&*format!("req/backend/svc-{n}"), &*round.to_string())
            );
            worker.ack(PUBACK, message.packet_id);
        }
        worker.assert_no_message();
    }
}

/// [MQTT-4.5.0-1]
#[test]
fn every_group_gets_its_copy_of_a_message() {
    let skep = Instance::start();
    let mut a = skep.worker("a");
    let mut b = skep.worker("b");
    a.subscribe("$share/one/req/backend/#", 1);
    b.subscribe("$share/two/req/backend/a", 1);
    let mut watcher = skep.worker("watcher");
    watcher.subscribe("req/#", 0);
    let mut sender = skep.worker("sender");
    assert_eq!(sender.publish_acked(Message::new("req/backend/a", "x")), 0);
    for worker in [&mut a, &mut b, &mut watcher] {
        assert_eq!(worker.message().text(), "x");
        worker.assert_no_message();
    }
}

#[test]
fn a_full_queue_refuses_publishers_and_answers_callers() {
    let skep = Instance::start_with(|config| config.backend.get_mut("backend-1").unwrap().queues.max_messages = 3);
    let mut worker = skep.worker("worker");
    worker.subscribe(&service("a.b"), 1);
    let mut sender = skep.worker("sender");
    // One is in the worker's hands, three wait.
    for _ in 0..4 {
        assert_eq!(sender.publish_acked(Message::new("req/backend/a/b", "x")), 0);
    }
    assert_eq!(sender.publish_acked(Message::new("req/backend/a/b", "x")), 0x97);
    let caller = id("caller");
    let mut user = skep.user(&caller);
    user.publish(request(&caller, "a.b", 9));
    let response = json_of(&user.message());
    assert_eq!(response["error"], json!({ "code": -32000, "message": "Server error", "data": "overloaded" }));
    assert_eq!(response["id"], 9);
    // Room again once the worker has caught up.
    for _ in 0..4 {
        let message = worker.message();
        worker.ack(PUBACK, message.packet_id);
    }
    assert_eq!(sender.publish_acked(Message::new("req/backend/a/b", "x")), 0);
}

#[test]
fn a_request_that_killed_several_workers_is_set_aside() {
    let skep = Instance::start();
    let caller = id("caller");
    let mut user = skep.user(&caller);
    user.publish(request(&caller, "a.b", "poison"));
    for n in 0..3 {
        let mut worker = skep.worker(&format!("victim-{n}"));
        worker.subscribe(&service("a.b"), 1);
        worker.message();
        worker.kill();
    }
    let response = json_of(&user.message());
    assert_eq!((&response["error"]["code"], &response["id"]), (&json!(-32603), &json!("poison")));
    let mut worker = skep.worker("survivor");
    worker.subscribe(&service("a.b"), 1);
    worker.assert_no_message();
    assert_eq!(skep.skep().backends()[0].stats().set_aside.get(), 1);
}

#[test]
fn a_worker_that_leaves_properly_costs_its_request_no_life() {
    let skep = Instance::start_with(|config| config.backend.get_mut("backend-1").unwrap().queues.max_deaths = 1);
    let mut first = skep.worker("first");
    first.subscribe(&service("a.b"), 1);
    let mut sender = skep.worker("sender");
    sender.publish_acked(Message::new("req/backend/a/b", "x"));
    first.message();
    first.disconnect();
    let mut second = skep.worker("second");
    second.subscribe(&service("a.b"), 1);
    assert_eq!(second.message().text(), "x");
}

#[test]
fn work_waits_in_order_for_the_first_worker_to_come() {
    let skep = Instance::start_with(|config| config.backend.get_mut("backend-1").unwrap().queues.grace_ms = 10_000);
    let mut sender = skep.worker("sender");
    for n in 0..5 {
        assert_eq!(sender.publish_acked(Message::new("req/backend/late", n.to_string())), 0);
    }
    let mut worker = skep.worker("worker");
    worker.subscribe(&service("late"), 1);
    for n in 0..5 {
        let message = worker.message();
        assert_eq!(message.text(), n.to_string());
        worker.ack(PUBACK, message.packet_id);
    }
}

#[test]
fn what_a_worker_held_comes_back_in_order_before_what_waits() {
    let skep = Instance::start();
    let login = Login::new("first").user("backend", "def456").receive_maximum(3);
    let mut first = Client::connect(skep.backend(), login);
    first.subscribe(&service("a"), 1);
    let mut sender = skep.worker("sender");
    for n in 0..6 {
        sender.publish_acked(Message::new("req/backend/a", n.to_string()));
    }
    let held: Vec<_> = (0..3).map(|_| first.message()).collect();
    first.ack(PUBACK, held[0].packet_id);
    assert_eq!(first.message().text(), "3");
    first.kill();
    // Until skep has noticed, what waits is all there is for the second.
    wait_until("all it held waits again", || skep.skep().backends()[0].queues()[0].waiting == 5);
    let mut second = skep.worker("second");
    second.subscribe(&service("a"), 1);
    for n in [1, 2, 3, 4, 5] {
        let message = second.message();
        assert_eq!(message.text(), n.to_string());
        second.ack(PUBACK, message.packet_id);
    }
}

/// [MQTT-3.10.4-2] [MQTT-3.10.4-3]
#[test]
fn a_worker_that_unsubscribes_finishes_what_it_holds_and_gets_no_more() {
    let skep = Instance::start();
    let mut first = skep.worker("first");
    first.subscribe(&service("a"), 1);
    let mut sender = skep.worker("sender");
    sender.publish_acked(Message::new("req/backend/a", "held"));
    sender.publish_acked(Message::new("req/backend/a", "waits"));
    let held = first.message();
    assert_eq!(first.unsubscribe(&service("a")), 0);
    first.ack(PUBACK, held.packet_id);
    first.assert_no_message();
    let mut second = skep.worker("second");
    second.subscribe(&service("a"), 1);
    let next = second.message();
    assert_eq!((next.text(), next.dup), ("waits", false));
}

#[test]
fn a_queue_leaves_nothing_behind_when_its_last_member_and_message_are_gone() {
    let skep = Instance::start();
    let mut worker = skep.worker("worker");
    for n in 0..20 {
        worker.subscribe(&service(&format!("s{n}")), 1);
    }
    assert_eq!(skep.skep().backends()[0].queues().len(), 20);
    worker.kill();
    wait_until("all queues are gone", || skep.skep().backends()[0].queues().is_empty());
}

/// [MQTT-4.8.2-4]
#[test]
fn qos_2_work_stays_with_the_worker_it_was_begun_with() {
    let skep = Instance::open_bus(|_| {});
    let mut first = Client::connect(skep.backend(), Login::new("first").expiry(60));
    first.subscribe("$share/g/work", 2);
    let mut sender = Client::connect(skep.backend(), Login::new("sender"));
    sender.publish(Message::new("work", "x").qos(2));
    sender.expect(PUBREC);
    let held = first.message();
    assert_eq!(held.qos, 2);
    let mut second = Client::connect(skep.backend(), Login::new("second"));
    second.subscribe("$share/g/work", 2);
    first.kill();
    second.assert_no_message();
    let mut first = Client::connect(skep.backend(), Login::new("first").resume().expiry(60));
    assert!(first.session_present());
    let again = first.message();
    assert_eq!((again.text(), again.dup, again.packet_id), ("x", true, held.packet_id));
}
