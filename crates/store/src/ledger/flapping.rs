//! Written fields and whether they stayed, so that flapping is remembered over restarts.

use std::collections::BTreeMap;

use super::resources::{Ledger, StoreError};
use super::sql::{LedgerTransaction, Row, SqliteRow};
use amarre_core::model::flapping;
use amarre_core::model::flapping::{Flap, ITSELF};
use amarre_core::model::{Address, Change, FieldName, Fields, Timestamp, Verb};

/// By address, then by field.
pub type Flaps = BTreeMap<Address, BTreeMap<String, Flap>>;

impl Ledger {
    /// Fields written recently, and those that are left alone.
    pub(crate) async fn flaps(&self) -> Result<Flaps, StoreError> {
        let rows = self.rows("SELECT * FROM flaps", &[]).await?;
        let mut flaps = Flaps::new();
        for row in &rows {
            let Ok(address) = row.get::<String, _>("address").parse::<Address>() else { continue };
            flaps.entry(address).or_default().insert(row.get("field"), flap_of(row));
        }
        Ok(flaps)
    }

    /// Stores the findings of a pass: `None` = nothing is left to remember.
    pub async fn note_flaps(&self, seen: &[(Address, String, Option<Flap>)]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for (address, field, flap) in seen {
            match flap {
                Some(flap) => store(&mut transaction, address, field, flap).await?,
                None => {
                    let query = "DELETE FROM flaps WHERE address = ? AND field = ?";
                    transaction.run(query, &[&address.to_string(), &field]).await?;
                }
            }
        }
        transaction.commit().await
    }

    /// A person asks for a service: none of its fields is left alone any longer.
    pub async fn forget_flaps(&self, service: &str) -> Result<(), StoreError> {
        self.run("DELETE FROM flaps WHERE service = ?", &[&service]).await
    }

    /// A person asks for everything: fields that did not stay are retried; flapping ones are not.
    pub async fn retry_flaps(&self) -> Result<(), StoreError> {
        self.run("UPDATE flaps SET unseen = 0 WHERE unseen > 0", &[]).await
    }

    /// Times in the future came from a wrong clock: their waits begin now.
    pub async fn date_back(&self, now: Timestamp) -> Result<(), StoreError> {
        for query in [
            "UPDATE intents SET at_ms = ?1 WHERE done_ms IS NULL AND at_ms > ?1",
            "UPDATE unpublished SET at_ms = ?1 WHERE at_ms > ?1",
            "UPDATE repointed SET at_ms = ?1 WHERE at_ms > ?1",
        ] {
            self.run(query, &[&now.0]).await?;
        }
        Ok(())
    }
}

/// Counts a change; `before` is what was applied until then, `written` what was written if it is not all of the change. A step
/// on the way to what is wanted counts when it is taken once more.
pub(crate) async fn note_writes(
    transaction: &mut LedgerTransaction,
    change: &Change,
    before: &Fields,
    written: Option<&Fields>,
    run: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let revision = transaction.row("SELECT revision FROM runs WHERE id = ?", &[&run]).await?;
    let revision: String = revision.map(|row| row.get("revision")).unwrap_or_default();
    let writes: Vec<(String, String, bool)> = match &change.verb {
        Verb::Create(_) | Verb::Delete => vec![(ITSELF.to_owned(), change.action().to_owned(), false)],
        Verb::Update(fields) => {
            let other = |name: &str, value| before.get(name) != Some(value);
            let row =
                |(name, value): (&FieldName, _)| (name.to_string(), flapping::digest(name, value), other(name, value));
            let counts = |(name, value): &(&FieldName, _)| fields.get(name) == Some(*value) || !other(name, value);
            written.unwrap_or(fields).iter().filter(counts).map(row).collect()
        }
    };
    for (field, wanted, is_other) in writes {
        let query = "SELECT * FROM flaps WHERE address = ? AND field = ?";
        let known = transaction.row(query, &[&change.address.to_string(), &field]).await?;
        let known = known.as_ref().map(flap_of).filter(|known| field != ITSELF || known.wanted == wanted);
        let row = Flap { service: change.service.clone(), wanted, revision: revision.clone(), ..Flap::default() };
        let flap = Flap::written(known, &field, row, is_other, now);
        store(transaction, &change.address, &field, &flap).await?;
    }
    Ok(())
}

async fn store(
    transaction: &mut LedgerTransaction,
    address: &Address,
    field: &str,
    flap: &Flap,
) -> Result<(), StoreError> {
    let query = "INSERT OR REPLACE INTO flaps (address, field, service, wanted, revision, writes, unseen, since_ms, calm_ms) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let writes: Vec<i64> = flap.writes.iter().map(|at| at.0).collect();
    let Flap { service, wanted, revision, unseen, .. } = flap;
    let writes = serde_json::to_string(&writes).unwrap_or_default();
    let (since, calm) = (flap.since.map(|at| at.0), flap.calm.map(|at| at.0));
    let address = address.to_string();
    transaction.run(query, &[&address, &field, service, wanted, revision, &writes, unseen, &since, &calm]).await
}

fn flap_of(row: &SqliteRow) -> Flap {
    let writes: Vec<i64> = serde_json::from_str(&row.get::<String, _>("writes")).unwrap_or_default();
    Flap {
        service: row.get("service"),
        wanted: row.get("wanted"),
        revision: row.get("revision"),
        writes: writes.into_iter().map(Timestamp).collect(),
        unseen: u32::try_from(row.get::<i64, _>("unseen")).unwrap_or(0),
        since: row.get::<Option<i64>, _>("since_ms").map(Timestamp),
        calm: row.get::<Option<i64>, _>("calm_ms").map(Timestamp),
    }
}
