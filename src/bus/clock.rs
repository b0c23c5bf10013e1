//! The time that a bus counts in: milliseconds on the monotonic clock, since
//! the process first asked. Wall-clock jumps do not reach it.

use std::sync::LazyLock;
use std::time::Instant;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds since the process first asked; never 0, so that 0 can mean
/// "no time".
pub fn now_ms() -> u64 {
    START.elapsed().as_millis() as u64 + 1
}
