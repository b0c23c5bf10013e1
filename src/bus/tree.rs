//! A trie of topic filters: one node a level, `+` and `#` beside the names.

use std::hash::Hash;

use ahash::{AHashMap, RandomState};
use indexmap::IndexMap;

type Entries<K, V> = IndexMap<K, V, RandomState>;

/// Filters, and what is subscribed under them: `K` tells subscribers apart.
pub struct FilterTree<K, V> {
    /// Nodes refer to each other by index, so that neither dropping nor
    /// pruning a deep tree recurses. Node 0 is the root.
    nodes: Vec<Node<K, V>>,
    free: Vec<u32>,
    filters: usize,
    entries: usize,
}

struct Node<K, V> {
    parent: u32,
    /// The level's name; what the parent knows this node by.
    name: Box<str>,
    children: AHashMap<Box<str>, u32>,
    /// Child `+`; 0: none.
    one: u32,
    /// Subscribed to exactly this filter.
    here: Entries<K, V>,
    /// Subscribed to this filter followed by `/#`.
    rest: Entries<K, V>,
}

impl<K, V> Node<K, V> {
    fn new(parent: u32, name: &str) -> Self {
        Node {
            parent,
            name: name.into(),
            children: AHashMap::new(),
            one: 0,
            here: Entries::default(),
            rest: Entries::default(),
        }
    }

    fn is_idle(&self) -> bool {
        self.children.is_empty() && self.one == 0 && self.here.is_empty() && self.rest.is_empty()
    }
}

/// The levels before a final `#`, and whether there is one.
fn split(filter: &str) -> (Option<&str>, bool) {
    match filter {
        "#" => (None, true),
        _ => match filter.strip_suffix("/#") {
            Some(levels) => (Some(levels), true),
            None => (Some(filter), false),
        },
    }
}

impl<K: Copy + Eq + Hash, V> FilterTree<K, V> {
    pub fn new() -> Self {
        FilterTree { nodes: vec![Node::new(0, "")], free: Vec::new(), filters: 0, entries: 0 }
    }

    /// Subscribes `key`; gives back what it had under the same filter.
    pub fn insert(&mut self, filter: &str, key: K, value: V) -> Option<V> {
        let (levels, rest) = split(filter);
        let mut at = 0;
        for level in levels.into_iter().flat_map(|levels| levels.split('/')) {
            at = self.child_or_new(at, level);
        }
        let node = &mut self.nodes[at as usize];
        let entries = if rest { &mut node.rest } else { &mut node.here };
        self.filters += entries.is_empty() as usize;
        let old = entries.insert(key, value);
        self.entries += old.is_none() as usize;
        old
    }

    fn child(&self, at: u32, level: &str) -> Option<u32> {
        let node = &self.nodes[at as usize];
        if level == "+" { Some(node.one).filter(|one| *one != 0) } else { node.children.get(level).copied() }
    }

    fn child_or_new(&mut self, at: u32, level: &str) -> u32 {
        if let Some(child) = self.child(at, level) {
            return child;
        }
        let node = Node::new(at, level);
        let new = match self.free.pop() {
            Some(free) => {
                self.nodes[free as usize] = node;
                free
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() as u32 - 1
            }
        };
        let parent = &mut self.nodes[at as usize];
        if level == "+" {
            parent.one = new;
        } else {
            parent.children.insert(level.into(), new);
        }
        new
    }

    fn find(&self, filter: &str) -> Option<(u32, bool)> {
        let (levels, rest) = split(filter);
        let mut at = 0;
        for level in levels.into_iter().flat_map(|levels| levels.split('/')) {
            at = self.child(at, level)?;
        }
        Some((at, rest))
    }

    /// Unsubscribes `key`; nothing is left behind.
    pub fn remove(&mut self, filter: &str, key: K) -> Option<V> {
        let (at, rest) = self.find(filter)?;
        let node = &mut self.nodes[at as usize];
        let entries = if rest { &mut node.rest } else { &mut node.here };
        let value = entries.swap_remove(&key)?;
        if entries.is_empty() {
            *entries = Entries::default();
            self.filters -= 1;
        }
        self.entries -= 1;
        self.prune(at);
        Some(value)
    }

    fn prune(&mut self, mut at: u32) {
        while at != 0 && self.nodes[at as usize].is_idle() {
            let idle = std::mem::replace(&mut self.nodes[at as usize], Node::new(0, ""));
            let parent = &mut self.nodes[idle.parent as usize];
            if *idle.name == *"+" {
                parent.one = 0;
            } else {
                parent.children.remove(&idle.name);
                if parent.children.is_empty() {
                    parent.children = AHashMap::new();
                }
            }
            self.free.push(at);
            at = idle.parent;
        }
        if self.free.len() + 1 == self.nodes.len() {
            self.nodes.truncate(1);
            self.nodes.shrink_to_fit();
            self.free = Vec::new();
        }
    }

    /// Calls `f` for each entry whose filter matches `topic`. Wildcards at the
    /// first level do not match topics that begin with `$` [MQTT-4.7.2-1].
    pub fn matches<'t>(&'t self, topic: &str, mut f: impl FnMut(&'t K, &'t V)) {
        let mut all = |entries: &'t Entries<K, V>| entries.iter().for_each(|(key, value)| f(key, value));
        let hidden = topic.starts_with('$');
        // Nodes that matched so far, each with where the rest of the topic
        // begins; past the end: the topic is over. More than one only where
        // names and `+` both match.
        let mut open: Vec<(u32, usize)> = Vec::new();
        let mut next = Some((0u32, 0usize));
        while let Some((at, from)) = next.take().or_else(|| open.pop()) {
            let node = &self.nodes[at as usize];
            let at_root = at == 0;
            if !(at_root && hidden) {
                all(&node.rest);
            }
            if from > topic.len() {
                all(&node.here);
                continue;
            }
            let end = topic[from..].find('/').map_or(topic.len(), |slash| from + slash);
            let level = &topic[from..end];
            if node.one != 0 && !(at_root && hidden) {
                next = Some((node.one, end + 1));
            }
            if !node.children.is_empty()
                && let Some(child) = node.children.get(level)
            {
                match next {
                    Some(_) => open.push((*child, end + 1)),
                    None => next = Some((*child, end + 1)),
                }
            }
        }
    }

    /// Entries under exactly this filter.
    pub fn entries(&self, filter: &str) -> impl Iterator<Item = (&K, &V)> {
        let found = self.find(filter).map(|(at, rest)| {
            let node = &self.nodes[at as usize];
            if rest { &node.rest } else { &node.here }
        });
        found.into_iter().flatten()
    }

    /// Distinct filters.
    pub fn filters(&self) -> usize {
        self.filters
    }

    /// Entries under all filters.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt;
    use proptest::prelude::*;

    fn matching(tree: &FilterTree<u32, ()>, topic: &str) -> Vec<u32> {
        let mut keys = Vec::new();
        tree.matches(topic, |key, ()| keys.push(*key));
        keys.sort_unstable();
        keys
    }

    #[test]
    fn a_removed_filter_leaves_nothing_behind() {
        let mut tree = FilterTree::new();
        for (key, filter) in ["a/b/c", "a/+/c", "#", "a/#", "+", "a//b"].into_iter().enumerate() {
            tree.insert(filter, key, ());
        }
        for (key, filter) in ["a/b/c", "a/+/c", "#", "a/#", "+", "a//b"].into_iter().enumerate() {
            assert!(tree.remove(filter, key).is_some());
        }
        assert_eq!((tree.len(), tree.filters(), tree.nodes.len()), (0, 0, 1));
    }

    #[test]
    fn the_deepest_filter_possible_overflows_no_stack() {
        let deep = "/".repeat(65_535);
        let mut tree = FilterTree::new();
        tree.insert(&deep, 1, ());
        assert_eq!(matching(&tree, &deep), [1]);
        tree.remove(&deep, 1);
        assert_eq!(tree.nodes.len(), 1);
    }

    proptest! {
        #[test]
        fn finds_what_matching_each_filter_finds(
            steps in prop::collection::vec((0u32..4, "([ab+$]|)(/([ab+]|)){0,3}(/#)?", any::<bool>()), 0..40),
            topics in prop::collection::vec("([ab$]|)(/([ab]|)){0,4}", 1..10),
        ) {
            let mut tree = FilterTree::new();
            let mut model: Vec<(u32, String)> = Vec::new();
            for (key, filter, add) in steps {
                if filter.is_empty() { continue; }
                let known = model.iter().position(|entry| *entry == (key, filter.clone()));
                if add {
                    prop_assert_eq!(tree.insert(&filter, key, ()).is_some(), known.is_some());
                    if known.is_none() { model.push((key, filter)); }
                } else {
                    prop_assert_eq!(tree.remove(&filter, key).is_some(), known.is_some());
                    if let Some(at) = known { model.remove(at); }
                }
            }
            prop_assert_eq!(tree.len(), model.len());
            for topic in topics.iter().filter(|topic| !topic.is_empty()) {
                let mut expected: Vec<u32> =
                    model.iter().filter(|(_, f)| mqtt::matches(f, topic)).map(|(key, _)| *key).collect();
                expected.sort_unstable();
                prop_assert_eq!(matching(&tree, topic), expected, "topic {}", topic);
            }
        }
    }
}
