//! Failed logins, by the address that they came from: past a limit an address
//! is refused unseen for a while. In number and time bounded.

use std::net::IpAddr;
use std::sync::Arc;

use ahash::AHashMap;
use parking_lot::Mutex;

use super::connections::network;
use super::settings::Login;

pub struct Failures {
    /// 0: no limit.
    max: u32,
    window_ms: u64,
    max_addresses: usize,
    /// Locked for a look-up only.
    addresses: Mutex<AHashMap<IpAddr, Address>>,
}

#[derive(Default)]
struct Address {
    failures: u32,
    /// When the first of them was, in ms; 0: there is none.
    since: u64,
    /// Whoever computes a hash for this address, one at a time: so attempts
    /// made at once are not all under way before the first has failed.
    gate: Arc<tokio::sync::Mutex<()>>,
}

impl Failures {
    pub fn new(login: &Login) -> Failures {
        Failures {
            max: login.max_failures,
            window_ms: login.failure_window_s * 1000,
            max_addresses: login.max_failure_addresses.max(1),
            addresses: Mutex::default(),
        }
    }

    /// How long the address is refused still, in s; none: it is not.
    pub fn refused_for(&self, address: IpAddr, now: u64) -> Option<u64> {
        if self.max == 0 {
            return None;
        }
        let addresses = self.addresses.lock();
        let known = addresses.get(&network(address))?;
        let over = known.since + self.window_ms;
        (known.failures >= self.max && now < over).then(|| (over - now).div_ceil(1000))
    }

    /// Counts one.
    pub fn add(&self, address: IpAddr, now: u64) {
        if self.max == 0 {
            return;
        }
        self.with(address, |known| {
            if known.failures == 0 || now >= known.since + self.window_ms {
                known.failures = 0;
                known.since = now.max(1);
            }
            known.failures += 1;
        });
    }

    /// Waits for the turn to compute a hash for this address; without a limit,
    /// all may at once.
    pub async fn turn(&self, address: IpAddr) -> Option<tokio::sync::OwnedMutexGuard<()>> {
        if self.max == 0 {
            return None;
        }
        let gate = self.with(address, |known| Arc::clone(&known.gate));
        Some(gate.lock_owned().await)
    }

    fn with<T>(&self, address: IpAddr, act: impl FnOnce(&mut Address) -> T) -> T {
        let mut addresses = self.addresses.lock();
        let address = network(address);
        if addresses.len() >= self.max_addresses && !addresses.contains_key(&address) {
            forget_half(&mut addresses);
        }
        act(addresses.entry(address).or_default())
    }
}

/// Forgets the half that has been there longest: seldom, so that it costs each
/// newcomer little.
fn forget_half(addresses: &mut AHashMap<IpAddr, Address>) {
    let mut times: Vec<u64> = addresses.values().map(|address| address.since).collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    let mut spare = middle + 1;
    addresses.retain(|_, address| {
        let goes = address.since <= median && spare > 0;
        spare -= usize::from(goes);
        !goes
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(max_failures: u32) -> Failures {
        Failures::new(&Login { max_failures, failure_window_s: 10, max_failure_addresses: 4, ..Login::default() })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_refused_past_the_limit_until_the_window_is_over() {
        let failures = failures(2);
        let a = ip("192.0.2.1");
        failures.add(a, 1000);
        assert_eq!(failures.refused_for(a, 1000), None);
        failures.add(a, 2000);
        assert_eq!(failures.refused_for(a, 2000), Some(9));
        assert_eq!(failures.refused_for(ip("::ffff:192.0.2.1"), 2000), Some(9));
        assert_eq!(failures.refused_for(ip("192.0.2.2"), 2000), None);
        assert_eq!(failures.refused_for(a, 11_000), None);
        failures.add(a, 11_000);
        assert_eq!(failures.refused_for(a, 11_000), None);
    }

    #[test]
    fn ipv6_addresses_of_one_network_count_as_one() {
        let failures = failures(1);
        failures.add(ip("2001:db8::1"), 1);
        assert!(failures.refused_for(ip("2001:db8::ffff:1"), 1).is_some());
        assert!(failures.refused_for(ip("2001:db8:0:1::1"), 1).is_none());
    }

    #[test]
    fn no_more_addresses_are_kept_than_may_be() {
        let failures = failures(1);
        for n in 0..100u8 {
            failures.add(IpAddr::from([192, 0, 2, n]), u64::from(n) + 1);
            assert!(failures.addresses.lock().len() <= 4);
            assert!(failures.refused_for(IpAddr::from([192, 0, 2, n]), 100).is_some(), "the newest stays");
        }
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let failures = failures(0);
        failures.add(ip("192.0.2.1"), 1);
        assert_eq!(failures.refused_for(ip("192.0.2.1"), 1), None);
        assert!(failures.addresses.lock().is_empty());
    }
}
