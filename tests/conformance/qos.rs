//! Acknowledgements and flow control (sections 3.4 to 3.7, 4.3 and 4.9).

use super::support::client::{PINGRESP, PUBACK, PUBCOMP, PUBREC, PUBREL, SUBACK, packet};
use super::support::{Client, Login, Message, PATIENCE};
use super::{join, open, subscribe_packet};

fn with_id(message: Message, id: u16) -> Message {
    Message { packet_id: id, ..message }
}

/// [MQTT-3.3.4-1] [MQTT-2.2.1-2] [MQTT-2.2.1-5] [MQTT-4.3.2-4] [MQTT-4.3.3-8]
/// [MQTT-4.3.3-11] [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.7.2-1]
#[test]
fn each_quality_of_service_has_its_answer_with_the_same_packet_id() {
    let skep = open();
    let mut client = join(&skep, "client");
    client.publish(Message::new("t", "x"));
    for id in [1, 256, 65_535] {
        client.publish(with_id(Message::new("t", "x").qos(1), id));
        client.publish(with_id(Message::new("t", "x").qos(2), id));
        client.ack(PUBREL, id);
        for (kind, reason) in [(PUBACK, Some(0x10)), (PUBREC, Some(0x10)), (PUBCOMP, None)] {
            let answer = client.next(PATIENCE).expect("an answer");
            assert_eq!((answer.first, &answer.body[..2]), (kind << 4, &id.to_be_bytes()[..]));
            assert_eq!(answer.body.get(2).copied(), reason);
        }
    }
}

/// [MQTT-4.3.2-1] [MQTT-4.3.2-2] [MQTT-4.3.3-1] [MQTT-4.3.3-2] [MQTT-2.2.1-4]
#[test]
fn a_new_message_gets_a_packet_id_that_is_free_and_no_dup() {
    let skep = open();
    let mut reader = join(&skep, "reader");
    reader.subscribe("t", 2);
    let mut sender = join(&skep, "sender");
    for n in 0..50 {
        sender.publish(Message::new("t", "x").qos(1 + n % 2));
    }
    let mut ids: Vec<_> = (0..50)
        .map(|n| {
            let message = reader.message();
            assert_eq!((message.qos, message.dup), (1 + n % 2, false));
            message.packet_id
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), ids[0] > 0), (50, true));
}

/// [MQTT-4.3.2-5]
#[test]
fn after_puback_the_same_packet_id_is_a_new_message_whatever_dup_says() {
    let skep = open();
    let mut reader = join(&skep, "reader");
    reader.subscribe("t", 0);
    let mut sender = join(&skep, "sender");
    let mut message = with_id(Message::new("t", "x"), 9);
    for dup in [false, true, true] {
        message.dup = dup;
        assert_eq!(sender.publish_acked(message.clone()), 0);
        assert_eq!(reader.message().text(), "x");
    }
}

/// [MQTT-4.3.3-9]
#[test]
fn after_a_pubrec_with_an_error_the_same_packet_id_is_a_new_message() {
    let skep = open();
    let mut reader = join(&skep, "reader");
    reader.subscribe("t", 0);
    let mut sender = join(&skep, "sender");
    sender.publish(with_id(Message::new("$SYS/mine", "x").qos(2), 9));
    assert_eq!(sender.expect(PUBREC).body, [0, 9, 0x87]);
    sender.publish(with_id(Message::new("t", "new").qos(2), 9));
    assert_eq!(sender.expect(PUBREC).body, [0, 9]);
    assert_eq!(reader.message().text(), "new");
}

/// [MQTT-4.3.3-10] [MQTT-4.3.3-12]
#[test]
fn until_pubrel_a_qos_2_message_is_the_same_one_also_on_a_new_connection() {
    let skep = open();
    let mut reader = join(&skep, "reader");
    reader.subscribe("t", 0);
    let login = || Login::new("sender").resume().expiry(600);
    let mut sender = Client::connect(skep.backend(), login());
    let mut message = with_id(Message::new("t", "once").qos(2), 9);
    sender.publish(message.clone());
    sender.expect(PUBREC);
    sender.kill();
    let mut sender = Client::connect(skep.backend(), login());
    message.dup = true;
    sender.publish(message.clone());
    sender.expect(PUBREC);
    assert_eq!(reader.message().text(), "once");
    reader.assert_no_message();
    sender.ack(PUBREL, 9);
    assert_eq!(sender.expect(PUBCOMP).body, [0, 9]);
    sender.publish(message);
    sender.expect(PUBREC);
    assert_eq!(reader.message().text(), "once");
}

/// [MQTT-4.3.3-4] [MQTT-3.6.1-1] [MQTT-3.6.2-1]
#[test]
fn pubrec_is_answered_with_pubrel_unless_it_is_an_error() {
    let skep = open();
    let mut reader = join(&skep, "reader");
    reader.subscribe("t", 2);
    let mut sender = join(&skep, "sender");
    sender.publish(Message::new("t", "x").qos(2));
    let id = reader.message().packet_id;
    reader.ack(PUBREC, id);
    let pubrel = reader.expect(PUBREL);
    assert_eq!((pubrel.first, &pubrel.body[..]), (0x62, &id.to_be_bytes()[..]));
    // For a packet id that nobody knows it says so.
    reader.ack(PUBREC, 999);
    assert_eq!(reader.expect(PUBREL).body, [999u16.to_be_bytes()[0], 999u16.to_be_bytes()[1], 0x92]);
    sender.publish(Message::new("t", "y").qos(2));
    let id = reader.message().packet_id.to_be_bytes();
    reader.send(&packet(0x50, &[id[0], id[1], 0x97]));
    reader.send(&[0xC0, 0]);
    assert_eq!(reader.next(PATIENCE).expect("an answer").kind(), PINGRESP);
}

/// [MQTT-3.3.4-9] [MQTT-3.3.4-10] [MQTT-4.9.0-1] [MQTT-4.9.0-2] [MQTT-4.9.0-3]
#[test]
fn past_the_receive_maximum_only_messages_wait() {
    let skep = open();
    let mut reader = Client::connect(skep.backend(), Login::new("reader").receive_maximum(2));
    reader.subscribe("t", 2);
    let mut sender = join(&skep, "sender");
    for n in 0..5 {
        sender.publish(Message::new("t", n.to_string()).qos(2));
        sender.expect(PUBREC);
    }
    let held: Vec<_> = (0..2).map(|_| reader.message()).collect();
    reader.assert_no_message();
    // All else goes on, and QoS 0 has no quota.
    reader.send(&subscribe_packet(&[("other", 0)]));
    reader.expect(SUBACK);
    sender.publish(Message::new("other", "q0"));
    assert_eq!(reader.message().text(), "q0");
    assert_eq!(reader.publish_acked(Message::new("nobody", "x")), 0x10);
    // PUBREC makes no room, PUBCOMP does.
    reader.ack(PUBREC, held[0].packet_id);
    reader.expect(PUBREL);
    reader.assert_no_message();
    reader.ack(PUBCOMP, held[0].packet_id);
    assert_eq!(reader.message().text(), "2");
    // So does a PUBREC with an error.
    let id = held[1].packet_id.to_be_bytes();
    reader.send(&packet(0x50, &[id[0], id[1], 0x80]));
    assert_eq!(reader.message().text(), "3");
    reader.assert_no_message();
}

/// [MQTT-3.3.4-7]
#[test]
fn a_client_that_exceeds_our_receive_maximum_is_disconnected() {
    let skep = super::Instance::open_bus(|bus| bus.connections.max_inflight_count = 2);
    let mut sender = join(&skep, "sender");
    assert_eq!(super::property(&sender.connack, 2, 0x21), Some(vec![0, 2]));
    for _ in 0..3 {
        sender.publish(Message::new("t", "x").qos(2));
    }
    assert_eq!(sender.disconnected(), 0x93);
}
