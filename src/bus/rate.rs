//! How many messages a second one client may publish: a bucket of tokens that
//! holds a few seconds' worth.

use super::clock;

const BURST_S: u64 = 4;

pub struct Rate {
    per_second: u64,
    /// Thousandths of a message that may be published now.
    tokens: u64,
    filled_at: u64,
}

impl Rate {
    /// 0: no limit.
    pub fn new(per_second: u32) -> Rate {
        let per_second = per_second as u64;
        Rate { per_second, tokens: per_second * BURST_S * 1000, filled_at: clock::now_ms() }
    }

    pub fn allow(&mut self) -> bool {
        if self.per_second == 0 {
            return true;
        }
        let now = clock::now_ms();
        let earned = (now - self.filled_at) * self.per_second;
        self.tokens = (self.tokens + earned).min(self.per_second * BURST_S * 1000);
        self.filled_at = now;
        if self.tokens < 1000 {
            return false;
        }
        self.tokens -= 1000;
        true
    }
}
