//! Lists: who is there, by page, and whatever their names are.

use serde_json::json;

use crate::binder;
use crate::http::{admin, items};
use crate::support::rpc::{binding, router_call};
use crate::support::{Client, Instance, Login, id};

#[test]
fn clients_are_listed_by_page_searched_and_told_apart_by_bus() {
    let skep = Instance::start();
    let admin = admin(&skep);
    let workers: Vec<_> = (0..7).map(|n| skep.worker(&format!("worker-{n}"))).collect();
    let _user = skep.user("a-user");
    let all = admin.api("clients");
    assert_eq!((all["total"].as_u64(), items(&all, "clients").len()), (Some(8), 8), "{all}");
    let ids = |query: &str| -> Vec<String> {
        let found = admin.api(&format!("clients?{query}"));
        items(&found, "clients").iter().map(|client| client["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids("bus=frontend-1"), ["a-user"]);
    assert_eq!(ids("search=WORKER-3"), ["worker-3"]);
    assert_eq!(ids("search=nobody"), Vec::<String>::new());
    // The longest connected first, and pages one after the other are the whole.
    let pages: Vec<String> = (0..5).flat_map(|page| ids(&format!("limit=2&offset={}", page * 2))).collect();
    let expected: Vec<String> = (0..7).map(|n| format!("worker-{n}")).chain(["a-user".to_owned()]).collect();
    assert_eq!(pages, expected);
    assert_eq!(admin.api("clients?limit=2&offset=100")["total"], 8);
    admin.get("/api/v1/clients?bus=nowhere").refused(404, "backend-1, frontend-1");
    admin.get("/api/v1/clients?limit=many").refused(400, "limit");
    drop(workers);
}

#[test]
fn a_client_is_shown_with_what_it_has() {
    let skep = Instance::start();
    let admin = admin(&skep);
    let mut worker = skep.worker("worker-1");
    worker.subscribe("$share/BKPR/req/backend/a/b", 1);
    worker.subscribe("msg/backend/#", 0);
    let old = Client::connect(skep.frontend(), Login::new("old-client").user("frontend", "abc123").v311());
    let shown = admin.api("client?bus=backend-1&id=worker-1");
    for (name, value) in [
        ("user", json!("backend")),
        ("transport", json!("tcp")),
        ("protocol", json!("MQTT 5")),
        ("connected", json!(true)),
        ("subscriptions", json!(2)),
        ("inflight", json!(0)),
    ] {
        assert_eq!(shown[name], value, "{name} in {shown}");
    }
    assert!(shown["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{shown}");
    let mut filters: Vec<_> =
        items(&shown, "filters").iter().map(|f| (f["filter"].clone(), f["qos"].clone())).collect();
    filters.sort_by_key(|(filter, _)| filter.to_string());
    assert_eq!(filters, [(json!("$share/BKPR/req/backend/a/b"), json!(1)), (json!("msg/backend/#"), json!(0))]);
    assert_eq!(admin.api("client?bus=frontend-1&id=old-client")["protocol"], "MQTT 3.1.1");
    admin.get("/api/v1/client?bus=backend-1&id=old-client").refused(404, "old-client");
    admin.get("/api/v1/client?id=x").refused(400, "bus");
    drop(old);
}

#[test]
fn a_client_is_bound_while_it_has_a_session_on_its_own_bus() {
    let skep = Instance::start();
    let admin = admin(&skep);
    let mut worker = binder(&skep);
    let (caller, other) = (id("caller"), id("other"));
    let _clients = [skep.user(&caller), skep.user(&other), skep.worker(&caller)];
    router_call(&mut worker, "binder", "bind", binding(&caller, Some("frontend.me"), "secret"));
    let bound = |bus: &str, id: &str| admin.api(&format!("client?bus={bus}&id={id}"))["bound"].clone();
    assert_eq!(bound("frontend-1", &caller), true);
    assert_eq!(bound("frontend-1", &other), false);
    assert_eq!(bound("backend-1", &caller), false, "a worker by the name of a caller");
    let all = admin.api("clients");
    let listed: Vec<_> = items(&all, "clients").iter().filter(|client| client["bound"] == true).collect();
    assert_eq!(listed.len(), 1, "{all}");
    admin.post("session/unbind", &json!({ "caller": caller }));
    assert_eq!(bound("frontend-1", &caller), false);
}

const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&;\u{202e}${7*7}";

#[test]
fn hostile_names_pass_as_they_are() {
    let skep = Instance::open_bus(|_| {});
    let admin = admin(&skep);
    let mut client = Client::connect(skep.backend(), Login::new(HOSTILE));
    let filter = format!("$share/{HOSTILE}/{HOSTILE}");
    assert_eq!(client.subscribe(&filter, 1), 1);
    let reply = admin.get("/api/v1/clients");
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(items(&reply.json(), "clients")[0]["id"], HOSTILE);
    let queues = admin.api("queues");
    assert_eq!(
        (&items(&queues, "queues")[0]["group"], &items(&queues, "queues")[0]["filter"]),
        (&json!(HOSTILE), &json!(HOSTILE))
    );
    let kicked = admin.post("client/kick", &json!({ "bus": "backend-1", "id": HOSTILE }));
    assert_eq!(kicked.json(), json!({ "kicked": true }));
    assert_eq!(client.disconnected(), 0x98);
}

#[test]
fn a_service_with_a_hostile_name_breaks_no_metrics() {
    let skep = Instance::open_bus(|_| {});
    let admin = admin(&skep);
    let mut client = Client::connect(skep.backend(), Login::new("c"));
    client.subscribe("$share/g/req/backend/a\"} 1\\", 1);
    let value = admin.value("skep_service_workers", &["service=\"a\\\"} 1\\\\\""]);
    assert_eq!(value, 1.0);
}

#[test]
fn sessions_and_addresses_are_listed_by_page() {
    let skep = Instance::start();
    let admin = admin(&skep);
    let mut worker = binder(&skep);
    for n in 0..5 {
        let address = format!("frontend.user-{}", n / 2);
        let done =
            router_call(&mut worker, "binder", "bind", binding(&id(&format!("caller_{n}")), Some(&address), "me"));
        assert_eq!(done["result"], 1, "{done}");
    }
    router_call(&mut worker, "binder", "bind", binding(&id("nowhere"), None, "7"));
    let _user = skep.user(&id("caller_3"));
    let all = admin.api("sessions");
    assert_eq!(all["total"], 6);
    let callers: Vec<String> = (0..6)
        .flat_map(|at| items(&admin.api(&format!("sessions?limit=1&offset={at}")), "sessions").to_vec())
        .map(|session| session["caller"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<String> = (0..5).map(|n| id(&format!("caller_{n}"))).chain([id("nowhere")]).collect();
    assert_eq!(callers, expected);
    let one = admin.api(&format!("session?caller={}", id("caller_3")));
    let expires = one["expires_in_s"].as_u64().unwrap();
    assert!((1_700..=1_800).contains(&expires), "{one}");
    assert_eq!(
        (&one["address"], &one["frontend"], &one["auth"], &one["connected"]),
        (&json!("frontend.user-1"), &json!("frontend-1"), &json!("me"), &json!(true))
    );
    assert_eq!(admin.api(&format!("session?caller={}", id("caller_2")))["connected"], false);
    admin.get("/api/v1/session?caller=nobody").refused(404, "nobody");
    assert_eq!(admin.api("sessions?search=user-1")["total"], 2);
    let addresses = admin.api("addresses");
    assert_eq!(
        addresses,
        json!({ "total": 3, "addresses": [
            { "address": "frontend.user-0", "sessions": 2 },
            { "address": "frontend.user-1", "sessions": 2 },
            { "address": "frontend.user-2", "sessions": 1 },
        ]})
    );
    let page = admin.api("addresses?search=USER&limit=1&offset=2");
    assert_eq!(items(&page, "addresses"), [json!({ "address": "frontend.user-2", "sessions": 1 })]);
    let overview = admin.api("overview");
    assert_eq!(overview["bindings"], json!({ "sessions": 6, "addresses": 3 }));
}
