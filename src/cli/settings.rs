//! The options that say where settings come from.

use std::path::{Path, PathBuf};

use clap::Args;
use skep::config::{Assignment, Effective, Invalid, Origin, Sources};

/// What is read when no file is named, if it is there.
const USUAL_FILE: &str = "rumqttd.toml";
/// Names the file when `--config` doesn't.
const FILE_VARIABLE: &str = "SKEP_CONFIG";

#[derive(Debug, Args)]
#[command(next_help_heading = "Settings (later ones win: file, SKEP_… variables, options, --set)")]
pub struct SettingsArgs {
    /// Settings file [default: $SKEP_CONFIG, else ./rumqttd.toml if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Directory of the bindings [default: ./data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,

    /// One setting, such as router.lanes=4; can be given many times
    ///
    /// The value is TOML; text needs no quotes.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Assignment>,

    /// What to log, such as "debug" or "info,skep::bus=debug" [default: $SKEP_LOG, else info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,

    /// How the log looks [default: auto, lines for people with colours on a terminal]
    #[arg(long, value_name = "FORMAT", value_parser = ["auto", "human", "json"])]
    log_format: Option<String>,
}

impl SettingsArgs {
    /// Reads all layers.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn load(&self) -> Result<Effective, Invalid> {
        let given =
            |flag, key: &[&str], value: &Option<String>| value.clone().map(|value| (flag, Assignment::new(key, value)));
        let options = [
            given("--data", &["data"], &self.data),
            given("--log", &["log", "filter"], &self.log),
            given("--log-format", &["log", "format"], &self.log_format),
        ];
        let set = self.set.iter().map(|assignment| ("--set", assignment.clone()));
        let sources = Sources {
            file: self.file(),
            variables: std::env::vars_os().collect(),
            flags: options.into_iter().flatten().chain(set).collect(),
        };
        sources.load()
    }

    /// Where `--data` says that the data are.
    pub fn data_option(&self) -> Option<PathBuf> {
        self.data.as_ref().map(PathBuf::from)
    }

    fn file(&self) -> Option<(PathBuf, Origin)> {
        if let Some(path) = &self.config {
            return Some((path.clone(), Origin::Flag("--config")));
        }
        let named = std::env::var_os(FILE_VARIABLE).filter(|name| !name.is_empty());
        if let Some(path) = named {
            return Some((path.into(), Origin::Variable(FILE_VARIABLE.to_owned())));
        }
        // A file that can't be looked at is reported when it is read.
        let usual = Path::new(USUAL_FILE);
        let there = usual.try_exists().unwrap_or(true);
        there.then(|| (usual.to_owned(), Origin::Default))
    }
}
