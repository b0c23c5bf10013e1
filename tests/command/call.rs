//! `skep call`: what it prints and returns, whatever comes of the call.

use std::net::TcpListener;
use std::path::Path;

use serde_json::{Value, json};
use skep::client::{Options, RpcError, Worker};
use skep::config::Config;
use skep::{Kind, Skep};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::started::{Ran, skep};

/// A skep and a worker within the test.
struct Buses {
    runtime: Runtime,
    skep: Option<Skep>,
    urls: Vec<String>,
    _worker: oneshot::Sender<()>,
    _data: TempDir,
}

fn buses() -> Buses {
    let runtime = Runtime::new().unwrap();
    let data = tempfile::tempdir().unwrap();
    let mut config = Config { data: data.path().into(), ..Config::default() };
    for bus in config.backend.values_mut().chain(config.frontend.values_mut()) {
        bus.listeners.values_mut().for_each(|listener| listener.listen.set_port(0));
        bus.queues.grace_ms = 200;
    }
    config.admin.listen.set_port(0);
    // One of the methods never answers.
    config.router.shutdown_wait_ms = 50;
    let skep = runtime.block_on(Skep::start(config)).unwrap();
    let urls = |kind| skep.listeners().iter().filter(move |bound| bound.kind == kind).map(|bound| bound.url());
    let options = Options::backend(&urls(Kind::Backend).next().unwrap()).unwrap().login("backend", "def456");
    let worker = Worker::new(options)
        .serve("t", "echo", |_, params: Value| async move { Ok(params) })
        .serve("t", "fail", |_, _: Value| async move {
            Err::<Value, _>(RpcError { code: -32000, message: "no luck".into(), data: Some(json!({ "why": "rain" })) })
        })
        .serve("t", "never", |_, _: Value| std::future::pending::<Result<Value, RpcError>>());
    let (stop, stopped) = oneshot::channel();
    runtime.spawn(worker.run(async {
        // Dropped at the end of the test.
        let _ = stopped.await;
    }));
    let urls = urls(Kind::Frontend).collect();
    Buses { runtime, skep: Some(skep), urls, _worker: stop, _data: data }
}

impl Buses {
    /// Calls through the first frontend listener. A worker that is still on its
    /// way is waited for as any service that starts again is.
    fn call(&self, args: &[&str]) -> Ran {
        skep(&[&["call", "--url", &self.urls[0]], args].concat()).run()
    }
}

impl Drop for Buses {
    fn drop(&mut self) {
        if let Some(skep) = self.skep.take() {
            self.runtime.block_on(skep.stop());
        }
    }
}

#[test]
fn a_result_is_printed_as_json() {
    let buses = buses();
    for params in ["[1,2]", "{\"a\":{\"b\":null}}", "[]"] {
        let ran = buses.call(&["t.echo", params]);
        assert_eq!(ran.status, Some(0), "{ran:?}");
        assert_eq!(ran.stderr, "");
        let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(parsed(&ran.stdout), parsed(params));
    }
    let ran = buses.call(&["t.echo"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "null\n"), "{}", ran.stderr);
}

#[test]
fn parameters_can_be_piped_in_and_the_connection_be_a_websocket() {
    let buses = buses();
    for url in &buses.urls {
        for args in [&["t.echo"][..], &["t.echo", "-"]] {
            let ran = skep(&[&["call", "--url", url], args].concat()).run_with("{\"a\":1}\n");
            assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "{\n  \"a\": 1\n}\n"), "{}", ran.stderr);
        }
    }
    assert!(buses.urls.iter().any(|url| url.starts_with("ws://")));
}

#[test]
fn an_error_is_status_1_with_its_code_message_and_data() {
    let buses = buses();
    buses.call(&["t.fail", "{}"]).refused(1, &["error -32000: no luck\n", "\"why\": \"rain\""]);
    buses.call(&["t.nothing", "{}"]).refused(1, &["error -32601: "]);
    buses.call(&["nobody.here", "{}"]).refused(1, &["error -31601: "]);
}

#[test]
fn no_answer_in_time_is_status_3() {
    buses().call(&["t.never", "{}", "--timeout", "0.5"]).refused(3, &["no answer from t.never within 0.5 s"]);
}

#[test]
fn a_login_that_is_refused_is_status_4() {
    let buses = buses();
    let url = buses.urls[0].clone();
    buses.call(&["t.echo", "--password", "wrong"]).refused(4, &["can't connect", &url, "user \"frontend\""]);
    let ran = skep(&["call", "t.echo", "[]"]).variable("SKEP_URL", &url).variable("SKEP_PASSWORD", "wrong").run();
    ran.refused(4, &["can't connect", &url]);
}

#[test]
fn the_password_can_come_from_a_file_or_a_variable() {
    let buses = buses();
    let url = &buses.urls[0];
    let args = ["call", "t.echo", "[]", "--url", url, "--user", "frontend", "--password-file", "secret"];
    let ran = skep(&args).file("secret", "abc123\n").variable("SKEP_PASSWORD", "wrong").run();
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let ran = skep(&args[..7]).variable("SKEP_PASSWORD", "abc123").run();
    assert_eq!(ran.status, Some(0), "{ran:?}");
}

#[test]
fn a_call_that_makes_no_sense_is_status_2() {
    skep(&["call"]).run().refused(2, &["METHOD"]);
    skep(&["call", "uc"]).run().refused(2, &["a service and a method", "myapp.str.uc"]);
    skep(&["call", "myapp..uc"]).run().refused(2, &["a service and a method"]);
    skep(&["call", "myapp.str/#.uc"]).run().refused(2, &["a service and a method"]);
    skep(&["call", "a.b", "{"]).run().refused(2, &["the parameters are not JSON", "line 1"]);
    skep(&["call", "a.b", "3"]).run().refused(2, &["a JSON object or list"]);
    skep(&["call", "a.b", "-"]).run_with("[1,").refused(2, &["the parameters are not JSON"]);
    skep(&["call", "a.b"]).run_with("[1,").refused(2, &["the parameters are not JSON"]);
    skep(&["call", "a.b", "--timeout", "0"]).run().refused(2, &["number of seconds above 0"]);
    skep(&["call", "a.b", "--timeout", "NaN"]).run().refused(2, &["number of seconds above 0"]);
    skep(&["call", "a.b", "--url", "http://127.0.0.1"]).run().refused(2, &["is not a bus", "ws://host:port"]);
    skep(&["call", "a.b", "--role", "a/b"]).run().refused(2, &["expected letters"]);
    skep(&["call", "a.b", "--user", "web"]).run().refused(2, &["\"web\" needs a password"]);
    skep(&["call", "a.b", "--password-file", "no"]).run().refused(2, &["password file no can't"]);
}

#[test]
fn a_call_to_nobody_is_status_4() {
    // Nothing listens on a port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [format!("mqtt://{address}"), format!("ws://{address}/mqtt")] {
        let ran = skep(&["call", "a.b", "{}", "--url", &url, "--timeout", "20"]).run();
        ran.refused(4, &["can't connect to", &url]);
    }
}

#[test]
fn nothing_is_left_in_the_directory_by_check_and_call() {
    for args in [&["check"][..], &["call", "uc"]] {
        let mut skep = skep(args);
        skep.command.output().unwrap();
        let left = |dir: &Path| std::fs::read_dir(dir).unwrap().count();
        assert_eq!(left(skep.dir.path()), 0);
    }
}
