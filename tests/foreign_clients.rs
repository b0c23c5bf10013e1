//! Clients that have nothing in common with skep, against instances of it:
//! MQTT.js in Node and in Chromium, paho-mqtt, and mosquitto's commands.

#[path = "support/certificates.rs"]
mod certificates;
#[path = "foreign/mosquitto.rs"]
mod mosquitto;
#[path = "foreign/program.rs"]
mod program;
#[allow(unused_imports, reason = "of what the tests share, only instances are needed here")]
mod support;

use std::path::{Path, PathBuf};

use certificates::Authority;
use program::{chromium, example, node, python, speaking};
use skep::Kind;
use skep::bus::{Listener, Transport};
use support::Instance;

const TRANSPORTS: [Transport; 2] = [Transport::Tcp, Transport::Ws];
const VERSIONS: [&str; 2] = ["5", "4"];

/// Where a listener is, as URLs put it.
fn url(skep: &Instance, kind: Kind, transport: Transport) -> String {
    let mut listeners = skep.skep().listeners().iter();
    let fitting = listeners.find(|bound| bound.kind == kind && bound.transport == transport);
    fitting.expect("such a listener").url()
}

/// Runs a claim about the router, with TLS on both buses: `mqtts://` for workers,
/// that and `wss://` for users.
fn through_the_router_over_tls(mut program: impl FnMut(&str, &[(&str, &str)]), claim: &str) {
    let authority = Authority::new("an authority");
    let signed = authority.sign("server");
    for transport in TRANSPORTS {
        let skep = Instance::start_with(|config| {
            for bus in config.backend.values_mut().chain(config.frontend.values_mut()) {
                for listener in bus.listeners.values_mut() {
                    listener.tls.cert = Some(signed.cert.clone());
                    listener.tls.key = Some(signed.key.clone());
                }
            }
        });
        let (backend, frontend) = (url(&skep, Kind::Backend, Transport::Tcp), url(&skep, Kind::Frontend, transport));
        assert!(backend.starts_with("mqtts://") && frontend.split(':').next().is_some_and(|s| s.ends_with('s')));
        let ca = authority.file.display().to_string();
        // The second is what Node goes by.
        let trusted = [("SKEP_CA", &*ca), ("NODE_EXTRA_CA_CERTS", &*ca)];
        let addresses = [[("SKEP_BACKEND", &*backend), ("SKEP_FRONTEND", &*frontend)], trusted].concat();
        program(claim, &addresses);
        skep.stop();
    }
}

/// Runs a claim about the router, its users on each of the transports.
fn through_the_router(mut program: impl FnMut(&str, &[(&str, &str)]), claim: &str) {
    for transport in TRANSPORTS {
        let skep = Instance::start();
        let backend = url(&skep, Kind::Backend, Transport::Tcp);
        let frontend = url(&skep, Kind::Frontend, transport);
        program(claim, &[("SKEP_BACKEND", &backend), ("SKEP_FRONTEND", &frontend)]);
        skep.stop();
    }
}

/// Runs a claim about one bus, on each transport in each protocol version.
fn on_a_bus(mut program: impl FnMut(&str, &[(&str, &str)]), claim: &str) {
    for transport in TRANSPORTS {
        for version in VERSIONS {
            let skep = Instance::open_bus(|bus| {
                let listen = "127.0.0.1:0".parse().expect("an address");
                let websocket = Listener::new(listen, Transport::Ws);
                bus.listeners.insert("websocket".into(), websocket);
            });
            let bus = url(&skep, Kind::Backend, transport);
            program(claim, &[("SKEP_BUS", &bus), ("SKEP_MQTT_VERSION", version)]);
            skep.stop();
        }
    }
}

#[test]
fn mqttjs_calls_through_the_router_and_a_busy_worker_gets_no_second_call() {
    through_the_router(|claim, addresses| node("router.mjs", claim, addresses), "call");
}

#[test]
fn mqttjs_calls_over_mqtts_and_wss() {
    through_the_router_over_tls(|claim, addresses| node("router.mjs", claim, addresses), "call");
}

#[test]
fn paho_calls_over_mqtts_and_wss() {
    through_the_router_over_tls(|claim, addresses| python("router.py", claim, addresses), "call");
}

#[test]
fn mqttjs_gets_a_private_push_on_two_devices() {
    through_the_router(|claim, addresses| node("router.mjs", claim, addresses), "push");
}

#[test]
fn mqttjs_gets_a_broadcast() {
    through_the_router(|claim, addresses| node("router.mjs", claim, addresses), "broadcast");
}

#[test]
fn mqttjs_gets_qos_2_exactly_once_in_order() {
    on_a_bus(|claim, addresses| node("bus.mjs", claim, addresses), "qos2");
}

#[test]
fn mqttjs_gets_retained_messages() {
    on_a_bus(|claim, addresses| node("bus.mjs", claim, addresses), "retained");
}

#[test]
fn mqttjs_resumes_its_session() {
    on_a_bus(|claim, addresses| node("bus.mjs", claim, addresses), "resumption");
}

#[test]
fn mqttjs_leaves_a_will_when_killed() {
    on_a_bus(|claim, addresses| node("bus.mjs", claim, addresses), "will");
}

#[test]
fn paho_calls_through_the_router() {
    through_the_router(|claim, addresses| python("router.py", claim, addresses), "call");
}

#[test]
fn paho_gets_a_private_push_on_two_devices() {
    through_the_router(|claim, addresses| python("router.py", claim, addresses), "push");
}

#[test]
fn paho_gets_qos_2_exactly_once_in_order() {
    on_a_bus(|claim, addresses| python("bus.py", claim, addresses), "qos2");
}

#[test]
fn paho_gets_retained_messages() {
    on_a_bus(|claim, addresses| python("bus.py", claim, addresses), "retained");
}

#[test]
fn paho_resumes_its_session() {
    on_a_bus(|claim, addresses| python("bus.py", claim, addresses), "resumption");
}

#[test]
fn paho_leaves_a_will_when_killed() {
    on_a_bus(|claim, addresses| python("bus.py", claim, addresses), "will");
}

#[test]
fn a_page_in_chromium_calls_and_is_pushed_to() {
    let skep = Instance::start();
    let backend = url(&skep, Kind::Backend, Transport::Tcp);
    let frontend = url(&skep, Kind::Frontend, Transport::Ws);
    let browser = chromium();
    let addresses = [("SKEP_BACKEND", &*backend), ("SKEP_FRONTEND", &frontend), ("SKEP_CHROMIUM", browser)];
    node("browser.mjs", "page", &addresses);
    skep.stop();
}

#[test]
fn the_chat_page_logs_in_and_out_and_reaches_all_devices_of_a_user() {
    let skep = Instance::start();
    let backend = skep.backend();
    let example = example("chat");
    let (_service, _) = speaking(&example, &["service", &format!("mqtt://backend:def456@{backend}")]);
    let (_page, said) = speaking(&example, &["page", "127.0.0.1:0"]);
    let page = said.split_whitespace().find(|word| word.starts_with("http://")).expect("where the page is");
    let frontend = url(&skep, Kind::Frontend, Transport::Ws);
    let addresses =
        [("SKEP_FRONTEND", &*frontend), ("SKEP_CHAT", page.trim_end_matches(';')), ("SKEP_CHROMIUM", chromium())];
    node("chat.mjs", "chat", &addresses);
    skep.stop();
}

/// Where the programs are.
fn foreign() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign")
}
