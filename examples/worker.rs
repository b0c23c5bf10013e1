//! A worker that serves `myapp.str.uc`: makes a string upper-case.
//!
//! ```text
//! cargo run --example worker [mqtt://user:password@host:port]
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
    let url = std::env::args().nth(1).unwrap_or("mqtt://backend:def456@127.0.0.1:1883".into());
    let serving = Worker::new(Options::backend(&url)?)
        .serve("myapp.str", "uc", |_, Params { string }| async move { Ok(string.to_uppercase()) })
        .start()
        .await?;
    println!("serving myapp.str.uc; end with Ctrl-C");
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        why = serving.ended() => return Err(why.into()),
    }
    serving.stop().await;
    Ok(())
}
