//! Clients that call a service all the time, and how long that takes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::process::Process;
use super::support::rpc::{answer, json_of, request, service};
use super::support::{Client, Login, id};

pub const CALLERS: usize = 4;

/// So many calls are needed to speak of one in a hundred.
const LEAST: usize = 200;

pub struct Calls {
    times: Arc<Mutex<Vec<Duration>>>,
    over: Arc<AtomicBool>,
    callers: Vec<JoinHandle<()>>,
    workers: Vec<JoinHandle<()>>,
    workers_over: Arc<AtomicBool>,
}

impl Calls {
    pub fn start(process: &Process) -> Calls {
        let over = Arc::new(AtomicBool::new(false));
        let times = Arc::new(Mutex::new(Vec::new()));
        let workers_over = Arc::new(AtomicBool::new(false));
        let (mut callers, mut workers) = (Vec::new(), Vec::new());
        for n in 0..2 {
            let login = Login::new(&format!("worker{n}")).user("backend", "def456").receive_maximum(1);
            let mut worker = Client::connect(process.backend, login);
            worker.subscribe(&service("echo"), 1);
            let over = Arc::clone(&workers_over);
            workers.push(thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    if let Some(request) = worker.message_within(Duration::from_millis(100)) {
                        answer(&mut worker, &request, "done");
                    }
                }
            }));
        }
        for n in 0..CALLERS {
            let caller = id(&format!("caller{n}"));
            let mut client = Client::connect(process.frontend, process.login(&format!("caller{n}")));
            client.subscribe(&format!("priv/{caller}"), 0);
            let (over, times) = (Arc::clone(&over), Arc::clone(&times));
            callers.push(thread::spawn(move || {
                for n in 0.. {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    let began = Instant::now();
                    client.publish(request(&caller, "echo", n));
                    let response = json_of(&client.message());
                    assert_eq!((&response["result"], &response["id"]), (&"done".into(), &n.into()));
                    times.lock().expect("no caller has failed").push(began.elapsed());
                    // As people do, it thinks for a moment.
                    thread::sleep(Duration::from_millis(2));
                }
            }));
        }
        Calls { times, over, callers, workers, workers_over }
    }

    /// Of 100 calls made from now on, 99 take no longer than this. Measures for
    /// `time`, and until there are enough of them.
    pub fn p99(&self, time: Duration) -> Duration {
        self.times.lock().expect("no caller has failed").clear();
        let began = Instant::now();
        loop {
            thread::sleep(Duration::from_millis(20));
            assert!(
                !self.callers.iter().chain(&self.workers).any(JoinHandle::is_finished),
                "a caller or a worker has failed"
            );
            let mut times = self.times.lock().expect("no caller has failed");
            if began.elapsed() >= time && times.len() >= LEAST {
                times.sort_unstable();
                return times[times.len() * 99 / 100];
            }
        }
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        // Callers first, as they wait for their last answers.
        for (over, threads) in [(&self.over, &mut self.callers), (&self.workers_over, &mut self.workers)] {
            over.store(true, Ordering::Relaxed);
            for thread in threads.drain(..) {
                let ended = thread.join();
                assert!(ended.is_ok() || thread::panicking(), "a caller or a worker has failed");
            }
        }
    }
}
