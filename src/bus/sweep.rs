//! Time passing on a bus: keep-alive, expiry of messages and sessions, delayed
//! wills, work that nobody serves, and `$SYS`.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::Bus;
use super::batch::{Batch, give_way};
use super::clock;
use super::queue::GivenUp;
use super::trim::HighWater;

/// How exact all of these times are.
const TICK: Duration = Duration::from_millis(100);

/// Ticks between looks at retained messages and at `$SYS`.
const SELDOM: u32 = 100;

/// Messages given up before other tasks get their turn.
const GIVEN_UP_AT_ONCE: usize = 64;

/// Ticks between looks at what is held for clients that are away.
const NOW_AND_THEN: u32 = 30;

impl Bus {
    /// Runs until the bus stops.
    pub(super) async fn keep_time(self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut count = 0u32;
        let mut high_water = HighWater::default();
        while !self.is_stopping() {
            ticks.tick().await;
            // The task ends with it, which skep takes as its own end.
            assert!(self.0.topics.is_alive(), "bus {}: the topic engine has died", self.id());
            let now = clock::now_ms();
            let mut batch = Batch::new();
            self.0.connections.end_silent(now);
            self.stats().tokens_expired.add(self.0.connections.end_expired(now));
            self.relieve_memory();
            self.expire_sessions(now, &mut batch);
            for (session, will) in self.0.wills.due(now) {
                self.publish_will(&will, session, &mut batch);
            }
            let gone = self.0.queues.sweep(now, &self.limits().queues, &mut batch);
            self.give_up_fairly(gone, &mut batch).await;
            let connections = self.0.connections.open();
            high_water.look(self.0.common.memory.used(), connections);
            if count.is_multiple_of(SELDOM) {
                self.0.desk.sweep(now);
                self.0.retained.write().retain(|message| !message.expired(now));
                self.publish_sys(&mut batch);
                if let Some(lines) = self.0.common.log_limit.left_out(now) {
                    tracing::warn!(bus = self.id(), lines, "log lines about clients left out, as they were too many");
                }
            }
            batch.flush_fairly().await;
            if count.is_multiple_of(NOW_AND_THEN) {
                self.expire_held(now).await;
            }
            count = count.wrapping_add(1);
        }
    }

    /// Gives up what may be very much, and lets other tasks run in between.
    async fn give_up_fairly(&self, gone: GivenUp, batch: &mut Batch) {
        let mut gone = gone.into_iter();
        while gone.len() > 0 {
            self.given_up(gone.by_ref().take(GIVEN_UP_AT_ONCE).collect(), batch);
            batch.flush_fairly().await;
            give_way().await;
        }
    }
}
