//! Every setting there is, with the form of its value. The structs of the parts
//! hold the same keys; a test compares the two.

use super::form::Form;
use super::key::{Key, is_bare};
use crate::bus::is_user_name;

/// A place in the tree of settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    /// A setting that always has a value.
    Setting(Form),
    /// A setting that may be left unset.
    Optional(Form),
    /// Settings under names that are fixed.
    Group(&'static [(&'static str, Node)]),
    /// Things that the owner names, and the settings of each.
    Named(Named, &'static Node),
}

/// What the owner gives names to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    Backend,
    Frontend,
    Listener,
    User,
}

impl Named {
    /// What it is, for messages.
    pub fn noun(self) -> &'static str {
        match self {
            Named::Backend | Named::Frontend => "bus",
            Named::Listener => "listener",
            Named::User => "user",
        }
    }

    /// What stands for the name in documentation.
    pub fn placeholder(self) -> &'static str {
        match self {
            Named::Backend | Named::Frontend => "ID",
            Named::Listener => "NAME",
            Named::User => "USER",
        }
    }

    /// Checks a name; the error is what it has to be.
    pub(super) fn check(self, name: &str) -> Result<(), &'static str> {
        let (fits, allowed) = match self {
            Named::User => (is_user_name(name), "text without \"/\", \"+\", \"#\" and control characters"),
            // A bus id is a part of `res/{id}-{lane}` and of caller addresses.
            _ => (is_bare(name), "letters, digits, \"_\" and \"-\""),
        };
        if fits { Ok(()) } else { Err(allowed) }
    }
}

use Node::{Group, Optional, Setting};

const fn whole(min: i64, max: i64, unit: &'static str) -> Node {
    Setting(Form::Whole { min, max, unit })
}

const fn at_least(min: i64, unit: &'static str) -> Node {
    whole(min, i64::MAX, unit)
}

/// A day: longer than any of the waits it bounds can be meant to take.
const DAY_MS: i64 = 24 * 3_600 * 1_000;
/// Ten years, so that adding it to a point in time can't overflow.
const TEN_YEARS_S: i64 = 10 * 365 * 24 * 3_600;
/// [MQTT-2.1.4]: four length bytes hold 268,435,455; with them and the first
/// byte a packet has five more.
const LARGEST_PACKET: i64 = 268_435_455 + 5;

/// The whole tree.
pub static ROOT: Node = Group(&[
    ("data", Setting(Form::Directory)),
    ("threads", whole(0, 1_024, "threads")),
    ("backend", Node::Named(Named::Backend, &BUS)),
    ("frontend", Node::Named(Named::Frontend, &BUS)),
    ("router", ROUTER),
    ("bindings", BINDINGS),
    ("admin", ADMIN),
    ("framework", FRAMEWORK),
    ("log", LOG),
]);

const BUS: Node = Group(&[
    ("role", Setting(Form::Role)),
    ("anonymous", Optional(Form::Text)),
    ("reveal_denials", Setting(Form::Switch)),
    ("max_memory_bytes", Optional(Form::Whole { min: 1, max: i64::MAX, unit: "bytes" })),
    ("listeners", Node::Named(Named::Listener, &LISTENER)),
    ("users", Node::Named(Named::User, &USER)),
    ("users_file", Optional(Form::File)),
    ("login", LOGIN),
    ("jwt", JWT),
    ("connections", CONNECTIONS),
    ("sessions", SESSIONS),
    ("queues", QUEUES),
    ("topics", TOPICS),
]);

const LISTENER: Node = Group(&[
    ("listen", Setting(Form::Address)),
    ("transport", Setting(Form::OneOf(&["tcp", "ws"]))),
    ("allow_insecure", Setting(Form::Switch)),
    ("tls", TLS),
]);

const TLS: Node = Group(&[
    ("cert", Optional(Form::File)),
    ("key", Optional(Form::File)),
    ("client_ca", Optional(Form::File)),
    ("client_auth", Setting(Form::OneOf(&["none", "optional", "required"]))),
    ("user_from_cn", Setting(Form::Switch)),
]);

const USER: Node = Group(&[
    ("password", Setting(Form::Secret)),
    ("publish", Setting(Form::Patterns)),
    ("subscribe", Setting(Form::Patterns)),
]);

const LOGIN: Node = Group(&[
    ("max_checks", whole(1, 1_024, "checks")),
    ("cache_s", whole(0, DAY_MS / 1_000, "s")),
    ("max_cached", at_least(1, "logins")),
    ("max_failures", whole(0, u32::MAX as i64, "logins")),
    ("failure_window_s", whole(1, DAY_MS / 1_000, "s")),
    ("max_failure_addresses", at_least(1, "addresses")),
]);

const JWT: Node = Group(&[
    ("key_file", Optional(Form::File)),
    ("jwks_file", Optional(Form::File)),
    ("algorithm", Optional(Form::OneOf(&["HS256", "RS256", "ES256"]))),
    ("issuer", Optional(Form::Text)),
    ("audience", Optional(Form::Text)),
    ("leeway_s", whole(0, 3_600, "s")),
    ("user_claim", Setting(Form::Text)),
    ("rules_claim", Setting(Form::Text)),
    ("rules_from", Optional(Form::Text)),
]);

const CONNECTIONS: Node = Group(&[
    ("max_connections", at_least(1, "connections")),
    ("max_per_address", Optional(Form::Whole { min: 0, max: i64::MAX, unit: "connections" })),
    ("max_per_user", at_least(0, "clients")),
    ("connection_timeout_ms", whole(1, DAY_MS, "ms")),
    ("max_payload_size", whole(1, LARGEST_PACKET, "bytes")),
    ("max_connect_size", whole(64, LARGEST_PACKET, "bytes")),
    // [MQTT-3.2.2.3.3]: a Receive Maximum of 0 is a protocol error.
    ("max_inflight_count", whole(1, u16::MAX as i64, "messages")),
    ("max_topic_aliases", whole(0, u16::MAX as i64, "aliases")),
    ("max_outgoing_topic_aliases", whole(0, u16::MAX as i64, "aliases")),
    ("max_backlog_bytes", at_least(1, "bytes")),
    ("max_keep_alive_s", whole(0, u16::MAX as i64, "s")),
    // Linux takes no more.
    ("tcp_keep_alive_s", whole(0, 32_767, "s")),
    ("max_subscriptions", at_least(1, "subscriptions")),
    ("max_publish_rate", whole(0, u32::MAX as i64, "messages/s")),
    ("max_byte_rate", whole(0, u32::MAX as i64, "bytes/s")),
]);

const SESSIONS: Node = Group(&[
    ("max_expiry_s", whole(0, u32::MAX as i64, "s")),
    ("max_away", at_least(0, "sessions")),
    ("max_held_messages", at_least(0, "messages")),
    ("max_held_bytes", at_least(0, "bytes")),
    ("retain", Setting(Form::Switch)),
    ("max_retained", at_least(0, "messages")),
    ("max_retained_bytes", at_least(0, "bytes")),
]);

const QUEUES: Node = Group(&[
    ("max_messages", at_least(1, "messages")),
    ("max_bytes", at_least(1, "bytes")),
    ("grace_ms", whole(0, DAY_MS, "ms")),
    ("max_deaths", whole(1, u32::MAX as i64, "members")),
]);

const TOPICS: Node = Group(&[
    ("engine", Setting(Form::OneOf(&["tree", "rumqttd"]))),
    ("max_filters", at_least(1, "filters")),
    // rumqttd panics on segments under 1 KiB.
    ("max_segment_size", at_least(1_024, "bytes")),
    ("max_segment_count", at_least(1, "segments")),
    ("max_outgoing_packet_count", at_least(1, "packets")),
]);

const ROUTER: Node = Group(&[
    ("enabled", Setting(Form::Switch)),
    ("lanes", whole(1, u8::MAX as i64, "lanes")),
    ("auth_salt", Optional(Form::Secret)),
    ("shutdown_wait_ms", whole(0, DAY_MS, "ms")),
    ("presence", Group(&[("enabled", Setting(Form::Switch)), ("grace_ms", whole(0, DAY_MS, "ms"))])),
]);

const BINDINGS: Node = Group(&[("persist", Setting(Form::Switch)), ("session_timeout_s", whole(1, TEN_YEARS_S, "s"))]);

const ADMIN: Node = Group(&[
    ("enabled", Setting(Form::Switch)),
    ("listen", Setting(Form::Address)),
    ("token", Optional(Form::Token)),
    ("hosts", Setting(Form::Hosts)),
]);

const FRAMEWORK: Node = Group(&[("status", Setting(Form::Switch)), ("log", Setting(Form::Switch))]);

const LOG: Node =
    Group(&[("filter", Setting(Form::LogFilter)), ("format", Setting(Form::OneOf(&["auto", "human", "json"])))]);

impl Node {
    /// The names known one level further in; none where the owner names things.
    pub(super) fn known(&self) -> Vec<&'static str> {
        match self {
            Group(children) => children.iter().map(|(name, _)| *name).collect(),
            _ => Vec::new(),
        }
    }

    /// The node of the name one level further in.
    pub(super) fn child(&self, name: &str) -> Option<&'static Node> {
        match self {
            Group(children) => {
                let children: &'static [_] = children;
                children.iter().find(|(known, _)| *known == name).map(|(_, node)| node)
            }
            Node::Named(_, each) => Some(each),
            Setting(_) | Optional(_) => None,
        }
    }
}

/// The node of a key; `None` where there is nothing.
pub(super) fn node(key: &Key) -> Option<&'static Node> {
    key.levels().iter().try_fold(&ROOT, |node, level| node.child(level))
}

/// Every setting with its form; what the owner names stands as a placeholder.
pub fn settings() -> Vec<(Key, Form)> {
    let mut all = Vec::new();
    collect(&ROOT, &Key::root(), &mut all);
    all
}

/// The same of one node, whose key is `key`.
pub(super) fn collect(node: &Node, key: &Key, into: &mut Vec<(Key, Form)>) {
    match node {
        Setting(form) | Optional(form) => into.push((key.clone(), *form)),
        Group(children) => {
            for (name, child) in *children {
                collect(child, &key.child(name), into);
            }
        }
        Node::Named(named, each) => collect(each, &key.child(named.placeholder()), into),
    }
}
