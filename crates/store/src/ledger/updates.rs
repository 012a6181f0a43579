//! Traces of updates: since when no host leads to an old generation, and how long containers were away.

use std::collections::{BTreeMap, BTreeSet};

use super::resources::{Ledger, StoreError, address};
use super::sql::{LedgerTransaction, Row, SqliteRow};
use amarre_core::model::plan::Downtime;
use amarre_core::model::world::{Ending, Outage};
use amarre_core::model::{Address, Change, Expect, Kind, Timestamp, Verb};

/// Kept updates of a container: enough for a median, few enough to be recent.
const KEPT: i64 = 5;

impl Ledger {
    /// Since when no host leads to each old generation.
    pub(crate) async fn repointed(&self) -> Result<BTreeMap<Address, Timestamp>, StoreError> {
        let entry = |row: &SqliteRow| Some((address(row, "address")?, Timestamp(row.get("at_ms"))));
        self.collect("SELECT address, at_ms FROM repointed", &[], entry).await
    }

    /// Stores the old generations to which no host leads; a new one among them counts from `now`.
    pub async fn store_repointed(&self, olds: &BTreeSet<Address>, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let known = transaction.rows("SELECT address FROM repointed", &[]).await?;
        let known: BTreeSet<Address> = known.iter().filter_map(|row| address(row, "address")).collect();
        for gone in known.difference(olds) {
            transaction.run("DELETE FROM repointed WHERE address = ?", &[&gone.to_string()]).await?;
        }
        for new in olds.difference(&known) {
            let query = "INSERT INTO repointed (address, at_ms) VALUES (?, ?)";
            transaction.run(query, &[&new.to_string(), &now.0]).await?;
        }
        transaction.commit().await
    }

    /// When each container was away, the newest last.
    pub(crate) async fn away(&self) -> Result<BTreeMap<Address, Vec<Outage>>, StoreError> {
        let query = "SELECT base, service, vendor_id, stopped_ms, ready_ms FROM downtimes ORDER BY id";
        let mut away: BTreeMap<Address, Vec<Outage>> = BTreeMap::new();
        for row in self.rows(query, &[]).await? {
            let Some(base) = address(&row, "base") else { continue };
            away.entry(base).or_default().push(Outage {
                service: row.get("service"),
                vendor_id: row.get("vendor_id"),
                from: Timestamp(row.get("stopped_ms")),
                until: row.get::<Option<i64>, _>("ready_ms").map(Timestamp),
            });
        }
        Ok(away)
    }

    /// Stores the endings of absences.
    pub async fn record_endings(&self, endings: &BTreeMap<Address, Ending>, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for (base, ending) in endings {
            let base = base.to_string();
            let query = match ending {
                Ending::Back => "UPDATE downtimes SET ready_ms = ?2 WHERE base = ?1 AND ready_ms IS NULL",
                Ending::Untold => "DELETE FROM downtimes WHERE base = ?1 AND ready_ms IS NULL",
                Ending::Forgotten => "DELETE FROM downtimes WHERE base = ?1",
            };
            transaction.run(query, &[&base, &now.0]).await?;
            let old = "DELETE FROM downtimes WHERE base = ?1 AND ready_ms IS NOT NULL AND id NOT IN \
                (SELECT id FROM downtimes WHERE base = ?1 AND ready_ms IS NOT NULL ORDER BY id DESC LIMIT ?2)";
            transaction.run(old, &[&base, &KEPT]).await?;
        }
        transaction.commit().await
    }
}

/// A container that is stopped for its successor is away from now on, unless it already is. One that goes before it was
/// ever ready came of a failed update: how long that took is no measure for the next.
pub(crate) async fn mark_away(
    transaction: &mut LedgerTransaction,
    change: &Change,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (Kind::Container, Verb::Delete) = (change.address.kind, &change.verb) else { return Ok(()) };
    let Expect::Unchanged { vendor_id, .. } = &change.expects else { return Ok(()) };
    let base = change.address.base().to_string();
    let query = "DELETE FROM downtimes WHERE base = ? AND ready_ms IS NULL AND vendor_id <> ?";
    transaction.run(query, &[&base, &vendor_id]).await?;
    if change.impact.downtime == Downtime::None {
        return Ok(());
    }
    let query = "INSERT INTO downtimes (base, service, vendor_id, stopped_ms) VALUES (?, ?, ?, ?) \
                 ON CONFLICT (base) WHERE ready_ms IS NULL DO NOTHING";
    transaction.run(query, &[&base, &change.service, &vendor_id, &now.0]).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Intent;
    use amarre_core::model::plan::Impact;
    use amarre_core::model::{Gate, Reason, ReasonCode, Text};

    fn goes(id: &str, downtime: Downtime) -> Change {
        Change {
            address: format!("docker/container/db@{id}").parse().unwrap(),
            service: "db".to_owned(),
            verb: Verb::Delete,
            diff: Vec::new(),
            because: Reason { code: ReasonCode::DependencyReplaced, text: Text::default(), origin: None },
            impact: Impact { downtime, exposes: Vec::new() },
            expects: Expect::Unchanged { vendor_id: id.to_owned(), fields: String::new() },
            gate: Gate::Now,
        }
    }

    #[tokio::test]
    async fn the_last_five_lengths_of_a_container_are_kept_and_one_is_open_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("amarre.db")).await.unwrap();
        let base: Address = "docker/container/db".parse().unwrap();
        let intend = async |id: &str, downtime: Downtime, at: i64| {
            let change = goes(id, downtime);
            let intent = Intent { run: 1, change: &change, publishes: None };
            ledger.intent(&intent, Timestamp(at)).await.unwrap();
        };
        let note = async |ending: Ending, at: i64| {
            ledger.record_endings(&BTreeMap::from([(base.clone(), ending)]), Timestamp(at)).await.unwrap();
        };
        let known = async || -> Vec<(i64, Option<i64>)> {
            let away = ledger.away().await.unwrap().remove(&base).unwrap_or_default();
            away.iter().map(|away| (away.from.0, away.until.map(|until| until.0))).collect()
        };
        for n in 1..=7 {
            intend(&n.to_string(), Downtime::Some, n * 100).await;
            note(Ending::Back, n * 100 + n).await;
        }
        let five: Vec<(i64, Option<i64>)> = (3..=7).map(|n| (n * 100, Some(n * 100 + n))).collect();
        assert_eq!(known().await, five);

        // Retried after an error: away since the first try.
        intend("8", Downtime::Some, 800).await;
        intend("8", Downtime::Some, 850).await;
        assert_eq!(known().await.last(), Some(&(800, None)));
        // Its successor is stopped before it was ready: away since then. A reverted one is no measure.
        intend("9", Downtime::Some, 900).await;
        assert_eq!(known().await.last(), Some(&(900, None)));
        intend("10", Downtime::None, 950).await;
        assert_eq!(known().await, five);

        intend("11", Downtime::Some, 1100).await;
        note(Ending::Untold, 1200).await;
        assert_eq!(known().await, five);
        note(Ending::Forgotten, 1300).await;
        assert_eq!(known().await, []);
    }
}
