//! Where rumqttd's MQTT 5 codec reads a packet otherwise than the specification
//! says. The record behind `docs/decisions/0001-codec.md`: if rumqttd mends one
//! of these, this fails, and the record is to be looked at again.

use std::panic::catch_unwind;

use bytes::BytesMut;
use rumqttd::protocol::Protocol;
use rumqttd::protocol::v5::V5;
use skep::mqtt::{Connect, Version, decode, next_frame};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Accepts,
    Rejects,
    Panics,
}
use Verdict::{Accepts, Panics, Rejects};

fn rumqttd(bytes: &[u8]) -> Verdict {
    let mut buffer = BytesMut::from(bytes);
    match catch_unwind(move || V5.read_mut(&mut buffer, 1 << 20).is_ok()) {
        Ok(true) => Accepts,
        Ok(false) => Rejects,
        Err(_) => Panics,
    }
}

fn skep(bytes: &[u8]) -> Verdict {
    let Ok(Some(frame)) = next_frame(bytes, 1 << 20) else { return Rejects };
    let accepted = match bytes[0] >> 4 {
        1 => Connect::decode(&frame).is_ok(),
        _ => decode(Version::V5, &frame).is_ok(),
    };
    if accepted { Accepts } else { Rejects }
}

/// Name, packet, what the specification asks for, what rumqttd does.
const CASES: &[(&str, &[u8], Verdict, Verdict)] = &[
    // Legal packets.
    (
        "PUBLISH, subscriber's user property",
        &[0x30, 12, 0, 1, b'a', 7, 0x26, 0, 1, b'k', 0, 1, b'v', b'x'],
        Accepts,
        Accepts,
    ),
    ("SUBSCRIBE", &[0x82, 7, 0, 1, 0, 0, 1, b'a', 1], Accepts, Accepts),
    (
        "CONNECT with a password that is not text",
        &[0x10, 20, 0, 4, b'M', b'Q', b'T', b'T', 5, 0xC2, 0, 0, 0, 0, 1, b'c', 0, 1, b'u', 0, 1, 0xFF],
        Accepts,
        Rejects,
    ),
    (
        "CONNECT with a password and no user",
        &[0x10, 17, 0, 4, b'M', b'Q', b'T', b'T', 5, 0x42, 0, 0, 0, 0, 1, b'c', 0, 1, b'p'],
        Accepts,
        Accepts,
    ),
    ("DISCONNECT with a reason code only", &[0xE0, 1, 0x04], Accepts, Rejects),
    // Illegal ones.
    ("CONNACK from a client", &[0x20, 3, 0, 0, 0], Rejects, Panics),
    ("UNSUBACK from a client", &[0xB0, 4, 0, 1, 0, 0], Rejects, Panics),
    ("PUBLISH with DUP at QoS 0", &[0x38, 4, 0, 1, b'a', 0], Rejects, Accepts),
    ("PUBLISH to a wildcard", &[0x30, 4, 0, 1, b'#', 0], Rejects, Accepts),
    ("PUBLISH to no topic", &[0x30, 3, 0, 0, 0], Rejects, Accepts),
    ("PUBLISH to a topic that is not UTF-8", &[0x30, 4, 0, 1, 0xFF, 0], Rejects, Accepts),
    ("PUBLISH with U+0000 in its topic", &[0x30, 4, 0, 1, 0, 0], Rejects, Accepts),
    ("PUBLISH with a property twice", &[0x30, 8, 0, 1, b'a', 4, 0x01, 0, 0x01, 0], Rejects, Accepts),
    ("PUBLISH with payload format 7", &[0x30, 6, 0, 1, b'a', 2, 0x01, 7], Rejects, Accepts),
    ("PUBLISH with topic alias 0", &[0x30, 7, 0, 1, b'a', 3, 0x23, 0, 0], Rejects, Accepts),
    ("PUBLISH with a property past the property length", &[0x30, 9, 0, 1, b'a', 1, 0x02, 0, 0, 0, 9], Rejects, Accepts),
    ("PUBLISH with a subscription identifier from a client", &[0x30, 6, 0, 1, b'a', 2, 0x0B, 1], Rejects, Accepts),
    ("SUBSCRIBE with flags 0", &[0x80, 7, 0, 1, 0, 0, 1, b'a', 1], Rejects, Accepts),
    ("SUBSCRIBE with packet id 0", &[0x82, 7, 0, 0, 0, 0, 1, b'a', 1], Rejects, Accepts),
    ("SUBSCRIBE with reserved options", &[0x82, 7, 0, 1, 0, 0, 1, b'a', 0xC1], Rejects, Accepts),
    (
        "SUBSCRIBE with no local on a shared subscription",
        &[0x82, 16, 0, 1, 0, 0, 10, b'$', b's', b'h', b'a', b'r', b'e', b'/', b'g', b'/', b'a', 4],
        Rejects,
        Accepts,
    ),
    ("PUBREL with flags 0", &[0x60, 2, 0, 1], Rejects, Accepts),
    (
        "CONNECT with the reserved flag",
        &[0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 5, 0x03, 0, 0, 0, 0, 1, b'c'],
        Rejects,
        Accepts,
    ),
    (
        "CONNECT with receive maximum 0",
        &[0x10, 17, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 3, 0x21, 0, 0, 0, 1, b'c'],
        Rejects,
        Accepts,
    ),
    (
        "CONNECT with bytes after its end",
        &[0x10, 16, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 0, 0, 1, b'c', 9, 9],
        Rejects,
        Accepts,
    ),
];

#[test]
fn skep_reads_each_case_as_the_specification_says_and_rumqttd_as_recorded() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut wrong = Vec::new();
    for (name, bytes, specified, recorded) in CASES {
        if skep(bytes) != *specified {
            wrong.push(format!("{name}: skep {:?}, specified {specified:?}", skep(bytes)));
        }
        if rumqttd(bytes) != *recorded {
            wrong.push(format!("{name}: rumqttd {:?}, recorded {recorded:?}", rumqttd(bytes)));
        }
    }
    let _ = std::panic::take_hook();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
