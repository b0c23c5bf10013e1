//! The time that a bus counts in: milliseconds on the monotonic clock, since
//! the process first asked. Wall-clock jumps do not reach it.

use std::sync::LazyLock;
use std::time::Instant;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds since the process first asked; never 0, so that 0 can mean
/// "no time".
pub fn now_ms() -> u64 {
    to_ms(now_us())
}

/// The same time in microseconds.
pub fn now_us() -> u64 {
    START.elapsed().as_micros() as u64
}

/// What [`now_ms`] says at that [`now_us`].
pub fn to_ms(us: u64) -> u64 {
    us / 1_000 + 1
}
