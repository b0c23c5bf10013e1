//! The admin listener's socket: a bounded number of connections, and none of
//! them for ever. HTTP itself is hyper's.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Connections at once; more wait to be accepted.
const MAX_CONNECTIONS: usize = 64;

/// Who has taken no answer for so long is let go, whatever it sends: a byte now and
/// then would hold its place for ever. Longer than any answer takes.
const IDLE_TIME: Duration = Duration::from_secs(75);

/// Pause after an accept that failed, for lack of file handles say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

pub struct Listener {
    socket: TcpListener,
    seats: Arc<Semaphore>,
    idle_time: Duration,
}

/// One connection.
pub struct Connection {
    stream: TcpStream,
    /// Ends when the peer has taken nothing for too long.
    idle: Pin<Box<Sleep>>,
    idle_time: Duration,
    _seat: Option<OwnedSemaphorePermit>,
}

impl Listener {
    pub fn new(socket: TcpListener) -> Listener {
        Listener { socket, seats: Arc::new(Semaphore::new(MAX_CONNECTIONS)), idle_time: IDLE_TIME }
    }
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // Nobody closes the semaphore.
        let seat = Arc::clone(&self.seats).acquire_owned().await.ok();
        loop {
            match self.socket.accept().await {
                Ok((stream, peer)) => {
                    // Answers are small and awaited.
                    let _ = stream.set_nodelay(true);
                    let idle = Box::pin(sleep(self.idle_time));
                    return (Connection { stream, idle, idle_time: self.idle_time, _seat: seat }, peer);
                }
                Err(error) => {
                    tracing::error!("the admin listener can't accept a connection: {error}");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

impl Connection {
    /// What a read or write came to; while it waits, the time runs.
    fn timed<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match outcome {
            Poll::Ready(outcome) => Poll::Ready(outcome),
            Poll::Pending => self.idle.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.timed(cx, read)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if written.is_ready() {
            let until = Instant::now() + self.idle_time;
            self.idle.as_mut().reset(until);
        }
        self.timed(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use axum::serve::Listener as _;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn a_byte_now_and_then_keeps_no_place() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let mut listener = Listener { idle_time: Duration::from_millis(300), ..Listener::new(socket) };
            let mut peer = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("it listens");
            let (mut connection, _) = listener.accept().await;
            tokio::spawn(async move {
                for _ in 0..1_000 {
                    let _ = peer.write_all(b"x").await;
                    sleep(Duration::from_millis(10)).await;
                }
            });
            let mut bytes = Vec::new();
            let end = connection.read_to_end(&mut bytes).await;
            assert_eq!(end.err().map(|error| error.kind()), Some(io::ErrorKind::TimedOut));
            assert!(!bytes.is_empty());
        });
    }
}
