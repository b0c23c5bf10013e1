//! Parts of the load that have a process of their own, as in real life: the
//! program itself, with the name of the part and an address as its arguments.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::load::Target;

/// A running part; ended when dropped.
pub struct Part {
    process: Child,
    /// Where it listens, or what it was told.
    pub address: SocketAddr,
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Part {
    fn start(name: &str, address: SocketAddr) -> io::Result<Part> {
        let mut command = Command::new(env::current_exe()?);
        let process = command.args([name, &address.to_string()]).stdout(Stdio::piped()).spawn()?;
        let mut part = Part { process, address };
        let mut line = String::new();
        BufReader::new(part.process.stdout.take().expect("its output")).read_line(&mut line)?;
        part.address = line.trim().parse().map_err(io::Error::other)?;
        Ok(part)
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends back what it gets.
    pub fn echo() -> io::Result<Part> {
        Part::start("echo", SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Passes bytes on to `to` and back, and looks at nothing.
    pub fn relay(to: SocketAddr) -> io::Result<Part> {
        Part::start("relay", to)
    }

    /// Workers on the bus at `backend`.
    pub fn workers(backend: SocketAddr) -> io::Result<Part> {
        Part::start("workers", backend)
    }
}

/// Is that part until it is killed; `false`: there is none of that name.
pub async fn be(name: &str, address: SocketAddr) -> io::Result<bool> {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    match name {
        "echo" => serve(TcpListener::bind(listen).await?, echo).await?,
        "relay" => serve(TcpListener::bind(listen).await?, move |socket| relay(socket, address)).await?,
        "workers" => {
            let target = Target { backend: address, frontend: address, routed: true };
            let workers = target.workers().await?;
            say(address)?;
            workers.join_all().await;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn say(address: SocketAddr) -> io::Result<()> {
    println!("{address}");
    io::stdout().flush()
}

async fn serve<F>(listener: TcpListener, each: impl Fn(TcpStream) -> F) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    say(listener.local_addr()?)?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        tokio::spawn(each(socket));
    }
}

async fn echo(mut socket: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 4096];
    loop {
        match socket.read(&mut buffer).await? {
            0 => return Ok(()),
            read => socket.write_all(&buffer[..read]).await?,
        }
    }
}

async fn relay(mut client: TcpStream, to: SocketAddr) -> io::Result<()> {
    let mut server = TcpStream::connect(to).await?;
    server.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}
