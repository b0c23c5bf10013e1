//! Calls: a request out, its response back, by id.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flate2::read::ZlibDecoder;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, PublishProperties};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::Instrument;

use super::connection::{Connection, Incoming};
use super::error::{CallError, ConnectError, RpcError};
use super::options::{Options, Side};

/// How long a call waits for its answer unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Calls services, on a frontend through the router or on a backend directly.
/// Cheap to clone; the connection ends with the last clone.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    connection: Connection,
    options: Options,
    next_id: AtomicU64,
    waiting: Waiting,
}

/// Calls that wait for their answers. Locked for a moment only, never across
/// an await.
type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Result<Value, CallError>>>>>;

#[derive(Serialize)]
struct Call<'a> {
    jsonrpc: &'static str,
    id: u64,
    method: &'a str,
    /// Left out if there are none.
    #[serde(skip_serializing_if = "Value::is_null")]
    params: Value,
}

#[derive(Deserialize)]
struct Answer {
    id: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    result: Option<Value>,
    error: Option<RpcError>,
}

/// Keeps a result of `null` apart from no result.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Client {
    /// Connects; comes back when calls can be made.
    ///
    /// # Errors
    /// The bus can't be reached, or does not let us in.
    pub async fn connect(options: Options) -> Result<Client, ConnectError> {
        let waiting = Waiting::default();
        let (send, receive) = mpsc::unbounded_channel();
        let mailbox = Filter::new(format!("priv/{}", options.id()), QoS::AtLeastOnce);
        let connection = Connection::open(&options, None, vec![mailbox], send).await?;
        tokio::spawn(answers(receive, Arc::clone(&waiting)));
        Ok(Client(Arc::new(Inner { connection, options, next_id: AtomicU64::new(1), waiting })))
    }

    /// Calls `{service}.{method}` and waits up to 60 s for the result.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call<P: Serialize, R: DeserializeOwned>(&self, method: &str, params: P) -> Result<R, CallError> {
        self.call_within(TIMEOUT, method, params).await
    }

    /// Like [`Client::call`], with another limit on the time.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call_within<P: Serialize, R: DeserializeOwned>(
        &self,
        time: Duration,
        method: &str,
        params: P,
    ) -> Result<R, CallError> {
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let span = tracing::debug_span!("call", id, method);
        let answer = self.send(id, time, method, params).instrument(span).await?;
        serde_json::from_value(answer).map_err(CallError::Result)
    }

    async fn send<P: Serialize>(&self, id: u64, time: Duration, method: &str, params: P) -> Result<Value, CallError> {
        let Some((service, _)) = method.rsplit_once('.') else { return Err(CallError::Method(method.into())) };
        let params = serde_json::to_value(params).map_err(CallError::Params)?;
        let call = Call { jsonrpc: "2.0", id, method, params };
        let payload = serde_json::to_vec(&call).map_err(CallError::Params)?;
        let options = &self.0.options;
        let role = &options.backend_role;
        let service_topic = format!("req/{role}/{}", service.replace('.', "/"));
        let mut properties =
            PublishProperties { response_topic: Some(format!("priv/{}", options.id())), ..Default::default() };
        let topic = match options.side {
            Side::Backend => service_topic,
            Side::Frontend => {
                properties.user_properties.push(("fwd_to".into(), service_topic));
                format!("req/{role}-{}", 1 + id % options.lanes as u64)
            }
        };
        let (done, answer) = oneshot::channel();
        lock(&self.0.waiting).insert(id, done);
        // Whatever way this ends, the call waits no longer.
        let _guard = Guard { id, waiting: &self.0.waiting };
        let answered = timeout(time, async {
            let sent =
                self.0.connection.mqtt.publish_with_properties(topic, QoS::AtLeastOnce, false, payload, properties);
            sent.await.map_err(|_| CallError::ConnectionLost)?;
            answer.await.unwrap_or(Err(CallError::ConnectionLost))
        });
        answered.await.unwrap_or(Err(CallError::Timeout(time)))
    }
}

struct Guard<'a> {
    id: u64,
    waiting: &'a Waiting,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        lock(self.waiting).remove(&self.id);
    }
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Result<Value, CallError>>>> {
    // The map is whole after any panic: each change of it is one step.
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives each answer to the call that waits for it.
async fn answers(mut incoming: mpsc::UnboundedReceiver<Incoming>, waiting: Waiting) {
    while let Some(event) = incoming.recv().await {
        let publish = match event {
            Incoming::Publish(publish) => publish,
            Incoming::Lost => {
                lock(&waiting).drain().for_each(|(_, done)| drop(done.send(Err(CallError::ConnectionLost))));
                continue;
            }
        };
        // Anything without an id is a push, for which nobody listens here.
        let payload = inflated(&publish.payload);
        let Ok(Answer { id: Some(id), result, error }) = serde_json::from_slice(&payload) else { continue };
        let Some(done) = lock(&waiting).remove(&id) else { continue };
        let outcome = match (result, error) {
            (_, Some(error)) => Err(CallError::Rpc(error)),
            (Some(result), None) => Ok(result),
            (None, None) => Err(CallError::Rpc(RpcError::new(
                RpcError::INVALID_REQUEST,
                "the response has neither result nor error",
            ))),
        };
        // The call may have timed out meanwhile.
        let _ = done.send(outcome);
    }
}

/// First byte of zlib data, which no JSON begins with.
const ZLIB: u8 = 0x78;

/// Most bytes that a compressed response may become.
const MAX_INFLATED: u64 = 256 * 1024 * 1024;

/// The payload of a response, which a worker may have compressed. One that
/// can't be inflated is no JSON either.
fn inflated(payload: &[u8]) -> Cow<'_, [u8]> {
    if payload.first() != Some(&ZLIB) {
        return payload.into();
    }
    let mut out = Vec::new();
    match ZlibDecoder::new(payload).take(MAX_INFLATED).read_to_end(&mut out) {
        Ok(_) => out.into(),
        Err(error) => {
            tracing::warn!("a response can't be inflated: {error}");
            payload.into()
        }
    }
}
