//! PUBACK, PUBREC, PUBREL and PUBCOMP (sections 3.4 to 3.7).

use super::frame::{Frame, name, varint_len, write_field, write_varint};
use super::properties::{check_ack_properties, id};
use super::reader::Reader;
use super::{DecodeError, Reason, Version};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckKind {
    Puback,
    Pubrec,
    Pubrel,
    Pubcomp,
}

/// A step in the acknowledgement of a PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    pub packet_id: u16,
    /// Success if the packet has none.
    pub reason: Reason,
}

impl AckKind {
    /// First byte of the packet; PUBREL has a flag set.
    fn first(self) -> u8 {
        match self {
            AckKind::Puback => 0x40,
            AckKind::Pubrec => 0x50,
            AckKind::Pubrel => 0x62,
            AckKind::Pubcomp => 0x70,
        }
    }

    fn allows(self, reason: Reason) -> bool {
        use Reason::*;
        match self {
            AckKind::Puback | AckKind::Pubrec => matches!(
                reason,
                Success
                    | NoMatchingSubscribers
                    | UnspecifiedError
                    | ImplementationSpecificError
                    | NotAuthorized
                    | TopicNameInvalid
                    | PacketIdentifierInUse
                    | QuotaExceeded
                    | PayloadFormatInvalid
            ),
            AckKind::Pubrel | AckKind::Pubcomp => matches!(reason, Success | PacketIdentifierNotFound),
        }
    }
}

impl Ack {
    #[inline]
    pub(super) fn decode(version: Version, kind: AckKind, frame: &Frame<'_>) -> Result<Ack, DecodeError> {
        let packet = name(frame.first);
        let mut reader = Reader::new(packet, frame.body);
        let packet_id = reader.packet_id()?;
        let mut reason = Reason::Success;
        if version == Version::V5 && !reader.is_empty() {
            let code = reader.u8("reason code")?;
            let known = Reason::try_from(code).ok().filter(|reason| kind.allows(*reason));
            reason = known.ok_or_else(|| {
                DecodeError::protocol(packet, format!("reason code 0x{code:02x} does not belong here"))
            })?;
            if !reader.is_empty() {
                check_ack_properties(&mut reader.properties()?)?;
            }
        }
        reader.finish()?;
        Ok(Ack { packet_id, reason })
    }
}

/// Appends an acknowledgement, in its short form where that says it all.
/// Reason and reason string are MQTT 5's.
pub fn encode_ack(
    out: &mut Vec<u8>,
    version: Version,
    kind: AckKind,
    packet_id: u16,
    reason: Reason,
    reason_string: Option<&str>,
) {
    out.push(kind.first());
    let [high, low] = packet_id.to_be_bytes();
    match reason_string {
        _ if version == Version::V311 || (reason == Reason::Success && reason_string.is_none()) => {
            out.extend_from_slice(&[2, high, low]);
        }
        None => out.extend_from_slice(&[3, high, low, reason.code()]),
        Some(text) => {
            let properties = 3 + text.len();
            write_varint(out, 3 + varint_len(properties) + properties);
            out.extend_from_slice(&[high, low, reason.code()]);
            write_varint(out, properties);
            out.push(id::REASON_STRING as u8);
            write_field(out, text.as_bytes());
        }
    }
}
