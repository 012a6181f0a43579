//! A request as it came in, and the call that it is once it was let in.

use axum::body::{Bytes, to_bytes};
use axum::extract::{Query, Request};
use axum::http::{HeaderMap, Uri};
use serde_json::{Value, json};

use super::access::Access;
use super::answers::{Reply, bad_request, refused};
use super::auth::{self, Signed};
use super::oauth;

/// Far above the largest zone file that anybody keeps.
const BODY_BYTES_MAX: usize = 8 << 20;

/// A request before anybody asked who sent it.
pub(crate) struct Incoming {
    pub method: String,
    /// Decoded parts of the path, without the version.
    pub names: Vec<String>,
    headers: HeaderMap,
    uri: Uri,
    /// `None`: it was too long, or broke off.
    body: Option<Bytes>,
}

/// One call with everything that a handler may look at.
pub(crate) struct Call {
    pub method: String,
    pub headers: HeaderMap,
    pub query: Vec<(String, String)>,
    pub body: Value,
}

impl Call {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut named = self.query.iter().filter(|(key, _)| key == name);
        named.next().map(|(_, value)| value.as_str())
    }
}

impl Incoming {
    pub async fn read(request: Request) -> Self {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, BODY_BYTES_MAX).await.ok();
        let names = segments(unversioned(head.uri.path()));
        Self { method: head.method.to_string(), names, headers: head.headers, uri: head.uri, body }
    }

    /// The call, if this request may make it; what it is answered, if not, or if it asks for the clock or for a token.
    ///
    /// `signed_as` gives from the request's host and target the addresses of which one must be signed.
    pub fn admit(&self, access: &mut Access, signed_as: fn(&str, &str) -> Vec<String>) -> Result<Call, Reply> {
        let body = self.body.as_ref().ok_or_else(|| bad_request("the body is too large"))?;
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        match (self.method.as_str(), names.as_slice()) {
            ("GET", ["auth", "time"]) => return Err(Reply::ok(json!(access.now()))),
            ("POST", ["auth", "oauth2", "token"]) => {
                let now = access.now();
                return Err(access.tokens.give(&self.headers, body, now));
            }
            _ => (),
        }
        let target = self.uri.path_and_query().map_or("/", |target| target.as_str());
        let host = self.headers.get("host").and_then(|host| host.to_str().ok());
        let urls = signed_as(host.unwrap_or_default(), target);
        let path = unversioned(self.uri.path());
        let signed = Signed { method: &self.method, urls: &urls, path, headers: &self.headers, body };
        let by_token = oauth::check(access, &self.headers, &self.method, path);
        by_token.unwrap_or_else(|| auth::check(access, &signed)).map_err(refused)?;
        self.call(body)
    }

    /// The call without a look at who makes it.
    fn call(&self, body: &Bytes) -> Result<Call, Reply> {
        let body = match body.is_empty() {
            true => Value::Null,
            // Guessed text.
            false => serde_json::from_slice(body).map_err(|_| bad_request("Invalid JSON received"))?,
        };
        Ok(Call { method: self.method.clone(), headers: self.headers.clone(), query: self.query(), body })
    }

    pub fn query(&self) -> Vec<(String, String)> {
        let parameters = Query::<Vec<(String, String)>>::try_from_uri(&self.uri);
        parameters.map(|Query(query)| query).unwrap_or_default()
    }
}

/// `/v1` is another name of `/1.0` (python-ovh issue 141).
fn unversioned(path: &str) -> &str {
    path.strip_prefix("/1.0").or_else(|| path.strip_prefix("/v1")).unwrap_or(path)
}

/// Decoded parts of the path. One final slash does not count: lexicon lists zones with it.
fn segments(path: &str) -> Vec<String> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/').map(decoded).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let pair = tail.get(..2).filter(|_| byte == b'%');
        match pair.and_then(|pair| hex::decode(pair).ok()) {
            Some(decoded) => {
                bytes.extend(decoded);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
