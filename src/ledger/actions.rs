//! Actions: an intent before the call leaves, an outcome after.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::resources::{Ledger, StoreError, address, read, written};
use super::runs::{Event, record};
use amarre_core::model::{Action, Millis, Timestamp};

/// An action without an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAction {
    /// Its number in the ledger.
    pub id: i64,
    /// The run that it belongs to.
    pub run: i64,
    /// The action.
    pub action: Action,
}

impl Ledger {
    /// Stores the intent of an action; answers its number.
    pub async fn begin_action(&self, action: &Action, run: i64) -> Result<i64, StoreError> {
        let query = "INSERT INTO actions (run, address, service, word, vendor_id, before, by_whom, at_ms, limit_ms) \
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let stored = sqlx::query(query)
            .bind(run)
            .bind(action.address.to_string())
            .bind(&action.service)
            .bind(&action.word)
            .bind(&action.vendor_id)
            .bind(&action.before)
            .bind(&action.by)
            .bind(action.at.0)
            .bind(action.limit.0)
            .execute(&self.pool)
            .await
            .map_err(written)?;
        Ok(stored.last_insert_rowid())
    }

    /// Stores the outcome of an action, with its event: `ok`, `unknown`, or the error's text.
    pub async fn end_action(&self, id: i64, outcome: &str, event: &Event) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::query("UPDATE actions SET done_ms = ?, outcome = ? WHERE id = ?")
            .bind(event.at.0)
            .bind(outcome)
            .bind(id)
            .execute(&mut *transaction)
            .await
            .map_err(written)?;
        if outcome == "ok" {
            let counted = sqlx::query("UPDATE runs SET writes = writes + 1 WHERE id = ?").bind(event.run);
            counted.execute(&mut *transaction).await.map_err(written)?;
        }
        record(&mut transaction, event).await?;
        transaction.commit().await.map_err(written)
    }

    /// Actions whose outcome is not known: their answer was lost, or this process ended before it came.
    pub async fn open_actions(&self) -> Result<Vec<OpenAction>, StoreError> {
        let query = "SELECT id, run, address, service, word, vendor_id, before, by_whom, at_ms, limit_ms FROM actions \
                     WHERE done_ms IS NULL ORDER BY id";
        let rows = sqlx::query(query).fetch_all(&self.pool).await.map_err(read)?;
        let open = |row: &SqliteRow| {
            let action = Action {
                address: address(row, "address")?,
                service: row.get("service"),
                word: row.get("word"),
                vendor_id: row.get("vendor_id"),
                before: row.get("before"),
                by: row.get("by_whom"),
                at: Timestamp(row.get("at_ms")),
                limit: Millis(row.get("limit_ms")),
            };
            Some(OpenAction { id: row.get("id"), run: row.get("run"), action })
        };
        Ok(rows.iter().filter_map(open).collect())
    }
}
