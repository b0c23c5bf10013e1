//! Where a packet begins and ends: the fixed header (section 2.1).

use super::{DecodeError, Reason, Version};

/// A whole packet in a buffer.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Packet type and flags.
    pub first: u8,
    /// What follows the fixed header.
    pub body: &'a [u8],
    /// Bytes of the whole packet, fixed header included.
    pub len: usize,
}

impl Frame<'_> {
    /// In MQTT 5 the remaining length is in its shortest form [MQTT-1.5.5-1];
    /// 3.1.1 does not say so.
    #[inline]
    pub(super) fn check_length(&self, version: Version) -> Result<(), DecodeError> {
        if version == Version::V5 && self.len != 1 + varint_len(self.body.len()) + self.body.len() {
            return Err(DecodeError::malformed(name(self.first), "remaining length is not in its shortest form"));
        }
        Ok(())
    }
}

pub const PINGRESP: [u8; 2] = [0xD0, 0];

/// The packet that `buf` begins with; `None`: its rest has not come yet.
///
/// # Errors
/// A remaining length of more than four bytes, or a packet of
/// more than `max_packet` bytes: known from its header, before it is here.
#[inline]
pub fn next_frame(buf: &[u8], max_packet: u32) -> Result<Option<Frame<'_>>, DecodeError> {
    let mut remaining = 0usize;
    for at in 1..=4 {
        let Some(byte) = buf.get(at) else { return Ok(None) };
        remaining |= ((byte & 0x7F) as usize) << (7 * (at - 1));
        if byte & 0x80 == 0 {
            let len = at + 1 + remaining;
            if len > max_packet as usize {
                let detail = format!("{len} bytes, at most {max_packet} are taken");
                return Err(DecodeError::new(Reason::PacketTooLarge, name(buf[0]), detail));
            }
            return Ok(buf.get(at + 1..len).map(|body| Frame { first: buf[0], body, len }));
        }
    }
    Err(DecodeError::malformed(name(buf[0]), "remaining length of more than four bytes"))
}

/// Name of the packet type in a first byte.
pub(super) fn name(first: u8) -> &'static str {
    const NAMES: [&str; 16] = [
        "packet type 0",
        "CONNECT",
        "CONNACK",
        "PUBLISH",
        "PUBACK",
        "PUBREC",
        "PUBREL",
        "PUBCOMP",
        "SUBSCRIBE",
        "SUBACK",
        "UNSUBSCRIBE",
        "UNSUBACK",
        "PINGREQ",
        "PINGRESP",
        "DISCONNECT",
        "AUTH",
    ];
    NAMES[(first >> 4) as usize]
}

/// Bytes that a variable byte integer takes.
pub(super) fn varint_len(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

pub(super) fn write_varint(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let byte = (value & 0x7F) as u8;
        value >>= 7;
        if value == 0 {
            return out.push(byte);
        }
        out.push(byte | 0x80);
    }
}

/// Writes a string or binary field. What comes from a packet fits; of what is
/// our own, such as a reason string, the first 65,535 bytes go out.
pub(super) fn write_field(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(u16::MAX as usize)];
    out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    out.extend_from_slice(bytes);
}
