//! How messages and filters of the bus travel through the router.

use bytes::Bytes;
use rumqttd::protocol::Publish;

use super::Delivery;

/// What goes with a message beside its properties and payload. All of it travels
/// in front of the payload, since a log's limit counts topics and payloads only:
/// a message of large properties would not count at all.
pub(super) struct Envelope {
    pub(super) qos: u8,
    pub(super) tag: u64,
}

impl Envelope {
    /// QoS, tag, and the length of the properties.
    const LEN: usize = 1 + 8 + 4;

    /// Topic and payload for the router, in one allocation.
    pub(super) fn pack(self, topic: &str, properties: &[u8], payload: &[u8]) -> (Bytes, Bytes) {
        let topic_len = PREFIX_LEN + topic.len();
        let mut all = Vec::with_capacity(topic_len + Self::LEN + properties.len() + payload.len());
        all.extend_from_slice(prefix(topic).as_bytes());
        all.extend_from_slice(topic.as_bytes());
        all.push(self.qos);
        all.extend_from_slice(&self.tag.to_le_bytes());
        // MQTT's own limit on properties is 256 MiB.
        all.extend_from_slice(&(properties.len() as u32).to_le_bytes());
        all.extend_from_slice(properties);
        all.extend_from_slice(payload);
        let mut payload = Bytes::from(all);
        (payload.split_to(topic_len), payload)
    }

    /// Reads what [`pack`](Self::pack) wrote; nothing if another wrote it.
    pub(super) fn open<'a>(filter: &'a str, publish: &'a Publish) -> Option<Delivery<'a>> {
        let topic = std::str::from_utf8(&publish.topic).ok()?.get(PREFIX_LEN..)?;
        let (qos, rest) = publish.payload.split_first()?;
        let (tag, rest) = rest.split_first_chunk()?;
        let (properties_len, rest) = rest.split_first_chunk()?;
        let (properties, payload) = rest.split_at_checked(u32::from_le_bytes(*properties_len) as usize)?;
        Some(Delivery { filter, topic, properties, payload, qos: *qos, tag: u64::from_le_bytes(*tag) })
    }
}

const PREFIX_LEN: usize = 2;

fn prefix(name: &str) -> &'static str {
    if name.starts_with('$') { "s/" } else { "u/" }
}

/// The router's name for a filter.
pub(super) fn in_router(filter: &str) -> String {
    [prefix(filter), filter].concat()
}
