//! The page of metrics and what is served are the same.

use std::collections::{BTreeMap, BTreeSet};

use skep::bus::Engine;

use crate::http::admin;
use crate::make_calls;
use crate::support::Instance;
use crate::support::metrics::Metrics;

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

/// Of a page's text, what could be a label's value: `like_this`.
fn values(text: &str) -> BTreeSet<String> {
    let ticked = text.split('`').skip(1).step_by(2);
    ticked.filter(|word| word.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase())).map(String::from).collect()
}

#[test]
fn the_page_has_every_value_of_a_label_that_has_few_and_no_other() {
    let skep = Instance::start();
    let _clients = make_calls(&skep, "myapp.str", 1);
    let served = Metrics::of(&skep);
    let served = |name: &str, label: &str| -> BTreeSet<String> {
        let series = served.all(name, &[]).into_iter();
        series.map(|series| series.label(label).expect("a value").to_owned()).collect()
    };
    let (_, kinds) = PAGE.split_once("`kind` is ").expect("what kinds there are");
    let kinds = values(kinds.lines().next().expect("a line"));
    let mut compared = 0;
    for row in PAGE.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let name = cells[1].trim_matches('`');
        for label in cells[3].split(", ").map(|label| label.trim_matches('`')) {
            let expected = match label {
                "bus" | "service" | "version" | "–" => continue,
                // Only of buses with another engine.
                "kind" if name.starts_with("skep_hub_") => continue,
                "kind" => kinds.clone(),
                _ => values(cells[4]),
            };
            assert_eq!(expected, served(name, label), "{label} of {name}");
            compared += usize::from(label != "kind");
        }
    }
    assert!(compared >= 7, "{compared} labels are told of with their values");
}

#[test]
fn other_pages_name_what_there_is() {
    let pages = [
        include_str!("../../docs/operations.md"),
        include_str!("../../docs/reliability.md"),
        include_str!("../../docs/guarantees.md"),
    ];
    let documented = documented();
    let mut named = 0;
    for ticked in pages.iter().flat_map(|page| page.split('`').skip(1).step_by(2)) {
        let name = ticked.split('{').next().unwrap_or_default();
        if ["skep_", "process_"].iter().any(|prefix| name.starts_with(prefix)) {
            assert!(documented.contains_key(name), "{ticked}");
            named += 1;
        }
    }
    assert!(named > 20, "{named}");
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
