//! WebSocket: handshake and frames.

use skep::fuzzing::{self, Peer};

const HANDSHAKE: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: mqtt\r\n\r\n";

/// The first byte says how the rest comes: its top bit, after a handshake that
/// is as it should be; the others, in pieces of how many bytes. However it
/// comes, the same MQTT comes out of it, and no more than went in.
pub fn websocket(input: &[u8]) {
    let Some((how, bytes)) = input.split_first() else { return };
    let piece = usize::from(how & 0x7F);
    if how & 0x80 == 0 {
        fuzzing::websocket(Peer::new(bytes, piece));
        return;
    }
    // Frames may come only after the handshake has been answered.
    let sent = [HANDSHAKE, bytes].concat();
    let at_once = fuzzing::websocket(Peer::new(&sent, 0).beginning_with(HANDSHAKE.len()));
    let in_pieces = fuzzing::websocket(Peer::new(&sent, piece).beginning_with(HANDSHAKE.len()));
    assert_eq!(at_once, in_pieces);
    if let Some(out) = at_once {
        assert!(out.len() <= bytes.len());
    }
}
