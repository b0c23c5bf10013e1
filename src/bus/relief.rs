//! What a bus gives up when it holds all the memory that it may: the
//! connections for which it keeps the most, for want of reading or
//! acknowledging, or because they have sent part of a large packet.

use crate::mqtt::Reason;

use super::Bus;
use super::listener::ANY_ADDRESS;
use super::memory::EVERYBODYS;

impl Bus {
    /// Ends connections until an eighth of the memory is free again, or none is
    /// left that has more than everybody's share.
    pub(super) fn relieve_memory(&self) {
        let common = &self.0.common;
        if !common.memory.is_full() {
            return;
        }
        let limit = common.memory.limit();
        let mut to_free = common.memory.used().saturating_sub(limit - limit / 8);
        let (ending, others): (Vec<_>, Vec<_>) =
            self.owed_most(EVERYBODYS).into_iter().partition(|(_, _, control)| control.is_ending());
        to_free = ending.iter().fold(to_free, |to_free, (bytes, ..)| to_free.saturating_sub(*bytes));
        let mut ended = 0u64;
        for (bytes, session, control) in others {
            if to_free == 0 {
                break;
            }
            to_free = to_free.saturating_sub(bytes);
            session.end_link(&control, Reason::QuotaExceeded, "memory is short, and this client takes up much of it");
            ended += 1;
        }
        common.stats.memory_disconnects.add(ended);
        if ended > 0 && self.may_log(ANY_ADDRESS) {
            tracing::warn!(
                bus = self.id(),
                ended,
                limit,
                "memory is full: clients that held the most are disconnected"
            );
        }
    }
}
