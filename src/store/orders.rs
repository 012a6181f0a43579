//! Certificates that were asked for, for the limits of Let's Encrypt.

use sqlx::{Row, Sqlite, Transaction};

use super::ledger::{Ledger, StoreError, address, read, written};
use crate::model::world::{Order, Ordered};
use crate::model::{Change, Millis, Timestamp};

/// No limit looks farther back than a week; kept a little longer, for people.
const KEPT: Millis = Millis::minutes(30 * 24 * 60);

/// Written down before the call leaves.
pub(super) async fn begin(
    transaction: &mut Transaction<'_, Sqlite>,
    intent: i64,
    change: &Change,
    now: Timestamp,
) -> Result<(), StoreError> {
    if !change.is_order() {
        return Ok(());
    }
    sqlx::query("INSERT INTO orders (intent, address, at_ms) VALUES (?, ?, ?)")
        .bind(intent)
        .bind(change.address.to_string())
        .bind(now.0)
        .execute(&mut **transaction)
        .await
        .map_err(written)?;
    sqlx::query("DELETE FROM orders WHERE at_ms < ?")
        .bind(now.0 - KEPT.0)
        .execute(&mut **transaction)
        .await
        .map_err(written)?;
    Ok(())
}

/// What became of one.
pub(super) async fn end(
    transaction: &mut Transaction<'_, Sqlite>,
    intent: i64,
    outcome: &str,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE orders SET outcome = ? WHERE intent = ?")
        .bind(outcome)
        .bind(intent)
        .execute(&mut **transaction)
        .await
        .map_err(written)?;
    Ok(())
}

impl Ledger {
    /// Those that Let's Encrypt knows of, or may.
    pub(super) async fn orders(&self) -> Result<Vec<Order>, StoreError> {
        let query = "SELECT address, at_ms, outcome FROM orders WHERE outcome IS NOT 'nothing' ORDER BY at_ms, intent";
        let rows = sqlx::query(query).fetch_all(&self.pool).await.map_err(read)?;
        let order = |row: &sqlx::sqlite::SqliteRow| {
            let outcome = match row.get::<Option<String>, _>("outcome").as_deref() {
                Some("issued") => Ordered::Issued,
                Some("failed") => Ordered::Failed,
                Some(_) | None => Ordered::Unknown,
            };
            Some(Order { certificate: address(row, "address")?, at: Timestamp(row.get("at_ms")), outcome })
        };
        Ok(rows.iter().filter_map(order).collect())
    }
}
