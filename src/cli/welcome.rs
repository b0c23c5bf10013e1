//! What a start says: where everything is, and a call to try.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;

use skep::admin::Admin;
use skep::bus::Settings;
use skep::config::{Config, LogFormat};
use tracing::info;

use skep::{Bound, Kind};

/// What the welcome needs of the settings.
pub struct About {
    data: String,
    /// Whether bindings are kept there.
    persist: bool,
    /// The log is for programs, and so is the welcome.
    json: bool,
    /// The buses whose sample user is let in with the sample password, which is
    /// what the example worker and `skep call` use.
    sample_logins: Vec<String>,
    /// The role of the first backend, which the call to try goes to.
    role: String,
}

/// Where the example worker and `skep call` go unless told otherwise.
const USUAL_BACKEND: &str = "mqtt://127.0.0.1:1883";
const USUAL_FRONTEND: &str = "mqtt://127.0.0.1:11883";
const USUAL_ROLE: &str = "backend";

impl About {
    pub fn new(config: &Config) -> About {
        let takes = |bus: &Settings, sample: &Settings, user: &str| {
            let password = |settings: &Settings| settings.users.get(user).map(|user| user.password.clone());
            password(bus).is_some() && password(bus) == password(sample)
        };
        let backends = config.backend.iter().filter(|(_, bus)| takes(bus, &Settings::sample_backend(), "backend"));
        let frontends = config.frontend.iter().filter(|(_, bus)| takes(bus, &Settings::sample_frontend(), "frontend"));
        About {
            data: config.data.display().to_string(),
            persist: config.bindings.persist,
            json: config.log.format == LogFormat::Json,
            sample_logins: backends.chain(frontends).map(|(id, _)| id.clone()).collect(),
            role: config.backend.values().next().map_or_else(String::new, |bus| bus.role.clone()),
        }
    }

    pub fn print(&self, listeners: &[Bound], admin: Option<&Admin>) {
        if self.json {
            for bound in listeners {
                let (bus, name) = (&bound.bus, &bound.name);
                info!(bus, kind = kind(bound), listener = name, url = bound.url(), "listening");
            }
            if let Some(admin) = admin {
                info!(url = admin.url(), "admin listening");
            }
            let data = self.persist.then_some(&*self.data);
            info!(version = env!("CARGO_PKG_VERSION"), data, "ready");
            return;
        }
        let text = self.text(listeners, admin);
        // A start whose welcome nobody reads is a good start.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
    }

    fn text(&self, listeners: &[Bound], admin: Option<&Admin>) -> String {
        let mut text = format!("skep {}\n", env!("CARGO_PKG_VERSION"));
        let width = |of: fn(&Bound) -> &str| listeners.iter().map(|b| of(b).len()).max().unwrap_or(0);
        let (kinds, buses, names) = (width(kind), width(|b| &b.bus), width(|b| &b.name));
        for bound in listeners {
            let (kind, bus, name, url) = (kind(bound), &bound.bus, &bound.name, bound.url());
            let _ = writeln!(text, "  {kind:kinds$}  {bus:buses$}  {name:names$}  {url}");
        }
        if let Some(admin) = admin {
            let _ = writeln!(text, "  admin {}", admin.url());
        }
        let _ = match self.persist {
            true => writeln!(text, "  bindings are kept in {}", self.data),
            false => writeln!(text, "  bindings are in memory, and end with this process"),
        };
        // Who has one without TLS is spared the file with the authority.
        let first = |kind| listeners.iter().filter(|bound| bound.kind == kind).min_by_key(|bound| bound.tls);
        if let (Some(backend), Some(frontend)) = (first(Kind::Backend), first(Kind::Frontend)) {
            let _ = writeln!(text, "Try it, a worker in one terminal and a call in another:");
            let _ = writeln!(text, "  {}", self.worker(backend));
            let _ = writeln!(text, "  {}", self.call(frontend));
        }
        text
    }

    /// How to start a worker that connects to that listener.
    fn worker(&self, backend: &Bound) -> String {
        let url = reached_at(backend);
        if !self.sample_logins.contains(&backend.bus) {
            // The example knows no password but the sample one.
            return format!("(a worker of yours that serves myapp.str.uc at {url})");
        }
        let url = if url == USUAL_BACKEND { String::new() } else { format!(" {url}") };
        format!("cargo run --release --example worker{url}")
    }

    /// How to call that worker through that listener.
    fn call(&self, frontend: &Bound) -> String {
        let mut call = format!("{} call", program());
        let url = reached_at(frontend);
        if url != USUAL_FRONTEND {
            let _ = write!(call, " --url {url}");
        }
        if !self.sample_logins.contains(&frontend.bus) {
            call.push_str(" --user USER --password-file FILE");
        }
        if frontend.tls {
            call.push_str(" --ca FILE");
        }
        if self.role != USUAL_ROLE {
            let _ = write!(call, " --role {}", self.role);
        }
        call.push_str(" myapp.str.uc '{\"string\":\"hello\"}'");
        call
    }
}

/// What a client of this machine connects to. A listener on all addresses has
/// none to connect to, and with TLS the name has to be that of the certificate.
fn reached_at(bound: &Bound) -> String {
    let host = match bound.address {
        address if !address.ip().is_unspecified() => return bound.url(),
        _ if bound.tls => "HOST",
        SocketAddr::V4(_) => "127.0.0.1",
        SocketAddr::V6(_) => "[::1]",
    };
    bound.url().replace(&bound.address.to_string(), &format!("{host}:{}", bound.address.port()))
}

/// What this program was started as, so that the call finds it even where it
/// was built and not installed.
fn program() -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let name = std::env::args_os().next().and_then(|name| name.into_string().ok());
    name.filter(|name| !name.is_empty() && name.chars().all(plain)).unwrap_or_else(|| "skep".to_owned())
}

fn kind(bound: &Bound) -> &'static str {
    match bound.kind {
        Kind::Backend => "backend",
        Kind::Frontend => "frontend",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_reached_at_one_of_them() {
        let reached = |address: &str, tls| {
            reached_at(&Bound {
                bus: "frontend-1".into(),
                kind: Kind::Frontend,
                name: "tcp".into(),
                transport: skep::bus::Transport::Tcp,
                tls,
                address: address.parse().expect("an address"),
            })
        };
        assert_eq!(reached("0.0.0.0:1883", false), "mqtt://127.0.0.1:1883");
        assert_eq!(reached("[::]:1883", false), "mqtt://[::1]:1883");
        assert_eq!(reached("0.0.0.0:8883", true), "mqtts://HOST:8883");
        assert_eq!(reached("192.0.2.1:8883", true), "mqtts://192.0.2.1:8883");
    }
}
