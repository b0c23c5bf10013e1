//! The `skep` command as it is typed: output, messages, exit statuses.

mod admin;
mod bench;
mod buses;
mod call;
#[path = "../support/certificates.rs"]
mod certificates;
mod check;
mod discreet;
mod documented;
mod ephemeral;
mod exec;
mod generated;
mod health;
mod help;
mod import;
mod notifications;
mod packaged;
mod reload;
mod serve;
mod started;
mod supervised;
#[path = "../support/mod.rs"]
#[allow(unused_imports, reason = "each test binary uses its own part of this")]
mod support;
mod terminal;
mod user;
