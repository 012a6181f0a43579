//! Actions: an intent before the call leaves, an outcome after.

use super::resources::{Ledger, StoreError, address};
use super::runs::{Event, record};
use super::sql::{Row, SqliteRow};
use amarre_core::model::{Action, Millis, Timestamp};

/// An action without an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAction {
    /// Its number in the ledger.
    pub id: i64,
    /// The run that it belongs to.
    pub run: i64,
    pub action: Action,
    /// Whether the vendor has accepted it.
    pub is_accepted: bool,
}

/// The outcome of an action that the vendor has accepted and still carries out.
const ACCEPTED: &str = "accepted";

/// An action of the past, or one that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastAction {
    /// What it acted on.
    pub address: String,
    /// The provider's word.
    pub word: String,
    /// The account that asked.
    pub by: String,
    /// When its call left.
    pub at: Timestamp,
    /// When its outcome was known; `None`: it is not yet.
    pub done: Option<Timestamp>,
    /// `ok`, `unknown`, or the error's text.
    pub outcome: Option<String>,
}

impl Ledger {
    /// Stores the intent of an action; answers its number.
    pub async fn begin_action(&self, action: &Action, run: i64) -> Result<i64, StoreError> {
        let query = "INSERT INTO actions (run, address, service, word, vendor_id, before, by_whom, at_ms, limit_ms) \
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let Action { address, service, word, vendor_id, before, by, at, limit } = action;
        let address = address.to_string();
        self.insert(query, &[&run, &address, service, word, vendor_id, before, by, &at.0, &limit.0]).await
    }

    /// Stores that the vendor has accepted an action: its outcome is still to show.
    pub async fn accept_action(&self, id: i64) -> Result<(), StoreError> {
        self.run("UPDATE actions SET outcome = ? WHERE id = ?", &[&ACCEPTED, &id]).await
    }

    /// Stores the outcome of an action, with its event: `ok`, `unknown`, or the error's text.
    pub async fn end_action(&self, id: i64, outcome: &str, event: &Event) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let query = "UPDATE actions SET done_ms = ?, outcome = ? WHERE id = ?";
        transaction.run(query, &[&event.at.0, &outcome, &id]).await?;
        if outcome == "ok" {
            transaction.run("UPDATE runs SET writes = writes + 1 WHERE id = ?", &[&event.run]).await?;
        }
        record(&mut transaction, event).await?;
        transaction.commit().await
    }

    /// Actions whose outcome is not known: their answer was lost, or this process ended before it came.
    pub async fn open_actions(&self) -> Result<Vec<OpenAction>, StoreError> {
        let query = "SELECT id, run, address, service, word, vendor_id, before, by_whom, at_ms, limit_ms, outcome \
                     FROM actions WHERE done_ms IS NULL ORDER BY id";
        let open = |row: &SqliteRow| {
            let is_accepted = row.get::<Option<String>, _>("outcome").is_some_and(|outcome| outcome == ACCEPTED);
            Some(OpenAction { id: row.get("id"), run: row.get("run"), action: whole(row)?, is_accepted })
        };
        self.collect(query, &[], open).await
    }

    /// The latest action of each address that began since then, where it has happened.
    pub async fn latest_done(&self, since: Timestamp) -> Result<Vec<Action>, StoreError> {
        let query = "SELECT address, service, word, vendor_id, before, by_whom, at_ms, limit_ms FROM actions AS one \
                     WHERE at_ms >= ? AND outcome = 'ok' \
                     AND id = (SELECT MAX(id) FROM actions WHERE address = one.address) ORDER BY id";
        self.collect(query, &[&since.0], whole).await
    }

    /// Actions since then, the newest first; of one address where it is not empty.
    pub async fn past_actions(
        &self,
        address: &str,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<PastAction>, StoreError> {
        let query = "SELECT address, word, by_whom, at_ms, done_ms, outcome FROM actions \
                     WHERE (? = '' OR address = ?) AND at_ms >= ? ORDER BY id DESC LIMIT ?";
        let past = |row: &SqliteRow| PastAction {
            address: row.get("address"),
            word: row.get("word"),
            by: row.get("by_whom"),
            at: Timestamp(row.get("at_ms")),
            done: row.get::<Option<i64>, _>("done_ms").map(Timestamp),
            outcome: row.get::<Option<String>, _>("outcome").filter(|outcome| outcome != ACCEPTED),
        };
        self.collect(query, &[&address, &address, &since.0, &limit], |row| Some(past(row))).await
    }
}

/// An action with all that it was asked with.
fn whole(row: &SqliteRow) -> Option<Action> {
    Some(Action {
        address: address(row, "address")?,
        service: row.get("service"),
        word: row.get("word"),
        vendor_id: row.get("vendor_id"),
        before: row.get("before"),
        by: row.get("by_whom"),
        at: Timestamp(row.get("at_ms")),
        limit: Millis(row.get("limit_ms")),
    })
}
