//! The floor: bytes there and back through a relay that looks at nothing, in a
//! process of its own as a router would be, to an echo in another one.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use crate::load::CLIENTS;
use crate::pace::Pace;
use crate::part::Part;

/// About what a request and its answer have, in bytes.
const SIZE: usize = 200;

pub struct Floor {
    relay: Part,
    echo: Part,
}

impl Floor {
    pub fn start() -> io::Result<Floor> {
        let echo = Part::echo()?;
        Ok(Floor { relay: Part::relay(echo.address)?, echo })
    }

    pub fn pids(&self) -> [u32; 2] {
        [self.relay.pid(), self.echo.pid()]
    }

    /// Times there and back, one after the other; sorted.
    pub async fn round_trips(&self, count: usize) -> io::Result<Vec<Duration>> {
        let mut socket = TcpStream::connect(self.relay.address).await?;
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

    /// The same on many connections at once, at `rate` a second whatever becomes
    /// of those before: what the machine itself does to such times; sorted.
    pub async fn paced(&self, rate: f64, time: Duration) -> io::Result<Vec<Duration>> {
        let mut clients = JoinSet::new();
        for n in 0..CLIENTS {
            let pace = Pace::new(rate, time, n);
            let mut socket = TcpStream::connect(self.relay.address).await?;
            socket.set_nodelay(true)?;
            clients.spawn(async move {
                let (mut sent_at, mut times) = (Vec::with_capacity(pace.count), Vec::with_capacity(pace.count));
                let (mut buffer, mut came) = (vec![0; SIZE * 64], 0);
                while times.len() < pace.count {
                    tokio::select! {
                        read = socket.read(&mut buffer) => came += read?,
                        () = sleep_until(pace.due(sent_at.len())), if sent_at.len() < pace.count => {
                            let new = pace.by_now() - sent_at.len();
                            sent_at.resize(sent_at.len() + new, Instant::now());
                            socket.write_all(&vec![0; SIZE * new]).await?;
                        }
                    }
                    while came >= SIZE * (times.len() + 1) {
                        times.push(sent_at[times.len()].elapsed());
                    }
                }
                io::Result::Ok(times)
            });
        }
        let mut all = Vec::new();
        for times in clients.join_all().await {
            all.extend(times?);
        }
        all.sort_unstable();
        Ok(all)
    }
}
