//! Workers: how much at once, how they stop, what they make of bad requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use skep::client::{CallError, ConnectError, RpcError, Serving, Worker};
use tokio::sync::{Semaphore, mpsc};

use crate::stage::{backend, code, connect, frontend, start, with_skep};
use crate::support::rpc::json_of;
use crate::support::{Instance, Message};

/// A worker whose handlers each wait for a permit, and tell when they begin.
async fn gated(skep: &Instance, concurrency: u16) -> (Serving, Arc<Semaphore>, mpsc::UnboundedReceiver<u32>) {
    let gate = Arc::new(Semaphore::new(0));
    let (begun, begins) = mpsc::unbounded_channel();
    let pass = Arc::clone(&gate);
    let worker = Worker::new(backend(skep)).concurrency(concurrency).serve("test", "wait", move |_, n: u32| {
        let pass = Arc::clone(&pass);
        begun.send(n).unwrap();
        async move {
            pass.acquire().await.unwrap().forget();
            Ok(n)
        }
    });
    (start(worker).await, gate, begins)
}

#[test]
fn as_many_requests_are_worked_on_at_once_as_were_asked_for() {
    with_skep(async |skep| {
        let (_serving, gate, mut begins) = gated(skep, 3).await;
        let client = connect(frontend(skep)).await;
        let calls: Vec<_> = (0..5)
            .map(|n| {
                let client = client.clone();
                tokio::spawn(async move { client.call::<_, u32>("test.wait", n).await.unwrap() })
            })
            .collect();
        for _ in 0..3 {
            begins.recv().await.unwrap();
        }
        // All five have been taken by the bus when this has been answered.
        assert_eq!(code(&client, "nobody.here", ()).await, RpcError::METHOD_NOT_AVAILABLE);
        assert!(begins.try_recv().is_err());
        gate.add_permits(1);
        begins.recv().await.unwrap();
        gate.add_permits(4);
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await.unwrap(), n as u32);
        }
    });
}

#[test]
fn a_worker_that_stops_finishes_what_it_holds_and_leaves_the_rest() {
    with_skep(async |skep| {
        let (serving, gate, mut begins) = gated(skep, 2).await;
        let client = connect(frontend(skep)).await;
        let call = |n: u32| {
            let client = client.clone();
            tokio::spawn(async move { client.call::<_, u32>("test.wait", n).await })
        };
        let held = [call(0), call(1)];
        for _ in 0..2 {
            begins.recv().await.unwrap();
        }
        let waiting = call(2);
        // Seen by the bus, as it answers after it.
        assert_eq!(code(&client, "nobody.here", ()).await, RpcError::METHOD_NOT_AVAILABLE);
        let stopping = tokio::spawn(serving.stop());
        // Nobody serves it any more: the bus has taken the leave.
        assert!(
            matches!(waiting.await.unwrap(), Err(CallError::Rpc(error)) if error.code == RpcError::METHOD_NOT_AVAILABLE)
        );
        assert!(!stopping.is_finished());
        gate.add_permits(9);
        for (n, call) in held.into_iter().enumerate() {
            assert_eq!(call.await.unwrap().unwrap(), n as u32);
        }
        stopping.await.unwrap();
        assert_eq!(begins.recv().await, None, "nothing else was begun");
    });
}

#[test]
fn no_call_is_lost_while_workers_come_and_go() {
    with_skep(async |skep| {
        let done = Arc::new(AtomicUsize::new(0));
        let hire = async || {
            let done = Arc::clone(&done);
            start(Worker::new(backend(skep)).concurrency(4).serve("test", "twice", move |_, n: u32| {
                done.fetch_add(1, Ordering::Relaxed);
                async move {
                    tokio::time::sleep(Duration::from_millis(n as u64 % 5)).await;
                    Ok(2 * n)
                }
            }))
            .await
        };
        let mut first = hire().await;
        let client = connect(frontend(skep)).await;
        let calls: Vec<_> = (0..600)
            .map(|n| {
                let client = client.clone();
                tokio::spawn(async move { client.call::<_, u32>("test.twice", n).await })
            })
            .collect();
        for _ in 0..10 {
            let second = hire().await;
            std::mem::replace(&mut first, second).stop().await;
        }
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await.unwrap().unwrap(), 2 * n as u32);
        }
        assert_eq!(done.load(Ordering::Relaxed), 600, "a worker that leaves in peace makes nobody do its work again");
    });
}

#[test]
fn a_panic_ends_one_request_and_nothing_else() {
    with_skep(async |skep| {
        let worker = Worker::new(backend(skep))
            .serve("test", "echo", |_, params: Value| async { Ok(params) })
            .serve("test", "later", |_, panics: bool| async move {
                tokio::task::yield_now().await;
                assert!(!panics, "on purpose");
                Ok(())
            })
            .serve("test", "at_once", |_, panics: bool| {
                assert!(!panics, "on purpose");
                async { Ok(()) }
            });
        let _serving = start(worker).await;
        let client = connect(backend(skep)).await;
        for method in ["test.later", "test.at_once"] {
            assert_eq!(code(&client, method, true).await, RpcError::INTERNAL_ERROR);
            client.call::<_, ()>(method, false).await.unwrap();
        }
        for params in [json!(null), json!([1, "x"]), json!({ "a": { "b": null } })] {
            assert_eq!(client.call::<_, Value>("test.echo", &params).await.unwrap(), params);
        }
    });
}

#[test]
fn what_is_no_request_is_answered_with_what_is_wrong_and_done_with() {
    with_skep(async |skep| {
        let _serving =
            start(Worker::new(backend(skep)).serve("test", "echo", |_, params: Value| async { Ok(params) })).await;
        tokio::task::block_in_place(|| {
            let mut caller = skep.worker("caller");
            caller.subscribe("priv/caller", 0);
            let mut send = |payload: &str| {
                caller.publish(Message::new("req/backend/test", payload).respond_to("priv/caller"));
                json_of(&caller.message())
            };
            let code = |response: &Value| (response["id"].clone(), response["error"]["code"].clone());
            assert_eq!(code(&send("no json")), (Value::Null, json!(RpcError::PARSE_ERROR)));
            assert_eq!(code(&send("[]")), (Value::Null, json!(RpcError::INVALID_REQUEST)));
            assert_eq!(code(&send(r#"{"id":"x"}"#)), (json!("x"), json!(RpcError::INVALID_REQUEST)));
            let good = send(r#"{"jsonrpc":"2.0","id":"any","method":"test.echo","params":[1]}"#);
            assert_eq!(good, json!({ "jsonrpc": "2.0", "id": "any", "result": [1] }));
            // Nowhere to answer, or nowhere that exists.
            caller.publish(Message::new("req/backend/test", "no json"));
            caller.publish(Message::new("req/backend/test", r#"{"id":1,"method":"test.echo"}"#));
            caller.publish(Message::new("req/backend/test", r#"{"id":1,"method":"test.echo"}"#).respond_to("nowhere"));
            let good = r#"{"id":2,"method":"test.echo"}"#;
            caller.publish(Message::new("req/backend/test", good).respond_to("priv/caller"));
            assert_eq!(json_of(&caller.message())["id"], 2);
        });
    });
}

#[test]
fn a_name_that_cannot_be_is_refused_before_anything_is_served() {
    with_skep(async |skep| {
        let worker = Worker::new(backend(skep)).serve("a/b", "c", |_, ()| async { Ok(()) });
        assert_eq!(worker.start().await.err(), Some(ConnectError::Method("a/b.c".into())));
    });
}

#[test]
fn methods_without_a_handler_of_their_own_go_to_the_one_for_the_rest() {
    with_skep(async |skep| {
        let worker = Worker::new(backend(skep))
            .serve_rest("test", |request, _: Value| async move { Ok(request.method) })
            .serve("test", "own", |_, ()| async { Ok("own") });
        let _serving = start(worker).await;
        let client = connect(frontend(skep)).await;
        for (method, answer) in [("test.own", "own"), ("test.any", "test.any"), ("test.other", "test.other")] {
            assert_eq!(client.call::<_, String>(method, ()).await.unwrap(), answer);
        }
        assert_eq!(code(&client, "test.below.any", ()).await, RpcError::METHOD_NOT_AVAILABLE, "another service");
        for bad in ["", "a..b", "a/b", "a.*"] {
            let worker = Worker::new(backend(skep)).serve_rest(bad, |_, ()| async { Ok(()) });
            assert!(matches!(worker.start().await, Err(ConnectError::Method(_))), "{bad}");
        }
    });
}
