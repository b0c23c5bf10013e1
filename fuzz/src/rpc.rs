//! JSON-RPC envelopes, and the names that the router takes apart.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use skep::fuzzing::{
    is_bindable_id, is_caller_id, is_request_topic, overloaded, read_payload, split_address, split_caller_addr,
};
use skep::mqtt::valid_topic;

#[derive(Deserialize)]
struct Identified<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

/// An answer in place of a service carries the request's own id, or says that
/// it could not be read; names that pass have the parts that they promise.
pub fn rpc(input: &[u8]) {
    read_payload(input);
    let id = serde_json::from_slice::<Identified<'_>>(input).ok().and_then(|request| request.id);
    if let Some(answer_bytes) = overloaded(input) {
        let answer: Value = serde_json::from_slice(&answer_bytes).expect("an answer is JSON");
        assert_eq!(answer["jsonrpc"], "2.0");
        assert!(answer["error"]["code"].is_i64());
        // To the letter, whatever size a number has.
        let answered = serde_json::from_slice::<Identified<'_>>(&answer_bytes).expect("it has an id").id;
        let expected = id.filter(|_| answer["error"]["code"] == -32000);
        assert_eq!(answered.map(RawValue::get), expected.map(RawValue::get));
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
