//! Adopted and released resources.

use std::collections::BTreeMap;

use super::resources::{Ledger, StoreError, delete_owned, record_owned};
use super::runs::{Event, record};
use super::sql::{Row, SqliteRow};
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
        transaction.run("DELETE FROM released WHERE address = ?", &[&address.to_string()]).await?;
        record_owned(&mut transaction, address, row, run, now).await?;
        record(&mut transaction, &ownership_event(address, &row.service, "adopted", run, by, now)).await?;
        transaction.commit().await
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
        let query = "INSERT OR REPLACE INTO released (address, vendor_id, by_whom, at_ms) VALUES (?, ?, ?, ?)";
        transaction.run(query, &[&address.to_string(), &vendor_id, &by, &now.0]).await?;
        delete_owned(&mut transaction, address).await?;
        record(&mut transaction, &ownership_event(address, service, "released", run, by, now)).await?;
        transaction.commit().await
    }

    /// When a resource of ours was written last.
    pub async fn written_at(&self, address: &Address) -> Result<Option<Timestamp>, StoreError> {
        let query = "SELECT at_ms FROM applied WHERE address = ?";
        Ok(self.row(query, &[&address.to_string()]).await?.map(|row| Timestamp(row.get("at_ms"))))
    }

    /// The released resources, each with its vendor's id.
    pub async fn released(&self) -> Result<BTreeMap<Address, String>, StoreError> {
        let pair = |row: &SqliteRow| Some((row.get::<String, _>("address").parse().ok()?, row.get("vendor_id")));
        self.collect("SELECT address, vendor_id FROM released", &[], pair).await
    }

    /// Forgets released resources that are gone.
    pub async fn forget_released(&self, addresses: &[Address]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for address in addresses {
            transaction.run("DELETE FROM released WHERE address = ?", &[&address.to_string()]).await?;
        }
        transaction.commit().await
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
