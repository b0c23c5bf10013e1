//! The sessions that got something to send while one read was handled: each
//! is written to once, after all packets of that read, however many it got.

use std::sync::Arc;

use super::session::Session;

/// Sessions with unsent bytes. Must be flushed; dropping it flushes too.
#[derive(Default)]
pub struct Batch {
    touched: Vec<Arc<Session>>,
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
