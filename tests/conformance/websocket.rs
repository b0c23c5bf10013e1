//! MQTT over WebSocket (section 6), with a client that makes its frames itself.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use skep::Kind;
use skep::bus::Transport;

use super::support::{Instance, Login, PATIENCE};

const BINARY: u8 = 0x82;
const TEXT: u8 = 0x81;

struct WebSocket(TcpStream);

impl WebSocket {
    /// Asks for a WebSocket; gives back the head of the answer, too.
    fn open(skep: &Instance, protocols: &str) -> (WebSocket, String) {
        let mut socket = TcpStream::connect(skep.address(Kind::Frontend, Transport::Ws)).expect("it listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let request = format!(
            "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n{protocols}\r\n"
        );
        socket.write_all(request.as_bytes()).expect("it reads");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).expect("an answer");
            head.push(byte[0]);
        }
        (WebSocket(socket), String::from_utf8_lossy(&head).to_lowercase())
    }

    fn accepted(skep: &Instance) -> WebSocket {
        let (socket, head) = WebSocket::open(skep, "Sec-WebSocket-Protocol: mqtt\r\n");
        assert!(head.starts_with("http/1.1 101"), "{head}");
        socket
    }

    /// Sends a frame, masked with zeros.
    fn send(&mut self, first: u8, bytes: &[u8]) {
        assert!(bytes.len() < 126);
        let frame = [&[first, 0x80 | bytes.len() as u8, 0, 0, 0, 0][..], bytes].concat();
        self.0.write_all(&frame).expect("it reads");
    }

    /// Bytes within binary frames, until there are `n`.
    fn read(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < n {
            let mut head = [0; 2];
            self.0.read_exact(&mut head).expect("a frame");
            assert_eq!(head[0], BINARY, "binary frames only");
            let mut payload = vec![0; head[1] as usize];
            self.0.read_exact(&mut payload).expect("its payload");
            bytes.extend(payload);
        }
        bytes
    }

    /// The server closes, whatever it says before.
    fn closed(mut self) {
        self.0.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        super::support::wait_until("the server closes", || match self.0.read(&mut [0; 64]) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        });
    }
}

fn login() -> Vec<u8> {
    Login::new("web").user("frontend", "abc123").packet()
}

/// [MQTT-6.0.0-3] [MQTT-6.0.0-4]
#[test]
fn the_subprotocol_is_mqtt() {
    let skep = Instance::start();
    for offer in ["mqtt", "other, mqtt", "mqtt,mqttv3.1"] {
        let (_socket, head) = WebSocket::open(&skep, &format!("Sec-WebSocket-Protocol: {offer}\r\n"));
        assert!(head.contains("sec-websocket-protocol: mqtt\r\n"), "{offer}: {head}");
    }
    for offer in ["", "Sec-WebSocket-Protocol: other\r\n"] {
        let (_socket, head) = WebSocket::open(&skep, offer);
        assert!(head.starts_with("http/1.1 400"), "{offer}: {head}");
    }
}

/// [MQTT-6.0.0-1]
#[test]
fn packets_go_in_binary_frames_and_any_other_ends_the_connection() {
    let skep = Instance::start();
    let mut socket = WebSocket::accepted(&skep);
    socket.send(TEXT, &login());
    socket.closed();
    let mut socket = WebSocket::accepted(&skep);
    socket.send(BINARY, &login());
    assert_eq!(socket.read(2)[0], 0x20);
    socket.send(TEXT, &[0xC0, 0]);
    socket.closed();
}

/// [MQTT-6.0.0-2]
#[test]
fn a_frame_holds_a_part_of_a_packet_or_several() {
    let skep = Instance::start();
    let mut socket = WebSocket::accepted(&skep);
    for byte in login() {
        socket.send(BINARY, &[byte]);
    }
    assert_eq!(socket.read(2)[0], 0x20);
    socket.send(BINARY, &[0xC0, 0, 0xC0, 0, 0xC0]);
    assert_eq!(socket.read(4), [0xD0, 0, 0xD0, 0]);
    socket.send(BINARY, &[0]);
    assert_eq!(socket.read(2), [0xD0, 0]);
}

/// RFC 6455, 5.5.1: so a browser sees that the connection has ended in good order.
#[test]
fn a_close_frame_is_answered() {
    let skep = Instance::start();
    let mut socket = WebSocket::accepted(&skep);
    socket.send(BINARY, &login());
    assert_eq!(socket.read(2)[0], 0x20);
    socket.send(0x88, &1000u16.to_be_bytes());
    let mut answer = [0; 4];
    socket.0.read_exact(&mut answer).expect("an answer");
    assert_eq!(answer, [0x88, 2, 0x03, 0xE8]);
    socket.closed();
}
