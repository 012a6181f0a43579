//! What is known of the power of servers that manifests manage: since when a timetable is followed, what holds in its place.

use std::collections::BTreeMap;

use super::resources::{Ledger, StoreError, address, from_json};
use super::sql::{Row, SqliteRow};
use amarre_core::model::instance::PowerFacts;
use amarre_core::model::power::Power;
use amarre_core::model::{Address, Timestamp};

impl Ledger {
    pub(crate) async fn power(&self) -> Result<BTreeMap<Address, PowerFacts>, StoreError> {
        let query = "SELECT power.address, power.facts, applied.fields, applied.at_ms FROM power \
                     LEFT JOIN applied ON applied.address = power.address";
        let facts = |row: &SqliteRow| {
            // Facts that cannot be read are none: then nothing is started or stopped before the next tick.
            let facts: PowerFacts = serde_json::from_str(row.get("facts")).ok()?;
            let fields = row.get::<Option<&str>, _>("fields").map(from_json);
            let power = fields.and_then(|fields| Power::parse(fields.text("power")?));
            let written = power.zip(row.get::<Option<i64>, _>("at_ms").map(Timestamp));
            Some((address(row, "address")?, PowerFacts { written, ..facts }))
        };
        self.collect(query, &[], facts).await
    }

    /// Stores what a look found; what is not named is forgotten.
    pub async fn note_power(&self, power: &BTreeMap<Address, PowerFacts>) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        transaction.run("DELETE FROM power", &[]).await?;
        for (address, facts) in power {
            let query = "INSERT INTO power (address, facts) VALUES (?, ?)";
            transaction.run(query, &[&address.to_string(), &serde_json::to_string(facts).unwrap_or_default()]).await?;
        }
        transaction.commit().await
    }
}
