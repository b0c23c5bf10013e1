//! What can go wrong with a connection or a call.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A URL that says no place to connect to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} is not a bus: expected mqtt://host:port or ws://host:port/mqtt")]
pub struct UrlError {
    pub url: String,
}

/// The bus can't be reached, or does not let us in.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("refused: {0}")]
    Refused(String),
    #[error("no answer within {0} s")]
    Timeout(u64),
    #[error("{0}")]
    Failed(String),
    #[error("not allowed to subscribe to {0}")]
    NotAllowed(String),
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The service (or the router, in its place) answered with an error.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    #[error("no answer within {0:?}")]
    Timeout(std::time::Duration),
    /// The connection broke while the call was under way; whether the service
    /// got it is not known, so it is not sent again.
    #[error("the connection was lost before the answer came")]
    ConnectionLost,
    #[error("{0:?} is not a method: expected {{service}}.{{method}}")]
    Method(String),
    #[error("the parameters can't be written as JSON: {0}")]
    Params(#[source] serde_json::Error),
    #[error("the result is not what was expected: {0}")]
    Result(#[source] serde_json::Error),
}

/// A JSON-RPC 2.0 error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub struct RpcError {
    pub code: i64,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl RpcError {
    /// The request, or the response, is not JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// It is JSON, but no request.
    pub const INVALID_REQUEST: i64 = -32600;
    pub const METHOD_NOT_FOUND: i64 = -32601;
    pub const INVALID_PARAMS: i64 = -32602;
    pub const INTERNAL_ERROR: i64 = -32603;
    /// Any error of the service's own.
    pub const SERVER_ERROR: i64 = -32000;
    /// Nobody serves the service.
    pub const METHOD_NOT_AVAILABLE: i64 = -31601;
    pub const REQUEST_TIMEOUT: i64 = -31600;
    pub const NOT_LOGGED_IN: i64 = -401;
    pub const NOT_AUTHORIZED: i64 = -403;

    pub fn new(code: i64, message: impl Into<String>) -> RpcError {
        RpcError { code, message: message.into(), data: None }
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)?;
        match &self.data {
            Some(data) => write!(f, ": {data}"),
            None => Ok(()),
        }
    }
}
