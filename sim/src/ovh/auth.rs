//! Who may call: application key, consumer key, clock, signature, rights, in this order.

use axum::http::HeaderMap;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use super::answers::Refused;
use super::state::State;

/// How far a client's clock may be off. The vendor does not say; its clients ask `/auth/time` first.
const CLOCK_SECONDS_MAX: u64 = 300;

/// A request as it was signed.
pub(super) struct Signed<'a> {
    pub method: &'a str,
    /// With scheme, host and query, as the client wrote it.
    pub url: &'a str,
    /// Path without the version, for the rights.
    pub path: &'a str,
    pub headers: &'a HeaderMap,
    /// The very bytes: lexicon's JSON has spaces that others' has not.
    pub body: &'a [u8],
}

pub(super) fn check(state: &State, request: &Signed<'_>) -> Result<(), Refused> {
    let header = |name: &str| {
        let value = request.headers.get(name).and_then(|value| value.to_str().ok());
        value.filter(|value| !value.is_empty())
    };
    if header("x-ovh-application") != Some(state.application_key.as_str()) {
        return Err(Refused::Application);
    }
    let consumer = header("x-ovh-consumer").ok_or(Refused::NoConsumer)?;
    if consumer != state.consumer_key {
        return Err(Refused::Consumer);
    }
    let stamp = header("x-ovh-timestamp").ok_or(Refused::Signature)?;
    let seconds: i64 = stamp.parse().map_err(|_| Refused::Signature)?;
    if state.now().abs_diff(seconds) > CLOCK_SECONDS_MAX {
        return Err(Refused::Clock);
    }
    let expected = signature(state, request, stamp);
    if header("x-ovh-signature") != Some(expected.as_str()) {
        return Err(Refused::Signature);
    }
    if granted(state, request.method, request.path) { Ok(()) } else { Err(Refused::NotGranted) }
}

/// `$1$` and SHA-1 of the parts joined by `+` (go-ovh, python-ovh).
fn signature(state: &State, request: &Signed<'_>, stamp: &str) -> String {
    let mut hash = Sha1::new();
    let parts = [
        state.application_secret.as_bytes(),
        state.consumer_key.as_bytes(),
        request.method.as_bytes(),
        request.url.as_bytes(),
        request.body,
        stamp.as_bytes(),
    ];
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            hash.update(b"+");
        }
        hash.update(part);
    }
    format!("$1${}", hex::encode(hash.finalize()))
}

fn granted(state: &State, method: &str, path: &str) -> bool {
    // Any credential may look at itself: clients validate their keys with this call.
    if path == "/auth/currentCredential" {
        return true;
    }
    let allowed = state.granted.iter().any(|(verb, pattern)| verb == method && matches(pattern, path));
    allowed && !denied(state, method, path)
}

/// Whether a test took this right away.
pub(super) fn denied(state: &State, method: &str, path: &str) -> bool {
    state.denied.iter().any(|(verb, prefix)| (verb == "*" || verb == method) && path.starts_with(prefix.as_str()))
}

/// Access rules know one wildcard, `*`, for any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|text| {
            let mut tails = text.char_indices().map(|(at, _)| &text[at..]).chain([""]);
            tails.any(|tail| matches(rest, tail))
        }),
    }
}

/// `GET /auth/currentCredential`.
pub(super) fn credential(state: &State) -> Value {
    let rules: Vec<Value> =
        state.granted.iter().map(|(method, path)| json!({ "method": method, "path": path })).collect();
    json!({
        "allowedIPs": null,
        "applicationId": 12345,
        "creation": "2026-01-01T00:00:00+00:00",
        "credentialId": 67890,
        "expiration": state.expiration,
        "lastUse": "2026-01-01T00:00:00+00:00",
        "ovhSupport": false,
        "rules": rules,
        "status": "validated",
    })
}
