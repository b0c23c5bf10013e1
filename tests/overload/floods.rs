//! Few clients that send as fast as they can.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::Stage;
use super::support::client::{field, packet};
use super::support::rpc::request;
use super::support::{Message, PATIENCE, id};

/// Numbers that don't come twice.
static NEXT: AtomicU64 = AtomicU64::new(0);

fn next() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Joins, sends `burst` again and again while it is taken, reads now and then,
/// and goes.
fn send(stage: &Stage, bursts: usize, burst: impl Fn() -> Vec<u8>) {
    let Some(mut client) = stage.process.try_join(&stage.process.login(&format!("flood{}", next() % 1_000))) else {
        return;
    };
    for _ in 0..bursts {
        if !client.try_send(&burst()) || !client.try_send(&[0xC0, 0]) {
            return;
        }
        // Until the answer to the ping, which comes after all others.
        while client.next(PATIENCE).is_some_and(|packet| packet.first != 0xD0) {}
    }
}

#[test]
fn a_flood_of_subscribes_to_random_filters_does_not_keep_others_from_going_on() {
    let stage = Stage::set(&[]);
    let subscribes = || {
        let subscribe = |n: u64| {
            let n = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let filter = format!("msg/{:x}/+/{:x}/{:x}/#", n >> 48, n >> 32 & 0xFFFF, n & 0xFFFF_FFFF);
            packet(0x82, &[&[0, 1, 0][..], &field(filter.as_bytes()), &[0]].concat())
        };
        (0..100).flat_map(|_| subscribe(next())).collect()
    };
    let shares = || {
        let share =
            |n| packet(0x82, &[&[0, 1, 0][..], &field(format!("$share/{n}/msg/{n}").as_bytes()), &[1]].concat());
        (0..100).flat_map(|_| share(next())).collect()
    };
    stage.while_they(&[&|| send(&stage, 3, subscribes), &|| send(&stage, 3, shares)]);
}

#[test]
fn a_flood_of_requests_to_services_that_do_not_exist_does_not_keep_others_from_going_on() {
    let stage = Stage::set(&[]);
    let flood = || {
        let name = format!("nobody{}", next() % 1_000);
        let caller = id(&name);
        let Some(mut client) = stage.process.try_join(&stage.process.login(&name)) else { return };
        client.subscribe(&format!("priv/{caller}"), 0);
        let requests: Vec<u8> =
            (0..200).flat_map(|n| request(&caller, &format!("no.such.service{}", next()), n).packet(5)).collect();
        // It does not wait for answers, and goes before they come.
        for _ in 0..10 {
            if !client.try_send(&requests) {
                return;
            }
        }
    };
    stage.while_they(&[&flood, &flood]);
}

#[test]
fn a_flood_of_huge_packets_does_not_keep_others_from_going_on() {
    let stage = Stage::set(&[]);
    let huge = Message::new("req/nobody", vec![b'x'; 250_000]).packet(5);
    let too_large = Message::new("req/nobody", vec![b'x'; 300_000]).packet(5);
    let caller = id("huge");
    let mut large = request(&caller, "no.such.service", 1);
    large.payload = [br#"{"jsonrpc":"2.0","id":1,"params":""#, &vec![b'x'; 200_000][..], br#""}"#].concat();
    let large = large.packet(5);
    stage.while_they(&[
        &|| send(&stage, 10, || huge.repeat(4)),
        &|| send(&stage, 1, || too_large.clone()),
        // These wait for somebody to serve them.
        &|| {
            if let Some(mut client) = stage.process.try_join(&stage.process.login("huge")) {
                client.try_send(&large.repeat(4));
                client.try_send(&[0xC0, 0]);
                client.next(PATIENCE);
            }
        },
    ]);
}

/// They come to nothing that a bus sees, and keep a thread from ever sleeping.
#[test]
fn a_flood_of_websocket_pings_does_not_keep_others_from_going_on() {
    let stage = Stage::set(&[]);
    let flood = || {
        let mut socket = TcpStream::connect(stage.process.web).expect("it accepts");
        let ask = b"GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
            Sec-WebSocket-Protocol: mqtt\r\n\r\n";
        let connect = stage.process.login(&format!("pings{}", next() % 1_000)).packet();
        let frame = [&[0x82, 0x80 | connect.len() as u8, 0, 0, 0, 0][..], &connect].concat();
        let pings = [0x89, 0x80, 0, 0, 0, 0].repeat(5_000);
        socket.write_all(ask).expect("it reads");
        let read = socket.read(&mut [0; 1024]).expect("an answer");
        assert!(read > 0, "it agrees");
        let mut answers = socket.try_clone().expect("a second handle");
        thread::scope(|scope| {
            scope.spawn(move || while answers.read(&mut [0; 64 * 1024]).is_ok_and(|read| read > 0) {});
            let mut send = |bytes: &[u8]| socket.write_all(bytes).expect("it reads");
            send(&frame);
            for _ in 0..30 {
                send(&pings);
            }
            socket.shutdown(std::net::Shutdown::Both).expect("it is open");
        });
    };
    stage.while_they(&[&flood, &flood, &flood]);
}
