//! What the inner parts of a routed call cost: packets, bindings, a work queue.
//! Topics have `benches/topics.rs`. A regression shows here where it is.

use std::hint::black_box;
use std::thread;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use skep::bindings::{Binding, Bindings};
use skep::bus::{Batch, Publication};
use skep::mqtt::{Outgoing, Packet, QoS, Version, decode, next_frame};

#[path = "../tests/support/mod.rs"]
mod support;

use support::{Instance, Login, Message};

/// A request as a client sends it: about 250 bytes.
fn request() -> Message {
    let payload = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"bench.echo","params":"{}"}}"#, "x".repeat(64));
    Message::new("req/backend-1", payload).respond_to("priv/client00000000000001").with("fwd_to", "req/backend/bench")
}

fn packets(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("packets");
    let bytes = request().packet(5);
    group.throughput(Throughput::Elements(1));
    group.bench_function("decode a request", |bencher| {
        bencher.iter(|| {
            let frame = next_frame(black_box(&bytes), 1 << 20).expect("well formed").expect("whole");
            match decode(Version::V5, &frame) {
                Ok(Packet::Publish(publish)) => publish.payload.len(),
                _ => unreachable!("it is a PUBLISH"),
            }
        });
    });
    let frame = next_frame(&bytes, 1 << 20).expect("well formed").expect("whole");
    let Ok(Packet::Publish(publish)) = decode(Version::V5, &frame) else { unreachable!("it is a PUBLISH") };
    let mut properties = Vec::new();
    for (name, value) in [("clid", "client00000000000001"), ("addr", "priv/client00000000000001@frontend-1")] {
        skep::mqtt::write_user_property(&mut properties, name, value);
    }
    let mut wire = Vec::with_capacity(1024);
    group.bench_function("encode it for the backend", |bencher| {
        bencher.iter(|| {
            wire.clear();
            let outgoing = Outgoing {
                topic: "req/backend/bench",
                properties: black_box(&properties),
                payload: publish.payload,
                qos: QoS::AtLeastOnce,
                packet_id: 1,
                dup: false,
                retain: false,
                message_expiry: None,
                topic_alias: None,
                subscription_ids: &[],
            };
            outgoing.encode(&mut wire, Version::V5);
            wire.len()
        });
    });
    group.finish();
}

/// Sessions as `bind` makes them, in no order.
fn caller(n: usize) -> String {
    format!("caller{:016x}", (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

fn bindings(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("bindings");
    for count in [1_000, 300_000] {
        let data = tempfile::tempdir().expect("a temporary directory");
        let bindings = Bindings::open(data.path(), &Default::default()).expect("an empty store");
        let (done, answers) = std::sync::mpsc::channel();
        for n in 0..count {
            let (caller, done) = (caller(n), done.clone());
            let (topic, address, auth) = (format!("priv/{caller}"), format!("frontend.user-{n}"), format!("user-{n}"));
            let binding = Binding {
                caller: &caller,
                topic: &topic,
                frontend: "frontend-1",
                address: Some(&address),
                auth: &auth,
            };
            bindings.bind(binding, move |outcome| drop(done.send(outcome)));
        }
        assert!(answers.iter().take(count).all(|outcome| outcome.is_ok()));
        let callers: Vec<String> = (0..1_000).map(|n| caller(n * 7919 % count)).collect();
        let addresses: Vec<String> = (0..1_000).map(|n| format!("frontend.user-{}", n * 7919 % count)).collect();
        let mut turn = 0;
        group.bench_function(BenchmarkId::new("auth data of a caller among", count), |bencher| {
            bencher.iter(|| {
                turn = (turn + 1) % callers.len();
                bindings.touch(black_box(&callers[turn]), |auth| auth.len()).expect("it is bound")
            });
        });
        group.bench_function(BenchmarkId::new("devices of an address among", count), |bencher| {
            bencher.iter(|| {
                turn = (turn + 1) % addresses.len();
                bindings.at(black_box(&addresses[turn]), |topic, frontend| {
                    black_box((topic, frontend));
                })
            });
        });
        bindings.close();
    }
    group.finish();
}

/// A queue gives messages to a worker that takes them at QoS 0, and so always
/// has room; written in batches of 64.
fn dispatch(criterion: &mut Criterion) {
    const BATCH: usize = 64;
    let mut group = criterion.benchmark_group("work queue");
    group.throughput(Throughput::Elements(BATCH as u64));
    let skep = Instance::start();
    for workers in [1, 16] {
        let all: Vec<_> = (0..workers)
            .map(|n| {
                let login = Login::new(&format!("bench_worker_{workers}_{n:04}")).user("backend", "def456");
                let mut worker = support::Client::connect(skep.backend(), login);
                worker.subscribe(&format!("$share/BKPR/req/backend/bench/{workers}"), 0);
                thread::spawn(move || while worker.next(support::PATIENCE).is_some() {})
            })
            .collect();
        let bus = skep.skep().backends()[0].clone();
        let (topic, payload) = (format!("req/backend/bench/{workers}"), [b'x'; 150]);
        group.bench_function(BenchmarkId::new("64 messages to workers:", workers), |bencher| {
            bencher.iter_batched(
                Batch::new,
                |mut batch| {
                    for _ in 0..BATCH {
                        let mut message = Publication::new(&topic, &[], black_box(&payload));
                        message.qos = QoS::AtLeastOnce;
                        bus.publish(&message, &mut batch);
                    }
                    batch.flush();
                },
                BatchSize::PerIteration,
            );
        });
        drop(all);
    }
    group.finish();
}

criterion_group!(benches, packets, bindings, dispatch);
criterion_main!(benches);
