//! Adopted and released resources.

use std::collections::BTreeMap;

use sqlx::Row;

use super::resources::{Ledger, StoreError, delete_owned, read, record_owned, written};
use super::runs::{Event, record};
use amarre_core::model::world::Applied;
use amarre_core::model::{Address, Timestamp};
use amarre_core::text;

impl Ledger {
    /// Adopts an existing resource. This row makes it ours until its mark is written.
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
        record_owned(&mut transaction, address, row, run, now).await?;
        record(&mut transaction, &ownership_event(address, &row.service, "adopted", run, by, now)).await?;
        transaction.commit().await.map_err(written)
    }

    /// Releases a resource.
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
        delete_owned(&mut transaction, address).await?;
        record(&mut transaction, &ownership_event(address, service, "released", run, by, now)).await?;
        transaction.commit().await.map_err(written)
    }

    /// When a resource of ours was written last.
    pub async fn written_at(&self, address: &Address) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query("SELECT at_ms FROM applied WHERE address = ?").bind(address.to_string());
        Ok(row.fetch_optional(&self.pool).await.map_err(read)?.map(|row| Timestamp(row.get("at_ms"))))
    }

    /// The released resources, each with its vendor's id.
    pub async fn released(&self) -> Result<BTreeMap<Address, String>, StoreError> {
        let rows = sqlx::query("SELECT address, vendor_id FROM released").fetch_all(&self.pool).await.map_err(read)?;
        let pair =
            |row: &sqlx::sqlite::SqliteRow| Some((row.get::<String, _>("address").parse().ok()?, row.get("vendor_id")));
        Ok(rows.iter().filter_map(pair).collect())
    }

    /// Forgets released resources that are gone.
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

fn ownership_event(address: &Address, service: &str, kind: &str, run: i64, by: &str, now: Timestamp) -> Event {
    Event {
        at: now,
        run,
        service: service.to_owned(),
        address: Some(address.clone()),
        kind: kind.to_owned(),
        text: text!("by {by}", by),
        reason: None,
    }
}
