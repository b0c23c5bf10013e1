//! Which filters are subscribed at the router, and how far each was read.

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;

use super::Refused;

pub(super) struct Filters {
    /// Every filter there ever was, as the router remembers each; with its
    /// identifier while it is subscribed.
    known: HashMap<Arc<str>, Option<usize>, RandomState>,
    subscribed: HashMap<usize, Subscribed, RandomState>,
    last_id: usize,
    max_known: usize,
}

struct Subscribed {
    filter: Arc<str>,
    /// Place in the filter's log of the message expected next; `None` until the
    /// first if the log is older than the subscription.
    next: Option<u64>,
}

impl Filters {
    /// No filters yet, and room for `max_known` different ones ever.
    pub(super) fn new(max_known: usize) -> Self {
        Filters { known: HashMap::default(), subscribed: HashMap::default(), last_id: 0, max_known }
    }

    /// Gives a filter an identifier, or nothing if it has one.
    pub(super) fn add(&mut self, filter: &str) -> Result<Option<usize>, Refused> {
        let next = match self.known.get(filter) {
            Some(Some(_)) => return Ok(None),
            Some(None) => None,
            None if self.known.len() >= self.max_known => {
                return Err(Refused::TooManyFilters { max: self.max_known });
            }
            // A log begins with its first subscription.
            None => Some(0),
        };
        self.last_id += 1;
        let filter = Arc::<str>::from(filter);
        self.known.insert(filter.clone(), Some(self.last_id));
        self.subscribed.insert(self.last_id, Subscribed { filter, next });
        Ok(Some(self.last_id))
    }

    pub(super) fn remove(&mut self, filter: &str) -> bool {
        let id = self.known.get_mut(filter).and_then(Option::take);
        id.is_some_and(|id| self.subscribed.remove(&id).is_some())
    }

    /// The filter of an identifier, and how many messages are missing before the
    /// one at `place`; nothing if the filter is not subscribed any more, or has
    /// had this message.
    pub(super) fn arrived(&mut self, id: usize, place: u64) -> Option<(Arc<str>, u64)> {
        let subscribed = self.subscribed.get_mut(&id)?;
        let missing = place.checked_sub(subscribed.next.unwrap_or(place))?;
        subscribed.next = Some(place + 1);
        Some((subscribed.filter.clone(), missing))
    }
}
