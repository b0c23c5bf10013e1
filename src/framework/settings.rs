//! What its owner can set of it.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Reports to the supervisors of worker pools, as a router worker does.
    pub status: bool,
    /// Publishes the log on the backends for the framework's log collectors.
    pub log: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { status: true, log: true }
    }
}
