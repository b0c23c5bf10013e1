//! Packets as bytes, good and malformed, each by name: what becomes of a
//! connection that sends them, and that nobody else is disturbed.

use super::Instance;
use super::support::client::{CONNACK, DISCONNECT, PINGRESP, field, packet};
use super::support::{Client, Login, Message, PATIENCE};
use super::{join, open};

/// What comes of a packet.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// An answer of this kind, and the connection goes on.
    Answer(u8),
    /// No answer, and the connection goes on.
    Silence,
    /// The end: DISCONNECT (or CONNACK) with this reason in MQTT 5.
    End(u8),
    /// The end, by the client's own wish.
    Goodbye,
}
use Outcome::{Answer, End, Goodbye, Silence};

/// A raw case: its name, its bytes in MQTT 5 and in 3.1.1 (`None`: there is no
/// such thing in that version), and what comes of them.
struct Case(&'static str, Option<Vec<u8>>, Option<Vec<u8>>, Outcome);

/// A packet without properties that is the same in both versions but for the
/// property length that MQTT 5 has after the first `at` bytes of its body.
fn both(name: &'static str, first: u8, at: usize, body: &[u8], outcome: Outcome) -> Case {
    let new = [&body[..at], &[0], &body[at..]].concat();
    Case(name, Some(packet(first, &new)), Some(packet(first, body)), outcome)
}

/// The same bytes in both versions.
fn same(name: &'static str, bytes: &[u8], outcome: Outcome) -> Case {
    Case(name, Some(bytes.to_vec()), Some(bytes.to_vec()), outcome)
}

fn new(name: &'static str, first: u8, parts: &[&[u8]], outcome: Outcome) -> Case {
    Case(name, Some(packet(first, &parts.concat())), None, outcome)
}

fn publish_cases() -> Vec<Case> {
    let property = |name, properties: &[&[u8]], outcome| {
        let list = properties.concat();
        new(name, 0x30, &[&[0, 1, b'a', list.len() as u8], &list, b"x"], outcome)
    };
    let text = |bytes: &[u8]| field(bytes);
    vec![
        both("PUBLISH at QoS 0", 0x30, 3, b"\0\x01ahello", Silence),
        both("PUBLISH at QoS 1", 0x32, 5, b"\0\x01a\0\x07hello", Answer(0x40)),
        both("PUBLISH at QoS 2", 0x34, 5, b"\0\x01a\0\x07hello", Answer(0x50)),
        both("PUBLISH with DUP at QoS 1", 0x3A, 5, b"\0\x01a\0\x07x", Answer(0x40)),
        both("PUBLISH with an empty payload", 0x30, 3, b"\0\x01a", Silence),
        both("PUBLISH to one slash", 0x30, 3, b"\0\x01/", Silence),
        both("PUBLISH at QoS 3", 0x36, 5, b"\0\x01a\0\x07x", End(0x81)),
        both("PUBLISH with DUP at QoS 0", 0x38, 3, b"\0\x01ax", End(0x81)),
        both("PUBLISH with packet id 0", 0x32, 5, b"\0\x01a\0\0x", End(0x81)),
        both("PUBLISH to no topic", 0x30, 2, b"\0\0x", End(0x82)),
        both("PUBLISH to `#`", 0x30, 3, b"\0\x01#x", End(0x90)),
        both("PUBLISH to `a/+`", 0x30, 5, b"\0\x03a/+x", End(0x90)),
        both("PUBLISH with U+0000 in its topic", 0x30, 3, b"\0\x01\0x", End(0x81)),
        both("PUBLISH with a topic that is no UTF-8", 0x30, 3, b"\0\x01\xFFx", End(0x81)),
        both("PUBLISH with a surrogate in its topic", 0x30, 5, b"\0\x03\xED\xA0\x80x", End(0x81)),
        both("PUBLISH with an overlong letter", 0x30, 4, b"\0\x02\xC1\x81x", End(0x81)),
        same("PUBLISH whose topic is past its end", &packet(0x30, &[0, 9, b'a']), End(0x81)),
        same("PUBLISH of no bytes", &[0x30, 0], End(0x81)),
        same("PUBLISH at QoS 1 that ends before its packet id", &packet(0x32, &[0, 1, b'a']), End(0x81)),
        new("PUBLISH without a property length", 0x30, &[&[0, 1, b'a']], End(0x81)),
        new("PUBLISH with a property length past its end", 0x30, &[&[0, 1, b'a', 9, 1, 0]], End(0x81)),
        new("PUBLISH with a property length not in its shortest form", 0x30, &[&[0, 1, b'a', 0x80, 0]], End(0x81)),
        new(
            "PUBLISH with a property length of five bytes",
            0x30,
            &[&[0, 1, b'a', 0xFF, 0xFF, 0xFF, 0xFF, 1]],
            End(0x81),
        ),
        property(
            "PUBLISH with all that it may have",
            &[&[
                1, 1, 2, 0, 0, 0, 9, 3, 0, 1, b't', 8, 0, 1, b'r', 9, 0, 1, 0, 0x23, 0, 1, 0x26, 0, 1, b'k', 0, 1, b'v',
            ]],
            Silence,
        ),
        property(
            "PUBLISH with two user properties of one name",
            &[&[0x26, 0, 1, b'k', 0, 0, 0x26, 0, 1, b'k', 0, 0]],
            Silence,
        ),
        property("PUBLISH with a payload format of 2", &[&[1, 2]], End(0x82)),
        property("PUBLISH with two payload formats", &[&[1, 0, 1, 0]], End(0x82)),
        property("PUBLISH with two expiry intervals", &[&[2, 0, 0, 0, 1, 2, 0, 0, 0, 1]], End(0x82)),
        property("PUBLISH with two content types", &[&[3, 0, 0, 3, 0, 0]], End(0x82)),
        property("PUBLISH with two response topics", &[&[8, 0, 1, b'a', 8, 0, 1, b'a']], End(0x82)),
        property("PUBLISH with two correlation data", &[&[9, 0, 0, 9, 0, 0]], End(0x82)),
        property("PUBLISH with two topic aliases", &[&[0x23, 0, 1, 0x23, 0, 1]], End(0x82)),
        property("PUBLISH with topic alias 0", &[&[0x23, 0, 0]], End(0x94)),
        property("PUBLISH with a topic alias past the maximum", &[&[0x23, 0xFF, 0xFF]], End(0x94)),
        new("PUBLISH with a topic alias that was never set", 0x30, &[&[0, 0, 3, 0x23, 0, 9]], End(0x82)),
        property("PUBLISH with a wildcard in its response topic", &[&[8], &text(b"a/#")], End(0x82)),
        property("PUBLISH with a response topic that is no UTF-8", &[&[8], &text(b"\xFF")], End(0x81)),
        property("PUBLISH with a content type that is no UTF-8", &[&[3], &text(b"\xFF")], End(0x81)),
        property(
            "PUBLISH with a user property name that is no UTF-8",
            &[&[0x26], &text(b"\xFF"), &text(b"")],
            End(0x81),
        ),
        property(
            "PUBLISH with a user property value that is no UTF-8",
            &[&[0x26], &text(b""), &text(b"\xFF")],
            End(0x81),
        ),
        property("PUBLISH with half a user property", &[&[0x26], &text(b"k")], End(0x81)),
        property("PUBLISH with a subscription identifier", &[&[0x0B, 1]], End(0x82)),
        property("PUBLISH with a property of CONNECT", &[&[0x21, 0, 1]], End(0x82)),
        property("PUBLISH with a property that there is not", &[&[0x7F, 0]], End(0x81)),
        new("PUBLISH whose payload is not the text it is said to be", 0x30, &[&[0, 1, b'a', 2, 1, 1, 0xFF]], End(0x99)),
    ]
}

fn acknowledgement_cases() -> Vec<Case> {
    let mut cases = vec![
        same("PUBACK for nothing", &packet(0x40, &[0, 9]), Silence),
        same("PUBREC for nothing", &packet(0x50, &[0, 9]), Answer(0x62)),
        same("PUBREL for nothing", &packet(0x62, &[0, 9]), Answer(0x70)),
        same("PUBCOMP for nothing", &packet(0x70, &[0, 9]), Silence),
        same("PUBREL with flags 0", &packet(0x60, &[0, 9]), End(0x81)),
        same("PUBREL with flags 3", &packet(0x63, &[0, 9]), End(0x81)),
        same("PUBACK with flags 1", &packet(0x41, &[0, 9]), End(0x81)),
        same("PUBREC with flags 2", &packet(0x52, &[0, 9]), End(0x81)),
        same("PUBCOMP with flags 2", &packet(0x72, &[0, 9]), End(0x81)),
        new(
            "PUBACK with all that it may have",
            0x40,
            &[&[0, 9, 0x10, 11, 0x1F, 0, 1, b'r', 0x26, 0, 1, b'k', 0, 1, b'v']],
            Silence,
        ),
        new("PUBACK with two reason strings", 0x40, &[&[0, 9, 0x10, 6, 0x1F, 0, 0, 0x1F, 0, 0]], End(0x82)),
        new("PUBACK with a property of PUBLISH", 0x40, &[&[0, 9, 0, 2, 1, 0]], End(0x82)),
        new("PUBACK with a reason that is none of its own", 0x40, &[&[0, 9, 0x92]], End(0x82)),
        new("PUBREC with a reason that there is not", 0x50, &[&[0, 9, 0x77]], End(0x82)),
        new("PUBREL with the reason of a PUBACK", 0x62, &[&[0, 9, 0x10]], End(0x82)),
        new("PUBCOMP with packet id not found", 0x70, &[&[0, 9, 0x92]], Silence),
        new("PUBCOMP with properties past its end", 0x70, &[&[0, 9, 0, 9]], End(0x81)),
        new("PUBREC with bytes after its properties", 0x50, &[&[0, 9, 0, 0, 7]], End(0x81)),
    ];
    for (first, of_0, of_1) in [
        (0x40, "PUBACK with packet id 0", "PUBACK of one byte"),
        (0x50, "PUBREC with packet id 0", "PUBREC of one byte"),
        (0x62, "PUBREL with packet id 0", "PUBREL of one byte"),
        (0x70, "PUBCOMP with packet id 0", "PUBCOMP of one byte"),
    ] {
        cases.push(same(of_0, &packet(first, &[0, 0]), End(0x81)));
        cases.push(same(of_1, &packet(first, &[9]), End(0x81)));
    }
    cases
}

fn subscribe_cases() -> Vec<Case> {
    vec![
        both("SUBSCRIBE", 0x82, 2, b"\0\x07\0\x01a\x01", Answer(0x90)),
        both("SUBSCRIBE with two filters", 0x82, 2, b"\0\x07\0\x01a\x01\0\x01b\x02", Answer(0x90)),
        both("SUBSCRIBE with a filter that can't be", 0x82, 2, b"\0\x07\0\x02a#\x01", Answer(0x90)),
        both("SUBSCRIBE with an empty filter", 0x82, 2, b"\0\x07\0\0\x01", Answer(0x90)),
        both("SUBSCRIBE with flags 0", 0x80, 2, b"\0\x07\0\x01a\x01", End(0x81)),
        both("SUBSCRIBE with flags 3", 0x83, 2, b"\0\x07\0\x01a\x01", End(0x81)),
        both("SUBSCRIBE without a filter", 0x82, 2, b"\0\x07", End(0x82)),
        both("SUBSCRIBE with packet id 0", 0x82, 2, b"\0\0\0\x01a\x01", End(0x81)),
        both("SUBSCRIBE without options", 0x82, 2, b"\0\x07\0\x01a", End(0x81)),
        both("SUBSCRIBE at QoS 3", 0x82, 2, b"\0\x07\0\x01a\x03", End(0x81)),
        both("SUBSCRIBE with a reserved option", 0x82, 2, b"\0\x07\0\x01a\x40", End(0x81)),
        both("SUBSCRIBE with the other reserved option", 0x82, 2, b"\0\x07\0\x01a\x80", End(0x81)),
        both("SUBSCRIBE with a filter past its end", 0x82, 2, b"\0\x07\0\x09a\x01", End(0x81)),
        both("SUBSCRIBE with a filter that is no UTF-8", 0x82, 2, b"\0\x07\0\x01\xFF\x01", End(0x81)),
        both("SUBSCRIBE with U+0000 in its filter", 0x82, 2, b"\0\x07\0\x01\0\x01", End(0x81)),
        new("SUBSCRIBE with retain handling 3", 0x82, &[&[0, 7, 0, 0, 1, b'a', 0x30]], End(0x82)),
        new(
            "SUBSCRIBE with all that it may have",
            0x82,
            &[&[0, 7, 9, 0x0B, 1, 0x26, 0, 1, b'k', 0, 1, b'v', 0, 1, b'a', 0x2E]],
            Answer(0x90),
        ),
        new("SUBSCRIBE with identifier 0", 0x82, &[&[0, 7, 2, 0x0B, 0, 0, 1, b'a', 0]], End(0x82)),
        new("SUBSCRIBE with two identifiers", 0x82, &[&[0, 7, 4, 0x0B, 1, 0x0B, 2, 0, 1, b'a', 0]], End(0x82)),
        new("SUBSCRIBE with a property of PUBLISH", 0x82, &[&[0, 7, 2, 1, 0, 0, 1, b'a', 0]], End(0x82)),
        new(
            "SUBSCRIBE with no local on a shared subscription",
            0x82,
            &[&[0, 7, 0], &field(b"$share/g/a"), &[4]],
            End(0x82),
        ),
        both("UNSUBSCRIBE", 0xA2, 2, b"\0\x07\0\x01a", Answer(0xB0)),
        both("UNSUBSCRIBE with flags 0", 0xA0, 2, b"\0\x07\0\x01a", End(0x81)),
        both("UNSUBSCRIBE with flags 15", 0xAF, 2, b"\0\x07\0\x01a", End(0x81)),
        both("UNSUBSCRIBE without a filter", 0xA2, 2, b"\0\x07", End(0x82)),
        both("UNSUBSCRIBE with packet id 0", 0xA2, 2, b"\0\0\0\x01a", End(0x81)),
        both("UNSUBSCRIBE with a filter that is no UTF-8", 0xA2, 2, b"\0\x07\0\x01\xFF", End(0x81)),
        both("UNSUBSCRIBE with a filter past its end", 0xA2, 2, b"\0\x07\0\x09a", End(0x81)),
        new("UNSUBSCRIBE with an identifier", 0xA2, &[&[0, 7, 2, 0x0B, 1, 0, 1, b'a']], End(0x82)),
        new("UNSUBSCRIBE with a user property", 0xA2, &[&[0, 7, 5, 0x26, 0, 0, 0, 0, 0, 1, b'a']], Answer(0xB0)),
    ]
}

fn other_cases() -> Vec<Case> {
    let from_servers = [
        ("CONNACK", 0x20u8, &[0, 0, 0][..]),
        ("SUBACK", 0x90, &[0, 1, 0, 0]),
        ("UNSUBACK", 0xB0, &[0, 1, 0, 0]),
        ("PINGRESP", 0xD0, &[]),
    ];
    let mut cases = vec![
        same("PINGREQ", &[0xC0, 0], Answer(0xD0)),
        same("PINGREQ with flags 1", &[0xC1, 0], End(0x81)),
        same("PINGREQ with a body", &[0xC0, 1, 0], End(0x81)),
        Case("a remaining length not in its shortest form", Some(vec![0xC0, 0x80, 0]), None, End(0x81)),
        Case("a remaining length that 3.1.1 does not forbid", None, Some(vec![0xC0, 0x80, 0]), Answer(0xD0)),
        same("a remaining length of five bytes", &[0xC0, 0xFF, 0xFF, 0xFF, 0xFF, 1], End(0x81)),
        same("a packet larger than we take", &[0x30, 0xFF, 0xFF, 0xFF, 0x7F], End(0x95)),
        same("packet type 0", &[0, 0], End(0x81)),
        Case("a second CONNECT", Some(Login::new("x").packet()), Some(Login::new("x").v311().packet()), End(0x82)),
        same("DISCONNECT", &[0xE0, 0], Goodbye),
        same("DISCONNECT with flags 1", &[0xE1, 0], End(0x81)),
        new("DISCONNECT with a reason", 0xE0, &[&[0]], Goodbye),
        new("DISCONNECT with all that it may have", 0xE0, &[&[0, 9, 0x1F, 0, 1, b'r', 0x26, 0, 0, 0, 0]], Goodbye),
        new("DISCONNECT with the reason of a server", 0xE0, &[&[0x8B]], End(0x82)),
        new("DISCONNECT with a reason that there is not", 0xE0, &[&[0x05]], End(0x82)),
        new("DISCONNECT with two reason strings", 0xE0, &[&[0, 6, 0x1F, 0, 0, 0x1F, 0, 0]], End(0x82)),
        new("DISCONNECT with a session expiry after none", 0xE0, &[&[0, 5, 0x11, 0, 0, 0, 1]], End(0x82)),
        new("DISCONNECT with a server reference", 0xE0, &[&[0, 3, 0x1C, 0, 0]], End(0x82)),
        new("AUTH", 0xF0, &[], End(0x8C)),
        new("AUTH with flags 1", 0xF1, &[], End(0x81)),
        new("AUTH with a reason that is none of its own", 0xF0, &[&[0x80, 0]], End(0x82)),
        new("AUTH to authenticate again", 0xF0, &[&[0x19, 4, 0x15, 0, 1, b'm']], End(0x8C)),
        Case("AUTH in 3.1.1", None, Some(vec![0xF0, 0]), End(0x81)),
        Case("DISCONNECT with a body in 3.1.1", None, Some(vec![0xE0, 1, 0]), End(0x81)),
        Case("PUBACK with a reason in 3.1.1", None, Some(packet(0x40, &[0, 9, 0])), End(0x81)),
    ];
    for (name, first, body) in from_servers {
        cases.push(same(name, &packet(first, body), End(0x82)));
    }
    cases
}

/// Sends a case on a connection of its own, and looks at what comes.
fn run(skep: &Instance, case: &Case, bystander: &mut Client, watcher: &mut Client) {
    for (version, bytes) in [(5, &case.1), (4, &case.2)] {
        let Some(bytes) = bytes else { continue };
        let name = format!("{} in {}", case.0, if version == 5 { "MQTT 5" } else { "MQTT 3.1.1" });
        let mut login = Login::new("").will("gone", &name, 0, &[]);
        login.version = version;
        let mut client = Client::connect(skep.backend(), login);
        client.send(bytes);
        match case.3 {
            Answer(first) => {
                client.send(&[0xC0, 0]);
                let answer = client.next(PATIENCE).unwrap_or_else(|| panic!("{name}: no answer"));
                assert_eq!(answer.first, first, "{name}: {answer:x?}");
            }
            Silence => {
                client.send(&[0xC0, 0]);
                let answer = client.next(PATIENCE).unwrap_or_else(|| panic!("{name}: the connection has ended"));
                assert_eq!(answer.kind(), PINGRESP, "{name}: {answer:x?}");
            }
            End(reason) => {
                let last = client.next(PATIENCE);
                if version == 5 {
                    let last = last.unwrap_or_else(|| panic!("{name}: no DISCONNECT"));
                    assert_eq!((last.kind(), last.body[0]), (DISCONNECT, reason), "{name}: {last:x?}");
                } else {
                    assert_eq!(last, None, "{name}");
                }
                client.closed();
                assert_eq!(watcher.message().text(), name, "its will");
            }
            Goodbye => {
                assert_eq!(client.next(PATIENCE), None, "{name}");
                client.closed();
            }
        }
        client.disconnect();
        bystander.publish(Message::new("bystander", &name));
        assert_eq!(bystander.message().text(), name);
    }
}

fn run_all(cases: &[Case]) {
    let skep = open();
    let mut bystander = join(&skep, "bystander");
    bystander.subscribe("bystander", 0);
    let mut watcher = join(&skep, "watcher");
    watcher.subscribe("gone", 0);
    for case in cases {
        run(&skep, case, &mut bystander, &mut watcher);
    }
}

/// [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-1.5.7-1] [MQTT-2.2.1-2] [MQTT-3.3.1-2] [MQTT-3.3.1-4]
/// [MQTT-3.3.2-1] [MQTT-3.3.2-2] [MQTT-3.3.2-8] [MQTT-3.3.2-9] [MQTT-3.3.2-13]
/// [MQTT-3.3.2-14] [MQTT-3.3.2-19] [MQTT-3.3.4-6] [MQTT-4.7.0-1] [MQTT-4.7.3-1]
/// [MQTT-4.7.3-2] [MQTT-4.13.1-1] [MQTT-2.2.2-1] [MQTT-1.5.5-1] [MQTT-2.2.1-3]
#[test]
fn publish_good_and_malformed() {
    run_all(&publish_cases());
}

/// [MQTT-2.1.3-1] [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.1-1] [MQTT-3.6.2-1]
/// [MQTT-3.7.2-1] [MQTT-4.13.1-1]
#[test]
fn acknowledgements_good_and_malformed() {
    run_all(&acknowledgement_cases());
}

/// [MQTT-3.8.1-1] [MQTT-3.8.3-1] [MQTT-3.8.3-2] [MQTT-3.8.3-4] [MQTT-3.8.3-5]
/// [MQTT-3.10.1-1] [MQTT-3.10.3-1] [MQTT-3.10.3-2] [MQTT-2.2.1-3] [MQTT-4.13.1-1]
#[test]
fn subscribe_and_unsubscribe_good_and_malformed() {
    run_all(&subscribe_cases());
}

/// [MQTT-1.5.5-1] [MQTT-2.1.3-1] [MQTT-3.1.0-2] [MQTT-3.2.2-15] [MQTT-3.14.1-1]
/// [MQTT-3.14.2-1] [MQTT-3.14.4-3] [MQTT-3.15.1-1] [MQTT-3.15.2-1] [MQTT-4.13.1-1]
/// [MQTT-4.13.2-1]
#[test]
fn all_other_packets_good_and_malformed() {
    run_all(&other_cases());
}

/// CONNECT by its properties and those of its will; its flags and fields are in `connect.rs`.
/// [MQTT-3.1.4-1] [MQTT-4.13.1-1] [MQTT-2.1.3-1]
#[test]
fn connect_good_and_malformed() {
    let skep = open();
    let mut bystander = join(&skep, "bystander");
    bystander.subscribe("bystander", 0);
    for (name, properties, reason) in [
        ("nothing", &[][..], 0),
        (
            "all that it may have",
            &[0x11, 0, 0, 0, 9, 0x21, 0, 9, 0x27, 0, 1, 0, 0, 0x22, 0, 9, 0x19, 1, 0x17, 1, 0x26, 0, 0, 0, 0],
            0,
        ),
        ("a session for good", &[0x11, 0xFF, 0xFF, 0xFF, 0xFF], 0),
        ("two user properties", &[0x26, 0, 1, b'k', 0, 0, 0x26, 0, 1, b'k', 0, 0], 0),
        ("receive maximum 0", &[0x21, 0, 0], 0x82),
        ("maximum packet size 0", &[0x27, 0, 0, 0, 0], 0x82),
        ("two receive maxima", &[0x21, 0, 9, 0x21, 0, 9], 0x82),
        ("two session expiry intervals", &[0x11, 0, 0, 0, 9, 0x11, 0, 0, 0, 9], 0x82),
        ("request response information 2", &[0x19, 2], 0x82),
        ("request problem information 2", &[0x17, 2], 0x82),
        ("authentication data without a method", &[0x16, 0, 0], 0x82),
        ("a property of PUBLISH", &[1, 0], 0x82),
        ("a property that there is not", &[0x7F], 0x81),
        ("half a property", &[0x21, 0], 0x81),
        ("a user property that is no UTF-8", &[0x26, 0, 1, 0xFF, 0, 0], 0x81),
    ] {
        let mut login = Login::new("");
        login.properties = properties.to_vec();
        let mut client = Client::open(skep.backend());
        client.send(&login.packet());
        let connack = client.expect(CONNACK);
        assert_eq!(connack.body[1], reason, "{name}");
        if reason != 0 {
            client.closed();
        }
        bystander.publish(Message::new("bystander", name));
        assert_eq!(bystander.message().text(), name);
    }
    for (name, topic, properties, reason) in [
        ("a will with nothing", "t", &[][..], 0),
        (
            "a will with all that it may have",
            "t",
            &[
                0x18, 0, 0, 0, 1, 1, 1, 2, 0, 0, 0, 9, 3, 0, 1, b't', 8, 0, 1, b'r', 9, 0, 1, 0, 0x26, 0, 0, 0, 0,
                0x26, 0, 0, 0, 0,
            ],
            0,
        ),
        ("a will to `a/#`", "a/#", &[], 0x90),
        ("a will to `+`", "+", &[], 0x90),
        ("a will to no topic", "", &[], 0x90),
        ("a will to a topic of the server", "$SYS/x", &[], 0x87),
        ("a will with two delays", "t", &[0x18, 0, 0, 0, 1, 0x18, 0, 0, 0, 1], 0x82),
        ("a will with two expiry intervals", "t", &[2, 0, 0, 0, 1, 2, 0, 0, 0, 1], 0x82),
        ("a will with a payload format of 2", "t", &[1, 2], 0x82),
        ("a will with a topic alias", "t", &[0x23, 0, 1], 0x82),
        ("a will with a session expiry interval", "t", &[0x11, 0, 0, 0, 1], 0x82),
        ("a will with a wildcard in its response topic", "t", &[8, 0, 1, b'#'], 0x82),
        ("a will with a content type that is no UTF-8", "t", &[3, 0, 1, 0xFF], 0x81),
        ("a will with half a property", "t", &[0x18, 0, 0], 0x81),
        ("a will with a property that there is not", "t", &[0x7F, 0], 0x81),
    ] {
        let mut client = Client::open(skep.backend());
        client.send(&Login::new("").will(topic, "x", 0, properties).packet());
        assert_eq!(client.expect(CONNACK).body[1], reason, "{name}");
        if reason != 0 {
            client.closed();
        }
        bystander.publish(Message::new("bystander", name));
        assert_eq!(bystander.message().text(), name);
    }
    let mut flagged = Login::new("").packet();
    flagged[0] = 0x11;
    let mut client = Client::open(skep.backend());
    client.send(&flagged);
    assert_eq!(client.expect(CONNACK).body[1], 0x81);
    client.closed();
}
