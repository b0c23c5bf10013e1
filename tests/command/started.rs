//! The `skep` command, run to its end or left running.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The command in an empty directory, with no `SKEP_…` variable.
pub struct Skep {
    pub dir: TempDir,
    pub command: Command,
}

pub fn skep(args: &[&str]) -> Skep {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_skep"));
    command.args(args).current_dir(dir.path()).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SKEP_") {
            command.env_remove(name);
        }
    }
    Skep { dir, command }
}

impl Skep {
    pub fn file(self, name: &str, text: &str) -> Skep {
        std::fs::write(self.dir.path().join(name), text).unwrap();
        self
    }

    pub fn variable(mut self, name: &str, value: &str) -> Skep {
        self.command.env(name, value);
        self
    }

    pub fn run(mut self) -> Ran {
        Ran::from(self.command.output().unwrap())
    }

    /// Runs it with that text piped in.
    pub fn run_with(mut self, stdin: &str) -> Ran {
        let piped = self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        // A command that refuses its options reads nothing.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        Ran::from(child.wait_with_output().unwrap())
    }
}

#[derive(Debug)]
pub struct Ran {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    #[track_caller]
    pub fn refused(self, status: i32, parts: &[&str]) {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in: {}", self.stderr);
        }
    }
}

/// A running skep on free ports.
pub struct Serving {
    pub child: Child,
    pub stdout: BufReader<std::process::ChildStdout>,
    pub _dir: TempDir,
}

pub const FREE_PORTS: [&str; 8] = [
    "--set",
    "backend.backend-1.listeners.tcp.listen=127.0.0.1:0",
    "--set",
    "frontend.frontend-1.listeners.tcp.listen=127.0.0.1:0",
    "--set",
    "frontend.frontend-1.listeners.ws.listen=127.0.0.1:0",
    "--set",
    "admin.listen=127.0.0.1:0",
];

pub fn serve(args: &[&str]) -> Serving {
    skep(&[&FREE_PORTS, args].concat()).serve(Stdio::piped())
}

impl Skep {
    /// Leaves it running, with its errors going there.
    pub fn serve(self, stderr: Stdio) -> Serving {
        let Skep { dir, mut command } = self;
        Serving::new(dir, command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap())
    }
}

impl Serving {
    fn new(dir: TempDir, mut child: Child) -> Serving {
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Serving { child, stdout, _dir: dir }
    }

    /// What it prints until a call to try, which comes last.
    pub fn welcome(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| line.contains("skep call")) {
            let mut line = String::new();
            assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "it ended after {lines:?}");
            lines.push(line.trim_end().to_owned());
        }
        lines
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn end(mut self) -> (Option<i32>, String) {
        let mut stderr = String::new();
        // None where it went elsewhere.
        if let Some(mut errors) = self.child.stderr.take() {
            errors.read_to_string(&mut stderr).unwrap();
        }
        (self.child.wait().unwrap().code(), stderr)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Gone already unless a test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in the line of that listener.
pub fn address(welcome: &[String], bus: &str, listener: &str) -> SocketAddr {
    let words = |line: &String| line.split_whitespace().map(String::from).collect::<Vec<_>>();
    let mut lines = welcome.iter().map(words);
    let line = lines.find(|words| words.get(1..3) == Some(&[bus.to_owned(), listener.to_owned()]));
    let url = line.unwrap()[3].clone();
    let address = url.split("//").nth(1).unwrap().trim_end_matches("/mqtt");
    address.parse().unwrap()
}
