//! Who in this process listens to which notifications.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::names::Pattern;
use super::notifications::Notification;

/// All listeners of one client.
#[derive(Default)]
pub struct Listeners {
    /// Locked for a moment only, never across an await.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_listener: u64,
    last_filter: usize,
    listeners: HashMap<u64, Listener>,
    /// What is subscribed to on the bus.
    filters: HashMap<String, Filter>,
    ended: bool,
}

struct Filter {
    /// Subscription identifier.
    id: usize,
    listeners: usize,
}

struct Listener {
    pattern: Pattern,
    /// None: hears private notifications only.
    filter: Option<String>,
    sender: mpsc::Sender<Notification>,
    missed: Arc<AtomicU64>,
}

/// What a new listener gets.
pub struct Listening {
    pub id: u64,
    /// Identifier for the subscription, if there is one.
    pub filter_id: usize,
    pub receiver: mpsc::Receiver<Notification>,
    pub missed: Arc<AtomicU64>,
}

impl Listeners {
    /// Adds one that has room for so many unread notifications.
    pub fn add(&self, pattern: Pattern, filter: Option<String>, room: usize) -> Listening {
        let (sender, receiver) = mpsc::channel(room);
        let missed = Arc::new(AtomicU64::new(0));
        let mut state = self.state.lock();
        let state = &mut *state;
        state.last_listener += 1;
        let id = state.last_listener;
        let filter_id = match &filter {
            Some(filter) => {
                let known = state.filters.entry(filter.clone()).or_insert_with(|| {
                    state.last_filter += 1;
                    Filter { id: state.last_filter, listeners: 0 }
                });
                known.listeners += 1;
                known.id
            }
            None => 0,
        };
        if !state.ended {
            state.listeners.insert(id, Listener { pattern, filter, sender, missed: Arc::clone(&missed) });
        }
        Listening { id, filter_id, receiver, missed }
    }

    /// Takes one out. If nobody is left for its filter, `unsubscribe` is called,
    /// before anybody can add it again.
    pub fn remove(&self, id: u64, unsubscribe: impl FnOnce(String)) {
        let mut state = self.state.lock();
        let Some(filter) = state.listeners.remove(&id).and_then(|listener| listener.filter) else { return };
        let Some(known) = state.filters.get_mut(&filter) else { return };
        known.listeners -= 1;
        if known.listeners == 0 {
            state.filters.remove(&filter);
            unsubscribe(filter);
        }
    }

    /// What a new connection has to subscribe to, each with its identifier.
    pub fn filters(&self) -> Vec<(String, usize)> {
        self.state.lock().filters.iter().map(|(filter, known)| (filter.clone(), known.id)).collect()
    }

    /// Gives a notification to those whose it is. `identifiers` are those of the
    /// subscriptions that it came by, as far as the bus tells.
    pub fn deliver(&self, notification: &Notification, identifiers: &[usize]) {
        let state = self.state.lock();
        let mut heard = false;
        for listener in state.listeners.values() {
            let wanted = match &listener.filter {
                None => notification.private && listener.pattern.matches(&notification.method),
                // Each overlapping subscription may bring a copy of its own.
                Some(filter) if !notification.private && !identifiers.is_empty() => {
                    state.filters.get(filter).is_some_and(|filter| identifiers.contains(&filter.id))
                }
                Some(_) => listener.pattern.matches(&notification.method),
            };
            if wanted {
                heard = true;
                if listener.sender.try_send(notification.clone()).is_err() {
                    let before = listener.missed.fetch_add(1, Ordering::Relaxed);
                    if before == 0 {
                        tracing::warn!(method = notification.method, "notifications are missed: nobody reads them");
                    }
                }
            }
        }
        if !heard {
            tracing::debug!(method = notification.method, "a notification that nobody listens to");
        }
    }

    /// No more notifications: whoever reads them is told.
    pub fn end(&self) {
        let mut state = self.state.lock();
        state.ended = true;
        state.listeners.clear();
        state.filters.clear();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn notification(method: &str, private: bool) -> Notification {
        Notification { method: method.into(), params: Value::Null, private, caller_id: None, auth: None }
    }

    fn add(listeners: &Listeners, pattern: &str, room: usize) -> Listening {
        let pattern = Pattern::parse(pattern).unwrap();
        let filter = pattern.filter("frontend");
        listeners.add(pattern, Some(filter), room)
    }

    fn heard(listening: &mut Listening) -> usize {
        std::iter::from_fn(|| listening.receiver.try_recv().ok()).count()
    }

    #[test]
    fn copies_that_overlapping_subscriptions_bring_are_told_apart() {
        let listeners = Listeners::default();
        let mut service = add(&listeners, "a.*", 9);
        let mut method = add(&listeners, "a.b", 9);
        listeners.deliver(&notification("a.b", false), &[service.filter_id]);
        listeners.deliver(&notification("a.b", false), &[method.filter_id]);
        assert_eq!((heard(&mut service), heard(&mut method)), (1, 1));
        listeners.deliver(&notification("a.b", false), &[method.filter_id, service.filter_id]);
        assert_eq!((heard(&mut service), heard(&mut method)), (1, 1));
        // A bus that does not tell.
        listeners.deliver(&notification("a.c", false), &[]);
        assert_eq!((heard(&mut service), heard(&mut method)), (1, 0));
    }

    #[test]
    fn private_notifications_go_by_method() {
        let listeners = Listeners::default();
        let mut service = add(&listeners, "a.*", 9);
        let mut other = add(&listeners, "b.*", 9);
        let mut private = listeners.add(Pattern::All, None, 9);
        listeners.deliver(&notification("a.b", true), &[]);
        listeners.deliver(&notification("b.b", false), &[]);
        assert_eq!((heard(&mut service), heard(&mut other), heard(&mut private)), (1, 1, 1));
    }

    #[test]
    fn what_is_not_read_is_missed_and_counted() {
        let listeners = Listeners::default();
        let mut slow = add(&listeners, "*", 2);
        (0..5).for_each(|_| listeners.deliver(&notification("a.b", false), &[]));
        assert_eq!((heard(&mut slow), slow.missed.load(Ordering::Relaxed)), (2, 3));
    }

    #[test]
    fn a_filter_is_given_up_with_its_last_listener() {
        let listeners = Listeners::default();
        let (first, second) = (add(&listeners, "a.*", 1), add(&listeners, "a.*", 1));
        assert_eq!(listeners.filters(), [("msg/frontend/a/#".to_owned(), first.filter_id)]);
        listeners.remove(first.id, |filter| panic!("{filter} is still in use"));
        let mut given_up = None;
        listeners.remove(second.id, |filter| given_up = Some(filter));
        assert_eq!(given_up.as_deref(), Some("msg/frontend/a/#"));
        assert!(listeners.filters().is_empty());
        listeners.remove(second.id, |_| panic!("twice"));
        listeners.end();
        assert!(add(&listeners, "a.*", 1).receiver.blocking_recv().is_none());
    }
}
