//! HTTP as far as tests need it: one request on a connection of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;

/// Sends a request as it is, which has to ask for the connection's close; gives
/// back the answer's head and body.
pub fn exchange(address: SocketAddr, request: &str) -> (String, String) {
    let mut socket = TcpStream::connect(address).expect("the listener accepts");
    socket.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
    socket.write_all(request.as_bytes()).expect("the listener reads");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer of text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), body.to_owned())
}

pub fn get(address: SocketAddr, path: &str) -> (String, String) {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
}
