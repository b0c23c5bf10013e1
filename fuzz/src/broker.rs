//! A whole connection, from its first byte to its last, with everything behind
//! it: buses, router, bindings.

use std::sync::OnceLock;

use parking_lot::Mutex;
use skep::bindings::Bindings;
use skep::bus::{Bus, Hooks, Settings, User};
use skep::fuzzing::{Peer, serve};
use skep::mqtt::next_frame;
use skep::router::{BusName, Router};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Two buses and the router between them. They outlive their peers, so that
/// what one leaves behind meets the next.
struct Stage {
    runtime: Runtime,
    frontend: Bus,
    backend: Bus,
    _data: TempDir,
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

/// A bus that lets everybody in, and keeps little.
fn settings(role: &str) -> Settings {
    let mut settings = Settings { role: role.into(), ..Settings::default() };
    let all = || vec!["#".to_owned()];
    let user = User { password: String::new(), publish: all(), subscribe: all(), ..User::default() };
    settings.users.insert("anybody".into(), user);
    settings.anonymous = Some("anybody".into());
    settings.connections.max_payload_size = 64 * 1024;
    settings.queues.max_messages = 50;
    settings.sessions.max_held_bytes = 1 << 20;
    settings.sessions.max_retained = 50;
    settings.topics.max_filters = 500;
    settings
}

impl Stage {
    fn new() -> Stage {
        let data = TempDir::new().expect("a directory");
        let bindings = Bindings::open(data.path(), &Default::default()).expect("a new store opens");
        let router = Router::new(Default::default(), bindings);
        let frontend_name = BusName { id: "frontend-1", role: "frontend" };
        let hooks = router.frontend_hooks(&frontend_name, &["backend"]);
        let frontend = Bus::new("frontend-1", settings("frontend"), hooks).expect("a bus");
        let hooks = router.backend_hooks(&BusName { id: "backend-1", role: "backend" }, &[frontend_name]);
        let backend = Bus::new("backend-1", settings("backend"), hooks).expect("a bus");
        router.join(vec![backend.clone()], vec![frontend.clone()]);
        Stage { runtime: runtime(), frontend, backend, _data: data }
    }
}

/// CONNECT of a client that is kept for a while, in MQTT 5 or 3.1.1.
fn connect(v5: bool, id: &str) -> Vec<u8> {
    let properties: &[u8] = if v5 { &[8, 0x11, 0, 0, 0, 60, 0x21, 0, 9] } else { &[] };
    let version = if v5 { 5 } else { 4 };
    let body = [b"\0\x04MQTT", &[version, 0, 0, 0][..], properties, &[0, id.len() as u8], id.as_bytes()].concat();
    [&[0x10, body.len() as u8], &body[..]].concat()
}

/// The first byte says how the rest comes: bit 7, to the frontend or the
/// backend; bit 6, after a CONNECT; bit 5, in which version; the others, in
/// pieces of how many bytes. Whatever comes, what goes out is whole packets.
pub fn broker(input: &[u8]) {
    static STAGE: OnceLock<Mutex<Stage>> = OnceLock::new();
    let Some((how, bytes)) = input.split_first() else { return };
    let stage = STAGE.get_or_init(|| Mutex::new(Stage::new())).lock();
    let bus = if how & 0x80 == 0 { &stage.frontend } else { &stage.backend };
    let mut sent = if how & 0x40 == 0 { Vec::new() } else { connect(how & 0x20 == 0, "aaaaaaaaaaaaaaaa") };
    sent.extend_from_slice(bytes);
    let peer = Peer::new(&sent, usize::from(how & 0x1F));
    stage.runtime.block_on(serve(bus, peer.clone()));
    kinds(&peer.written());
}

/// The same bytes, at once or in pieces, have the same packets for an answer.
pub fn pieces(input: &[u8]) {
    let Some((how, bytes)) = input.split_first() else { return };
    let runtime = runtime();
    let answered = |piece| {
        let bus = Bus::new("b", settings("backend"), Hooks::default()).expect("a bus");
        let mut sent = if how & 0x80 == 0 { Vec::new() } else { connect(how & 0x40 == 0, "a") };
        sent.extend_from_slice(bytes);
        let peer = Peer::new(&sent, piece);
        runtime.block_on(serve(&bus, peer.clone()));
        kinds(&peer.written())
    };
    assert_eq!(answered(0), answered(usize::from(how & 0x3F)));
}

/// First byte and length of each packet; there is nothing but packets.
fn kinds(mut bytes: &[u8]) -> Vec<(u8, usize)> {
    let mut kinds = Vec::new();
    while !bytes.is_empty() {
        let frame = next_frame(bytes, u32::MAX).ok().flatten();
        let Some(frame) = frame else { panic!("half a packet: {bytes:x?}") };
        kinds.push((frame.first, frame.len));
        bytes = &bytes[frame.len..];
    }
    kinds
}
