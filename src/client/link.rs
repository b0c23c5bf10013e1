//! One connection, from its CONNACK to its end: what was handed to rumqttc, in
//! which order, and what became of it.
//!
//! rumqttc takes requests from a queue and reports each, with its packet id,
//! once it has written it; acknowledgements then come by packet id. So the order
//! of the queue, kept here, tells which acknowledgement belongs to which
//! request, and at the end of the connection which requests never left. A
//! connection that comes after has a queue of its own: nothing of this one, an
//! acknowledgement above all, is ever sent on another.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use parking_lot::Mutex;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Filter, Packet, PubAckReason, Publish, PublishProperties, SubscribeProperties, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, Event};
use serde_json::Value;
use tokio::sync::{Semaphore, oneshot};

use super::error::CallError;
use super::rpc::RpcError;

/// Requests that may wait for rumqttc to write them.
pub const QUEUE: usize = 256;

/// What became of a request to the bus.
#[derive(Debug)]
pub enum Fate {
    Published(PubAckReason),
    Subscribed(Vec<SubscribeReasonCode>),
    Unsubscribed,
    /// The connection ended before it was written.
    Unsent,
    /// The connection ended after it was written, or while it was.
    Unknown,
}

/// Why a request could not be handed over.
#[derive(Debug)]
pub enum HandOverError {
    /// The connection has ended.
    Ended,
    TooLarge {
        size: usize,
        max: usize,
    },
    /// Its topic can't be published to.
    Topic,
}

/// A message to be published at QoS 1.
#[derive(Clone, Debug)]
pub struct Message {
    pub topic: String,
    pub payload: Bytes,
    pub properties: PublishProperties,
}

impl Message {
    /// Size of its packet, in bytes.
    fn size(&self) -> usize {
        let properties = Some(self.properties.clone());
        let publish = Publish::new(&self.topic, QoS::AtLeastOnce, self.payload.clone(), properties);
        // The packet id is not counted before it is known.
        publish.size() + 2
    }
}

/// What a call has come to.
pub type Outcome = Result<Value, RpcError>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Publish,
    Subscribe,
    Unsubscribe,
    Acknowledge,
    Disconnect,
}

struct State {
    open: bool,
    /// Handed to rumqttc, and not yet reported as written.
    queued: VecDeque<(Kind, oneshot::Sender<Fate>)>,
    /// Taken by rumqttc and held back, as its packet id is still in use; nothing
    /// else is written meanwhile.
    held_back: Option<oneshot::Sender<Fate>>,
    /// Written, and not yet acknowledged; by packet id.
    written: HashMap<(Kind, u16), oneshot::Sender<Fate>>,
    /// Calls whose answer is to come by this connection.
    calls: HashMap<u64, oneshot::Sender<Outcome>>,
}

pub struct Link {
    mqtt: AsyncClient,
    /// Places in rumqttc's queue, so that it is never full.
    places: Semaphore,
    /// Largest packet that the bus takes, in bytes.
    max_packet: usize,
    /// Whether the bus knows subscription identifiers.
    pub identifies: bool,
    /// Whether acknowledgements are ours to send, and not rumqttc's.
    acknowledges: bool,
    /// Locked for a moment only, never across an await; it keeps `queued` in the
    /// order of rumqttc's queue.
    state: Mutex<State>,
}

impl Link {
    /// `mqtt` has a queue of [`QUEUE`] places, into which nobody else puts
    /// anything.
    pub fn new(mqtt: AsyncClient, connack: &ConnAck, acknowledges: bool) -> Link {
        let properties = connack.properties.as_ref();
        let max_packet = properties.and_then(|properties| properties.max_packet_size);
        let identifies = properties.and_then(|properties| properties.subscription_identifiers_available);
        Link {
            mqtt,
            places: Semaphore::new(QUEUE),
            max_packet: max_packet.map_or(usize::MAX, |bytes| bytes as usize),
            identifies: identifies != Some(0),
            acknowledges,
            state: Mutex::new(State {
                open: true,
                queued: VecDeque::new(),
                held_back: None,
                written: HashMap::new(),
                calls: HashMap::new(),
            }),
        }
    }

    pub fn is_open(&self) -> bool {
        self.state.lock().open
    }

    /// `give` puts one request into rumqttc's queue; false: it does not take it.
    async fn hand_over(
        &self,
        kind: Kind,
        give: impl FnOnce(&AsyncClient) -> bool,
    ) -> Result<oneshot::Receiver<Fate>, HandOverError> {
        let place = self.places.acquire().await.map_err(|_| HandOverError::Ended)?;
        let fate = self.put(kind, give)?;
        // Free again once rumqttc has taken it out.
        place.forget();
        Ok(fate)
    }

    fn put(
        &self,
        kind: Kind,
        give: impl FnOnce(&AsyncClient) -> bool,
    ) -> Result<oneshot::Receiver<Fate>, HandOverError> {
        let (sender, fate) = oneshot::channel();
        let mut state = self.state.lock();
        if !state.open || !give(&self.mqtt) {
            return Err(HandOverError::Ended);
        }
        state.queued.push_back((kind, sender));
        Ok(fate)
    }

    pub async fn publish(&self, message: Message) -> Result<oneshot::Receiver<Fate>, HandOverError> {
        let size = message.size();
        if size > self.max_packet {
            // rumqttc would break off the connection.
            return Err(HandOverError::TooLarge { size, max: self.max_packet });
        }
        let Message { topic, payload, properties } = message;
        if topic.is_empty() || topic.len() > u16::MAX as usize || topic.contains(['+', '#', '\0']) {
            return Err(HandOverError::Topic);
        }
        self.hand_over(Kind::Publish, |mqtt| {
            mqtt.try_publish_with_properties(topic, QoS::AtLeastOnce, false, payload, properties).is_ok()
        })
        .await
    }

    pub async fn subscribe(&self, filter: Filter, id: usize) -> Result<oneshot::Receiver<Fate>, HandOverError> {
        let properties = self.identifier(id);
        self.hand_over(Kind::Subscribe, |mqtt| mqtt.try_subscribe_many_with_properties([filter], properties).is_ok())
            .await
    }

    pub fn identifier(&self, id: usize) -> SubscribeProperties {
        SubscribeProperties { id: self.identifies.then_some(id), user_properties: Vec::new() }
    }

    /// The fate of the SUBSCRIBE that the connection's task itself gives to
    /// rumqttc before everything else.
    pub fn subscribed_first(&self) -> oneshot::Receiver<Fate> {
        let (sender, fate) = oneshot::channel();
        self.places.forget_permits(1);
        self.state.lock().queued.push_back((Kind::Subscribe, sender));
        fate
    }

    pub async fn unsubscribe(&self, filter: String) -> Result<oneshot::Receiver<Fate>, HandOverError> {
        self.hand_over(Kind::Unsubscribe, |mqtt| mqtt.try_unsubscribe(filter).is_ok()).await
    }

    /// Unsubscribes if that can be asked for at once; what still comes is dropped.
    pub fn unsubscribe_now(&self, filter: String) {
        let Ok(place) = self.places.try_acquire() else { return };
        if self.put(Kind::Unsubscribe, |mqtt| mqtt.try_unsubscribe(filter).is_ok()).is_ok() {
            place.forget();
        }
    }

    /// Acknowledges a message that came by this connection.
    pub async fn acknowledge(&self, publish: &Publish) {
        if publish.qos == QoS::AtLeastOnce && self.acknowledges {
            // If the connection has ended, so has the need for it.
            let _ = self.hand_over(Kind::Acknowledge, |mqtt| mqtt.try_ack(publish).is_ok()).await;
        }
    }

    /// Asks for the connection's end, after everything that waits.
    pub async fn disconnect(&self) {
        // One that has ended needs no goodbye.
        let _ = self.hand_over(Kind::Disconnect, |mqtt| mqtt.try_disconnect().is_ok()).await;
    }

    /// As [`Link::disconnect`], if that can be asked for at once.
    pub fn disconnect_now(&self) {
        let Ok(place) = self.places.try_acquire() else { return };
        if self.put(Kind::Disconnect, |mqtt| mqtt.try_disconnect().is_ok()).is_ok() {
            place.forget();
        }
    }

    /// Has the answer to call `id` given to the receiver, which fails when the
    /// connection ends first.
    pub fn expect(&self, id: u64) -> Expected<'_> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state.lock();
        if state.open {
            state.calls.insert(id, sender);
        }
        Expected { link: self, id, receiver }
    }

    /// Gives a call its answer, if it still waits.
    pub fn answer(&self, id: u64, outcome: Outcome) {
        if let Some(call) = self.state.lock().calls.remove(&id) {
            // Given up between look-up and now.
            let _ = call.send(outcome);
        }
    }

    /// Takes note of what rumqttc reports.
    pub fn note(&self, event: &Event) {
        match event {
            Event::Outgoing(outgoing) => self.note_written(outgoing),
            Event::Incoming(Packet::PubAck(ack)) => self.settle(Kind::Publish, ack.pkid, Fate::Published(ack.reason)),
            Event::Incoming(Packet::SubAck(ack)) => {
                self.settle(Kind::Subscribe, ack.pkid, Fate::Subscribed(ack.return_codes.clone()));
            }
            Event::Incoming(Packet::UnsubAck(ack)) => self.settle(Kind::Unsubscribe, ack.pkid, Fate::Unsubscribed),
            Event::Incoming(_) => {}
        }
    }

    fn note_written(&self, outgoing: &Outgoing) {
        let (kind, id) = match *outgoing {
            Outgoing::Publish(id) => (Kind::Publish, id),
            Outgoing::Subscribe(id) => (Kind::Subscribe, id),
            Outgoing::Unsubscribe(id) => (Kind::Unsubscribe, id),
            Outgoing::PubAck(id) if self.acknowledges => (Kind::Acknowledge, id),
            Outgoing::Disconnect => (Kind::Disconnect, 0),
            Outgoing::AwaitAck(_) => {
                let mut state = self.state.lock();
                state.held_back = state.queued.pop_front().map(|(_, fate)| fate);
                self.places.add_permits(1);
                return;
            }
            _ => return,
        };
        let mut state = self.state.lock();
        let held_back = if kind == Kind::Publish { state.held_back.take() } else { None };
        let fate = match held_back {
            Some(fate) => fate,
            None => {
                // rumqttc's queue is ours alone, and it reports in its order.
                let Some((queued, fate)) = state.queued.pop_front() else { return };
                debug_assert_eq!(queued, kind);
                self.places.add_permits(1);
                fate
            }
        };
        if matches!(kind, Kind::Publish | Kind::Subscribe | Kind::Unsubscribe) {
            state.written.insert((kind, id), fate);
        }
    }

    fn settle(&self, kind: Kind, id: u16, fate: Fate) {
        if let Some(waiting) = self.state.lock().written.remove(&(kind, id)) {
            // Nobody may wait for it.
            let _ = waiting.send(fate);
        }
    }

    /// The connection has ended: tells everybody who waits.
    pub fn end(&self) {
        self.places.close();
        let mut state = self.state.lock();
        state.open = false;
        let (queued, held_back) = (std::mem::take(&mut state.queued), state.held_back.take());
        let (written, calls) = (std::mem::take(&mut state.written), std::mem::take(&mut state.calls));
        drop(state);
        for fate in queued.into_iter().map(|(_, fate)| fate).chain(held_back) {
            let _ = fate.send(Fate::Unsent);
        }
        for fate in written.into_values() {
            let _ = fate.send(Fate::Unknown);
        }
        // After the fates, which say whether the call can be made again.
        drop(calls);
    }
}

/// The answer that a call waits for. Dropping it is waiting no longer.
pub struct Expected<'a> {
    link: &'a Link,
    id: u64,
    receiver: oneshot::Receiver<Outcome>,
}

impl Expected<'_> {
    /// # Errors
    /// The service's error, or the end of the connection.
    pub async fn answer(&mut self) -> Result<Value, CallError> {
        match (&mut self.receiver).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(CallError::ConnectionLost),
        }
    }

    /// The answer, if it is here.
    pub fn answer_now(&mut self) -> Option<Result<Value, CallError>> {
        self.receiver.try_recv().ok().map(|outcome| outcome.map_err(CallError::Rpc))
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.link.state.lock().calls.remove(&self.id);
    }
}
