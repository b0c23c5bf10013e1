//! Which requests are let through, and what every answer says to a browser.
//!
//! A page of anybody's can have the operator's browser send requests here. So a
//! name that isn't ours in Host is refused (a page's own name can be made to
//! resolve to this machine), so is an Origin that isn't this listener, and what
//! changes something has to carry a header that no form can set.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::reply::Error;
use super::settings::Settings;

/// Largest body taken, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// Carried by what changes something; a page of somebody else's can't set it
/// without being asked for permission, which nobody gives.
const X_SKEP: HeaderName = HeaderName::from_static("x-skep");

/// Nothing but our own files, and in nobody's frame.
const CSP: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

/// Answered without a token: probes of the system, and the page that asks its
/// reader for the token.
const OPEN: [&str; 5] = ["/healthz", "/readyz", "/", "/app.js", "/app.css"];

struct Guard {
    token: Option<String>,
    hosts: Vec<String>,
}

/// Puts the guard before all of `routes`, also before what there is not.
pub fn around<S: Clone + Send + Sync + 'static>(routes: axum::Router<S>, settings: &Settings) -> axum::Router<S> {
    let guard = Arc::new(Guard { token: settings.token.clone(), hosts: settings.hosts.clone() });
    routes
        .fallback(|| async { Error::not_found("there is nothing here") })
        .method_not_allowed_fallback(|| async { Error::new(StatusCode::METHOD_NOT_ALLOWED, "not with this method") })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(guard, check))
}

async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let mut response = match guard.refuses(&request) {
        None => next.run(request).await,
        Some(error) => error.into_response(),
    };
    let unauthorized = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    if unauthorized {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    headers.insert(CONTENT_SECURITY_POLICY, CSP);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Guard {
    fn refuses(&self, request: &Request) -> Option<Error> {
        let headers = request.headers();
        let forbidden = |text: &str| Some(Error::new(StatusCode::FORBIDDEN, text));
        let Some(host) = host_of(request) else {
            return Some(Error::bad("the Host header is missing, or there are several"));
        };
        if !self.is_ours(&host) {
            return forbidden("this Host is not known here: add its name to the setting admin.hosts");
        }
        if headers.contains_key(ORIGIN) && !is_same_origin(headers, &host) {
            return forbidden("requests from pages of another origin are not taken");
        }
        if !OPEN.contains(&request.uri().path()) && !self.has_token(headers) {
            return Some(Error::new(
                StatusCode::UNAUTHORIZED,
                "the admin token is missing or wrong: send it as Authorization: Bearer TOKEN",
            ));
        }
        let changes = ![Method::GET, Method::HEAD].contains(request.method());
        if changes && !is_json(headers) {
            return Some(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the Content-Type has to be application/json"));
        }
        if changes && headers.get(X_SKEP).is_none_or(|value| value != "1") {
            return forbidden("requests that change something have to carry the header X-Skep: 1");
        }
        None
    }

    fn is_ours(&self, host: &Authority) -> bool {
        let name = host.host();
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        bare.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).and_then(|value| {
            let (scheme, given) = value.split_at_checked("Bearer ".len())?;
            scheme.eq_ignore_ascii_case(b"Bearer ").then_some(given)
        });
        given.is_some_and(|given| given.ct_eq(token.as_bytes()).into())
    }
}

/// The only Host, without a user before it.
fn host_of(request: &Request) -> Option<Authority> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return None };
    let host: Authority = host.to_str().ok()?.parse().ok()?;
    // A request line with a host of its own has to name the same.
    let same = request.uri().authority().is_none_or(|other| *other == host);
    (same && !host.as_str().contains('@')).then_some(host)
}

/// Whether every Origin is this listener, as its Host has it. A proxy before it
/// may speak TLS.
fn is_same_origin(headers: &HeaderMap, host: &Authority) -> bool {
    headers.get_all(ORIGIN).iter().all(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        let origin = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host.as_str()))
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}
