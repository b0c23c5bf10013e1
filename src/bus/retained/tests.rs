use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::bus::tree::tests::{is_match, path};

fn matching<M: Clone + Ord>(store: &Retained<M>, filter: &str) -> Vec<M> {
    let mut found = Vec::new();
    store.matching(filter, |message| found.push(message.clone()));
    found.sort();
    found
}

#[test]
fn a_filter_finds_the_messages_of_topics_that_it_matches() {
    let mut store = Retained::new(100, 100);
    for topic in ["a", "a/b", "a/b/c", "a//c", "$SYS/a", "b/b"] {
        assert_eq!(store.set(topic, topic, 1), Ok(None));
    }
    assert_eq!(matching(&store, "a/#"), ["a", "a//c", "a/b", "a/b/c"]);
    assert_eq!(matching(&store, "a/+/c"), ["a//c", "a/b/c"]);
    assert_eq!(matching(&store, "+/b"), ["a/b", "b/b"]);
    assert_eq!(matching(&store, "a/b"), ["a/b"]);
    assert_eq!(matching(&store, "+/a"), [""; 0]);
    assert_eq!(matching(&store, "$SYS/#"), ["$SYS/a"]);
    assert_eq!(matching(&store, "#").len(), 5);
}

#[test]
fn past_a_limit_nothing_is_retained_and_nothing_lost() {
    let mut store = Retained::new(2, 10);
    assert_eq!(store.set("a", 1, 6), Ok(None));
    assert_eq!(store.set("b", 2, 5), Err(Full::Bytes { max: 10 }));
    assert_eq!(store.set("b", 2, 4), Ok(None));
    assert_eq!(store.set("c", 3, 0), Err(Full::Count { max: 2 }));
    assert_eq!(store.set("a", 4, 7), Err(Full::Bytes { max: 10 }));
    assert_eq!(store.set("a", 4, usize::MAX), Err(Full::Bytes { max: 10 }));
    assert_eq!(matching(&store, "#"), [1, 2]);
    assert_eq!(store.set("a", 5, 2), Ok(Some(1)));
    assert_eq!((store.len(), store.bytes()), (2, 6));
    assert_eq!(store.remove("a"), Some(5));
    assert_eq!(store.remove("a"), None);
    assert_eq!((store.len(), store.bytes()), (1, 4));
}

#[test]
fn a_sweep_leaves_nothing_of_what_expired() {
    let mut store = Retained::new(10_000, 10_000);
    for number in 0..1_000 {
        assert_eq!(store.set(&format!("a/{}/{number}", number % 7), number, 1), Ok(None));
    }
    store.retain(|number| number % 2 == 0);
    assert_eq!((store.len(), store.bytes()), (500, 500));
    assert_eq!(matching(&store, "a/+/+").len(), 500);
    store.retain(|_| false);
    assert_eq!((store.len(), store.bytes(), store.trie.nodes()), (0, 0, 1));
}

fn filter() -> impl Strategy<Value = String> {
    let plain = path(&["", "a", "b", "ab", "$s", "+", "+"]);
    (plain, any::<bool>()).prop_map(|(plain, below)| if below { format!("{plain}/#") } else { plain })
}

proptest! {
    #[test]
    fn the_store_does_what_a_list_of_topics_does(
        topics in prop::collection::vec((path(&["", "a", "b", "ab", "$s"]), any::<u8>(), 0..4), 1..80),
        filters in prop::collection::vec(filter(), 1..20),
        kept in any::<u8>(),
    ) {
        let mut store = Retained::new(1_000, 1_000_000);
        let mut list = BTreeMap::new();
        for (topic, message, kind) in topics {
            if kind == 0 {
                prop_assert_eq!(store.remove(&topic), list.remove(&topic));
            } else {
                prop_assert_eq!(store.set(&topic, message, message.into()), Ok(list.insert(topic, message)));
            }
        }
        for sweep in [false, true] {
            if sweep {
                store.retain(|message| *message < kept);
                list.retain(|_, message| *message < kept);
            }
            prop_assert_eq!(store.len(), list.len());
            prop_assert_eq!(store.bytes(), list.values().map(|message| usize::from(*message)).sum::<usize>());
            prop_assert!(store.trie.nodes() <= 2 * list.len() + 1);
            for filter in filters.iter().map(String::as_str).chain(["#", "+"]) {
                let of_filter = list.iter().filter(|(topic, _)| is_match(filter, topic));
                let mut expected: Vec<_> = of_filter.map(|(_, message)| *message).collect();
                expected.sort_unstable();
                prop_assert_eq!(matching(&store, filter), expected, "filter {:?} of {:?}", filter, &list);
            }
        }
    }
}
