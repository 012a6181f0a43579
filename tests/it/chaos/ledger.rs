//! What becomes of the ledger, done from beside the engine: the product has no hooks for it. A ledger that cannot be
//! written is one with a trigger on every table that ends each write, from the n-th on.

use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, Row, SqliteConnection};

/// More writes than any story has.
const PLENTY: i64 = 1_000_000;

/// Every write from the `n`-th row on fails, until [`heal`].
pub async fn fail_from(path: &Path, n: i64) {
    let mut connection = open(path).await;
    let tables: Vec<String> =
        sqlx::query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'chaos%'")
            .fetch_all(&mut connection)
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
    run(&mut connection, "CREATE TABLE IF NOT EXISTS chaos (rows_left INTEGER NOT NULL)".to_owned()).await;
    run(&mut connection, "DELETE FROM chaos".to_owned()).await;
    run(&mut connection, format!("INSERT INTO chaos VALUES ({n})")).await;
    for table in tables.iter().filter(|table| !table.starts_with("sqlite_") && !table.starts_with("_sqlx")) {
        for write in ["INSERT", "UPDATE", "DELETE"] {
            let counts = "UPDATE chaos SET rows_left = rows_left - 1";
            let fails = "SELECT RAISE(ABORT, 'the disk is full') FROM chaos WHERE rows_left < 0";
            let trigger = format!(
                "CREATE TRIGGER IF NOT EXISTS chaos_{table}_{write} BEFORE {write} ON {table} BEGIN {counts}; {fails}; END"
            );
            run(&mut connection, trigger).await;
        }
    }
    connection.close().await.unwrap();
}

/// Writes work again.
pub async fn heal(path: &Path) {
    let mut connection = open(path).await;
    run(&mut connection, format!("UPDATE chaos SET rows_left = {PLENTY}")).await;
    connection.close().await.unwrap();
}

/// A copy of the ledger as it is now.
pub async fn copy(path: &Path, to: &str) -> PathBuf {
    let copy = path.with_file_name(to);
    let mut connection = open(path).await;
    run(&mut connection, format!("VACUUM INTO '{}'", copy.display())).await;
    connection.close().await.unwrap();
    copy
}

async fn open(path: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap()
}

async fn run(connection: &mut SqliteConnection, statement: String) {
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(connection).await.unwrap();
}
