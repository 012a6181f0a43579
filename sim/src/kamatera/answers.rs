//! How answers and refusals are worded at either door.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};

/// What the method of a call is named in the proxy's text when it fails.
const FAILED: &str = "Failed to run command method";

/// Why a call is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decline {
    /// The proxy's own: a flag that it does not take.
    Flag(String),
    /// The proxy's own: a rule of its code.
    Rule(String),
    /// The console's: status, code, text and what the console calls a category.
    Upstream(u16, u16, String, Option<&'static str>),
}

impl Decline {
    pub fn flag(text: &str) -> Self {
        Self::Flag(text.to_owned())
    }

    pub fn rule(text: &str) -> Self {
        Self::Rule(text.to_owned())
    }

    /// The console refuses with its one general code. The status is a guess: 4xx and 5xx are seen.
    pub fn upstream(info: &str) -> Self {
        Self::Upstream(500, 20, info.to_owned(), Some("General Error"))
    }

    /// Status and text are a guess.
    pub fn no_such_server() -> Self {
        Self::Upstream(404, 20, "error occurred".to_owned(), Some("General Error"))
    }

    pub fn not_logged_in() -> Self {
        Self::Upstream(401, 1, "you are not logged in".to_owned(), None)
    }

    /// An exception in the proxy: only the method's name is told.
    pub fn exception(method: &str) -> Self {
        Self::Rule(format!("{FAILED} ({method})"))
    }

    /// The console's body.
    pub fn errors(&self) -> Value {
        match self {
            Self::Flag(info) | Self::Rule(info) => {
                json!({ "errors": [{ "code": 20, "info": info, "category": "General Error" }] })
            }
            Self::Upstream(_, code, info, None) => json!({ "errors": [{ "code": code, "info": info }] }),
            Self::Upstream(_, code, info, Some(category)) => {
                json!({ "errors": [{ "code": code, "info": info, "category": category }] })
            }
        }
    }

    /// At the proxy: what the console answered is a JSON text inside a JSON string (libcloud's `failed_auth.json`; that
    /// other refusals than that one come so is a guess), and its status is lost but for 401.
    pub fn at_the_proxy(&self) -> Reply {
        match self {
            Self::Flag(text) => Reply::new(400, json!({ "message": text })),
            Self::Rule(text) => Reply::new(500, json!({ "message": text })),
            Self::Upstream(status, ..) => {
                let status = if *status == 401 { 401 } else { 500 };
                Reply::new(status, json!({ "message": self.errors().to_string() }))
            }
        }
    }

    /// At the console.
    pub fn at_the_console(&self) -> Reply {
        match self {
            Self::Flag(_) | Self::Rule(_) => Reply::new(400, self.errors()),
            Self::Upstream(status, ..) => Reply::new(*status, self.errors()),
        }
    }
}

/// An answer before it is bytes.
#[derive(Debug)]
pub(super) struct Reply {
    pub status: u16,
    pub body: Value,
}

impl Reply {
    pub fn new(status: u16, body: Value) -> Self {
        Self { status, body }
    }

    pub fn ok(body: Value) -> Self {
        Self::new(200, body)
    }

    /// What `X-CLOUDCLI-STATUSINJSON: true` makes of an answer of the proxy.
    pub fn with_status_inside(self) -> Self {
        Self::ok(json!({ "response": self.body, "status": self.status }))
    }

    pub fn response(self) -> Response<Body> {
        written(self.status, "application/json", self.body.to_string())
    }
}

/// The price list is a script.
pub(super) fn script(text: String) -> Response<Body> {
    written(200, "application/javascript", text)
}

fn written(status: u16, kind: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
