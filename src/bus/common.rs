//! What every part of one bus may read: its name, settings and counters.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::events::Events;
use super::log_limit::LogLimit;
use super::memory::Memory;
use super::settings::Settings;
use super::stats::Stats;

pub struct Common {
    /// The bus id, such as `backend-1`.
    pub id: Box<str>,
    pub settings: Settings,
    pub stats: Stats,
    pub events: Events,
    pub memory: Arc<Memory>,
    pub log_limit: LogLimit,
    /// Bytes held for all clients that are away.
    pub away_bytes: AtomicUsize,
}
