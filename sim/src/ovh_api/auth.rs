//! Who may call: application key, consumer key, clock, signature, rights, in this order.

use axum::http::HeaderMap;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use super::access::Access;
use super::answers::Refused;

/// How far a client's clock may be off. The vendor does not say; its clients ask `/auth/time` first.
const CLOCK_SECONDS_MAX: u64 = 300;

/// A request as it was signed.
pub(super) struct Signed<'a> {
    pub method: &'a str,
    /// With scheme, host and query: one of these was signed.
    pub urls: &'a [String],
    /// Path without the version, for the rights.
    pub path: &'a str,
    pub headers: &'a HeaderMap,
    /// The very bytes: lexicon's JSON has spaces that others' has not.
    pub body: &'a [u8],
}

pub(super) fn check(access: &Access, request: &Signed<'_>) -> Result<(), Refused> {
    let header = |name: &str| {
        let value = request.headers.get(name).and_then(|value| value.to_str().ok());
        value.filter(|value| !value.is_empty())
    };
    if header("x-ovh-application") != Some(access.keys.application_key.as_str()) {
        return Err(Refused::Application);
    }
    let consumer = header("x-ovh-consumer").ok_or(Refused::NoConsumer)?;
    if consumer != access.keys.consumer_key || access.is_withdrawn {
        return Err(Refused::Consumer);
    }
    let stamp = header("x-ovh-timestamp").ok_or(Refused::Signature)?;
    let seconds: i64 = stamp.parse().map_err(|_| Refused::Signature)?;
    if access.now().abs_diff(seconds) > CLOCK_SECONDS_MAX {
        return Err(Refused::Clock);
    }
    let given = header("x-ovh-signature").ok_or(Refused::Signature)?;
    if !request.urls.iter().any(|url| signature(access, request, url, stamp) == given) {
        return Err(Refused::Signature);
    }
    if granted(access, request.method, request.path) { Ok(()) } else { Err(Refused::NotGranted) }
}

/// `$1$` and SHA-1 of the parts joined by `+` (go-ovh, python-ovh).
fn signature(access: &Access, request: &Signed<'_>, url: &str, stamp: &str) -> String {
    let mut hash = Sha1::new();
    let parts = [
        access.keys.application_secret.as_bytes(),
        access.keys.consumer_key.as_bytes(),
        request.method.as_bytes(),
        url.as_bytes(),
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

fn granted(access: &Access, method: &str, path: &str) -> bool {
    // Any credential may look at itself: clients validate their keys with this call.
    if path == "/auth/currentCredential" {
        return true;
    }
    let allowed = access.granted.iter().any(|(verb, pattern)| verb == method && matches(pattern, path));
    allowed && !denied(access, method, path)
}

/// Whether a test took this right away.
pub(super) fn denied(access: &Access, method: &str, path: &str) -> bool {
    access.denied.iter().any(|(verb, prefix)| (verb == "*" || verb == method) && path.starts_with(prefix.as_str()))
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
pub(crate) fn credential(access: &Access) -> Value {
    let rules: Vec<Value> =
        access.granted.iter().map(|(method, path)| json!({ "method": method, "path": path })).collect();
    json!({
        "allowedIPs": null,
        "applicationId": 12345,
        "creation": "2026-01-01T00:00:00+00:00",
        "credentialId": 67890,
        "expiration": access.expiration,
        "lastUse": "2026-01-01T00:00:00+00:00",
        "ovhSupport": false,
        "rules": rules,
        "status": "validated",
    })
}
