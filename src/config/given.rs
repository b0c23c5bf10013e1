//! What the layers give, setting by setting, checked for form as it comes in.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use toml::Value;

use super::form::shown;
use super::key::Key;
use super::problem::{Fault, Origin, Problem};
use super::schema::{self, Node};
use super::suggest::nearest;

/// What a layer says, before it is known whether that makes sense.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    Table(Vec<(String, Origin, Raw)>),
    Value(Value),
    /// From the command line or a variable: TOML, or else text without quotes.
    Text(String),
}

/// The settings that somebody gave. A later layer replaces what an earlier one
/// said, setting by setting.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    values: BTreeMap<Key, (Value, Origin)>,
    /// Groups and named things that were given, empty ones too.
    tables: BTreeMap<Key, Origin>,
    /// Those of them that come from a file.
    in_file: BTreeSet<Key>,
    /// Settings that were given wrong: judged already, so that nothing else is
    /// said about the default that stands in for them.
    bad: BTreeSet<Key>,
    pub problems: Vec<Problem>,
}

impl Given {
    /// Takes in what `raw` says of `key`, whose place in the tree is `node`.
    pub fn take(&mut self, key: &Key, node: &'static Node, origin: &Origin, raw: Raw) {
        match node {
            Node::Setting(form) | Node::Optional(form) => {
                let value = match raw {
                    Raw::Value(value) => value,
                    Raw::Text(text) => match parse_value(&text) {
                        Some(Value::String(quoted)) => Value::String(quoted),
                        Some(_) if form.is_text() => Value::String(text),
                        Some(other) => other,
                        None => Value::String(text),
                    },
                    Raw::Table(_) => {
                        let given = "a group of settings".to_owned();
                        let allowed = form.allowed();
                        return self.bad(key, origin, Fault::Wrong { given, allowed });
                    }
                };
                match form.check(&value) {
                    Ok(()) => {
                        self.values.insert(key.clone(), (value, origin.clone()));
                    }
                    Err(allowed) => {
                        let given = match form {
                            form if form.is_secret() => format!("a {}", kind(&value)),
                            _ => shown(&value),
                        };
                        self.bad(key, origin, Fault::Wrong { given, allowed });
                    }
                }
            }
            Node::Group(_) | Node::Named(..) => {
                let entries = match raw {
                    Raw::Table(entries) => entries,
                    Raw::Text(text) => match parse_value(&text) {
                        Some(Value::Table(table)) => entries(table, origin),
                        Some(value) => return self.not_a_group(key, node, origin, &value),
                        None => {
                            let value = Value::String(text);
                            return self.not_a_group(key, node, origin, &value);
                        }
                    },
                    Raw::Value(Value::Table(table)) => entries(table, origin),
                    Raw::Value(value) => return self.not_a_group(key, node, origin, &value),
                };
                self.table(key, origin);
                for (name, origin, raw) in entries {
                    self.take_entry(key, node, &name, &origin, raw);
                }
            }
        }
    }

    fn take_entry(&mut self, outer: &Key, node: &'static Node, name: &str, origin: &Origin, raw: Raw) {
        let key = outer.child(name);
        if let Node::Named(named, _) = node
            && let Err(allowed) = named.check(name)
        {
            let what = named.noun();
            return self.bad(&key, origin, Fault::Name { what, allowed });
        }
        match node.child(name) {
            Some(child) => self.take(&key, child, origin, raw),
            None => {
                let known = node.known();
                let near = nearest(name, known.iter().copied());
                let near = near.map(|near| outer.child(near).to_string());
                let fault = Fault::Unknown {
                    near: near.or_else(|| elsewhere(outer, name)),
                    known: known.into_iter().map(String::from).collect(),
                };
                self.problems.push(Problem::new(&key, origin, fault));
            }
        }
    }

    /// Walks the levels of `path` from the root and takes in `raw` at its end.
    pub fn take_at(&mut self, path: &[String], origin: &Origin, raw: Raw) {
        let nested =
            path.iter().rev().fold(raw, |inner, level| Raw::Table(vec![(level.clone(), origin.clone(), inner)]));
        self.take(&Key::root(), &schema::ROOT, origin, nested);
    }

    fn table(&mut self, key: &Key, origin: &Origin) {
        if matches!(origin, Origin::File { .. }) {
            self.in_file.insert(key.clone());
        }
        self.tables.entry(key.clone()).or_insert_with(|| origin.clone());
    }

    /// Reports a setting whose value can't be used.
    pub fn bad(&mut self, key: &Key, origin: &Origin, fault: Fault) {
        self.bad.insert(key.clone());
        self.problems.push(Problem::new(key, origin, fault));
    }

    fn not_a_group(&mut self, key: &Key, node: &Node, origin: &Origin, value: &Value) {
        let known = match node {
            Node::Named(named, each) => {
                let inner = each.known();
                let name = named.placeholder();
                inner.iter().map(|known| format!("{key}.{name}.{known}")).collect()
            }
            _ => node.known().into_iter().map(String::from).collect(),
        };
        let given = shown(value);
        self.bad(key, origin, Fault::NotAGroup { given, known });
    }

    /// The value given last for a setting, and by whom.
    pub fn value(&self, key: &Key) -> Option<&(Value, Origin)> {
        self.values.get(key)
    }

    /// Who first gave a group or a named thing.
    pub fn table_origin(&self, key: &Key) -> Option<&Origin> {
        self.tables.get(key)
    }

    /// The names given within a table of named things: in a file if it says
    /// anything of that table, and by any other layer.
    pub fn names(&self, key: &Key) -> (Option<Vec<&str>>, Vec<&str>) {
        let within = |table: &&Key| table.parent().as_ref() == Some(key);
        let all = self.tables.keys().filter(within).map(Key::last).collect();
        let in_file = self.in_file.iter().filter(within).map(Key::last).collect();
        (self.in_file.contains(key).then_some(in_file), all)
    }

    /// True when something was said of the setting that makes no sense.
    pub fn is_bad(&self, key: &Key) -> bool {
        self.bad.iter().any(|bad| key.is_within(bad))
    }

    /// True when that holds of the group or of anything in it.
    pub fn has_bad(&self, group: &Key) -> bool {
        self.is_bad(group) || self.bad.iter().any(|bad| bad.is_within(group))
    }
}

/// A single TOML value; `None` when the text isn't one.
pub(super) fn parse_value(text: &str) -> Option<Value> {
    // A line break would let text in that is more than the one value.
    let one_line = !text.contains(['\n', '\r']);
    let mut document: toml::Table = one_line.then(|| format!("v = {text}").parse().ok())??;
    document.remove("v")
}

fn entries(table: toml::Table, origin: &Origin) -> Vec<(String, Origin, Raw)> {
    let entry = |(name, value)| (name, origin.clone(), Raw::Value(value));
    table.into_iter().map(entry).collect()
}

/// The setting that has this name in another place: within the innermost of the
/// groups around `outer` where there is one.
fn elsewhere(outer: &Key, name: &str) -> Option<String> {
    let mut within = Some(outer.clone());
    while let Some(key) = within {
        let mut found = Vec::new();
        if let Some(node) = schema::node(&key) {
            schema::collect(node, &key, &mut found);
        }
        found.retain(|(key, _)| key.last() == name);
        // Backends and frontends have the same settings; other than that, a name
        // that is there twice says nothing.
        let tails: HashSet<_> = found.iter().map(|(key, _)| key.levels().get(1..)).collect();
        if tails.len() == 1 {
            let keys: Vec<String> = found.iter().map(|(key, _)| key.to_string()).collect();
            return Some(keys.join(" or "));
        }
        within = key.parent();
    }
    None
}

/// The kind of a value that is not to be shown.
fn kind(value: &Value) -> String {
    match value {
        Value::String(text) => format!("text of {} bytes", text.len()),
        other => format!("value that is a TOML {}", other.type_str()),
    }
}
