//! SUBSCRIBE and SUBACK (sections 3.8 and 3.9), overlapping subscriptions.

use std::time::Duration;

use super::support::client::{PUBREC, SUBACK};
use super::support::{Message, wait_until};
use super::{join, open, subscribe_packet, subscription_id};

/// [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.8.4-7]
/// [MQTT-3.9.3-1] [MQTT-3.9.3-2] [MQTT-2.2.1-6]
#[test]
fn one_suback_answers_all_filters_in_their_order() {
    let skep = open();
    let mut client = join(&skep, "client");
    let filters = [("a", 2), ("b/#/c", 1), ("c", 0), ("$share//x", 0), ("d", 1), ("a+", 0), ("$share/g/e", 2)];
    client.send(&subscribe_packet(&filters));
    assert_eq!(client.expect(SUBACK).body, [0, 77, 0, 2, 0x8F, 0, 0x8F, 1, 0x8F, 2]);
    for topic in ["a", "c", "d", "e"] {
        client.publish(Message::new(topic, "x"));
        assert_eq!(client.message().topic, topic);
    }
}

/// [MQTT-3.8.4-8] [MQTT-3.8.4-7]
#[test]
fn a_message_comes_at_the_lower_of_its_qos_and_the_granted_one() {
    let skep = open();
    let mut sender = join(&skep, "sender");
    for granted in 0..3 {
        let mut reader = join(&skep, "reader");
        assert_eq!(reader.subscribe("t", granted), granted);
        for published in 0..3 {
            sender.publish(Message::new("t", "x").qos(published));
            assert_eq!(reader.message().qos, published.min(granted), "{published} at {granted}");
        }
        drop(reader);
    }
}

/// [MQTT-3.8.4-3]
#[test]
fn the_same_filter_again_replaces_the_subscription() {
    let skep = open();
    let mut reader = join(&skep, "reader");
    let mut sender = join(&skep, "sender");
    reader.subscribe_with("t", 0, &subscription_id(1));
    reader.subscribe_with("t", 1 | 1 << 3, &subscription_id(2));
    sender.publish_acked(Message::new("t", "x").retain());
    let seen = reader.message();
    assert_eq!((seen.qos, seen.retain, seen.subscription_ids), (1, true, vec![2]));
    reader.assert_no_message();
    reader.subscribe("t", 2 << 4);
    sender.publish_acked(Message::new("t", "x"));
    let seen = reader.message();
    assert_eq!((seen.qos, seen.subscription_ids), (0, vec![]));
    reader.assert_no_message();
    assert_eq!(reader.unsubscribe("t"), 0);
    assert_eq!(reader.unsubscribe("t"), 0x11);
}

/// [MQTT-3.8.4-4]
#[test]
fn no_message_is_lost_while_a_subscription_is_replaced() {
    let skep = open();
    let (mut reader, mut sender) = (join(&skep, "reader"), join(&skep, "sender"));
    reader.subscribe("t", 1);
    for n in 0..200 {
        sender.publish(Message::new("t", n.to_string()).qos(1));
        if n % 10 == 0 {
            reader.send(&subscribe_packet(&[("t", 1)]));
        }
    }
    for n in 0..200 {
        assert_eq!(reader.message().text(), n.to_string());
    }
}

/// [MQTT-3.8.3-3]
#[test]
fn no_local_keeps_a_clients_own_messages_from_it_and_only_those() {
    let skep = open();
    let (mut a, mut b) = (join(&skep, "a"), join(&skep, "b"));
    a.subscribe("t/#", 0b100);
    a.publish_acked(Message::new("t/x", "own"));
    b.publish_acked(Message::new("t/x", "other"));
    assert_eq!(a.message().text(), "other");
    a.assert_no_message();
    // Another subscription of the same client may want them.
    a.subscribe("t/x", 0);
    a.publish_acked(Message::new("t/x", "own"));
    assert_eq!(a.message().text(), "own");
    a.assert_no_message();
}

/// [MQTT-3.3.4-2] [MQTT-3.3.4-3] [MQTT-3.3.4-4] [MQTT-3.3.4-5]
#[test]
fn overlapping_subscriptions_give_the_highest_qos_and_every_identifier() {
    let skep = open();
    let (mut reader, mut sender) = (join(&skep, "reader"), join(&skep, "sender"));
    reader.subscribe_with("t/#", 1, &subscription_id(1));
    reader.subscribe_with("t/+", 2, &subscription_id(268_435_455));
    reader.subscribe("t/x", 0);
    sender.publish(Message::new("t/x", "x").qos(2));
    sender.expect(PUBREC);
    let mut ids = Vec::new();
    let mut highest = 0;
    // One copy or one for each: the specification leaves it open.
    wait_until("both identifiers have come", || {
        while let Some(message) = reader.message_within(Duration::from_millis(2)) {
            highest = highest.max(message.qos);
            ids.extend(message.subscription_ids);
        }
        ids.len() >= 2
    });
    ids.sort_unstable();
    assert_eq!((ids, highest), (vec![1, 268_435_455], 2));
}

/// [MQTT-3.3.4-2] [MQTT-3.3.4-4]
#[test]
fn that_holds_for_a_clients_own_mailbox_and_what_is_below_it() {
    let skep = open();
    let (mut reader, mut sender) = (join(&skep, "reader"), join(&skep, "sender"));
    reader.subscribe_with("priv/reader", 0, &subscription_id(1));
    reader.subscribe_with("priv/reader/#", 1 | 0b100, &subscription_id(2));
    sender.publish_acked(Message::new("priv/reader", "x"));
    let seen = reader.message();
    assert_eq!((seen.qos, seen.subscription_ids), (1, vec![1, 2]));
    sender.publish_acked(Message::new("priv/reader/x", "x"));
    assert_eq!(reader.message().subscription_ids, [2]);
    // What comes of its own is not for the one with no local.
    reader.publish(Message::new("priv/reader", "x"));
    let seen = reader.message();
    assert_eq!((seen.qos, seen.subscription_ids), (0, vec![1]));
    reader.publish(Message::new("priv/reader/x", "x"));
    reader.assert_no_message();
}
