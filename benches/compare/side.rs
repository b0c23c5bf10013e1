//! The servers that are compared: skep, Mosquitto, and Mosquitto twice with the
//! framework's own routers between.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A server under test.
pub struct Side {
    pub name: &'static str,
    processes: Vec<Process>,
    pub backend: SocketAddr,
    pub frontend: SocketAddr,
    /// Clients go through a router; else they are on the workers' bus.
    pub routed: bool,
    pub data: TempDir,
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let id = self.0.id().to_string();
        // The framework's pool ends its workers when it is asked to.
        let _ = Command::new("kill").arg(&id).status();
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until && matches!(self.0.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// skep on ports of the system's choice, with what is in `data`.
pub fn skep(data: TempDir) -> Side {
    let mut process = Command::new(env!("CARGO_BIN_EXE_skep"))
        .args(["--log", "error", "--data", data.path().to_str().expect("a path of text")])
        .args(["--set", "backend.backend-1.listeners.tcp.listen=127.0.0.1:0"])
        .args(["--set", "frontend.frontend-1.listeners.tcp.listen=127.0.0.1:0"])
        .args(["--set", "frontend.frontend-1.listeners.ws.listen=127.0.0.1:0"])
        .args(["--set", "admin.listen=127.0.0.1:0"])
        .current_dir(data.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("skep starts");
    let lines = BufReader::new(process.stdout.take().expect("its output")).lines().map_while(Result::ok);
    let mut addresses = lines.filter_map(|line| line.split("mqtt://").nth(1)?.trim().parse().ok());
    let (backend, frontend) = (addresses.next().expect("a backend"), addresses.next().expect("a frontend"));
    Side { name: "skep, routed", processes: vec![Process(process)], backend, frontend, routed: true, data }
}

/// `None`: it is not installed.
fn start_mosquitto(dir: &Path, name: &str) -> Option<(Process, SocketAddr)> {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number").port();
    let settings = dir.join(name);
    let text = format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 100000\nuser root\n"
    );
    fs::write(&settings, text).expect("its settings");
    let process = Command::new("mosquitto").arg("-c").arg(&settings).stderr(Stdio::null()).spawn().ok()?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    wait_for(|| TcpStream::connect(address).is_ok());
    Some((Process(process), address))
}

fn wait_for(condition: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !condition() && Instant::now() < until {
        thread::sleep(Duration::from_millis(10));
    }
}

/// Client and worker on one bus.
pub fn mosquitto() -> Option<Side> {
    let data = tempfile::tempdir().expect("a temporary directory");
    let (process, address) = start_mosquitto(data.path(), "mosquitto.conf")?;
    let name = "Mosquitto, one bus";
    Some(Side { name, processes: vec![process], backend: address, frontend: address, routed: false, data })
}

/// Two of them with four router workers, from the framework's checkout at
/// `BEEKEEPER`.
pub fn pair() -> Option<Side> {
    let checkout = PathBuf::from(env::var_os("BEEKEEPER")?);
    let data = tempfile::tempdir().expect("a temporary directory");
    // Its pool gives up root.
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755)).expect("our directory");
    let (back, backend) = start_mosquitto(data.path(), "backend.conf")?;
    let (front, frontend) = start_mosquitto(data.path(), "frontend.conf")?;
    let bus = |id: &str, role: &str, address: SocketAddr, more: &str| {
        format!(r#"{{"bus_id":"{id}","bus_role":"{role}","host":"127.0.0.1","port":{},{more}}}"#, address.port())
    };
    let buses = [
        bus("backend-1", "backend", backend, r#""username":"backend","password":"def456","default":1"#),
        bus("frontend-1", "frontend", frontend, r#""username":"router","password":"ghi789""#),
    ];
    fs::write(data.path().join("bus.config.json"), format!("[{}]", buses.join(","))).expect("its settings");
    // Its name is that of a file outside the data, which one that was killed leaves.
    let name = format!("skep-bench-{}", std::process::id());
    let workers = r#"{"Beekeeper::Service::Router::Worker":{"worker_count":4}}"#;
    let pool = format!(r#"[{{"pool_id":"{name}","bus_id":"backend-1","workers":{workers}}}]"#);
    fs::write(data.path().join("pool.config.json"), pool).expect("its settings");
    let pool = Command::new("perl")
        .arg("-T")
        .arg(format!("-I{}", checkout.join("lib").display()))
        .arg(checkout.join("bin/bkpr"))
        .args(["--pool", &name, "--foreground", "start"])
        .env("BEEKEEPER_CONFIG_DIR", data.path())
        .env("PERL5LIB", checkout.join("lib"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let side = Side {
        name: "Mosquitto twice, 4 Perl routers",
        processes: vec![Process(pool), back, front],
        backend,
        frontend,
        routed: true,
        data,
    };
    // Its supervisor and four routers.
    let runs = || side.pids().len() >= 3 + 5;
    wait_for(runs);
    if !runs() {
        eprintln!("the framework's routers do not start: not measured");
        return None;
    }
    thread::sleep(Duration::from_secs(2));
    Some(side)
}

impl Side {
    /// Its processes and their children.
    pub fn pids(&self) -> Vec<u32> {
        let mut all: Vec<u32> = self.processes.iter().map(|process| process.0.id()).collect();
        let mut next = 0;
        while let Some(pid) = all.get(next) {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            next += 1;
        }
        all
    }

    /// CPU time so far, all processes together, in s.
    pub fn cpu(&self) -> f64 {
        let of = |pid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
            let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
            (ticks(11) + ticks(12)) / 100.0
        };
        self.pids().iter().map(of).sum()
    }

    /// Resident memory of the first process, in bytes.
    pub fn memory(&self) -> f64 {
        let pid = self.processes[0].0.id();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) * 1024.0
    }

    /// Ends it, and keeps its data.
    pub fn stop(self) -> TempDir {
        drop(self.processes);
        self.data
    }
}
