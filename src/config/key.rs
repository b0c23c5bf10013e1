//! The name of a setting: the levels of a dotted key.

use std::fmt;

/// A key such as `frontend.frontend-1.users.web.password`, level by level.
/// Displayed as TOML writes it, with quotes where a level needs them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<String>);

impl Key {
    /// The key of everything: no level at all.
    pub fn root() -> Key {
        Key::default()
    }

    /// The key one level further in.
    pub fn child(&self, level: &str) -> Key {
        let mut levels = self.0.clone();
        levels.push(level.to_owned());
        Key(levels)
    }

    /// The key one level further out; `None` of the root.
    pub fn parent(&self) -> Option<Key> {
        let (_, outer) = self.0.split_last()?;
        Some(Key(outer.to_vec()))
    }

    /// The innermost level; empty for the root.
    pub fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// All levels from the outermost in.
    pub fn levels(&self) -> &[String] {
        &self.0
    }

    /// True when `self` is `outer` or lies within it.
    pub fn is_within(&self, outer: &Key) -> bool {
        self.0.starts_with(&outer.0)
    }
}

impl<const N: usize> From<[&str; N]> for Key {
    fn from(levels: [&str; N]) -> Key {
        Key(levels.map(String::from).into())
    }
}

impl From<Vec<String>> for Key {
    fn from(levels: Vec<String>) -> Key {
        Key(levels)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, level) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            if is_bare(level) {
                f.write_str(level)?;
            } else {
                write!(f, "{:?}", level)?;
            }
        }
        Ok(())
    }
}

/// True for `[\w-]+`: what TOML takes as a key without quotes.
pub(super) fn is_bare(level: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    !level.is_empty() && level.bytes().all(plain)
}
