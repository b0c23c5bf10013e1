//! CONNECT and CONNACK (sections 3.1 and 3.2), keep-alive, AUTH.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::support::client::{CONNACK, DISCONNECT, PINGRESP, field, packet};
use super::support::{Client, Login, Message, PATIENCE};
use super::{join, open, property};

/// A CONNECT of MQTT 5 from its flags and payload fields, without properties.
fn connect(flags: u8, payload: &[&[u8]]) -> Vec<u8> {
    let head = [&field(b"MQTT")[..], &[5, flags, 0, 0, 0]].concat();
    packet(0x10, &[head, payload.concat()].concat())
}

/// Sends first bytes; gives back the CONNACK's reason code. Nothing follows it.
fn refused(address: std::net::SocketAddr, bytes: &[u8]) -> u8 {
    let mut client = Client::open(address);
    client.send(bytes);
    let connack = client.expect(CONNACK);
    assert_eq!(connack.body[0], 0, "no session is present for somebody refused");
    assert_eq!(client.next(PATIENCE), None, "nothing comes after a refusal");
    client.closed();
    connack.body[1]
}

/// [MQTT-3.1.0-1] [MQTT-4.13.1-1]
#[test]
fn nothing_but_connect_opens_a_connection() {
    let skep = open();
    let mut watcher = join(&skep, "watcher");
    watcher.subscribe("#", 0);
    for first in [Message::new("t", "x").packet(5), vec![0xC0, 0], vec![0xE0, 0], vec![0xF0, 0]] {
        let mut client = Client::open(skep.backend());
        client.send(&first);
        assert!(client.next(PATIENCE).is_none_or(|answer| answer.kind() == CONNACK && answer.body[1] >= 0x80));
        client.closed();
    }
    watcher.assert_no_message();
}

/// [MQTT-3.1.0-2]
#[test]
fn a_second_connect_is_a_protocol_error() {
    let skep = open();
    let mut client = join(&skep, "twice");
    client.send(&Login::new("twice").packet());
    assert_eq!(client.disconnected(), 0x82);
}

/// [MQTT-3.1.2-1] [MQTT-3.1.2-2]
#[test]
fn another_protocol_or_version_is_refused_in_words() {
    let skep = open();
    let first = |name: &[u8], version| packet(0x10, &[&field(name)[..], &[version, 2, 0, 0, 0], &field(b"a")].concat());
    for version in [6, 9, 255] {
        assert_eq!(refused(skep.backend(), &first(b"MQTT", version)), 0x84, "version {version}");
    }
    assert_eq!(refused(skep.backend(), &first(b"MQXX", 5)), 0x84);
    assert_eq!(refused(skep.backend(), &first(b"mqtt", 5)), 0x84);
    // In 3.1.1 and before, the same answer has the number 1.
    assert_eq!(refused(skep.backend(), &first(b"MQIsdp", 3)), 1);
}

/// [MQTT-3.1.2-3] [MQTT-3.1.2-9] [MQTT-3.1.2-11] [MQTT-3.1.2-12] [MQTT-3.1.2-13]
/// [MQTT-3.1.2-16] [MQTT-3.1.2-17] [MQTT-3.1.2-18] [MQTT-3.1.2-19]
/// [MQTT-3.1.3-1] [MQTT-3.1.3-3] [MQTT-3.1.4-1]
#[test]
fn a_connect_has_exactly_the_fields_that_its_flags_say() {
    let skep = open();
    let (id, text) = (&field(b"id")[..], &field(b"text")[..]);
    for (name, flags, payload) in [
        ("the reserved flag", 0x03, &[id][..]),
        ("will QoS without a will", 0x0A, &[id]),
        ("will retain without a will", 0x22, &[id]),
        ("will QoS 3", 0x1E, &[id, &[0], text, text]),
        ("a will that is not there", 0x06, &[id]),
        ("a will without a payload", 0x06, &[id, &[0], text]),
        ("will fields without the flag", 0x02, &[id, &[0], text, text]),
        ("a user name that is not there", 0x82, &[id]),
        ("a user name without the flag", 0x02, &[id, text]),
        ("a password that is not there", 0xC2, &[id, text]),
        ("a password without the flag", 0x82, &[id, text, text]),
        ("no client id", 0x02, &[]),
        ("a client id past the end", 0x02, &[&[0, 9, b'a']]),
        ("a byte too many", 0x02, &[id, &[0]]),
    ] {
        assert_eq!(refused(skep.backend(), &connect(flags, payload)), 0x81, "{name}");
    }
}

/// [MQTT-3.1.3-4] [MQTT-3.1.3-11] [MQTT-3.1.3-12] [MQTT-1.5.4-1] [MQTT-1.5.4-2]
#[test]
fn text_in_a_connect_is_utf_8_without_u_0000() {
    let skep = open();
    let (id, text) = (&field(b"id")[..], &field(b"text")[..]);
    for bad in [&field(b"\xFF")[..], &field(b"a\0b"), &field(b"\xED\xA0\x80"), &field(b"\xC0\x80")] {
        for (name, flags, payload) in [
            ("client id", 0x02, &[bad][..]),
            ("will topic", 0x06, &[id, &[0], bad, text]),
            ("user name", 0x82, &[id, bad]),
        ] {
            assert_eq!(refused(skep.backend(), &connect(flags, payload)), 0x81, "{name} {bad:x?}");
        }
    }
}

/// [MQTT-3.1.3-5]
#[test]
fn every_letter_and_digit_is_good_in_a_client_id_of_up_to_23_bytes() {
    let skep = open();
    for id in ["a", "0", "0123456789abcdefghijklm", "nopqrstuvwxyzABCDEFGHIJ", "KLMNOPQRSTUVWXYZ"] {
        join(&skep, id).assert_no_message();
    }
    // skep takes more than has to be taken.
    join(&skep, &"ü-_/ ".repeat(40)).assert_no_message();
}

/// [MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16]
#[test]
fn clients_without_an_id_get_one_each_and_can_come_back_with_it() {
    let skep = open();
    let mut ids = BTreeSet::new();
    for _ in 0..20 {
        let client = Client::connect(skep.backend(), Login::new("").expiry(60));
        let given = property(&client.connack, 2, 0x12).expect("an assigned client id");
        ids.insert(String::from_utf8(given[2..].to_vec()).expect("text"));
    }
    assert_eq!(ids.len(), 20);
    let id = ids.first().expect("twenty");
    let back = Client::connect(skep.backend(), Login::new(id).resume().expiry(60));
    assert!(back.session_present());
    assert_eq!(property(&back.connack, 2, 0x12), None);
}

/// [MQTT-3.1.3-8]
#[test]
fn a_client_id_past_the_limit_is_not_valid() {
    let skep = open();
    assert_eq!(refused(skep.backend(), &Login::new(&"x".repeat(257)).packet()), 0x85);
    join(&skep, &"x".repeat(256)).assert_no_message();
}

/// [MQTT-3.1.4-2] [MQTT-3.1.4-6] [MQTT-3.2.2-6] [MQTT-3.2.2-7] [MQTT-3.2.2-8]
/// [MQTT-3.14.0-1] [MQTT-4.13.2-1]
#[test]
fn who_is_refused_hears_why_once_and_nothing_of_what_it_sent_is_done() {
    let skep = open();
    let mut watcher = join(&skep, "watcher");
    watcher.subscribe("#", 0);
    let publish = Message::new("t", "x").packet(5);
    let login = Login::new("a").user("backend", "wrong").packet();
    assert_eq!(refused(skep.backend(), &[login, publish].concat()), 0x86);
    watcher.assert_no_message();
}

/// [MQTT-3.1.4-5] [MQTT-3.2.0-1] [MQTT-3.2.0-2] [MQTT-3.2.2-1]
#[test]
fn connack_comes_first_and_once() {
    let skep = open();
    let login = || Login::new("back").expiry(60);
    let mut client = Client::connect(skep.backend(), login());
    client.subscribe("t", 1);
    client.kill();
    join(&skep, "sender").publish_acked(Message::new("t", "x"));
    let mut client = Client::open(skep.backend());
    client.send(&login().resume().packet());
    let first = client.next(PATIENCE).expect("an answer");
    assert_eq!((first.kind(), first.body[0], first.body[1]), (CONNACK, 1, 0));
    client.send(&[0xC0, 0]);
    while let Some(packet) = client.next(PATIENCE) {
        assert_ne!(packet.kind(), CONNACK);
        if packet.kind() == PINGRESP {
            break;
        }
    }
}

/// [MQTT-3.1.2-22] [MQTT-3.2.2-21] [MQTT-3.2.2-22]
#[test]
fn a_keep_alive_imposed_by_the_server_is_told_and_kept() {
    let skep = super::Instance::open_bus(|bus| bus.connections.max_keep_alive_s = 1);
    let began = Instant::now();
    let mut silent = Client::connect(skep.backend(), Login::new("silent").keep_alive(600));
    assert_eq!(property(&silent.connack, 2, 0x13), Some(vec![0, 1]));
    let content = Client::connect(skep.backend(), Login::new("content").keep_alive(1));
    assert_eq!(property(&content.connack, 2, 0x13), None);
    assert_eq!(silent.disconnected(), 0x8D);
    assert!(began.elapsed().as_millis() >= 1500);
}

/// [MQTT-3.1.2-22]
#[test]
fn bytes_that_make_no_packet_are_no_sign_of_life() {
    let skep = open();
    let began = Instant::now();
    let mut client = Client::connect(skep.backend(), Login::new("dribbles").keep_alive(1));
    let publish = Message::new("t", "x".repeat(10_000)).packet(5);
    let mut bytes = publish.chunks(1);
    let ended = loop {
        client.try_send(bytes.next().expect("it is ended long before"));
        if let Some(packet) = client.next(Duration::from_millis(20)) {
            break packet;
        }
        assert!(began.elapsed() < PATIENCE, "a client that sends a byte now and then is kept");
    };
    assert_eq!((ended.kind(), ended.body[0]), (DISCONNECT, 0x8D));
    assert!(began.elapsed().as_millis() >= 1500);
}

/// A client can't send PINGREQ in the middle of a packet.
#[test]
fn a_large_packet_may_take_longer_than_the_keep_alive() {
    let skep = open();
    let mut reader = join(&skep, "reader");
    reader.subscribe("t", 0);
    let mut client = Client::connect(skep.backend(), Login::new("large").keep_alive(1));
    let payload = "x".repeat(700_000);
    let began = Instant::now();
    for part in Message::new("t", &payload).packet(5).chunks(100_000) {
        client.send(part);
        assert_eq!(client.next(Duration::from_millis(250)), None, "it is not ended");
    }
    assert!(began.elapsed().as_millis() >= 1750, "longer than a silent client is given");
    assert!(reader.message().text() == payload);
}

/// [MQTT-3.12.4-1]
#[test]
fn a_ping_is_answered() {
    let skep = open();
    let mut client = join(&skep, "client");
    client.send(&[0xC0, 0]);
    assert!(client.expect(PINGRESP).body.is_empty());
}

/// [MQTT-4.12.0-1] [MQTT-4.12.0-6]
#[test]
fn enhanced_authentication_is_refused_and_never_begun() {
    let skep = open();
    let login = Login::new("a").property(0x15, &field(b"SCRAM-SHA-1"));
    assert_eq!(refused(skep.backend(), &login.packet()), 0x8C);
    let mut client = join(&skep, "b");
    assert_eq!(property(&client.connack, 2, 0x15), None);
    client.send(&[0xF0, 0]);
    assert_eq!(client.disconnected(), 0x8C);
}

/// [MQTT-3.1.2-28]
#[test]
fn response_information_is_for_those_who_ask() {
    let skep = open();
    let ask = |value: u8| Client::connect(skep.backend(), Login::new("me").property(0x19, &[value])).connack;
    assert_eq!(property(&ask(1), 2, 0x1A), Some(field(b"priv/me")));
    assert_eq!(property(&ask(0), 2, 0x1A), None);
    assert_eq!(property(&join(&skep, "other").connack, 2, 0x1A), None);
}

/// [MQTT-3.2.2-9] [MQTT-3.2.2-10] [MQTT-3.2.2-12] [MQTT-3.2.2-13]
#[test]
fn all_of_mqtt_is_available_and_nothing_is_said_to_lack() {
    let skep = open();
    let login = Login::new("whole").will("w", "x", 0x30, &[]);
    let mut client = Client::connect(skep.backend(), login);
    for limit in [0x24, 0x25, 0x28, 0x29, 0x2A] {
        assert_eq!(property(&client.connack, 2, limit), None, "{limit:#x}");
    }
    for qos in 0..3 {
        assert_eq!(client.subscribe("+/a", qos), qos);
    }
}

/// [MQTT-3.1.2-24] [MQTT-3.2.2-19] [MQTT-3.2.2-20]
#[test]
fn a_connack_is_no_larger_than_the_client_takes() {
    let skep = open();
    let size = |login: &Login| Client::attempt(skep.backend(), login).connack.len() + 2;
    let small = |login: Login, max: u32| login.property(0x27, &max.to_be_bytes());
    // A refusal leaves its words out.
    let wrong = || Login::new("a").user("backend", "wrong");
    assert!(size(&wrong()) > 20);
    assert_eq!(Client::attempt(skep.backend(), &small(wrong(), 20)).connack, [0, 0x86, 0]);
    // What a client has to know it can't do without.
    assert_eq!(Client::attempt(skep.backend(), &small(Login::new("a"), 10)).connack, [0, 0x95, 0]);
    let mut nothing = Client::open(skep.backend());
    nothing.send(&small(Login::new("a"), 4).packet());
    assert_eq!(nothing.next(PATIENCE), None);
    nothing.closed();
    assert!(size(&small(Login::new("a"), 30)) <= 30);
}

/// [MQTT-3.1.4-3]
#[test]
fn a_client_whose_id_is_used_elsewhere_is_told_so_and_closed() {
    let skep = open();
    let mut first = join(&skep, "same");
    let mut second = join(&skep, "same");
    let goodbye = first.expect(DISCONNECT);
    assert_eq!(goodbye.body[0], 0x8E);
    first.closed();
    second.assert_no_message();
}
