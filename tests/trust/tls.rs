//! TLS on a listener.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use skep::bus::{ClientAuth, Listener, Tls, Transport};
use skep::client::{Client as Caller, Options};
use skep::config::Config;
use skep::{Kind, Skep, StartError};
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::certificates::{Authority, Signed};
use crate::support::metrics::Metrics;
use crate::support::tls::TlsClient;
use crate::support::{Client, Instance, Login, id, settings, wait_until};

pub fn tls_of(signed: &Signed) -> Tls {
    Tls { cert: Some(signed.cert.clone()), key: Some(signed.key.clone()), ..Tls::default() }
}

/// The sample settings, with TLS on all listeners of the frontend.
fn with_tls(config: &mut Config, tls: &Tls) {
    let frontend = config.frontend.get_mut("frontend-1").expect("the sample frontend");
    frontend.listeners.values_mut().for_each(|listener| listener.tls = tls.clone());
}

fn any(authority: &Authority) -> Arc<ClientConfig> {
    authority.client(None, &[&TLS12, &TLS13])
}

fn frontend_login(name: &str) -> Login {
    Login::new(&id(name)).user("frontend", "abc123")
}

#[test]
fn a_client_connects_with_tls_1_2_and_1_3() {
    let authority = Authority::new("an authority");
    let skep = Instance::start_with(|config| with_tls(config, &tls_of(&authority.sign("server"))));
    for version in [&TLS12, &TLS13] {
        let config = authority.client(None, &[version]);
        let (client, reason) = TlsClient::connect(skep.frontend(), &config, &frontend_login("one")).expect("TLS");
        assert_eq!(reason, 0);
        assert_eq!(client.0.conn.protocol_version(), Some(version.version));
    }
    assert!(skep.skep().listeners().iter().any(|bound| bound.url() == format!("mqtts://{}", skep.frontend())));
    skep.stop();
}

#[test]
fn who_speaks_no_tls_gets_nowhere_and_the_listener_goes_on() {
    let authority = Authority::new("an authority");
    let skep = Instance::start_with(|config| with_tls(config, &tls_of(&authority.sign("server"))));
    let mut plain = TcpStream::connect(skep.frontend()).expect("a connection");
    plain.write_all(&frontend_login("plain").packet()).expect("written");
    // An alert of TLS, and no CONNACK.
    let mut answer = Vec::new();
    // Closed with bytes unread is a reset, which is an end, too.
    let _ = plain.read_to_end(&mut answer);
    assert!(answer.first().is_none_or(|first| *first == 0x15), "{answer:?}");
    let stats = || skep.skep().frontends()[0].stats().tls_failed.get();
    wait_until("the failed handshake is counted", || stats() == 1);
    let served = |name: &str| Metrics::of(&skep).value(name, &["bus=\"frontend-1\""]);
    assert_eq!([served("skep_tls_failures_total"), served("skep_clients_accepted_total")], [1.0, 0.0]);
    let (_, reason) = TlsClient::connect(skep.frontend(), &any(&authority), &frontend_login("next")).expect("TLS");
    assert_eq!(reason, 0);
    skep.stop();
}

#[test]
fn peers_that_never_finish_a_handshake_keep_nobody_waiting_and_are_given_up() {
    let authority = Authority::new("an authority");
    let skep = Instance::start_with(|config| {
        with_tls(config, &tls_of(&authority.sign("server")));
        config.frontend.get_mut("frontend-1").expect("a frontend").connections.connection_timeout_ms = 1500;
    });
    let mut silent: Vec<TcpStream> =
        (0..200).map(|_| TcpStream::connect(skep.frontend()).expect("a connection")).collect();
    // Some have begun.
    for peer in silent.iter_mut().take(100) {
        peer.write_all(&[0x16, 3, 1, 2, 0, 1]).expect("written");
    }
    let (_client, reason) =
        TlsClient::connect(skep.frontend(), &any(&authority), &frontend_login("quick")).expect("TLS");
    assert_eq!(reason, 0);
    let bus = &skep.skep().frontends()[0];
    wait_until("the silent ones have been given up", || bus.connections() == 1);
    assert_eq!(bus.stats().connect_timeouts.get(), 200, "each is counted");
    for mut peer in silent {
        peer.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        let _ = peer.read_to_end(&mut Vec::new());
    }
    skep.stop();
}

#[test]
fn a_client_without_a_good_certificate_is_refused_where_one_is_required() {
    let (authority, other) = (Authority::new("an authority"), Authority::new("another"));
    let tls = Tls {
        client_ca: Some(authority.file.clone()),
        client_auth: ClientAuth::Required,
        ..tls_of(&authority.sign("server"))
    };
    let skep = Instance::start_with(|config| with_tls(config, &tls));
    let login = frontend_login("whoever");
    let both = [&TLS12, &TLS13];
    for shown in [None, Some(other.sign("stranger")), Some(authority.sign_until("late", 2010))] {
        let config = authority.client(shown.as_ref(), &both);
        assert!(TlsClient::connect(skep.frontend(), &config, &login).is_err(), "{:?}", shown.map(|s| s.cert));
    }
    let config = authority.client(Some(&authority.sign("guest")), &both);
    assert_eq!(TlsClient::connect(skep.frontend(), &config, &login).expect("TLS").1, 0);
    // It is still the password that counts.
    let wrong = Login::new(&id("wrong")).user("frontend", "guess");
    assert_eq!(TlsClient::connect(skep.frontend(), &config, &wrong).expect("TLS").1, 0x86);
    let nobody = Login::new(&id("nobody"));
    assert_eq!(TlsClient::connect(skep.frontend(), &config, &nobody).expect("TLS").1, 0x87);
    skep.stop();
}

#[test]
fn the_common_name_of_a_certificate_can_be_the_user() {
    let authority = Authority::new("an authority");
    let tls = Tls {
        client_ca: Some(authority.file.clone()),
        client_auth: ClientAuth::Optional,
        user_from_cn: true,
        ..tls_of(&authority.sign("server"))
    };
    let skep = Instance::start_with(|config| with_tls(config, &tls));
    let connect = |shown: Option<&str>, login: &Login| {
        let shown = shown.map(|name| authority.sign(name));
        let config = authority.client(shown.as_ref(), &[&TLS12, &TLS13]);
        TlsClient::connect(skep.frontend(), &config, login).expect("TLS")
    };
    let login = Login::new(&id("cn"));
    assert_eq!(connect(Some("router"), &login).1, 0);
    assert_eq!(connect(Some("stranger"), &login).1, 0x87);
    assert_eq!(connect(None, &login).1, 0x87);
    // Its own name may be said, with whatever password; another's needs the password.
    assert_eq!(connect(Some("router"), &Login::new(&id("own")).user("router", "?")).1, 0);
    assert_eq!(connect(Some("router"), &Login::new(&id("other")).user("frontend", "?")).1, 0x86);
    assert_eq!(connect(Some("router"), &Login::new(&id("else")).user("frontend", "abc123")).1, 0);
    // With the user come its rules: a router may publish to mailboxes.
    let (mut client, _) = connect(Some("router"), &login);
    let publish = |topic: &str| {
        let mut body = (topic.len() as u16).to_be_bytes().to_vec();
        body.extend_from_slice(topic.as_bytes());
        body.extend_from_slice(&[0, 1, 0]);
        let mut packet = vec![0x32, body.len() as u8];
        packet.extend(body);
        packet
    };
    for (topic, reason) in [("priv/somebody", 0x10), ("req/backend-1", 0x87)] {
        client.0.write_all(&publish(topic)).expect("written");
        let puback = client.packet().expect("a packet");
        assert_eq!(puback.body.get(2).copied().unwrap_or(0), reason, "{topic}");
    }
    skep.stop();
}

#[test]
fn a_file_that_cant_be_used_stops_the_start_and_names_setting_and_file() {
    let authority = Authority::new("an authority");
    let (good, other) = (authority.sign("server"), authority.sign("other"));
    let dir = authority.dir.path();
    let scrap = dir.join("scrap.pem");
    std::fs::write(&scrap, "no PEM at all").expect("a file");
    let missing = dir.join("missing.pem");
    let late = authority.sign_until("late", 2010);
    let asked = |ca: &std::path::Path| Tls {
        client_ca: Some(ca.to_owned()),
        client_auth: ClientAuth::Required,
        ..tls_of(&good)
    };
    for (tls, parts) in [
        (
            Tls { cert: Some(missing.clone()), ..tls_of(&good) },
            ["tls.cert: ", "missing.pem: can't be read: No such file"],
        ),
        (Tls { cert: Some(scrap.clone()), ..tls_of(&good) }, ["tls.cert: ", "scrap.pem: has no certificate"]),
        (Tls { cert: Some(good.key.clone()), ..tls_of(&good) }, ["tls.cert: ", "has no certificate"]),
        (Tls { key: Some(missing.clone()), ..tls_of(&good) }, ["tls.key: ", "missing.pem: can't be read"]),
        (Tls { key: Some(scrap.clone()), ..tls_of(&good) }, ["tls.key: ", "scrap.pem: has no private key"]),
        (Tls { key: Some(other.key.clone()), ..tls_of(&good) }, ["tls.key: ", "is not the key of the certificate in"]),
        (tls_of(&late), ["tls.cert: ", "has expired: the certificate of CN=late was good until"]),
        (asked(&scrap), ["tls.client_ca: ", "scrap.pem: has no certificate"]),
        (asked(&late.cert), ["tls.client_ca: ", "has expired"]),
    ] {
        let data = tempfile::tempdir().expect("a temporary directory");
        let mut config = settings(&data);
        with_tls(&mut config, &tls);
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let Err(error) = runtime.block_on(Skep::start(config)) else { panic!("started with {tls:?}") };
        assert!(matches!(error, StartError::File(_)), "{error}");
        let told = error.to_string();
        assert!(told.starts_with("frontend.frontend-1.listeners."), "{told}");
        for part in parts {
            assert!(told.contains(part), "{part:?} is not in: {told}");
        }
    }
}

#[test]
fn the_client_library_calls_over_mqtts_and_wss() {
    let (authority, other) = (Authority::new("an authority"), Authority::new("another"));
    let skep = Instance::start_with(|config| with_tls(config, &tls_of(&authority.sign("server"))));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for transport in [Transport::Tcp, Transport::Ws] {
        let address = skep.address(Kind::Frontend, transport);
        let url = match transport {
            Transport::Tcp => format!("mqtts://{address}"),
            Transport::Ws => format!("wss://{address}/mqtt"),
        };
        let options = || Options::frontend(&url).expect("a URL").login("frontend", "abc123");
        let caller = runtime.block_on(Caller::connect(options().ca_file(&authority.file).expect("a file")));
        let caller = caller.unwrap_or_else(|error| panic!("{url}: {error}"));
        // Nobody serves it: what matters is that an answer comes.
        let answer = runtime.block_on(caller.call::<(), ()>("nobody.here", ()));
        assert!(answer.expect_err("an error").to_string().contains("not available"));
        let stranger = options().ca_file(&other.file).expect("a file").connect_timeout(Duration::from_secs(5));
        let Err(error) = runtime.block_on(Caller::connect(stranger)) else { panic!("trusted {url}") };
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    let options = Options::frontend("mqtts://127.0.0.1").expect("a URL");
    assert!(options.ca_file("no such file").expect_err("an error").to_string().contains("can't be read"));
    skep.stop();
}

#[test]
fn a_url_with_tls_for_a_port_without_or_the_other_way_round_is_told_so() {
    let authority = Authority::new("an authority");
    let skep = Instance::start_with(|config| {
        let frontend = config.frontend.get_mut("frontend-1").expect("the sample frontend");
        frontend.listeners.get_mut("tcp").expect("the sample listener").tls = tls_of(&authority.sign("server"));
    });
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let refused = |url: &str| {
        let options = Options::frontend(url).expect("a URL").login("frontend", "abc123");
        let options = options.ca_file(&authority.file).expect("a file").connect_timeout(Duration::from_secs(5));
        let Err(error) = runtime.block_on(Caller::connect(options)) else { panic!("connected to {url}") };
        error.to_string()
    };
    let (with, without) = (skep.frontend(), skep.address(Kind::Frontend, Transport::Ws));
    for (url, what) in [
        (format!("mqtt://{with}"), "no MQTT is answered"),
        (format!("mqtt://{without}"), "no MQTT is answered"),
        (format!("ws://{with}/mqtt"), "no HTTP"),
        (format!("mqtts://{without}"), "TLS is not answered"),
        (format!("wss://{without}/mqtt"), "TLS is not answered"),
    ] {
        let error = refused(&url);
        assert!(error.contains(what), "{url}: {error}");
    }
    skep.stop();
}

#[test]
fn mosquitto_publishes_and_subscribes_over_tls_with_a_certificate_for_a_password() {
    let authority = Authority::new("an authority");
    let tls = Tls {
        client_ca: Some(authority.file.clone()),
        client_auth: ClientAuth::Required,
        user_from_cn: true,
        ..tls_of(&authority.sign("server"))
    };
    let skep = Instance::start_with(|config| {
        let backend = config.backend.get_mut("backend-1").expect("the sample backend");
        let mut listener = Listener::new(([127, 0, 0, 1], 0).into(), Transport::Tcp);
        listener.tls = tls.clone();
        backend.listeners.insert("tls".into(), listener);
    });
    let mut listeners = skep.skep().listeners().iter();
    let port =
        listeners.find(|bound| bound.kind == Kind::Backend && bound.tls).expect("with TLS").address.port().to_string();
    let mut watcher = Client::connect(skep.backend(), Login::new("watcher").user("backend", "def456"));
    watcher.subscribe("log/#", 1);
    for (version, name) in [("tlsv1.2", "backend"), ("tlsv1.3", "backend"), ("tlsv1.3", "stranger")] {
        let signed = authority.sign(name);
        let ran = Command::new("mosquitto_pub")
            .args(["-h", "127.0.0.1", "-p", &port, "-V", "5", "-q", "1", "-t", "log/info/test", "-m", version])
            .args(["--tls-version", version, "--cafile"])
            .arg(&authority.file)
            .arg("--cert")
            .arg(&signed.cert)
            .arg("--key")
            .arg(&signed.key)
            .output()
            .expect("mosquitto_pub runs; if it is missing, run ./test, which installs it");
        assert_eq!(ran.status.success(), name == "backend", "{ran:?}");
        if name == "backend" {
            assert_eq!(watcher.message().payload, version.as_bytes());
        }
    }
    skep.stop();
}

#[test]
fn a_thousand_bytes_at_a_time_and_large_messages_pass_through_tls() {
    let authority = Authority::new("an authority");
    let skep = Instance::start_with(|config| with_tls(config, &tls_of(&authority.sign("server"))));
    let mailbox = id("large");
    let (mut reader, _) =
        TlsClient::connect(skep.frontend(), &any(&authority), &Login::new(&mailbox).user("frontend", "abc123"))
            .expect("TLS");
    let mut subscribe = vec![0, 1, 0];
    let topic = format!("priv/{mailbox}");
    subscribe.extend_from_slice(&(topic.len() as u16).to_be_bytes());
    subscribe.extend_from_slice(topic.as_bytes());
    subscribe.push(0);
    reader.0.write_all(&[0x82, subscribe.len() as u8]).expect("written");
    reader.0.write_all(&subscribe).expect("written");
    assert_eq!(reader.packet().expect("a packet").kind(), 9);

    let payload: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    let (mut router, reason) =
        TlsClient::connect(skep.frontend(), &any(&authority), &Login::new(&id("router")).user("router", "ghi789"))
            .expect("TLS");
    assert_eq!(reason, 0);
    let mut publish = (topic.len() as u16).to_be_bytes().to_vec();
    publish.extend_from_slice(topic.as_bytes());
    publish.push(0);
    publish.extend_from_slice(&payload);
    let packet = crate::support::client::packet(0x30, &publish);
    for _ in 0..5 {
        for part in packet.chunks(1000) {
            router.0.write_all(part).expect("written");
        }
    }
    let began = Instant::now();
    for _ in 0..5 {
        let message = reader.packet().expect("a packet");
        assert!(message.body.ends_with(&payload));
    }
    assert!(began.elapsed() < crate::support::PATIENCE);
    skep.stop();
}
