//! Reading slowly from a client that sends more bytes a second than it may:
//! what it has more waits in its own system.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::clock;
use super::rate::Rate;

/// Reads in a second, so that no pause is long.
const READS: u32 = 8;

/// Bytes that one read takes at least.
const LEAST: usize = 512;

pub struct Throttle {
    rate: Rate,
    /// Bytes that one read takes at most.
    pub read: usize,
    pause: Pin<Box<Sleep>>,
    paused: bool,
}

impl Throttle {
    /// `None`: there is no limit, 0.
    pub fn new(bytes_per_second: u32) -> Option<Box<Throttle>> {
        let rate = Rate::new(bytes_per_second)?;
        let read = (bytes_per_second / READS) as usize;
        let pause = Box::pin(sleep(Duration::ZERO));
        Some(Box::new(Throttle { rate, read: read.max(LEAST), pause, paused: false }))
    }

    /// Ready: the connection may be read. True: after a pause.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.paused {
            std::task::ready!(self.pause.as_mut().poll(cx));
            self.paused = false;
            return Poll::Ready(true);
        }
        Poll::Ready(false)
    }

    /// Counts what has been read. True: a pause begins.
    pub fn count(&mut self, bytes: usize) -> bool {
        let wait = self.rate.spend(bytes, clock::now_ms());
        if wait > 0 {
            self.pause.as_mut().reset(Instant::now() + Duration::from_millis(wait));
            self.paused = true;
        }
        wait > 0
    }
}
