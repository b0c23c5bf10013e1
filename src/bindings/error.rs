//! What can go wrong with the store, and what to do about it.

use std::io;
use std::path::PathBuf;

/// The bindings can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("data directory {}: {action}: {error}", dir.display())]
    Directory {
        dir: PathBuf,
        action: &'static str,
        #[source]
        error: io::Error,
    },
    #[error(
        "data directory {} is in use by process {pid}: stop that one, or give this one another with --data DIR",
        dir.display()
    )]
    Held { dir: PathBuf, pid: String },
    #[error(
        "the bindings in {} are damaged: {what}. Restore them from a backup, or start with --set-aside-bindings: \
         it moves them away and begins with none, so that clients have to log in again",
        path.display()
    )]
    Corrupt { path: PathBuf, what: String },
    #[error("the bindings in {} can't be read: {what}", path.display())]
    Unreadable { path: PathBuf, what: String },
}

/// A change did not get to disk; it has not happened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the bindings are closed")]
    Closed,
    #[error("the bindings can't be written to disk: {0}")]
    Write(String),
}
