//! The log tells no secret, however much is logged.

use std::fs::{self, File};

use rustix::process::Signal;

use super::started::{FREE_PORTS, address, skep};
use super::support::rpc::{answer, binding, notification, request, router_call, service};
use super::support::{Client, Login, Message, id};

/// Nothing that begins like this may be read in the log.
const SECRET: &str = "s3cret";

fn secret(what: &str) -> String {
    format!("{SECRET}-{what}")
}

fn trace_of(engine: &str) -> String {
    let log = tempfile::NamedTempFile::new().unwrap();
    let engines = ["backend.backend-1", "frontend.frontend-1"].map(|bus| format!("{bus}.topics.engine={engine}"));
    let password = format!("frontend.frontend-1.users.frontend.password={}", secret("password"));
    let set = ["--set", &engines[0], "--set", &engines[1], "--set", &password, "--log", "trace"];
    let command = skep(&[&FREE_PORTS[..], &set[..]].concat());
    let mut serving = command.serve(File::create(log.path()).unwrap().into());
    let welcome = serving.welcome();
    let (backend, frontend) = (address(&welcome, "backend-1", "tcp"), address(&welcome, "frontend-1", "tcp"));

    // Wrong, then right; as a password, then as a token.
    for password in [secret("guess"), format!("eyJ{SECRET}.{SECRET}.{SECRET}")] {
        let refused = Client::attempt(frontend, &Login::new(&id("user")).user("frontend", &password));
        assert_ne!(refused.connack[1], 0);
    }
    let login = Login::new(&id("user")).user("frontend", &secret("password"));
    let mut user = Client::connect(frontend, login.will("req/gone", &secret("will"), 0, &[]));
    user.subscribe(&format!("priv/{}", id("user")), 1);
    let mut worker = Client::connect(backend, Login::new("worker").user("backend", "def456"));
    worker.subscribe("priv/worker", 0);
    worker.subscribe(&service("a"), 1);

    let bind = binding(&id("user"), Some("frontend.alice"), &secret("auth"));
    assert_eq!(router_call(&mut worker, "worker", "bind", bind)["result"], 1);
    let mut calling = request(&id("user"), "a", 1);
    calling.payload = format!(r#"{{"jsonrpc":"2.0","method":"a.do","id":1,"params":"{}"}}"#, secret("params")).into();
    user.publish(calling);
    let request = worker.message();
    assert_eq!(request.get("auth"), Some(secret("auth").as_str()));
    answer(&mut worker, &request, secret("result"));
    user.message();
    worker.publish(notification(Some("alice"), &secret("push")));
    worker.publish(notification(None, &secret("broadcast")));
    worker.publish_acked(Message::new("msg/backend/x", secret("retained")).retain());
    // What can't be delivered, and what can't be read.
    worker.publish_acked(Message::new("req/backend/nobody", secret("unserved")).respond_to("priv/worker"));
    worker.publish_acked(Message::new("req/backend/_bkpr/router", secret("no JSON")));
    user.send(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]);
    user.closed();
    serving.signal(Signal::TERM);
    let (status, _) = serving.end();
    assert_eq!(status, Some(0));
    fs::read_to_string(log.path()).unwrap()
}

#[test]
fn no_password_token_or_payload_is_in_the_log_at_its_most_talkative() {
    for engine in ["tree", "rumqttd"] {
        let log = trace_of(engine);
        assert!(log.contains("connection refused") && log.contains("TRACE"), "{log}");
        let told: Vec<_> = log.lines().filter(|line| line.contains(SECRET)).collect();
        assert!(told.is_empty(), "with the engine {engine}: {told:#?}");
    }
}
