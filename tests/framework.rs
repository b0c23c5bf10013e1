//! What the framework's own tools see of skep: a supervisor's reports, and log
//! collectors' records. The real ones are played here, by the same wire.

mod support;

use serde_json::Value;
use support::client::PUBACK;
use support::process::Process;
use support::rpc::json_of;
use support::{Client, Instance, Login, id, wait_until};

const SUPERVISOR: &str = "$share/BKPR/req/backend/_bkpr/supervisor";

#[test]
fn a_supervisor_gets_a_routers_report() {
    let skep = Instance::start_with(|config| config.router.auth_salt = Some("qQA9zC".into()));
    let mut supervisor = skep.worker("supervisor");
    supervisor.subscribe(SUPERVISOR, 1);
    let request = supervisor.message();
    assert_eq!((&*request.topic, request.qos), ("req/backend/_bkpr/supervisor", 1));
    // printf BKPR_SYSTEMqQA9zC | openssl md5 -binary | base64
    assert_eq!(request.get("auth"), Some(SYSTEM_TOKEN));
    supervisor.ack(PUBACK, request.packet_id);
    let report = json_of(&request);
    assert_eq!(report["method"], "_bkpr.supervisor.worker_status");
    assert!(report.get("id").is_none(), "it wants no answer");
    let params = &report["params"];
    assert_eq!(params["class"], "Beekeeper::Service::Router::Worker");
    assert_eq!((&params["pool"], &params["pid"]), (&Value::from("skep"), &Value::from(std::process::id())));
    assert_eq!(params["queue"], serde_json::json!(["_bkpr.router"]));
    for figure in ["cps", "nps", "err", "load", "cpu", "mem"] {
        assert!(params[figure].as_f64().is_some_and(|value| value >= 0.0), "{figure} in {params}");
    }
    assert!(params["host"].as_str().is_some_and(|host| !host.is_empty()));
    // Something for the next one, which comes though its table is old by then.
    skep.worker("w").publish_acked(support::rpc::notification(None, "{}"));
    let params = &json_of(&supervisor.message())["params"];
    assert_eq!(params["pid"], std::process::id());
    assert!(params["nps"].as_f64() > Some(0.0), "{params}");
}

const SYSTEM_TOKEN: &str = "46Y9DbRhqrwdSLNDAdx3mg";

#[test]
fn without_a_supervisor_nothing_is_sent() {
    let skep = Instance::start();
    // Not a supervisor: it serves whatever comes.
    let mut worker = skep.worker("worker");
    worker.subscribe("$share/BKPR/req/backend/#", 1);
    let before = skep.skep().backends()[0].stats().dropped_nobody.get();
    assert!(worker.message_within(std::time::Duration::from_secs(6)).is_none());
    assert_eq!(skep.skep().backends()[0].stats().dropped_nobody.get(), before);
}

/// A skep of its own, as the log is a process's.
fn start(more: &[&str]) -> Process {
    Process::start(tempfile::tempdir().expect("a temporary directory"), &[&["--log", "debug"], more].concat())
}

fn worker(skep: &Process, id: &str) -> Client {
    Client::connect(skep.backend, Login::new(id).user("backend", "def456"))
}

/// A log collector of the framework.
fn collector(skep: &Process) -> Client {
    let mut collector = worker(skep, "collector");
    for level in 1..=8 {
        collector.subscribe(&format!("log/{level}/#"), 0);
    }
    collector
}

/// The next record whose message contains `text`.
fn record(collector: &mut Client, text: &str) -> (String, Value) {
    loop {
        let message = collector.message();
        let record = json_of(&message);
        if record["params"]["message"].as_str().is_some_and(|message| message.contains(text)) {
            return (message.topic, record);
        }
    }
}

#[test]
fn log_records_reach_a_collector_in_the_frameworks_form() {
    let skep = start(&[]);
    let mut collector = collector(&skep);
    let hostile = "esc\u{85}<b>";
    Client::attempt(skep.backend, &Login::new(hostile).user("backend", "wrong"));
    let (topic, refused) = record(&mut collector, "unknown user or wrong password");
    assert_eq!((&*topic, &refused["method"]), ("log/7/beekeeper-service-router", &Value::from("info")));
    let params = &refused["params"];
    assert_eq!((&params["level"], &params["service"]), (&Value::from(7), &Value::from("beekeeper-service-router")));
    assert_eq!((&params["pool"], &params["pid"]), (&Value::from("skep"), &Value::from(skep.pid())));
    assert!(params["tstamp"].as_f64() > Some(1.7e9), "{params}");
    // What a client chose is text to a terminal and to a page.
    worker(&skep, hostile).disconnect();
    let (topic, connected) = record(&mut collector, "connected bus=");
    assert_eq!(topic, "log/8/beekeeper-service-router");
    let message = connected["params"]["message"].as_str().expect("text");
    assert!(message.contains("client=esc\\u{85}\\u{3c}b>"), "{message}");
}

#[test]
fn a_flood_of_records_is_cut_and_no_record_makes_another() {
    let skep = start(&[]);
    let mut collector = collector(&skep);
    for n in 0..300 {
        worker(&skep, &format!("flood-{n}")).disconnect();
    }
    let mut records = 0;
    let mut told = false;
    while let Some(message) = collector.message_within(std::time::Duration::from_millis(700)) {
        records += 1;
        told |= message.text().contains("records before this one were not published");
    }
    if !told {
        // The flood may have ended with what was cut off.
        worker(&skep, "after").disconnect();
        record(&mut collector, "records before this one were not published");
    }
    assert!((50..600).contains(&records), "{records}");
}

#[test]
fn both_can_be_switched_off() {
    let skep = start(&["--set", "framework.log=false", "--set", "framework.status=false"]);
    let mut collector = collector(&skep);
    let mut supervisor = worker(&skep, "supervisor");
    supervisor.subscribe(SUPERVISOR, 1);
    for n in 0..10 {
        worker(&skep, &format!("c{n}")).disconnect();
    }
    assert!(supervisor.message_within(std::time::Duration::from_secs(6)).is_none());
    collector.assert_no_message();
}

#[test]
fn a_program_of_its_own_decides_on_its_own_log() {
    // Embedded, skep adds no layer to anybody's subscriber.
    let skep = Instance::start();
    let mut collector = skep.worker("collector");
    collector.subscribe("log/#", 0);
    skep.user(&id("somebody")).disconnect();
    wait_until("it is gone", || !skep.skep().frontends()[0].is_connected(&id("somebody")));
    collector.assert_no_message();
}
