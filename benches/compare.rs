//! skep beside Mosquitto, in one run on one machine: `cargo bench --bench compare`.
//!
//! skep routes each call through two isolated buses; Mosquitto (if it is
//! installed) has client and worker on one bus. The sides take turns; what is
//! printed are medians over the rounds, with the extremes, and the ratio. Both
//! are driven by the same blocking client, one thread a connection, which costs
//! more than either server: the ratios say more than the numbers.

#[path = "../tests/support/client.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod client;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use client::{Client, Login, Message, PUBACK};

/// How long a client waits for a packet.
pub const PATIENCE: Duration = Duration::from_secs(20);

const ROUNDS: usize = 5;
const ONE_AT_A_TIME: usize = 3_000;
const CLIENTS: usize = 8;
const DEPTH: usize = 16;
const SATURATED: Duration = Duration::from_secs(2);
const WORKERS: usize = 4;
const SUBSCRIBERS: usize = 300;
const BROADCASTS: usize = 100;
const BINDS: usize = 20_000;

/// A server under test.
struct Side {
    name: &'static str,
    process: Child,
    backend: SocketAddr,
    frontend: SocketAddr,
    routed: bool,
    _data: tempfile::TempDir,
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn skep() -> Side {
    let data = tempfile::tempdir().expect("a temporary directory");
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
    Side { name: "skep, routed", process, backend, frontend, routed: true, _data: data }
}

/// `None`: it is not installed.
fn mosquitto() -> Option<Side> {
    let data = tempfile::tempdir().expect("a temporary directory");
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number").port();
    let settings = data.path().join("mosquitto.conf");
    let text =
        format!("listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 100000\n");
    fs::write(&settings, text).expect("its settings");
    let process = Command::new("mosquitto").arg("-c").arg(&settings).stderr(Stdio::null()).spawn().ok()?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let until = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(address).is_err() && Instant::now() < until {
        thread::sleep(Duration::from_millis(10));
    }
    Some(Side { name: "Mosquitto, direct", process, backend: address, frontend: address, routed: false, _data: data })
}

impl Side {
    fn join(&self, address: SocketAddr, id: &str, user: &str, password: &str, window: u16) -> Client {
        let login = Login::new(id).user(user, password);
        Client::connect(address, if window > 0 { login.receive_maximum(window) } else { login })
    }

    fn user(&self, n: usize) -> (Client, String) {
        let id = format!("bench_client_{n:08}");
        let mut user = self.join(self.frontend, &id, "frontend", "abc123", 0);
        user.subscribe(&format!("priv/{id}"), 0);
        (user, id)
    }

    fn request(&self, id: &str) -> Message {
        let payload = r#"{"jsonrpc":"2.0","id":1,"method":"bench.echo","params":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}"#;
        let mailbox = format!("priv/{id}");
        if self.routed {
            Message::new("req/backend-1", payload).respond_to(&mailbox).with("fwd_to", "req/backend/bench")
        } else {
            Message::new("req/backend/bench", payload).respond_to(&mailbox).qos(1)
        }
    }

    /// Echo workers, one request at a time each, until `stop`.
    fn workers(&self, stop: &Arc<AtomicBool>) -> Vec<thread::JoinHandle<()>> {
        let work = |n: usize| {
            let mut worker = self.join(self.backend, &format!("bench_worker_{n:08}"), "backend", "def456", 1);
            worker.subscribe("$share/BKPR/req/backend/bench", 1);
            let stop = Arc::clone(stop);
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let Some(request) = worker.message_within(Duration::from_millis(100)) else { continue };
                    let topic = request.response_topic.clone().expect("a response topic");
                    let response = Message::new(&topic, &request.payload);
                    let response = match request.get("addr") {
                        Some(addr) => response.with("addr", addr),
                        None => response,
                    };
                    // Response and PUBACK in one write, as real workers do.
                    let puback = client::packet(PUBACK << 4, &request.packet_id.to_be_bytes());
                    worker.send(&[response.packet(5), puback].concat());
                }
            })
        };
        (0..WORKERS).map(work).collect()
    }

    /// Server CPU time so far, in s.
    fn cpu(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap_or_default();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
        (ticks(11) + ticks(12)) / 100.0
    }

    /// Median time of a call, in µs.
    fn one_at_a_time(&self) -> f64 {
        let (mut user, id) = self.user(0);
        let mut request = self.request(&id);
        let mut times = Vec::with_capacity(ONE_AT_A_TIME);
        for n in 0..ONE_AT_A_TIME {
            request.packet_id = if self.routed { 0 } else { (n % 60_000) as u16 + 1 };
            let bytes = request.packet(5);
            let began = Instant::now();
            user.send(&bytes);
            user.message_within(PATIENCE).expect("an answer");
            times.push(began.elapsed());
        }
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e6
    }

    /// Calls a second with many under way, and server CPU per call in µs.
    fn saturated(&self) -> (f64, f64) {
        let start = Barrier::new(CLIENTS + 1);
        let call = |n: usize| {
            let (mut user, id) = self.user(n);
            let mut request = self.request(&id);
            let mut packet_id = 0u16;
            let mut send = |user: &mut Client| {
                packet_id = packet_id % 60_000 + 1;
                request.packet_id = if self.routed { 0 } else { packet_id };
                user.send(&request.packet(5));
            };
            start.wait();
            let until = Instant::now() + SATURATED;
            (0..DEPTH).for_each(|_| send(&mut user));
            let mut answered = 0usize;
            while Instant::now() < until {
                user.message_within(PATIENCE).expect("an answer");
                answered += 1;
                send(&mut user);
            }
            (0..DEPTH).for_each(|_| drop(user.message_within(PATIENCE).expect("an answer")));
            answered + DEPTH
        };
        thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|n| scope.spawn(move || call(n))).collect();
            start.wait();
            let (began, cpu) = (Instant::now(), self.cpu());
            let calls: usize = clients.into_iter().map(|client| client.join().expect("a client")).sum();
            (calls as f64 / began.elapsed().as_secs_f64(), (self.cpu() - cpu) / calls as f64 * 1e6)
        })
    }

    /// Deliveries a second of broadcasts to many subscribers.
    fn broadcast(&self) -> f64 {
        let mut readers: Vec<_> = (0..SUBSCRIBERS)
            .map(|n| {
                let mut reader = self.user(1_000 + n).0;
                reader.subscribe("msg/frontend/#", 0);
                reader
            })
            .collect();
        let mut notifier = self.join(self.backend, "bench_notifier_1", "backend", "def456", 0);
        let message = Message::new("msg/frontend/bench/note", [b'x'; 100]);
        let bytes = match self.routed {
            true => Message { topic: "msg/frontend-1".into(), ..message }
                .with("fwd_to", "msg/frontend/bench/note")
                .packet(5),
            false => message.packet(5),
        };
        let began = Instant::now();
        notifier.send(&bytes.repeat(BROADCASTS));
        for reader in &mut readers {
            (0..BROADCASTS).for_each(|_| drop(reader.message_within(PATIENCE).expect("the broadcast")));
        }
        (SUBSCRIBERS * BROADCASTS) as f64 / began.elapsed().as_secs_f64()
    }

    /// Durable binds a second, 256 under way. Only skep has them.
    fn binds(&self, round: usize) -> f64 {
        let mut worker = self.join(self.backend, "bench_binder_001", "backend", "def456", 0);
        worker.subscribe("priv/bench_binder_001", 0);
        let token = skep::router::router_token("backend-1");
        let bind = |n: usize| {
            let caller = format!("bench{round}_{n:012}");
            let call = format!(
                r#"{{"jsonrpc":"2.0","id":{n},"method":"_bkpr.router.bind","params":{{"caller_id":"{caller}","caller_addr":"priv/{caller}@frontend-1","address":"frontend.user-{n}","auth_data":"user-{n}"}}}}"#
            );
            let call = Message::new("req/backend/_bkpr/router", call);
            call.respond_to("priv/bench_binder_001").with("auth", &token).packet(5)
        };
        let began = Instant::now();
        worker.send(&(0..256).flat_map(bind).collect::<Vec<_>>());
        for n in 256..BINDS + 256 {
            worker.message_within(PATIENCE).expect("an answer");
            if n < BINDS {
                worker.send(&bind(n));
            }
        }
        BINDS as f64 / began.elapsed().as_secs_f64()
    }
}

/// Median with extremes.
fn spread(values: &mut [f64]) -> (f64, String) {
    values.sort_unstable_by(f64::total_cmp);
    let median = values[values.len() / 2];
    (median, format!("{:.0} ({:.0} to {:.0})", median, values[0], values[values.len() - 1]))
}

fn main() {
    let sides: Vec<Side> = [Some(skep()), mosquitto()].into_iter().flatten().collect();
    if sides.len() == 1 {
        println!("Mosquitto is not installed: skep alone");
    }
    let stop = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = sides.iter().flat_map(|side| side.workers(&stop)).collect();
    let mut figures = vec![[const { Vec::new() }; 4]; sides.len()];
    let mut binds = Vec::new();
    for round in 0..ROUNDS {
        for (side, figures) in sides.iter().zip(&mut figures) {
            figures[0].push(side.one_at_a_time());
            let (rate, cpu) = side.saturated();
            figures[1].push(rate);
            figures[2].push(cpu);
            figures[3].push(side.broadcast());
            eprintln!("round {} of {ROUNDS}: {}", round + 1, side.name);
        }
        binds.push(sides[0].binds(round));
    }
    stop.store(true, Ordering::Relaxed);
    workers.into_iter().for_each(|worker| worker.join().expect("a worker"));

    println!(
        "| median ({ROUNDS} rounds, lowest to highest) | {} | ratio |",
        sides.iter().map(|side| side.name).collect::<Vec<_>>().join(" | ")
    );
    println!("|---|{}---|", "---|".repeat(sides.len()));
    let rows = [
        "one call at a time, µs".to_owned(),
        format!("calls/s, {CLIENTS} clients, {DEPTH} under way each"),
        "server CPU per call then, µs".to_owned(),
        format!("broadcast to {SUBSCRIBERS}, deliveries/s"),
    ];
    for (row, name) in rows.iter().enumerate() {
        let spreads: Vec<_> = figures.iter_mut().map(|figures| spread(&mut figures[row])).collect();
        let ratio = match &spreads[..] {
            [(ours, _), (theirs, _)] => format!("{:.2}", ours / theirs),
            _ => "".into(),
        };
        println!(
            "| {name} | {} | {ratio} |",
            spreads.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(" | ")
        );
    }
    println!("| binds/s, on disk, 256 under way | {} |{}", spread(&mut binds).1, " | |".repeat(sides.len().min(2) - 1));
}
