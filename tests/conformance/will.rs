//! Wills (sections 3.1.2.5 and 3.1.3.2).

use super::support::client::{field, packet};
use super::support::{Client, Login, Message, wait_until};
use super::{join, open};

/// [MQTT-3.1.2-7] [MQTT-3.1.2-8] [MQTT-3.1.2-9] [MQTT-3.1.2-14] [MQTT-3.1.2-15]
#[test]
fn a_will_has_the_qos_and_is_retained_as_its_flags_say() {
    let skep = open();
    let mut watcher = join(&skep, "watcher");
    watcher.subscribe("gone/+", 2 | 8);
    for (name, flags, qos, retain) in [("a", 0x00, 0, false), ("b", 0x28, 1, true), ("c", 0x10, 2, false)] {
        Client::connect(skep.backend(), Login::new(name).will(&format!("gone/{name}"), name, flags, &[])).kill();
        let will = watcher.message();
        assert_eq!((will.text(), will.qos, will.retain), (name, qos, retain));
    }
    let mut later = join(&skep, "later");
    later.subscribe("gone/+", 0);
    assert_eq!(later.message().text(), "b");
    later.assert_no_message();
}

/// [MQTT-3.1.2-8] [MQTT-4.1.0-2]
#[test]
fn a_will_is_sent_when_the_session_ends_though_its_delay_is_not_over() {
    let skep = open();
    let mut watcher = join(&skep, "watcher");
    watcher.subscribe("gone", 0);
    let delay = [&[0x18][..], &600u32.to_be_bytes()].concat();
    Client::connect(skep.backend(), Login::new("a").expiry(0).will("gone", "at once", 0, &delay)).kill();
    assert_eq!(watcher.message().text(), "at once");
    Client::connect(skep.backend(), Login::new("b").expiry(600).will("gone", "forgotten", 0, &delay)).kill();
    wait_until("it is away", || skep.skep().backends()[0].sessions_away() == 1);
    watcher.assert_no_message();
    // A clean start ends the old session.
    let _new = join(&skep, "b");
    assert_eq!(watcher.message().text(), "forgotten");
}

/// [MQTT-3.1.2-8] [MQTT-3.1.3-9]
#[test]
fn a_client_that_is_taken_over_leaves_its_will_unless_its_session_goes_on_within_the_delay() {
    let skep = open();
    let mut watcher = join(&skep, "watcher");
    watcher.subscribe("gone", 0);
    let with_will = |delay: u32| {
        let delay = [&[0x18][..], &delay.to_be_bytes()].concat();
        Client::connect(skep.backend(), Login::new("a").expiry(600).will("gone", "x", 0, &delay))
    };
    let resume = || Client::connect(skep.backend(), Login::new("a").resume().expiry(600));
    for (delay, resumed, sent) in [(0, true, true), (600, true, false), (600, false, true), (0, false, true)] {
        let mut old = with_will(delay);
        let _new = if resumed { resume() } else { join(&skep, "a") };
        assert_eq!(old.disconnected(), 0x8E);
        if sent {
            assert_eq!(watcher.message().text(), "x", "delay {delay}, resumed {resumed}");
        }
        watcher.assert_no_message();
    }
}

/// [MQTT-3.1.2-10] [MQTT-3.14.4-3]
#[test]
fn a_will_is_sent_once_and_not_after_a_goodbye() {
    let skep = open();
    let mut watcher = join(&skep, "watcher");
    watcher.subscribe("gone", 0);
    let login = |text: &str| Login::new("a").expiry(600).will("gone", text, 0, &[]);
    Client::connect(skep.backend(), login("once")).kill();
    assert_eq!(watcher.message().text(), "once");
    // Back without a will, and lost again: the old one is not there any more.
    Client::connect(skep.backend(), Login::new("a").resume().expiry(600)).kill();
    wait_until("it is away", || skep.skep().backends()[0].sessions_away() == 1);
    watcher.assert_no_message();
    Client::connect(skep.backend(), login("never").resume()).disconnect();
    wait_until("it is away", || skep.skep().backends()[0].sessions_away() == 1);
    watcher.assert_no_message();
    // Any other reason is no goodbye.
    let mut client = Client::connect(skep.backend(), login("broken").resume());
    client.send(&packet(0xE0, &[0x80]));
    assert_eq!(watcher.message().text(), "broken");
}

/// [MQTT-3.1.3-10] [MQTT-3.3.2-17] [MQTT-3.3.2-18]
#[test]
fn a_will_has_all_its_properties_user_properties_in_order() {
    let skep = open();
    let mut watcher = join(&skep, "watcher");
    watcher.subscribe("gone", 0);
    let pair = |name: &str, value: &str| [&[0x26][..], &field(name.as_bytes()), &field(value.as_bytes())].concat();
    let properties = [
        pair("z", "1"),
        [&[0x03][..], &field(b"text/plain")].concat(),
        pair("a", "2"),
        [&[0x08][..], &field(b"re/x")].concat(),
        [&[0x09][..], &field(b"\0corr")].concat(),
        pair("z", "3"),
        [&[0x02][..], &50u32.to_be_bytes()].concat(),
    ]
    .concat();
    Client::connect(skep.backend(), Login::new("a").will("gone", "x", 0, &properties)).kill();
    let Message { user, content_type, response_topic, correlation, expiry, .. } = watcher.message();
    let user: Vec<_> = user.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(user, [("z", "1"), ("a", "2"), ("z", "3")]);
    assert_eq!(content_type.as_deref(), Some("text/plain"));
    assert_eq!(response_topic.as_deref(), Some("re/x"));
    assert_eq!(correlation.as_deref(), Some(&b"\0corr"[..]));
    assert!(matches!(expiry, Some(49..=50)), "{expiry:?}");
}
