//! Service accounts: tokens for client credentials, and calls that carry one.
//!
//! Form and answer as in the vendor's guide "manage service accounts"; what a refusal looks like is RFC 6749 §5.2,
//! for the vendor shows none.

use axum::http::HeaderMap;
use serde_json::json;

use super::access::Access;
use super::answers::{Refused, Reply};
use super::auth::denied;
use super::base64::base64;

/// Tokens that were given out.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub client_id: String,
    pub client_secret: String,
    /// The vendor's: 3599.
    pub seconds: i64,
    /// Given out and not withdrawn, with their last second.
    live: Vec<(String, i64)>,
    given: u64,
}

impl Tokens {
    pub fn new() -> Self {
        let (client_id, client_secret) = ("client-id".to_owned(), "client-secret".to_owned());
        Self { client_id, client_secret, seconds: 3599, live: Vec::new(), given: 0 }
    }

    pub fn withdraw(&mut self) {
        self.live.clear();
    }

    /// `POST …/auth/oauth2/token`
    pub fn give(&mut self, headers: &HeaderMap, body: &[u8], now: i64) -> Reply {
        let form: Vec<(String, String)> = form(body);
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
        if field("grant_type") != "client_credentials" {
            return refused(400, "unsupported_grant_type", "The grant type is not supported");
        }
        let in_form = field("client_id") == self.client_id && field("client_secret") == self.client_secret;
        // python-ovh 1.2.0 says who it is in a header, as RFC 6749 §2.3.1 would have it.
        let basic = format!("Basic {}", base64(format!("{}:{}", self.client_id, self.client_secret).as_bytes()));
        if !in_form && headers.get("authorization").is_none_or(|header| header != basic.as_str()) {
            return refused(401, "invalid_client", "Client authentication failed");
        }
        if field("scope") != "all" {
            return refused(400, "invalid_scope", "The requested scope is invalid");
        }
        self.given += 1;
        let token = format!("token-{:08x}", self.given);
        self.live.push((token.clone(), now + self.seconds));
        Reply::ok(json!({
            "access_token": token, "token_type": "Bearer", "expires_in": self.seconds, "scope": "all",
        }))
    }
}

/// Whether a call with `Authorization: Bearer` may be made; `None` = it carries no such thing.
pub(super) fn check(access: &Access, headers: &HeaderMap, method: &str, path: &str) -> Option<Result<(), Refused>> {
    let header = headers.get("authorization")?.to_str().ok()?;
    let token = header.strip_prefix("Bearer ")?;
    let now = access.now();
    if !access.tokens.live.iter().any(|(live, until)| live == token && now < *until) {
        return Some(Err(Refused::Token));
    }
    let action = (access.action)(method, path);
    let allowed = access.actions.contains(&action) && !denied(access, method, path);
    Some(if allowed { Ok(()) } else { Err(Refused::Action(action)) })
}

fn refused(status: u16, error: &str, description: &str) -> Reply {
    Reply { status, body: Some(json!({ "error": error, "error_description": description })), headers: Vec::new() }
}

fn form(body: &[u8]) -> Vec<(String, String)> {
    let uri = format!("/?{}", String::from_utf8_lossy(body)).parse().ok();
    let query = uri.and_then(|uri| axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri).ok());
    query.map(|axum::extract::Query(fields)| fields).unwrap_or_default()
}
