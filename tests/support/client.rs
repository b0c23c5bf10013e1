//! A plain MQTT client: writes packets as bytes, reads packets as bytes.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::PATIENCE;

pub const CONNACK: u8 = 2;
pub const PUBLISH: u8 = 3;
pub const PUBACK: u8 = 4;
pub const PUBREC: u8 = 5;
pub const PUBREL: u8 = 6;
pub const PUBCOMP: u8 = 7;
pub const SUBACK: u8 = 9;
pub const UNSUBACK: u8 = 11;
pub const PINGRESP: u8 = 13;
pub const DISCONNECT: u8 = 14;

/// How a client connects.
#[derive(Clone)]
pub struct Login {
    pub id: String,
    pub user: Option<(String, String)>,
    pub clean: bool,
    pub version: u8,
    pub keep_alive: u16,
    /// Wire-encoded properties (MQTT 5).
    pub properties: Vec<u8>,
    /// Topic, payload, flags (QoS and retain as in CONNECT), will properties.
    pub will: Option<(String, Vec<u8>, u8, Vec<u8>)>,
}

impl Login {
    pub fn new(id: &str) -> Login {
        Login { id: id.into(), user: None, clean: true, version: 5, keep_alive: 0, properties: Vec::new(), will: None }
    }

    pub fn user(mut self, user: &str, password: &str) -> Login {
        self.user = Some((user.into(), password.into()));
        self
    }

    pub fn v311(mut self) -> Login {
        self.version = 4;
        self
    }

    pub fn resume(mut self) -> Login {
        self.clean = false;
        self
    }

    pub fn expiry(self, seconds: u32) -> Login {
        self.property(0x11, &seconds.to_be_bytes())
    }

    pub fn receive_maximum(self, messages: u16) -> Login {
        self.property(0x21, &messages.to_be_bytes())
    }

    pub fn property(mut self, id: u8, value: &[u8]) -> Login {
        self.properties.push(id);
        self.properties.extend_from_slice(value);
        self
    }

    pub fn keep_alive(mut self, seconds: u16) -> Login {
        self.keep_alive = seconds;
        self
    }

    pub fn will(mut self, topic: &str, payload: &str, flags: u8, properties: &[u8]) -> Login {
        self.will = Some((topic.into(), payload.into(), flags, properties.into()));
        self
    }

    pub fn packet(&self) -> Vec<u8> {
        let mut flags = if self.clean { 2 } else { 0 };
        let mut body = field(b"MQTT");
        body.push(self.version);
        if let Some((_, _, will, _)) = &self.will {
            flags |= 4 | will;
        }
        if self.user.is_some() {
            flags |= 0xC0;
        }
        body.push(flags);
        body.extend(self.keep_alive.to_be_bytes());
        if self.version == 5 {
            body.extend(varint(self.properties.len()));
            body.extend(&self.properties);
        }
        body.extend(field(self.id.as_bytes()));
        if let Some((topic, payload, _, properties)) = &self.will {
            if self.version == 5 {
                body.extend(varint(properties.len()));
                body.extend(properties);
            }
            body.extend(field(topic.as_bytes()));
            body.extend(field(payload));
        }
        if let Some((user, password)) = &self.user {
            body.extend(field(user.as_bytes()));
            body.extend(field(password.as_bytes()));
        }
        packet(0x10, &body)
    }
}

/// A packet as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub first: u8,
    pub body: Vec<u8>,
}

impl Packet {
    pub fn kind(&self) -> u8 {
        self.first >> 4
    }
}

/// A PUBLISH, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    pub dup: bool,
    pub packet_id: u16,
    pub user: Vec<(String, String)>,
    pub response_topic: Option<String>,
    pub correlation: Option<Vec<u8>>,
    pub expiry: Option<u32>,
    pub alias: Option<u16>,
    pub subscription_ids: Vec<u32>,
    pub content_type: Option<String>,
}

impl Message {
    pub fn new(topic: &str, payload: impl AsRef<[u8]>) -> Message {
        Message { topic: topic.into(), payload: payload.as_ref().to_vec(), ..Message::default() }
    }

    pub fn qos(mut self, qos: u8) -> Message {
        self.qos = qos;
        self
    }

    pub fn retain(mut self) -> Message {
        self.retain = true;
        self
    }

    pub fn respond_to(mut self, topic: &str) -> Message {
        self.response_topic = Some(topic.into());
        self
    }

    pub fn with(mut self, name: &str, value: &str) -> Message {
        self.user.push((name.into(), value.into()));
        self
    }

    pub fn expiry(mut self, seconds: u32) -> Message {
        self.expiry = Some(seconds);
        self
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.user.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).expect("a payload of text")
    }

    fn properties(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut put = |id: u8, value: &[u8]| {
            out.push(id);
            out.extend_from_slice(value);
        };
        if let Some(seconds) = self.expiry {
            put(0x02, &seconds.to_be_bytes());
        }
        if let Some(text) = &self.content_type {
            put(0x03, &field(text.as_bytes()));
        }
        if let Some(topic) = &self.response_topic {
            put(0x08, &field(topic.as_bytes()));
        }
        if let Some(data) = &self.correlation {
            put(0x09, &field(data));
        }
        if let Some(alias) = self.alias {
            put(0x23, &alias.to_be_bytes());
        }
        for (name, value) in &self.user {
            put(0x26, &[field(name.as_bytes()), field(value.as_bytes())].concat());
        }
        out
    }

    pub fn packet(&self, version: u8) -> Vec<u8> {
        let mut body = field(self.topic.as_bytes());
        if self.qos > 0 {
            body.extend(self.packet_id.to_be_bytes());
        }
        if version == 5 {
            let properties = self.properties();
            body.extend(varint(properties.len()));
            body.extend(properties);
        }
        body.extend(&self.payload);
        packet(0x30 | (self.dup as u8) << 3 | self.qos << 1 | self.retain as u8, &body)
    }

    pub fn parse(packet: &Packet, version: u8) -> Message {
        let mut bytes = &packet.body[..];
        let mut message = Message {
            qos: packet.first >> 1 & 3,
            retain: packet.first & 1 == 1,
            dup: packet.first & 8 == 8,
            topic: take_text(&mut bytes),
            ..Message::default()
        };
        if message.qos > 0 {
            message.packet_id = take_u16(&mut bytes);
        }
        if version == 5 {
            let len = take_varint(&mut bytes);
            let (mut list, rest) = bytes.split_at(len);
            bytes = rest;
            while !list.is_empty() {
                match take(&mut list, 1)[0] {
                    0x01 => drop(take(&mut list, 1).to_vec()),
                    0x02 => message.expiry = Some(u32::from_be_bytes(take(&mut list, 4).try_into().unwrap())),
                    0x03 => message.content_type = Some(take_text(&mut list)),
                    0x08 => message.response_topic = Some(take_text(&mut list)),
                    0x09 => message.correlation = Some(take_field(&mut list).to_vec()),
                    0x0B => message.subscription_ids.push(take_varint(&mut list) as u32),
                    0x23 => message.alias = Some(take_u16(&mut list)),
                    0x26 => message.user.push((take_text(&mut list), take_text(&mut list))),
                    other => panic!("property {other:#x} in a PUBLISH"),
                }
            }
        }
        message.payload = bytes.to_vec();
        message
    }
}

/// A connection.
pub struct Client {
    socket: TcpStream,
    pub version: u8,
    buffer: Vec<u8>,
    /// Packets that came while another was waited for.
    waiting: VecDeque<Packet>,
    next_id: u16,
    /// The CONNACK's body.
    pub connack: Vec<u8>,
}

impl Client {
    /// A connection that has not said anything yet.
    pub fn open(address: SocketAddr) -> Client {
        Client::try_open(address).expect("the listener accepts")
    }

    /// A connection to a listener that may not accept it.
    pub fn try_open(address: SocketAddr) -> Option<Client> {
        let socket = TcpStream::connect(address).ok()?;
        socket.set_nodelay(true).ok()?;
        Some(Client {
            socket,
            version: 5,
            buffer: Vec::new(),
            waiting: VecDeque::new(),
            next_id: 0,
            connack: Vec::new(),
        })
    }

    /// Connects; the CONNACK may say anything.
    pub fn attempt(address: SocketAddr, login: &Login) -> Client {
        let mut client = Client::open(address);
        client.version = login.version;
        client.send(&login.packet());
        let connack = client.expect(CONNACK);
        client.connack = connack.body;
        client
    }

    /// Connects, and is let in.
    pub fn connect(address: SocketAddr, login: Login) -> Client {
        let client = Client::attempt(address, &login);
        assert_eq!(client.connack[1], 0, "CONNACK {:x?}", client.connack);
        client
    }

    pub fn session_present(&self) -> bool {
        self.connack[0] == 1
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("the peer reads");
    }

    /// Like [`Client::send`], to a peer that may have closed meanwhile.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).is_ok()
    }

    fn id(&mut self) -> u16 {
        self.next_id = self.next_id % 65_535 + 1;
        self.next_id
    }

    /// Subscribes; gives back the reason code.
    pub fn subscribe(&mut self, filter: &str, options: u8) -> u8 {
        self.subscribe_with(filter, options, &[])
    }

    pub fn subscribe_with(&mut self, filter: &str, options: u8, properties: &[u8]) -> u8 {
        let id = self.id();
        let mut body = id.to_be_bytes().to_vec();
        if self.version == 5 {
            body.extend(varint(properties.len()));
            body.extend(properties);
        }
        body.extend(field(filter.as_bytes()));
        body.push(options);
        self.send(&packet(0x82, &body));
        let suback = self.expect(SUBACK);
        assert_eq!(suback.body[..2], id.to_be_bytes());
        *suback.body.last().expect("a reason code")
    }

    /// Unsubscribes; gives back the reason code (0 in 3.1.1).
    pub fn unsubscribe(&mut self, filter: &str) -> u8 {
        let mut body = self.id().to_be_bytes().to_vec();
        if self.version == 5 {
            body.push(0);
        }
        body.extend(field(filter.as_bytes()));
        self.send(&packet(0xA2, &body));
        let unsuback = self.expect(UNSUBACK);
        unsuback.body.get(3).copied().unwrap_or(0)
    }

    /// Publishes without waiting for the acknowledgement; gives back the id.
    pub fn publish(&mut self, mut message: Message) -> u16 {
        if message.qos > 0 && message.packet_id == 0 {
            message.packet_id = self.id();
        }
        let bytes = message.packet(self.version);
        self.send(&bytes);
        message.packet_id
    }

    /// Publishes at QoS 1 and waits; gives back the PUBACK's reason code.
    pub fn publish_acked(&mut self, message: Message) -> u8 {
        let id = self.publish(message.qos(1));
        let puback = self.expect(PUBACK);
        assert_eq!(puback.body[..2], id.to_be_bytes());
        puback.body.get(2).copied().unwrap_or(0)
    }

    pub fn ack(&mut self, kind: u8, id: u16) {
        let flags = if kind == PUBREL { 2 } else { 0 };
        self.send(&packet(kind << 4 | flags, &id.to_be_bytes()));
    }

    pub fn disconnect(mut self) {
        self.try_send(&[0xE0, 0]);
    }

    /// Says that it sends no more; reads on.
    pub fn close_writing(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// Disconnects, waits until the server has closed, and leaves no trace of
    /// the connection in the system: for those who make very many.
    pub fn leave(mut self) {
        self.try_send(&[0xE0, 0]);
        self.closed();
        let _ = rustix::net::sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO));
    }

    /// Breaks the connection with a reset, as a system does whose program died.
    pub fn reset(self) {
        let _ = rustix::net::sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO));
    }

    /// Breaks the connection, as a peer does that dies.
    pub fn kill(self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// The next packet within `time`; `None`: none came, or the connection is
    /// closed.
    pub fn next(&mut self, time: Duration) -> Option<Packet> {
        if let Some(packet) = self.waiting.pop_front() {
            return Some(packet);
        }
        let until = Instant::now() + time;
        loop {
            if let Some(packet) = self.parse() {
                return Some(packet);
            }
            let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            self.socket.set_read_timeout(Some(left)).expect("a read timeout");
            let mut chunk = [0; 16 * 1024];
            match self.socket.read(&mut chunk) {
                Ok(0) => return None,
                Ok(n) => self.buffer.extend_from_slice(&chunk[..n]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }

    fn parse(&mut self) -> Option<Packet> {
        let mut len = 0usize;
        for at in 1..=4 {
            let byte = *self.buffer.get(at)?;
            len |= ((byte & 0x7F) as usize) << (7 * (at - 1));
            if byte & 0x80 == 0 {
                let body = self.buffer.get(at + 1..at + 1 + len)?.to_vec();
                let first = self.buffer[0];
                self.buffer.drain(..at + 1 + len);
                return Some(Packet { first, body });
            }
        }
        panic!("a remaining length of more than four bytes from the server");
    }

    /// The next packet of that kind; others that come before it are kept.
    pub fn expect(&mut self, kind: u8) -> Packet {
        let mut others = VecDeque::new();
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.next(left) {
                Some(packet) if packet.kind() == kind => {
                    others.append(&mut self.waiting);
                    self.waiting = others;
                    return packet;
                }
                Some(packet) => others.push_back(packet),
                None => panic!("no packet of kind {kind}, only {others:?}"),
            }
        }
    }

    /// The next message. Its acknowledgement is the caller's.
    pub fn message(&mut self) -> Message {
        let packet = self.expect(PUBLISH);
        Message::parse(&packet, self.version)
    }

    /// A message within `time`, if one comes.
    pub fn message_within(&mut self, time: Duration) -> Option<Message> {
        let until = Instant::now() + time;
        while let Some(packet) = self.next(until.saturating_duration_since(Instant::now())) {
            if packet.kind() == PUBLISH {
                return Some(Message::parse(&packet, self.version));
            }
        }
        None
    }

    /// Everything sent before has been handled, and no message has come of it.
    pub fn assert_no_message(&mut self) {
        self.send(&[0xC0, 0]);
        let others: Vec<_> = std::iter::from_fn(|| self.next(PATIENCE))
            .take_while(|packet| packet.kind() != PINGRESP)
            .filter(|packet| packet.kind() == PUBLISH)
            .collect();
        assert!(others.is_empty(), "{others:?}");
    }

    /// Waits for the DISCONNECT; gives back its reason code.
    pub fn disconnected(&mut self) -> u8 {
        let packet = self.expect(DISCONNECT);
        self.closed();
        packet.body.first().copied().unwrap_or(0)
    }

    /// Waits until the server has closed the connection.
    pub fn closed(&mut self) {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            self.socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a read timeout");
            match self.socket.read(&mut [0; 1024]) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return,
            }
        }
        panic!("the server keeps the connection open");
    }
}

pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    out.extend(varint(body.len()));
    out.extend_from_slice(body);
    out
}

pub fn field(bytes: &[u8]) -> Vec<u8> {
    let mut out = (bytes.len() as u16).to_be_bytes().to_vec();
    out.extend_from_slice(bytes);
    out
}

pub fn varint(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = (value % 128) as u8;
        value /= 128;
        if value == 0 {
            out.push(byte);
            return out;
        }
        out.push(byte | 128);
    }
}

fn take<'a>(bytes: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(n);
    *bytes = rest;
    taken
}

fn take_u16(bytes: &mut &[u8]) -> u16 {
    u16::from_be_bytes(take(bytes, 2).try_into().unwrap())
}

fn take_field<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let len = take_u16(bytes) as usize;
    take(bytes, len)
}

fn take_text(bytes: &mut &[u8]) -> String {
    String::from_utf8(take_field(bytes).to_vec()).expect("UTF-8 from the server")
}

fn take_varint(bytes: &mut &[u8]) -> usize {
    let mut value = 0;
    for at in 0.. {
        let byte = take(bytes, 1)[0];
        value |= ((byte & 0x7F) as usize) << (7 * at);
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}
