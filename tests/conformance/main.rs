//! Conformance with MQTT 5: each test cites the normative statements it shows
//! (`[MQTT-x.y.z-n]`); `docs/conformance.md` is the table of all of them.

#[path = "../support/mod.rs"]
mod support;

mod connect;
mod page;
mod properties;
mod publish;
mod qos;
mod raw_cases;
mod session;
mod shared;
mod subscribe;
mod unsubscribe;
mod v311;
mod websocket;
mod will;

use support::client::{field, packet, varint};
use support::{Client, Instance, Login};

/// A bus on which everybody may do everything.
fn open() -> Instance {
    Instance::open_bus(|_| {})
}

fn join(skep: &Instance, id: &str) -> Client {
    Client::connect(skep.backend(), Login::new(id))
}

/// A SUBSCRIBE with several filters, packet id 77.
fn subscribe_packet(filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = vec![0, 77, 0];
    for (filter, options) in filters {
        body.extend(field(filter.as_bytes()));
        body.push(*options);
    }
    packet(0x82, &body)
}

/// An UNSUBSCRIBE with several filters, packet id 78.
fn unsubscribe_packet(filters: &[&str]) -> Vec<u8> {
    let mut body = vec![0, 78, 0];
    filters.iter().for_each(|filter| body.extend(field(filter.as_bytes())));
    packet(0xA2, &body)
}

/// The property of an acknowledgement, CONNACK or DISCONNECT with this
/// identifier, as raw bytes; `at` is where the property length is.
fn property(body: &[u8], at: usize, id: u8) -> Option<Vec<u8>> {
    let (len, mut rest) = body.get(at..)?.split_first()?;
    assert!(*len < 128, "property lists of these packets are short");
    rest = &rest[..*len as usize];
    while let Some((found, value)) = rest.split_first() {
        let text = |at: usize| 2 + u16::from_be_bytes([value[at], value[at + 1]]) as usize;
        let len = match found {
            0x11 | 0x27 | 0x02 | 0x18 => 4,
            0x21 | 0x22 | 0x13 => 2,
            0x24 | 0x25 | 0x28 | 0x29 | 0x2A => 1,
            0x12 | 0x15 | 0x1A | 0x1C | 0x1F => text(0),
            0x26 => text(0) + text(text(0)),
            other => panic!("property {other:#x} has no place here"),
        };
        if *found == id {
            return Some(value[..len].to_vec());
        }
        rest = &value[len..];
    }
    None
}

/// The subscription identifier property.
fn subscription_id(id: usize) -> Vec<u8> {
    [&[0x0B][..], &varint(id)].concat()
}
