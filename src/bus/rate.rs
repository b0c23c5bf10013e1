//! How much of something one client may do a second: a bucket of tokens that
//! holds a few seconds' worth.

use super::clock;

const BURST_S: u64 = 4;

pub struct Rate {
    per_second: u64,
    /// Thousandths of what may be done now; less than 0: what was done too early.
    tokens: i64,
    filled_at: u64,
}

impl Rate {
    /// `None`: there is no limit, 0.
    pub fn new(per_second: u32) -> Option<Rate> {
        let per_second = per_second as u64;
        (per_second > 0).then(|| Rate { per_second, tokens: full(per_second), filled_at: clock::now_ms() })
    }

    fn fill(&mut self, now: u64) {
        let earned = now.saturating_sub(self.filled_at).saturating_mul(self.per_second);
        self.tokens = self.tokens.saturating_add_unsigned(earned).min(full(self.per_second));
        self.filled_at = now;
    }

    /// Whether one more may be done now; counts it.
    pub fn allow(&mut self) -> bool {
        self.fill(clock::now_ms());
        if self.tokens < 1000 {
            return false;
        }
        self.tokens -= 1000;
        true
    }

    /// Counts `n` that have been done; gives back for how many ms nothing more
    /// should be.
    pub fn spend(&mut self, n: usize, now: u64) -> u64 {
        self.fill(now);
        self.tokens = self.tokens.saturating_sub_unsigned((n as u64).saturating_mul(1000));
        match self.tokens {
            0.. => 0,
            owed => owed.unsigned_abs().div_ceil(self.per_second),
        }
    }
}

/// Thousandths that a bucket holds; no rate of 32 bits comes near the end of 64.
fn full(per_second: u64) -> i64 {
    (per_second * BURST_S * 1000) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_too_early_is_waited_for() {
        let mut rate = Rate::new(1_000).expect("a limit");
        let now = rate.filled_at;
        assert_eq!(rate.spend(4_000, now), 0);
        assert_eq!(rate.spend(500, now), 500);
        assert_eq!(rate.spend(0, now + 500), 0);
        assert_eq!(rate.spend(250, now + 500), 250);
        // A clock that stands still or a long pause: never more than the burst.
        assert_eq!(rate.spend(5_000, now + 1_000_000), 1_000);
        assert!(Rate::new(0).is_none());
    }
}
