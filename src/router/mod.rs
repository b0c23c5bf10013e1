//! What joins the buses: requests, responses and notifications between them,
//! and the `_bkpr.router` calls.

mod settings;
pub use settings::Settings;
