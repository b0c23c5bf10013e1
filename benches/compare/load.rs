//! The loads: what clients and workers do while a figure is taken.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

use crate::client::{Login, Message, PUBACK, PUBLISH, packet};
use crate::conn::Conn;
use crate::pace::Pace;
use crate::side::Side;

/// Clients of the saturated rows, requests under way of each, and workers.
pub const CLIENTS: usize = 20;
pub const DEPTH: usize = 20;
pub const WORKERS: usize = 4;

/// How long anything may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where clients of a side connect, and how they call.
#[derive(Clone, Copy)]
pub struct Target {
    pub backend: SocketAddr,
    pub frontend: SocketAddr,
    pub routed: bool,
}

impl From<&Side> for Target {
    fn from(side: &Side) -> Target {
        Target { backend: side.backend, frontend: side.frontend, routed: side.routed }
    }
}

pub fn id(kind: &str, n: usize) -> String {
    format!("{kind}{n:0>width$}", width = 20 - kind.len())
}

/// A caller's id, in no order, as real ones are.
fn bound_id(n: usize) -> String {
    format!("bound{:015x}", (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 4)
}

async fn patient<T>(what: &str, load: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, load).await.map_err(|_| io::Error::other(format!("lost: {what}")))?
}

impl Target {
    async fn worker_conn(&self, id: &str, window: u16) -> io::Result<Conn> {
        let login = Login::new(id).user("backend", "def456");
        Conn::open(self.backend, if window > 0 { login.receive_maximum(window) } else { login }).await
    }

    /// A client with its mailbox.
    pub async fn user(&self, id: &str) -> io::Result<Conn> {
        let mut conn = Conn::open(self.frontend, Login::new(id).user("frontend", "abc123")).await?;
        conn.subscribe(&format!("priv/{id}"), 0).await?;
        Ok(conn)
    }

    /// A request; the `n`th of its client.
    fn request(&self, mailbox: &str, n: usize) -> Message {
        let payload = format!(
            r#"{{"jsonrpc":"2.0","id":{n},"method":"bench.echo","params":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}}"#
        );
        if self.routed {
            let lane = if n.is_multiple_of(2) { "req/backend-1" } else { "req/backend-2" };
            Message::new(lane, payload).respond_to(mailbox).with("fwd_to", "req/backend/bench")
        } else {
            let mut message = Message::new("req/backend/bench", payload).respond_to(mailbox).qos(1);
            message.packet_id = (n % 60_000) as u16 + 1;
            message
        }
    }

    /// Echo workers, one request at a time each, until the set is dropped.
    pub async fn workers(self) -> io::Result<JoinSet<()>> {
        let mut all = JoinSet::new();
        for n in 0..WORKERS {
            let mut conn = self.worker_conn(&id("worker", n), 1).await?;
            conn.subscribe("$share/BKPR/req/backend/bench", 1).await?;
            all.spawn(async move {
                while let Ok(request) = conn.message().await {
                    let topic = request.response_topic.clone().unwrap_or_default();
                    let response = Message::new(&topic, &request.payload);
                    let response = match request.get("addr") {
                        Some(addr) => response.with("addr", addr),
                        None => response,
                    };
                    // Response and PUBACK in one write, as the framework does.
                    conn.out.extend(response.packet(5));
                    conn.out.extend(packet(PUBACK << 4, &request.packet_id.to_be_bytes()));
                    if conn.flush().await.is_err() {
                        return;
                    }
                }
            });
        }
        Ok(all)
    }

    /// Times of calls made one after the other, sorted.
    pub async fn one_at_a_time(self, calls: usize) -> io::Result<Vec<Duration>> {
        let caller = id("single", 0);
        let mut user = self.user(&caller).await?;
        let mailbox = format!("priv/{caller}");
        let mut times = Vec::with_capacity(calls);
        for n in 0..calls {
            let bytes = self.request(&mailbox, n).packet(5);
            let began = Instant::now();
            user.out.extend(bytes);
            user.flush().await?;
            patient("a call", user.message()).await?;
            times.push(began.elapsed());
        }
        times.sort_unstable();
        Ok(times)
    }

    /// Calls made by many clients with many under way each, for `time`.
    pub async fn saturate(self, time: Duration) -> io::Result<usize> {
        let mut clients = JoinSet::new();
        for n in 0..CLIENTS {
            let caller = id("client", n);
            let mut user = self.user(&caller).await?;
            let mailbox = format!("priv/{caller}");
            clients.spawn(async move {
                let until = Instant::now() + time;
                let (mut sent, mut answered) = (0, 0);
                while answered < sent || Instant::now() < until {
                    while sent < answered + DEPTH && Instant::now() < until {
                        user.out.extend(self.request(&mailbox, sent).packet(5));
                        sent += 1;
                    }
                    user.flush().await?;
                    patient("calls under way", user.message()).await?;
                    answered += 1;
                    while user.ready_message().is_some() {
                        answered += 1;
                    }
                }
                io::Result::Ok(answered)
            });
        }
        let mut calls = 0;
        for answered in clients.join_all().await {
            calls += answered?;
        }
        Ok(calls)
    }

    /// Times of calls that come at `rate` a second whatever becomes of those
    /// before; sorted.
    pub async fn paced(self, rate: f64, time: Duration) -> io::Result<Vec<Duration>> {
        let mut clients = JoinSet::new();
        for n in 0..CLIENTS {
            let caller = id("client", n);
            let mut user = self.user(&caller).await?;
            let mailbox = format!("priv/{caller}");
            clients.spawn(async move {
                let pace = Pace::new(rate, time, n);
                let calls = pace.count;
                let mut times = Vec::with_capacity(calls);
                let mut sent_at = Vec::with_capacity(calls);
                let note = |message: Message, times: &mut Vec<Duration>, began: &[Instant]| {
                    let text = String::from_utf8_lossy(&message.payload).into_owned();
                    let number = text.split("\"id\":").nth(1).and_then(|rest| rest.split(',').next()?.parse().ok());
                    times.push(began[number.unwrap_or(0usize)].elapsed());
                };
                while times.len() < calls {
                    let next = if sent_at.len() < calls { pace.due(sent_at.len()) } else { pace.due(calls) + PATIENCE };
                    tokio::select! {
                        message = user.message() => note(message?, &mut times, &sent_at),
                        () = sleep_until(next) => {
                            if sent_at.len() == calls {
                                return Err(io::Error::other("lost: paced calls"));
                            }
                            while sent_at.len() < pace.by_now() {
                                user.out.extend(self.request(&mailbox, sent_at.len()).packet(5));
                                sent_at.push(Instant::now());
                            }
                            user.flush().await?;
                        }
                    }
                    while let Some(message) = user.ready_message() {
                        note(message, &mut times, &sent_at);
                    }
                }
                Ok(times)
            });
        }
        let mut all = Vec::new();
        for times in clients.join_all().await {
            all.extend(times?);
        }
        all.sort_unstable();
        Ok(all)
    }

    fn notification(&self, n: usize, payload: &[u8]) -> Vec<u8> {
        let topic = "msg/frontend/bench/note";
        if self.routed {
            let lane = if n.is_multiple_of(2) { "msg/frontend-1" } else { "msg/frontend-2" };
            Message::new(lane, payload).with("fwd_to", topic).packet(5)
        } else {
            Message::new(topic, payload).packet(5)
        }
    }

    /// Deliveries a second of `messages` notifications to `readers` clients.
    pub async fn broadcast(self, readers: usize, messages: usize) -> io::Result<f64> {
        let got = Arc::new(AtomicU64::new(0));
        let mut all = JoinSet::new();
        for n in 0..readers {
            let mut reader = self.user(&id("reader", n)).await?;
            reader.subscribe("msg/frontend/#", 0).await?;
            let got = Arc::clone(&got);
            all.spawn(async move {
                let mut mine = 0;
                while mine < messages {
                    let mut packet = Some(reader.packet().await?);
                    while let Some(came) = packet {
                        mine += usize::from(came.kind() == PUBLISH);
                        packet = reader.ready();
                    }
                }
                got.fetch_add(mine as u64, Ordering::Relaxed);
                io::Result::Ok(())
            });
        }
        let mut notifier = self.worker_conn(&id("notifier", 0), 0).await?;
        let began = Instant::now();
        for n in 0..messages {
            notifier.out.extend(self.notification(n, &[b'x'; 100]));
            if n % 10 == 9 {
                notifier.flush().await?;
            }
        }
        notifier.flush().await?;
        let end = timeout(PATIENCE * 3, all.join_all()).await.map_err(|_| {
            io::Error::other(format!("lost: {} of {} deliveries", got.load(Ordering::Relaxed), readers * messages))
        })?;
        let took = began.elapsed();
        end.into_iter().collect::<io::Result<Vec<()>>>()?;
        Ok((readers * messages) as f64 / took.as_secs_f64())
    }

    /// Times of notifications from publisher to subscriber, one after the
    /// other; sorted.
    pub async fn notifications(self, messages: usize) -> io::Result<Vec<Duration>> {
        let mut reader = self.user(&id("reader", 0)).await?;
        reader.subscribe("msg/frontend/#", 0).await?;
        let mut notifier = self.worker_conn(&id("notifier", 0), 0).await?;
        let mut times = Vec::with_capacity(messages);
        for n in 0..messages {
            let bytes = self.notification(n, b"{}");
            let began = Instant::now();
            notifier.out.extend(bytes);
            notifier.flush().await?;
            patient("a notification", reader.message()).await?;
            times.push(began.elapsed());
        }
        times.sort_unstable();
        Ok(times)
    }

    /// Binds sessions number `range`, 256 under way; binds a second.
    pub async fn binds(self, range: std::ops::Range<usize>) -> io::Result<f64> {
        let binder = id("binder", 0);
        let mut worker = self.worker_conn(&binder, 0).await?;
        worker.subscribe(&format!("priv/{binder}"), 0).await?;
        let token = skep::router::router_token("backend-1");
        let bind = |n: usize| {
            let caller = bound_id(n);
            let call = format!(
                r#"{{"jsonrpc":"2.0","id":{n},"method":"_bkpr.router.bind","params":{{"caller_id":"{caller}","caller_addr":"priv/{caller}@frontend-1","address":"frontend.user-{n}","auth_data":"user-{n}"}}}}"#
            );
            let mut call = Message::new("req/backend/_bkpr/router", call).qos(1);
            call.packet_id = (n % 60_000) as u16 + 1;
            call.respond_to(&format!("priv/{binder}")).with("auth", &token).packet(5)
        };
        let (mut sent, mut answered) = (range.start, range.start);
        let began = Instant::now();
        while answered < range.end {
            while sent < range.end && sent < answered + 256 {
                worker.out.extend(bind(sent));
                sent += 1;
            }
            worker.flush().await?;
            let mut answer = Some(patient("a bind", worker.message()).await?);
            while let Some(message) = answer {
                if !message.text().contains("\"result\":1") {
                    return Err(io::Error::other(format!("a bind failed: {}", message.text())));
                }
                answered += 1;
                answer = worker.ready_message();
            }
        }
        Ok(range.len() as f64 / began.elapsed().as_secs_f64())
    }

    /// Connections that do nothing, with their mailbox and, if `listening`, a
    /// subscription to what goes to all.
    pub async fn idle(self, count: usize, listening: bool) -> io::Result<Vec<Conn>> {
        let mut all = Vec::with_capacity(count);
        for n in 0..count {
            let mut conn = self.user(&id(if listening { "listener" } else { "idle" }, n)).await?;
            if listening {
                conn.subscribe("msg/frontend/#", 0).await?;
            }
            conn.rest();
            all.push(conn);
        }
        // What the server frees late, it frees by now.
        sleep(Duration::from_millis(300)).await;
        Ok(all)
    }

    /// One client life: connect, call, go.
    pub async fn life(self, n: usize) -> io::Result<()> {
        let caller = id("life", n);
        let mut user = self.user(&caller).await?;
        user.out.extend(self.request(&format!("priv/{caller}"), n).packet(5));
        user.flush().await?;
        patient("the call of a life", user.message()).await?;
        user.out.extend(packet(0xE0, &[]));
        user.flush().await
    }

    /// Median time of calls by clients that are bound: `sessions` of them, each
    /// as session number `from` and up.
    pub async fn calls_of_bound(self, from: usize, sessions: usize, calls: usize) -> io::Result<Vec<Duration>> {
        let mut times = Vec::with_capacity(sessions * calls);
        for n in from..from + sessions {
            let caller = bound_id(n);
            let mut user = self.user(&caller).await?;
            for call in 0..calls {
                let bytes = self.request(&format!("priv/{caller}"), call).packet(5);
                let began = Instant::now();
                user.out.extend(bytes);
                user.flush().await?;
                patient("a call of a bound client", user.message()).await?;
                times.push(began.elapsed());
            }
        }
        times.sort_unstable();
        Ok(times)
    }
}
