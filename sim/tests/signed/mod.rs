//! A small client of OVH's API that signs its requests.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use sha1::{Digest, Sha1};

/// An answer of the API.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// `Null` also for an empty body, text for what is not JSON.
    pub body: Value,
    pub headers: HeaderMap,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

/// A simulator whose calls are signed.
pub trait Api {
    /// With the version, without a final slash.
    fn endpoint(&self) -> String;
}

/// Keys and the few ways to sign wrongly.
#[derive(Debug, Clone)]
pub struct Signer {
    pub application_key: String,
    pub secret: String,
    pub consumer_key: String,
    /// Added to the time that is signed and sent.
    pub seconds_ahead: i64,
}

impl Signer {
    /// The simulator's default keys.
    pub fn right() -> Self {
        Self {
            application_key: "application-key".to_owned(),
            secret: "application-secret".to_owned(),
            consumer_key: "consumer-key".to_owned(),
            seconds_ahead: 0,
        }
    }

    pub async fn send(&self, api: &impl Api, method: &str, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
        let url = format!("{}{path}", api.endpoint());
        let now = jiff::Timestamp::now().as_second() + self.seconds_ahead;
        let text = format!("{}+{}+{method}+{url}+{body}+{now}", self.secret, self.consumer_key);
        let signature = format!("$1${}", hex::encode(Sha1::digest(text.as_bytes())));
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(&url)
            .header("x-ovh-application", &self.application_key)
            .header("x-ovh-consumer", &self.consumer_key)
            .header("x-ovh-timestamp", now)
            .header("x-ovh-signature", signature)
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        fetch(request.body(Full::from(body.to_owned())).unwrap()).await
    }
}

/// Sends without a signature.
pub async fn fetch(request: Request<Full<Bytes>>) -> Answer {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.unwrap();
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let body = if bytes.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()))
    };
    Answer { status: head.status.as_u16(), body, headers: head.headers }
}

pub async fn get(api: &impl Api, path: &str) -> Answer {
    Signer::right().send(api, "GET", path, "", &[]).await
}

pub async fn send(api: &impl Api, method: &str, path: &str, body: Value) -> Answer {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    Signer::right().send(api, method, path, &text, &[]).await
}

#[track_caller]
pub fn refused(answer: &Answer, status: u16, text: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.message().contains(text), "{answer:?}");
}
