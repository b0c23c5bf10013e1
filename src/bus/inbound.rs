//! What a connected client sends: each packet, and the answer to it.

use std::sync::Arc;

use crate::mqtt::{
    Ack, AckKind, DecodeError, Disconnect, Frame, PINGRESP, Packet, Publish, QoS, Reason, Subscribe, Unsubscribe,
    Version, decode, encode_ack, encode_disconnect, encode_suback, encode_unsuback,
};

use super::Bus;
use super::access::Account;
use super::batch::Batch;
use super::clock;
use super::handshake::{Admitted, fitting};
use super::hook;
use super::link::Control;
use super::message::Publication;
use super::outbound::Acked;
use super::rate::Rate;
use super::session::Session;
use super::sessions::Gone;

/// A connected client, as far as what it sends goes.
pub struct Client {
    pub bus: Bus,
    pub session: Arc<Session>,
    control: Arc<Control>,
    /// Who it is; the session's is who it was when that began.
    account: Arc<Account>,
    /// Of the trust that `account` is from.
    generation: u32,
    pub version: Version,
    /// It wants no reason strings [MQTT-3.1.2-29].
    quiet: bool,
    /// Largest packet that it takes, in bytes [MQTT-3.1.2-24].
    maximum_packet_size: u32,
    /// Topics by alias; index 0 is alias 1.
    aliases: Vec<Option<Box<str>>>,
    /// Bytes of these.
    pub alias_bytes: u32,
    rate: Option<Box<Rate>>,
}

/// Why a connection ends.
#[derive(Debug)]
pub enum Stop {
    /// The client said so.
    Disconnect(Gone),
    /// It broke a rule.
    Error { reason: Reason, text: String },
}

impl From<DecodeError> for Stop {
    fn from(error: DecodeError) -> Stop {
        Stop::Error { reason: error.reason, text: error.to_string() }
    }
}

fn stop(reason: Reason, text: impl Into<String>) -> Stop {
    Stop::Error { reason, text: text.into() }
}

impl Client {
    pub fn new(bus: Bus, admitted: Admitted, control: Arc<Control>) -> Client {
        let rate = Rate::new(bus.limits().connections.max_publish_rate).map(Box::new);
        let Admitted { session, account, generation, version, quiet, maximum_packet_size } = admitted;
        Client {
            bus,
            session,
            control,
            account,
            generation,
            version,
            quiet,
            maximum_packet_size,
            aliases: Vec::new(),
            alias_bytes: 0,
            rate,
        }
    }

    /// Goes by the rules that hold by now.
    ///
    /// # Errors
    /// The user is gone.
    pub fn renew(&mut self) -> Result<(), Stop> {
        if self.generation == self.bus.generation() {
            return Ok(());
        }
        let (generation, account) = self.bus.renewed(&self.account);
        let gone = || stop(Reason::AdministrativeAction, "the user has been removed");
        self.account = account.ok_or_else(gone)?;
        self.generation = generation;
        Ok(())
    }

    /// Handles one packet.
    pub fn packet(&mut self, frame: &Frame<'_>, batch: &mut Batch) -> Result<(), Stop> {
        match decode(self.version, frame)? {
            Packet::Publish(publish) => self.publish(&publish, batch),
            Packet::Ack(kind, ack) => self.acknowledge(kind, ack, batch),
            Packet::Subscribe(subscribe) => self.subscribe(&subscribe, batch),
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(&unsubscribe, batch),
            Packet::Pingreq => {
                self.answer(batch, |wire| wire.extend_from_slice(&PINGRESP));
                Ok(())
            }
            Packet::Disconnect(disconnect) => Err(self.disconnect(&disconnect)),
            Packet::Auth { .. } => {
                Err(stop(Reason::BadAuthenticationMethod, "AUTH: no enhanced authentication is offered"))
            }
        }
    }

    /// The DISCONNECT that says why; nothing in 3.1.1.
    pub fn goodbye(&self, reason: Reason, text: &str) -> Vec<u8> {
        let text = (!self.quiet && !text.is_empty()).then_some(text);
        fitting(self.maximum_packet_size, text, |out, text| encode_disconnect(out, self.version, reason, text))
            .unwrap_or_default()
    }

    /// Answers with a packet whose words may be left out, but not its reason
    /// codes: a client that takes no packet that large can't be answered.
    fn answer_fitting(
        &self,
        batch: &mut Batch,
        text: Option<&str>,
        encode: impl Fn(&mut Vec<u8>, Option<&str>),
    ) -> Result<(), Stop> {
        let Some(packet) = fitting(self.maximum_packet_size, text, encode) else {
            return Err(stop(Reason::PacketTooLarge, "the answer is larger than the client takes"));
        };
        self.answer(batch, |wire| wire.extend_from_slice(&packet));
        Ok(())
    }

    fn answer(&self, batch: &mut Batch, write: impl FnOnce(&mut Vec<u8>)) {
        self.session.answer(&self.control, batch, write);
    }

    fn publish(&mut self, publish: &Publish<'_>, batch: &mut Batch) -> Result<(), Stop> {
        self.bus.stats().messages_in.add(1);
        self.control.messages_in.add_alone();
        if self.rate.as_mut().is_some_and(|rate| !rate.allow()) {
            self.bus.stats().rate_disconnects.add(1);
            return Err(stop(Reason::MessageRateTooHigh, "PUBLISH: more messages a second than this bus allows"));
        }
        if publish.retain && self.version == Version::V5 && !self.bus.limits().sessions.retain {
            return Err(stop(Reason::RetainNotSupported, "PUBLISH: nothing is retained on this bus"));
        }
        let topic = self.resolve_alias(publish)?;
        let topic = topic.as_deref().unwrap_or(publish.topic);
        let id = publish.packet_id;
        match publish.qos {
            QoS::AtMostOnce => {
                self.accept(topic, publish, batch);
            }
            QoS::AtLeastOnce => {
                let reason = self.accept(topic, publish, batch);
                self.acknowledge_publish(AckKind::Puback, id, reason, batch);
            }
            QoS::ExactlyOnce => {
                let max = self.bus.limits().connections.max_inflight_count.max(1) as usize;
                let incoming = &self.session.state;
                if incoming.lock().incoming.contains(&id) {
                    // Sent again because our PUBREC did not arrive [MQTT-4.3.3-10].
                    self.acknowledge_publish(AckKind::Pubrec, id, Reason::Success, batch);
                    return Ok(());
                }
                if incoming.lock().incoming.len() >= max {
                    let text = format!("PUBLISH: more than {max} QoS 2 messages that have not been released");
                    return Err(stop(Reason::ReceiveMaximumExceeded, text));
                }
                let reason = self.accept(topic, publish, batch);
                if !reason.is_error() {
                    incoming.lock().incoming.insert(id);
                }
                self.acknowledge_publish(AckKind::Pubrec, id, reason, batch);
            }
        }
        Ok(())
    }

    /// The topic that the alias of a PUBLISH stands for, if it has no topic of
    /// its own. Learns aliases that come with a topic.
    fn resolve_alias(&mut self, publish: &Publish<'_>) -> Result<Option<Box<str>>, Stop> {
        let Some(alias) = publish.properties.topic_alias else { return Ok(None) };
        let max = self.bus.limits().connections.max_topic_aliases;
        if alias > max {
            let text = format!("PUBLISH: topic alias {alias}, at most {max} are allowed");
            return Err(stop(Reason::TopicAliasInvalid, text));
        }
        let at = alias as usize - 1;
        if publish.topic.is_empty() {
            return match self.aliases.get(at) {
                Some(Some(topic)) => Ok(Some(topic.clone())),
                _ => Err(stop(Reason::ProtocolError, format!("PUBLISH: topic alias {alias} has not been set"))),
            };
        }
        if self.aliases.len() <= at {
            self.aliases.resize(at + 1, None);
        }
        self.aliases[at] = Some(publish.topic.into());
        self.alias_bytes = self.aliases.iter().flatten().map(|topic| topic.len() as u32).sum();
        Ok(None)
    }

    /// Checks a PUBLISH against the topic rules and sends it on its way.
    fn accept(&self, topic: &str, publish: &Publish<'_>, batch: &mut Batch) -> Reason {
        let inner = &self.bus.0;
        // Topics that begin with `$` are the server's own (section 4.7.2).
        if topic.starts_with('$') || !self.account.may_publish(topic, &self.session.id) {
            inner.common.stats.denied_publish.add(1);
            self.bus.log_denial(&self.session, "publish", topic);
            return self.bus.denied();
        }
        let properties = &publish.properties;
        let mut rewritten = Vec::new();
        let forwarded = if properties.message_expiry.is_none() && properties.topic_alias.is_none() {
            properties.raw
        } else {
            properties.append_forwarded(&mut rewritten);
            &rewritten
        };
        let mut publication = Publication::new(topic, forwarded, publish.payload);
        publication.qos = publish.qos;
        publication.retain = publish.retain && self.bus.limits().sessions.retain;
        publication.publisher = self.session.key;
        publication.expires_at = properties.message_expiry.map_or(0, |s| clock::now_ms() + s as u64 * 1000);
        if let Some(hook) = inner.hooks.topics.get(topic) {
            let inbound = hook::Inbound {
                topic,
                properties,
                payload: publish.payload,
                qos: publish.qos,
                client: &self.session.id,
                expires_at: publication.expires_at,
            };
            let reason = hook.publish(&inbound, batch);
            self.bus.publish_to_watchers(&publication, batch);
            return reason;
        }
        publication.answerable = self.bus.is_work(topic);
        if publication.retain && !self.bus.retain(&publication) {
            return Reason::QuotaExceeded;
        }
        self.bus.publish(&publication, batch).reason()
    }

    fn acknowledge_publish(&self, kind: AckKind, id: u16, reason: Reason, batch: &mut Batch) {
        self.answer(batch, |wire| encode_ack(wire, self.version, kind, id, reason, None));
    }

    fn acknowledge(&mut self, kind: AckKind, ack: Ack, batch: &mut Batch) -> Result<(), Stop> {
        let id = ack.packet_id;
        if kind == AckKind::Pubrel {
            let known = self.session.state.lock().incoming.remove(&id);
            let reason = if known { Reason::Success } else { Reason::PacketIdentifierNotFound };
            self.answer(batch, |wire| encode_ack(wire, self.version, AckKind::Pubcomp, id, reason, None));
            return Ok(());
        }
        let now = clock::now_us();
        match self.session.acknowledged(kind, id, ack.reason, clock::to_ms(now)) {
            Acked::Freed(queue) => {
                batch.touch(&self.session);
                if let Some((queue, taken_at)) = queue {
                    queue.answered(taken_at, now);
                }
                self.bus.serve(&self.session, batch);
            }
            Acked::Step => {
                self.answer(batch, |wire| encode_ack(wire, self.version, AckKind::Pubrel, id, Reason::Success, None));
            }
            // Nothing to say of a PUBACK or PUBCOMP for what we do not know (any
            // more); a PUBREC gets its PUBREL, so that the handshake can end.
            Acked::Unknown if kind == AckKind::Pubrec && !ack.reason.is_error() => {
                let reason = Reason::PacketIdentifierNotFound;
                self.answer(batch, |wire| encode_ack(wire, self.version, AckKind::Pubrel, id, reason, None));
            }
            Acked::Unknown => {}
            Acked::Mismatch => {
                let text = format!("{kind:?}: packet id {id} waits for another kind of acknowledgement");
                return Err(stop(Reason::ProtocolError, text));
            }
        }
        Ok(())
    }

    fn subscribe(&mut self, subscribe: &Subscribe<'_>, batch: &mut Batch) -> Result<(), Stop> {
        let (reasons, retained) = self.bus.subscribe(&self.session, &self.account, subscribe);
        let denied = reasons.contains(&Reason::NotAuthorized) && !self.quiet;
        let text = denied.then_some("the topic rules of this user do not allow it");
        self.answer_fitting(batch, text, |wire, text| {
            encode_suback(wire, self.version, subscribe.packet_id, &reasons, text);
        })?;
        for (filter, grant) in retained {
            self.bus.send_retained(&filter, &self.session, &grant, batch);
        }
        self.bus.start_work(&self.session, batch);
        Ok(())
    }

    fn unsubscribe(&mut self, unsubscribe: &Unsubscribe<'_>, batch: &mut Batch) -> Result<(), Stop> {
        let filters = unsubscribe.filters.iter();
        let reasons: Vec<_> = filters.map(|filter| self.bus.unsubscribe(&self.session, filter, batch)).collect();
        self.answer_fitting(batch, None, |wire, _| {
            encode_unsuback(wire, self.version, unsubscribe.packet_id, &reasons);
        })
    }

    fn disconnect(&mut self, disconnect: &Disconnect<'_>) -> Stop {
        if let Some(expiry) = disconnect.session_expiry {
            let mut state = self.session.state.lock();
            if !self.session.has_link(&self.control) {
                // Taken over: how long the session lasts is its new connection's to say.
                return Stop::Disconnect(Gone::Broken);
            }
            if state.expiry_s == 0 && expiry > 0 {
                let text = "DISCONNECT: a session expiry interval after none in CONNECT (section 3.14.2.2.2)";
                return stop(Reason::ProtocolError, text);
            }
            state.expiry_s = expiry;
        }
        Stop::Disconnect(match disconnect.reason {
            Reason::Success => Gone::Properly,
            Reason::DisconnectWithWill => Gone::WithWill,
            _ => Gone::Broken,
        })
    }
}
