//! The manifests with which all containers of a service were healthy, and services that were rolled back to one of
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::good_manifests::{StoredManifest, delete_unused, store_content, stored_asset};
use super::resources::{Ledger, StoreError};
use super::runs::insert_suspension;
use super::sql::{Row, SqliteRow};
use amarre_core::model::world::Suspension;
use amarre_core::model::{Assets, Document, Timestamp};

/// Good manifests kept for each service at least: the effective one and two before it.
const GOOD_KEPT: usize = 3;

/// A manifest with which all containers of its service were healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoodManifest {
    /// Its generations: addresses in order, separated by commas.
    pub generations: String,
    /// The path, as shown.
    pub file: String,
    pub text: String,
    pub revision: String,
    /// When all containers were last healthy with it.
    pub at: Timestamp,
}

/// A rolled-back service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledBack {
    /// The good manifest.
    pub generations: String,
    /// The manifest before the rollback: another one ends it.
    pub manifest: String,
    /// Its containers are there: it is suspended from now on.
    pub done: bool,
}

impl Ledger {
    /// Stores a manifest as good; the oldest of its service go.
    pub async fn store_good(
        &self,
        service: &str,
        generations: &str,
        document: &Document,
        revision: &str,
        kept: usize,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let kept = i64::try_from(kept.max(GOOD_KEPT)).unwrap_or(i64::MAX);
        let mut transaction = self.begin().await?;
        let query = "INSERT OR REPLACE INTO good_manifests (service, generations, file, text, revision, at_ms) \
                     VALUES (?, ?, ?, ?, ?, ?)";
        transaction.run(query, &[&service, &generations, &document.file, &document.text, &revision, &now.0]).await?;
        let old = "DELETE FROM good_assets WHERE service = ? AND generations = ?";
        transaction.run(old, &[&service, &generations]).await?;
        for (path, asset) in &document.assets {
            let Some(bytes) = asset.content() else { continue };
            let content = store_content(&mut transaction, bytes).await?;
            let query =
                "INSERT INTO good_assets (service, generations, path, content, executable) VALUES (?, ?, ?, ?, ?)";
            transaction.run(query, &[&service, &generations, &path, &content, &asset.executable]).await?;
        }
        let too_old = "DELETE FROM good_manifests WHERE service = ?1 AND generations NOT IN \
            (SELECT generations FROM good_manifests WHERE service = ?1 ORDER BY at_ms DESC, rowid DESC LIMIT ?2)";
        transaction.run(too_old, &[&service, &kept]).await?;
        let orphans = "DELETE FROM good_assets WHERE service = ?1 AND generations NOT IN \
            (SELECT generations FROM good_manifests WHERE service = ?1)";
        transaction.run(orphans, &[&service]).await?;
        delete_unused(&mut transaction).await?;
        transaction.commit().await
    }

    /// The good manifests of a service, the newest first.
    pub async fn good_manifests(&self, service: &str) -> Result<Vec<GoodManifest>, StoreError> {
        let query = "SELECT generations, file, text, revision, at_ms FROM good_manifests WHERE service = ? \
                     ORDER BY at_ms DESC, rowid DESC";
        let good = |row: &SqliteRow| GoodManifest {
            generations: row.get("generations"),
            file: row.get("file"),
            text: row.get("text"),
            revision: row.get("revision"),
            at: Timestamp(row.get("at_ms")),
        };
        self.collect(query, &[&service], |row| Some(good(row))).await
    }

    /// Of which generations there is a good manifest, by service.
    pub async fn good_generations(&self) -> Result<Arc<BTreeSet<(String, String)>>, StoreError> {
        self.good_generations.get(&self.pool, self.read_good_generations()).await
    }

    async fn read_good_generations(&self) -> Result<BTreeSet<(String, String)>, StoreError> {
        let pair = |row: &SqliteRow| Some((row.get("service"), row.get("generations")));
        self.collect("SELECT service, generations FROM good_manifests", &[], pair).await
    }

    /// The files of a good manifest.
    pub async fn good_assets(&self, service: &str, generations: &str) -> Result<Assets, StoreError> {
        let query = "SELECT path, executable, bytes FROM good_assets \
                     JOIN contents ON contents.digest = good_assets.content WHERE service = ? AND generations = ?";
        self.collect(query, &[&service, &generations], |row| Some(stored_asset(row))).await
    }

    /// The rolled-back services.
    pub async fn rollbacks(&self) -> Result<BTreeMap<String, RolledBack>, StoreError> {
        let rollback = |row: &SqliteRow| {
            let done = row.get::<i64, _>("done") != 0;
            let rollback = RolledBack { generations: row.get("generations"), manifest: row.get("manifest"), done };
            Some((row.get("service"), rollback))
        };
        self.collect("SELECT service, generations, manifest, done FROM rollbacks", &[], rollback).await
    }

    /// Rolls a service back to a good manifest, and suspends it: both, or neither.
    pub async fn roll_back(
        &self,
        service: &str,
        generations: &str,
        from: &StoredManifest,
        suspension: &Suspension,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        insert_suspension(&mut transaction, service, suspension).await?;
        let query = "INSERT OR REPLACE INTO rollbacks (service, generations, manifest, done) VALUES (?, ?, ?, 0)";
        transaction.run(query, &[&service, &generations, &from.identity()]).await?;
        transaction.commit().await
    }

    /// Stores that the containers of a rollback are there.
    pub async fn rolled_back(&self, service: &str) -> Result<(), StoreError> {
        self.run("UPDATE rollbacks SET done = 1 WHERE service = ?", &[&service]).await
    }
}

#[cfg(test)]
mod tests {
    use amarre_core::model::{Asset, Text};
    use amarre_core::text;

    use super::*;

    #[tokio::test]
    async fn the_latest_good_manifests_are_kept_with_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("amarre.db")).await.unwrap();
        let asset = |text: &str| Asset::of(text.as_bytes(), false);
        let document = |text: &str| Document {
            file: "services/a.yaml".to_owned(),
            text: text.to_owned(),
            assets: Assets::from([("services/x".to_owned(), asset(text))]),
        };
        for (at, name) in [(1, "one"), (2, "two"), (3, "three"), (4, "four"), (5, "two")] {
            ledger.store_good("a", name, &document(name), "abc", 0, Timestamp(at)).await.unwrap();
        }
        let names = async || -> Vec<String> {
            ledger.good_manifests("a").await.unwrap().into_iter().map(|good| good.generations).collect()
        };
        assert_eq!(names().await, ["two", "four", "three"]);
        assert_eq!(ledger.good_assets("a", "four").await.unwrap(), document("four").assets);
        assert_eq!(ledger.good_assets("a", "one").await.unwrap(), Assets::new());

        let suspension = |destroy| Suspension {
            by: "anna".to_owned(),
            why: Text::foreign("x"),
            destroy,
            purge: false,
            at: Timestamp(6),
            until: None,
        };
        let from = StoredManifest::new(&document("two"));
        ledger.roll_back("a", "four", &from, &suspension(false)).await.unwrap();
        ledger.rolled_back("a").await.unwrap();
        let expected = RolledBack { generations: "four".to_owned(), manifest: from.identity(), done: true };
        assert_eq!(ledger.rollbacks().await.unwrap(), BTreeMap::from([("a".to_owned(), expected)]));
        assert!(ledger.resume("a").await.unwrap() && ledger.rollbacks().await.unwrap().is_empty());
        ledger.roll_back("a", "four", &from, &suspension(false)).await.unwrap();
        ledger.suspend("a", &suspension(true)).await.unwrap();
        assert!(ledger.rollbacks().await.unwrap().is_empty() && names().await.is_empty());
        assert_eq!(ledger.good_assets("a", "four").await.unwrap(), Assets::new());
    }

    /// Suspended alone, its containers would never be rolled back.
    #[tokio::test]
    async fn a_rollback_and_its_suspension_are_written_together() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("amarre.db")).await.unwrap();
        let trigger = "CREATE TRIGGER full BEFORE INSERT ON rollbacks BEGIN SELECT RAISE(ABORT, 'disk full'); END";
        ledger.run(trigger, &[]).await.unwrap();
        let (by, why) = ("anna".to_owned(), text!("rolled back to {version}", version = "four"));
        let suspension = Suspension { by, why, destroy: false, purge: false, at: Timestamp(6), until: None };
        let from = StoredManifest::new(&Document { file: String::new(), text: String::new(), assets: Assets::new() });
        let result = ledger.roll_back("a", "four", &from, &suspension).await;
        assert!(result.is_err_and(|error| error.to_string().contains("disk full")));
        assert_eq!(ledger.facts().await.unwrap().suspended, BTreeMap::new());
        assert_eq!(ledger.rollbacks().await.unwrap(), BTreeMap::new());
        ledger.run("DROP TRIGGER full", &[]).await.unwrap();
        ledger.roll_back("a", "four", &from, &suspension).await.unwrap();
        assert_eq!(ledger.facts().await.unwrap().suspended, BTreeMap::from([("a".to_owned(), suspension)]));
    }
}
