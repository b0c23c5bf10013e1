//! How long things took, counted in fixed buckets: cheap to record from any
//! thread, and exact enough for percentiles.
//!
//! A power of two is divided into 32 buckets, so that a bucket is at most 1/32
//! of its times wide and a percentile is off by less than 2 %. Edges fall on
//! powers of two, so what is at most one of those is counted exactly.

use std::sync::atomic::{AtomicU64, Ordering};

/// Buckets a power of two, as a power of two.
const FINE: u32 = 5;

/// Times from 2^26 µs (67 s) on are all in the last bucket.
const MAX_POWER: u32 = 26;

/// Buckets in all: those below 32 µs are one microsecond wide.
pub const BUCKETS: usize = ((MAX_POWER - FINE + 1) << FINE) as usize + 1;

/// Counts of times in microseconds. Recording is one relaxed addition.
pub struct Histogram(Box<[AtomicU64; BUCKETS]>);

/// The counts at one moment, or what came between two of them.
#[derive(Clone)]
pub struct Counts(Box<[u64; BUCKETS]>);

impl Default for Histogram {
    fn default() -> Self {
        Histogram(Box::new([const { AtomicU64::new(0) }; BUCKETS]))
    }
}

impl Default for Counts {
    fn default() -> Self {
        Counts(Box::new([0; BUCKETS]))
    }
}

fn bucket(us: u64) -> usize {
    if us < 1 << FINE {
        return us as usize;
    }
    let power = us.ilog2();
    if power >= MAX_POWER {
        return BUCKETS - 1;
    }
    let within = (us >> (power - FINE)) as usize - (1 << FINE);
    (((power - FINE + 1) << FINE) as usize) + within
}

/// The first time in a bucket, in microseconds.
fn start(bucket: usize) -> u64 {
    if bucket < 1 << FINE {
        return bucket as u64;
    }
    let power = (bucket >> FINE) as u32 + FINE - 1;
    let within = (bucket & ((1 << FINE) - 1)) as u64;
    (1 << power) + (within << (power - FINE))
}

/// What stands for all times in a bucket: its middle.
fn middle(bucket: usize) -> u64 {
    match bucket + 1 {
        BUCKETS => start(bucket),
        next => (start(bucket) + start(next) - 1) / 2,
    }
}

impl Histogram {
    pub fn record(&self, us: u64) {
        self.0[bucket(us)].fetch_add(1, Ordering::Relaxed);
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.add_to(&mut counts);
        counts
    }

    pub fn add_to(&self, counts: &mut Counts) {
        for (sum, count) in counts.0.iter_mut().zip(self.0.iter()) {
            *sum += count.load(Ordering::Relaxed);
        }
    }
}

impl Counts {
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The time, in microseconds, that the fraction `part` of all times is not
    /// above; 0 if there is none.
    pub fn percentile(&self, part: f64) -> u64 {
        let total = self.total();
        let wanted = ((total as f64 * part).ceil() as u64).clamp(1, total.max(1));
        let mut seen = 0;
        for (at, count) in self.0.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return middle(at);
            }
        }
        0
    }

    /// All times together, in microseconds, as near as the buckets tell.
    pub fn sum(&self) -> u64 {
        self.0.iter().enumerate().map(|(at, count)| count * middle(at)).sum()
    }

    /// How many times are below 2^`power` microseconds; `power` from 5 to 26.
    pub fn below_power(&self, power: u32) -> u64 {
        let end = bucket((1 << power.clamp(FINE, MAX_POWER)) - 1) + 1;
        self.0[..end].iter().sum()
    }

    /// What has come since `earlier`.
    pub fn since(&self, earlier: &Counts) -> Counts {
        let mut counts = self.clone();
        for (now, then) in counts.0.iter_mut().zip(earlier.0.iter()) {
            *now = now.saturating_sub(*then);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        for at in 0..BUCKETS {
            assert_eq!(bucket(start(at)), at);
            if at > 0 {
                assert_eq!(bucket(start(at) - 1), at - 1, "{at}");
            }
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert_eq!(start(BUCKETS - 1), 1 << MAX_POWER);
    }

    #[test]
    fn percentiles_are_off_by_less_than_two_percent() {
        let times = Histogram::default();
        (1..=100_000).for_each(|us| times.record(us));
        let counts = times.counts();
        for part in [0.001, 0.25, 0.5, 0.95, 0.99, 0.999, 1.0] {
            let expected = part * 100_000.0;
            let off = (counts.percentile(part) as f64 - expected).abs() / expected;
            assert!(off < 0.02, "{part}: {} is off by {off}", counts.percentile(part));
        }
        let sum = 100_000.0 * 100_001.0 / 2.0;
        assert!((counts.sum() as f64 - sum).abs() / sum < 0.02);
        assert_eq!(counts.total(), 100_000);
        assert_eq!(counts.below_power(10), 1023);
        assert_eq!(counts.below_power(26), 100_000);
    }

    #[test]
    fn nothing_recorded_is_nothing() {
        let counts = Counts::default();
        assert_eq!((counts.percentile(0.5), counts.sum(), counts.total()), (0, 0, 0));
    }

    #[test]
    fn what_came_between_two_looks_is_their_difference() {
        let times = Histogram::default();
        times.record(10);
        let before = times.counts();
        times.record(5_000);
        let between = times.counts().since(&before);
        assert_eq!((between.total(), between.percentile(0.5)), (1, middle(bucket(5_000))));
    }
}
