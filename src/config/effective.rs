//! The settings in force: what was given, and defaults for the rest.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use toml::{Table, Value};

use super::assignment::Assignment;
use super::check::check;
use super::defaults::Defaults;
use super::form::Form;
use super::given::{Given, Raw};
use super::key::Key;
use super::problem::{Fault, Invalid, Origin, Problem};
use super::schema::{Node, ROOT};
use super::{Config, environment, file};

/// Where settings are looked for, the later ones winning.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A TOML file, and what named it.
    pub file: Option<(PathBuf, Origin)>,
    /// The environment; only variables that begin with `SKEP_` are looked at.
    pub variables: Vec<(OsString, OsString)>,
    /// Options of the command, by the name that messages use for them.
    pub flags: Vec<(&'static str, Assignment)>,
}

/// Settings that are whole and checked, each with where it came from.
#[derive(Clone, Debug)]
pub struct Effective {
    pub config: Config,
    pub entries: Vec<Entry>,
}

/// One setting in force.
#[derive(Clone)]
pub struct Entry {
    pub key: Key,
    /// `None` for a setting that may be left unset, and is.
    pub value: Option<Value>,
    pub origin: Origin,
    /// Not to be shown.
    pub secret: bool,
}

impl Sources {
    /// Reads all layers, fills in the defaults and checks the whole.
    ///
    /// # Errors
    /// Everything that is wrong, not only what was found first.
    pub fn load(&self) -> Result<Effective, Invalid> {
        let mut given = Given::default();
        if let Some((path, named_by)) = &self.file {
            file::read(path, named_by, &mut given);
        }
        environment::read(&self.variables, &mut given);
        for (flag, Assignment { key, value }) in &self.flags {
            given.take_at(key, &Origin::Flag(flag), Raw::Text(value.clone()));
        }
        fill(given)
    }
}

/// Puts defaults where nothing was given, and checks how it all goes together.
fn fill(mut given: Given) -> Result<Effective, Invalid> {
    let mut entries = Vec::new();
    let whole = fill_in(&ROOT, &Key::root(), &Defaults::of_program(), &mut given, &mut entries);
    let whole = whole.unwrap_or_else(|| Value::Table(Table::new()));
    let config: Config = match serde_path_to_error::deserialize(whole) {
        Ok(config) => config,
        Err(error) => {
            let key = error.path().to_string();
            let fault = Fault::Refused(error.into_inner().message().to_owned());
            given.problems.push(Problem { key, origin: Origin::Default, fault });
            return Err(Invalid { problems: given.problems });
        }
    };
    check(&config, &mut given);
    match given.problems.is_empty() {
        true => Ok(Effective { config, entries }),
        false => Err(Invalid { problems: given.problems }),
    }
}

/// The value of a place, which `None` is only for a setting left unset.
fn fill_in(
    node: &'static Node,
    key: &Key,
    defaults: &Defaults,
    given: &mut Given,
    entries: &mut Vec<Entry>,
) -> Option<Value> {
    let names = match node {
        Node::Setting(form) => return Some(setting(key, form, defaults, given, entries)),
        Node::Optional(form) => return optional(key, form, defaults, given, entries),
        Node::Group(_) => node.known().into_iter().map(String::from).collect(),
        Node::Named(..) => names(key, defaults, given),
    };
    let mut table = Table::new();
    for name in names {
        let key = key.child(&name);
        // A name that isn't known was refused when it was taken in.
        let Some(child) = node.child(&name) else {
            continue;
        };
        let defaults = defaults.child(node, &name, &key, given);
        if let Some(value) = fill_in(child, &key, &defaults, given, entries) {
            table.insert(name, value);
        }
    }
    Some(Value::Table(table))
}

fn optional(key: &Key, form: &Form, defaults: &Defaults, given: &Given, entries: &mut Vec<Entry>) -> Option<Value> {
    let (value, origin) = match given.value(key) {
        Some((value, origin)) => (Some(value.clone()), origin.clone()),
        None => (defaults.value.clone(), Origin::Default),
    };
    let secret = *form == Form::Secret;
    entries.push(Entry { key: key.clone(), value: value.clone(), origin, secret });
    value
}

fn setting(key: &Key, form: &Form, defaults: &Defaults, given: &mut Given, entries: &mut Vec<Entry>) -> Value {
    if let Some(value) = optional(key, form, defaults, given, entries) {
        return value;
    }
    if !given.is_bad(key) {
        let origin = key.parent().and_then(|outer| given.table_origin(&outer).cloned());
        let allowed = form.allowed();
        given.bad(key, &origin.unwrap_or(Origin::Default), Fault::Missing { allowed });
    }
    // Never used: there is a problem, and without this none of those that lie
    // further on would be found.
    Value::String(if *form == Form::Address { "127.0.0.1:0" } else { "?" }.to_owned())
}

/// The names in a table of named things: the file's if it says anything of that
/// table, the default ones if not, and those that other layers add.
pub(super) fn names(key: &Key, defaults: &Defaults, given: &Given) -> Vec<String> {
    let (in_file, added) = given.names(key);
    let default = defaults.value.as_ref().and_then(Value::as_table);
    // Who names users in a file of their own names them all, too.
    let users_are_elsewhere =
        key.last() == "users" && key.parent().is_some_and(|bus| given.value(&bus.child("users_file")).is_some());
    let first: Vec<&str> = match in_file {
        Some(names) => names,
        None if users_are_elsewhere => Vec::new(),
        None => default.into_iter().flat_map(Table::keys).map(String::as_str).collect(),
    };
    let all: BTreeSet<&str> = first.into_iter().chain(added).collect();
    all.into_iter().map(String::from).collect()
}

/// Checks settings that a program made itself, by the rules that hold for files.
pub(super) fn check_program(config: &Config) -> Result<(), Invalid> {
    let mut given = Given::default();
    match Table::try_from(config) {
        Ok(table) => {
            let table = Raw::Value(Value::Table(table));
            given.take(&Key::root(), &ROOT, &Origin::Program, table);
        }
        Err(error) => given.problems.push(Problem {
            key: "settings".to_owned(),
            origin: Origin::Program,
            fault: Fault::Unreadable(error.to_string()),
        }),
    }
    check(config, &mut given);
    match given.problems.is_empty() {
        true => Ok(()),
        false => Err(Invalid { problems: given.problems }),
    }
}

impl fmt::Display for Entry {
    /// As a line of TOML, with where it comes from; a secret as `***`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry { key, value, origin, secret } = self;
        match value {
            None => write!(f, "# {key} is not set   # {origin}"),
            Some(_) if *secret => write!(f, "{key} = \"***\"   # {origin}"),
            Some(value) => write!(f, "{key} = {value}   # {origin}"),
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Effective {
    /// One setting a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}
