//! Everything about a bus that its owner can set, with the defaults.
//!
//! Names that rumqttd's own configuration has are kept where they mean the same.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One bus: who may connect, where, and how much of everything it takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What the bus is for; the second level of `req/…` and `msg/…` topics.
    pub role: String,
    /// Lets clients in that give neither user nor password; they are the user
    /// named here, with its topic rules. Unset: everybody has to log in.
    pub anonymous: Option<String>,
    /// Tells clients that the topic rules were why (0x87); off, they hear of an
    /// unspecified error (0x80).
    pub reveal_denials: bool,
    /// Bytes of messages, unsent bytes, wills and filters that the bus holds in
    /// all; past it new work is refused. Unset: a quarter of the memory that
    /// the machine or its container has.
    pub max_memory_bytes: Option<usize>,
    pub listeners: BTreeMap<String, Listener>,
    pub users: BTreeMap<String, User>,
    /// A file with further users and the hashes of their passwords, which the
    /// command `skep user` keeps.
    pub users_file: Option<PathBuf>,
    pub login: Login,
    pub jwt: Jwt,
    pub connections: Connections,
    pub sessions: Sessions,
    pub queues: Queues,
    pub topics: Topics,
}

/// A place where the bus accepts connections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Address and port; port 0 lets the system choose one.
    pub listen: SocketAddr,
    #[serde(default)]
    pub transport: Transport,
    /// Accepts sample passwords and anonymous access although `listen` is not a
    /// loopback address.
    #[serde(default)]
    pub allow_insecure: bool,
    #[serde(default)]
    pub tls: Tls,
}

impl Listener {
    /// One without TLS, and without leave to be insecure.
    pub fn new(listen: SocketAddr, transport: Transport) -> Listener {
        Listener { listen, transport, allow_insecure: false, tls: Tls::default() }
    }

    /// Whether other machines can reach it, and it does not accept what is safe
    /// on one machine only.
    pub fn is_exposed(&self) -> bool {
        // An IPv4 address in IPv6 clothes is the IPv4 address.
        !self.allow_insecure && !self.listen.ip().to_canonical().is_loopback()
    }
}

/// TLS 1.2 and 1.3 on a listener. Files are PEM, and read again on a reload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// The certificate and its chain, the certificate first. Unset: no TLS.
    pub cert: Option<PathBuf>,
    /// The certificate's private key.
    pub key: Option<PathBuf>,
    /// Certificates of those who sign certificates of clients.
    pub client_ca: Option<PathBuf>,
    pub client_auth: ClientAuth,
    /// The common name in a client's certificate is its user name, and no
    /// password is asked for then.
    pub user_from_cn: bool,
}

/// Whether a client has to show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// It is not asked for one.
    #[default]
    None,
    /// It is asked; one that it shows has to be good.
    Optional,
    /// Without a good one the handshake fails.
    Required,
}

/// How logins are checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Login {
    /// Password hashes computed at once, which take 19 MiB each unless made
    /// otherwise; as many tokens are checked at once.
    pub max_checks: usize,
    /// How long a password that was right needs no hash to be right again, in
    /// s; 0: every login is hashed.
    pub cache_s: u64,
    /// Logins remembered for that.
    pub max_cached: usize,
    /// Failed logins of one address (of a /64 with IPv6) within
    /// `failure_window_s`, past which it is refused unseen until the window is
    /// over; 0 is no limit.
    pub max_failures: u32,
    /// In s.
    pub failure_window_s: u64,
    /// Addresses whose failures are counted; past it the oldest are forgotten.
    pub max_failure_addresses: usize,
}

/// JSON Web Tokens in place of passwords: which are taken, and what they allow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Jwt {
    /// A key: PEM of a public key, or for HS256 the secret as it is.
    pub key_file: Option<PathBuf>,
    /// A set of keys (JWKS), in place of one.
    pub jwks_file: Option<PathBuf>,
    /// What the key is for; of a set, whose keys say it themselves, which of
    /// them are taken.
    pub algorithm: Option<Algorithm>,
    /// The `iss` that a token has to have.
    pub issuer: Option<String>,
    /// The `aud` that a token has to have; unset, one that has any is refused.
    pub audience: Option<String>,
    /// How far clocks may differ, in s.
    pub leeway_s: u64,
    /// The claim with the name of the user.
    pub user_claim: String,
    /// The claim with the topic rules: an object with the lists `publish` and
    /// `subscribe`.
    pub rules_claim: String,
    /// The user of this bus whose rules hold for tokens that have none. Unset:
    /// they are refused.
    pub rules_from: Option<String>,
}

/// Signatures that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    HS256,
    RS256,
    ES256,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    #[default]
    Tcp,
    /// WebSocket at `/mqtt`, subprotocol `mqtt`.
    Ws,
}

/// A user, and what it may do. In the patterns `%c` stands for the client id
/// and `%u` for the user name, each as a whole level. One with a `!` before it
/// takes back what others allow.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// As it is, or an argon2 hash of it (`$argon2id$…`); empty: the user logs
    /// in with a certificate only.
    pub password: String,
    /// Topic filters that topics of a PUBLISH must match.
    #[serde(default)]
    pub publish: Vec<String>,
    /// Topic filters that must cover the filter of a SUBSCRIBE.
    #[serde(default)]
    pub subscribe: Vec<String>,
}

impl User {
    /// The recommended rules on a backend, without a password.
    pub fn recommended_on_backend() -> User {
        User {
            password: String::new(),
            publish: strings(["req/#", "msg/#", "res/#", "log/#", "priv/#"]),
            subscribe: strings(["req/#", "msg/#", "res/#", "log/#", "priv/%c/#"]),
        }
    }

    /// The recommended rules of an end user on a frontend, without a password.
    pub fn recommended_on_frontend() -> User {
        User { password: String::new(), publish: strings(["req/#"]), subscribe: strings(["msg/#", "priv/%c"]) }
    }
}

/// Tells no password.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("publish", &self.publish)
            .field("subscribe", &self.subscribe)
            .finish_non_exhaustive()
    }
}

/// Limits on connections and on what one connection may do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Connections {
    /// Connections at once, those that have not yet sent CONNECT included.
    pub max_connections: usize,
    /// Connections at once from one address; of IPv6, from one /64 network. 0
    /// is no limit. Unset: none for this machine's own addresses (127.0.0.0/8
    /// and ::1), where a proxy may be, and 1,000 for any other.
    pub max_per_address: Option<usize>,
    /// Clients at once of one user; 0 is no limit.
    pub max_per_user: usize,
    /// Time for the TLS and WebSocket handshakes and CONNECT together, and as
    /// much for the login to be checked, in ms.
    pub connection_timeout_ms: u64,
    /// Largest packet taken from a client, in bytes, header included.
    pub max_payload_size: u32,
    /// Largest CONNECT, in bytes: who sends it has not logged in yet.
    pub max_connect_size: u32,
    /// Receive Maximum told to clients: QoS 2 publishes (and QoS 1 not yet
    /// acknowledged) that one may have under way.
    pub max_inflight_count: u16,
    /// Topic aliases that a client may set on its connection.
    pub max_topic_aliases: u16,
    /// Topic aliases that skep sets for a client that allows so many or more.
    pub max_outgoing_topic_aliases: u16,
    /// Unsent bytes held for a connected client that reads slowly. Past this
    /// QoS 0 is dropped, QoS 1 and 2 end the connection with 0x97.
    pub max_backlog_bytes: usize,
    /// Keep-alive imposed on clients that ask for none or for more, in s;
    /// 0 imposes nothing.
    pub max_keep_alive_s: u16,
    /// After so long without a byte the system asks the other end whether it
    /// is still there, in s; 0 never asks.
    pub tcp_keep_alive_s: u16,
    /// Subscriptions of one client.
    pub max_subscriptions: usize,
    /// Messages per second that a client may publish, averaged over some
    /// seconds; 0 is no limit. Past it the connection ends with 0x96.
    pub max_publish_rate: u32,
    /// Bytes per second read from one client, averaged over some seconds; what
    /// comes faster waits in the client. 0 is no limit.
    pub max_byte_rate: u32,
}

/// Limits on what is held for clients that are away, and on retained messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sessions {
    /// Longest session expiry interval granted, in s. Sessions live in memory:
    /// they end with the process.
    pub max_expiry_s: u32,
    /// Sessions without a connection that are kept at once; past it the one
    /// that has been away longest goes.
    pub max_away: usize,
    /// Messages held for one client that is away.
    pub max_held_messages: usize,
    /// Their bytes.
    pub max_held_bytes: usize,
    /// Clients may leave retained messages. Off, they are told so, and one
    /// that does it all the same is disconnected (MQTT 5) or its message is
    /// passed on without being retained (3.1.1).
    pub retain: bool,
    /// Retained messages on the bus; further ones are refused with 0x97.
    pub max_retained: usize,
    /// Bytes of retained messages on the bus.
    pub max_retained_bytes: usize,
}

/// Limits on work queues (`$share/{group}/{filter}`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Queues {
    /// Messages that wait in one queue; past it publishers get 0x97.
    pub max_messages: usize,
    /// Bytes that wait in one queue.
    pub max_bytes: usize,
    /// How long work waits for somebody to serve it, in ms.
    pub grace_ms: u64,
    /// A message is set aside when so many members went away while holding it.
    pub max_deaths: u32,
}

/// The topic engine: ordinary topics, wildcards, fan-out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Topics {
    pub engine: Engine,
    /// Distinct filters subscribed at once; past it SUBACK has 0x97.
    pub max_filters: usize,
    /// rumqttd's commit log, used with `engine = "rumqttd"` only: bytes in a
    /// segment, and segments per filter.
    pub max_segment_size: usize,
    pub max_segment_count: usize,
    /// Packets the rumqttd link may have waiting, with that engine only.
    pub max_outgoing_packet_count: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// skep's own subscription tree.
    #[default]
    Tree,
    /// rumqttd's router; see `docs/decisions/` for what it lacks.
    Rumqttd,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            role: String::new(),
            anonymous: None,
            reveal_denials: true,
            max_memory_bytes: None,
            listeners: BTreeMap::new(),
            users: BTreeMap::new(),
            users_file: None,
            login: Login::default(),
            jwt: Jwt::default(),
            connections: Connections::default(),
            sessions: Sessions::default(),
            queues: Queues::default(),
            topics: Topics::default(),
        }
    }
}

impl Default for Login {
    fn default() -> Self {
        Login {
            max_checks: 4,
            cache_s: 300,
            max_cached: 10_000,
            max_failures: 20,
            failure_window_s: 60,
            max_failure_addresses: 10_000,
        }
    }
}

impl Default for Jwt {
    fn default() -> Self {
        Jwt {
            key_file: None,
            jwks_file: None,
            algorithm: None,
            issuer: None,
            audience: None,
            leeway_s: 10,
            user_claim: "sub".into(),
            rules_claim: "skep".into(),
            rules_from: None,
        }
    }
}

impl Connections {
    /// Largest CONNECT, in bytes: no packet is larger than any may be.
    pub(super) fn max_connect(&self) -> u32 {
        self.max_connect_size.min(self.max_payload_size)
    }
}

impl Default for Connections {
    fn default() -> Self {
        Connections {
            max_connections: 100_000,
            max_per_address: None,
            max_per_user: 0,
            connection_timeout_ms: 5_000,
            max_payload_size: 16 * 1024 * 1024,
            max_connect_size: 64 * 1024,
            max_inflight_count: 1024,
            max_topic_aliases: 16,
            max_outgoing_topic_aliases: 16,
            max_backlog_bytes: 16 * 1024 * 1024,
            max_keep_alive_s: 0,
            tcp_keep_alive_s: 60,
            max_subscriptions: 1_000,
            max_publish_rate: 0,
            max_byte_rate: 0,
        }
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Sessions {
            max_expiry_s: 86_400,
            max_away: 100_000,
            max_held_messages: 1_000,
            max_held_bytes: 16 * 1024 * 1024,
            retain: true,
            max_retained: 100_000,
            max_retained_bytes: 256 * 1024 * 1024,
        }
    }
}

impl Default for Queues {
    fn default() -> Self {
        Queues { max_messages: 100_000, max_bytes: 256 * 1024 * 1024, grace_ms: 5_000, max_deaths: 3 }
    }
}

impl Default for Topics {
    fn default() -> Self {
        Topics {
            engine: Engine::default(),
            max_filters: 100_000,
            max_segment_size: 1024 * 1024,
            max_segment_count: 10,
            max_outgoing_packet_count: 200,
        }
    }
}

/// The passwords of the sample users, which everybody can read.
pub const SAMPLE_PASSWORDS: [&str; 3] = ["def456", "abc123", "ghi789"];

impl Settings {
    /// The backend as the sample has it: workers on 127.0.0.1:1883.
    pub fn sample_backend() -> Settings {
        let backend = User { password: SAMPLE_PASSWORDS[0].into(), ..User::recommended_on_backend() };
        Settings {
            role: "backend".into(),
            listeners: [listener("tcp", 1883, Transport::Tcp)].into(),
            users: [("backend".into(), backend)].into(),
            ..Settings::default()
        }
    }

    /// The frontend as the sample has it: clients on 127.0.0.1:11883, and over
    /// WebSocket on 127.0.0.1:18080; packets up to 256 KiB.
    pub fn sample_frontend() -> Settings {
        let frontend = User { password: SAMPLE_PASSWORDS[1].into(), ..User::recommended_on_frontend() };
        let router = User {
            password: SAMPLE_PASSWORDS[2].into(),
            publish: strings(["msg/#", "priv/#"]),
            subscribe: strings(["req/#"]),
        };
        Settings {
            role: "frontend".into(),
            listeners: [listener("tcp", 11883, Transport::Tcp), listener("ws", 18080, Transport::Ws)].into(),
            users: [("frontend".into(), frontend), ("router".into(), router)].into(),
            connections: Connections {
                max_payload_size: 256 * 1024,
                max_backlog_bytes: 4 * 1024 * 1024,
                max_subscriptions: 100,
                ..Connections::default()
            },
            // End users call; nothing of theirs should stay behind.
            sessions: Sessions { retain: false, ..Sessions::default() },
            queues: Queues { max_messages: 10_000, max_bytes: 16 * 1024 * 1024, ..Queues::default() },
            ..Settings::default()
        }
    }
}

fn strings<const N: usize>(of: [&str; N]) -> Vec<String> {
    of.map(String::from).into()
}

fn listener(name: &str, port: u16, transport: Transport) -> (String, Listener) {
    let listen = SocketAddr::from(([127, 0, 0, 1], port));
    (name.into(), Listener::new(listen, transport))
}
