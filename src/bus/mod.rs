//! One MQTT broker: listeners, connections, sessions, work queues, mailboxes,
//! topics. Knows nothing of the router: it offers hooks on topics.

mod settings;
pub use settings::{Connections, Engine, Listener, Queues, Sessions, Settings, Topics, Transport, User};
