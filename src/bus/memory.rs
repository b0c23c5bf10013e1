//! How many bytes a bus holds for others, and how many it may.
//!
//! Counted are messages, once each however many clients wait for them, the
//! encoded bytes that wait for a socket, packets of which a part has come,
//! wills, and filters. What passes through without waiting is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::machine;

/// Where no limit is set, a bus takes this part of the machine's memory.
const SHARE: usize = 4;

/// Where the machine does not say how much it has, in bytes.
const UNKNOWN: usize = 512 * 1024 * 1024;

/// Bytes that each client may have waiting, and each connection may have sent
/// of a packet, while the bus holds all that it may.
pub const EVERYBODYS: usize = 64 * 1024;

/// The bytes of one bus.
pub struct Memory {
    used: AtomicUsize,
    limit: usize,
}

impl Memory {
    /// `limit` in bytes; `None`: a quarter of what the machine or container has.
    pub fn new(limit: Option<usize>) -> Arc<Memory> {
        let limit = limit.unwrap_or_else(|| machine::memory().map_or(UNKNOWN, |bytes| bytes / SHARE));
        Arc::new(Memory { used: AtomicUsize::new(0), limit })
    }

    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Nothing new should be held that can be refused.
    pub fn is_full(&self) -> bool {
        self.used() >= self.limit
    }

    /// So far past the limit that everybody's share is but a part of it.
    pub fn is_exhausted(&self) -> bool {
        self.used() >= self.limit.saturating_add(self.limit / 4)
    }

    /// What one client may have waiting, of the `usual` that it may otherwise.
    pub fn share(&self, usual: usize) -> usize {
        if !self.is_full() {
            usual
        } else if !self.is_exhausted() {
            usual.min(EVERYBODYS)
        } else {
            usual.min(EVERYBODYS / 16)
        }
    }

    pub fn take(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Gives back what was taken.
    pub fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Makes `counted`, which was taken before, into `now`.
    pub fn change(&self, counted: &mut usize, now: usize) {
        if now > *counted {
            self.take(now - *counted);
        } else if now < *counted {
            self.give_back(*counted - now);
        }
        *counted = now;
    }
}

/// Bytes that something holds; given back when it goes.
pub struct Charge {
    memory: Arc<Memory>,
    bytes: usize,
}

impl Charge {
    pub fn new(memory: &Arc<Memory>, bytes: usize) -> Charge {
        memory.take(bytes);
        Charge { memory: Arc::clone(memory), bytes }
    }

    pub fn set(&mut self, bytes: usize) {
        self.memory.change(&mut self.bytes, bytes);
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.memory.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_charged_is_given_back() {
        let memory = Memory::new(Some(100));
        let mut charge = Charge::new(&memory, 60);
        charge.set(99);
        assert!(!memory.is_full());
        assert_eq!(memory.share(1_000_000), 1_000_000);
        charge.set(100);
        assert!(memory.is_full());
        assert_eq!((memory.share(1_000_000), memory.share(10)), (EVERYBODYS, 10));
        charge.set(125);
        assert_eq!(memory.share(1_000_000), EVERYBODYS / 16);
        charge.set(3);
        assert_eq!(memory.used(), 3);
        drop(charge);
        assert_eq!(memory.used(), 0);
    }
}
