//! API tokens: each with a role, perhaps for some services only, and an end.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::{AccountError, Accounts, NAME_CHARS_MAX, Role, SEEN_AGAIN, digest, token};
use crate::ledger::tokens::TokenRow;
use crate::secret::Secret;
use amarre_core::model::Timestamp;

/// The prefix of tokens, so that a leaked one is recognized.
const PREFIX: &str = "amarre_";
/// Tokens of one ledger.
const TOKENS_MAX: usize = 1_000;
/// Of them, of one user.
const TOKENS_OF_USER_MAX: usize = 50;

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub name: String,
    pub role: Role,
    /// Only for these services; `None` = for all.
    pub services: Option<BTreeSet<String>>,
    /// The user who owns it: its role never exceeds that user's.
    pub of: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends; `None` = not by itself.
    pub expires: Option<Timestamp>,
    /// When it was used last, within some minutes.
    pub used: Option<Timestamp>,
}

/// A new token.
#[derive(Debug, Clone)]
pub struct NewToken {
    pub name: String,
    pub role: Role,
    /// Only for these services; empty = for all.
    pub services: BTreeSet<String>,
    /// The user who owns it.
    pub of: Option<String>,
    /// When it ends; `None` = not by itself.
    pub expires: Option<Timestamp>,
}

impl Accounts {
    /// All tokens.
    pub async fn tokens(&self) -> Result<Vec<Token>, AccountError> {
        Ok(self.ledger.tokens().await?.into_iter().map(Token::from).collect())
    }

    /// Creates a token. Its secret is stored nowhere.
    ///
    /// # Errors
    /// There is one of this name, the name does not fit, it would end before it begins, or there is no such user.
    pub async fn add_token(&self, new: &NewToken, now: Timestamp) -> Result<Secret, AccountError> {
        let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_.@".contains(char);
        let count = new.name.chars().count();
        if count == 0 || count > NAME_CHARS_MAX || !new.name.chars().all(is_plain) {
            let why = "the name of a token has letters, digits and `-`, `_`, `.`, `@`";
            return Err(AccountError::Unfit(why.to_owned()));
        }
        if new.services.iter().any(|service| service.is_empty() || service.contains(',')) {
            return Err(AccountError::Unfit("a service has a name without commas".to_owned()));
        }
        if new.expires.is_some_and(|at| at <= now) {
            return Err(AccountError::Unfit("a token ends in the future".to_owned()));
        }
        if let Some(email) = &new.of
            && self.ledger.user(email).await?.is_none()
        {
            return Err(AccountError::Unknown(email.clone()));
        }
        let all = self.ledger.tokens().await?;
        let own = all.iter().filter(|token| token.email == new.of).count();
        let most = if new.of.is_some() { TOKENS_OF_USER_MAX } else { TOKENS_MAX };
        if all.len() >= TOKENS_MAX || own >= most {
            return Err(AccountError::Unfit(format!("there are {} tokens; remove some first", own.max(1))));
        }
        let secret = Secret::new(format!("{PREFIX}{}", token().expose()));
        let services: Vec<&str> = new.services.iter().map(String::as_str).collect();
        let row = TokenRow {
            name: new.name.clone(),
            role: new.role.word().to_owned(),
            services: Some(services.join(",")).filter(|services| !services.is_empty()),
            email: new.of.clone(),
            role_of_user: None,
            created: now,
            expires: new.expires,
            used: None,
        };
        if self.ledger.add_token(&row, &digest(secret.expose())).await? {
            Ok(secret)
        } else {
            Err(AccountError::KnownToken(new.name.clone()))
        }
    }

    /// The token of a request, if it is valid.
    pub async fn token(&self, given: &str, now: Timestamp) -> Option<Token> {
        let row = self.ledger.token(&digest(given)).await.ok().flatten()?;
        if row.expires.is_some_and(|at| at <= now) {
            return None;
        }
        if row.used.is_none_or(|used| now - used >= SEEN_AGAIN) {
            // It is only shown to people.
            let _ = self.ledger.token_used(&row.name, now).await;
        }
        Some(row.into())
    }

    /// Removes a token.
    ///
    /// # Errors
    /// There is none of this name.
    pub async fn remove_token(&self, name: &str) -> Result<(), AccountError> {
        if self.ledger.remove_token(name).await? { Ok(()) } else { Err(AccountError::UnknownToken(name.to_owned())) }
    }
}

impl Token {
    /// For machines.
    pub fn document(&self) -> Json {
        json!({
            "name": self.name, "role": self.role.word(), "services": self.services, "user": self.of,
            "created_at": self.created.rfc3339(), "expires_at": self.expires.map(Timestamp::rfc3339),
            "used_at": self.used.map(Timestamp::rfc3339),
        })
    }
}

/// All of them for machines, `amarre.tokens/v1`.
pub fn document(tokens: &[Token]) -> Json {
    json!({"schema": "amarre.tokens/v1", "tokens": tokens.iter().map(Token::document).collect::<Vec<_>>()})
}

impl From<TokenRow> for Token {
    fn from(row: TokenRow) -> Self {
        // A role of a later version may only read here.
        let role: Role = row.role.parse().unwrap_or(Role::Viewer);
        let of_user = row.role_of_user.map(|role| role.parse().unwrap_or(Role::Viewer));
        let services = row.services.map(|names| names.split(',').map(str::to_owned).collect());
        Self {
            name: row.name,
            role: of_user.map_or(role, |most| role.min(most)),
            services,
            of: row.email,
            created: row.created,
            expires: row.expires,
            used: row.used,
        }
    }
}
