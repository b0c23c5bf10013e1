//! A skep inside a test process: started in milliseconds, on ports of the
//! system's choice and with nothing on disk, gone when it is dropped.
//!
//! Any number can run at once. Each has a thread with a runtime of its own, so
//! that it works in every kind of test, under any executor or none, and goes on
//! while the test blocks.
//!
//! ```
//! use skep::client::{Client, Worker};
//!
//! #[tokio::main(flavor = "current_thread")] // #[tokio::test] in a test
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let bus = skep::testing::start().await;
//!
//!     let greet = |_, name: String| async move { Ok(format!("hello {name}")) };
//!     let _worker = Worker::new(bus.worker()).serve("myapp", "greet", greet).start().await?;
//!     let client = Client::connect(bus.client()).await?;
//!
//!     let greeting: String = client.call("myapp.greet", "you").await?;
//!     assert_eq!(greeting, "hello you");
//!     Ok(())
//! }
//! ```

use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::addresses::{Addresses, Credentials};
use crate::bindings::Bindings;
use crate::bus::{Bus, Transport};
use crate::client::Options;
use crate::config::Config;
use crate::router::Router;
use crate::{Bound, Kind, Skep, StartError};

/// Starts an instance with the default settings.
///
/// # Panics
/// It can't be started: the system has no port, thread or file left.
pub async fn start() -> Instance {
    builder().start().await
}

/// The same for tests that are not async.
///
/// # Panics
/// As [`start`].
pub fn start_blocking() -> Instance {
    builder().start_blocking()
}

/// An instance whose settings differ from the defaults.
pub fn builder() -> Builder {
    let mut config = Config::default();
    config.make_ephemeral();
    Builder { config }
}

/// An instance in the making. It begins with the default settings, but for ports
/// of the system's choice, bindings in memory, and a stop that waits for nothing.
#[derive(Clone, Debug)]
#[must_use = "an instance has to be started"]
pub struct Builder {
    config: Config,
}

impl Builder {
    /// Changes any settings:
    ///
    /// ```
    /// let bus = skep::testing::builder()
    ///     .settings(|config| {
    ///         config.router.lanes = 1;
    ///         for backend in config.backend.values_mut() {
    ///             // Calls of what nobody serves are answered at once.
    ///             backend.queues.grace_ms = 0;
    ///         }
    ///     })
    ///     .start_blocking();
    /// ```
    ///
    /// What is set is taken as it is: a fixed port can collide, and bindings that
    /// are to be on disk need a directory in `data`.
    pub fn settings(mut self, change: impl FnOnce(&mut Config)) -> Builder {
        change(&mut self.config);
        self
    }

    /// # Panics
    /// It can't be started, see [`Builder::try_start`].
    pub async fn start(self) -> Instance {
        self.try_start().await.unwrap_or_else(|error| panic!("skep does not start: {error}"))
    }

    /// # Errors
    /// As [`Skep::start`]; or the system has no thread left.
    pub async fn try_start(self) -> Result<Instance, StartError> {
        let (thread, started) = launch(self.config)?;
        Instance::new(thread, started.await)
    }

    /// For tests that are not async; not to be called from async code.
    ///
    /// # Panics
    /// It can't be started, see [`Builder::try_start`].
    pub fn start_blocking(self) -> Instance {
        let started = launch(self.config).and_then(|(thread, started)| Instance::new(thread, started.blocking_recv()));
        started.unwrap_or_else(|error| panic!("skep does not start: {error}"))
    }
}

/// A skep that runs in this process until this is dropped.
///
/// Dropping it closes all connections at once and waits for that, which takes
/// no longer than a millisecond or two; [`Instance::stop`] says goodbye first.
pub struct Instance {
    parts: Parts,
    stop: Option<oneshot::Sender<Ending>>,
    thread: Option<JoinHandle<()>>,
}

/// What is known of an instance outside of its thread.
struct Parts {
    addresses: Addresses,
    listeners: Vec<Bound>,
    backends: Vec<Bus>,
    frontends: Vec<Bus>,
    router: Router,
    bindings: Bindings,
}

/// How an instance is to end.
enum Ending {
    /// With whom to tell when it is over.
    Graceful(oneshot::Sender<()>),
    AtOnce,
}

type Started = Result<(Parts, oneshot::Sender<Ending>), StartError>;

/// Has a thread start an instance and keep it; gives back the thread, and what
/// it is going to say.
fn launch(config: Config) -> Result<(JoinHandle<()>, oneshot::Receiver<Started>), StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
    let (tell, started) = oneshot::channel();
    let live = move || {
        let bindings = runtime.block_on(live(config, tell));
        // Everything that the instance was doing ends here, in the middle of it.
        drop(runtime);
        if let Some(bindings) = bindings {
            bindings.close();
        }
    };
    let thread = std::thread::Builder::new().name("skep-testing".into()).spawn(live).map_err(StartError::Thread)?;
    Ok((thread, started))
}

/// The whole life of an instance. What is left of it is its bindings.
async fn live(config: Config, tell: oneshot::Sender<Started>) -> Option<Bindings> {
    let skep = match Skep::start(config.clone()).await {
        Ok(skep) => skep,
        Err(error) => {
            // Whoever wanted it may have gone.
            let _ = tell.send(Err(error));
            return None;
        }
    };
    let bindings = skep.bindings().clone();
    let parts = Parts {
        addresses: Addresses::new(&config, &skep),
        listeners: skep.listeners().to_vec(),
        backends: skep.backends().to_vec(),
        frontends: skep.frontends().to_vec(),
        router: skep.router().clone(),
        bindings: bindings.clone(),
    };
    let (stop, ending) = oneshot::channel();
    if tell.send(Ok((parts, stop))).is_ok()
        && let Ok(Ending::Graceful(stopped)) = ending.await
    {
        skep.stop().await;
        // Nobody need wait for it.
        let _ = stopped.send(());
    }
    Some(bindings)
}

impl Instance {
    fn new(
        thread: JoinHandle<()>,
        started: Result<Started, oneshot::error::RecvError>,
    ) -> Result<Instance, StartError> {
        match started {
            Ok(Ok((parts, stop))) => Ok(Instance { parts, stop: Some(stop), thread: Some(thread) }),
            Ok(Err(error)) => Err(error),
            // It has panicked, and said why.
            Err(_) => Err(StartError::Thread(std::io::Error::other("the thread of the instance has panicked"))),
        }
    }

    /// Where workers connect: `mqtt://127.0.0.1:PORT`, of the first backend.
    ///
    /// # Panics
    /// The settings leave no listener of that kind; so do the other URLs.
    pub fn backend_url(&self) -> String {
        self.url(Kind::Backend, Transport::Tcp)
    }

    /// Where clients connect: `mqtt://127.0.0.1:PORT`, of the first frontend.
    pub fn frontend_url(&self) -> String {
        self.url(Kind::Frontend, Transport::Tcp)
    }

    /// Where clients connect over WebSocket: `ws://127.0.0.1:PORT/mqtt`.
    pub fn frontend_ws_url(&self) -> String {
        self.url(Kind::Frontend, Transport::Ws)
    }

    /// The admin listener's: `http://127.0.0.1:PORT/`.
    ///
    /// # Panics
    /// The settings have turned it off.
    pub fn admin_url(&self) -> &str {
        self.parts.addresses.admin_url().unwrap_or_else(|| panic!("the settings have no admin listener"))
    }

    fn url(&self, kind: Kind, transport: Transport) -> String {
        let url = self.parts.addresses.url(kind, transport);
        url.unwrap_or_else(|| panic!("the settings have no {kind:?} with a listener for {transport:?}"))
    }

    /// Who workers log in as.
    pub fn backend_credentials(&self) -> Credentials<'_> {
        self.credentials(Kind::Backend)
    }

    /// Who clients log in as.
    pub fn frontend_credentials(&self) -> Credentials<'_> {
        self.credentials(Kind::Frontend)
    }

    fn credentials(&self, kind: Kind) -> Credentials<'_> {
        self.parts.addresses.credentials(kind).unwrap_or_else(|| panic!("the settings have no {kind:?}"))
    }

    /// What a [`Client`](crate::client::Client) connects to the first frontend with.
    pub fn client(&self) -> Options {
        self.options(Kind::Frontend, Options::frontend(&self.frontend_url()))
    }

    /// What a [`Worker`](crate::client::Worker), or a client without a router in
    /// between, connects to the first backend with.
    pub fn worker(&self) -> Options {
        self.options(Kind::Backend, Options::backend(&self.backend_url()))
    }

    fn options(&self, kind: Kind, options: Result<Options, crate::client::UrlError>) -> Options {
        let Credentials { user, password } = self.credentials(kind);
        let options = options.expect("an address makes a URL").login(user, password);
        self.parts.addresses.complete(options)
    }

    /// The environment variables that tell a program of it, as `skep exec` does.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        self.parts.addresses.variables()
    }

    /// All that there is to connect to.
    pub fn addresses(&self) -> &Addresses {
        &self.parts.addresses
    }

    /// Where it listens.
    pub fn listeners(&self) -> &[Bound] {
        &self.parts.listeners
    }

    pub fn backends(&self) -> &[Bus] {
        &self.parts.backends
    }

    pub fn frontends(&self) -> &[Bus] {
        &self.parts.frontends
    }

    pub fn router(&self) -> &Router {
        &self.parts.router
    }

    pub fn bindings(&self) -> &Bindings {
        &self.parts.bindings
    }

    /// Stops as skep does: no new connections, requests under way may finish for
    /// as long as `router.shutdown_wait_ms` says, clients are told goodbye.
    pub async fn stop(mut self) {
        let (stopped, wait) = oneshot::channel();
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself, in a panic: then the wait ends, too.
            let _ = stop.send(Ending::Graceful(stopped));
        }
        let _ = wait.await;
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself, in a panic.
            let _ = stop.send(Ending::AtOnce);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
