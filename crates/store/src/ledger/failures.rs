//! Verdicts about generations, and the last failed one of each container for people: why, how often, its last lines. Plans
//! depend on the verdicts only.

use std::collections::BTreeMap;

use super::resources::{Ledger, StoreError, from_json, to_json};
use super::sql::{Params, Row, SqliteRow};
use amarre_core::model::world::{Failure, Good};
use amarre_core::model::{Address, Timestamp};

/// The largest number of containers; the oldest go.
const FAILURES_KEPT: i64 = 500;

/// A generation that did not become ready, exited, or restarts over and over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFailure {
    /// The container, without its generation.
    pub container: Address,
    pub service: String,
    pub generation: String,
    /// The engine's id of the instance.
    pub vendor_id: String,
    pub image: String,
    /// The observed state.
    pub why: String,
    /// Its last exit code, if any.
    pub exit_code: Option<i64>,
    /// How often Docker had restarted it.
    pub restarts: i64,
    /// How many instances of this generation failed.
    pub tries: i64,
    /// When the first of them was found.
    pub first: Timestamp,
    /// When this one was found.
    pub at: Timestamp,
    pub run: i64,
    /// Its last lines, the oldest first, secrets hidden.
    pub log: Vec<String>,
    /// Why there are none; empty when there are.
    pub log_note: String,
}

impl Ledger {
    /// The last failure of each container, by address without generation.
    pub async fn last_failures(&self) -> Result<BTreeMap<Address, LastFailure>, StoreError> {
        let query = "SELECT container, service, generation, vendor_id, image, why, exit_code, restarts, tries, first_ms, \
                     at_ms, run, log, log_note FROM last_failures";
        let failure = |row: &SqliteRow| {
            let container: Address = row.get::<String, _>("container").parse().ok()?;
            let failure = LastFailure {
                container: container.clone(),
                service: row.get("service"),
                generation: row.get("generation"),
                vendor_id: row.get("vendor_id"),
                image: row.get("image"),
                why: row.get("why"),
                exit_code: row.get("exit_code"),
                restarts: row.get("restarts"),
                tries: row.get("tries"),
                first: Timestamp(row.get("first_ms")),
                at: Timestamp(row.get("at_ms")),
                run: row.get("run"),
                log: serde_json::from_str(&row.get::<String, _>("log")).unwrap_or_default(),
                log_note: row.get("log_note"),
            };
            Some((container, failure))
        };
        self.collect(query, &[], failure).await
    }

    /// Stores failures, each in place of the previous one of its container.
    pub async fn set_last_failures(&self, failures: &[LastFailure]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let query = "INSERT OR REPLACE INTO last_failures (container, service, generation, vendor_id, image, why, exit_code, \
                     restarts, tries, first_ms, at_ms, run, log, log_note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        for failure in failures {
            let LastFailure { service, generation, vendor_id, image, why, exit_code, restarts, tries, .. } = failure;
            let LastFailure { container, first, at, run, log, log_note, .. } = failure;
            let (container, log) = (container.to_string(), serde_json::to_string(log).unwrap_or_default());
            let params: Params<'_> = &[
                &container, service, generation, vendor_id, image, why, exit_code, restarts, tries, &first.0, &at.0,
                run, &log, log_note,
            ];
            transaction.run(query, params).await?;
        }
        let query = "DELETE FROM last_failures WHERE container NOT IN \
                     (SELECT container FROM last_failures ORDER BY at_ms DESC LIMIT ?)";
        transaction.run(query, &[&FAILURES_KEPT]).await?;
        transaction.commit().await
    }

    /// Stores verdicts about generations, and about the images that we pulled for them.
    pub async fn judge(&self, failed: &[Failure], good: &[Good], now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for failure in failed {
            let query = "INSERT OR REPLACE INTO failed (address, inputs, why, at_ms) VALUES (?, ?, ?, ?)";
            transaction.run(query, &[&failure.address.to_string(), &failure.inputs, &failure.why, &now.0]).await?;
            let query = "SELECT fields FROM applied WHERE address = ?";
            let row = transaction.row(query, &[&failure.address.to_string()]).await?;
            let Some(fields) = row.map(|row| from_json(&row.get::<String, _>("fields"))) else { continue };
            // With another manifest the same image may have worked: that stays known.
            let query = "UPDATE pulled SET ready = 0 WHERE provider = ? AND reference = ? AND ready IS NULL";
            transaction.run(query, &[&failure.address.provider.as_str(), &fields.text("image")]).await?;
        }
        for good in good {
            let query = "INSERT OR REPLACE INTO last_good (base, generation, fields, at_ms) VALUES (?, ?, ?, ?)";
            transaction.run(query, &[&good.base.to_string(), &good.generation, &to_json(&good.fields), &now.0]).await?;
            let query = "UPDATE pulled SET ready = 1 WHERE provider = ? AND reference = ?";
            transaction.run(query, &[&good.base.provider.as_str(), &good.fields.text("image")]).await?;
        }
        transaction.commit().await
    }

    /// Forgets failed generations of these containers, so that they are tried once more. The stored failures stay, for
    /// people may still ask.
    pub async fn clear_failure(&self, containers: &[Address]) -> Result<u64, StoreError> {
        let mut transaction = self.begin().await?;
        let mut forgotten = 0;
        for container in containers {
            let query = "DELETE FROM failed WHERE substr(address, 1, length(?1) + 1) = ?1 || '@'";
            forgotten += transaction.change(query, &[&container.base().to_string()]).await?;
        }
        transaction.commit().await?;
        Ok(forgotten)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amarre_core::model::{Fields, Value};

    #[tokio::test]
    async fn the_last_failure_of_each_container_is_kept_until_it_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("amarre.db")).await.unwrap();
        let address: Address = "docker/container/web-app@aaaa".parse().unwrap();
        let failure = |generation: &str, at: i64| LastFailure {
            container: address.base(),
            service: "web".to_owned(),
            generation: generation.to_owned(),
            vendor_id: "1".to_owned(),
            image: "web:2".to_owned(),
            why: "exited with code 3".to_owned(),
            exit_code: Some(3),
            restarts: 2,
            tries: 1,
            first: Timestamp(1),
            at: Timestamp(at),
            run: 1,
            log: vec!["one".to_owned(), "two \"quoted\"".to_owned()],
            log_note: String::new(),
        };
        ledger.set_last_failures(&[failure("aaaa", 2)]).await.unwrap();
        ledger.set_last_failures(&[failure("bbbb", 3)]).await.unwrap();
        let kept = ledger.last_failures().await.unwrap();
        assert_eq!(kept.values().collect::<Vec<_>>(), [&failure("bbbb", 3)]);

        let failed = |address: &str| Failure {
            address: address.parse().unwrap(),
            inputs: "x".to_owned(),
            why: "exited".to_owned(),
        };
        let others = "docker/container/web-app-two@aaaa";
        let both = [failed("docker/container/web-app@aaaa"), failed(others)];
        ledger.judge(&both, &[], Timestamp(4)).await.unwrap();
        assert_eq!(ledger.clear_failure(&[address.base()]).await.unwrap(), 1);
        let facts = ledger.facts().await.unwrap();
        assert_eq!(facts.failed.keys().map(|address| address.to_string()).collect::<Vec<_>>(), [others]);
        assert_eq!(ledger.last_failures().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn an_image_that_was_ready_once_stays_known_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("amarre.db")).await.unwrap();
        let address: Address = "docker/container/web@aaaa".parse().unwrap();
        let fields = Fields::default().with("image", Value::text("web:2"));
        let query =
            "INSERT INTO pulled (provider, id, reference, service, at_ms) VALUES ('docker', 'one', 'web:2', 'web', 1)";
        ledger.run(query, &[]).await.unwrap();
        let query =
            "INSERT INTO applied (address, service, vendor_id, fields, run, at_ms) VALUES (?, 'web', '', ?, 1, 1)";
        ledger.run(query, &[&address.to_string(), &to_json(&fields)]).await.unwrap();
        let ready = async || ledger.facts().await.unwrap().pulled[0].ready;
        assert_eq!(ready().await, None);
        let failed = [Failure { address: address.clone(), inputs: "x".to_owned(), why: "exited".to_owned() }];
        ledger.judge(&failed, &[], Timestamp(2)).await.unwrap();
        assert_eq!(ready().await, Some(false));
        let good = [Good { base: address.base(), generation: "aaaa".to_owned(), fields }];
        ledger.judge(&[], &good, Timestamp(3)).await.unwrap();
        ledger.judge(&failed, &[], Timestamp(4)).await.unwrap();
        assert_eq!(ready().await, Some(true));
    }
}
