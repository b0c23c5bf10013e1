//! JSON-RPC 2.0 as far as a router needs it: the id of a request, and errors.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// An error in an answer.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct RpcError<'a> {
    pub code: i32,
    pub message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<&'a str>,
}

impl<'a> RpcError<'a> {
    pub const fn new(code: i32, message: &'a str) -> Self {
        RpcError { code, message, data: None }
    }
}

pub const PARSE_ERROR: RpcError<'static> = RpcError::new(-32700, "Parse error");
pub const INVALID_REQUEST: RpcError<'static> = RpcError::new(-32600, "Invalid request");
pub const METHOD_NOT_FOUND: RpcError<'static> = RpcError::new(-32601, "Method not found");
pub const NOT_AVAILABLE: RpcError<'static> = RpcError::new(-31601, "Method not available");
pub const REQUEST_TIMEOUT: RpcError<'static> = RpcError::new(-31600, "Request timeout");
pub const NOT_AUTHORIZED: RpcError<'static> = RpcError::new(-403, "Request not authorized");
pub const OVERLOADED: RpcError<'static> = server_error("overloaded");
pub const SHUTTING_DOWN: RpcError<'static> = server_error("shutting down");
pub const TOO_LARGE: RpcError<'static> = server_error("request larger than its workers accept");

/// Every worker that was given the request went away with it.
pub const KILLED_WORKERS: RpcError<'static> = RpcError {
    code: -32603,
    message: "Internal error",
    data: Some("the request was set aside: several workers went away while they held it"),
};

const fn server_error(data: &str) -> RpcError<'_> {
    RpcError { code: -32000, message: "Server error", data: Some(data) }
}

/// What a router looks at in a request.
#[derive(Deserialize)]
struct Envelope<'a> {
    /// Absent in a notification; `null` counts as absent, as it names nothing.
    /// As it is written: a number larger than ours comes back the same.
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Response<'a> {
    jsonrpc: &'static str,
    id: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<RpcError<'a>>,
}

/// The error response to a request; none if the request wants no answer. What
/// isn't JSON-RPC gets a parse error whatever the error was; but for an empty
/// payload, whose topic says it all: so Beekeeper's shared caches look for each
/// other, and take any answer for a cache's contents.
pub fn error_response(request: &[u8], error: RpcError<'_>) -> Option<Vec<u8>> {
    if request.is_empty() {
        return None;
    }
    match serde_json::from_slice::<Envelope<'_>>(request) {
        Ok(Envelope { id: Some(id) }) => Some(response(Some(id), None, Some(error))),
        Ok(Envelope { id: None }) => None,
        Err(_) => Some(response(None, None, Some(PARSE_ERROR))),
    }
}

pub fn result_response(id: &RawValue, result: Value) -> Vec<u8> {
    response(Some(id), Some(result), None)
}

pub fn response(id: Option<&RawValue>, result: Option<Value>, error: Option<RpcError<'_>>) -> Vec<u8> {
    // Values and strings always have a JSON form.
    serde_json::to_vec(&Response { jsonrpc: "2.0", id, result, error }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(request: &str) -> Option<String> {
        error_response(request.as_bytes(), OVERLOADED).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn an_error_carries_the_id_of_its_request() {
        let expected = |id| {
            Some(format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32000,"message":"Server error","data":"overloaded"}}}}"#
            ))
        };
        assert_eq!(answer(r#"{"jsonrpc":"2.0","method":"a.b","id":7}"#), expected("7"));
        assert_eq!(answer(r#"{"id":"x","params":{"id":1}}"#), expected(r#""x""#));
        for as_written in ["123456789012345678901234567890", "1.50", r#""\u00e9""#] {
            assert_eq!(answer(&format!(r#"{{"id": {as_written} }}"#)), expected(as_written));
        }
    }

    #[test]
    fn a_notification_gets_no_answer_and_what_is_no_json_a_parse_error() {
        assert_eq!(answer(r#"{"jsonrpc":"2.0","method":"a.b"}"#), None);
        assert_eq!(answer(""), None);
        let parse_error = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}"#;
        for bad in ["{", "[]", "7", "\u{0}"] {
            assert_eq!(answer(bad).as_deref(), Some(parse_error), "{bad}");
        }
    }
}
