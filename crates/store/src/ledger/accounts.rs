//! Users, their sessions, and the audit log.

use super::login_attempts;
use super::resources::{Ledger, StoreError};
use super::sql::{Params, Row, SqliteRow};
use amarre_core::model::Timestamp;

/// The largest number of kept rows of the audit log.
const AUDIT_KEPT: i64 = 10_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// The e-mail address with which the user signs in, in lower case.
    pub email: String,
    /// The name in commits.
    pub name: String,
    /// `viewer`, `operator`, `editor`, `admin`.
    pub role: String,
    /// A PHC string.
    pub password: String,
    /// When the account was made.
    pub created: Timestamp,
}

/// An open session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    pub user: UserRow,
    /// The CSRF token of its forms.
    pub csrf: String,
    /// When it was opened.
    pub created: Timestamp,
    /// When it was used last, within some minutes.
    pub seen: Timestamp,
}

/// An action over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    pub at: Timestamp,
    /// The account: an e-mail address, as it was given.
    pub who: String,
    /// The client's address.
    pub address: String,
    /// The action: `sign_in`, `suspend`.
    pub action: String,
    /// The target: a service, a user; may be empty.
    pub target: String,
    /// `ok`, or the reason of a failure.
    pub result: String,
}

/// A row of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audited {
    pub id: i64,
    /// The action, done or refused for the first time.
    pub row: AuditRow,
    /// The number of refusals.
    pub count: u32,
    /// The last refusal.
    pub until: Timestamp,
}

fn user(row: &SqliteRow) -> UserRow {
    UserRow {
        email: row.get("email"),
        name: row.get("name"),
        role: row.get("role"),
        password: row.get("password"),
        created: Timestamp(row.get("created_ms")),
    }
}

impl Ledger {
    /// All users, by e-mail address.
    pub async fn users(&self) -> Result<Vec<UserRow>, StoreError> {
        Ok(self.rows("SELECT * FROM users ORDER BY email", &[]).await?.iter().map(user).collect())
    }

    pub async fn user(&self, email: &str) -> Result<Option<UserRow>, StoreError> {
        Ok(self.row("SELECT * FROM users WHERE email = ?", &[&email]).await?.as_ref().map(user))
    }

    /// Adds a user. `only_first`: only if there is none at all. Answers whether it was added: an existing address is
    /// left as it is.
    pub async fn add_user(&self, user: &UserRow, only_first: bool) -> Result<bool, StoreError> {
        let query = "INSERT INTO users (email, name, role, password, created_ms) SELECT ?1, ?2, ?3, ?4, ?5
             WHERE NOT EXISTS (SELECT 1 FROM users WHERE ?6 OR email = ?1)";
        let params: Params<'_> = &[&user.email, &user.name, &user.role, &user.password, &user.created.0, &only_first];
        Ok(self.change(query, params).await? == 1)
    }

    /// Changes the password or role of a user, and ends the user's sessions; with another password, the user's tokens
    /// too: whoever knew the old one may have made them. Failures with the old password no longer count. Devices stay
    /// known: they grant nothing, and let the user sign in while a stranger guesses. Answers whether the user exists.
    pub async fn change_user(
        &self,
        email: &str,
        password: Option<&str>,
        role: Option<&str>,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let update = "UPDATE users SET password = coalesce(?, password), role = coalesce(?, role) WHERE email = ?";
        let is_known = transaction.change(update, &[&password, &role, &email]).await? == 1;
        transaction.run("DELETE FROM sessions WHERE email = ?", &[&email]).await?;
        if password.is_some() {
            transaction.run("DELETE FROM tokens WHERE email = ?", &[&email]).await?;
            transaction.run("DELETE FROM guesses WHERE account = ?", &[&login_attempts::account(email)]).await?;
        }
        transaction.commit().await?;
        Ok(is_known)
    }

    /// Removes a user, with all sessions. Answers whether there was one.
    pub async fn remove_user(&self, email: &str) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        transaction.run("DELETE FROM sessions WHERE email = ?", &[&email]).await?;
        transaction.run("DELETE FROM tokens WHERE email = ?", &[&email]).await?;
        transaction.run("DELETE FROM devices WHERE email = ?", &[&email]).await?;
        let was_known = transaction.change("DELETE FROM users WHERE email = ?", &[&email]).await? == 1;
        transaction.commit().await?;
        Ok(was_known)
    }

    /// Opens a session, and deletes those that were opened or used last before a time.
    pub async fn open_session(
        &self,
        digest: &str,
        email: &str,
        csrf: &str,
        now: Timestamp,
        (opened_after, used_after): (Timestamp, Timestamp),
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let query = "DELETE FROM sessions WHERE created_ms < ? OR seen_ms < ?";
        transaction.run(query, &[&opened_after.0, &used_after.0]).await?;
        let insert = "INSERT INTO sessions (digest, email, csrf, created_ms, seen_ms) VALUES (?1, ?2, ?3, ?4, ?4)";
        transaction.run(insert, &[&digest, &email, &csrf, &now.0]).await?;
        transaction.commit().await
    }

    /// An open session, by the digest of its token.
    pub async fn session(&self, digest: &str) -> Result<Option<SessionRow>, StoreError> {
        let query = "SELECT users.*, sessions.csrf, sessions.created_ms AS opened_ms, sessions.seen_ms
             FROM sessions JOIN users USING (email) WHERE digest = ?";
        let row = self.row(query, &[&digest]).await?;
        Ok(row.map(|row| SessionRow {
            user: user(&row),
            csrf: row.get("csrf"),
            created: Timestamp(row.get("opened_ms")),
            seen: Timestamp(row.get("seen_ms")),
        }))
    }

    /// Records that a session was used.
    pub async fn session_seen(&self, digest: &str, now: Timestamp) -> Result<(), StoreError> {
        self.run("UPDATE sessions SET seen_ms = ? WHERE digest = ?", &[&now.0, &digest]).await
    }

    /// Ends a session.
    pub async fn end_session(&self, digest: &str) -> Result<(), StoreError> {
        self.run("DELETE FROM sessions WHERE digest = ?", &[&digest]).await
    }

    /// Stores the flash message of a session.
    pub async fn set_flash(&self, digest: &str, text: &str) -> Result<(), StoreError> {
        self.run("UPDATE sessions SET flash = ? WHERE digest = ?", &[&text, &digest]).await
    }

    /// Takes the flash message of a session.
    pub async fn take_flash(&self, digest: &str) -> Result<Option<String>, StoreError> {
        let query = "SELECT flash FROM sessions WHERE digest = ? AND flash IS NOT NULL";
        let Some(row) = self.row(query, &[&digest]).await? else { return Ok(None) };
        self.run("UPDATE sessions SET flash = NULL WHERE digest = ?", &[&digest]).await?;
        Ok(row.get("flash"))
    }

    /// Records an action, and deletes rows that are too old.
    pub async fn audit(&self, row: &AuditRow) -> Result<(), StoreError> {
        let insert = "INSERT INTO audit (at_ms, who, address, action, target, result) VALUES (?, ?, ?, ?, ?, ?)";
        self.run(insert, &[&row.at.0, &row.who, &row.address, &row.action, &row.target, &row.result]).await?;
        self.forget_audited(false, AUDIT_KEPT).await
    }

    /// The latest actions and refusals: before the row of a number, the latest first.
    pub async fn audited(&self, before: Option<i64>, limit: u32) -> Result<Vec<Audited>, StoreError> {
        // A failed write is no reason to read nothing: the count goes on, and is written the next time.
        let _ = self.write_all_refused().await;
        let query = "SELECT * FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?";
        self.collect(query, &[&before.unwrap_or(i64::MAX), &limit], |row| Some(audited(row))).await
    }

    /// Deletes the oldest rows of actions, or of refusals.
    pub(crate) async fn forget_audited(&self, refused: bool, kept: i64) -> Result<(), StoreError> {
        let old = "DELETE FROM audit WHERE refused = ?1 AND id <=
        (SELECT id FROM audit WHERE refused = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
        self.run(old, &[&refused, &kept]).await
    }
}

fn audited(row: &SqliteRow) -> Audited {
    let audit = AuditRow {
        at: Timestamp(row.get("at_ms")),
        who: row.get("who"),
        address: row.get("address"),
        action: row.get("action"),
        target: row.get("target"),
        result: row.get("result"),
    };
    Audited {
        id: row.get("id"),
        count: u32::try_from(row.get::<i64, _>("count")).unwrap_or(u32::MAX),
        until: row.get::<Option<i64>, _>("until_ms").map_or(audit.at, Timestamp),
        row: audit,
    }
}
