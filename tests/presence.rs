//! Presence: what workers hear of who comes and who goes.

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use skep::config::Config;
use support::process::Process;
use support::rpc::{binding, json_of, router_call};
use support::{Client, Instance, Login, PATIENCE, id, wait_until};

const ADDRESS: &str = "frontend.user-1";

fn presence(grace_ms: u64) -> impl FnOnce(&mut Config) {
    move |config| {
        config.router.presence.enabled = true;
        config.router.presence.grace_ms = grace_ms;
    }
}

/// A worker that accepts `router.presence.*`, as the framework's subscribe.
fn listener(skep: &Instance) -> Client {
    let mut listener = Client::connect(skep.backend(), Login::new("listener").user("backend", "def456"));
    listener.subscribe("msg/backend/router/presence/#", 1);
    listener
}

/// A worker that binds.
fn binder(skep: &Instance) -> Client {
    let mut binder = skep.worker("binder");
    binder.subscribe("priv/binder", 0);
    binder
}

fn call(binder: &mut Client, method: &str, params: Value) -> Value {
    router_call(binder, "binder", method, params)
}

fn bind(binder: &mut Client, client: &str, address: &str) {
    assert_eq!(call(binder, "bind", binding(client, Some(address), "auth"))["result"], 1);
}

/// The next thing that is said: whether it is online, of whom, with how many
/// devices.
fn heard(listener: &mut Client) -> (bool, String, u64) {
    let message = listener.message();
    let said = json_of(&message);
    let method = said["method"].as_str().expect("a method").to_owned();
    let topic = format!("msg/backend/{}", method.replace('.', "/"));
    assert_eq!((message.topic, message.qos, &said["jsonrpc"]), (topic, 1, &json!("2.0")), "{said}");
    assert!(said.get("id").is_none(), "a notification has no id: {said}");
    listener.ack(support::client::PUBACK, message.packet_id);
    let online = match &*method {
        "router.presence.online" => true,
        "router.presence.offline" => false,
        other => panic!("{other}"),
    };
    let params = &said["params"];
    (online, params["address"].as_str().expect("an address").to_owned(), params["devices"].as_u64().expect("a number"))
}

fn online(address: &str) -> (bool, String, u64) {
    (true, address.to_owned(), 1)
}

fn offline(address: &str) -> (bool, String, u64) {
    (false, address.to_owned(), 0)
}

/// Nothing more is said of anybody before `address`, who comes now.
fn only_then(skep: &Instance, listener: &mut Client, binder: &mut Client, address: &str) -> Client {
    let client = id(&address.replace(['.', '-'], "_"));
    let user = skep.user(&client);
    bind(binder, &client, address);
    assert_eq!(heard(listener), online(address));
    user
}

#[test]
fn the_first_device_that_comes_and_the_last_that_goes_are_told() {
    let skep = Instance::start_with(presence(50));
    let (mut listener, mut binder) = (listener(&skep), binder(&skep));
    let (phone, laptop) = (id("phone"), id("laptop"));
    let on_phone = skep.user(&phone);
    bind(&mut binder, &phone, ADDRESS);
    assert_eq!(heard(&mut listener), online(ADDRESS));
    let on_laptop = skep.user(&laptop);
    bind(&mut binder, &laptop, ADDRESS);
    let sessions = call(&mut binder, "sessions", json!({ "address": ADDRESS }));
    assert_eq!(sessions["result"], json!({ "address": ADDRESS, "online": 2, "bound": 2 }));
    on_phone.disconnect();
    wait_until("the phone is offline", || !skep.skep().frontends()[0].is_connected(&phone));
    let sessions = call(&mut binder, "sessions", json!({ "address": ADDRESS }));
    assert_eq!(sessions["result"], json!({ "address": ADDRESS, "online": 1, "bound": 2 }));
    on_laptop.kill();
    assert_eq!(heard(&mut listener), offline(ADDRESS));
    // Both are bound still: the one that comes back needs no bind.
    let _on_phone = skep.user(&phone);
    assert_eq!(heard(&mut listener), online(ADDRESS));
}

#[test]
fn who_is_bound_before_connecting_comes_online_with_the_connection() {
    let skep = Instance::start_with(presence(50));
    let (mut listener, mut binder) = (listener(&skep), binder(&skep));
    let phone = id("phone");
    bind(&mut binder, &phone, ADDRESS);
    let sessions = call(&mut binder, "sessions", json!({ "address": ADDRESS }));
    assert_eq!(sessions["result"], json!({ "address": ADDRESS, "online": 0, "bound": 1 }));
    let _user = skep.user(&phone);
    assert_eq!(heard(&mut listener), online(ADDRESS));
}

#[test]
fn a_reload_is_no_goodbye() {
    let skep = Instance::start_with(presence(600_000));
    let (mut listener, mut binder) = (listener(&skep), binder(&skep));
    let phone = id("phone");
    let mut user = skep.user(&phone);
    bind(&mut binder, &phone, ADDRESS);
    assert_eq!(heard(&mut listener), online(ADDRESS));
    for reload in 0..10 {
        if reload % 2 == 0 {
            user.disconnect()
        } else {
            user.kill()
        }
        wait_until("it is gone", || !skep.skep().frontends()[0].is_connected(&phone));
        user = skep.user(&phone);
    }
    only_then(&skep, &mut listener, &mut binder, "frontend.somebody-else");
}

#[test]
fn a_takeover_is_neither_a_goodbye_nor_a_welcome() {
    let skep = Instance::start_with(presence(0));
    let (mut listener, mut binder) = (listener(&skep), binder(&skep));
    let phone = id("phone");
    let mut connections = vec![skep.user(&phone)];
    bind(&mut binder, &phone, ADDRESS);
    assert_eq!(heard(&mut listener), online(ADDRESS));
    for round in 0..20 {
        let login = Login::new(&phone).user("frontend", "abc123");
        let login = if round % 2 == 0 { login } else { login.resume().expiry(60) };
        connections.push(Client::connect(skep.frontend(), login));
    }
    connections.remove(0).kill();
    only_then(&skep, &mut listener, &mut binder, "frontend.somebody-else");
    drop(connections);
}

#[test]
fn unbinding_and_binding_to_another_address_is_leaving() {
    let skep = Instance::start_with(presence(20));
    let (mut listener, mut binder) = (listener(&skep), binder(&skep));
    let phone = id("phone");
    let _user = skep.user(&phone);
    bind(&mut binder, &phone, ADDRESS);
    assert_eq!(heard(&mut listener), online(ADDRESS));
    bind(&mut binder, &phone, "frontend.user-2");
    assert_eq!(heard(&mut listener), online("frontend.user-2"));
    assert_eq!(heard(&mut listener), offline(ADDRESS));
    assert_eq!(call(&mut binder, "unbind", json!({ "caller_id": phone }))["result"], 1);
    assert_eq!(heard(&mut listener), offline("frontend.user-2"));
    bind(&mut binder, &phone, ADDRESS);
    assert_eq!(heard(&mut listener), online(ADDRESS));
    assert_eq!(call(&mut binder, "unbind", json!({ "address": ADDRESS }))["result"], 1);
    assert_eq!(heard(&mut listener), offline(ADDRESS));
    // Without an address there is nothing to say.
    assert_eq!(call(&mut binder, "bind", binding(&phone, None, "auth"))["result"], 1);
    only_then(&skep, &mut listener, &mut binder, "frontend.somebody-else");
}

#[test]
fn a_binding_that_expires_takes_its_address_offline() {
    let skep = Instance::start_with(|config| {
        presence(10)(config);
        config.bindings.session_timeout_s = 1;
    });
    let (mut listener, mut binder) = (listener(&skep), binder(&skep));
    let _user = skep.user(&id("phone"));
    bind(&mut binder, &id("phone"), ADDRESS);
    assert_eq!(heard(&mut listener), online(ADDRESS));
    assert_eq!(heard(&mut listener), offline(ADDRESS));
}

#[test]
fn a_client_of_that_id_on_another_bus_does_not_count() {
    let skep = Instance::start_with(|config| {
        presence(10)(config);
        let mut second = skep::bus::Settings::sample_frontend();
        second.listeners.values_mut().for_each(|listener| listener.listen.set_port(0));
        config.frontend.insert("frontend-2".into(), second);
    });
    let (mut listener, mut binder) = (listener(&skep), binder(&skep));
    let phone = id("phone");
    bind(&mut binder, &phone, ADDRESS);
    let other = skep.skep().listeners().iter().find(|bound| bound.bus == "frontend-2" && bound.name == "tcp");
    let login = Login::new(&phone).user("frontend", "abc123");
    let _elsewhere = Client::connect(other.expect("a listener").address, login);
    let sessions = call(&mut binder, "sessions", json!({ "address": ADDRESS }));
    assert_eq!(sessions["result"]["online"], 0);
    only_then(&skep, &mut listener, &mut binder, "frontend.somebody-else");
}

#[test]
fn online_and_offline_take_turns_however_wildly_devices_come_and_go() {
    let skep = Instance::start_with(presence(0));
    let (mut listener, mut binder) = (listener(&skep), binder(&skep));
    const ADDRESSES: usize = 5;
    let client = |thread: usize, address: usize| id(&format!("device_{thread}_of_{address}"));
    let address = |n: usize| format!("frontend.user-{n}");
    for n in 0..ADDRESSES {
        for thread in 0..2 {
            bind(&mut binder, &client(thread, n), &address(n));
        }
    }
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let skep = &skep;
            scope.spawn(move || {
                for round in 0..200 {
                    let user = skep.user(&client(thread, round % ADDRESSES));
                    if round % 3 == 0 { user.kill() } else { user.disconnect() }
                }
            });
        }
    });
    // All are gone in the end, so for each the last word is offline.
    let mut state = [false; ADDRESSES];
    let mut said = 0;
    let over = |state: &[bool; ADDRESSES]| state.iter().all(|online| !online);
    let gone = || (0..ADDRESSES).all(|n| (0..2).all(|t| !skep.skep().frontends()[0].is_connected(&client(t, n))));
    wait_until("all are gone", gone);
    let until = Instant::now() + PATIENCE;
    while said == 0 || !over(&state) || skep.skep().backends()[0].unfinished_work() > 0 {
        let (is_online, of, _) = heard(&mut listener);
        let n = (0..ADDRESSES).find(|n| address(*n) == of).expect("one of them");
        assert_ne!(state[n], is_online, "said twice of {of}");
        state[n] = is_online;
        said += 1;
        assert!(Instant::now() < until);
    }
    // What is heard later takes turns, too.
    while let Some(message) = listener.message_within(Duration::from_millis(100)) {
        let said = json_of(&message);
        listener.ack(support::client::PUBACK, message.packet_id);
        let of = said["params"]["address"].as_str().expect("an address");
        let n = (0..ADDRESSES).find(|n| address(*n) == of).expect("one of them");
        let is_online = said["method"] == "router.presence.online";
        assert_ne!(state[n], is_online, "said twice of {of}");
        state[n] = is_online;
    }
    assert!(over(&state));
}

#[test]
fn after_a_restart_who_returns_was_never_away_and_who_does_not_is_offline() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let at = data.path().join("kept");
    let there = at.clone();
    let (phone, laptop) = (id("phone"), id("laptop"));
    let first = Instance::start_with(move |config| {
        presence(60_000)(config);
        config.data = there;
    });
    let (mut ear, mut hand) = (listener(&first), binder(&first));
    let users = [first.user(&phone), first.user(&laptop)];
    bind(&mut hand, &phone, ADDRESS);
    assert_eq!(heard(&mut ear), online(ADDRESS));
    bind(&mut hand, &laptop, "frontend.user-2");
    assert_eq!(heard(&mut ear), online("frontend.user-2"));
    first.stop();
    drop(users);
    while let Some(packet) = ear.next(PATIENCE) {
        assert_ne!(packet.kind(), support::client::PUBLISH, "a stop is no goodbye");
    }

    let second = Instance::start_with(move |config| {
        // Time to come back on a busy machine.
        presence(1_500)(config);
        config.data = at;
    });
    let mut ear = listener(&second);
    let _back = second.user(&phone);
    assert_eq!(heard(&mut ear), offline("frontend.user-2"));
    only_then(&second, &mut ear, &mut binder(&second), "frontend.somebody-else");
}

#[test]
fn after_a_kill_nobodys_leaving_is_missed_and_nobody_comes_twice() {
    let args = ["--set", "router.presence.enabled=true", "--set", "router.presence.grace_ms=1500"];
    let ear = |skep: &Process| {
        let mut ear = Client::connect(skep.backend, Login::new("listener").user("backend", "def456"));
        ear.subscribe("msg/backend/router/presence/#", 1);
        ear
    };
    let user = |skep: &Process, name| Client::connect(skep.frontend, Login::new(&id(name)).user("frontend", "abc123"));
    let first = Process::start(tempfile::tempdir().expect("a temporary directory"), &args);
    let mut listener = ear(&first);
    let mut binder = Client::connect(first.backend, Login::new("binder").user("backend", "def456"));
    binder.subscribe("priv/binder", 0);
    let _users = [user(&first, "phone"), user(&first, "laptop")];
    bind(&mut binder, &id("phone"), ADDRESS);
    assert_eq!(heard(&mut listener), online(ADDRESS));
    bind(&mut binder, &id("laptop"), "frontend.user-2");
    assert_eq!(heard(&mut listener), online("frontend.user-2"));

    let second = Process::start(first.kill(), &args);
    let mut listener = ear(&second);
    let phone = user(&second, "phone");
    assert_eq!(heard(&mut listener), offline("frontend.user-2"));
    let _laptop = user(&second, "laptop");
    assert_eq!(heard(&mut listener), online("frontend.user-2"));
    phone.kill();
    assert_eq!(heard(&mut listener), offline(ADDRESS));
}

#[test]
fn it_is_off_unless_turned_on_and_the_call_answers_all_the_same() {
    let skep = Instance::start();
    let (mut listener, mut binder) = (listener(&skep), binder(&skep));
    let user = skep.user(&id("phone"));
    bind(&mut binder, &id("phone"), ADDRESS);
    let sessions = call(&mut binder, "sessions", json!({ "address": ADDRESS }));
    assert_eq!(sessions["result"], json!({ "address": ADDRESS, "online": 1, "bound": 1 }));
    user.kill();
    wait_until("it is gone", || !skep.skep().frontends()[0].is_connected(&id("phone")));
    listener.assert_no_message();
}

#[test]
fn a_bad_address_is_said_to_be_one() {
    let skep = Instance::start();
    let mut binder = binder(&skep);
    for (params, what) in [
        (json!({}), "address is missing"),
        (json!({ "address": 7 }), "address 7 is not a string"),
        (json!({ "address": "user-1" }), "address \"user-1\" is not"),
    ] {
        let error = call(&mut binder, "sessions", params)["error"].clone();
        assert_eq!(error["code"], -32602);
        assert!(error["message"].as_str().is_some_and(|message| message.contains(what)), "{error}");
    }
    let stranger = call(&mut binder, "sessions", json!({ "address": "frontend.nobody" }));
    assert_eq!(stranger["result"], json!({ "address": "frontend.nobody", "online": 0, "bound": 0 }));
}
