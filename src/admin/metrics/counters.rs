//! Which counter of which part is which metric. A new counter needs a line here
//! and a row in `docs/metrics.md`.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;

use super::family::Family;
use crate::bindings::JournalStats;
use crate::bus::Stats;
use crate::router;

/// What the label says, and which counter that is.
type Values<S> = &'static [(&'static str, fn(&S) -> u64)];

/// A family of counters in `S`, told apart by one label where there are several.
pub struct Counters<S: 'static> {
    family: Family,
    /// The label's name, and its value with each counter.
    label: &'static str,
    values: Values<S>,
}

const fn single<S: 'static>(name: &'static str, help: &'static str, values: Values<S>) -> Counters<S> {
    several(name, help, "", values)
}

const fn several<S: 'static>(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    values: Values<S>,
) -> Counters<S> {
    Counters { family: Family::counter(name, help), label, values }
}

pub static BUS_COUNTERS: &[Counters<Stats>] = &[
    single(
        "skep_connections_accepted",
        "Connections accepted, whatever became of them.",
        &[("", |s| s.connections.get())],
    ),
    single(
        "skep_connections_refused",
        "Connections turned away at a limit, or for a failed CONNECT.",
        &[("", |s| s.refused.get())],
    ),
    single(
        "skep_clients_accepted",
        "Connections that got as far as a successful CONNACK.",
        &[("", |s| s.clients.get())],
    ),
    single("skep_tls_failures", "TLS handshakes that came to nothing.", &[("", |s| s.tls_failed.get())]),
    several(
        "skep_logins_refused",
        "Logins refused, by reason.",
        "reason",
        &[("wrong", |s| s.logins_failed.get()), ("limited", |s| s.logins_limited.get())],
    ),
    single(
        "skep_tokens_expired",
        "Connections ended because the token of their login had expired.",
        &[("", |s| s.tokens_expired.get())],
    ),
    several(
        "skep_limits_reached",
        "Times that a limit made the bus refuse, drop, pause or end something, by limit.",
        "limit",
        &[
            ("connections", |s| s.refused_connections.get()),
            ("connections_per_address", |s| s.refused_address.get()),
            ("connections_per_user", |s| s.refused_user.get()),
            ("connect_time", |s| s.connect_timeouts.get()),
            ("packet_size", |s| s.packets_too_large.get()),
            ("subscriptions", |s| s.refused_subscribe.get()),
            ("publish_rate", |s| s.rate_disconnects.get()),
            ("byte_rate", |s| s.throttled.get()),
            ("retained", |s| s.retained_full.get()),
            ("sessions_away", |s| s.ended_away.get()),
            ("memory", |s| s.memory_full.get()),
        ],
    ),
    single(
        "skep_memory_disconnects",
        "Clients disconnected because they held the most while the bus held all that it may.",
        &[("", |s| s.memory_disconnects.get())],
    ),
    single(
        "skep_log_lines_left_out",
        "Log lines about clients left out because there were too many.",
        &[("", |s| s.log_lines_left_out.get())],
    ),
    single("skep_messages_received", "PUBLISH packets from clients.", &[("", |s| s.messages_in.get())]),
    single("skep_messages_sent", "Messages taken for sending to clients.", &[("", |s| s.messages_out.get())]),
    single("skep_received_bytes", "Bytes read from clients.", &[("", |s| s.bytes_in.get())]),
    single("skep_sent_bytes", "Bytes written to clients.", &[("", |s| s.bytes_out.get())]),
    several(
        "skep_messages_dropped",
        "Messages that did not reach somebody, by reason.",
        "reason",
        &[
            ("slow_client", |s| s.dropped_slow.get()),
            ("client_away", |s| s.dropped_away.get()),
            ("nobody", |s| s.dropped_nobody.get()),
            ("no_mailbox", |s| s.dropped_mailbox.get()),
            ("too_large", |s| s.dropped_too_large.get()),
            ("expired", |s| s.expired.get()),
            ("queue_full", |s| s.queue_full.get()),
            ("set_aside", |s| s.set_aside.get()),
        ],
    ),
    several(
        "skep_denied",
        "What topic rules denied, by operation.",
        "operation",
        &[("publish", |s| s.denied_publish.get()), ("subscribe", |s| s.denied_subscribe.get())],
    ),
    single(
        "skep_redeliveries",
        "Messages taken back from a worker that went away with them.",
        &[("", |s| s.redelivered.get())],
    ),
    single(
        "skep_protocol_errors",
        "Clients disconnected for a packet that breaks the protocol.",
        &[("", |s| s.protocol_errors.get())],
    ),
    single(
        "skep_slow_disconnects",
        "Clients disconnected because they read too slowly.",
        &[("", |s| s.slow_disconnects.get())],
    ),
];

pub static ROUTER_COUNTERS: &[Counters<router::Stats>] = &[
    several(
        "skep_router_messages",
        "Messages passed between the buses, by flow.",
        "flow",
        &[
            ("request", |s| s.requests.get()),
            ("response", |s| s.responses.get()),
            ("broadcast", |s| s.broadcasts.get()),
            ("unicast", |s| s.unicasts.get()),
        ],
    ),
    several(
        "skep_router_refused",
        "What the router did not take, by reason.",
        "reason",
        &[
            ("response_topic", |s| s.refused_response_topic.get()),
            ("fwd_to", |s| s.refused_fwd_to.get()),
            ("overloaded", |s| s.overloaded.get()),
            ("unauthorized", |s| s.unauthorized_calls.get()),
        ],
    ),
    several(
        "skep_router_undelivered",
        "Messages whose receiver was not there, by flow.",
        "flow",
        &[("response", |s| s.responses_to_nobody.get()), ("unicast", |s| s.unicasts_to_nobody.get())],
    ),
    single(
        "skep_router_errors_answered",
        "Errors answered in place of a service.",
        &[("", |s| s.errors_answered.get())],
    ),
];

pub static JOURNAL_COUNTERS: &[Counters<JournalStats>] = &[
    single("skep_bindings_changes", "Binds and unbinds written to disk.", &[("", |s| s.changes)]),
    single("skep_bindings_expired", "Sessions forgotten because nothing was heard of them.", &[("", |s| s.expired)]),
    single(
        "skep_bindings_write_errors",
        "Writes to disk that failed; until one succeeds again, nothing can be bound.",
        &[("", |s| s.errors)],
    ),
];

impl<S: 'static> Counters<S> {
    /// Writes the family, with each of `parts` and its labels.
    pub fn encode<'a, const N: usize>(
        &self,
        to: &mut DescriptorEncoder<'_>,
        parts: impl IntoIterator<Item = (&'a S, [(&'static str, &'a str); N])>,
    ) -> fmt::Result {
        let mut values = Vec::new();
        for (part, labels) in parts {
            for (label, value) in self.values {
                let mut labels = labels.to_vec();
                if !self.label.is_empty() {
                    labels.push((self.label, *label));
                }
                values.push((labels, value(part)));
            }
        }
        self.family.all(to, values)
    }
}
