//! The defaults, and what a bus, listener or user starts from that has a name
//! of its own.

use toml::{Table, Value};

use super::Config;
use super::given::Given;
use super::key::Key;
use super::schema::{Named, Node};
use crate::bus::{Listener, Settings, Transport, User};

/// The default of one place in the tree of settings.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    /// `None` where there is none, and somebody has to give a value.
    pub value: Option<Value>,
    /// The kind of the bus that the place lies in.
    bus: Option<Named>,
}

impl Defaults {
    /// Of the whole.
    pub fn of_program() -> Defaults {
        Defaults { value: value(&Config::default()), bus: None }
    }

    /// Of the place `name` within this one, which is `node`; `key` is its key.
    pub fn child(&self, node: &Node, name: &str, key: &Key, given: &Given) -> Defaults {
        let named = match node {
            Node::Named(named, _) => Some(*named),
            _ => None,
        };
        let bus = named.filter(|n| matches!(n, Named::Backend | Named::Frontend)).or(self.bus);
        let default = self.value.as_ref().and_then(|value| value.get(name)).cloned();
        let default = match (default, named) {
            // Rules are a whole: who gives one list says what there is.
            (Some(user), Some(Named::User)) => Some(with_rules_given(user, key, given)),
            (Some(default), _) => Some(default),
            (None, None) => None,
            (None, Some(Named::Backend)) => value(&Settings::sample_backend()),
            (None, Some(Named::Frontend)) => value(&Settings::sample_frontend()),
            (None, Some(Named::Listener)) => new_listener(name),
            (None, Some(Named::User)) => Some(with_rules_given(new_user(bus == Some(Named::Backend)), key, given)),
        };
        Defaults { value: default, bus }
    }
}

/// Settings as the tree that a file would give.
fn value<T: serde::Serialize>(settings: &T) -> Option<Value> {
    // Fails only for what TOML can't hold, which no default does (tested).
    Value::try_from(settings).ok()
}

/// A listener named `ws` is a WebSocket one, as the sample has it.
fn new_listener(name: &str) -> Option<Value> {
    let transport = if name == "ws" { Transport::Ws } else { Transport::Tcp };
    let mut listener = value(&Listener::new(([127, 0, 0, 1], 0).into(), transport));
    if let Some(Value::Table(listener)) = &mut listener {
        // Where it listens has to be said.
        listener.remove("listen");
    }
    listener
}

/// A user with the recommended rules of its kind of bus, and no password.
fn new_user(backend: bool) -> Value {
    let User { publish, subscribe, .. } = match backend {
        true => User::recommended_on_backend(),
        false => User::recommended_on_frontend(),
    };
    let mut user = Table::new();
    user.insert("publish".to_owned(), Value::from(publish));
    user.insert("subscribe".to_owned(), Value::from(subscribe));
    Value::Table(user)
}

/// Empties the default rules of a user of whom one list is given.
fn with_rules_given(mut user: Value, key: &Key, given: &Given) -> Value {
    let lists = ["publish", "subscribe"];
    let is_given = |list| {
        let key = key.child(list);
        given.value(&key).is_some() || given.is_bad(&key)
    };
    if let Value::Table(user) = &mut user
        && lists.into_iter().any(is_given)
    {
        for list in lists {
            user.insert(list.to_owned(), Value::Array(Vec::new()));
        }
    }
    user
}
