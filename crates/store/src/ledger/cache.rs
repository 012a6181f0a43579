//! Caches what was read from the ledger while it has not changed: each pass reads the same.

use std::sync::{Arc, Mutex, PoisonError};

use sqlx::SqlitePool;

use super::resources::StoreError;
use super::sql::read;

/// An answer, and the state of the ledger that it belongs to. Clones share it.
#[derive(Debug)]
pub(crate) struct Cached<T>(Arc<Mutex<Option<DatedAnswer<T>>>>);

type DatedAnswer<T> = (LedgerState, Arc<T>);

/// Changes with every write: rows changed by this connection, and commits by any other.
type LedgerState = (i64, i64);

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Clone for Cached<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Cached<T> {
    /// The result of `read`, called only if anything was written since the last call.
    pub async fn get(
        &self,
        pool: &SqlitePool,
        read: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<Arc<T>, StoreError> {
        let before = state(pool).await?;
        if let Some((at, known)) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner)
            && *at == before
        {
            return Ok(Arc::clone(known));
        }
        let answer = Arc::new(read.await?);
        // A write during the reading: the result belongs to neither state.
        if state(pool).await? == before {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((before, Arc::clone(&answer)));
        }
        Ok(answer)
    }
}

async fn state(pool: &SqlitePool) -> Result<LedgerState, StoreError> {
    let query = "SELECT total_changes(), data_version FROM pragma_data_version";
    sqlx::query_as(query).fetch_one(pool).await.map_err(read)
}

#[cfg(test)]
mod tests {
    use crate::ledger::Ledger;
    use amarre_core::model::world::Suspension;
    use amarre_core::model::{Text, Timestamp};

    #[tokio::test]
    async fn writes_of_any_connection_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("amarre.db");
        let (ours, another) = (Ledger::open(&path).await.unwrap(), Ledger::open(&path).await.unwrap());
        let suspended = async || ours.facts().await.unwrap().suspended.keys().cloned().collect::<Vec<_>>();
        assert!(suspended().await.is_empty());
        let suspension = Suspension {
            by: "alice".to_owned(),
            why: Text::default(),
            destroy: false,
            purge: false,
            at: Timestamp(1),
            until: None,
        };
        ours.suspend("one", &suspension).await.unwrap();
        assert_eq!(suspended().await, ["one"]);
        another.suspend("two", &suspension).await.unwrap();
        assert_eq!(suspended().await, ["one", "two"]);
        assert!(another.resume("one").await.unwrap());
        assert_eq!(suspended().await, ["two"]);
    }
}
