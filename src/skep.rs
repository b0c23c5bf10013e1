//! The whole program as one value: buses, router and bindings, started
//! together and stopped together.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::bindings::{Bindings, OpenError};
use crate::bus::{self, Bus, FileError, HubError, ListenError};
use crate::config::{Config, Invalid};
use crate::framework::{LogLines, report_status};
use crate::reload::{self, ReloadError, Reloaded, Trusts};
use crate::router::{BusName, Router};

/// How long clients have to take their DISCONNECT.
const GOODBYE: Duration = Duration::from_secs(1);

/// A running skep. Dropping it ends nothing; [`Skep::stop`] does.
pub struct Skep {
    backends: Vec<Bus>,
    frontends: Vec<Bus>,
    router: Router,
    bindings: Bindings,
    listeners: Vec<Bound>,
    /// Tasks that must not end before we stop.
    vital: JoinSet<()>,
    /// What is in force: of what can't change while it runs, what it began with.
    config: Config,
}

/// What a bus is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Backend,
    Frontend,
}

/// A listener that accepts connections.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Bus id.
    pub bus: String,
    pub kind: Kind,
    /// Its name in the settings.
    pub name: String,
    pub transport: bus::Transport,
    /// With TLS around it.
    pub tls: bool,
    /// The real one, where the settings say port 0.
    pub address: SocketAddr,
}

impl Bound {
    /// What a client connects to, such as `mqtt://127.0.0.1:1883`.
    pub fn url(&self) -> String {
        let s = if self.tls { "s" } else { "" };
        match self.transport {
            bus::Transport::Tcp => format!("mqtt{s}://{}", self.address),
            bus::Transport::Ws => format!("ws{s}://{}/mqtt", self.address),
        }
    }
}

/// Why skep does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Settings(#[from] Invalid),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Bindings(#[from] OpenError),
    #[error(transparent)]
    Topics(#[from] HubError),
    #[error(transparent)]
    Listen(#[from] ListenError),
}

impl Skep {
    /// Opens the bindings, then the listeners. Needs a tokio runtime, which
    /// the buses run on from then on.
    ///
    /// # Errors
    /// Settings that can't be, a file of theirs that can't be used (certificates, users, keys of
    /// tokens), a data directory that another process has, damaged bindings, or an address that
    /// can't be listened on.
    pub async fn start(config: Config) -> Result<Skep, StartError> {
        config.check()?;
        let trusts = Trusts::load(&config)?;
        let framework = config.framework.clone();
        let bindings = Bindings::open(&config.data, &config.bindings)?;
        let router = Router::new(config.router.clone(), bindings.clone());

        let backend_roles: Vec<_> = config.backend.values().map(|backend| backend.role.as_str()).collect();
        let frontend_names: Vec<_> =
            config.frontend.iter().map(|(id, frontend)| BusName { id, role: &frontend.role }).collect();
        let frontends: Vec<Bus> = config
            .frontend
            .iter()
            .map(|(id, settings)| {
                let name = BusName { id, role: &settings.role };
                Bus::new(id, settings.clone(), router.frontend_hooks(&name, &backend_roles))
            })
            .collect::<Result<_, _>>()?;
        let backends: Vec<Bus> = config
            .backend
            .iter()
            .map(|(id, settings)| {
                let name = BusName { id, role: &settings.role };
                Bus::new(id, settings.clone(), router.backend_hooks(&name, &frontend_names))
            })
            .collect::<Result<_, _>>()?;
        router.join(backends.clone(), frontends.clone());

        let (listeners, vital) = (Vec::new(), JoinSet::new());
        let mut skep = Skep { backends, frontends, router, bindings, listeners, vital, config };
        skep.trust(trusts);
        if let Err(error) = skep.listen().await {
            skep.stop().await;
            return Err(error.into());
        }
        if let Some(presence) = skep.router.presence() {
            skep.vital.spawn(presence);
        }
        if framework.status && skep.router.is_enabled() {
            skep.vital.spawn(report_status(skep.router.clone(), skep.backends.clone()));
        }
        Ok(skep)
    }

    /// Backends first: a frontend that answers has somebody behind it.
    async fn listen(&mut self) -> Result<(), ListenError> {
        let backends = self.backends.iter().map(|bus| (Kind::Backend, bus));
        let frontends = self.frontends.iter().map(|bus| (Kind::Frontend, bus));
        for (kind, bus) in backends.chain(frontends) {
            for bus::Bound { name, transport, tls, address } in bus.listen(&mut self.vital).await? {
                self.listeners.push(Bound { bus: bus.id().into(), kind, name, transport, tls, address });
            }
        }
        Ok(())
    }

    fn trust(&self, mut trusts: Trusts) {
        for bus in self.backends.iter().chain(&self.frontends) {
            if let Some(trust) = trusts.take(bus.id()) {
                bus.trust(trust);
            }
        }
    }

    /// Takes over from `config` who may come in and what everybody may do:
    /// users, topic rules, keys of tokens, certificates; and reads their files
    /// again. No connection is dropped but those of users that are gone.
    ///
    /// Blocks while it reads the files.
    ///
    /// # Errors
    /// Settings or a file that can't be used. Then nothing has changed.
    pub fn reload(&mut self, config: &Config) -> Result<Reloaded, ReloadError> {
        config.check()?;
        let (next, needs_restart) = reload::merge(&self.config, config);
        next.check()?;
        self.trust(Trusts::load(&next)?);
        self.config = next;
        Ok(Reloaded { needs_restart })
    }

    /// Publishes what a log layer takes on the backends, for the framework's
    /// log collectors. The program decides: `framework.log` is the command's.
    pub fn publish_log(&mut self, lines: LogLines) {
        self.vital.spawn(lines.publish(self.backends.clone()));
    }

    /// Where it listens.
    pub fn listeners(&self) -> &[Bound] {
        &self.listeners
    }

    pub fn backends(&self) -> &[Bus] {
        &self.backends
    }

    pub fn frontends(&self) -> &[Bus] {
        &self.frontends
    }

    pub fn router(&self) -> &Router {
        &self.router
    }

    pub fn bindings(&self) -> &Bindings {
        &self.bindings
    }

    /// Comes back only if a part that skep can't do without has died, which is
    /// a bug: better to end, and be started again, than to be silently half
    /// there.
    pub async fn failed(&mut self) {
        while let Some(ended) = self.vital.join_next().await {
            if ended.is_err() {
                return;
            }
        }
        std::future::pending().await
    }

    /// Stops gracefully: no new connections, requests in flight are answered
    /// (for as long as the settings allow), clients get DISCONNECT 0x8B,
    /// bindings are flushed.
    pub async fn stop(self) {
        let buses = || self.frontends.iter().chain(&self.backends);
        buses().for_each(Bus::stop_accepting);
        self.router.stop().await;
        for bus in buses() {
            bus.stop(GOODBYE).await;
        }
        // Waits for the disk; nothing else runs here any more.
        self.bindings.close();
    }
}
