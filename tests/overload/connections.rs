//! Many connections: silent ones, half-open ones, slow ones, ever new ones.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::Stage;
use super::support::{Client, Message};

/// Peers that do nothing are gone after that, in ms.
const TIMEOUT: &str = "connections.connection_timeout_ms=500";

/// Opens so many connections, as far as they are taken.
fn open(address: SocketAddr, count: usize) -> Vec<Client> {
    (0..count).filter_map(|_| Client::try_open(address)).collect()
}

/// Clients that have logged in, with that keep-alive in s.
fn joined(stage: &Stage, name: &str, count: usize, keep_alive: u16) -> Vec<Client> {
    let login = |n| stage.process.login(&format!("{name}{n}")).keep_alive(keep_alive);
    (0..count).filter_map(|n| stage.process.try_join(&login(n))).collect()
}

fn until_all_closed(clients: &mut [Client]) {
    clients.iter_mut().for_each(Client::closed);
}

#[test]
fn silent_peers_are_given_up_and_others_go_on() {
    let stage = Stage::set(&[TIMEOUT]);
    stage.while_they(&[
        // Before they have said anything, and after CONNECT.
        &|| {
            let mut silent = open(stage.process.frontend, 200);
            silent.append(&mut open(stage.process.web, 200));
            until_all_closed(&mut silent);
        },
        &|| until_all_closed(&mut joined(&stage, "silent", 100, 1)),
    ]);
}

#[test]
fn half_open_connections_are_given_up_and_others_go_on() {
    let stage = Stage::set(&[TIMEOUT]);
    let packet = Message::new("req/x", vec![b'x'; 200_000]).packet(5);
    let halfway = |mut clients: Vec<Client>, bytes: &[u8]| {
        clients.retain_mut(|client| client.try_send(bytes));
        clients
    };
    stage.while_they(&[
        // In the middle of CONNECT, of the WebSocket handshake, of a packet.
        &|| {
            until_all_closed(&mut halfway(
                open(stage.process.frontend, 200),
                &stage.process.login("half").packet()[..20],
            ))
        },
        &|| until_all_closed(&mut halfway(open(stage.process.web, 200), b"GET /mqtt HTTP/1.1\r\nHost: x\r\n")),
        &|| until_all_closed(&mut halfway(joined(&stage, "half", 50, 1), &packet[..150_000])),
        // Closed on their side only.
        &|| {
            let mut closed = joined(&stage, "closed", 50, 0);
            closed.iter_mut().for_each(Client::close_writing);
            until_all_closed(&mut closed);
        },
    ]);
}

#[test]
fn senders_of_one_byte_at_a_time_are_given_up_and_others_go_on() {
    let stage = Stage::set(&[TIMEOUT]);
    /// Sends `bytes` one by one on each connection until all are closed.
    fn dribble(mut clients: Vec<Client>, bytes: &[u8]) {
        let until = Instant::now() + Duration::from_secs(10);
        for byte in bytes.iter().cycle() {
            clients.retain_mut(|client| client.try_send(&[*byte]));
            if clients.is_empty() {
                return;
            }
            assert!(Instant::now() < until, "{} are still there", clients.len());
            thread::sleep(Duration::from_millis(5));
        }
    }
    let connect = stage.process.login("dribble").packet();
    // A length that leaves time, then zeros.
    let mut publish = vec![0x30, 0xFF, 0x7F];
    publish.resize(1_000, 0);
    stage.while_they(&[
        &|| dribble(open(stage.process.frontend, 100), &[&connect[..10], &[0; 1_000]].concat()),
        &|| {
            dribble(
                open(stage.process.web, 100),
                b"GET /mqtt HTTP/1.1\r\nHost: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            )
        },
        &|| dribble(joined(&stage, "dribble", 50, 1), &publish),
    ]);
}

#[test]
fn a_flood_of_connects_does_not_keep_others_from_going_on_nor_fill_the_log() {
    let stage = Stage::set(&[]);
    let refused = stage.process.login("flood").user("frontend", "wrong");
    let accepted = stage.process.login("flood");
    stage.while_they(&[
        &|| drop(stage.process.try_join(&refused)),
        &|| drop(stage.process.try_join(&accepted)),
        &|| drop(open(stage.process.frontend, 20)),
        &|| {
            if let Some(mut client) = Client::try_open(stage.process.frontend) {
                client.try_send(b"\x10\x04nonsense");
                client.closed();
            }
        },
    ]);
    assert!(stage.process.counted("skep_log_lines_left_out_total") > 0.0);
    let Stage { process, calls, _turn } = stage;
    drop(calls);
    let log = process.end();
    assert!(log.lines().count() < 60, "{} lines, such as {:?}", log.lines().count(), log.lines().last());
    assert!(log.contains("connection refused"), "{log}");
}
