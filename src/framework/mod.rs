//! What the framework's own tools get to see of skep: its status, as that of a
//! router worker, and its log.
//!
//! Both are told only where somebody is there to hear them.

/// Log records as the framework's log collectors take them.
mod log;
/// Whether log records come too fast.
mod pace;
mod settings;
/// Figures for the supervisor.
mod status;
/// What the system says of this process.
mod usage;

pub use log::{LogLayer, LogLines, log_lines};
pub use settings::Settings;

pub(crate) use status::report_status;

/// The worker class that skep takes the place of.
const CLASS: &str = "Beekeeper::Service::Router::Worker";

/// The service of that class in the log.
const LOG_SERVICE: &str = "beekeeper-service-router";

/// Where others have the id of their worker pool. No pool may have it: its
/// supervisor takes all of its pool on its machine for workers that it may stop.
const POOL: &str = "skep";
