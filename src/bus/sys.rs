//! `$SYS` topics: what a bus says of itself, as retained messages, in the
//! names that people know from other brokers.

use super::Bus;
use super::batch::Batch;
use super::clock;
use super::message::Publication;

impl Bus {
    pub(super) fn publish_sys(&self, batch: &mut Batch) {
        let inner = &self.0;
        let stats = &inner.common.stats;
        let uptime = (clock::now_ms() - inner.started_at) / 1000;
        let open = inner.connections.open() as u64;
        let away = inner.sessions.away() as u64;
        let (retained, retained_bytes) = {
            let store = inner.retained.read();
            (store.len() as u64, store.bytes() as u64)
        };
        let numbers: [(&str, u64); 17] = [
            ("clients/connected", open),
            ("clients/disconnected", away),
            ("clients/total", inner.sessions.len() as u64),
            ("messages/received", stats.messages_in.get()),
            ("messages/sent", stats.messages_out.get()),
            ("publish/messages/received", stats.messages_in.get()),
            ("publish/messages/sent", stats.messages_out.get()),
            ("publish/messages/dropped", stats.dropped()),
            ("bytes/received", stats.bytes_in.get()),
            ("bytes/sent", stats.bytes_out.get()),
            ("load/connections", stats.connections.get()),
            ("retained messages/count", retained),
            ("retained messages/bytes", retained_bytes),
            ("subscriptions/count", inner.topics.filters() as u64),
            ("publish/messages/lost", inner.topics.lost()),
            ("store/messages/count", inner.queues.unfinished() as u64),
            ("shared/queues/count", inner.queues.list().len() as u64),
        ];
        let mut say = |name: &str, value: String| {
            let topic = format!("$SYS/broker/{name}");
            let mut publication = Publication::new(&topic, &[], value.as_bytes());
            publication.retain = true;
            // A bus that is full of retained messages does without.
            self.retain(&publication);
            self.publish_to_watchers(&publication, batch);
        };
        say("version", concat!("skep ", env!("CARGO_PKG_VERSION")).to_owned());
        say("bus", self.id().to_owned());
        say("uptime", format!("{uptime} seconds"));
        for (name, number) in numbers {
            say(name, number.to_string());
        }
    }
}
