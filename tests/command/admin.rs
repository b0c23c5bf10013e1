//! `skep sessions`, `queues` and `clients`, typed against a running skep.

use std::net::TcpListener;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{Event, MqttOptions};

use crate::started::{Ran, Serving, address, serve, skep};

struct Running {
    welcome: Vec<String>,
    url: String,
    _serving: Serving,
}

fn running(args: &[&str]) -> Running {
    let mut serving = serve(args);
    let welcome = serving.welcome();
    let line = welcome.iter().find_map(|line| line.trim().strip_prefix("admin "));
    let url = line.expect("the admin listener's line").to_owned();
    Running { welcome, url, _serving: serving }
}

impl Running {
    fn ask(&self, args: &[&str]) -> Ran {
        skep(args).variable("SKEP_ADMIN_URL", &self.url).run()
    }

    /// A worker that is there until the thread hears that it isn't.
    fn worker(&self, id: &str) -> std::thread::JoinHandle<String> {
        let backend = address(&self.welcome, "backend-1", "tcp");
        let mut options = MqttOptions::new(id, backend.ip().to_string(), backend.port());
        options.set_credentials("backend", "def456");
        let (client, mut connection) = rumqttc::v5::Client::new(options, 8);
        client.subscribe("$share/BKPR/req/backend/app/str", QoS::AtLeastOnce).unwrap();
        let mut events = move || {
            let event = connection.iter().next().unwrap();
            event.map_err(|error| error.to_string())
        };
        while !matches!(events(), Ok(Event::Incoming(Packet::SubAck(_)))) {}
        std::thread::spawn(move || {
            let _client = client;
            loop {
                match events() {
                    Ok(Event::Incoming(Packet::Disconnect(goodbye))) => return format!("{:?}", goodbye.reason_code),
                    Err(error) => return error,
                    Ok(_) => {}
                }
            }
        })
    }
}

#[track_caller]
fn json(ran: &Ran) -> serde_json::Value {
    assert_eq!((ran.status, ran.stdout.lines().count()), (Some(0), 1), "{ran:?}");
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn clients_and_queues_are_tables_for_people_and_json_for_programs() {
    let running = running(&[]);
    let worker = running.worker("worker-1");
    let table = running.ask(&["clients"]);
    let lines: Vec<Vec<&str>> = table.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][..4], ["BUS", "CLIENT", "USER", "FROM"], "{table:?}");
    assert_eq!(lines[1][..3], ["backend-1", "worker-1", "backend"], "{table:?}");
    assert_eq!(json(&running.ask(&["clients", "list", "--search", "WORKER", "--json"]))["total"], 1);
    assert_eq!(
        json(&running.ask(&["--json"].map(|json| ["clients", "list", "--bus", "frontend-1", json]).concat()))["total"],
        0
    );
    let shown = running.ask(&["clients", "show", "worker-1"]);
    for part in ["worker-1", "MQTT 5, tcp", "$share/BKPR/req/backend/app/str"] {
        assert!(shown.stdout.contains(part), "{part} is not in {shown:?}");
    }
    let queues = running.ask(&["queues"]);
    assert!(queues.stdout.lines().nth(1).unwrap().contains("req/backend/app/str"), "{queues:?}");
    assert_eq!(json(&running.ask(&["queues", "--json"]))["queues"][0]["members"], 1);

    let kicked = running.ask(&["clients", "kick", "worker-1"]);
    assert_eq!((kicked.status, kicked.stdout.as_str()), (Some(0), "disconnected\n"), "{kicked:?}");
    assert!(worker.join().unwrap().contains("AdministrativeAction"));
    running.ask(&["clients", "kick", "nobody"]).refused(1, &["skep clients:", "no client \"nobody\" is connected"]);
    running.ask(&["clients", "show", "x", "--bus", "y"]).refused(1, &["there is no bus \"y\""]);
}

#[test]
fn sessions_are_listed_shown_and_unbound() {
    let running = running(&[]);
    let list = running.ask(&["sessions"]);
    assert!(list.stdout.starts_with("CALLER") && list.stdout.lines().count() == 1, "{list:?}");
    assert_eq!(json(&running.ask(&["sessions", "--json"]))["total"], 0);
    running.ask(&["sessions", "show", "nobody"]).refused(1, &["caller \"nobody\" is not bound"]);
    running.ask(&["sessions", "unbind", "nobody"]).refused(1, &["nobody is bound as \"nobody\""]);
    running.ask(&["sessions", "unbind", "--address", "frontend.x"]).refused(1, &["frontend.x"]);
    running.ask(&["sessions", "unbind"]).refused(2, &["CALLER", "--address"]);
    running.ask(&["sessions", "unbind", "a", "--address", "b"]).refused(2, &["cannot be used with"]);
}

#[test]
fn the_token_comes_from_a_file_or_a_variable() {
    const TOKEN: &str = "a-token-of-the-operator";
    let running = running(&["--set", &format!("admin.token={TOKEN}")]);
    running.ask(&["queues"]).refused(4, &["wants a token", "--token-file", "SKEP_ADMIN_TOKEN"]);
    let variable = skep(&["queues", "--admin", &running.url]).variable("SKEP_ADMIN_TOKEN", TOKEN).run();
    assert_eq!(variable.status, Some(0), "{variable:?}");
    let file = skep(&["queues", "--admin", &running.url, "--token-file", "token"]).file("token", &format!("{TOKEN}\n"));
    assert_eq!(file.run().status, Some(0));
    let wrong = skep(&["queues", "--admin", &running.url]).variable("SKEP_ADMIN_TOKEN", "another").run();
    wrong.refused(4, &["wants a token"]);
    skep(&["queues", "--token-file", "nowhere"]).run().refused(2, &["the token file nowhere can't be read"]);
}

#[test]
fn nobody_at_the_admin_address_is_a_clear_error() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    for command in ["sessions", "queues", "clients"] {
        skep(&[command, "--admin", &url])
            .run()
            .refused(4, &[&format!("skep {command}: nobody listens at {url}"), "--admin"]);
    }
    for bad in ["127.0.0.1:1", "https://127.0.0.1", "http://", "http://a b"] {
        skep(&["queues", "--admin", bad]).run().refused(2, &[bad]);
    }
    let other = running(&[]);
    let frontend = format!("http://{}", address(&other.welcome, "frontend-1", "ws"));
    skep(&["queues", "--admin", &frontend]).run().refused(4, &[&frontend]);
}
