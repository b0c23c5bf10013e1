//! PUBLISH (section 3.3).

use super::frame::{Frame, varint_len, write_field, write_varint};
use super::properties::{PublishProperties, id};
use super::reader::Reader;
use super::{DecodeError, QoS, Reason, Version, valid_topic};

/// A PUBLISH from a client, in its read buffer.
#[derive(Clone, Copy, Debug)]
pub struct Publish<'a> {
    pub dup: bool,
    pub qos: QoS,
    pub retain: bool,
    /// Empty only if there is a topic alias.
    pub topic: &'a str,
    /// 0 at QoS 0.
    pub packet_id: u16,
    pub properties: PublishProperties<'a>,
    pub payload: &'a [u8],
}

impl<'a> Publish<'a> {
    #[inline]
    pub(super) fn decode(version: Version, frame: &Frame<'a>) -> Result<Self, DecodeError> {
        const NAME: &str = "PUBLISH";
        let qos = (frame.first >> 1) & 3;
        let qos = QoS::try_from(qos).map_err(|qos| DecodeError::malformed(NAME, format!("QoS {qos}")))?; // [MQTT-3.3.1-4]
        let dup = frame.first & 0x08 != 0;
        if dup && qos == QoS::AtMostOnce {
            return Err(DecodeError::malformed(NAME, "DUP at QoS 0")); // [MQTT-3.3.1-2]
        }
        let mut reader = Reader::new(NAME, frame.body);
        let topic = reader.string("topic name")?;
        let packet_id = if qos == QoS::AtMostOnce { 0 } else { reader.packet_id()? };
        let properties = match version {
            Version::V5 => PublishProperties::decode(reader.properties()?)?,
            Version::V311 => PublishProperties::default(),
        };
        if topic.is_empty() && properties.topic_alias.is_none() {
            return Err(DecodeError::protocol(NAME, "no topic name and no topic alias")); // [MQTT-3.3.2-1]
        }
        if !topic.is_empty() && !valid_topic(topic) {
            let detail = "topic name with a wildcard"; // [MQTT-3.3.2-2]
            return Err(DecodeError::new(Reason::TopicNameInvalid, NAME, detail));
        }
        let payload = reader.rest();
        if properties.payload_format == Some(1) && std::str::from_utf8(payload).is_err() {
            let detail = "payload is not the UTF-8 that its format indicator says";
            return Err(DecodeError::new(Reason::PayloadFormatInvalid, NAME, detail));
        }
        Ok(Publish { dup, qos, retain: frame.first & 1 != 0, topic, packet_id, properties, payload })
    }
}

/// A PUBLISH to a subscriber.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Empty if the topic alias says it all.
    pub topic: &'a str,
    /// Wire-encoded, without expiry, alias and subscription identifiers.
    pub properties: &'a [u8],
    pub payload: &'a [u8],
    pub qos: QoS,
    pub packet_id: u16,
    pub dup: bool,
    pub retain: bool,
    /// In seconds.
    pub message_expiry: Option<u32>,
    pub topic_alias: Option<u16>,
    pub subscription_ids: &'a [u32],
}

impl Outgoing<'_> {
    fn properties_len(&self) -> usize {
        let ids: usize = self.subscription_ids.iter().map(|id| 1 + varint_len(*id as usize)).sum();
        self.properties.len() + self.message_expiry.map_or(0, |_| 5) + self.topic_alias.map_or(0, |_| 3) + ids
    }

    fn remaining_len(&self, version: Version) -> usize {
        let packet_id = if self.qos == QoS::AtMostOnce { 0 } else { 2 };
        let properties = match version {
            Version::V5 => {
                let len = self.properties_len();
                varint_len(len) + len
            }
            Version::V311 => 0,
        };
        2 + self.topic.len() + packet_id + properties + self.payload.len()
    }

    /// Bytes of the whole packet.
    pub fn size(&self, version: Version) -> usize {
        let remaining = self.remaining_len(version);
        1 + varint_len(remaining) + remaining
    }

    /// Appends the packet.
    pub fn encode(&self, out: &mut Vec<u8>, version: Version) {
        let remaining = self.remaining_len(version);
        out.reserve(5 + remaining);
        out.push(0x30 | (self.dup as u8) << 3 | (self.qos as u8) << 1 | self.retain as u8);
        write_varint(out, remaining);
        write_field(out, self.topic.as_bytes());
        if self.qos != QoS::AtMostOnce {
            out.extend_from_slice(&self.packet_id.to_be_bytes());
        }
        if version == Version::V5 {
            write_varint(out, self.properties_len());
            if let Some(seconds) = self.message_expiry {
                out.push(id::MESSAGE_EXPIRY as u8);
                out.extend_from_slice(&seconds.to_be_bytes());
            }
            if let Some(alias) = self.topic_alias {
                out.push(id::TOPIC_ALIAS as u8);
                out.extend_from_slice(&alias.to_be_bytes());
            }
            for subscription in self.subscription_ids {
                out.push(id::SUBSCRIPTION_ID as u8);
                write_varint(out, *subscription as usize);
            }
            out.extend_from_slice(self.properties);
        }
        out.extend_from_slice(self.payload);
    }
}
