//! Who is logged in: client sessions that a worker has bound, kept in memory
//! and journaled in sled, so that they survive any death of the process.
//! Knows nothing of MQTT.

mod settings;
pub use settings::Settings;
