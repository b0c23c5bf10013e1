//! PUBLISH: topics, the retain flag, retained messages (sections 3.3.1, 4.6, 4.7).

use super::support::client::{PUBACK, PUBREC};
use super::support::{Client, Login, Message, wait_until};
use super::{Instance, join, open};

/// The retained message of a topic, as a new subscriber gets it.
fn retained(skep: &Instance, topic: &str) -> Option<Message> {
    let mut reader = join(skep, "");
    reader.subscribe(topic, 2);
    reader.send(&[0xC0, 0]);
    let first = reader.next(super::support::PATIENCE).expect("a message or PINGRESP");
    (first.kind() == 3).then(|| Message::parse(&first, 5))
}

/// [MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-7] [MQTT-3.3.1-8]
#[test]
fn a_retained_message_is_replaced_removed_and_otherwise_left_alone() {
    let skep = open();
    let mut sender = join(&skep, "sender");
    sender.publish_acked(Message::new("r", "one").retain());
    sender.publish_acked(Message::new("r", "not retained"));
    let kept = retained(&skep, "r").expect("a retained message");
    assert_eq!((kept.text(), kept.qos, kept.retain), ("one", 1, true));
    sender.publish(Message::new("r", "two").qos(2).retain());
    sender.expect(PUBREC);
    let kept = retained(&skep, "r").expect("a retained message");
    assert_eq!((kept.text(), kept.qos), ("two", 2));
    // An empty payload that is not to be retained removes nothing.
    sender.publish_acked(Message::new("r", ""));
    assert!(retained(&skep, "r").is_some());
    let mut listener = join(&skep, "listener");
    listener.subscribe("r", 2 << 4);
    sender.publish_acked(Message::new("r", "").retain());
    assert_eq!(listener.message().text(), "", "it is passed on like any other");
    assert_eq!(retained(&skep, "r"), None);
    sender.publish_acked(Message::new("never", "").retain());
    assert_eq!(retained(&skep, "never"), None);
}

/// [MQTT-3.3.1-12] [MQTT-3.3.1-13]
#[test]
fn the_retain_flag_is_passed_on_to_those_who_asked_for_it() {
    let skep = open();
    let (mut plain, mut exact) = (join(&skep, "plain"), join(&skep, "exact"));
    plain.subscribe("t", 0);
    exact.subscribe("t", 1 << 3);
    let mut sender = join(&skep, "sender");
    for retain in [true, false] {
        let message = Message::new("t", "x");
        sender.publish_acked(if retain { message.retain() } else { message });
        assert!(!plain.message().retain);
        assert_eq!(exact.message().retain, retain);
    }
}

/// [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11] [MQTT-3.8.4-4]
#[test]
fn retain_handling_says_when_retained_messages_come() {
    let skep = open();
    let mut sender = join(&skep, "sender");
    for n in 0..3 {
        sender.publish_acked(Message::new(&format!("r/{n}"), "x").retain());
    }
    let mut reader = join(&skep, "reader");
    let mut count = |handling: u8| {
        reader.subscribe("r/+", handling << 4);
        reader.send(&[0xC0, 0]);
        std::iter::from_fn(|| reader.next(super::support::PATIENCE)).take_while(|packet| packet.kind() == 3).count()
    };
    assert_eq!(count(2), 0, "never");
    assert_eq!(count(1), 0, "only with a new subscription");
    assert_eq!(count(0), 3, "always");
    let mut fresh = join(&skep, "fresh");
    fresh.subscribe("r/+", 1 << 4);
    for _ in 0..3 {
        assert!(fresh.message().retain);
    }
}

/// [MQTT-3.3.2-3] [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.2-1] [MQTT-4.7.3-4]
#[test]
fn a_message_comes_if_and_only_if_its_topic_matches_as_it_is_written() {
    let skep = open();
    let mut sender = join(&skep, "sender");
    for (filter, matching, other) in [
        (
            "sport/tennis/#",
            &["sport/tennis", "sport/tennis/a", "sport/tennis/a/b/"][..],
            &["sport", "sport/tennis2"][..],
        ),
        ("sport/+", &["sport/", "sport/a"], &["sport", "sport/a/b"]),
        ("+/+", &["/a", "a/", "/"], &["a", "a/b/c"]),
        ("/+", &["/a"], &["a", "a/b"]),
        ("+", &["a"], &["/a", "a/"]),
        ("a//b", &["a//b"], &["a/b", "a///b"]),
        ("Accounts", &["Accounts"], &["accounts", "Accounts/", "/Accounts", " Accounts"]),
        // The same letter composed and decomposed: two topics.
        ("caf\u{e9}", &["caf\u{e9}"], &["cafe\u{301}"]),
        ("a b/\u{feff}c", &["a b/\u{feff}c"], &["a b/c"]),
    ] {
        let mut reader = join(&skep, "");
        assert!(reader.subscribe(filter, 0) < 0x80, "{filter}");
        for topic in other.iter().chain(matching) {
            sender.publish_acked(Message::new(topic, *topic));
        }
        for topic in matching {
            assert_eq!(reader.message().topic, *topic, "{filter}");
        }
        reader.assert_no_message();
    }
    // `$` topics are for those who name them.
    let mut wild = join(&skep, "wild");
    for filter in ["#", "+/broker/version", "+/#"] {
        wild.subscribe(filter, 0);
    }
    wild.assert_no_message();
    wild.subscribe("$SYS/broker/+", 0);
    assert!(wild.message().topic.starts_with("$SYS/broker/"));
}

/// [MQTT-4.6.0-5] [MQTT-4.6.0-6]
#[test]
fn messages_of_one_client_on_one_topic_arrive_in_order() {
    let skep = open();
    let mut readers: Vec<_> = (0..3).map(|n| join(&skep, &format!("reader-{n}"))).collect();
    for (qos, reader) in readers.iter_mut().enumerate() {
        reader.subscribe("t/#", qos as u8);
    }
    let mut sender = join(&skep, "sender");
    for n in 0..200 {
        sender.publish(Message::new("t/x", n.to_string()).qos(1));
    }
    for reader in &mut readers {
        for n in 0..200 {
            assert_eq!(reader.message().text(), n.to_string());
        }
    }
}

/// [MQTT-3.3.1-2] [MQTT-3.3.1-3] [MQTT-4.3.1-1]
#[test]
fn dup_is_about_this_connection_and_never_set_at_qos_0() {
    let skep = open();
    let (mut q0, mut q1) = (join(&skep, "q0"), join(&skep, "q1"));
    q0.subscribe("t", 0);
    q1.subscribe("t", 1);
    let mut message = Message::new("t", "x").qos(1);
    message.dup = true;
    join(&skep, "sender").publish_acked(message);
    let seen = q0.message();
    assert_eq!((seen.qos, seen.dup, seen.packet_id), (0, false, 0));
    let seen = q1.message();
    assert_eq!((seen.qos, seen.dup), (1, false));
}

/// [MQTT-3.3.2-5] [MQTT-3.3.2-6] [MQTT-4.3.3-7] [MQTT-4.3.3-13]
#[test]
fn expiry_ends_what_has_not_begun_and_nothing_else() {
    let skep = open();
    let login = || Login::new("a").resume().expiry(600).receive_maximum(1);
    let mut client = Client::connect(skep.backend(), login());
    client.subscribe("t", 2);
    let mut sender = join(&skep, "sender");
    sender.publish(Message::new("t", "begun").qos(2).expiry(1));
    let begun = client.message();
    assert!(matches!(begun.expiry, Some(1)));
    sender.publish_acked(Message::new("t", "waits").expiry(1));
    sender.publish_acked(Message::new("t", "stays").expiry(600));
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    client.kill();
    wait_until("it is away", || skep.skep().backends()[0].sessions_away() == 1);
    let mut client = Client::connect(skep.backend(), login());
    let again = client.message();
    assert_eq!((again.text(), again.dup, again.packet_id), ("begun", true, begun.packet_id));
    client.ack(PUBREC, again.packet_id);
    client.expect(super::support::client::PUBREL);
    client.ack(super::support::client::PUBCOMP, again.packet_id);
    let next = client.message();
    assert_eq!(next.text(), "stays");
    assert!(matches!(next.expiry, Some(590..=599)), "{:?}", next.expiry);
    client.ack(PUBACK, next.packet_id);
    client.assert_no_message();
}

/// [MQTT-3.3.2-6]
#[test]
fn an_expiry_interval_is_never_passed_on_longer_than_it_came() {
    let skep = open();
    let mut reader = join(&skep, "reader");
    reader.subscribe("t", 0);
    let mut sender = join(&skep, "sender");
    for seconds in [0, 1, 2, 600, u32::MAX] {
        sender.publish(Message::new("t", "x").expiry(seconds));
        // One that is to live for no time at all may come, or not.
        sender.publish(Message::new("t", "end"));
        let seen = reader.message();
        if seen.text() == "x" {
            let left = seen.expiry.expect("an expiry interval");
            assert!(left <= seconds && left >= seconds.saturating_sub(2), "{left} of {seconds}");
            assert_eq!(reader.message().text(), "end");
        } else {
            assert_eq!(seconds, 0);
        }
    }
}

/// [MQTT-4.7.3-1] [MQTT-4.7.3-3]
#[test]
fn a_topic_has_1_to_65535_bytes() {
    let skep = open();
    let mut client = join(&skep, "client");
    let long = "x".repeat(65_535);
    assert_eq!(client.subscribe(&long, 0), 0);
    assert_eq!(client.publish_acked(Message::new(&long, "x")), 0);
    assert_eq!(client.message().topic, long);
    assert_eq!(client.subscribe("", 0), 0x8F);
}

/// [MQTT-1.5.4-3]
#[test]
fn a_byte_order_mark_is_a_letter_like_any_other() {
    let skep = open();
    let mut client = join(&skep, "client");
    client.subscribe("\u{feff}t", 0);
    client.publish(Message::new("\u{feff}t", "x").with("\u{feff}k", "\u{feff}v"));
    let seen = client.message();
    assert_eq!((seen.topic.as_str(), seen.get("\u{feff}k")), ("\u{feff}t", Some("\u{feff}v")));
}
