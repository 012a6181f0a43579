//! Answers and refusals as the vendor words them.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};

/// An answer before it is bytes. `body: None` is an empty one.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub body: Option<Value>,
    pub headers: Vec<(&'static str, String)>,
}

impl Reply {
    pub fn ok(body: Value) -> Self {
        Self::with(200, Some(body))
    }

    /// Where the schema says `void`, the body is the word `null`.
    pub fn void() -> Self {
        Self::ok(Value::Null)
    }

    /// `/refresh` answers 204 since October 2023 (php-ovh issue 140).
    pub fn no_content() -> Self {
        Self::with(204, None)
    }

    /// A refusal in the shape of most.
    pub fn error(status: u16, class: &str, message: &str) -> Self {
        Self::with(status, Some(json!({ "class": class, "message": message })))
    }

    fn with(status: u16, body: Option<Value>) -> Self {
        Self { status, body, headers: Vec::new() }
    }

    pub fn response(self, query: &str) -> Response<Body> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let bytes = self.body.map(|body| body.to_string()).unwrap_or_default();
        let empty = bytes.is_empty();
        let mut response = Response::new(Body::from(bytes));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if !empty {
            let json = HeaderValue::from_static("application/json; charset=utf-8");
            headers.insert(CONTENT_TYPE, json);
        }
        // Support asks for this one; error messages of clients show it.
        let named = [("x-ovh-queryid", query.to_owned())];
        for (name, value) in self.headers.into_iter().chain(named) {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

pub(crate) fn bad_request(message: &str) -> Reply {
    let body = json!({ "class": "Client::BadRequest", "message": message });
    Reply::with(400, Some(body))
}

/// A zone of somebody else, or none: octodns looks for exactly this text.
pub(crate) fn no_such_service() -> Reply {
    not_found("This service does not exist")
}

/// No such route, or an empty part in the path (external-dns issues 5711 and 5914).
pub(crate) fn no_such_url() -> Reply {
    not_found("Got an invalid (or empty) URL")
}

fn not_found(message: &str) -> Reply {
    let body = json!({ "class": "Client::NotFound", "message": message });
    Reply::with(404, Some(body))
}

/// Without a class, as php-ovh issue 89 shows it.
pub(crate) fn no_such_object(id: &str) -> Reply {
    let message = format!("The requested object (id = {id}) does not exist");
    Reply::with(404, Some(json!({ "message": message })))
}

/// A refresh that BIND would refuse. That it is refused is known (external-dns issue 2855), status and text are guessed.
pub(crate) fn conflict(why: &str) -> Reply {
    let body = json!({ "class": "Client::Conflict", "message": why });
    Reply::with(409, Some(body))
}

/// What is wrong with the credentials of a request.
#[derive(Debug, Clone)]
pub(crate) enum Refused {
    Application,
    NoConsumer,
    Consumer,
    Clock,
    Signature,
    NotGranted,
    /// A bearer token that is none of ours, or too old.
    Token,
    /// A service account without this right.
    Action(String),
}

/// Shapes and codes from python-ovh's and go-ovh's error handling and their issues.
pub(crate) fn refused(why: Refused) -> Reply {
    let (status, body) = match why {
        Refused::Application => {
            (403, json!({ "class": "Client::Forbidden", "message": "This application key is invalid" }))
        }
        // cert-manager-webhook-ovh issue 5.
        Refused::NoConsumer => (403, coded("NOT_CREDENTIAL", "403 Forbidden", "This credential does not exist")),
        Refused::Consumer => (403, coded("INVALID_CREDENTIAL", "403 Forbidden", "This credential is not valid")),
        // The code is the node client's; the text is guessed.
        Refused::Clock => (400, coded("QUERY_TIME_OUT", "400 Bad Request", "Query out of time")),
        // ddns-updater issue 319, php-ovh issue 80.
        Refused::Signature => (400, coded("INVALID_SIGNATURE", "400 Bad Request", "Invalid signature")),
        // Status and text are guessed.
        Refused::Token => (401, json!({ "class": "Client::Unauthorized", "message": "You must login first" })),
        // As go-ovh's tests show it.
        Refused::Action(action) => (
            403,
            json!({
                "class": "Client::Forbidden",
                "message": "User not granted for this request",
                "details": { "unauthorizedActionsByAuthentication": "", "unauthorizedActionsByIAM": action },
            }),
        ),
        Refused::NotGranted => (403, coded("NOT_GRANTED_CALL", "403 Forbidden", "This call has not been granted")),
    };
    Reply::with(status, Some(body))
}

fn coded(code: &str, http: &str, message: &str) -> Value {
    json!({ "errorCode": code, "httpCode": http, "message": message })
}
