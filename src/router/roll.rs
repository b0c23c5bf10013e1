//! Which addresses have been said to be online, and which of them are about to
//! be said to be offline: the grace period.

use std::collections::BTreeSet;
use std::sync::Arc;

use ahash::AHashMap;

/// What there is to say of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// With how many devices.
    Online(usize),
    Offline,
}

/// Times are in ms of one clock.
pub struct Roll {
    grace: u64,
    /// Those said to be online; with the time at which that ends where no
    /// device is left.
    online: AHashMap<Arc<str>, Option<u64>>,
    leaving: BTreeSet<(u64, Arc<str>)>,
}

impl Roll {
    pub fn new(grace: u64) -> Roll {
        Roll { grace, online: AHashMap::new(), leaving: BTreeSet::new() }
    }

    /// Takes an address for one that was said to be online before we began, with
    /// no device left since `now`.
    pub fn assume(&mut self, address: &str, now: u64) {
        let address: Arc<str> = address.into();
        self.leave(address, now);
    }

    fn leave(&mut self, address: Arc<str>, now: u64) {
        let due = now.saturating_add(self.grace);
        self.online.insert(Arc::clone(&address), Some(due));
        self.leaving.insert((due, address));
    }

    /// An address has so many devices online now.
    pub fn look(&mut self, address: &str, devices: usize, now: u64) -> Option<Word> {
        let known = self.online.get_key_value(address).map(|(key, due)| (Arc::clone(key), *due));
        match (known, devices) {
            (None, 0) => None,
            (None, _) => {
                self.online.insert(address.into(), None);
                Some(Word::Online(devices))
            }
            (Some((_, Some(_))), 0) | (Some((_, None)), 1..) => None,
            (Some((key, Some(due))), _) => {
                self.leaving.remove(&(due, Arc::clone(&key)));
                self.online.insert(key, None);
                None
            }
            (Some((key, None)), 0) => {
                self.leave(key, now);
                None
            }
        }
    }

    /// When the next address has been without a device for the grace period.
    pub fn next_due(&self) -> Option<u64> {
        self.leaving.first().map(|(due, _)| *due)
    }

    /// Such an address; [`Roll::settle`] has to be called for it.
    pub fn take_due(&mut self, now: u64) -> Option<Arc<str>> {
        if self.next_due()? > now {
            return None;
        }
        self.leaving.pop_first().map(|(_, address)| address)
    }

    /// An address whose grace is over has so many devices online now.
    pub fn settle(&mut self, address: &Arc<str>, devices: usize) -> Option<Word> {
        if devices > 0 {
            self.online.insert(Arc::clone(address), None);
            return None;
        }
        self.online.remove(address).map(|_| Word::Offline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_device_and_the_last_one_count() {
        let mut roll = Roll::new(10);
        assert_eq!(roll.look("a", 1, 0), Some(Word::Online(1)));
        assert_eq!(roll.look("a", 2, 1), None);
        assert_eq!(roll.look("a", 1, 2), None);
        assert_eq!((roll.look("a", 0, 3), roll.next_due()), (None, Some(13)));
        assert_eq!((roll.look("a", 0, 4), roll.next_due()), (None, Some(13)));
        assert_eq!(roll.take_due(12), None);
        let due = roll.take_due(13).unwrap();
        assert_eq!(roll.settle(&due, 0), Some(Word::Offline));
        assert_eq!((roll.look("a", 0, 20), roll.next_due()), (None, None));
        assert_eq!(roll.look("a", 3, 30), Some(Word::Online(3)));
    }

    #[test]
    fn who_comes_back_within_the_grace_was_never_away() {
        let mut roll = Roll::new(10);
        roll.look("a", 1, 0);
        for now in 1..1000 {
            assert_eq!(roll.look("a", 0, now), None);
            assert!(roll.leaving.len() <= 1);
            assert_eq!(roll.look("a", 1, now), None);
        }
        assert_eq!((roll.next_due(), roll.take_due(u64::MAX)), (None, None));
        roll.look("a", 0, 1000);
        let due = roll.take_due(1010).unwrap();
        assert_eq!(roll.settle(&due, 1), None);
        assert_eq!(roll.look("a", 1, 1011), None);
    }

    #[test]
    fn what_is_assumed_is_online_until_the_grace_is_over() {
        let mut roll = Roll::new(10);
        roll.assume("a", 0);
        roll.assume("b", 0);
        assert_eq!(roll.look("a", 1, 5), None);
        let due = roll.take_due(10).unwrap();
        assert_eq!((&*due, roll.settle(&due, 0)), ("b", Some(Word::Offline)));
        assert_eq!(roll.take_due(10), None);
    }
}
