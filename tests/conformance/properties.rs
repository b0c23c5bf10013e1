//! Properties: what is passed on unaltered, topic aliases, packet sizes,
//! reason strings (sections 2.2.2, 3.1.2.11 and 3.3.2.3).

use super::support::client::{DISCONNECT, PUBACK, PUBLISH, SUBACK, field, packet};
use super::support::{Client, Login, Message};
use super::{join, open, property, subscribe_packet};

/// [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18]
/// [MQTT-3.3.2-20]
#[test]
fn properties_are_passed_on_byte_for_byte_wherever_the_message_waited() {
    let skep = open();
    let properties = [
        &[0x26][..],
        &field(b"z"),
        &field("\u{fc}".as_bytes()),
        &[0x01, 1, 0x26],
        &field(b"a"),
        &field(b""),
        &[0x03],
        &field(b"text/plain"),
        &[0x26],
        &field(b"z"),
        &field(b"again"),
        &[0x08],
        &field(b"re/x"),
        &[0x09],
        &field(b"\0\xFF"),
    ]
    .concat();
    let mut here = join(&skep, "here");
    here.subscribe("t", 0);
    let login = || Login::new("away").resume().expiry(600);
    let mut away = Client::connect(skep.backend(), login());
    away.subscribe("t", 1);
    away.kill();
    let mut worker = join(&skep, "worker");
    worker.subscribe("$share/g/t", 1);
    let body = [&field(b"t")[..], &[0, 1, properties.len() as u8], &properties, b"text"].concat();
    let mut sender = join(&skep, "sender");
    sender.send(&packet(0x33, &body));
    sender.expect(PUBACK);
    let mut later = join(&skep, "later");
    later.subscribe("t", 0);
    let mut away = Client::connect(skep.backend(), login());
    for (name, client) in [("here", &mut here), ("away", &mut away), ("worker", &mut worker), ("retained", &mut later)]
    {
        let publish = client.expect(PUBLISH);
        let wanted = [&[properties.len() as u8][..], &properties, b"text"].concat();
        assert!(publish.body.ends_with(&wanted), "{name}: {:x?}", publish.body);
    }
}

/// [MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT-3.3.2-11]
#[test]
fn a_client_gets_as_many_topic_aliases_as_it_allows() {
    let skep = open();
    let mut none = join(&skep, "none");
    let mut two = Client::connect(skep.backend(), Login::new("two").property(0x22, &[0, 2]));
    none.subscribe("t/#", 0);
    two.subscribe("t/#", 0);
    let mut sender = join(&skep, "sender");
    let mut known = [String::new(), String::new()];
    for n in [0, 1, 2, 3, 0, 1, 2, 3] {
        let topic = format!("t/{n}");
        sender.publish(Message::new(&topic, "x"));
        let seen = none.message();
        assert_eq!((seen.topic.as_str(), seen.alias), (topic.as_str(), None));
        let seen = two.message();
        match seen.alias {
            None => assert_eq!(seen.topic, topic),
            Some(alias) => {
                let known = &mut known[alias as usize - 1];
                if !seen.topic.is_empty() {
                    known.clone_from(&seen.topic);
                }
                assert_eq!(*known, topic);
            }
        }
    }
    assert!(known.iter().all(|topic| !topic.is_empty()), "both are used");
}

/// [MQTT-3.3.2-12] [MQTT-3.2.2-17] [MQTT-3.3.2-8] [MQTT-3.3.2-9]
#[test]
fn every_topic_alias_from_1_to_the_maximum_is_good_and_no_other() {
    let skep = open();
    let mut reader = join(&skep, "reader");
    reader.subscribe("t/#", 0);
    let mut sender = join(&skep, "sender");
    let max = property(&sender.connack, 2, 0x22).expect("a topic alias maximum");
    let max = u16::from_be_bytes([max[0], max[1]]);
    for alias in 1..=max {
        sender.publish(Message { alias: Some(alias), ..Message::new(&format!("t/{alias}"), "first") });
        sender.publish(Message { alias: Some(alias), ..Message::new("", "second") });
        let (first, second) = (reader.message(), reader.message());
        assert_eq!((first.topic, second.text()), (second.topic.clone(), "second"));
    }
    // One that is set anew means the new topic.
    sender.publish(Message { alias: Some(1), ..Message::new("t/new", "x") });
    sender.publish(Message { alias: Some(1), ..Message::new("", "x") });
    assert_eq!((reader.message().topic, reader.message().topic), ("t/new".to_owned(), "t/new".to_owned()));
    for alias in [0, max + 1] {
        let mut sender = join(&skep, "other");
        sender.publish(Message { alias: Some(alias), ..Message::new("t/x", "x") });
        assert_eq!(sender.disconnected(), 0x94, "alias {alias}");
    }
}

/// [MQTT-3.3.2-7]
#[test]
fn topic_aliases_end_with_their_connection() {
    let skep = open();
    let login = || Login::new("sender").resume().expiry(600);
    let mut sender = Client::connect(skep.backend(), login());
    sender.publish(Message { alias: Some(1), ..Message::new("t", "x") });
    sender.assert_no_message();
    sender.kill();
    let mut sender = Client::connect(skep.backend(), login());
    assert!(sender.session_present());
    sender.publish(Message { alias: Some(1), ..Message::new("", "x") });
    assert_eq!(sender.disconnected(), 0x82);
    // Ours, too: the topic is said again to the client that comes back.
    let login = || Login::new("reader").resume().expiry(600).property(0x22, &[0, 9]);
    let mut reader = Client::connect(skep.backend(), login());
    reader.subscribe("t", 0);
    let mut sender = join(&skep, "other");
    sender.publish(Message::new("t", "x"));
    assert_eq!(reader.message().topic, "t");
    reader.kill();
    let mut reader = Client::connect(skep.backend(), login());
    sender.publish(Message::new("t", "x"));
    assert_eq!(reader.message().topic, "t");
}

/// [MQTT-3.1.2-24] [MQTT-3.1.2-25]
#[test]
fn a_message_too_large_for_a_client_counts_as_sent() {
    let skep = open();
    let login = Login::new("small").property(0x27, &50u32.to_be_bytes()).receive_maximum(1);
    let mut small = Client::connect(skep.backend(), login);
    let mut large = join(&skep, "large");
    small.subscribe("t", 2);
    large.subscribe("t", 0);
    let mut sender = join(&skep, "sender");
    for qos in 0..3 {
        let id = sender.publish(Message::new("t", "x".repeat(50)).qos(qos));
        if qos > 0 {
            assert_eq!(sender.expect(PUBACK + qos - 1).body, id.to_be_bytes());
        }
        assert_eq!(large.message().payload.len(), 50);
    }
    // To the byte: fixed header 2, topic 3, packet id 2, properties 1.
    sender.publish_acked(Message::new("t", "x".repeat(43)));
    sender.publish_acked(Message::new("t", "x".repeat(42)));
    assert_eq!(small.message().payload.len(), 42);
}

/// [MQTT-3.2.2-15]
#[test]
fn a_packet_larger_than_we_take_ends_the_connection() {
    let skep = super::Instance::open_bus(|bus| bus.connections.max_payload_size = 200);
    let mut client = join(&skep, "client");
    assert_eq!(property(&client.connack, 2, 0x27), Some(200u32.to_be_bytes().to_vec()));
    client.publish_acked(Message::new("t", "x".repeat(190)));
    client.publish(Message::new("t", "x".repeat(200)));
    assert_eq!(client.disconnected(), 0x95);
}

/// [MQTT-3.1.2-29] [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3]
#[test]
fn reasons_in_words_are_for_those_who_want_them() {
    let skep = super::Instance::start();
    for (problem_information, words) in [(None, true), (Some(1), true), (Some(0), false)] {
        let mut login = Login::new("a").user("frontend", "abc123");
        if let Some(value) = problem_information {
            login = login.property(0x17, &[value]);
        }
        let mut client = Client::connect(skep.frontend(), login);
        client.send(&subscribe_packet(&[("secret", 0)]));
        let suback = client.expect(SUBACK);
        assert_eq!(suback.body.last(), Some(&0x87));
        assert_eq!(property(&suback.body, 2, 0x1F).is_some(), words);
        // Acknowledgements are left short for all.
        client.publish(Message::new("secret", "x").qos(1));
        assert_eq!(client.expect(PUBACK).body[2..], [0x87]);
        client.publish(Message::new("secret", "x").qos(2));
        assert_eq!(client.expect(super::support::client::PUBREC).body[2..], [0x87]);
    }
}

/// [MQTT-3.9.2-1] [MQTT-3.9.2-2] [MQTT-3.14.2-3] [MQTT-3.14.2-4] [MQTT-3.1.2-24]
#[test]
fn reasons_in_words_are_left_out_where_they_would_make_a_packet_too_large() {
    let skep = super::Instance::start();
    let login = Login::new("a").user("frontend", "abc123").property(0x27, &30u32.to_be_bytes());
    let mut client = Client::connect(skep.frontend(), login);
    client.send(&subscribe_packet(&[("secret", 0)]));
    assert_eq!(client.expect(SUBACK).body, [0, 77, 0, 0x87]);
    client.send(&packet(0x30, &[0, 1, b'#', 0]));
    assert_eq!(client.expect(DISCONNECT).body, [0x90]);
    client.closed();
    // An answer that can't be made smaller is none.
    let login = Login::new("b").user("frontend", "abc123").property(0x27, &30u32.to_be_bytes());
    let mut client = Client::connect(skep.frontend(), login);
    client.send(&subscribe_packet(&[("msg/x", 0); 40]));
    assert_eq!(client.disconnected(), 0x95);
}

/// [MQTT-2.2.2-1]
#[test]
fn packets_without_properties_say_so() {
    let skep = open();
    let mut client = join(&skep, "client");
    client.send(&subscribe_packet(&[("t", 0)]));
    assert_eq!(client.expect(SUBACK).body, [0, 77, 0, 0]);
    client.publish(Message::new("t", "x"));
    assert_eq!(client.expect(PUBLISH).body, [&field(b"t")[..], &[0], b"x"].concat());
    // A client that leaves the length out is malformed.
    client.send(&packet(0x82, &[0, 1]));
    assert_eq!(client.disconnected(), 0x81);
}
