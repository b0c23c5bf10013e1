//! Packets, CONNECT to DISCONNECT, in both versions.

use skep::mqtt::{
    Connect, Outgoing, Packet, Publish, UserProperties, Version, decode, matches, next_frame, response_topic,
    valid_filter, valid_topic,
};

/// Any bytes decode or are refused; what a packet says of itself is true; and a
/// PUBLISH that is passed on reads as it was.
pub fn packets(input: &[u8]) {
    let mut rest = input;
    while let Ok(Some(frame)) = next_frame(rest, 1 << 20) {
        assert!(frame.len <= rest.len() && frame.body.len() < frame.len);
        let _ = Connect::sniff_version(&frame);
        if let Ok(connect) = Connect::decode(&frame) {
            if let Some(will) = &connect.will {
                assert!(valid_topic(&will.topic));
            }
            assert!(connect.receive_maximum > 0 && connect.maximum_packet_size > 0);
        }
        for version in [Version::V311, Version::V5] {
            match decode(version, &frame) {
                Ok(Packet::Publish(publish)) => passed_on(&publish),
                Ok(Packet::Subscribe(subscribe)) => {
                    assert!(subscribe.packet_id > 0);
                    for filter in &subscribe.filters {
                        if valid_filter(filter.filter) {
                            matches(filter.filter, "a/b");
                        }
                    }
                }
                Ok(Packet::Unsubscribe(unsubscribe)) => {
                    assert!(unsubscribe.packet_id > 0);
                    assert!(!unsubscribe.filters.is_empty());
                }
                Ok(Packet::Ack(_, ack)) => assert!(ack.packet_id > 0),
                Ok(_) => {}
                Err(error) => assert!(!error.to_string().is_empty() && error.reason as u8 >= 0x80),
            }
        }
        rest = &rest[frame.len..];
    }
}

fn passed_on(publish: &Publish<'_>) {
    let mut properties = Vec::new();
    publish.properties.append_forwarded(&mut properties);
    assert_eq!(response_topic(&properties), publish.properties.response_topic);
    assert!(UserProperties::new(&properties).eq(publish.properties.user()));
    let outgoing = Outgoing {
        topic: publish.topic,
        properties: &properties,
        payload: publish.payload,
        qos: publish.qos,
        packet_id: publish.packet_id,
        dup: publish.dup,
        retain: publish.retain,
        message_expiry: publish.properties.message_expiry,
        topic_alias: publish.properties.topic_alias,
        subscription_ids: &[],
    };
    for version in [Version::V311, Version::V5] {
        if version == Version::V311 && publish.topic.is_empty() {
            continue;
        }
        let mut bytes = Vec::new();
        outgoing.encode(&mut bytes, version);
        assert_eq!(bytes.len(), outgoing.size(version));
        let Ok(Some(frame)) = next_frame(&bytes, u32::MAX) else { panic!("no frame: {bytes:x?}") };
        assert_eq!(frame.len, bytes.len());
        let Ok(Packet::Publish(read)) = decode(version, &frame) else { panic!("it can't be read: {bytes:x?}") };
        assert_eq!((read.topic, read.payload), (publish.topic, publish.payload));
        assert_eq!((read.qos, read.packet_id, read.retain), (publish.qos, publish.packet_id, publish.retain));
        if version == Version::V5 {
            assert_eq!(read.properties.response_topic, publish.properties.response_topic);
            assert_eq!(read.properties.correlation_data, publish.properties.correlation_data);
            assert!(read.properties.user().eq(publish.properties.user()));
        }
    }
}
