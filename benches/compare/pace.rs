//! When one of many clients sends: at even times, whatever became of what it
//! sent before.

use std::time::Duration;

use tokio::time::Instant;

use crate::load::CLIENTS;

#[derive(Clone, Copy)]
pub struct Pace {
    began: Instant,
    pause: Duration,
    /// How much it sends in all.
    pub count: usize,
}

impl Pace {
    /// Of client number `n`, where all together send `rate` a second for `time`.
    pub fn new(rate: f64, time: Duration, n: usize) -> Pace {
        let pause = Duration::from_secs_f64(CLIENTS as f64 / rate);
        let count = (time.as_secs_f64() / pause.as_secs_f64()) as usize;
        Pace { began: Instant::now() + pause.mul_f64(n as f64 / CLIENTS as f64), pause, count }
    }

    /// When number `n` is to be sent.
    pub fn due(&self, n: usize) -> Instant {
        self.began + self.pause.mul_f64(n as f64)
    }

    /// How many are to be sent by now.
    pub fn by_now(&self) -> usize {
        match Instant::now().checked_duration_since(self.began) {
            Some(since) => ((since.as_secs_f64() / self.pause.as_secs_f64()) as usize + 1).min(self.count),
            None => 0,
        }
    }
}
