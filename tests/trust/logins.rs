//! Passwords: hashed, remembered for a while, and not to be guessed.

use std::time::Duration;

use skep::bus::{FileUser, Listener, Transport, UsersFile, hash_password};
use skep::config::Config;
use skep::{Kind, Skep};

use crate::support::{Client, Instance, Login, Message, id, settings, wait_until};

/// The sample settings with another password for the backend's user: a hash.
fn hashed(config: &mut Config, password: &str) {
    let backend = config.backend.get_mut("backend-1").expect("the sample backend");
    let user = backend.users.get_mut("backend").expect("the sample user");
    user.password = hash_password(password.as_bytes()).expect("a hash");
}

/// The reason code that a login is answered with, and the words.
fn answer(skep: &Instance, login: Login) -> (u8, String) {
    let connack = Client::attempt(skep.backend(), &login).connack;
    (connack[1], String::from_utf8_lossy(&connack).into_owned())
}

fn login(name: &str, user: &str, password: &str) -> Login {
    Login::new(&id(name)).user(user, password)
}

#[test]
fn a_hashed_password_lets_in_and_its_hash_does_not() {
    let skep = Instance::start_with(|config| hashed(config, "open sesame"));
    assert_eq!(answer(&skep, login("a", "backend", "open sesame")).0, 0);
    assert_eq!(answer(&skep, login("b", "backend", "open")).0, 0x86);
    assert_eq!(answer(&skep, login("c", "backend", "")).0, 0x86);
    let stored = skep.skep().backends()[0].settings().users["backend"].password.clone();
    assert_eq!(answer(&skep, login("d", "backend", &stored)).0, 0x86);
    assert_eq!(answer(&skep, login("e", "nobody", "open sesame")).0, 0x86);
    // 3.1.1 has a code for it, too.
    assert_eq!(answer(&skep, login("f", "backend", "open").v311()).0, 4);
    skep.stop();
}

#[test]
fn users_of_a_file_have_their_own_rules_or_the_recommended_ones() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("users.toml");
    let user = |publish: Option<&[&str]>| FileUser {
        password: Some(hash_password(b"pw").expect("a hash")),
        publish: publish.map(|patterns| patterns.iter().map(|pattern| (*pattern).to_owned()).collect()),
        subscribe: None,
    };
    let users = [("usual".to_owned(), user(None)), ("own".to_owned(), user(Some(&["log/%u/#"])))];
    UsersFile { users: users.into() }.write(&path).expect("a file");
    let skep = Instance::start_with(|config| {
        let backend = config.backend.get_mut("backend-1").expect("the sample backend");
        backend.users.clear();
        backend.users_file = Some(path.clone());
    });
    let mut usual = Client::connect(skep.backend(), login("usual", "usual", "pw"));
    assert_eq!(usual.subscribe("req/backend/#", 1), 1);
    let mut own = Client::connect(skep.backend(), login("own", "own", "pw"));
    assert_eq!(own.subscribe("req/backend/#", 1), 0x87);
    assert_eq!(own.publish_acked(Message::new("log/own/x", "x")), 0x10);
    assert_eq!(own.publish_acked(Message::new("log/usual/x", "x")), 0x87);
    assert_eq!(answer(&skep, login("sample", "backend", "def456")).0, 0x86);
    skep.stop();
}

#[test]
fn a_users_file_that_cant_be_used_stops_the_start() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("users.toml");
    for (text, expected) in [
        (None, "can't be read"),
        (Some(""), "is empty: without users, it needs a comment at least"),
        (Some("[x]\npassword = \"plain\""), "user \"x\": the password is not hashed"),
        (Some("[backend]"), "has the user \"backend\", whom the settings have too"),
    ] {
        if let Some(text) = text {
            std::fs::write(&path, text).expect("a file");
        }
        let data = tempfile::tempdir().expect("a temporary directory");
        let mut config = settings(&data);
        config.backend.get_mut("backend-1").expect("the sample backend").users_file = Some(path.clone());
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let Err(error) = runtime.block_on(Skep::start(config)) else { panic!("started: {expected}") };
        let told = error.to_string();
        assert!(told.starts_with("backend.backend-1.users_file: ") && told.contains(expected), "{told}");
    }
}

#[test]
fn an_address_that_fails_too_often_is_refused_unseen_until_the_window_is_over() {
    let skep = Instance::start_with(|config| {
        hashed(config, "right");
        let login = &mut config.backend.get_mut("backend-1").expect("the sample backend").login;
        login.max_failures = 3;
        login.failure_window_s = 4;
    });
    for guess in ["a", "b", "c"] {
        assert_eq!(answer(&skep, login("guess", "backend", guess)).0, 0x86);
    }
    let (reason, text) = answer(&skep, login("right", "backend", "right"));
    assert!(reason == 0x9F && text.contains("too many failed logins from this address"), "{reason} {text}");
    assert_eq!(answer(&skep, login("old", "backend", "right").v311()).0, 3);
    assert!(skep.skep().backends()[0].stats().logins_limited.get() >= 2);
    // The other bus has seen nothing of it.
    let _user = skep.user(&id("user"));
    wait_until("the window is over", || {
        std::thread::sleep(Duration::from_millis(50));
        answer(&skep, login("right", "backend", "right")).0 == 0
    });
    skep.stop();
}

#[test]
fn guesses_made_at_once_are_no_more_than_guesses_one_by_one() {
    let skep = Instance::start_with(|config| {
        hashed(config, "right");
        let bus = config.backend.get_mut("backend-1").expect("the sample backend");
        bus.login.max_failures = 3;
        bus.connections.connection_timeout_ms = 20_000;
    });
    let mut guesses: Vec<Client> = (0..40)
        .map(|n| {
            let mut client = Client::open(skep.backend());
            client.send(&login(&format!("g{n}"), "backend", &format!("guess {n}")).packet());
            client
        })
        .collect();
    let reasons: Vec<u8> = guesses.iter_mut().map(|guess| guess.expect(2).body[1]).collect();
    assert_eq!(reasons.iter().filter(|reason| **reason == 0x86).count(), 3, "{reasons:x?}");
    assert_eq!(reasons.iter().filter(|reason| **reason == 0x9F).count(), 37, "{reasons:x?}");
    skep.stop();
}

#[test]
fn workers_that_come_back_at_once_with_one_password_all_get_in() {
    let skep = Instance::start_with(|config| hashed(config, "right"));
    let mut workers: Vec<Client> = (0..100)
        .map(|n| {
            let mut client = Client::open(skep.backend());
            client.send(&login(&format!("w{n}"), "backend", "right").packet());
            client
        })
        .collect();
    for worker in &mut workers {
        assert_eq!(worker.expect(2).body[1], 0);
    }
    skep.stop();
}

#[test]
fn others_calls_go_on_while_passwords_are_hashed() {
    let skep = Instance::start_with(|config| {
        hashed(config, "right");
        let login = &mut config.backend.get_mut("backend-1").expect("the sample backend").login;
        login.max_failures = 0;
        login.max_checks = 1;
    });
    let mut user = skep.user(&id("user"));
    let mut guesses: Vec<Client> = (0..30)
        .map(|n| {
            let mut client = Client::open(skep.backend());
            client.send(&login(&format!("g{n}"), "backend", &format!("guess {n}")).packet());
            client
        })
        .collect();
    user.assert_no_message();
    // A bus that hashed on its own threads would have answered them all first.
    let early: Vec<_> = guesses.iter_mut().map(|guess| guess.next(Duration::from_millis(1))).collect();
    assert!(early.iter().any(Option::is_none), "a ping was answered after all passwords");
    for (guess, answer) in guesses.iter_mut().zip(early) {
        // Refused, or told that too many wait.
        assert!([0x86, 0x89].contains(&answer.unwrap_or_else(|| guess.expect(2)).body[1]));
    }
    skep.stop();
}

#[test]
fn a_sample_password_is_not_taken_from_afar_however_it_is_stored() {
    let skep = Instance::start_with(|config| {
        let backend = config.backend.get_mut("backend-1").expect("the sample backend");
        let user = backend.users.get_mut("backend").expect("the sample user");
        user.password = hash_password(b"def456").expect("a hash");
        // Reached by loopback here, and by everybody else, too.
        let everywhere = Listener::new(([0, 0, 0, 0], 0).into(), Transport::Ws);
        backend.listeners.insert("everywhere".into(), Listener { transport: Transport::Tcp, ..everywhere });
    });
    let mut listeners = skep.skep().listeners().iter();
    let bound = listeners.find(|bound| bound.kind == Kind::Backend && bound.name == "everywhere").expect("a listener");
    let mut address = bound.address;
    address.set_ip([127, 0, 0, 1].into());
    let mut client = Client::open(address);
    client.send(&login("far", "backend", "def456").packet());
    let connack = client.expect(2);
    assert_eq!(connack.body[1], 0x87, "{connack:?}");
    let mut near = skep.skep().listeners().iter();
    let near = near.find(|bound| bound.kind == Kind::Backend && bound.name == "tcp").expect("a listener").address;
    let mut client = Client::open(near);
    client.send(&login("near", "backend", "def456").packet());
    assert_eq!(client.expect(2).body[1], 0);
    skep.stop();
}

#[test]
fn no_password_is_in_what_settings_print_of_themselves() {
    let mut config = Config::default();
    config.router.auth_salt = Some("salt-of-the-router".into());
    let printed = format!("{config:?}");
    for secret in ["def456", "abc123", "ghi789", "salt-of-the-router"] {
        assert!(!printed.contains(secret), "{secret}");
    }
}
