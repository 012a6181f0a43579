//! How the ledger runs its statements: what they bind, and which error a failure becomes.
//!
//! SQLite prepares a statement once for each connection and finds it again by its text. What varies is a parameter: the
//! first one is `?1`, or the first `?`.

use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Encode, SqlSafeStr, Sqlite, Transaction, Type};

use super::resources::{Ledger, StoreError};

pub(super) use sqlx::sqlite::SqliteRow;
pub(super) use sqlx::{AssertSqlSafe, Row};

type Statement = Query<'static, Sqlite, SqliteArguments>;

/// The parameters of a statement, in its order.
pub(super) type Params<'p> = &'p [&'p dyn Param<'p>];

/// A value that SQLite can store: a number, a text, bytes, or `None` for NULL.
pub(super) trait Param<'p>: Sync {
    /// Binds it as the next parameter.
    fn bind_to(&self, statement: Statement) -> Statement;
}

impl<'p, T: Sync + Type<Sqlite> + Encode<'p, Sqlite>> Param<'p> for T {
    fn bind_to(&self, statement: Statement) -> Statement {
        statement.bind(self)
    }
}

fn statement(sql: impl SqlSafeStr, params: Params<'_>) -> Statement {
    params.iter().fold(sqlx::query(sql), |statement, param| param.bind_to(statement))
}

/// Statements that stand alone.
impl Ledger {
    /// Begins a transaction. What it wrote is gone if it is dropped before its commit.
    pub(super) async fn begin(&self) -> Result<LedgerTransaction, StoreError> {
        self.check_file()?;
        self.pool.begin().await.map(LedgerTransaction).map_err(written)
    }

    /// Runs a statement that writes.
    pub(super) async fn run(&self, sql: impl SqlSafeStr, params: Params<'_>) -> Result<(), StoreError> {
        self.change(sql, params).await.map(drop)
    }

    /// Runs a statement that writes; answers how many rows it changed.
    pub(super) async fn change(&self, sql: impl SqlSafeStr, params: Params<'_>) -> Result<u64, StoreError> {
        statement(sql, params).execute(&self.pool).await.map(|done| done.rows_affected()).map_err(written)
    }

    /// Inserts a row; answers its number.
    pub(super) async fn insert(&self, sql: impl SqlSafeStr, params: Params<'_>) -> Result<i64, StoreError> {
        statement(sql, params).execute(&self.pool).await.map(|done| done.last_insert_rowid()).map_err(written)
    }

    /// Reads the first row, if any.
    pub(super) async fn row(&self, sql: impl SqlSafeStr, params: Params<'_>) -> Result<Option<SqliteRow>, StoreError> {
        statement(sql, params).fetch_optional(&self.pool).await.map_err(read)
    }

    /// Reads all rows.
    pub(super) async fn rows(&self, sql: impl SqlSafeStr, params: Params<'_>) -> Result<Vec<SqliteRow>, StoreError> {
        statement(sql, params).fetch_all(&self.pool).await.map_err(read)
    }

    /// Reads all rows and collects what `from_row` makes of them. Leaves out a row of which it makes nothing.
    pub(super) async fn collect<T, C: FromIterator<T>>(
        &self,
        sql: impl SqlSafeStr,
        params: Params<'_>,
        from_row: impl FnMut(&SqliteRow) -> Option<T>,
    ) -> Result<C, StoreError> {
        Ok(self.rows(sql, params).await?.iter().filter_map(from_row).collect())
    }
}

/// Statements of which all stay, or none.
pub(crate) struct LedgerTransaction(Transaction<'static, Sqlite>);

impl LedgerTransaction {
    /// Makes what was written stay.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        self.0.commit().await.map_err(written)
    }

    /// Runs a statement that writes.
    pub(super) async fn run(&mut self, sql: impl SqlSafeStr, params: Params<'_>) -> Result<(), StoreError> {
        self.change(sql, params).await.map(drop)
    }

    /// Runs a statement that writes; answers how many rows it changed.
    pub(super) async fn change(&mut self, sql: impl SqlSafeStr, params: Params<'_>) -> Result<u64, StoreError> {
        statement(sql, params).execute(&mut *self.0).await.map(|done| done.rows_affected()).map_err(written)
    }

    /// Inserts a row; answers its number.
    pub(super) async fn insert(&mut self, sql: impl SqlSafeStr, params: Params<'_>) -> Result<i64, StoreError> {
        statement(sql, params).execute(&mut *self.0).await.map(|done| done.last_insert_rowid()).map_err(written)
    }

    /// Reads the first row, if any.
    pub(super) async fn row(
        &mut self,
        sql: impl SqlSafeStr,
        params: Params<'_>,
    ) -> Result<Option<SqliteRow>, StoreError> {
        statement(sql, params).fetch_optional(&mut *self.0).await.map_err(read)
    }

    /// Reads all rows, as the statements before have left them.
    pub(super) async fn rows(
        &mut self,
        sql: impl SqlSafeStr,
        params: Params<'_>,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        statement(sql, params).fetch_all(&mut *self.0).await.map_err(read)
    }
}

fn written(error: sqlx::Error) -> StoreError {
    StoreError::new("could not be written", &error)
}

pub(super) fn read(error: sqlx::Error) -> StoreError {
    StoreError::new("could not be read", &error)
}
