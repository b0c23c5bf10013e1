//! `skep::client`, on rumqttc, against a real skep.

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod notifications;
mod reconnection;
mod relay;
mod sessions;
mod stage;
mod workers;
