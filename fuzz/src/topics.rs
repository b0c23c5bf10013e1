//! Topic names, filters, shared subscriptions and topic rules.

use skep::bus::FilterTree;
use skep::fuzzing::permits;
use skep::mqtt::{matches, parse_share, valid_filter, valid_topic};

/// The input is a list of lines: the first is a topic, the rest are filters.
/// The tree of filters finds what matching them one by one finds; and who may
/// subscribe to a filter may subscribe to each topic that it matches.
pub fn topics(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut lines = text.split('\n');
    let topic = lines.next().unwrap_or_default();
    let filters: Vec<&str> = lines.take(64).collect();
    let mut tree = FilterTree::new();
    let mut one_by_one = Vec::new();
    for (n, filter) in filters.iter().enumerate() {
        if let Some(Ok((group, shared))) = parse_share(filter) {
            assert!(!group.is_empty() && valid_filter(shared) && !group.contains('/'));
        }
        if !valid_filter(filter) {
            continue;
        }
        tree.insert(filter, n, ());
        if valid_topic(topic) && matches(filter, topic) {
            one_by_one.push(n);
        }
        if valid_topic(filter) {
            assert!(matches(filter, filter));
        }
    }
    if valid_topic(topic) {
        let mut found = Vec::new();
        tree.matches(topic, |n, ()| found.push(*n));
        found.sort_unstable();
        assert_eq!(found, one_by_one, "{topic:?} against {filters:?}");
        for filter in &filters {
            let rule = [filter.to_string()];
            for wanted in filters.iter().filter(|wanted| valid_filter(wanted)) {
                let reached = matches(wanted, topic) && permits(&rule, "user", wanted, "client");
                assert!(!reached || permits(&rule, "user", topic, "client"), "{filter:?} allows {wanted:?}: {topic:?}");
            }
        }
    }
    // Nothing is left behind, in whatever order they go.
    for (n, filter) in filters.iter().enumerate().rev() {
        let was_there = tree.remove(filter, n).is_some();
        assert_eq!(was_there, valid_filter(filter));
    }
    assert!(tree.is_empty() && tree.filters() == 0);
}
