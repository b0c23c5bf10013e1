//! The way of a published message through the bus.

use std::sync::Arc;

use crate::mqtt::{self, Reason};

use super::Bus;
use super::batch::Batch;
use super::clock;
use super::hook::Undeliverable;
use super::message::{Message, Publication};
use super::outbound::{Grant, Terms};
use super::queue::{GivenUp, Refused};
use super::session::Session;
use super::topics::{deliver, deliver_once};

/// What became of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Sessions and queues that took it, as far as known at once.
    pub reached: usize,
    /// A work queue of its topic was full, or the bus holds all that it may.
    pub full: bool,
}

impl Published {
    /// The reason code for the publisher's acknowledgement.
    pub fn reason(self) -> Reason {
        match self {
            Published { full: true, .. } => Reason::QuotaExceeded,
            Published { reached: 0, .. } => Reason::NoMatchingSubscribers,
            _ => Reason::Success,
        }
    }
}

impl Bus {
    /// Passes a message to everybody who should get it: mailbox, work queues,
    /// subscriptions. Its publisher was allowed to.
    pub fn publish(&self, publication: &Publication<'_>, batch: &mut Batch) -> Published {
        let mut published = Published::default();
        let topic = publication.topic;
        let mailbox = topic.strip_prefix("priv/").map(|rest| rest.split('/').next().unwrap_or(rest));
        if let Some(client) = mailbox {
            published.reached += self.to_mailbox(client, publication, batch) as usize;
        }
        self.to_queues(publication, batch, &mut published);
        published.reached += self.0.topics.publish(publication, batch);
        if published.reached == 0 && !published.full {
            let stats = &self.0.common.stats;
            if mailbox.is_some() { stats.dropped_mailbox.add(1) } else { stats.dropped_nobody.add(1) }
        }
        published
    }

    /// Passes a message to those who only watch: plain subscriptions that
    /// cover a topic which a hook has already dealt with.
    pub(super) fn publish_to_watchers(&self, publication: &Publication<'_>, batch: &mut Batch) {
        self.0.topics.publish(publication, batch);
    }

    /// Puts a message into a client's own mailbox, `priv/{client id}` or below.
    /// False: the client isn't there, or does not listen.
    fn to_mailbox(&self, client: &str, publication: &Publication<'_>, batch: &mut Batch) -> bool {
        let Some(session) = self.0.sessions.get(client) else { return false };
        let (own, below) = {
            let out = session.out();
            (out.mailbox, out.mailbox_below)
        };
        // `priv/{id}/#` matches `priv/{id}` too.
        let is_below = publication.topic.len() > "priv/".len() + client.len();
        let matching = [own.filter(|_| !is_below), below];
        let wanted = |grant: &&Grant| !(grant.no_local && publication.publisher == session.key);
        let delivered = match &matching {
            [Some(grant), None] | [None, Some(grant)] if wanted(&grant) => deliver(&session, publication, grant, batch),
            [Some(_), Some(_)] => {
                let grants: Vec<_> = matching.iter().flatten().filter(wanted).collect();
                deliver_once(&session, publication, &grants, batch)
            }
            _ => 0,
        };
        delivered == 1
    }

    fn to_queues(&self, publication: &Publication<'_>, batch: &mut Batch, published: &mut Published) {
        let limits = &self.limits().queues;
        let memory = &self.0.common.memory;
        let mut gone = GivenUp::new();
        let mut queued = self.0.queues.offer(publication, limits, memory, batch, &mut gone);
        published.reached += queued.taken();
        if queued.matching == 0 && self.awaits_service(publication.topic) {
            match self.0.queues.keep_early(publication, clock::now_us(), limits, memory) {
                Ok(()) => {
                    published.reached += 1;
                    // Somebody may have come to serve it between the look and the keeping.
                    self.0.queues.settle_early(publication.topic, limits, memory, batch, &mut gone);
                }
                Err(refused) => {
                    self.0.queues.services().unserved(publication.topic);
                    match refused {
                        Refused::NoMemory => queued.no_memory += 1,
                        _ => queued.full += 1,
                    }
                }
            }
        }
        if queued.full > 0 {
            self.0.common.stats.queue_full.add(1);
        }
        if queued.no_memory > 0 {
            self.0.common.stats.memory_full.add(1);
        }
        published.full = queued.full + queued.no_memory > 0;
        self.given_up(gone, batch);
    }

    /// Finds a queue for a message whose own is no more.
    pub(super) fn publish_again(&self, message: &Arc<Message>, batch: &mut Batch) {
        let mut published = Published::default();
        self.to_queues(&message.publication(), batch, &mut published);
        if published.reached == 0 {
            self.given_up(vec![(Arc::clone(message), Undeliverable::Unserved)], batch);
        }
    }

    /// Whether `topic` is one on which work is done.
    pub(super) fn is_work(&self, topic: &str) -> bool {
        matches!(&self.0.hooks.work, Some((filter, _)) if mqtt::matches(filter, topic))
    }

    /// Whether a message on `topic` should wait for somebody to serve it.
    fn awaits_service(&self, topic: &str) -> bool {
        self.is_work(topic) && !self.0.topics.is_subscribed(topic)
    }

    /// Counts and logs messages that queues gave up on, and tells the hook.
    pub(super) fn given_up(&self, gone: GivenUp, batch: &mut Batch) {
        let stats = &self.0.common.stats;
        for (message, why) in gone {
            match why {
                Undeliverable::Unserved => stats.dropped_nobody.add(1),
                Undeliverable::Expired => stats.expired.add(1),
                Undeliverable::NoRoom => stats.queue_full.add(1),
                Undeliverable::TooLarge => stats.dropped_too_large.add(1),
                Undeliverable::SetAside => {
                    stats.set_aside.add(1);
                    tracing::error!(
                        bus = self.id(),
                        topic = message.topic(),
                        bytes = message.payload().len(),
                        "message set aside: every worker that got it went away with it in hand"
                    );
                }
            }
            if let Some((filter, hook)) = &self.0.hooks.work
                && mqtt::matches(filter, message.topic())
            {
                hook.undeliverable(&message, why, batch);
            }
        }
    }

    /// Keeps (or, when empty, deletes) the retained message of a topic. False:
    /// the limit on retained messages, or that on memory, is reached.
    pub(super) fn retain(&self, publication: &Publication<'_>) -> bool {
        let mut retained = self.0.retained.write();
        if publication.payload.is_empty() {
            retained.remove(publication.topic);
            return true;
        }
        let common = &self.0.common;
        let message = publication.message(&common.memory);
        if common.memory.is_full() {
            common.stats.memory_full.add(1);
            return false;
        }
        let kept = retained.set(publication.topic, Arc::clone(message), message.size());
        if kept.is_err() {
            common.stats.retained_full.add(1);
        }
        kept.is_ok()
    }

    /// Sends the retained messages of a new subscription [MQTT-3.3.1-9].
    pub(super) fn send_retained(&self, filter: &str, session: &Arc<Session>, grant: &Grant, batch: &mut Batch) {
        let now = clock::now_ms();
        let mut messages: Vec<Arc<Message>> = Vec::new();
        self.0.retained.read().matching(filter, |message| messages.push(Arc::clone(message)));
        let ids = [grant.subscription_id];
        let subscription_ids = if grant.subscription_id == 0 { &[][..] } else { &ids[..] };
        for message in messages.iter().filter(|message| !message.expired(now)) {
            let qos = message.qos.min(grant.qos);
            let terms = Terms { qos, retain: true, subscription_ids };
            session.deliver(&message.publication(), terms, batch);
        }
    }
}
