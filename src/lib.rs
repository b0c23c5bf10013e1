//! skep: two isolated MQTT buses and the JSON-RPC router between them.

/// Client sessions that workers have bound: memory table, sled journal.
pub mod bindings;
/// One MQTT broker.
pub mod bus;
/// Calling and serving from a Rust program.
pub mod client;
/// The settings file, its layers and their check.
pub mod config;
/// For tests and fuzzers.
#[doc(hidden)]
pub mod fuzzing;
/// MQTT packets and topics on the wire.
pub mod mqtt;
/// What joins the buses.
pub mod router;
/// What a runtime can do for it.
mod runtime;
/// All of it together, started and stopped.
mod skep;

pub use runtime::tune;
pub use skep::{Bound, Kind, Skep, StartError};
