//! What goes out to one client: unsent bytes, messages in flight, and messages
//! that wait for room. Lives behind the session's lock; does no I/O.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::mqtt::{AckKind, Outgoing, QoS, Reason, encode_ack};

use super::link::{Link, TooLarge};
use super::memory::Memory;
use super::message::{Message, Publication, seconds_left};
use super::queue::Queue;

/// In so many bytes what waits for a client is counted for the bus.
const STEP: usize = 4096;

/// The outgoing half of a session.
#[derive(Default)]
pub struct Outbound {
    pub link: Option<Link>,
    /// Encoded, not yet handed to the socket.
    pub wire: Vec<u8>,
    /// Sent and not yet acknowledged, in the order of sending [MQTT-4.6.0-1].
    inflight: VecDeque<Inflight>,
    inflight_bytes: usize,
    /// Some of them wait to be sent again.
    resending: bool,
    /// Not yet sent, for want of room or of a connection.
    pending: VecDeque<Pending>,
    pending_bytes: usize,
    /// How many of them there were when the client came back: not its backlog,
    /// as it had no chance to read them yet. 0 once all have been sent.
    brought: usize,
    last_id: u16,
    /// Some of those that wait have an expiry.
    mortal: bool,
    /// Bytes of [`Outbound::waiting_bytes`] as counted in the memory of the bus.
    pub counted: usize,
    /// Bytes held for the client while it is away, as counted for the bus;
    /// `None` while it isn't, and once the session has ended.
    pub away_bytes: Option<usize>,
    /// The client's subscription to its own mailbox, `priv/{client id}`, and
    /// the one to all below it.
    pub mailbox: Option<Grant>,
    pub mailbox_below: Option<Grant>,
}

/// What a subscription was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    pub qos: QoS,
    pub no_local: bool,
    pub retain_as_published: bool,
    /// 0: none; the specification allows no identifier 0.
    pub subscription_id: u32,
}

/// How one message goes to one client.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    pub qos: QoS,
    pub retain: bool,
    pub subscription_ids: &'a [u32],
}

struct Inflight {
    id: u16,
    stage: Stage,
    /// To be sent again when the new connection's Receive Maximum allows it.
    waits: bool,
    pending: Pending,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// QoS 1, waits for PUBACK.
    Puback,
    /// QoS 2, waits for PUBREC.
    Pubrec,
    /// QoS 2, PUBREL is out, waits for PUBCOMP.
    Pubcomp,
}

/// A message with the terms it goes out on.
pub struct Pending {
    message: Arc<Message>,
    qos: QoS,
    retain: bool,
    dup: bool,
    subscription_ids: Box<[u32]>,
    /// The work queue that it goes back to if the client goes away.
    from: Option<Arc<Queue>>,
}

/// What became of a message that was offered.
#[derive(Debug, PartialEq, Eq)]
pub enum Offered {
    /// Written, or kept until it can be.
    Taken,
    /// Larger than the client accepts.
    TooLarge,
    /// QoS 0, and the client is away or slow.
    Dropped,
    /// What may be held for the client is full.
    Full,
}

/// What an acknowledgement did.
pub enum Acked {
    /// Room for one more; the queue that the message had come from, and when it
    /// was taken there.
    Freed(Option<(Arc<Queue>, u64)>),
    /// A step of the QoS 2 handshake; no room yet.
    Step,
    /// No message with that id is in flight.
    Unknown,
    /// The message with that id waits for another kind of acknowledgement.
    Mismatch,
}

impl Outbound {
    /// Messages that may be sent now; none without a connection, or while more
    /// bytes wait for the socket than may.
    pub fn room(&self) -> i32 {
        match &self.link {
            Some(link) if self.pending.is_empty() && self.wire.len() <= link.max_backlog => self.window(link),
            _ => 0,
        }
    }

    /// Messages that the client's Receive Maximum leaves room for; none while
    /// it holds more unacknowledged bytes than may wait for it. Something is in
    /// flight then, so its acknowledgement makes room again.
    fn window(&self, link: &Link) -> i32 {
        if self.inflight_bytes > link.max_backlog {
            return 0;
        }
        link.receive_maximum as i32 - self.inflight.len() as i32
    }

    /// Bytes that wait for this client.
    pub fn backlog(&self) -> usize {
        self.wire.len() + self.pending_bytes
    }

    /// Bytes that wait and are not counted with their messages, in steps of
    /// [`STEP`]: what comes and goes at once should not be counted at all.
    pub fn waiting_bytes(&self) -> usize {
        (self.wire.len() + self.pending.len() * size_of::<Pending>()) & !(STEP - 1)
    }

    /// Bytes that are kept for this client because it does not read, or does
    /// not acknowledge: without the work that it has in hand.
    pub fn owed(&self) -> usize {
        let unread = self.inflight.iter().filter(|entry| entry.pending.from.is_none());
        self.backlog() + unread.map(|entry| entry.pending.message.size()).sum::<usize>()
    }

    /// Bytes of messages that wait for the client or its acknowledgement.
    pub fn message_bytes(&self) -> usize {
        self.pending_bytes + self.inflight_bytes
    }

    pub fn held(&self) -> usize {
        self.pending.len()
    }

    pub fn inflight(&self) -> usize {
        self.inflight.len()
    }

    /// Sends a message, or keeps it until it can be sent: `limit` bounds the
    /// messages and bytes that are kept.
    pub fn offer(
        &mut self,
        publication: &Publication<'_>,
        terms: Terms<'_>,
        limit: (usize, usize),
        memory: &Arc<Memory>,
    ) -> Offered {
        let over = self.pending.len() >= limit.0 || self.backlog().saturating_sub(self.brought) > limit.1;
        if terms.qos == QoS::AtMostOnce {
            let Some(link) = &mut self.link else { return Offered::Dropped };
            if over {
                return Offered::Dropped;
            }
            return match link.encode(&mut self.wire, outgoing(publication, terms, 0, false)) {
                Ok(_) => Offered::Taken,
                Err(TooLarge) => Offered::TooLarge,
            };
        }
        if over {
            return Offered::Full;
        }
        if self.room() > 0 {
            return match self.send(Pending::new(publication, terms, None, memory)) {
                Ok(()) => Offered::Taken,
                Err(TooLarge) => Offered::TooLarge,
            };
        }
        let pending = Pending::new(publication, terms, None, memory);
        self.mortal |= pending.message.expires_at != 0;
        self.pending_bytes += pending.message.size();
        self.pending.push_back(pending);
        Offered::Taken
    }

    /// Sends a message of a work queue, if there is room right now.
    pub fn assign(
        &mut self,
        message: &Arc<Message>,
        terms: Terms<'_>,
        dup: bool,
        from: &Arc<Queue>,
        memory: &Arc<Memory>,
    ) -> Option<Offered> {
        if self.room() <= 0 {
            return None;
        }
        let publication = message.publication();
        let sent = if terms.qos == QoS::AtMostOnce {
            let link = self.link.as_mut()?;
            link.encode(&mut self.wire, outgoing(&publication, terms, 0, false)).map(drop)
        } else {
            let mut pending = Pending::new(&publication, terms, Some(Arc::clone(from)), memory);
            pending.dup = dup;
            self.send(pending)
        };
        Some(if sent.is_ok() { Offered::Taken } else { Offered::TooLarge })
    }

    /// There must be room.
    fn send(&mut self, pending: Pending) -> Result<(), TooLarge> {
        let id = self.free_id();
        let Some(link) = &mut self.link else { return Ok(()) };
        pending.encode(link, &mut self.wire, id)?;
        let stage = if pending.qos == QoS::ExactlyOnce { Stage::Pubrec } else { Stage::Puback };
        self.inflight_bytes += pending.message.size();
        self.inflight.push_back(Inflight { id, stage, waits: false, pending });
        Ok(())
    }

    /// A packet id that no message in flight has [MQTT-2.2.1-4]. Receive
    /// Maximum keeps at least one of the 65,535 free... unless all are taken,
    /// and then there is no room either.
    fn free_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if !self.inflight.iter().any(|i| i.id == self.last_id) {
                return self.last_id;
            }
        }
    }

    /// Sends what waits, as far as there is room. Gives back how many messages
    /// were dropped because they had expired or were too large.
    pub fn send_pending(&mut self, now: u64) -> usize {
        self.send_waiting();
        let mut dropped = 0;
        while let Some(link) = &self.link {
            if self.window(link) <= 0 {
                break;
            }
            let Some(pending) = self.pending.pop_front() else { break };
            self.pending_bytes -= pending.message.size();
            if pending.message.expired(now) || self.send(pending).is_err() {
                dropped += 1;
            }
        }
        if self.pending.is_empty() {
            self.pending = VecDeque::new();
            self.mortal = false;
            self.brought = 0;
        }
        dropped
    }

    /// PUBACK, PUBREC or PUBCOMP from the client.
    pub fn acknowledged(&mut self, kind: AckKind, id: u16, reason: Reason) -> Acked {
        let Some(at) = self.inflight.iter().position(|i| i.id == id) else { return Acked::Unknown };
        let entry = &mut self.inflight[at];
        match (kind, entry.stage) {
            (AckKind::Puback, Stage::Puback) | (AckKind::Pubcomp, Stage::Pubcomp) => {}
            (AckKind::Pubrec, Stage::Pubrec) if reason.is_error() => {}
            (AckKind::Pubrec, Stage::Pubrec | Stage::Pubcomp) => {
                entry.stage = Stage::Pubcomp;
                entry.waits = false;
                return Acked::Step;
            }
            _ => return Acked::Mismatch,
        }
        let entry = self.inflight.remove(at);
        self.inflight_bytes -= entry.as_ref().map_or(0, |entry| entry.pending.message.size());
        let freed = entry.and_then(|entry| {
            let taken_at = entry.pending.message.taken_at();
            entry.pending.from.map(|queue| (queue, taken_at))
        });
        if self.inflight.is_empty() && self.inflight.capacity() > 16 {
            self.inflight = VecDeque::new();
        }
        Acked::Freed(freed)
    }

    /// Sends again, on a new connection, what had not been acknowledged: in
    /// order, DUP set, PUBREL where PUBREC had come [MQTT-4.4.0-1]. Messages past
    /// this connection's Receive Maximum wait [MQTT-3.3.4-9], PUBREL does not
    /// [MQTT-3.3.4-10]. What is too large for this connection is done with.
    pub fn resend(&mut self) {
        let Some(link) = &mut self.link else { return };
        let (wire, bytes, receive_maximum) = (&mut self.wire, &mut self.inflight_bytes, link.receive_maximum as usize);
        let mut sent = 0;
        self.resending = false;
        self.inflight.retain_mut(|entry| {
            entry.pending.dup = true;
            entry.waits = entry.stage != Stage::Pubcomp && sent >= receive_maximum;
            self.resending |= entry.waits;
            if entry.stage == Stage::Pubcomp {
                encode_ack(wire, link.version, AckKind::Pubrel, entry.id, Reason::Success, None);
            } else if !entry.waits {
                let is_sent = entry.send_again(link, wire, bytes);
                sent += usize::from(is_sent);
                return is_sent;
            }
            true
        });
    }

    /// Sends again what had to wait for that, as far as there is room now.
    fn send_waiting(&mut self) {
        let Some(link) = self.link.as_mut().filter(|_| self.resending) else { return };
        let (wire, bytes, receive_maximum) = (&mut self.wire, &mut self.inflight_bytes, link.receive_maximum as usize);
        let mut under_way = self.inflight.iter().filter(|entry| !entry.waits).count();
        self.resending = false;
        self.inflight.retain_mut(|entry| {
            if !entry.waits {
                return true;
            }
            if under_way >= receive_maximum {
                self.resending = true;
                return true;
            }
            entry.waits = false;
            let is_sent = entry.send_again(link, wire, bytes);
            under_way += usize::from(is_sent);
            is_sent
        });
    }

    /// The client is back: begins with what was held for it. Gives back how
    /// many messages were dropped, as [`Outbound::send_pending`] does.
    pub fn send_held(&mut self, now: u64) -> usize {
        let dropped = self.send_pending(now);
        self.brought = self.pending_bytes;
        dropped
    }

    /// The client is gone: what is held for it counts from the first byte.
    pub fn count_all(&mut self) {
        self.brought = 0;
    }

    /// Takes out what a work queue should give to somebody else, oldest first:
    /// QoS 1 messages that the client has not acknowledged. (QoS 2 stays with
    /// the client it was begun with [MQTT-4.8.2-4].)
    pub fn give_back(&mut self, which: impl Fn(&Arc<Queue>) -> bool) -> Vec<(Arc<Queue>, Arc<Message>)> {
        let mut back = Vec::new();
        let bytes = &mut self.inflight_bytes;
        self.inflight.retain(|entry| match &entry.pending.from {
            Some(queue) if entry.stage == Stage::Puback && which(queue) => {
                *bytes -= entry.pending.message.size();
                back.push((Arc::clone(queue), Arc::clone(&entry.pending.message)));
                false
            }
            _ => true,
        });
        back
    }

    /// The queues of messages still in flight, which are forgotten.
    pub fn forget_work(&mut self) -> Vec<Arc<Queue>> {
        self.inflight_bytes = 0;
        self.inflight.drain(..).filter_map(|entry| entry.pending.from).collect()
    }

    /// Drops messages that wait and whose time has run out; gives back how many
    /// they were, and how many bytes of what is held for a client that is away.
    pub fn expire(&mut self, now: u64) -> (usize, usize) {
        if !self.mortal {
            return (0, 0);
        }
        let before = self.pending.len();
        let mut held = 0;
        self.mortal = false;
        let (bytes, mortal) = (&mut self.pending_bytes, &mut self.mortal);
        self.pending.retain(|pending| {
            let expired = pending.message.expired(now);
            if expired {
                *bytes -= pending.message.size();
                held += held_size(&pending.message);
            }
            *mortal |= !expired && pending.message.expires_at != 0;
            !expired
        });
        (before - self.pending.len(), held)
    }
}

/// Bytes that a message counts for one client that is away: what goes to many
/// is held once for all of them.
pub fn held_size(message: &Message) -> usize {
    if message.topic().starts_with("priv/") { message.size() } else { size_of::<Pending>() }
}

impl Grant {
    /// The terms on which `publication` goes to this subscription.
    pub fn terms<'a>(&self, publication: &Publication<'_>, ids: &'a [u32]) -> Terms<'a> {
        Terms {
            qos: publication.qos.min(self.qos),
            retain: self.retain_as_published && publication.retain,
            subscription_ids: ids,
        }
    }
}

impl Inflight {
    /// False: it is too large for this connection, and done with.
    fn send_again(&mut self, link: &mut Link, wire: &mut Vec<u8>, inflight_bytes: &mut usize) -> bool {
        let is_sent = self.pending.encode(link, wire, self.id).is_ok();
        if !is_sent {
            *inflight_bytes -= self.pending.message.size();
            if let Some(queue) = self.pending.from.take() {
                queue.acknowledged();
            }
        }
        is_sent
    }
}

impl Pending {
    fn new(publication: &Publication<'_>, terms: Terms<'_>, from: Option<Arc<Queue>>, memory: &Arc<Memory>) -> Pending {
        Pending {
            message: Arc::clone(publication.message(memory)),
            qos: terms.qos,
            retain: terms.retain,
            dup: false,
            subscription_ids: terms.subscription_ids.into(),
            from,
        }
    }

    fn encode(&self, link: &mut Link, wire: &mut Vec<u8>, id: u16) -> Result<usize, TooLarge> {
        let terms = Terms { qos: self.qos, retain: self.retain, subscription_ids: &self.subscription_ids };
        link.encode(wire, outgoing(&self.message.publication(), terms, id, self.dup))
    }
}

fn outgoing<'a>(publication: &Publication<'a>, terms: Terms<'a>, packet_id: u16, dup: bool) -> Outgoing<'a> {
    Outgoing {
        topic: publication.topic,
        properties: publication.properties,
        payload: publication.payload,
        qos: terms.qos,
        packet_id,
        dup,
        retain: terms.retain,
        message_expiry: seconds_left(publication.expires_at),
        topic_alias: None,
        subscription_ids: terms.subscription_ids,
    }
}
