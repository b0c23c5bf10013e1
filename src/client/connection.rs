//! A connection that stays up by itself: rumqttc's event loop in a task of its
//! own, and a new one, with new links, whenever the connection was lost.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use rand::RngExt;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::v5::{ConnAck, Filter, Packet, PublishProperties, Subscribe, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, Request};
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use super::error::{CallError, ConnectError};
use super::explain::explain;
use super::inbox::Inbox;
use super::link::{Fate, Link, QUEUE};
use super::options::Options;

/// First pause before connecting again, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// How long a connection that nobody wants any more has to send what waits.
const GOODBYE: Duration = Duration::from_secs(1);

#[derive(Clone)]
enum Status {
    /// Being made.
    Down,
    /// Made, and all subscriptions granted.
    Up(Arc<Link>),
    Ended(ConnectError),
}

/// Ends when dropped, after what waits has been sent.
pub struct Connection {
    status: watch::Receiver<Status>,
    /// Set when no further connection is to be made; so is its being dropped.
    leaving: watch::Sender<bool>,
}

impl Connection {
    /// Connects and subscribes; comes back once both have been granted.
    pub async fn open(
        options: &Options,
        receive_maximum: Option<u16>,
        inbox: Arc<Inbox>,
    ) -> Result<Connection, ConnectError> {
        options.check()?;
        let (status, watched) = watch::channel(Status::Down);
        let (leaving, leave) = watch::channel(false);
        let run =
            Run { options: options.clone(), receive_maximum, inbox, status, leave, link: None, has_been_up: false };
        tokio::spawn(run.run());
        let connection = Connection { status: watched, leaving };
        match timeout(options.connect_timeout, connection.settled()).await {
            Ok(Status::Ended(why)) => Err(why),
            Ok(_) => Ok(connection),
            Err(_) => Err(ConnectError::Timeout(options.connect_timeout)),
        }
    }

    async fn settled(&self) -> Status {
        let mut status = self.status.clone();
        let settled = status.wait_for(|status| !matches!(status, Status::Down)).await;
        // The task ends only after it has said so, unless its runtime ends.
        settled.map_or(Status::Ended(ConnectError::Closed), |status| status.clone())
    }

    /// The connection as it is now, or the next one.
    ///
    /// # Errors
    /// There will be no other.
    pub async fn link(&self) -> Result<Arc<Link>, CallError> {
        match self.settled().await {
            Status::Up(link) => Ok(link),
            Status::Ended(why) => Err(CallError::Ended(why)),
            Status::Down => unreachable!("settled"),
        }
    }

    /// The connection, if it is up.
    pub fn link_now(&self) -> Option<Arc<Link>> {
        match &*self.status.borrow() {
            Status::Up(link) => Some(Arc::clone(link)),
            _ => None,
        }
    }

    /// Waits for the end of all connections.
    pub async fn ended(&self) -> ConnectError {
        let mut status = self.status.clone();
        let ended = status.wait_for(|status| matches!(status, Status::Ended(_))).await;
        match ended.as_deref() {
            Ok(Status::Ended(why)) => why.clone(),
            _ => ConnectError::Closed,
        }
    }

    /// Leaves: sends what waits, then DISCONNECT. Comes back when that is done.
    pub async fn close(&self) {
        self.leaving.send_replace(true);
        if let Some(link) = self.link_now() {
            link.disconnect().await;
        }
        self.ended().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.leaving.send_replace(true);
        if let Some(link) = self.link_now() {
            link.disconnect_now();
        }
    }
}

/// How one connection came to its end.
enum End {
    /// As asked for.
    Left,
    Lost(ConnectError),
    Denied(String),
}

struct Run {
    options: Options,
    receive_maximum: Option<u16>,
    inbox: Arc<Inbox>,
    status: watch::Sender<Status>,
    leave: watch::Receiver<bool>,
    link: Option<Arc<Link>>,
    /// Ever: who can't connect at first is told; what is lost later is made again.
    has_been_up: bool,
}

/// Subscriptions that a new connection has asked for.
struct Asked {
    filters: Vec<String>,
    /// Nothing works without them.
    first: bool,
    fate: oneshot::Receiver<Fate>,
}

impl Run {
    async fn run(mut self) {
        let (mut leave, status) = (self.leave.clone(), self.status.subscribe());
        let leaving = async {
            // Dropped is as good as set.
            let _ = leave.wait_for(|leave| *leave).await;
        };
        let why = {
            let stay_up = self.stay_up();
            tokio::pin!(stay_up);
            tokio::select! {
                why = &mut stay_up => why,
                () = leaving => {
                    let is_up = matches!(*status.borrow(), Status::Up(_));
                    // A bus that takes nothing any more is left without goodbye.
                    let time = if is_up { GOODBYE } else { Duration::ZERO };
                    timeout(time, stay_up).await.unwrap_or(ConnectError::Closed)
                }
            }
        };
        self.down(Status::Ended(why));
        self.inbox.listeners.end();
    }

    /// Tells of the end of a connection first, so that whoever hears that a
    /// message was not sent finds no link but the next.
    fn down(&mut self, status: Status) {
        self.status.send_replace(status);
        if let Some(link) = self.link.take() {
            link.end();
        }
    }

    async fn stay_up(&mut self) -> ConnectError {
        let mut pause = BACKOFF.0;
        loop {
            let began = Instant::now();
            // rumqttc does not promise to take everything that a bus can send.
            let end = match AssertUnwindSafe(self.connection()).catch_unwind().await {
                Ok(end) => end,
                Err(_) => End::Lost(ConnectError::Failed("rumqttc panicked".into())),
            };
            self.down(Status::Down);
            let why = match end {
                End::Left => return ConnectError::Closed,
                End::Lost(ConnectError::TakenOver) => return ConnectError::TakenOver,
                End::Lost(why) => why,
                End::Denied(filter) => ConnectError::NotAllowed(filter),
            };
            if !self.has_been_up {
                return why;
            }
            if *self.leave.borrow() {
                return ConnectError::Closed;
            }
            if began.elapsed() > BACKOFF.1 {
                pause = BACKOFF.0;
            }
            // All clients of a bus that starts again don't come at once.
            let pause_now = pause.mul_f64(rand::rng().random_range(0.5..1.0));
            tracing::warn!("connection to the bus lost: {why}; connecting again in {pause_now:.1?}");
            sleep(pause_now).await;
            pause = (pause * 2).min(BACKOFF.1);
        }
    }

    /// One connection, from beginning to end.
    async fn connection(&mut self) -> End {
        let options = match self.options.mqtt(self.receive_maximum) {
            Ok(options) => options,
            Err(why) => return End::Lost(why),
        };
        let (mqtt, mut events) = AsyncClient::new(options, QUEUE);
        let mut asked = VecDeque::new();
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(connack))) => {
                    asked = self.subscribe(&mqtt, &connack, &mut events);
                }
                Ok(Event::Outgoing(Outgoing::Disconnect)) => return End::Left,
                Ok(event) => {
                    self.event(event);
                    if let Some(filter) = self.granted(&mut asked) {
                        return End::Denied(filter);
                    }
                }
                Err(error) => {
                    // What was read together with the end is not lost with it.
                    let events: Vec<_> = events.state.events.drain(..).collect();
                    events.into_iter().for_each(|event| self.event(event));
                    return End::Lost(explain(error, &self.options, self.link.is_none()));
                }
            }
        }
    }

    /// Asks for all subscriptions, before anything else can be sent: an answer
    /// must not come before its mailbox is open.
    fn subscribe(&mut self, mqtt: &AsyncClient, connack: &ConnAck, events: &mut EventLoop) -> VecDeque<Asked> {
        let link = Arc::new(Link::new(mqtt.clone(), connack, self.receive_maximum.is_some()));
        let first = self.inbox.first_filters();
        let mut asked = VecDeque::new();
        let mut ask = |filters: Vec<Filter>, properties, first| {
            let names = filters.iter().map(|filter| filter.path.clone()).collect();
            asked.push_back(Asked { filters: names, first, fate: link.subscribed_first() });
            events.pending.push_back(Request::Subscribe(Subscribe::new_many(filters, properties)));
        };
        ask(first, None, true);
        for (filter, id) in self.inbox.listeners.filters() {
            ask(vec![self.inbox.filter(&filter)], Some(link.identifier(id)), false);
        }
        self.link = Some(link);
        asked
    }

    /// Whether all subscriptions have been granted, in which case the connection
    /// is up. Gives back one that is needed and was denied.
    fn granted(&mut self, asked: &mut VecDeque<Asked>) -> Option<String> {
        while let Some(Asked { filters, first, fate }) = asked.front_mut() {
            let Ok(fate) = fate.try_recv() else { return None };
            if let Fate::Subscribed(codes) = fate
                && let Some(denied) = codes.iter().position(|code| !is_granted(code))
            {
                let filter = filters.get(denied).cloned().unwrap_or_default();
                if *first {
                    return Some(filter);
                }
                tracing::warn!(filter, "the bus does not grant a subscription that it has granted before");
            }
            asked.pop_front();
            if asked.is_empty()
                && let Some(link) = &self.link
            {
                self.has_been_up = true;
                self.status.send_replace(Status::Up(Arc::clone(link)));
            }
        }
        None
    }

    fn event(&self, event: Event) {
        let Some(link) = &self.link else { return };
        link.note(&event);
        if let Event::Incoming(Packet::Publish(publish)) = event {
            self.inbox.take(link, publish);
        }
    }
}

pub fn is_granted(code: &SubscribeReasonCode) -> bool {
    matches!(code, SubscribeReasonCode::Success(_))
}

pub fn user_property(properties: &PublishProperties, name: &str) -> Option<String> {
    let mut pairs = properties.user_properties.iter();
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.clone())
}
