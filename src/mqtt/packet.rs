//! Any packet that a client may send after CONNECT.

use super::frame::{Frame, name};
use super::properties::{Seen, id, misplaced};
use super::reader::Reader;
use super::{Ack, AckKind, DecodeError, Disconnect, Publish, Reason, Subscribe, Unsubscribe, Version};

#[derive(Clone, Debug)]
pub enum Packet<'a> {
    Publish(Publish<'a>),
    Ack(AckKind, Ack),
    Subscribe(Subscribe<'a>),
    Unsubscribe(Unsubscribe<'a>),
    Pingreq,
    Disconnect(Disconnect<'a>),
    Auth { method: Option<&'a str> },
}

/// Decodes a packet of a client that has connected.
///
/// # Errors
/// What [`DecodeError`] says: a packet that breaks the specification, comes in
/// the wrong place, or is only for a server to send.
#[inline]
pub fn decode<'a>(version: Version, frame: &Frame<'a>) -> Result<Packet<'a>, DecodeError> {
    frame.check_length(version)?;
    let kind = frame.first >> 4;
    if kind == 3 {
        return Publish::decode(version, frame).map(Packet::Publish);
    }
    // All other packets have fixed flags [MQTT-2.1.3-1].
    let flags = if matches!(kind, 6 | 8 | 10) { 2 } else { 0 };
    if frame.first & 0x0F != flags {
        let detail = format!("flags 0x{:x} in the fixed header, not 0x{flags:x}", frame.first & 0x0F);
        return Err(DecodeError::malformed(name(frame.first), detail));
    }
    let ack = |kind| Ack::decode(version, kind, frame).map(|ack| Packet::Ack(kind, ack));
    match kind {
        4 => ack(AckKind::Puback),
        5 => ack(AckKind::Pubrec),
        6 => ack(AckKind::Pubrel),
        7 => ack(AckKind::Pubcomp),
        8 => Subscribe::decode(version, frame).map(Packet::Subscribe),
        10 => Unsubscribe::decode(version, frame).map(Packet::Unsubscribe),
        12 => {
            Reader::new("PINGREQ", frame.body).finish()?;
            Ok(Packet::Pingreq)
        }
        14 => Disconnect::decode(version, frame).map(Packet::Disconnect),
        15 if version == Version::V5 => auth(frame),
        0 | 15 => Err(DecodeError::malformed(name(frame.first), "no packet has this type")),
        1 => Err(DecodeError::protocol("CONNECT", "a second one on this connection")), // [MQTT-3.1.0-2]
        _ => Err(DecodeError::protocol(name(frame.first), "only a server sends it")),
    }
}

fn auth<'a>(frame: &Frame<'a>) -> Result<Packet<'a>, DecodeError> {
    let mut reader = Reader::new("AUTH", frame.body);
    let mut method = None;
    if !reader.is_empty() {
        let code = reader.u8("reason code")?;
        if !matches!(
            Reason::try_from(code),
            Ok(Reason::Success | Reason::ContinueAuthentication | Reason::ReAuthenticate)
        ) {
            return Err(DecodeError::protocol("AUTH", format!("reason code 0x{code:02x} does not belong here")));
        }
        let mut seen = Seen::default();
        let mut list = reader.properties()?;
        while !list.is_empty() {
            let id = list.varint("property identifier")?;
            match id {
                id::USER_PROPERTY => {
                    list.string("user property name")?;
                    list.string("user property value")?;
                    continue;
                }
                id::AUTHENTICATION_METHOD => method = Some(list.string("authentication method")?),
                id::AUTHENTICATION_DATA => _ = list.binary("authentication data")?,
                id::REASON_STRING => _ = list.string("reason string")?,
                other => return Err(misplaced("AUTH", other)),
            }
            seen.once("AUTH", id, "a property")?;
        }
    }
    reader.finish()?;
    Ok(Packet::Auth { method })
}
