//! One MQTT 5 connection of the load: bytes out in batches, packets in.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Login, Message, PUBLISH, Packet, field, packet};

pub struct Conn {
    socket: TcpStream,
    /// To be sent with the next [`Conn::flush`].
    pub out: Vec<u8>,
    read: Vec<u8>,
    /// Where the first packet not taken yet begins in `read`.
    at: usize,
}

impl Conn {
    /// Connects and waits for the CONNACK.
    pub async fn open(address: SocketAddr, login: Login) -> io::Result<Conn> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let mut conn = Conn { socket, out: login.packet(), read: Vec::new(), at: 0 };
        conn.flush().await?;
        let connack = conn.packet().await?;
        match connack.body.get(1) {
            Some(0) => Ok(conn),
            reason => Err(io::Error::other(format!("refused: {reason:?}"))),
        }
    }

    pub async fn subscribe(&mut self, filter: &str, qos: u8) -> io::Result<()> {
        let body = [&[0, 1, 0][..], &field(filter.as_bytes()), &[qos]].concat();
        self.out.extend(packet(0x82, &body));
        self.flush().await?;
        match self.packet().await?.body.last() {
            Some(reason) if *reason < 0x80 => Ok(()),
            reason => Err(io::Error::other(format!("{filter} refused: {reason:?}"))),
        }
    }

    pub async fn flush(&mut self) -> io::Result<()> {
        if !self.out.is_empty() {
            self.socket.write_all(&self.out).await?;
            self.out.clear();
        }
        Ok(())
    }

    /// The next packet that has come already.
    pub fn ready(&mut self) -> Option<Packet> {
        let bytes = &self.read[self.at..];
        let (mut len, mut head) = (0usize, 1);
        loop {
            let byte = *bytes.get(head)?;
            len |= usize::from(byte & 0x7F) << (7 * (head - 1));
            head += 1;
            if byte < 0x80 {
                break;
            }
        }
        let body = bytes.get(head..head + len)?.to_vec();
        let first = bytes[0];
        self.at += head + len;
        Some(Packet { first, body })
    }

    pub async fn packet(&mut self) -> io::Result<Packet> {
        loop {
            if let Some(packet) = self.ready() {
                return Ok(packet);
            }
            self.read.drain(..self.at);
            self.at = 0;
            self.read.reserve(16 * 1024);
            if self.socket.read_buf(&mut self.read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The next message that has come already.
    pub fn ready_message(&mut self) -> Option<Message> {
        loop {
            let packet = self.ready()?;
            if packet.kind() == PUBLISH {
                return Some(Message::parse(&packet, 5));
            }
        }
    }

    pub async fn message(&mut self) -> io::Result<Message> {
        loop {
            let packet = self.packet().await?;
            if packet.kind() == PUBLISH {
                return Ok(Message::parse(&packet, 5));
            }
        }
    }

    /// A connection at rest keeps no buffers, so that thousands cost nothing here.
    pub fn rest(&mut self) {
        self.read = Vec::new();
        self.at = 0;
        self.out = Vec::new();
    }
}
