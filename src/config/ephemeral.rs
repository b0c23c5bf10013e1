//! Settings of an instance that lives for one test run and leaves nothing
//! behind.

use super::effective::Effective;
use super::problem::Origin;
use super::{Config, Key};

/// The option whose word stands against that of `--ephemeral`.
const LAST_WORD: &str = "--set";

impl Config {
    /// Changes what would collide with another instance, or stay when this one
    /// is gone: every listener takes a port of the system's choice on 127.0.0.1,
    /// bindings are in memory only, and a stop waits for nothing.
    pub fn make_ephemeral(&mut self) {
        self.make_ephemeral_but(|_| false);
    }

    /// The same, but for the settings that `is_given`.
    fn make_ephemeral_but(&mut self, is_given: impl Fn(&Key) -> bool) {
        let buses = [("backend", &mut self.backend), ("frontend", &mut self.frontend)];
        for (kind, id, bus) in
            buses.into_iter().flat_map(|(kind, buses)| buses.iter_mut().map(move |(id, bus)| (kind, id, bus)))
        {
            for (name, listener) in &mut bus.listeners {
                if !is_given(&Key::from([kind, id, "listeners", name, "listen"])) {
                    listener.listen = ([127, 0, 0, 1], 0).into();
                }
            }
        }
        if !is_given(&Key::from(["admin", "listen"])) {
            self.admin.listen = ([127, 0, 0, 1], 0).into();
        }
        if !is_given(&Key::from(["bindings", "persist"])) {
            self.bindings.persist = false;
        }
        if !is_given(&Key::from(["router", "shutdown_wait_ms"])) {
            self.router.shutdown_wait_ms = 0;
        }
    }
}

impl Effective {
    /// As [`Config::make_ephemeral`], whatever the file and the environment say;
    /// only `--set` is obeyed.
    pub fn make_ephemeral(&mut self) {
        let entries = &self.entries;
        let is_given =
            |key: &Key| entries.iter().any(|entry| entry.key == *key && entry.origin == Origin::Flag(LAST_WORD));
        self.config.make_ephemeral_but(is_given);
    }

    /// True when nobody has said anything of that setting.
    pub fn is_default(&self, key: &Key) -> bool {
        self.entries.iter().all(|entry| entry.key != *key || entry.origin == Origin::Default)
    }
}
