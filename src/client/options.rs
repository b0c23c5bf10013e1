//! Where to connect, and as whom.

use std::time::Duration;

use rand::RngExt;
use rand::distr::Alphanumeric;
use rumqttc::Transport;
use rumqttc::v5::MqttOptions;

use super::error::UrlError;

/// Everything that a connection needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    url: String,
    host: String,
    port: u16,
    websocket: bool,
    user: Option<(String, String)>,
    pub(super) side: Side,
    pub(super) backend_role: String,
    pub(super) lanes: u8,
    pub(super) connect_timeout: Duration,
    client_id: String,
}

/// Which bus it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Requests go through the router.
    Frontend,
    /// Requests go straight to the service's queue.
    Backend,
}

impl Options {
    /// A frontend: `mqtt://host:port` or `ws://host:port/mqtt`.
    ///
    /// # Errors
    /// The URL is neither.
    pub fn frontend(url: &str) -> Result<Options, UrlError> {
        Options::new(url, Side::Frontend)
    }

    /// A backend, as for [`Options::frontend`].
    ///
    /// # Errors
    /// The URL is neither form.
    pub fn backend(url: &str) -> Result<Options, UrlError> {
        Options::new(url, Side::Backend)
    }

    fn new(url: &str, side: Side) -> Result<Options, UrlError> {
        let bad = || UrlError { url: url.into() };
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        let (websocket, usual_port) = match scheme {
            "mqtt" | "tcp" => (false, if side == Side::Frontend { 11883 } else { 1883 }),
            "ws" => (true, 18080),
            _ => return Err(bad()),
        };
        let (authority, path) = rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
        if (websocket && path.is_empty()) || (!websocket && !path.is_empty()) {
            return Err(bad());
        }
        let (host, port) = match authority.rsplit_once(':') {
            // The last colon may be within an IPv6 address.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| bad())?),
            _ => (authority, usual_port),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || port == 0 {
            return Err(bad());
        }
        Ok(Options {
            url: url.into(),
            host: host.into(),
            port,
            websocket,
            user: None,
            side,
            backend_role: "backend".into(),
            lanes: 2,
            connect_timeout: Duration::from_secs(10),
            client_id: rand::rng().sample_iter(Alphanumeric).take(22).map(char::from).collect(),
        })
    }

    pub fn login(mut self, user: &str, password: &str) -> Options {
        self.user = Some((user.into(), password.into()));
        self
    }

    /// Role of the backend that requests go to; `backend` unless set.
    pub fn backend_role(mut self, role: &str) -> Options {
        self.backend_role = role.into();
        self
    }

    /// The client id: 16 to 23 letters, digits or `_`. It is the session's
    /// secret, and random unless set; one that was bound is bound still when
    /// it comes back.
    pub fn client_id(mut self, id: &str) -> Options {
        self.client_id = id.into();
        self
    }

    /// Time for connecting; 10 s unless set.
    pub fn connect_timeout(mut self, time: Duration) -> Options {
        self.connect_timeout = time;
        self
    }

    pub(super) fn id(&self) -> &str {
        &self.client_id
    }

    /// What rumqttc is told. `receive_maximum`: messages taken unacknowledged.
    pub(super) fn mqtt(&self, receive_maximum: Option<u16>) -> MqttOptions {
        let mut options = if self.websocket {
            let mut options = MqttOptions::new(&self.client_id, &self.url, self.port);
            options.set_transport(Transport::Ws);
            options
        } else {
            MqttOptions::new(&self.client_id, &self.host, self.port)
        };
        options.set_clean_start(true);
        options.set_keep_alive(Duration::from_secs(60));
        options.set_connection_timeout(self.connect_timeout.as_secs().max(1));
        // What comes is bounded by the bus.
        options.set_max_packet_size(Some(268_435_455));
        if let Some((user, password)) = &self.user {
            options.set_credentials(user, password);
        }
        if receive_maximum.is_some() {
            options.set_receive_maximum(receive_maximum);
            options.set_manual_acks(true);
        }
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_say_host_port_and_transport() {
        for (url, host, port, websocket) in [
            ("mqtt://127.0.0.1:1", "127.0.0.1", 1, false),
            ("mqtt://localhost", "localhost", 11883, false),
            ("mqtt://[::1]:5", "::1", 5, false),
            ("ws://h:2/mqtt", "h", 2, true),
        ] {
            let options = Options::frontend(url).unwrap();
            assert_eq!((&*options.host, options.port, options.websocket), (host, port, websocket), "{url}");
        }
        for bad in
            ["", "h:1", "http://h:1", "mqtt://", "mqtt://:1", "mqtt://h:x", "mqtt://h:0", "ws://h:1", "mqtt://h/x"]
        {
            assert!(Options::frontend(bad).is_err(), "{bad}");
        }
    }
}
