//! The `skep` command as it is typed: output, messages, exit statuses.

mod admin;
mod call;
mod check;
mod help;
mod import;
mod serve;
mod started;
