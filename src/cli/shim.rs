//! Stands in for `skep::Skep` until the library has it: opens the listeners and
//! serves nobody.

use std::net::SocketAddr;
use std::path::Path;

use skep::bus::{Settings, Transport};
use skep::config::{Config, Invalid};
use tokio::net::TcpListener;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Backend,
    Frontend,
}

#[derive(Clone, Debug)]
pub struct Bound {
    pub bus: String,
    pub kind: Kind,
    pub name: String,
    pub transport: Transport,
    pub address: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Settings(#[from] Invalid),
    #[error("bus {bus} can't listen on {address} (listener {name}): {error}")]
    Listen { bus: String, name: String, address: SocketAddr, error: std::io::Error },
}

pub struct Skep {
    listeners: Vec<Bound>,
    _sockets: Vec<TcpListener>,
}

impl Skep {
    pub async fn start(config: Config) -> Result<Skep, StartError> {
        config.check()?;
        let backends = config.backend.iter().map(|(id, bus)| (Kind::Backend, id, bus));
        let frontends = config.frontend.iter().map(|(id, bus)| (Kind::Frontend, id, bus));
        let mut skep = Skep { listeners: Vec::new(), _sockets: Vec::new() };
        for (kind, id, bus) in backends.chain(frontends) {
            skep.listen(kind, id, bus).await?;
        }
        Ok(skep)
    }

    async fn listen(&mut self, kind: Kind, id: &str, bus: &Settings) -> Result<(), StartError> {
        for (name, listener) in &bus.listeners {
            let failed = |error| StartError::Listen {
                bus: id.to_owned(),
                name: name.clone(),
                address: listener.listen,
                error,
            };
            let socket = TcpListener::bind(listener.listen).await.map_err(failed)?;
            let address = socket.local_addr().map_err(failed)?;
            let (bus, name, transport) = (id.to_owned(), name.clone(), listener.transport);
            self.listeners.push(Bound { bus, kind, name, transport, address });
            self._sockets.push(socket);
        }
        Ok(())
    }

    pub fn listeners(&self) -> &[Bound] {
        &self.listeners
    }

    pub async fn failed(&mut self) {
        std::future::pending().await
    }

    pub async fn stop(self) {}
}

pub fn set_aside_bindings(_data: &Path) -> anyhow::Result<()> {
    Ok(())
}

#[derive(Debug)]
#[allow(dead_code)]
pub enum Failure {
    Error { code: i64, message: String, data: Option<serde_json::Value> },
    Timeout,
    Connection(String),
}

pub fn call(_request: &super::call::Request) -> Result<serde_json::Value, Failure> {
    Err(Failure::Connection("the client is not there yet".into()))
}
