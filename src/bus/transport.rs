//! The bytes of a connection, whatever carries them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio_rustls::server::TlsStream;

/// What reads and writes MQTT's bytes.
pub enum Transport {
    /// Plain TCP, of which only the reading half is here: the writing half can
    /// be used by any task, see [`super::link::Control::direct`].
    Tcp(OwnedReadHalf),
    Stream(Box<dyn Stream>),
}

/// A stream that keeps state of its own, such as WebSocket.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// Bytes it has read that nobody could be given yet, such as those of half
    /// a frame, and those that it has taken and may not have written yet.
    fn held(&self) -> usize {
        0
    }

    /// The client has logged in: it may have more of them.
    fn admitted(&mut self) {}
}

/// What has a socket beneath it, and hands on at once what it has read.
impl Stream for TcpStream {}

/// Holds no more than one TLS record, 16 KiB.
impl Stream for TlsStream<TcpStream> {}

impl Transport {
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Tcp(half) => Pin::new(half).poll_read(cx, buffer),
            Transport::Stream(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }

    /// Writes part of `bytes`. Not for plain TCP's own writing path, which
    /// does not come by here unless its connection is ending.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Transport::Tcp(half) => loop {
                std::task::ready!(half.as_ref().poll_write_ready(cx))?;
                match half.as_ref().try_write(bytes) {
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    written => return Poll::Ready(written),
                }
            },
            Transport::Stream(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    /// Bytes read from the peer that have not been read from here, and those that
    /// have been written here and may not have gone to the peer.
    pub fn held(&self) -> usize {
        match self {
            Transport::Tcp(_) => 0,
            Transport::Stream(stream) => stream.held(),
        }
    }

    /// The client has logged in.
    pub fn admitted(&mut self) {
        if let Transport::Stream(stream) = self {
            stream.admitted();
        }
    }

    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Tcp(_) => Poll::Ready(Ok(())),
            Transport::Stream(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    /// Writes all of `bytes`.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match std::future::poll_fn(|cx| self.poll_write(cx, bytes)).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => bytes = &bytes[written..],
            }
        }
        std::future::poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Says that no more will come, and reads on until the peer says the same:
    /// closing with bytes unread would have the system throw away what the
    /// peer has not read yet, our last words among it.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Transport::Tcp(half) => rustix::net::shutdown(half.as_ref(), rustix::net::Shutdown::Write)?,
            Transport::Stream(stream) => stream.shutdown().await?,
        }
        let mut scrap = [0; 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut scrap);
            std::future::poll_fn(|cx| self.poll_read(cx, &mut buffer)).await?;
            if buffer.filled().is_empty() {
                return Ok(());
            }
        }
    }
}
