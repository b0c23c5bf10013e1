//! UNSUBSCRIBE and UNSUBACK (sections 3.10 and 3.11).

use super::support::Message;
use super::support::client::{PUBACK, PUBREC, UNSUBACK};
use super::support::{Client, Login};
use super::{join, open, unsubscribe_packet};

/// [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.10.4-6] [MQTT-3.11.3-1] [MQTT-3.11.3-2]
/// [MQTT-2.2.1-6]
#[test]
fn one_unsuback_answers_all_filters_in_their_order() {
    let skep = open();
    let mut client = join(&skep, "client");
    client.subscribe("a", 0);
    client.subscribe("$share/g/b", 0);
    client.send(&unsubscribe_packet(&["a", "never", "a", "#/x", "$share/g/b"]));
    assert_eq!(client.expect(UNSUBACK).body, [0, 78, 0, 0, 0x11, 0x11, 0x8F, 0]);
    client.send(&unsubscribe_packet(&["never"]));
    assert_eq!(client.expect(UNSUBACK).body, [0, 78, 0, 0x11]);
}

/// [MQTT-3.10.4-1] [MQTT-3.10.4-2]
#[test]
fn only_the_very_same_filter_is_taken_out_and_at_once() {
    let skep = open();
    let mut client = join(&skep, "client");
    client.subscribe("t/#", 0);
    client.subscribe("t/+", 0);
    for other in ["t/x", "T/#", "t/#/", "#"] {
        assert!(client.unsubscribe(other) >= 0x11, "{other}");
    }
    assert_eq!(client.unsubscribe("t/#"), 0);
    client.publish(Message::new("t/x/y", "x"));
    client.assert_no_message();
    client.publish(Message::new("t/x", "x"));
    assert_eq!(client.message().topic, "t/x");
    assert_eq!(client.unsubscribe("t/+"), 0);
    client.publish(Message::new("t/x", "x"));
    client.assert_no_message();
}

/// [MQTT-3.10.4-3]
#[test]
fn what_was_begun_is_finished_after_an_unsubscribe() {
    let skep = open();
    let login = || Login::new("reader").resume().expiry(600);
    let mut reader = Client::connect(skep.backend(), login());
    reader.subscribe("t", 2);
    let mut sender = join(&skep, "sender");
    sender.publish_acked(Message::new("t", "one"));
    sender.publish(Message::new("t", "two").qos(2));
    sender.expect(PUBREC);
    let (one, two) = (reader.message(), reader.message());
    assert_eq!(reader.unsubscribe("t"), 0);
    reader.kill();
    let mut reader = Client::connect(skep.backend(), login());
    for sent in [one, two] {
        let again = reader.message();
        assert_eq!((again.dup, again.packet_id, again.payload), (true, sent.packet_id, sent.payload));
        reader.ack(if again.qos == 1 { PUBACK } else { PUBREC }, again.packet_id);
    }
    sender.publish(Message::new("t", "three"));
    reader.assert_no_message();
}
