//! Client sessions of the frontends: bound by a worker to authorization data
//! and an address, and forgotten again. What the router does for it is
//! `_bkpr.router.bind` and `unbind`.

use serde::Serialize;
use serde_json::Value;

use super::caller::{Caller, Client};
use super::error::CallError;
use super::options::Side;
use super::token::router_token;

#[derive(Serialize)]
struct Bind<'a> {
    caller_id: &'a str,
    caller_addr: &'a str,
    auth_data: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Unbind<'a> {
    CallerId(&'a str),
    Address(&'a str),
}

impl Client {
    /// Binds the session of a client: its requests carry `auth` from now on, and
    /// pushes to `address`, such as `frontend.user-123`, reach it, until it is
    /// unbound or has made no request for the router's session timeout. A
    /// session that was bound before loses what it had. Comes back when the
    /// binding is on disk.
    ///
    /// While serving a request of that client, see
    /// [`Request::bind`](super::Request::bind).
    ///
    /// # Errors
    /// This is a frontend; the router refuses, as it does if the
    /// [salt](super::Options::auth_salt) is wrong or `address` is none; or
    /// see [`CallError`].
    pub async fn bind_session(
        &self,
        caller_id: &str,
        caller_addr: &str,
        address: Option<&str>,
        auth: &str,
    ) -> Result<(), CallError> {
        self.router("_bkpr.router.bind", Bind { caller_id, caller_addr, auth_data: auth, address }).await
    }

    /// Forgets the session of one client: a logout from this device.
    ///
    /// # Errors
    /// As for [`Client::bind_session`].
    pub async fn unbind_session(&self, caller_id: &str) -> Result<(), CallError> {
        self.router("_bkpr.router.unbind", Unbind::CallerId(caller_id)).await
    }

    /// Forgets all sessions of an address: a logout from all devices.
    ///
    /// # Errors
    /// As for [`Client::bind_session`].
    pub async fn unbind_address(&self, address: &str) -> Result<(), CallError> {
        self.router("_bkpr.router.unbind", Unbind::Address(address)).await
    }

    async fn router(&self, method: &str, params: impl Serialize) -> Result<(), CallError> {
        if self.options().side == Side::Frontend {
            return Err(CallError::OnFrontend);
        }
        let token = router_token(&self.options().auth_salt);
        let router = self.on_behalf_of(Caller { id: None, auth: Some(token) });
        router.call::<_, Value>(method, params).await.map(drop)
    }
}
