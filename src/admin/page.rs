//! The dashboard's files, as they are in the folder `page`: part of the binary,
//! served without a token, as they are what asks for it.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// A file, and the path that it is served at.
struct File {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

macro_rules! file {
    ($path:literal, $kind:ident, $name:literal) => {
        File { path: $path, kind: $kind, text: include_str!(concat!("page/", $name)) }
    };
}

static FILES: [File; 16] = [
    file!("/", HTML, "index.html"),
    file!("/app.css", CSS, "app.css"),
    file!("/app.js", JS, "app.js"),
    file!("/api.js", JS, "api.js"),
    file!("/chart.js", JS, "chart.js"),
    file!("/clients.js", JS, "clients.js"),
    file!("/console.js", JS, "console.js"),
    file!("/dialogs.js", JS, "dialogs.js"),
    file!("/dom.js", JS, "dom.js"),
    file!("/events.js", JS, "events.js"),
    file!("/format.js", JS, "format.js"),
    file!("/health.js", JS, "health.js"),
    file!("/history.js", JS, "history.js"),
    file!("/overview.js", JS, "overview.js"),
    file!("/sessions.js", JS, "sessions.js"),
    file!("/table.js", JS, "table.js"),
];

/// Whether a file of the page is served at `path`.
pub fn is_at(path: &str) -> bool {
    FILES.iter().any(|file| file.path == path)
}

pub fn routes<S: Clone + Send + Sync + 'static>() -> axum::Router<S> {
    FILES.iter().fold(axum::Router::new(), |routes, file| {
        routes.route(file.path, get(move |headers: HeaderMap| async move { file.answer(&headers) }))
    })
}

impl File {
    /// Nothing but "as you have it" to a browser that has this very text.
    fn answer(&self, headers: &HeaderMap) -> Response {
        let tag = format!("\"{:08x}-{}\"", crc32fast::hash(self.text.as_bytes()), self.text.len());
        let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let known = known.flat_map(|value| value.split(',')).any(|given| given.trim().trim_start_matches("W/") == tag);
        let body = if known { Body::empty() } else { Body::from(self.text) };
        let status = if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        // Kept, and asked for each time: after an update the page is the new one.
        let fixed = [(CONTENT_TYPE, HeaderValue::from_static(self.kind)), (CACHE_CONTROL, NO_CACHE)];
        (status, fixed, [(ETAG, tag)], body).into_response()
    }
}

const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
