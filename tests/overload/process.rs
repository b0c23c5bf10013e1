//! The real program, on ports of the system's choice.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use super::support::metrics::{Metrics, Series};
use super::support::{Client, Login, id};

/// Where it is to listen: none of its usual ports, which others may have.
const LISTENERS: [&str; 4] = [
    "backend.backend-1.listeners.tcp",
    "frontend.frontend-1.listeners.tcp",
    "frontend.frontend-1.listeners.ws",
    "admin",
];

/// What it holds for clients, by its own account.
const GAUGES: [&str; 10] = [
    "skep_memory_used_bytes",
    "skep_connections",
    "skep_sessions",
    "skep_sessions_away",
    "skep_sessions_away_bytes",
    "skep_topic_filters",
    "skep_queues",
    "skep_queue_waiting_messages",
    "skep_queue_waiting_bytes",
    "skep_queue_held_messages",
];

pub struct Process {
    child: Child,
    pub backend: SocketAddr,
    pub frontend: SocketAddr,
    pub web: SocketAddr,
    admin: SocketAddr,
    log: Option<JoinHandle<String>>,
    _data: tempfile::TempDir,
}

/// `SKEP_BIN`: another program than the one that was built with the tests.
fn program() -> PathBuf {
    std::env::var_os("SKEP_BIN").map_or_else(|| env!("CARGO_BIN_EXE_skep").into(), Into::into)
}

impl Process {
    pub fn start(frontend: &[&str]) -> Process {
        let data = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(program());
        command.args(["--data", "data", "--log", "info", "--log-format", "human"]).current_dir(data.path());
        // Those are the test's own; what begins so is a setting to the program.
        let own = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SKEP_"));
        for (name, _) in own {
            command.env_remove(name);
        }
        for listener in LISTENERS {
            command.args(["--set", &format!("{listener}.listen=127.0.0.1:0")]);
        }
        for setting in frontend {
            command.args(["--set", &format!("frontend.frontend-1.{setting}")]);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut stderr = child.stderr.take().expect("its log");
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            // What isn't text would be a bug that the test sees as a short log.
            let _ = stderr.read_to_string(&mut log);
            log
        });
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut listeners = [None; 4];
        while listeners.iter().any(Option::is_none) {
            let line = lines.next().expect("it says where it listens").expect("a line of text");
            let words: Vec<&str> = line.split_whitespace().collect();
            let at = match words[..] {
                ["backend", ..] => 0,
                ["frontend", _, "tcp", ..] => 1,
                ["frontend", _, "ws", ..] => 2,
                ["admin", ..] => 3,
                _ => continue,
            };
            let address = words.iter().find_map(|word| word.split("//").nth(1)).expect("its address");
            listeners[at] = address.trim_end_matches("/mqtt").trim_end_matches('/').parse().ok();
        }
        let [Some(backend), Some(frontend), Some(web), Some(admin)] = listeners else {
            panic!("addresses: {listeners:?}")
        };
        // Nobody reads the rest of its output, which is short.
        Process { child, backend, frontend, web, admin, log: Some(log), _data: data }
    }

    fn about(&self, what: &str) -> String {
        format!("/proc/{}/{what}", self.child.id())
    }

    /// RSS in bytes.
    pub fn memory(&self) -> usize {
        let status = std::fs::read_to_string(self.about("status")).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its RSS");
        let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1024
    }

    /// Open files, connections among them.
    pub fn files(&self) -> usize {
        std::fs::read_dir(self.about("fd")).expect("its open files").count()
    }

    /// What it says of itself that goes down again when there is less to do, of
    /// each bus.
    pub fn gauges(&self) -> Vec<Series> {
        let metrics = Metrics::at(self.admin);
        GAUGES.iter().flat_map(|name| metrics.all(name, &[])).cloned().collect()
    }

    /// What it has counted on its frontend.
    pub fn counted(&self, name: &str) -> f64 {
        Metrics::at(self.admin).value(name, &["bus=\"frontend-1\""])
    }

    pub fn login(&self, name: &str) -> Login {
        Login::new(&id(name)).user("frontend", "abc123")
    }

    /// An end user's connection, if it is let in.
    pub fn try_join(&self, login: &Login) -> Option<Client> {
        let mut client = Client::try_open(self.frontend)?;
        client.try_send(&login.packet()).then_some(())?;
        let connack = client.next(super::support::PATIENCE)?;
        (connack.body.get(1) == Some(&0)).then_some(client)
    }

    /// Ends it; gives back its log.
    pub fn end(mut self) -> String {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it has ended");
        self.log.take().expect("taken once").join().expect("it is read to its end")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
