//! `kill -9` at random moments under load: all that was acknowledged is there
//! at the next start, and calls go on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use skep::bindings::{Bindings, Settings};
use skep::router::router_token;

use super::process::{Process, command, errors};
use super::support::client::PUBACK;
use super::support::rpc::{answer, binding, json_of, request, service};
use super::support::{Client, Message, PATIENCE, id};
use super::{Dice, number};

/// Users that are bound, bound anew and unbound.
const USERS: usize = 60;

/// Changes that may be under way when the blow falls.
const IN_FLIGHT: usize = 12;

/// What may be bound to a user, by what was sent and what was acknowledged:
/// `None` stands for nothing.
type Possible = BTreeSet<Option<String>>;

fn user(n: usize) -> String {
    id(&format!("user_{n}"))
}

/// Changes that were sent, by the id of their call: whose, and to what.
type Sent = BTreeMap<u64, (usize, Option<String>)>;

/// A router call, to a peer that may be dead; false: it is.
fn send(worker: &mut Client, method: &str, params: &Value, id: u64) -> bool {
    let call = json!({ "jsonrpc": "2.0", "method": format!("_bkpr.router.{method}"), "params": params, "id": id });
    let message = Message::new("req/backend/_bkpr/router", call.to_string())
        .respond_to("priv/binder")
        .with("auth", &router_token("backend-1"));
    worker.try_send(&message.packet(5))
}

/// Binds and unbinds until skep is dead. What was acknowledged is the only
/// possibility left; what was not may have happened, or not.
fn change(mut worker: Client, possible: &mut [Possible], next: &mut u64, dice: &mut Dice) -> u64 {
    let mut sent = Sent::new();
    let mut acknowledged = 0;
    let mut settle = |response: &Message, sent: &mut Sent, possible: &mut [Possible]| {
        let response = json_of(response);
        assert_eq!(response["result"], 1, "{response}");
        let (n, what) = sent.remove(&response["id"].as_u64().expect("our id")).expect("it was sent");
        // Later ones of the same user are under way still.
        let later: Possible = sent.values().filter(|(other, _)| *other == n).map(|(_, what)| what.clone()).collect();
        possible[n] = &BTreeSet::from([what]) | &later;
        acknowledged += 1;
    };
    'alive: loop {
        while sent.len() < IN_FLIGHT {
            let n = dice.roll(USERS);
            let (caller, call) = (user(n), *next);
            *next += 1;
            let what = (dice.roll(4) > 0).then(|| format!("auth-{call}"));
            possible[n].insert(what.clone());
            let alive = match &what {
                Some(auth) => {
                    let address = format!("frontend.user-{n}");
                    send(&mut worker, "bind", &binding(&caller, Some(&address), auth), call)
                }
                None => send(&mut worker, "unbind", &json!({ "caller_id": caller }), call),
            };
            sent.insert(call, (n, what));
            if !alive {
                break 'alive;
            }
        }
        match worker.message_within(PATIENCE) {
            Some(response) => settle(&response, &mut sent, possible),
            None => break,
        }
    }
    while let Some(response) = worker.message_within(Duration::from_millis(1)) {
        settle(&response, &mut sent, possible);
    }
    acknowledged
}

/// Calls, one after the other, until skep is dead.
fn call(mut client: Client, me: &str, answered: &AtomicU64) {
    for n in 0.. {
        if !client.try_send(&request(me, "echo", n).packet(5)) {
            return;
        }
        match client.message_within(PATIENCE) {
            Some(response) => assert_eq!(json_of(&response)["id"], n),
            None => return,
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// Answers with the caller's auth data, until skep is dead.
fn echo(mut worker: Client) {
    while let Some(request) = worker.message_within(PATIENCE) {
        let payload = json!({ "jsonrpc": "2.0", "id": json_of(&request)["id"], "result": request.get("auth") });
        let topic = request.response_topic.as_deref().expect("a response topic");
        let response = Message::new(topic, payload.to_string()).with("addr", request.get("addr").expect("an addr"));
        let puback = [&[PUBACK << 4, 2][..], &request.packet_id.to_be_bytes()].concat();
        if !worker.try_send(&response.packet(5)) || !worker.try_send(&puback) {
            return;
        }
    }
}

/// What skep, started anew, has of some users; by a call of each.
fn look(skep: &Process, possible: &mut [Possible], dice: &mut Dice) {
    let mut worker = skep.worker("looker", 50);
    worker.subscribe(&service("look"), 1);
    for _ in 0..8 {
        let n = dice.roll(USERS);
        let me = user(n);
        let mut client = skep.user(&me);
        client.publish(request(&me, "look", 1));
        let request = worker.message();
        let found = request.get("auth").map(str::to_owned);
        answer(&mut worker, &request, 1);
        assert_eq!(json_of(&client.message())["result"], 1);
        assert!(possible[n].contains(&found), "{me} has {found:?}, where it can only have {:?}", possible[n]);
        possible[n] = BTreeSet::from([found]);
        client.disconnect();
    }
    worker.disconnect();
}

#[test]
fn nothing_acknowledged_is_lost_and_calls_go_on_when_skep_is_killed_at_any_moment() {
    let kills = number("SKEP_KILLS", 12);
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("disk/data");
    let mut dice = Dice::new();
    let mut possible = vec![BTreeSet::from([None]); USERS];
    let (mut next, mut acknowledged, answered) = (1, 0, AtomicU64::new(0));
    let (mut slowest, mut during_start) = (Duration::ZERO, 0);
    for kill in 1..=kills {
        if dice.roll(5) == 0 {
            // While it starts.
            let mut child = command(&data, &[]).spawn().expect("the program starts");
            std::thread::sleep(Duration::from_millis(dice.roll(60) as u64));
            child.kill().expect("it can be killed");
            child.wait().expect("it has ended");
            during_start += 1;
            continue;
        }
        let began = Instant::now();
        let skep = Process::start(&data, &[]);
        look(&skep, &mut possible, &mut dice);
        slowest = slowest.max(began.elapsed());
        let blow = Duration::from_millis(5 + dice.roll(300) as u64);
        let mut worker = skep.worker("echo", 50);
        worker.subscribe(&service("echo"), 1);
        let callers = (0..3).map(|n| id(&format!("caller_{n}"))).map(|me| (skep.user(&me), me));
        let callers: Vec<_> = callers.collect();
        let binder = skep.worker("binder", 100);
        let answered = &answered;
        acknowledged += std::thread::scope(|scope| {
            scope.spawn(|| echo(worker));
            for (client, me) in callers {
                scope.spawn(move || call(client, &me, answered));
            }
            let changing = scope.spawn(|| change(binder, &mut possible, &mut next, &mut dice));
            std::thread::sleep(blow);
            skep.kill();
            changing.join().expect("no acknowledgement was wrong")
        });
        if kill % 50 == 0 {
            println!(
                "{kill} kills: {acknowledged} changes acknowledged, {} calls answered",
                answered.load(Ordering::Relaxed)
            );
        }
    }
    let bindings = Bindings::open(&data, &Settings::default()).expect("the bindings open");
    for (n, possible) in possible.iter().enumerate() {
        let found = bindings.touch(&user(n), str::to_owned);
        assert!(possible.contains(&found), "{} has {found:?}, where it can only have {possible:?}", user(n));
    }
    let errors = errors(&data);
    assert!(!errors.contains("panicked"), "{errors}");
    println!(
        "{kills} kills, {during_start} of them while it started: {acknowledged} changes acknowledged, none lost; \
         {} calls answered; the slowest start took {slowest:.0?} to the eighth call answered",
        answered.load(Ordering::Relaxed)
    );
    assert!(acknowledged > kills && answered.load(Ordering::Relaxed) > kills);
}
