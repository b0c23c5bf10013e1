//! Retained messages by topic, within limits, found by filter.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::mqtt;

/// The retained messages of a bus. `M` is cheap to clone.
pub struct Retained<M> {
    topics: BTreeMap<Box<str>, (M, usize)>,
    bytes: usize,
    max_count: usize,
    max_bytes: usize,
}

/// A limit on retained messages is reached.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl<M> Retained<M> {
    pub fn new(max_count: usize, max_bytes: usize) -> Self {
        Retained { topics: BTreeMap::new(), bytes: 0, max_count, max_bytes }
    }

    /// Keeps `message`, of so many `bytes`, in place of what the topic had.
    pub fn set(&mut self, topic: &str, message: M, bytes: usize) -> Result<(), Full> {
        let old = self.topics.get(topic).map(|(_, bytes)| *bytes);
        let count = self.topics.len() + old.is_none() as usize;
        let total = self.bytes - old.unwrap_or(0) + bytes;
        if count > self.max_count || total > self.max_bytes {
            return Err(Full);
        }
        self.bytes = total;
        self.topics.insert(topic.into(), (message, bytes));
        Ok(())
    }

    pub fn remove(&mut self, topic: &str) {
        if let Some((_, bytes)) = self.topics.remove(topic) {
            self.bytes -= bytes;
        }
    }

    /// Calls `f` for each message whose topic `filter` matches. Looks only at
    /// topics that begin like the filter does before its first wildcard.
    pub fn matching(&self, filter: &str, mut f: impl FnMut(&M)) {
        let Some(wildcard) = filter.find(['+', '#']) else {
            if let Some((message, _)) = self.topics.get(filter) {
                f(message);
            }
            return;
        };
        // `a/#` matches `a` too, which sorts before `a/`.
        let prefix = &filter[..wildcard];
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let from = (Bound::Included(prefix), Bound::Unbounded);
        for (topic, (message, _)) in self.topics.range::<str, _>(from) {
            if !topic.starts_with(prefix) {
                break;
            }
            if mqtt::matches(filter, topic) {
                f(message);
            }
        }
    }

    /// Drops messages that `keep` does not want.
    pub fn retain(&mut self, mut keep: impl FnMut(&M) -> bool) {
        let total = &mut self.bytes;
        self.topics.retain(|_, (message, bytes)| {
            let kept = keep(message);
            if !kept {
                *total -= *bytes;
            }
            kept
        });
    }

    pub fn len(&self) -> usize {
        self.topics.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching(retained: &Retained<&'static str>, filter: &str) -> Vec<&'static str> {
        let mut found = Vec::new();
        retained.matching(filter, |message| found.push(*message));
        found
    }

    #[test]
    fn a_filter_finds_the_topics_it_matches() {
        let mut retained = Retained::new(100, 1000);
        for topic in ["a", "a/b", "a/b/c", "a-b", "ab", "b", "/a", "$SYS/x"] {
            retained.set(topic, topic, 1).unwrap();
        }
        assert_eq!(matching(&retained, "a/#"), ["a", "a/b", "a/b/c"]);
        assert_eq!(matching(&retained, "a/+"), ["a/b"]);
        assert_eq!(matching(&retained, "+"), ["a", "a-b", "ab", "b"]);
        assert_eq!(matching(&retained, "a/b"), ["a/b"]);
        assert_eq!(matching(&retained, "$SYS/#"), ["$SYS/x"]);
        assert_eq!(matching(&retained, "/+"), ["/a"]);
        assert_eq!(matching(&retained, "#").len(), 7);
    }

    #[test]
    fn limits_on_count_and_bytes_hold_and_replacing_frees_what_was_there() {
        let mut retained = Retained::new(2, 10);
        assert_eq!(retained.set("a", 1, 4), Ok(()));
        assert_eq!(retained.set("b", 2, 4), Ok(()));
        assert_eq!(retained.set("c", 3, 1), Err(Full));
        assert_eq!(retained.set("a", 4, 7), Err(Full));
        assert_eq!(retained.set("a", 4, 6), Ok(()));
        retained.remove("b");
        assert_eq!(retained.set("c", 3, 4), Ok(()));
        retained.retain(|message| *message != 4);
        assert_eq!((retained.len(), retained.bytes), (1, 4));
    }
}
