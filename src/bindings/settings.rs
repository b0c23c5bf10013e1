//! What its owner can set of the bindings.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// A session that makes no request for so long is forgotten, in s.
    pub session_timeout_s: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { session_timeout_s: 1_800 }
    }
}
