//! Looks at a ledger without becoming its writer: beside a daemon, or with none. Changes nothing.

use std::path::Path;

use sqlx::Row;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use super::ledger::{Ledger, StoreError};
use crate::model::Facts;

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Inspection {
    /// Size of the file.
    pub bytes: u64,
    /// Whether this user may write it.
    pub writable: bool,
    /// What SQLite says is damaged; empty when it is sound.
    pub damage: Vec<String>,
    /// What it knows.
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
        let ledger = Self::read_only(path).await?;
        let damage = ledger.damage().await;
        let facts = match damage.is_empty() {
            true => ledger.facts().await,
            false => Ok(Facts::default()),
        };
        ledger.pool.close().await;
        Ok(Some(Inspection { bytes: metadata.len(), writable, damage, facts: facts? }))
    }

    /// Opens the ledger at `path` for reading; `None` when there is none yet.
    ///
    /// # Errors
    /// It cannot be opened.
    pub async fn open_to_look(path: &Path) -> Result<Option<Self>, StoreError> {
        if std::fs::metadata(path).is_err() {
            return Ok(None);
        }
        Self::read_only(path).await.map(Some)
    }

    /// Ends its connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn read_only(path: &Path) -> Result<Self, StoreError> {
        // Without a log beside it nobody is writing, and nothing needs to be put there for reading.
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let is_at_rest = !Path::new(&log).exists();
        let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(is_at_rest);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
        Ok(Self::of(pool.map_err(|error| StoreError::new("could not be opened", &error))?))
    }

    /// `PRAGMA quick_check` says `ok`, or one line for each fault.
    async fn damage(&self) -> Vec<String> {
        match sqlx::query("PRAGMA quick_check(5)").fetch_all(&self.pool).await {
            Ok(rows) => {
                let lines = rows.iter().filter_map(|row| row.try_get::<String, _>(0).ok());
                lines.filter(|line| line != "ok").collect()
            }
            Err(error) => vec![crate::causes::chain(&error)],
        }
    }
}
