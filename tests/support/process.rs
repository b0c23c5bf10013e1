//! skep as a process of its own, which can be killed.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// A running command on free ports, with its data in `dir`.
pub struct Process {
    child: Child,
    pub backend: SocketAddr,
    pub frontend: SocketAddr,
    dir: Option<tempfile::TempDir>,
}

impl Process {
    pub fn start(dir: tempfile::TempDir, more: &[&str]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skep"));
        command.current_dir(dir.path()).args(more);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SKEP_") {
                command.env_remove(name);
            }
        }
        for key in
            ["backend.backend-1.listeners.tcp", "frontend.frontend-1.listeners.tcp", "frontend.frontend-1.listeners.ws"]
        {
            command.arg("--set").arg(format!("{key}.listen=127.0.0.1:0"));
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map(|line| line.expect("text"));
        // The backend's line comes first.
        let mut address = |kind: &str| {
            let line = lines.find(|line| line.trim_start().starts_with(kind) && line.contains("mqtt://"));
            let address = line.as_deref().and_then(|line| line.split("mqtt://").nth(1)).expect("its address");
            address.trim().parse().expect("an address")
        };
        let (backend, frontend) = (address("backend"), address("frontend"));
        Process { child, backend, frontend, dir: Some(dir) }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as `kill -9` does; gives back its data.
    pub fn kill(mut self) -> tempfile::TempDir {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
        self.dir.take().expect("the directory is there until now")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Gone already unless a test failed, or needs it no more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
