//! The sessions that got something to send while one read was handled: each
//! is written to once, after all packets of that read, however many it got.

use std::cell::RefCell;
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

/// Reads after which writes are put off no longer, see [`Batch::flush_soon`].
const READS_PUT_OFF: u32 = 16;

/// The same by their bytes: who asks much in one go must not have a backlog of
/// answers that nobody has tried to write.
const BYTES_PUT_OFF: usize = 16 * 1024;

/// Sockets that wait for that, at most.
const SOCKETS_PUT_OFF: usize = 64;

/// Writes that a worker thread has put off.
struct PutOff {
    /// The thread calls [`flush_put_off`] before it sleeps.
    allowed: bool,
    touched: Vec<Arc<Session>>,
    reads: u32,
    bytes: usize,
}

thread_local! {
    static PUT_OFF: RefCell<PutOff> = const { RefCell::new(PutOff { allowed: false, touched: Vec::new(), reads: 0, bytes: 0 }) };
}

/// Lets this thread put off writes, see [`Batch::flush_soon`]: from now on it
/// calls [`flush_put_off`] before it sleeps.
pub fn allow_putting_off() {
    PUT_OFF.with_borrow_mut(|put_off| put_off.allowed = true);
}

/// Writes what this thread has put off.
pub fn flush_put_off() {
    let mut touched = PUT_OFF.with_borrow_mut(|put_off| {
        (put_off.reads, put_off.bytes) = (0, 0);
        std::mem::take(&mut put_off.touched)
    });
    if touched.is_empty() {
        return;
    }
    touched.drain(..).for_each(|session| session.flush());
    // Its room is of use next time; a flush puts nothing off.
    PUT_OFF.with_borrow_mut(|put_off| put_off.touched = touched);
}

/// To be called by a task that waits for its peer: if there is more and tokio just
/// wants others to have their turn, the thread need not come to sleep, see
/// [`give_way`].
pub fn flush_if_interrupted() {
    if !tokio::task::coop::has_budget_remaining() {
        flush_put_off();
    }
}

/// Has writes put off while `act` runs, and then makes them: for a thread that
/// gives many answers in a row.
pub fn writing_once(act: impl FnOnce()) {
    let allow = |allowed| PUT_OFF.with_borrow_mut(|put_off| std::mem::replace(&mut put_off.allowed, allowed));
    let before = allow(true);
    act();
    flush_put_off();
    allow(before);
}

/// Lets other tasks of this thread run. Unlike a plain yield this leaves no
/// writes put off: a thread on which some task always has more to do never
/// sleeps, and so would not come to write them.
pub async fn give_way() {
    flush_put_off();
    tokio::task::yield_now().await;
}

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

    /// Like [`Batch::flush`], but a busy thread handles what else has come on
    /// its other connections first: who gets an answer from several of them is
    /// written to once. No timer is involved: a thread that has nothing else to
    /// do writes at once.
    /// `read`: bytes of what was handled.
    pub async fn flush_soon(&mut self, read: usize) {
        let enough = PUT_OFF.with_borrow_mut(|put_off| {
            if !put_off.allowed || put_off.touched.len() + self.touched.len() > SOCKETS_PUT_OFF {
                return true;
            }
            put_off.touched.append(&mut self.touched);
            if put_off.touched.is_empty() {
                return false;
            }
            put_off.reads += 1;
            put_off.bytes += read;
            put_off.reads >= READS_PUT_OFF || put_off.bytes >= BYTES_PUT_OFF
        });
        if enough {
            flush_put_off();
            self.flush_fairly().await;
        }
    }

    /// Like [`Batch::flush_soon`], for what no connection's task has to do.
    pub fn put_off(&mut self) {
        let full = PUT_OFF.with_borrow_mut(|put_off| {
            if put_off.allowed {
                put_off.touched.append(&mut self.touched);
            }
            put_off.touched.len() > SOCKETS_PUT_OFF
        });
        if full {
            flush_put_off();
        }
        self.flush();
    }

    /// Like [`Batch::flush`], but lets other tasks run in between.
    pub async fn flush_fairly(&mut self) {
        while self.touched.len() > FLUSH_CHUNK {
            let rest = self.touched.len() - FLUSH_CHUNK;
            for session in self.touched.drain(rest..) {
                session.flush();
            }
            give_way().await;
        }
        self.flush();
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.flush();
    }
}
