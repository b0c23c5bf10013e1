//! The sessions that got something to send while one read was handled: each
//! is written to once, after all packets of that read, however many it got.

use std::sync::Arc;

use super::queue::Queue;
use super::session::Session;

/// Sessions with unsent bytes. Must be flushed; dropping it flushes too.
#[derive(Default)]
pub struct Batch {
    touched: Vec<Arc<Session>>,
    /// Queues that held back messages from members that are ahead.
    look_again: Vec<Arc<Queue>>,
}

/// How many sockets are written to before other tasks get their turn.
const FLUSH_CHUNK: usize = 64;

impl Batch {
    pub fn new() -> Batch {
        Batch::default()
    }

    /// `session` has something to send.
    pub fn touch(&mut self, session: &Arc<Session>) {
        if session.mark_touched() {
            self.touched.push(Arc::clone(session));
        }
    }

    /// `queue` has to be looked at again soon, see `Queue::patience`.
    pub fn look_again(&mut self, queue: &Arc<Queue>) {
        if !self.look_again.iter().any(|other| Arc::ptr_eq(other, queue)) {
            self.look_again.push(Arc::clone(queue));
        }
    }

    pub fn take_look_again(&mut self) -> Vec<Arc<Queue>> {
        std::mem::take(&mut self.look_again)
    }

    /// Writes what can be written now, without waiting.
    pub fn flush(&mut self) {
        for session in self.touched.drain(..) {
            session.flush();
        }
    }

    /// Like [`Batch::flush`], but lets other tasks run in between.
    pub async fn flush_fairly(&mut self) {
        while self.touched.len() > FLUSH_CHUNK {
            let rest = self.touched.len() - FLUSH_CHUNK;
            for session in self.touched.drain(rest..) {
                session.flush();
            }
            tokio::task::yield_now().await;
        }
        self.flush();
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.flush();
    }
}
