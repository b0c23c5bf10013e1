//! `skep reload`: what a running skep takes over, and what it says.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use rustix::process::Signal;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::certificates::{Authority, Signed};
use crate::started::{Ran, Serving, Skep, address, serve, skep};
use crate::support::tls::TlsClient;
use crate::support::{Client, Login, Message, id};

/// A running skep with a settings file that can be changed.
struct Running {
    serving: Serving,
    welcome: Vec<String>,
    place: Skep,
}

impl Running {
    fn start(text: &str) -> Running {
        let place = skep(&[]).file("my.toml", text);
        let (file, data) = (place.dir.path().join("my.toml"), place.dir.path().join("data"));
        let mut serving =
            serve(&["--config", file.to_str().unwrap(), "--data", data.to_str().unwrap(), "--log", "debug"]);
        let welcome = serving.welcome();
        Running { serving, welcome, place }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.dir.path().join(name)
    }

    fn change(&self, text: &str) {
        fs::write(self.path("my.toml"), text).unwrap();
    }

    fn reload(&self) -> Ran {
        skep(&["reload", "--data", self.path("data").to_str().unwrap()]).run()
    }

    fn address(&self, bus: &str) -> SocketAddr {
        address(&self.welcome, bus, "tcp")
    }

    /// Its log, once it has ended.
    fn end(self) -> String {
        self.serving.signal(Signal::TERM);
        let (status, log) = self.serving.end();
        assert_eq!(status, Some(0), "{log}");
        log
    }
}

const TWO: &str = "[backend.backend-1.users]\n\
                   one = { password = 'pw-1', publish = ['log/#'], subscribe = ['log/#'] }\n\
                   two = { password = 'pw-2', publish = ['log/#'], subscribe = ['log/#'] }\n";

fn login(name: &str, user: &str, password: &str) -> Login {
    Login::new(&id(name)).user(user, password)
}

#[test]
fn new_rules_hold_for_the_next_packets_of_connections_that_stay() {
    let running = Running::start(TWO);
    let backend = running.address("backend-1");
    let mut one = Client::connect(backend, login("one", "one", "pw-1"));
    let mut two = Client::connect(backend, login("two", "two", "pw-2"));
    assert_eq!(two.subscribe("log/a", 1), 1);
    assert_eq!(one.publish_acked(Message::new("log/a", "before")), 0);
    running.change(
        "[backend.backend-1.users]\n\
         one = { password = 'changed', publish = ['res/#'], subscribe = [] }\n\
         two = { password = 'pw-2', publish = [], subscribe = ['log/b'] }\n\
         three = { password = 'pw-3', publish = ['log/#'], subscribe = [] }\n",
    );
    let ran = running.reload();
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(one.publish_acked(Message::new("log/a", "after")), 0x87);
    assert_eq!(one.publish_acked(Message::new("res/a", "after")), 0x10);
    assert_eq!(two.subscribe("log/c", 1), 0x87);
    // A new user is let in, an old password is not; what was granted stays.
    let mut three = Client::connect(backend, login("three", "three", "pw-3"));
    assert_eq!(Client::attempt(backend, &login("late", "one", "pw-1")).connack[1], 0x86);
    assert_eq!(three.publish_acked(Message::new("log/a", "for two")), 0);
    assert_eq!(two.message().payload, b"before");
    assert_eq!(two.message().payload, b"for two");
    assert!(running.end().contains("reloaded: "));
}

#[test]
fn the_connections_of_a_user_that_is_removed_end_also_silent_ones() {
    let running = Running::start(TWO);
    let backend = running.address("backend-1");
    let mut stays = Client::connect(backend, login("stays", "one", "pw-1"));
    let mut goes = Client::connect(backend, login("goes", "two", "pw-2"));
    running
        .change("[backend.backend-1.users]\none = { password = 'pw-1', publish = ['log/#'], subscribe = ['log/#'] }\n");
    assert_eq!(running.reload().status, Some(0));
    assert_eq!(goes.disconnected(), 0x98);
    assert_eq!(stays.publish_acked(Message::new("log/a", "x")), 0x10);
    assert_eq!(Client::attempt(backend, &login("back", "two", "pw-2")).connack[1], 0x86);
    running.end();
}

#[test]
fn what_cant_be_used_changes_nothing_and_says_why() {
    let running = Running::start(TWO);
    let backend = running.address("backend-1");
    let mut one = Client::connect(backend, login("one", "one", "pw-1"));
    running.change("[backend.backend-1.users]\nthree = { password = 3 }\n");
    running.reload().refused(1, &["nothing has changed", "backend.backend-1.users.three.password"]);
    running.change(&format!("[backend.backend-1]\nusers_file = 'none.toml'\n{TWO}"));
    running.reload().refused(1, &["backend.backend-1.users_file: none.toml: can't be read"]);
    running.change("[backend.backend-1.users]\none = { password = '$argon2id$x' }\n");
    running.reload().refused(1, &["is not an argon2 hash"]);
    assert_eq!(one.publish_acked(Message::new("log/a", "x")), 0x10);
    let _two = Client::connect(backend, login("two", "two", "pw-2"));
    let log = running.end();
    assert_eq!(log.matches("not reloaded, nothing has changed").count(), 3, "{log}");
    assert!(!log.contains("pw-1") && !log.contains("pw-2"), "{log}");
}

#[test]
fn what_needs_a_restart_is_named_and_the_rest_is_taken_over() {
    let running = Running::start(TWO);
    let more = "[router]\nlanes = 4\n[frontend.frontend-1.connections]\nmax_subscriptions = 7\n";
    running.change(&format!("{TWO}three = {{ password = 'pw-3' }}\n{more}"));
    let ran = running.reload();
    assert_eq!(ran.status, Some(0), "{ran:?}");
    for key in ["router.lanes", "frontend.frontend-1.connections.max_subscriptions"] {
        assert!(ran.stderr.contains(&format!("{key} has changed and needs a restart")), "{ran:?}");
    }
    let _three = Client::connect(running.address("backend-1"), login("three", "three", "pw-3"));
    running.end();
}

#[test]
fn a_new_certificate_is_shown_to_the_next_and_a_bad_one_to_nobody() {
    let (old, new) = (Authority::new("the old authority"), Authority::new("the new authority"));
    let put = |at: &Skep, signed: &Signed| {
        fs::copy(&signed.cert, at.dir.path().join("cert.pem")).unwrap();
        fs::copy(&signed.key, at.dir.path().join("key.pem")).unwrap();
    };
    let place = skep(&[]);
    put(&place, &old.sign("server"));
    let path = |name: &str| place.dir.path().join(name).display().to_string();
    let running = Running::start(&format!(
        "[frontend.frontend-1.listeners.tcp]\nlisten = '127.0.0.1:0'\ntls = {{ cert = '{}', key = '{}' }}\n\
         [frontend.frontend-1.listeners.ws]\nlisten = '127.0.0.1:0'\n",
        path("cert.pem"),
        path("key.pem"),
    ));
    let frontend = running.address("frontend-1");
    assert!(running.welcome.iter().any(|line| line.contains(&format!("mqtts://{frontend}"))));
    let versions = [&TLS12, &TLS13];
    let trusts = |authority: &Authority, name: &str| {
        TlsClient::connect(frontend, &authority.client(None, &versions), &login(name, "frontend", "abc123"))
    };
    let (mut stays, _) = trusts(&old, "stays").unwrap();
    // A certificate whose key is another's.
    fs::copy(new.sign("server").cert, place.dir.path().join("cert.pem")).unwrap();
    running.reload().refused(1, &["frontend.frontend-1.listeners.tcp.tls.key: ", "is not the key of the certificate"]);
    trusts(&old, "before").unwrap();
    put(&place, &new.sign("server"));
    assert_eq!(running.reload().status, Some(0));
    trusts(&new, "after").unwrap();
    assert!(trusts(&old, "too-late").is_err());
    std::io::Write::write_all(&mut stays.0, &[0xC0, 0]).unwrap();
    assert_eq!(stays.packet().unwrap().kind(), 13);
    running.end();
}

#[test]
fn sighup_does_the_same_as_the_command() {
    let running = Running::start(TWO);
    running.change("[backend.backend-1.users]\nthree = { password = 'pw-3' }\n");
    running.serving.signal(Signal::HUP);
    let backend = running.address("backend-1");
    crate::support::wait_until("the new user is let in", || {
        Client::attempt(backend, &login("three", "three", "pw-3")).connack[1] == 0
    });
    running.end();
}

/// What the command and the process tell each other is in the data directory,
/// where nothing is for others.
#[test]
fn the_files_of_a_reload_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let running = Running::start(TWO);
    assert_eq!(running.reload().status, Some(0));
    let data = running.path("data");
    let files: Vec<_> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.contains(&data.join("reload.request")) && files.contains(&data.join("reload.outcome")), "{files:?}");
    for path in files.iter().chain([&data]) {
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} is {mode:o}", path.display());
    }
    running.end();
}

#[test]
fn those_who_reload_at_once_are_all_answered() {
    let running = Running::start(TWO);
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| assert_eq!(running.reload().status, Some(0)));
        }
    });
    running.end();
}

#[test]
fn where_no_skep_runs_that_is_told() {
    let place = skep(&[]);
    skep(&["reload", "--data", "none"]).run().refused(1, &["no skep runs with the data directory none"]);
    // A program that has skep in it is not sent a signal that would end it.
    let data = place.dir.path().join("data");
    let mut config = ::skep::config::Config {
        data: data.clone(),
        frontend: Default::default(),
        ..::skep::config::Config::default()
    };
    config.backend.values_mut().flat_map(|bus| bus.listeners.values_mut()).for_each(|l| l.listen.set_port(0));
    config.admin.listen.set_port(0);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let embedded = runtime.block_on(::skep::Skep::start(config)).unwrap();
    let ran = skep(&["reload", "--data", data.to_str().unwrap()]).run();
    ran.refused(1, &[&format!("in use by process {}", std::process::id())]);
    runtime.block_on(embedded.stop());
}
