//! skep: two isolated MQTT buses and the JSON-RPC router between them.

/// How a running skep is reached, for other programs.
pub mod addresses;
/// HTTP for those who run it: health, metrics, what is there, what to change.
pub mod admin;
/// Client sessions that workers have bound: memory table, sled journal.
pub mod bindings;
/// One MQTT broker.
pub mod bus;
/// Calling and serving from a Rust program.
pub mod client;
/// The settings file, its layers and their check.
pub mod config;
/// What the framework's own tools get to see: status and log.
pub mod framework;
/// For tests and fuzzers.
#[doc(hidden)]
pub mod fuzzing;
/// How long things took, in buckets.
pub mod histogram;
/// MQTT packets and topics on the wire.
pub mod mqtt;
/// Text that nobody can guess, for the command, too.
#[doc(hidden)]
pub mod random;
/// Changing who may come in, while it runs.
mod reload;
/// What joins the buses.
pub mod router;
/// What a runtime can do for it.
mod runtime;
/// All of it together, started and stopped.
mod skep;
/// An instance inside a test process.
pub mod testing;

pub use reload::{ReloadError, Reloaded, check_files};
pub use runtime::tune;
pub use skep::{Bound, Kind, Skep, StartError};
