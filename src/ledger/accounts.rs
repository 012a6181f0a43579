//! Users, their sessions, and what they did.

use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::login_attempts;
use super::resources::{Ledger, StoreError, read, written};
use amarre_core::model::Timestamp;

/// What people did: so many rows are kept.
const AUDIT_KEPT: i64 = 10_000;

/// What is known of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// By which the user signs in, in lower case.
    pub email: String,
    /// As it stands in commits.
    pub name: String,
    /// `viewer`, `operator`, `editor`, `admin`.
    pub role: String,
    /// A PHC string.
    pub password: String,
    /// When the account was made.
    pub created: Timestamp,
}

/// A session that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Whose.
    pub user: UserRow,
    /// What its forms carry.
    pub csrf: String,
    /// When it was opened.
    pub created: Timestamp,
    /// When it was used last, within some minutes.
    pub seen: Timestamp,
}

/// Something that somebody did by HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// When.
    pub at: Timestamp,
    /// Who: an e-mail address, as it was given.
    pub who: String,
    /// From where.
    pub address: String,
    /// What: `sign_in`, `suspend`.
    pub action: String,
    /// With what: a service, a user; may be empty.
    pub target: String,
    /// `ok`, or why not.
    pub result: String,
}

/// A row of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audited {
    /// Its number.
    pub id: i64,
    /// What was done, or refused for the first time.
    pub row: AuditRow,
    /// How often.
    pub count: u32,
    /// When it was refused last.
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
        let rows = sqlx::query("SELECT * FROM users ORDER BY email").fetch_all(&self.pool).await;
        Ok(rows.map_err(read)?.iter().map(user).collect())
    }

    /// One user.
    pub async fn user(&self, email: &str) -> Result<Option<UserRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM users WHERE email = ?").bind(email).fetch_optional(&self.pool).await;
        Ok(row.map_err(read)?.as_ref().map(user))
    }

    /// Writes a user down. `only_first`: only where there is none at all. Answers whether it was written: an address
    /// that is known already is left as it is.
    pub async fn add_user(&self, user: &UserRow, only_first: bool) -> Result<bool, StoreError> {
        let insert = sqlx::query(
            "INSERT INTO users (email, name, role, password, created_ms) SELECT ?1, ?2, ?3, ?4, ?5
             WHERE NOT EXISTS (SELECT 1 FROM users WHERE ?6 OR email = ?1)",
        );
        let done = insert
            .bind(&user.email)
            .bind(&user.name)
            .bind(&user.role)
            .bind(&user.password)
            .bind(user.created.0)
            .bind(only_first)
            .execute(&self.pool)
            .await;
        Ok(done.map_err(written)?.rows_affected() == 1)
    }

    /// Gives a user another password or another role, and ends the user's sessions; with another password, the user's
    /// tokens too: who knew the old one may have made them. Wrong passwords for the old one count no more. Devices stay
    /// known: they open nothing, and while a stranger guesses they are how the user gets in. Answers whether there is one.
    pub async fn change_user(
        &self,
        email: &str,
        password: Option<&str>,
        role: Option<&str>,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let update = "UPDATE users SET password = coalesce(?, password), role = coalesce(?, role) WHERE email = ?";
        let done = sqlx::query(update).bind(password).bind(role).bind(email).execute(&mut *transaction).await;
        let is_known = done.map_err(written)?.rows_affected() == 1;
        let end = sqlx::query("DELETE FROM sessions WHERE email = ?").bind(email).execute(&mut *transaction).await;
        end.map_err(written)?;
        if password.is_some() {
            let end = sqlx::query("DELETE FROM tokens WHERE email = ?").bind(email).execute(&mut *transaction).await;
            end.map_err(written)?;
            let forgive = sqlx::query("DELETE FROM guesses WHERE account = ?").bind(login_attempts::account(email));
            forgive.execute(&mut *transaction).await.map_err(written)?;
        }
        transaction.commit().await.map_err(written)?;
        Ok(is_known)
    }

    /// Takes a user away, with all sessions. Answers whether there was one.
    pub async fn remove_user(&self, email: &str) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let end = sqlx::query("DELETE FROM sessions WHERE email = ?").bind(email).execute(&mut *transaction).await;
        end.map_err(written)?;
        let end = sqlx::query("DELETE FROM tokens WHERE email = ?").bind(email).execute(&mut *transaction).await;
        end.map_err(written)?;
        let end = sqlx::query("DELETE FROM devices WHERE email = ?").bind(email).execute(&mut *transaction).await;
        end.map_err(written)?;
        let done = sqlx::query("DELETE FROM users WHERE email = ?").bind(email).execute(&mut *transaction).await;
        let was_known = done.map_err(written)?.rows_affected() == 1;
        transaction.commit().await.map_err(written)?;
        Ok(was_known)
    }

    /// Opens a session, and forgets those that were opened or used last before a time.
    pub async fn open_session(
        &self,
        digest: &str,
        email: &str,
        csrf: &str,
        now: Timestamp,
        (opened_after, used_after): (Timestamp, Timestamp),
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let old = sqlx::query("DELETE FROM sessions WHERE created_ms < ? OR seen_ms < ?");
        let old = old.bind(opened_after.0).bind(used_after.0).execute(&mut *transaction).await;
        old.map_err(written)?;
        let insert = "INSERT INTO sessions (digest, email, csrf, created_ms, seen_ms) VALUES (?1, ?2, ?3, ?4, ?4)";
        let insert = sqlx::query(insert).bind(digest).bind(email).bind(csrf).bind(now.0).execute(&mut *transaction);
        insert.await.map_err(written)?;
        transaction.commit().await.map_err(written)
    }

    /// An open session, by the digest of what opens it.
    pub async fn session(&self, digest: &str) -> Result<Option<SessionRow>, StoreError> {
        let query = sqlx::query(
            "SELECT users.*, sessions.csrf, sessions.created_ms AS opened_ms, sessions.seen_ms
             FROM sessions JOIN users USING (email) WHERE digest = ?",
        );
        let row = query.bind(digest).fetch_optional(&self.pool).await.map_err(read)?;
        Ok(row.map(|row| SessionRow {
            user: user(&row),
            csrf: row.get("csrf"),
            created: Timestamp(row.get("opened_ms")),
            seen: Timestamp(row.get("seen_ms")),
        }))
    }

    /// A session was used.
    pub async fn session_seen(&self, digest: &str, now: Timestamp) -> Result<(), StoreError> {
        let update = sqlx::query("UPDATE sessions SET seen_ms = ? WHERE digest = ?").bind(now.0).bind(digest);
        update.execute(&self.pool).await.map(|_| ()).map_err(written)
    }

    /// Ends a session.
    pub async fn end_session(&self, digest: &str) -> Result<(), StoreError> {
        let delete = sqlx::query("DELETE FROM sessions WHERE digest = ?").bind(digest);
        delete.execute(&self.pool).await.map(|_| ()).map_err(written)
    }

    /// What the next page of a session says once.
    pub async fn set_flash(&self, digest: &str, text: &str) -> Result<(), StoreError> {
        let update = sqlx::query("UPDATE sessions SET flash = ? WHERE digest = ?").bind(text).bind(digest);
        update.execute(&self.pool).await.map(|_| ()).map_err(written)
    }

    /// Takes what a page is to say once.
    pub async fn take_flash(&self, digest: &str) -> Result<Option<String>, StoreError> {
        let query = sqlx::query("SELECT flash FROM sessions WHERE digest = ? AND flash IS NOT NULL").bind(digest);
        let Some(row) = query.fetch_optional(&self.pool).await.map_err(read)? else { return Ok(None) };
        let update = sqlx::query("UPDATE sessions SET flash = NULL WHERE digest = ?").bind(digest);
        update.execute(&self.pool).await.map_err(written)?;
        Ok(row.get("flash"))
    }

    /// Writes down what somebody did, and forgets what is too old to be of use.
    pub async fn audit(&self, row: &AuditRow) -> Result<(), StoreError> {
        let insert = "INSERT INTO audit (at_ms, who, address, action, target, result) VALUES (?, ?, ?, ?, ?, ?)";
        let insert = sqlx::query(insert).bind(row.at.0).bind(&row.who).bind(&row.address).bind(&row.action);
        insert.bind(&row.target).bind(&row.result).execute(&self.pool).await.map_err(written)?;
        forget(&self.pool, false, AUDIT_KEPT).await
    }

    /// What people did last, and what was refused: before the row of a number, the latest first.
    pub async fn audited(&self, before: Option<i64>, limit: u32) -> Result<Vec<Audited>, StoreError> {
        // What cannot be written is no reason to read nothing: it is counted on, and written the next time.
        let _ = self.write_all_refused().await;
        let query = sqlx::query("SELECT * FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?");
        let query = query.bind(before.unwrap_or(i64::MAX)).bind(limit);
        let rows = query.fetch_all(&self.pool).await.map_err(read)?;
        let audit = |row: &SqliteRow| AuditRow {
            at: Timestamp(row.get("at_ms")),
            who: row.get("who"),
            address: row.get("address"),
            action: row.get("action"),
            target: row.get("target"),
            result: row.get("result"),
        };
        let audited = |row: &SqliteRow| Audited {
            id: row.get("id"),
            count: u32::try_from(row.get::<i64, _>("count")).unwrap_or(u32::MAX),
            until: Timestamp(row.get::<Option<i64>, _>("until_ms").unwrap_or_else(|| row.get("at_ms"))),
            row: audit(row),
        };
        Ok(rows.iter().map(audited).collect())
    }
}

/// Forgets the oldest rows of what people did, or of what was refused.
pub(crate) async fn forget(pool: &SqlitePool, refused: bool, kept: i64) -> Result<(), StoreError> {
    let old = "DELETE FROM audit WHERE refused = ?1 AND id <=
        (SELECT id FROM audit WHERE refused = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
    sqlx::query(old).bind(refused).bind(kept).execute(pool).await.map(|_| ()).map_err(written)
}
