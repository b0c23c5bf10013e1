//! What there is to see of the bindings: sessions and addresses, by page. A part
//! of the table is locked only while its entries are listed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Bindings;
use super::entry::Entry;

/// A bound session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    pub caller: String,
    /// Bus id of the caller's frontend.
    pub frontend: String,
    /// Where the caller is reached.
    pub topic: String,
    pub address: Option<String>,
    pub auth: String,
    /// Seconds until it is forgotten, if nothing is heard of it.
    pub expires_in_s: u32,
}

impl Bindings {
    /// Sessions whose caller, address or frontend `matches`, in the order of
    /// their callers: `limit` of them from number `offset` on, and how many
    /// there are in all.
    pub fn sessions_page(
        &self,
        matches: impl Fn(&str) -> bool,
        offset: usize,
        limit: usize,
    ) -> (usize, Vec<SessionInfo>) {
        let wanted = |entry: &Entry| matches(entry.caller()) || matches(entry.address()) || matches(entry.frontend());
        let mut found = self.alive(wanted);
        let total = found.len();
        let page = page_of(&mut found, offset, limit, |a, b| a.caller().cmp(b.caller()));
        (total, page.iter().map(|entry| self.info(entry)).collect())
    }

    /// The session of a caller, if it is bound.
    pub fn session(&self, caller: &str) -> Option<SessionInfo> {
        let table = &self.0.table;
        table.select_one(caller).filter(|entry| !table.is_expired(entry)).map(|entry| self.info(&entry))
    }

    /// Whether the client `caller` of the bus `frontend` has a session.
    pub fn is_bound(&self, caller: &str, frontend: &str) -> bool {
        let table = &self.0.table;
        table.select_one(caller).is_some_and(|entry| entry.frontend() == frontend && !table.is_expired(&entry))
    }

    /// Addresses that `matches`, in their order, each with the number of
    /// sessions bound to it: `limit` of them from number `offset` on, and how
    /// many there are in all.
    pub fn addresses_page(
        &self,
        matches: impl Fn(&str) -> bool,
        offset: usize,
        limit: usize,
    ) -> (usize, Vec<(String, usize)>) {
        let found = self.alive(|entry| !entry.address().is_empty() && matches(entry.address()));
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for entry in &found {
            *counts.entry(entry.address()).or_default() += 1;
        }
        let total = counts.len();
        let page = counts.into_iter().skip(offset).take(limit);
        (total, page.map(|(address, sessions)| (address.to_owned(), sessions)).collect())
    }

    fn alive(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<Arc<Entry>> {
        let table = &self.0.table;
        let wanted = |entry: &Entry| !table.is_expired(entry) && wanted(entry);
        (0..table.shards()).flat_map(|shard| table.select(shard, wanted)).collect()
    }

    fn info(&self, entry: &Entry) -> SessionInfo {
        let table = &self.0.table;
        let idle = table.clock().now().saturating_sub(entry.touched());
        SessionInfo {
            caller: entry.caller().to_owned(),
            frontend: entry.frontend().to_owned(),
            topic: entry.with_topic(str::to_owned),
            address: Some(entry.address()).filter(|address| !address.is_empty()).map(str::to_owned),
            auth: entry.auth().to_owned(),
            expires_in_s: table.timeout_s().saturating_sub(idle),
        }
    }
}

/// The items from number `offset` on, in order: only those are sorted.
fn page_of<T>(
    items: &mut [T],
    offset: usize,
    limit: usize,
    mut order: impl FnMut(&T, &T) -> std::cmp::Ordering,
) -> &[T] {
    if offset >= items.len() {
        return &[];
    }
    if offset > 0 {
        items.select_nth_unstable_by(offset, &mut order);
    }
    let rest = &mut items[offset..];
    let limit = limit.min(rest.len());
    if limit < rest.len() {
        rest.select_nth_unstable_by(limit, &mut order);
    }
    rest[..limit].sort_unstable_by(order);
    &rest[..limit]
}

#[cfg(test)]
mod tests {
    use super::page_of;

    #[test]
    fn pages_one_after_the_other_are_the_whole_in_order() {
        let all: Vec<u32> = (0..100).map(|n| n * 37 % 101).collect();
        let mut expected = all.clone();
        expected.sort_unstable();
        for limit in [1, 7, 99, 100, 1000] {
            let mut seen = Vec::new();
            for offset in (0..all.len() + limit).step_by(limit) {
                seen.extend_from_slice(page_of(&mut all.clone(), offset, limit, u32::cmp));
            }
            assert_eq!(seen, expected, "{limit}");
        }
    }
}
