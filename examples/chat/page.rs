//! The same for browsers: serves the folder `page` and MQTT.js beside it. What
//! the page then does goes to the frontend's WebSocket, not through here.

use std::path::Path;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/chat/page");

/// What there is, what it is, and where in the folder.
const FILES: &[(&str, &str, &str)] = &[
    ("/", "text/html", "index.html"),
    ("/chat.css", "text/css", "chat.css"),
    ("/chat.js", "text/javascript", "chat.js"),
    ("/bus.js", "text/javascript", "bus.js"),
    ("/mqtt.js", "text/javascript", "node_modules/mqtt/dist/mqtt.esm.js"),
];

pub async fn run(address: &str) -> Result<(), Box<dyn std::error::Error>> {
    if let Some((_, _, missing)) = FILES.iter().find(|(_, _, file)| !Path::new(FOLDER).join(file).exists()) {
        return Err(format!("{missing} is missing: run `npm ci --prefix {FOLDER}` once, which brings MQTT.js").into());
    }
    let listener = TcpListener::bind(address).await.map_err(|error| format!("can't listen on {address}: {error}"))?;
    let routes =
        FILES.iter().fold(Router::new(), |router, (path, kind, file)| router.route(path, get(|| serve(kind, file))));
    println!("the chat is at http://{}/; end with Ctrl-C", listener.local_addr()?);
    tokio::select! {
        served = axum::serve(listener, routes) => Ok(served?),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

/// Read anew each time, so that a change is seen on reload.
async fn serve(kind: &'static str, file: &'static str) -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, format!("{kind}; charset=utf-8")), (CACHE_CONTROL, "no-cache".to_owned())];
    let read = tokio::fs::read(Path::new(FOLDER).join(file)).await;
    // It was there at the start.
    read.map(|bytes| (headers, bytes)).map_err(|_| axum::http::StatusCode::NOT_FOUND)
}
