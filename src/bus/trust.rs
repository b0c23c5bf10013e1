//! Whom a bus trusts: users, tokens and certificates, from settings and files.
//! Read as a whole and put in place as a whole, at the start and on a reload.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ahash::AHashMap;

use super::Bus;
use super::access::{Account, Accounts};
use super::settings::{Settings, User};
use super::tls::Handshakes;
use super::token::Tokens;
use super::users_file::UsersFile;

/// A file that the settings name and that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {}: {what}", path.display())]
pub struct FileError {
    /// The setting, such as `listeners.tcp.tls.cert`; within the bus until its
    /// owner puts the bus before it.
    pub key: String,
    pub path: PathBuf,
    /// What is wrong, as it reads after the name of the file.
    pub what: String,
}

impl FileError {
    pub(super) fn new(key: &str, path: &Path, what: String) -> FileError {
        FileError { key: key.to_owned(), path: path.to_owned(), what }
    }

    /// The same, with `outer` and a dot before the setting.
    pub fn within(mut self, outer: &str) -> FileError {
        self.key = format!("{outer}.{}", self.key);
        self
    }
}

/// What [`Bus::trust`] puts in place.
pub struct Trust {
    pub(super) accounts: Accounts,
    /// By name of the listener.
    tls: AHashMap<String, Handshakes>,
}

impl Trust {
    /// Reads all files that the settings of a bus name. `usual` has the topic
    /// rules of users of the file that have none of their own.
    ///
    /// # Errors
    /// The first file that can't be used.
    pub fn load(settings: &Settings, usual: &User) -> Result<Trust, FileError> {
        let mut settings = settings.clone();
        if let Some(path) = settings.users_file.clone() {
            let error = |what| FileError::new("users_file", &path, what);
            let file = UsersFile::read(&path).map_err(error)?;
            // One that is being written begins as that, and would lock out everybody.
            if file.users.is_empty() && std::fs::metadata(&path).is_ok_and(|about| about.len() == 0) {
                return Err(error("is empty: without users, it needs a comment at least".into()));
            }
            for (name, user) in file.users {
                if settings.users.contains_key(&name) {
                    return Err(error(format!("has the user {name:?}, whom the settings have too: leave one out")));
                }
                let (publish, subscribe) = match (user.publish, user.subscribe) {
                    (None, None) => (usual.publish.clone(), usual.subscribe.clone()),
                    (publish, subscribe) => (publish.unwrap_or_default(), subscribe.unwrap_or_default()),
                };
                let password = user.password.unwrap_or_default();
                settings.users.insert(name, User { password, publish, subscribe });
            }
            for (key, user) in [("anonymous", &settings.anonymous), ("jwt.rules_from", &settings.jwt.rules_from)] {
                if let Some(user) = user.as_ref().filter(|user| !settings.users.contains_key(*user)) {
                    return Err(error(format!("lacks the user {user:?} that {key} names, and so do the settings")));
                }
            }
        }
        let mut tls = AHashMap::new();
        for (name, listener) in &settings.listeners {
            let loaded = Handshakes::load(&listener.tls).map_err(|error| error.within(&format!("listeners.{name}")))?;
            if let Some(handshakes) = loaded {
                tls.insert(name.clone(), handshakes);
            }
        }
        let tokens = Tokens::load(&settings.jwt)?;
        let accounts = Accounts::new(&settings, tokens).map_err(|(name, error)| {
            // Of a file it would have been told before.
            FileError::new(&format!("users.{name}.password"), Path::new("the settings"), error.to_string())
        })?;
        Ok(Trust { accounts, tls })
    }

    /// No user, no certificate: what a bus has before it is told better.
    pub(super) fn nobody() -> Trust {
        let accounts = Accounts { users: AHashMap::new(), anonymous: None, tokens: None, cost: None };
        Trust { accounts, tls: AHashMap::new() }
    }

    pub(super) fn tls(&self, listener: &str) -> Option<&Handshakes> {
        self.tls.get(listener)
    }
}

/// Trust, and which in the order of those that a bus has had.
pub(super) struct Current {
    pub trust: Arc<Trust>,
    pub generation: u32,
}

impl Bus {
    /// Lets in whom `trust` says from now on. Connections stay: each goes by
    /// the new rules with its next packets, or ends if its user is gone.
    pub fn trust(&self, trust: Trust) {
        let mut place = self.0.trust.write();
        *place = Arc::new(trust);
        self.0.generation.fetch_add(1, Ordering::Release);
        drop(place);
        // Those that are silent have a look, too.
        for control in self.0.connections.all() {
            control.waker.wake();
        }
    }

    pub(super) fn current_trust(&self) -> Current {
        let place = self.0.trust.read();
        Current { trust: Arc::clone(&place), generation: self.generation() }
    }

    /// Changes whenever [`Bus::trust`] has been called.
    pub(super) fn generation(&self) -> u32 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// The account as it is by now, and when that is; none if it is gone.
    pub(super) fn renewed(&self, account: &Arc<Account>) -> (u32, Option<Arc<Account>>) {
        let Current { trust, generation } = self.current_trust();
        (generation, trust.accounts.renewed(account))
    }
}
