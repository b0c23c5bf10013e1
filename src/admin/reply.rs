//! What goes back: JSON, or `{"error": "text"}` with a status that says whose
//! fault it was.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request, rejection};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::json;

pub type Reply<T> = Result<Json<T>, Error>;

/// Why a request got nothing.
#[derive(Debug)]
pub struct Error {
    status: StatusCode,
    text: String,
}

impl Error {
    pub fn new(status: StatusCode, text: impl Into<String>) -> Error {
        Error { status, text: text.into() }
    }

    pub fn bad(text: impl Into<String>) -> Error {
        Error::new(StatusCode::BAD_REQUEST, text)
    }

    pub fn not_found(text: impl Into<String>) -> Error {
        Error::new(StatusCode::NOT_FOUND, text)
    }

    /// Not now.
    pub fn unavailable(text: impl Into<String>) -> Error {
        Error::new(StatusCode::SERVICE_UNAVAILABLE, text)
    }

    /// A fault of ours.
    pub fn broken() -> Error {
        Error::new(StatusCode::INTERNAL_SERVER_ERROR, "skep failed to make the answer")
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.text }))).into_response()
    }
}

/// The query string, or an error that says what is wrong with it.
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let query = axum::extract::Query::from_request_parts(parts, state).await;
        let refused = |rejection: rejection::QueryRejection| Error::bad(rejection.body_text());
        query.map(|axum::extract::Query(query)| Query(query)).map_err(refused)
    }
}

/// The body as JSON, or an error that says what is wrong with it.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let body = Json::from_request(request, state).await;
        let refused = |rejection: rejection::JsonRejection| match rejection.status() {
            StatusCode::UNPROCESSABLE_ENTITY => Error::bad(rejection.body_text()),
            status => Error::new(status, rejection.body_text()),
        };
        body.map(|Json(body)| Body(body)).map_err(refused)
    }
}

/// `search`, `limit` and `offset` of a list.
#[derive(serde::Deserialize)]
pub struct Listing {
    #[serde(default)]
    pub search: String,
    #[serde(default = "usual_limit")]
    limit: usize,
    #[serde(default)]
    pub offset: usize,
}

fn usual_limit() -> usize {
    100
}

/// Items of one answer.
const MAX_LIMIT: usize = 1_000;

impl Listing {
    pub fn limit(&self) -> usize {
        self.limit.min(MAX_LIMIT)
    }
}
