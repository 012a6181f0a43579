//! What a new manifest must not get: names of deleted services and folders that containers could write to, by its name
//! alone; and what NPM's and Amarre's own containers have.

use std::collections::BTreeMap;

use super::resources::{Ledger, StoreError, provider};
use super::sql::{Row, SqliteRow};
use amarre_core::model::folders::Reserved;
use amarre_core::model::world::Retired;
use amarre_core::model::{ProviderId, Timestamp};

impl Ledger {
    /// Stores retired names, and deletes those with `None`.
    pub async fn retire(&self, names: &BTreeMap<String, Option<Retired>>) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for (service, retired) in names {
            match retired {
                Some(Retired { at, is_over }) => {
                    let query = "INSERT OR REPLACE INTO retired (service, at_ms, is_over) VALUES (?, ?, ?)";
                    transaction.run(query, &[service, &at.0, is_over]).await?;
                }
                None => transaction.run("DELETE FROM retired WHERE service = ?", &[service]).await?,
            }
        }
        transaction.commit().await
    }

    /// The retired names.
    pub async fn retired(&self) -> Result<BTreeMap<String, Retired>, StoreError> {
        let retired = |row: &SqliteRow| {
            let retired = Retired { at: Timestamp(row.get("at_ms")), is_over: row.get("is_over") };
            Some((row.get("service"), retired))
        };
        self.collect("SELECT service, at_ms, is_over FROM retired", &[], retired).await
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
            transaction.run(note, &[&provider.as_str(), &path, &now.0, &is_filled]).await?;
        }
        transaction.commit().await
    }

    /// Folders that containers could ever write to, by engine, with whether anything was ever seen in each.
    pub async fn written_folders(&self) -> Result<BTreeMap<ProviderId, BTreeMap<String, bool>>, StoreError> {
        let mut folders: BTreeMap<ProviderId, BTreeMap<String, bool>> = BTreeMap::new();
        for row in self.rows("SELECT provider, path, is_filled FROM written_folders", &[]).await? {
            if let Some(provider) = provider(&row) {
                folders.entry(provider).or_default().insert(row.get("path"), row.get("is_filled"));
            }
        }
        Ok(folders)
    }

    /// Stores what NPM's and Amarre's own containers have on an engine.
    pub async fn note_reserved(&self, provider: &ProviderId, reserved: &[Reserved]) -> Result<(), StoreError> {
        let content = serde_json::to_string(reserved).unwrap_or_default();
        let query = "INSERT OR REPLACE INTO reserved (provider, content) VALUES (?, ?)";
        self.run(query, &[&provider.as_str(), &content]).await
    }

    /// What NPM's and Amarre's own containers had, by engine.
    pub async fn reserved(&self) -> Result<BTreeMap<ProviderId, Vec<Reserved>>, StoreError> {
        let of = |row: &SqliteRow| {
            let reserved = serde_json::from_str(&row.get::<String, _>("content")).ok()?;
            Some((ProviderId::from(row.get::<String, _>("provider")), reserved))
        };
        self.collect("SELECT provider, content FROM reserved", &[], of).await
    }
}
