//! The router: what crosses between the buses, and what does not.

mod support;

use serde_json::{Value, json};
use support::client::PUBACK;
use support::rpc::{answer, binding, json_of, notification, request, router_call, service};
use support::{Client, Instance, Login, Message, id};

#[test]
fn a_request_carries_who_calls_and_nothing_that_the_client_made_up() {
    let skep = Instance::start();
    let mut worker = skep.worker("worker");
    worker.subscribe(&service("a.b"), 1);
    let caller = id("caller");
    let mut user = skep.user(&caller);
    let mut forged = request(&caller, "a.b", 1)
        .with("auth", "admin")
        .with("clid", "somebody-else-xx")
        .with("addr", "priv/somebody-else-xx@frontend-1")
        .with("other", "x");
    forged.correlation = Some(vec![1, 2, 3]);
    user.publish(forged);
    let request = worker.message();
    assert_eq!(request.topic, "req/backend/a/b");
    assert_eq!((request.qos, request.response_topic.as_deref()), (1, Some("res/frontend-1-1")));
    let addr = format!("priv/{caller}@frontend-1");
    assert_eq!(request.user, [("clid".to_owned(), caller.clone()), ("addr".to_owned(), addr)]);
    assert_eq!(request.correlation, None);
    answer(&mut worker, &request, json!({ "x": [1, null] }));
    let response = user.message();
    assert_eq!(response.topic, format!("priv/{caller}"));
    assert_eq!(json_of(&response), json!({ "jsonrpc": "2.0", "result": { "x": [1, null] }, "id": 1 }));
    assert!(response.user.is_empty(), "nothing of the backend shows: {:?}", response.user);
}

#[test]
fn both_lanes_and_both_qualities_of_service_work() {
    let skep = Instance::start();
    let mut worker = skep.worker("worker");
    worker.subscribe(&service("a"), 1);
    let caller = id("caller");
    let mut user = skep.user(&caller);
    for (lane, qos) in [(1, 0), (2, 0), (1, 1), (2, 1)] {
        let mut call = request(&caller, "a", lane).qos(qos);
        call.topic = format!("req/backend-{lane}");
        let packet_id = user.publish(call);
        if qos == 1 {
            assert_eq!(user.expect(PUBACK).body[..2], packet_id.to_be_bytes());
        }
        let request = worker.message();
        assert_eq!(request.response_topic, Some(format!("res/frontend-1-{lane}")));
        answer(&mut worker, &request, lane);
        assert_eq!(json_of(&user.message())["result"], lane);
    }
}

#[test]
fn nobody_calls_in_anothers_name() {
    let skep = Instance::start();
    let mut worker = skep.worker("worker");
    worker.subscribe("$share/BKPR/req/backend/#", 1);
    let (caller, victim) = (id("caller"), id("victim"));
    let mut user = skep.user(&caller);
    let mut other = skep.user(&victim);
    let no_topic = Message { response_topic: None, ..request(&caller, "a.b", 1) };
    for forged in [
        request(&victim, "a.b", 1),
        request(&caller, "a.b", 1).respond_to("priv/x"),
        request(&caller, "a.b", 1).respond_to(&format!("priv/{caller}/x")),
        request(&caller, "a.b", 1).respond_to("msg/frontend/chat"),
        request(&caller, "a.b", 1).respond_to("res/frontend-1-1"),
        no_topic,
    ] {
        assert_eq!(user.publish_acked(forged.clone()), 0x87, "{forged:?}");
    }
    worker.assert_no_message();
    other.assert_no_message();
    assert_eq!(skep.skep().router().stats().refused_response_topic.get(), 6);
}

#[test]
fn a_client_id_that_could_be_guessed_can_not_call() {
    let skep = Instance::start();
    let mut worker = skep.worker("worker");
    worker.subscribe(&service("a"), 1);
    for short in ["short", "fifteen_letters", "with-a-dash-in-it", &"x".repeat(24)] {
        let mut user = skep.user(short);
        assert_eq!(user.publish_acked(request(short, "a", 1)), 0x87, "{short}");
    }
    worker.assert_no_message();
}

#[test]
fn a_client_reaches_no_internal_service_and_is_told_so() {
    let skep = Instance::start();
    let mut worker = skep.worker("worker");
    worker.subscribe("$share/BKPR/req/#", 1);
    let caller = id("caller");
    let mut user = skep.user(&caller);
    for fwd_to in
        ["req/backend/_bkpr/router", "msg/frontend/x", "req/backend/a/#", "req/", "", "res/frontend-1-1", "priv/x"]
    {
        let mut call = request(&caller, "a", "it");
        call.user[0].1 = fwd_to.into();
        user.publish(call);
        let response = json_of(&user.message());
        assert_eq!((&response["error"]["code"], &response["id"]), (&json!(-32600), &json!("it")), "{fwd_to}");
    }
    let without = Message { user: Vec::new(), ..request(&caller, "a", 5) };
    user.publish(without);
    assert_eq!(json_of(&user.message())["error"]["code"], -32600);
    worker.assert_no_message();
}

#[test]
fn a_service_that_nobody_serves_is_not_available_after_the_grace_period() {
    let skep = Instance::start();
    let caller = id("caller");
    let mut user = skep.user(&caller);
    user.publish(request(&caller, "no.body", json!("id-1")));
    let response = json_of(&user.message());
    assert_eq!(
        response,
        json!({
            "jsonrpc": "2.0", "id": "id-1", "error": { "code": -31601, "message": "Method not available" },
        })
    );
    // The same once its last worker has gone.
    let mut worker = skep.worker("worker");
    worker.subscribe(&service("some.body"), 1);
    worker.kill();
    user.publish(request(&caller, "some.body", 2));
    assert_eq!(json_of(&user.message())["error"]["code"], -31601);
}

#[test]
fn a_backend_caller_is_told_too_that_nobody_serves() {
    let skep = Instance::start();
    let mut worker = skep.worker("worker");
    worker.subscribe("priv/worker", 0);
    let call = json!({ "jsonrpc": "2.0", "method": "no.body.x", "id": 3 }).to_string();
    worker.publish(Message::new("req/backend/no/body", call).respond_to("priv/worker").qos(1));
    let response = json_of(&worker.message());
    assert_eq!((&response["error"]["code"], &response["id"]), (&json!(-31601), &json!(3)));
}

#[test]
fn what_is_no_json_rpc_passes_untouched_but_gets_a_parse_error_in_place_of_an_answer() {
    let skep = Instance::start();
    let mut worker = skep.worker("worker");
    worker.subscribe(&service("a"), 1);
    let caller = id("caller");
    let mut user = skep.user(&caller);
    let raw = [0x78, 0x9C, 0, 1, 0xFF];
    user.publish(Message { payload: raw.to_vec(), ..request(&caller, "a", 1) });
    let request_ = worker.message();
    assert_eq!(request_.payload, raw);
    worker.publish(Message {
        payload: raw.to_vec(),
        ..Message::new("res/frontend-1-1", "").with("addr", request_.get("addr").unwrap())
    });
    assert_eq!(user.message().payload, raw);
    user.publish(Message { payload: raw.to_vec(), ..request(&caller, "no.body", 1) });
    let response = json_of(&user.message());
    assert_eq!((&response["error"]["code"], &response["id"]), (&json!(-32700), &Value::Null));
}

#[test]
fn fire_and_forget_requests_get_no_answer() {
    let skep = Instance::start();
    let caller = id("caller");
    let mut user = skep.user(&caller);
    let quiet =
        Message { payload: br#"{"jsonrpc":"2.0","method":"no.body.x"}"#.to_vec(), ..request(&caller, "no.body", 0) };
    user.publish(quiet);
    user.publish(request(&caller, "no.body", "loud"));
    assert_eq!(json_of(&user.message())["id"], "loud");
    user.assert_no_message();
}

#[test]
fn a_request_that_expires_in_a_queue_is_answered() {
    let skep = Instance::start();
    let mut worker = skep.worker("worker");
    worker.subscribe(&service("a"), 1);
    let caller = id("caller");
    let mut user = skep.user(&caller);
    user.publish(request(&caller, "a", "busy"));
    let held = worker.message();
    user.publish(request(&caller, "a", "late").expiry(1));
    let response = json_of(&user.message());
    assert_eq!((&response["error"]["code"], &response["id"]), (&json!(-31600), &json!("late")));
    answer(&mut worker, &held, 1);
    worker.assert_no_message();
}

#[test]
fn a_notification_reaches_everybody_who_listens() {
    let skep = Instance::start();
    let mut users: Vec<_> = (0..3).map(|n| skep.user(&id(&format!("user{n}")))).collect();
    for user in &mut users {
        assert_eq!(user.subscribe("msg/frontend/chat/#", 0), 0);
    }
    let mut deaf = skep.user(&id("deaf"));
    let mut worker = skep.worker("worker");
    assert_eq!(worker.publish_acked(notification(None, "hello")), 0);
    for user in &mut users {
        let message = user.message();
        assert_eq!((message.topic.as_str(), message.text()), ("msg/frontend/chat/message", "hello"));
    }
    deaf.assert_no_message();
}

#[test]
fn a_push_reaches_all_devices_of_one_address_and_nobody_else() {
    let skep = Instance::start();
    let mut worker = skep.worker("worker");
    worker.subscribe("priv/worker", 0);
    let devices: Vec<_> = (0..2).map(|n| id(&format!("device{n}"))).collect();
    let mut users: Vec<_> = devices.iter().map(|device| skep.user(device)).collect();
    let mut other = skep.user(&id("other"));
    for device in &devices {
        let response = router_call(&mut worker, "worker", "bind", binding(device, Some("frontend.alice"), "alice"));
        assert_eq!(response["result"], 1);
    }
    worker.publish(notification(Some("alice"), "psst"));
    for (user, device) in users.iter_mut().zip(&devices) {
        let message = user.message();
        assert_eq!((message.topic, message.payload), (format!("priv/{device}"), b"psst".to_vec()));
    }
    other.assert_no_message();
    // Nobody is bound to this one.
    assert_eq!(worker.publish_acked(notification(Some("bob"), "psst")), 0x10);
}

#[test]
fn a_bound_callers_authorization_goes_with_each_request() {
    let skep = Instance::start();
    let mut worker = skep.worker("worker");
    worker.subscribe(&service("a"), 1);
    worker.subscribe("priv/worker", 0);
    let caller = id("caller");
    let mut user = skep.user(&caller);
    let auth_seen = |user: &mut Client, worker: &mut Client| {
        user.publish(request(&caller, "a", 1));
        let seen = worker.message();
        answer(worker, &seen, 1);
        user.message();
        seen.get("auth").map(str::to_owned)
    };
    assert_eq!(auth_seen(&mut user, &mut worker), None);
    router_call(&mut worker, "worker", "bind", binding(&caller, Some("frontend.alice"), "user=alice|admin"));
    assert_eq!(auth_seen(&mut user, &mut worker).as_deref(), Some("user=alice|admin"));
    router_call(&mut worker, "worker", "bind", binding(&caller, None, "other"));
    assert_eq!(auth_seen(&mut user, &mut worker).as_deref(), Some("other"));
    router_call(&mut worker, "worker", "unbind", json!({ "caller_id": caller }));
    assert_eq!(auth_seen(&mut user, &mut worker), None);
}

#[test]
fn rebinding_to_another_address_leaves_nothing_behind_at_the_first() {
    let skep = Instance::start();
    let mut worker = skep.worker("worker");
    worker.subscribe("priv/worker", 0);
    let caller = id("caller");
    let mut user = skep.user(&caller);
    router_call(&mut worker, "worker", "bind", binding(&caller, Some("frontend.alice"), "a"));
    router_call(&mut worker, "worker", "bind", binding(&caller, Some("frontend.bob"), "b"));
    assert_eq!(worker.publish_acked(notification(Some("alice"), "old")), 0x10);
    assert_eq!(worker.publish_acked(notification(Some("bob"), "new")), 0);
    assert_eq!(user.message().text(), "new");
}

#[test]
fn unbinding_an_address_reaches_every_session_of_it() {
    let skep = Instance::start();
    let mut worker = skep.worker("worker");
    worker.subscribe("priv/worker", 0);
    for n in 0..50 {
        router_call(&mut worker, "worker", "bind", binding(&id(&format!("device{n}")), Some("frontend.alice"), "a"));
    }
    router_call(&mut worker, "worker", "bind", binding(&id("bobs"), Some("frontend.bob"), "b"));
    assert_eq!(skep.skep().bindings().len(), 51);
    let response = router_call(&mut worker, "worker", "unbind", json!({ "address": "frontend.alice" }));
    assert_eq!(response["result"], 1);
    assert_eq!(skep.skep().bindings().len(), 1);
    assert_eq!(worker.publish_acked(notification(Some("alice"), "x")), 0x10);
}

#[test]
fn a_bad_parameter_of_a_bind_is_named() {
    let skep = Instance::start();
    let mut worker = skep.worker("worker");
    worker.subscribe("priv/worker", 0);
    let good = binding(&id("caller"), Some("frontend.alice"), "a");
    let with = |name: &str, value: Value| {
        let mut params = good.clone();
        params[name] = value;
        params
    };
    for (method, params, named) in [
        ("bind", with("caller_id", json!("short")), "caller_id"),
        ("bind", with("caller_id", Value::Null), "caller_id"),
        ("bind", with("caller_id", json!(7)), "caller_id"),
        ("bind", with("caller_addr", json!("nowhere")), "caller_addr"),
        ("bind", with("caller_addr", json!("priv/a/b@frontend-1")), "caller_addr"),
        ("bind", with("address", json!("alice")), "address"),
        ("bind", with("address", json!("backend.alice")), "address"),
        ("bind", with("address", json!("frontend.al ice")), "address"),
        ("bind", with("auth_data", json!({})), "auth_data"),
        ("bind", with("auth_data", json!("a\0")), "auth_data"),
        ("bind", json!([]), "caller_id"),
        ("unbind", json!({}), "caller_id"),
        ("unbind", json!({ "caller_id": "x" }), "caller_id"),
        ("unbind", json!({ "address": "nobody" }), "address"),
    ] {
        let response = router_call(&mut worker, "worker", method, params);
        let message = response["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(response["error"]["code"], -32602, "{response}");
        assert!(message.contains(named), "{message} names {named}");
    }
    assert_eq!(router_call(&mut worker, "worker", "nonsense", json!({}))["error"]["code"], -32601);
    assert!(skep.skep().bindings().is_empty());
}

#[test]
fn only_the_router_token_opens_the_routers_calls() {
    let skep = Instance::start();
    let mut worker = skep.worker("worker");
    worker.subscribe("priv/worker", 0);
    let call =
        json!({ "jsonrpc": "2.0", "method": "_bkpr.router.bind", "id": 1, "params": binding(&id("x"), None, "") });
    let call = Message::new("req/backend/_bkpr/router", call.to_string()).respond_to("priv/worker");
    for message in [call.clone(), call.clone().with("auth", ""), call.clone().with("auth", "wrong")] {
        worker.publish(message);
        let error = json_of(&worker.message())["error"].clone();
        assert_eq!(error, json!({ "code": -403, "message": "Request not authorized" }));
    }
    assert!(skep.skep().bindings().is_empty());
}

#[test]
fn somebody_who_watches_everything_on_the_backend_sees_all_traffic() {
    let skep = Instance::open_bus(|_| {});
    let mut watcher = Client::connect(skep.backend(), Login::new("watcher"));
    watcher.subscribe("#", 0);
    let mut worker = skep.worker("worker");
    worker.subscribe(&service("a"), 1);
    worker.subscribe("priv/worker", 0);
    let caller = id("caller");
    let mut user = skep.user(&caller);
    user.publish(request(&caller, "a", 1));
    let seen = worker.message();
    answer(&mut worker, &seen, 1);
    user.message();
    worker.publish(notification(None, "x"));
    worker.publish(Message::new("priv/worker", "to myself"));
    router_call_and_skip(&mut worker);
    let topics: Vec<_> = (0..6).map(|_| watcher.message().topic).collect();
    assert_eq!(
        topics,
        [
            "req/backend/a",
            "res/frontend-1-1",
            "msg/frontend-1",
            "priv/worker",
            "req/backend/_bkpr/router",
            "priv/worker",
        ]
    );
}

fn router_call_and_skip(worker: &mut Client) {
    assert_eq!(worker.message().text(), "to myself");
    let response = router_call(worker, "worker", "bind", binding(&id("caller"), None, "x"));
    assert_eq!(response["result"], 1);
}

#[test]
fn requests_in_flight_finish_at_a_graceful_stop_and_clients_are_told() {
    let skep = Instance::start();
    let mut worker = skep.worker("worker");
    worker.subscribe(&service("a"), 1);
    let caller = id("caller");
    let mut user = skep.user(&caller);
    user.publish(request(&caller, "a", "in flight"));
    let held = worker.message();
    let stopping = std::thread::spawn(move || skep.stop());
    // Once it refuses new requests, it is stopping.
    let refused = loop {
        user.publish(request(&caller, "other", "new"));
        if let Some(response) = user.message_within(std::time::Duration::from_millis(20)) {
            break json_of(&response);
        }
    };
    assert_eq!((&refused["error"]["data"], &refused["id"]), (&json!("shutting down"), &json!("new")));
    answer(&mut worker, &held, "finished");
    loop {
        let response = json_of(&user.message());
        if response["id"] == "in flight" {
            assert_eq!(response["result"], "finished");
            break;
        }
    }
    assert_eq!(user.disconnected(), 0x8B);
    assert_eq!(worker.disconnected(), 0x8B);
    stopping.join().expect("it stops");
}

#[test]
fn many_buses_of_several_roles_are_joined_as_the_settings_say() {
    let skep = Instance::start_with(|config| {
        let port_0 = |settings: &mut skep::bus::Settings| {
            settings.listeners.retain(|name, _| name == "tcp");
            settings.listeners.values_mut().for_each(|listener| listener.listen.set_port(0));
        };
        let mut second = skep::bus::Settings::sample_frontend();
        let mut partners = skep::bus::Settings::sample_frontend();
        partners.role = "partners".into();
        let mut batch = skep::bus::Settings::sample_backend();
        batch.role = "batch".into();
        for settings in [&mut second, &mut partners, &mut batch] {
            port_0(settings);
        }
        config.frontend.insert("frontend-2".into(), second);
        config.frontend.insert("partners-1".into(), partners);
        config.backend.insert("batch-1".into(), batch);
        config.router.lanes = 3;
        config.router.auth_salt = Some("backend-1".into());
    });
    let bus = |id: &str| skep.skep().listeners().iter().find(|bound| bound.bus == id).expect("such a bus").address;
    let join = |bus_id: &str, id: &str| {
        let mut user = Client::connect(bus(bus_id), Login::new(id).user("frontend", "abc123"));
        user.subscribe(&format!("priv/{id}"), 0);
        user.subscribe("msg/#", 0);
        user
    };
    let (first, second, partner) = (id("first"), id("second"), id("partner"));
    let mut users = [join("frontend-1", &first), join("frontend-2", &second), join("partners-1", &partner)];
    let worker = |bus_id: &str, id: &str| {
        let mut worker = Client::connect(bus(bus_id), Login::new(id).user("backend", "def456").receive_maximum(1));
        worker.subscribe(&format!("priv/{id}"), 0);
        worker
    };
    let (mut backend, mut batch) = (worker("backend-1", "w1"), worker("batch-1", "w2"));
    backend.subscribe("$share/BKPR/req/backend/a", 1);
    batch.subscribe("$share/BKPR/req/batch/a", 1);
    // Each frontend reaches each backend, and gets its own answers.
    for (user, caller, frontend) in [(0, &first, "frontend-1"), (1, &second, "frontend-2"), (2, &partner, "partners-1")]
    {
        for (role, worker) in [("backend", &mut backend), ("batch", &mut batch)] {
            let mut call = request(caller, "a", role);
            call.topic = format!("req/{role}-3");
            call.user[0].1 = format!("req/{role}/a");
            users[user].publish(call);
            let seen = worker.message();
            assert_eq!(seen.response_topic, Some(format!("res/{frontend}-3")));
            answer(worker, &seen, frontend);
            assert_eq!(json_of(&users[user].message())["result"], frontend);
        }
    }
    // A broadcast reaches all frontends of its role, from any backend.
    batch.publish(notification(None, "to the public"));
    assert_eq!(users[0].message().text(), "to the public");
    assert_eq!(users[1].message().text(), "to the public");
    users[2].assert_no_message();
    // Bindings are one table: bound from one backend, pushed to from another.
    let mut params = binding(&partner, Some("partners.acme"), "x");
    params["caller_addr"] = format!("priv/{partner}@partners-1").into();
    assert_eq!(router_call(&mut backend, "w1", "bind", params)["result"], 1);
    batch.publish(Message::new("msg/partners-2", "to acme").with("fwd_to", "msg/partners/x/y@acme"));
    assert_eq!(users[2].message().text(), "to acme");
}

#[test]
fn a_name_that_fits_into_no_property_is_not_bound() {
    let skep = Instance::start();
    let mut worker = skep.worker("worker");
    worker.subscribe("priv/worker/#", 0);
    let (long, device) = ("x".repeat(65_530), id("device"));
    let address = format!("frontend.{long}");
    for (name, params) in [
        ("address", binding(&device, Some(&address), "alice")),
        ("caller_id", json!({ "caller_id": long, "caller_addr": format!("priv/{device}@frontend-1") })),
        ("caller_addr", json!({ "caller_id": device, "caller_addr": format!("priv/{long}@frontend-1") })),
    ] {
        let response = router_call(&mut worker, "worker", "bind", params);
        assert_eq!(response["error"]["code"], -32602, "{name}");
        let message = response["error"]["message"].as_str().expect("a message");
        assert!(message.contains(name) && message.len() < 200, "{message}");
    }
    assert!(skep.skep().bindings().is_empty());
}
