//! CONNECT: what the client is told, and the session it gets.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::mqtt::{Connack, Connect, Reason, Version};
use crate::random;

use super::Bus;
use super::access::Account;
use super::batch::Batch;
use super::connections::Seat;
use super::link::{Control, Link, OutgoingAliases};
use super::login::Known;
use super::session::Session;
use super::sessions::Attach;
use super::will::Will;

/// Longest client id taken, in bytes.
const MAX_CLIENT_ID: usize = 256;

/// A CONNECT turned down: what to say, and in which version.
pub struct Refusal {
    pub version: Version,
    pub reason: Reason,
    pub text: String,
    /// Largest packet that the client takes, in bytes.
    pub maximum_packet_size: u32,
}

impl Refusal {
    pub fn new(connect: &Connect, reason: Reason, text: impl Into<String>) -> Refusal {
        let Connect { version, maximum_packet_size, .. } = *connect;
        Refusal { version, reason, text: text.into(), maximum_packet_size }
    }

    /// The CONNACK that says so; without words where they would make it larger
    /// than the client takes [MQTT-3.2.2-19], and none where nothing is small
    /// enough.
    pub fn encode(&self) -> Vec<u8> {
        fitting(self.maximum_packet_size, Some(&self.text), |out, text| {
            let mut connack = Connack::refused(self.reason);
            connack.reason_string = text.map(str::to_owned);
            connack.encode(out, self.version);
        })
        .unwrap_or_default()
    }
}

/// A client that has been let in.
pub struct Admitted {
    pub session: Arc<Session>,
    /// Who it is by this login.
    pub account: Arc<Account>,
    /// Of the trust that has let it in.
    pub generation: u32,
    pub version: Version,
    pub quiet: bool,
    /// Largest packet that the client takes, in bytes.
    pub maximum_packet_size: u32,
}

impl Bus {
    /// Refuses what can be refused before it is known who the client is.
    pub(super) fn precheck(&self, connect: &Connect) -> Result<(), Refusal> {
        if self.is_stopping() {
            return Err(Refusal::new(connect, Reason::ServerUnavailable, "the server is shutting down"));
        }
        if connect.authentication_method.is_some() {
            let text = "no enhanced authentication is offered";
            return Err(Refusal::new(connect, Reason::BadAuthenticationMethod, text));
        }
        Ok(())
    }

    /// Lets in a client that is known, or says why not.
    pub(super) fn connect(
        &self,
        connect: Connect,
        known: Known,
        control: &Arc<Control>,
        seat: &mut Seat,
        batch: &mut Batch,
    ) -> Result<Admitted, Refusal> {
        let version = connect.version;
        let maximum_packet_size = connect.maximum_packet_size;
        let refuse = |reason, text: &str| Refusal { version, reason, text: text.into(), maximum_packet_size };
        let Known { account, generation, ends_at } = known;
        if self.is_stopping() {
            // Since the login began.
            return Err(refuse(Reason::ServerUnavailable, "the server is shutting down"));
        }
        let assigned = connect.client_id.is_empty();
        if assigned && version == Version::V311 && !connect.clean_start {
            let text = "a session that is kept needs a client id";
            return Err(refuse(Reason::ClientIdentifierNotValid, text)); // [MQTT-3.1.3-8] of 3.1.1
        }
        if connect.client_id.len() > MAX_CLIENT_ID {
            let text = format!("the client id has {} bytes, {MAX_CLIENT_ID} are allowed", connect.client_id.len());
            return Err(refuse(Reason::ClientIdentifierNotValid, &text));
        }
        let id: Arc<str> = if assigned { random::client_id().into() } else { connect.client_id.as_str().into() };
        if let Some(will) = &connect.will
            && (will.topic.starts_with('$') || !account.may_publish(&will.topic, &id))
        {
            return Err(refuse(Reason::NotAuthorized, "the will's topic is not allowed to this user"));
        }

        let common = &self.0.common;
        let retain = self.limits().sessions.retain;
        if !retain && connect.will.as_ref().is_some_and(|will| will.retain) && version == Version::V5 {
            // [MQTT-3.2.2-13]
            return Err(refuse(Reason::RetainNotSupported, "the will is to be retained, and nothing is on this bus"));
        }
        if connect.will.is_some() && common.memory.is_full() {
            common.stats.memory_full.add(1);
            return Err(refuse(Reason::QuotaExceeded, "the bus holds all that it may: no will can be left"));
        }
        let old = self.0.sessions.get(&id);
        let replaces = old.is_some_and(|old| old.account.is_same_user(&account) && old.is_connected());
        if !seat.belongs_to(&account.name, replaces) {
            common.stats.refused_user.add(1);
            return Err(refuse(Reason::QuotaExceeded, "this user has as many connections as it may"));
        }

        let limits = &self.limits().connections;
        let max_expiry = self.limits().sessions.max_expiry_s;
        let keep_alive = match limits.max_keep_alive_s {
            max if max > 0 && version == Version::V5 && (connect.keep_alive == 0 || connect.keep_alive > max) => max,
            _ => connect.keep_alive,
        };
        control.silence_limit.store(keep_alive as u64 * 1500, Ordering::Relaxed);
        control.ends_at.store(ends_at, Ordering::Relaxed);
        let told = |differs: bool, value: u32| differs.then_some(value);
        let connack = Connack {
            session_expiry: told(connect.session_expiry > max_expiry, max_expiry),
            retain_available: (!retain).then_some(false),
            receive_maximum: Some(limits.max_inflight_count.max(1)),
            maximum_packet_size: Some(limits.max_payload_size),
            assigned_client_id: assigned.then(|| id.to_string()),
            topic_alias_maximum: Some(limits.max_topic_aliases),
            server_keep_alive: (keep_alive != connect.keep_alive).then_some(keep_alive),
            response_information: connect.request_response_information.then(|| format!("priv/{id}")),
            ..Connack::accepted()
        };
        if fitting(maximum_packet_size, None, |out, _| connack.encode(out, version)).is_none() {
            return Err(refuse(
                Reason::PacketTooLarge,
                "the client takes no packet as large as this CONNACK has to be",
            ));
        }
        let aliases = connect.topic_alias_maximum.min(limits.max_outgoing_topic_aliases);
        let quiet = !connect.request_problem_information;
        let link = Link {
            control: Arc::clone(control),
            version,
            receive_maximum: connect.receive_maximum,
            maximum_packet_size,
            aliases: OutgoingAliases::new(aliases),
            max_backlog: limits.max_backlog_bytes,
            sent: 0,
            blocked: false,
            writing: false,
        };
        let attach = Attach {
            id,
            account: Arc::clone(&account),
            clean_start: connect.clean_start,
            expiry_s: connect.session_expiry,
            will: connect.will.map(|will| Box::new(Will::new(will, &common.memory))),
            link,
            connack,
        };
        let session = self
            .attach(attach, batch)
            .map_err(|reason| refuse(reason, "the client id belongs to another user's session"))?;
        Ok(Admitted { session, account, generation, version, quiet, maximum_packet_size })
    }
}

/// A packet with `text` in it, or without, whichever is first to have at most
/// `max` bytes; `None`: neither.
pub fn fitting(max: u32, text: Option<&str>, encode: impl Fn(&mut Vec<u8>, Option<&str>)) -> Option<Vec<u8>> {
    [text, None].into_iter().find_map(|text| {
        let mut out = Vec::new();
        encode(&mut out, text);
        (out.len() <= max as usize).then_some(out)
    })
}
