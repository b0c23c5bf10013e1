//! Settings from environment variables: `SKEP_`, then the key in capitals, `__`
//! between levels and `_` for what can't stand in a variable's name.

use std::ffi::OsString;

use super::defaults::Defaults;
use super::effective::names;
use super::given::{Given, Raw};
use super::key::Key;
use super::problem::{Fault, Origin, Problem};
use super::schema::{Node, ROOT};
use super::suggest::nearest;

const PREFIX: &str = "SKEP_";

/// The short form of `SKEP_LOG__FILTER`.
const LOG: &str = "SKEP_LOG";

/// Variables that mean something else to a skep command or to the programs that
/// one starts.
const OTHERS: &[&str] = &[
    "SKEP_CONFIG",
    "SKEP_URL",
    "SKEP_USER",
    "SKEP_PASSWORD",
    "SKEP_CA",
    "SKEP_BACKEND_URL",
    "SKEP_BACKEND_USER",
    "SKEP_BACKEND_PASSWORD",
    "SKEP_FRONTEND_URL",
    "SKEP_FRONTEND_WS_URL",
    "SKEP_FRONTEND_USER",
    "SKEP_FRONTEND_PASSWORD",
];

/// Takes in all variables that name settings. Variables name buses, listeners
/// and users that are there already, by default or from the file; they make no
/// new ones, since capitals and `_` don't tell what they would be called.
pub(super) fn read(variables: &[(OsString, OsString)], given: &mut Given) {
    let mut found = Vec::new();
    for (name, value) in variables {
        // A name that isn't UTF-8 can't be a setting's.
        let Some(name) = name.to_str() else { continue };
        if !name.starts_with(PREFIX) || OTHERS.contains(&name) || is_service_link(name) {
            continue;
        }
        let origin = Origin::Variable(name.to_owned());
        let Some(value) = value.to_str() else {
            let fault = Fault::Unreadable("its value is not UTF-8".to_owned());
            given.problems.push(Problem { key: name.to_owned(), origin, fault });
            continue;
        };
        // Compose files and shells pass an unset variable on as an empty one.
        if value.is_empty() {
            continue;
        }
        let search = match name {
            LOG => Ok(vec!["log".to_owned(), "filter".to_owned()]),
            _ => {
                let defaults = Defaults::of_program();
                find(&name[PREFIX.len()..], &Key::root(), &ROOT, &defaults, given)
            }
        };
        match search {
            Ok(path) => found.push((path, origin, value.to_owned())),
            Err(fault) => {
                given.problems.push(Problem { key: name.to_owned(), origin, fault });
            }
        }
    }
    for (path, origin, value) in found {
        given.take_at(&path, &origin, Raw::Text(value));
    }
}

/// The levels that `rest` names within `key`.
fn find(rest: &str, key: &Key, node: &'static Node, defaults: &Defaults, given: &Given) -> Result<Vec<String>, Fault> {
    let children: Vec<String> = match node {
        Node::Group(_) => node.known().into_iter().map(String::from).collect(),
        Node::Named(..) => names(key, defaults, given),
        Node::Setting(_) | Node::Optional(_) => Vec::new(),
    };
    // A name may hold "__" itself, so all that fit are followed, and what gets
    // furthest is reported.
    let mut found: Vec<Vec<String>> = Vec::new();
    let mut fault = None;
    for name in &children {
        let Some(after) = rest.strip_prefix(capitals(name).as_str()) else {
            continue;
        };
        let key = key.child(name);
        if after.is_empty() {
            found.push(key.levels().to_vec());
        } else if let (Some(rest), Some(child)) = (after.strip_prefix("__"), node.child(name)) {
            match find(rest, &key, child, &defaults.child(node, name, &key, given), given) {
                Ok(path) => found.push(path),
                Err(deeper) => fault = Some(deeper),
            }
        }
    }
    if let [first, second, ..] = found.as_slice() {
        let (first, second) = (Key::from(first.clone()), Key::from(second.clone()));
        let why = format!("the variable can mean {first} and {second}: use the file or --set");
        return Err(Fault::Refused(why));
    }
    found.pop().ok_or_else(|| {
        if let Some(fault) = fault {
            return fault;
        }
        let missing = rest.split("__").next().unwrap_or(rest);
        let known: Vec<String> = children.iter().map(|name| capitals(name)).collect();
        Fault::Variable {
            missing: missing.to_owned(),
            within: if *key == Key::root() { "the settings".into() } else { key.to_string() },
            near: nearest(missing, known.iter().map(String::as_str)).map(String::from),
            known,
            owner_names: matches!(node, Node::Named(..)),
        }
    })
}

/// A name as variables write it.
fn capitals(name: &str) -> String {
    let capital = |c: char| {
        if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }
    };
    name.chars().map(capital).collect()
}

/// Kubernetes and Docker links tell every container where a service called
/// "skep" is, in variables such as `SKEP_PORT_1883_TCP_ADDR`.
fn is_service_link(name: &str) -> bool {
    let rest = &name[PREFIX.len()..];
    let begins = |with: &str| {
        let after = rest.strip_prefix(with);
        after.is_some_and(|after| after.is_empty() || after.starts_with('_') && !after.starts_with("__"))
    };
    rest == "SERVICE_HOST" || begins("SERVICE_PORT") || begins("PORT")
}
