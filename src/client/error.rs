//! What can go wrong with a connection or a call.

use std::path::PathBuf;
use std::time::Duration;

use super::rpc::RpcError;

/// A URL that says no place to connect to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} is not a bus: expected mqtt://host:port or ws://host:port/mqtt, with TLS mqtts:// or wss://")]
pub struct UrlError {
    /// What was given, without user and password.
    pub url: String,
}

impl UrlError {
    pub(super) fn new(url: &str) -> UrlError {
        let url = match (url.split_once("://"), url.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, place))) => format!("{scheme}://{place}"),
            _ => url.into(),
        };
        UrlError { url }
    }
}

/// The bus can't be reached, or does not let us in; or has thrown us out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The bus answered CONNECT with a refusal: unknown user, wrong password,
    /// too many connections.
    #[error("refused: {0}")]
    Refused(String),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The network's or the protocol's error.
    #[error("{0}")]
    Failed(String),
    /// The bus did not grant a subscription that nothing works without.
    #[error("not allowed to subscribe to {0}")]
    NotAllowed(String),
    #[error("{0:?} can't be a client id here: a frontend takes 16 to 23 letters, digits or _, a backend any number")]
    ClientId(String),
    #[error("{0:?} is not a method: expected {{service}}.{{method}}, of letters, digits, _ and -")]
    Method(String),
    /// Somebody else has connected with our client id. Not tried again: we
    /// would throw each other out forever.
    #[error("another connection has taken over the client id")]
    TakenOver,
    /// [`Client::close`](super::Client::close) was called.
    #[error("closed")]
    Closed,
}

/// Certificates that can't be used to check whom a connection is with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the file {} {what}", path.display())]
pub struct CaError {
    pub path: PathBuf,
    /// What is wrong, as it reads after the name of the file.
    pub what: String,
}

/// Why a call has no result, or a notification is not out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The service (or the router, in its place) answered with an error.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// No answer in time. The service may still be at it.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The connection broke after the message was on its way: whether it
    /// arrived is not known, so it is not sent again.
    #[error("the connection was lost before the answer came")]
    ConnectionLost,
    /// The connection has ended for good.
    #[error("the connection has ended: {0}")]
    Ended(#[source] ConnectError),
    /// The bus does not take the message: its topic rules forbid it, or a queue
    /// is full. Nobody got it.
    #[error("the bus refuses it: {0}")]
    Refused(String),
    /// The message is larger than the bus takes. Nobody got it.
    #[error("the message has {size} bytes, the bus takes at most {max}")]
    TooLarge { size: usize, max: usize },
    #[error("{0:?} is not a method: expected {{service}}.{{method}}, of letters, digits, _ and -")]
    Method(String),
    #[error("{0:?} is not a pattern of methods: expected {{service}}.{{method}}, {{service}}.* or *")]
    Pattern(String),
    #[error("{0:?} is not an address: expected {{frontend role}}.{{name}}, of letters, digits, _ and -")]
    Address(String),
    /// Only workers and other clients of a backend notify, and bind sessions.
    #[error("a client of a frontend can't do this")]
    OnFrontend,
    /// The request did not come from a client of a frontend, so there is no
    /// session to bind.
    #[error("the request has no caller on a frontend")]
    NoCaller,
    #[error("the parameters can't be written as JSON: {0}")]
    Params(#[source] serde_json::Error),
    #[error("the result is not what was expected: {0}")]
    Result(#[source] serde_json::Error),
}

/// What a handler's caller is told when a call that the handler made failed:
/// the error that the other service gave, and no detail of any other.
impl From<CallError> for RpcError {
    fn from(error: CallError) -> RpcError {
        match error {
            CallError::Rpc(error) => error,
            other => {
                tracing::warn!("a call within a handler failed: {other}");
                RpcError::of_code(RpcError::INTERNAL_ERROR)
            }
        }
    }
}
