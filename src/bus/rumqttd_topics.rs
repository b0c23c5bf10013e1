//! rumqttd's router as the topic engine (`topics.engine = "rumqttd"`): one link
//! a bus, one subscription per distinct filter, fan-out to sessions from there.
//!
//! What it lacks beside our own tree is in `docs/decisions/0003-topic-engine.md`:
//! a client whose subscriptions overlap gets a copy for each of them, a filter
//! that was ever subscribed counts against `max_filters` for good, and a
//! message passes two threads on its way.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::RwLock;

use crate::mqtt::QoS;

use super::batch::Batch;
use super::message::Publication;
use super::outbound::Grant;
use super::rumqttd_hub::{Delivery, Hub, HubError};
use super::session::Session;
use super::settings::Topics;
use super::topics::{Subscriber, TooManyFilters, TopicEngine, deliver};
use super::tree::FilterTree;

type Filters = RwLock<FilterTree<u64, Subscriber>>;

pub struct RumqttdTopics {
    hub: Hub,
    filters: Arc<Filters>,
}

impl RumqttdTopics {
    pub fn start(bus: &str, settings: &Topics) -> Result<RumqttdTopics, HubError> {
        let filters = Arc::new(RwLock::new(FilterTree::new()));
        let known = Arc::clone(&filters);
        let hub = Hub::start(bus, settings, move |delivery| fan_out(&known, &delivery))?;
        Ok(RumqttdTopics { hub, filters })
    }
}

/// What rumqttd does not carry goes before the properties: the RETAIN flag as
/// published, and when the message expires.
const HEADER: usize = 9;

fn fan_out(filters: &Filters, delivery: &Delivery<'_>) {
    let Some((header, properties)) = delivery.properties.split_first_chunk::<HEADER>() else { return };
    let [retain, expires_at @ ..] = *header;
    let mut publication = Publication::new(delivery.topic, properties, delivery.payload);
    publication.qos = QoS::try_from(delivery.qos).unwrap_or_default();
    publication.retain = retain != 0;
    publication.expires_at = u64::from_be_bytes(expires_at);
    publication.publisher = delivery.tag;
    let mut batch = Batch::new();
    for (_, Subscriber { session, grant }) in filters.read().entries(delivery.filter) {
        if !(grant.no_local && publication.publisher == session.key) {
            deliver(session, &publication, grant, &mut batch);
        }
    }
    batch.flush();
}

impl TopicEngine for RumqttdTopics {
    fn subscribe(&self, filter: &str, session: &Arc<Session>, grant: Grant) -> Result<(), TooManyFilters> {
        let mut filters = self.filters.write();
        if filters.entries(filter).next().is_none()
            && let Err(error) = self.hub.subscribe(filter)
        {
            tracing::warn!(filter, "can't subscribe: {error}");
            return Err(TooManyFilters);
        }
        let subscriber = Subscriber { session: Arc::clone(session), grant };
        if filters.insert(filter, session.key, subscriber).is_none() {
            session.plain_subscriptions.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn unsubscribe(&self, filter: &str, session: &Session) -> bool {
        let mut filters = self.filters.write();
        if filters.remove(filter, session.key).is_none() {
            return false;
        }
        session.plain_subscriptions.fetch_sub(1, Ordering::Relaxed);
        if filters.entries(filter).next().is_none() {
            self.hub.unsubscribe(filter);
        }
        true
    }

    fn publish(&self, publication: &Publication<'_>, _batch: &mut Batch) -> usize {
        // Most topics of a bus that routes have no plain subscriber at all.
        let mut matching = 0;
        self.filters.read().matches(publication.topic, |_, _| matching += 1);
        if matching == 0 {
            return 0;
        }
        let mut properties = Vec::with_capacity(HEADER + publication.properties.len());
        properties.push(publication.retain as u8);
        properties.extend_from_slice(&publication.expires_at.to_be_bytes());
        properties.extend_from_slice(publication.properties);
        let qos = publication.qos as u8;
        match self.hub.publish(publication.topic, &properties, publication.payload, qos, publication.publisher) {
            Ok(()) => matching,
            Err(error) => {
                tracing::warn!(topic = publication.topic, "message dropped: {error}");
                0
            }
        }
    }

    fn is_subscribed(&self, topic: &str) -> bool {
        self.filters.read().entries(topic).next().is_some()
    }

    fn covers(&self, topic: &str) -> bool {
        let mut covered = false;
        self.filters.read().matches(topic, |_, _| covered = true);
        covered
    }

    fn lost(&self) -> u64 {
        self.hub.lost()
    }

    fn filters(&self) -> usize {
        self.filters.read().filters()
    }

    fn is_alive(&self) -> bool {
        self.hub.is_alive()
    }
}
