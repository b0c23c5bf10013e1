//! How much memory the machine has for us: all of it, or what the control group
//! of a container or a service is allowed.

use std::fs;
use std::path::{Path, PathBuf};

const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// Bytes; `None` where the system does not say.
pub fn memory() -> Option<usize> {
    let installed = fs::read_to_string("/proc/meminfo").ok().and_then(|text| installed(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let allowed = limits(&groups).into_iter().filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
    allowed.chain(installed).min()
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn installed(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The files with the limits that hold for us: of our control group and of all
/// above it. (A limit that isn't set reads `max`, which is no number.)
fn limits(groups: &str) -> Vec<PathBuf> {
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let root = Path::new(CONTROL_GROUPS);
    let within = |path: &&Path| path.starts_with(root);
    root.join(own).ancestors().take_while(within).map(|group| group.join("memory.max")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_machine_is_read_from_what_linux_says() {
        assert_eq!(installed("MemTotal:       24576000 kB\nMemFree: 1 kB\n"), Some(24_576_000 * 1024));
        assert_eq!(installed("nothing"), None);
        let group = |path: &str| PathBuf::from(format!("/sys/fs/cgroup/{path}memory.max"));
        assert_eq!(limits("0::/\n"), [group("")]);
        assert_eq!(limits("1:cpu:/x\n0::/a/b\n"), [group("a/b/"), group("a/"), group("")]);
        assert!(memory().is_some_and(|bytes| bytes > 1024 * 1024));
    }
}
