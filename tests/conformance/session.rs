//! Sessions (sections 3.1.2.4, 3.1.2.11.2, 4.1 and 4.4).

use super::support::client::{DISCONNECT, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, packet};
use super::support::{Client, Login, Message, PATIENCE, wait_until};
use super::{Instance, join, open};

fn sleeper(skep: &Instance, id: &str) -> Client {
    Client::connect(skep.backend(), Login::new(id).resume().expiry(600))
}

fn wait_until_away(skep: &Instance, sessions: usize) {
    wait_until("the sessions are away", || skep.skep().backends()[0].sessions_away() == sessions);
}

/// [MQTT-3.1.2-4] [MQTT-3.1.2-5] [MQTT-3.1.2-6] [MQTT-3.1.2-23] [MQTT-3.1.3-2]
/// [MQTT-3.1.4-4] [MQTT-3.2.2-2] [MQTT-3.2.2-3]
#[test]
fn clean_start_and_client_id_decide_which_session_a_client_gets() {
    let skep = open();
    let client = sleeper(&skep, "a");
    assert!(!client.session_present(), "there was none");
    client.disconnect();
    wait_until_away(&skep, 1);
    assert!(!sleeper(&skep, "b").session_present(), "another id, another session");
    let client = sleeper(&skep, "a");
    assert!(client.session_present());
    let client = {
        client.disconnect();
        Client::connect(skep.backend(), Login::new("a").expiry(600))
    };
    assert!(!client.session_present(), "a clean start forgets");
    client.disconnect();
    assert!(sleeper(&skep, "a").session_present());
}

/// [MQTT-4.1.0-2]
#[test]
fn without_an_expiry_interval_a_session_ends_with_its_connection() {
    let skep = open();
    let mut client = join(&skep, "a");
    client.subscribe("t", 1);
    client.kill();
    wait_until("the session is gone", || skep.skep().backends()[0].sessions() == 0);
    // DISCONNECT can shorten it, too.
    let mut client = sleeper(&skep, "b");
    client.send(&packet(0xE0, &[0, 5, 0x11, 0, 0, 0, 0]));
    wait_until("the session is gone", || skep.skep().backends()[0].sessions() == 0);
    assert!(!sleeper(&skep, "b").session_present());
}

/// [MQTT-4.1.0-1]
#[test]
fn a_session_lives_at_least_as_long_as_its_connection() {
    let skep = open();
    let mut client = Client::connect(skep.backend(), Login::new("a").expiry(1));
    client.subscribe("t", 1);
    std::thread::sleep(std::time::Duration::from_millis(1_300));
    assert_eq!(join(&skep, "sender").publish_acked(Message::new("t", "x")), 0);
    assert_eq!(client.message().text(), "x");
}

/// A session with no expiry interval can't be given one on leaving.
#[test]
fn a_goodbye_can_not_prolong_a_session_that_was_to_end_with_its_connection() {
    let skep = open();
    let mut client = join(&skep, "a");
    client.send(&packet(0xE0, &[0, 5, 0x11, 0, 0, 0, 9]));
    assert_eq!(client.disconnected(), 0x82);
}

/// [MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT-4.6.0-1] [MQTT-4.3.2-3] [MQTT-4.3.3-3]
/// [MQTT-4.3.3-5] [MQTT-4.3.3-6] [MQTT-2.2.1-4] [MQTT-3.3.1-3]
#[test]
fn what_was_not_acknowledged_is_sent_again_in_order_with_its_packet_ids() {
    let skep = open();
    let mut client = sleeper(&skep, "a");
    client.subscribe("t", 2);
    let mut sender = join(&skep, "sender");
    for (text, qos) in [("acked", 1), ("one", 1), ("two", 2), ("received", 2), ("three", 1), ("done", 2)] {
        sender.publish(Message::new("t", text).qos(qos));
    }
    let got: Vec<_> = (0..6).map(|_| client.message()).collect();
    assert!(got.iter().all(|message| !message.dup));
    let id = |text: &str| got.iter().find(|message| message.text() == text).expect("it came").packet_id;
    let mut ids: Vec<_> = got.iter().map(|message| message.packet_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), ids.contains(&0)), (6, false), "packet ids of their own");
    client.ack(PUBACK, id("acked"));
    for text in ["received", "done"] {
        client.ack(PUBREC, id(text));
        assert_eq!(client.expect(PUBREL).body, id(text).to_be_bytes());
    }
    client.ack(PUBCOMP, id("done"));
    // Nothing is sent again on this connection.
    client.assert_no_message();
    client.kill();
    wait_until_away(&skep, 1);
    let mut client = sleeper(&skep, "a");
    let mut again = Vec::new();
    for _ in 0..4 {
        let packet = client.next(PATIENCE).expect("sent again");
        again.push(match packet.kind() {
            PUBLISH => {
                let message = Message::parse(&packet, 5);
                assert!(message.dup);
                (message.text().to_owned(), message.packet_id)
            }
            PUBREL => ("PUBREL".to_owned(), u16::from_be_bytes([packet.body[0], packet.body[1]])),
            other => panic!("a packet of kind {other}"),
        });
    }
    let expected = [("one", "one"), ("two", "two"), ("PUBREL", "received"), ("three", "three")];
    assert_eq!(again, expected.map(|(what, of)| (what.to_owned(), id(of))));
    client.assert_no_message();
}

/// [MQTT-4.4.0-2]
#[test]
fn a_message_that_the_client_refused_is_not_sent_again() {
    let skep = open();
    let mut client = sleeper(&skep, "a");
    client.subscribe("t", 2);
    let mut sender = join(&skep, "sender");
    for qos in [1, 2] {
        sender.publish(Message::new("t", "x").qos(qos));
        let id = client.message().packet_id.to_be_bytes();
        let first = if qos == 1 { 0x40 } else { 0x50 };
        client.send(&packet(first, &[id[0], id[1], 0x83]));
    }
    client.assert_no_message();
    client.kill();
    wait_until_away(&skep, 1);
    sleeper(&skep, "a").assert_no_message();
}

/// [MQTT-4.5.0-1]
#[test]
fn a_message_goes_to_everybody_who_subscribed_whether_here_or_away() {
    let skep = open();
    let mut away: Vec<_> = (0..5).map(|n| sleeper(&skep, &format!("away-{n}"))).collect();
    let mut here: Vec<_> = (0..5).map(|n| join(&skep, &format!("here-{n}"))).collect();
    for client in away.iter_mut().chain(&mut here) {
        client.subscribe("t/+", 1);
    }
    away.into_iter().for_each(Client::kill);
    wait_until_away(&skep, 5);
    join(&skep, "sender").publish_acked(Message::new("t/x", "x"));
    here.extend((0..5).map(|n| sleeper(&skep, &format!("away-{n}"))));
    for client in &mut here {
        assert_eq!(client.message().text(), "x");
    }
}

/// [MQTT-3.3.4-9] [MQTT-4.9.0-1] [MQTT-4.9.0-2]
#[test]
fn what_is_sent_again_respects_the_receive_maximum_of_the_new_connection() {
    let skep = open();
    let mut client = sleeper(&skep, "a");
    client.subscribe("t", 1);
    let mut sender = join(&skep, "sender");
    for n in 0..6 {
        sender.publish_acked(Message::new("t", n.to_string()));
        client.message();
    }
    client.kill();
    wait_until_away(&skep, 1);
    sender.publish_acked(Message::new("t", "6"));
    let mut client = Client::connect(skep.backend(), Login::new("a").resume().expiry(600).receive_maximum(2));
    let mut held: Vec<_> = (0..2).map(|_| client.message()).collect();
    for n in 0..7 {
        client.assert_no_message();
        let message = held.remove(0);
        assert_eq!((message.text(), message.dup), (&*n.to_string(), n < 6));
        client.ack(PUBACK, message.packet_id);
        if n < 5 {
            held.push(client.message());
        }
    }
    client.assert_no_message();
}

/// [MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT-3.14.2-2]
#[test]
fn a_disconnect_is_the_last_thing_that_a_client_hears() {
    let skep = open();
    let mut client = Client::connect(skep.backend(), Login::new("a").expiry(600));
    client.subscribe("t", 0);
    let mut sender = join(&skep, "sender");
    let _second = sleeper(&skep, "a");
    for n in 0..20 {
        sender.publish(Message::new("t", n.to_string()));
    }
    let goodbye = client.expect(DISCONNECT);
    assert_eq!(super::property(&goodbye.body, 1, 0x11), None, "no session expiry from a server");
    assert_eq!(client.next(PATIENCE), None);
    client.closed();
}
