//! What a new manifest must not get: names of deleted services and folders that containers could write to, by its name
//! alone; and what NPM's and Amarre's own containers have.

use std::collections::BTreeMap;

use sqlx::Row;

use super::resources::{Ledger, StoreError, provider, read, written};
use amarre_core::model::folders::Reserved;
use amarre_core::model::world::Retired;
use amarre_core::model::{ProviderId, Timestamp};

impl Ledger {
    /// Stores retired names, and deletes those with `None`.
    pub async fn retire(&self, names: &BTreeMap<String, Option<Retired>>) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for (service, retired) in names {
            let query = match retired {
                Some(retired) => {
                    sqlx::query("INSERT OR REPLACE INTO retired (service, at_ms, is_over) VALUES (?, ?, ?)")
                        .bind(service)
                        .bind(retired.at.0)
                        .bind(retired.is_over)
                }
                None => sqlx::query("DELETE FROM retired WHERE service = ?").bind(service),
            };
            query.execute(&mut *transaction).await.map_err(written)?;
        }
        transaction.commit().await.map_err(written)
    }

    /// The retired names.
    pub async fn retired(&self) -> Result<BTreeMap<String, Retired>, StoreError> {
        let rows = sqlx::query("SELECT service, at_ms, is_over FROM retired").fetch_all(&self.pool).await;
        let retired = |row: &sqlx::sqlite::SqliteRow| {
            (row.get("service"), Retired { at: Timestamp(row.get("at_ms")), is_over: row.get("is_over") })
        };
        Ok(rows.map_err(read)?.iter().map(retired).collect())
    }

    /// Stores folders that containers can write to, each with whether anything is in it.
    pub async fn note_written_folders(
        &self,
        folders: &BTreeMap<(ProviderId, String), bool>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let note = "INSERT INTO written_folders (provider, path, at_ms, is_filled) VALUES (?, ?, ?, ?)
             ON CONFLICT (provider, path) DO UPDATE SET is_filled = max(is_filled, excluded.is_filled)";
        let mut transaction = self.begin().await?;
        for ((provider, path), is_filled) in folders {
            sqlx::query(note)
                .bind(provider.as_str())
                .bind(path)
                .bind(now.0)
                .bind(is_filled)
                .execute(&mut *transaction)
                .await
                .map_err(written)?;
        }
        transaction.commit().await.map_err(written)
    }

    /// Folders that containers could ever write to, by engine, with whether anything was ever seen in each.
    pub async fn written_folders(&self) -> Result<BTreeMap<ProviderId, BTreeMap<String, bool>>, StoreError> {
        let rows = sqlx::query("SELECT provider, path, is_filled FROM written_folders").fetch_all(&self.pool).await;
        let mut folders: BTreeMap<ProviderId, BTreeMap<String, bool>> = BTreeMap::new();
        for row in &rows.map_err(read)? {
            if let Some(provider) = provider(row) {
                folders.entry(provider).or_default().insert(row.get("path"), row.get("is_filled"));
            }
        }
        Ok(folders)
    }

    /// Stores what NPM's and Amarre's own containers have on an engine.
    pub async fn note_reserved(&self, provider: &ProviderId, reserved: &[Reserved]) -> Result<(), StoreError> {
        let content = serde_json::to_string(reserved).unwrap_or_default();
        sqlx::query("INSERT OR REPLACE INTO reserved (provider, content) VALUES (?, ?)")
            .bind(provider.as_str())
            .bind(content)
            .execute(&self.pool)
            .await
            .map_err(written)?;
        Ok(())
    }

    /// What NPM's and Amarre's own containers had, by engine.
    pub async fn reserved(&self) -> Result<BTreeMap<ProviderId, Vec<Reserved>>, StoreError> {
        let rows = sqlx::query("SELECT provider, content FROM reserved").fetch_all(&self.pool).await;
        let of = |row: &sqlx::sqlite::SqliteRow| {
            let reserved = serde_json::from_str(&row.get::<String, _>("content")).ok()?;
            Some((ProviderId::from(row.get::<String, _>("provider")), reserved))
        };
        Ok(rows.map_err(read)?.iter().filter_map(of).collect())
    }
}
