//! CONNECT (section 3.1).

use std::fmt;

use super::frame::Frame;
use super::properties::{Seen, flag, id, misplaced};
use super::reader::Reader;
use super::{DecodeError, QoS, Reason, Version, valid_topic};

const NAME: &str = "CONNECT";

/// A CONNECT, decoded once a connection, so owned.
#[derive(Clone)]
pub struct Connect {
    pub version: Version,
    /// `clean session` in 3.1.1.
    pub clean_start: bool,
    /// In seconds; 0: none.
    pub keep_alive: u16,
    /// Empty: the server chooses one.
    pub client_id: String,
    pub user: Option<String>,
    pub password: Option<Vec<u8>>,
    pub will: Option<Will>,
    /// In seconds; `u32::MAX`: for good. In 3.1.1 that or 0, by clean session.
    pub session_expiry: u32,
    pub receive_maximum: u16,
    /// In bytes.
    pub maximum_packet_size: u32,
    pub topic_alias_maximum: u16,
    pub request_response_information: bool,
    pub request_problem_information: bool,
    pub authentication_method: Option<String>,
}

/// Tells neither the password nor the will's payload.
impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("version", &self.version)
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("client_id", &self.client_id)
            .field("user", &self.user)
            .field("will", &self.will.as_ref().map(|will| &will.topic))
            .finish_non_exhaustive()
    }
}

/// What is to be published when the client is gone.
#[derive(Clone, Debug)]
pub struct Will {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: QoS,
    pub retain: bool,
    /// In seconds.
    pub delay: u32,
    /// In seconds.
    pub message_expiry: Option<u32>,
    /// Wire-encoded properties that go into the PUBLISH as they are.
    pub properties: Vec<u8>,
}

mod flags {
    pub const RESERVED: u8 = 0x01;
    pub const CLEAN: u8 = 0x02;
    pub const WILL: u8 = 0x04;
    pub const WILL_QOS: u8 = 0x18;
    pub const WILL_RETAIN: u8 = 0x20;
    pub const PASSWORD: u8 = 0x40;
    pub const USER: u8 = 0x80;
}

impl Connect {
    /// Decodes the first packet of a connection.
    ///
    /// # Errors
    /// It is not a CONNECT, of a version that isn't spoken here, or breaks the
    /// specification.
    pub fn decode(frame: &Frame<'_>) -> Result<Connect, DecodeError> {
        if frame.first >> 4 != 1 {
            return Err(DecodeError::protocol(super::frame::name(frame.first), "the first packet has to be CONNECT")); // [MQTT-3.1.0-1]
        }
        if frame.first != 0x10 {
            return Err(DecodeError::malformed(NAME, "reserved flags in the fixed header"));
        }
        let mut reader = Reader::new(NAME, frame.body);
        let protocol = reader.string("protocol name")?;
        let level = reader.u8("protocol version")?;
        let version = match (protocol, level) {
            ("MQTT", 4) => Version::V311,
            ("MQTT", 5) => Version::V5,
            _ => {
                let protocol: String = protocol.chars().take(16).collect();
                let detail = format!("protocol {protocol:?} version {level}, expected MQTT 4 (3.1.1) or 5"); // [MQTT-3.1.2-1]
                return Err(DecodeError::new(Reason::UnsupportedProtocolVersion, NAME, detail));
            }
        };
        frame.check_length(version)?;
        let bits = reader.u8("connect flags")?;
        check_flags(version, bits)?;
        let clean_start = bits & flags::CLEAN != 0;
        let mut connect = Connect {
            version,
            clean_start,
            keep_alive: reader.u16("keep alive")?,
            client_id: String::new(),
            user: None,
            password: None,
            will: None,
            session_expiry: if version == Version::V311 && !clean_start { u32::MAX } else { 0 },
            receive_maximum: u16::MAX,
            maximum_packet_size: u32::MAX,
            topic_alias_maximum: 0,
            request_response_information: false,
            request_problem_information: true,
            authentication_method: None,
        };
        if version == Version::V5 {
            connect.properties(&mut reader.properties()?)?;
        }
        connect.client_id = reader.string("client identifier")?.to_owned();
        if bits & flags::WILL != 0 {
            connect.will = Some(Will::decode(version, bits, &mut reader)?);
        }
        if bits & flags::USER != 0 {
            connect.user = Some(reader.string("user name")?.to_owned());
        }
        if bits & flags::PASSWORD != 0 {
            connect.password = Some(reader.binary("password")?.to_vec());
        }
        reader.finish()?;
        Ok(connect)
    }

    /// The version of a CONNECT that may not decode otherwise, so that it can
    /// be refused in words that the client knows. Versions from 6 on are
    /// answered as 5, those before 4 as 3.1.1. `None`: it is no CONNECT, or ends
    /// before its version.
    pub fn sniff_version(frame: &Frame<'_>) -> Option<Version> {
        if frame.first >> 4 != 1 {
            return None;
        }
        let mut reader = Reader::new(NAME, frame.body);
        reader.binary("protocol name").ok()?;
        let level = reader.u8("protocol version").ok()?;
        Some(if level >= 5 { Version::V5 } else { Version::V311 })
    }

    fn properties(&mut self, list: &mut Reader<'_>) -> Result<(), DecodeError> {
        let mut seen = Seen::default();
        let mut has_data = false;
        while !list.is_empty() {
            let id = list.varint("property identifier")?;
            match id {
                id::USER_PROPERTY => {
                    list.string("user property name")?;
                    list.string("user property value")?;
                    continue;
                }
                id::SESSION_EXPIRY => self.session_expiry = list.u32("session expiry interval")?,
                id::RECEIVE_MAXIMUM => {
                    self.receive_maximum = non_zero(list.u16("receive maximum")?, "receive maximum")?
                }
                id::MAXIMUM_PACKET_SIZE => {
                    let size = list.u32("maximum packet size")?;
                    self.maximum_packet_size = non_zero(size, "maximum packet size")?;
                }
                id::TOPIC_ALIAS_MAXIMUM => self.topic_alias_maximum = list.u16("topic alias maximum")?,
                id::REQUEST_RESPONSE_INFORMATION => {
                    self.request_response_information = flag(list, "request response information")?;
                }
                id::REQUEST_PROBLEM_INFORMATION => {
                    self.request_problem_information = flag(list, "request problem information")?;
                }
                id::AUTHENTICATION_METHOD => {
                    self.authentication_method = Some(list.string("authentication method")?.to_owned());
                }
                id::AUTHENTICATION_DATA => {
                    list.binary("authentication data")?;
                    has_data = true;
                }
                other => return Err(misplaced(NAME, other)),
            }
            seen.once(NAME, id, "a property")?;
        }
        if has_data && self.authentication_method.is_none() {
            return Err(DecodeError::protocol(NAME, "authentication data without a method"));
        }
        Ok(())
    }
}

fn non_zero<N: Default + PartialEq>(value: N, name: &str) -> Result<N, DecodeError> {
    if value == N::default() {
        return Err(DecodeError::protocol(NAME, format!("{name} 0")));
    }
    Ok(value)
}

fn check_flags(version: Version, bits: u8) -> Result<(), DecodeError> {
    let wrong = |detail: &'static str| Err(DecodeError::malformed(NAME, detail));
    if bits & flags::RESERVED != 0 {
        return wrong("reserved connect flag set"); // [MQTT-3.1.2-3]
    }
    if bits & flags::WILL == 0 && bits & (flags::WILL_QOS | flags::WILL_RETAIN) != 0 {
        return wrong("will QoS or retain without a will"); // [MQTT-3.1.2-11] [MQTT-3.1.2-13]
    }
    if bits & flags::WILL_QOS == flags::WILL_QOS {
        return wrong("will QoS 3"); // [MQTT-3.1.2-12]
    }
    if version == Version::V311 && bits & flags::USER == 0 && bits & flags::PASSWORD != 0 {
        return wrong("password without a user name"); // 3.1.1: [MQTT-3.1.2-22]
    }
    Ok(())
}

impl Will {
    fn decode(version: Version, bits: u8, reader: &mut Reader<'_>) -> Result<Will, DecodeError> {
        let qos = QoS::try_from((bits & flags::WILL_QOS) >> 3)
            .map_err(|qos| DecodeError::malformed(NAME, format!("will QoS {qos}")))?;
        let mut will = Will {
            topic: String::new(),
            payload: Vec::new(),
            qos,
            retain: bits & flags::WILL_RETAIN != 0,
            delay: 0,
            message_expiry: None,
            properties: Vec::new(),
        };
        let mut is_text = false;
        if version == Version::V5 {
            is_text = will.read_properties(&mut reader.properties()?)?;
        }
        will.topic = reader.string("will topic")?.to_owned();
        if !valid_topic(&will.topic) {
            return Err(DecodeError::new(Reason::TopicNameInvalid, NAME, "will topic is not a topic name"));
        }
        will.payload = reader.binary("will payload")?.to_vec();
        if is_text && std::str::from_utf8(&will.payload).is_err() {
            let detail = "will payload is not the UTF-8 that its format indicator says";
            return Err(DecodeError::new(Reason::PayloadFormatInvalid, NAME, detail));
        }
        Ok(will)
    }

    /// True: the payload is said to be UTF-8.
    fn read_properties(&mut self, list: &mut Reader<'_>) -> Result<bool, DecodeError> {
        let mut seen = Seen::default();
        let mut is_text = false;
        while !list.is_empty() {
            let before = list.remaining();
            let id = list.varint("property identifier")?;
            let mut forwarded = true;
            match id {
                id::USER_PROPERTY => {
                    list.string("user property name")?;
                    list.string("user property value")?;
                }
                id::WILL_DELAY => {
                    self.delay = list.u32("will delay interval")?;
                    forwarded = false;
                }
                id::MESSAGE_EXPIRY => {
                    self.message_expiry = Some(list.u32("message expiry interval")?);
                    forwarded = false;
                }
                id::PAYLOAD_FORMAT => is_text = flag(list, "payload format indicator")?,
                id::CONTENT_TYPE => _ = list.string("content type")?,
                id::RESPONSE_TOPIC => {
                    if !valid_topic(list.string("response topic")?) {
                        return Err(DecodeError::protocol(NAME, "the will's response topic is not a topic name"));
                    }
                }
                id::CORRELATION_DATA => _ = list.binary("correlation data")?,
                other => return Err(misplaced(NAME, other)),
            }
            if id != id::USER_PROPERTY {
                seen.once(NAME, id, "a will property")?;
            }
            if forwarded {
                let len = before.len() - list.remaining().len();
                self.properties.extend_from_slice(&before[..len]);
            }
        }
        Ok(is_text)
    }
}
