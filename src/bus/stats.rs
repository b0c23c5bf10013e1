//! What a bus counts of itself. Counters only grow; gauges are read where the
//! things are.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one bus.
#[derive(Default)]
pub struct Stats {
    /// Connections accepted, whatever became of them.
    pub connections: Counter,
    /// Connections that got as far as a successful CONNACK.
    pub clients: Counter,
    /// Connections turned away at the limit, or for a failed CONNECT.
    pub refused: Counter,
    /// TLS handshakes that came to nothing.
    pub tls_failed: Counter,
    /// Logins refused: unknown users, wrong passwords, tokens that are not taken.
    pub logins_failed: Counter,
    /// Logins refused unseen, as too many of their address had failed.
    pub logins_limited: Counter,
    /// Connections ended because the token of their login had expired.
    pub tokens_expired: Counter,
    pub messages_in: Counter,
    pub messages_out: Counter,
    pub bytes_in: Counter,
    pub bytes_out: Counter,
    /// PUBLISH packets that the topic rules denied.
    pub denied_publish: Counter,
    /// Filters of SUBSCRIBE that the topic rules denied.
    pub denied_subscribe: Counter,
    /// QoS 0 messages dropped because the client reads too slowly.
    pub dropped_slow: Counter,
    /// Messages for clients that are away, past what is held for one.
    pub dropped_away: Counter,
    /// Messages that nobody was there for.
    pub dropped_nobody: Counter,
    /// Messages to mailboxes of clients that are not there.
    pub dropped_mailbox: Counter,
    /// Messages larger than the client's Maximum Packet Size.
    pub dropped_too_large: Counter,
    /// Messages whose expiry interval ran out while they waited.
    pub expired: Counter,
    /// Messages refused because a work queue was full.
    pub queue_full: Counter,
    /// Messages given to another member because the first one went away.
    pub redelivered: Counter,
    /// Messages set aside because several members went away with them.
    pub set_aside: Counter,
    /// Clients disconnected for a packet that breaks the protocol.
    pub protocol_errors: Counter,
    /// Clients disconnected because they read too slowly for QoS 1 and 2.
    pub slow_disconnects: Counter,
}

impl Stats {
    /// Messages that did not reach somebody who should have got them.
    pub fn dropped(&self) -> u64 {
        [
            &self.dropped_slow,
            &self.dropped_away,
            &self.dropped_too_large,
            &self.expired,
            &self.queue_full,
            &self.set_aside,
        ]
        .iter()
        .map(|counter| counter.get())
        .sum()
    }
}
