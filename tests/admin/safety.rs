//! Who is answered, and who isn't.

use std::process::Command;

use serde_json::json;

use crate::http::{Admin, admin};
use crate::support::Instance;

const JSON: &str = "Content-Type: application/json";

#[test]
fn a_name_that_is_not_ours_is_refused_as_host() {
    let skep = Instance::start_with(|config| config.admin.hosts = vec!["skep.example.com".into()]);
    let admin = admin(&skep);
    let get = |host: &str| admin.send(&format!("GET /healthz HTTP/1.1\r\nHost: {host}"), "");
    for host in ["127.0.0.1", "127.0.0.1:80", "[::1]:80", "10.1.2.3", "localhost:5", "LOCALHOST", "Skep.example.com:1"]
    {
        assert_eq!(get(host).status, 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "x.skep.example.com"] {
        get(host).refused(403, "admin.hosts");
    }
    for head in ["", "Host: a b", "Host: evil@127.0.0.1", "Host: 127.0.0.1\r\nHost: evil.example"] {
        let line = if head.is_empty() { String::new() } else { format!("\r\n{head}") };
        let reply = admin.send(&format!("GET /healthz HTTP/1.1{line}"), "");
        assert_eq!(reply.status, 400, "{head}: {reply:?}");
    }
    let reply = admin.send("GET http://evil.example/healthz HTTP/1.1\r\nHost: 127.0.0.1", "");
    assert!([400, 403].contains(&reply.status), "{reply:?}");
}

#[test]
fn a_page_of_another_origin_is_refused() {
    let skep = Instance::start();
    let admin = admin(&skep);
    let own = admin.0.to_string();
    let get = |origin: &str| admin.get_with("/api/v1/overview", &format!("Origin: {origin}"));
    assert_eq!(get(&format!("http://{own}")).status, 200);
    for origin in
        ["null", "http://evil.example", "http://127.0.0.1:1", &format!("ftp://{own}"), &format!("http://{own}.evil")]
    {
        get(origin).refused(403, "origin");
    }
}

#[test]
fn what_changes_something_is_json_with_a_header_that_no_form_can_set() {
    let skep = Instance::start();
    let admin = admin(&skep);
    let body = json!({ "bus": "backend-1", "id": "nobody" }).to_string();
    let post = |headers: &str| admin.post_with("client/kick", headers, &body);
    post("Content-Type: text/plain\r\nX-Skep: 1").refused(415, "application/json");
    post("X-Skep: 1").refused(415, "application/json");
    post(JSON).refused(403, "X-Skep");
    post(&format!("{JSON}\r\nX-Skep: 0")).refused(403, "X-Skep");
    post(&format!("{JSON}; charset=utf-8\r\nX-Skep: 1")).refused(404, "nobody");
    let get = admin.get_with("/api/v1/client/kick", "X-Skep: 1");
    get.refused(405, "method");
    admin.post("nothing", &json!({})).refused(404, "nothing here");
    admin.post_with("call", &format!("{JSON}\r\nX-Skep: 1"), "{").refused(400, "JSON");
    admin.post("client/kick", &json!({ "bus": 7 })).refused(400, "bus");
}

#[test]
fn every_answer_tells_the_browser_to_load_and_frame_nothing() {
    let skep = Instance::start();
    let admin = admin(&skep);
    for path in ["/healthz", "/metrics", "/api/v1/overview", "/nothing"] {
        let reply = admin.get(path);
        let policy = reply.header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("referrer-policy"), "no-referrer");
    }
}

#[test]
fn with_a_token_only_probes_are_answered_without() {
    const TOKEN: &str = "a-token-of-the-operator";
    let skep = Instance::start_with(|config| config.admin.token = Some(TOKEN.into()));
    let admin = admin(&skep);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(admin.get(path).status, 200, "{path}");
    }
    let wrong = ["", "Authorization: Bearer a-token-of-somebody", "Authorization: Basic a-token-of-the-operator"];
    for path in ["/metrics", "/api/v1/overview", "/api/v1/nothing"] {
        for headers in wrong {
            let reply = admin.get_with(path, headers);
            reply.refused(401, "token");
            assert_eq!(reply.header("www-authenticate"), "Bearer");
        }
    }
    assert_eq!(admin.get_with("/api/v1/overview", &format!("Authorization: Bearer {TOKEN}")).status, 200);
    admin.post("client/kick", &json!({ "bus": "backend-1", "id": "x" })).refused(401, "token");
}

#[test]
fn on_an_address_that_others_can_reach_it_needs_a_token() {
    let dir = tempfile::tempdir().unwrap();
    let start = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skep"));
        let output = command.args(["check", "--set", "admin.listen=0.0.0.0:18888"]).args(args).current_dir(&dir);
        output.output().unwrap()
    };
    let refused = start(&[]);
    let text = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{text}");
    for part in ["admin.listen", "0.0.0.0:18888", "admin.token"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    assert_eq!(start(&["--set", "admin.enabled=false"]).status.code(), Some(0));
    let good = start(&["--set", "admin.token=a-token-of-the-operator"]);
    assert_eq!(good.status.code(), Some(0));
    let shown = String::from_utf8(good.stdout).unwrap();
    assert!(!shown.contains("a-token-of-the-operator"), "{shown}");
    let short = start(&["--set", "admin.token=too-short"]);
    let text = String::from_utf8(short.stderr).unwrap();
    assert!(text.contains("16 to 1024") && !text.contains("too-short"), "{text}");
}

#[test]
fn a_peer_that_says_nothing_keeps_nobody_out() {
    let skep = Instance::start();
    let Admin(address) = admin(&skep);
    let silent: Vec<_> = (0..40).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    assert_eq!(Admin(address).get("/healthz").body, "ok\n");
    drop(silent);
}
