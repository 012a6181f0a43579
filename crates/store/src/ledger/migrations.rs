//! The migrations of the ledger, compiled in.
//!
//! `sqlx::migrate!()` would list the folder by itself, but its macros compile SQLite, tokio and sqlx a second time.

use std::sync::LazyLock;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// What makes the ledger of each version out of the one before.
pub(crate) static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let migration = |&(version, title, sql): &(i64, &'static str, &'static str)| {
        Migration::new(version, title.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(FILES.iter().map(migration).collect())
});

/// Each file of `migrations`: its version and title, as its name gives them, and its statements.
const FILES: &[(i64, &str, &str)] = &[(1, "ledger", include_str!("../../migrations/0001_ledger.sql"))];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[tokio::test]
    async fn the_list_is_the_folder() {
        let folder = Migrator::new(Path::new("migrations")).await.unwrap();
        let rows = |all: &Migrator| -> Vec<_> {
            let row = |one: &Migration| (one.version, one.description.clone(), one.checksum.clone());
            all.iter().map(row).collect()
        };
        assert_eq!(rows(&MIGRATIONS), rows(&folder));
        let is_plain = |one: &Migration| one.migration_type == MigrationType::Simple && !one.no_tx;
        assert!(folder.iter().all(is_plain), "each goes one way, as one transaction");
    }
}
