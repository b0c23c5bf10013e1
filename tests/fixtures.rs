//! The fixtures for other languages: their own tests, against this build.

#[allow(dead_code, reason = "of what runs foreign programs, only a part is needed here")]
#[path = "foreign/program.rs"]
mod program;

use std::path::{Path, PathBuf};
use std::process::Command;

fn folder(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(language)
}

/// For the programs of foreign clients, which lie elsewhere.
fn foreign() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign")
}

/// Runs one of the fixture's scripts for Node.
fn node(program: &str, args: &[&str]) -> String {
    let installed = folder("node").join("node_modules/.bin").join(program);
    let is_own = program == "node";
    assert!(is_own || installed.exists(), "{} is missing: run ./test, which installs it", installed.display());
    let mut command = if is_own { Command::new("node") } else { Command::new(installed) };
    program::run(command.args(args).current_dir(folder("node")).env("SKEP_BIN", env!("CARGO_BIN_EXE_skep")))
}

#[test]
fn pytest_has_a_skep() {
    let python = folder("python").join(".venv/bin/python");
    assert!(python.exists(), "{} is missing: run ./test, which installs it", python.display());
    let mut pytest = Command::new(python);
    pytest.args(["-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"]).current_dir(folder("python"));
    let said = program::run(pytest.env("SKEP_BIN", env!("CARGO_BIN_EXE_skep")));
    assert!(said.contains(" passed"), "{said}");
}

#[test]
fn nodes_test_runner_has_a_skep() {
    let said = node("node", &["--test", "tests/node/"]);
    assert!(said.contains("pass 10"), "{said}");
}

#[test]
fn jest_has_a_skep() {
    let said = node("jest", &["--ci", "--no-cache"]);
    assert!(said.contains("2 passed"), "{said}");
}

#[test]
fn vitest_has_a_skep() {
    let said = node("vitest", &["run"]);
    assert!(said.contains("2 passed"), "{said}");
}

#[test]
fn typescript_knows_the_fixture() {
    node("tsc", &["--project", "tests/types"]);
}
