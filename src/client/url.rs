//! Where a bus is: `mqtt://[user:password@]host:port` or `ws://…/path`, with TLS
//! `mqtts://` and `wss://`.

use super::error::UrlError;

/// A place to connect to, and maybe as whom.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Url {
    /// IPv6 addresses keep their brackets, without which a port can't follow.
    pub host: String,
    pub port: u16,
    /// Path of the WebSocket; none for plain MQTT.
    pub websocket: Option<String>,
    pub tls: bool,
    /// The user, and the password if a colon says that there is one.
    pub login: Option<(String, Option<String>)>,
}

/// What stands in for a port that is left out.
#[derive(Clone, Copy)]
pub(super) struct UsualPorts {
    pub mqtt: u16,
    pub mqtts: u16,
    pub ws: u16,
    pub wss: u16,
}

impl Url {
    pub fn parse(text: &str, usual: UsualPorts) -> Result<Url, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| UrlError::new(text))?;
        // A password may hold a slash, a host can't.
        let (login, place) = rest.rsplit_once('@').map_or((None, rest), |(login, place)| (Some(login), place));
        let (authority, path) = place.split_once('/').unwrap_or((place, ""));
        let tls = matches!(scheme, "mqtts" | "wss");
        let (port, websocket) = match (scheme, path) {
            ("mqtt" | "tcp", "") => (usual.mqtt, None),
            ("mqtts", "") => (usual.mqtts, None),
            ("ws", path) if !path.is_empty() => (usual.ws, Some(format!("/{path}"))),
            ("wss", path) if !path.is_empty() => (usual.wss, Some(format!("/{path}"))),
            _ => return Err(UrlError::new(text)),
        };
        let (host, port) = match authority.rsplit_once(':') {
            // The last colon may be within an IPv6 address.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| UrlError::new(text))?),
            _ => (authority, port),
        };
        if port == 0 || !is_host(host) {
            return Err(UrlError::new(text));
        }
        let login = match login {
            Some(login) => Some(user_and_password(login).ok_or_else(|| UrlError::new(text))?),
            None => None,
        };
        Ok(Url { host: host.into(), port, websocket, tls, login })
    }
}

fn is_host(text: &str) -> bool {
    match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok()),
        None => !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')),
    }
}

fn user_and_password(login: &str) -> Option<(String, Option<String>)> {
    match login.split_once(':') {
        Some((user, password)) => Some((decoded(user)?, Some(decoded(password)?))),
        None => Some((decoded(login)?, None)),
    }
}

/// What percent-encoded text stands for; none if it stands for nothing.
fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                // Two hexadecimal digits are at most 255.
                (digit()? * 16 + digit()?) as u8
            }
            plain => plain,
        };
        out.push(byte);
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Url, UrlError> {
        Url::parse(text, UsualPorts { mqtt: 1883, mqtts: 8883, ws: 18080, wss: 18443 })
    }

    #[test]
    fn a_url_says_host_port_and_transport() {
        for (text, host, port, websocket) in [
            ("mqtt://127.0.0.1:1", "127.0.0.1", 1, None),
            ("mqtt://localhost", "localhost", 1883, None),
            ("mqtt://localhost/", "localhost", 1883, None),
            ("tcp://[::1]:5", "[::1]", 5, None),
            ("mqtt://[::1]", "[::1]", 1883, None),
            ("ws://h:2/mqtt", "h", 2, Some("/mqtt")),
            ("ws://h/a/b?c", "h", 18080, Some("/a/b?c")),
            ("mqtts://h", "h", 8883, None),
            ("wss://h/mqtt", "h", 18443, Some("/mqtt")),
        ] {
            let url = parse(text).unwrap();
            assert_eq!((&*url.host, url.port, url.websocket.as_deref()), (host, port, websocket), "{text}");
            assert_eq!(
                (url.login, url.tls),
                (None, ["mqtts:", "wss:"].iter().any(|tls| text.starts_with(tls))),
                "{text}"
            );
        }
    }

    #[test]
    fn a_url_may_say_who_logs_in() {
        for (text, user, password) in [
            ("mqtt://me:secret@h", "me", Some("secret")),
            ("mqtt://me:s%40%2f%C3%A9/:@h:7", "me", Some("s@/é/:")),
            ("mqtt://me:@h", "me", Some("")),
            ("ws://me@h:1/mqtt", "me", None),
        ] {
            assert_eq!(parse(text).unwrap().login, Some((user.into(), password.map(String::from))), "{text}");
        }
    }

    #[test]
    fn what_is_no_place_is_refused_and_no_password_is_told() {
        for text in [
            "",
            "h:1",
            "http://h:1",
            "mqtts://h/mqtt",
            "wss://h",
            "mqtt://",
            "mqtt://:1",
            "mqtt://h:x",
            "mqtt://h:0",
            "mqtt://h:65536",
            "ws://h:1",
            "mqtt://h/x",
            "mqtt://::1:5",
            "mqtt://[x]:5",
            "mqtt://a b",
            "mqtt://u:%zz@h",
            "mqtt://u:%f@h",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        let told = parse("mqtt://me:secret@h:x").err().unwrap().to_string();
        assert!(told.contains("h:x") && !told.contains("secret"), "{told}");
    }
}
