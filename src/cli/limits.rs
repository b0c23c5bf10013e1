//! How many connections the system lets one process have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use skep::bus::Connections;
use skep::config::Config;
use tracing::{debug, warn};

/// Files that are open beside connections: listeners, bindings, the runtime.
const OTHER_FILES: u64 = 100;

/// Smallest size of a core dump that is still no size, in bytes. To 0 Linux makes
/// an exception when it hands dumps to a program, as systemd-coredump; not to 1.
const NO_CORE: u64 = 1;

/// A dump of our memory would hold passwords, tokens and payloads.
pub fn forbid_core_dumps() {
    let none = Rlimit { current: Some(NO_CORE), maximum: Some(NO_CORE) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        // Raising is not ours if it has been forbidden before, which is as good.
        debug!(limit = ?getrlimit(Resource::Core).current, %error, "the limit on core dumps stays as it is");
    }
}

/// The same for a process that starts others, whose dumps are theirs: they may be
/// given back the limit that was, which this gives.
pub fn forbid_core_dumps_for_now() -> Rlimit {
    let before = getrlimit(Resource::Core);
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(NO_CORE), ..before }) {
        debug!(%error, "the limit on core dumps stays as it is");
    }
    before
}

/// Raises the limit on open files to what the system allows at most; it is
/// lower by default, for the sake of programs that use select().
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => debug!(from = limit.current, to = limit.maximum, "limit on open files raised"),
        Err(error) => warn!(limit = limit.current, %error, "limit on open files can't be raised"),
    }
}

/// Says so when the settings allow more connections than the system does. Not
/// loudly if they are the default ones, which nobody asked for.
pub fn warn_if_too_few(config: &Config) {
    let buses = || config.backend.values().chain(config.frontend.values());
    let wanted = buses().map(|bus| bus.connections.max_connections as u64).fold(0, u64::saturating_add);
    // No limit at all is `None`.
    let Some(limit) = getrlimit(Resource::Nofile).current else { return };
    if limit >= wanted.saturating_add(OTHER_FILES) {
        return;
    }
    let usual = Connections::default().max_connections;
    if buses().all(|bus| bus.connections.max_connections == usual) {
        debug!(limit, max_connections = wanted, "the limit on open files is below max_connections");
    } else {
        warn!(
            limit,
            max_connections = wanted,
            "the system's limit on open files is below the connections that the settings allow: \
             raise it (ulimit -n, LimitNOFILE=) or lower max_connections"
        );
    }
}
