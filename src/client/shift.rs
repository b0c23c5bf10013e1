//! A worker at work: takes requests, so many at a time, answers each, and
//! acknowledges it once its response is out.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use rumqttc::v5::mqttbytes::v5::{PubAckReason, Publish, PublishProperties};
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::Instrument;

use super::caller::Client;
use super::connection::user_property;
use super::explain::words;
use super::inbox::Work;
use super::link::{Fate, HandOverError, Link, Message};
use super::request::Request;
use super::rpc::{self, RpcError};
use super::worker::{Handler, handler_of};

pub struct Shift {
    client: Client,
    /// See [`handler_of`].
    handlers: Arc<HashMap<String, Handler>>,
    /// One for each request that may be worked on: after a connection was lost
    /// there may be requests of the old one and of the new one.
    places: Arc<Semaphore>,
    incoming: mpsc::UnboundedReceiver<Work>,
    at_work: JoinSet<()>,
}

impl Shift {
    pub fn new(
        client: Client,
        handlers: HashMap<String, Handler>,
        concurrency: u16,
        incoming: mpsc::UnboundedReceiver<Work>,
    ) -> Shift {
        let places = Arc::new(Semaphore::new(concurrency.into()));
        Shift { client, handlers: Arc::new(handlers), places, incoming, at_work: JoinSet::new() }
    }

    /// Works until told to stop, or until nobody can tell any more.
    pub async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        loop {
            tokio::select! {
                Some(work) = self.incoming.recv() => self.begin(work),
                Some(_) = self.at_work.join_next() => {}
                _ = &mut stop => break,
            }
        }
        let services = self.client.inbox().serve_no_more();
        if let Some(link) = self.client.connection().link_now() {
            let mut fates = Vec::new();
            for filter in services {
                fates.extend(link.unsubscribe(filter).await);
            }
            for fate in fates {
                // Lost or acknowledged: it brings no more requests.
                let _ = fate.await;
            }
        }
        // What came until then is ours to finish.
        while let Ok(work) = self.incoming.try_recv() {
            self.begin(work);
        }
        while self.at_work.join_next().await.is_some() {}
        self.client.close().await;
    }

    fn begin(&mut self, work: Work) {
        let (client, handlers) = (self.client.clone(), Arc::clone(&self.handlers));
        let places = Arc::clone(&self.places);
        self.at_work.spawn(async move {
            // Never closed.
            let Ok(place) = places.acquire().await else { return };
            // By now the bus may have given it to somebody else.
            if work.link.is_open() {
                let sent = serve(work, client, &handlers).await;
                drop(place);
                note_refusal(sent).await;
            }
        });
    }
}

/// A response on its way.
type Sent = Option<oneshot::Receiver<Fate>>;

/// Serves one request: response first, then its PUBACK.
async fn serve(work: Work, client: Client, handlers: &HashMap<String, Handler>) -> Sent {
    let Work { link, publish } = work;
    let asked = Asked::new(&publish);
    let sent = match rpc::Request::read(&publish.payload) {
        Ok(call) => {
            let id = call.id.as_ref().map(tracing::field::display);
            let span = tracing::debug_span!("request", id, method = call.method);
            asked.answer(call, client, handlers, &link).instrument(span).await
        }
        Err((id, error)) => {
            tracing::warn!(topic = &*String::from_utf8_lossy(&publish.topic), "what came is no request: {error}");
            asked.respond(&link, &id, &Err(error)).await
        }
    };
    link.acknowledge(&publish).await;
    sent
}

/// Says so if the bus does not take a response.
async fn note_refusal(sent: Sent) {
    let Some(fate) = sent else { return };
    match fate.await {
        Ok(Fate::Published(PubAckReason::Success)) => {}
        Ok(Fate::Published(PubAckReason::NoMatchingSubscribers)) => {
            tracing::debug!("the caller of a request has gone");
        }
        Ok(Fate::Published(reason)) => {
            tracing::warn!("the bus refuses a response: {}", words(&format!("{reason:?}")));
        }
        _ => tracing::debug!("the connection was lost before a response was acknowledged"),
    }
}

/// What the properties of a request say.
struct Asked {
    response_topic: Option<String>,
    caller_id: Option<String>,
    caller_addr: Option<String>,
    auth: Option<String>,
    redelivered: bool,
}

impl Asked {
    fn new(publish: &Publish) -> Asked {
        let properties = publish.properties.as_ref();
        let user = |name| properties.and_then(|properties| user_property(properties, name));
        Asked {
            response_topic: properties.and_then(|properties| properties.response_topic.clone()),
            caller_id: user("clid"),
            caller_addr: user("addr"),
            auth: user("auth"),
            redelivered: publish.dup,
        }
    }

    async fn answer(
        &self,
        call: rpc::Request,
        client: Client,
        handlers: &HashMap<String, Handler>,
        link: &Link,
    ) -> Sent {
        let rpc::Request { id, method, params } = call;
        let outcome = match handler_of(handlers, &method).cloned() {
            None => Err(RpcError::of_code(RpcError::METHOD_NOT_FOUND)),
            Some(handler) => {
                let request = Request {
                    id: id.clone(),
                    method,
                    caller_id: self.caller_id.clone(),
                    caller_addr: self.caller_addr.clone(),
                    auth: self.auth.clone(),
                    redelivered: self.redelivered,
                    client,
                };
                // A panic ends this request and nothing else; what the handler
                // shares with others is its own affair.
                let handled = AssertUnwindSafe(async move { handler(request, params).await });
                handled.catch_unwind().await.unwrap_or_else(|_| {
                    tracing::error!("the handler panicked");
                    Err(RpcError::of_code(RpcError::INTERNAL_ERROR))
                })
            }
        };
        match id {
            Some(id) => self.respond(link, &id, &outcome).await,
            None => {
                if let Err(error) = outcome {
                    tracing::warn!("a request that nobody waits for failed: {error}");
                }
                None
            }
        }
    }

    async fn respond(&self, link: &Link, id: &Value, outcome: &Result<Value, RpcError>) -> Sent {
        let topic = self.response_topic.as_ref()?;
        let send = async |outcome| {
            let addr = self.caller_addr.iter().map(|addr| ("addr".to_owned(), addr.clone()));
            let properties = PublishProperties { user_properties: addr.collect(), ..Default::default() };
            let payload = rpc::response(id, outcome).into();
            link.publish(Message { topic: topic.clone(), payload, properties }).await
        };
        let sent = match send(outcome).await {
            Err(HandOverError::TooLarge { size, max }) => {
                tracing::error!("the result is too large: {size} bytes, the bus takes {max}");
                let error = RpcError::of_code(RpcError::SERVER_ERROR).with_data("the result is too large");
                send(&Err(error)).await
            }
            sent => sent,
        };
        match sent {
            Ok(fate) => Some(fate),
            Err(HandOverError::Ended) => {
                tracing::debug!("the connection was lost: another worker gets the request");
                None
            }
            Err(error) => {
                tracing::warn!("the response can't be sent to {topic}: {error:?}");
                None
            }
        }
    }
}
