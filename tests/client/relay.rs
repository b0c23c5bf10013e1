//! A TCP relay in front of a bus, which can be cut.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use skep::client::Client;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::stage::until;

/// What the relay does with connections.
#[derive(Clone, Copy, PartialEq)]
enum Door {
    /// Passes on those of this generation, and takes new ones.
    Open(u32),
    /// Ends those that there are, and those that come.
    Shut,
}

pub struct Relay {
    address: SocketAddr,
    bus: Arc<Mutex<SocketAddr>>,
    door: Arc<watch::Sender<Door>>,
    task: JoinHandle<()>,
}

impl Relay {
    pub async fn to(bus: SocketAddr) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let door = Arc::new(watch::channel(Door::Open(0)).0);
        let bus = Arc::new(Mutex::new(bus));
        let (doors, to) = (Arc::clone(&door), Arc::clone(&bus));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, *to.lock().unwrap(), doors.subscribe()));
            }
        });
        Relay { address, bus, door, task }
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Lets new connections go to another bus.
    pub fn turn_to(&self, bus: SocketAddr) {
        *self.bus.lock().unwrap() = bus;
    }

    /// Ends all connections, and takes no new ones until `clients` have noticed.
    pub async fn interrupt(&self, clients: &[&Client]) {
        self.shut();
        until("the loss is noticed", || clients.iter().all(|client| !client.is_connected())).await;
        self.open();
    }

    /// Ends all connections; new ones are taken.
    pub fn cut(&self) {
        self.door.send_modify(|door| *door = if let Door::Open(n) = *door { Door::Open(n + 1) } else { Door::Open(0) });
    }

    /// Ends all connections, and takes no new ones.
    pub fn shut(&self) {
        self.door.send_replace(Door::Shut);
    }

    pub fn open(&self) {
        self.door.send_replace(Door::Open(0));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
        self.door.send_replace(Door::Shut);
    }
}

async fn pass_on(mut client: TcpStream, bus: SocketAddr, mut door: watch::Receiver<Door>) {
    let now = *door.borrow_and_update();
    if now == Door::Shut {
        return;
    }
    let mut bus = TcpStream::connect(bus).await.unwrap();
    client.set_nodelay(true).unwrap();
    bus.set_nodelay(true).unwrap();
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut bus) => {}
        _ = door.wait_for(|door| *door != now) => {}
    }
}
