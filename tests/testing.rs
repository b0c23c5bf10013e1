//! `skep::testing`: an instance inside a test process.

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use skep::client::{CallError, Client, RpcError, Serving, Worker};
use skep::testing::{self, Instance};

/// A worker that says hello.
async fn greeter(bus: &Instance) -> Serving {
    let greet = |_, name: String| async move { Ok(format!("hello {name}")) };
    Worker::new(bus.worker()).serve("myapp", "greet", greet).start().await.expect("a worker")
}

async fn greeting(bus: &Instance, name: &str) -> String {
    let client = Client::connect(bus.client()).await.expect("a client");
    client.call("myapp.greet", name).await.expect("a greeting")
}

#[tokio::test]
async fn a_test_on_one_thread_calls_through_it() {
    let bus = testing::start().await;
    let _worker = greeter(&bus).await;
    assert_eq!(greeting(&bus, "you").await, "hello you");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_does_one_on_many() {
    let bus = testing::start().await;
    let _worker = greeter(&bus).await;
    assert_eq!(greeting(&bus, "you").await, "hello you");
}

#[test]
fn a_test_without_a_runtime_starts_one_too() {
    let bus = testing::start_blocking();
    let address = bus.frontend_url().replace("mqtt://", "");
    TcpStream::connect(address).expect("somebody listens");
    assert!(bus.frontend_ws_url().ends_with("/mqtt"));
    let names: Vec<_> = bus.variables().into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"SKEP_BACKEND_URL"), "{names:?}");
}

#[test]
fn an_executor_that_is_not_tokio_starts_one_too() {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut starting = std::pin::pin!(testing::start());
    let bus = loop {
        match starting.as_mut().poll(&mut context) {
            std::task::Poll::Ready(bus) => break bus,
            std::task::Poll::Pending => std::thread::park(),
        }
    };
    assert_eq!(bus.listeners().len(), 3);
}

#[tokio::test]
async fn it_goes_on_while_the_test_blocks() {
    let bus = testing::start().await;
    let address = bus.backend_url().replace("mqtt://", "");
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    // CONNECT of MQTT 3.1.1 that gives no user, answered while this thread does
    // nothing but wait for it.
    let connect = [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 1, b'x'];
    std::io::Write::write_all(&mut stream, &connect).expect("sent");
    let mut answer = [0; 4];
    std::io::Read::read_exact(&mut stream, &mut answer).expect("an answer");
    assert_eq!(answer[0], 0x20, "CONNACK");
}

#[test]
fn sixteen_at_once_do_not_meet() {
    let barrier = Barrier::new(16);
    let calls = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for number in 0..16 {
            let (barrier, calls) = (&barrier, &calls);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                barrier.wait();
                runtime.block_on(async {
                    let bus = testing::start().await;
                    let greet = move |_, _: String| async move { Ok(number) };
                    let worker = Worker::new(bus.worker()).serve("myapp", "greet", greet);
                    let _worker = worker.start().await.expect("a worker");
                    let client = Client::connect(bus.client()).await.expect("a client");
                    for _ in 0..10 {
                        let answer: usize = client.call("myapp.greet", "you").await.expect("an answer");
                        assert_eq!(answer, number);
                        calls.fetch_add(1, Ordering::Relaxed);
                    }
                });
            });
        }
    });
    assert_eq!(calls.into_inner(), 160);
}

#[tokio::test]
async fn when_it_is_dropped_nothing_listens_any_more() {
    let bus = testing::start().await;
    let worker = greeter(&bus).await;
    let addresses: Vec<_> = bus.listeners().iter().map(|bound| bound.address).collect();
    drop(bus);
    for address in addresses {
        let connected = TcpStream::connect(address);
        assert!(connected.is_err(), "somebody listens at {address}");
    }
    drop(worker);
}

#[tokio::test]
async fn a_graceful_stop_tells_clients_goodbye() {
    let bus = testing::start().await;
    let client = Client::connect(bus.client()).await.expect("a client");
    let accepted = bus.frontends()[0].stats().connections.get();
    assert!(accepted > 0);
    bus.stop().await;
    let call = client.call_within::<_, ()>(Duration::from_millis(200), "myapp.greet", ()).await;
    assert!(call.is_err());
}

#[tokio::test]
async fn settings_can_be_changed() {
    let builder = testing::builder().settings(|config| {
        for backend in config.backend.values_mut() {
            backend.queues.grace_ms = 0;
        }
        config.router.lanes = 7;
        config.router.auth_salt = Some("pepper".into());
    });
    let bus = builder.start().await;
    let client = Client::connect(bus.client()).await.expect("a client");
    match client.call::<_, ()>("myapp.nobody", ()).await {
        Err(CallError::Rpc(error)) => assert_eq!(error.code, -31601),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn settings_that_can_not_be_are_an_error() {
    let builder = testing::builder().settings(|config| config.router.lanes = 0);
    let error = builder.try_start().await.err().expect("no instance");
    assert!(error.to_string().contains("router.lanes"), "{error}");
}

#[tokio::test]
async fn sessions_are_bound_and_nothing_is_on_disk() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let path = data.path().join("data");
    let bus = testing::builder().settings(|config| config.data = path.clone()).start().await;
    let login = |request: skep::client::Request, user: String| async move {
        let address = format!("frontend.{user}");
        request.bind(Some(&address), &user).await.map_err(|_| RpcError::of_code(RpcError::INTERNAL_ERROR))
    };
    let who = |request: skep::client::Request, (): ()| async move { Ok(request.auth.clone()) };
    let worker = Worker::new(bus.worker()).serve("myapp", "login", login).serve("myapp", "who", who);
    let _worker = worker.start().await.expect("a worker");
    let client = Client::connect(bus.client()).await.expect("a client");
    client.call::<_, ()>("myapp.login", "ann").await.expect("a login");
    let user: Option<String> = client.call("myapp.who", ()).await.expect("an answer");
    assert_eq!(user.as_deref(), Some("ann"));
    assert_eq!(bus.bindings().len(), 1);
    drop(bus);
    assert!(!path.exists());
}

/// The bound is for a busy machine; what it takes on one that is not is printed.
#[tokio::test]
async fn the_first_call_is_answered_soon_after_the_start() {
    let mut starts = Vec::new();
    let mut calls = Vec::new();
    for _ in 0..21 {
        let began = Instant::now();
        let bus = testing::start().await;
        starts.push(began.elapsed());
        let _worker = greeter(&bus).await;
        assert_eq!(greeting(&bus, "you").await, "hello you");
        calls.push(began.elapsed());
    }
    let median = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    let (start, call) = (median(starts), median(calls));
    println!("median of 21: started after {start:?}, first call answered after {call:?}");
    assert!(call < Duration::from_millis(500), "{call:?}");
}
