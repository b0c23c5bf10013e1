//! Lines about what peers do wrong: so many a minute for one address, and so
//! many for the bus, so that nobody fills the log of another.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use ahash::AHashMap;
use parking_lot::Mutex;

/// Lines of one address in a [`WINDOW_MS`].
const PER_ADDRESS: u32 = 10;

/// Lines of all addresses in a [`WINDOW_MS`].
const PER_BUS: u32 = 100;

const WINDOW_MS: u64 = 60_000;

#[derive(Default)]
pub struct LogLimit {
    window: Mutex<Window>,
    /// Lines left out since the last window began.
    left_out: AtomicU64,
}

#[derive(Default)]
struct Window {
    began_at: u64,
    lines: u32,
    /// Never more entries than lines, so within [`PER_BUS`].
    addresses: AHashMap<IpAddr, u32>,
}

impl LogLimit {
    /// Whether a line about `address` may be written; if not, it is counted.
    pub fn allows(&self, address: IpAddr, now: u64) -> bool {
        let mut window = self.window.lock();
        if now.saturating_sub(window.began_at) >= WINDOW_MS {
            *window = Window { began_at: now, ..Window::default() };
        }
        let of_address = window.addresses.get(&address).copied().unwrap_or(0);
        let allows = window.lines < PER_BUS && of_address < PER_ADDRESS;
        if allows {
            window.lines += 1;
            window.addresses.insert(address, of_address + 1);
        } else {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        allows
    }

    /// Once a window is over: how many lines were left out in it, if any.
    pub fn left_out(&self, now: u64) -> Option<u64> {
        if self.left_out.load(Ordering::Relaxed) == 0 || now.saturating_sub(self.window.lock().began_at) < WINDOW_MS {
            return None;
        }
        Some(self.left_out.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_and_all_together_write_so_many_lines_a_minute() {
        let limit = LogLimit::default();
        let address = |n: u8| IpAddr::from([10, 0, 0, n]);
        let lines = |n, now| (0..1_000).filter(|_| limit.allows(address(n), now)).count();
        assert_eq!(lines(1, 1), PER_ADDRESS as usize);
        assert_eq!((2..200).map(|n| lines(n, 1)).sum::<usize>(), (PER_BUS - PER_ADDRESS) as usize);
        assert_eq!(limit.left_out(WINDOW_MS - 1), None);
        let left_out = 199_000 - u64::from(PER_BUS);
        assert_eq!(limit.left_out(WINDOW_MS), Some(left_out));
        assert_eq!(limit.left_out(WINDOW_MS), None);
        assert_eq!(lines(1, WINDOW_MS), PER_ADDRESS as usize);
    }
}
