//! Allocations that a routed call makes on skep's threads, counted:
//! `cargo bench --bench allocations`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use skep::{Kind, Skep, bus};

#[path = "../tests/support/mod.rs"]
mod support;

use support::{Client, Login, Message, client};

/// The system's allocator, with a count of what skep's threads ask it for.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: everything is handed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTED.try_with(Cell::get).unwrap_or(false) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
            BYTES.fetch_add(layout.size() as u64, Ordering::Relaxed);
        }
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CALLS: u64 = 20_000;

fn main() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    skep::tune(builder.worker_threads(1).enable_all());
    builder.on_thread_start(|| {
        bus::allow_putting_off();
        COUNTED.set(true);
    });
    let runtime = builder.build().expect("a runtime");
    let skep = runtime.block_on(Skep::start(support::settings(&data))).expect("skep starts");
    let address = |kind| skep.listeners().iter().find(|listener| listener.kind == kind).expect("a listener").address;

    let login = Login::new("bench_worker_0001").user("backend", "def456").receive_maximum(1);
    let mut worker = Client::connect(address(Kind::Backend), login);
    worker.subscribe("$share/BKPR/req/backend/bench", 1);
    thread::spawn(move || {
        while let Some(request) = worker.message_within(support::PATIENCE) {
            let topic = request.response_topic.clone().expect("a response topic");
            let response = Message::new(&topic, &request.payload).with("addr", request.get("addr").expect("addr"));
            let puback = client::packet(client::PUBACK << 4, &request.packet_id.to_be_bytes());
            worker.send(&[response.packet(5), puback].concat());
        }
    });
    let caller = support::id("caller");
    let mut user = Client::connect(address(Kind::Frontend), Login::new(&caller).user("frontend", "abc123"));
    user.subscribe(&format!("priv/{caller}"), 0);
    let request = Message::new("req/backend-1", r#"{"jsonrpc":"2.0","id":1,"method":"bench.echo","params":"x"}"#)
        .respond_to(&format!("priv/{caller}"))
        .with("fwd_to", "req/backend/bench")
        .packet(5);
    let mut call = || {
        user.send(&request);
        user.message();
    };
    (0..1_000).for_each(|_| call());
    let before = (ALLOCATIONS.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed));
    (0..CALLS).for_each(|_| call());
    let per_call = |now: u64, before: u64| (now - before) as f64 / CALLS as f64;
    println!(
        "a routed call: {:.1} allocations, {:.0} bytes",
        per_call(ALLOCATIONS.load(Ordering::Relaxed), before.0),
        per_call(BYTES.load(Ordering::Relaxed), before.1)
    );
    runtime.block_on(skep.stop());
}
