//! Work queues and bindings against models that are too simple to be wrong, by
//! operations in any order.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::Config;
use skep::bindings::{Binding, Bindings, Settings};
use support::client::{PINGRESP, PUBACK, PUBLISH};
use support::{Client, Instance, Login, Message, PATIENCE, id, wait_until};

fn cases(default: u32) -> Config {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    Config { cases, failure_persistence: None, max_shrink_iters: 50, ..Config::default() }
}

#[derive(Clone, Debug)]
enum Change {
    Bind {
        caller: u8,
        address: Option<u8>,
        auth: u16,
    },
    UnbindCaller(u8),
    UnbindAddress(u8),
    /// Closed and opened again.
    Restart,
    /// Opened again as the disk is at this moment, as after `kill -9`.
    Crash,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        8 => (0..8u8, prop::option::of(0..3u8), any::<u16>())
            .prop_map(|(caller, address, auth)| Change::Bind { caller, address, auth }),
        2 => (0..8u8).prop_map(Change::UnbindCaller),
        1 => (0..3u8).prop_map(Change::UnbindAddress),
        1 => Just(Change::Restart),
        1 => Just(Change::Crash),
    ];
    prop::collection::vec(change, 1..40)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory").map(|entry| entry.expect("an entry")) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn bindings_are_the_replay_of_all_acknowledged_calls(changes in changes()) {
        let dir = tempfile::tempdir().unwrap();
        let mut data = dir.path().join("0");
        let open = |data: &Path| Bindings::open(data, &Settings::default()).expect("the bindings open");
        let mut bindings = open(&data);
        let mut model: BTreeMap<u8, (Option<u8>, u16)> = BTreeMap::new();
        for (n, change) in changes.into_iter().enumerate() {
            let (send, acknowledged) = mpsc::channel();
            let done = move |outcome| send.send(outcome).expect("somebody waits");
            match change {
                Change::Bind { caller, address, auth } => {
                    let (name, auth_data) = (id(&format!("caller{caller}")), auth.to_string());
                    let (topic, at) = (format!("priv/{name}"), address.map(|address| format!("frontend.{address}")));
                    let binding = Binding {
                        caller: &name, topic: &topic, frontend: "frontend-1", address: at.as_deref(), auth: &auth_data,
                    };
                    bindings.bind(binding, done);
                    model.insert(caller, (address, auth));
                }
                Change::UnbindCaller(caller) => {
                    bindings.unbind_caller(&id(&format!("caller{caller}")), done);
                    model.remove(&caller);
                }
                Change::UnbindAddress(address) => {
                    bindings.unbind_address(&format!("frontend.{address}"), done);
                    model.retain(|_, (at, _)| *at != Some(address));
                }
                Change::Restart => {
                    drop(bindings);
                    bindings = open(&data);
                    done(Ok(()));
                }
                Change::Crash => {
                    let next = dir.path().join(format!("{}", n + 1));
                    copy(&data, &next);
                    bindings = open(&next);
                    data = next;
                    done(Ok(()));
                }
            }
            acknowledged.recv_timeout(PATIENCE).expect("an answer").expect("it is on disk");
            prop_assert_eq!(bindings.len(), model.len());
            for caller in 0..8 {
                let expected = model.get(&caller).map(|(_, auth)| auth.to_string());
                prop_assert_eq!(bindings.touch(&id(&format!("caller{caller}")), str::to_owned), expected);
            }
            for address in 0..3 {
                let mut found = BTreeSet::new();
                bindings.at(&format!("frontend.{address}"), |topic, _| {
                    found.insert(topic.to_owned());
                });
                let bound = model.iter().filter(|(_, (at, _))| *at == Some(address));
                let expected: BTreeSet<_> = bound.map(|(caller, _)| format!("priv/{}", id(&format!("caller{caller}")))).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Publish,
    /// A worker with so much room joins.
    Join(u16),
    /// A worker, by its place among those there, acknowledges its oldest message.
    Acknowledge(prop::sample::Index),
    Leave(prop::sample::Index),
    Die(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Publish),
        2 => (1..4u16).prop_map(Step::Join),
        5 => any::<prop::sample::Index>().prop_map(Step::Acknowledge),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
        1 => any::<prop::sample::Index>().prop_map(Step::Die),
    ];
    prop::collection::vec(step, 1..60)
}

struct Worker {
    client: Client,
    room: usize,
    /// Messages in its hands, oldest first: packet id and number.
    holds: Vec<(u16, u32)>,
}

impl Worker {
    fn join(skep: &Instance, n: usize, room: u16) -> Worker {
        let login = Login::new(&format!("worker{n}")).user("backend", "def456").receive_maximum(room);
        let mut client = Client::connect(skep.backend(), login);
        assert_eq!(client.subscribe("$share/BKPR/req/backend/work", 1), 1);
        Worker { client, room: usize::from(room), holds: Vec::new() }
    }

    /// Takes what has come so far.
    fn look(&mut self) {
        self.client.send(&[0xC0, 0]);
        while let Some(packet) = self.client.next(PATIENCE) {
            match packet.kind() {
                PINGRESP => return,
                PUBLISH => {
                    let message = Message::parse(&packet, 5);
                    self.holds.push((message.packet_id, message.text().parse().expect("a number")));
                }
                other => panic!("packet of kind {other}"),
            }
        }
        panic!("no answer to PINGREQ");
    }

    fn acknowledge(&mut self) -> Option<u32> {
        if self.holds.is_empty() {
            return None;
        }
        let (packet, number) = self.holds.remove(0);
        self.client.ack(PUBACK, packet);
        // What came of it has been done when this is answered.
        self.look();
        Some(number)
    }
}

/// Nothing is in two hands, nobody has more than room for, nothing that was
/// acknowledged comes again; and skep counts what is outstanding as we do.
fn check(skep: &Instance, workers: &mut [Worker], outstanding: &BTreeSet<u32>) {
    let all = outstanding.len();
    let bus = &skep.skep().backends()[0];
    wait_until("each message is in one place", || {
        let queues = bus.queues();
        let counted: usize = queues.iter().map(|queue| queue.waiting + queue.held).sum();
        // Before anybody has joined, messages wait outside of any queue.
        counted == all || queues.is_empty()
    });
    let mut seen = BTreeSet::new();
    for worker in workers {
        worker.look();
        assert!(worker.holds.len() <= worker.room, "{} where there is room for {}", worker.holds.len(), worker.room);
        for (_, number) in &worker.holds {
            assert!(seen.insert(*number), "message {number} is in two hands");
            assert!(outstanding.contains(number), "message {number} came again");
        }
    }
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn a_message_of_a_work_queue_is_always_in_exactly_one_place(steps in steps()) {
        let skep = Instance::start_with(|config| {
            let backend = config.backend.get_mut("backend-1").expect("the sample backend");
            backend.queues.grace_ms = 60_000;
            backend.queues.max_deaths = 1_000;
        });
        let mut publisher = skep.worker("publisher");
        let (mut workers, mut outstanding) = (Vec::new(), BTreeSet::new());
        let (mut published, mut joined) = (0, 0);
        for step in steps {
            match step {
                Step::Publish => {
                    publisher.publish_acked(Message::new("req/backend/work", published.to_string()));
                    outstanding.insert(published);
                    published += 1;
                }
                Step::Join(room) => {
                    workers.push(Worker::join(&skep, joined, room));
                    joined += 1;
                }
                Step::Acknowledge(which) if !workers.is_empty() => {
                    if let Some(number) = which.get_mut(&mut workers).acknowledge() {
                        prop_assert!(outstanding.remove(&number));
                    }
                }
                Step::Leave(which) if !workers.is_empty() => {
                    let at = which.index(workers.len());
                    workers.remove(at).client.leave();
                }
                Step::Die(which) if !workers.is_empty() => {
                    let at = which.index(workers.len());
                    workers.remove(at).client.kill();
                }
                Step::Acknowledge(_) | Step::Leave(_) | Step::Die(_) => {}
            }
            check(&skep, &mut workers, &outstanding);
        }
        // One that takes everything gets everything that is left, once.
        workers.drain(..).for_each(|worker| worker.client.leave());
        let mut last = Worker::join(&skep, joined, 1_000);
        while !outstanding.is_empty() {
            let message = last.client.message_within(PATIENCE);
            let Some(message) = message else { panic!("{outstanding:?} are nowhere") };
            let number = message.text().parse().expect("a number");
            prop_assert!(outstanding.remove(&number), "message {} came again", number);
            last.client.ack(PUBACK, message.packet_id);
        }
        prop_assert!(last.client.message_within(Duration::from_millis(1)).is_none());
    }
}
