//! The page of metrics and what is served are the same.

use std::collections::BTreeMap;

use skep::bus::Engine;

use crate::http::admin;
use crate::make_calls;
use crate::support::Instance;

const PAGE: &str = include_str!("../../docs/metrics.md");

/// Type and labels of each metric.
type Known = BTreeMap<String, (String, Vec<String>)>;

fn documented() -> Known {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let plain = |cell: &str| cell.trim_matches('`').to_owned();
        let mut labels: Vec<String> = cells[3].split(", ").map(plain).filter(|label| label != "–").collect();
        labels.sort();
        assert!(!cells[4].is_empty(), "{row} says nothing");
        (plain(cells[1]), (cells[2].to_owned(), labels))
    })
    .collect()
}

fn served(text: &str) -> Known {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types
        .map(|(name, kind)| {
            let series = text.lines().find(|line| {
                let found = line.split(['{', ' ']).next().unwrap_or_default();
                let suffix = found.strip_prefix(name);
                !line.starts_with('#') && suffix.is_some_and(|end| ["", "_count"].contains(&end))
            });
            let series = series.unwrap_or_else(|| panic!("{name} has no value"));
            let labels =
                series.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(inner, _)| inner);
            let mut names: Vec<String> =
                labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0.to_owned())).collect();
            names.sort();
            (name.to_owned(), (kind.to_owned(), names))
        })
        .collect()
}

#[test]
fn the_page_has_what_is_served_and_nothing_else() {
    let skep = Instance::start_with(|config| {
        config.frontend.get_mut("frontend-1").unwrap().topics.engine = Engine::Rumqttd;
    });
    let _clients = make_calls(&skep, "myapp.str", 1);
    let reply = admin(&skep).get("/metrics");
    assert_eq!((reply.status, reply.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
    let (documented, served) = (documented(), served(&reply.body));
    let names = |known: &Known| known.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&documented), names(&served));
    for (name, expected) in &documented {
        assert_eq!(expected, &served[name], "{name}");
    }
}

#[test]
fn names_follow_the_conventions() {
    for (name, (kind, _)) in documented() {
        let counter = name.ends_with("_total");
        assert_eq!(counter, kind == "counter", "{name}");
        assert!(name.starts_with("skep_") || name.starts_with("process_"), "{name}");
        assert!(!name.split('_').any(|word| word == "ms" || word == "us"), "{name}: seconds, not parts of them");
        assert_eq!(
            kind == "histogram",
            name.ends_with("_seconds") && !name.contains("oldest") && !name.contains("start"),
            "{name}"
        );
    }
}

#[test]
fn a_histogram_is_cumulative_and_ends_with_all() {
    let skep = Instance::start();
    let _clients = make_calls(&skep, "myapp.str", 20);
    let admin = admin(&skep);
    let buckets = admin.metric("skep_service_latency_seconds_bucket");
    let edges: Vec<f64> = buckets
        .iter()
        .map(|(labels, _)| {
            let edge = labels.split("le=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an le");
            if edge == "+Inf" { f64::INFINITY } else { edge.parse().expect("a number") }
        })
        .collect();
    assert!(edges.windows(2).all(|pair| pair[0] < pair[1]), "{edges:?}");
    assert_eq!(edges.last(), Some(&f64::INFINITY));
    assert!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{buckets:?}");
    assert_eq!(buckets.last().map(|(_, count)| *count), Some(20.0));
    let sum = admin.value("skep_service_latency_seconds_sum", &["myapp.str"]);
    assert!(sum > 0.0 && sum < 60.0, "{sum}");
}
