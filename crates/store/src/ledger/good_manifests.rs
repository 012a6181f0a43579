//! The last good manifests and their files: so that a broken or unreachable source still converges.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::resources::{Ledger, StoreError};
use super::sql::{LedgerTransaction, Row, SqliteRow};
use amarre_core::model::{Asset, Assets, Bundle, BundleFile, Document, Payloads};

/// A stored manifest: its files by digest of their content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    /// The path, as shown.
    pub file: String,
    pub text: String,
    /// Digest and executable bit, by path.
    pub assets: BTreeMap<String, (String, bool)>,
}

impl StoredManifest {
    /// A document in the form of the ledger.
    pub fn new(document: &Document) -> Self {
        let known =
            |(path, asset): (&String, &Asset)| Some((path.clone(), (digest(asset.content()?), asset.executable)));
        let assets = document.assets.iter().filter_map(known).collect();
        Self { file: document.file.clone(), text: document.text.clone(), assets }
    }

    /// Equal for equal manifests, wherever in their files they stand.
    pub fn identity(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.text.trim());
        for (path, (content, executable)) in &self.assets {
            hash.update(format!("\0{path}\0{content}\0{executable}"));
        }
        hex::encode(hash.finalize())
    }

    /// Whether it is this manifest with these files.
    pub fn is(&self, document: &Document) -> bool {
        let known = |asset: &Asset| Some((digest(asset.content()?), asset.executable));
        self.file == document.file
            && self.text == document.text
            && self.assets.len() == document.assets.len()
            && document.assets.iter().all(|(path, asset)| self.assets.get(path) == known(asset).as_ref())
    }
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Ledger {
    /// Stores good manifests with their files, and deletes those of forgotten services.
    pub async fn store_manifests(
        &self,
        good: &BTreeMap<String, Document>,
        forget: &[String],
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for (service, document) in good {
            let query = "INSERT OR REPLACE INTO manifests (service, file, text) VALUES (?, ?, ?)";
            transaction.run(query, &[&service, &document.file, &document.text]).await?;
            transaction.run("DELETE FROM assets WHERE service = ?", &[&service]).await?;
            for (path, asset) in &document.assets {
                let Some(bytes) = asset.content() else { continue };
                let content = store_content(&mut transaction, bytes).await?;
                let query = "INSERT INTO assets (service, path, content, executable) VALUES (?, ?, ?, ?)";
                transaction.run(query, &[&service, &path, &content, &asset.executable]).await?;
            }
        }
        for service in forget {
            let queries = [
                "DELETE FROM manifests WHERE service = ?",
                "DELETE FROM assets WHERE service = ?",
                "DELETE FROM converged WHERE service = ?",
                "DELETE FROM good_manifests WHERE service = ?",
                "DELETE FROM good_assets WHERE service = ?",
            ];
            for query in queries {
                transaction.run(query, &[&service]).await?;
            }
        }
        delete_unused(&mut transaction).await?;
        transaction.commit().await
    }

    /// The last good text of each manifest, by service.
    pub async fn manifests(&self) -> Result<Arc<BTreeMap<String, StoredManifest>>, StoreError> {
        self.manifests.get(&self.pool, self.read_manifests()).await
    }

    async fn read_manifests(&self) -> Result<BTreeMap<String, StoredManifest>, StoreError> {
        let kept = |row: &SqliteRow| {
            let kept = StoredManifest { file: row.get("file"), text: row.get("text"), assets: BTreeMap::new() };
            Some((row.get("service"), kept))
        };
        let mut manifests: BTreeMap<String, StoredManifest> =
            self.collect("SELECT service, file, text FROM manifests", &[], kept).await?;
        for row in self.rows("SELECT service, path, content, executable FROM assets", &[]).await? {
            if let Some(kept) = manifests.get_mut(&row.get::<String, _>("service")) {
                kept.assets.insert(row.get("path"), (row.get("content"), row.get("executable")));
            }
        }
        Ok(manifests)
    }

    /// The files of the last good text of a manifest.
    pub async fn assets(&self, service: &str) -> Result<Assets, StoreError> {
        let query = "SELECT path, executable, bytes FROM assets \
                     JOIN contents ON contents.digest = assets.content WHERE service = ?";
        self.collect(query, &[&service], |row| Some(stored_asset(row))).await
    }

    /// Stores the files copied into containers, and deletes those that `used` does not name.
    pub async fn store_bundles(&self, fresh: &Payloads, used: &BTreeSet<String>) -> Result<(), StoreError> {
        let known = self.bundles().await?;
        let missing: Vec<&Bundle> = fresh.values().filter(|bundle| !known.contains(&bundle.digest)).collect();
        let gone: Vec<&String> = known.iter().filter(|digest| !used.contains(*digest)).collect();
        if missing.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let mut transaction = self.begin().await?;
        for bundle in missing {
            for (path, file) in &bundle.files {
                let content = store_content(&mut transaction, &file.bytes).await?;
                let query = "INSERT OR REPLACE INTO bundles (digest, path, content, executable) VALUES (?, ?, ?, ?)";
                transaction.run(query, &[&bundle.digest, &path, &content, &file.executable]).await?;
            }
        }
        for digest in gone {
            transaction.run("DELETE FROM bundles WHERE digest = ?", &[&digest]).await?;
        }
        delete_unused(&mut transaction).await?;
        transaction.commit().await
    }

    /// The files of a generation; `None` when they are not stored any more.
    pub async fn bundle(&self, digest: &str) -> Result<Option<Bundle>, StoreError> {
        let query = "SELECT path, executable, bytes FROM bundles \
                     JOIN contents ON contents.digest = bundles.content WHERE bundles.digest = ?";
        let file = |row: &SqliteRow| {
            let bytes: Vec<u8> = row.get("bytes");
            Some((row.get("path"), BundleFile { bytes: bytes.into(), executable: row.get("executable") }))
        };
        let bundle = Bundle::new(self.collect(query, &[&digest], file).await?);
        // Damaged content differs from the generation's.
        Ok((bundle.digest == digest).then_some(bundle))
    }

    async fn bundles(&self) -> Result<BTreeSet<String>, StoreError> {
        self.collect("SELECT DISTINCT digest FROM bundles", &[], |row| Some(row.get("digest"))).await
    }
}

/// A file of a manifest, by path.
pub(crate) fn stored_asset(row: &SqliteRow) -> (String, Asset) {
    let bytes: Vec<u8> = row.get("bytes");
    let size = bytes.len() as u64;
    (row.get("path"), Asset { bytes: Ok(bytes.into()), size, executable: row.get("executable") })
}

/// Stores a content once; answers its digest.
pub(crate) async fn store_content(transaction: &mut LedgerTransaction, bytes: &[u8]) -> Result<String, StoreError> {
    let digest = digest(bytes);
    transaction.run("INSERT OR IGNORE INTO contents (digest, bytes) VALUES (?, ?)", &[&digest, &bytes]).await?;
    Ok(digest)
}

/// Deletes unused contents.
pub(crate) async fn delete_unused(transaction: &mut LedgerTransaction) -> Result<(), StoreError> {
    let query = "DELETE FROM contents WHERE digest NOT IN \
        (SELECT content FROM assets UNION SELECT content FROM bundles UNION SELECT content FROM good_assets)";
    transaction.run(query, &[]).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asset(text: &str) -> Asset {
        Asset::of(text.as_bytes(), true)
    }

    #[tokio::test]
    async fn a_manifest_comes_back_with_its_files_and_goes_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("amarre.db")).await.unwrap();
        let document = |text: &str| Document {
            file: "services/a.yaml".to_owned(),
            text: text.to_owned(),
            assets: Assets::from([("services/x".to_owned(), asset("same")), ("services/y".to_owned(), asset(text))]),
        };
        let good = |text: &str| BTreeMap::from([("a".to_owned(), document(text))]);
        ledger.store_manifests(&good("one"), &[]).await.unwrap();
        ledger.store_manifests(&good("two"), &[]).await.unwrap();
        let kept = ledger.manifests().await.unwrap();
        assert!(kept["a"].is(&document("two")) && !kept["a"].is(&document("one")));
        assert_eq!(ledger.assets("a").await.unwrap(), document("two").assets);
        let bundle = Bundle::of_file(b"same".as_slice().into(), false);
        let used = BTreeSet::from([bundle.digest.clone()]);
        ledger.store_bundles(&Payloads::from([(bundle.digest.clone(), bundle.clone())]), &used).await.unwrap();
        ledger.store_manifests(&BTreeMap::new(), &["a".to_owned()]).await.unwrap();
        assert_eq!(ledger.bundle(&bundle.digest).await.unwrap(), Some(bundle.clone()));
        assert_eq!(ledger.bundle("0000000000000000").await.unwrap(), None);
        ledger.store_bundles(&Payloads::new(), &BTreeSet::new()).await.unwrap();
        assert_eq!(ledger.bundle(&bundle.digest).await.unwrap(), None);
        let left = ledger.row("SELECT count(*) AS left FROM contents", &[]).await.unwrap().unwrap();
        assert_eq!(left.get::<i64, _>("left"), 0);
    }
}
