//! Against a real rumqttd router.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Instant;

use super::*;
use crate::bus::tree::tests::is_match;

/// A delivery, owned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Got {
    filter: String,
    topic: String,
    properties: Vec<u8>,
    payload: Vec<u8>,
    qos: u8,
    tag: u64,
}

impl From<Delivery<'_>> for Got {
    fn from(delivery: Delivery<'_>) -> Self {
        Got {
            filter: delivery.filter.into(),
            topic: delivery.topic.into(),
            properties: delivery.properties.into(),
            payload: delivery.payload.into(),
            qos: delivery.qos,
            tag: delivery.tag,
        }
    }
}

/// How long a test waits for what has to come; never reached when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

fn start(settings: &Topics) -> (Hub, Receiver<Got>) {
    let (sender, deliveries) = mpsc::channel();
    let hub = Hub::start("test", settings, move |delivery| {
        let _ = sender.send(delivery.into());
    });
    (hub.expect("the settings are fine"), deliveries)
}

fn publish(hub: &Hub, topic: &str, tag: u64) {
    hub.publish(topic, b"", b"", 0, tag).expect("the router takes it");
}

/// Publishes something to a filter of its own, and gives back all deliveries
/// before it on that same filter. The router hands on what it has for one filter
/// at a time, so only `filter` itself is sure to be complete.
fn until_tag(deliveries: &Receiver<Got>, filter: &str, tag: u64) -> Vec<Got> {
    let mut all = Vec::new();
    loop {
        let got = deliveries.recv_timeout(PATIENCE).expect("the last message arrives");
        let is_last = got.filter == filter && got.tag == tag;
        all.push(got);
        if is_last {
            return all;
        }
    }
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_is_published_arrives_untouched() {
    let (hub, deliveries) = start(&Topics::default());
    hub.subscribe("a/+").expect("the router takes it");
    hub.publish("a/b", b"\x26\x00\x01k\x00\x01v", b"pay\0load", 1, u64::MAX).expect("the router takes it");
    hub.publish("a/", b"", b"", 2, 0).expect("the router takes it");
    let got = until_tag(&deliveries, "a/+", 0);
    let expected = |topic: &str, properties: &[u8], payload: &[u8], qos, tag| Got {
        filter: "a/+".into(),
        topic: topic.into(),
        properties: properties.into(),
        payload: payload.into(),
        qos,
        tag,
    };
    assert_eq!(
        got,
        [expected("a/b", b"\x26\x00\x01k\x00\x01v", b"pay\0load", 1, u64::MAX), expected("a/", b"", b"", 2, 0)]
    );
}

#[test]
fn a_message_arrives_once_for_each_filter_that_matches_it() {
    let (hub, deliveries) = start(&Topics::default());
    let filters = [
        "#", "+", "+/+", "+/#", "a", "a/#", "a/+", "a/b", "a/b/#", "a/+/c", "/", "/#", "é/#", "$SYS/#", "$SYS/+", "$s",
    ];
    for filter in filters {
        hub.subscribe(filter).expect("the router takes it");
        hub.subscribe(filter).expect("a second time changes nothing");
    }
    let topics = ["a", "a/b", "a/b/c", "a/x/c", "/", "/a", "b", "é", "é/ü", "$SYS", "$SYS/a", "$SYS/a/b", "$s", "$x"];
    for (tag, topic) in (1..).zip(topics) {
        publish(&hub, topic, tag);
    }
    let pairs = (1..).zip(topics).flat_map(|(tag, topic)| filters.map(|filter| (filter, topic, tag)));
    let mut expected: Vec<_> = pairs.filter(|(filter, topic, _)| is_match(filter, topic)).collect();
    let all: Vec<_> = expected.iter().map(|_| deliveries.recv_timeout(PATIENCE)).collect();
    let mut got: Vec<_> = all.iter().flatten().map(|got| (&*got.filter, &*got.topic, got.tag)).collect();
    got.sort();
    expected.sort();
    assert_eq!(got, expected);
    hub.close();
    assert_eq!(deliveries.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected), "no more than those");
}

#[test]
fn messages_of_one_filter_stay_in_order() {
    let (hub, deliveries) = start(&Topics::default());
    hub.subscribe("a/#").expect("the router takes it");
    (1..=5_000).for_each(|tag| publish(&hub, if tag % 2 == 0 { "a/b" } else { "a/c" }, tag));
    let tags: Vec<_> = until_tag(&deliveries, "a/#", 5_000).iter().map(|got| got.tag).collect();
    assert_eq!(tags, (1..=5_000).collect::<Vec<_>>());
    assert_eq!(hub.lost(), 0);
}

#[test]
fn a_filter_comes_and_goes_amid_messages_without_doubles() {
    let (hub, deliveries) = start(&Topics::default());
    let mut tag = 0;
    for round in 0..2_000 {
        hub.subscribe("a/#").expect("the router takes it");
        for _ in 0..round % 4 {
            tag += 1;
            publish(&hub, "a/b", tag);
        }
        hub.unsubscribe("a/#");
        publish(&hub, "a/b", 0);
    }
    hub.subscribe("a/#").expect("the router takes it");
    publish(&hub, "a/b", tag + 1);
    let tags: Vec<_> = until_tag(&deliveries, "a/#", tag + 1).iter().map(|got| got.tag).collect();
    assert!(tags.is_sorted_by(|a, b| a < b), "each at most once");
    assert!(!tags.contains(&0), "and none that came without a subscription");
}

#[test]
fn an_unsubscribe_goes_ahead_of_messages_that_wait() {
    let (hub, deliveries) = start(&Topics::default());
    hub.subscribe("a").expect("the router takes it");
    publish(&hub, "a", 1);
    until_tag(&deliveries, "a", 1);
    {
        // A message without its event, so that the router doesn't come for it.
        let inlet = hub.shared.inlet.lock();
        wait_until("the router takes what is there", || inlet.link.buffer().is_empty());
        inlet.link.buffer().push_back(Packet::Publish(Publish::new("u/a", "", false), None));
    }
    hub.unsubscribe("a");
    hub.subscribe("b").expect("the router takes it");
    hub.unsubscribe("b");
    let waiting: Vec<_> = hub.shared.inlet.lock().link.buffer().iter().cloned().collect();
    hub.shared.inlet.lock().send(unsubscribe("none".into())).expect("the router takes it");
    assert!(
        matches!(&waiting[..], [Packet::Unsubscribe(of, _), Packet::Publish(..)] if of.filters == ["u/a"]),
        "and what the router has not seen is taken back: {waiting:?}"
    );
    hub.subscribe("a").expect("the router takes it");
    (2..=500).for_each(|tag| publish(&hub, "a", tag));
    let tags: Vec<_> = until_tag(&deliveries, "a", 500).iter().map(|got| got.tag).collect();
    assert_eq!(tags, (2..=500).collect::<Vec<_>>());
}

#[test]
fn a_reader_that_falls_behind_knows_how_much_it_lost() {
    // A log of 64 KiB holds about 3,000 of these messages.
    let settings = Topics { max_segment_size: 16 * 1024, max_segment_count: 4, ..Topics::default() };
    let (sender, deliveries) = mpsc::channel();
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock();
    let hub = {
        let gate = gate.clone();
        Hub::start("test", &settings, move |delivery| {
            drop(gate.lock());
            let _ = sender.send(delivery.tag);
        })
        .expect("the settings are fine")
    };
    hub.subscribe("a").expect("the router takes it");
    hub.subscribe("+").expect("the router takes it");
    let mut behind = 0;
    for tag in 1..=100_000 {
        while let Err(refused) = hub.publish("a", b"", b"", 0, tag) {
            assert!(matches!(refused, Refused::Behind { .. }));
            behind += 1;
            thread::yield_now();
        }
    }
    drop(closed);
    let (mut got, mut last) = (0u64, 0);
    while last < 2 {
        got += 1;
        last += usize::from(deliveries.recv_timeout(PATIENCE).expect("the last message arrives") == 100_000);
    }
    assert!(hub.lost() > 100_000, "two logs of 3,000 can't hold twice 100,000: {} lost", hub.lost());
    assert_eq!(got + hub.lost(), 200_000, "told to wait {behind} times");
}

#[test]
fn a_publisher_is_told_when_the_router_is_behind() {
    let settings = Topics { max_segment_size: 1024, max_segment_count: 2, ..Topics::default() };
    let (hub, _deliveries) = start(&settings);
    {
        // A packet without its event: the router doesn't come for it.
        let inlet = hub.shared.inlet.lock();
        wait_until("the router takes what is there", || inlet.link.buffer().is_empty());
        inlet.link.buffer().push_back(unsubscribe("none".into()));
    }
    let taken = (0..100).take_while(|tag| hub.publish("a", b"", &[0; 100], 0, *tag).is_ok()).count();
    assert!((1..10).contains(&taken), "2 KiB took {taken}");
    assert_eq!(hub.publish("a", b"", &[0; 100], 0, 0), Err(Refused::Behind { max: 2048 }));
    hub.shared.inlet.lock().link.buffer().clear();
    assert_eq!(hub.publish("a", b"", &[0; 4096], 0, 0), Ok(()), "one message goes in, however large");
}

#[test]
fn a_dead_router_is_seen() {
    let (hub, _deliveries) = start(&Topics::default());
    hub.subscribe("a").expect("the router takes it");
    // What kills it is a topic without our prefix and with no ASCII in front.
    let deadly = Packet::Publish(Publish::new("é", "", false), None);
    hub.shared.push(&mut hub.shared.inlet.lock(), deadly).expect("the router takes it");
    wait_until("the hub sees it", || !hub.is_alive());
    assert_eq!(hub.publish("a", b"", b"", 0, 0), Err(Refused::Gone));
    assert_eq!(hub.subscribe("b"), Err(Refused::Gone));
    hub.unsubscribe("a");
    hub.close();
}

/// A panicked router takes no more events; and its channel holds 1,000, so that
/// it has got past all earlier ones if it takes more than those.
fn assert_router_lives(hub: &Hub) {
    let mut inlet = hub.shared.inlet.lock();
    for _ in 0..1_100 {
        inlet.send(unsubscribe("none".into())).expect("the router's thread lives");
    }
}

#[test]
fn after_close_nothing_is_taken_and_nothing_arrives() {
    // Over and over, amid messages, since closing meets the router's pauses.
    for _ in 0..200 {
        let (hub, deliveries) = start(&Topics::default());
        hub.subscribe("#").expect("the router takes it");
        (0..1_000).for_each(|tag| publish(&hub, "a", tag));
        hub.close();
        assert!(!hub.is_alive());
        assert_eq!(hub.publish("a", b"", b"", 0, 0), Err(Refused::Gone));
        // Its sender went with the reader: this ends.
        assert!(deliveries.iter().count() <= 1_000);
        assert_router_lives(&hub);
        hub.close();
    }
}

#[test]
fn a_hub_closed_while_the_router_waits_for_its_reader_leaves_the_router_alive() {
    let (sender, arrived) = mpsc::channel();
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock();
    let hub = {
        let gate = gate.clone();
        Hub::start("test", &Topics::default(), move |_| {
            let _ = sender.send(());
            drop(gate.lock());
        })
        .expect("the settings are fine")
    };
    hub.subscribe("a").expect("the router takes it");
    // More than the router hands on without an answer.
    (0..1_000).for_each(|tag| publish(&hub, "a", tag));
    arrived.recv_timeout(PATIENCE).expect("the first one arrives");
    thread::scope(|scope| {
        scope.spawn(|| hub.close());
        wait_until("the hub is closing", || hub.shared.inlet.lock().is_closing);
        drop(closed);
    });
    assert_router_lives(&hub);
}

#[test]
fn a_delivery_may_close_the_hub() {
    let hub = Arc::new(Mutex::new(None::<Hub>));
    let started = {
        let hub = hub.clone();
        Hub::start("test", &Topics::default(), move |_| {
            hub.lock().as_ref().expect("it is set before the first message").close();
        })
    };
    let started = hub.lock().insert(started.expect("the settings are fine")).shared.clone();
    {
        let hub = hub.lock();
        let hub = hub.as_ref().expect("it was just set");
        hub.subscribe("a").expect("the router takes it");
        publish(hub, "a", 1);
    }
    wait_until("the reader ends", || !started.is_alive.load(Ordering::Acquire));
}

#[test]
fn filters_that_the_router_would_keep_for_good_are_bounded() {
    let (hub, _deliveries) = start(&Topics { max_filters: 2, ..Topics::default() });
    assert_eq!(hub.subscribe("a"), Ok(()));
    hub.unsubscribe("a");
    assert_eq!(hub.subscribe("b"), Ok(()));
    assert_eq!(hub.subscribe("c"), Err(Refused::TooManyFilters { max: 2 }));
    assert_eq!(hub.subscribe("a"), Ok(()), "that one is kept already");
}

#[test]
fn settings_that_would_kill_the_router_are_refused() {
    let refused = |settings: Topics| Hub::start("test", &settings, |_| {}).err().map(|error| error.to_string());
    assert!(refused(Topics { max_segment_size: 1023, ..Topics::default() }).is_some());
    assert!(refused(Topics { max_segment_count: 0, ..Topics::default() }).is_some());
    assert!(refused(Topics { max_outgoing_packet_count: 0, ..Topics::default() }).is_some());
    assert!(refused(Topics { max_segment_size: 1024, max_segment_count: 1, ..Topics::default() }).is_none());
}
