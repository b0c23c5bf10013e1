//! Fields of a packet, one after the other.

use super::DecodeError;

/// Reads the body of a packet from the front.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub packet: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(packet: &'static str, body: &'a [u8]) -> Self {
        Reader { packet, rest: body }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that has not been read.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Everything was to be read by now.
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(DecodeError::malformed(self.packet, format!("{} bytes after the last field", self.rest.len())))
    }

    #[cold]
    fn short(&self, field: &str) -> DecodeError {
        DecodeError::malformed(self.packet, format!("ends within {field}"))
    }

    #[inline]
    pub fn take(&mut self, n: usize, field: &str) -> Result<&'a [u8], DecodeError> {
        match self.rest.split_at_checked(n) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.short(field)),
        }
    }

    #[inline]
    pub fn u8(&mut self, field: &str) -> Result<u8, DecodeError> {
        Ok(self.take(1, field)?[0])
    }

    #[inline]
    pub fn u16(&mut self, field: &str) -> Result<u16, DecodeError> {
        let bytes = self.take(2, field)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    #[inline]
    pub fn u32(&mut self, field: &str) -> Result<u32, DecodeError> {
        let bytes = self.take(4, field)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A variable byte integer, in its shortest form [MQTT-1.5.5-1].
    #[inline]
    pub fn varint(&mut self, field: &str) -> Result<u32, DecodeError> {
        let mut value = 0u32;
        for at in 0..4 {
            let byte = self.u8(field)?;
            value |= ((byte & 0x7F) as u32) << (7 * at);
            if byte & 0x80 == 0 {
                if byte == 0 && at > 0 {
                    return Err(DecodeError::malformed(self.packet, format!("{field} is not in its shortest form")));
                }
                return Ok(value);
            }
        }
        Err(DecodeError::malformed(self.packet, format!("{field} has more than four bytes")))
    }

    /// Binary data with its length before it.
    #[inline]
    pub fn binary(&mut self, field: &str) -> Result<&'a [u8], DecodeError> {
        let len = self.u16(field)?;
        self.take(len as usize, field)
    }

    /// A string: well-formed UTF-8 without U+0000 [MQTT-1.5.4-1] [MQTT-1.5.4-2].
    #[inline]
    pub fn string(&mut self, field: &str) -> Result<&'a str, DecodeError> {
        let bytes = self.binary(field)?;
        match std::str::from_utf8(bytes) {
            Ok(text) if !bytes.contains(&0) => Ok(text),
            Ok(_) => Err(DecodeError::malformed(self.packet, format!("{field} contains U+0000"))),
            Err(_) => Err(DecodeError::malformed(self.packet, format!("{field} is not UTF-8"))),
        }
    }

    /// A packet identifier: not 0 [MQTT-2.2.1-3].
    #[inline]
    pub fn packet_id(&mut self) -> Result<u16, DecodeError> {
        match self.u16("packet identifier")? {
            0 => Err(DecodeError::malformed(self.packet, "packet identifier 0")),
            id => Ok(id),
        }
    }

    /// The bytes of a property list, to be read by themselves.
    #[inline]
    pub fn properties(&mut self) -> Result<Reader<'a>, DecodeError> {
        let len = self.varint("property length")?;
        let bytes = self.take(len as usize, "properties")?;
        Ok(Reader { packet: self.packet, rest: bytes })
    }

    /// Bytes not read yet; tells where a field began.
    pub fn remaining(&self) -> &'a [u8] {
        self.rest
    }
}
