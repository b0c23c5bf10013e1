//! mosquitto_pub and mosquitto_sub on one bus.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::program::{run, start};
use super::support::{Instance, PATIENCE};

const VERSIONS: [&str; 2] = ["311", "5"];

/// How a subscriber prints a message: topic, QoS, retain flag, payload, after a
/// word that tells it from what else it prints.
const FORMAT: &str = "message %t %q %r %p";

fn client(program: &str, skep: &Instance, version: &str) -> Vec<String> {
    let address = skep.backend();
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    [program, "-h", &host, "-p", &port, "-V", version].map(str::to_owned).into()
}

fn publish(skep: &Instance, version: &str, options: &[&str]) {
    let command = client("mosquitto_pub", skep, version);
    run(Command::new(&command[0]).args(&command[1..]).args(options));
}

/// A mosquitto_sub; killed when dropped.
struct Subscriber(Child);

impl Subscriber {
    /// Starts one that sends its messages to `messages`; back when it has its
    /// SUBACK.
    fn start(skep: &Instance, version: &str, options: &[&str], messages: Sender<String>) -> Subscriber {
        let command = client("mosquitto_sub", skep, version);
        // By lines, else it would keep back what it prints of the SUBACK.
        let mut child = start(
            Command::new("stdbuf")
                .arg("-oL")
                .args(command)
                .args(["-d", "-F", FORMAT])
                .args(options)
                .stdout(Stdio::piped()),
        );
        let lines = BufReader::new(child.stdout.take().expect("a piped output")).lines();
        let subscriber = Subscriber(child);
        let (subscribed, acknowledged) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(message) = line.strip_prefix("message ") {
                    // Nobody listens once the test is over.
                    messages.send(message.to_owned()).ok();
                } else if line.ends_with("received SUBACK") {
                    subscribed.send(()).ok();
                }
            }
        });
        let missing = "mosquitto_sub gets a SUBACK; if it is missing, run ./test, which installs it";
        acknowledged.recv_timeout(PATIENCE).expect(missing);
        subscriber
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn next(messages: &Receiver<String>) -> String {
    messages.recv_timeout(PATIENCE).expect("a message")
}

#[test]
fn mosquitto_gets_retained_messages() {
    for version in VERSIONS {
        let skep = Instance::open_bus(|_| {});
        publish(&skep, version, &["-q", "1", "-r", "-t", "kept/one", "-m", "first"]);
        publish(&skep, version, &["-q", "1", "-r", "-t", "kept/two", "-m", "second"]);
        let (sender, messages) = channel();
        let _reader = Subscriber::start(&skep, version, &["-q", "1", "-t", "kept/one"], sender);
        assert_eq!(next(&messages), "kept/one 1 1 first");
        publish(&skep, version, &["-q", "1", "-r", "-t", "kept/one", "-n"]);
        assert_eq!(next(&messages), "kept/one 1 0 ");
        let (sender, messages) = channel();
        let _late = Subscriber::start(&skep, version, &["-q", "1", "-t", "kept/#"], sender);
        assert_eq!(next(&messages), "kept/two 1 1 second");
        skep.stop();
    }
}

#[test]
fn mosquitto_gets_qos_2_exactly_once() {
    for version in VERSIONS {
        let skep = Instance::open_bus(|_| {});
        let (sender, messages) = channel();
        let _reader = Subscriber::start(&skep, version, &["-q", "2", "-t", "exactly/once"], sender);
        publish(&skep, version, &["-q", "2", "-t", "exactly/once", "-m", "message", "--repeat", "20"]);
        // Whatever came twice would stand before this one.
        publish(&skep, version, &["-q", "2", "-t", "exactly/once", "-m", "the last"]);
        for _ in 0..20 {
            assert_eq!(next(&messages), "exactly/once 2 0 message");
        }
        assert_eq!(next(&messages), "exactly/once 2 0 the last");
        skep.stop();
    }
}

#[test]
fn mosquitto_leaves_a_will_when_killed() {
    for version in VERSIONS {
        let skep = Instance::open_bus(|_| {});
        let (sender, messages) = channel();
        let _watcher = Subscriber::start(&skep, version, &["-q", "1", "-t", "gone/#"], sender);
        let (nobody, _) = channel();
        let will = ["-t", "other", "--will-topic", "gone/killed", "--will-payload", "bye", "--will-qos", "1"];
        drop(Subscriber::start(&skep, version, &will, nobody));
        assert_eq!(next(&messages), "gone/killed 1 0 bye");
        skep.stop();
    }
}

#[test]
fn mosquittos_shared_subscribers_get_each_message_once() {
    for version in VERSIONS {
        let skep = Instance::open_bus(|_| {});
        let (sender, messages) = channel();
        let shared = ["-q", "1", "-t", "$share/group/work/#"];
        let _first = Subscriber::start(&skep, version, &shared, sender.clone());
        let _second = Subscriber::start(&skep, version, &shared, sender);
        let mut sent: Vec<String> = (0..20).map(|n| format!("work/{n:02} 1 0 do")).collect();
        for n in 0..20 {
            publish(&skep, version, &["-q", "1", "-t", &format!("work/{n:02}"), "-m", "do"]);
        }
        let mut got: Vec<String> = (0..20).map(|_| next(&messages)).collect();
        // What a second member got as well would come before this.
        publish(&skep, version, &["-q", "1", "-t", "work/last", "-m", "do"]);
        got.push(next(&messages));
        got.sort();
        sent.push("work/last 1 0 do".to_owned());
        assert_eq!(got, sent);
        skep.stop();
    }
}
