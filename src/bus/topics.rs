//! The topic engine: ordinary subscriptions, wildcards and fan-out. A bus
//! reaches it through [`TopicEngine`] only, so that it can be another one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::RwLock;

use super::batch::Batch;
use super::message::Publication;
use super::outbound::{Grant, Offered, Terms};
use super::session::Session;
use super::tree::FilterTree;

/// Delivers what is published to whoever subscribed to it.
pub trait TopicEngine: Send + Sync {
    /// Subscribes, or changes what an old subscription was granted.
    fn subscribe(&self, filter: &str, session: &Arc<Session>, grant: Grant) -> Result<(), TooManyFilters>;

    /// False: there was no such subscription.
    fn unsubscribe(&self, filter: &str, session: &Session) -> bool;

    /// Passes a message on; gives back how many sessions it reached, as far as
    /// the engine can tell at once.
    fn publish(&self, publication: &Publication<'_>, batch: &mut Batch) -> usize;

    /// Whether somebody subscribed to just this topic, without wildcards.
    fn is_subscribed(&self, topic: &str) -> bool;

    /// Whether some subscription covers this topic.
    fn covers(&self, topic: &str) -> bool;

    /// Messages that subscribers should have got and did not.
    fn lost(&self) -> u64;

    /// Distinct filters that somebody is subscribed to.
    fn filters(&self) -> usize;

    /// False: the engine has died, and with it the bus.
    fn is_alive(&self) -> bool {
        true
    }
}

/// The limit on distinct filters is reached.
#[derive(Debug)]
pub struct TooManyFilters;

/// skep's own engine: one tree of filters, fan-out in the publisher's task.
pub struct SubscriptionTree {
    tree: RwLock<FilterTree<u64, Subscriber>>,
    max_filters: usize,
}

/// A session under a filter.
pub struct Subscriber {
    pub session: Arc<Session>,
    pub grant: Grant,
}

impl SubscriptionTree {
    pub fn new(max_filters: usize) -> SubscriptionTree {
        SubscriptionTree { tree: RwLock::new(FilterTree::new()), max_filters }
    }
}

impl TopicEngine for SubscriptionTree {
    fn subscribe(&self, filter: &str, session: &Arc<Session>, grant: Grant) -> Result<(), TooManyFilters> {
        let mut tree = self.tree.write();
        if tree.filters() >= self.max_filters && tree.entries(filter).next().is_none() {
            return Err(TooManyFilters);
        }
        let subscriber = Subscriber { session: Arc::clone(session), grant };
        if tree.insert(filter, session.key, subscriber).is_none() {
            session.plain_subscriptions.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn unsubscribe(&self, filter: &str, session: &Session) -> bool {
        let removed = self.tree.write().remove(filter, session.key).is_some();
        if removed {
            session.plain_subscriptions.fetch_sub(1, Ordering::Relaxed);
        }
        removed
    }

    fn publish(&self, publication: &Publication<'_>, batch: &mut Batch) -> usize {
        let tree = self.tree.read();
        let mut reached = 0;
        let mut overlapping: Vec<&Subscriber> = Vec::new();
        tree.matches(publication.topic, |_, subscriber| {
            let Subscriber { session, grant } = subscriber;
            if grant.no_local && publication.publisher == session.key {
                return;
            }
            if session.plain_subscriptions.load(Ordering::Relaxed) > 1 {
                overlapping.push(subscriber);
                return;
            }
            reached += deliver(session, publication, grant, batch);
        });
        overlapping.sort_unstable_by_key(|subscriber| subscriber.session.key);
        for same in overlapping.chunk_by(|a, b| a.session.key == b.session.key) {
            let grants: Vec<_> = same.iter().map(|subscriber| &subscriber.grant).collect();
            reached += deliver_once(&same[0].session, publication, &grants, batch);
        }
        reached
    }

    fn is_subscribed(&self, topic: &str) -> bool {
        self.tree.read().entries(topic).next().is_some()
    }

    fn covers(&self, topic: &str) -> bool {
        let mut covered = false;
        self.tree.read().matches(topic, |_, _| covered = true);
        covered
    }

    fn lost(&self) -> u64 {
        0
    }

    fn filters(&self) -> usize {
        self.tree.read().filters()
    }
}

/// Delivers to one subscription; 1 if it was taken.
pub fn deliver(session: &Arc<Session>, publication: &Publication<'_>, grant: &Grant, batch: &mut Batch) -> usize {
    let ids = [grant.subscription_id];
    let ids = if grant.subscription_id == 0 { &[][..] } else { &ids[..] };
    (session.deliver(publication, grant.terms(publication, ids), batch) == Offered::Taken) as usize
}

/// Delivers one copy for all overlapping subscriptions of a session: with the
/// highest QoS and all identifiers [MQTT-3.3.4-2] [MQTT-3.3.4-3]; 1 if it was
/// taken.
pub fn deliver_once(
    session: &Arc<Session>,
    publication: &Publication<'_>,
    grants: &[&Grant],
    batch: &mut Batch,
) -> usize {
    let [first, rest @ ..] = grants else { return 0 };
    if rest.is_empty() {
        return deliver(session, publication, first, batch);
    }
    let mut ids: Vec<u32> = grants.iter().map(|grant| grant.subscription_id).filter(|id| *id != 0).collect();
    ids.sort_unstable();
    ids.dedup();
    let terms = Terms {
        qos: publication.qos.min(grants.iter().map(|grant| grant.qos).max().unwrap_or_default()),
        retain: publication.retain && grants.iter().any(|grant| grant.retain_as_published),
        subscription_ids: &ids,
    };
    (session.deliver(publication, terms, batch) == Offered::Taken) as usize
}
