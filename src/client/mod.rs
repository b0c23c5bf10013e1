//! What a Rust program uses to call services and to serve them: JSON-RPC 2.0
//! over MQTT 5, on rumqttc. Knows the wire only, so it works with any bus that
//! speaks the protocol.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use skep::client::{Client, Options};
//!
//! let client = Client::connect(Options::frontend("mqtt://127.0.0.1:11883")?.login("frontend", "abc123")).await?;
//! let loud: String = client.call("myapp.str.uc", serde_json::json!({ "string": "hello" })).await?;
//! assert_eq!(loud, "HELLO");
//! # Ok(())
//! # }
//! ```

/// Calls.
mod caller;
/// The MQTT connection and its event loop.
mod connection;
/// What can go wrong.
mod error;
/// Where to connect, and as whom.
mod options;
/// Serving.
mod worker;

pub use caller::Client;
pub use error::{CallError, ConnectError, RpcError, UrlError};
pub use options::Options;
pub use worker::{Request, Worker};
