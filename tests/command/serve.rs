//! `skep serve`: how it starts and how it ends.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{Event, MqttOptions};
use rustix::process::Signal;

use crate::started::{FREE_PORTS, Serving, Skep, address, serve, skep};

#[test]
fn serve_tells_where_each_listener_is_and_a_call_to_try() {
    let mut serving = serve(&["--data", "bindings"]);
    let welcome = serving.welcome();
    let text = welcome.join("\n");
    assert!(text.starts_with(&format!("skep {}\n", env!("CARGO_PKG_VERSION"))), "{text}");
    for (bus, listener) in [("backend-1", "tcp"), ("frontend-1", "tcp"), ("frontend-1", "ws")] {
        TcpStream::connect(address(&welcome, bus, listener)).unwrap();
    }
    let frontend = address(&welcome, "frontend-1", "tcp");
    let call = format!("skep call --url mqtt://{frontend} myapp.str.uc '{{\"string\":\"hello\"}}'");
    assert!(text.contains(&call), "{text}");
    assert!(text.contains("bindings"), "{text}");
    serving.signal(Signal::TERM);
    assert_eq!(serving.end().0, Some(0));
}

#[test]
fn a_signal_ends_it_with_status_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut serving = serve(&[]);
        serving.welcome();
        serving.signal(signal);
        let (status, log) = serving.end();
        assert_eq!(status, Some(0), "{log}");
        assert!(log.contains("stopped"), "{log}");
    }
}

#[test]
fn a_log_for_programs_has_the_addresses_and_nothing_on_standard_output() {
    let mut serving = serve(&["--log-format", "json"]);
    let mut log = BufReader::new(serving.child.stderr.take().unwrap()).lines();
    let mut urls = Vec::new();
    loop {
        let record: serde_json::Value = serde_json::from_str(&log.next().unwrap().unwrap()).unwrap();
        let fields = &record["fields"];
        match fields["message"].as_str() {
            Some("listening") => urls.push(fields["url"].as_str().unwrap().to_owned()),
            Some("ready") => break,
            _ => {}
        }
    }
    assert_eq!(urls.len(), 3, "{urls:?}");
    assert!(urls.iter().any(|url| url.starts_with("ws://127.0.0.1:") && url.ends_with("/mqtt")));
    serving.signal(Signal::INT);
    let mut printed = String::new();
    serving.stdout.read_to_string(&mut printed).unwrap();
    assert_eq!(printed, "");
    assert_eq!(serving.child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_address_in_use_says_which_listener_wanted_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let listen = format!("frontend.frontend-1.listeners.ws.listen={address}");
    let ran = skep(&[&FREE_PORTS[..], &["--set", &listen]].concat()).run();
    assert_eq!(ran.status, Some(1), "{ran:?}");
    for part in ["frontend-1", "ws", &address, "give frontend-1.listeners.ws.listen another address"] {
        assert!(ran.stderr.contains(part), "{part:?} is not in: {}", ran.stderr);
    }
    assert_eq!(ran.stderr.matches("os error").count(), 1, "told once: {}", ran.stderr);
}

/// Connects to a backend as a worker that takes a request and never answers it.
fn hold_a_request(backend: SocketAddr) -> rumqttc::v5::Client {
    let mut options = MqttOptions::new("holds-a-request-1", backend.ip().to_string(), backend.port());
    options.set_credentials("backend", "def456").set_manual_acks(true);
    let (client, mut connection) = rumqttc::v5::Client::new(options, 8);
    client.subscribe("$share/BKPR/req/backend/slow/#", QoS::AtLeastOnce).unwrap();
    for event in connection.iter() {
        match event.unwrap() {
            Event::Incoming(Packet::SubAck(_)) => {
                client.publish("req/backend/slow/x", QoS::AtLeastOnce, false, "{}").unwrap();
            }
            Event::Incoming(Packet::Publish(_)) => break,
            _ => {}
        }
    }
    // The connection lives as long as somebody looks after it.
    std::thread::spawn(move || connection.iter().take_while(Result::is_ok).count());
    client
}

#[test]
fn a_second_signal_ends_it_at_once_with_the_signals_status() {
    for (second, expected) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut serving = serve(&["--set", "router.shutdown_wait_ms=600000"]);
        let welcome = serving.welcome();
        let _worker = hold_a_request(address(&welcome, "backend-1", "tcp"));
        let mut log = BufReader::new(serving.child.stderr.take().unwrap()).lines();
        serving.signal(Signal::TERM);
        assert!(log.any(|line| line.unwrap().contains("stopping")));
        serving.signal(second);
        assert_eq!(serving.child.wait().unwrap().code(), Some(expected));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn as_many_files_can_be_open_as_the_system_allows() {
    let Skep { dir, .. } = skep(&[]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -Sn 64 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_skep")]).args(FREE_PORTS);
    shell.current_dir(dir.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = shell.spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let mut serving = Serving { child, stdout, _dir: dir };
    serving.welcome();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", serving.child.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers[0], numbers[1], "{line}");
    assert_ne!(numbers[0], "64", "{line}");
}

#[test]
fn damaged_bindings_say_how_to_set_them_aside() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    // One run makes the store.
    let mut serving = serve(&["--data", data]);
    serving.welcome();
    serving.signal(Signal::TERM);
    assert_eq!(serving.end().0, Some(0));
    damage(dir.path());

    let ran = skep(&[&FREE_PORTS[..], &["--data", data]].concat()).run();
    ran.refused(1, &["--set-aside-bindings"]);

    let mut serving = serve(&["--data", data, "--set-aside-bindings"]);
    serving.welcome();
    serving.signal(Signal::TERM);
    let (status, log) = serving.end();
    assert_eq!(status, Some(0), "{log}");
    assert!(log.contains(data), "{log}");
}

/// Overwrites every file of the store.
fn damage(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            damage(&path);
        } else {
            std::fs::write(&path, [0xa5; 4_096]).unwrap();
        }
    }
}
