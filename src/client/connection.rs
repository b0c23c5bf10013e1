//! The MQTT connection: rumqttc's event loop in a task of its own, which hands
//! on what comes, and connects again when the connection is lost.

use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, Filter, Packet, Publish};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::error::ConnectError;
use super::options::Options;

/// Requests that may wait for the event loop.
const CHANNEL: usize = 256;

/// First pause before connecting again, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// What comes out of a connection.
pub enum Incoming {
    Publish(Box<Publish>),
    /// The connection is gone; it will be made again.
    Lost,
}

/// A connection that stays up by itself. Ends when dropped.
pub struct Connection {
    pub mqtt: AsyncClient,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connection {
    /// Connects and subscribes; comes back once both have been granted.
    pub async fn open(
        options: &Options,
        receive_maximum: Option<u16>,
        filters: Vec<Filter>,
        incoming: mpsc::UnboundedSender<Incoming>,
    ) -> Result<Connection, ConnectError> {
        let (mqtt, events) = AsyncClient::new(options.mqtt(receive_maximum), CHANNEL);
        let (ready, is_ready) = oneshot::channel();
        let run = Run { mqtt: mqtt.clone(), filters, incoming, ready: Some(ready) };
        let connection = Connection { mqtt, task: tokio::spawn(run.run(events)) };
        match timeout(options.connect_timeout, is_ready).await {
            Ok(Ok(outcome)) => outcome.map(|()| connection),
            Ok(Err(_)) => Err(ConnectError::Failed("the connection ended at once".into())),
            Err(_) => Err(ConnectError::Timeout(options.connect_timeout.as_secs())),
        }
    }
}

struct Run {
    mqtt: AsyncClient,
    filters: Vec<Filter>,
    incoming: mpsc::UnboundedSender<Incoming>,
    /// Told when the first connection is up, or why not.
    ready: Option<oneshot::Sender<Result<(), ConnectError>>>,
}

impl Run {
    async fn run(mut self, mut events: EventLoop) {
        let mut pause = BACKOFF.0;
        while !self.incoming.is_closed() {
            match events.poll().await {
                Ok(Event::Incoming(packet)) => {
                    pause = BACKOFF.0;
                    self.packet(packet).await;
                }
                Ok(Event::Outgoing(_)) => {}
                Err(error) => {
                    if let Some(ready) = self.ready.take() {
                        // Nobody waits any more: the caller has given up.
                        let _ = ready.send(Err(explain(&error)));
                        return;
                    }
                    tracing::debug!("connection to the bus lost: {error}");
                    // What was not acknowledged is not sent again by itself:
                    // whoever called has been told that it is unknown.
                    events.clean();
                    if self.incoming.send(Incoming::Lost).is_err() || matches!(error, ConnectionError::RequestsDone) {
                        return;
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(BACKOFF.1);
                }
            }
        }
    }

    async fn packet(&mut self, packet: Packet) {
        match packet {
            Packet::ConnAck(_) => {
                // Goes into the event loop's own channel, which has room: it is
                // only read by the loop that we are in.
                if let Err(error) = self.mqtt.try_subscribe_many(self.filters.clone()) {
                    tracing::warn!("can't subscribe: {error}");
                }
            }
            Packet::SubAck(ack) => {
                use rumqttc::v5::mqttbytes::v5::SubscribeReasonCode::Success;
                let denied = ack.return_codes.iter().position(|code| !matches!(code, Success(_)));
                let outcome = match denied.and_then(|at| self.filters.get(at)) {
                    Some(filter) => Err(ConnectError::NotAllowed(filter.path.clone())),
                    None => Ok(()),
                };
                if let Some(ready) = self.ready.take() {
                    // As above.
                    let _ = ready.send(outcome);
                }
            }
            Packet::Publish(publish) => {
                // The receiver ends when its client is dropped, and so do we.
                let _ = self.incoming.send(Incoming::Publish(Box::new(publish)));
            }
            _ => {}
        }
    }
}

fn explain(error: &ConnectionError) -> ConnectError {
    match error {
        ConnectionError::ConnectionRefused(code) => ConnectError::Refused(match code {
            ConnectReturnCode::BadUserNamePassword => "unknown user or wrong password".into(),
            ConnectReturnCode::NotAuthorized => "not authorized".into(),
            other => format!("{other:?}"),
        }),
        ConnectionError::Io(error) => ConnectError::Failed(error.to_string()),
        other => ConnectError::Failed(other.to_string()),
    }
}
