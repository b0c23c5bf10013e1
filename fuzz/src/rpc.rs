//! JSON-RPC envelopes, and the names that the router takes apart.

use serde::Deserialize;
use serde_json::value::RawValue;
use skep::fuzzing::{
    is_bindable_id, is_caller_id, is_request_topic, overloaded, read_payload, split_address, split_caller_addr,
};
use skep::mqtt::valid_topic;

/// What a router looks at in a request.
#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

/// An answer. Its id is not read as a number: it may be larger than any.
#[derive(Deserialize)]
struct Answer<'a> {
    jsonrpc: &'a str,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    error: Error,
}

#[derive(Deserialize)]
struct Error {
    code: i32,
}

/// An answer in place of a service carries the request's own id to the letter,
/// or says that it could not be read; names that pass have the parts that they
/// promise.
pub fn rpc(input: &[u8]) {
    read_payload(input);
    if let Some(answer) = overloaded(input) {
        let answer: Answer<'_> = serde_json::from_slice(&answer).expect("an answer is JSON-RPC");
        assert_eq!(answer.jsonrpc, "2.0");
        let request = serde_json::from_slice::<Request<'_>>(input).ok().filter(|_| answer.error.code == -32000);
        let expected = request.and_then(|request| request.id);
        assert_eq!(answer.id.map(RawValue::get), expected.map(RawValue::get));
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
