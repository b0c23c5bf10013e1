//! `skep call`: what it prints and returns, whatever comes of the call.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use skep::client::RpcError;

use crate::buses::Buses;
use crate::started::{Ran, skep};

fn buses() -> Buses {
    let mut buses = Buses::start();
    buses.work(|worker| {
        worker
            .serve("t", "echo", |_, params: Value| async move { Ok(params) })
            .serve("t", "fail", |_, _: Value| async move {
                let data = Some(json!({ "why": "rain" }));
                Err::<Value, _>(RpcError { code: -32000, message: "no luck".into(), data })
            })
            .serve("t", "even", |_, (number,): (u64,)| async move {
                if number % 2 == 0 { Ok(number) } else { Err(RpcError::new(-7, "odd")) }
            })
            .serve("t", "whoami", |request, _: Value| async move { Ok(request.auth) })
            .serve("t", "login", |request, user: (String,)| async move {
                Ok(request.bind(Some("frontend.user-1"), &user.0).await?)
            })
    });
    // A worker that serves one at a time would be busy with it for good.
    buses.work(|worker| worker.serve("slow", "never", |_, _: Value| std::future::pending::<Result<Value, RpcError>>()));
    buses
}

impl Buses {
    /// Calls through the first frontend listener.
    fn call(&self, args: &[&str]) -> Ran {
        skep(&[&["call", "--url", &self.urls[0]], args].concat()).run()
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
    buses().call(&["slow.never", "{}", "--timeout", "0.5"]).refused(3, &["no answer from slow.never within 0.5 s"]);
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
fn a_url_says_who_logs_in_unless_options_do() {
    let buses = buses();
    let place = buses.urls[0].strip_prefix("mqtt://").unwrap();
    let call = |login: &str, args: &[&str]| {
        let url = format!("mqtt://{login}@{place}");
        skep(&[&["call", "t.echo", "[]", "--url", &url], args].concat())
    };
    assert_eq!(call("frontend:abc123", &[]).run().status, Some(0));
    assert_eq!(call("front%65nd:%61bc123", &[]).run().status, Some(0), "what is encoded is decoded");
    assert_eq!(call("frontend:abc123", &[]).variable("SKEP_PASSWORD", "wrong").run().status, Some(0));
    assert_eq!(call("frontend", &[]).variable("SKEP_PASSWORD", "abc123").run().status, Some(0));
    assert_eq!(call("nobody:wrong", &["--user", "frontend", "--password", "abc123"]).run().status, Some(0));
    assert_eq!(call("frontend:wrong", &["--password", "abc123"]).run().status, Some(0));
    let ran = call("ann:s3cret", &[]).run();
    assert!(!ran.stderr.contains("s3cret") && ran.stderr.contains("user \"ann\""), "{ran:?}");
    ran.refused(4, &["can't connect to", place]);
    call("ann", &[]).run().refused(2, &["\"ann\" needs a password"]);
    call("ann:%zz", &[]).run().refused(2, &["is not a bus"]);
}

#[test]
fn each_line_of_standard_input_is_a_call_and_each_result_a_line() {
    let buses = buses();
    let ran = buses.command(&["call", "t.echo", "--lines"]).run_with("[1]\n\n{\"a\": \"b\"}\n[2]");
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "[1]\n{\"a\":\"b\"}\n[2]\n"), "{}", ran.stderr);
    let ran = buses.command(&["call", "t.even", "--lines"]).run_with("[2]\n[3]\n[4\n[6]\n");
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(1), "2\n6\n"), "the first that failed decides");
    assert!(ran.stderr.contains("line 2: error -7: odd\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("line 3: skep call: the parameters are not JSON"), "{}", ran.stderr);
    let ran = buses.command(&["call", "t.echo", "--lines", "--count", "1"]).run_with("[1]\n[2]\n");
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "[1]\n"));
    let ran = buses.command(&["call", "t.echo", "--lines"]).run_with("");
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), ""));
}

#[test]
fn a_call_can_be_made_several_times() {
    let buses = buses();
    let ran = buses.run(&["call", "t.echo", "[1]", "--count", "3"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "[1]\n[1]\n[1]\n"), "{}", ran.stderr);
    let ran = buses.run(&["call", "t.fail", "--count", "2"]);
    assert_eq!((ran.status, ran.stderr.matches("no luck").count()), (Some(1), 2), "{ran:?}");
}

#[test]
fn a_result_has_the_form_that_is_asked_for() {
    let buses = buses();
    for (params, format, printed) in [
        ("[\"x\"]", "raw", "[\"x\"]\n"),
        ("{\"a\":1}", "json", "{\"a\":1}\n"),
        ("{\"a\":1}", "pretty", "{\n  \"a\": 1\n}\n"),
    ] {
        assert_eq!(buses.run(&["call", "t.echo", params, "--format", format]).stdout, printed);
    }
    let login = ["--login", "t.login", "[\"ann\"]"];
    let ran = buses.run(&[&["call", "t.whoami", "--format", "raw"], &login[..]].concat());
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "ann\n"), "{}", ran.stderr);
    buses.run(&["call", "t.whoami", "--login", "t.login", "{"]).refused(2, &["--login", "not JSON"]);
    buses.run(&["call", "t.whoami", "--login", "t.fail", "{}"]).refused(1, &["no luck"]);
}

#[test]
fn a_reader_who_has_seen_enough_ends_it_quietly() {
    let buses = buses();
    let mut call = buses.command(&["call", "t.echo", "[1]", "--count", "1000000"]);
    let mut child = call.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "[1]\n", "a line comes when it is there");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
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
