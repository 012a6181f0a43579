//! What builds of images did and printed, and the digests of the images that they are made from. Bounded; the oldest go first.

use std::collections::BTreeMap;

use super::resources::{Ledger, StoreError};
use super::sql::{AssertSqlSafe, LedgerTransaction, Row, SqliteRow};
use amarre_core::model::base_images::{BaseAnswer, BaseStates, FixedBase};
use amarre_core::model::build_log::BuildLog;
use amarre_core::model::{ProviderId, Timestamp};

/// Builds of one service that are counted.
const BUILDS_KEPT: i64 = 100;
/// Of how many of them the log is kept.
const LOGS_KEPT: i64 = 20;
/// Builds of all services that are kept, also of those that are gone.
const ALL_KEPT: i64 = 2_000;

/// A build that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBuild {
    /// The service that it was for.
    pub service: String,
    pub image: String,
    /// The run that it belongs to; 0: not known.
    pub run: i64,
    pub began: Timestamp,
    /// When it ended, well or not.
    pub ended: Timestamp,
    pub log: BuildLog,
}

fn build(row: &SqliteRow) -> Option<KeptBuild> {
    Some(KeptBuild {
        service: row.get("service"),
        image: row.get("image"),
        run: row.get("run"),
        began: Timestamp(row.get("began_ms")),
        ended: Timestamp(row.get("ended_ms")),
        log: serde_json::from_str(row.get("document")).ok()?,
    })
}

impl Ledger {
    /// Keeps a build, with the digests that it has fixed.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn store_build(&self, build: &KeptBuild, fixed: &BTreeMap<String, FixedBase>) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let query = "INSERT INTO builds (service, image, run, began_ms, ended_ms, document) VALUES (?, ?, ?, ?, ?, ?)";
        let KeptBuild { service, image, run, began, ended, log } = build;
        let log = serde_json::to_string(log).unwrap_or_default();
        transaction.run(query, &[service, image, run, &began.0, &ended.0, &log]).await?;
        let oldest = "(SELECT id FROM builds WHERE service = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
        let logs =
            format!("UPDATE builds SET document = NULL WHERE service = ?1 AND document IS NOT NULL AND id <= {oldest}");
        let rows = format!("DELETE FROM builds WHERE service = ?1 AND id <= {oldest}");
        for (query, kept) in [(logs, LOGS_KEPT), (rows, BUILDS_KEPT)] {
            transaction.run(AssertSqlSafe(query), &[&build.service, &kept]).await?;
        }
        transaction.run("DELETE FROM builds WHERE id <= (SELECT max(id) FROM builds) - ?", &[&ALL_KEPT]).await?;
        fix(&mut transaction, &build.service, fixed).await?;
        transaction.commit().await
    }

    /// The newest build of an image. `None`: its log is not kept.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn build(&self, service: &str, image: &str) -> Result<Option<KeptBuild>, StoreError> {
        let query =
            "SELECT * FROM builds WHERE service = ? AND image = ? AND document IS NOT NULL ORDER BY id DESC LIMIT 1";
        let row = self.row(query, &[&service, &image]).await?;
        Ok(row.as_ref().and_then(build))
    }

    /// When builds began, by service, the oldest first.
    pub(super) async fn build_times(&self) -> Result<BTreeMap<String, Vec<Timestamp>>, StoreError> {
        let mut all: BTreeMap<String, Vec<Timestamp>> = BTreeMap::new();
        for row in self.rows("SELECT service, began_ms FROM builds ORDER BY began_ms", &[]).await? {
            all.entry(row.get("service")).or_default().push(Timestamp(row.get("began_ms")));
        }
        Ok(all)
    }

    /// What is known of the images that services are built from.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn base_states(&self) -> Result<BaseStates, StoreError> {
        let mut states = BaseStates::default();
        for row in self.rows("SELECT service, image, digest, moved FROM fixed_bases", &[]).await? {
            let fixed = FixedBase { digest: row.get("digest"), is_moved: row.get("moved") };
            states.fixed.entry(row.get("service")).or_default().insert(row.get("image"), fixed);
        }
        for row in self.rows("SELECT provider, image, at_ms, digest, error FROM base_answers", &[]).await? {
            let digest: Option<String> = row.get("digest");
            let error: Option<String> = row.get("error");
            let digest = digest.ok_or_else(|| error.unwrap_or_default());
            let key = (ProviderId::from(row.get::<String, _>("provider")), row.get("image"));
            states.answers.insert(key, BaseAnswer { at: Timestamp(row.get("at_ms")), digest });
        }
        Ok(states)
    }

    /// Keeps digests that a person has moved on to.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn fix_bases(&self, service: &str, fixed: &BTreeMap<String, FixedBase>) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        fix(&mut transaction, service, fixed).await?;
        transaction.commit().await
    }

    /// Forgets the digests and the builds of services that are gone.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn forget_bases(&self, services: &[String]) -> Result<(), StoreError> {
        for service in services {
            for query in ["DELETE FROM fixed_bases WHERE service = ?", "DELETE FROM builds WHERE service = ?"] {
                self.run(query, &[&service]).await?;
            }
        }
        Ok(())
    }

    /// Keeps what a registry said.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn store_base_answer(
        &self,
        engine: &ProviderId,
        image: &str,
        answer: &BaseAnswer,
    ) -> Result<(), StoreError> {
        let query = "INSERT INTO base_answers (provider, image, at_ms, digest, error) VALUES (?, ?, ?, ?, ?) \
                     ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms, digest = excluded.digest, error = excluded.error";
        let (digest, error) = (answer.digest.as_ref().ok(), answer.digest.as_ref().err());
        self.run(query, &[&engine.as_str(), &image, &answer.at.0, &digest, &error]).await
    }
}

async fn fix(
    transaction: &mut LedgerTransaction,
    service: &str,
    fixed: &BTreeMap<String, FixedBase>,
) -> Result<(), StoreError> {
    for (image, base) in fixed {
        let query = "INSERT INTO fixed_bases (service, image, digest, moved) VALUES (?, ?, ?, ?) \
                     ON CONFLICT DO UPDATE SET digest = excluded.digest, moved = excluded.moved";
        transaction.run(query, &[&service, &image, &base.digest, &base.is_moved]).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use amarre_core::model::build_log::StepNews;

    #[tokio::test]
    async fn builds_are_kept_with_their_logs_and_digests() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("amarre.db")).await.unwrap();
        let mut log = BuildLog::default();
        log.step(StepNews { id: "1", name: "RUN x", began: Some(Timestamp(5)), ..StepNews::default() });
        log.printed("1", "a line\n");
        log.end(None);
        let build = |number: i64| KeptBuild {
            service: "shop".to_owned(),
            image: format!("amarre/shop:{number}"),
            run: number,
            began: Timestamp(number),
            ended: Timestamp(number + 1),
            log: log.clone(),
        };
        let fixed = FixedBase { digest: "sha256:a".to_owned(), is_moved: false };
        let fixed = BTreeMap::from([("node:24".to_owned(), fixed)]);
        for number in 0..BUILDS_KEPT + 5 {
            ledger.store_build(&build(number), &fixed).await.unwrap();
        }
        let image = |number: i64| format!("amarre/shop:{number}");
        let newest = ledger.build("shop", &image(BUILDS_KEPT + 4)).await.unwrap().unwrap();
        assert_eq!((newest.run, newest.log.steps[0].lines.as_slice()), (BUILDS_KEPT + 4, &["a line".to_owned()][..]));
        assert!(ledger.build("shop", &image(BUILDS_KEPT + 4 - LOGS_KEPT)).await.unwrap().is_none());
        let facts = ledger.facts().await.unwrap();
        let times = &facts.builds["shop"];
        assert_eq!((times.len(), times.first(), times.last()), (100, Some(&Timestamp(5)), Some(&Timestamp(104))));
        let engine = ProviderId::docker("default");
        let away = BaseAnswer { at: Timestamp(9), digest: Err("away".to_owned()) };
        ledger.store_base_answer(&engine, "node:24", &away).await.unwrap();
        let states = ledger.base_states().await.unwrap();
        assert_eq!((&states.fixed["shop"], &states.answers[&(engine, "node:24".to_owned())]), (&fixed, &away));
        ledger.forget_bases(&["shop".to_owned()]).await.unwrap();
        assert!(ledger.base_states().await.unwrap().fixed.is_empty());
    }
}
