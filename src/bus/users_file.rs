//! Users in a file, with hashes of their passwords and maybe with topic rules;
//! read by a bus, and changed by `skep user`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::access::is_user_name;
use super::password::{check_stored, is_hash};
use super::pattern::check_pattern;

const HEADER: &str = "# Users of skep, kept by \"skep user\": changing one drops comments of yours.\n";

/// What the file says, by name of user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UsersFile {
    pub users: BTreeMap<String, FileUser>,
}

/// One user.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileUser {
    /// An argon2 hash; none: the user logs in with a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Neither list: the recommended rules of the bus. One: the other is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscribe: Option<Vec<String>>,
}

/// Tells no hash.
impl std::fmt::Debug for FileUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileUser")
            .field("publish", &self.publish)
            .field("subscribe", &self.subscribe)
            .finish_non_exhaustive()
    }
}

impl UsersFile {
    /// Reads a file.
    ///
    /// # Errors
    /// It can't be read, or something in it can't be used.
    pub fn read(path: &Path) -> Result<UsersFile, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("can't be read: {error}"))?;
        UsersFile::parse(&text)
    }

    /// Takes the text of a file.
    ///
    /// # Errors
    /// What is wrong with it, and in which line or with which user.
    pub fn parse(text: &str) -> Result<UsersFile, String> {
        let file: UsersFile = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count()) + 1;
            format!("line {line}: {}", error.message())
        })?;
        file.check()?;
        Ok(file)
    }

    /// Checks everything in it.
    ///
    /// # Errors
    /// What is wrong, and with which user.
    pub fn check(&self) -> Result<(), String> {
        let check =
            |(name, user): (&String, &FileUser)| user.check(name).map_err(|what| format!("user {name:?}: {what}"));
        self.users.iter().try_for_each(check)
    }

    /// Replaces the file as a whole, or not at all: readable by its owner only,
    /// who stays the same.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let text = toml::to_string(self).map_err(io::Error::other)?;
        // A link stays one.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let directory = directory_of(&path);
        // Made with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(&directory)?;
        file.write_all(HEADER.as_bytes())?;
        file.write_all(text.as_bytes())?;
        if let Ok(old) = fs::metadata(&path) {
            let new = file.as_file().metadata()?;
            if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
                fchown(file.as_file(), Some(old.uid()), Some(old.gid()))?;
            }
        }
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        File::open(&directory)?.sync_all()
    }

    /// Held while a file is read and written again, so that two who change it
    /// at once change it one after the other.
    ///
    /// # Errors
    /// The system's.
    pub fn lock(path: &Path) -> io::Result<File> {
        let directory = File::open(directory_of(path))?;
        directory.lock()?;
        Ok(directory)
    }
}

impl FileUser {
    fn check(&self, name: &str) -> Result<(), String> {
        if !is_user_name(name) {
            return Err("a name can't have \"/\", \"+\", \"#\" or control characters in it".into());
        }
        if let Some(password) = &self.password {
            if !is_hash(password) {
                return Err("the password is not hashed: set it with \"skep user add\"".into());
            }
            check_stored(password).map_err(|error| format!("the password {error}"))?;
        }
        for pattern in self.publish.iter().chain(&self.subscribe).flatten() {
            check_pattern(pattern).map_err(|why| format!("{why}, unlike {pattern:?}"))?;
        }
        Ok(())
    }
}

fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_is_told_with_its_place_and_no_hash() {
        for (text, expected) in [
            ("[a]\npassword = \"open\"", "user \"a\": the password is not hashed"),
            ("[a]\npassword = \"$argon2id$v=19$m=9\"", "user \"a\": the password is not an argon2"),
            ("\n[a]\npasword = \"$argon2id$x\"", "line 3: unknown field `pasword`"),
            ("[\"a/b\"]", "user \"a/b\": a name"),
            ("[a]\npublish = [\"x#\"]", "user \"a\": \"#\" has to be"),
            ("a = 1", "line 1: "),
            ("[a", "line 1: "),
        ] {
            let told = UsersFile::parse(text).expect_err(text);
            assert!(told.contains(expected), "{told}");
            assert!(!told.contains("$argon2"), "{told}");
        }
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("users.toml");
        let link = dir.path().join("link.toml");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let user = FileUser { publish: Some(vec!["req/#".into()]), ..FileUser::default() };
        let file = UsersFile { users: [("a.b c".into(), user)].into() };
        file.write(&path).unwrap();
        file.write(&link).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(UsersFile::read(&path), Ok(file));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
