//! `KEY=VALUE`, as `--set` takes it.

use std::str::FromStr;

use thiserror::Error;
use toml::de::{DeTable, DeValue};

/// One setting given by hand: a dotted key, and a value whose form is judged
/// once it is known what the key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub(super) key: Vec<String>,
    pub(super) value: String,
}

/// Text that isn't an assignment.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AssignmentError {
    #[error("expected KEY=VALUE, such as router.lanes=4")]
    NoValue,
    #[error("{0:?} is not a dotted key, such as frontend.frontend-1.role")]
    Key(String),
}

impl Assignment {
    /// An assignment to the key of these levels.
    pub fn new(key: &[&str], value: impl Into<String>) -> Assignment {
        Assignment { key: key.iter().map(|level| (*level).to_owned()).collect(), value: value.into() }
    }
}

impl FromStr for Assignment {
    type Err = AssignmentError;

    /// The key ends at the first `=` outside quotes.
    fn from_str(text: &str) -> Result<Assignment, AssignmentError> {
        let ends = text.match_indices('=').map(|(at, _)| at);
        let mut bad = None;
        for end in ends {
            let (key, value) = (text[..end].trim(), &text[end + 1..]);
            match levels(key) {
                Some(key) => {
                    return Ok(Assignment { key, value: value.to_owned() });
                }
                None => bad = bad.or(Some(key)),
            }
        }
        match bad {
            Some(key) => Err(AssignmentError::Key(key.to_owned())),
            None => Err(AssignmentError::NoValue),
        }
    }
}

/// The levels of a dotted key, which may have TOML's quotes.
fn levels(key: &str) -> Option<Vec<String>> {
    // Over several lines it could be a whole document.
    if key.contains(['\n', '\r']) {
        return None;
    }
    let text = format!("{key} = 0");
    let document = DeTable::parse(&text).ok()?.into_inner();
    let mut levels = Vec::new();
    let mut table = &document;
    loop {
        let (level, value) = table.iter().next()?;
        if table.len() > 1 {
            return None;
        }
        levels.push(level.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            DeValue::Integer(_) => return Some(levels),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<(Vec<String>, String), AssignmentError> {
        text.parse::<Assignment>().map(|a| (a.key, a.value))
    }

    #[test]
    fn a_key_ends_at_the_first_equals_sign() {
        let (key, value) = parsed("router.auth_salt=a=b").unwrap();
        assert_eq!(key, ["router", "auth_salt"]);
        assert_eq!(value, "a=b");
    }

    #[test]
    fn quotes_keep_dots_and_equals_signs_in_a_name() {
        let (key, value) = parsed("backend.b.users.\"a.b=c\".password=x").unwrap();
        assert_eq!(key, ["backend", "b", "users", "a.b=c", "password"]);
        assert_eq!(value, "x");
    }

    #[test]
    fn what_is_no_assignment_is_refused() {
        assert_eq!(parsed("router.lanes"), Err(AssignmentError::NoValue));
        for bad in ["=1", ".a=1", "a..b=1", "a b=1", "[x]\ny=1", "# x=1"] {
            assert!(matches!(parsed(bad), Err(AssignmentError::Key(_))), "{bad}");
        }
    }
}
