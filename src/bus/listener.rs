//! Sockets that accept connections, and the end of a bus.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::mqtt::Reason;

use super::Bus;
use super::clock;
use super::connections::Crowded;
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
    pub name: Arc<str>,
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
#[error("bus {bus}: listener {name} can't listen on {address}: {error}; {}", advice(.error, .bus, .name))]
pub struct ListenError {
    pub bus: String,
    pub name: String,
    pub address: SocketAddr,
    #[source]
    pub error: std::io::Error,
}

fn advice(error: &std::io::Error, bus: &str, name: &str) -> String {
    let elsewhere = format!("give {bus}.listeners.{name}.listen another address");
    match error.kind() {
        ErrorKind::AddrInUse => format!("stop what listens there (another broker, another skep?), or {elsewhere}"),
        ErrorKind::PermissionDenied => format!("a port below 1024 needs a privilege: have it, or {elsewhere}"),
        _ => elsewhere,
    }
}

/// Pause after an accept that failed, for lack of file handles say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Questions without an answer after which the system gives a peer up.
const KEEP_ALIVE_QUESTIONS: u32 = 3;

/// Stands for all of them in the limit on log lines.
pub(super) const ANY_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

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
                    match self.0.connections.admit(peer.ip()) {
                        Ok(seat) => {
                            self.ask_whether_alive(&stream);
                            tokio::spawn(self.clone().serve_connection(stream, peer, Arc::clone(&door), seat));
                        }
                        Err(crowded) => self.turn_away(&peer, crowded),
                    }
                }
                Err(error) => {
                    // Twenty times a second while file handles lack.
                    if self.may_log(ANY_ADDRESS) {
                        tracing::error!(bus = self.id(), listener = &*door.name, "can't accept a connection: {error}");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Has the system ask peers that have been silent for long whether they
    /// are still there.
    fn ask_whether_alive(&self, socket: &TcpStream) {
        let idle = Duration::from_secs(self.limits().connections.tcp_keep_alive_s.into());
        if idle.is_zero() {
            return;
        }
        let pause = (idle / KEEP_ALIVE_QUESTIONS).max(Duration::from_secs(1));
        // A socket that is gone already needs none of it.
        let _ = sockopt::set_tcp_keepidle(socket, idle)
            .and_then(|()| sockopt::set_tcp_keepintvl(socket, pause))
            .and_then(|()| sockopt::set_tcp_keepcnt(socket, KEEP_ALIVE_QUESTIONS))
            .and_then(|()| sockopt::set_socket_keepalive(socket, true));
    }

    fn turn_away(&self, peer: &SocketAddr, crowded: Crowded) {
        let stats = self.stats();
        stats.refused.add(1);
        let limit = match crowded {
            Crowded::Bus => {
                stats.refused_connections.add(1);
                "max_connections"
            }
            Crowded::Address => {
                stats.refused_address.add(1);
                "max_per_address"
            }
        };
        let why = format!("{limit} reached");
        self.events().add(EventKind::Refused, self.id(), &peer.ip().to_string(), "connection", &why);
        // Each of them closed, as `stream` is dropped, without a word: there is
        // no protocol yet to say it in.
        if self.may_log(peer.ip()) {
            tracing::info!(bus = self.id(), %peer, "connection refused: {why}");
        }
    }

    /// Whether a line about a peer may be written to the log.
    pub(super) fn may_log(&self, peer: IpAddr) -> bool {
        let allows = self.0.common.log_limit.allows(peer, clock::now_ms());
        if !allows {
            self.stats().log_lines_left_out.add(1);
        }
        allows
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
