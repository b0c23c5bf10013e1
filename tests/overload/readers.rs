//! Clients that subscribe and don't read.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::Stage;
use super::support::{Client, Login, Message};

#[test]
fn slow_readers_are_bounded_and_others_go_on() {
    // All of them together come to the limit of the bus, too.
    let slow = AtomicUsize::new(0);
    let stage = Stage::set(&["max_memory_bytes=67108864"]);
    let broadcast = |worker: &mut Client| {
        let message = Message::new("msg/frontend-1", vec![b'x'; 50_000]).with("fwd_to", "msg/frontend/a/b");
        worker.publish(message);
        // As fast as a busy application, not as fast as can be.
        thread::sleep(Duration::from_millis(2));
    };
    let read_nothing = |qos: u8| {
        let join = |n| stage.process.try_join(&stage.process.login(&format!("slow{qos}_{n}")));
        let mut readers: Vec<_> = (0..40).filter_map(join).collect();
        // While those of before are still owed all that the bus may hold, it refuses.
        readers.retain_mut(|reader| reader.subscribe("msg/#", qos) <= qos);
        slow.fetch_add(readers.len(), Ordering::Relaxed);
        let mut worker =
            Client::connect(stage.process.backend, Login::new(&format!("pusher{qos}")).user("backend", "def456"));
        for _ in 0..200 {
            broadcast(&mut worker);
        }
    };
    stage.while_they(&[&|| read_nothing(0), &|| read_nothing(1)]);
    assert!(slow.into_inner() >= 40, "they were there");
}
