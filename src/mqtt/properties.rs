//! Properties (section 2.2.2): which there are, and those of a PUBLISH.

use super::frame::write_field;
use super::reader::Reader;
use super::{DecodeError, Reason, valid_topic};

/// Property identifiers.
pub(super) mod id {
    pub const PAYLOAD_FORMAT: u32 = 0x01;
    pub const MESSAGE_EXPIRY: u32 = 0x02;
    pub const CONTENT_TYPE: u32 = 0x03;
    pub const RESPONSE_TOPIC: u32 = 0x08;
    pub const CORRELATION_DATA: u32 = 0x09;
    pub const SUBSCRIPTION_ID: u32 = 0x0B;
    pub const SESSION_EXPIRY: u32 = 0x11;
    pub const ASSIGNED_CLIENT_ID: u32 = 0x12;
    pub const SERVER_KEEP_ALIVE: u32 = 0x13;
    pub const AUTHENTICATION_METHOD: u32 = 0x15;
    pub const AUTHENTICATION_DATA: u32 = 0x16;
    pub const REQUEST_PROBLEM_INFORMATION: u32 = 0x17;
    pub const WILL_DELAY: u32 = 0x18;
    pub const REQUEST_RESPONSE_INFORMATION: u32 = 0x19;
    pub const RESPONSE_INFORMATION: u32 = 0x1A;
    pub const REASON_STRING: u32 = 0x1F;
    pub const RECEIVE_MAXIMUM: u32 = 0x21;
    pub const TOPIC_ALIAS_MAXIMUM: u32 = 0x22;
    pub const TOPIC_ALIAS: u32 = 0x23;
    pub const MAXIMUM_QOS: u32 = 0x24;
    pub const RETAIN_AVAILABLE: u32 = 0x25;
    pub const USER_PROPERTY: u32 = 0x26;
    pub const MAXIMUM_PACKET_SIZE: u32 = 0x27;
    pub const WILDCARD_AVAILABLE: u32 = 0x28;
    pub const SUBSCRIPTION_IDS_AVAILABLE: u32 = 0x29;
    pub const SHARED_AVAILABLE: u32 = 0x2A;
}

/// Notes which single properties have come, to find those that come twice.
#[derive(Default)]
pub(super) struct Seen(u64);

impl Seen {
    #[inline]
    pub fn once(&mut self, packet: &'static str, id: u32, name: &str) -> Result<(), DecodeError> {
        let bit = 1u64 << (id & 63);
        if self.0 & bit != 0 {
            return Err(DecodeError::protocol(packet, format!("{name} twice")));
        }
        self.0 |= bit;
        Ok(())
    }
}

/// A property that has no place in this packet.
#[cold]
pub(super) fn misplaced(packet: &'static str, id: u32) -> DecodeError {
    let known = matches!(id, 0x01..=0x03 | 0x08 | 0x09 | 0x0B | 0x11..=0x13 | 0x15..=0x1A | 0x1C | 0x1F | 0x21..=0x2A);
    let detail = format!("property 0x{id:02x} does not belong here");
    if known { DecodeError::protocol(packet, detail) } else { DecodeError::malformed(packet, detail) }
}

/// Reads a flag property: 0 or 1.
pub(super) fn flag(reader: &mut Reader<'_>, name: &str) -> Result<bool, DecodeError> {
    match reader.u8(name)? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(DecodeError::protocol(reader.packet, format!("{name} is {other}, not 0 or 1"))),
    }
}

/// Checks a property list that may hold only a reason string and user
/// properties, as those of acknowledgements do.
pub(super) fn check_ack_properties(properties: &mut Reader<'_>) -> Result<(), DecodeError> {
    let mut seen = Seen::default();
    while !properties.is_empty() {
        match properties.varint("property identifier")? {
            id::REASON_STRING => {
                seen.once(properties.packet, id::REASON_STRING, "reason string")?;
                properties.string("reason string")?;
            }
            id::USER_PROPERTY => {
                properties.string("user property name")?;
                properties.string("user property value")?;
            }
            other => return Err(misplaced(properties.packet, other)),
        }
    }
    Ok(())
}

/// The properties of a PUBLISH, checked. All absent in 3.1.1.
#[derive(Clone, Copy, Debug, Default)]
pub struct PublishProperties<'a> {
    /// As received, without their length.
    pub raw: &'a [u8],
    pub payload_format: Option<u8>,
    /// In seconds.
    pub message_expiry: Option<u32>,
    pub topic_alias: Option<u16>,
    pub response_topic: Option<&'a str>,
    pub correlation_data: Option<&'a [u8]>,
    pub content_type: Option<&'a str>,
    /// How many user properties there are.
    pub user_count: u16,
}

impl<'a> PublishProperties<'a> {
    #[inline]
    pub(super) fn decode(mut list: Reader<'a>) -> Result<Self, DecodeError> {
        let packet = list.packet;
        let mut found = PublishProperties { raw: list.remaining(), ..Default::default() };
        let mut seen = Seen::default();
        while !list.is_empty() {
            let id = list.varint("property identifier")?;
            match id {
                id::USER_PROPERTY => {
                    list.string("user property name")?;
                    list.string("user property value")?;
                    found.user_count = found.user_count.saturating_add(1);
                    continue;
                }
                id::RESPONSE_TOPIC => {
                    let topic = list.string("response topic")?;
                    // A topic name, so without wildcards [MQTT-3.3.2-14].
                    if !valid_topic(topic) {
                        return Err(DecodeError::protocol(packet, "response topic is not a topic name"));
                    }
                    found.response_topic = Some(topic);
                }
                id::CORRELATION_DATA => found.correlation_data = Some(list.binary("correlation data")?),
                id::CONTENT_TYPE => found.content_type = Some(list.string("content type")?),
                id::MESSAGE_EXPIRY => found.message_expiry = Some(list.u32("message expiry interval")?),
                id::PAYLOAD_FORMAT => {
                    found.payload_format = Some(flag(&mut list, "payload format indicator")? as u8);
                }
                id::TOPIC_ALIAS => {
                    let alias = list.u16("topic alias")?;
                    if alias == 0 {
                        return Err(DecodeError::new(Reason::TopicAliasInvalid, packet, "topic alias 0")); // [MQTT-3.3.2-8]
                    }
                    found.topic_alias = Some(alias);
                }
                id::SUBSCRIPTION_ID => {
                    return Err(DecodeError::protocol(packet, "subscription identifier from a client")); // [MQTT-3.3.4-6]
                }
                other => return Err(misplaced(packet, other)),
            }
            seen.once(packet, id, "a property")?;
        }
        Ok(found)
    }

    pub fn user(&self) -> UserProperties<'a> {
        UserProperties::new(self.raw)
    }

    /// Appends what a broker passes on: all, in order, but message expiry and
    /// topic alias.
    pub fn append_forwarded(&self, out: &mut Vec<u8>) {
        if self.message_expiry.is_none() && self.topic_alias.is_none() {
            return out.extend_from_slice(self.raw);
        }
        let mut list = Reader::new("PUBLISH", self.raw);
        while let Some((id, bytes)) = next_property(&mut list) {
            if !matches!(id, id::MESSAGE_EXPIRY | id::TOPIC_ALIAS | id::SUBSCRIPTION_ID) {
                out.extend_from_slice(bytes);
            }
        }
    }
}

/// The next property of a checked PUBLISH list, with its bytes, identifier
/// included.
fn next_property<'a>(list: &mut Reader<'a>) -> Option<(u32, &'a [u8])> {
    let whole = list.remaining();
    let id = list.varint("").ok()?;
    match id {
        id::PAYLOAD_FORMAT => list.take(1, "").ok()?,
        id::MESSAGE_EXPIRY => list.take(4, "").ok()?,
        id::TOPIC_ALIAS => list.take(2, "").ok()?,
        id::CONTENT_TYPE | id::RESPONSE_TOPIC | id::CORRELATION_DATA => list.binary("").ok()?,
        id::USER_PROPERTY => {
            list.binary("").ok()?;
            list.binary("").ok()?
        }
        id::SUBSCRIPTION_ID => {
            list.varint("").ok()?;
            &[]
        }
        _ => return None,
    };
    Some((id, &whole[..whole.len() - list.remaining().len()]))
}

/// The user properties in a checked PUBLISH property list.
#[derive(Clone, Copy)]
pub struct UserProperties<'a>(Reader<'a>);

impl<'a> UserProperties<'a> {
    pub fn new(raw: &'a [u8]) -> Self {
        UserProperties(Reader::new("PUBLISH", raw))
    }

    /// Value of the first property with that name.
    pub fn get(mut self, name: &str) -> Option<&'a str> {
        self.find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

impl<'a> Iterator for UserProperties<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (id, bytes) = next_property(&mut self.0)?;
            if id == id::USER_PROPERTY {
                let mut pair = Reader::new("PUBLISH", &bytes[1..]);
                return Some((pair.string("").ok()?, pair.string("").ok()?));
            }
        }
    }
}

/// Response topic in a checked PUBLISH property list.
pub fn response_topic(raw: &[u8]) -> Option<&str> {
    let mut list = Reader::new("PUBLISH", raw);
    loop {
        let (id, bytes) = next_property(&mut list)?;
        if id == id::RESPONSE_TOPIC {
            return Reader::new("PUBLISH", &bytes[1..]).string("").ok();
        }
    }
}

pub fn write_user_property(out: &mut Vec<u8>, name: &str, value: &str) {
    write_user_property_of(out, name, &[value]);
}

/// The same with a value of several parts, at most 65,535 bytes together.
pub fn write_user_property_of(out: &mut Vec<u8>, name: &str, value: &[&str]) {
    out.push(id::USER_PROPERTY as u8);
    write_field(out, name.as_bytes());
    let len: usize = value.iter().map(|part| part.len()).sum();
    out.extend_from_slice(&(len as u16).to_be_bytes());
    value.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}

pub fn write_response_topic(out: &mut Vec<u8>, topic: &str) {
    out.push(id::RESPONSE_TOPIC as u8);
    write_field(out, topic.as_bytes());
}
