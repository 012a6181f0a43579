//! What updates leave behind: since when nothing leads to an old generation any more.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row;

use super::ledger::{Ledger, StoreError, address, read, written};
use crate::model::{Address, Timestamp};

impl Ledger {
    /// Since when nothing leads to each old generation any more.
    pub(super) async fn repointed(&self) -> Result<BTreeMap<Address, Timestamp>, StoreError> {
        let rows = sqlx::query("SELECT address, at_ms FROM repointed").fetch_all(&self.pool).await.map_err(read)?;
        let entry = |row| Some((address(row, "address")?, Timestamp(row.get("at_ms"))));
        Ok(rows.iter().filter_map(entry).collect())
    }

    /// Keeps the old generations to which nothing leads now; who is among them for the first time is so since `now`.
    pub async fn repoint(&self, olds: &BTreeSet<Address>, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let known = sqlx::query("SELECT address FROM repointed").fetch_all(&mut *transaction).await.map_err(read)?;
        let known: BTreeSet<Address> = known.iter().filter_map(|row| address(row, "address")).collect();
        for gone in known.difference(olds) {
            sqlx::query("DELETE FROM repointed WHERE address = ?")
                .bind(gone.to_string())
                .execute(&mut *transaction)
                .await
                .map_err(written)?;
        }
        for new in olds.difference(&known) {
            sqlx::query("INSERT INTO repointed (address, at_ms) VALUES (?, ?)")
                .bind(new.to_string())
                .bind(now.0)
                .execute(&mut *transaction)
                .await
                .map_err(written)?;
        }
        transaction.commit().await.map_err(written)
    }
}
