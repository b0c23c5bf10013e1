//! The log: records of `tracing`, on standard error.

use std::io::{IsTerminal, stderr};

use anyhow::Context;
use skep::config::{Config, LogFormat};
use skep::framework::{LogLines, log_lines};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

/// Sends records where people and programs look for them, from now on; gives back
/// those for the framework's tools, unless the settings leave them out.
///
/// # Errors
/// If the filter isn't one; settings that were checked have a good one.
pub fn start(config: &Config) -> anyhow::Result<Option<LogLines>> {
    let log = &config.log;
    let (tools, lines) = config.framework.log.then(log_lines).unzip();
    let filter =
        EnvFilter::try_new(&log.filter).with_context(|| format!("the log filter {:?} can't be used", log.filter))?;
    let records = fmt::layer().with_writer(stderr);
    let records = match log.format {
        LogFormat::Json => records.json().boxed(),
        LogFormat::Human => records.with_ansi(false).boxed(),
        LogFormat::Auto => records.with_ansi(colours()).boxed(),
    };
    let started = registry().with(filter).with(records).with(tools).try_init();
    started.map_err(|error| anyhow::anyhow!("the log can't be started: {error}"))?;
    Ok(lines)
}

/// On a terminal, unless its owner asks all programs for none.
fn colours() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && stderr().is_terminal()
}

/// Has a command that stays connected say on standard error what its connection
/// goes through: warnings, or what `SKEP_LOG` asks for.
pub fn start_for_command() {
    let wanted = std::env::var("SKEP_LOG").ok().filter(|filter| !filter.is_empty());
    let filter = wanted.and_then(|filter| EnvFilter::try_new(filter).ok()).unwrap_or_else(|| EnvFilter::new("warn"));
    let records = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(colours());
    // There is no other one.
    let _ = records.try_init();
}
