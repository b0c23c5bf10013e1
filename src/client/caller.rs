//! Calls: a request out, its response back, by id.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::RngExt;
use rumqttc::v5::mqttbytes::v5::{Filter, PubAckReason, PublishProperties};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::Instrument;

use super::connection::Connection;
use super::error::{CallError, ConnectError};
use super::explain::words;
use super::inbox::{Inbox, Work};
use super::link::{Fate, HandOverError, Message};
use super::listeners::Listeners;
use super::names::Method;
use super::options::{Options, Side};
use super::rpc::{Call, RpcError};

/// Calls services, on a frontend through the router or on a backend directly;
/// notifies, and listens to notifications. Cheap to clone; the connection ends
/// with the last clone.
///
/// # When the connection is lost
/// It is made again, with pauses that grow from 0.1 s to 10 s, and subscribes
/// to what it was subscribed to. Of the calls at that time,
/// - those that were not sent yet wait for the next connection, as do calls made
///   meanwhile; for as long as their timeout allows;
/// - those that were sent fail with [`CallError::ConnectionLost`]: whether the
///   service has them is not known, and nothing is done twice unasked.
///
/// A call that waits in the bus's queue expires with its timeout, to the second:
/// a service does not begin what its caller has given up.
///
/// A connection that another one with our client id has taken over is not made
/// again, see [`ConnectError::TakenOver`].
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    /// In whose name calls are made.
    caller: Option<Arc<Caller>>,
}

struct Inner {
    connection: Connection,
    inbox: Arc<Inbox>,
    options: Options,
    next_id: AtomicU64,
}

/// Somebody whose request a worker serves.
#[derive(Debug, Default)]
pub(super) struct Caller {
    pub id: Option<String>,
    pub auth: Option<String>,
}

/// What a connection is to serve.
pub(super) struct Serves {
    pub receive_maximum: u16,
    pub filters: Vec<String>,
    pub work: mpsc::UnboundedSender<Work>,
}

impl Client {
    /// Connects; comes back when calls can be made.
    ///
    /// # Errors
    /// The bus can't be reached, or does not let us in. Only at first: a
    /// connection that is lost later is made again.
    pub async fn connect(options: Options) -> Result<Client, ConnectError> {
        Client::open(options, None).await
    }

    pub(super) async fn open(options: Options, serves: Option<Serves>) -> Result<Client, ConnectError> {
        let receive_maximum = serves.as_ref().map(|serves| serves.receive_maximum);
        let serves = serves.map(|serves| (serves.work, serves.filters));
        let inbox = Arc::new(Inbox::new(options.id(), options.max_payload, serves));
        let connection = Connection::open(&options, receive_maximum, Arc::clone(&inbox)).await?;
        // An answer to somebody who had our client id before us is not ours.
        let next_id = AtomicU64::new(rand::rng().random::<u32>().into());
        Ok(Client { inner: Arc::new(Inner { connection, inbox, options, next_id }), caller: None })
    }

    /// Our client id, which on a frontend is the session's secret.
    pub fn id(&self) -> &str {
        self.options().id()
    }

    /// Whether the connection is up now.
    pub fn is_connected(&self) -> bool {
        self.connection().link_now().is_some()
    }

    /// Leaves, for all clones: sends what waits, says goodbye to the bus, and
    /// makes no other connection. Calls in flight fail.
    pub async fn close(&self) {
        self.connection().close().await;
    }

    /// The same client, with authorization data that its calls and notifications
    /// carry. Services of a backend may ask for it; what a client of a frontend
    /// says of itself is not passed on.
    pub fn with_auth(&self, auth: &str) -> Client {
        self.on_behalf_of(Caller { id: None, auth: Some(auth.into()) })
    }

    pub(super) fn on_behalf_of(&self, caller: Caller) -> Client {
        Client { inner: Arc::clone(&self.inner), caller: Some(Arc::new(caller)) }
    }

    /// Calls `{service}.{method}` and waits for the result for up to the
    /// [call timeout](Options::call_timeout).
    ///
    /// ```no_run
    /// # async fn example(client: skep::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use skep::client::{CallError, RpcError};
    ///
    /// #[derive(serde::Serialize)]
    /// struct Login<'a> { username: &'a str, password: &'a str }
    ///
    /// match client.call("myapp.auth.login", Login { username: "ann", password: "x" }).await {
    ///     Ok(()) => println!("welcome"),
    ///     Err(CallError::Rpc(error)) if error.code == RpcError::NOT_AUTHORIZED => println!("no"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call<P: Serialize, R: DeserializeOwned>(&self, method: &str, params: P) -> Result<R, CallError> {
        self.call_within(self.options().call_timeout, method, params).await
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
        let id = self.inner.next_id.fetch_add(1, Ordering::Relaxed);
        let span = tracing::debug_span!("call", id, method);
        let request = self.request(Some(id), method, params)?;
        let answer = self.within(time, self.exchange(id, request, time)).instrument(span).await?;
        serde_json::from_value(answer).map_err(CallError::Result)
    }

    /// Has a service do something without an answer. Comes back when the bus has
    /// taken the request; it is then done once, or, if a worker dies over it,
    /// once more.
    ///
    /// # Errors
    /// It was not taken, see [`CallError`].
    pub async fn fire<P: Serialize>(&self, method: &str, params: P) -> Result<(), CallError> {
        let request = self.request(None, method, params)?;
        self.publish(request).await
    }

    fn request<P: Serialize>(&self, id: Option<u64>, method: &str, params: P) -> Result<Message, CallError> {
        let options = self.options();
        let name = Method::parse(method).ok_or_else(|| CallError::Method(method.into()))?;
        let payload = Call::payload(id, method, params).map_err(CallError::Params)?;
        let role = &options.backend_role;
        let service = name.request_topic(role);
        let mut message = match options.side {
            Side::Backend => self.message(service, payload, None),
            Side::Frontend => self.message(format!("req/{role}-{}", self.lane()), payload, Some(service)),
        };
        message.properties.response_topic = Some(format!("priv/{}", options.id()));
        Ok(message)
    }

    /// Sends a request, which expires after `time`, and waits for its answer.
    async fn exchange(&self, id: u64, mut request: Message, time: Duration) -> Result<Value, CallError> {
        let began = Instant::now();
        loop {
            let link = self.connection().link().await?;
            let mut expected = link.expect(id);
            let left = time.saturating_sub(began.elapsed());
            request.properties.message_expiry_interval = Some(whole_seconds(left));
            let fate = match link.publish(request.clone()).await {
                Ok(fate) => fate,
                Err(error) => {
                    not_ended(error)?;
                    continue;
                }
            };
            let fate = tokio::select! {
                biased;
                fate = fate => fate.unwrap_or(Fate::Unknown),
                answer = expected.answer() => return answer,
            };
            let failure = match fate {
                Fate::Published(PubAckReason::Success) => return expected.answer().await,
                Fate::Unsent => {
                    tracing::debug!("the connection was lost before the request was sent; it waits for the next");
                    continue;
                }
                // Nobody serves it, and nothing holds it.
                Fate::Published(PubAckReason::NoMatchingSubscribers) => {
                    CallError::Rpc(RpcError::of_code(RpcError::METHOD_NOT_AVAILABLE))
                }
                Fate::Published(reason) => CallError::Refused(words(&format!("{reason:?}"))),
                _ => CallError::ConnectionLost,
            };
            // The answer may have come just before; it says more.
            return expected.answer_now().unwrap_or(Err(failure));
        }
    }

    /// Publishes, and waits until the bus has taken it.
    pub(super) async fn publish(&self, message: Message) -> Result<(), CallError> {
        let taken = async {
            loop {
                let link = self.connection().link().await?;
                let fate = match link.publish(message.clone()).await {
                    Ok(fate) => fate,
                    Err(error) => {
                        not_ended(error)?;
                        continue;
                    }
                };
                match fate.await.unwrap_or(Fate::Unknown) {
                    Fate::Published(PubAckReason::Success | PubAckReason::NoMatchingSubscribers) => return Ok(()),
                    Fate::Published(reason) => return Err(CallError::Refused(words(&format!("{reason:?}")))),
                    Fate::Unsent => continue,
                    _ => return Err(CallError::ConnectionLost),
                }
            }
        };
        self.within(self.options().call_timeout, taken).await
    }

    pub(super) fn message(&self, topic: String, payload: Vec<u8>, fwd_to: Option<String>) -> Message {
        let mut properties = PublishProperties::default();
        let mut user = |name: &str, value: Option<String>| {
            properties.user_properties.extend(value.map(|value| (name.to_owned(), value)));
        };
        user("fwd_to", fwd_to);
        if let (Some(caller), Side::Backend) = (&self.caller, self.options().side) {
            user("clid", caller.id.clone());
            user("auth", caller.auth.clone());
        }
        Message { topic, payload: Bytes::from(payload), properties }
    }

    pub(super) fn lane(&self) -> u8 {
        rand::rng().random_range(1..=self.options().lanes)
    }

    pub(super) async fn within<T>(
        &self,
        time: Duration,
        done: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        timeout(time, done).await.unwrap_or(Err(CallError::Timeout(time)))
    }

    pub(super) fn options(&self) -> &Options {
        &self.inner.options
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    pub(super) fn listeners(&self) -> &Listeners {
        &self.inner.inbox.listeners
    }

    pub(super) fn inbox(&self) -> &Inbox {
        &self.inner.inbox
    }

    pub(super) fn filter(&self, path: &str) -> Filter {
        self.inner.inbox.filter(path)
    }
}

/// A message that could not be handed over as the connection had ended goes to
/// the next one.
fn not_ended(error: HandOverError) -> Result<(), CallError> {
    match error {
        HandOverError::Ended => Ok(()),
        HandOverError::TooLarge { size, max } => Err(CallError::TooLarge { size, max }),
        HandOverError::Topic => Err(CallError::Refused("its topic can't be published to".into())),
    }
}

/// At least 1: a message that expires at once reaches nobody.
fn whole_seconds(time: Duration) -> u32 {
    let rounded_up = time.as_secs().saturating_add((time.subsec_nanos() > 0).into());
    rounded_up.clamp(1, u32::MAX.into()) as u32
}
