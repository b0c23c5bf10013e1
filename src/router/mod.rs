//! What joins the buses: requests, responses and notifications between them,
//! and the `_bkpr.router` calls.
//!
//! The router is no client of the buses. They call it, in the task of whoever
//! publishes to one of its topics, and it answers by publishing on another bus.

/// `_bkpr.router.bind`, `unbind` and `sessions`.
mod calls;
/// Calls that the operator makes.
mod console;
/// JSON-RPC as far as a router needs it.
pub(crate) mod jsonrpc;
/// Names on the wire: client ids, topics, addresses.
pub(crate) mod names;
/// Backend to every frontend, or to the devices of one address.
mod notifications;
/// Who is there.
mod presence;
/// Frontend to backend.
mod requests;
/// Backend to the caller's mailbox.
mod responses;
/// Which addresses were said to be online.
mod roll;
mod settings;
/// The token of those who may bind.
mod token;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::bindings::Bindings;
use crate::bus::{Batch, Bus, Counter, EventKind, Events, Hooks, Publication, now_ms};
use crate::mqtt::{QoS, write_user_property};

pub use console::CallError;
pub use settings::{PresenceSettings, Settings};
pub use token::{router_token, system_token};

use jsonrpc::RpcError;

/// The router. Its flows run for as long as the buses do.
#[derive(Clone)]
pub struct Router(Arc<Core>);

/// What all flows share.
struct Core {
    settings: Settings,
    bindings: Bindings,
    /// Set once, when the buses are there; hooks are not called before.
    buses: OnceLock<Buses>,
    /// No new requests are taken.
    stopping: AtomicBool,
    stats: Stats,
    events: Events,
    console: console::Console,
    /// `None`: nobody wants to know who is there.
    presence: Option<Arc<presence::Presence>>,
}

struct Buses {
    backends: Vec<Bus>,
    frontends: Vec<Bus>,
}

/// What the router counts.
#[derive(Default)]
pub struct Stats {
    pub requests: Counter,
    pub responses: Counter,
    pub broadcasts: Counter,
    pub unicasts: Counter,
    /// Requests whose response topic was not the sender's own mailbox.
    pub refused_response_topic: Counter,
    /// Requests and notifications whose `fwd_to` can't be.
    pub refused_fwd_to: Counter,
    /// Requests refused because their queue was full.
    pub overloaded: Counter,
    /// Unicasts to an address that nobody is bound to.
    pub unicasts_to_nobody: Counter,
    /// Responses whose caller had gone.
    pub responses_to_nobody: Counter,
    /// `_bkpr.router` calls without the router token.
    pub unauthorized_calls: Counter,
    /// Errors that the router answered in place of a service.
    pub errors_answered: Counter,
}

/// Role and id of a bus, before it exists.
pub struct BusName<'a> {
    pub id: &'a str,
    pub role: &'a str,
}

impl Router {
    pub fn new(settings: Settings, bindings: Bindings) -> Router {
        bindings.answer_within(|answer| crate::bus::writing_once(answer));
        let presence = settings.presence.enabled.then(|| {
            let presence = Arc::new(presence::Presence::default());
            let marks = Arc::clone(&presence);
            bindings.watch(move |address| marks.mark(address));
            presence
        });
        Router(Arc::new(Core {
            settings,
            presence,
            bindings,
            buses: OnceLock::new(),
            stopping: AtomicBool::new(false),
            stats: Stats::default(),
            events: Events::default(),
            console: console::Console::default(),
        }))
    }

    fn lanes(&self) -> impl Iterator<Item = u8> {
        1..=self.0.settings.lanes
    }

    /// What the router wants to be called for on a frontend.
    pub fn frontend_hooks(&self, frontend: &BusName<'_>, backend_roles: &[&str]) -> Hooks {
        let mut hooks = Hooks::default();
        if !self.0.settings.enabled {
            return hooks;
        }
        for role in backend_roles {
            for lane in self.lanes() {
                let requests = requests::Requests::new(&self.0, frontend.id, role, lane);
                hooks.on_topic(&format!("req/{role}-{lane}"), Arc::new(requests));
            }
        }
        if let Some(presence) = &self.0.presence {
            hooks.on_clients(Arc::new(presence::Comings::new(&self.0, presence, frontend.id)));
        }
        hooks
    }

    /// What the router wants to be called for on a backend.
    pub fn backend_hooks(&self, backend: &BusName<'_>, frontends: &[BusName<'_>]) -> Hooks {
        let mut hooks = Hooks::default();
        if !self.0.settings.enabled {
            return hooks;
        }
        for lane in self.lanes() {
            for frontend in frontends {
                let responses = responses::Responses::new(&self.0, frontend.id);
                hooks.on_topic(&format!("res/{}-{lane}", frontend.id), Arc::new(responses));
                let notifications = notifications::Notifications::new(&self.0, backend.id, frontend.role);
                hooks.on_topic(&format!("msg/{}-{lane}", frontend.role), Arc::new(notifications));
            }
        }
        let calls = Arc::new(calls::Calls::new(&self.0, backend.id, router_token(self.0.settings.salt(backend.id))));
        hooks.on_topic(&format!("req/{}/_bkpr/router", backend.role), Arc::clone(&calls) as _);
        hooks.on_topic(console::TOPIC, Arc::new(console::Answers(Arc::clone(&self.0))));
        hooks.on_work(&format!("req/{}/#", backend.role), calls);
        hooks
    }

    /// Hands the router its buses. Calling it again changes nothing.
    pub fn join(&self, backends: Vec<Bus>, frontends: Vec<Bus>) {
        self.0.buses.get_or_init(|| Buses { backends, frontends });
    }

    /// Tells workers who comes and goes, until the router stops; `None` if the
    /// settings want none of it. To be begun as clients can connect.
    pub fn presence(&self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let presence = self.0.presence.as_ref().filter(|_| self.0.settings.enabled)?;
        Some(presence::run(Arc::clone(&self.0), Arc::clone(presence)))
    }

    /// The token of a backend's framework services, see [`system_token`].
    pub(crate) fn system_token(&self, backend: &Bus) -> String {
        system_token(self.0.settings.salt(backend.id()))
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.0.settings.enabled
    }

    pub fn stats(&self) -> &Stats {
        &self.0.stats
    }

    /// The last things that went wrong.
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// Takes no more requests, and waits until those in flight are answered or
    /// the settings' time for that is over.
    pub async fn stop(&self) {
        self.0.stopping.store(true, Ordering::Release);
        let Some(buses) = self.0.buses.get() else { return };
        let until = now_ms() + self.0.settings.shutdown_wait_ms;
        while buses.backends.iter().any(|bus| bus.unfinished_work() > 0) && now_ms() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Core {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn frontend(&self, id: &str) -> Option<&Bus> {
        self.buses.get()?.frontends.iter().find(|bus| bus.id() == id)
    }

    fn backend(&self, id: &str) -> Option<&Bus> {
        self.buses.get()?.backends.iter().find(|bus| bus.id() == id)
    }

    fn frontends_of<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a Bus> {
        let frontends = self.buses.get().map_or(&[][..], |buses| &buses.frontends);
        frontends.iter().filter(move |bus| bus.role() == role)
    }

    /// Keeps for whoever looks that a request for `topic` got `error` in place of
    /// a service's answer.
    fn note_error(&self, bus: &str, client: &str, topic: &str, error: &RpcError<'_>) {
        let reason = match error.data {
            Some(data) => format!("{} {}: {data}", error.code, error.message),
            None => format!("{} {}", error.code, error.message),
        };
        self.events.add(EventKind::Error, bus, client, topic, &reason);
    }

    /// Answers a request with an error, in place of whoever should have: at
    /// `topic` on `bus`. Requests without an id get no answer.
    fn answer_error(
        &self,
        bus: &Bus,
        topic: &str,
        addr: Option<&str>,
        request: &[u8],
        error: RpcError<'_>,
        batch: &mut Batch,
    ) {
        let Some(payload) = jsonrpc::error_response(request, error) else { return };
        self.stats.errors_answered.add(1);
        if topic == console::TOPIC {
            return self.console.answered(&payload);
        }
        let mut properties = Vec::new();
        if let Some(addr) = addr {
            write_user_property(&mut properties, "addr", addr);
        }
        let mut answer = Publication::new(topic, &properties, &payload);
        answer.qos = QoS::AtLeastOnce;
        bus.publish(&answer, batch);
    }
}
