//! The thread that takes messages from the router.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rumqttd::local::LinkRx;
use rumqttd::{Forward, Notification};

use super::envelope::Envelope;
use super::{Delivery, Shared};

/// The receiving half of the link, on its own thread.
pub(super) struct Reader<F> {
    pub(super) outlet: LinkRx,
    pub(super) shared: Arc<Shared>,
    pub(super) deliver: F,
}

impl<F: Fn(Delivery<'_>)> Reader<F> {
    /// Delivers until the link ends.
    pub(super) fn run(mut self) {
        while self.step().is_continue() {}
    }

    fn step(&mut self) -> ControlFlow<()> {
        match self.outlet.recv() {
            // The router dropped its end: at our DISCONNECT, or because it died.
            Err(_) => return ControlFlow::Break(()),
            Ok(Some(Notification::Forward(forward))) => self.deliver(&forward),
            Ok(Some(Notification::Unschedule)) => {
                // The router sends no more until it hears that all was taken.
                let inlet = self.shared.inlet.lock();
                if !inlet.is_closing && self.outlet.ready().is_err() {
                    return ControlFlow::Break(());
                }
            }
            // Acknowledgements, and wake-ups for what was taken already.
            Ok(_) => {}
        }
        ControlFlow::Continue(())
    }

    fn deliver(&self, forward: &Forward) {
        let ids = forward.properties.as_ref().map(|properties| properties.subscription_identifiers.as_slice());
        let (Some(&[id]), Some((_, place))) = (ids, forward.cursor) else { return };
        let Some((filter, missing)) = self.shared.filters.lock().arrived(id, place) else { return };
        if missing > 0 {
            self.shared.lost.fetch_add(missing, Ordering::Relaxed);
        }
        if let Some(delivery) = Envelope::open(&filter, &forward.publish) {
            (self.deliver)(delivery);
        }
    }
}

impl<F> Drop for Reader<F> {
    fn drop(&mut self) {
        self.shared.is_alive.store(false, Ordering::Release);
        if !self.shared.inlet.lock().is_closing {
            tracing::error!(bus = self.shared.bus, "the topic engine has ended: nothing is delivered any more");
        }
    }
}
