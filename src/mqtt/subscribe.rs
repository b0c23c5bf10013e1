//! SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK (sections 3.8 to 3.11).

use super::frame::{Frame, varint_len, write_field, write_varint};
use super::properties::{Seen, id, misplaced};
use super::reader::Reader;
use super::{DecodeError, QoS, Reason, Version};

/// When retained messages are sent for a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetainHandling {
    SendAlways = 0,
    SendIfNew = 1,
    Never = 2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscribeOptions {
    pub qos: QoS,
    pub no_local: bool,
    pub retain_as_published: bool,
    pub retain_handling: RetainHandling,
}

/// One filter of a SUBSCRIBE. Its syntax is not checked here: that a filter
/// can't be is for the SUBACK to say.
#[derive(Clone, Copy, Debug)]
pub struct SubscribeFilter<'a> {
    pub filter: &'a str,
    pub options: SubscribeOptions,
}

#[derive(Clone, Debug)]
pub struct Subscribe<'a> {
    pub packet_id: u16,
    pub subscription_id: Option<u32>,
    pub filters: Vec<SubscribeFilter<'a>>,
}

#[derive(Clone, Debug)]
pub struct Unsubscribe<'a> {
    pub packet_id: u16,
    pub filters: Vec<&'a str>,
}

impl<'a> Subscribe<'a> {
    pub(super) fn decode(version: Version, frame: &Frame<'a>) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("SUBSCRIBE", frame.body);
        let packet_id = reader.packet_id()?;
        let mut subscription_id = None;
        if version == Version::V5 {
            subscription_id = subscribe_properties(&mut reader.properties()?)?;
        }
        let mut filters = Vec::new();
        while !reader.is_empty() {
            let filter = reader.string("topic filter")?;
            let options = SubscribeOptions::decode(version, reader.u8("subscription options")?)?;
            if options.no_local && filter.starts_with("$share/") {
                return Err(DecodeError::protocol("SUBSCRIBE", "no local on a shared subscription")); // [MQTT-3.8.3-4]
            }
            filters.push(SubscribeFilter { filter, options });
        }
        if filters.is_empty() {
            return Err(DecodeError::protocol("SUBSCRIBE", "no topic filter")); // [MQTT-3.8.3-2]
        }
        Ok(Subscribe { packet_id, subscription_id, filters })
    }
}

fn subscribe_properties(list: &mut Reader<'_>) -> Result<Option<u32>, DecodeError> {
    let mut found = None;
    let mut seen = Seen::default();
    while !list.is_empty() {
        match list.varint("property identifier")? {
            id::SUBSCRIPTION_ID => {
                seen.once(list.packet, id::SUBSCRIPTION_ID, "subscription identifier")?;
                found = Some(list.varint("subscription identifier")?);
                if found == Some(0) {
                    return Err(DecodeError::protocol(list.packet, "subscription identifier 0"));
                }
            }
            id::USER_PROPERTY => {
                list.string("user property name")?;
                list.string("user property value")?;
            }
            other => return Err(misplaced(list.packet, other)),
        }
    }
    Ok(found)
}

impl SubscribeOptions {
    fn decode(version: Version, byte: u8) -> Result<Self, DecodeError> {
        const NAME: &str = "SUBSCRIBE";
        let reserved = if version == Version::V5 { 0xC0 } else { 0xFC };
        if byte & reserved != 0 {
            return Err(DecodeError::malformed(NAME, format!("reserved subscription options in 0x{byte:02x}"))); // [MQTT-3.8.3-5]
        }
        let qos = QoS::try_from(byte & 3).map_err(|qos| DecodeError::malformed(NAME, format!("QoS {qos}")))?;
        let retain_handling = match (byte >> 4) & 3 {
            0 => RetainHandling::SendAlways,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::Never,
            _ => return Err(DecodeError::protocol(NAME, "retain handling 3")),
        };
        Ok(SubscribeOptions { qos, no_local: byte & 4 != 0, retain_as_published: byte & 8 != 0, retain_handling })
    }
}

impl<'a> Unsubscribe<'a> {
    pub(super) fn decode(version: Version, frame: &Frame<'a>) -> Result<Self, DecodeError> {
        const NAME: &str = "UNSUBSCRIBE";
        let mut reader = Reader::new(NAME, frame.body);
        let packet_id = reader.packet_id()?;
        if version == Version::V5 {
            let mut list = reader.properties()?;
            while !list.is_empty() {
                match list.varint("property identifier")? {
                    id::USER_PROPERTY => {
                        list.string("user property name")?;
                        list.string("user property value")?;
                    }
                    other => return Err(misplaced(NAME, other)),
                }
            }
        }
        let mut filters = Vec::new();
        while !reader.is_empty() {
            filters.push(reader.string("topic filter")?);
        }
        if filters.is_empty() {
            return Err(DecodeError::protocol(NAME, "no topic filter")); // [MQTT-3.10.3-2]
        }
        Ok(Unsubscribe { packet_id, filters })
    }
}

/// Appends a SUBACK; in 3.1.1 all errors are 0x80.
pub fn encode_suback(
    out: &mut Vec<u8>,
    version: Version,
    packet_id: u16,
    reasons: &[Reason],
    reason_string: Option<&str>,
) {
    let codes = reasons.iter().map(|reason| match version {
        Version::V311 if reason.is_error() => 0x80,
        _ => reason.code(),
    });
    encode(out, 0x90, version, packet_id, reason_string, reasons.len());
    out.extend(codes);
}

/// Appends an UNSUBACK; in 3.1.1 it says nothing but that it is one.
pub fn encode_unsuback(out: &mut Vec<u8>, version: Version, packet_id: u16, reasons: &[Reason]) {
    let count = if version == Version::V5 { reasons.len() } else { 0 };
    encode(out, 0xB0, version, packet_id, None, count);
    out.extend(reasons[..count].iter().map(|reason| reason.code()));
}

/// All before the reason codes, of which there will be `count`.
fn encode(out: &mut Vec<u8>, first: u8, version: Version, packet_id: u16, reason_string: Option<&str>, count: usize) {
    out.push(first);
    if version == Version::V311 {
        write_varint(out, 2 + count);
        return out.extend_from_slice(&packet_id.to_be_bytes());
    }
    let properties = reason_string.map_or(0, |text| 3 + text.len());
    write_varint(out, 2 + varint_len(properties) + properties + count);
    out.extend_from_slice(&packet_id.to_be_bytes());
    write_varint(out, properties);
    if let Some(text) = reason_string {
        out.push(id::REASON_STRING as u8);
        write_field(out, text.as_bytes());
    }
}
