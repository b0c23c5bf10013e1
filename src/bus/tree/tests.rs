use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// Topic matching as the specification words it, one filter at a time.
pub(in crate::bus) fn is_match(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}

fn tree_of(filters: &[&str]) -> FilterTree<u32, ()> {
    let mut tree = FilterTree::new();
    for (key, filter) in filters.iter().enumerate() {
        tree.insert(filter, key as u32, ());
    }
    tree
}

fn reached<V>(tree: &FilterTree<u32, V>, topic: &str) -> Vec<u32> {
    let mut keys = Vec::new();
    tree.matches(topic, |key, _| keys.push(*key));
    keys.sort_unstable();
    keys
}

#[test]
fn a_topic_reaches_each_filter_that_matches_it() {
    let tree = tree_of(&["#", "a/#", "a/b", "a/+", "+/b", "a/b/#", "a/b/c", "+", "/b", "+/+/#", "b/#"]);
    assert_eq!(reached(&tree, "a/b"), [0, 1, 2, 3, 4, 5, 9]);
    assert_eq!(reached(&tree, "a"), [0, 1, 7]);
    assert_eq!(reached(&tree, "/b"), [0, 4, 8, 9]);
    assert_eq!(reached(&tree, "a/b/c"), [0, 1, 5, 6, 9]);
}

#[test]
fn a_system_topic_needs_a_literal_first_level() {
    let tree = tree_of(&["#", "+/x", "+/#", "$SYS/#", "$SYS/+", "$SYS/x", "a/$b"]);
    assert_eq!(reached(&tree, "$SYS/x"), [3, 4, 5]);
    assert_eq!(reached(&tree, "$SYS"), [3]);
    assert_eq!(reached(&tree, "a/$b"), [0, 2, 6]);
}

#[test]
fn a_second_subscription_under_a_filter_replaces_the_first_of_that_key() {
    let mut tree = FilterTree::new();
    assert_eq!(tree.insert("a/+", 1, "old"), None);
    assert_eq!(tree.insert("a/+", 1, "new"), Some("old"));
    assert_eq!(tree.insert("a/+", 2, "other"), None);
    assert_eq!((tree.filters(), tree.len()), (1, 2));
    assert_eq!(tree.get("a/+", 1), Some(&"new"));
    assert_eq!(tree.remove("a/+", 1), Some("new"));
    assert_eq!(tree.remove("a/+", 1), None);
    assert_eq!(tree.entries("a/+").collect::<Vec<_>>(), [(&2, &"other")]);
    assert_eq!(tree.entries("a").count(), 0);
}

#[test]
fn a_filter_of_65536_levels_is_one_node_and_goes_without_a_trace() {
    let filter = "/".repeat(65_535);
    let mut tree = FilterTree::new();
    tree.insert(&filter, 1, ());
    assert_eq!(tree.trie.nodes(), 2);
    assert_eq!(reached(&tree, &filter), [1]);
    // A second one that forks at the very end, and a third in the middle.
    tree.insert(&format!("{}+", &filter[1..]), 2, ());
    tree.insert(&filter[..30_000], 3, ());
    assert!(tree.trie.nodes() <= 6);
    assert_eq!(reached(&tree, &filter[1..]), [2]);
    assert_eq!(tree.remove(&filter, 1), Some(()));
    assert_eq!(tree.remove(&format!("{}+", &filter[1..]), 2), Some(()));
    assert_eq!(tree.remove(&filter[..30_000], 3), Some(()));
    assert_eq!(tree.trie.nodes(), 1);
}

#[test]
fn filters_nested_thousands_deep_need_no_stack() {
    let nest = || {
        let deepest = "a/".repeat(4_000);
        let mut tree = FilterTree::new();
        for depth in 1..=4_000u32 {
            let filter = &deepest[..depth as usize * 2 - 1];
            tree.insert(filter, depth, ());
            tree.insert(&format!("+{}", &filter[1..]), depth, ());
        }
        assert_eq!(reached(&tree, &deepest[..7_999]).len(), 2);
        for depth in 1..=2_000u32 {
            assert!(tree.remove(&deepest[..depth as usize * 2 - 1], depth).is_some());
        }
    };
    let small = std::thread::Builder::new().stack_size(128 * 1024).spawn(nest);
    small.expect("a thread can be started").join().expect("the tree is dropped within 128 KiB of stack");
}

#[test]
fn many_wildcards_cost_a_visit_to_each_node_and_no_more() {
    // All 2^12 mixes of `+` and `a` match: each is found once.
    let mut tree = FilterTree::new();
    for mix in 0..1u32 << 12 {
        let filter: Vec<_> = (0..12).map(|bit| if mix >> bit & 1 == 1 { "+" } else { "a" }).collect();
        tree.insert(&filter.join("/"), mix, ());
    }
    let topic = ["a"; 12].join("/");
    assert_eq!(reached(&tree, &topic), (0..1 << 12).collect::<Vec<_>>());
}

#[test]
fn five_thousand_under_one_filter_come_and_go() {
    let mut tree = FilterTree::new();
    (0..5_000).for_each(|key| assert_eq!(tree.insert("m/#", key, key), None));
    assert_eq!(reached(&tree, "m/x"), (0..5_000).collect::<Vec<_>>());
    (0..4_999).for_each(|key| assert_eq!(tree.remove("m/#", key), Some(key)));
    assert_eq!(reached(&tree, "m"), [4_999]);
    assert_eq!(tree.remove("m/#", 4_999), Some(4_999));
    assert!(tree.is_empty());
    assert_eq!(tree.trie.nodes(), 1);
}

/// Paths over few different levels, so that they share a lot.
pub(in crate::bus) fn path(levels: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(levels), 1..6).prop_map(|levels| levels.join("/"))
}

fn filter() -> impl Strategy<Value = String> {
    let plain = path(&["", "a", "b", "ab", "$s", "+", "+"]);
    (plain, 0..4).prop_map(|(plain, kind)| match kind {
        0 => format!("{plain}/#"),
        1 if plain.len() > 6 => "#".into(),
        _ => plain,
    })
}

#[derive(Clone, Debug)]
enum Change {
    Insert(String, u32, u8),
    Remove(String, u32),
    /// Removes one of those that are there.
    RemoveAt(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (filter(), 0..3u32, any::<u8>()).prop_map(|(filter, key, value)| Change::Insert(filter, key, value)),
        1 => (filter(), 0..3u32).prop_map(|(filter, key)| Change::Remove(filter, key)),
        2 => any::<prop::sample::Index>().prop_map(Change::RemoveAt),
    ]
}

proptest! {
    #[test]
    fn the_tree_does_what_a_list_of_filters_does(
        changes in prop::collection::vec(change(), 1..60),
        topics in prop::collection::vec(path(&["", "a", "b", "ab", "$s", "c"]), 1..20),
    ) {
        let mut tree = FilterTree::new();
        let mut list = BTreeMap::new();
        for change in changes {
            match change {
                Change::Insert(filter, key, value) => {
                    prop_assert_eq!(tree.insert(&filter, key, value), list.insert((filter, key), value));
                }
                Change::Remove(filter, key) => {
                    prop_assert_eq!(tree.remove(&filter, key), list.remove(&(filter, key)));
                }
                Change::RemoveAt(index) if !list.is_empty() => {
                    let (filter, key) = index.get(&list.keys().cloned().collect::<Vec<_>>()).clone();
                    prop_assert_eq!(tree.remove(&filter, key), list.remove(&(filter, key)));
                }
                Change::RemoveAt(_) => {}
            }
            let filters: BTreeSet<_> = list.keys().map(|(filter, _)| filter).collect();
            prop_assert_eq!((tree.filters(), tree.len()), (filters.len(), list.len()));
            prop_assert!(tree.trie.nodes() <= 2 * filters.len() + 1);
        }
        for topic in &topics {
            let mut found = Vec::new();
            tree.matches(topic, |key, value| found.push((*key, *value)));
            found.sort_unstable();
            let matching = list.iter().filter(|((filter, _), _)| is_match(filter, topic));
            let mut expected: Vec<_> = matching.map(|((_, key), value)| (*key, *value)).collect();
            expected.sort_unstable();
            prop_assert_eq!(found, expected, "topic {:?} of {:?}", topic, &list);
        }
        let mut all = BTreeMap::new();
        tree.for_each(|filter, key, value| {
            all.insert((filter.to_owned(), *key), *value);
        });
        prop_assert_eq!(&all, &list);
        for ((filter, key), value) in &list {
            prop_assert_eq!(tree.get(filter, *key), Some(value));
            prop_assert!(tree.entries(filter).any(|entry| entry == (key, value)));
        }
        for (filter, key) in list.keys() {
            prop_assert!(tree.remove(filter, *key).is_some());
        }
        prop_assert_eq!((tree.filters(), tree.len(), tree.trie.nodes()), (0, 0, 1));
    }
}
