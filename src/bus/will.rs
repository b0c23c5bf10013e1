//! Wills: what a client wants said when it is gone without a goodbye, and
//! those of them that wait for their delay [MQTT-3.1.3-9].

use std::collections::BTreeSet;
use std::sync::Arc;

use ahash::AHashMap;
use parking_lot::Mutex;

use crate::mqtt::{self, QoS};

use super::clock;
use super::memory::{Charge, Memory};
use super::message::Publication;

/// A will message, ready to be published.
pub struct Will {
    pub topic: String,
    pub properties: Vec<u8>,
    pub payload: Vec<u8>,
    pub qos: QoS,
    pub retain: bool,
    pub delay_s: u32,
    message_expiry_s: Option<u32>,
    _charge: Charge,
}

impl Will {
    /// The will of a CONNECT, counted in `memory` for as long as it is there.
    pub fn new(will: mqtt::Will, memory: &Arc<Memory>) -> Will {
        let size = will.topic.len() + will.properties.len() + will.payload.len();
        Will {
            topic: will.topic,
            properties: will.properties,
            payload: will.payload,
            qos: will.qos,
            retain: will.retain,
            delay_s: will.delay,
            message_expiry_s: will.message_expiry,
            _charge: Charge::new(memory, size),
        }
    }

    /// Bytes of what the client has said.
    pub fn size(&self) -> usize {
        self.topic.len() + self.properties.len() + self.payload.len()
    }

    /// The message; its expiry counts from now.
    pub fn publication(&self, publisher: u64) -> Publication<'_> {
        let mut publication = Publication::new(&self.topic, &self.properties, &self.payload);
        publication.qos = self.qos;
        publication.retain = self.retain;
        publication.publisher = publisher;
        publication.expires_at = self.message_expiry_s.map_or(0, |s| clock::now_ms() + s as u64 * 1000);
        publication
    }
}

/// Wills whose delay runs, by the key of the session they belong to.
#[derive(Default)]
pub struct DelayedWills(Mutex<Delayed>);

#[derive(Default)]
struct Delayed {
    wills: AHashMap<u64, (u64, Box<Will>)>,
    /// One for each of them: when, and whose.
    due: BTreeSet<(u64, u64)>,
}

impl DelayedWills {
    pub fn add(&self, session: u64, due: u64, will: Box<Will>) {
        let mut delayed = self.0.lock();
        if let Some((before, _)) = delayed.wills.insert(session, (due, will)) {
            delayed.due.remove(&(before, session));
        }
        delayed.due.insert((due, session));
    }

    /// The client is back, or its session has ended.
    pub fn take(&self, session: u64) -> Option<Box<Will>> {
        let mut delayed = self.0.lock();
        let (due, will) = delayed.wills.remove(&session)?;
        delayed.due.remove(&(due, session));
        Some(will)
    }

    /// Wills whose time has come, with the keys of their sessions.
    pub fn due(&self, now: u64) -> Vec<(u64, Box<Will>)> {
        let mut delayed = self.0.lock();
        let mut out = Vec::new();
        while let Some((_, session)) = delayed.due.first().copied().filter(|(due, _)| *due <= now) {
            delayed.due.pop_first();
            out.extend(delayed.wills.remove(&session).map(|(_, will)| (session, will)));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_comes_back_leaves_no_will_behind() {
        let wills = DelayedWills::default();
        for due in 1..100 {
            let will = Will {
                topic: "a".into(),
                properties: Vec::new(),
                payload: Vec::new(),
                qos: QoS::AtMostOnce,
                retain: false,
                delay_s: 1,
                message_expiry_s: None,
                _charge: Charge::new(&Memory::new(None), 0),
            };
            wills.add(7, due, Box::new(will));
            assert!(wills.take(7).is_some());
        }
        assert!(wills.0.lock().due.is_empty());
        assert!(wills.due(1_000).is_empty());
    }
}
