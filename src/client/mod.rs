//! What a Rust program uses to call services, to serve them, and to notify:
//! JSON-RPC 2.0 over MQTT 5, on rumqttc. Knows the wire only, so it works with
//! any bus that speaks the protocol.
//!
//! An app or a script is a client of a frontend; its calls go through the router:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use skep::client::{Client, Options};
//!
//! let client = Client::connect(Options::frontend("mqtt://127.0.0.1:11883")?.login("frontend", "abc123")).await?;
//! let loud: String = client.call("myapp.str.uc", serde_json::json!({ "string": "hello" })).await?;
//! assert_eq!(loud, "HELLO");
//!
//! let mut chat = client.listen("myapp.chat.*").await?;
//! while let Some(notification) = chat.recv().await {
//!     println!("{}: {}", notification.method, notification.params);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A [`Worker`](crate::client::Worker) serves on a backend. It knows the caller, can bind the caller's
//! session, and pushes to all devices of an address:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use skep::client::{Options, Worker};
//!
//! let options = Options::backend("mqtt://127.0.0.1:1883")?.login("backend", "def456");
//! let worker = Worker::new(options).serve("myapp.auth", "login", |request, user: String| async move {
//!     let address = format!("frontend.{user}");
//!     request.bind(Some(&address), &user).await?;
//!     request.client().push(&address, "myapp.auth.welcome", "on one more device").await?;
//!     Ok(())
//! });
//! worker.run(async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await?;
//! # Ok(())
//! # }
//! ```

/// Calls.
mod caller;
/// The MQTT connection, made again whenever it is lost.
mod connection;
/// What can go wrong.
mod error;
/// What is wrong with a connection, in words.
mod explain;
/// What comes, and to whom it goes.
mod inbox;
/// Compressed payloads.
pub(crate) mod inflate;
/// One connection from CONNACK to its end, with what became of each request.
mod link;
/// Who listens to what.
mod listeners;
/// Methods, addresses, and their topics.
mod names;
/// Notifications, sent and listened to.
mod notifications;
/// Where to connect, and as whom.
mod options;
/// What a handler knows of the request it serves.
mod request;
/// JSON-RPC.
pub(crate) mod rpc;
/// Bindings of client sessions.
mod sessions;
/// A worker at work.
mod shift;
/// Whose certificates are taken.
mod tls;
/// What the router asks of those who bind.
mod token;
/// URLs of buses.
mod url;
/// Serving.
mod worker;

pub use caller::Client;
pub use error::{CaError, CallError, ConnectError, UrlError};
pub use notifications::{Notification, Notifications};
pub use options::Options;
pub use request::Request;
pub use rpc::RpcError;
pub use worker::{Serving, Worker};
