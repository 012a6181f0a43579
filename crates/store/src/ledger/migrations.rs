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
const FILES: &[(i64, &str, &str)] = &[
    (1, "ledger", include_str!("../../migrations/0001_ledger.sql")),
    (2, "files", include_str!("../../migrations/0002_files.sql")),
    (3, "images", include_str!("../../migrations/0003_images.sql")),
    (4, "port leases", include_str!("../../migrations/0004_port_leases.sql")),
    (10, "updates", include_str!("../../migrations/0010_updates.sql")),
    (12, "saying", include_str!("../../migrations/0012_saying.sql")),
    (13, "flaps", include_str!("../../migrations/0013_flaps.sql")),
    (14, "downtimes", include_str!("../../migrations/0014_downtimes.sql")),
    (15, "orders", include_str!("../../migrations/0015_orders.sql")),
    (16, "event reasons", include_str!("../../migrations/0016_event_reasons.sql")),
    (17, "released", include_str!("../../migrations/0017_released.sql")),
    (18, "suspended until", include_str!("../../migrations/0018_suspended_until.sql")),
    (19, "accounts", include_str!("../../migrations/0019_accounts.sql")),
    (20, "tokens", include_str!("../../migrations/0020_tokens.sql")),
    (21, "notifications", include_str!("../../migrations/0021_notifications.sql")),
    (30, "guesses", include_str!("../../migrations/0030_guesses.sql")),
    (31, "refused", include_str!("../../migrations/0031_refused.sql")),
    (38, "retired", include_str!("../../migrations/0038_retired.sql")),
    (39, "written folders", include_str!("../../migrations/0039_written_folders.sql")),
    (40, "order pauses", include_str!("../../migrations/0040_order_pauses.sql")),
    (45, "reserved", include_str!("../../migrations/0045_reserved.sql")),
    (48, "actions", include_str!("../../migrations/0048_actions.sql")),
    (49, "event texts", include_str!("../../migrations/0049_event_texts.sql")),
    (50, "power", include_str!("../../migrations/0050_power.sql")),
    (51, "instance log", include_str!("../../migrations/0051_instance_log.sql")),
    (53, "savings", include_str!("../../migrations/0053_savings.sql")),
    (54, "pools", include_str!("../../migrations/0054_pools.sql")),
    (55, "deployments", include_str!("../../migrations/0055_deployments.sql")),
    (56, "order codes", include_str!("../../migrations/0056_order_codes.sql")),
    (57, "builds", include_str!("../../migrations/0057_builds.sql")),
    (58, "suspension texts", include_str!("../../migrations/0058_suspension_texts.sql")),
    (59, "pulled ready", include_str!("../../migrations/0059_pulled_ready.sql")),
    (60, "filled folders", include_str!("../../migrations/0060_filled_folders.sql")),
    (62, "instance", include_str!("../../migrations/0062_instance.sql")),
];

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
