//! HTTP for those who run skep: health, metrics, what is there, and what they
//! can do about it. Reads the other parts through their handles; no part knows
//! of this one.

/// A call, made from here.
mod call;
/// Who is connected, and ending a connection.
mod clients;
/// What went wrong of late.
mod events;
/// Which requests are let through.
mod guard;
/// Is it alive, is it ready.
mod health;
/// The last minutes.
mod history;
/// Prometheus.
mod metrics;
/// The whole at a glance.
mod overview;
/// Work queues.
mod queues;
/// Answers and errors.
mod reply;
/// What workers serve.
mod services;
/// Sessions and addresses, and forgetting them.
mod sessions;
mod settings;
/// The socket: how many connections, and for how long.
mod socket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::bindings::Bindings;
use crate::bus::Bus;
use crate::router::Router;
use crate::skep::Bound;

pub use settings::Settings;

/// What the listener shows: handles of the other parts.
pub struct Parts {
    pub backends: Vec<Bus>,
    pub frontends: Vec<Bus>,
    pub listeners: Vec<Bound>,
    pub router: Router,
    pub bindings: Bindings,
}

/// A running admin listener; it ends when this is dropped.
pub struct Admin {
    address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

/// What all handlers share.
struct State {
    parts: Parts,
    started: Instant,
    /// Wall clock, ms since 1970.
    started_ms: u64,
    stopping: AtomicBool,
    history: history::Ring,
    /// Lists that can be long are made one at a time, away from the threads
    /// that serve clients.
    walk: tokio::sync::Semaphore,
}

/// The admin listener can't be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "the admin listener can't listen on {address}: {error}; give admin.listen another address, or set admin.enabled = false"
)]
pub struct OpenError {
    pub address: SocketAddr,
    #[source]
    pub error: std::io::Error,
}

impl Admin {
    /// Opens the listener and serves it; needs a tokio runtime.
    ///
    /// # Errors
    /// The address can't be listened on.
    pub async fn start(settings: &Settings, parts: Parts) -> Result<Admin, OpenError> {
        let failed = |error| OpenError { address: settings.listen, error };
        let socket = TcpListener::bind(settings.listen).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let state = Arc::new(State {
            parts,
            started: Instant::now(),
            started_ms: wall_ms(),
            stopping: AtomicBool::new(false),
            history: history::Ring::default(),
            walk: tokio::sync::Semaphore::new(1),
        });
        let service = routes(settings, &state);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // It has no end of its own.
            let _ = axum::serve(socket::Listener::new(socket), service).await;
        });
        tasks.spawn(history::record(Arc::clone(&state)));
        Ok(Admin { address, state, _tasks: tasks })
    }

    /// The real one, where the settings say port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Such as `http://127.0.0.1:18888/`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// `/readyz` says no from now on.
    pub fn stopping(&self) {
        self.state.stopping.store(true, Ordering::Release);
    }
}

fn routes(settings: &Settings, state: &Arc<State>) -> axum::Router {
    let api = axum::Router::new()
        .route("/overview", get(overview::overview))
        .route("/events", get(events::events))
        .route("/call", post(call::call))
        .route("/history", get(history::history))
        .route("/services", get(services::services))
        .route("/queues", get(queues::queues))
        .route("/clients", get(clients::list))
        .route("/client", get(clients::one))
        .route("/client/kick", post(clients::kick))
        .route("/sessions", get(sessions::list))
        .route("/session", get(sessions::one))
        .route("/session/unbind", post(sessions::unbind))
        .route("/addresses", get(sessions::addresses));
    let all = axum::Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::metrics))
        .nest("/api/v1", api);
    guard::around(all, settings).with_state(Arc::clone(state))
}

impl State {
    /// Backends first.
    fn buses(&self) -> impl Iterator<Item = &Bus> {
        self.parts.backends.iter().chain(&self.parts.frontends)
    }

    fn bus(&self, id: &str) -> Option<&Bus> {
        self.buses().find(|bus| bus.id() == id)
    }

    fn bus_or_error(&self, id: &str) -> Result<&Bus, reply::Error> {
        let known = || self.buses().map(Bus::id).collect::<Vec<_>>().join(", ");
        self.bus(id).ok_or_else(|| reply::Error::not_found(format!("there is no bus {id:?}; there are: {}", known())))
    }

    /// Runs what can take some milliseconds, one at a time.
    async fn walk<R: Send + 'static>(
        self: &Arc<Self>,
        make: impl FnOnce(&State) -> R + Send + 'static,
    ) -> Result<R, reply::Error> {
        self.walk_shared(move |state| make(&state)).await
    }

    /// The same for what keeps the state.
    async fn walk_shared<R: Send + 'static>(
        self: &Arc<Self>,
        make: impl FnOnce(Arc<State>) -> R + Send + 'static,
    ) -> Result<R, reply::Error> {
        let _turn = self.walk.acquire().await.map_err(|_| reply::Error::broken())?;
        let state = Arc::clone(self);
        tokio::task::spawn_blocking(move || make(state)).await.map_err(|_| reply::Error::broken())
    }
}

/// The wall clock, ms since 1970.
fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
