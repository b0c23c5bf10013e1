//! Stores that were damaged: cut off, with flipped or zeroed bytes, with files
//! missing. What opens is whole; what isn't whole says so and how to go on.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use skep::bindings::{Binding, Bindings, Settings, set_aside};

use super::process::{Process, errors};
use super::support::{PATIENCE, id};
use super::{Dice, number};

const CALLERS: usize = 300;

fn caller(n: usize) -> String {
    id(&format!("caller{n}"))
}

fn auth(n: usize) -> String {
    format!("auth-{n}-{}", "x".repeat(n % 90))
}

/// A store that has been written to in several runs, so that it has all the
/// kinds of files that there are.
fn make(dir: &Path) {
    for run in 0..3 {
        let bindings = Bindings::open(dir, &Settings::default()).expect("it opens");
        let (send, receive) = mpsc::channel();
        for n in (0..CALLERS).filter(|n| run > 0 || n % 2 == 0) {
            let (caller, auth, address) = (caller(n), auth(n), format!("frontend.user-{}", n % 50));
            let topic = format!("priv/{caller}");
            let binding = Binding {
                caller: &caller,
                topic: &topic,
                frontend: "frontend-1",
                address: Some(&address),
                auth: &auth,
            };
            let send = send.clone();
            bindings.bind(binding, move |done| send.send(done).expect("somebody waits"));
            receive.recv_timeout(PATIENCE).expect("it is answered").expect("it is on disk");
        }
    }
}

/// All files of a store but its lock.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut todo = vec![dir.to_owned()];
    let mut files = Vec::new();
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry").path()));
        } else if !path.ends_with("lock") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// Damages one file, mostly the database itself; gives back how.
fn damage(dir: &Path, dice: &mut Dice) -> String {
    let files = files(dir);
    let file = match dice.roll(3) {
        0 => files[dice.roll(files.len())].clone(),
        _ => dir.join("bindings/db"),
    };
    let name = file.strip_prefix(dir).expect("below it").display().to_string();
    let mut bytes = fs::read(&file).expect("its bytes");
    // sled writes far less than the file's length; damage what is there.
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    let at = dice.roll(used);
    let how = match dice.roll(6) {
        0 => {
            bytes.truncate(at);
            format!("{name}: cut off at {at}")
        }
        1 | 2 if used > 0 => {
            let bits = 1 + dice.roll(3);
            (0..bits).for_each(|_| bytes[dice.roll(used)] ^= 1 << dice.roll(8));
            format!("{name}: {bits} flipped bits")
        }
        3 if used > 0 => {
            let end = (at + 1 + dice.roll(4096)).min(used);
            bytes[at..end].fill(0);
            format!("{name}: zeroes from {at} to {end}")
        }
        4 if used > 0 => {
            let end = (at + 512).min(used);
            (at..end).for_each(|at| bytes[at] = dice.roll(256) as u8);
            format!("{name}: noise from {at} to {end}")
        }
        _ if dice.roll(4) == 0 => {
            fs::remove_file(&file).expect("it can be removed");
            return format!("{name}: removed");
        }
        _ => {
            bytes.extend((0..1 + dice.roll(9000)).map(|_| dice.roll(256) as u8));
            format!("{name}: noise at its end")
        }
    };
    fs::write(file, bytes).expect("it can be written");
    how
}

/// Nothing that was acknowledged is missing.
fn assert_whole(bindings: &Bindings, how: &str) {
    for n in 0..CALLERS {
        let found = bindings.touch(&caller(n), str::to_owned);
        assert_eq!(found, Some(auth(n)), "{how}: binding {n} is lost without a word");
    }
}

#[test]
fn a_damaged_store_opens_whole_or_says_what_to_do() {
    let variants = number("SKEP_DAMAGE_VARIANTS", 60);
    let dir = tempfile::tempdir().expect("a directory");
    let whole = dir.path().join("whole");
    make(&whole);
    let mut dice = Dice::new();
    let (mut unharmed, mut refused) = (0, 0);
    for variant in 0..variants {
        let damaged = dir.path().join("damaged");
        copy(&whole, &damaged);
        let how = damage(&damaged, &mut dice);
        match Bindings::open(&damaged, &Settings::default()) {
            Ok(bindings) => {
                unharmed += 1;
                assert_whole(&bindings, &how);
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("--set-aside-bindings"), "{how}: {error}");
                set_aside(&damaged).expect("it can be set aside");
                assert!(Bindings::open(&damaged, &Settings::default()).expect("a new one opens").is_empty());
            }
        }
        fs::remove_dir_all(&damaged).unwrap_or_else(|error| panic!("variant {variant}, {how}: {error}"));
    }
    println!("{variants} damaged stores: {unharmed} opened whole, {refused} refused with what to do");
    assert!(refused > variants / 5 && unharmed > 0, "{refused} refused, {unharmed} opened");
}

#[test]
fn the_program_with_a_damaged_store_starts_whole_or_ends_with_a_clear_error() {
    let variants = number("SKEP_DAMAGE_VARIANTS", 60).div_ceil(10);
    let dir = tempfile::tempdir().expect("a directory");
    let (whole, data) = (dir.path().join("whole"), dir.path().join("disk/data"));
    make(&whole);
    let mut dice = Dice::new();
    let (mut started, mut ended) = (0, 0);
    for _ in 0..variants {
        copy(&whole, &data);
        let how = damage(&data, &mut dice);
        match Process::try_start(&data, &[]) {
            Ok(mut skep) => {
                assert!(skep.ended(Duration::ZERO).is_none(), "{how}");
                skep.kill();
                assert_whole(&Bindings::open(&data, &Settings::default()).expect("it opens again"), &how);
                started += 1;
            }
            Err(status) => {
                let said = errors(&data);
                assert_eq!(status.code(), Some(1), "{how}: {said}");
                assert!(said.contains("--set-aside-bindings"), "{how}: {said}");
                assert!(!said.contains("panicked"), "{how}: {said}");
                ended += 1;
            }
        }
        fs::remove_dir_all(&data).expect("it can be removed");
        let _ = fs::remove_file(dir.path().join("errors.log"));
    }
    println!("{variants} starts on damaged stores: {started} whole, {ended} ended with a clear error");
}
