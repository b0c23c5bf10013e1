//! The data directory: nobody else's to look into.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// What everything is called that is made in there, up to the first dot; the
/// page is that of the repository's `data`.
const OURS: [&str; 4] = ["bindings", "lock", "reload", "README"];

/// More than permissions for user, group and others: such as the sticky bit of
/// a directory for everybody's files.
const SPECIAL: u32 = 0o7000;

/// Makes it, unless it is there; one that was made for us is closed to others.
///
/// # Errors
/// It can't be made, or looked into.
pub fn make(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let mode = fs::metadata(dir)?.permissions().mode();
    // What a group may do is its owner's wish, for backups say.
    if mode & 0o007 == 0 {
        return Ok(());
    }
    let is_ours = mode & SPECIAL == 0 && is_for_us_alone(dir)?;
    if is_ours && fs::set_permissions(dir, Permissions::from_mode(0o700)).is_ok() {
        tracing::info!("the data directory {} is closed to others: mode 700, was {:o}", dir.display(), mode & 0o777);
    } else {
        tracing::warn!(
            "others can look into the data directory {} (mode {:o}): better give skep one of its own, with mode 700",
            dir.display(),
            mode & 0o777
        );
    }
    Ok(())
}

/// Nothing but ours is in it.
fn is_for_us_alone(dir: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let stem = name.to_str().and_then(|name| name.split('.').next());
        if !stem.is_some_and(|stem| OURS.contains(&stem)) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_after(prepare: impl FnOnce(&Path)) -> u32 {
        let parent = tempfile::tempdir().expect("a directory");
        let dir = parent.path().join("data");
        prepare(&dir);
        make(&dir).expect("made");
        fs::metadata(&dir).expect("it is there").permissions().mode() & 0o7777
    }

    fn open_to_all(dir: &Path, mode: u32) {
        fs::create_dir(dir).expect("made");
        fs::set_permissions(dir, Permissions::from_mode(mode)).expect("set");
    }

    #[test]
    fn a_directory_of_ours_is_closed_to_others() {
        assert_eq!(mode_after(|_| {}), 0o700);
        assert_eq!(mode_after(|dir| open_to_all(dir, 0o755)), 0o700);
        let used = |dir: &Path| {
            open_to_all(dir, 0o775);
            for name in ["bindings.last", "lock", "bindings.set-aside-17", "README.md"] {
                fs::write(dir.join(name), "").expect("written");
            }
        };
        assert_eq!(mode_after(used), 0o700);
    }

    #[test]
    fn one_that_others_use_too_keeps_its_mode() {
        assert_eq!(mode_after(|dir| open_to_all(dir, 0o1777)), 0o1777);
        assert_eq!(mode_after(|dir| open_to_all(dir, 0o750)), 0o750);
        let shared = |dir: &Path| {
            open_to_all(dir, 0o755);
            fs::write(dir.join("Cargo.toml"), "").expect("written");
        };
        assert_eq!(mode_after(shared), 0o755);
    }
}
