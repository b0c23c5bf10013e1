//! What its owner can set of the router.

use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Off: skep is two brokers, and outside router workers join them.
    pub enabled: bool,
    /// Topics over which requests, responses and notifications that cross
    /// buses are spread.
    pub lanes: u8,
    /// Salt of the router token; unset, the id of the backend that the call
    /// came in on.
    pub auth_salt: Option<String>,
    /// How long requests in flight may take to finish at a graceful stop, in ms.
    pub shutdown_wait_ms: u64,
    pub presence: PresenceSettings,
}

/// Who is told of who is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PresenceSettings {
    /// Publishes `router.presence.online` and `offline` on the backends.
    pub enabled: bool,
    /// How long the last device of an address may be gone before it counts as
    /// offline, in ms: a reload of a page is no goodbye.
    pub grace_ms: u64,
}

impl Settings {
    /// What the tokens of a backend are made with.
    pub(crate) fn salt<'a>(&'a self, backend: &'a str) -> &'a str {
        self.auth_salt.as_deref().unwrap_or(backend)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            lanes: 2,
            auth_salt: None,
            shutdown_wait_ms: 2_000,
            presence: PresenceSettings::default(),
        }
    }
}

impl Default for PresenceSettings {
    fn default() -> Self {
        PresenceSettings { enabled: false, grace_ms: 10_000 }
    }
}

/// Tells no salt: who has it can bind sessions.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("enabled", &self.enabled)
            .field("lanes", &self.lanes)
            .field("shutdown_wait_ms", &self.shutdown_wait_ms)
            .finish_non_exhaustive()
    }
}
