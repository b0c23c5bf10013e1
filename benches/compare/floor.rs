//! The floor: bytes there and back through a relay that looks at nothing, in a
//! process of its own as a router would be.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The argument that has this program be the relay to the address after it.
pub const RELAY: &str = "relay-to";

/// About what a request and its answer have.
const SIZE: usize = 200;

/// Relays connections to `to`; never ends by itself.
pub async fn relay(to: &str) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    io::stdout().flush()?;
    loop {
        let (mut client, _) = listener.accept().await?;
        client.set_nodelay(true)?;
        let mut server = TcpStream::connect(to).await?;
        server.set_nodelay(true)?;
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
    }
}

pub struct Floor {
    process: Child,
    relay: SocketAddr,
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Floor {
    /// Starts an echo server here and a relay to it in another process.
    pub async fn start() -> io::Result<Floor> {
        let echo = TcpListener::bind("127.0.0.1:0").await?;
        let to = echo.local_addr()?.to_string();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = echo.accept().await {
                socket.set_nodelay(true)?;
                let mut buffer = vec![0; 4096];
                loop {
                    let read = socket.read(&mut buffer).await?;
                    if read == 0 {
                        break;
                    }
                    socket.write_all(&buffer[..read]).await?;
                }
            }
            io::Result::Ok(())
        });
        let mut process = Command::new(env::current_exe()?).args([RELAY, &to]).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("its output")).read_line(&mut line)?;
        let relay = line.trim().parse().map_err(io::Error::other)?;
        Ok(Floor { process, relay })
    }

    /// Times there and back, one after the other; sorted.
    pub async fn round_trips(&self, count: usize) -> io::Result<Vec<Duration>> {
        let mut socket = TcpStream::connect(self.relay).await?;
        socket.set_nodelay(true)?;
        let mut buffer = vec![0; SIZE];
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let began = Instant::now();
            socket.write_all(&buffer).await?;
            socket.read_exact(&mut buffer).await?;
            times.push(began.elapsed());
        }
        times.sort_unstable();
        Ok(times)
    }
}
