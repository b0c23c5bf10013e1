//! From counters that only grow to how fast they do.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// A rate is that of so long: one second alone jumps about.
const OVER: Duration = Duration::from_secs(5);

/// Counters as they were lately, by name.
#[derive(Default)]
pub struct Rates {
    seen: HashMap<String, VecDeque<(Instant, u64)>>,
}

impl Rates {
    /// Notes what a counter is at.
    pub fn note(&mut self, name: String, at: Instant, value: u64) {
        let points = self.seen.entry(name).or_default();
        // A smaller number is another life of skep's.
        if points.back().is_some_and(|(_, last)| value < *last) {
            points.clear();
        }
        points.push_back((at, value));
        while points.len() > 2 && at.duration_since(points[1].0) >= OVER {
            points.pop_front();
        }
    }

    /// Its rate a second; `None` before it was seen twice.
    pub fn rate(&self, name: &str) -> Option<f64> {
        let points = self.seen.get(name)?;
        let ((from, first), (to, last)) = (points.front()?, points.back()?);
        let seconds = to.duration_since(*from).as_secs_f64();
        (seconds > 0.0).then(|| (last - first) as f64 / seconds)
    }

    /// Forgets what has not been noted since.
    pub fn forget_before(&mut self, at: Instant) {
        self.seen.retain(|_, points| points.back().is_some_and(|(last, _)| *last >= at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_seconds() {
        let mut rates = Rates::default();
        let start = Instant::now();
        for second in 0..20 {
            let value = if second < 10 { second * 100 } else { 900 };
            rates.note("calls".into(), start + Duration::from_secs(second), value);
        }
        assert_eq!(rates.rate("calls"), Some(0.0));
        assert_eq!(rates.rate("others"), None);
    }

    #[test]
    fn a_counter_that_starts_anew_has_no_rate_yet() {
        let mut rates = Rates::default();
        let start = Instant::now();
        rates.note("calls".into(), start, 1_000);
        rates.note("calls".into(), start + Duration::from_secs(1), 3);
        assert_eq!(rates.rate("calls"), None);
    }
}
