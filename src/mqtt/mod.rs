//! MQTT 3.1.1 and 5 on the wire: packets from bytes and to bytes, topics and
//! filters. Knows nothing of brokers, sessions or sockets.
//!
//! Decoding borrows from the read buffer, so that a PUBLISH on its way through
//! the router is looked at but not copied. Every rule of the specification that
//! can be checked on one packet alone is checked here, and a packet that breaks
//! one becomes a [`crate::mqtt::DecodeError`] with the reason code to disconnect with.

mod ack;
mod connack;
mod connect;
mod disconnect;
mod error;
mod frame;
mod packet;
mod properties;
mod publish;
mod reader;
mod reason;
mod subscribe;
mod topic;

pub use ack::{Ack, AckKind, encode_ack};
pub use connack::Connack;
pub use connect::{Connect, Will};
pub use disconnect::{Disconnect, encode_disconnect};
pub use error::DecodeError;
pub use frame::{Frame, PINGRESP, next_frame};
pub use packet::{Packet, decode};
pub use properties::{
    PublishProperties, UserProperties, response_topic, write_response_topic, write_user_property,
    write_user_property_of,
};
pub use publish::{Outgoing, Publish};
pub use reason::Reason;
pub use subscribe::{
    RetainHandling, Subscribe, SubscribeFilter, SubscribeOptions, Unsubscribe, encode_suback, encode_unsuback,
};
pub use topic::{TopicError, matches, parse_share, valid_filter, valid_topic};

/// The protocol version that a connection speaks, fixed by its CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    V311,
    V5,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum QoS {
    #[default]
    AtMostOnce = 0,
    AtLeastOnce = 1,
    ExactlyOnce = 2,
}

impl TryFrom<u8> for QoS {
    type Error = u8;

    fn try_from(level: u8) -> Result<QoS, u8> {
        match level {
            0 => Ok(QoS::AtMostOnce),
            1 => Ok(QoS::AtLeastOnce),
            2 => Ok(QoS::ExactlyOnce),
            other => Err(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) {
        if let Ok(Some(frame)) = next_frame(bytes, 1 << 20) {
            let _ = Connect::decode(&frame);
            let _ = Connect::sniff_version(&frame);
            for version in [Version::V311, Version::V5] {
                if let Ok(Packet::Publish(publish)) = decode(version, &frame) {
                    // All that a broker does with one.
                    publish.properties.user().for_each(drop);
                    let mut forwarded = Vec::new();
                    publish.properties.append_forwarded(&mut forwarded);
                    assert_eq!(response_topic(&forwarded), publish.properties.response_topic);
                    assert!(UserProperties::new(&forwarded).eq(publish.properties.user()));
                }
            }
        }
    }

    /// A packet of each kind, to begin mutations with.
    const PACKETS: &[&[u8]] = &[
        &[0x10, 16, 0, 4, b'M', b'Q', b'T', b'T', 5, 0x02, 0, 10, 3, 0x21, 0, 9, 0, 1, b'c'],
        &[0x10, 24, 0, 4, b'M', b'Q', b'T', b'T', 5, 0x06, 0, 0, 0, 0, 1, b'c', 5, 0x18, 0, 0, 0, 1, 0, 1, b't', 0],
        &[0x32, 20, 0, 1, b'a', 0, 7, 13, 0x08, 0, 1, b'r', 0x26, 0, 1, b'k', 0, 1, b'v', 0x01, b'x', b'y'],
        &[0x82, 9, 0, 1, 2, 0x0B, 5, 0, 1, b'a', 1],
        &[0xA2, 6, 0, 1, 0, 0, 1, b'a'],
        &[0x40, 4, 0, 1, 0x10, 0],
        &[0x62, 2, 0, 1],
        &[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 9],
        &[0xF0, 6, 0x18, 4, 0x15, 0, 1, b'm'],
    ];

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            read(&bytes);
        }

        #[test]
        fn no_change_of_a_good_packet_does(
            packet in prop::sample::select(PACKETS),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = packet.to_vec();
            for (at, byte) in changes {
                *at.get_mut(&mut bytes) = byte;
            }
            read(&bytes);
            bytes.truncate(cut.index(bytes.len()));
            read(&bytes);
        }

        #[test]
        fn a_publish_reads_as_it_was_written(
            topic in "[a-z]{1,5}(/[a-z]{0,5}){0,3}",
            payload in prop::collection::vec(any::<u8>(), 0..40),
            user in prop::collection::vec(("[a-z]{0,5}", "[^\u{0}]{0,5}"), 0..4),
            response in prop::option::of("[a-z]{1,5}"),
            qos in 0u8..3, retain: bool, expiry in prop::option::of(1u32..), v5: bool,
        ) {
            let mut properties = Vec::new();
            if let Some(topic) = &response {
                write_response_topic(&mut properties, topic);
            }
            for (name, value) in &user {
                write_user_property(&mut properties, name, value);
            }
            let qos = QoS::try_from(qos).unwrap();
            let version = if v5 { Version::V5 } else { Version::V311 };
            let packet_id = if qos == QoS::AtMostOnce { 0 } else { 9 };
            let outgoing = Outgoing {
                topic: &topic, properties: &properties, payload: &payload, qos, packet_id, dup: false, retain,
                message_expiry: expiry, topic_alias: None, subscription_ids: &[],
            };
            let mut bytes = Vec::new();
            outgoing.encode(&mut bytes, version);
            prop_assert_eq!(bytes.len(), outgoing.size(version));
            let frame = next_frame(&bytes, u32::MAX).unwrap().unwrap();
            let Ok(Packet::Publish(read)) = decode(version, &frame) else { panic!("{bytes:?}") };
            prop_assert_eq!((read.topic, read.payload, read.qos, read.retain), (&*topic, &*payload, qos, retain));
            prop_assert_eq!(read.packet_id, packet_id);
            if v5 {
                prop_assert_eq!(read.properties.message_expiry, expiry);
                prop_assert_eq!(read.properties.response_topic, response.as_deref());
                prop_assert!(read.properties.user().eq(user.iter().map(|(k, v)| (&**k, &**v))));
            }
        }
    }
}
