//! A bus as a broker: connections, sessions, topics, rules.

mod support;

use std::time::Duration;

use support::client::{PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBACK, field, packet, varint};
use support::{Client, Instance, Login, Message, id, wait_until};

fn join(skep: &Instance, id: &str) -> Client {
    Client::connect(skep.backend(), Login::new(id))
}

fn v311(skep: &Instance, id: &str) -> Client {
    Client::connect(skep.backend(), Login::new(id).v311())
}

#[test]
fn both_versions_talk_to_each_other_on_one_port() {
    let skep = Instance::open_bus(|_| {});
    let (mut old, mut new) = (v311(&skep, "old"), join(&skep, "new"));
    assert_eq!(old.subscribe("t/#", 1), 1);
    assert_eq!(new.subscribe("t/#", 1), 1);
    let mut message = Message::new("t/x", "from new").qos(1).with("name", "value").respond_to("re/x");
    message.correlation = Some(b"corr".to_vec());
    message.content_type = Some("text/plain".into());
    new.publish(message);
    let seen = new.message();
    assert_eq!(seen.user, [("name".to_owned(), "value".to_owned())]);
    assert_eq!((seen.response_topic.as_deref(), seen.correlation.as_deref()), (Some("re/x"), Some(&b"corr"[..])));
    assert_eq!(seen.content_type.as_deref(), Some("text/plain"));
    assert_eq!(old.message().text(), "from new");
    old.publish(Message::new("t/y", "from old"));
    assert_eq!(new.message().text(), "from old");
}

/// [MQTT-2.2.1-5] [MQTT-4.3.3-10] [MQTT-4.3.3-11] [MQTT-4.3.3-12]
#[test]
fn qos_2_is_delivered_once_both_ways_however_often_a_step_is_repeated() {
    let skep = Instance::open_bus(|_| {});
    let (mut from, mut to) = (join(&skep, "from"), join(&skep, "to"));
    assert_eq!(to.subscribe("t", 2), 2);
    let mut message = Message::new("t", "once").qos(2);
    message.packet_id = 7;
    from.publish(message.clone());
    from.expect(PUBREC);
    message.dup = true;
    from.publish(message.clone());
    from.expect(PUBREC);
    for _ in 0..2 {
        from.ack(PUBREL, 7);
    }
    assert_eq!(from.expect(PUBCOMP).body.get(2), None);
    assert_eq!(from.expect(PUBCOMP).body[2], 0x92);
    let got = to.message();
    assert_eq!((got.qos, got.text()), (2, "once"));
    to.assert_no_message();
    to.ack(PUBREC, got.packet_id);
    to.expect(PUBREL);
    to.ack(PUBREC, got.packet_id);
    to.expect(PUBREL);
    to.ack(PUBCOMP, got.packet_id);
    // The id is free again on both sides.
    message.dup = false;
    from.publish(message);
    from.expect(PUBREC);
    assert_eq!(to.message().text(), "once");
}

/// [MQTT-3.1.2-23] [MQTT-3.2.2-3] [MQTT-3.3.1-1] [MQTT-4.4.0-1]
#[test]
fn a_session_outlives_its_connection_and_gets_what_came_meanwhile() {
    let skep = Instance::open_bus(|_| {});
    let mut sleeper = Client::connect(skep.backend(), Login::new("sleeper").expiry(60));
    sleeper.subscribe("t/#", 1);
    let mut sender = join(&skep, "sender");
    sender.publish_acked(Message::new("t/0", "in flight"));
    let first = sleeper.message();
    sleeper.kill();
    wait_until("skep has noticed", || skep.skep().backends()[0].sessions_away() == 1);
    for n in 1..4 {
        sender.publish_acked(Message::new(&format!("t/{n}"), n.to_string()));
    }
    sender.publish(Message::new("t/q0", "not kept at QoS 0"));
    let mut sleeper = Client::connect(skep.backend(), Login::new("sleeper").resume().expiry(60));
    assert!(sleeper.session_present());
    let again = sleeper.message();
    assert_eq!((again.text(), again.dup, again.packet_id), ("in flight", true, first.packet_id));
    for n in 1..4 {
        let message = sleeper.message();
        assert_eq!((message.text(), message.dup), (&*n.to_string(), false));
        sleeper.ack(PUBACK, message.packet_id);
    }
    // Clean start forgets.
    sleeper.kill();
    let sleeper = Client::connect(skep.backend(), Login::new("sleeper").expiry(60));
    assert!(!sleeper.session_present());
}

/// [MQTT-4.1.0-2]
#[test]
fn a_session_ends_when_its_expiry_interval_is_over() {
    let skep = Instance::open_bus(|_| {});
    let mut brief = Client::connect(skep.backend(), Login::new("brief").expiry(1));
    brief.subscribe("t", 1);
    brief.kill();
    wait_until("the session is gone", || skep.skep().backends()[0].sessions() == 0);
    let brief = Client::connect(skep.backend(), Login::new("brief").resume().expiry(1));
    assert!(!brief.session_present());
}

#[test]
fn what_is_held_for_a_client_that_is_away_is_bounded() {
    let skep = Instance::open_bus(|bus| bus.sessions.max_held_messages = 3);
    let mut sleeper = Client::connect(skep.backend(), Login::new("sleeper").expiry(60));
    sleeper.subscribe("t", 1);
    sleeper.kill();
    wait_until("skep has noticed", || skep.skep().backends()[0].sessions_away() == 1);
    let mut sender = join(&skep, "sender");
    for n in 0..5 {
        sender.publish_acked(Message::new("t", n.to_string()));
    }
    // Not every engine has delivered when it acknowledges.
    wait_until("the rest was dropped", || skep.skep().backends()[0].stats().dropped_away.get() == 2);
    let mut sleeper = Client::connect(skep.backend(), Login::new("sleeper").resume().expiry(60));
    let got: Vec<_> = (0..3).map(|_| sleeper.message().payload).collect();
    assert_eq!(got, [b"0", b"1", b"2"]);
    sleeper.assert_no_message();
}

/// [MQTT-3.1.4-3]
#[test]
fn the_same_client_id_again_takes_the_session_over() {
    let skep = Instance::open_bus(|_| {});
    let mut first = Client::connect(skep.backend(), Login::new("same").expiry(60));
    first.subscribe("t", 1);
    let mut second = Client::connect(skep.backend(), Login::new("same").resume().expiry(60));
    assert!(second.session_present());
    assert_eq!(first.disconnected(), 0x8E);
    join(&skep, "sender").publish_acked(Message::new("t", "x"));
    assert_eq!(second.message().text(), "x");
    let third = join(&skep, "same");
    assert!(!third.session_present());
    assert_eq!(second.disconnected(), 0x8E);
}

#[test]
fn a_session_of_another_user_can_not_be_taken_over() {
    let skep = Instance::open_bus(|_| {});
    let _worker = skep.worker("same");
    let refused = Client::attempt(skep.backend(), &Login::new("same"));
    assert_eq!(refused.connack[1], 0x87);
}

/// [MQTT-3.1.2-22] [MQTT-3.2.2-22]
#[test]
fn a_silent_client_is_given_up_after_one_and_a_half_times_its_keep_alive() {
    let skep = Instance::open_bus(|_| {});
    let mut watcher = join(&skep, "watcher");
    watcher.subscribe("gone", 0);
    let login = Login::new("silent").keep_alive(1).will("gone", "silent", 0, &[]);
    let mut silent = Client::connect(skep.backend(), login);
    let began = std::time::Instant::now();
    assert_eq!(silent.disconnected(), 0x8D);
    let waited = began.elapsed();
    assert!(waited >= Duration::from_millis(1500), "{waited:?}");
    assert_eq!(watcher.message().text(), "silent");
    // Keep-alive 0 means none.
    let mut patient = join(&skep, "patient");
    std::thread::sleep(Duration::from_millis(300));
    patient.assert_no_message();
}

/// [MQTT-3.1.2-8] [MQTT-3.1.2-10] [MQTT-3.14.4-3]
#[test]
fn a_will_is_sent_when_the_client_is_lost_and_not_when_it_says_goodbye() {
    let skep = Instance::open_bus(|_| {});
    let mut watcher = join(&skep, "watcher");
    watcher.subscribe("gone/#", 1);
    let with_will = |id: &str| Login::new(id).will(&format!("gone/{id}"), id, 0x08, &[]);
    Client::connect(skep.backend(), with_will("polite")).disconnect();
    Client::connect(skep.backend(), with_will("lost")).kill();
    let will = watcher.message();
    assert_eq!((will.topic.as_str(), will.text(), will.qos), ("gone/lost", "lost", 1));
    // DISCONNECT with 0x04 asks for it.
    let mut asking = Client::connect(skep.backend(), with_will("asking"));
    asking.send(&packet(0xE0, &[0x04]));
    assert_eq!(watcher.message().text(), "asking");
    watcher.assert_no_message();
}

/// [MQTT-3.1.3-9]
#[test]
fn a_delayed_will_is_cancelled_by_a_client_that_comes_back() {
    let skep = Instance::open_bus(|_| {});
    let mut watcher = join(&skep, "watcher");
    watcher.subscribe("gone/#", 0);
    let delay = [&[0x18][..], &1u32.to_be_bytes()].concat();
    let login = |id: &str| Login::new(id).expiry(60).will(&format!("gone/{id}"), id, 0, &delay);
    Client::connect(skep.backend(), login("back")).kill();
    Client::connect(skep.backend(), login("away")).kill();
    wait_until("both are away", || skep.skep().backends()[0].sessions_away() == 2);
    let _back = Client::connect(skep.backend(), login("back").resume());
    assert_eq!(watcher.message().text(), "away");
    watcher.assert_no_message();
}

/// [MQTT-3.3.1-6] [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]
#[test]
fn retained_messages_come_with_a_subscription_as_it_wishes() {
    let skep = Instance::open_bus(|_| {});
    let mut sender = join(&skep, "sender");
    sender.publish_acked(Message::new("r/a", "one").retain().with("k", "v"));
    sender.publish_acked(Message::new("r/b", "two").retain());
    sender.publish_acked(Message::new("r/b", "").retain());
    let mut reader = join(&skep, "reader");
    reader.subscribe("r/#", 1);
    let kept = reader.message();
    assert_eq!((kept.text(), kept.retain, kept.get("k")), ("one", true, Some("v")));
    reader.assert_no_message();
    // Again: always (0), only if new (1), never (2).
    reader.subscribe("r/#", 1 | 1 << 4);
    reader.assert_no_message();
    reader.subscribe("r/#", 1);
    assert_eq!(reader.message().text(), "one");
    let mut other = join(&skep, "other");
    other.subscribe("r/#", 1 | 2 << 4);
    other.assert_no_message();
    // The flag: as published only if asked for (bit 3).
    let mut exact = join(&skep, "exact");
    exact.subscribe("r/c", 1 << 3);
    sender.publish_acked(Message::new("r/c", "x").retain());
    assert!(exact.message().retain);
    assert!(!reader.message().retain);
}

/// [MQTT-3.3.2-5] [MQTT-3.3.2-6]
#[test]
fn a_message_expires_wherever_it_waits_and_its_time_is_counted_down() {
    let skep = Instance::open_bus(|_| {});
    let mut sleeper = Client::connect(skep.backend(), Login::new("sleeper").expiry(60));
    sleeper.subscribe("t/#", 1);
    sleeper.kill();
    // What is in flight to it when it goes is sent again, expired or not.
    wait_until("skep has noticed", || skep.skep().backends()[0].sessions_away() == 1);
    let mut sender = join(&skep, "sender");
    sender.publish_acked(Message::new("t/short", "x").expiry(1).retain());
    sender.publish_acked(Message::new("t/long", "y").expiry(100).retain());
    std::thread::sleep(Duration::from_millis(1_200));
    let mut sleeper = Client::connect(skep.backend(), Login::new("sleeper").resume().expiry(60));
    let message = sleeper.message();
    assert_eq!(message.text(), "y");
    assert!(matches!(message.expiry, Some(97..=99)), "{:?}", message.expiry);
    sleeper.ack(PUBACK, message.packet_id);
    sleeper.assert_no_message();
    let mut reader = join(&skep, "reader");
    reader.subscribe("t/#", 0);
    assert_eq!(reader.message().text(), "y");
    reader.assert_no_message();
}

/// [MQTT-3.3.4-4]
#[test]
fn overlapping_subscriptions_give_one_copy_with_all_identifiers() {
    if std::env::var("SKEP_TEST_ENGINE").is_ok_and(|engine| engine == "rumqttd") {
        return; // One copy for each there, which the specification allows too.
    }
    let skep = Instance::open_bus(|_| {});
    let mut reader = join(&skep, "reader");
    reader.subscribe_with("t/#", 0, &[&[0x0B][..], &varint(1)].concat());
    reader.subscribe_with("t/+", 1, &[&[0x0B][..], &varint(300)].concat());
    reader.subscribe("#", 0);
    let mut sender = join(&skep, "sender");
    sender.publish(Message::new("t/x", "x").qos(1));
    let mut message = reader.message();
    message.subscription_ids.sort_unstable();
    assert_eq!((message.subscription_ids.as_slice(), message.qos), (&[1, 300][..], 1));
    reader.assert_no_message();
}

/// [MQTT-3.8.3-3]
#[test]
fn no_local_keeps_a_client_from_hearing_itself() {
    let skep = Instance::open_bus(|_| {});
    let (mut a, mut b) = (join(&skep, "a"), join(&skep, "b"));
    a.subscribe("t", 0b100);
    b.subscribe("t", 0);
    a.publish(Message::new("t", "x"));
    assert_eq!(b.message().text(), "x");
    a.assert_no_message();
}

/// [MQTT-3.1.2-26] [MQTT-3.3.2-12]
#[test]
fn topic_aliases_work_both_ways() {
    let skep = Instance::open_bus(|_| {});
    let login = Login::new("reader").property(0x22, &2u16.to_be_bytes());
    let mut reader = Client::connect(skep.backend(), login);
    reader.subscribe("t/#", 0);
    let mut sender = join(&skep, "sender");
    let aliased = |topic: &str, text: &str| Message { alias: Some(3), ..Message::new(topic, text) };
    sender.publish(aliased("t/a", "1"));
    sender.publish(aliased("", "2"));
    let (first, second) = (reader.message(), reader.message());
    assert_eq!((first.topic.as_str(), first.alias), ("t/a", Some(1)));
    assert_eq!((second.topic.as_str(), second.alias, second.text()), ("", Some(1), "2"));
    // Past what may be: 0x94; one that was never set: 0x82.
    sender.publish(Message { alias: Some(17), ..Message::new("t/a", "x") });
    assert_eq!(sender.disconnected(), 0x94);
    let mut sender = join(&skep, "sender");
    sender.publish(aliased("", "x"));
    assert_eq!(sender.disconnected(), 0x82);
}

/// [MQTT-3.1.2-24] [MQTT-3.1.2-25]
#[test]
fn packets_larger_than_one_side_takes_do_not_reach_it() {
    let skep = Instance::open_bus(|bus| bus.connections.max_payload_size = 1000);
    let login = Login::new("small").property(0x27, &100u32.to_be_bytes());
    let mut small = Client::connect(skep.backend(), login);
    small.subscribe("t", 1);
    let mut sender = join(&skep, "sender");
    sender.publish_acked(Message::new("t", "x".repeat(200)));
    sender.publish_acked(Message::new("t", "small"));
    assert_eq!(small.message().text(), "small");
    sender.publish(Message::new("t", "x".repeat(2000)));
    assert_eq!(sender.disconnected(), 0x95);
}

/// [MQTT-3.1.3-6] [MQTT-3.1.3-7]
#[test]
fn a_client_without_an_id_is_given_one() {
    let skep = Instance::open_bus(|_| {});
    let client = join(&skep, "");
    let connack = String::from_utf8_lossy(&client.connack).into_owned();
    let assigned = connack.split('\u{12}').nth(1).expect("an assigned client id").get(2..24).expect("22 letters");
    assert!(assigned.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{assigned}");
    let refused = Client::attempt(skep.backend(), &Login::new("").v311().resume());
    assert_eq!(refused.connack, [0, 2]);
}

/// [MQTT-3.1.4-2]
#[test]
fn wrong_credentials_are_refused_in_words_that_the_client_knows() {
    let skep = Instance::start();
    for login in [
        Login::new("a").user("backend", "wrong"),
        Login::new("a").user("nobody", "def456"),
        Login::new("a").user("frontend", "abc123"),
    ] {
        assert_eq!(Client::attempt(skep.backend(), &login).connack[1], 0x86);
        assert_eq!(Client::attempt(skep.backend(), &login.v311()).connack, [0, 4]);
    }
    assert_eq!(Client::attempt(skep.backend(), &Login::new("a")).connack[1], 0x87);
    assert_eq!(Client::attempt(skep.backend(), &Login::new("a").v311()).connack, [0, 5]);
}

/// The recommended rules: who may publish and subscribe to what.
#[test]
fn the_topic_rules_hold_for_every_user_operation_and_topic() {
    let skep = Instance::start();
    for (name, password, publish, subscribe) in [
        (
            "backend",
            "def456",
            &["req/", "msg/", "res/", "log/", "priv/"][..],
            &["req/", "msg/", "res/", "log/", "own", "below"][..],
        ),
        ("frontend", "abc123", &["req/"], &["msg/", "own"]),
        ("router", "ghi789", &["msg/", "priv/"], &["req/"]),
    ] {
        let own = id(name);
        let topics = [
            "req/x",
            "req/backend-1",
            "msg/x",
            "res/x",
            "log/x",
            "priv/x",
            &*format!("priv/{own}"),
            &*format!("priv/{own}/x"),
            "$SYS/x",
            "other",
        ];
        let address = if name == "backend" { skep.backend() } else { skep.frontend() };
        let mut client = Client::connect(address, Login::new(&own).user(name, password));
        for topic in topics {
            let may = |rules: &[&str]| {
                rules.iter().any(|rule| match *rule {
                    "own" => *topic == format!("priv/{own}"),
                    "below" => *topic == format!("priv/{own}/x"),
                    prefix => topic.starts_with(prefix),
                })
            };
            let denied = client.publish_acked(Message::new(topic, "x")) == 0x87;
            // A frontend's lane is the router's, which looks closer.
            if topic != "req/backend-1" || name == "backend" {
                assert_eq!(!denied, may(publish), "{name} publishes to {topic}");
            }
            let denied = client.subscribe(topic, 0) == 0x87;
            assert_eq!(!denied, may(subscribe), "{name} subscribes to {topic}");
        }
        for all in ["#", "+/#", "priv/+", "priv/#", "$share/g/#", "$share/g/priv/#"] {
            assert_eq!(client.subscribe(all, 0), 0x87, "{name} subscribes to {all}");
        }
    }
    let denied = skep.skep().backends()[0].stats().denied_publish.get();
    assert!(denied > 0);
}

#[test]
fn a_denied_publish_at_qos_0_is_dropped_and_the_connection_goes_on() {
    let skep = Instance::start();
    let caller = id("caller");
    let mut user = skep.user(&caller);
    user.publish(Message::new("msg/frontend/x", "x"));
    user.assert_no_message();
    assert_eq!(skep.skep().frontends()[0].stats().denied_publish.get(), 1);
}

#[test]
fn a_mailbox_is_its_owners_alone_and_gone_with_it() {
    let skep = Instance::start();
    let mut worker = skep.worker("worker-a");
    assert_eq!(worker.subscribe("priv/worker-a", 1), 1);
    let mut other = skep.worker("worker-b");
    assert_eq!(other.subscribe("priv/worker-a", 1), 0x87);
    assert_eq!(other.publish_acked(Message::new("priv/worker-a", "hello")), 0);
    assert_eq!(worker.message().text(), "hello");
    assert_eq!(worker.unsubscribe("priv/worker-a"), 0);
    assert_eq!(other.publish_acked(Message::new("priv/worker-a", "hello")), 0x10);
    assert_eq!(other.publish_acked(Message::new("priv/nobody", "hello")), 0x10);
}

#[test]
fn a_client_that_reads_too_slowly_loses_qos_0_but_never_silently_qos_1() {
    let skep = Instance::open_bus(|bus| bus.connections.max_backlog_bytes = 300_000);
    let mut slow = join(&skep, "slow");
    slow.subscribe("q0", 0);
    let mut sender = join(&skep, "sender");
    let stats = || skep.skep().backends()[0].stats();
    wait_until("QoS 0 is dropped", || {
        sender.publish(Message::new("q0", vec![b'x'; 100_000]));
        stats().dropped_slow.get() > 0
    });
    let mut slow = join(&skep, "slow-1");
    slow.subscribe("q1", 1);
    wait_until("it is disconnected", || {
        sender.publish_acked(Message::new("q1", vec![b'x'; 100_000]));
        stats().slow_disconnects.get() > 0
    });
    assert_eq!(slow.disconnected(), 0x97);
}

/// [MQTT-3.3.4-7]
#[test]
fn more_qos_2_messages_under_way_than_allowed_end_the_connection() {
    let skep = Instance::open_bus(|bus| bus.connections.max_inflight_count = 3);
    let mut sender = join(&skep, "sender");
    for _ in 0..4 {
        sender.publish(Message::new("t", "x").qos(2));
    }
    assert_eq!(sender.disconnected(), 0x93);
}

#[test]
fn limits_on_subscriptions_filters_retained_messages_and_rate_hold() {
    let skep = Instance::open_bus(|bus| {
        bus.connections.max_subscriptions = 3;
        bus.topics.max_filters = 4;
        bus.sessions.max_retained = 1;
        bus.connections.max_publish_rate = 5;
    });
    let (mut a, mut b) = (join(&skep, "a"), join(&skep, "b"));
    for n in 0..3 {
        assert_eq!(a.subscribe(&format!("a/{n}"), 0), 0);
    }
    assert_eq!(a.subscribe("a/3", 0), 0x97);
    assert_eq!(a.subscribe("a/0", 1), 1);
    assert_eq!(b.subscribe("b/0", 0), 0);
    assert_eq!(b.subscribe("b/1", 0), 0x97);
    assert_eq!(b.subscribe("a/1", 0), 0, "a filter that somebody has is no new one");
    // `$SYS` takes the only place.
    assert_eq!(b.publish_acked(Message::new("r", "x").retain()), 0x97);
    for _ in 0..100 {
        a.try_send(&Message::new("x", "x").packet(5));
    }
    assert_eq!(a.disconnected(), 0x96);
}

#[test]
fn a_connection_too_many_is_not_let_in_and_one_that_says_nothing_is_closed() {
    let skep = Instance::open_bus(|bus| {
        bus.connections.max_connections = 2;
        bus.connections.connection_timeout_ms = 200;
    });
    let _one = join(&skep, "one");
    let mut silent = Client::open(skep.backend());
    let mut third = Client::open(skep.backend());
    third.closed();
    silent.closed();
    wait_until("its place is free", || skep.skep().backends()[0].connections() == 1);
    join(&skep, "two").assert_no_message();
}

/// [MQTT-4.7.2-1]
#[test]
fn sys_topics_tell_of_the_bus_and_hide_from_wildcards() {
    let skep = Instance::open_bus(|_| {});
    let mut client = join(&skep, "client");
    client.subscribe("#", 0);
    client.assert_no_message();
    client.subscribe("$SYS/broker/version", 0);
    let version = client.message();
    assert_eq!(version.text(), concat!("skep ", env!("CARGO_PKG_VERSION")));
    assert_eq!(client.publish_acked(Message::new("$SYS/broker/version", "x")), 0x87);
}

#[test]
fn sys_topics_have_the_names_that_people_look_for() {
    let skep = Instance::open_bus(|_| {});
    let mut client = join(&skep, "client");
    client.subscribe("$SYS/broker/#", 0);
    let mut said = std::collections::BTreeMap::new();
    let counts = [
        "clients/connected",
        "clients/disconnected",
        "clients/total",
        "messages/received",
        "messages/sent",
        "publish/messages/dropped",
        "bytes/received",
        "bytes/sent",
        "retained messages/count",
        "subscriptions/count",
    ];
    wait_until("all have come", || {
        while let Some(message) = client.message_within(Duration::from_millis(2)) {
            said.insert(message.topic["$SYS/broker/".len()..].to_owned(), message.text().to_owned());
        }
        let number = |name: &&str| said.get(*name).is_some_and(|said| said.parse::<u64>().is_ok());
        counts.iter().all(number)
            && said.get("bus").is_some_and(|bus| bus == "backend-1")
            && said.get("version").is_some_and(|version| version.starts_with("skep "))
            && said.get("uptime").is_some_and(|uptime| uptime.ends_with(" seconds"))
    });
}

/// [MQTT-4.13.1-1]
#[test]
fn a_malformed_packet_ends_its_connection_and_disturbs_nobody_else() {
    let skep = Instance::open_bus(|_| {});
    let mut bystander = join(&skep, "bystander");
    bystander.subscribe("t", 0);
    for (name, bytes, reason) in [
        ("packet type 0", vec![0x00, 0], 0x81),
        ("SUBSCRIBE with flags 0", packet(0x80, &[0, 1, 0, 0, 1, b'a', 0]), 0x81),
        ("SUBSCRIBE without a filter", packet(0x82, &[0, 1, 0]), 0x82),
        ("PUBLISH at QoS 3", packet(0x36, &[0, 1, b'a', 0, 1, 0]), 0x81),
        ("PUBLISH to a wildcard", packet(0x30, &[0, 1, b'#', 0]), 0x90),
        ("PUBLISH to no topic", packet(0x30, &[0, 0, 0]), 0x82),
        ("PUBLISH with a topic past its end", packet(0x30, &[0, 9, b'a', 0]), 0x81),
        ("PUBLISH with U+0000", packet(0x30, &[0, 1, 0, 0]), 0x81),
        ("PUBLISH with a subscription identifier", packet(0x30, &[0, 1, b'a', 2, 0x0B, 1]), 0x82),
        ("a remaining length of five bytes", vec![0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1], 0x81),
        ("PUBACK with packet id 0", packet(0x40, &[0, 0]), 0x81),
        ("CONNACK from a client", packet(0x20, &[0, 0, 0]), 0x82),
        ("a second CONNECT", Login::new("again").packet(), 0x82),
        ("AUTH", packet(0xF0, &[]), 0x8C),
        (
            "no local on a shared subscription",
            packet(0x82, &[&[0, 1, 0][..], &field(b"$share/g/t"), &[4]].concat()),
            0x82,
        ),
    ] {
        let mut hostile = join(&skep, "hostile");
        hostile.send(&bytes);
        assert_eq!(hostile.disconnected(), reason, "{name}");
        bystander.publish(Message::new("t", name));
        assert_eq!(bystander.message().text(), name);
    }
    for (name, bytes) in [
        ("no MQTT at all", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("PUBLISH first", packet(0x30, &[0, 1, b'a', 0])),
        ("an old protocol", packet(0x10, &[&field(b"MQIsdp")[..], &[3, 2, 0, 0, 0, 1, b'a']].concat())),
    ] {
        let mut hostile = Client::open(skep.backend());
        hostile.send(&bytes);
        hostile.closed();
        bystander.publish(Message::new("t", name));
        assert_eq!(bystander.message().text(), name);
    }
}

/// [MQTT-4.2.0-1]
#[test]
fn one_byte_at_a_time_is_as_good_as_all_at_once() {
    let skep = Instance::open_bus(|_| {});
    let mut client = Client::open(skep.backend());
    let subscribe = packet(0x82, &[&[0, 1, 0][..], &field(b"t"), &[1]].concat());
    let publish = Message::new("t", "slowly").packet(5);
    for byte in [Login::new("slow").packet(), subscribe, publish].concat() {
        client.send(&[byte]);
    }
    client.expect(SUBACK);
    assert_eq!(Message::parse(&client.expect(PUBLISH), 5).text(), "slowly");
}

/// [MQTT-4.2.0-1]
#[test]
fn a_large_message_arrives_whole() {
    let skep = Instance::open_bus(|_| {});
    let mut client = join(&skep, "client");
    client.subscribe("t", 1);
    let large: Vec<u8> = (0..5_000_000u32).map(|n| (n % 251) as u8).collect();
    client.publish(Message::new("t", &large).qos(1));
    assert!(client.message().payload == large);
}
