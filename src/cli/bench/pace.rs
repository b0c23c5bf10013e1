//! When a measurement ends, and how far it is: what all who take part in it share.

use std::convert::Infallible;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// What is enough.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    Time(Duration),
    Count(u64),
}

pub struct Pace {
    limit: Limit,
    began: Instant,
    begun: AtomicU64,
    done: AtomicU64,
    stopped: AtomicBool,
}

/// How often the bar moves.
const TICK: Duration = Duration::from_millis(100);

impl Pace {
    /// From now on.
    pub fn new(limit: Limit, stopped: bool) -> Pace {
        let (begun, done) = (AtomicU64::new(0), AtomicU64::new(0));
        Pace { limit, began: Instant::now(), begun, done, stopped: AtomicBool::new(stopped) }
    }

    /// Whether one more may begin.
    pub fn begin(&self) -> bool {
        if self.stopped.load(Ordering::Relaxed) {
            return false;
        }
        match self.limit {
            Limit::Time(time) => self.began.elapsed() < time,
            Limit::Count(count) => self.begun.fetch_add(1, Ordering::Relaxed) < count,
        }
    }

    pub fn done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// No more may begin.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Shows how far it is, on standard error if that is a terminal; until
    /// dropped.
    pub async fn show(&self, what: &'static str) -> Infallible {
        if !std::io::stderr().is_terminal() {
            return std::future::pending().await;
        }
        let whole = match self.limit {
            Limit::Time(time) => time.as_millis().try_into().unwrap_or(u64::MAX),
            Limit::Count(count) => count,
        };
        let bar = Bar(ProgressBar::new(whole));
        if let Ok(style) = ProgressStyle::with_template("{prefix:10} [{bar:40}] {msg}") {
            bar.0.set_style(style.progress_chars("=> "));
        }
        bar.0.set_prefix(what);
        let mut before = (0, Duration::ZERO);
        loop {
            tokio::time::sleep(TICK).await;
            let now = (self.done.load(Ordering::Relaxed), self.began.elapsed());
            let rate = (now.0 - before.0) as f64 / (now.1 - before.1).as_secs_f64();
            bar.0.set_position(match self.limit {
                Limit::Time(_) => now.1.as_millis().try_into().unwrap_or(u64::MAX).min(whole),
                Limit::Count(_) => now.0,
            });
            bar.0.set_message(format!("{rate:.0}/s"));
            before = now;
        }
    }
}

/// Leaves no trace.
struct Bar(ProgressBar);

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
