//! Shared subscriptions (section 4.8.2).

use std::time::Duration;

use super::support::client::{PUBREC, field, packet};
use super::support::{Client, Login, Message, wait_until};
use super::{join, open};

/// [MQTT-4.8.2-1] [MQTT-4.8.2-2]
#[test]
fn a_shared_subscription_has_a_name_and_a_filter() {
    let skep = open();
    let mut client = join(&skep, "client");
    for (filter, good) in [
        ("$share/g/t", true),
        ("$share/g//", true),
        ("$share/g/#", true),
        ("$share/g", false),
        ("$share/", false),
        ("$share//t", false),
        ("$share/g/", false),
        ("$share/g+/t", false),
        ("$share/#/t", false),
        ("$share/g/t#", false),
    ] {
        assert_eq!(client.subscribe(filter, 0) < 0x80, good, "{filter}");
    }
}

/// [MQTT-3.8.3-4]
#[test]
fn no_local_on_a_shared_subscription_is_a_protocol_error() {
    let skep = open();
    let mut client = join(&skep, "client");
    client.send(&packet(0x82, &[&[0, 1, 0][..], &field(b"$share/g/t"), &[0b101]].concat()));
    assert_eq!(client.disconnected(), 0x82);
}

/// [MQTT-4.8.2-3] [MQTT-4.5.0-1]
#[test]
fn each_member_gets_its_share_at_the_qos_it_was_granted() {
    let skep = open();
    let mut members: Vec<_> = (0..3).map(|n| join(&skep, &format!("member-{n}"))).collect();
    for (qos, member) in members.iter_mut().enumerate() {
        assert_eq!(member.subscribe("$share/g/t/#", qos as u8), qos as u8);
    }
    let mut sender = join(&skep, "sender");
    for n in 0..30 {
        sender.publish(Message::new("t/x", n.to_string()).qos(2));
        sender.expect(PUBREC);
    }
    let mut seen = Vec::new();
    wait_until("all have come", || {
        for (qos, member) in members.iter_mut().enumerate() {
            while let Some(message) = member.message_within(Duration::from_millis(2)) {
                assert_eq!(message.qos as usize, qos);
                seen.push(message.text().parse::<u32>().expect("a number"));
            }
        }
        seen.len() >= 30
    });
    seen.sort_unstable();
    assert_eq!(seen, (0..30).collect::<Vec<_>>(), "each to one of them");
}

/// [MQTT-4.5.0-1]
#[test]
fn a_group_gets_its_copy_beside_plain_subscriptions_on_any_topic() {
    let skep = open();
    let mut sender = join(&skep, "sender");
    for topic in ["t", "req/backend/x", "priv/somebody", "priv/plain"] {
        let (mut plain, mut member) = (join(&skep, "plain"), join(&skep, "member"));
        plain.subscribe(topic, 0);
        member.subscribe(&format!("$share/g/{topic}"), 1);
        assert_eq!(sender.publish_acked(Message::new(topic, topic)), 0);
        assert_eq!(plain.message().text(), topic);
        assert_eq!(member.message().text(), topic);
    }
}

/// Section 4.8.2 leaves them out.
#[test]
fn a_shared_subscription_brings_no_retained_messages() {
    let skep = open();
    join(&skep, "sender").publish_acked(Message::new("r/x", "kept").retain());
    let mut member = join(&skep, "member");
    for filter in ["$share/g/r/x", "$share/g/#"] {
        assert_eq!(member.subscribe(filter, 1), 1);
    }
    member.assert_no_message();
    assert_eq!(member.subscribe("r/x", 1), 1);
    assert_eq!(member.message().text(), "kept");
}

/// [MQTT-4.8.2-4] [MQTT-4.8.2-5]
#[test]
fn a_qos_2_message_that_was_begun_ends_with_its_members_session() {
    let skep = open();
    let mut first = Client::connect(skep.backend(), Login::new("first").expiry(600));
    first.subscribe("$share/g/t", 2);
    let mut sender = join(&skep, "sender");
    sender.publish(Message::new("t", "x").qos(2));
    sender.expect(PUBREC);
    assert_eq!(first.message().qos, 2);
    let mut second = join(&skep, "second");
    second.subscribe("$share/g/t", 2);
    first.kill();
    wait_until("it is away", || skep.skep().backends()[0].sessions_away() == 1);
    second.assert_no_message();
    let _forgotten = join(&skep, "first");
    second.assert_no_message();
    sender.publish(Message::new("t", "next").qos(2));
    assert_eq!(second.message().text(), "next");
}

/// [MQTT-4.8.2-6]
#[test]
fn a_message_that_one_member_refused_goes_to_no_other() {
    let skep = open();
    let mut first = join(&skep, "first");
    first.subscribe("$share/g/t", 2);
    let mut sender = join(&skep, "sender");
    for qos in [1, 2] {
        sender.publish(Message::new("t", "x").qos(qos));
        let id = first.message().packet_id.to_be_bytes();
        first.send(&packet(if qos == 1 { 0x40 } else { 0x50 }, &[id[0], id[1], 0x83]));
    }
    first.assert_no_message();
    let mut second = join(&skep, "second");
    second.subscribe("$share/g/t", 2);
    first.kill();
    sender.publish(Message::new("nobody", "x"));
    second.assert_no_message();
}
