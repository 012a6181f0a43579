//! `POST /webhooks/git`: a forge reports a push, and the source, or the repository of an app, is fetched at once.
//!
//! | header | of | what it is |
//! |---|---|---|
//! | `X-Hub-Signature-256: sha256=HEX` | GitHub | HMAC-SHA256 of the body |
//! | `X-Gitea-Signature: HEX`, `X-Forgejo-Signature: HEX` | Gitea, Forgejo | the same |
//! | `webhook-signature: v1,BASE64` with `webhook-id` and `webhook-timestamp` | GitLab with a signing token | HMAC-SHA256 of `id.timestamp.body`; a token `whsec_…` is the key in base64 |
//! | `X-Gitlab-Token` | GitLab with a secret token | the secret itself |
//!
//! Sources: each forge's page on webhooks; GitLab's signing token follows Standard Webhooks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::problem::problem;
use super::spawn_detached;
use super::webhook_bodies::{BODY_BYTES_MAX, BodyReadings};
use crate::accounts::{Accounts, AuditRow, visitor};
use crate::engine::reconcile::daemon::Handle;
use crate::engine::report::apps::limited_text;
use crate::secret::Secret;
use amarre_core::model::{Code, Millis, Timestamp};

/// How far the time of a signature may be off.
const SIGNED_FOR: Millis = Millis::minutes(5);
/// How long a delivery is known: a signature with a time is valid no longer. The others sign only the body, and forges
/// send the same body again for a new push (to one commit, back, and to it again), so a delivery is not known for ever:
/// a replayed old one only causes one more fetch.
const KNOWN_FOR: Millis = Millis::minutes(10);
const KNOWN_MAX: usize = 1_024;
/// Headers with credentials.
const SIGNATURES: [&str; 5] =
    ["webhook-signature", "x-hub-signature-256", "x-forgejo-signature", "x-gitea-signature", "x-gitlab-token"];
/// One delivery fetches, and one waits for it: later ones are served by the one that waits.
const AT_ONCE: usize = 2;

/// Known deliveries. Clones share them.
#[derive(Clone)]
pub struct Hook {
    secret: Option<Secret>,
    known: Arc<Mutex<BTreeMap<String, Timestamp>>>,
    turns: Arc<Semaphore>,
    readings: BodyReadings,
}

impl Hook {
    /// With the secret of the forges; `None`: every delivery is refused.
    pub fn new(secret: Option<Secret>) -> Self {
        Self {
            secret,
            known: Arc::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            readings: BodyReadings::default(),
        }
    }

    /// The route's handler.
    pub(super) fn handler(self) -> MethodRouter<Handle> {
        post(async |State(handle): State<Handle>, request: Request| receive(self, handle, request).await)
    }

    /// Whether a delivery comes for the first time.
    fn is_new(&self, body: &[u8], now: Timestamp) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, at| now - *at < KNOWN_FOR);
        if known.len() >= KNOWN_MAX
            && let Some(oldest) = known.iter().min_by_key(|(_, at)| **at).map(|(digest, _)| digest.clone())
        {
            known.remove(&oldest);
        }
        known.insert(hex::encode(Sha256::digest(body)), now).is_none()
    }
}

async fn receive(hook: Hook, handle: Handle, request: Request) -> Response {
    let Some(secret) = &hook.secret else {
        let hint = "set `server.webhook_secret`, and the same at the forge";
        return problem(StatusCode::NOT_FOUND, Code::A1015, "no webhook is taken here", hint);
    };
    let now = handle.now();
    let not_right = || {
        let hint = "is the forge's secret that of `server.webhook_secret`?";
        problem(StatusCode::UNAUTHORIZED, Code::A1015, "the signature is not right", hint)
    };
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(from)| visitor(from.ip()));
    let address = address.unwrap_or_default();
    // Before the body is read: a delivery without a signature is refused.
    if !SIGNATURES.iter().any(|name| headers.contains_key(*name)) {
        return not_right();
    }
    let Some(body) = hook.readings.read(body, &address).await else {
        let why = format!("the body is larger than {BODY_BYTES_MAX} bytes, or does not come");
        let hint = "the repository is asked from time to time all the same";
        return problem(StatusCode::PAYLOAD_TOO_LARGE, Code::A1013, &why, hint);
    };
    if !is_signed(secret, &headers, &body, now) {
        tracing::warn!("a webhook came whose signature is not right");
        let (action, result) = ("webhook".to_owned(), StatusCode::UNAUTHORIZED.to_string());
        let row = AuditRow { at: now, who: String::new(), address, action, target: String::new(), result };
        Accounts::new(handle.ledger().clone()).refused(row).await;
        return not_right();
    }
    let ignored = |why: &str| (StatusCode::OK, Json(json!({"taken": false, "why": why}))).into_response();
    if event(&headers).is_none() {
        return ignored("nothing was pushed");
    }
    let told = match read_body(&body) {
        Ok(told) => told,
        Err(why) => return unreadable(why),
    };
    let Some(reference) = told["ref"].as_str().filter(|reference| !reference.is_empty()) else {
        // GitLab's system hooks tell of everything that happens there.
        if event(&headers) == Some("System Hook") {
            return ignored("nothing was pushed");
        }
        return unreadable("it names no `ref`");
    };
    let is_source = handle.follows(reference);
    let next = handle.pushed(reference, &urls(&told));
    if !is_source && next.is_none() {
        return ignored("another branch or tag is followed");
    }
    if !hook.is_new(&body, now) {
        return ignored("this delivery came before");
    }
    tracing::info!("a webhook says that {reference} was pushed");
    let asking = async move {
        {
            let Ok(_turn) = hook.turns.try_acquire() else { return };
            if is_source {
                handle.fetch().await;
            }
        }
        handle.pass().await;
    };
    // Forges wait for some seconds at most.
    spawn_detached(asking);
    // Each push asks the repository's server, which has its own limits.
    let told = match next.filter(|next| *next > now) {
        Some(next) => json!({"taken": true, "why": limited_text(next).to_string(), "asked_at": next.rfc3339()}),
        None => json!({"taken": true}),
    };
    (StatusCode::ACCEPTED, Json(told)).into_response()
}

/// A delivery of the forge that says nothing: its page of deliveries shows it, and so does the log.
fn unreadable(why: &str) -> Response {
    tracing::warn!("a webhook came whose body cannot be read: {why}");
    let hint = "let the forge send `application/json`, or a form with `payload`";
    problem(StatusCode::BAD_REQUEST, Code::A1017, &format!("the body of the webhook cannot be read: {why}"), hint)
}

/// What a forge tells: JSON, or a form whose field `payload` is JSON, which is what GitHub sends unless told otherwise.
fn read_body(body: &[u8]) -> Result<serde_json::Value, &'static str> {
    if body.trim_ascii().is_empty() {
        return Err("it is empty");
    }
    let read = serde_json::from_slice::<serde_json::Value>(body).ok();
    let told = read.or_else(|| {
        let (_, payload) = form_urlencoded::parse(body.trim_ascii()).find(|(name, _)| name == "payload")?;
        serde_json::from_str(&payload).ok()
    });
    told.filter(serde_json::Value::is_object).ok_or("it is neither JSON nor a form with JSON in `payload`")
}

/// Where the repository of a push is, in each forge's words.
fn urls(told: &serde_json::Value) -> Vec<&str> {
    let names = ["clone_url", "ssh_url", "html_url", "git_http_url", "git_ssh_url", "homepage"];
    let places = ["repository", "project"].map(|place| &told[place]);
    let found = places.iter().flat_map(|place| names.iter().filter_map(|name| place[name].as_str()));
    found.collect()
}

/// Whether the sender has the secret.
fn is_signed(secret: &Secret, headers: &HeaderMap, body: &[u8], now: Timestamp) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let plain = secret.expose().as_bytes();
    if let Some(signature) = text("webhook-signature") {
        let (Some(id), Some(at)) = (text("webhook-id"), text("webhook-timestamp")) else { return false };
        let Ok(seconds) = at.parse::<i64>() else { return false };
        if now.0.saturating_sub(seconds.saturating_mul(1_000)).saturating_abs() > SIGNED_FOR.0 {
            return false;
        }
        let key = secret.expose().strip_prefix("whsec_").and_then(|key| STANDARD.decode(key).ok());
        let signed = [id.as_bytes(), b".", at.as_bytes(), b".", body].concat();
        let key = key.as_deref().unwrap_or(plain);
        // There are several while a key is being rotated.
        let given = signature.split(' ').filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
        return given.into_iter().any(|given| is_mac(key, &signed, &given));
    }
    let signature = text("x-hub-signature-256").map(|given| given.strip_prefix("sha256=").unwrap_or(given));
    let signature = text("x-forgejo-signature").or_else(|| text("x-gitea-signature")).or(signature);
    if let Some(given) = signature {
        return hex::decode(given).is_ok_and(|given| is_mac(plain, body, &given));
    }
    // Digests are compared: the time reveals nothing about how far the texts agree.
    let given = text("x-gitlab-token").map(|given| mac(plain, given.as_bytes()).finalize().into_bytes());
    given.is_some_and(|given| is_mac(plain, plain, &given))
}

fn mac(key: &[u8], text: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.chain_update(text)
}

/// Compares in constant time.
fn is_mac(key: &[u8], text: &[u8], given: &[u8]) -> bool {
    mac(key, text).verify_slice(given).is_ok()
}

/// The event, where it may be a push.
fn event(headers: &HeaderMap) -> Option<&str> {
    let names = ["x-github-event", "x-gitea-event", "x-forgejo-event", "x-gitlab-event"];
    let pushes = ["push", "create", "Push Hook", "Tag Push Hook", "System Hook"];
    let mut events = names.iter().filter_map(|name| headers.get(*name)?.to_str().ok());
    events.find(|event| pushes.contains(event))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"{\"ref\":\"refs/heads/main\"}";
    const NOW: Timestamp = Timestamp(1_795_000_000_000);

    fn signed(secret: &str, pairs: &[(&'static str, &str)], body: &[u8]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        is_signed(&Secret::new(secret), &headers, body, NOW)
    }

    /// From GitHub's page on validating deliveries: its secret, its body, its signature.
    #[test]
    fn githubs_example_verifies() {
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let secret = "It's a Secret to Everybody";
        assert!(signed(secret, &[("x-hub-signature-256", signature)], b"Hello, World!"));
        assert!(!signed(secret, &[("x-hub-signature-256", signature)], b"Hello, World?"));
        assert!(!signed("another", &[("x-hub-signature-256", signature)], b"Hello, World!"));
        assert!(!signed(secret, &[], b"Hello, World!"));
    }

    #[test]
    fn each_forge_signs_in_its_own_way() {
        let secret = "a secret of sixteen";
        let hex = hex::encode(mac(secret.as_bytes(), BODY).finalize().into_bytes());
        assert!(signed(secret, &[("x-gitea-signature", &hex)], BODY));
        assert!(signed(secret, &[("x-forgejo-signature", &hex)], BODY));
        // The signature that counts is wrong; another one that is right does not help.
        let wrong = "0".repeat(64);
        assert!(!signed(secret, &[("x-forgejo-signature", &wrong), ("x-gitea-signature", &hex)], BODY));
        assert!(!signed(secret, &[("x-gitea-signature", "not hex")], BODY));
        assert!(signed(secret, &[("x-gitlab-token", secret)], BODY));
        assert!(!signed(secret, &[("x-gitlab-token", "a secret of sixteem")], BODY));
        assert!(!signed(secret, &[("x-gitlab-token", "")], BODY));
    }

    #[test]
    fn json_and_forms_are_read_and_nothing_else() {
        for body in
            ["{\"ref\":\"a b\"}", "payload=%7B%22ref%22%3A%22a+b%22%7D", "x=1&payload=%7b%22ref%22:%22a%20b%22%7d\n"]
        {
            assert_eq!(read_body(body.as_bytes()).unwrap()["ref"], "a b", "{body}");
        }
        for body in ["", " \n", "no JSON", "[]", "null", "payload=", "payload=no", "body={}", "\u{0}"] {
            assert!(read_body(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_signature_with_a_time_is_valid_for_minutes() {
        let key = STANDARD.encode(b"0123456789abcdef");
        let secret = format!("whsec_{key}");
        let at = |seconds: i64| {
            let at = (NOW.0 / 1_000 + seconds).to_string();
            let text = [b"msg-1.", at.as_bytes(), b".", BODY].concat();
            let signature = STANDARD.encode(mac(b"0123456789abcdef", &text).finalize().into_bytes());
            let signature = format!("v1,AAAA v1,{signature}");
            let headers =
                [("webhook-id", "msg-1"), ("webhook-timestamp", at.as_str()), ("webhook-signature", &signature)];
            signed(&secret, &headers, BODY)
        };
        assert_eq!([0, 299, -299, 301, -301].map(at), [true, true, true, false, false]);
    }

    #[test]
    fn a_repeated_delivery_is_recognized_for_minutes() {
        let hook = Hook::new(None);
        assert!(hook.is_new(BODY, NOW));
        assert!(!hook.is_new(BODY, NOW + Millis::minutes(1)));
        assert!(hook.is_new(BODY, NOW + Millis::minutes(12)));
        for number in 0..2 * KNOWN_MAX {
            hook.is_new(number.to_string().as_bytes(), NOW);
        }
        assert!(hook.known.lock().unwrap().len() <= KNOWN_MAX);
    }
}
