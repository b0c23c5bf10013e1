//! A skep within the test, for commands that talk to one.

use skep::client::{Options, Worker};
use skep::config::Config;
use skep::{Kind, Skep};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::started::{Ran, Skep as Command, skep};

pub struct Buses {
    pub runtime: Runtime,
    skep: Option<Skep>,
    /// Of the frontend: MQTT and WebSocket.
    pub urls: Vec<String>,
    pub backend: String,
    /// Stop when dropped.
    workers: Vec<oneshot::Sender<()>>,
    _data: TempDir,
}

impl Buses {
    pub fn start() -> Buses {
        let runtime = Runtime::new().unwrap();
        let data = tempfile::tempdir().unwrap();
        let mut config = Config { data: data.path().into(), ..Config::default() };
        for bus in config.backend.values_mut().chain(config.frontend.values_mut()) {
            bus.listeners.values_mut().for_each(|listener| listener.listen.set_port(0));
            bus.queues.grace_ms = 200;
        }
        // One who is not in the samples, though the password is.
        for frontend in config.frontend.values_mut() {
            let user = frontend.users["frontend"].clone();
            frontend.users.insert("ann".into(), user);
        }
        // Some of the methods never answer.
        config.router.shutdown_wait_ms = 50;
        let skep = runtime.block_on(Skep::start(config)).unwrap();
        let urls = |kind| skep.listeners().iter().filter(move |bound| bound.kind == kind).map(|bound| bound.url());
        let (urls, backend) = (urls(Kind::Frontend).collect(), urls(Kind::Backend).next().unwrap());
        Buses { runtime, skep: Some(skep), urls, backend, workers: Vec::new(), _data: data }
    }

    /// Puts a worker to work; comes back when it is.
    pub fn work(&mut self, worker: impl FnOnce(Worker) -> Worker) {
        let worker = worker(Worker::new(self.options()));
        let serving = self.runtime.block_on(worker.start()).unwrap();
        let (stop, stopped) = oneshot::channel();
        self.runtime.spawn(async move {
            // Dropped at the end of the test.
            let _ = stopped.await;
            drop(serving);
        });
        self.workers.push(stop);
    }

    /// How a program of the test's own logs in to the backend.
    pub fn options(&self) -> Options {
        Options::backend(&self.backend).unwrap().login("backend", "def456")
    }

    /// A command that finds this skep as one does that `skep exec` starts.
    pub fn command(&self, args: &[&str]) -> Command {
        skep(args).variable("SKEP_FRONTEND_URL", &self.urls[0]).variable("SKEP_BACKEND_URL", &self.backend)
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.command(args).run()
    }
}

impl Drop for Buses {
    fn drop(&mut self) {
        self.workers.clear();
        if let Some(skep) = self.skep.take() {
            self.runtime.block_on(skep.stop());
        }
    }
}
