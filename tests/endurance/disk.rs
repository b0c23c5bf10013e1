//! Disks that are full, and directories that can't be written to. A file system
//! of a few megabytes is needed for that: without the right to mount one, the
//! tests say so and pass.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{Process, errors};
use super::support::id;
use super::support::rpc::{answer, binding, json_of, request, router_call, service};

/// A file system of its own; gone when dropped.
struct Disk {
    at: PathBuf,
    _dir: tempfile::TempDir,
}

impl Disk {
    fn new(size: &str) -> Option<Disk> {
        let dir = tempfile::tempdir().expect("a directory");
        let at = dir.path().join("disk");
        fs::create_dir(&at).expect("a directory");
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&at).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Disk { at, _dir: dir });
        }
        println!("skipped: no file system can be mounted here (it takes root)");
        None
    }

    fn data(&self) -> PathBuf {
        self.at.join("data")
    }

    /// Writes until nothing more goes in.
    fn fill(&self) {
        let mut chunk = 64 * 1024;
        for n in 0.. {
            if fs::write(self.at.join(format!("filler-{n}")), vec![1; chunk]).is_err() {
                if chunk == 1 {
                    return;
                }
                chunk = if chunk > 4096 { 4096 } else { 1 };
            }
        }
    }

    fn free(&self) {
        for entry in fs::read_dir(&self.at).expect("the disk").flatten() {
            if entry.file_name().to_string_lossy().starts_with("filler-") {
                fs::remove_file(entry.path()).expect("it can be removed");
            }
        }
    }

    fn read_only(&self) {
        let done = Command::new("mount").args(["-o", "remount,ro"]).arg(&self.at).status().expect("mount runs");
        assert!(done.success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}

/// A call from a frontend goes through; gives back the caller's auth data.
fn call(skep: &Process, me: &str) -> Option<String> {
    let mut worker = skep.worker("worker", 10);
    worker.subscribe(&service("a"), 1);
    let mut client = skep.user(me);
    client.publish(request(me, "a", 1));
    let request = worker.message();
    answer(&mut worker, &request, 1);
    assert_eq!(json_of(&client.message())["result"], 1);
    worker.leave();
    request.get("auth").map(str::to_owned)
}

#[test]
fn when_the_disk_fills_binds_fail_with_a_reason_and_everything_else_goes_on() {
    let Some(disk) = Disk::new("6m") else { return };
    let data = disk.data();
    let skep = Process::start(&data, &[]);
    let mut binder = skep.worker("binder", 10);
    let mut bound = 0;
    let auth = "x".repeat(8_000);
    let failure = loop {
        if bound == 10 {
            disk.fill();
        }
        let params = binding(&id(&format!("user_{bound}")), None, &auth);
        let response = router_call(&mut binder, "binder", "bind", params);
        if response["result"] != 1 {
            break response;
        }
        bound += 1;
        assert!(bound < 5_000, "the disk does not fill");
    };
    assert!(bound >= 10, "{failure}");
    assert_eq!(failure["error"]["code"], -32603, "{failure}");
    let why = failure["error"]["data"].as_str().unwrap_or_default();
    assert!(why.contains("can't be written to disk"), "{failure}");
    // Who is bound stays so, who isn't can call, and the failed bind is none.
    assert_eq!(call(&skep, &id("user_3")).as_deref(), Some(auth.as_str()));
    assert_eq!(call(&skep, &id(&format!("user_{bound}"))), None);
    drop(skep);
    disk.free();
    let skep = Process::start(&data, &[]);
    for n in 0..bound {
        assert_eq!(call(&skep, &id(&format!("user_{n}"))).as_deref(), Some(auth.as_str()), "user {n} of {bound}");
    }
    let response = router_call(&mut skep.worker("binder", 10), "binder", "bind", binding(&id("new"), None, "new"));
    assert_eq!(response["result"], 1, "{response}");
    assert!(!errors(&data).contains("panicked"), "{}", errors(&data));
}

/// It ends at once, and says which directory it is and what is wrong with it.
fn assert_ends(data: &Path, what: &str) {
    let before = errors(data).len();
    let status = Process::try_start(data, &[]).err().expect("it ends");
    let said = &errors(data)[before..];
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains(&data.display().to_string()) && said.contains(what), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_full_disk_or_one_that_is_read_only_is_a_clear_error_at_the_start() {
    let Some(disk) = Disk::new("4m") else { return };
    let data = disk.data();
    let skep = Process::start(&data, &[]);
    let response = router_call(&mut skep.worker("binder", 10), "binder", "bind", binding(&id("user"), None, "auth"));
    assert_eq!(response["result"], 1, "{response}");
    skep.kill();
    disk.fill();
    match Process::try_start(&data, &[]) {
        // There may be room left within its file.
        Ok(skep) => assert_eq!(call(&skep, &id("user")).as_deref(), Some("auth")),
        Err(_) => assert_ends(&data, "space"),
    }
    disk.free();
    disk.read_only();
    assert_ends(&data, "ead-only");
}
