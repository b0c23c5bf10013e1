//! Clients that mean harm: what they may take up is bounded, and others go on.

mod support;

use support::client::{field, packet};
use support::metrics::wait_until_counted;
use support::{Client, Instance, Login, Message, id};

/// A quarter of what these clients would have skep keep.
const BACKLOG: usize = 256 * 1024;

fn instance() -> Instance {
    Instance::start_with(|config| {
        let frontend = config.frontend.get_mut("frontend-1").expect("the sample frontend");
        frontend.connections.max_backlog_bytes = BACKLOG;
        frontend.topics.max_filters = 20;
        frontend.sessions.max_held_bytes = 1024 * 1024;
    })
}

fn hostile(skep: &Instance, id: &str) -> Client {
    Client::connect(skep.frontend(), Login::new(id).user("frontend", "abc123"))
}

/// Sends `bytes` until the connection is ended for it.
fn send_until_ended(client: &mut Client, bytes: &[u8], at_most: usize) {
    let sends = (0..at_most).take_while(|_| client.try_send(bytes)).count();
    assert!(sends < at_most, "all of it was taken");
}

#[test]
fn a_client_that_reads_none_of_its_answers_is_ended() {
    let skep = instance();
    let mut client = hostile(&skep, &id("reads_nothing"));
    let mut subscribe = vec![0, 1, 0];
    subscribe.extend(field(b"denied"));
    subscribe.push(0);
    let many = packet(0x82, &subscribe).repeat(3_000);
    // The kernel takes over 10 MB of them before it is skep's turn to hold any.
    send_until_ended(&mut client, &many, 5_000);
    let stats = skep.skep().frontends()[0].stats();
    support::wait_until("it was ended as slow", || stats.slow_disconnects.get() == 1);
}

#[test]
fn a_client_that_acknowledges_nothing_holds_no_more_than_a_backlog() {
    let skep = instance();
    let caller = id("acks_nothing");
    let mut client = hostile(&skep, &caller);
    client.subscribe(&format!("priv/{caller}"), 1);
    let mut worker = skep.worker("worker");
    let stats = skep.skep().frontends()[0].stats();
    let response = || {
        let payload = format!(r#"{{"id":1,"result":"{}"}}"#, "x".repeat(10_000));
        Message::new("res/frontend-1-1", payload).qos(1).with("addr", &format!("priv/{caller}@frontend-1"))
    };
    let mut got = 0;
    for _ in 0..1_000 {
        worker.publish_acked(response());
        if stats.slow_disconnects.get() > 0 {
            break;
        }
        // It reads, and says nothing; what is held back does not come.
        while client.next(std::time::Duration::from_millis(1)).is_some() {
            got += 1;
        }
    }
    assert_eq!(stats.slow_disconnects.get(), 1);
    assert!(got * 10_000 < 2 * BACKLOG, "{got} messages in flight");
}

#[test]
fn work_queues_and_the_length_of_filters_have_limits() {
    const QUOTA_EXCEEDED: u8 = 0x97;
    let skep = instance();
    let mut client = hostile(&skep, &id("many_filters"));
    for n in 0..20 {
        assert_eq!(client.subscribe(&format!("$share/{n}/msg/x"), 1), 1);
    }
    assert_eq!(client.subscribe("$share/one-too-many/msg/x", 1), QUOTA_EXCEEDED);
    // Those that are there can still be joined, and what is left makes room.
    assert_eq!(client.subscribe("$share/0/msg/x", 1), 1);
    assert_eq!(client.unsubscribe("$share/0/msg/x"), 0);
    assert_eq!(client.subscribe("$share/another/msg/x", 1), 1);
    let mut client = hostile(&skep, &id("long_filters"));
    let long = format!("msg/{}", "x".repeat(60_000));
    assert_eq!(client.subscribe(&long, 1), 1);
    assert_eq!(client.subscribe(&format!("{long}y"), 1), QUOTA_EXCEEDED);
    assert_eq!(client.subscribe("msg/x", 1), 1);
    let stats = skep.skep().frontends()[0].stats();
    assert_eq!(stats.refused_subscribe.get(), 2, "both refusals are counted");
}

#[test]
fn clients_that_are_away_hold_no_more_than_they_may_together() {
    const MAX: usize = 16 * 1024 * 1024;
    const CLIENTS: u64 = 400;
    const WILL: usize = 60 * 1024;
    let skep = instance();
    let frontend = &skep.skep().frontends()[0];
    // A will whose size is in its user properties, to be sent in an hour.
    let mut properties = vec![0x18, 0, 0, 0x0E, 0x10];
    for _ in 0..4 {
        properties.push(0x26);
        properties.extend(field(b"n"));
        properties.extend(field(&vec![b'x'; WILL / 4]));
    }
    for n in 0..CLIENTS {
        let login = Login::new(&id(&format!("away_{n}"))).user("frontend", "abc123").expiry(3600);
        Client::connect(skep.frontend(), login.will("req/x", "gone", 0, &properties)).kill();
    }
    let (least, most) = (MAX / WILL - 2, MAX / WILL);
    support::wait_until("all have gone, and the first are forgotten", || {
        let away = frontend.sessions_away();
        frontend.stats().clients.get() == CLIENTS && away == frontend.sessions() && (least..=most).contains(&away)
    });
    // What belongs to a client that comes back is free again.
    let login = |n| Login::new(&id(&format!("away_{n}"))).user("frontend", "abc123");
    for n in 0..CLIENTS {
        Client::connect(skep.frontend(), login(n)).disconnect();
    }
    support::wait_until("all have ended", || frontend.sessions() == 0);
    Client::connect(skep.frontend(), login(0).expiry(3600)).kill();
    support::wait_until("it is away, and kept", || frontend.sessions_away() == 1);
}

#[test]
fn past_the_sessions_that_are_kept_away_the_one_that_would_end_first_goes() {
    let skep = Instance::start_with(|config| {
        config.frontend.get_mut("frontend-1").expect("the sample frontend").sessions.max_away = 2;
    });
    let frontend = &skep.skep().frontends()[0];
    let login = |n: u32| Login::new(&id(&format!("away_{n}"))).user("frontend", "abc123").expiry(3600 - 600 * n);
    for n in 0..3 {
        Client::connect(skep.frontend(), login(n)).kill();
        support::wait_until("it is away, or ended", || {
            frontend.sessions_away() as u64 + frontend.stats().ended_away.get() == u64::from(n) + 1
        });
    }
    // The last one had the least time left.
    support::wait_until("one is too many", || frontend.stats().ended_away.get() == 1 && frontend.sessions_away() == 2);
    let counted = [("sessions_away", 1.0)];
    wait_until_counted(&skep, &["bus=\"frontend-1\""], "skep_limits_reached_total", "limit", &counted);
    let present = |n| Client::connect(skep.frontend(), login(n).resume()).session_present();
    assert_eq!([present(0), present(1), present(2)], [true, true, false]);
}

#[test]
fn a_clean_start_in_place_of_a_session_that_is_away_is_no_longer_counted_as_away() {
    let skep = instance();
    let frontend = &skep.skep().frontends()[0];
    let login = || Login::new(&id("clean")).user("frontend", "abc123").expiry(3600);
    for _ in 0..3 {
        Client::connect(skep.frontend(), login()).kill();
        support::wait_until("it is away", || frontend.sessions_away() == 1);
        let again = Client::connect(skep.frontend(), login());
        assert_eq!(frontend.sessions_away(), 0);
        again.kill();
        support::wait_until("it is away again", || frontend.sessions_away() == 1);
    }
}

#[test]
fn a_client_that_comes_back_to_much_that_was_held_is_not_taken_for_slow() {
    const HELD: u16 = 30;
    let skep = instance();
    let caller = id("back");
    let login = || Login::new(&caller).user("frontend", "abc123").expiry(3600).receive_maximum(1);
    skep.leave_mailbox(&caller, login());
    let mut worker = skep.worker("worker");
    let response = |n: u16| {
        let payload = format!("{n} {}", "x".repeat(BACKLOG / 10));
        Message::new("res/frontend-1-1", payload).qos(1).with("addr", &format!("priv/{caller}@frontend-1"))
    };
    for n in 0..HELD {
        assert_eq!(worker.publish_acked(response(n)), 0);
    }
    let mut client = Client::connect(skep.frontend(), login().resume());
    assert_eq!(worker.publish_acked(response(HELD)), 0);
    for n in 0..=HELD {
        let message = client.message();
        assert!(message.text().starts_with(&format!("{n} ")), "message {n}");
        client.ack(support::client::PUBACK, message.packet_id);
    }
}
