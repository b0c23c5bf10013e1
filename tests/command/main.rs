//! The `skep` command as it is typed: output, messages, exit statuses.

mod admin;
mod call;
mod check;
mod ephemeral;
mod exec;
mod help;
mod serve;
mod started;
