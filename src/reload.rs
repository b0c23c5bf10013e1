//! What can change while skep runs, and what can't: users, topic rules, keys and
//! certificates can.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use toml::{Table, Value};

use crate::bus::{FileError, Settings, Trust, User};
use crate::config::{Config, Invalid};

/// What came of a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Settings that differ from what is in force, and that need a restart.
    pub needs_restart: Vec<String>,
}

/// Why nothing was taken over.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    #[error(transparent)]
    Settings(#[from] Invalid),
    #[error(transparent)]
    File(#[from] FileError),
}

/// Reads all files that the settings name, but the database, and puts them to no
/// use.
///
/// # Errors
/// The first that can't be used.
pub fn check_files(config: &Config) -> Result<(), FileError> {
    Trusts::load(config).map(|_| ())
}

/// Whom each bus trusts, by bus id.
pub(crate) struct Trusts(HashMap<String, Trust>);

impl Trusts {
    pub fn load(config: &Config) -> Result<Trusts, FileError> {
        let load = |kind: &str, id: &String, settings: &Settings, usual: &User| {
            let trust = Trust::load(settings, usual).map_err(|error| error.within(&format!("{kind}.{id}")))?;
            Ok((id.clone(), trust))
        };
        let (on_backend, on_frontend) = (User::recommended_on_backend(), User::recommended_on_frontend());
        let backends = config.backend.iter().map(|(id, bus)| load("backend", id, bus, &on_backend));
        let frontends = config.frontend.iter().map(|(id, bus)| load("frontend", id, bus, &on_frontend));
        backends.chain(frontends).collect::<Result<_, _>>().map(Trusts)
    }

    pub fn take(&mut self, bus: &str) -> Option<Trust> {
        self.0.remove(bus)
    }
}

/// The settings in force with everything from `new` that can change, and the
/// keys of what else is different there.
pub(crate) fn merge(in_force: &Config, new: &Config) -> (Config, Vec<String>) {
    let mut next = in_force.clone();
    merge_buses(&mut next.backend, &new.backend);
    merge_buses(&mut next.frontend, &new.frontend);
    // What is still different has not been taken over.
    let differ = match (Table::try_from(&next), Table::try_from(new)) {
        (Ok(next), Ok(new)) => {
            let mut keys = BTreeSet::new();
            differences(&next, &new, "", &mut keys);
            keys.into_iter().collect()
        }
        // Settings that were read from TOML can be written as such.
        _ => Vec::new(),
    };
    (next, differ)
}

fn merge_buses(in_force: &mut BTreeMap<String, Settings>, new: &BTreeMap<String, Settings>) {
    for (id, bus) in in_force {
        let Some(new) = new.get(id) else { continue };
        bus.users.clone_from(&new.users);
        bus.users_file.clone_from(&new.users_file);
        bus.anonymous.clone_from(&new.anonymous);
        bus.jwt.clone_from(&new.jwt);
        for (name, listener) in &mut bus.listeners {
            // With TLS or without is what a listener begins as.
            if let Some(new) = new.listeners.get(name)
                && listener.tls.cert.is_some()
                && new.tls.cert.is_some()
            {
                listener.tls.clone_from(&new.tls);
            }
        }
    }
}

/// The keys of what one has and the other has not, or has otherwise.
fn differences(a: &Table, b: &Table, outer: &str, keys: &mut BTreeSet<String>) {
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    for name in names {
        let key = if outer.is_empty() { name.clone() } else { format!("{outer}.{name}") };
        match (a.get(name), b.get(name)) {
            (Some(Value::Table(a)), Some(Value::Table(b))) => differences(a, b, &key, keys),
            (a, b) if a != b => drop(keys.insert(key)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::{Listener, Transport};

    #[test]
    fn what_can_change_is_taken_over_and_the_rest_is_named() {
        let old = Config::default();
        let mut new = old.clone();
        new.router.lanes = 3;
        new.log.filter = "debug".into();
        new.backend.insert("east".into(), Settings::sample_backend());
        let frontend = new.frontend.get_mut("frontend-1").unwrap();
        frontend.users.remove("router");
        frontend.anonymous = Some("frontend".into());
        frontend.jwt.issuer = Some("me".into());
        frontend.connections.max_connections = 5;
        frontend.listeners.get_mut("ws").unwrap().tls.cert = Some("c".into());
        frontend.listeners.insert("more".into(), Listener::new(([127, 0, 0, 1], 1).into(), Transport::Tcp));
        let (next, needs_restart) = merge(&old, &new);
        let expected = [
            "backend.east",
            "frontend.frontend-1.connections.max_connections",
            "frontend.frontend-1.listeners.more",
            "frontend.frontend-1.listeners.ws.tls.cert",
            "log.filter",
            "router.lanes",
        ];
        assert_eq!(needs_restart, expected);
        let (next, old) = (&next.frontend["frontend-1"], &old.frontend["frontend-1"]);
        assert_eq!((&next.users, &next.jwt), (&new.frontend["frontend-1"].users, &new.frontend["frontend-1"].jwt));
        assert_eq!((&next.listeners, &next.connections), (&old.listeners, &old.connections));
    }
}
