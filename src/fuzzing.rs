//! Ways for tests and fuzzers to the parsers that peers reach and that are not
//! part of the interface. Not for programs: may change at any time.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::bus::{Bus, UsersFile, access, token, transport, websocket};
use crate::client::{inflate, rpc};
use crate::router::jsonrpc;

pub use crate::router::names::{is_bindable_id, is_caller_id, is_request_topic, split_address, split_caller_addr};

/// Largest packet over WebSocket, and largest payload once inflated, in bytes.
const MAX: usize = 64 * 1024;

/// A peer whose bytes are known beforehand. They come in pieces; then it
/// closes. What it is sent is kept.
#[derive(Clone)]
pub struct Peer {
    bytes: Arc<[u8]>,
    at: usize,
    piece: usize,
    whole: usize,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Peer {
    /// `piece`: how many bytes come at once; 0: all.
    pub fn new(bytes: &[u8], piece: usize) -> Peer {
        let piece = if piece == 0 { usize::MAX } else { piece };
        Peer { bytes: bytes.into(), at: 0, piece, whole: 0, written: Arc::default() }
    }

    /// The first so many bytes are a piece of their own.
    pub fn beginning_with(mut self, bytes: usize) -> Peer {
        self.whole = bytes;
        self
    }

    /// All that it was sent so far.
    pub fn written(&self) -> Vec<u8> {
        self.written.lock().clone()
    }
}

impl AsyncRead for Peer {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let piece = if self.at < self.whole { self.whole - self.at } else { self.piece };
        let n = (self.bytes.len() - self.at).min(piece).min(buffer.remaining());
        let at = self.at;
        buffer.put_slice(&self.bytes[at..at + n]);
        self.at += n;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.written.lock().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl transport::Stream for Peer {}

/// Has `bus` serve a peer until their connection has ended. Needs a tokio
/// runtime of one thread, with nobody else connected to that bus.
pub async fn serve(bus: &Bus, peer: Peer) {
    bus.serve_stream(Box::new(peer)).await;
    while bus.connections() > 0 {
        tokio::task::yield_now().await;
    }
}

/// The bytes of MQTT that come out of a WebSocket; none if there is no
/// handshake, or frames that can't be.
pub fn websocket(peer: Peer) -> Option<Vec<u8>> {
    let read = async {
        let mut stream = websocket::accept(peer, MAX, usize::MAX).await.ok()?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.ok()?;
        Some(bytes)
    };
    // A peer of this kind is never waited for.
    read.now_or_never().flatten()
}

/// What the router answers to a request that nobody has room for.
pub fn overloaded(request: &[u8]) -> Option<Vec<u8>> {
    jsonrpc::error_response(request, jsonrpc::OVERLOADED)
}

/// All that a client or worker of our own reads in a payload; false: nothing.
pub fn read_payload(payload: &[u8]) -> bool {
    let Ok(payload) = inflate::inflated(payload, MAX) else { return false };
    rpc::Received::read(&payload).is_ok() | rpc::Request::read(&payload).is_ok()
}

/// Whether topic rules allow `filter`, or one topic, to a client.
pub fn permits(rules: &[String], user: &str, filter: &str, client: &str) -> bool {
    access::Rules::new(rules).permit(filter, client, user)
}

/// A users file as it would be written again; none if it can't be used.
pub fn users_file(text: &str) -> Option<String> {
    toml::to_string(&UsersFile::parse(text).ok()?).ok()
}

/// What a bus takes for tokens, with a key that is known here.
pub struct Tokens(token::Tokens);

/// As long as one for HS256 has to be.
const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

impl Default for Tokens {
    fn default() -> Tokens {
        Tokens::new()
    }
}

impl Tokens {
    /// With HS256, the issuer `fuzz`, and rules in the token.
    pub fn new() -> Tokens {
        Tokens(token::Tokens::with_secret(KEY, "fuzz"))
    }

    /// Whose token that is, if it is one.
    pub fn user_of(&self, token: &[u8]) -> Option<String> {
        self.0.verify(token).ok().map(|token| token.user)
    }

    /// A token of these parts, whatever they are.
    pub fn sign(&self, header: &[u8], claims: &[u8]) -> Vec<u8> {
        let encoded = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let key = jsonwebtoken::EncodingKey::from_secret(KEY);
        let signature = jsonwebtoken::crypto::sign(encoded.as_bytes(), &key, jsonwebtoken::Algorithm::HS256);
        [encoded, signature.unwrap_or_default()].join(".").into_bytes()
    }
}
