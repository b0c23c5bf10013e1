//! What its owner can set of the log.

use serde::{Deserialize, Serialize};

/// What is logged, and how it looks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Directives of `tracing`: a level, or `target=level`, separated by commas.
    pub filter: String,
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// As `human`, with colours on a terminal.
    #[default]
    Auto,
    /// A line a record for people.
    Human,
    /// A JSON object a line for programs.
    Json,
}

impl Default for Log {
    fn default() -> Self {
        // The engine's own records matter to nobody until something goes wrong.
        Log { filter: "info,rumqttd=warn".into(), format: LogFormat::default() }
    }
}
