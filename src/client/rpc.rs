//! JSON-RPC 2.0: what is written and read.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A JSON-RPC 2.0 error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub struct RpcError {
    pub code: i64,
    #[serde(default)]
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl RpcError {
    /// The request, or the response, is not JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// It is JSON, but no request.
    pub const INVALID_REQUEST: i64 = -32600;
    /// The service is there, but has no such method.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    pub const INVALID_PARAMS: i64 = -32602;
    /// The service failed in a way that it did not foresee.
    pub const INTERNAL_ERROR: i64 = -32603;
    /// Any error of the service's own.
    pub const SERVER_ERROR: i64 = -32000;
    /// Nobody serves the service.
    pub const METHOD_NOT_AVAILABLE: i64 = -31601;
    /// The request expired before anybody took it.
    pub const REQUEST_TIMEOUT: i64 = -31600;
    pub const NOT_LOGGED_IN: i64 = -401;
    pub const NOT_AUTHORIZED: i64 = -403;

    pub fn new(code: i64, message: impl Into<String>) -> RpcError {
        RpcError { code, message: message.into(), data: None }
    }

    /// An error with its code's usual message.
    pub fn of_code(code: i64) -> RpcError {
        RpcError::new(
            code,
            match code {
                RpcError::PARSE_ERROR => "Parse error",
                RpcError::INVALID_REQUEST => "Invalid request",
                RpcError::METHOD_NOT_FOUND => "Method not found",
                RpcError::INVALID_PARAMS => "Invalid params",
                RpcError::INTERNAL_ERROR => "Internal error",
                RpcError::METHOD_NOT_AVAILABLE => "Method not available",
                RpcError::REQUEST_TIMEOUT => "Request timeout",
                RpcError::NOT_LOGGED_IN => "Not logged in",
                RpcError::NOT_AUTHORIZED => "Request not authorized",
                _ => "Server error",
            },
        )
    }

    /// The same with `data`, which says more to a program.
    pub fn with_data(mut self, data: impl Into<Value>) -> RpcError {
        self.data = Some(data.into());
        self
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

/// A request, or a notification if it has no id, to be written.
#[derive(Serialize)]
pub(super) struct Call<'a> {
    pub jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    pub method: &'a str,
    /// Left out if there are none.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub params: Value,
}

impl Call<'_> {
    pub fn payload<P: Serialize>(id: Option<u64>, method: &str, params: P) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&Call { jsonrpc: "2.0", id, method, params: serde_json::to_value(params)? })
    }
}

/// The response to a request.
pub(super) fn response(id: &Value, outcome: &Result<Value, RpcError>) -> Vec<u8> {
    let response = match outcome {
        Ok(result) => serde_json::json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(error) => serde_json::json!({ "jsonrpc": "2.0", "id": id, "error": error }),
    };
    response.to_string().into_bytes()
}

/// A request as a worker reads it.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    /// None: nobody waits for an answer.
    pub id: Option<Value>,
    pub method: String,
    pub params: Value,
}

impl Request {
    /// # Errors
    /// The id, as far as there is one, and what to answer.
    pub fn read(payload: &[u8]) -> Result<Request, (Value, RpcError)> {
        let mut request: Value =
            serde_json::from_slice(payload).map_err(|_| (Value::Null, RpcError::of_code(RpcError::PARSE_ERROR)))?;
        let id = request.get_mut("id").map(Value::take).filter(|id| !id.is_null());
        match request.get_mut("method").map(Value::take) {
            Some(Value::String(method)) => {
                let params = request.get_mut("params").map(Value::take).unwrap_or_default();
                Ok(Request { id, method, params })
            }
            _ => Err((id.unwrap_or_default(), RpcError::of_code(RpcError::INVALID_REQUEST))),
        }
    }
}

/// What comes into a mailbox, or by a subscription to notifications.
#[derive(Debug, PartialEq)]
pub(crate) enum Received {
    Answer {
        id: u64,
        outcome: Result<Value, RpcError>,
    },
    Notification {
        method: String,
        params: Value,
    },
    /// Neither, in a way that is of use to nobody.
    Other,
}

impl Received {
    pub fn read(payload: &[u8]) -> serde_json::Result<Received> {
        let mut message: Value = serde_json::from_slice(payload)?;
        let mut take = |name: &str| message.get_mut(name).map(Value::take);
        if let Some(id) = take("id") {
            let Some(id) = id.as_u64() else { return Ok(Received::Other) };
            let outcome =
                match (take("result"), take("error")) {
                    (_, Some(error)) if !error.is_null() => Err(serde_json::from_value(error.clone())
                        .unwrap_or_else(|_| RpcError::of_code(RpcError::SERVER_ERROR).with_data(error))),
                    (Some(result), _) => Ok(result),
                    (None, _) => Err(RpcError::of_code(RpcError::INVALID_REQUEST)
                        .with_data("the response has neither result nor error")),
                };
            return Ok(Received::Answer { id, outcome });
        }
        Ok(match take("method") {
            Some(Value::String(method)) => {
                Received::Notification { method, params: take("params").unwrap_or_default() }
            }
            _ => Received::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn received(message: Value) -> Received {
        Received::read(message.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn responses_are_told_by_their_id() {
        let answer = |outcome| Received::Answer { id: 7, outcome };
        assert_eq!(received(json!({ "id": 7, "result": null })), answer(Ok(Value::Null)));
        assert_eq!(received(json!({ "id": 7, "result": [1], "error": null })), answer(Ok(json!([1]))));
        let error = RpcError { code: -5, message: "no".into(), data: Some(json!("x")) };
        assert_eq!(
            received(json!({ "id": 7, "error": { "code": -5, "message": "no", "data": "x" } })),
            answer(Err(error))
        );
        let odd = RpcError::of_code(RpcError::SERVER_ERROR).with_data("broken");
        assert_eq!(received(json!({ "id": 7, "error": "broken" })), answer(Err(odd)));
        assert!(matches!(received(json!({ "id": 7 })), Received::Answer { outcome: Err(_), .. }));
        for nobody in [json!({ "id": null, "error": {} }), json!({ "id": "x", "result": 1 }), json!([]), json!(1)] {
            assert_eq!(received(nobody), Received::Other);
        }
    }

    #[test]
    fn notifications_have_a_method_and_no_id() {
        assert_eq!(
            received(json!({ "jsonrpc": "2.0", "method": "a.b", "params": { "x": 1 } })),
            Received::Notification { method: "a.b".into(), params: json!({ "x": 1 }) }
        );
        assert_eq!(
            received(json!({ "method": "a.b" })),
            Received::Notification { method: "a.b".into(), params: Value::Null }
        );
        assert!(Received::read(b"{").is_err());
    }

    #[test]
    fn what_is_no_request_is_answered_with_what_is_wrong() {
        let code = |payload: &str| Request::read(payload.as_bytes()).map_err(|(id, error)| (id, error.code));
        assert_eq!(code("{"), Err((Value::Null, RpcError::PARSE_ERROR)));
        assert_eq!(code("[1]"), Err((Value::Null, RpcError::INVALID_REQUEST)));
        assert_eq!(code(r#"{"id":"x","method":1}"#), Err((json!("x"), RpcError::INVALID_REQUEST)));
        let request = |id, params| Ok(Request { id, method: "a.b".into(), params });
        assert_eq!(code(r#"{"method":"a.b","id":null}"#), request(None, Value::Null));
        assert_eq!(code(r#"{"method":"a.b","id":0,"params":[1]}"#), request(Some(json!(0)), json!([1])));
    }

    #[test]
    fn a_call_without_parameters_says_none() {
        let written = |params: Value| String::from_utf8(Call::payload(Some(1), "a.b", params).unwrap()).unwrap();
        assert_eq!(written(Value::Null), r#"{"jsonrpc":"2.0","id":1,"method":"a.b"}"#);
        assert_eq!(written(json!([2])), r#"{"jsonrpc":"2.0","id":1,"method":"a.b","params":[2]}"#);
    }
}
