//! `Idempotency-Key`: a request that comes twice with the same key is carried out once and gets the same answer. Kept
//! in memory for a day; answers that may not be stored (`no-store`) are not kept.

use std::collections::BTreeMap;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::problem::problem;
use amarre_core::model::{Code, Millis, Timestamp};

/// How long a key is known.
const KNOWN_FOR: Millis = Millis::minutes(24 * 60);
/// The largest number of keys; the oldest finished one goes first.
const KEPT_MAX: usize = 256;
/// The largest number of keys of one account.
const KEPT_OF_ONE_MAX: usize = 64;
/// A longer answer is not kept.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The longest key.
const KEY_BYTES_MAX: usize = 255;
/// Marks a replayed answer.
pub const REPLAYED: &str = "idempotency-replayed";

/// Account and key.
type RequestKey = (String, String);

/// Requests that came with a key.
#[derive(Debug, Default)]
pub struct Repeats(BTreeMap<RequestKey, SeenRequest>);

#[derive(Debug)]
struct SeenRequest {
    request: String,
    at: Timestamp,
    answer: Option<StoredAnswer>,
}

/// The kept answer.
#[derive(Debug, Clone)]
pub struct StoredAnswer {
    status: StatusCode,
    content: Option<HeaderValue>,
    body: Option<Bytes>,
}

impl Repeats {
    /// Begins a request with a key. `request`: a digest of all of it.
    ///
    /// # Errors
    /// It is not to be carried out: the answer.
    pub fn begin(&mut self, key: &RequestKey, request: &str, now: Timestamp) -> Result<(), Box<Response>> {
        if key.1.is_empty() || key.1.len() > KEY_BYTES_MAX || !key.1.bytes().all(|byte| byte.is_ascii_graphic()) {
            let hint = "a UUID will do";
            let why = format!("an idempotency key has 1 to {KEY_BYTES_MAX} letters, digits and signs");
            return Err(Box::new(problem(StatusCode::BAD_REQUEST, Code::A1014, &why, hint)));
        }
        self.0.retain(|_, known| known.answer.is_none() || now - known.at < KNOWN_FOR);
        if let Some(known) = self.0.get(key) {
            return Err(Box::new(known.replay(request)));
        }
        let own = self.0.keys().filter(|known| known.0 == key.0).count();
        if self.0.len() >= KEPT_MAX || own >= KEPT_OF_ONE_MAX {
            // An account with many keys makes room for its own.
            let is_meant = |known: &RequestKey| own < KEPT_OF_ONE_MAX || known.0 == key.0;
            let done = self.0.iter().filter(|(of, known)| known.answer.is_some() && is_meant(of));
            let Some(oldest) = done.min_by_key(|(_, known)| known.at).map(|(key, _)| key.clone()) else {
                let why = "too many requests with a key are being done";
                return Err(Box::new(problem(
                    StatusCode::SERVICE_UNAVAILABLE,
                    Code::A1014,
                    why,
                    "try again in a moment",
                )));
            };
            self.0.remove(&oldest);
        }
        self.0.insert(key.clone(), SeenRequest { request: request.to_owned(), at: now, answer: None });
        Ok(())
    }

    /// Ends a request. Only success and lasting errors are kept; what may be answered differently later can be tried
    /// again.
    pub fn end(&mut self, key: &RequestKey, answer: Option<StoredAnswer>) {
        let lasts = |answer: &StoredAnswer| {
            answer.status.is_success()
                || matches!(answer.status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY)
        };
        match answer.filter(lasts) {
            Some(answer) => {
                if let Some(known) = self.0.get_mut(key) {
                    known.answer = Some(answer);
                }
            }
            None => _ = self.0.remove(key),
        }
    }
}

impl SeenRequest {
    fn replay(&self, request: &str) -> Response {
        if self.request != request {
            let hint = "take a new key for another request";
            let why = "this idempotency key came with another request";
            return problem(StatusCode::UNPROCESSABLE_ENTITY, Code::A1014, why, hint);
        }
        let Some(answer) = &self.answer else {
            return problem(StatusCode::CONFLICT, Code::A1014, "this request is being done", "ask again in a moment");
        };
        let Some(body) = answer.body.clone() else {
            let why = "this request was done, and its answer is not kept";
            return problem(StatusCode::CONFLICT, Code::A1014, why, "read what it changed");
        };
        let mut response = (answer.status, Body::from(body)).into_response();
        if let Some(content) = &answer.content {
            response.headers_mut().insert(header::CONTENT_TYPE, content.clone());
        }
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        response
    }
}

/// Reads an answer to its end, and returns what is kept of it.
pub async fn read_to_end(response: Response, bytes_max: usize) -> (Response, Option<StoredAnswer>) {
    let (parts, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, bytes_max).await else {
        let why = "the answer is too long to be kept for its idempotency key";
        return (problem(StatusCode::INTERNAL_SERVER_ERROR, Code::A1014, why, "ask without one"), None);
    };
    let is_private = parts.headers.get(header::CACHE_CONTROL).is_some_and(|value| value == "no-store");
    let answer = StoredAnswer {
        status: parts.status,
        content: parts.headers.get(header::CONTENT_TYPE).cloned(),
        body: (!is_private && bytes.len() <= ANSWER_BYTES_MAX).then(|| bytes.clone()),
    };
    (Response::from_parts(parts, Body::from(bytes)), Some(answer))
}
