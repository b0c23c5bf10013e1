//! The forms that a setting's value can have: what fits, and how to say so.

use std::net::SocketAddr;

use toml::Value;

use super::key::is_bare;
use crate::bus::check_pattern;

/// What the value of one setting has to look like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// A whole number; `unit` is empty for mere counts without a noun.
    Whole {
        min: i64,
        max: i64,
        unit: &'static str,
    },
    Switch,
    /// Text that isn't empty.
    Text,
    /// Text that isn't empty and is never shown.
    Secret,
    Directory,
    File,
    /// IP address and port.
    Address,
    OneOf(&'static [&'static str]),
    /// Topic filters with `%c` and `%u`.
    Patterns,
    Role,
    /// Directives as `tracing` takes them.
    LogFilter,
}

impl Form {
    /// Checks a value; the error is what stands after "it has to be".
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let fits = match (self, value) {
            (Form::Whole { min, max, .. }, Value::Integer(n)) => (*min..=*max).contains(n),
            (Form::Switch, Value::Boolean(_)) => true,
            (Form::Text | Form::Directory | Form::File, Value::String(text)) => !text.is_empty(),
            // Section 3.1.3.6: binary data of at most 65,535 bytes.
            (Form::Secret, Value::String(text)) => (1..=65_535).contains(&text.len()),
            (Form::Address, Value::String(text)) => text.parse::<SocketAddr>().is_ok(),
            (Form::OneOf(choices), Value::String(text)) => choices.contains(&text.as_str()),
            (Form::Role, Value::String(text)) => is_role(text),
            (Form::LogFilter, Value::String(text)) => {
                return match tracing_subscriber::EnvFilter::try_new(text) {
                    Ok(_) => Ok(()),
                    Err(error) => Err(format!("{} ({error})", self.allowed())),
                };
            }
            (Form::Patterns, Value::Array(patterns)) => {
                return patterns.iter().try_for_each(|pattern| match pattern {
                    Value::String(text) => {
                        check_pattern(text).map_err(|why| format!("{}: {why}, unlike {text:?}", self.allowed()))
                    }
                    _ => Err(self.allowed()),
                });
            }
            _ => false,
        };
        if fits { Ok(()) } else { Err(self.allowed()) }
    }

    /// What fits, as it reads after "it has to be".
    pub fn allowed(&self) -> String {
        match self {
            Form::Whole { min, max, unit } => {
                let of = if unit.is_empty() { String::new() } else { format!(" of {unit}") };
                match *max {
                    i64::MAX => format!("a whole number{of}, {min} or more"),
                    max => format!("a whole number{of} from {min} to {max}"),
                }
            }
            Form::Switch => "true or false".into(),
            Form::Text => "text that isn't empty, in quotes".into(),
            Form::Secret => "text of 1 to 65535 bytes, in quotes".into(),
            Form::Directory => "the path of a directory, in quotes".into(),
            Form::File => "the path of a file, in quotes".into(),
            Form::Address => {
                "an IP address and a port such as \"127.0.0.1:1883\" or \"[::1]:1883\", port 0 for any free one".into()
            }
            Form::OneOf(choices) => {
                let quoted: Vec<String> = choices.iter().map(|c| format!("{c:?}")).collect();
                quoted.join(" or ")
            }
            Form::Patterns => "a list of topic patterns such as [\"req/#\", \"priv/%c\"]".into(),
            Form::Role => "letters, digits, \"_\" and \"-\", beginning with a letter or a digit".into(),
            Form::LogFilter => "a log filter such as \"info\" or \"info,skep::bus=debug\"".into(),
        }
    }

    /// True when text without quotes can be meant: from `--set` and variables.
    pub fn is_text(&self) -> bool {
        !matches!(self, Form::Whole { .. } | Form::Switch | Form::Patterns)
    }
}

/// A role is a level of `req/{role}/…`, and the router lets no client reach
/// levels that begin with `_`.
fn is_role(text: &str) -> bool {
    is_bare(text) && text.starts_with(|first: char| first.is_ascii_alphanumeric())
}

/// A value as a message shows it: its text if it is short, its kind if not.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.len() <= 80 && !text.contains('\n') {
        return text;
    }
    match value {
        Value::String(_) => format!("text of {} bytes", text.len()),
        Value::Array(list) => format!("a list of {}", list.len()),
        other => format!("a {}", other.type_str()),
    }
}
