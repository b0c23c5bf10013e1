//! One binding, compact: its strings in one allocation, and when it was last
//! touched. Also its form on disk.

use std::sync::atomic::{AtomicU32, Ordering};

use super::Binding;
use super::table::Clock;

/// Topics of this form are not stored, as the caller says it all.
const MAILBOX: &str = "priv/";

pub struct Entry {
    /// Its record's key on disk, which no other entry has had. They are given
    /// out in order, so that new records are beside each other in the database
    /// whatever their callers are called.
    slot: u64,
    /// caller, frontend, address, topic, auth: one after the other.
    text: Box<str>,
    caller_len: u16,
    frontend_len: u16,
    address_len: u16,
    /// 0: it is `priv/{caller}`.
    topic_len: u16,
    /// Seconds on the table's clock.
    touched: AtomicU32,
    /// What the disk has of that.
    stored: AtomicU32,
}

impl Entry {
    pub fn new(slot: u64, binding: &Binding<'_>, clock: &Clock) -> Entry {
        let implied = binding.topic.strip_prefix(MAILBOX) == Some(binding.caller);
        let topic = if implied { "" } else { binding.topic };
        let address = binding.address.unwrap_or_default();
        let parts = [binding.caller, binding.frontend, address, topic, binding.auth];
        let now = clock.now();
        // Names come from MQTT strings, which have at most 65,535 bytes.
        Entry {
            slot,
            text: parts.concat().into(),
            caller_len: parts[0].len() as u16,
            frontend_len: parts[1].len() as u16,
            address_len: parts[2].len() as u16,
            topic_len: parts[3].len() as u16,
            touched: AtomicU32::new(now),
            stored: AtomicU32::new(now),
        }
    }

    pub fn slot(&self) -> u64 {
        self.slot
    }

    fn part(&self, before: usize, len: u16) -> &str {
        &self.text[before..before + len as usize]
    }

    pub fn caller(&self) -> &str {
        self.part(0, self.caller_len)
    }

    pub fn frontend(&self) -> &str {
        self.part(self.caller_len as usize, self.frontend_len)
    }

    /// Empty: none.
    pub fn address(&self) -> &str {
        self.part(self.caller_len as usize + self.frontend_len as usize, self.address_len)
    }

    fn topic_at(&self) -> usize {
        self.caller_len as usize + self.frontend_len as usize + self.address_len as usize
    }

    pub fn with_topic<R>(&self, f: impl FnOnce(&str) -> R) -> R {
        match self.topic_len {
            0 => f(&format!("{MAILBOX}{}", self.caller())),
            len => f(self.part(self.topic_at(), len)),
        }
    }

    pub fn auth(&self) -> &str {
        &self.text[self.topic_at() + self.topic_len as usize..]
    }

    pub fn touch(&self, now: u32) {
        // Most touches of a busy caller fall into the same second.
        if self.touched.load(Ordering::Relaxed) != now {
            self.touched.store(now, Ordering::Relaxed);
        }
    }

    pub fn touched(&self) -> u32 {
        self.touched.load(Ordering::Relaxed)
    }

    /// Seconds by which the disk lags behind.
    pub fn lag(&self) -> u32 {
        self.touched().saturating_sub(self.stored.load(Ordering::Relaxed))
    }

    /// The disk has the last touch that `record` of it has.
    pub fn is_stored_as(&self, record: &Entry) {
        self.stored.store(record.touched(), Ordering::Relaxed);
    }

    /// The record on disk, under its slot as the key: a checksum of key and rest,
    /// the second of the last touch on the store's clock, four lengths, the text.
    pub fn encode(&self, clock: &Clock) -> Vec<u8> {
        let touched = self.touched();
        self.stored.store(touched, Ordering::Relaxed);
        let mut out = vec![0; 4];
        out.extend_from_slice(&clock.stored(touched).to_be_bytes());
        for len in [self.caller_len, self.frontend_len, self.address_len, self.topic_len] {
            out.extend_from_slice(&len.to_be_bytes());
        }
        out.extend_from_slice(self.text.as_bytes());
        let sum = checksum(self.slot, &out[4..]);
        out[..4].copy_from_slice(&sum.to_be_bytes());
        out
    }

    /// The entry that a record holds; `None`: the record is damaged.
    pub fn decode(key: &[u8], record: &[u8], clock: &Clock) -> Option<Entry> {
        let slot = u64::from_be_bytes(key.try_into().ok()?);
        let (sum, rest) = record.split_first_chunk::<4>()?;
        if u32::from_be_bytes(*sum) != checksum(slot, rest) {
            return None;
        }
        let (at, rest) = rest.split_first_chunk::<8>()?;
        let (lens, text) = rest.split_first_chunk::<8>()?;
        let len = |at: usize| u16::from_be_bytes([lens[at * 2], lens[at * 2 + 1]]);
        let named: usize = (0..4).map(|at| len(at) as usize).sum();
        if named > text.len() {
            return None;
        }
        let touched = clock.of_stored(u64::from_be_bytes(*at));
        Some(Entry {
            slot,
            text: std::str::from_utf8(text).ok()?.into(),
            caller_len: len(0),
            frontend_len: len(1),
            address_len: len(2),
            topic_len: len(3),
            touched: AtomicU32::new(touched),
            stored: AtomicU32::new(touched),
        })
    }
}

fn checksum(slot: u64, rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&slot.to_be_bytes());
    hasher.update(rest);
    hasher.finalize()
}
