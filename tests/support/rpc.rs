//! Requests, responses and binds, as the framework's peers put them on the wire.

use serde_json::{Value, json};

use super::client::{Client, Message, PUBACK};

/// A client's request, by way of the router.
pub fn request(client_id: &str, service: &str, id: impl Into<Value>) -> Message {
    let payload = json!({ "jsonrpc": "2.0", "method": format!("{service}.do"), "params": {}, "id": id.into() });
    Message::new("req/backend-1", payload.to_string())
        .respond_to(&format!("priv/{client_id}"))
        .with("fwd_to", &format!("req/backend/{}", service.replace('.', "/")))
}

/// The filter under which workers of a service share its requests.
pub fn service(name: &str) -> String {
    format!("$share/BKPR/req/backend/{}", name.replace('.', "/"))
}

/// Answers a request: response first, then the PUBACK.
pub fn answer(worker: &mut Client, request: &Message, result: impl Into<Value>) {
    let id = json_of(request)["id"].clone();
    let payload = json!({ "jsonrpc": "2.0", "result": result.into(), "id": id });
    let mut response = Message::new(request.response_topic.as_deref().expect("a response topic"), payload.to_string());
    if let Some(addr) = request.get("addr") {
        response = response.with("addr", addr);
    }
    worker.publish(response);
    worker.ack(PUBACK, request.packet_id);
}

pub fn json_of(message: &Message) -> Value {
    serde_json::from_slice(&message.payload).expect("a payload of JSON")
}

/// Calls `_bkpr.router.{method}` from a backend client that listens to its
/// mailbox; gives back the response.
pub fn router_call(worker: &mut Client, worker_id: &str, method: &str, params: Value) -> Value {
    send_router_call(worker, worker_id, method, params, 1);
    json_of(&worker.message())
}

pub fn send_router_call(worker: &mut Client, worker_id: &str, method: &str, params: Value, id: u64) {
    let call = json!({ "jsonrpc": "2.0", "method": format!("_bkpr.router.{method}"), "params": params, "id": id });
    worker.publish(
        Message::new("req/backend/_bkpr/router", call.to_string())
            .respond_to(&format!("priv/{worker_id}"))
            .with("auth", &skep::router::router_token("backend-1")),
    );
}

/// What a worker sends to bind a caller.
pub fn binding(client_id: &str, address: Option<&str>, auth: &str) -> Value {
    json!({
        "caller_id": client_id,
        "caller_addr": format!("priv/{client_id}@frontend-1"),
        "address": address,
        "auth_data": auth,
    })
}

/// A notification from the backend: to everybody, or to one address.
pub fn notification(address: Option<&str>, payload: &str) -> Message {
    let to = address.map_or(String::new(), |address| format!("@{address}"));
    Message::new("msg/frontend-1", payload).with("fwd_to", &format!("msg/frontend/chat/message{to}"))
}
