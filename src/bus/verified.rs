//! Logins that were right a short while ago and need no hash to be right again.
//! Holds no passwords, only tags of them.

use ahash::AHashMap;
use parking_lot::Mutex;

use super::password::Tag;
use super::settings::Login;

pub struct Verified {
    time_ms: u64,
    max: usize,
    /// When each ends, in ms. Locked for a look-up only.
    ends: Mutex<AHashMap<Tag, u64>>,
}

impl Verified {
    pub fn new(login: &Login) -> Verified {
        Verified { time_ms: login.cache_s * 1000, max: login.max_cached.max(1), ends: Mutex::default() }
    }

    /// Whether this login was right within the time.
    pub fn has(&self, tag: &Tag, now: u64) -> bool {
        self.ends.lock().get(tag).is_some_and(|end| now < *end)
    }

    pub fn add(&self, tag: Tag, now: u64) {
        if self.time_ms == 0 {
            return;
        }
        let mut ends = self.ends.lock();
        if ends.len() >= self.max && !ends.contains_key(&tag) {
            ends.retain(|_, end| now < *end);
            if ends.len() >= self.max {
                // All are of use still: which go matters little.
                let mut spare = ends.len() / 2 + 1;
                ends.retain(|_, _| {
                    let goes = spare > 0;
                    spare -= usize::from(goes);
                    !goes
                });
            }
        }
        ends.insert(tag, now + self.time_ms);
    }

    /// Forgets those that are over, so that a quiet bus keeps nothing.
    pub fn expire(&self, now: u64) {
        self.ends.lock().retain(|_, end| now < *end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::password::tag;

    #[test]
    fn a_login_is_remembered_for_its_time_and_no_more_than_so_many() {
        let verified = Verified::new(&Login { cache_s: 10, max_cached: 3, ..Login::default() });
        for n in 0..50u8 {
            verified.add(tag(&[&[n]]), 0);
            assert!(verified.has(&tag(&[&[n]]), 9_999) && !verified.has(&tag(&[&[n]]), 10_000));
            assert!(verified.ends.lock().len() <= 3);
        }
        verified.expire(10_000);
        assert!(verified.ends.lock().is_empty());
    }

    #[test]
    fn with_no_time_nothing_is_remembered() {
        let verified = Verified::new(&Login { cache_s: 0, ..Login::default() });
        verified.add(tag(&[b"x"]), 0);
        assert!(!verified.has(&tag(&[b"x"]), 0));
    }
}
