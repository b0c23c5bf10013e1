//! What a start says: where everything is, and a call to try.

use std::fmt::Write as _;
use std::io::Write as _;

use skep::bus::{Settings, Transport};
use skep::config::{Config, LogFormat};
use tracing::info;

use skep::{Bound, Kind};

/// What the welcome needs of the settings.
pub struct About {
    data: String,
    /// The log is for programs, and so is the welcome.
    json: bool,
    /// The frontends whose sample user lets `skep call` in without options.
    sample_logins: Vec<String>,
}

/// Where `skep call` goes unless told otherwise.
const USUAL_FRONTEND: &str = "127.0.0.1:11883";

impl About {
    pub fn new(config: &Config) -> About {
        let sample = Settings::sample_frontend();
        let has_sample_login = |bus: &Settings| {
            let user = |settings: &Settings| settings.users.get("frontend").map(|u| u.password.clone());
            user(bus).is_some() && user(bus) == user(&sample)
        };
        let frontends = config.frontend.iter().filter(|(_, bus)| has_sample_login(bus));
        About {
            data: config.data.display().to_string(),
            json: config.log.format == LogFormat::Json,
            sample_logins: frontends.map(|(id, _)| id.clone()).collect(),
        }
    }

    pub fn print(&self, listeners: &[Bound]) {
        if self.json {
            for bound in listeners {
                let (bus, name) = (&bound.bus, &bound.name);
                info!(bus, kind = kind(bound), listener = name, url = bound.url(), "listening");
            }
            info!(version = env!("CARGO_PKG_VERSION"), data = self.data, "ready");
            return;
        }
        let text = self.text(listeners);
        // A start whose welcome nobody reads is a good start.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
    }

    fn text(&self, listeners: &[Bound]) -> String {
        let mut text = format!("skep {}\n", env!("CARGO_PKG_VERSION"));
        let width = |of: fn(&Bound) -> &str| listeners.iter().map(|b| of(b).len()).max().unwrap_or(0);
        let (kinds, buses, names) = (width(kind), width(|b| &b.bus), width(|b| &b.name));
        for bound in listeners {
            let (kind, bus, name, url) = (kind(bound), &bound.bus, &bound.name, bound.url());
            let _ = writeln!(text, "  {kind:kinds$}  {bus:buses$}  {name:names$}  {url}");
        }
        let _ = writeln!(text, "  bindings are kept in {}", self.data);
        let frontend = listeners.iter().find(|b| b.kind == Kind::Frontend);
        if let Some(frontend) = frontend {
            let options = self.call_options(frontend);
            let _ = write!(
                text,
                "Try it, a worker in one terminal and a call in another:\n  \
                 cargo run --release --example worker\n  \
                 skep call {options}myapp.str.uc '{{\"string\":\"hello\"}}'\n"
            );
        }
        text
    }

    /// What `skep call` has to be told to reach that listener.
    fn call_options(&self, frontend: &Bound) -> String {
        let mut options = String::new();
        if frontend.transport != Transport::Tcp || frontend.address.to_string() != USUAL_FRONTEND {
            let _ = write!(options, "--url {} ", frontend.url());
        }
        if !self.sample_logins.contains(&frontend.bus) {
            options.push_str("--user USER --password-file FILE ");
        }
        options
    }
}

fn kind(bound: &Bound) -> &'static str {
    match bound.kind {
        Kind::Backend => "backend",
        Kind::Frontend => "frontend",
    }
}
