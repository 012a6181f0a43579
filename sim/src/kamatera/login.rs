//! Who may call: the key's id and its secret in two headers, or at the console a token of an hour.

use axum::http::HeaderMap;

use super::catalogue::digits;

/// A token lives so long.
const TOKEN_S: i64 = 3600;

#[derive(Debug, Clone)]
pub(super) struct Login {
    client_id: String,
    secret: String,
    /// Whether the key was deleted.
    pub is_withdrawn: bool,
    /// (token, end) of each that was given out.
    tokens: Vec<(String, i64)>,
}

impl Login {
    pub fn new(client_id: String, secret: String) -> Self {
        Self { client_id, secret, is_withdrawn: false, tokens: Vec::new() }
    }

    /// A key has all rights or none: there are no scopes.
    pub fn admits(&self, client_id: &str, secret: &str) -> bool {
        !self.is_withdrawn && client_id == self.client_id && secret == self.secret
    }

    pub fn has_headers(&self, headers: &HeaderMap) -> bool {
        let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        self.admits(value("AuthClientId"), value("AuthSecret"))
    }

    pub fn has_token(&self, headers: &HeaderMap, now: i64) -> bool {
        let value = headers.get("Authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let Some(token) = value.strip_prefix("Bearer ") else { return false };
        !self.is_withdrawn && self.tokens.iter().any(|(given, end)| given == token && now < *end)
    }

    /// A new token and the second at which it ends.
    pub fn give_token(&mut self, now: i64) -> (String, i64) {
        let token = digits(&format!("token/{}/{now}", self.tokens.len()));
        self.tokens.push((token.clone(), now + TOKEN_S));
        (token, now + TOKEN_S)
    }
}
