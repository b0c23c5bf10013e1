//! A chat: login that binds a session, messages to everybody and to all devices
//! of one user, logout from one device, kick from all. The service needs
//! nothing but skep to know who is who.
//!
//! ```text
//! cargo run --example chat -- service [mqtt://user:password@backend:port]
//! cargo run --example chat -- ann [mqtt://user:password@frontend:port]
//! cargo run --example chat -- page [host:port]
//! ```

mod page;
mod service;
mod terminal;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (first, url) = (args.next(), args.next());
    match first.as_deref() {
        None => Err("expected: service [URL], page [HOST:PORT], or a name to log in with [URL]".into()),
        Some("service") => service::run(&url.unwrap_or("mqtt://backend:def456@127.0.0.1:1883".into())).await,
        Some("page") => page::run(&url.unwrap_or("127.0.0.1:8000".into())).await,
        Some(name) => terminal::run(name, &url.unwrap_or("mqtt://frontend:abc123@127.0.0.1:11883".into())).await,
    }
}
