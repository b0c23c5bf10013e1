//! JSON-RPC envelopes, and the names that the router takes apart.

use serde_json::Value;
use skep::fuzzing::{
    is_bindable_id, is_caller_id, is_request_topic, overloaded, read_payload, split_address, split_caller_addr,
};
use skep::mqtt::valid_topic;

/// An answer in place of a service carries the request's own id, or says that
/// it could not be read; names that pass have the parts that they promise.
pub fn rpc(input: &[u8]) {
    read_payload(input);
    let request = serde_json::from_slice::<Value>(input).ok();
    if let Some(answer) = overloaded(input) {
        let answer: Value = serde_json::from_slice(&answer).expect("an answer is JSON");
        assert_eq!(answer["jsonrpc"], "2.0");
        assert!(answer["error"]["code"].is_i64());
        match &request {
            Some(Value::Object(fields)) if answer["error"]["code"] == -32000 => assert_eq!(answer["id"], fields["id"]),
            _ => assert!(answer["id"].is_null() || request.is_some()),
        }
    }
    if let Ok(text) = std::str::from_utf8(input) {
        names(text);
    }
}

fn names(text: &str) {
    if is_request_topic(text) {
        assert!(valid_topic(text) && text.starts_with("req/") && !text.contains("/_") && text.is_ascii());
    }
    if is_caller_id(text) {
        assert!(is_bindable_id(text) && text.len() <= 23);
    }
    if let Some((topic, frontend)) = split_caller_addr(text) {
        assert_eq!(format!("{topic}@{frontend}"), text);
        assert!(valid_topic(topic) && topic.matches('/').count() == 1);
    }
    if let Some((role, rest)) = split_address(text) {
        assert_eq!(format!("{role}.{rest}"), text);
        assert!(!rest.contains(['.', '/', '@', '#', '+']));
    }
}
