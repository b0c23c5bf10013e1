//! A connection from its first byte through the handshakes, CONNECT and the login
//! to the task that is the rest of its life.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::timeout;

use crate::mqtt::{Connect, Reason, Version, next_frame};

use super::Bus;
use super::batch::{Batch, flush_if_interrupted, flush_put_off};
use super::connection::{Connection, FAREWELL_TIME, LEAST_COUNTED};
use super::connections::Seat;
use super::events::EventKind;
use super::handshake::Refusal;
use super::inbound::Client;
use super::link::Control;
use super::listener::Door;
use super::login::Claims;
use super::memory::Charge;
use super::settings;
use super::transport::{Stream, Transport};
use super::websocket;

impl Bus {
    /// Serves a connection from its first byte to CONNECT; the rest of its
    /// life is a task of its own, which needs less memory.
    pub(super) async fn serve_connection(self, socket: TcpStream, peer: SocketAddr, door: Arc<Door>, seat: Seat) {
        // Answers are small and awaited: no waiting for more to send.
        let _ = socket.set_nodelay(true);
        self.serve_opened(self.open(socket, &door), peer, &door, seat).await
    }

    /// Serves bytes that come by no socket, for [`crate::fuzzing`].
    pub(crate) async fn serve_stream(&self, stream: Box<dyn Stream>) {
        let peer = SocketAddr::from(([127, 0, 0, 1], 0));
        let Ok(seat) = self.0.connections.admit(peer.ip()) else { return };
        let opened = Opened { transport: Transport::Stream(stream), direct: None, certificate: None };
        self.serve_opened(std::future::ready(Ok(opened)), peer, &Door::of_no_socket(), seat).await
    }

    /// `opening` does the handshakes, if there are any.
    async fn serve_opened(
        &self,
        opening: impl Future<Output = io::Result<Opened>>,
        peer: SocketAddr,
        door: &Door,
        mut seat: Seat,
    ) {
        // Many of them can keep a thread from ever sleeping.
        flush_put_off();
        let limits = &self.limits().connections;
        let time = Duration::from_millis(limits.connection_timeout_ms);
        let mut charge = Charge::new(&self.0.common.memory, 0);
        let opened = timeout(time, async {
            let mut opened = opening.await?;
            let first = read_connect(&mut opened.transport, limits.max_connect(), &mut charge).await;
            io::Result::Ok((opened, first))
        });
        let (Opened { mut transport, direct, certificate }, first) = match opened.await {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return self.log_refused(&peer, &error.to_string()),
            Err(_) => {
                self.stats().connect_timeouts.add(1);
                return self.log_refused(&peer, "no CONNECT within the connection timeout");
            }
        };
        let (connect, rest) = match first {
            Ok(first) => first,
            Err(NoConnect::Io(error)) => return self.log_refused(&peer, &error.to_string()),
            Err(NoConnect::Refused(refusal)) => return self.refuse(transport, &peer, &refusal).await,
        };
        if let Err(refusal) = self.precheck(&connect) {
            return self.refuse(transport, &peer, &refusal).await;
        }
        let claims = Claims {
            user: connect.user.as_deref(),
            password: connect.password.as_deref(),
            certificate: certificate.as_deref(),
            address: peer.ip(),
            exposed: door.exposed,
        };
        let known = match self.login(&claims).await {
            Ok(known) => known,
            Err(denied) => {
                let refusal = Refusal::new(&connect, denied.reason, denied.text);
                return self.refuse(transport, &peer, &refusal).await;
            }
        };
        let control = Arc::new(Control::new(peer, &door.name, direct));
        let mut batch = Batch::new();
        let admitted = match self.connect(connect, known, &control, &mut seat, &mut batch) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                batch.flush();
                // Plain TCP is written to by its reading half here, too.
                return self.refuse(transport, &peer, &refusal).await;
            }
        };
        transport.admitted();
        self.stats().clients.add(1);
        tracing::debug!(bus = self.id(), client = &*admitted.session.id, %peer, "connected");
        seat.establish(&control);
        batch.flush();
        self.client_changed(&admitted.session.id);
        let client = Client::new(self.clone(), admitted, Arc::clone(&control));
        let connection = Connection::new(client, control, transport, charge, seat);
        connection.start(rest);
    }

    fn log_refused(&self, peer: &SocketAddr, why: &str) {
        self.stats().refused.add(1);
        self.events().add(EventKind::Refused, self.id(), &peer.ip().to_string(), "connection", why);
        tracing::debug!(bus = self.id(), %peer, "connection given up before CONNECT: {why}");
    }

    async fn refuse(&self, mut transport: Transport, peer: &SocketAddr, refusal: &Refusal) {
        self.stats().refused.add(1);
        if refusal.reason == Reason::PacketTooLarge {
            self.stats().packets_too_large.add(1);
        }
        let kind = match refusal.reason {
            Reason::BadUserNameOrPassword | Reason::NotAuthorized | Reason::ConnectionRateExceeded => EventKind::Login,
            Reason::MalformedPacket | Reason::ProtocolError | Reason::UnsupportedProtocolVersion => EventKind::Protocol,
            _ => EventKind::Refused,
        };
        self.events().add(kind, self.id(), &peer.ip().to_string(), "CONNECT", &refusal.text);
        if self.may_log(peer.ip()) {
            tracing::info!(bus = self.id(), %peer, reason = %refusal.reason, "connection refused: {}", refusal.text);
        }
        // A peer that is gone needs no answer.
        let _ = timeout(FAREWELL_TIME, async {
            transport.write_all(&refusal.encode()).await?;
            transport.shutdown().await
        })
        .await;
    }
}

/// A connection that MQTT can be spoken on.
struct Opened {
    transport: Transport,
    /// The writing half of plain TCP.
    direct: Option<OwnedWriteHalf>,
    /// The user whose certificate the client has shown, where that counts.
    certificate: Option<String>,
}

impl Bus {
    /// Does the handshakes of what the listener speaks: TLS, WebSocket, both, or
    /// none.
    async fn open(&self, socket: TcpStream, door: &Door) -> io::Result<Opened> {
        if !door.tls {
            if door.transport == settings::Transport::Tcp {
                let (read, write) = socket.into_split();
                return Ok(Opened { transport: Transport::Tcp(read), direct: Some(write), certificate: None });
            }
            return Ok(Opened { transport: self.framed(socket, door).await?, direct: None, certificate: None });
        }
        let trust = self.current_trust().trust;
        // A listener with TLS is never without, whatever has gone wrong.
        let handshakes = trust.tls(&door.name).ok_or_else(|| io::Error::other("the listener has no certificate"))?;
        let stream = handshakes.acceptor.accept(socket).await.map_err(|error| {
            self.stats().tls_failed.add(1);
            io::Error::other(format!("TLS handshake: {error}"))
        })?;
        let certificate = handshakes.user(stream.get_ref().1);
        Ok(Opened { transport: self.framed(stream, door).await?, direct: None, certificate })
    }

    async fn framed<S>(&self, stream: S, door: &Door) -> io::Result<Transport>
    where
        S: Stream + 'static,
    {
        Ok(match door.transport {
            settings::Transport::Tcp => Transport::Stream(Box::new(stream)),
            settings::Transport::Ws => {
                let limits = &self.limits().connections;
                let (max_packet, max_connect) = (limits.max_payload_size as usize, limits.max_connect() as usize);
                let stream = websocket::accept(stream, max_packet, max_connect);
                Transport::Stream(Box::new(stream.await.map_err(io::Error::other)?))
            }
        })
    }
}

enum NoConnect {
    Io(io::Error),
    Refused(Refusal),
}

/// Reads CONNECT, and whatever the client has sent right behind it.
async fn read_connect(
    transport: &mut Transport,
    max_packet: u32,
    charge: &mut Charge,
) -> Result<(Connect, Vec<u8>), NoConnect> {
    let mut bytes = Vec::new();
    let mut chunk = [0u8; 1024];
    loop {
        let mut buffer = ReadBuf::new(&mut chunk);
        let read = poll_fn(|cx| {
            let read = transport.poll_read(cx, &mut buffer);
            if read.is_pending() {
                flush_if_interrupted();
            }
            read
        });
        read.await.map_err(NoConnect::Io)?;
        if buffer.filled().is_empty() {
            return Err(NoConnect::Io(io::ErrorKind::UnexpectedEof.into()));
        }
        bytes.extend_from_slice(buffer.filled());
        charge.set((bytes.capacity() + transport.held()) & !(LEAST_COUNTED - 1));
        let refuse = |version, error: crate::mqtt::DecodeError| {
            let (reason, text) = (error.reason, error.to_string());
            NoConnect::Refused(Refusal { version, reason, text, maximum_packet_size: u32::MAX })
        };
        let frame = next_frame(&bytes, max_packet).map_err(|error| refuse(Version::V5, error))?;
        if let Some(frame) = frame {
            let version = || Connect::sniff_version(&frame).unwrap_or(Version::V5);
            let connect = Connect::decode(&frame).map_err(|error| refuse(version(), error))?;
            let rest = bytes.split_off(frame.len);
            charge.set(0);
            return Ok((connect, rest));
        }
    }
}
