//! What its owner can set of the bindings.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Keeps sessions on disk, so that they outlive the process. Off, they are
    /// in memory only, and the data directory is neither made nor looked at.
    pub persist: bool,
    /// A session that makes no request for so long is forgotten, in s.
    pub session_timeout_s: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { persist: true, session_timeout_s: 1_800 }
    }
}
