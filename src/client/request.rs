//! The request that a handler serves: who calls, and what can be done about
//! the caller.

use serde_json::Value;

use super::caller::{Caller, Client};
use super::error::CallError;

/// What a handler gets beside the parameters.
#[derive(Clone)]
#[non_exhaustive]
pub struct Request {
    /// None: nobody waits for an answer.
    pub id: Option<Value>,
    /// `{service}.{method}`
    pub method: String,
    /// The caller's client id, if the request came from a frontend.
    pub caller_id: Option<String>,
    /// Where the caller is: `priv/{client id}@{frontend id}`.
    pub caller_addr: Option<String>,
    /// What a worker has bound to the caller: on requests from a frontend the
    /// router vouches for it.
    pub auth: Option<String>,
    /// Another worker, or this one, had the request before and may have served
    /// it in part or whole.
    pub redelivered: bool,
    pub(super) client: Client,
}

impl Request {
    /// A client that calls and notifies in the caller's name: what it sends
    /// carries the caller's id and authorization data.
    pub fn client(&self) -> Client {
        self.client.on_behalf_of(Caller { id: self.caller_id.clone(), auth: self.auth.clone() })
    }

    /// Binds the caller's session, as a login does: its requests carry `auth`
    /// from now on, and pushes to `address` reach it. Comes back when that is on
    /// disk.
    ///
    /// ```no_run
    /// # use skep::client::{Options, RpcError, Worker};
    /// # let options = Options::backend("mqtt://127.0.0.1:1883")?;
    /// let worker = Worker::new(options)
    ///     .serve("myapp.auth", "login", |request, user: String| async move {
    ///         request.bind(Some(&format!("frontend.{user}")), &user).await?;
    ///         Ok("welcome")
    ///     })
    ///     .serve("myapp.auth", "logout", |request, ()| async move { Ok(request.unbind().await?) });
    /// # Ok::<(), skep::client::UrlError>(())
    /// ```
    ///
    /// # Errors
    /// The request did not come from a frontend; or as for
    /// [`Client::bind_session`].
    pub async fn bind(&self, address: Option<&str>, auth: &str) -> Result<(), CallError> {
        let (Some(id), Some(addr)) = (&self.caller_id, &self.caller_addr) else { return Err(CallError::NoCaller) };
        self.client.bind_session(id, addr, address, auth).await
    }

    /// Forgets the caller's session: a logout from this device.
    ///
    /// # Errors
    /// As for [`Request::bind`].
    pub async fn unbind(&self) -> Result<(), CallError> {
        let Some(id) = &self.caller_id else { return Err(CallError::NoCaller) };
        self.client.unbind_session(id).await
    }

    /// Forgets all sessions of an address: a logout from all devices.
    ///
    /// # Errors
    /// As for [`Client::unbind_address`].
    pub async fn unbind_address(&self, address: &str) -> Result<(), CallError> {
        self.client.unbind_address(address).await
    }
}
