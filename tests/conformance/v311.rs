//! MQTT 3.1.1, where it differs: answers without properties and with fewer
//! reasons. Numbers of statements here would be those of the older document,
//! so they are given in words.

use super::support::client::{PUBACK, SUBACK, UNSUBACK, field, packet};
use super::support::{Client, Login, Message, PATIENCE, wait_until};
use super::{Instance, join, open};

fn old(skep: &Instance, id: &str) -> Client {
    Client::connect(skep.backend(), Login::new(id).v311())
}

#[test]
fn connack_is_two_bytes_and_the_refusals_have_their_numbers() {
    let skep = Instance::open_bus(|bus| bus.anonymous = None);
    let attempt = |login: Login| Client::attempt(skep.backend(), &login.v311()).connack;
    assert_eq!(attempt(Login::new("a").user("backend", "def456")), [0, 0]);
    assert_eq!(attempt(Login::new("a").user("backend", "wrong")), [0, 4]);
    assert_eq!(attempt(Login::new("a")), [0, 5]);
    assert_eq!(attempt(Login::new("").user("backend", "def456").resume()), [0, 2]);
}

#[test]
fn other_levels_of_the_protocol_are_refused_with_1() {
    let skep = open();
    for level in [0, 1, 2, 3] {
        let mut client = Client::open(skep.backend());
        client.send(&packet(0x10, &[&field(b"MQTT")[..], &[level, 2, 0, 0], &field(b"a")].concat()));
        assert_eq!(client.next(PATIENCE).expect("a CONNACK").body, [0, 1], "level {level}");
        client.closed();
    }
}

#[test]
fn a_password_goes_with_a_user_name() {
    let skep = open();
    let mut client = Client::open(skep.backend());
    client.send(&packet(0x10, &[&field(b"MQTT")[..], &[4, 0x42, 0, 0], &field(b"a"), &field(b"secret")].concat()));
    assert!(client.next(PATIENCE).is_none_or(|answer| answer.body[1] != 0));
    client.closed();
}

#[test]
fn clean_session_0_keeps_a_session_and_1_forgets_it() {
    let skep = open();
    let login = || Login::new("a").v311().resume();
    let mut client = Client::connect(skep.backend(), login());
    assert!(!client.session_present());
    client.subscribe("t", 1);
    client.disconnect();
    wait_until("it is away", || skep.skep().backends()[0].sessions_away() == 1);
    join(&skep, "sender").publish_acked(Message::new("t", "kept").with("name", "value"));
    let mut client = Client::connect(skep.backend(), login());
    assert!(client.session_present());
    let message = client.message();
    assert_eq!(message.text(), "kept");
    client.ack(PUBACK, message.packet_id);
    client.disconnect();
    assert!(!old(&skep, "a").session_present());
    assert!(!Client::connect(skep.backend(), login()).session_present());
}

#[test]
fn suback_knows_one_failure_and_unsuback_none() {
    let skep = open();
    let mut client = old(&skep, "a");
    let filters = [&[0, 5][..], &field(b"a"), &[2], &field(b"b#"), &[0], &field(b"c"), &[0]].concat();
    client.send(&packet(0x82, &filters));
    assert_eq!(client.expect(SUBACK).body, [0, 5, 2, 0x80, 0]);
    client.send(&packet(0xA2, &[&[0, 6][..], &field(b"a"), &field(b"never")].concat()));
    assert_eq!(client.expect(UNSUBACK).body, [0, 6]);
}

#[test]
fn a_denied_message_is_acknowledged_all_the_same() {
    let skep = open();
    let mut client = old(&skep, "a");
    client.publish(Message::new("$SYS/mine", "x").qos(1));
    assert_eq!(client.expect(PUBACK).body, [0, 1]);
}

#[test]
fn a_clients_own_messages_come_back_to_it_without_a_retain_flag() {
    let skep = open();
    let mut client = old(&skep, "a");
    client.subscribe("t", 0);
    client.publish(Message::new("t", "x").retain());
    assert!(!client.message().retain);
    client.subscribe("t", 0);
    assert!(client.message().retain, "one that was kept has it");
}

#[test]
fn the_newer_versions_options_are_malformed_here() {
    let skep = open();
    let mut client = old(&skep, "a");
    client.send(&packet(0x82, &[&[0, 5][..], &field(b"a"), &[0b100]].concat()));
    client.closed();
}
