//! The last things that went wrong: denials, refusals, errors. A bounded ring
//! for whoever looks into a running skep; the log has more, the counters all.
//! What happens again and again takes one place and is counted.

use std::time::{SystemTime, UNIX_EPOCH};

use ahash::RandomState;
use parking_lot::Mutex;
use serde::Serialize;

/// Events kept.
const MAX_EVENTS: usize = 256;

/// Longest text kept of what a peer chose, in bytes.
const MAX_TEXT: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// The topic rules did not allow it.
    Denied,
    /// A request was answered with an error, or a client ended by us.
    Error,
    /// Somebody was not let in, or something not taken.
    Refused,
    /// A client broke the protocol.
    Protocol,
    /// A wrong user or password.
    Login,
}

/// Something that went wrong, once or several times.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// The last time, wall clock, ms since 1970.
    pub at_ms: u64,
    pub kind: EventKind,
    /// Bus id.
    pub bus: String,
    /// Client id, or where the client is connected from while it has none.
    pub client: String,
    pub what: String,
    pub reason: String,
    /// How often, all else being the same.
    pub count: u64,
}

/// The ring.
#[derive(Default)]
pub struct Events {
    hasher: RandomState,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Events so far.
    number: u64,
    /// In no order.
    places: Vec<Place>,
}

struct Place {
    /// Of what tells the event apart.
    hash: u64,
    /// Of its last time.
    number: u64,
    event: Event,
}

impl Events {
    /// Keeps an event in place of the oldest one, or counts it again.
    pub fn add(&self, kind: EventKind, bus: &str, client: &str, what: &str, reason: &str) {
        let hash = self.hasher.hash_one((kind, bus, client, what, reason));
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let mut kept = self.kept.lock();
        kept.number += 1;
        let number = kept.number;
        if let Some(place) = kept.places.iter_mut().find(|place| place.hash == hash) {
            place.number = number;
            place.event.count += 1;
            place.event.at_ms = at_ms;
            return;
        }
        let event = Event {
            at_ms,
            kind,
            bus: bus.to_owned(),
            client: shortened(client),
            what: shortened(what),
            reason: shortened(reason),
            count: 1,
        };
        let place = Place { hash, number, event };
        if kept.places.len() < MAX_EVENTS {
            kept.places.push(place);
        } else if let Some(oldest) = kept.places.iter_mut().min_by_key(|place| place.number) {
            *oldest = place;
        }
    }

    /// All that are kept, newest first.
    pub fn list(&self) -> Vec<Event> {
        let kept = self.kept.lock();
        let mut events: Vec<(u64, Event)> =
            kept.places.iter().map(|place| (place.number, place.event.clone())).collect();
        drop(kept);
        events.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
        events.into_iter().map(|(_, event)| event).collect()
    }
}

/// At most [`MAX_TEXT`] bytes, the last of them telling that there was more.
fn shortened(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(MAX_TEXT - '…'.len_utf8());
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_again_is_counted_and_the_ring_is_bounded() {
        let events = Events::default();
        for n in 0..MAX_EVENTS * 2 {
            events.add(EventKind::Denied, "b", &format!("client {n}"), "publish", "rules");
            events.add(EventKind::Protocol, "b", "the same", "packet", "malformed");
        }
        let kept = events.list();
        assert_eq!(kept.len(), MAX_EVENTS);
        let same: Vec<_> = kept.iter().filter(|event| event.client == "the same").collect();
        assert_eq!((same.len(), same[0].kind), (1, EventKind::Protocol));
        assert!(kept.windows(2).all(|pair| pair[0].at_ms >= pair[1].at_ms));
    }

    #[test]
    fn what_a_peer_sends_is_kept_shortened() {
        let events = Events::default();
        events.add(EventKind::Denied, "b", "c", &"ü".repeat(40_000), "");
        let what = &events.list()[0].what;
        assert!(what.len() <= MAX_TEXT && what.ends_with("ü…"), "{what}");
    }
}
