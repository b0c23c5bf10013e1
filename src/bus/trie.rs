//! A trie over topic levels, each run of levels without a fork in one node.
//!
//! A topic of 65,535 bytes can have 65,536 levels. Runs are kept together, so
//! the number of nodes is at most twice the number of paths stored, however many
//! levels those have, and memory follows the bytes that peers sent. Nodes live
//! in one arena and point to each other by index: nothing here recurses, so no
//! depth can exhaust the stack, dropping included.

use std::collections::HashMap;

use ahash::RandomState;

/// What a node holds. A node that holds nothing is there only as a fork.
pub(super) trait Held: Default {
    fn is_empty(&self) -> bool;
}

/// Index of a node. It stays valid until that node is pruned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NodeId(u32);

/// The node of no levels at all; its children are the first levels.
pub(super) const ROOT: NodeId = NodeId(0);

/// Stands for "no node" where an `Option` would double the field.
const NONE: NodeId = NodeId(u32::MAX);

pub(super) struct Trie<T> {
    nodes: Vec<Node<T>>,
    free: Vec<NodeId>,
    hasher: RandomState,
}

struct Node<T> {
    /// `NONE` for the root, and for a slot that is free.
    parent: NodeId,
    /// The child whose label begins with the level `+`.
    plus: NodeId,
    literals: Literals,
    /// One level or more, joined by `/`; the root's is unused.
    label: Box<str>,
    held: T,
}

/// Children by the first level of their label, `+` aside.
enum Literals {
    None,
    One(NodeId),
    /// Boxed since most nodes have no use for it: 8 bytes instead of 64.
    #[allow(clippy::box_collection)]
    Many(Box<HashMap<Box<str>, NodeId, RandomState>>),
}

/// The first level of a path, and the path after it.
pub(super) fn split_level(path: &str) -> (&str, Option<&str>) {
    // Levels are short: a byte loop beats a searcher's set-up.
    match path.as_bytes().iter().position(|b| *b == b'/') {
        Some(at) => (&path[..at], Some(&path[at + 1..])),
        None => (path, None),
    }
}

/// What is left of `path` after its first `bytes` bytes, which end a level.
fn after(path: &str, bytes: usize) -> Option<&str> {
    path.get(bytes + 1..)
}

/// Bytes that two paths have in common, in whole levels.
fn common_levels(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut common = 0;
    for at in 0..=a.len().min(b.len()) {
        let (x, y) = (a.get(at), b.get(at));
        if matches!(x, None | Some(b'/')) && matches!(y, None | Some(b'/')) {
            common = at;
        }
        if x != y {
            break;
        }
    }
    common
}

impl<T: Held> Trie<T> {
    pub(super) fn new() -> Self {
        let mut trie = Trie { nodes: Vec::new(), free: Vec::new(), hasher: RandomState::new() };
        trie.add(NONE, "");
        trie
    }

    /// Nodes in use, the root included.
    #[cfg(test)]
    pub(super) fn nodes(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    pub(super) fn held(&self, id: NodeId) -> &T {
        &self.node(id).held
    }

    pub(super) fn held_mut(&mut self, id: NodeId) -> &mut T {
        &mut self.node_mut(id).held
    }

    /// The levels between a node and its parent.
    pub(super) fn label(&self, id: NodeId) -> &str {
        &self.node(id).label
    }

    /// The child whose label begins with the level `+`.
    pub(super) fn plus_child(&self, id: NodeId) -> Option<NodeId> {
        Some(self.node(id).plus).filter(|plus| *plus != NONE)
    }

    /// The child whose label begins with `level`, which is not `+`.
    pub(super) fn literal_child(&self, id: NodeId, level: &str) -> Option<NodeId> {
        match &self.node(id).literals {
            Literals::None => None,
            Literals::One(child) => Some(*child).filter(|child| split_level(self.label(*child)).0 == level),
            Literals::Many(children) => children.get(level).copied(),
        }
    }

    /// All children, in no particular order.
    pub(super) fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        let (one, many) = match &self.node(id).literals {
            Literals::None => (None, None),
            Literals::One(child) => (Some(*child), None),
            Literals::Many(children) => (None, Some(children)),
        };
        let many = many.into_iter().flat_map(|children| children.values().copied());
        self.plus_child(id).into_iter().chain(one).chain(many)
    }

    /// The node of exactly this path; no path is the root.
    pub(super) fn find(&self, path: Option<&str>) -> Option<NodeId> {
        let (mut at, mut rest) = (ROOT, path);
        while let Some(path) = rest {
            at = self.child(at, split_level(path).0)?;
            let label = self.label(at);
            if common_levels(label, path) < label.len() {
                return None;
            }
            rest = after(path, label.len());
        }
        Some(at)
    }

    /// The node of exactly this path, made if it is not there. The caller puts
    /// something into it, or else prunes it.
    pub(super) fn find_or_add(&mut self, path: Option<&str>) -> NodeId {
        let (mut at, mut rest) = (ROOT, path);
        while let Some(path) = rest {
            let Some(child) = self.child(at, split_level(path).0) else {
                let leaf = self.add(at, path);
                self.attach(leaf);
                return leaf;
            };
            let label = self.label(child);
            let common = common_levels(label, path);
            at = if common < label.len() { self.fork(child, common) } else { child };
            rest = after(path, common);
        }
        at
    }

    /// Takes a node out if it holds nothing and is no fork, and its parent
    /// likewise. Does nothing to a node that is gone already.
    pub(super) fn prune(&mut self, id: NodeId) {
        let mut at = id;
        // Two rounds at most: a fork that lost a child still has one to merge with.
        while self.is_child(at) && self.node(at).held.is_empty() {
            let mut children = self.children(at);
            let (first, second) = (children.next(), children.next());
            drop(children);
            let parent = self.node(at).parent;
            match (first, second) {
                (None, _) => {
                    self.detach(at);
                    self.release(at);
                    at = parent;
                }
                (Some(child), None) => {
                    self.detach(at);
                    let label = [self.label(at), self.label(child)].join("/").into_boxed_str();
                    let child_node = self.node_mut(child);
                    child_node.label = label;
                    child_node.parent = parent;
                    self.release(at);
                    self.attach(child);
                    return;
                }
                (Some(_), Some(_)) => return,
            }
        }
    }

    /// Calls `f` with the path of each node and what it holds, empty ones aside.
    /// The root's path is `None`.
    pub(super) fn for_each<'t>(&'t self, mut f: impl FnMut(Option<&str>, &'t T)) {
        if !self.held(ROOT).is_empty() {
            f(None, self.held(ROOT));
        }
        let mut path = String::new();
        let mut pending: Vec<_> = self.children(ROOT).map(|child| (child, 0)).collect();
        while let Some((at, parent_len)) = pending.pop() {
            path.truncate(parent_len);
            if self.node(at).parent != ROOT {
                path.push('/');
            }
            path.push_str(self.label(at));
            if !self.held(at).is_empty() {
                f(Some(&path), self.held(at));
            }
            pending.extend(self.children(at).map(|child| (child, path.len())));
        }
    }

    /// Calls `f` with each node that holds something, and what.
    pub(super) fn for_each_mut(&mut self, mut f: impl FnMut(NodeId, &mut T)) {
        for (index, node) in self.nodes.iter_mut().enumerate() {
            if !node.held.is_empty() {
                f(NodeId(index as u32), &mut node.held);
            }
        }
    }

    fn node(&self, id: NodeId) -> &Node<T> {
        &self.nodes[id.0 as usize]
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node<T> {
        &mut self.nodes[id.0 as usize]
    }

    /// Whether this is a node in use other than the root.
    fn is_child(&self, id: NodeId) -> bool {
        self.nodes.get(id.0 as usize).is_some_and(|node| node.parent != NONE)
    }

    fn child(&self, id: NodeId, level: &str) -> Option<NodeId> {
        if level == "+" { self.plus_child(id) } else { self.literal_child(id, level) }
    }

    fn add(&mut self, parent: NodeId, label: &str) -> NodeId {
        let node = Node { parent, plus: NONE, literals: Literals::None, label: label.into(), held: T::default() };
        if let Some(id) = self.free.pop() {
            *self.node_mut(id) = node;
            return id;
        }
        let index = u32::try_from(self.nodes.len()).ok().filter(|index| *index != NONE.0);
        self.nodes.push(node);
        NodeId(index.expect("memory ends before four billion nodes do"))
    }

    fn release(&mut self, id: NodeId) {
        let node = self.node_mut(id);
        node.parent = NONE;
        node.plus = NONE;
        node.literals = Literals::None;
        node.label = Box::default();
        self.free.push(id);
        if self.free.len() + 1 == self.nodes.len() {
            // Only the root is left: give back what the busiest time took.
            self.nodes.truncate(1);
            self.nodes.shrink_to_fit();
            self.free = Vec::new();
        }
    }

    /// Puts a new node between a node and its parent, where `at` bytes of the
    /// label end a level, and gives it back.
    fn fork(&mut self, below: NodeId, at: usize) -> NodeId {
        self.detach(below);
        let label = std::mem::take(&mut self.node_mut(below).label);
        let upper = self.add(self.node(below).parent, &label[..at]);
        let node = self.node_mut(below);
        node.parent = upper;
        node.label = label[at + 1..].into();
        self.attach(upper);
        self.attach(below);
        upper
    }

    /// Enters a node with its parent, which has no such child.
    fn attach(&mut self, id: NodeId) {
        let parent = self.node(id).parent;
        let level = split_level(self.label(id)).0;
        if level == "+" {
            self.node_mut(parent).plus = id;
            return;
        }
        let many = match self.node(parent).literals {
            Literals::None => None,
            Literals::One(other) => {
                let mut many = HashMap::with_hasher(self.hasher.clone());
                many.insert(split_level(self.label(other)).0.into(), other);
                many.insert(level.into(), id);
                Some(many)
            }
            Literals::Many(_) => {
                let level = level.into();
                if let Literals::Many(children) = &mut self.node_mut(parent).literals {
                    children.insert(level, id);
                }
                return;
            }
        };
        self.node_mut(parent).literals = match many {
            None => Literals::One(id),
            Some(many) => Literals::Many(Box::new(many)),
        };
    }

    /// Takes a node from its parent's children; the node itself stays as it is.
    fn detach(&mut self, id: NodeId) {
        let parent = self.node(id).parent;
        if self.node(parent).plus == id {
            self.node_mut(parent).plus = NONE;
            return;
        }
        let mut literals = std::mem::replace(&mut self.node_mut(parent).literals, Literals::None);
        if let Literals::Many(children) = &mut literals {
            children.remove(split_level(self.label(id)).0);
            if children.len() == 1 {
                literals = children.values().next().map_or(Literals::None, |last| Literals::One(*last));
            } else if children.len() * 4 < children.capacity() {
                let room = children.len() * 2;
                children.shrink_to(room);
            }
        } else {
            literals = Literals::None;
        }
        self.node_mut(parent).literals = literals;
    }
}
