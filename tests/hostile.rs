//! Clients that mean harm: what they may take up is bounded, and others go on.

mod support;

use support::client::{field, packet};
use support::{Client, Instance, Login, Message, id};

/// A quarter of what these clients would have skep keep.
const BACKLOG: usize = 256 * 1024;

fn instance() -> Instance {
    Instance::start_with(|config| {
        let frontend = config.frontend.get_mut("frontend-1").expect("the sample frontend");
        frontend.connections.max_backlog_bytes = BACKLOG;
        frontend.topics.max_filters = 20;
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
    send_until_ended(&mut client, &many, 1_000);
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
}
