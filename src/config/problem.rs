//! What is wrong with the settings, where it was written, and what to do.

use std::fmt;

use thiserror::Error;

use super::key::Key;

/// Where the value of a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave it: the built-in default.
    Default,
    /// A line of a settings file, counted from 1.
    File { path: String, line: usize },
    /// An environment variable, by its name.
    Variable(String),
    /// An option of the command, as the help names it.
    Flag(&'static str),
    /// A [`Config`](super::Config) that a program made itself.
    Program,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{path}:{line}"),
            Origin::Variable(name) => f.write_str(name),
            Origin::Flag(name) => f.write_str(name),
            Origin::Program => f.write_str("set by the program"),
        }
    }
}

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Error)]
pub struct Problem {
    /// The setting as written, or what stands in its place (a file, a variable).
    pub key: String,
    pub origin: Origin,
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { key, origin, fault } = self;
        match origin {
            Origin::Variable(name) if name == key => write!(f, "{key}: {fault}"),
            // A syntax error: the file stands for a key, and is in the origin.
            Origin::File { path, .. } if path == key => write!(f, "{origin}: {fault}"),
            _ => write!(f, "{key} ({origin}): {fault}"),
        }
    }
}

impl Problem {
    pub(super) fn new(key: &Key, origin: &Origin, fault: Fault) -> Problem {
        Problem { key: key.to_string(), origin: origin.clone(), fault }
    }
}

/// The ways in which a setting can be wrong.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Fault {
    #[error("there is no such setting{}; there are: {}", did_you_mean(.near), .known.join(", "))]
    Unknown { near: Option<String>, known: Vec<String> },

    #[error("given {given}, but it has to be {allowed}")]
    Wrong { given: String, allowed: String },

    #[error("given {given}, but it is a group of settings: {}", .known.join(", "))]
    NotAGroup { given: String, known: Vec<String> },

    #[error("is not a name for a {what}, which has to be {allowed}")]
    Name { what: &'static str, allowed: &'static str },

    #[error("is missing: give {allowed}")]
    Missing { allowed: String },

    /// Each value is well formed, but they don't go together.
    #[error("{0}")]
    Refused(String),

    #[error("can't be read: {0}")]
    Unreadable(String),

    #[error("is not TOML: {0}")]
    Syntax(String),

    #[error(
        "the variable names no setting: there is no {missing} in {within}{}; there are: {}{}",
        did_you_mean(.near), .known.join(", "), new_names(*.owner_names)
    )]
    Variable {
        missing: String,
        within: String,
        near: Option<String>,
        known: Vec<String>,
        /// The owner gives the names there.
        owner_names: bool,
    },
}

fn did_you_mean(near: &Option<String>) -> String {
    match near {
        Some(near) => format!(" (did you mean {near}?)"),
        None => String::new(),
    }
}

fn new_names(owner_names: bool) -> &'static str {
    match owner_names {
        true => " (variables can't make new ones: use the file or --set)",
        false => "",
    }
}

/// Everything that is wrong with the settings, at once.
#[derive(Clone, Debug, PartialEq, Error)]
pub struct Invalid {
    /// Never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [only] => write!(f, "a setting can't be used\n  {only}"),
            many => {
                write!(f, "{} settings can't be used", many.len())?;
                many.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}
