//! Notifications: sent to whoever listens, and listened to.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures_util::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc;

use super::caller::Client;
use super::error::CallError;
use super::link::Fate;
use super::names::{Method, Pattern, split_address};
use super::options::Side;
use super::rpc::Call;

/// A notification that has come.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Notification {
    /// `{service}.{method}`
    pub method: String,
    pub params: Value,
    /// It was sent to us alone, or to all devices of our address.
    pub private: bool,
    /// On a backend: the client on whose behalf a worker sent it, if the worker
    /// says.
    pub caller_id: Option<String>,
    /// On a backend: that client's authorization data.
    pub auth: Option<String>,
}

impl Notification {
    /// The parameters as a type of the program's.
    ///
    /// # Errors
    /// They are something else.
    pub fn params<P: DeserializeOwned>(&self) -> serde_json::Result<P> {
        P::deserialize(&self.params)
    }
}

/// Notifications as they come; also a [`Stream`]. Dropping it ends the
/// listening. It keeps its client's connection alive.
pub struct Notifications {
    client: Client,
    listener: u64,
    receiver: mpsc::Receiver<Notification>,
    missed: Arc<AtomicU64>,
}

impl Notifications {
    /// Waits for the next one. None: the connection has ended for good. While
    /// it is lost and being made again this waits on, and what is sent
    /// meanwhile is not seen: notifications are not kept for who isn't there.
    pub async fn recv(&mut self) -> Option<Notification> {
        self.receiver.recv().await
    }

    /// How many were dropped as nobody had read the ones before, see
    /// [`Options::max_unread`](super::Options::max_unread).
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

impl Stream for Notifications {
    type Item = Notification;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Notification>> {
        self.receiver.poll_recv(cx)
    }
}

impl Drop for Notifications {
    fn drop(&mut self) {
        let connection = self.client.connection();
        self.client.listeners().remove(self.listener, |filter| {
            if let Some(link) = connection.link_now() {
                link.unsubscribe_now(filter);
            }
        });
    }
}

impl Client {
    /// Listens to notifications on this bus: of one method (`myapp.chat.message`),
    /// of a service and those below it (`myapp.chat.*`), or to all (`*`). Private
    /// ones of these methods come, too.
    ///
    /// Comes back when the bus has granted the subscription, so that nothing
    /// sent later is missed.
    ///
    /// ```no_run
    /// # async fn example(client: skep::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// #[derive(serde::Deserialize)]
    /// struct Message { from: String, message: String }
    ///
    /// let mut chat = client.listen("myapp.chat.*").await?;
    /// while let Some(notification) = chat.recv().await {
    ///     let Message { from, message } = notification.params()?;
    ///     println!("{from}: {message}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// It is no such pattern, the bus does not allow it, or takes longer than
    /// the call timeout; see [`CallError`].
    pub async fn listen(&self, pattern: &str) -> Result<Notifications, CallError> {
        let parsed = Pattern::parse(pattern).ok_or_else(|| CallError::Pattern(pattern.into()))?;
        let filter = parsed.filter(self.options().own_role());
        let (notifications, filter_id) = self.add_listener(parsed, Some(filter.clone()));
        let granted = async {
            loop {
                let link = self.connection().link().await?;
                let Ok(fate) = link.subscribe(self.filter(&filter), filter_id).await else { continue };
                match fate.await {
                    Ok(Fate::Subscribed(codes)) if codes.iter().all(super::connection::is_granted) => return Ok(()),
                    Ok(Fate::Subscribed(_)) => return Err(CallError::Refused(format!("no subscription to {filter}"))),
                    // The next connection subscribes by itself; this asks whether it may.
                    _ => continue,
                }
            }
        };
        self.within(self.options().call_timeout, granted).await?;
        Ok(notifications)
    }

    /// Listens to private notifications alone: those sent to us, or to all
    /// devices of our address, whatever their method. Asks nothing of the bus.
    pub fn private_notifications(&self) -> Notifications {
        self.add_listener(Pattern::All, None).0
    }

    fn add_listener(&self, pattern: Pattern, filter: Option<String>) -> (Notifications, usize) {
        let listening = self.listeners().add(pattern, filter, self.options().max_unread);
        let (listener, receiver, missed) = (listening.id, listening.receiver, listening.missed);
        (Notifications { client: self.clone(), listener, receiver, missed }, listening.filter_id)
    }

    /// Notifies all who listen on this backend: other workers.
    ///
    /// Comes back when the bus has taken it; that there is nobody who listens is
    /// no error.
    ///
    /// # Errors
    /// This is a frontend, on which clients don't notify; or it was not taken,
    /// see [`CallError`].
    pub async fn notify<P: Serialize>(&self, method: &str, params: P) -> Result<(), CallError> {
        let (name, payload) = self.notification(method, params)?;
        let topic = name.notification_topic(&self.options().backend_role);
        self.publish(self.message(topic, payload, None)).await
    }

    /// Notifies all clients of all frontends who listen.
    ///
    /// # Errors
    /// As for [`Client::notify`].
    pub async fn broadcast<P: Serialize>(&self, method: &str, params: P) -> Result<(), CallError> {
        let (name, payload) = self.notification(method, params)?;
        let role = &self.options().frontend_role;
        self.forward(role, name.notification_topic(role), payload).await
    }

    /// Notifies all devices of one address, such as `frontend.user-123`: those
    /// sessions that a worker has bound to it, and that are connected.
    ///
    /// # Errors
    /// As for [`Client::notify`].
    pub async fn push<P: Serialize>(&self, address: &str, method: &str, params: P) -> Result<(), CallError> {
        let (role, to) = split_address(address).ok_or_else(|| CallError::Address(address.into()))?;
        let (name, payload) = self.notification(method, params)?;
        let topic = name.notification_topic(role);
        self.forward(role, format!("{topic}@{to}"), payload).await
    }

    fn notification<'m, P: Serialize>(&self, method: &'m str, params: P) -> Result<(Method<'m>, Vec<u8>), CallError> {
        if self.options().side == Side::Frontend {
            return Err(CallError::OnFrontend);
        }
        let name = Method::parse(method).ok_or_else(|| CallError::Method(method.into()))?;
        let payload = Call::payload(None, method, params).map_err(CallError::Params)?;
        Ok((name, payload))
    }

    /// By way of the router, to the frontends of a role.
    async fn forward(&self, role: &str, fwd_to: String, payload: Vec<u8>) -> Result<(), CallError> {
        let topic = format!("msg/{role}-{}", self.lane());
        self.publish(self.message(topic, payload, Some(fwd_to))).await
    }
}
