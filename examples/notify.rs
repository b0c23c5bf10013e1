//! News for everybody: one side tells them, the other listens.
//!
//! ```text
//! cargo run --example notify -- listen [mqtt://user:password@frontend:port]
//! cargo run --example notify -- tell 'the bees are back' [mqtt://user:password@backend:port]
//! ```

use serde::{Deserialize, Serialize};
use skep::client::{Client, Options};

#[derive(Serialize, Deserialize)]
struct Item {
    text: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &*args.iter().map(String::as_str).collect::<Vec<_>>() {
        ["listen", url @ ..] => listen(url.first().unwrap_or(&"mqtt://frontend:abc123@127.0.0.1:11883")).await,
        ["tell", text, url @ ..] => tell(text, url.first().unwrap_or(&"mqtt://backend:def456@127.0.0.1:1883")).await,
        _ => Err("expected: listen [URL], or tell TEXT [URL]".into()),
    }
}

/// An app: sees what comes while it is there.
async fn listen(url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::connect(Options::frontend(url)?).await?;
    let mut news = client.listen("myapp.news.*").await?;
    println!("listening to myapp.news; end with Ctrl-C");
    while let Some(notification) = news.recv().await {
        // {:?}, as what others wrote may hold what a terminal obeys.
        println!("{}: {:?}", notification.method, notification.params::<Item>()?.text);
    }
    Ok(())
}

/// A worker, or any other program on the backend.
async fn tell(text: &str, url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::connect(Options::backend(url)?).await?;
    client.broadcast("myapp.news.item", Item { text: text.into() }).await?;
    client.close().await;
    Ok(())
}
