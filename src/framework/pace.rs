//! A limit on log records a second, that counts what it turns away.

/// Records taken a second, and at once after a pause.
pub const PER_SECOND: u64 = 100;

/// Times are in ms of one clock.
pub struct Pace {
    /// In thousandths of a record.
    allowance: u64,
    last: u64,
    turned_away: u64,
}

impl Pace {
    pub fn new(now: u64) -> Pace {
        Pace { allowance: PER_SECOND * 1000, last: now, turned_away: 0 }
    }

    /// Whether a record may pass; with how many could not since the last one
    /// that did.
    pub fn pass(&mut self, now: u64) -> Option<u64> {
        let more = now.saturating_sub(self.last).saturating_mul(PER_SECOND);
        self.allowance = self.allowance.saturating_add(more).min(PER_SECOND * 1000);
        self.last = now;
        if self.allowance < 1000 {
            self.turned_away += 1;
            return None;
        }
        self.allowance -= 1000;
        Some(std::mem::take(&mut self.turned_away))
    }

    /// A record that passed found no room after all.
    pub fn turn_away(&mut self, records: u64) {
        self.turned_away += records;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_to_the_limit_and_what_is_cut_off_is_told() {
        let mut pace = Pace::new(0);
        let passed = (0..1000).filter(|_| pace.pass(0).is_some()).count();
        assert_eq!(passed, PER_SECOND as usize);
        assert_eq!(pace.pass(10), Some(900));
        assert_eq!(pace.pass(10), None);
        assert_eq!(pace.pass(20), Some(1));
        let passed = (0..1000).filter(|_| pace.pass(1_000_000).is_some()).count();
        assert_eq!(passed, PER_SECOND as usize);
    }
}
