//! What becomes of calls, listening and work when a connection is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use skep::Kind;
use skep::client::{CallError, ConnectError, RpcError, Worker};
use tokio::sync::{Semaphore, mpsc};

use crate::relay::Relay;
use crate::stage::{backend, backend_at, code, connect, frontend, frontend_at, start, until, with_skep};
use crate::support::{Instance, settings};

#[test]
fn a_call_that_was_sent_fails_and_is_not_repeated() {
    with_skep(async |skep| {
        let relay = Relay::to(skep.frontend()).await;
        let (begun, mut begins) = mpsc::unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let pass = Arc::clone(&gate);
        let worker = Worker::new(backend(skep)).concurrency(2).serve("test", "wait", move |_, n: u32| {
            let pass = Arc::clone(&pass);
            begun.send(n).unwrap();
            async move {
                pass.acquire().await.unwrap().forget();
                Ok(n)
            }
        });
        let _serving = start(worker).await;
        let client = connect(frontend_at(&relay.address())).await;
        let in_flight = tokio::spawn({
            let client = client.clone();
            async move { client.call::<_, u32>("test.wait", 1).await }
        });
        assert_eq!(begins.recv().await, Some(1));
        relay.cut();
        let failed = in_flight.await.unwrap();
        assert!(matches!(failed, Err(CallError::ConnectionLost)), "{failed:?}");
        gate.add_permits(2);
        assert_eq!(client.call::<_, u32>("test.wait", 2).await.unwrap(), 2);
        assert_eq!(begins.recv().await, Some(2));
        assert!(begins.try_recv().is_err());
    });
}

#[test]
fn calls_made_while_the_connection_is_down_wait_for_the_next_one() {
    with_skep(async |skep| {
        let relay = Relay::to(skep.frontend()).await;
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        let worker = Worker::new(backend(skep)).concurrency(8).serve("test", "twice", move |_, n: u32| {
            counter.fetch_add(1, Ordering::Relaxed);
            async move { Ok(2 * n) }
        });
        let _serving = start(worker).await;
        let client = connect(frontend_at(&relay.address())).await;
        relay.shut();
        until("the loss is noticed", || !client.is_connected()).await;
        // More than fit into any queue.
        let calls: Vec<_> = (0..1000)
            .map(|n| {
                let client = client.clone();
                tokio::spawn(async move { client.call::<_, u32>("test.twice", n).await })
            })
            .collect();
        let time = Duration::from_millis(50);
        let impatient = client.call_within::<_, u32>(time, "test.twice", 0).await;
        assert!(matches!(impatient, Err(CallError::Timeout(_))), "{impatient:?}");
        relay.open();
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await.unwrap().unwrap(), 2 * n as u32);
        }
        assert_eq!(count.load(Ordering::Relaxed), 1000, "the one that was given up was never sent");
    });
}

#[test]
fn calls_amid_many_losses_are_answered_or_fail_and_never_served_twice() {
    with_skep(async |skep| {
        let relay = Relay::to(skep.frontend()).await;
        let served = Arc::new((0..2000).map(|_| AtomicUsize::new(0)).collect::<Vec<_>>());
        let counts = Arc::clone(&served);
        let worker = Worker::new(backend(skep)).concurrency(16).serve("test", "count", move |_, n: usize| {
            counts[n].fetch_add(1, Ordering::Relaxed);
            async move { Ok(n) }
        });
        let _serving = start(worker).await;
        let client = connect(frontend_at(&relay.address())).await;
        let answered = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..20)
            .map(|caller| {
                let (client, answered) = (client.clone(), Arc::clone(&answered));
                tokio::spawn(async move {
                    let mut lost = 0;
                    for n in 100 * caller..100 * (caller + 1) {
                        match client.call::<_, usize>("test.count", n).await {
                            Ok(answer) => {
                                assert_eq!(answer, n);
                                answered.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(CallError::ConnectionLost) => lost += 1,
                            Err(other) => panic!("{other}"),
                        }
                    }
                    lost
                })
            })
            .collect();
        for n in 1..=5 {
            until("more calls are answered", || answered.load(Ordering::Relaxed) >= n * 300).await;
            relay.cut();
        }
        let mut lost = 0;
        for caller in callers {
            lost += caller.await.unwrap();
        }
        assert!(lost <= 5 * 20, "each loss takes at most what each caller has in flight: {lost}");
        assert_eq!(answered.load(Ordering::Relaxed) + lost, 2000);
        assert!(served.iter().all(|count| count.load(Ordering::Relaxed) <= 1));
    });
}

#[test]
fn listening_goes_on_after_a_loss() {
    with_skep(async |skep| {
        let relay = Relay::to(skep.frontend()).await;
        let client = connect(frontend_at(&relay.address())).await;
        let mut all = client.listen("*").await.unwrap();
        let mut news = client.listen("news.*").await.unwrap();
        let sender = connect(backend(skep)).await;
        for n in 0..3 {
            relay.interrupt(&[&client]).await;
            until("the connection is back", || client.is_connected()).await;
            sender.broadcast("news.item", n).await.unwrap();
            assert_eq!(all.recv().await.unwrap().params, n);
            assert_eq!(news.recv().await.unwrap().params, n);
        }
    });
}

#[test]
fn a_worker_that_lost_its_connection_answers_and_acknowledges_only_what_came_by_the_new_one() {
    with_skep(async |skep| {
        let relay = Relay::to(skep.backend()).await;
        let (begun, mut begins) = mpsc::unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let pass = Arc::clone(&gate);
        let worker = Worker::new(backend_at(&relay.address())).serve("test", "wait", move |request, n: u32| {
            let pass = Arc::clone(&pass);
            begun.send((n, request.redelivered)).unwrap();
            async move {
                pass.acquire().await.unwrap().forget();
                Ok((n, request.redelivered))
            }
        });
        let serving = start(worker).await;
        let client = connect(frontend(skep)).await;
        let call = |n: u32| {
            let client = client.clone();
            tokio::spawn(async move { client.call::<_, (u32, bool)>("test.wait", n).await })
        };
        let first = call(1);
        assert_eq!(begins.recv().await, Some((1, false)));
        relay.interrupt(&[serving.client()]).await;
        until("the worker is back", || serving.client().is_connected()).await;
        // The same request, by the same packet id: had the first handler's
        // acknowledgement gone out, the request would be lost.
        gate.add_permits(1);
        assert_eq!(begins.recv().await, Some((1, true)), "one at a time, the old one included");
        let second = call(2);
        gate.add_permits(2);
        assert_eq!(first.await.unwrap().unwrap(), (1, true));
        assert_eq!(second.await.unwrap().unwrap(), (2, false));
        serving.stop().await;
    });
}

#[test]
fn a_worker_can_stop_while_its_connection_is_down() {
    with_skep(async |skep| {
        let relay = Relay::to(skep.backend()).await;
        let worker = Worker::new(backend_at(&relay.address())).serve("test", "do", |_, ()| async { Ok(()) });
        let serving = start(worker).await;
        relay.shut();
        until("the loss is noticed", || !serving.client().is_connected()).await;
        serving.stop().await;
    });
}

#[test]
fn who_is_taken_over_does_not_fight_back() {
    with_skep(async |skep| {
        let options = frontend(skep);
        let first = connect(options.clone()).await;
        let mut notifications = first.private_notifications();
        let second = connect(options).await;
        assert_eq!(notifications.recv().await, None);
        let failed = first.fire("a.b", ()).await;
        assert!(matches!(failed, Err(CallError::Ended(ConnectError::TakenOver))), "{failed:?}");
        assert!(second.is_connected());

        let worker = || Worker::new(backend(skep).client_id("w1")).serve("test", "do", |_, ()| async { Ok(()) });
        let first = start(worker()).await;
        let second = start(worker()).await;
        assert_eq!(first.ended().await, ConnectError::TakenOver);
        first.stop().await;
        assert!(second.client().is_connected());
    });
}

#[test]
fn a_bus_that_starts_again_finds_everybody_back() {
    let next = Instance::start();
    with_skep(async |skep| {
        // What makes the port the same, as it is of a bus that starts again.
        let relay = Relay::to(skep.backend()).await;
        let client = connect(backend_at(&relay.address())).await;
        let worker = Worker::new(backend_at(&relay.address())).serve("test", "do", |_, n: u32| async move { Ok(n) });
        let serving = start(worker).await;
        assert_eq!(client.call::<_, u32>("test.do", 1).await.unwrap(), 1);
        relay.turn_to(next.backend());
        relay.interrupt(&[&client, serving.client()]).await;
        assert_eq!(client.call::<_, u32>("test.do", 2).await.unwrap(), 2);
        assert_eq!(next.skep().backends()[0].sessions(), 2);
        serving.stop().await;
    });
}

#[test]
fn a_call_in_flight_is_answered_while_the_bus_stops() {
    let data = tempfile::tempdir().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut config = settings(&data);
        config.router.shutdown_wait_ms = 10_000;
        let skep = skep::Skep::start(config).await.unwrap();
        let url = |kind| skep.listeners().iter().find(|bound| bound.kind == kind).unwrap().address.to_string();
        let (begun, mut begins) = mpsc::unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let pass = Arc::clone(&gate);
        let worker =
            Worker::new(backend_at(&url(Kind::Backend))).concurrency(20).serve("test", "wait", move |_, n: u32| {
                let pass = Arc::clone(&pass);
                begun.send(n).unwrap();
                async move {
                    pass.acquire().await.unwrap().forget();
                    Ok(n)
                }
            });
        let serving = start(worker).await;
        let client = connect(frontend_at(&url(Kind::Frontend))).await;
        let calls: Vec<_> = (0..20)
            .map(|n| {
                let client = client.clone();
                tokio::spawn(async move { client.call::<_, u32>("test.wait", n).await })
            })
            .collect();
        for _ in 0..20 {
            begins.recv().await.unwrap();
        }
        let stopping = tokio::spawn(skep.stop());
        // Its own words for it, as soon as it stops.
        while code(&client, "nobody.here", ()).await != RpcError::SERVER_ERROR {}
        gate.add_permits(20);
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await.unwrap().unwrap(), n as u32);
        }
        stopping.await.unwrap();
        until("both have noticed", || !client.is_connected() && !serving.client().is_connected()).await;
    });
}
