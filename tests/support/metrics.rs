//! What a skep serves at `/metrics`, read over HTTP and taken apart.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::{Instance, PATIENCE, http};

/// The values of one moment.
pub struct Metrics(Vec<Series>);

#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub name: String,
    /// As they are served: `bus="backend-1",kind="backend"`.
    pub labels: String,
    pub value: f64,
}

impl Series {
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        let value = self.labels.split(',').find_map(|one| one.strip_prefix(name)?.strip_prefix("=\""));
        value.map(|value| value.trim_end_matches('"'))
    }

    /// `labels`: each as it is served, such as `reason="wrong"`.
    fn is(&self, name: &str, labels: &[&str]) -> bool {
        self.name == name && labels.iter().all(|label| self.labels.split(',').any(|own| own == *label))
    }
}

impl Metrics {
    /// What the admin listener there says now.
    pub fn at(admin: SocketAddr) -> Metrics {
        let (head, body) = http::get(admin, "/metrics");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        Metrics::parse(&body)
    }

    pub fn of(skep: &Instance) -> Metrics {
        Metrics::at(skep.skep().admin().expect("an admin listener").address())
    }

    pub fn parse(text: &str) -> Metrics {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a series and its value");
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels = labels.trim_end_matches('}').to_owned();
            Series { name: name.to_owned(), labels, value: value.parse().expect("a number") }
        });
        Metrics(series.collect())
    }

    /// All series of that name with these labels.
    pub fn all(&self, name: &str, labels: &[&str]) -> Vec<&Series> {
        self.0.iter().filter(|series| series.is(name, labels)).collect()
    }

    /// The one value that has these labels.
    #[track_caller]
    pub fn value(&self, name: &str, labels: &[&str]) -> f64 {
        let found = self.all(name, labels);
        let [one] = found[..] else { panic!("{name} {labels:?} is not one of {found:?}") };
        one.value
    }
}

/// Waits until of a family's series with the labels `of`, told apart by
/// `label`, these have come to these values, while all others are still 0.
#[track_caller]
pub fn wait_until_counted(skep: &Instance, of: &[&str], family: &str, label: &str, expected: &[(&str, f64)]) {
    let expected: BTreeMap<_, _> = expected.iter().map(|(value, count)| ((*value).to_owned(), *count)).collect();
    let until = Instant::now() + PATIENCE;
    loop {
        let metrics = Metrics::of(skep);
        let counting = metrics.all(family, of).into_iter().filter(|series| series.value > 0.0);
        let counted = counting.filter_map(|series| Some((series.label(label)?.to_owned(), series.value))).collect();
        if expected == counted {
            return;
        }
        assert!(Instant::now() < until, "{family} {of:?} is {counted:?}, not {expected:?}");
        thread::sleep(Duration::from_millis(10));
    }
}
