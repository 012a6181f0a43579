//! What is known of the power of servers that manifests manage: since when a timetable is followed, what holds in its place.

use std::collections::BTreeMap;

use sqlx::Row;

use super::resources::{Ledger, StoreError, address, read, written};
use amarre_core::model::Address;
use amarre_core::model::instance::PowerFacts;

impl Ledger {
    pub(crate) async fn power(&self) -> Result<BTreeMap<Address, PowerFacts>, StoreError> {
        let rows = sqlx::query("SELECT address, facts FROM power").fetch_all(&self.pool).await.map_err(read)?;
        // Facts that cannot be read are none: then nothing is started or stopped before the next tick.
        let facts = |text: String| serde_json::from_str(&text).ok();
        Ok(rows.iter().filter_map(|row| Some((address(row, "address")?, facts(row.get("facts"))?))).collect())
    }

    /// Stores what a look found; what is not named is forgotten.
    pub async fn note_power(&self, power: &BTreeMap<Address, PowerFacts>) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::query("DELETE FROM power").execute(&mut *transaction).await.map_err(written)?;
        for (address, facts) in power {
            let query = sqlx::query("INSERT INTO power (address, facts) VALUES (?, ?)");
            let query = query.bind(address.to_string()).bind(serde_json::to_string(facts).unwrap_or_default());
            query.execute(&mut *transaction).await.map_err(written)?;
        }
        transaction.commit().await.map_err(written)
    }
}
