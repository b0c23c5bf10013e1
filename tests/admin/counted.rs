//! Each label's value counts what it says, and nothing that another one says:
//! all of a family happen here, each another number of times.

use skep::bus::Engine;
use skep::config::Config;

use crate::binder;
use crate::http::admin;
use crate::support::client::PUBACK;
use crate::support::metrics::{Metrics, wait_until_counted};
use crate::support::rpc::{answer, binding, json_of, notification, request, router_call, service};
use crate::support::{Client, Instance, Login, Message, id, wait_until};

const BACKEND: &str = "bus=\"backend-1\"";
const FRONTEND: &str = "bus=\"frontend-1\"";

fn user(name: &str) -> Login {
    Login::new(&id(name)).user("frontend", "abc123")
}

fn backend(config: &mut Config) -> &mut skep::bus::Settings {
    config.backend.get_mut("backend-1").expect("the sample backend")
}

fn frontend(config: &mut Config) -> &mut skep::bus::Settings {
    config.frontend.get_mut("frontend-1").expect("the sample frontend")
}

#[test]
fn messages_that_did_not_reach_somebody_by_reason() {
    let skep = Instance::open_bus(|bus| {
        bus.connections.max_backlog_bytes = 100_000;
        bus.sessions.max_held_messages = 4;
        bus.queues.max_messages = 1;
    });
    let mut sender = Client::connect(skep.backend(), Login::new("sender"));
    let mut publish = |topic: &str, times: usize, change: &dyn Fn(Message) -> Message| {
        for _ in 0..times {
            sender.publish_acked(change(Message::new(topic, "x")));
        }
    };
    publish("to/nobody", 1, &|message| message);
    publish("priv/nobody", 2, &|message| message);
    let mut small = Client::connect(skep.backend(), Login::new("small").property(0x27, &100u32.to_be_bytes()));
    small.subscribe("large", 0);
    publish("large", 3, &|_| Message::new("large", vec![b'x'; 1_000]));
    // Four are held until their time is over, five are past what is held.
    let mut away = Client::connect(skep.backend(), Login::new("away").expiry(3_600));
    away.subscribe("away", 1);
    away.kill();
    let bus = &skep.skep().backends()[0];
    wait_until("it is away", || bus.sessions_away() == 1);
    publish("away", 9, &|message| message.expiry(1));
    // One in hand, one waiting, six too many.
    let mut member = Client::connect(skep.backend(), Login::new("member").receive_maximum(1));
    member.subscribe("$share/group/work", 1);
    publish("work", 8, &|message| message);
    // After as many as the system keeps for it.
    let mut deaf = Client::connect(skep.backend(), Login::new("deaf"));
    deaf.subscribe("much", 0);
    while bus.stats().dropped_slow.get() < 7 {
        publish("much", 1, &|_| Message::new("much", vec![b'x'; 100_000]));
    }
    let expected = [
        // None took what was too large, or too much for who is away or slow.
        ("nobody", 1.0 + 3.0 + 5.0 + 7.0),
        ("no_mailbox", 2.0),
        ("too_large", 3.0),
        ("expired", 4.0),
        ("client_away", 5.0),
        ("queue_full", 6.0),
        ("slow_client", 7.0),
    ];
    wait_until_counted(&skep, &[BACKEND], "skep_messages_dropped_total", "reason", &expected);
    assert_eq!(bus.stats().slow_disconnects.get(), 0);
    let mut patient = Client::connect(skep.backend(), Login::new("patient"));
    patient.subscribe("more", 1);
    while bus.stats().slow_disconnects.get() == 0 {
        publish("more", 1, &|_| Message::new("more", vec![b'x'; 100_000]));
    }
    let value = |name: &str| Metrics::of(&skep).value(name, &[BACKEND]);
    assert_eq!([value("skep_slow_disconnects_total"), value("skep_memory_disconnects_total")], [1.0, 0.0]);
}

#[test]
fn connections_clients_messages_and_bytes() {
    let skep = Instance::start();
    let value = |name: &str| Metrics::of(&skep).value(name, &[BACKEND]);
    for _ in 0..2 {
        Client::open(skep.backend()).close_writing();
    }
    let wrong = Login::new("wrong").user("backend", "wrong");
    assert_ne!(Client::attempt(skep.backend(), &wrong).connack[1], 0);
    let mut readers: Vec<_> = (0..3).map(|n| skep.worker(&format!("reader{n}"))).collect();
    let mut sender = skep.worker("sender");
    for reader in &mut readers {
        reader.subscribe("log/#", 0);
    }
    for _ in 0..5 {
        sender.publish_acked(Message::new("log/x", vec![b'x'; 10_000]));
        readers.iter_mut().for_each(|reader| assert_eq!(reader.message().topic, "log/x"));
    }
    wait_until("those without a word have gone", || value("skep_connections") == 4.0);
    assert_eq!(value("skep_connections_accepted_total"), 7.0);
    // A CONNECT that never came is one that failed.
    assert_eq!(value("skep_connections_refused_total"), 3.0);
    assert_eq!(value("skep_clients_accepted_total"), 4.0);
    assert_eq!([value("skep_messages_received_total"), value("skep_messages_sent_total")], [5.0, 15.0]);
    let [received, sent] = ["skep_received_bytes_total", "skep_sent_bytes_total"].map(value);
    assert!((50_000.0..60_000.0).contains(&received), "{received}");
    assert!((150_000.0..160_000.0).contains(&sent), "{sent}");
}

#[test]
fn binds_and_sessions_that_were_forgotten() {
    let skep = Instance::start_with(|config| config.bindings.session_timeout_s = 1);
    let mut worker = binder(&skep);
    worker.subscribe("priv/binder", 0);
    for name in ["one", "two", "three"] {
        let params = binding(&id(name), Some("frontend.somebody"), "");
        assert_eq!(router_call(&mut worker, "binder", "bind", params)["result"], 1);
    }
    let value = |name: &str| Metrics::of(&skep).value(name, &[]);
    wait_until("all of them are forgotten", || value("skep_bindings") == 0.0);
    let counted = ["changes", "expired", "write_errors"].map(|what| value(&format!("skep_bindings_{what}_total")));
    assert_eq!(counted[1..], [3.0, 0.0]);
    assert!(counted[0] >= 3.0);
    assert!(value("skep_bindings_flush_seconds_count") >= 1.0);
}

#[test]
fn what_rules_denied_by_operation() {
    let skep = Instance::start();
    let mut client = Client::connect(skep.frontend(), user("denied"));
    assert_eq!(client.publish_acked(Message::new("msg/x", "x")), 0x87);
    for _ in 0..2 {
        assert_eq!(client.subscribe("req/#", 0), 0x87);
    }
    let expected = [("publish", 1.0), ("subscribe", 2.0)];
    wait_until_counted(&skep, &[FRONTEND], "skep_denied_total", "operation", &expected);
    assert!(Metrics::of(&skep).all("skep_denied_total", &[BACKEND]).iter().all(|series| series.value == 0.0));
}

#[test]
fn logins_refused_by_reason() {
    let skep = Instance::start_with(|config| frontend(config).login.max_failures = 2);
    for attempt in 0..5 {
        let refused = Client::attempt(skep.frontend(), &user("guess").user("frontend", "wrong"));
        assert_ne!(refused.connack[1], 0, "attempt {attempt}");
    }
    let expected = [("wrong", 2.0), ("limited", 3.0)];
    wait_until_counted(&skep, &[FRONTEND], "skep_logins_refused_total", "reason", &expected);
    assert_eq!(Metrics::of(&skep).value("skep_clients_accepted_total", &[FRONTEND]), 0.0);
}

#[test]
fn clients_that_break_the_protocol() {
    let skep = Instance::start();
    for _ in 0..3 {
        let mut client = Client::connect(skep.frontend(), user("broken"));
        // A second CONNECT.
        client.send(&user("broken").packet());
        client.closed();
    }
    let counted = |bus: &str| Metrics::of(&skep).value("skep_protocol_errors_total", &[bus]);
    wait_until("all of them are counted", || counted(FRONTEND) == 3.0);
    assert_eq!(counted(BACKEND), 0.0);
}

#[test]
fn what_the_router_passed_on_and_whom_it_did_not_find_by_flow() {
    let skep = Instance::start();
    let mut worker = skep.worker("worker");
    worker.subscribe(&service("a"), 1);
    let caller = id("caller");
    let mut user = skep.user(&caller);
    for n in 0..6 {
        user.publish(request(&caller, "a", n));
        let given = worker.message();
        if n < 4 {
            answer(&mut worker, &given, n);
            assert_eq!(json_of(&user.message())["result"], n);
        } else {
            worker.ack(PUBACK, given.packet_id);
        }
    }
    let to_nobody = Message::new("res/frontend-1-1", "{}").with("addr", &format!("priv/{}@frontend-1", id("nobody")));
    worker.publish_acked(to_nobody);
    for _ in 0..3 {
        worker.publish_acked(notification(None, "{}"));
    }
    for _ in 0..2 {
        worker.publish_acked(notification(Some("nobody"), "{}"));
    }
    let passed = [("request", 6.0), ("response", 5.0), ("broadcast", 3.0), ("unicast", 2.0)];
    wait_until_counted(&skep, &[], "skep_router_messages_total", "flow", &passed);
    let undelivered = [("response", 1.0), ("unicast", 2.0)];
    wait_until_counted(&skep, &[], "skep_router_undelivered_total", "flow", &undelivered);
}

#[test]
fn what_the_router_did_not_take_by_reason() {
    let skep = Instance::start_with(|config| backend(config).queues.max_messages = 1);
    let mut worker = skep.worker("worker");
    worker.subscribe(&service("slow"), 1);
    let caller = id("caller");
    let mut user = skep.user(&caller);
    assert_eq!(user.publish_acked(request(&id("victim"), "slow", 0)), 0x87);
    let mut elsewhere = request(&caller, "slow", 1);
    elsewhere.user[0].1 = "msg/frontend/x".into();
    for _ in 0..2 {
        user.publish(elsewhere.clone());
        assert_eq!(json_of(&user.message())["error"]["code"], -32600);
    }
    // One in hand, one waiting.
    for n in 0..5 {
        user.publish(request(&caller, "slow", n));
    }
    for _ in 0..3 {
        assert_eq!(json_of(&user.message())["error"]["data"], "overloaded");
    }
    let call = r#"{"jsonrpc":"2.0","method":"_bkpr.router.bind","params":{}}"#;
    for _ in 0..4 {
        let stranger = Message::new("req/backend/_bkpr/router", call).with("auth", "a guess");
        assert_eq!(worker.publish_acked(stranger), 0x87);
    }
    let expected = [("response_topic", 1.0), ("fwd_to", 2.0), ("overloaded", 3.0), ("unauthorized", 4.0)];
    wait_until_counted(&skep, &[], "skep_router_refused_total", "reason", &expected);
    assert_eq!(Metrics::of(&skep).value("skep_router_errors_answered_total", &[]), 5.0);
}

#[test]
fn the_hub_of_rumqttd_is_timed_and_what_it_loses_is_counted() {
    let skep = Instance::start_with(|config| {
        let topics = &mut frontend(config).topics;
        (topics.engine, topics.max_segment_size, topics.max_segment_count) = (Engine::Rumqttd, 1024, 2);
    });
    let value = |name: &str| Metrics::of(&skep).value(name, &[FRONTEND]);
    let mut listener = Client::connect(skep.frontend(), user("listener"));
    listener.subscribe("msg/#", 0);
    let mut worker = skep.worker("worker");
    for n in 0..10 {
        worker.publish_acked(notification(None, &n.to_string()));
        assert_eq!(listener.message().text(), n.to_string());
    }
    assert_eq!(value("skep_hub_delay_seconds_count"), 10.0);
    assert!(value("skep_hub_delay_seconds_sum") > 0.0);
    assert_eq!(value("skep_hub_lost_messages_total"), 0.0);
    // Many to write to for each message make it slower than whoever sends them.
    let many: Vec<_> = (0..50)
        .map(|n| {
            let mut client = Client::connect(skep.frontend(), user(&format!("many{n}")));
            client.subscribe("msg/#", 0);
            client
        })
        .collect();
    wait_until("it is behind", || {
        for _ in 0..200 {
            worker.publish(notification(None, &"x".repeat(200)));
        }
        value("skep_hub_lost_messages_total") > 0.0
    });
    drop(many);
    assert!(admin(&skep).metric("skep_hub_delay_seconds_count").iter().all(|(labels, _)| labels.contains(FRONTEND)));
}
