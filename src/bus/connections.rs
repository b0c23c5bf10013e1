//! All connections of a bus, those before CONNECT included: how many there may
//! be, who has fallen silent, and the end of all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ahash::AHashMap;
use parking_lot::Mutex;

use crate::mqtt::Reason;

use super::link::{Control, Farewell};

pub struct Connections {
    open: AtomicUsize,
    max: usize,
    next_key: AtomicU64,
    /// Those that have sent CONNECT.
    established: Mutex<AHashMap<u64, Arc<Control>>>,
}

/// A place among the connections; given up when dropped.
pub struct Seat {
    of: Arc<Connections>,
    key: Option<u64>,
}

impl Connections {
    pub fn new(max: usize) -> Arc<Connections> {
        Arc::new(Connections {
            open: AtomicUsize::new(0),
            max,
            next_key: AtomicU64::new(0),
            established: Mutex::default(),
        })
    }

    /// A place for a new connection, if there is one left.
    pub fn admit(self: &Arc<Self>) -> Option<Seat> {
        let admitted = self.open.fetch_add(1, Ordering::Relaxed) < self.max;
        let seat = Seat { of: Arc::clone(self), key: None };
        admitted.then_some(seat)
    }

    /// Connections now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub fn all(&self) -> Vec<Arc<Control>> {
        self.established.lock().values().cloned().collect()
    }

    /// Ends connections whose peer has been silent for too long [MQTT-3.1.2-22].
    pub fn end_silent(&self, now: u64) {
        for control in self.established.lock().values().filter(|control| control.silent_too_long(now)) {
            let text = Some("nothing heard for one and a half times the keep-alive time".to_owned());
            control.end(Farewell { reason: Reason::KeepAliveTimeout, text, unsent: Vec::new() });
        }
    }
}

impl Connections {
    /// Ends connections whose token has expired; gives back how many.
    pub fn end_expired(&self, now: u64) -> u64 {
        let mut ended = 0;
        for control in self.established.lock().values().filter(|control| control.is_over(now)) {
            ended += u64::from(!control.is_ending());
            let text = Some("the token that the client logged in with has expired".to_owned());
            control.end(Farewell { reason: Reason::MaximumConnectTime, text, unsent: Vec::new() });
        }
        ended
    }
}

impl Seat {
    /// The connection is established: it can be found from now on.
    pub fn establish(&mut self, control: &Arc<Control>) {
        let key = self.of.next_key.fetch_add(1, Ordering::Relaxed);
        self.of.established.lock().insert(key, Arc::clone(control));
        self.key = Some(key);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.of.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(key) = self.key {
            self.of.established.lock().remove(&key);
        }
    }
}
