//! The `skep` command as it is typed: output, messages, exit statuses.

mod admin;
mod bench;
mod buses;
mod call;
mod check;
mod documented;
mod generated;
mod help;
mod import;
mod notifications;
mod serve;
mod started;
mod terminal;
