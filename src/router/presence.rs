//! Who is there: workers hear when the first device of an address comes online,
//! and when the last one has been gone for a while.
//!
//! Nothing is counted up and down. Whatever may have changed an address only
//! marks it; one task then looks at how it is now. So no order of events has to
//! be kept, a flood of them is one look, and what is published of one address
//! is in order.

use std::sync::Arc;
use std::time::Duration;

use ahash::AHashSet;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::bus::{Batch, ClientHook, Publication, now_ms};
use crate::mqtt::QoS;

use super::Core;
use super::roll::{Roll, Word};

/// Looks at addresses before other tasks get their turn.
const CHUNK: usize = 64;

/// After a start, so many addresses a millisecond are said to be offline at
/// most: about what one worker can take.
const ASSUMED_PER_MS: u64 = 5;

/// What marks addresses, and the task that looks at them.
#[derive(Default)]
pub struct Presence {
    marked: Mutex<AHashSet<Box<str>>>,
    wake: Notify,
}

/// The devices of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    /// Bound, and connected to their frontend.
    pub online: usize,
    pub bound: usize,
}

impl Presence {
    /// Something of `address` may have changed.
    pub fn mark(&self, address: &str) {
        let mut marked = self.marked.lock();
        if !marked.contains(address) {
            marked.insert(address.into());
            drop(marked);
            self.wake.notify_one();
        }
    }

    fn take(&self) -> AHashSet<Box<str>> {
        std::mem::take(&mut self.marked.lock())
    }
}

/// Hears of clients of one frontend that come and go.
pub struct Comings {
    core: Arc<Core>,
    presence: Arc<Presence>,
    frontend: Box<str>,
}

impl Comings {
    pub fn new(core: &Arc<Core>, presence: &Arc<Presence>, frontend: &str) -> Comings {
        Comings { core: Arc::clone(core), presence: Arc::clone(presence), frontend: frontend.into() }
    }
}

impl ClientHook for Comings {
    fn changed(&self, client: &str) {
        if let Some(address) = self.core.bindings.address_of(client, &self.frontend) {
            self.presence.mark(&address);
        }
    }
}

impl Core {
    pub fn devices(&self, address: &str) -> Devices {
        let mut devices = Devices::default();
        self.bindings.devices(address, |client, frontend| {
            devices.bound += 1;
            devices.online += self.frontend(frontend).is_some_and(|bus| bus.is_connected(client)) as usize;
        });
        devices
    }

    fn publish_presence(&self, address: &str, word: Word, batch: &mut Batch) {
        let (method, devices) = match word {
            Word::Online(devices) => ("online", devices),
            Word::Offline => ("offline", 0),
        };
        let payload = json!({
            "jsonrpc": "2.0",
            "method": format!("router.presence.{method}"),
            "params": { "address": address, "devices": devices },
        });
        let payload = payload.to_string();
        for backend in self.buses.get().map_or(&[][..], |buses| &buses.backends) {
            let topic = format!("msg/{}/router/presence/{method}", backend.role());
            let mut notification = Publication::new(&topic, &[], payload.as_bytes());
            notification.qos = QoS::AtLeastOnce;
            backend.publish(&notification, batch);
        }
    }
}

/// Looks at what is marked until the router stops: who goes then has not left.
pub async fn run(core: Arc<Core>, presence: Arc<Presence>) {
    let mut roll = Roll::new(core.settings.presence.grace_ms);
    let started = now_ms();
    for (at, address) in core.bindings.addresses().iter().enumerate() {
        roll.assume(address, started + at as u64 / ASSUMED_PER_MS);
    }
    let mut batch = Batch::new();
    loop {
        let pause = roll.next_due().map(|due| Duration::from_millis(due.saturating_sub(now_ms())));
        tokio::select! {
            () = presence.wake.notified() => {}
            // Never polled where there is nothing to wait for.
            () = sleep(pause.unwrap_or_default()), if pause.is_some() => {}
        }
        let mut looked = 0;
        for address in presence.take() {
            if core.is_stopping() {
                return;
            }
            if let Some(word) = roll.look(&address, core.devices(&address).online, now_ms()) {
                core.publish_presence(&address, word, &mut batch);
            }
            looked += 1;
            if looked % CHUNK == 0 {
                batch.flush_fairly().await;
                tokio::task::yield_now().await;
            }
        }
        while let Some(address) = roll.take_due(now_ms()) {
            if core.is_stopping() {
                return;
            }
            if let Some(word) = roll.settle(&address, core.devices(&address).online) {
                core.publish_presence(&address, word, &mut batch);
            }
            looked += 1;
            if looked % CHUNK == 0 {
                batch.flush_fairly().await;
                tokio::task::yield_now().await;
            }
        }
        batch.flush_fairly().await;
    }
}
