//! Time that nobody can set: how long the machine has been up, and in which of
//! its boots. What of a down time can be measured, is measured by this.

use std::fs;

/// Where Linux says which boot this is; a UUID.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A moment, as the machine can tell it across processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uptime {
    /// Which boot; 0: unknown.
    pub boot: u128,
    /// Seconds since then, those asleep included.
    pub seconds: u64,
}

impl Uptime {
    /// Seconds from `earlier` to this moment; `None`: nobody has measured them.
    pub fn since(self, earlier: Uptime) -> Option<u64> {
        (self.boot == earlier.boot && self.boot != 0).then(|| self.seconds.saturating_sub(earlier.seconds))
    }
}

/// Tells the time. The system's, but for tests.
pub struct Watch(Box<dyn Fn() -> Uptime + Send + Sync>);

impl Watch {
    pub fn system() -> Watch {
        let boot = fs::read_to_string(BOOT_ID).ok().and_then(|id| boot_of(&id)).unwrap_or(0);
        Watch(Box::new(move || {
            let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
            Uptime { boot, seconds: u64::try_from(time.tv_sec).unwrap_or(0) }
        }))
    }

    pub fn of(tell: impl Fn() -> Uptime + Send + Sync + 'static) -> Watch {
        Watch(Box::new(tell))
    }

    pub fn now(&self) -> Uptime {
        (self.0)()
    }
}

fn boot_of(id: &str) -> Option<u128> {
    u128::from_str_radix(&id.trim().replace('-', ""), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_is_known_by_its_uuid() {
        assert_eq!(boot_of("00000000-0000-0000-0000-0000000000ff\n"), Some(255));
        assert_eq!(boot_of("no id"), None);
    }

    #[test]
    fn only_time_of_one_boot_is_measured() {
        let at = |boot, seconds| Uptime { boot, seconds };
        assert_eq!(at(7, 90).since(at(7, 60)), Some(30));
        assert_eq!(at(7, 60).since(at(7, 90)), Some(0));
        assert_eq!(at(8, 90).since(at(7, 60)), None);
        assert_eq!(at(0, 90).since(at(0, 60)), None);
    }
}
