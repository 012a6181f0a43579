//! What was told to whom.

use sqlx::Row;

use super::resources::{Ledger, StoreError, read, written};
use amarre_core::model::Timestamp;

/// Something that was told and is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldRow {
    /// What: `attention/photos`.
    pub trouble: String,
    /// With which code; empty without one.
    pub code: String,
    /// In which words.
    pub text: String,
    /// When.
    pub at: Timestamp,
}

impl Ledger {
    /// What a channel was told of that is not over.
    pub async fn told(&self, channel: &str) -> Result<Vec<ToldRow>, StoreError> {
        let query = sqlx::query("SELECT * FROM told WHERE channel = ? ORDER BY trouble").bind(channel);
        let rows = query.fetch_all(&self.pool).await.map_err(read)?;
        let told = |row: &sqlx::sqlite::SqliteRow| ToldRow {
            trouble: row.get("trouble"),
            code: row.get("code"),
            text: row.get("text"),
            at: Timestamp(row.get("at_ms")),
        };
        Ok(rows.iter().map(told).collect())
    }

    /// A channel was told: of these, and that those are over. `event`: the last one that it was told of.
    pub async fn tell(
        &self,
        channel: &str,
        told: &[ToldRow],
        over: &[String],
        event: Option<i64>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for row in told {
            let insert = "INSERT OR REPLACE INTO told (channel, trouble, code, text, at_ms) VALUES (?, ?, ?, ?, ?)";
            let insert = sqlx::query(insert).bind(channel).bind(&row.trouble).bind(&row.code).bind(&row.text);
            insert.bind(row.at.0).execute(&mut *transaction).await.map_err(written)?;
        }
        for trouble in over {
            let delete = sqlx::query("DELETE FROM told WHERE channel = ? AND trouble = ?").bind(channel).bind(trouble);
            delete.execute(&mut *transaction).await.map_err(written)?;
        }
        if let Some(event) = event {
            let insert = sqlx::query("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)");
            let insert = insert.bind(format!("told {channel}")).bind(event.to_string());
            insert.execute(&mut *transaction).await.map_err(written)?;
        }
        transaction.commit().await.map_err(written)
    }

    /// The last event that a channel was told of.
    pub async fn told_to(&self, channel: &str) -> Result<Option<i64>, StoreError> {
        Ok(self.meta(&format!("told {channel}")).await?.and_then(|text| text.parse().ok()))
    }
}
