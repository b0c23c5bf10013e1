//! What a service manager is told: that skep is ready, reads its files again,
//! stops; and, again and again, that it is alive. Nothing, if there is none.

use std::time::Duration;

use sd_notify::NotifyState;
use skep::Skep;
use skep::bus::{Batch, Bus, Publication};
use tracing::{debug, warn};

/// On nobody's way: no subscription can cover it but one to just this topic.
const PROBE: &str = "$skep/watchdog";

/// Connections are accepted. If the manager has a watchdog, it is fed from now
/// on for as long as the runtime and all buses do their work.
pub fn ready(skep: &Skep) {
    tell(&[NotifyState::Ready]);
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    let buses: Vec<Bus> = skep.backends().iter().chain(skep.frontends()).cloned().collect();
    let bindings = skep.bindings().clone();
    debug!(?patience, "the service manager's watchdog is fed");
    tokio::spawn(async move {
        // Half of what it takes, so that one late turn does no harm.
        let mut turns = tokio::time::interval((patience / 2).max(Duration::from_millis(1)));
        loop {
            turns.tick().await;
            // Takes the locks that every message takes: where one of them is never
            // given back, this does not come to its end, nor the next line.
            for bus in &buses {
                let mut batch = Batch::new();
                bus.publish(&Publication::new(PROBE, &[], b""), &mut batch);
            }
            bindings.at(PROBE, |_, _| {});
            tell(&[NotifyState::Watchdog]);
        }
    });
}

/// Files are read again; [`reloaded`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => debug!("no monotonic clock: {error}"),
    }
}

pub fn reloaded() {
    tell(&[NotifyState::Ready]);
}

pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!("the service manager can't be told {states:?}: {error}");
    }
}
