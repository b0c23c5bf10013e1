//! The worker: `myapp.auth` and `myapp.chat`.

use serde::Deserialize;
use serde_json::json;
use skep::client::{Options, Request, RpcError, Worker};

#[derive(Deserialize)]
struct Login {
    username: String,
    /// A real service would look at it.
    #[serde(rename = "password")]
    _password: String,
}

#[derive(Deserialize)]
struct Kick {
    username: String,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

#[derive(Deserialize)]
struct PrivateMessage {
    to_user: String,
    message: String,
}

pub async fn run(url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let serving = Worker::new(Options::backend(url)?)
        // One that waits for a bind to be on disk does not hold up the others.
        .concurrency(16)
        .serve("myapp.auth", "login", login)
        .serve("myapp.auth", "logout", |request, _: serde_json::Value| async move { Ok(request.unbind().await?) })
        .serve("myapp.auth", "kick", kick)
        .serve("myapp.chat", "message", message)
        .serve("myapp.chat", "pmessage", private_message)
        .serve("myapp.chat", "ping", |_, _: serde_json::Value| async { Ok(1) })
        .start()
        .await?;
    println!("serving myapp.auth and myapp.chat; end with Ctrl-C");
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        why = serving.ended() => return Err(why.into()),
    }
    serving.stop().await;
    Ok(())
}

/// From here on the caller's requests carry the name as authorization data, and
/// what is pushed to its address reaches this device, too.
async fn login(request: Request, Login { username, .. }: Login) -> Result<(), RpcError> {
    Ok(request.bind(Some(&address(&username)?), &username).await?)
}

async fn kick(request: Request, Kick { username }: Kick) -> Result<(), RpcError> {
    let by = name(&request)?;
    let address = address(&username)?;
    let text = json!({ "message": format!("{by} has logged you out everywhere") });
    request.client().push(&address, "myapp.chat.pmessage", text).await?;
    Ok(request.unbind_address(&address).await?)
}

async fn message(request: Request, Message { message }: Message) -> Result<(), RpcError> {
    let text = json!({ "from": name(&request)?, "message": message });
    Ok(request.client().broadcast("myapp.chat.message", text).await?)
}

async fn private_message(request: Request, params: PrivateMessage) -> Result<(), RpcError> {
    let text = json!({ "from": name(&request)?, "message": params.message });
    Ok(request.client().push(&address(&params.to_user)?, "myapp.chat.pmessage", text).await?)
}

/// Who calls: what was bound at login.
fn name(request: &Request) -> Result<&str, RpcError> {
    request.auth.as_deref().ok_or_else(|| RpcError::of_code(RpcError::NOT_LOGGED_IN))
}

/// Where all devices of a user are reached.
fn address(username: &str) -> Result<String, RpcError> {
    let plain = username.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    match plain && (1..=32).contains(&username.len()) {
        true => Ok(format!("frontend.user-{username}")),
        false => Err(RpcError::new(RpcError::INVALID_PARAMS, "a user name is 1 to 32 letters, digits, _ and -")),
    }
}
