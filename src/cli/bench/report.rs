//! What people and programs are told of a measurement.

use std::fmt::Write as _;
use std::io::IsTerminal;

use anyhow::Context;
use serde_json::json;

use super::run::{Latency, Measured, Run, Settings};
use crate::cli::output::{colours_refused, harmless};

/// A difference within this is none.
const NOISE: f64 = 0.05;

/// Lines of the histogram at most, and letters of its longest bar.
const ROWS: usize = 16;
const BAR: usize = 40;

/// # Errors
/// None that is known: a run is plain numbers and text.
pub fn json(run: &Run, before: Option<&Run>) -> anyhow::Result<String> {
    let mut value = serde_json::to_value(run).context("the run can't be written as JSON")?;
    if let Some(before) = before {
        let ratios = rows(run, before).into_iter().map(|row| (row.name.to_owned(), json!(row.ratio())));
        let same_settings = run.settings == before.settings;
        value["compared"] = json!({
            "with": before,
            "same_settings": same_settings,
            "ratios": serde_json::Map::from_iter(ratios),
        });
    }
    Ok(format!("{value:#}"))
}

pub fn text(run: &Run, measured: &Measured, before: Option<&Run>) -> String {
    let mut text = format!("{}\n", about(&run.settings));
    let what = if run.notifications.is_some() { "deliveries" } else { "calls" };
    let Run { seconds, done, errors, lost, per_second, .. } = run;
    let of = run.notifications.map(|sent| format!(" of {} notifications", thousands(sent))).unwrap_or_default();
    let _ = writeln!(text, "{} {what}{of} in {seconds:.2} s: {}/s", thousands(*done), thousands(*per_second as u64));
    let _ = writeln!(text, "{} lost, {} answered with an error", thousands(*lost), thousands(*errors));
    if let Some(failure) = &run.first_failure {
        let _ = writeln!(text, "the first that went wrong: {}", harmless(failure));
    }
    if *done > 0 {
        text.push('\n');
        percentiles(&mut text, &run.latency_us);
        text.push('\n');
        histogram(&mut text, measured);
    }
    if let Some(before) = before {
        text.push('\n');
        comparison(&mut text, run, before);
    }
    text
}

fn about(settings: &Settings) -> String {
    let Settings { mode, clients, depth, workers, method, size } = settings;
    let mut about = match mode.as_str() {
        "notify" => format!("notifications to {clients} listeners, {depth} at a time, {size} bytes"),
        _ => format!("calls from {clients} clients, {depth} at a time from each, {size} bytes"),
    };
    if let Some(workers) = workers {
        let _ = write!(about, ", {workers} workers");
    }
    if let Some(method) = method {
        let _ = write!(about, ", of {method}");
    }
    about
}

fn percentiles(text: &mut String, latency: &Latency) {
    for (name, us) in named(latency) {
        let _ = writeln!(text, "  {name:>5}  {:>9}", duration(us));
    }
}

fn named(latency: &Latency) -> [(&'static str, f64); 7] {
    let Latency { min, mean, p50, p90, p99, p999, max } = *latency;
    [("min", min), ("p50", p50), ("p90", p90), ("p99", p99), ("p99.9", p999), ("max", max), ("mean", mean)]
}

/// How many took how long, in steps that double, as few of them as hold all.
fn histogram(text: &mut String, measured: &Measured) {
    let latency = &measured.latency;
    let mut rows: Vec<(u64, u64)> = Vec::new();
    let step = |value: u64| value.max(1).ilog2();
    for counted in latency.iter_recorded() {
        let step = step(counted.value_iterated_to());
        match rows.last_mut() {
            Some(row) if row.0 == u64::from(step) => row.1 += counted.count_since_last_iteration(),
            _ => rows.push((u64::from(step), counted.count_since_last_iteration())),
        }
    }
    let most = rows.iter().map(|row| row.1).max().unwrap_or(1).max(1);
    // The slowest are those that one looks for.
    for (step, count) in rows.iter().skip(rows.len().saturating_sub(ROWS)) {
        let below = duration(2f64.powi(*step as i32 + 1) / 1e3);
        let length = (*count as f64 / most as f64 * BAR as f64).ceil() as usize;
        let share = *count as f64 / latency.len() as f64 * 100.0;
        let _ = writeln!(text, "  < {below:>9}  {:<BAR$}  {share:5.1} %  {}", "#".repeat(length), thousands(*count));
    }
}

struct Row {
    name: &'static str,
    now: f64,
    before: f64,
    more_is_better: bool,
}

impl Row {
    /// None: there was nothing.
    fn ratio(&self) -> Option<f64> {
        (self.before > 0.0).then(|| self.now / self.before)
    }
}

fn rows(run: &Run, before: &Run) -> Vec<Row> {
    let rate = Row { name: "rate", now: run.per_second, before: before.per_second, more_is_better: true };
    let latencies = named(&run.latency_us).into_iter().zip(named(&before.latency_us));
    let latencies = latencies.map(|((name, now), (_, before))| Row { name, now, before, more_is_better: false });
    std::iter::once(rate).chain(latencies).collect()
}

fn comparison(text: &mut String, run: &Run, before: &Run) {
    let colours = std::io::stdout().is_terminal() && !colours_refused();
    if run.settings != before.settings {
        let _ = writeln!(text, "Not the same was measured before: {}", harmless(&about(&before.settings)));
    }
    let _ = writeln!(text, "         {:>11}  {:>11}  {:>6}", "now", "before", "ratio");
    for row in rows(run, before) {
        let shown = |value| if row.more_is_better { format!("{}/s", thousands(value as u64)) } else { duration(value) };
        let (ratio, colour) = match row.ratio() {
            None => ("-".to_owned(), ""),
            Some(ratio) => (format!("{ratio:.2}"), colour(ratio, row.more_is_better)),
        };
        let (colour, plain) = if colours && !colour.is_empty() { (colour, "\u{1b}[0m") } else { ("", "") };
        let (now, before) = (shown(row.now), shown(row.before));
        let _ = writeln!(text, "  {:>5}  {now:>11}  {before:>11}  {colour}{ratio:>6}{plain}", row.name);
    }
    if before.lost + before.errors > 0 {
        let (lost, errors) = (thousands(before.lost), thousands(before.errors));
        let _ = writeln!(text, "before, {lost} were lost, and {errors} answered with an error");
    }
}

/// Green for better, red for worse.
fn colour(ratio: f64, more_is_better: bool) -> &'static str {
    match (ratio - 1.0).abs() <= NOISE {
        true => "",
        false if (ratio > 1.0) == more_is_better => "\u{1b}[32m",
        false => "\u{1b}[31m",
    }
}

fn duration(us: f64) -> String {
    match us {
        us if us < 999.5 => format!("{us:.0} µs"),
        us if us < 999_500.0 => format!("{:.2} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn run(took_us: &[u64], seconds: u64) -> (Run, Measured) {
        let mut measured = Measured::over(Duration::from_secs(seconds));
        took_us.iter().for_each(|us| measured.good(Duration::from_micros(*us)));
        let settings = Settings { mode: "call".into(), clients: 2, depth: 1, workers: Some(2), method: None, size: 64 };
        (Run::new(settings, &measured), measured)
    }

    #[test]
    fn everything_measured_is_in_the_histogram_and_the_table() {
        let (run, measured) = run(&[50, 60, 70, 3_000, 2_000_000], 2);
        let text = text(&run, &measured, None);
        assert!(text.contains("5 calls in 2.00 s: 2/s\n0 lost, 0 answered"), "{text}");
        assert!(text.contains("    p50      70 µs\n") && text.contains("    max     2.00 s\n"), "{text}");
        let share = |line: &str| line.split_once('%')?.0.split_whitespace().last()?.parse::<f64>().ok();
        let shares: f64 = text.lines().filter_map(share).sum();
        assert!((shares - 100.0).abs() < 0.5, "{shares}: {text}");
    }

    #[test]
    fn better_and_worse_are_told_by_what_is_measured() {
        let ((now, measured), (before, _)) = (run(&[100; 200], 1), run(&[50; 100], 1));
        let text = text(&now, &measured, Some(&before));
        let row = |name: &str| text.lines().find(|line| line.trim_start().starts_with(name)).unwrap().to_owned();
        assert!(row("rate ").ends_with("2.00") && row("now").contains("before"), "{text}");
        assert_eq!((colour(2.0, true), colour(2.0, false)), ("\u{1b}[32m", "\u{1b}[31m"));
        assert_eq!((colour(0.5, true), colour(0.5, false)), ("\u{1b}[31m", "\u{1b}[32m"));
        assert_eq!(colour(1.04, true), "");
        let ratios = &serde_json::from_str::<serde_json::Value>(&json(&now, Some(&before)).unwrap()).unwrap();
        assert_eq!(ratios["compared"]["ratios"]["rate"], 2.0);
        assert_eq!(ratios["compared"]["same_settings"], true);
    }

    #[test]
    fn nothing_measured_is_no_good_run_and_compares_with_nothing() {
        let ((now, measured), (before, _)) = (run(&[], 1), run(&[], 0));
        assert!(!now.is_good());
        assert!(text(&now, &measured, Some(&before)).contains('-'));
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!((thousands(0), thousands(100), thousands(1_000)), ("0".into(), "100".into(), "1,000".into()));
        assert_eq!(
            (duration(7.4), duration(1_500.0), duration(2e6)),
            ("7 µs".into(), "1.50 ms".into(), "2.00 s".into())
        );
    }
}
