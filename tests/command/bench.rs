//! `skep bench`: what it measures, keeps, compares, and when it fails.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use skep::client::RpcError;

use crate::buses::Buses;
use crate::started::skep;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn as_many_calls_as_asked_for_are_measured_and_compared_with_a_run_that_was_kept() {
    let buses = Buses::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("before.json");
    let file = file.to_str().unwrap();
    let sizes = ["bench", "--clients", "2", "--depth", "3", "--count", "200", "--warmup", "0"];
    let ran = buses.run(&[&sizes, &["--save", file, "--json"][..]].concat());
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    let run = json(&ran.stdout);
    assert_eq!((&run["done"], &run["lost"], &run["errors"]), (&200.into(), &0.into(), &0.into()));
    let latency = |name: &str| run["latency_us"][name].as_f64().unwrap();
    assert!(0.0 < latency("min") && latency("min") <= latency("p50") && latency("p50") <= latency("max"), "{run}");
    assert_eq!(json(&std::fs::read_to_string(file).unwrap())["per_second"], run["per_second"]);

    let ran = buses.run(&[&sizes, &["--compare", file][..]].concat());
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    for part in ["200 calls in ", "\n0 lost, 0 answered with an error\n", "  p99.9  ", "###", "now", "before", "ratio"]
    {
        assert!(ran.stdout.contains(part), "no {part:?} in {}", ran.stdout);
    }
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stdout.contains("Not the same"), "{}", ran.stdout);
    let ran = buses.run(&["bench", "--count", "10", "--warmup", "0", "--compare", file, "--json"]);
    let compared = &json(&ran.stdout)["compared"];
    assert_eq!(compared["same_settings"], false);
    assert!(compared["ratios"]["rate"].as_f64().unwrap() > 0.0);
}

#[test]
fn notifications_are_counted_by_delivery() {
    let buses = Buses::start();
    let ran = buses.run(&["bench", "notify", "--clients", "20", "--depth", "2", "--count", "30", "--json"]);
    let run = json(&ran.stdout);
    assert_eq!((ran.status, &run["done"], &run["notifications"]), (Some(0), &600.into(), &30.into()), "{run}");
}

#[test]
fn time_ends_it_and_so_does_ctrl_c_with_what_there_is() {
    let buses = Buses::start();
    let ran = buses.run(&["bench", "--duration", "0.3", "--warmup", "0.1", "--json"]);
    let seconds = json(&ran.stdout)["seconds"].as_f64().unwrap();
    assert!(ran.status == Some(0) && seconds >= 0.3, "{ran:?}");

    let mut command = buses.command(&["bench", "--duration", "600", "--warmup", "0", "--json", "--method", "t.seen"]);
    let (seen, count) = std::sync::mpsc::channel();
    let mut buses = buses;
    buses.work(move |worker| {
        worker.serve("t", "seen", move |_, _: Value| {
            // The test may have seen enough.
            let _ = seen.send(());
            async { Ok(()) }
        })
    });
    let child = command.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    for _ in 0..10 {
        count.recv().unwrap();
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(json(&String::from_utf8(output.stdout).unwrap())["done"].as_u64().unwrap() > 0);
}

#[test]
fn errors_and_losses_are_counted_and_are_status_1() {
    let mut buses = Buses::start();
    buses.work(|worker| {
        worker.concurrency(64).serve("t", "fail", |_, _: Value| async { Err::<Value, _>(RpcError::new(-5, "no luck")) })
    });
    buses.work(|worker| worker.serve("slow", "never", |_, _: Value| std::future::pending::<Result<Value, RpcError>>()));
    let measured = |args: &[&str]| {
        let ran = buses.run(&[&["bench", "--warmup", "0", "--json"], args].concat());
        assert_eq!(ran.status, Some(1), "{ran:?}");
        json(&ran.stdout)
    };
    let run = measured(&["--method", "t.fail", "--params", "[1]", "--count", "20"]);
    assert_eq!((&run["errors"], &run["done"], &run["lost"]), (&20.into(), &0.into(), &0.into()));
    assert_eq!(run["first_failure"], "no luck (-5)");
    let run = measured(&["--method", "slow.never", "--count", "6", "--timeout", "0.3"]);
    assert_eq!((&run["lost"], &run["done"]), (&6.into(), &0.into()));
    let ran = buses.run(&["bench", "--warmup", "0", "--method", "t.fail", "--count", "20"]);
    assert!(ran.stdout.contains("20 answered with an error\nthe first that went wrong: no luck (-5)"), "{ran:?}");
}

#[test]
fn what_can_not_be_measured_says_why() {
    let buses = Buses::start();
    let file = |text: &str| skep(&["bench", "--compare", "before.json"]).file("before.json", text).run();
    file("{}").refused(2, &["before.json", "no run that --save kept"]);
    skep(&["bench", "--compare", "nothing.json"]).run().refused(2, &["nothing.json", "can't be read"]);
    skep(&["bench", "--count", "5", "--duration", "5"]).run().refused(2, &["--count"]);
    skep(&["bench", "--params", "[]"]).run().refused(2, &["--method"]);
    skep(&["bench", "--clients", "0"]).run().refused(2, &["--clients"]);
    skep(&["bench", "call", "--method", "a.b", "--params", "x"]).run().refused(2, &["--params", "not JSON"]);
    buses.run(&["bench", "--password", "wrong"]).refused(4, &["can't connect to"]);
    buses.run(&["bench", "--backend-url", "mqtt://127.0.0.1:1"]).refused(4, &["mqtt://127.0.0.1:1"]);
    buses.run(&["bench", "--count", "1", "--save", "no/such/dir"]).refused(2, &["no/such/dir"]);
}
