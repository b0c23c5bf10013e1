//! A plain MQTT client over TLS, by rustls.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::PATIENCE;
use super::client::{Login, Packet};

pub struct TlsClient(pub StreamOwned<ClientConnection, TcpStream>);

impl TlsClient {
    /// Does the handshake; the error is the peer's or the system's.
    pub fn open(address: SocketAddr, config: &Arc<ClientConfig>) -> std::io::Result<TlsClient> {
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::from(address.ip()).to_owned();
        let connection = ClientConnection::new(Arc::clone(config), name).expect("a connection");
        Ok(TlsClient(StreamOwned::new(connection, socket)))
    }

    /// Sends CONNECT; gives back the reason code of the CONNACK.
    pub fn connect(address: SocketAddr, config: &Arc<ClientConfig>, login: &Login) -> std::io::Result<(TlsClient, u8)> {
        let mut client = TlsClient::open(address, config)?;
        client.0.write_all(&login.packet())?;
        let connack = client.packet()?;
        assert_eq!(connack.kind(), super::client::CONNACK, "{connack:?}");
        Ok((client, connack.body[1]))
    }

    /// The next packet.
    pub fn packet(&mut self) -> std::io::Result<Packet> {
        let mut byte = [0];
        self.0.read_exact(&mut byte)?;
        let first = byte[0];
        let mut length = 0;
        for at in 0.. {
            self.0.read_exact(&mut byte)?;
            length |= usize::from(byte[0] & 0x7F) << (7 * at);
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(Packet { first, body })
    }
}
