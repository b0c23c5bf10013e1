//! MQTT over WebSocket: binary frames at `/mqtt`, subprotocol `mqtt`, as one
//! stream of bytes (section 6 of the MQTT 5 specification).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

const PATH: &str = "/mqtt";
const SUBPROTOCOL: &str = "mqtt";

/// Bytes that a connection at rest keeps for reading and writing frames.
const BUFFER: usize = 1024;

/// Bytes of the HTTP request and of frame headers before the login, beside CONNECT.
const HANDSHAKE: usize = 16 * 1024;

/// The bytes within the binary frames of a WebSocket.
pub struct WebSocketBytes<S> {
    frames: WebSocketStream<Metered<S>>,
    /// The rest of the frame that is being read.
    unread: Bytes,
    /// The answer to a ping has not been written yet. Until it has, nothing more
    /// is read: the library keeps all answers that a peer does not take.
    answering: bool,
    /// Bytes of the frame that has been begun to be written.
    writing: usize,
}

/// The server's side of the WebSocket handshake. `max_packet` bounds frames, and
/// `max_connect` all that comes before the login.
pub async fn accept<S>(stream: S, max_packet: usize, max_connect: usize) -> Result<WebSocketBytes<S>, Box<Error>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // A frame holds one packet or many [MQTT-6.0.0-2]; what a client puts into
    // one frame is bounded like a packet, with room for small ones beside it.
    let max = max_packet.saturating_add(64 * 1024);
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(max))
        .max_frame_size(Some(max));
    let stream = Metered { stream, read: 0, max: max_connect.saturating_add(HANDSHAKE) };
    let frames =
        tokio_tungstenite::accept_hdr_async_with_config(stream, check, Some(config)).await.map_err(Box::new)?;
    Ok(WebSocketBytes { frames, unread: Bytes::new(), answering: false, writing: 0 })
}

/// Agrees to the subprotocol [MQTT-6.0.0-4], and to nothing but our path.
#[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
fn check(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let refuse = |status, why: &str| {
        let mut refusal = ErrorResponse::new(Some(format!("{why}\n")));
        *refusal.status_mut() = status;
        Err(refusal)
    };
    if request.uri().path() != PATH {
        return refuse(StatusCode::NOT_FOUND, "MQTT is at /mqtt");
    }
    let offers = request.headers().get_all("sec-websocket-protocol").iter();
    let offers_mqtt = offers.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    if !offers_mqtt.map(str::trim).any(|offer| offer == SUBPROTOCOL) {
        return refuse(StatusCode::BAD_REQUEST, "the subprotocol has to be mqtt");
    }
    response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    Ok(response)
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocketBytes<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            if self.answering {
                ready!(Pin::new(&mut self.frames).poll_flush(cx)).map_err(into_io)?;
                self.answering = false;
            }
            match ready!(Pin::new(&mut self.frames).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => {
                    self.unread = bytes;
                    self.frames.get_mut().passed_on();
                }
                // Answered by the library; nothing for us.
                Some(Ok(message @ (Message::Ping(_) | Message::Pong(_) | Message::Frame(_)))) => {
                    self.answering = message.is_ping();
                    self.frames.get_mut().passed_on();
                }
                Some(Ok(Message::Text(_))) => {
                    let why = "MQTT takes binary frames only [MQTT-6.0.0-1]";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
                }
                Some(Ok(Message::Close(_))) => {
                    // The library has made an answer, which goes out if the
                    // socket takes it; nobody waits for that.
                    let _ = Pin::new(&mut self.frames).poll_flush(cx);
                    return Poll::Ready(Ok(()));
                }
                None => return Poll::Ready(Ok(())),
                Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(into_io(error))),
            }
        }
        let n = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread[..n]);
        self.unread.advance(n);
        if self.unread.is_empty() {
            self.unread = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocketBytes<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.frames).poll_ready(cx)).map_err(into_io)?;
        self.writing = bytes.len();
        let frame = Message::Binary(Bytes::copy_from_slice(bytes));
        Pin::new(&mut self.frames).start_send(frame).map_err(into_io)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.frames).poll_flush(cx)).map_err(into_io)?;
        self.writing = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.frames).poll_close(cx).map_err(into_io)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> super::transport::Stream for WebSocketBytes<S> {
    fn held(&self) -> usize {
        self.unread.len() + self.frames.get_ref().read + self.writing
    }

    fn admitted(&mut self) {
        self.frames.get_mut().max = usize::MAX;
    }
}

/// The stream that the frames come on, with a count of what has been read from
/// it since the last whole message: the library keeps that much.
struct Metered<S> {
    stream: S,
    read: usize,
    /// How many it may be. Before the login, all that has been read counts.
    max: usize,
}

impl<S> Metered<S> {
    /// What has been read was passed on, as far as it was whole.
    fn passed_on(&mut self) {
        if self.max != usize::MAX {
            self.max = self.max.saturating_sub(self.read);
        }
        self.read = 0;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.read += buffer.filled().len() - before;
        if self.read > self.max {
            let why = "more bytes before the login than a CONNECT may have";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn into_io(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        other => io::Error::other(other),
    }
}
