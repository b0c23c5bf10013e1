//! The settings of the whole program, and where each came from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Everything `rumqttd.toml` can say. Buses are named by their bus id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Directory of the bindings; made when missing.
    pub data: PathBuf,
    pub backend: BTreeMap<String, crate::bus::Settings>,
    pub frontend: BTreeMap<String, crate::bus::Settings>,
    pub router: crate::router::Settings,
    pub bindings: crate::bindings::Settings,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data: "data".into(),
            backend: [("backend-1".into(), crate::bus::Settings::sample_backend())].into(),
            frontend: [("frontend-1".into(), crate::bus::Settings::sample_frontend())].into(),
            router: Default::default(),
            bindings: Default::default(),
        }
    }
}
