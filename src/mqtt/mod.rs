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
