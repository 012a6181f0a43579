//! Under which name what this ledger knows is marked: with another name, all of that would be another instance's.

use sqlx::Row;

use super::{Ledger, StoreError};

impl Ledger {
    /// Notes the name of the instance; answers the other one that this ledger has, if so. One that has applied nothing takes any.
    ///
    /// # Errors
    /// The ledger cannot be read or written.
    pub async fn take_instance(&self, name: &str) -> Result<Option<String>, StoreError> {
        let failed = |error| StoreError::new("could not be asked for its instance", &error);
        let known =
            sqlx::query("SELECT name FROM instance LIMIT 1").fetch_optional(&self.pool).await.map_err(failed)?;
        let known: Option<String> = known.map(|row| row.get("name"));
        if known.as_deref() == Some(name) {
            return Ok(None);
        }
        let is_used = sqlx::query("SELECT 1 FROM applied LIMIT 1").fetch_optional(&self.pool).await.map_err(failed)?;
        if known.is_some() && is_used.is_some() {
            return Ok(known);
        }
        sqlx::query("DELETE FROM instance").execute(&self.pool).await.map_err(failed)?;
        sqlx::query("INSERT INTO instance (name) VALUES (?)").bind(name).execute(&self.pool).await.map_err(failed)?;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_ledger_that_has_applied_something_keeps_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("amarre.db");
        let ledger = Ledger::open(&path).await.unwrap();
        assert_eq!(ledger.take_instance("one").await.unwrap(), None);
        assert_eq!(ledger.take_instance("two").await.unwrap(), None, "it has nothing yet");
        sqlx::query(
            "INSERT INTO applied (address, service, vendor_id, fields, run, at_ms) \
             VALUES ('docker/network/x', 'x', '1', '{}', 1, 1)",
        )
        .execute(&ledger.pool)
        .await
        .unwrap();
        drop(ledger);
        let ledger = Ledger::open(&path).await.unwrap();
        assert_eq!(ledger.take_instance("two").await.unwrap(), None);
        assert_eq!(ledger.take_instance("one").await.unwrap().as_deref(), Some("two"));
        assert_eq!(ledger.take_instance("two").await.unwrap(), None, "it is still that one");
    }
}
