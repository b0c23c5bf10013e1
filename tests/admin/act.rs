//! What an operator can do: kick, unbind, call.

use std::thread;

use serde_json::{Value, json};

use crate::binder;
use crate::http::{Admin, admin, items};
use crate::support::client::PUBACK;
use crate::support::rpc::{binding, json_of, request, router_call, service};
use crate::support::{Instance, Message, id, wait_until};

#[test]
fn kick_disconnects_the_client_with_0x98_and_no_other() {
    let skep = Instance::start();
    let admin = admin(&skep);
    let mut worker = skep.worker("worker-1");
    let mut other = skep.worker("worker-2");
    let kick = || admin.post("client/kick", &json!({ "bus": "backend-1", "id": "worker-1" }));
    assert_eq!(kick().json(), json!({ "kicked": true }));
    assert_eq!(worker.disconnected(), 0x98);
    wait_until("the client is gone", || admin.api("clients")["total"] == 1);
    kick().refused(404, "worker-1");
    other.assert_no_message();
    admin.post("client/kick", &json!({ "bus": "x", "id": "worker-2" })).refused(404, "there is no bus");
}

#[test]
fn a_kicked_workers_request_goes_to_another() {
    let skep = Instance::start();
    let admin = admin(&skep);
    let (mut first, mut second) = (skep.worker("first"), skep.worker("second"));
    first.subscribe(&service("a.b"), 1);
    let caller = id("caller");
    let mut user = skep.user(&caller);
    user.publish(request(&caller, "a.b", 1));
    first.message();
    second.subscribe(&service("a.b"), 1);
    assert_eq!(admin.post("client/kick", &json!({ "bus": "backend-1", "id": "first" })).status, 200);
    assert!(second.message().dup);
}

#[test]
fn unbind_forgets_a_session_or_all_of_an_address() {
    let skep = Instance::start();
    let admin = admin(&skep);
    let mut worker = binder(&skep);
    worker.subscribe(&service("a.b"), 1);
    for n in 0..4 {
        let address = (n > 0).then_some("frontend.me");
        let caller = id(&format!("caller_{n}"));
        router_call(&mut worker, "binder", "bind", binding(&caller, address, "secret"));
    }
    let unbind = |what: Value| admin.post("session/unbind", &what).json();
    assert_eq!(unbind(json!({ "caller": id("caller_0") })), json!({ "unbound": 1 }));
    assert_eq!(unbind(json!({ "caller": id("caller_0") })), json!({ "unbound": 0 }));
    assert_eq!(unbind(json!({ "address": "frontend.me" })), json!({ "unbound": 3 }));
    assert_eq!(skep.skep().bindings().len(), 0);
    // A request of the caller's now goes without auth data.
    let caller = id("caller_1");
    let mut user = skep.user(&caller);
    user.publish(request(&caller, "a.b", 1));
    assert_eq!(worker.message().get("auth"), None);
    for bad in [json!({}), json!({ "caller": "a", "address": "b" })] {
        admin.post("session/unbind", &bad).refused(400, "either");
    }
}

/// Makes a call while the worker serves it.
fn called(admin: Admin, body: Value) -> thread::JoinHandle<Value> {
    thread::spawn(move || admin.post("call", &body).json())
}

#[test]
fn a_call_from_the_console_is_served_as_any_other() {
    let skep = Instance::start();
    let mut worker = skep.worker("worker-1");
    worker.subscribe(&service("a.b"), 1);
    let call = called(admin(&skep), json!({ "method": "a.b.add", "params": [1, 2] }));
    let given = worker.message();
    let body = json_of(&given);
    assert_eq!((&body["method"], &body["params"]), (&json!("a.b.add"), &json!([1, 2])));
    assert_eq!((given.get("auth"), given.get("clid")), (None, None));
    let response = json!({ "jsonrpc": "2.0", "result": { "sum": 3 }, "id": body["id"] });
    worker.publish(Message::new(given.response_topic.as_deref().unwrap(), response.to_string()));
    worker.ack(PUBACK, given.packet_id);
    let answer = call.join().unwrap();
    assert_eq!(answer["response"]["result"], json!({ "sum": 3 }), "{answer}");
    assert!(answer["took_us"].as_u64().unwrap() > 0);
}

#[test]
fn a_call_that_nobody_serves_gets_an_error() {
    let skep = Instance::start();
    let call = |body: Value| admin(&skep).post("call", &body);
    let nobody = call(json!({ "method": "no.such.thing" })).json();
    assert_eq!(nobody["response"]["error"]["code"], -31601, "{nobody}");
    let mut worker = skep.worker("worker-1");
    worker.subscribe(&service("a.b"), 1);
    let late = call(json!({ "method": "a.b.sleep", "timeout_ms": 50 })).json();
    assert_eq!(late["response"]["error"]["code"], -31600, "{late}");
    call(json!({ "method": "_bkpr.router.unbind" })).refused(400, "_bkpr.router.unbind");
    call(json!({ "method": "a.b.c", "params": "text" })).refused(400, "params");
    call(json!({ "method": "a.b.c", "timeout_ms": 0 })).refused(400, "timeout_ms");
    call(json!({ "method": "a.b.c", "backend": "x" })).refused(404, "\"x\"");
    for bad in ["", "a", "a.", ".b", "a/b.c", "a.#.c"] {
        call(json!({ "method": bad })).refused(400, "service and a method");
    }
}

#[test]
fn what_went_wrong_is_told_once_and_counted() {
    let skep = Instance::start();
    let admin = admin(&skep);
    let mut user = skep.user(&id("caller"));
    for _ in 0..3 {
        assert_eq!(user.subscribe("req/backend/#", 1), 0x87);
    }
    user.publish(request(&id("caller"), "no.such", 1));
    assert_eq!(json_of(&user.message())["error"]["code"], -31601);
    let login = crate::support::Login::new("x").user("frontend", "wrong");
    assert_eq!(crate::support::Client::attempt(skep.frontend(), &login).connack[1], 0x86);
    let mut broken = skep.worker("breaks-rules");
    broken.send(&[0x00, 0x00]);
    broken.disconnected();
    let found = admin.api("events");
    let of = |kind: &str| items(&found, "events").iter().find(|event| event["kind"] == kind).expect(kind).clone();
    let denied = of("denied");
    assert_eq!(
        (&denied["count"], &denied["client"], &denied["bus"]),
        (&json!(3), &json!(id("caller")), &json!("frontend-1"))
    );
    assert!(denied["what"].as_str().unwrap().contains("req/backend/#"), "{denied}");
    let error = of("error");
    assert_eq!(error["what"], "req/backend/no/such");
    assert!(error["reason"].as_str().unwrap().contains("-31601"), "{error}");
    assert_eq!(of("login")["client"], "127.0.0.1");
    assert_eq!(of("protocol")["client"], "breaks-rules");
    let times: Vec<u64> = items(&found, "events").iter().map(|event| event["at_ms"].as_u64().unwrap()).collect();
    assert!(times.windows(2).all(|pair| pair[0] >= pair[1]), "{times:?}");
    assert_eq!(items(&admin.api("events?limit=1"), "events").len(), 1);
}
