//! The admin listener, asked over real HTTP while real clients do their work.

#[path = "../support/mod.rs"]
mod support;

mod act;
mod counted;
mod http;
mod lists;
mod metrics;
mod numbers;
mod safety;

use support::rpc::{answer, json_of, request, service};
use support::{Client, Instance, Login, id};

/// A worker that binds: it takes all answers at once.
fn binder(skep: &Instance) -> Client {
    let mut binder = Client::connect(skep.backend(), Login::new("binder").user("backend", "def456"));
    binder.subscribe("priv/binder/#", 1);
    binder
}

/// A worker that answers `calls` requests of a user's.
fn make_calls(skep: &Instance, service_name: &str, calls: u64) -> (Client, Client) {
    let mut worker = skep.worker("worker-1");
    worker.subscribe(&service(service_name), 1);
    let caller = id("caller");
    let mut user = skep.user(&caller);
    for n in 0..calls {
        user.publish(request(&caller, service_name, n));
        let given = worker.message();
        answer(&mut worker, &given, n);
        assert_eq!(json_of(&user.message())["result"], n);
    }
    // All that was sent before has been handled: the PUBACK too.
    worker.assert_no_message();
    (worker, user)
}
