//! API tokens.

use super::resources::{Ledger, StoreError};
use super::sql::{Params, Row, SqliteRow};
use amarre_core::model::Timestamp;

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    pub name: String,
    /// `viewer`, `operator`, `editor`, `admin`.
    pub role: String,
    /// Only for these services, separated by commas.
    pub services: Option<String>,
    pub email: Option<String>,
    /// The owner's role now.
    pub role_of_user: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    pub expires: Option<Timestamp>,
    /// When it was used last, within some minutes.
    pub used: Option<Timestamp>,
}

fn token(row: &SqliteRow) -> TokenRow {
    let time = |name: &str| row.get::<Option<i64>, _>(name).map(Timestamp);
    TokenRow {
        name: row.get("name"),
        role: row.get("role"),
        services: row.get("services"),
        email: row.get("email"),
        role_of_user: row.get("role_of_user"),
        created: Timestamp(row.get("created_ms")),
        expires: time("expires_ms"),
        used: time("used_ms"),
    }
}

impl Ledger {
    /// All tokens, by name.
    pub async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        let query = "SELECT tokens.*, users.role AS role_of_user FROM tokens LEFT JOIN users USING (email) ORDER BY tokens.name";
        Ok(self.rows(query, &[]).await?.iter().map(token).collect())
    }

    /// A token, by the digest of its secret.
    pub async fn token(&self, digest: &str) -> Result<Option<TokenRow>, StoreError> {
        let query =
            "SELECT tokens.*, users.role AS role_of_user FROM tokens LEFT JOIN users USING (email) WHERE digest = ?";
        Ok(self.row(query, &[&digest]).await?.as_ref().map(token))
    }

    /// Adds a token. Answers whether it was added: an existing name is left as it is.
    pub async fn add_token(&self, token: &TokenRow, digest: &str) -> Result<bool, StoreError> {
        let query = "INSERT INTO tokens (name, digest, role, services, email, created_ms, expires_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING";
        let TokenRow { name, role, services, email, created, expires, .. } = token;
        let params: Params<'_> = &[name, &digest, role, services, email, &created.0, &expires.map(|at| at.0)];
        Ok(self.change(query, params).await? == 1)
    }

    /// Records that a token was used.
    pub async fn token_used(&self, name: &str, now: Timestamp) -> Result<(), StoreError> {
        self.run("UPDATE tokens SET used_ms = ? WHERE name = ?", &[&now.0, &name]).await
    }

    /// Removes a token. Answers whether there was one.
    pub async fn remove_token(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.change("DELETE FROM tokens WHERE name = ?", &[&name]).await? == 1)
    }
}
