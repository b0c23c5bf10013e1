//! What a measurement came to, and the file that it is kept in.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Longest latency that is told apart: as long as a timeout can be, in
/// nanoseconds.
const LONGEST_NS: u64 = 86_400_000_000_000;

/// Decimal digits of a latency that are right.
const DIGITS: u8 = 3;

/// As it is measured.
pub struct Measured {
    pub time: Duration,
    /// Broadcasts, each of which is so many deliveries.
    pub notifications: u64,
    pub errors: u64,
    pub lost: u64,
    /// What was wrong first.
    pub failure: Option<String>,
    /// In nanoseconds: of each call that was answered, of each delivery.
    pub latency: Histogram<u64>,
}

impl Default for Measured {
    fn default() -> Measured {
        let latency = Histogram::new_with_bounds(1, LONGEST_NS, DIGITS).expect("bounds and digits that can be");
        Measured { time: Duration::ZERO, notifications: 0, errors: 0, lost: 0, failure: None, latency }
    }
}

impl Measured {
    pub fn over(time: Duration) -> Measured {
        Measured { time, ..Measured::default() }
    }

    pub fn good(&mut self, took: Duration) {
        self.latency.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1));
    }

    pub fn error(&mut self, what: String) {
        self.errors += 1;
        self.failure.get_or_insert(what);
    }

    pub fn lost(&mut self, count: u64, why: String) {
        self.lost += count;
        self.failure.get_or_insert(why);
    }

    pub fn add(&mut self, other: &Measured) {
        self.notifications += other.notifications;
        self.errors += other.errors;
        self.lost += other.lost;
        self.failure = self.failure.take().or_else(|| other.failure.clone());
        // Both have the same bounds.
        let _ = self.latency.add(&other.latency);
    }
}

/// What was asked for: runs with other settings are no match for each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub mode: String,
    pub clients: u32,
    pub depth: u32,
    /// Of our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<u32>,
    /// Of a service that was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Bytes of text in the parameters.
    pub size: u32,
}

/// As it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Version of skep that measured.
    pub skep: String,
    /// When, in seconds since 1970.
    pub at: u64,
    pub settings: Settings,
    pub seconds: f64,
    /// Calls answered, or deliveries.
    pub done: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notifications: Option<u64>,
    pub errors: u64,
    pub lost: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_failure: Option<String>,
    pub per_second: f64,
    pub latency_us: Latency,
}

/// In microseconds; all 0 if nothing was answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Latency {
    pub min: f64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

impl Run {
    pub fn new(settings: Settings, measured: &Measured) -> Run {
        let Measured { time, errors, lost, failure, latency, .. } = measured;
        let us = |ns: u64| ns as f64 / 1e3;
        let at = |quantile| us(latency.value_at_quantile(quantile));
        let seconds = time.as_secs_f64();
        let notifications = (settings.mode == "notify").then_some(measured.notifications);
        Run {
            skep: env!("CARGO_PKG_VERSION").to_owned(),
            at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            settings,
            seconds,
            done: latency.len(),
            notifications,
            errors: *errors,
            lost: *lost,
            first_failure: failure.clone(),
            per_second: if seconds > 0.0 { latency.len() as f64 / seconds } else { 0.0 },
            latency_us: Latency {
                min: us(if latency.is_empty() { 0 } else { latency.min() }),
                mean: latency.mean() / 1e3,
                p50: at(0.5),
                p90: at(0.9),
                p99: at(0.99),
                p999: at(0.999),
                max: us(latency.max()),
            },
        }
    }

    /// Something was measured, and nothing was lost or refused.
    pub fn is_good(&self) -> bool {
        self.done > 0 && self.errors == 0 && self.lost == 0
    }

    /// # Errors
    /// The file can't be read, or is none that was kept.
    pub fn load(path: &Path) -> anyhow::Result<Run> {
        let name = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("the run {name} can't be read"))?;
        let run: Run = serde_json::from_str(&text).with_context(|| format!("{name} is no run that --save kept"))?;
        let Latency { min, mean, p50, p90, p99, p999, max } = run.latency_us;
        if ![run.seconds, run.per_second, min, mean, p50, p90, p99, p999, max].iter().all(|number| *number >= 0.0) {
            bail!("{name} is no run that --save kept: it has a number below 0");
        }
        Ok(run)
    }

    /// # Errors
    /// The file can't be written.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self).context("the run can't be written as JSON")?;
        std::fs::write(path, text + "\n").with_context(|| format!("the run can't be kept in {}", path.display()))
    }
}
