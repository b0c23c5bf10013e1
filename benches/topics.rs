//! What the topic tree costs: entering and leaving a filter, finding who a topic
//! reaches among few and many filters, and walking a large fan-out. Last what the
//! same takes through rumqttd's router: one hop, and many messages at once.

use std::hint::black_box;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use skep::bus::{FilterTree, Hub, Topics};

/// Filters as applications use them: per service and method, some with
/// wildcards, and a few that everything matches.
fn filters(count: usize) -> Vec<String> {
    let filter = |number: usize| {
        let (service, method) = (number / 10, number % 10);
        match method {
            0 => format!("msg/frontend/service-{service}/#"),
            1 => format!("msg/+/service-{service}/changed"),
            _ => format!("msg/frontend/service-{service}/method-{method}"),
        }
    };
    (0..count).map(filter).collect()
}

fn tree_of(filters: &[String]) -> FilterTree<u32, [u64; 2]> {
    let mut tree = FilterTree::new();
    for (key, filter) in (0..).zip(filters) {
        tree.insert(filter, key, [0; 2]);
    }
    tree
}

fn insert_and_remove(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("insert and remove a filter");
    for count in [1, 1_000, 100_000] {
        let filters = filters(count);
        let mut tree = tree_of(&filters);
        group.bench_function(BenchmarkId::new("among", count), |bencher| {
            let mut turn = 0;
            bencher.iter(|| {
                turn = (turn + 1) % filters.len();
                let filter = &filters[turn];
                tree.insert(filter, u32::MAX, [0; 2]);
                tree.remove(black_box(filter), turn as u32);
                tree.insert(filter, turn as u32, [0; 2]);
                tree.remove(filter, u32::MAX);
            });
        });
    }
    group.bench_function("fill 100,000", |bencher| {
        let filters = filters(100_000);
        bencher.iter_batched(|| (), |()| tree_of(&filters), BatchSize::PerIteration);
    });
    group.finish();
}

fn match_a_topic(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("match a topic");
    for count in [1, 1_000, 100_000] {
        let tree = tree_of(&filters(count));
        let topics: Vec<_> = (0..count.div_ceil(10).min(4_096))
            .map(|service| format!("msg/frontend/service-{}/method-5", service * 7919 % count.div_ceil(10)))
            .collect();
        group.bench_function(BenchmarkId::new("among", count), |bencher| {
            let mut turn = 0;
            bencher.iter(|| {
                turn = (turn + 1) % topics.len();
                let mut found = 0;
                tree.matches(black_box(&topics[turn]), |_, _| found += 1);
                found
            });
        });
    }
    group.finish();
}

fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fan out");
    group.throughput(Throughput::Elements(5_000));
    let mut one = FilterTree::new();
    let mut many = FilterTree::new();
    for key in 0..5_000u32 {
        one.insert("msg/frontend/news/#", key, [u64::from(key); 2]);
        many.insert(if key % 2 == 0 { "msg/frontend/news/#" } else { "msg/+/news/today" }, key, [1; 2]);
    }
    for (name, tree) in [("to 5,000 of one filter", &one), ("to 5,000 of two filters", &many)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut sum = 0;
                tree.matches(black_box("msg/frontend/news/today"), |key, value: &[u64; 2]| {
                    sum += u64::from(*key) ^ value[0];
                });
                sum
            });
        });
    }
    group.finish();
}

fn through_rumqttd(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("through rumqttd");
    let (sender, arrivals) = mpsc::channel();
    let deliver = move |_: skep::bus::Delivery<'_>| {
        let _ = sender.send(Instant::now());
    };
    let hub = Hub::start("bench", &Topics::default(), deliver).expect("the settings are the defaults");
    hub.subscribe("msg/frontend/news/#").expect("the router takes it");
    let publish = |payload: &[u8]| {
        while hub.publish("msg/frontend/news/today", b"", payload, 0, 0).is_err() {
            std::thread::yield_now();
        }
    };
    group.bench_function("one hop", |bencher| {
        bencher.iter_custom(|turns| {
            let hop = || {
                let start = Instant::now();
                publish(&[0; 64]);
                arrivals.recv().expect("the hub lives") - start
            };
            (0..turns).map(|_| hop()).sum::<Duration>()
        });
    });
    const BURST: usize = 5_000;
    group.throughput(Throughput::Elements(BURST as u64));
    for bytes in [64, 1024] {
        group.bench_function(BenchmarkId::new("5,000 messages at once, bytes each:", bytes), |bencher| {
            let payload = vec![0; bytes];
            bencher.iter(|| {
                let lost = hub.lost();
                (0..BURST).for_each(|_| publish(&payload));
                assert!(arrivals.iter().take(BURST).count() == BURST && hub.lost() == lost);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, insert_and_remove, match_a_topic, fan_out, through_rumqttd);
criterion_main!(benches);
