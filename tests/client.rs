//! `skep::client`, on rumqttc, against a real skep.

mod support;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use skep::client::{CallError, Client, ConnectError, Options, RpcError, Worker};
use support::client::PUBACK;
use support::rpc::service;
use support::{Instance, Message};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

fn backend(skep: &Instance) -> Options {
    Options::backend(&format!("mqtt://{}", skep.backend())).unwrap().login("backend", "def456")
}

fn frontend(skep: &Instance) -> Options {
    Options::frontend(&format!("mqtt://{}", skep.frontend())).unwrap().login("frontend", "abc123")
}

/// A worker at work, until told to stop.
struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), ConnectError>>,
}

impl Running {
    fn new(worker: Worker) -> Running {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(worker.run(async { stopped.await.unwrap_or_default() }));
        Running { stop, task }
    }

    async fn stop(self) {
        self.stop.send(()).expect("it runs");
        self.task.await.expect("no panic").expect("it was connected");
    }
}

fn worker(skep: &Instance) -> Worker {
    Worker::new(backend(skep))
        .serve("test", "uc", |_, text: String| async move { Ok(text.to_uppercase()) })
        .serve("test", "who", |request, ()| async move { Ok(request.caller_addr) })
        .serve("test", "fail", |_, _: Value| async { Err::<(), _>(RpcError::new(-401, "Not logged in")) })
        .serve("test", "panic", |_, _: Value| async { if true { panic!("on purpose") } else { Ok(()) } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_gets_its_result_or_the_error_that_the_service_gave() {
    let skep = tokio::task::block_in_place(Instance::start);
    let running = Running::new(worker(&skep));
    for options in [frontend(&skep), backend(&skep)] {
        let client = Client::connect(options).await.unwrap();
        assert_eq!(client.call::<_, String>("test.uc", "hello").await.unwrap(), "HELLO");
        let code = async |method: &str, params: Value| match client.call::<_, Value>(method, params).await {
            Err(CallError::Rpc(error)) => error.code,
            other => panic!("{method}: {other:?}"),
        };
        assert_eq!(code("test.fail", json!({})).await, RpcError::NOT_LOGGED_IN);
        assert_eq!(code("test.panic", json!({})).await, RpcError::INTERNAL_ERROR);
        assert_eq!(code("test.uc", json!({ "not": "a string" })).await, RpcError::INVALID_PARAMS);
        assert_eq!(code("test.nothing", json!({})).await, RpcError::METHOD_NOT_FOUND);
        assert_eq!(code("nobody.here", json!({})).await, RpcError::METHOD_NOT_AVAILABLE);
        assert!(matches!(client.call::<_, Value>("no-dot", ()).await, Err(CallError::Method(_))));
        assert!(matches!(client.call::<_, u32>("test.uc", "x").await, Err(CallError::Result(_))));
    }
    running.stop().await;
    tokio::task::block_in_place(|| drop(skep));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_over_websocket_too_and_many_at_once() {
    let skep = tokio::task::block_in_place(Instance::start);
    let running = Running::new(worker(&skep).concurrency(8));
    let address = skep.address(skep::Kind::Frontend, skep::bus::Transport::Ws);
    let options = Options::frontend(&format!("ws://{address}/mqtt")).unwrap().login("frontend", "abc123");
    let client = Client::connect(options).await.unwrap();
    let calls: Vec<_> = (0..100)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move { client.call::<_, String>("test.uc", format!("call-{n}")).await.unwrap() })
        })
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap(), format!("CALL-{n}"));
    }
    running.stop().await;
    tokio::task::block_in_place(|| drop(skep));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_is_told_why() {
    let skep = tokio::task::block_in_place(Instance::start);
    let refused = Client::connect(frontend(&skep).login("frontend", "wrong")).await.err().unwrap();
    assert!(matches!(refused, ConnectError::Refused(_)), "{refused}");
    let nobody = Options::frontend("mqtt://127.0.0.1:1").unwrap();
    assert!(matches!(Client::connect(nobody).await, Err(ConnectError::Failed(_))));
    let denied = Worker::new(frontend(&skep)).serve("a", "b", |_, ()| async { Ok(()) });
    assert!(matches!(denied.run(std::future::pending()).await, Err(ConnectError::NotAllowed(_))));
    tokio::task::block_in_place(|| drop(skep));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_finishes_what_it_has_and_leaves_the_rest() {
    let skep = tokio::task::block_in_place(Instance::start);
    let begun = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&begun);
    let slow = Worker::new(backend(&skep)).serve("test", "slow", move |_, n: u32| {
        counter.fetch_add(1, Ordering::Relaxed);
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok(n)
        }
    });
    let running = Running::new(slow);
    let client = Client::connect(frontend(&skep)).await.unwrap();
    let call = |n: u32| {
        let client = client.clone();
        tokio::spawn(async move { client.call::<_, u32>("test.slow", n).await })
    };
    let first = call(1);
    while begun.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let second = call(2);
    running.stop().await;
    assert_eq!(first.await.unwrap().unwrap(), 1);
    // Nobody serves it any more.
    assert!(
        matches!(second.await.unwrap(), Err(CallError::Rpc(error)) if error.code == RpcError::METHOD_NOT_AVAILABLE)
    );
    assert_eq!(begun.load(Ordering::Relaxed), 1);
    tokio::task::block_in_place(|| drop(skep));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_times_out_and_a_compressed_response_is_read() {
    let skep = tokio::task::block_in_place(Instance::start);
    let mut silent = skep.worker("silent");
    silent.subscribe(&service("test"), 1);
    let client = Client::connect(frontend(&skep)).await.unwrap();
    let time = Duration::from_millis(200);
    let called = client.call_within::<_, Value>(time, "test.x", ()).await;
    assert!(matches!(called, Err(CallError::Timeout(waited)) if waited == time));

    let request = silent.message();
    silent.ack(PUBACK, request.packet_id);
    let other = client.clone();
    let call = tokio::spawn(async move { other.call::<_, String>("test.x", ()).await });
    let request = silent.message();
    assert!(support::rpc::json_of(&request).get("params").is_none(), "no parameters are left out");
    let id = support::rpc::json_of(&request)["id"].clone();
    let mut deflated = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    deflated.write_all(json!({ "jsonrpc": "2.0", "result": "small", "id": id }).to_string().as_bytes()).unwrap();
    let response = Message::new("res/frontend-1-1", deflated.finish().unwrap());
    let topic = request.response_topic.clone().unwrap();
    silent.publish(Message { topic, ..response }.with("addr", request.get("addr").unwrap()));
    silent.ack(PUBACK, request.packet_id);
    assert_eq!(call.await.unwrap().unwrap(), "small");
    tokio::task::block_in_place(|| drop(skep));
}
