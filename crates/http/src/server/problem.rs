//! Answers for requests that are not carried out: RFC 9457, with a code that has a page.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::engine::commands::Refused;
use amarre_core::model::Code;

/// The content type of a problem.
pub const PROBLEM: &str = "application/problem+json";
/// The longest error of a library that is quoted.
const SAID_BYTES_MAX: usize = 4 * 1024;

pub fn problem(status: StatusCode, code: Code, title: &str, hint: &str) -> Response {
    let body = json!({
        "type": format!("/errors/{code}"), "title": title, "status": status.as_u16(), "code": code,
        "hints": [{"text": hint}],
    });
    (status, [(header::CONTENT_TYPE, PROBLEM)], body.to_string()).into_response()
}

/// A command that was refused.
pub fn refusal(refused: &Refused) -> Response {
    const STATUSES: [(Code, StatusCode); 6] = [
        (Code::A1002, StatusCode::NOT_FOUND),
        (Code::A0516, StatusCode::NOT_FOUND),
        (Code::A0107, StatusCode::BAD_REQUEST),
        (Code::A1013, StatusCode::BAD_REQUEST),
        (Code::A0904, StatusCode::SERVICE_UNAVAILABLE),
        (Code::A0903, StatusCode::SERVICE_UNAVAILABLE),
    ];
    let status = STATUSES.iter().find(|(code, _)| *code == refused.code);
    let status = status.map_or(StatusCode::CONFLICT, |(_, status)| *status);
    problem(status, refused.code, &refused.message, &refused.hint)
}

/// What the library says of a query, without its own words.
fn plain(said: &str) -> String {
    let said = said.strip_prefix("Failed to deserialize query string: ").unwrap_or(said);
    said.replace("invalid digit found in string", "it is not a whole number from 0 on")
}

/// Gives the errors of the library the form of a problem.
pub async fn shape(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_text = kind.is_empty() || kind.starts_with("text/plain");
    if !status.is_client_error() || !is_text {
        return response;
    }
    let allow = response.headers().get(header::ALLOW).cloned();
    let said = axum::body::to_bytes(response.into_body(), SAID_BYTES_MAX).await.unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let hint = format!("see docs/http.md, or {} of this place", super::openapi::PATH);
    let mut answer = match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            problem(status, Code::A1003, &format!("{path} is not there for {method}"), &hint)
        }
        StatusCode::PAYLOAD_TOO_LARGE => problem(status, Code::A1013, "the body is too large", &hint),
        _ => problem(status, Code::A1013, &plain(said.lines().next().unwrap_or("the request does not fit")), &hint),
    };
    if let Some(allow) = allow {
        answer.headers_mut().insert(header::ALLOW, allow);
    }
    answer
}
