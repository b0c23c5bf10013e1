//! Asks the admin listener.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use ureq::Agent;

use super::snapshot::{History, Queues, Services, Snapshot};

const USUAL_URL: &str = "http://127.0.0.1:18888";

/// A listener that takes longer to answer is not there.
const PATIENCE: Duration = Duration::from_secs(5);

/// Seconds of history that a screen has room for.
const SECONDS: u32 = 300;

/// More than all that skep says at once.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// An admin listener, and the token it is asked with.
pub struct Source {
    agent: Agent,
    url: String,
    token: Option<String>,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "nobody answers at {url}: {why}; is skep running there, with admin.enabled? --admin or SKEP_ADMIN_URL say where else"
    )]
    Nobody { url: String, why: ureq::Error },
    #[error("{url} asks for another token: give --token-file or SKEP_ADMIN_TOKEN the one that admin.token sets")]
    Token { url: String },
    #[error("{url} refused: {text}")]
    Refused { url: String, text: String },
    #[error("what is at {url} does not answer as skep's admin listener does: {why}")]
    Foreign { url: String, why: String },
}

impl Source {
    /// The options, else the variables, else the usual place.
    ///
    /// # Errors
    /// A URL that isn't one of HTTP, or a file that can't be read.
    pub fn new(url: Option<&str>, token_file: Option<&Path>) -> anyhow::Result<Source> {
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        let url = url.map(str::to_owned).or_else(|| variable("SKEP_ADMIN_URL")).unwrap_or_else(|| USUAL_URL.to_owned());
        let rest = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        if rest.is_none_or(|host| host.is_empty() || host.contains(['/', '?', '#', '@', ' '])) {
            bail!("the URL of the admin listener is {url:?}; expected http://HOST:PORT");
        }
        let token = match token_file {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("the token file {} can't be read", path.display()))?;
                Some(text.lines().next().unwrap_or_default().trim().to_owned())
            }
            None => variable("SKEP_ADMIN_TOKEN"),
        };
        let config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .max_redirects(0)
            // A proxy for the web does not lead to this machine's own listener.
            .proxy(None);
        Ok(Source { agent: config.build().into(), url: url.trim_end_matches('/').to_owned(), token })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// How it is now.
    ///
    /// # Errors
    /// Nobody answers, or not with what was asked for.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        Ok(Snapshot {
            overview: self.get("overview")?,
            samples: self.get::<History>(&format!("history?seconds={SECONDS}"))?.samples,
            services: self.get::<Services>("services")?.services,
            queues: self.get::<Queues>("queues")?.queues,
        })
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let url = || self.url.clone();
        let mut request = self.agent.get(format!("{}/api/v1/{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let mut answer = request.call().map_err(|why| Error::Nobody { url: url(), why })?;
        let body = answer.body_mut().with_config().limit(MOST_BYTES).read_to_string();
        let body = body.map_err(|why| Error::Nobody { url: url(), why })?;
        match answer.status().as_u16() {
            200 => serde_json::from_str(&body).map_err(|why| Error::Foreign { url: url(), why: why.to_string() }),
            401 => Err(Error::Token { url: url() }),
            status => Err(match serde_json::from_str::<serde_json::Value>(&body) {
                Ok(said) if said["error"].is_string() => {
                    Error::Refused { url: url(), text: said["error"].as_str().unwrap_or_default().to_owned() }
                }
                _ => Error::Foreign { url: url(), why: format!("status {status}") },
            }),
        }
    }
}
