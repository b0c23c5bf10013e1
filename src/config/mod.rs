//! The settings of the whole program: read in layers, checked as a whole, with
//! where each came from.
//!
//! `Sources::load` goes from the layers to `Effective` settings. A program that
//! makes its own `Config` has it checked with `Config::check`.

mod assignment;
mod check;
mod defaults;
mod effective;
mod environment;
mod exposure;
mod file;
mod form;
mod given;
mod key;
mod log;
mod pattern;
mod problem;
mod schema;
mod suggest;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use assignment::{Assignment, AssignmentError};
pub use effective::{Effective, Entry, Sources};
pub use form::Form;
pub use key::Key;
pub use log::{Log, LogFormat};
pub use problem::{Fault, Invalid, Origin, Problem};
pub use schema::settings;

/// Everything `rumqttd.toml` can say. Buses are named by their bus id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Directory of the bindings; made when missing.
    pub data: PathBuf,
    /// Threads of the command's runtime; 0: half as many as there are cores, at
    /// least one. Who embeds skep has a runtime of their own.
    pub threads: usize,
    pub backend: BTreeMap<String, crate::bus::Settings>,
    pub frontend: BTreeMap<String, crate::bus::Settings>,
    pub router: crate::router::Settings,
    pub bindings: crate::bindings::Settings,
    pub log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data: "data".into(),
            threads: 0,
            backend: [("backend-1".into(), crate::bus::Settings::sample_backend())].into(),
            frontend: [("frontend-1".into(), crate::bus::Settings::sample_frontend())].into(),
            router: Default::default(),
            bindings: Default::default(),
            log: Log::default(),
        }
    }
}

impl Config {
    /// Checks settings that a program made itself, by the rules that hold for a
    /// file: ranges, names, and what has to go together.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first.
    pub fn check(&self) -> Result<(), Invalid> {
        effective::check_program(self)
    }
}
