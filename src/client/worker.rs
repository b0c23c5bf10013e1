//! Serving: takes requests from a service's queue, so many at a time, and
//! acknowledges each once its response is out.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Publish, PublishProperties};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::connection::{Connection, Incoming};
use super::error::{ConnectError, RpcError};
use super::options::Options;

/// Who calls.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The caller's client id, if the request came from a frontend.
    pub caller_id: Option<String>,
    /// Where the caller is: `priv/{client id}@{frontend id}`.
    pub caller_addr: Option<String>,
    /// What a worker has bound to the caller.
    pub auth: Option<String>,
}

type Answered = Pin<Box<dyn Future<Output = Result<Value, RpcError>> + Send>>;
type Handler = Arc<dyn Fn(Request, Value) -> Answered + Send + Sync>;

/// A worker in the making, then at work.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use skep::client::{Options, Worker};
///
/// let options = Options::backend("mqtt://127.0.0.1:1883")?.login("backend", "def456");
/// let worker = Worker::new(options).serve("myapp.math", "add", |_, (a, b): (i64, i64)| async move { Ok(a + b) });
/// worker.run(std::future::pending()).await?;
/// # Ok(())
/// # }
/// ```
pub struct Worker {
    options: Options,
    concurrency: u16,
    /// By `{service}.{method}`.
    handlers: HashMap<String, Handler>,
    services: Vec<String>,
}

impl Worker {
    pub fn new(options: Options) -> Worker {
        Worker { options, concurrency: 1, handlers: HashMap::new(), services: Vec::new() }
    }

    /// Requests that are worked on at once; 1 unless set.
    pub fn concurrency(mut self, requests: u16) -> Worker {
        self.concurrency = requests.max(1);
        self
    }

    /// Has `handler` answer calls of `{service}.{method}`. Parameters that it
    /// does not take are answered with -32602; if it panics, -32603.
    pub fn serve<P, R, F, A>(mut self, service: &str, method: &str, handler: F) -> Worker
    where
        P: DeserializeOwned,
        R: Serialize,
        F: Fn(Request, P) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, RpcError>> + Send + 'static,
    {
        let handler = move |request, params| -> Answered {
            let params = match serde_json::from_value(params) {
                Ok(params) => params,
                Err(error) => {
                    let error = RpcError::new(RpcError::INVALID_PARAMS, format!("Invalid params: {error}"));
                    return Box::pin(std::future::ready(Err(error)));
                }
            };
            let answer = handler(request, params);
            Box::pin(async move {
                serde_json::to_value(answer.await?)
                    .map_err(|error| RpcError::new(RpcError::INTERNAL_ERROR, format!("Internal error: {error}")))
            })
        };
        self.handlers.insert(format!("{service}.{method}"), Arc::new(handler));
        if !self.services.iter().any(|known| known == service) {
            self.services.push(service.into());
        }
        self
    }

    /// Works until `stop` is done; then takes no more, finishes what it has,
    /// and leaves.
    ///
    /// # Errors
    /// The bus can't be reached, or does not let us in. A connection that is
    /// lost later is made again.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ConnectError> {
        let role = &self.options.backend_role;
        let filter = |service: &String| {
            Filter::new(format!("$share/BKPR/req/{role}/{}", service.replace('.', "/")), QoS::AtLeastOnce)
        };
        let filters: Vec<_> = self.services.iter().map(filter).collect();
        let (send, mut receive) = mpsc::unbounded_channel();
        let connection = Connection::open(&self.options, Some(self.concurrency), filters.clone(), send).await?;
        let mut at_work = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                event = receive.recv() => match event {
                    Some(Incoming::Publish(publish)) => {
                        at_work.spawn(self.task(publish, connection.mqtt.clone()));
                    }
                    // The bus gives what we held to somebody else.
                    Some(Incoming::Lost) => at_work.abort_all(),
                    None => break,
                },
                Some(_) = at_work.join_next() => {}
                () = &mut stop => break,
            }
        }
        for filter in filters {
            // A connection that is gone needs no goodbye.
            let _ = connection.mqtt.try_unsubscribe(filter.path);
        }
        while at_work.join_next().await.is_some() {}
        let _ = connection.mqtt.disconnect().await;
        // The event loop writes it; give it the moment that takes.
        while !matches!(receive.recv().await, None | Some(Incoming::Lost)) {}
        Ok(())
    }

    /// The work that one message makes: response first, then its PUBACK.
    fn task(&self, publish: Box<Publish>, mqtt: AsyncClient) -> impl Future<Output = ()> + Send + use<> {
        let work = Work::new(&publish, &self.handlers);
        async move {
            if let Some(work) = work {
                let span = tracing::debug_span!("request", id = %work.id, method = %work.method);
                work.answer(&mqtt).instrument(span).await;
            }
            // If the connection is gone, so is the need for this.
            let _ = mqtt.ack(&publish).await;
        }
    }
}

#[derive(Deserialize)]
struct Call {
    #[serde(default)]
    id: Value,
    method: Option<String>,
    #[serde(default)]
    params: Value,
}

struct Work {
    id: Value,
    method: String,
    params: Value,
    request: Request,
    handler: Option<Handler>,
    /// Topic of the response, and the property that finds its way back.
    response: Option<(String, PublishProperties)>,
}

impl Work {
    /// `None`: not a request, and nobody to tell.
    fn new(publish: &Publish, handlers: &HashMap<String, Handler>) -> Option<Work> {
        let call: Call = serde_json::from_slice(&publish.payload)
            .inspect_err(|error| tracing::warn!("request dropped, it is not JSON-RPC: {error}"))
            .ok()?;
        let properties = publish.properties.as_ref();
        let user = |name: &str| {
            let pairs = &properties?.user_properties;
            pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
        };
        let request = Request { caller_id: user("clid"), caller_addr: user("addr"), auth: user("auth") };
        let topic = properties.and_then(|properties| properties.response_topic.clone());
        let response = topic.filter(|_| !call.id.is_null()).map(|topic| {
            let addr = request.caller_addr.iter().map(|addr| ("addr".to_owned(), addr.clone()));
            (topic, PublishProperties { user_properties: addr.collect(), ..Default::default() })
        });
        let method = call.method.unwrap_or_default();
        let handler = handlers.get(&method).cloned();
        Some(Work { id: call.id, method, params: call.params, request, handler, response })
    }

    async fn answer(self, mqtt: &AsyncClient) {
        let outcome = match self.handler {
            None => Err(RpcError::new(RpcError::METHOD_NOT_FOUND, "Method not found")),
            // A task of its own, so that a panic ends only this request.
            Some(handler) => match tokio::spawn(async move { handler(self.request, self.params).await }).await {
                Ok(outcome) => outcome,
                Err(_) => Err(RpcError::new(RpcError::INTERNAL_ERROR, "Internal error")),
            },
        };
        let Some((topic, properties)) = self.response else { return };
        let payload = match outcome {
            Ok(result) => serde_json::json!({ "jsonrpc": "2.0", "id": self.id, "result": result }),
            Err(error) => serde_json::json!({ "jsonrpc": "2.0", "id": self.id, "error": error }),
        };
        // If the connection is gone, the bus gives the request to another.
        let _ = mqtt
            .publish_with_properties(topic, QoS::AtLeastOnce, false, payload.to_string().into_bytes(), properties)
            .await;
    }
}
