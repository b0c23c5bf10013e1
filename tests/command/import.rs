//! `skep import`: settings made from the framework's configuration.

use std::os::unix::fs::PermissionsExt;

use crate::started::{Ran, Skep, serve, skep};

/// The framework's chat example, in short: comments, last commas, numbers as
/// text, two logical buses on one broker.
const BUSES: &str = r##"# relaxed
[
    { "bus_id": "backend-1", "bus_role": "backend", "host": "localhost", "port": 1883,
      "username": "backend", "password": "de#f,]", "auth_salt": "qQA9zC", "default": 1, }, # the first
    { "bus_id": "backend-2", "bus_role": "backend", "host": "localhost", "port": "1883",
      "username": "backend", "password": "de#f,]", "auth_salt": "qQA9zC" },
    { "bus_id": "frontend-1", "bus_role": "frontend", "port": 11883, "username": "router", "password": "ghi789" },
#   { "bus_id": "frontend-2" },
]"##;

const POOLS: &str = r#"[ { "pool_id": "myapp-A", "bus_id": "backend-1", "use_toybroker": 1, "workers": {
    "Beekeeper::Service::Router::Worker": { "worker_count": 4, "session_timeout": 600, "shutdown_wait": 1.5 },
}, }, ]"#;

const TOY: &str =
    r#"[ { "listen_port": "11883", "users": { "router": { "password": "x" }, "web": { "password": "y" } } } ]"#;

fn import(files: &[(&str, &str)], more: &[&str]) -> (Ran, Skep) {
    let mut command = skep(&[&["import", "beekeeper", "."], more].concat());
    for (name, text) in files {
        command = command.file(name, text);
    }
    let dir = command.dir;
    let ran = Ran::from(command.command.output().unwrap());
    let check = skep(&["check"]);
    (ran, Skep { dir, command: check.command })
}

/// What `skep check` says of what was written, which it has to accept.
fn checked(mut imported: Skep) -> String {
    imported.command.current_dir(imported.dir.path());
    let ran = imported.run();
    assert_eq!(ran.status, Some(0), "{ran:?}");
    ran.stdout
}

#[test]
fn an_examples_configuration_becomes_settings_that_serve() {
    let files = [("bus.config.json", BUSES), ("pool.config.json", POOLS), ("toybroker.config.json", TOY)];
    let (ran, imported) = import(&files, &[]);
    assert_eq!((ran.status, &*ran.stdout), (Some(0), ""), "{ran:?}");
    for note in [
        "bus backend-2 is on the same broker as bus backend-1",
        "WebSocket is on port 18080",
        "pool myapp-A has Beekeeper::Service::Router::Worker",
        "pool myapp-A starts a ToyBroker",
    ] {
        assert!(ran.stderr.contains(note), "{note} is not in {}", ran.stderr);
    }
    let file = imported.dir.path().join("rumqttd.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "it has passwords in it");
    let text = std::fs::read_to_string(&file).unwrap();
    for line in ["password = \"de#f,]\"", "auth_salt = \"qQA9zC\""] {
        assert!(text.lines().any(|written| written == line), "no {line} in {text}");
    }
    let printed = checked(imported);
    for line in [
        "backend.backend-1.listeners.tcp.listen = \"127.0.0.1:1883\"",
        "frontend.frontend-1.listeners.tcp.listen = \"127.0.0.1:11883\"",
        "frontend.frontend-1.users.router.publish = [\"msg/#\", \"priv/#\"]",
        "frontend.frontend-1.users.web.publish = [\"req/#\"]",
        "frontend.frontend-1.users.web.subscribe = [\"msg/#\", \"priv/%c\"]",
        "bindings.session_timeout_s = 600",
        "router.shutdown_wait_ms = 1500",
    ] {
        assert!(printed.lines().any(|printed| printed.starts_with(line)), "no {line} in {printed}");
    }
    assert!(!printed.contains("backend-2"), "{printed}");
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), text).unwrap();
    let mut serving = serve(&["--config", &path.path().to_string_lossy()]);
    assert!(serving.welcome().iter().any(|line| line.contains("frontend-1")));
}

#[test]
fn a_file_that_is_there_is_not_written_over() {
    let (ran, imported) = import(&[("bus.config.json", BUSES), ("rumqttd.toml", "mine")], &[]);
    assert_eq!(std::fs::read_to_string(imported.dir.path().join("rumqttd.toml")).unwrap(), "mine");
    ran.refused(1, &["rumqttd.toml is there already", "--output"]);
}

#[test]
fn standard_output_takes_it_too() {
    let (ran, imported) = import(&[("bus.config.json", BUSES)], &["--output", "-"]);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert!(!imported.dir.path().join("rumqttd.toml").exists());
    assert!(ran.stdout.contains("[backend.backend-1]"), "{ran:?}");
    let again = skep(&["check", "--config", "x.toml"]).file("x.toml", &ran.stdout).run();
    assert_eq!(again.status, Some(0), "{again:?}");
}

#[test]
fn brokers_on_other_machines_become_listeners_that_do_not_collide() {
    let buses = r#"[
        { "bus_id": "b1", "bus_role": "backend", "host": "b1.example.org", "username": "w", "password": "secret" },
        { "bus_id": "b2", "bus_role": "backend", "host": "b2.example.org", "username": "w", "password": "secret" },
        { "bus_id": "b3", "bus_role": "backend", "host": ["10.0.0.1", "10.0.0.2"], "tls": 1, "username": "w",
          "password": "secret", "auth_salt": "other" },
        { "bus_id": "f1", "bus_role": "frontend", "host": "b1.example.org", "username": "router", "password": "ghi789" },
        { "bus_id": "f2", "bus_role": "frontend", "host": "2001:db8::1", "port": 1884, "x\ny": 1 }
    ]"#;
    let (ran, imported) = import(&[("bus.config.json", buses)], &[]);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    for note in [
        "bus b1 was at b1.example.org:1883: it is on skep's machine now, port 1883",
        "bus b2 was at b2.example.org:1883, where skep has another bus already: it is on port 1884 now",
        "bus b3 is a cluster",
        "bus b3 is reached with TLS",
        "in [backend.b3.listeners.tcp]",
        "on port 11883 now",
        "user router of bus f1 has a sample password",
        "x y of bus f2 says nothing to skep",
        "bus f2 has no username",
        "no user for the end users of bus f1",
    ] {
        assert!(ran.stderr.contains(note), "{note} is not in {}", ran.stderr);
    }
    let printed = checked(imported);
    for line in [
        "backend.b1.listeners.tcp.listen = \"0.0.0.0:1883\"",
        "backend.b2.listeners.tcp.listen = \"0.0.0.0:1884\"",
        "backend.b3.listeners.tcp.listen = \"127.0.0.1:8883\"",
        "frontend.f1.listeners.tcp.listen = \"127.0.0.1:11883\"",
        "frontend.f2.listeners.tcp.listen = \"[::1]:1885\"",
        "frontend.f2.anonymous = \"anonymous\"",
        "frontend.f2.users.anonymous.publish = [\"req/#\"]",
    ] {
        assert!(printed.lines().any(|printed| printed.starts_with(line)), "no {line} in {printed}");
    }
}

#[test]
fn what_can_not_be_read_is_said_with_its_place() {
    let (ran, _) = import(&[], &[]);
    ran.refused(1, &["there is no bus.config.json in ."]);
    let (ran, _) = import(&[("bus.config.json", "# one\n[\n{ x }\n]")], &[]);
    ran.refused(1, &["bus.config.json is not relaxed JSON", "line 3"]);
    let (ran, _) = import(&[("bus.config.json", "{}")], &[]);
    ran.refused(1, &["bus.config.json is not a list"]);
    let (ran, _) = import(&[("bus.config.json", r#"[{ "bus_id": "b", "port": 70000 }]"#)], &[]);
    ran.refused(1, &["port of bus b is \"70000\", but it has to be from 1 to 65535"]);
    let (ran, imported) = import(&[("bus.config.json", r#"[{ "bus_id": "b/c" }]"#)], &[]);
    assert!(!imported.dir.path().join("rumqttd.toml").exists());
    ran.refused(1, &["can't be a setting of skep", "b/c"]);
}

/// A listener that is for this machine only at first is opened later.
#[test]
fn passwords_of_buses_that_others_reached_are_hashed_even_while_their_listener_is_at_home() {
    let buses = r#"[
        { "bus_id": "b1", "bus_role": "backend", "host": "b1.example.org", "tls": 1, "username": "w", "password": "secret" }
    ]"#;
    let (ran, imported) = import(&[("bus.config.json", buses)], &[]);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let text = std::fs::read_to_string(imported.dir.path().join("rumqttd.toml")).unwrap();
    assert!(text.contains("listen = \"127.0.0.1:8883\""), "{text}");
    assert!(text.contains("password = \"$argon2id$") && !text.contains("\"secret\""), "{text}");
    let mut opened = skep(&["check", "--set", "backend.b1.listeners.tcp.listen=0.0.0.0:8883"]);
    opened.command.current_dir(imported.dir.path());
    let opened = opened.run();
    assert_eq!(opened.status, Some(0), "{opened:?}");
}
