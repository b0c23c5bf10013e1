//! DISCONNECT (section 3.14).

use super::frame::{Frame, varint_len, write_field, write_varint};
use super::properties::{Seen, id, misplaced};
use super::reader::Reader;
use super::{DecodeError, Reason, Version};

#[derive(Clone, Copy, Debug)]
pub struct Disconnect<'a> {
    pub reason: Reason,
    /// In seconds.
    pub session_expiry: Option<u32>,
    pub reason_string: Option<&'a str>,
}

/// Whether a client may give this reason.
fn allowed(reason: Reason) -> bool {
    use Reason::*;
    matches!(
        reason,
        Success
            | DisconnectWithWill
            | UnspecifiedError
            | MalformedPacket
            | ProtocolError
            | ImplementationSpecificError
            | TopicNameInvalid
            | ReceiveMaximumExceeded
            | TopicAliasInvalid
            | PacketTooLarge
            | MessageRateTooHigh
            | QuotaExceeded
            | AdministrativeAction
            | PayloadFormatInvalid
    )
}

impl<'a> Disconnect<'a> {
    pub(super) fn decode(version: Version, frame: &Frame<'a>) -> Result<Self, DecodeError> {
        const NAME: &str = "DISCONNECT";
        let mut reader = Reader::new(NAME, frame.body);
        let mut found = Disconnect { reason: Reason::Success, session_expiry: None, reason_string: None };
        if version == Version::V5 && !reader.is_empty() {
            let code = reader.u8("reason code")?;
            found.reason = Reason::try_from(code)
                .ok()
                .filter(|reason| allowed(*reason))
                .ok_or_else(|| DecodeError::protocol(NAME, format!("reason code 0x{code:02x} does not belong here")))?;
            if !reader.is_empty() {
                found.properties(&mut reader.properties()?)?;
            }
        }
        reader.finish()?;
        Ok(found)
    }

    fn properties(&mut self, list: &mut Reader<'a>) -> Result<(), DecodeError> {
        let mut seen = Seen::default();
        while !list.is_empty() {
            match list.varint("property identifier")? {
                id::SESSION_EXPIRY => {
                    seen.once(list.packet, id::SESSION_EXPIRY, "session expiry interval")?;
                    self.session_expiry = Some(list.u32("session expiry interval")?);
                }
                id::REASON_STRING => {
                    seen.once(list.packet, id::REASON_STRING, "reason string")?;
                    self.reason_string = Some(list.string("reason string")?);
                }
                id::USER_PROPERTY => {
                    list.string("user property name")?;
                    list.string("user property value")?;
                }
                other => return Err(misplaced(list.packet, other)),
            }
        }
        Ok(())
    }
}

/// Appends a DISCONNECT from the server; there is none in 3.1.1.
pub fn encode_disconnect(out: &mut Vec<u8>, version: Version, reason: Reason, reason_string: Option<&str>) {
    if version == Version::V311 {
        return;
    }
    out.push(0xE0);
    match reason_string {
        None => out.extend_from_slice(&[1, reason.code()]),
        Some(text) => {
            let properties = 3 + text.len();
            write_varint(out, 1 + varint_len(properties) + properties);
            out.push(reason.code());
            write_varint(out, properties);
            out.push(id::REASON_STRING as u8);
            write_field(out, text.as_bytes());
        }
    }
}
