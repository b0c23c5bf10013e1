//! What is counted of each service: calls, what became of them, how long they
//! waited and took. A service is what a work queue under `req/{role}/` serves;
//! what is counted of it outlives its queue.

use std::sync::Arc;

use ahash::AHashMap;
use parking_lot::RwLock;

use crate::histogram::Histogram;

use super::stats::Counter;

/// Services of one bus that are told apart; further ones are counted together.
/// The first to come stay, so that no count ever falls.
const MAX_SERVICES: usize = 100;

/// Longest name of a service that is told apart, in bytes.
const MAX_NAME: usize = 128;

/// The name of those counted together; who else has it is one of them.
const OTHER: &str = "other";

/// What is counted of one service. Each is one relaxed addition a message.
pub struct ServiceStats {
    /// Such as `myapp.str`, or `myapp.#` for a queue of all below `myapp`.
    pub name: Box<str>,
    /// Requests that came for it.
    pub calls: Counter,
    /// Those of them that nobody served, or that were refused.
    pub errors: Counter,
    /// Those given to another worker because the first one went away.
    pub redelivered: Counter,
    /// Microseconds that requests waited to be given to a worker.
    pub wait: Histogram,
    /// Microseconds from there being a request to its PUBACK, which workers
    /// send after they have answered.
    pub latency: Histogram,
}

/// The services of one bus.
pub struct Services {
    /// `req/{role}/`
    prefix: Box<str>,
    by_filter: RwLock<AHashMap<Box<str>, Arc<ServiceStats>>>,
    other: Arc<ServiceStats>,
}

impl ServiceStats {
    fn new(name: &str) -> ServiceStats {
        ServiceStats {
            name: name.into(),
            calls: Counter::default(),
            errors: Counter::default(),
            redelivered: Counter::default(),
            wait: Histogram::default(),
            latency: Histogram::default(),
        }
    }
}

impl Services {
    pub fn new(role: &str) -> Services {
        let other = Arc::new(ServiceStats::new(OTHER));
        Services { prefix: format!("req/{role}/").into(), by_filter: RwLock::default(), other }
    }

    /// What to count for a new queue; `None`: it serves no requests.
    pub fn of_queue(&self, filter: &str) -> Option<Arc<ServiceStats>> {
        let rest = filter.strip_prefix(&*self.prefix)?;
        let mut services = self.by_filter.write();
        if let Some(known) = services.get(filter) {
            return Some(Arc::clone(known));
        }
        if services.len() >= MAX_SERVICES {
            services.retain(|_, service| !is_forgotten(service));
        }
        // Names go into labels of metrics, where no two may be the same: a dot
        // within a level would be taken for a slash.
        let is_unique = rest != OTHER && !rest.contains('.');
        if services.len() >= MAX_SERVICES || rest.len() > MAX_NAME || !is_unique {
            return Some(Arc::clone(&self.other));
        }
        let service = Arc::new(ServiceStats::new(&rest.replace('/', ".")));
        services.insert(filter.into(), Arc::clone(&service));
        Some(service)
    }

    /// A request that no queue has had was refused or given up.
    pub fn unserved(&self, topic: &str) {
        if !topic.starts_with(&*self.prefix) {
            return;
        }
        // A name that clients make up gets no place of its own.
        let known = self.by_filter.read().get(topic).map(Arc::clone);
        let service = known.as_ref().unwrap_or(&self.other);
        service.calls.add(1);
        service.errors.add(1);
    }

    /// All of them with the filters of their queues; last the one for all the
    /// others, without a filter, if some are or were.
    pub fn list(&self) -> Vec<(Option<Box<str>>, Arc<ServiceStats>)> {
        let services = self.by_filter.read();
        let known = services.iter().filter(|(_, stats)| !is_forgotten(stats));
        let mut all: Vec<_> = known.map(|(filter, stats)| (Some(filter.clone()), Arc::clone(stats))).collect();
        drop(services);
        all.sort_by(|a, b| a.1.name.cmp(&b.1.name));
        if self.other.calls.get() > 0 || Arc::strong_count(&self.other) > 1 {
            all.push((None, Arc::clone(&self.other)));
        }
        all
    }
}

/// Never called, and no queue has it any more.
fn is_forgotten(service: &Arc<ServiceStats>) -> bool {
    service.calls.get() == 0 && Arc::strong_count(service) == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_past_the_limit_are_counted_together_and_unused_ones_make_room() {
        let services = Services::new("backend");
        let filter = |n: usize| format!("req/backend/app/s{n}");
        let used: Vec<_> = (0..MAX_SERVICES).filter_map(|n| services.of_queue(&filter(n))).collect();
        used.iter().for_each(|service| service.calls.add(1));
        let late = services.of_queue(&filter(MAX_SERVICES)).expect("it serves requests");
        assert_eq!(&*late.name, OTHER);
        assert!(services.of_queue("log/#").is_none());

        let services = Services::new("backend");
        for same in ["req/backend/other", "req/backend/app.s1"] {
            assert_eq!(&*services.of_queue(same).expect("it serves requests").name, OTHER);
        }
        (0..MAX_SERVICES).for_each(|n| drop(services.of_queue(&filter(n))));
        assert_eq!(services.list().len(), 0);
        let late = services.of_queue("req/backend/app/#").expect("it serves requests");
        assert_eq!(&*late.name, "app.#");
    }

    #[test]
    fn names_that_clients_make_up_get_no_place_of_their_own() {
        let services = Services::new("backend");
        let known = services.of_queue("req/backend/app/str").expect("it serves requests");
        services.unserved("req/backend/app/str");
        (0..1000).for_each(|n| services.unserved(&format!("req/backend/made/up{n}")));
        services.unserved("msg/backend/x");
        let counted: Vec<_> = services.list().iter().map(|(_, s)| (s.name.to_string(), s.errors.get())).collect();
        assert_eq!(counted, [("app.str".to_owned(), 1), (OTHER.to_owned(), 1000)]);
        assert_eq!(known.calls.get(), 1);
    }
}
