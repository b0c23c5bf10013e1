//! `skep user`: the file that it keeps.

use std::os::unix::fs::PermissionsExt;

use skep::bus::UsersFile;

use crate::started::{Ran, Skep, skep};

/// Runs in a directory that goes on; the password comes by a pipe.
fn run(at: &Skep, args: &[&str], stdin: &str) -> Ran {
    let mut skep = skep(&[&["user"], args].concat());
    skep.command.current_dir(at.dir.path());
    skep.run_with(stdin)
}

#[test]
fn users_are_added_listed_and_removed() {
    let at = skep(&[]);
    let file = ["--file", "users.toml"];
    let add = |args: &[&str], password: &str| run(&at, &[&["add"], args, &file[..]].concat(), password);
    assert_eq!(add(&["alice"], "her password\n").status, Some(0));
    assert_eq!(add(&["bob", "--publish", "log/#", "--subscribe", "priv/%c"], "his").status, Some(0));
    assert_eq!(add(&["machine", "--no-password"], "").status, Some(0));
    let path = at.dir.path().join("users.toml");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("$argon2id$") && !text.contains("her password") && !text.contains("his\n"), "{text}");
    let list = run(&at, &["list", "--file", "users.toml"], "");
    let expected = "alice\tpassword\trecommended rules\n\
                    bob\tpassword\tpublish: log/#; subscribe: priv/%c\n\
                    machine\tcertificate\trecommended rules\n";
    assert_eq!((list.status, list.stdout.as_str()), (Some(0), expected));
    // Another password, the same rules.
    let hash = |name: &str| UsersFile::read(&path).unwrap().users[name].password.clone();
    let before = hash("bob");
    add(&["bob"], "x").refused(1, &["has the user \"bob\" already", "--replace"]);
    assert_eq!(add(&["bob", "--replace"], "x").status, Some(0));
    assert_ne!(hash("bob"), before);
    assert_eq!(run(&at, &["list", "--file", "users.toml"], "").stdout, expected);
    assert_eq!(run(&at, &["remove", "alice", "--file", "users.toml"], "").status, Some(0));
    run(&at, &["remove", "alice", "--file", "users.toml"], "").refused(1, &["has no user \"alice\""]);
    assert_eq!(UsersFile::read(&path).unwrap().users.len(), 2);
}

#[test]
fn what_cant_be_a_user_is_refused_and_the_file_stays() {
    let at = skep(&[]);
    for (args, password, expected) in [
        (&["a/b"][..], "x", "can't be a user's name"),
        (&["a"], "", "a password can't be empty"),
        (&["a"], "\n", "a password can't be empty"),
        (&["a"], "abc123\n", "this is a sample password"),
        (&["a", "--publish", "x#"], "x", "\"#\" has to be the whole last"),
        (&["a", "--replace"], "x", "no user \"a\" to be replaced"),
    ] {
        run(&at, &[&["add"], args, &["--file", "u"]].concat(), password).refused(1, &[expected]);
        assert!(!at.dir.path().join("u").exists());
    }
    run(&at, &["add", "a", "--password", "x"], "").refused(2, &["unexpected argument '--password'"]);
    run(&at, &["add", "a"], "x").refused(1, &["no bus has a users_file"]);
    std::fs::write(at.dir.path().join("u"), "[x\n").unwrap();
    run(&at, &["add", "a", "--file", "u"], "x").refused(1, &["line 1"]);
    assert_eq!(std::fs::read_to_string(at.dir.path().join("u")).unwrap(), "[x\n");
}

#[test]
fn the_file_is_found_by_the_settings() {
    let at =
        skep(&[]).file("rumqttd.toml", "[backend.b]\nusers_file = \"workers\"\n[frontend.f]\nusers_file = \"web\"");
    run(&at, &["add", "a"], "x").refused(1, &["several buses have a users_file", "b, f"]);
    assert_eq!(run(&at, &["add", "a", "--bus", "f"], "x").status, Some(0));
    assert!(at.dir.path().join("web").exists() && !at.dir.path().join("workers").exists());
    run(&at, &["add", "a", "--bus", "z"], "x").refused(1, &["bus z has no users_file"]);
}

#[test]
fn those_who_change_the_file_at_once_all_have_their_way() {
    let at = skep(&[]);
    std::thread::scope(|scope| {
        for n in 0..8 {
            let at = &at;
            scope.spawn(move || {
                let ran = run(at, &["add", &format!("user-{n}"), "--file", "u"], "x");
                assert_eq!(ran.status, Some(0), "{ran:?}");
            });
        }
    });
    assert_eq!(UsersFile::read(&at.dir.path().join("u")).unwrap().users.len(), 8);
}

#[test]
fn a_hash_is_printed_for_settings() {
    let ran = run(&skep(&[]), &["hash"], "mine\n");
    assert_eq!(ran.status, Some(0));
    let hash = ran.stdout.trim();
    let text = format!("[backend.b]\nusers.x.password = '{hash}'\nlisteners.t.listen = '0.0.0.0:1'");
    let checked = skep(&["check"]).file("rumqttd.toml", &text).run();
    assert_eq!(checked.status, Some(0), "{checked:?}");
    assert!(!checked.stdout.contains("argon2"));
}
