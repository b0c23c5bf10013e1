//! A call of `myapp.str.uc`, which `examples/worker.rs` serves.
//!
//! ```text
//! cargo run --example client -- hello [mqtt://user:password@host:port]
//! ```

use std::time::Duration;

use serde_json::json;
use skep::client::{CallError, Client, Options, RpcError};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let string = args.next().unwrap_or("hello".into());
    let url = args.next().unwrap_or("mqtt://frontend:abc123@127.0.0.1:11883".into());
    let options = Options::frontend(&url)?.call_timeout(Duration::from_secs(10));
    let client = Client::connect(options).await?;
    match client.call::<_, String>("myapp.str.uc", json!({ "string": string })).await {
        Ok(loud) => println!("{loud}"),
        Err(CallError::Rpc(error)) if error.code == RpcError::METHOD_NOT_AVAILABLE => {
            println!("nobody serves it: start the worker with `cargo run --example worker`");
        }
        Err(error) => return Err(error.into()),
    }
    client.close().await;
    Ok(())
}
