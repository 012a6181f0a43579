//! What people say is ours, and what is not any more.

use std::collections::BTreeMap;

use sqlx::Row;

use super::resources::{Ledger, StoreError, disown, own, read, written};
use super::runs::{Event, record};
use amarre_core::model::world::Applied;
use amarre_core::model::{Address, Timestamp};

impl Ledger {
    /// Takes something over that was there already. It is ours by this row until its mark is written.
    pub async fn adopt(
        &self,
        address: &Address,
        row: &Applied,
        run: i64,
        by: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::query("DELETE FROM released WHERE address = ?")
            .bind(address.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(written)?;
        own(&mut transaction, address, row, run, now).await?;
        record(&mut transaction, &told(address, &row.service, "adopted", (run, by), now)).await?;
        transaction.commit().await.map_err(written)
    }

    /// Gives something of ours out of hand.
    pub async fn release(
        &self,
        address: &Address,
        (service, vendor_id): (&str, &str),
        run: i64,
        by: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::query("INSERT OR REPLACE INTO released (address, vendor_id, by_whom, at_ms) VALUES (?, ?, ?, ?)")
            .bind(address.to_string())
            .bind(vendor_id)
            .bind(by)
            .bind(now.0)
            .execute(&mut *transaction)
            .await
            .map_err(written)?;
        disown(&mut transaction, address).await?;
        record(&mut transaction, &told(address, service, "released", (run, by), now)).await?;
        transaction.commit().await.map_err(written)
    }

    /// When something of ours was written last.
    pub async fn written_at(&self, address: &Address) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query("SELECT at_ms FROM applied WHERE address = ?").bind(address.to_string());
        Ok(row.fetch_optional(&self.pool).await.map_err(read)?.map(|row| Timestamp(row.get("at_ms"))))
    }

    /// What was given out of hand, each with its vendor's id.
    pub async fn released(&self) -> Result<BTreeMap<Address, String>, StoreError> {
        let rows = sqlx::query("SELECT address, vendor_id FROM released").fetch_all(&self.pool).await.map_err(read)?;
        let pair =
            |row: &sqlx::sqlite::SqliteRow| Some((row.get::<String, _>("address").parse().ok()?, row.get("vendor_id")));
        Ok(rows.iter().filter_map(pair).collect())
    }

    /// Forgets what was given out of hand and is not there any more.
    pub async fn forget_released(&self, addresses: &[Address]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for address in addresses {
            sqlx::query("DELETE FROM released WHERE address = ?")
                .bind(address.to_string())
                .execute(&mut *transaction)
                .await
                .map_err(written)?;
        }
        transaction.commit().await.map_err(written)
    }
}

fn told(address: &Address, service: &str, kind: &str, (run, by): (i64, &str), now: Timestamp) -> Event {
    Event {
        at: now,
        run,
        service: service.to_owned(),
        address: Some(address.clone()),
        kind: kind.to_owned(),
        text: format!("by {by}"),
        reason: None,
    }
}
