//! Sockets that accept connections, and the end of a bus.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::mqtt::Reason;

use super::Bus;
use super::clock;
use super::events::EventKind;
use super::link::Farewell;
use super::settings::{self, Transport};

/// A listener that has its address.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Its name in the settings.
    pub name: String,
    pub transport: Transport,
    /// With TLS around it.
    pub tls: bool,
    /// The real one, where the settings say port 0.
    pub address: SocketAddr,
}

/// What all connections of one listener have in common.
pub struct Door {
    pub name: Box<str>,
    pub transport: Transport,
    pub tls: bool,
    /// See [`settings::Listener::is_exposed`].
    pub exposed: bool,
}

impl Door {
    /// For bytes that come by no socket.
    pub fn of_no_socket() -> Door {
        Door { name: "stream".into(), transport: Transport::Tcp, tls: false, exposed: false }
    }

    fn new(name: &str, listener: &settings::Listener) -> Door {
        Door {
            name: name.into(),
            transport: listener.transport,
            tls: listener.tls.cert.is_some(),
            exposed: listener.is_exposed(),
        }
    }
}

/// A listener that can't be opened.
#[derive(Debug, thiserror::Error)]
#[error("bus {bus}: listener {name} can't listen on {address}: {error}")]
pub struct ListenError {
    pub bus: String,
    pub name: String,
    pub address: SocketAddr,
    #[source]
    pub error: std::io::Error,
}

/// Pause after an accept that failed, for lack of file handles say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Bus {
    /// Opens all listeners, then starts to accept; needs a tokio runtime. Puts
    /// the tasks that the bus lives by into `vital`: they end when it stops.
    ///
    /// # Errors
    /// An address that can't be listened on; nothing has been accepted then.
    pub async fn listen(&self, vital: &mut JoinSet<()>) -> Result<Vec<Bound>, ListenError> {
        let mut opened = Vec::new();
        for (name, listener) in &self.limits().listeners {
            let address = listener.listen;
            let failed = |error| ListenError { bus: self.id().into(), name: name.clone(), address, error };
            let socket = TcpListener::bind(address).await.map_err(failed)?;
            let address = socket.local_addr().map_err(failed)?;
            let door = Door::new(name, listener);
            let bound = Bound { name: name.clone(), transport: listener.transport, tls: door.tls, address };
            opened.push((socket, Arc::new(door), bound));
        }
        let mut bound = Vec::new();
        for (socket, door, listener) in opened {
            vital.spawn(self.clone().accept(socket, door));
            bound.push(listener);
        }
        vital.spawn(self.clone().keep_time());
        Ok(bound)
    }

    async fn accept(self, socket: TcpListener, door: Arc<Door>) {
        let stopped = self.0.stopped.notified();
        tokio::pin!(stopped);
        stopped.as_mut().enable();
        while !self.is_stopping() {
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                () = &mut stopped => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    self.stats().connections.add(1);
                    match self.0.connections.admit() {
                        Some(seat) => {
                            tokio::spawn(self.clone().serve_connection(stream, peer, Arc::clone(&door), seat));
                        }
                        None => {
                            self.stats().refused.add(1);
                            let why = "max_connections reached";
                            self.events().add(EventKind::Refused, self.id(), &peer.ip().to_string(), "connection", why);
                            tracing::debug!(bus = self.id(), %peer, "connection refused: max_connections reached");
                        }
                    }
                }
                Err(error) => {
                    tracing::error!(bus = self.id(), listener = &*door.name, "can't accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Acquire)
    }

    /// Accepts no more connections; those there are go on.
    pub fn stop_accepting(&self) {
        self.0.stopping.store(true, Ordering::Release);
        self.0.stopped.notify_waiters();
    }

    /// Ends all connections with 0x8B, and waits until they are closed or
    /// `time` is over.
    pub async fn stop(&self, time: Duration) {
        self.stop_accepting();
        let text = Some("the server is shutting down".to_owned());
        for control in self.0.connections.all() {
            control.end(Farewell { reason: Reason::ServerShuttingDown, text: text.clone(), unsent: Vec::new() });
        }
        let until = clock::now_ms() + time.as_millis() as u64;
        while self.0.connections.open() > 0 && clock::now_ms() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
