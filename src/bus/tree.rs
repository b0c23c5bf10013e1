//! Topic filters and what is subscribed under them: which subscriptions does a
//! topic reach?

use std::hash::Hash;

use ahash::RandomState;
use indexmap::IndexMap;

use super::trie::{Held, NodeId, ROOT, Trie, split_level};

/// Filters and what is subscribed under them. `K` tells subscribers apart, `V`
/// is what is known of a subscription.
///
/// Filters are taken to be well formed [MQTT-4.7.1]; one that isn't matches
/// something of little use, and does no harm. Adding and removing cost the
/// filter's length; a match visits each node at most once, so that no set of
/// filters makes it worse than a walk over the whole tree.
pub struct FilterTree<K, V> {
    trie: Trie<Subscribed<K, V>>,
    filters: usize,
    len: usize,
}

/// The subscriptions that share a node.
struct Subscribed<K, V> {
    /// Under the filter that is the node's path.
    here: Entries<K, V>,
    /// Under that filter with `/#` after it. Since `#` stands for the parent
    /// level too (section 4.7.1.2), both may be reached together, and a node of its
    /// own would only cost.
    below: Entries<K, V>,
}

impl<K, V> Default for Subscribed<K, V> {
    fn default() -> Self {
        Subscribed { here: Entries::None, below: Entries::None }
    }
}

impl<K, V> Held for Subscribed<K, V> {
    fn is_empty(&self) -> bool {
        matches!((&self.here, &self.below), (Entries::None, Entries::None))
    }
}

impl<K, V> Subscribed<K, V> {
    fn of(&self, path: &FilterPath<'_>) -> &Entries<K, V> {
        if path.below { &self.below } else { &self.here }
    }

    fn of_mut(&mut self, path: &FilterPath<'_>) -> &mut Entries<K, V> {
        if path.below { &mut self.below } else { &mut self.here }
    }
}

/// Subscriptions under one filter. Most filters have one subscriber; a filter
/// with thousands is iterated for each message, so those lie side by side.
enum Entries<K, V> {
    None,
    One(K, V),
    Many(Box<IndexMap<K, V, RandomState>>),
}

/// A filter without its `#`. No levels at all is the root.
struct FilterPath<'f> {
    levels: Option<&'f str>,
    below: bool,
}

impl<'f> FilterPath<'f> {
    fn of(filter: &'f str) -> Self {
        if filter == "#" {
            return FilterPath { levels: None, below: true };
        }
        match filter.strip_suffix("/#") {
            Some(levels) => FilterPath { levels: Some(levels), below: true },
            None => FilterPath { levels: Some(filter), below: false },
        }
    }
}

impl<K: Copy + Eq + Hash, V> FilterTree<K, V> {
    pub fn new() -> Self {
        FilterTree { trie: Trie::new(), filters: 0, len: 0 }
    }

    /// Distinct filters.
    pub fn filters(&self) -> usize {
        self.filters
    }

    /// Entries under all filters.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Enters a subscription; gives back the one that it replaces.
    pub fn insert(&mut self, filter: &str, key: K, value: V) -> Option<V> {
        let path = FilterPath::of(filter);
        let node = self.trie.find_or_add(path.levels);
        let entries = self.trie.held_mut(node).of_mut(&path);
        let is_new_filter = matches!(entries, Entries::None);
        let replaced = entries.insert(key, value);
        self.filters += usize::from(is_new_filter);
        self.len += usize::from(replaced.is_none());
        replaced
    }

    /// Takes a subscription out. The last one under a filter leaves nothing of
    /// it behind.
    pub fn remove(&mut self, filter: &str, key: K) -> Option<V> {
        let path = FilterPath::of(filter);
        let node = self.trie.find(path.levels)?;
        let entries = self.trie.held_mut(node).of_mut(&path);
        let removed = entries.remove(key)?;
        self.len -= 1;
        if matches!(entries, Entries::None) {
            self.filters -= 1;
            self.trie.prune(node);
        }
        Some(removed)
    }

    pub fn get(&self, filter: &str, key: K) -> Option<&V> {
        self.under(filter)?.get(key)
    }

    /// The entries under exactly this filter.
    pub fn entries(&self, filter: &str) -> impl Iterator<Item = (&K, &V)> {
        let (one, many) = match self.under(filter) {
            None | Some(Entries::None) => (None, None),
            Some(Entries::One(key, value)) => (Some((key, value)), None),
            Some(Entries::Many(entries)) => (None, Some(entries)),
        };
        one.into_iter().chain(many.into_iter().flat_map(|entries| entries.iter()))
    }

    /// Calls `f` for each entry whose filter matches `topic`: once for each
    /// filter, so more than once for a key with several that do. Topics that
    /// begin with `$` are matched only by filters with a literal first level
    /// [MQTT-4.7.2-1].
    ///
    /// Allocates nothing unless more than `Pending::INLINE` forks lie open at once.
    pub fn matches<'t>(&'t self, topic: &str, mut f: impl FnMut(&'t K, &'t V)) {
        let is_system = topic.starts_with('$');
        if !is_system {
            self.trie.held(ROOT).below.for_each(&mut f);
        }
        let mut pending = Pending::new();
        // A node, and what of the topic comes after the node's parent.
        let mut next = None;
        self.step(ROOT, topic, !is_system, &mut next, &mut pending);
        while let Some((node, rest)) = next.take().or_else(|| pending.pop()) {
            let after = match match_label(self.trie.label(node), rest) {
                Reach::No => continue,
                Reach::AllOf(after) => after,
            };
            let subscribed = self.trie.held(node);
            subscribed.below.for_each(&mut f);
            match after {
                None => subscribed.here.for_each(&mut f),
                Some(rest) => self.step(node, rest, true, &mut next, &mut pending),
            }
        }
    }

    /// Calls `f` for each entry with its filter, in no particular order.
    pub fn for_each(&self, mut f: impl FnMut(&str, &K, &V)) {
        let mut filter = String::new();
        self.trie.for_each(|path, subscribed| {
            let path_or_empty = path.unwrap_or_default();
            subscribed.here.for_each(&mut |key, value| f(path_or_empty, key, value));
            if let Entries::None = subscribed.below {
                return;
            }
            filter.clear();
            filter.push_str(path_or_empty);
            filter.push_str(if path.is_some() { "/#" } else { "#" });
            subscribed.below.for_each(&mut |key, value| f(&filter, key, value));
        });
    }

    fn under(&self, filter: &str) -> Option<&Entries<K, V>> {
        let path = FilterPath::of(filter);
        Some(self.trie.held(self.trie.find(path.levels)?).of(&path))
    }

    /// Finds the children of a node that the next level leads to.
    fn step<'a>(
        &self,
        node: NodeId,
        rest: &'a str,
        wildcards: bool,
        next: &mut Option<(NodeId, &'a str)>,
        pending: &mut Pending<'a>,
    ) {
        *next = self.trie.literal_child(node, split_level(rest).0).map(|child| (child, rest));
        if let Some(child) = self.trie.plus_child(node).filter(|_| wildcards) {
            match next {
                None => *next = Some((child, rest)),
                Some(_) => pending.push((child, rest)),
            }
        }
    }
}

impl<K: Copy + Eq + Hash, V> Default for FilterTree<K, V> {
    fn default() -> Self {
        FilterTree::new()
    }
}

enum Reach<'a> {
    No,
    /// The label matches; this is the topic after it.
    AllOf(Option<&'a str>),
}

/// Matches a label, which may have `+` levels, with the beginning of a topic.
fn match_label<'a>(label: &str, topic: &'a str) -> Reach<'a> {
    // Most labels have no `+`, and were found by their first level already.
    match topic.strip_prefix(label) {
        Some("") => return Reach::AllOf(None),
        Some(rest) if rest.starts_with('/') => return Reach::AllOf(Some(&rest[1..])),
        _ => {}
    }
    let (mut label, mut topic) = (label, topic);
    loop {
        let (wanted, more_label) = split_level(label);
        let (level, more_topic) = split_level(topic);
        if wanted != "+" && wanted != level {
            return Reach::No;
        }
        match (more_label, more_topic) {
            (None, after) => return Reach::AllOf(after),
            (Some(_), None) => return Reach::No,
            (Some(next_label), Some(next_topic)) => (label, topic) = (next_label, next_topic),
        }
    }
}

/// Branches that a match has yet to follow.
struct Pending<'a> {
    inline: [(NodeId, &'a str); Pending::INLINE],
    len: usize,
    spilled: Vec<(NodeId, &'a str)>,
}

impl<'a> Pending<'a> {
    const INLINE: usize = 16;

    fn new() -> Self {
        Pending { inline: [(ROOT, ""); Self::INLINE], len: 0, spilled: Vec::new() }
    }

    fn push(&mut self, branch: (NodeId, &'a str)) {
        match self.inline.get_mut(self.len) {
            Some(slot) => {
                *slot = branch;
                self.len += 1;
            }
            None => self.spilled.push(branch),
        }
    }

    fn pop(&mut self) -> Option<(NodeId, &'a str)> {
        self.spilled.pop().or_else(|| {
            self.len = self.len.checked_sub(1)?;
            Some(self.inline[self.len])
        })
    }
}

impl<K: Copy + Eq + Hash, V> Entries<K, V> {
    fn get(&self, key: K) -> Option<&V> {
        match self {
            Entries::None => None,
            Entries::One(only, value) => (*only == key).then_some(value),
            Entries::Many(entries) => entries.get(&key),
        }
    }

    fn for_each<'e>(&'e self, f: &mut impl FnMut(&'e K, &'e V)) {
        match self {
            Entries::None => {}
            Entries::One(key, value) => f(key, value),
            Entries::Many(entries) => entries.iter().for_each(|(key, value)| f(key, value)),
        }
    }

    fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self {
            Entries::One(only, old) if *only == key => Some(std::mem::replace(old, value)),
            Entries::Many(entries) => entries.insert(key, value),
            Entries::None => {
                *self = Entries::One(key, value);
                None
            }
            Entries::One(..) => {
                let mut entries = Box::new(IndexMap::with_capacity_and_hasher(2, RandomState::new()));
                if let Entries::One(first, old) = std::mem::replace(self, Entries::None) {
                    entries.insert(first, old);
                }
                entries.insert(key, value);
                *self = Entries::Many(entries);
                None
            }
        }
    }

    fn remove(&mut self, key: K) -> Option<V> {
        match self {
            Entries::None => None,
            Entries::One(only, _) if *only != key => None,
            Entries::One(..) => match std::mem::replace(self, Entries::None) {
                Entries::One(_, value) => Some(value),
                _ => None,
            },
            Entries::Many(entries) => {
                let removed = entries.swap_remove(&key)?;
                if entries.len() == 1 {
                    if let Some((last, value)) = entries.pop() {
                        *self = Entries::One(last, value);
                    }
                } else if entries.len() * 4 < entries.capacity() {
                    entries.shrink_to(entries.len() * 2);
                }
                Some(removed)
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
