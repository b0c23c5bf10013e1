//! Retained messages: the last one of each topic, found by topic or by filter.

use super::trie::{Held, NodeId, ROOT, Trie, split_level};

/// The retained messages of a bus, within limits on their number and bytes.
/// `M` is a cheap handle to a message.
pub struct Retained<M> {
    trie: Trie<Option<Kept<M>>>,
    max_count: usize,
    max_bytes: usize,
    count: usize,
    bytes: usize,
}

struct Kept<M> {
    message: M,
    bytes: usize,
}

impl<M> Held for Option<Kept<M>> {
    fn is_empty(&self) -> bool {
        self.is_none()
    }
}

/// Why a message was not retained. What the topic had before is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    #[error("{max} messages are retained already; raise `sessions.max_retained` or clear some")]
    Count { max: usize },
    #[error("retained messages would take more than {max} bytes; raise `sessions.max_retained_bytes` or clear some")]
    Bytes { max: usize },
}

impl<M: Clone> Retained<M> {
    /// A store for at most `max_count` messages of `max_bytes` bytes together.
    pub fn new(max_count: usize, max_bytes: usize) -> Self {
        Retained { trie: Trie::new(), max_count, max_bytes, count: 0, bytes: 0 }
    }

    /// Messages in store.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Bytes in store, as they were given with the messages.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Retains a message that takes `bytes` bytes; gives back the one that it
    /// replaces.
    ///
    /// # Errors
    /// When a limit would be passed; the topic keeps what it had.
    pub fn set(&mut self, topic: &str, message: M, bytes: usize) -> Result<Option<M>, Full> {
        let node = self.trie.find(Some(topic));
        let replaced = node.and_then(|node| self.trie.held(node).as_ref());
        if replaced.is_none() && self.count >= self.max_count {
            return Err(Full::Count { max: self.max_count });
        }
        let others = self.bytes - replaced.map_or(0, |kept| kept.bytes);
        match others.checked_add(bytes) {
            Some(all) if all <= self.max_bytes => self.bytes = all,
            _ => {
                return Err(Full::Bytes { max: self.max_bytes });
            }
        }
        let node = node.unwrap_or_else(|| self.trie.find_or_add(Some(topic)));
        let replaced = self.trie.held_mut(node).replace(Kept { message, bytes });
        self.count += usize::from(replaced.is_none());
        Ok(replaced.map(|kept| kept.message))
    }

    /// The message of exactly this topic.
    pub fn get(&self, topic: &str) -> Option<&M> {
        let kept = self.trie.held(self.trie.find(Some(topic))?).as_ref()?;
        Some(&kept.message)
    }

    /// Forgets the message of a topic, and gives it back.
    pub fn remove(&mut self, topic: &str) -> Option<M> {
        let node = self.trie.find(Some(topic))?;
        let kept = self.trie.held_mut(node).take()?;
        self.trie.prune(node);
        self.count -= 1;
        self.bytes -= kept.bytes;
        Some(kept.message)
    }

    /// Calls `f` with each message whose topic the filter matches, in no
    /// particular order. A wildcard as the first level leaves out topics that
    /// begin with `$` [MQTT-4.7.2-1].
    pub fn matching(&self, filter: &str, mut f: impl FnMut(&M)) {
        if !filter.contains(['+', '#']) {
            // The common case: one topic, one look-up, no allocation.
            self.get(filter).into_iter().for_each(f);
            return;
        }
        let mut pending = Vec::new();
        match split_level(filter).0 {
            "+" | "#" => {
                let wanted = if filter == "#" { Wanted::All } else { Wanted::Levels(filter) };
                let of_users = |child: &NodeId| !self.trie.label(*child).starts_with('$');
                pending.extend(self.trie.children(ROOT).filter(of_users).map(|child| (child, wanted)));
            }
            _ => self.step(ROOT, filter, &mut pending),
        }
        while let Some((node, wanted)) = pending.pop() {
            let found = match wanted {
                Wanted::All => Found::All,
                Wanted::Levels(filter) => match_label(self.trie.label(node), filter),
            };
            let is_wanted = match found {
                Found::Nothing => false,
                Found::All => {
                    pending.extend(self.trie.children(node).map(|child| (child, Wanted::All)));
                    true
                }
                Found::Here => true,
                Found::Further(filter) => {
                    self.step(node, filter, &mut pending);
                    false
                }
            };
            if is_wanted && let Some(kept) = self.trie.held(node) {
                f(&kept.message);
            }
        }
    }

    /// Forgets the messages for which `f` says no: the sweep for expired ones.
    pub fn retain(&mut self, mut f: impl FnMut(&M) -> bool) {
        let (mut count, mut bytes) = (0, 0);
        let mut emptied = Vec::new();
        self.trie.for_each_mut(|node, kept| {
            if let Some(old) = kept.take_if(|kept| !f(&kept.message)) {
                count += 1;
                bytes += old.bytes;
                emptied.push(node);
            }
        });
        // Pruning one may take others with it; it passes over those.
        emptied.into_iter().for_each(|node| self.trie.prune(node));
        self.count -= count;
        self.bytes -= bytes;
    }

    /// Finds the children of a node that a filter's next level leads to.
    fn step<'f>(&self, node: NodeId, filter: &'f str, pending: &mut Vec<(NodeId, Wanted<'f>)>) {
        let wanted = Wanted::Levels(filter);
        match split_level(filter).0 {
            "+" => pending.extend(self.trie.children(node).map(|child| (child, wanted))),
            level => pending.extend(self.trie.literal_child(node, level).map(|child| (child, wanted))),
        }
    }
}

/// What is looked for from a node on, its own label included.
#[derive(Clone, Copy)]
enum Wanted<'f> {
    All,
    Levels(&'f str),
}

enum Found<'f> {
    Nothing,
    /// This node and what is below it.
    All,
    /// This node alone.
    Here,
    /// What is below, by the rest of the filter.
    Further(&'f str),
}

/// Matches a label of literal levels with the beginning of a filter. `a/#` takes
/// `a` too (section 4.7.1.2).
fn match_label<'f>(label: &str, filter: &'f str) -> Found<'f> {
    let (mut label, mut filter) = (label, filter);
    loop {
        let (level, more_label) = split_level(label);
        let (wanted, more_filter) = split_level(filter);
        if wanted != "+" && wanted != level {
            return Found::Nothing;
        }
        match (more_label, more_filter) {
            (_, Some("#")) => return Found::All,
            (None, None) => return Found::Here,
            (None, Some(rest)) => return Found::Further(rest),
            (Some(_), None) => return Found::Nothing,
            (Some(next_label), Some(next_filter)) => (label, filter) = (next_label, next_filter),
        }
    }
}

#[cfg(test)]
mod tests;
