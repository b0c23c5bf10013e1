//! What the tests share: a real skep of their own, and a plain MQTT client that
//! has no code in common with it.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

pub mod client;
pub mod http;
pub mod metrics;
pub mod process;
pub mod rpc;
pub mod tls;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use skep::config::Config;
use skep::{Kind, Skep, bus};

#[allow(unused_imports, reason = "each test binary uses its own part of this")]
pub use client::{Client, Login, Message};

/// How long anything that should happen may take, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A skep in this process, on ports of the system's choice, with data of its
/// own; stopped and cleaned up when dropped.
pub struct Instance {
    runtime: tokio::runtime::Runtime,
    skep: Option<Skep>,
    /// Another broker in its place, see [`elsewhere`].
    elsewhere: Option<SocketAddr>,
    pub data: tempfile::TempDir,
}

/// The sample settings on port 0.
pub fn settings(data: &tempfile::TempDir) -> Config {
    let mut config = Config { data: data.path().join("data"), ..Config::default() };
    config.admin.listen.set_port(0);
    for bus in config.backend.values_mut().chain(config.frontend.values_mut()) {
        for listener in bus.listeners.values_mut() {
            listener.listen.set_port(0);
        }
        // Else a test of what nobody serves takes as long as people are given.
        bus.queues.grace_ms = 300;
        // For tests that look at the engine, whichever it is.
        if std::env::var("SKEP_TEST_ENGINE").is_ok_and(|engine| engine == "rumqttd") {
            bus.topics.engine = bus::Engine::Rumqttd;
        }
    }
    config
}

/// `SKEP_TEST_ADDRESS=host:port` has tests of an open bus talk to the broker
/// there, to see what others do: one test at a time, with a fresh broker for
/// each, as what a test leaves behind stays there. Tests that change a setting
/// or look inside skep can't be had that way.
fn elsewhere() -> Option<SocketAddr> {
    let address = std::env::var("SKEP_TEST_ADDRESS").ok()?;
    Some(address.parse().expect("SKEP_TEST_ADDRESS is an address with a port"))
}

impl Instance {
    pub fn start() -> Instance {
        Instance::start_with(|_| {})
    }

    pub fn start_with(change: impl FnOnce(&mut Config)) -> Instance {
        let data = tempfile::tempdir().expect("a temporary directory");
        let mut config = settings(&data);
        change(&mut config);
        let runtime = runtime();
        let skep = runtime.block_on(Skep::start(config)).expect("skep starts");
        Instance { runtime, skep: Some(skep), elsewhere: None, data }
    }

    /// A backend on which everybody may do everything, without a user.
    pub fn open_bus(change: impl FnOnce(&mut bus::Settings)) -> Instance {
        if let Some(address) = elsewhere() {
            let data = tempfile::tempdir().expect("a temporary directory");
            return Instance { runtime: runtime(), skep: None, elsewhere: Some(address), data };
        }
        Instance::start_with(|config| {
            let backend = config.backend.get_mut("backend-1").expect("the sample backend");
            let everything = vec!["#".to_owned(), "$SYS/#".to_owned()];
            let user = bus::User { password: "-".into(), publish: everything.clone(), subscribe: everything };
            backend.users.insert("anybody".into(), user);
            backend.anonymous = Some("anybody".into());
            change(backend);
        })
    }

    pub fn skep(&self) -> &Skep {
        self.skep.as_ref().expect("running here, not at SKEP_TEST_ADDRESS")
    }

    /// What the settings are replaced with that can be while it runs.
    pub fn reload(&mut self, config: &Config) -> Result<skep::Reloaded, skep::ReloadError> {
        self.skep.as_mut().expect("running here, not at SKEP_TEST_ADDRESS").reload(config)
    }

    pub fn address(&self, kind: Kind, transport: bus::Transport) -> SocketAddr {
        if let Some(address) = self.elsewhere {
            return address;
        }
        let mut listeners = self.skep().listeners().iter();
        listeners.find(|l| l.kind == kind && l.transport == transport).expect("such a listener").address
    }

    pub fn backend(&self) -> SocketAddr {
        self.address(Kind::Backend, bus::Transport::Tcp)
    }

    pub fn frontend(&self) -> SocketAddr {
        self.address(Kind::Frontend, bus::Transport::Tcp)
    }

    /// A worker's connection.
    pub fn worker(&self, id: &str) -> Client {
        Client::connect(self.backend(), Login::new(id).user("backend", "def456").receive_maximum(1))
    }

    /// An end user's connection, with its mailbox.
    pub fn user(&self, id: &str) -> Client {
        let mut user = Client::connect(self.frontend(), Login::new(id).user("frontend", "abc123"));
        user.subscribe(&format!("priv/{id}"), 1);
        user
    }

    /// A client of the first frontend subscribes to its mailbox and breaks off; until
    /// it is away, as the only one.
    pub fn leave_mailbox(&self, id: &str, login: Login) {
        let mut client = Client::connect(self.frontend(), login);
        client.subscribe(&format!("priv/{id}"), 1);
        client.kill();
        wait_until("it is away", || self.skep().frontends()[0].sessions_away() == 1);
    }

    pub fn stop(mut self) {
        if let Some(skep) = self.skep.take() {
            self.runtime.block_on(skep.stop());
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(skep) = self.skep.take() {
            skep.bindings().close();
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    skep::tune(builder.worker_threads(2).enable_all()).build().expect("a runtime")
}

/// Waits until `condition` holds.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "it never came true that {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A client id of the form that callers have.
pub fn id(name: &str) -> String {
    format!("{name:_<16}")
}
