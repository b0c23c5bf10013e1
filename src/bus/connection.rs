//! The life of one connection after CONNECT, in a task of its own, to its last
//! byte. What comes before is in `opening`.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::time::timeout;

use crate::mqtt::{Reason, next_frame};

use super::batch::{Batch, flush_if_interrupted, give_way};
use super::clock;
use super::connections::Seat;
use super::events::EventKind;
use super::inbound::{Client, Stop};
use super::link::{Control, Farewell};
use super::memory::Charge;
use super::sessions::Gone;
use super::throttle::Throttle;
use super::transport::Transport;

/// What one read takes at most.
const READ_BUFFER: usize = 64 * 1024;

/// After a read of so many bytes other connections get their turn.
const MUCH: usize = 8 * 1024;

/// Less than that, in bytes, a connection holds without being counted.
pub(super) const LEAST_COUNTED: usize = 4096;

/// Keep-alive counts packets, not bytes [MQTT-3.1.2-22]: a peer that dribbles is
/// as good as silent. So many bytes of one packet are a sign of life all the
/// same, as a client can't send PINGREQ in the middle of a large one.
const SIGN_OF_LIFE: usize = 64 * 1024;

/// How long a peer has to take our last words.
pub(super) const FAREWELL_TIME: Duration = Duration::from_secs(1);

thread_local! {
    /// Connections at rest have no read buffer: all of a thread share this one.
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BUFFER]);
}

pub(super) struct Connection {
    client: Client,
    control: Arc<Control>,
    transport: Transport,
    /// The beginning of a packet whose rest has not come yet.
    partial: Vec<u8>,
    /// What is being written, where the transport keeps state of its own.
    unsent: Vec<u8>,
    /// Counts these two, and the topics that its aliases stand for.
    charge: Charge,
    throttle: Option<Box<Throttle>>,
    /// The last read brought much: there may be more at once.
    busy: bool,
    _seat: Seat,
}

/// What ends a connection.
enum End {
    Stop(Stop),
    /// Somebody else ends it.
    Farewell(Farewell),
    /// The peer closed it, or it broke.
    Closed(Option<io::Error>),
}

impl Connection {
    /// Of a client that has been let in, whose bytes `transport` carries.
    pub(super) fn new(
        client: Client,
        control: Arc<Control>,
        transport: Transport,
        charge: Charge,
        seat: Seat,
    ) -> Connection {
        let throttle = Throttle::new(client.bus.limits().connections.max_byte_rate);
        let (partial, unsent) = (Vec::new(), Vec::new());
        Connection { client, control, transport, partial, unsent, charge, throttle, busy: false, _seat: seat }
    }

    /// Runs it to its end; `rest` came right behind CONNECT.
    pub(super) fn start(self, rest: Vec<u8>) {
        tokio::spawn(self.run(rest));
    }

    /// Not an `async fn`, which would have room for `self` twice.
    fn run(mut self, rest: Vec<u8>) -> impl Future<Output = ()> + Send {
        let mut batch = Batch::new();
        let first = self.client.renew().and_then(|()| self.received(&rest, &mut batch));
        let mut end = first.err().map(|stop| Box::new(End::Stop(stop)));
        let mut read = rest.len();
        drop(rest);
        async move {
            let end = loop {
                self.count_held();
                if std::mem::take(&mut self.busy) {
                    // One that sends all the time must not have a thread to itself,
                    // nor have others wait for several reads of its.
                    batch.flush_fairly().await;
                    give_way().await;
                } else {
                    batch.flush_soon(read).await;
                }
                for queue in batch.take_look_again() {
                    tokio::spawn(self.client.bus.clone().look_again(queue));
                }
                if let Some(end) = end.take() {
                    break end;
                }
                match poll_fn(|cx| self.step(cx, &mut batch)).await {
                    ControlFlow::Continue(bytes) => read = bytes,
                    ControlFlow::Break(over) => end = Some(Box::new(over)),
                }
            };
            // Boxed: its state is large, and of use to nobody before the end.
            Box::pin(self.finish(*end)).await;
        }
    }

    /// Reads once and handles what came; writes what others left to this task.
    /// Gives back how many bytes came.
    fn step(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<ControlFlow<End, usize>> {
        self.control.waker.register(cx.waker());
        if self.control.is_ending()
            && let Some(farewell) = self.control.take_farewell()
        {
            return Poll::Ready(ControlFlow::Break(End::Farewell(farewell)));
        }
        if let Err(stop) = self.client.renew() {
            return Poll::Ready(ControlFlow::Break(End::Stop(stop)));
        }
        if self.control.write_wanted.load(Ordering::Acquire) {
            let written = self.poll_write(cx);
            self.count_held();
            if let Poll::Ready(Err(error)) = written {
                return Poll::Ready(ControlFlow::Break(End::Closed(Some(error))));
            }
        }
        let mut at_most = READ_BUFFER;
        if let Some(throttle) = &mut self.throttle {
            at_most = at_most.min(throttle.read);
            if ready!(throttle.poll_ready(cx)) {
                // We didn't listen; that is no silence of the client.
                self.control.last_heard.store(clock::now_ms(), Ordering::Relaxed);
            }
        }
        READ.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(&mut buffer[..at_most]);
            let Poll::Ready(read) = self.transport.poll_read(cx, &mut buffer) else {
                // Half a frame may have come.
                self.count_held();
                flush_if_interrupted();
                return Poll::Pending;
            };
            if let Err(error) = read {
                return Poll::Ready(ControlFlow::Break(End::Closed(Some(error))));
            }
            if buffer.filled().is_empty() {
                return Poll::Ready(ControlFlow::Break(End::Closed(None)));
            }
            let read = buffer.filled().len();
            self.busy = read >= MUCH;
            self.client.bus.stats().bytes_in.add(read as u64);
            if let Some(throttle) = &mut self.throttle
                && throttle.count(read)
            {
                self.client.bus.stats().throttled.add(1);
            }
            Poll::Ready(match self.received(buffer.filled(), batch) {
                Ok(()) => ControlFlow::Continue(buffer.filled().len()),
                Err(stop) => ControlFlow::Break(End::Stop(stop)),
            })
        })
    }

    /// Handles the packets in `bytes`, keeping a beginning for later.
    fn received(&mut self, bytes: &[u8], batch: &mut Batch) -> Result<(), Stop> {
        let before = self.partial.len();
        let handled = if before == 0 {
            let handled = self.packets(bytes, batch)?;
            self.partial.extend_from_slice(&bytes[handled..]);
            handled
        } else {
            let mut partial = std::mem::take(&mut self.partial);
            partial.extend_from_slice(bytes);
            let handled = self.packets(&partial, batch)?;
            match handled {
                0 => self.partial = partial,
                _ => self.partial.extend_from_slice(&partial[handled..]),
            }
            handled
        };
        if handled > 0 || before / SIGN_OF_LIFE != self.partial.len() / SIGN_OF_LIFE {
            self.control.last_heard.store(clock::now_ms(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Counts what the connection holds in the memory of the bus.
    fn count_held(&mut self) {
        let own = self.partial.capacity() + self.unsent.capacity();
        let held = own + self.transport.held() + self.client.alias_bytes as usize;
        let held = held & !(LEAST_COUNTED - 1);
        if held != self.charge.bytes() {
            self.charge.set(held);
            self.control.held.store(held, Ordering::Relaxed);
        }
    }

    /// Handles all whole packets; gives back how many bytes they were.
    fn packets(&mut self, bytes: &[u8], batch: &mut Batch) -> Result<usize, Stop> {
        let max_packet = self.client.bus.limits().connections.max_payload_size;
        let mut handled = 0;
        while let Some(frame) = next_frame(&bytes[handled..], max_packet)? {
            self.client.packet(&frame, batch)?;
            handled += frame.len;
        }
        Ok(handled)
    }

    /// Writes what the session has, as far as the transport takes it.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.unsent.is_empty() {
                // Before looking: who adds bytes after the look asks anew.
                self.control.write_wanted.store(false, Ordering::Release);
                self.unsent = self.client.session.take_wire(&self.control);
                if self.unsent.is_empty() {
                    if self.transport.poll_flush(cx)?.is_pending() {
                        self.control.write_wanted.store(true, Ordering::Release);
                        return Poll::Pending;
                    }
                    if self.client.session.unblock(&self.control) {
                        return Poll::Ready(Ok(()));
                    }
                    continue;
                }
            }
            let written = match self.transport.poll_write(cx, &self.unsent) {
                Poll::Ready(written) => written?,
                Poll::Pending => {
                    self.control.write_wanted.store(true, Ordering::Release);
                    return Poll::Pending;
                }
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.client.bus.stats().bytes_out.add(written as u64);
            self.unsent.drain(..written);
            if self.unsent.is_empty() {
                self.unsent = Vec::new();
            }
        }
    }

    /// Last words, then the session learns that its connection is gone.
    async fn finish(mut self, end: End) {
        let bus = self.client.bus.clone();
        let id = Arc::clone(&self.client.session.id);
        // The answers to what came right before it: on plain TCP they have been
        // written by now, elsewhere that is left to this task.
        let answered = match end {
            End::Stop(Stop::Disconnect(_)) => self.unwritten(&[]).await,
            _ => None,
        };
        let (gone, farewell) = match end {
            End::Closed(error) => {
                let why = error.map_or("closed by the peer".to_owned(), |error| error.to_string());
                tracing::debug!(bus = bus.id(), client = &*id, "connection lost: {why}");
                (Gone::Broken, None)
            }
            End::Stop(Stop::Disconnect(gone)) => {
                tracing::debug!(bus = bus.id(), client = &*id, "disconnected");
                (gone, None)
            }
            End::Stop(Stop::Error { reason, text }) => {
                if reason != Reason::AdministrativeAction {
                    bus.stats().protocol_errors.add(1);
                    bus.events().add(EventKind::Protocol, bus.id(), &id, &reason.to_string(), &text);
                }
                if reason == Reason::PacketTooLarge {
                    bus.stats().packets_too_large.add(1);
                }
                (Gone::Broken, Some(Farewell { reason, text: Some(text), unsent: Vec::new() }))
            }
            End::Farewell(farewell) => {
                if farewell.reason == Reason::QuotaExceeded {
                    let text = farewell.text.as_deref().unwrap_or_default();
                    bus.events().add(EventKind::Error, bus.id(), &id, "disconnected", text);
                }
                (Gone::Broken, Some(farewell))
            }
        };
        let last = match farewell {
            Some(farewell) => self.last_words(farewell).await,
            None => answered.filter(|bytes| !bytes.is_empty()),
        };
        let mut batch = Batch::new();
        bus.detach(&self.client.session, &self.control, gone, &mut batch);
        bus.client_changed(&id);
        batch.flush_fairly().await;
        let Some(last) = last else { return };
        // The peer may be gone already; then nobody is there to read it.
        let _ = timeout(FAREWELL_TIME, async {
            self.transport.write_all(&last).await?;
            self.transport.shutdown().await
        })
        .await;
    }

    /// All that is left to write, oldest first, `unsent` being what somebody
    /// took before; from now on only this task writes. `None`: a packet has been
    /// written in part by somebody else, so that nothing can follow it.
    async fn unwritten(&mut self, unsent: &[u8]) -> Option<Vec<u8>> {
        // Who writes directly does not wait for the socket, so is done soon.
        let until = clock::now_ms() + FAREWELL_TIME.as_millis() as u64;
        while self.control.is_written_to() && clock::now_ms() < until {
            give_way().await;
        }
        if !self.control.is_between_packets() {
            return None;
        }
        let mut unwritten = std::mem::take(&mut self.unsent);
        unwritten.extend_from_slice(unsent);
        unwritten.append(&mut self.client.session.take_last_wire(&self.control));
        Some(unwritten)
    }

    /// All that is unsent, then the DISCONNECT, if it can be sent.
    async fn last_words(&mut self, farewell: Farewell) -> Option<Vec<u8>> {
        let Farewell { reason, text, unsent } = farewell;
        let text = text.unwrap_or_default();
        if self.client.bus.may_log(self.control.peer.ip()) {
            tracing::info!(
                bus = self.client.bus.id(),
                client = &*self.client.session.id,
                peer = %self.control.peer,
                %reason,
                "disconnected by us: {text}"
            );
        }
        let mut last = self.unwritten(&unsent).await?;
        last.append(&mut self.client.goodbye(reason, &text));
        Some(last)
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    /// tokio adds up to 112 bytes of its own, and rounds up to a multiple of 128.
    #[test]
    fn a_connections_task_takes_512_bytes() {
        fn size<F>(_: fn(Connection, Vec<u8>) -> F) -> usize {
            size_of::<F>()
        }
        assert!(size(Connection::run) <= 512 - 112, "{} bytes", size(Connection::run));
    }
}
