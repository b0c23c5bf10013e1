//! All connections of a bus, those before CONNECT included: how many there may
//! be, of whom, who has fallen silent, and the end of all of them.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ahash::AHashMap;
use parking_lot::Mutex;

use crate::mqtt::Reason;

use super::link::{Control, Farewell};
use super::settings;

/// Connections of one address of another machine, where nothing is set.
const USUAL_PER_ADDRESS: usize = 1_000;

pub struct Connections {
    open: AtomicUsize,
    max: usize,
    max_per_address: Option<usize>,
    max_per_user: usize,
    next_key: AtomicU64,
    /// Those that have sent CONNECT.
    established: Mutex<AHashMap<u64, Arc<Control>>>,
    /// How many each address has; those without a limit are not counted.
    addresses: Mutex<AHashMap<IpAddr, usize>>,
    /// How many each user has, where that is limited.
    users: Mutex<AHashMap<Arc<str>, usize>>,
}

/// Why a connection is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowded {
    /// `max_connections` are there.
    Bus,
    /// Its address has as many as it may.
    Address,
}

/// A place among the connections; given up when dropped.
pub struct Seat {
    of: Arc<Connections>,
    /// Among those that are established; 0: it is not.
    key: u64,
    address: Option<IpAddr>,
    user: Option<Arc<str>>,
}

impl Connections {
    pub fn new(limits: &settings::Connections) -> Arc<Connections> {
        Arc::new(Connections {
            open: AtomicUsize::new(0),
            max: limits.max_connections,
            max_per_address: limits.max_per_address,
            max_per_user: limits.max_per_user,
            next_key: AtomicU64::new(1),
            established: Mutex::default(),
            addresses: Mutex::default(),
            users: Mutex::default(),
        })
    }

    /// A place for a new connection, if there is one left.
    pub fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Seat, Crowded> {
        // Gives up its place if it may not have it.
        let mut seat = Seat { of: Arc::clone(self), key: 0, address: None, user: None };
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.max {
            return Err(Crowded::Bus);
        }
        let max = self.max_of(peer);
        if max > 0 {
            let of = network(peer);
            let mut addresses = self.addresses.lock();
            let count = addresses.entry(of).or_default();
            if *count >= max {
                drop(addresses);
                return Err(Crowded::Address);
            }
            *count += 1;
            seat.address = Some(of);
        }
        Ok(seat)
    }

    /// Connections that an address may have; 0: any number.
    fn max_of(&self, peer: IpAddr) -> usize {
        match self.max_per_address {
            Some(max) => max,
            None if peer.to_canonical().is_loopback() => 0,
            None => USUAL_PER_ADDRESS,
        }
    }

    /// Connections now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub fn all(&self) -> Vec<Arc<Control>> {
        self.established.lock().values().cloned().collect()
    }

    /// Ends connections whose peer has been silent for too long [MQTT-3.1.2-22].
    pub fn end_silent(&self, now: u64) {
        for control in self.established.lock().values().filter(|control| control.silent_too_long(now)) {
            let text = Some("nothing heard for one and a half times the keep-alive time".to_owned());
            control.end(Farewell { reason: Reason::KeepAliveTimeout, text, unsent: Vec::new() });
        }
    }
}

impl Connections {
    /// Ends connections whose token has expired; gives back how many.
    pub fn end_expired(&self, now: u64) -> u64 {
        let mut ended = 0;
        for control in self.established.lock().values().filter(|control| control.is_over(now)) {
            ended += u64::from(!control.is_ending());
            let text = Some("the token that the client logged in with has expired".to_owned());
            control.end(Farewell { reason: Reason::MaximumConnectTime, text, unsent: Vec::new() });
        }
        ended
    }
}

/// What is counted as one address: a site is given a /64 of IPv6 at least, and
/// may use each address of it.
pub(super) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

impl Seat {
    /// Counts the connection as one of `user`. False: the user has as many as
    /// it may. One that takes the place of another of the same user, which
    /// will be gone soon, is let in: `replaces`.
    pub fn belongs_to(&mut self, user: &Arc<str>, replaces: bool) -> bool {
        let max = self.of.max_per_user;
        if max == 0 {
            return true;
        }
        let mut users = self.of.users.lock();
        let count = users.entry(Arc::clone(user)).or_default();
        if *count >= max + usize::from(replaces) {
            return false;
        }
        *count += 1;
        self.user = Some(Arc::clone(user));
        true
    }

    /// The connection is established: it can be found from now on.
    pub fn establish(&mut self, control: &Arc<Control>) {
        let key = self.of.next_key.fetch_add(1, Ordering::Relaxed);
        self.of.established.lock().insert(key, Arc::clone(control));
        self.key = key;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.of.open.fetch_sub(1, Ordering::Relaxed);
        if self.key != 0 {
            self.of.established.lock().remove(&self.key);
        }
        if let Some(address) = &self.address {
            count_down(&mut self.of.addresses.lock(), address);
        }
        if let Some(user) = &self.user {
            count_down(&mut self.of.users.lock(), user);
        }
    }
}

/// One less; nothing stays behind of the last one.
fn count_down<K: std::hash::Hash + Eq>(counts: &mut AHashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(max_per_address: Option<usize>) -> Arc<Connections> {
        Connections::new(&settings::Connections { max_per_address, ..settings::Connections::default() })
    }

    fn admitted(to: &Arc<Connections>, from: &[&str], at_most: usize) -> Vec<Seat> {
        let peers = from.iter().cycle().take(at_most).map(|text| text.parse().expect("an address"));
        peers.map_while(|peer| to.admit(peer).ok()).collect()
    }

    #[test]
    fn another_machine_has_so_many_connections_and_this_one_any_number() {
        let all = connections(None);
        let others = admitted(&all, &["192.0.2.1", "::ffff:192.0.2.1"], 3_000);
        assert_eq!(others.len(), USUAL_PER_ADDRESS);
        assert_eq!(all.admit([192, 0, 2, 1].into()).err(), Some(Crowded::Address));
        assert!(all.admit([192, 0, 2, 2].into()).is_ok());
        assert_eq!(admitted(&all, &["127.0.0.1", "::1"], 3_000).len(), 3_000);
        drop(others);
        assert!(all.admit([192, 0, 2, 1].into()).is_ok());
        assert_eq!((all.open(), all.addresses.lock().len()), (0, 0));
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let all = connections(Some(4));
        assert_eq!(admitted(&all, &["2001:db8::1", "2001:db8::ffff:2"], 10).len(), 4);
        assert_eq!(admitted(&all, &["2001:db8::1", "2001:db8:0:1::1"], 10).len(), 8);
        assert_eq!(admitted(&all, &["127.0.0.1"], 10).len(), 4);
    }
}
