//! Each limit of a bus, reached: what its client hears, what is counted, and
//! that others go on. (Those of sessions, queues and backlogs are reached in
//! `bus.rs`, `queues.rs` and `hostile.rs`, too.)

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use skep::bus::{self, Bus};
use skep::{Kind, bus::Transport};
use support::client::{PUBACK, field, packet, varint};
use support::metrics::{Metrics, wait_until_counted};
use support::rpc::{answer, json_of, request, service};
use support::{Client, Instance, Login, Message, PATIENCE, id, wait_until};

const QUOTA_EXCEEDED: u8 = 0x97;

fn frontend_with(change: impl FnOnce(&mut bus::Settings)) -> Instance {
    Instance::start_with(|config| change(config.frontend.get_mut("frontend-1").expect("the sample frontend")))
}

fn backend_with(change: impl FnOnce(&mut bus::Settings)) -> Instance {
    Instance::start_with(|config| change(config.backend.get_mut("backend-1").expect("the sample backend")))
}

fn frontend(skep: &Instance) -> &Bus {
    &skep.skep().frontends()[0]
}

fn backend(skep: &Instance) -> &Bus {
    &skep.skep().backends()[0]
}

fn login(name: &str) -> Login {
    Login::new(&id(name)).user("frontend", "abc123")
}

const FRONTEND: &str = "bus=\"frontend-1\"";
const BACKEND: &str = "bus=\"backend-1\"";

/// Waits until `/metrics` says that these limits of a bus were reached, each so
/// many times, and no others.
#[track_caller]
fn reached(skep: &Instance, bus: &str, limits: &[(&str, u64)]) {
    counted(skep, bus, "skep_limits_reached_total", "limit", limits);
}

/// Waits until `/metrics` says that this one limit of a bus was reached, however
/// often: what the system itself would retain may come to it, too.
#[track_caller]
fn reached_at_all(skep: &Instance, bus: &str, limit: &str) {
    wait_until(&format!("{limit} is counted, and nothing else"), || {
        let metrics = Metrics::of(skep);
        let series = metrics.all("skep_limits_reached_total", &[bus]);
        series.iter().all(|series| (series.value > 0.0) == (series.label("limit") == Some(limit)))
    });
}

/// As [`reached`], of messages that were dropped.
#[track_caller]
fn dropped(skep: &Instance, bus: &str, reasons: &[(&str, u64)]) {
    counted(skep, bus, "skep_messages_dropped_total", "reason", reasons);
}

#[track_caller]
fn counted(skep: &Instance, bus: &str, family: &str, label: &str, expected: &[(&str, u64)]) {
    let expected: Vec<_> = expected.iter().map(|(value, count)| (*value, *count as f64)).collect();
    wait_until_counted(skep, &[bus], family, label, &expected);
}

/// The one value of a metric on a bus.
#[track_caller]
fn value(skep: &Instance, bus: &str, name: &str) -> f64 {
    Metrics::of(skep).value(name, &[bus])
}

#[test]
fn one_address_has_so_many_connections() {
    let skep = frontend_with(|bus| bus.connections.max_per_address = Some(3));
    let three: Vec<_> = (0..3).map(|n| Client::connect(skep.frontend(), login(&format!("n{n}")))).collect();
    Client::open(skep.frontend()).closed();
    reached(&skep, FRONTEND, &[("connections_per_address", 1)]);
    // On the other bus it has as many again, and none there is left waiting.
    skep.worker("worker").assert_no_message();
    three.into_iter().for_each(Client::kill);
    wait_until("their places are free", || frontend(&skep).connections() == 0);
    Client::connect(skep.frontend(), login("again"));
}

#[test]
fn one_user_has_so_many_clients_and_can_still_take_its_own_over() {
    let skep = frontend_with(|bus| bus.connections.max_per_user = 2);
    let mut first = Client::connect(skep.frontend(), login("one"));
    let second = Client::connect(skep.frontend(), login("two"));
    let third = Client::attempt(skep.frontend(), &login("three"));
    assert_eq!(third.connack[1], QUOTA_EXCEEDED);
    reached(&skep, FRONTEND, &[("connections_per_user", 1)]);
    let router = Client::connect(skep.frontend(), Login::new("another").user("router", "ghi789"));
    // A client that comes back before its old connection is noticed to be dead.
    let again = Client::connect(skep.frontend(), login("one"));
    assert_eq!(first.disconnected(), 0x8E);
    second.kill();
    wait_until("one is gone", || frontend(&skep).connections() == 2);
    Client::connect(skep.frontend(), login("three"));
    drop((again, router));
}

#[test]
fn a_connection_too_many_is_counted() {
    let skep = frontend_with(|bus| bus.connections.max_connections = 1);
    let _one = Client::connect(skep.frontend(), login("one"));
    Client::open(skep.frontend()).closed();
    reached(&skep, FRONTEND, &[("connections", 1)]);
}

#[test]
fn who_takes_too_long_over_connect_or_the_websocket_handshake_is_given_up() {
    let skep = frontend_with(|bus| bus.connections.connection_timeout_ms = 200);
    let mut silent = Client::open(skep.frontend());
    let mut halfway = Client::open(skep.frontend());
    halfway.send(&login("half").packet()[..9]);
    let web = skep.address(Kind::Frontend, Transport::Ws);
    let mut shy = Client::open(web);
    let mut slow = Client::open(web);
    slow.send(b"GET /mqtt HTTP/1.1\r\nHost: x\r\n");
    for client in [&mut silent, &mut halfway, &mut shy, &mut slow] {
        client.closed();
    }
    reached(&skep, FRONTEND, &[("connect_time", 4)]);
    wait_until("and gone", || frontend(&skep).connections() == 0 && frontend(&skep).memory_used() < 4096);
}

#[test]
fn a_connect_has_a_limit_of_its_own_that_its_header_is_enough_to_pass() {
    let skep = frontend_with(|bus| bus.connections.max_connect_size = 1_000);
    let mut client = Client::open(skep.frontend());
    client.send(&[0x10]);
    client.send(&varint(1_000));
    let connack = client.expect(support::client::CONNACK);
    assert_eq!(connack.body[1], 0x95);
    client.closed();
    reached(&skep, FRONTEND, &[("packet_size", 1)]);
    // Packets of a client that has logged in can be as large as ever.
    let mut client = Client::connect(skep.frontend(), login("in"));
    assert_eq!(client.publish_acked(Message::new("req/x", vec![b'x'; 100_000])), 0x10);
    client.send(&[0x30]);
    client.send(&varint(300_000));
    assert_eq!(client.disconnected(), 0x95);
    reached(&skep, FRONTEND, &[("packet_size", 2)]);
}

#[test]
fn subscriptions_that_are_refused_are_counted() {
    let skep = frontend_with(|bus| bus.connections.max_subscriptions = 1);
    let mut client = Client::connect(skep.frontend(), login("one"));
    assert_eq!(client.subscribe("msg/a", 0), 0);
    assert_eq!(client.subscribe("msg/b", 0), QUOTA_EXCEEDED);
    reached(&skep, FRONTEND, &[("subscriptions", 1)]);
}

#[test]
fn more_messages_a_second_than_allowed_end_the_connection() {
    let skep = frontend_with(|bus| bus.connections.max_publish_rate = 5);
    let mut client = Client::connect(skep.frontend(), login("quick"));
    while client.try_send(&Message::new("req/x", "x").packet(5)) && frontend(&skep).stats().rate_disconnects.get() == 0
    {
    }
    assert_eq!(client.disconnected(), 0x96);
    reached(&skep, FRONTEND, &[("publish_rate", 1)]);
}

#[test]
fn more_bytes_a_second_than_allowed_are_read_more_slowly() {
    const RATE: usize = 100_000;
    let skep = frontend_with(|bus| bus.connections.max_byte_rate = RATE as u32);
    let mut client = Client::connect(skep.frontend(), login("large").keep_alive(1));
    let began = Instant::now();
    // Four seconds' worth is taken at once, the rest takes its time.
    let messages = 6 * RATE / 20_000;
    for _ in 0..messages {
        client.publish(Message::new("req/x", vec![b'x'; 20_000]).qos(1));
    }
    for _ in 0..messages {
        client.expect(PUBACK);
    }
    assert!(began.elapsed() > Duration::from_millis(1_800), "{:?}", began.elapsed());
    client.assert_no_message();
    reached_at_all(&skep, FRONTEND, "byte_rate");
}

#[test]
fn a_queue_takes_so_many_bytes() {
    let skep = backend_with(|bus| bus.queues.max_bytes = 50_000);
    let mut worker = skep.worker("worker");
    worker.subscribe(&service("a"), 1);
    let mut sender = skep.worker("sender");
    let mut send = || sender.publish_acked(Message::new("req/backend/a", vec![b'x'; 20_000]));
    // One in hand, three waiting: the third began below the limit.
    assert_eq!([send(), send(), send(), send(), send()], [0, 0, 0, 0, QUOTA_EXCEEDED]);
    dropped(&skep, BACKEND, &[("queue_full", 1)]);
}

/// A bus that holds all it may refuses what would have to wait, and goes on
/// with what need not.
#[test]
fn past_the_memory_of_a_bus_new_work_is_refused_and_what_is_served_goes_on() {
    const LIMIT: usize = 1024 * 1024;
    let skep = backend_with(|bus| {
        bus.max_memory_bytes = Some(LIMIT);
        bus.queues.grace_ms = 60_000;
    });
    let mut busy = skep.worker("busy");
    busy.subscribe(&service("slow"), 1);
    let mut quick = skep.worker("quick");
    quick.subscribe(&service("quick"), 1);
    let mut sender = skep.worker("sender");
    let large = |topic: &str| Message::new(topic, vec![b'x'; 100_000]);
    // Over two queues, one of them of work that nobody serves yet; to the brim.
    let mut sent = [0, 0];
    for bytes in [100_000, 10_000, 1_000, 100, 1] {
        for n in (0..2).cycle().take(40) {
            let topic = ["req/backend/slow", "req/backend/nobody"][n];
            match sender.publish_acked(Message::new(topic, vec![b'x'; bytes])) {
                0 => sent[n] += 1,
                refused => assert_eq!(refused, QUOTA_EXCEEDED),
            }
        }
    }
    assert!((LIMIT - 200..LIMIT + 200).contains(&backend(&skep).memory_used()));
    // Not those queues are full: the bus is.
    dropped(&skep, BACKEND, &[]);
    reached_at_all(&skep, BACKEND, "memory");
    // Callers hear of it at once.
    let caller = id("caller");
    let mut user = skep.user(&caller);
    for service in ["slow", "nobody"] {
        user.publish(request(&caller, service, 1));
        let overloaded = json!({ "code": -32000, "message": "Server error", "data": "overloaded" });
        assert_eq!(json_of(&user.message())["error"], overloaded, "{service}");
    }
    // Nothing is retained in addition.
    assert_eq!(sender.publish_acked(large("log/x").retain()), QUOTA_EXCEEDED);
    // A worker that is free gets its work.
    for n in 0..20 {
        user.publish(request(&caller, "quick", n));
        let request = quick.message();
        answer(&mut quick, &request, n);
        assert_eq!(json_of(&user.message())["result"], n);
        // It is free once its acknowledgement, behind the answer, has come.
        quick.publish_acked(Message::new("log/done", ""));
    }
    // What is done is room again.
    for _ in 0..sent[0] {
        let message = busy.message();
        busy.ack(PUBACK, message.packet_id);
    }
    let mut late = skep.worker("late");
    assert_eq!(late.subscribe(&service("nobody"), 1), 1);
    for _ in 0..sent[1] {
        let message = late.message();
        late.ack(PUBACK, message.packet_id);
    }
    wait_until("all of it is given back", || backend(&skep).memory_used() < 10_000);
    assert_eq!(sender.publish_acked(large("req/backend/slow")), 0);
}

#[test]
fn past_the_memory_of_a_bus_the_clients_that_hold_the_most_are_ended() {
    let skep = frontend_with(|bus| {
        bus.max_memory_bytes = Some(1024 * 1024);
        bus.connections.max_backlog_bytes = 64 * 1024 * 1024;
    });
    let stats = || frontend(&skep).stats();
    // One that reads nothing of what it subscribed to, and some that have sent
    // the most part of a large packet, and then no more.
    let mut deaf = Client::connect(skep.frontend(), login("deaf"));
    deaf.subscribe("msg/#", 0);
    let mut worker = skep.worker("worker");
    wait_until("the one that does not read is ended", || {
        let broadcast = Message::new("msg/frontend-1", vec![b'x'; 200_000]).with("fwd_to", "msg/frontend/a/b");
        worker.publish_acked(broadcast);
        stats().memory_disconnects.get() > 0
    });
    deaf.kill();
    wait_until("its bytes are given back", || frontend(&skep).memory_used() < 10_000);
    let before = stats().memory_disconnects.get();
    let halfway: Vec<_> = (0..12)
        .map(|n| {
            let mut client = Client::connect(skep.frontend(), login(&format!("halfway{n}")));
            let whole = Message::new("req/x", vec![b'x'; 240_000]).packet(5);
            client.try_send(&whole[..whole.len() - 1]);
            client
        })
        .collect();
    wait_until("some of them are ended", || stats().memory_disconnects.get() > before);
    assert!(value(&skep, FRONTEND, "skep_memory_disconnects_total") > before as f64);
    wait_until("there is room again", || frontend(&skep).memory_used() < 1024 * 1024);
    let caller = id("caller");
    let mut user = skep.user(&caller);
    user.publish(request(&caller, "nobody", 1));
    assert_eq!(json_of(&user.message())["id"], 1);
    drop(halfway);
    wait_until("all of it is given back", || frontend(&skep).memory_used() < 10_000);
}

#[test]
fn wills_and_filters_count_as_memory_and_are_given_back() {
    let skep = frontend_with(|bus| bus.max_memory_bytes = Some(200_000));
    let with_will = |name: &str| {
        let payload = "x".repeat(50_000);
        login(name).will("req/x", &payload, 0, &[])
    };
    let clients: Vec<_> = (0..2).map(|n| Client::connect(skep.frontend(), with_will(&format!("will{n}")))).collect();
    let mut third = Client::connect(skep.frontend(), login("filters"));
    assert_eq!(third.subscribe(&format!("msg/{}", "x".repeat(40_000)), 0), 0);
    assert_eq!(third.subscribe("msg/x", 0), QUOTA_EXCEEDED);
    assert_eq!(Client::attempt(skep.frontend(), &with_will("more")).connack[1], QUOTA_EXCEEDED);
    reached(&skep, FRONTEND, &[("memory", 2), ("subscriptions", 1)]);
    clients.into_iter().for_each(Client::disconnect);
    third.kill();
    wait_until("all of it is given back", || frontend(&skep).memory_used() == system_messages(&skep));
}

/// Bytes of the `$SYS` messages, which are retained.
fn system_messages(skep: &Instance) -> usize {
    let quiet = skep.user(&id("quiet"));
    quiet.disconnect();
    wait_until("nobody is there", || frontend(skep).connections() == 0);
    let used = frontend(skep).memory_used();
    assert!(used < 10_000, "{used} bytes");
    used
}

/// [MQTT-3.2.2-13]
#[test]
fn end_users_leave_no_retained_messages() {
    const RETAIN_AVAILABLE: [u8; 2] = [0x25, 0];
    const RETAIN_NOT_SUPPORTED: u8 = 0x9A;
    let skep = Instance::start();
    let mut client = Client::connect(skep.frontend(), login("one"));
    assert!(client.connack.windows(2).any(|property| property == RETAIN_AVAILABLE), "{:x?}", client.connack);
    client.publish(Message::new("req/x", "x").qos(1).retain());
    assert_eq!(client.disconnected(), RETAIN_NOT_SUPPORTED);
    let will = |login: Login| login.will("req/x", "x", 0x20, &[]);
    let refused = Client::attempt(skep.frontend(), &will(login("two")));
    assert_eq!(refused.connack[1], RETAIN_NOT_SUPPORTED);
    // Clients of 3.1.1 can't be told: theirs is passed on, and not kept.
    let mut router = Client::connect(skep.frontend(), Login::new("router").user("router", "ghi789"));
    router.subscribe("req/x", 0);
    let mut old = Client::connect(skep.frontend(), will(login("three").v311()));
    old.publish(Message::new("req/x", "now").retain());
    assert_eq!(router.message().text(), "now");
    old.kill();
    assert_eq!(router.message().text(), "x");
    router.subscribe("req/#", 0);
    router.assert_no_message();
}

/// On a backend, where messages of the system are retained as well.
#[test]
fn so_many_messages_are_retained() {
    let skep = backend_with(|bus| bus.sessions.max_retained = 0);
    let mut worker = skep.worker("worker");
    assert_eq!(worker.publish_acked(Message::new("log/x", "x").retain()), QUOTA_EXCEEDED);
    reached_at_all(&skep, BACKEND, "retained");
    assert_eq!(value(&skep, BACKEND, "skep_retained_messages"), 0.0);
}

#[test]
fn so_many_bytes_are_retained() {
    const LIMIT: usize = 100_000;
    let skep = backend_with(|bus| bus.sessions.max_retained_bytes = LIMIT);
    let mut worker = skep.worker("worker");
    let mut retain = |topic: &str, bytes: usize| {
        worker.publish_acked(Message::new(topic, vec![b'x'; bytes]).retain()) == QUOTA_EXCEEDED
    };
    // Those of the system fit beside the first, a second one of its size does not.
    assert!(!retain("log/a", LIMIT / 2 + 1_000));
    assert!(retain("log/b", LIMIT / 2));
    reached(&skep, BACKEND, &[("retained", 1)]);
    let bytes = value(&skep, BACKEND, "skep_retained_bytes") as usize;
    assert!((LIMIT / 2..LIMIT).contains(&bytes), "{bytes}");
    // What is less in its place makes room.
    assert!(!retain("log/a", 10));
    assert!(!retain("log/b", LIMIT / 2));
    reached(&skep, BACKEND, &[("retained", 1)]);
}

/// The client was told how many: more break the protocol.
#[test]
fn a_client_sets_so_many_topic_aliases() {
    const TOPIC_ALIAS_MAXIMUM: [u8; 3] = [0x22, 0, 2];
    let skep = frontend_with(|bus| bus.connections.max_topic_aliases = 2);
    let mut client = Client::connect(skep.frontend(), login("aliases"));
    assert!(client.connack.windows(3).any(|property| property == TOPIC_ALIAS_MAXIMUM), "{:x?}", client.connack);
    let mut publish = |alias| client.publish(Message { alias: Some(alias), ..Message::new("req/x", "x") });
    for alias in 1..=3 {
        publish(alias);
    }
    assert_eq!(client.disconnected(), 0x94);
    wait_until("it is counted", || value(&skep, FRONTEND, "skep_protocol_errors_total") == 1.0);
    reached(&skep, FRONTEND, &[]);
}

/// Nothing is refused for it: further topics go in full.
#[test]
fn skep_sets_so_many_topic_aliases() {
    let skep = backend_with(|bus| bus.connections.max_outgoing_topic_aliases = 2);
    let many = Login::new("reader").user("backend", "def456").property(0x22, &10u16.to_be_bytes());
    let mut reader = Client::connect(skep.backend(), many);
    reader.subscribe("log/#", 0);
    let mut sender = skep.worker("sender");
    let mut aliases = Vec::new();
    for n in 0..8 {
        sender.publish_acked(Message::new(&format!("log/{}", n % 4), "x"));
        aliases.extend(reader.message().alias);
    }
    aliases.sort_unstable();
    aliases.dedup();
    assert_eq!(aliases, [1, 2]);
    reached(&skep, BACKEND, &[]);
    dropped(&skep, BACKEND, &[]);
}

/// `$share/{group}/req/#` would take other users' requests.
#[test]
fn end_users_share_in_nothing_but_what_they_may_subscribe_to() {
    let skep = Instance::start();
    let mut client = Client::connect(skep.frontend(), login("one"));
    for denied in ["$share/x/req/#", "$share/x/req/backend-1", "$share/BKPR/req/+", "$share/x/#", "$share/x/priv/#"] {
        assert_eq!(client.subscribe(denied, 1), 0x87, "{denied}");
    }
    // What it may share in, and does not read, does not grow past a small queue.
    let skep = frontend_with(|bus| bus.queues.max_bytes = 100_000);
    let mut client = Client::connect(skep.frontend(), login("one").receive_maximum(1));
    assert_eq!(client.subscribe("$share/x/msg/#", 1), 1);
    let mut listener = skep.user(&id("listener"));
    listener.subscribe("msg/#", 0);
    let mut worker = skep.worker("worker");
    for n in 0..50 {
        let payload = format!("{n} {}", "x".repeat(20_000));
        worker.publish_acked(Message::new("msg/frontend-1", payload).with("fwd_to", "msg/frontend/a/b"));
        assert!(listener.message().text().starts_with(&format!("{n} ")));
    }
    assert!(frontend(&skep).memory_used() < 200_000, "{}", frontend(&skep).memory_used());
}

#[test]
fn what_is_held_for_a_client_that_is_away_goes_when_its_time_is_over() {
    let skep = Instance::start();
    let name = id("away");
    let login = || Login::new(&name).user("frontend", "abc123").expiry(3_600);
    skep.leave_mailbox(&name, login());
    let mut worker = skep.worker("worker");
    let response = |payload: Vec<u8>| {
        Message::new("res/frontend-1-1", payload).qos(1).with("addr", &format!("priv/{name}@frontend-1"))
    };
    for _ in 0..10 {
        worker.publish_acked(response(vec![b'x'; 50_000]).expiry(1));
    }
    worker.publish_acked(response(b"still good".to_vec()));
    assert!(frontend(&skep).memory_used() > 500_000);
    wait_until("they are forgotten", || frontend(&skep).memory_used() < 50_000);
    dropped(&skep, FRONTEND, &[("expired", 10)]);
    let mut client = Client::connect(skep.frontend(), login().resume());
    assert_eq!(client.message().text(), "still good");
}

#[test]
fn so_many_bytes_are_held_for_a_client_that_is_away() {
    let skep = frontend_with(|bus| bus.sessions.max_held_bytes = 50_000);
    let name = id("away");
    let login = || Login::new(&name).user("frontend", "abc123").expiry(3_600);
    skep.leave_mailbox(&name, login());
    let mut worker = skep.worker("worker");
    let addr = format!("priv/{name}@frontend-1");
    // The third began below the limit.
    for n in 0..5 {
        let payload = format!("{n} {}", "x".repeat(20_000));
        worker.publish_acked(Message::new("res/frontend-1-1", payload).qos(1).with("addr", &addr));
    }
    let held = value(&skep, FRONTEND, "skep_sessions_away_bytes");
    assert!((60_000.0..70_000.0).contains(&held), "{held}");
    // Its mailbox took no more, either.
    dropped(&skep, FRONTEND, &[("client_away", 2), ("no_mailbox", 2)]);
    let mut client = Client::connect(skep.frontend(), login().resume());
    for n in 0..3 {
        assert!(client.message().text().starts_with(&format!("{n} ")));
    }
    client.assert_no_message();
}

/// The system asks the other end of each connection whether it is there: of a
/// machine that vanished nothing else tells.
#[test]
fn the_system_looks_after_connections_that_are_silent() {
    let skep = Instance::start();
    let client = Client::connect(skep.frontend(), login("silent"));
    let port = format!(":{:04X} ", skep.frontend().port());
    // Of an established socket, the timer 02 is the one that asks.
    let is_asked = |line: &str| line.contains(&port) && line.contains(" 01 ") && line.contains(" 02:");
    wait_until("its timer runs", || {
        let table = fs::read_to_string("/proc/net/tcp").expect("the table of sockets");
        table.lines().any(is_asked)
    });
    client.disconnect();
}

/// The DISCONNECT of a connection that is taken over while others write to it
/// comes after whole packets, or not at all.
#[test]
fn the_last_packet_is_never_inside_of_another() {
    let skep = Instance::start();
    let name = id("taken_over");
    let subscribed = || {
        let mut client = Client::connect(skep.frontend(), Login::new(&name).user("frontend", "abc123"));
        client.subscribe("msg/#", 0);
        client
    };
    let backend = skep.backend();
    let senders: Vec<_> = (0..2).map(|n| std::thread::spawn(move || broadcast_for_a_while(backend, n))).collect();
    let mut client = subscribed();
    let mut last = 0;
    while senders.iter().any(|sender| !sender.is_finished()) {
        let next = subscribed();
        // Each packet is checked as it is parsed; what is torn fits no packet.
        while let Some(packet) = client.next(Duration::from_secs(2)) {
            match packet.kind() {
                support::client::PUBLISH => assert_eq!(packet.body.len(), packet_length(), "a whole message"),
                support::client::DISCONNECT => last += 1,
                other => panic!("a packet of kind {other}"),
            }
        }
        client = next;
    }
    senders.into_iter().for_each(|sender| sender.join().expect("it sends to its end"));
    assert!(last > 0, "none was told why");
}

const LARGE: usize = 300_000;

fn packet_length() -> usize {
    field(b"msg/frontend/a/b").len() + 1 + LARGE
}

fn broadcast_for_a_while(backend: SocketAddr, n: usize) {
    let mut worker = Client::connect(backend, Login::new(&format!("sender{n}")).user("backend", "def456"));
    for _ in 0..150 {
        let broadcast = Message::new("msg/frontend-1", vec![b'x'; LARGE]).with("fwd_to", "msg/frontend/a/b");
        worker.publish_acked(broadcast);
    }
}

/// A WebSocket on which nothing has been sent yet.
fn websocket(skep: &Instance) -> TcpStream {
    let mut socket = TcpStream::connect(skep.address(Kind::Frontend, Transport::Ws)).expect("it accepts");
    socket
        .write_all(
            b"GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
              Sec-WebSocket-Protocol: mqtt\r\n\r\n",
        )
        .expect("it reads");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut answer = [0; 512];
    let read = socket.read(&mut answer).expect("an answer");
    assert!(answer[..read].starts_with(b"HTTP/1.1 101"));
    socket
}

/// A WebSocket frame before the login is bounded like the CONNECT in it.
#[test]
fn what_a_websocket_sends_before_its_login_is_bounded() {
    let skep = Instance::start();
    let mut socket = websocket(&skep);
    // A frame of 250,000 bytes: less than a packet may have later.
    let mut frame = vec![0x82, 0xFF];
    frame.extend(250_000u64.to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(&packet(0x10, &[0; 200_000]));
    // It closes before it has read that.
    let _ = socket.write_all(&frame);
    let _ = socket.read_to_end(&mut Vec::new());
    wait_until("it is gone", || frontend(&skep).connections() == 0);
    assert_eq!(frontend(&skep).stats().connect_timeouts.get(), 0);
}

/// What a frame holds that its reader does not take counts, too.
#[test]
fn what_waits_in_a_websocket_counts_as_memory_and_is_given_back() {
    const LARGE: usize = 15_000_000;
    let skep = Instance::start();
    let mut socket = websocket(&skep);
    // The system is not to keep all of it.
    rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 64 * 1024).expect("a size");
    for packet in [login("slow").packet(), packet(0x82, &[&[0, 1, 0][..], &field(b"msg/#"), &[0]].concat())] {
        socket.write_all(&[&[0x82, 0x80 | packet.len() as u8, 0, 0, 0, 0][..], &packet].concat()).expect("it reads");
    }
    wait_until("it has subscribed", || frontend(&skep).is_wanted("msg/frontend/a/b"));
    let before = frontend(&skep).memory_used();
    let mut worker = skep.worker("worker");
    worker.publish_acked(Message::new("msg/frontend-1", vec![b'x'; LARGE]).with("fwd_to", "msg/frontend/a/b"));
    wait_until("it counts", || frontend(&skep).memory_used() > before + LARGE / 2);
    drop(socket);
    wait_until("it is given back", || frontend(&skep).memory_used() <= before);
}

/// Answers to pings would be kept for whoever does not read them; instead it is
/// not read until it does.
#[test]
fn whoever_does_not_read_the_answers_to_its_websocket_pings_is_not_read() {
    /// More than the system keeps for both sides.
    const ENOUGH: usize = 64 * 1024 * 1024;
    let skep = Instance::start();
    let mut socket = websocket(&skep);
    let connect = login("pings").packet();
    socket.write_all(&[&[0x82, 0x80 | connect.len() as u8, 0, 0, 0, 0][..], &connect].concat()).expect("it reads");
    wait_until("it is let in", || frontend(&skep).stats().clients.get() == 1);
    let ping = [&[0x89, 0x80 | 125, 0, 0, 0, 0][..], &[b'x'; 125]].concat();
    let pings = ping.repeat(1_000);
    socket.set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    let mut sent = 0;
    while let Ok(some) = socket.write(&pings[sent % pings.len()..]) {
        sent += some;
        assert!(sent < ENOUGH, "all pings are read");
    }
    assert_eq!(frontend(&skep).connections(), 1, "it may go on");
    let mut reading = socket.try_clone().expect("a second handle");
    let reader = thread::spawn(move || {
        let mut last = Vec::new();
        while !last.ends_with(&[0x82, 2, 0xD0, 0]) {
            let mut some = vec![0; 64 * 1024];
            let read = reading.read(&mut some).expect("answers");
            assert!(read > 0, "it is still there");
            last.drain(..last.len().saturating_sub(4));
            last.extend(&some[..read]);
        }
    });
    // The rest of the last one, and a PINGREQ.
    socket.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    socket.write_all(&ping[sent % ping.len()..]).expect("it reads again");
    socket.write_all(&[0x82, 0x82, 0, 0, 0, 0, 0xC0, 0]).expect("it reads again");
    reader.join().expect("PINGRESP comes");
}
