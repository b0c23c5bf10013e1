//! Programs of foreign clients: found, or said to be missing; given a time;
//! heard when they fail.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::foreign;

/// How long one program may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

const CHROMIUM: &str = "/usr/bin/chromium";

/// Runs a claim of one of the programs for Node.
pub fn node(program: &str, claim: &str, environment: &[(&str, &str)]) {
    let folder = foreign().join("node");
    require(&folder.join("node_modules"));
    run(Command::new("node").arg(folder.join(program)).arg(claim).envs(environment.iter().copied()));
}

/// Runs a claim of one of the programs for Python.
pub fn python(program: &str, claim: &str, environment: &[(&str, &str)]) {
    let interpreter = foreign().join(".venv/bin/python");
    require(&interpreter);
    let mut command = Command::new(interpreter);
    // Else it writes its cache beside the sources.
    command.arg("-B").arg(foreign().join("python").join(program)).arg(claim);
    run(command.envs(environment.iter().copied()));
}

/// Where an example of skep's is, built as it is now: tests that are named on
/// the command line are built without the examples.
pub fn example(name: &str) -> PathBuf {
    require(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/chat/page/node_modules"));
    let mut cargo = Command::new(env!("CARGO"));
    run(cargo.args(["build", "--offline", "--locked", "--quiet", "--example", name]));
    let programs = Path::new(env!("CARGO_BIN_EXE_skep")).parent().expect("a folder of programs");
    programs.join("examples").join(name)
}

/// Starts a program that says something when it is ready: it, until dropped,
/// and what it says.
pub fn speaking(program: &Path, args: &[&str]) -> (Speaking, String) {
    let mut command = Command::new(program);
    let mut child = start(command.args(args).stdout(Stdio::piped()));
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let speaking = Speaking(child);
    let mut said = String::new();
    output.read_line(&mut said).expect("text");
    assert!(!said.is_empty(), "{command:?} ended");
    (speaking, said)
}

pub struct Speaking(Child);

impl Drop for Speaking {
    fn drop(&mut self) {
        // Gone already if it failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where Chromium is.
pub fn chromium() -> &'static str {
    require(Path::new(CHROMIUM));
    CHROMIUM
}

fn require(path: &Path) {
    assert!(path.exists(), "{} is missing: run ./test, which installs what these tests need", path.display());
}

/// Starts a program, which must be installed.
pub fn start(command: &mut Command) -> Child {
    match command.stdin(Stdio::null()).spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("{:?} is missing: run ./test, which installs what these tests need", command.get_program())
        }
        Err(error) => panic!("{command:?} does not start: {error}"),
    }
}

/// Runs a program to its end; fails, with what it said, unless it succeeds in
/// time. Gives back what it said.
pub fn run(command: &mut Command) -> String {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("output");
    let output = File::create(&path).expect("a file for the output");
    let errors = output.try_clone().expect("a second handle");
    let mut child = start(command.stdout(output).stderr(errors));
    let status = ending(&mut child);
    let said = String::from_utf8_lossy(&std::fs::read(&path).expect("the output")).into_owned();
    match status {
        Some(status) if status.success() => said,
        Some(status) => panic!("{command:?} failed, {status}:\n{said}"),
        None => panic!("{command:?} took longer than {PATIENCE:?}:\n{said}"),
    }
}

/// Waits for the end; a program that is late is ended, and has no status.
fn ending(child: &mut Child) -> Option<ExitStatus> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(status) = child.try_wait().expect("a child of this process") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().expect("a child of this process");
    child.wait().expect("a child of this process");
    None
}
