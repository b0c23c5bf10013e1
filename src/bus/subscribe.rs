//! SUBSCRIBE and UNSUBSCRIBE: where each filter belongs (a work queue, the
//! client's own mailbox, or the topic engine), and leaving it again.

use std::sync::Arc;

use crate::mqtt::{self, Reason, RetainHandling, Subscribe, SubscribeFilter};

use super::Bus;
use super::access::Account;
use super::batch::Batch;
use super::events::EventKind;
use super::outbound::Grant;
use super::queue::{GivenUp, Queue};
use super::session::{Session, State, Subscription};

/// Bytes of all filters of one client: those of a usual length, or a single
/// one of the greatest.
fn max_bytes(max_subscriptions: usize) -> usize {
    max_subscriptions.saturating_mul(256).max(u16::MAX as usize)
}

/// Where a filter leads.
enum Place<'a> {
    Queue {
        group: &'a str,
        filter: &'a str,
    },
    /// `priv/{client id}`
    Mailbox,
    /// `priv/{client id}/#`
    MailboxBelow,
    Topics(&'a str),
}

impl<'a> Place<'a> {
    fn of(filter: &'a str, client: &str) -> Result<Place<'a>, Reason> {
        match mqtt::parse_share(filter) {
            Some(Ok((group, filter))) => return Ok(Place::Queue { group, filter }),
            Some(Err(_)) => return Err(Reason::TopicFilterInvalid),
            None if !mqtt::valid_filter(filter) => return Err(Reason::TopicFilterInvalid),
            None => {}
        }
        // A client id with a `/` or a wildcard in it names no mailbox.
        let own = filter.strip_prefix("priv/").and_then(|rest| rest.strip_prefix(client));
        Ok(match own {
            Some(_) if client.is_empty() || client.contains(['/', '+', '#']) => Place::Topics(filter),
            Some("") => Place::Mailbox,
            Some("/#") => Place::MailboxBelow,
            _ => Place::Topics(filter),
        })
    }

    /// What the topic rules are asked about.
    fn filter(&self, given: &'a str) -> &'a str {
        match self {
            Place::Queue { filter, .. } => filter,
            _ => given,
        }
    }
}

impl Bus {
    /// Handles a SUBSCRIBE; gives back the reason codes for the SUBACK and the
    /// subscriptions whose retained messages are to be sent after it. After it,
    /// too, [`Bus::start_work`] is due.
    pub(super) fn subscribe(
        &self,
        session: &Arc<Session>,
        account: &Account,
        subscribe: &Subscribe<'_>,
    ) -> (Vec<Reason>, Vec<(String, Grant)>) {
        let mut reasons = Vec::with_capacity(subscribe.filters.len());
        let mut retained = Vec::new();
        for wanted in &subscribe.filters {
            let grant = Grant {
                qos: wanted.options.qos,
                no_local: wanted.options.no_local,
                retain_as_published: wanted.options.retain_as_published,
                subscription_id: subscribe.subscription_id.unwrap_or(0),
            };
            match self.subscribe_one(session, account, wanted, grant) {
                Ok(send_retained) => {
                    reasons.push(granted(grant.qos));
                    if send_retained {
                        retained.push((wanted.filter.to_owned(), grant));
                    }
                }
                Err(reason) => {
                    if reason == Reason::QuotaExceeded {
                        self.0.common.stats.refused_subscribe.add(1);
                    }
                    reasons.push(reason);
                }
            }
        }
        (reasons, retained)
    }

    /// True: the filter's retained messages are to be sent.
    fn subscribe_one(
        &self,
        session: &Arc<Session>,
        account: &Account,
        wanted: &SubscribeFilter<'_>,
        grant: Grant,
    ) -> Result<bool, Reason> {
        let place = Place::of(wanted.filter, &session.id)?;
        if !account.may_subscribe(place.filter(wanted.filter), &session.id) {
            self.0.common.stats.denied_subscribe.add(1);
            self.log_denial(session, "subscribe", wanted.filter);
            return Err(self.denied());
        }
        let mut state = session.state.lock();
        if state.ended {
            return Err(Reason::UnspecifiedError);
        }
        let known = state.subscriptions.iter().position(|s| *s.filter == *wanted.filter);
        let max = self.limits().connections.max_subscriptions;
        if known.is_none() && (state.subscriptions.len() >= max || state.filter_bytes(wanted.filter) > max_bytes(max)) {
            return Err(Reason::QuotaExceeded);
        }
        if known.is_none() && self.0.common.memory.is_full() {
            self.0.common.stats.memory_full.add(1);
            return Err(Reason::QuotaExceeded);
        }
        let shared = matches!(place, Place::Queue { .. });
        match place {
            Place::Queue { group, filter } => {
                let max = self.limits().topics.max_filters;
                let joined = self.0.queues.join(group, filter, session, grant, max);
                let queue = joined.map_err(|_| Reason::QuotaExceeded)?;
                let mut queues = session.queues.write();
                if !queues.iter().any(|other| other.key == queue.key) {
                    queues.push(queue);
                }
            }
            Place::Mailbox => session.out().mailbox = Some(grant),
            Place::MailboxBelow => session.out().mailbox_below = Some(grant),
            Place::Topics(filter) => {
                self.0.topics.subscribe(filter, session, grant).map_err(|_| Reason::QuotaExceeded)?;
            }
        }
        let new = known.is_none();
        match known {
            Some(at) => state.subscriptions[at].grant = grant,
            None => {
                state.subscriptions.push(Subscription { filter: wanted.filter.into(), grant });
                session.count_filters(&mut state);
            }
        }
        Ok(!shared
            && match wanted.options.retain_handling {
                RetainHandling::SendAlways => true,
                RetainHandling::SendIfNew => new,
                RetainHandling::Never => false,
            })
    }

    /// Handles one filter of an UNSUBSCRIBE.
    pub(super) fn unsubscribe(&self, session: &Arc<Session>, filter: &str, batch: &mut Batch) -> Reason {
        let mut state = session.state.lock();
        let Some(at) = state.subscriptions.iter().position(|s| *s.filter == *filter) else {
            let valid = mqtt::parse_share(filter).map_or_else(|| mqtt::valid_filter(filter), |shared| shared.is_ok());
            return if valid { Reason::NoSubscriptionExisted } else { Reason::TopicFilterInvalid };
        };
        state.subscriptions.swap_remove(at);
        session.count_filters(&mut state);
        let left = self.leave(session, filter);
        drop(state);
        if let Some(queue) = left {
            self.0.queues.leave(&queue, session.key);
            self.serve(session, batch);
        }
        Reason::Success
    }

    /// Takes a subscription out of where it leads; a work queue is still to be
    /// left by the caller.
    fn leave(&self, session: &Arc<Session>, filter: &str) -> Option<Arc<Queue>> {
        match Place::of(filter, &session.id).ok()? {
            Place::Queue { group, filter } => {
                let mut queues = session.queues.write();
                let at = queues.iter().position(|q| *q.group == *group && *q.filter == *filter)?;
                return Some(queues.swap_remove(at));
            }
            Place::Mailbox => session.out().mailbox = None,
            Place::MailboxBelow => session.out().mailbox_below = None,
            Place::Topics(filter) => {
                self.0.topics.unsubscribe(filter, session);
            }
        }
        None
    }

    /// Takes out all that an ended session was subscribed to.
    pub(super) fn leave_all(&self, session: &Arc<Session>, state: &mut State) {
        for subscription in std::mem::take(&mut state.subscriptions) {
            if let Some(queue) = self.leave(session, &subscription.filter) {
                self.0.queues.leave(&queue, session.key);
            }
        }
        session.count_filters(state);
    }

    /// Has the queues of a new member begin to give out what waits in them.
    pub(super) fn start_work(&self, session: &Arc<Session>, batch: &mut Batch) {
        let mut gone = GivenUp::new();
        for queue in session.queues.read().iter() {
            self.0.queues.start(queue, batch, &mut gone);
        }
        self.given_up(gone, batch);
    }

    /// A session has room: gives it work from the queues it is a member of.
    pub(super) fn serve(&self, session: &Arc<Session>, batch: &mut Batch) {
        let mut gone = GivenUp::new();
        for queue in session.queues.read().iter() {
            queue.serve(batch, &mut gone);
        }
        self.given_up(gone, batch);
    }

    /// Gives out, a little later, what a queue has held back. (Where nobody
    /// calls this, the next tick does the same.)
    pub(super) async fn look_again(self, queue: Arc<Queue>) {
        let mut batch = Batch::new();
        while queue.patience().await {
            let mut gone = GivenUp::new();
            queue.serve(&mut batch, &mut gone);
            self.given_up(gone, &mut batch);
            batch.flush_fairly().await;
            if batch.take_look_again().is_empty() {
                return;
            }
        }
    }

    /// What a client hears of what its topic rules deny.
    pub(super) fn denied(&self) -> Reason {
        if self.limits().reveal_denials { Reason::NotAuthorized } else { Reason::UnspecifiedError }
    }

    /// Whether a line about what this client does may be written to the log.
    fn may_log_of(&self, session: &Session) -> bool {
        session.control().is_some_and(|control| self.may_log(control.peer.ip()))
    }

    /// Logs the first thing that a session was denied, and keeps each.
    pub(super) fn log_denial(&self, session: &Session, what: &str, topic: &str) {
        let reason = format!("not in the topic rules of user {}", session.account.name);
        self.events().add(EventKind::Denied, self.id(), &session.id, &format!("{what} {topic}"), &reason);
        if !session.denial_logged.swap(true, std::sync::atomic::Ordering::Relaxed) && self.may_log_of(session) {
            tracing::warn!(
                bus = self.id(),
                client = &*session.id,
                user = &*session.account.name,
                topic,
                "not allowed to {what} (further denials of this client are only counted)"
            );
        }
    }
}

fn granted(qos: mqtt::QoS) -> Reason {
    match qos {
        mqtt::QoS::AtMostOnce => Reason::Success,
        mqtt::QoS::AtLeastOnce => Reason::GrantedQos1,
        mqtt::QoS::ExactlyOnce => Reason::GrantedQos2,
    }
}
