//! Reads a ledger without becoming its writer: beside a daemon, or with none. Changes nothing.
//!
//! The ledger of an older version lacks tables that this version reads. It is copied into memory, and the copy is
//! migrated; the file stays as it is.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{ConnectOptions, Row};

use super::migrations::MIGRATIONS;
use super::resources::{Ledger, StoreError};
use super::sql::read;
use amarre_core::model::Facts;

#[derive(Debug, Clone, Default)]
pub struct Inspection {
    /// Size of the file.
    pub bytes: u64,
    /// Whether this user may write it.
    pub writable: bool,
    /// The damage that SQLite reports; empty when it is sound.
    pub damage: Vec<String>,
    pub facts: Facts,
}

impl Ledger {
    /// Inspects the ledger at `path`; `None` when there is none yet.
    ///
    /// # Errors
    /// It cannot be read, or is no ledger.
    pub async fn inspect(path: &Path) -> Result<Option<Inspection>, StoreError> {
        let Ok(metadata) = std::fs::metadata(path) else { return Ok(None) };
        let writable = std::fs::OpenOptions::new().append(true).open(path).is_ok();
        let pool = read_only(path).await?;
        let damage = damage(&pool).await;
        if !damage.is_empty() {
            pool.close().await;
            return Ok(Some(Inspection { bytes: metadata.len(), writable, damage, facts: Facts::default() }));
        }
        let ledger = Self::from_pool(up_to_date(pool, &MIGRATIONS).await?);
        let facts = ledger.facts().await;
        ledger.close().await;
        Ok(Some(Inspection { bytes: metadata.len(), writable, damage, facts: Arc::unwrap_or_clone(facts?) }))
    }

    /// Opens the ledger at `path` for reading; `None` when there is none yet.
    ///
    /// # Errors
    /// It cannot be opened.
    pub async fn open_to_look(path: &Path) -> Result<Option<Self>, StoreError> {
        if std::fs::metadata(path).is_err() {
            return Ok(None);
        }
        let pool = up_to_date(read_only(path).await?, &MIGRATIONS).await?;
        Ok(Some(Self::from_pool(pool)))
    }

    /// Ends its connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

async fn read_only(path: &Path) -> Result<SqlitePool, StoreError> {
    // Without a write-ahead log no process writes, and reading needs none.
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let is_at_rest = !Path::new(&log).exists();
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(is_at_rest);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
    pool.map_err(|error| StoreError::new("could not be opened", &error))
}

/// The ledger itself, or a migrated copy in memory.
async fn up_to_date(pool: SqlitePool, migrations: &Migrator) -> Result<SqlitePool, StoreError> {
    if !is_older(&pool, migrations).await {
        return Ok(pool);
    }
    let copied = copy(&pool).await;
    pool.close().await;
    let copied = copied?;
    let migrated = migrations.run(&copied).await;
    migrated.map_err(|error| StoreError::new("could not be read as one of this version", &error))?;
    Ok(copied)
}

/// Whether this version has migrations that the ledger lacks. A file that is no ledger is not an older one.
async fn is_older(pool: &SqlitePool, migrations: &Migrator) -> bool {
    let known = sqlx::query_scalar::<_, i64>("SELECT version FROM _sqlx_migrations").fetch_all(pool).await;
    known.is_ok_and(|known| !known.is_empty() && migrations.iter().any(|one| !known.contains(&one.version)))
}

/// Copies a ledger into memory.
async fn copy(pool: &SqlitePool) -> Result<SqlitePool, StoreError> {
    /// Copies of one process need different names: two with one name are one database.
    static COPIES: AtomicU64 = AtomicU64::new(0);
    let name = format!("/ledger-{}", COPIES.fetch_add(1, Ordering::Relaxed));
    let options = SqliteConnectOptions::new().filename(&name).vfs("memdb").disable_statement_logging();
    // The copy lives as long as its connection.
    let kept = SqlitePoolOptions::new().max_connections(1).min_connections(1).idle_timeout(None).max_lifetime(None);
    let copied = kept.connect_with(options).await;
    let copied = copied.map_err(|error| StoreError::new("could not be copied into memory", &error))?;
    let whole = sqlx::query("VACUUM INTO ?").bind(format!("file:{name}?vfs=memdb"));
    whole.execute(pool).await.map_err(read)?;
    Ok(copied)
}

/// `PRAGMA quick_check` says `ok`, or one line for each fault.
async fn damage(pool: &SqlitePool) -> Vec<String> {
    match sqlx::query("PRAGMA quick_check(5)").fetch_all(pool).await {
        Ok(rows) => {
            let lines = rows.iter().filter_map(|row| row.try_get::<String, _>(0).ok());
            lines.filter(|line| line != "ok").collect()
        }
        Err(error) => vec![crate::error_chain::chain(&error)],
    }
}

#[cfg(test)]
mod tests {
    use sqlx::SqlSafeStr;
    use sqlx::migrate::{Migration, MigrationType};

    use super::*;

    #[tokio::test]
    async fn a_ledger_of_an_older_version_is_read_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("amarre.db");
        let ledger = Ledger::open(&path).await.unwrap();
        sqlx::query("INSERT INTO converged VALUES ('nas', 1)").execute(&ledger.pool).await.unwrap();
        ledger.close().await;
        let before = std::fs::read(&path).unwrap();
        let added = "ALTER TABLE converged ADD COLUMN added INTEGER NOT NULL DEFAULT 7".into_sql_str();
        let next = Migration::new(2, "added".into(), MigrationType::Simple, added, false);
        let later = Migrator::with_migrations(MIGRATIONS.iter().cloned().chain([next]).collect());
        let pool = up_to_date(read_only(&path).await.unwrap(), &later).await.unwrap();
        let added: i64 = sqlx::query_scalar("SELECT added FROM converged").fetch_one(&pool).await.unwrap();
        assert_eq!((added, std::fs::read(&path).unwrap()), (7, before));
    }
}
