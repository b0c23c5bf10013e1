//! How a tokio runtime serves skep best. None of it is needed: skep runs on any
//! multi-threaded runtime.

use tokio::runtime::Builder;

use crate::bus;

/// Has the threads of a runtime that is about to be built write once a turn:
/// whoever gets answers from several connections that a busy thread reads in a
/// row gets them in one write. A thread with nothing else to do writes at once.
///
/// Takes the builder's hooks for a thread that starts and one that parks. Nothing on
/// such a runtime may use `tokio::task::block_in_place`: its thread can go without
/// parking, and with it what it has not written yet.
pub fn tune(builder: &mut Builder) -> &mut Builder {
    // The slot makes the last task woken run first, so that of packets which
    // came on two connections at nearly one time the later is handled first: a
    // message before the SUBSCRIBE that was sent before it, for one.
    #[cfg(tokio_unstable)]
    builder.disable_lifo_slot();
    builder.on_thread_start(bus::allow_putting_off).on_thread_park(bus::flush_put_off)
}
