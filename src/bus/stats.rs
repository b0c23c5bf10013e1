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

    /// [`Counter::add`] of 1 where nobody else adds: costs no atomic change.
    pub fn add_alone(&self) {
        self.0.store(self.get().wrapping_add(1), Ordering::Relaxed);
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
    /// Connections turned away at a limit, or for a failed CONNECT.
    pub refused: Counter,
    /// TLS handshakes that came to nothing.
    pub tls_failed: Counter,
    /// Logins refused: unknown users, wrong passwords, tokens that are not taken.
    pub logins_failed: Counter,
    /// Logins refused unseen, as too many of their address had failed.
    pub logins_limited: Counter,
    /// Connections ended because the token of their login had expired.
    pub tokens_expired: Counter,
    /// Connections turned away because `max_connections` were there.
    pub refused_connections: Counter,
    /// Connections turned away because their address had as many as it may.
    pub refused_address: Counter,
    /// Clients turned away because their user had as many as it may.
    pub refused_user: Counter,
    /// Connections given up because TLS, WebSocket and CONNECT took too long.
    pub connect_timeouts: Counter,
    /// Clients disconnected for a packet larger than is taken, CONNECT included.
    pub packets_too_large: Counter,
    /// Filters of SUBSCRIBE refused because a limit on subscriptions, queues or
    /// memory was reached.
    pub refused_subscribe: Counter,
    /// Clients disconnected for more messages a second than they may publish.
    pub rate_disconnects: Counter,
    /// Times that reading from a client paused because it sent more bytes a
    /// second than it may.
    pub throttled: Counter,
    /// Retained messages refused because their limit on number or bytes was
    /// reached.
    pub retained_full: Counter,
    /// Sessions of clients that are away ended before their time, because there
    /// were too many of them or too much was held for them.
    pub ended_away: Counter,
    /// Messages and subscriptions refused, or not held, because the bus held
    /// all the memory that it may.
    pub memory_full: Counter,
    /// Clients disconnected because they held the most while the bus held all
    /// the memory that it may.
    pub memory_disconnects: Counter,
    /// Log lines about peers left out because there were too many.
    pub log_lines_left_out: Counter,
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
