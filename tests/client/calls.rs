//! Calls, from a frontend and on a backend.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};
use skep::client::{CallError, Client, ConnectError, Options, RpcError, Serving, Worker};
use tokio::sync::mpsc;

use crate::stage::{backend, code, connect, frontend, start, until, with_settings, with_skep};
use crate::support::client::PUBACK;
use crate::support::rpc::{json_of, service};
use crate::support::{Instance, Message};

async fn worker(skep: &Instance, concurrency: u16) -> Serving {
    let worker = Worker::new(backend(skep))
        .concurrency(concurrency)
        .serve("test", "uc", |_, text: String| async move { Ok(text.to_uppercase()) })
        .serve("test", "fail", |_, _: Value| async { Err::<(), _>(RpcError::new(-401, "Not logged in")) })
        .serve("test", "repeat", |_, (text, n): (String, usize)| async move { Ok(text.repeat(n)) });
    start(worker).await
}

#[test]
fn a_call_gets_its_result_or_the_error_that_the_service_gave() {
    with_skep(async |skep| {
        let serving = worker(skep, 1).await;
        for options in [frontend(skep), backend(skep)] {
            let client = connect(options).await;
            assert_eq!(client.call::<_, String>("test.uc", "hello").await.unwrap(), "HELLO");
            assert_eq!(code(&client, "test.fail", json!({})).await, RpcError::NOT_LOGGED_IN);
            assert_eq!(code(&client, "test.uc", json!({ "not": "a string" })).await, RpcError::INVALID_PARAMS);
            assert_eq!(code(&client, "test.nothing", ()).await, RpcError::METHOD_NOT_FOUND);
            assert_eq!(code(&client, "nobody.here", ()).await, RpcError::METHOD_NOT_AVAILABLE);
            for bad in ["no-dot", "a.", "a/b.c", "a.#", ""] {
                assert!(matches!(client.call::<_, Value>(bad, ()).await, Err(CallError::Method(_))), "{bad}");
            }
            assert!(matches!(client.call::<_, u32>("test.uc", "x").await, Err(CallError::Result(_))));
        }
        serving.stop().await;
    });
}

#[test]
fn calls_go_over_websocket_too_and_many_at_once() {
    with_skep(async |skep| {
        let _serving = worker(skep, 8).await;
        let address = skep.address(skep::Kind::Frontend, skep::bus::Transport::Ws);
        let options = Options::frontend(&format!("ws://frontend:abc123@{address}/mqtt")).unwrap();
        let client = connect(options).await;
        let calls: Vec<_> = (0..1000)
            .map(|n| {
                let client = client.clone();
                tokio::spawn(async move { client.call::<_, String>("test.uc", format!("call-{n}")).await.unwrap() })
            })
            .collect();
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await.unwrap(), format!("CALL-{n}"));
        }
    });
}

#[test]
fn who_is_not_let_in_is_told_why() {
    with_skep(async |skep| {
        let refused = Client::connect(frontend(skep).login("frontend", "wrong")).await.err().unwrap();
        assert!(matches!(refused, ConnectError::Refused(_)), "{refused}");
        let nobody = Options::frontend("mqtt://127.0.0.1:1").unwrap();
        assert!(matches!(Client::connect(nobody).await, Err(ConnectError::Failed(_))));
        let bad_id = Client::connect(frontend(skep).client_id("short")).await;
        assert!(matches!(bad_id, Err(ConnectError::ClientId(_))));
        // A worker has no business on a frontend.
        let denied = Worker::new(frontend(skep)).serve("a", "b", |_, ()| async { Ok(()) }).start().await;
        assert!(
            matches!(denied.err(), Some(ConnectError::NotAllowed(filter)) if filter == "$share/BKPR/req/backend/a")
        );
        // Somebody who listens, but says nothing.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let options = Options::frontend(&format!("mqtt://{}", silent.local_addr().unwrap())).unwrap();
        let time = Duration::from_millis(100);
        assert_eq!(Client::connect(options.connect_timeout(time)).await.err(), Some(ConnectError::Timeout(time)));
    });
}

#[test]
fn a_call_times_out_and_is_then_begun_by_nobody() {
    with_skep(async |skep| {
        let client = connect(frontend(skep)).await;
        let (begun, mut begins) = mpsc::unbounded_channel();
        let slow = Worker::new(backend(skep)).serve("test", "slow", move |_, n: u32| {
            begun.send(n).unwrap();
            async move {
                tokio::time::sleep(Duration::from_millis(1500)).await;
                Ok(n)
            }
        });
        let _serving = start(slow).await;
        let first = tokio::spawn({
            let client = client.clone();
            async move { client.call::<_, u32>("test.slow", 1).await.unwrap() }
        });
        assert_eq!(begins.recv().await, Some(1));
        let time = Duration::from_millis(500);
        let second = client.call_within::<_, u32>(time, "test.slow", 2).await;
        assert!(matches!(second, Err(CallError::Timeout(waited)) if waited == time));
        assert_eq!(first.await.unwrap(), 1);
        assert_eq!(client.call::<_, u32>("test.slow", 3).await.unwrap(), 3);
        assert_eq!(begins.recv().await, Some(3), "the second expired in the queue");
    });
}

#[test]
fn a_compressed_response_is_read() {
    with_skep(async |skep| {
        let mut silent = skep.worker("silent");
        silent.subscribe(&service("test"), 1);
        let client = connect(frontend(skep)).await;
        let call = tokio::spawn(async move { client.call::<_, String>("test.x", ()).await });
        let request = tokio::task::block_in_place(|| silent.message());
        assert!(json_of(&request).get("params").is_none(), "no parameters are left out");
        let id = json_of(&request)["id"].clone();
        let mut deflated = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        deflated.write_all(json!({ "jsonrpc": "2.0", "result": "small", "id": id }).to_string().as_bytes()).unwrap();
        let response = Message::new("res/frontend-1-1", deflated.finish().unwrap());
        let topic = request.response_topic.clone().unwrap();
        silent.publish(Message { topic, ..response }.with("addr", request.get("addr").unwrap()));
        silent.ack(PUBACK, request.packet_id);
        assert_eq!(call.await.unwrap().unwrap(), "small");
    });
}

#[test]
fn a_call_that_the_bus_refuses_fails_at_once() {
    let change = |config: &mut skep::config::Config| {
        let users = &mut config.frontend.get_mut("frontend-1").unwrap().users;
        users.get_mut("frontend").unwrap().publish = Vec::new();
    };
    with_settings(change, async |skep| {
        let client = connect(frontend(skep)).await;
        let refused = client.call::<_, Value>("test.uc", "x").await;
        assert!(matches!(&refused, Err(CallError::Refused(why)) if why == "not authorized"), "{refused:?}");
        assert!(matches!(client.fire("test.uc", "x").await, Err(CallError::Refused(_))));
    });
}

#[test]
fn a_call_to_a_backend_that_is_not_there_fails_at_once() {
    with_skep(async |skep| {
        let client = connect(frontend(skep).backend_role("elsewhere")).await;
        assert_eq!(code(&client, "test.uc", "x").await, RpcError::METHOD_NOT_AVAILABLE);
    });
}

#[test]
fn a_message_that_is_too_large_is_an_error_and_harms_nothing_else() {
    let change = |config: &mut skep::config::Config| {
        config.backend.get_mut("backend-1").unwrap().connections.max_payload_size = 1024 * 1024;
    };
    with_settings(change, async |skep| {
        let _serving = worker(skep, 2).await;
        let client = connect(frontend(skep)).await;
        let other = client.clone();
        let meanwhile = tokio::spawn(async move { other.call::<_, String>("test.uc", "meanwhile").await });
        let large = client.call::<_, Value>("test.uc", "x".repeat(300 * 1024)).await;
        assert!(matches!(large, Err(CallError::TooLarge { max: 262_144, .. })), "{large:?}");
        // A result that the worker's bus does not take.
        assert_eq!(code(&client, "test.repeat", ("x", 2 * 1024 * 1024)).await, RpcError::SERVER_ERROR);
        assert_eq!(meanwhile.await.unwrap().unwrap(), "MEANWHILE");
        // Larger than what rumqttc takes unless told otherwise.
        let long: String = client.call("test.repeat", ("x", 500_000)).await.unwrap();
        assert_eq!(long.len(), 500_000);
    });
}

#[test]
fn a_request_without_an_answer_is_done() {
    with_skep(async |skep| {
        let (done, mut jobs) = mpsc::unbounded_channel();
        let worker = Worker::new(backend(skep)).serve("test", "do", move |request, n: u32| {
            done.send((request.id, n)).unwrap();
            async { Ok(()) }
        });
        let _serving = start(worker).await;
        for options in [frontend(skep), backend(skep)] {
            connect(options).await.fire("test.do", 7).await.unwrap();
            assert_eq!(jobs.recv().await, Some((None, 7)));
        }
    });
}

#[test]
fn a_client_leaves_with_its_last_clone_or_when_told_to() {
    with_skep(async |skep| {
        let sessions = || skep.skep().frontends()[0].sessions();
        let client = connect(frontend(skep)).await;
        let clone = client.clone();
        let mut notifications = client.private_notifications();
        drop(client);
        assert!(clone.is_connected());
        clone.close().await;
        assert!(!clone.is_connected());
        assert!(matches!(clone.fire("a.b", ()).await, Err(CallError::Ended(ConnectError::Closed))));
        assert_eq!(notifications.recv().await, None);
        until("a client that was closed is gone", || sessions() == 0).await;

        drop(connect(frontend(skep)).await);
        until("a client that was dropped is gone", || sessions() == 0).await;
    });
}
