//! Where to connect, as whom, and what a connection may take.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::v5::MqttOptions;
use rumqttc::{TlsConfiguration, Transport};
use tokio_rustls::rustls::RootCertStore;

use crate::random;

use super::error::{CaError, ConnectError, UrlError};
use super::names::is_word;
use super::tls;
use super::url::{Url, UsualPorts};

/// Everything that a connection needs to know.
///
/// ```
/// use std::time::Duration;
/// use skep::client::Options;
///
/// let worker = Options::backend("mqtt://backend:def456@127.0.0.1:1883")?;
/// let app = Options::frontend("ws://127.0.0.1:18080/mqtt")?
///     .login("frontend", "abc123")
///     .call_timeout(Duration::from_secs(5));
/// # Ok::<(), skep::client::UrlError>(())
/// ```
#[derive(Clone)]
pub struct Options {
    url: Url,
    login: Option<(String, Option<String>)>,
    /// Who signs the certificates of buses; none: whom the system trusts.
    ca: Option<Arc<RootCertStore>>,
    client_id: String,
    pub(super) side: Side,
    pub(super) backend_role: String,
    pub(super) frontend_role: String,
    pub(super) lanes: u8,
    pub(super) auth_salt: String,
    pub(super) connect_timeout: Duration,
    pub(super) call_timeout: Duration,
    keep_alive: Duration,
    pub(super) max_payload: usize,
    pub(super) max_unread: usize,
}

/// Which bus it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Requests go through the router.
    Frontend,
    /// Requests go straight to the service's queue.
    Backend,
}

/// rumqttc takes no shorter ones.
const SHORTEST_KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The keep-alive is told to the bus in 16 bits.
const LONGEST_KEEP_ALIVE: Duration = Duration::from_secs(u16::MAX as u64);

/// Room for topic and properties in a packet of the largest payload, in bytes.
const AROUND_PAYLOAD: usize = 256 * 1024;

/// Largest packet that MQTT knows [MQTT-1.5.5].
const LARGEST_PACKET: usize = 268_435_455;

/// Messages of ours that the bus has not acknowledged; rumqttc reserves memory
/// for each, and stops sending while there are so many.
const MAX_UNACKNOWLEDGED: u16 = 1024;

impl Options {
    /// A frontend: `mqtt://[user:password@]host:port` or `ws://…host:port/mqtt`;
    /// with TLS `mqtts://` and `wss://`. Without a port, 11883 and 18080, with
    /// TLS 18883 and 18443. User and password are percent-encoded.
    ///
    /// # Errors
    /// The URL is neither.
    pub fn frontend(url: &str) -> Result<Options, UrlError> {
        Ok(Options::new(
            Url::parse(url, UsualPorts { mqtt: 11_883, mqtts: 18_883, ws: 18_080, wss: 18_443 })?,
            Side::Frontend,
        ))
    }

    /// A backend, as for [`Options::frontend`]. Without a port, 1883 and
    /// 18080, with TLS 8883 and 18443.
    ///
    /// # Errors
    /// The URL is neither form.
    pub fn backend(url: &str) -> Result<Options, UrlError> {
        Ok(Options::new(
            Url::parse(url, UsualPorts { mqtt: 1_883, mqtts: 8_883, ws: 18_080, wss: 18_443 })?,
            Side::Backend,
        ))
    }

    fn new(url: Url, side: Side) -> Options {
        Options {
            login: url.login.clone(),
            url,
            ca: None,
            client_id: random::client_id(),
            side,
            backend_role: "backend".into(),
            frontend_role: "frontend".into(),
            lanes: 2,
            auth_salt: "backend-1".into(),
            connect_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(60),
            keep_alive: Duration::from_secs(30),
            max_payload: 64 * 1024 * 1024,
            max_unread: 1024,
        }
    }

    /// Who connects; without it (or user and password in the URL), nobody in
    /// particular.
    pub fn login(mut self, user: &str, password: &str) -> Options {
        self.login = Some((user.into(), Some(password.into())));
        self
    }

    /// Who connects, if anybody in particular.
    pub fn user(&self) -> Option<&str> {
        self.login.as_ref().map(|(user, _)| user.as_str())
    }

    /// With which password: none, too, if the URL names a user and nothing more.
    pub fn password(&self) -> Option<&str> {
        self.login.as_ref().and_then(|(_, password)| password.as_deref())
    }

    /// A file with the certificates (PEM) of who signs those of buses, for URLs
    /// with TLS. Without it, those that the system trusts count.
    ///
    /// # Errors
    /// The file can't be read, or has no certificate that is good now.
    pub fn ca_file(mut self, path: impl AsRef<Path>) -> Result<Options, CaError> {
        let path = path.as_ref();
        let roots = crate::bus::roots(path).map_err(|what| CaError { path: path.to_owned(), what })?;
        self.ca = Some(Arc::new(roots));
        Ok(self)
    }

    /// Role of the backend: the one that this is, or that requests go to;
    /// `backend` unless set.
    pub fn backend_role(mut self, role: &str) -> Options {
        self.backend_role = role.into();
        self
    }

    /// Role of the frontend: the one that this is, or that broadcasts go to;
    /// `frontend` unless set.
    pub fn frontend_role(mut self, role: &str) -> Options {
        self.frontend_role = role.into();
        self
    }

    /// Over how many topics the router's requests and notifications are spread;
    /// 2 unless set. 0 counts as 1.
    pub fn lanes(mut self, lanes: u8) -> Options {
        self.lanes = lanes.max(1);
        self
    }

    /// What the router's token is made from, for who binds sessions: the
    /// router's setting of that name, else the id of the backend. `backend-1`
    /// unless set.
    pub fn auth_salt(mut self, salt: &str) -> Options {
        self.auth_salt = salt.into();
        self
    }

    /// The client id: 16 to 23 letters, digits or `_` on a frontend. It is the
    /// session's secret, and random unless set; one that was bound is bound
    /// still when it comes back.
    pub fn client_id(mut self, id: &str) -> Options {
        self.client_id = id.into();
        self
    }

    /// Another random client id, for one more connection like this one.
    pub fn random_client_id(mut self) -> Options {
        self.client_id = random::client_id();
        self
    }

    /// Time for connecting, subscriptions granted; 10 s unless set.
    pub fn connect_timeout(mut self, time: Duration) -> Options {
        self.connect_timeout = time;
        self
    }

    /// Time for a call to be answered, and for a notification to be taken;
    /// 60 s unless set.
    pub fn call_timeout(mut self, time: Duration) -> Options {
        self.call_timeout = time;
        self
    }

    /// How often an idle connection is checked; 30 s unless set, 5 s at least,
    /// in whole seconds. One that is dead is noticed after twice that time.
    pub fn keep_alive(mut self, time: Duration) -> Options {
        self.keep_alive = time.clamp(SHORTEST_KEEP_ALIVE, LONGEST_KEEP_ALIVE);
        self
    }

    /// Largest payload that is taken, in bytes, before and after inflation;
    /// 64 MiB unless set. What is larger is not sent by the bus, or dropped.
    pub fn max_payload(mut self, bytes: usize) -> Options {
        self.max_payload = bytes;
        self
    }

    /// Notifications that may wait in [`Notifications`](super::Notifications)
    /// to be read; 1024 unless set. Further ones are dropped and counted.
    pub fn max_unread(mut self, notifications: usize) -> Options {
        self.max_unread = notifications.max(1);
        self
    }

    pub(super) fn id(&self) -> &str {
        &self.client_id
    }

    /// Role of the bus that this connects to.
    pub(super) fn own_role(&self) -> &str {
        match self.side {
            Side::Frontend => &self.frontend_role,
            Side::Backend => &self.backend_role,
        }
    }

    /// Client ids become a level of a topic, and the router takes only some.
    pub(super) fn check(&self) -> Result<(), ConnectError> {
        let length = self.client_id.len();
        let fits = match self.side {
            Side::Frontend => (16..=23).contains(&length),
            Side::Backend => (1..=0xFFFF).contains(&length),
        };
        match fits && self.client_id.bytes().all(is_word) {
            true => Ok(()),
            false => Err(ConnectError::ClientId(self.client_id.clone())),
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        self.url.tls
    }

    fn tls(&self) -> Result<Option<TlsConfiguration>, ConnectError> {
        match self.url.tls {
            true => tls::configuration(self.ca.as_ref()).map(Some).map_err(ConnectError::Failed),
            false => Ok(None),
        }
    }

    /// What rumqttc is told. `receive_maximum`: messages taken unacknowledged,
    /// which are then acknowledged by us and not by rumqttc.
    ///
    /// # Errors
    /// TLS is asked for, and nobody is trusted.
    pub(super) fn mqtt(&self, receive_maximum: Option<u16>) -> Result<MqttOptions, ConnectError> {
        let Url { host, port, websocket, .. } = &self.url;
        let mut options = match websocket {
            Some(path) => {
                let scheme = if self.url.tls { "wss" } else { "ws" };
                MqttOptions::new(&self.client_id, format!("{scheme}://{host}:{port}{path}"), *port)
            }
            None => MqttOptions::new(&self.client_id, host, *port),
        };
        options.set_transport(match (websocket, self.tls()?) {
            (None, None) => Transport::Tcp,
            (None, Some(tls)) => Transport::tls_with_config(tls),
            (Some(_), None) => Transport::Ws,
            (Some(_), Some(tls)) => Transport::wss_with_config(tls),
        });
        options.set_clean_start(true);
        options.set_keep_alive(self.keep_alive);
        options.set_connection_timeout(self.connect_timeout.as_secs_f64().ceil() as u64);
        options.set_outgoing_inflight_upper_limit(MAX_UNACKNOWLEDGED);
        // Else rumqttc takes packets of up to 10 KiB and breaks off at larger ones.
        let max_packet = self.max_payload.saturating_add(AROUND_PAYLOAD).min(LARGEST_PACKET);
        options.set_max_packet_size(Some(max_packet as u32));
        let mut network = options.network_options();
        // A response and its PUBACK are two small writes.
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        if let Some((user, password)) = &self.login {
            options.set_credentials(user, password.as_deref().unwrap_or_default());
        }
        if receive_maximum.is_some() {
            options.set_receive_maximum(receive_maximum);
            options.set_manual_acks(true);
        }
        Ok(options)
    }
}

/// Tells neither the password nor the client id, which is a secret, too.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Url { host, port, websocket, .. } = &self.url;
        f.debug_struct("Options")
            .field("side", &self.side)
            .field("host", host)
            .field("port", port)
            .field("websocket", websocket)
            .field("user", &self.login.as_ref().map(|(user, _)| user))
            .field("backend_role", &self.backend_role)
            .field("frontend_role", &self.frontend_role)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_is_checked_before_it_is_used() {
        let of = |options: Result<Options, UrlError>, id: &str| options.unwrap().client_id(id).check();
        let (frontend, backend) = (|| Options::frontend("mqtt://h"), || Options::backend("mqtt://h"));
        assert_eq!(frontend().unwrap().check(), Ok(()));
        assert_eq!(of(frontend(), "7nXDsxMDwgLUSedX"), Ok(()));
        assert_eq!(of(backend(), "w1"), Ok(()));
        for bad in ["", "short", "7nXDsxMDwgLUSed/", "7nXDsxMDwgLUSed#", &"x".repeat(24)] {
            assert_eq!(of(frontend(), bad), Err(ConnectError::ClientId(bad.into())));
        }
        assert!(of(backend(), "a/b").is_err() && of(backend(), "").is_err());
    }

    #[test]
    fn rumqttc_is_told_everything() {
        let options = Options::frontend("ws://u:p@[::1]/mqtt").unwrap().keep_alive(Duration::ZERO);
        let mqtt = options.mqtt(Some(3)).unwrap();
        assert_eq!(mqtt.broker_address(), ("ws://[::1]:18080/mqtt".into(), 18080));
        assert_eq!((mqtt.receive_maximum(), mqtt.manual_acks()), (Some(3), true));
        assert_eq!(mqtt.keep_alive(), SHORTEST_KEEP_ALIVE);
        assert_eq!(mqtt.max_packet_size(), Some(64 * 1024 * 1024 + 256 * 1024));
        assert!(mqtt.credentials().is_some());
        assert!(!format!("{options:?}").contains("\"p\""));
    }
}
