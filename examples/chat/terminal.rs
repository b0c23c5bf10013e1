//! One user at a terminal.

use serde::Deserialize;
use serde_json::{Value, json};
use skep::client::{CallError, Client, Notification, Options};
use tokio::sync::mpsc;

const COMMANDS: &str = "\
/pm NAME TEXT  to all devices of one user
/kick NAME     log a user out everywhere
/logout        log out from this device
/login NAME    log in again
/ping          how long a call takes
/quit";

#[derive(Deserialize)]
struct Text {
    from: Option<String>,
    message: String,
}

pub async fn run(name: &str, url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::connect(Options::frontend(url)?).await?;
    // Private messages of these methods come, too.
    let mut chat = client.listen("myapp.chat.*").await?;
    login(&client, name).await?;
    println!("logged in as {name}; what you type goes to everybody, /help says what else there is");
    let mut lines = typed();
    loop {
        tokio::select! {
            notification = chat.recv() => match notification {
                Some(notification) => show(&notification),
                None => return Err("the connection has ended".into()),
            },
            line = lines.recv() => match line.as_deref().map(str::trim) {
                None | Some("/quit") => break,
                Some("") => {}
                Some(line) => match command(&client, line).await {
                    Ok(Some(said)) => println!("{said}"),
                    Ok(None) => {}
                    Err(error) => println!("! {error}"),
                },
            },
        }
    }
    client.close().await;
    Ok(())
}

/// Lines from standard input, read in a thread of their own, as nothing but a
/// line ends the reading.
fn typed() -> mpsc::UnboundedReceiver<String> {
    let (line, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || std::io::stdin().lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
    lines
}

async fn login(client: &Client, name: &str) -> Result<(), CallError> {
    client.call("myapp.auth.login", json!({ "username": name, "password": "anything" })).await
}

async fn command(client: &Client, line: &str) -> Result<Option<String>, CallError> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match (word, rest, rest.split_once(' ')) {
        ("/pm", _, Some((to, text))) => {
            client.call::<_, ()>("myapp.chat.pmessage", json!({ "to_user": to, "message": text })).await?;
        }
        ("/kick", name, None) if !name.is_empty() => {
            client.call::<_, ()>("myapp.auth.kick", json!({ "username": name })).await?;
        }
        ("/login", name, None) if !name.is_empty() => login(client, name).await?,
        ("/logout", "", _) => client.call::<_, ()>("myapp.auth.logout", ()).await?,
        ("/ping", "", _) => {
            let began = std::time::Instant::now();
            client.call::<_, Value>("myapp.chat.ping", ()).await?;
            return Ok(Some(format!("{:.1?}", began.elapsed())));
        }
        _ if word.starts_with('/') => return Ok(Some(COMMANDS.into())),
        _ => client.call::<_, ()>("myapp.chat.message", json!({ "message": line })).await?,
    }
    Ok(None)
}

fn show(notification: &Notification) {
    let Ok(Text { from, message }) = notification.params() else { return };
    let from = from.as_deref().unwrap_or("*");
    let how = if notification.private { " (to you)" } else { "" };
    println!("{}{how}: {}", harmless(from), harmless(&message));
}

/// What others wrote, without what a terminal obeys.
fn harmless(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}
