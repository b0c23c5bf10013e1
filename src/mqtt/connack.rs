//! CONNACK (section 3.2).

use super::frame::{write_field, write_varint};
use super::properties::id;
use super::{QoS, Reason, Version};

/// The answer to CONNECT. What is `None` is not said.
#[derive(Clone, Debug)]
pub struct Connack {
    pub session_present: bool,
    pub reason: Reason,
    pub session_expiry: Option<u32>,
    pub receive_maximum: Option<u16>,
    pub maximum_qos: Option<QoS>,
    pub retain_available: Option<bool>,
    pub maximum_packet_size: Option<u32>,
    pub assigned_client_id: Option<String>,
    pub topic_alias_maximum: Option<u16>,
    pub reason_string: Option<String>,
    pub wildcard_available: Option<bool>,
    pub subscription_ids_available: Option<bool>,
    pub shared_available: Option<bool>,
    pub server_keep_alive: Option<u16>,
    pub response_information: Option<String>,
}

impl Connack {
    pub fn accepted() -> Connack {
        Connack::refused(Reason::Success)
    }

    pub fn refused(reason: Reason) -> Connack {
        Connack {
            session_present: false,
            reason,
            session_expiry: None,
            receive_maximum: None,
            maximum_qos: None,
            retain_available: None,
            maximum_packet_size: None,
            assigned_client_id: None,
            topic_alias_maximum: None,
            reason_string: None,
            wildcard_available: None,
            subscription_ids_available: None,
            shared_available: None,
            server_keep_alive: None,
            response_information: None,
        }
    }

    /// Appends the packet; 3.1.1 has only session present and a return code.
    pub fn encode(&self, out: &mut Vec<u8>, version: Version) {
        let present = self.session_present as u8;
        out.push(0x20);
        if version == Version::V311 {
            return out.extend_from_slice(&[2, present, self.reason.connect_return_code()]);
        }
        let mut list = Vec::new();
        let mut u32 = |id: u32, value: Option<u32>| {
            if let Some(value) = value {
                list.push(id as u8);
                list.extend_from_slice(&value.to_be_bytes());
            }
        };
        u32(id::SESSION_EXPIRY, self.session_expiry);
        u32(id::MAXIMUM_PACKET_SIZE, self.maximum_packet_size);
        let mut u16 = |id: u32, value: Option<u16>| {
            if let Some(value) = value {
                list.push(id as u8);
                list.extend_from_slice(&value.to_be_bytes());
            }
        };
        u16(id::RECEIVE_MAXIMUM, self.receive_maximum);
        u16(id::TOPIC_ALIAS_MAXIMUM, self.topic_alias_maximum);
        u16(id::SERVER_KEEP_ALIVE, self.server_keep_alive);
        let mut u8 = |id: u32, value: Option<u8>| list.extend(value.into_iter().flat_map(|value| [id as u8, value]));
        u8(id::MAXIMUM_QOS, self.maximum_qos.map(|qos| qos as u8));
        u8(id::RETAIN_AVAILABLE, self.retain_available.map(u8::from));
        u8(id::WILDCARD_AVAILABLE, self.wildcard_available.map(u8::from));
        u8(id::SUBSCRIPTION_IDS_AVAILABLE, self.subscription_ids_available.map(u8::from));
        u8(id::SHARED_AVAILABLE, self.shared_available.map(u8::from));
        let mut text = |id: u32, value: &Option<String>| {
            if let Some(value) = value {
                list.push(id as u8);
                write_field(&mut list, value.as_bytes());
            }
        };
        text(id::ASSIGNED_CLIENT_ID, &self.assigned_client_id);
        text(id::REASON_STRING, &self.reason_string);
        text(id::RESPONSE_INFORMATION, &self.response_information);
        let mut body = vec![present, self.reason.code()];
        write_varint(&mut body, list.len());
        write_varint(out, body.len() + list.len());
        out.append(&mut body);
        out.append(&mut list);
    }
}
