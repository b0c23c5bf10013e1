//! What must hold for any bytes of a peer, one function a target. cargo-fuzz
//! runs them in `fuzz_targets`; `tests/fuzz.rs` runs them on the corpora.

mod broker;
mod packets;
mod rpc;
mod topics;
mod websocket;

pub use broker::{broker, pieces};
pub use packets::packets;
pub use rpc::rpc;
pub use topics::topics;
pub use websocket::websocket;

/// A target: its name, and what it claims of its input.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: &[Target] = &[
    ("packets", packets),
    ("pieces", pieces),
    ("broker", broker),
    ("websocket", websocket),
    ("topics", topics),
    ("rpc", rpc),
];
