//! The real program on ports of the system's choice, and what it takes up.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::support::metrics::Metrics;
use super::support::{Client, Login};

pub struct Process {
    child: Child,
    buses: Buses,
    admin: SocketAddr,
}

/// Where a skep listens, whether it is a process or within this one.
pub struct Buses {
    pub backend: SocketAddr,
    pub frontend: SocketAddr,
}

impl Buses {
    pub fn worker(&self, id: &str, receive_maximum: u16) -> Client {
        let login = Login::new(id).user("backend", "def456").receive_maximum(receive_maximum);
        let mut worker = Client::connect(self.backend, login);
        worker.subscribe(&format!("priv/{id}"), 0);
        worker
    }

    pub fn user(&self, id: &str) -> Client {
        let mut user = Client::connect(self.frontend, Login::new(id).user("frontend", "abc123"));
        user.subscribe(&format!("priv/{id}"), 1);
        user
    }
}

impl Deref for Process {
    type Target = Buses;

    fn deref(&self) -> &Buses {
        &self.buses
    }
}

/// What the process takes up.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub memory_kib: u64,
    pub files: usize,
    pub threads: u64,
    pub tasks: u64,
    pub disk_kib: u64,
}

/// `SKEP_BIN`: another program than the one that was built with the tests.
fn program() -> PathBuf {
    std::env::var_os("SKEP_BIN").map_or_else(|| env!("CARGO_BIN_EXE_skep").into(), Into::into)
}

/// Where a test's files are that belong to no store: two above its data.
fn apart(data: &Path) -> &Path {
    data.ancestors().nth(2).expect("a directory two levels deep")
}

/// The program with `data` for its directory; what it says of errors goes to
/// `errors.log` two levels above that.
pub fn command(data: &Path, settings: &[&str]) -> Command {
    let apart = apart(data);
    let errors = File::options().create(true).append(true).open(apart.join("errors.log")).expect("a log");
    let mut command = Command::new(program());
    command
        .arg("--data")
        .arg(data)
        .args(["--log", "warn"])
        .args(["--set", "backend.backend-1.listeners.tcp.listen=127.0.0.1:0"])
        .args(["--set", "frontend.frontend-1.listeners.tcp.listen=127.0.0.1:0"])
        .args(["--set", "frontend.frontend-1.listeners.ws.listen=127.0.0.1:0"])
        .args(["--set", "admin.listen=127.0.0.1:0"])
        .current_dir(apart)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors);
    // Those are the test's own; what begins so is a setting to the program.
    let own = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SKEP_"));
    for (name, _) in own {
        command.env_remove(name);
    }
    for setting in settings {
        command.args(["--set", setting]);
    }
    command
}

/// All that the processes of one test said of errors.
pub fn errors(data: &Path) -> String {
    fs::read_to_string(apart(data).join("errors.log")).unwrap_or_default()
}

impl Process {
    pub fn start(data: &Path, settings: &[&str]) -> Process {
        Process::try_start(data, settings).unwrap_or_else(|status| panic!("it ended ({status}): {}", errors(data)))
    }

    /// # Errors
    /// It has ended in place of starting.
    pub fn try_start(data: &Path, settings: &[&str]) -> Result<Process, ExitStatus> {
        let mut child = command(data, settings).spawn().expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let (mut backend, mut frontend, mut admin) = (None, None, None);
        for line in lines.map_while(Result::ok) {
            let address = line.split("://").nth(1).and_then(|address| address.trim_end_matches('/').parse().ok());
            match line.split_whitespace().next() {
                Some("backend") => backend = backend.or(address),
                // That of its WebSocket has a path.
                Some("frontend") => frontend = frontend.or(address),
                Some("admin") => admin = admin.or(address),
                _ => {}
            }
            if let (Some(backend), Some(frontend), Some(admin)) = (backend, frontend, admin) {
                return Ok(Process { child, buses: Buses { backend, frontend }, admin });
            }
        }
        Err(child.wait().expect("it has ended"))
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it has ended");
    }

    /// Tasks of its runtime, that of the question included.
    pub fn tasks(&self) -> u64 {
        Metrics::at(self.admin).value("skep_tasks", &[]) as u64
    }

    /// `data`: its directory.
    pub fn usage(&self, data: &Path) -> Usage {
        let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = fs::read_to_string(proc.join("status")).expect("its status");
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of its status");
            line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
        };
        Usage {
            memory_kib: of("VmRSS:"),
            files: fs::read_dir(proc.join("fd")).expect("its files").count(),
            threads: of("Threads:"),
            tasks: self.tasks(),
            disk_kib: disk_kib(data),
        }
    }

    /// Whether it ends by itself within `time`.
    pub fn ended(&mut self, time: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + time;
        loop {
            match self.child.try_wait().expect("its status") {
                None if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
                status => return status,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Blocks in use by all files below a directory.
fn disk_kib(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    let own = metadata.blocks() / 2;
    let Ok(entries) = fs::read_dir(path) else { return own };
    own + entries.flatten().map(|entry| disk_kib(&entry.path())).sum::<u64>()
}
