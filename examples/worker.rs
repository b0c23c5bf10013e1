//! A worker that serves `myapp.str.uc`: makes a string upper-case.
//!
//! ```text
//! cargo run --example worker [mqtt://host:port]
//! skep call myapp.str.uc '{"string":"hello"}'
//! ```

use serde::Deserialize;
use skep::client::{Options, Worker};

#[derive(Deserialize)]
struct Params {
    string: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or("mqtt://127.0.0.1:1883".into());
    let options = Options::backend(&url)?.login("backend", "def456");
    let worker =
        Worker::new(options).serve("myapp.str", "uc", |_, Params { string }| async move { Ok(string.to_uppercase()) });
    println!("serving myapp.str.uc at {url}; end with Ctrl-C");
    worker.run(async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await?;
    Ok(())
}
