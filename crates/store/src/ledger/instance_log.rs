//! The log of each instance: requests with their answers, and changes of its status. Bounded; the oldest lines go first.

use super::resources::{Ledger, StoreError};
use super::sql::{Row, SqliteRow};
use amarre_core::model::{Address, Timestamp};

/// Lines that are kept of one instance.
const LINES_MAX: i64 = 200;
/// Lines that are kept of all: those of instances that are gone go with time.
const ALL_LINES_MAX: i64 = 100_000;

/// What a line of a log tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogKind {
    /// A call to the vendor, and its answer.
    Request,
    /// The vendor shows another status than before.
    Status,
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Whose log.
    pub address: Address,
    /// When it was known.
    pub at: Timestamp,
    pub kind: LogKind,
    /// In the vendor's terms; no secret.
    pub text: String,
}

impl LogKind {
    /// The word in the ledger and in documents.
    pub const fn word(self) -> &'static str {
        match self {
            LogKind::Request => "request",
            LogKind::Status => "status",
        }
    }
}

impl Ledger {
    /// Adds lines, and drops the oldest ones of the same instances.
    pub async fn log_instances(&self, lines: &[LogLine]) -> Result<(), StoreError> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut transaction = self.begin().await?;
        for LogLine { address, at, kind, text } in lines {
            let address = address.to_string();
            let query = "INSERT INTO instance_log (address, at_ms, kind, text) VALUES (?, ?, ?, ?)";
            transaction.run(query, &[&address, &at.0, &kind.word(), &text]).await?;
            let query = "DELETE FROM instance_log WHERE address = ? AND id <= \
                         (SELECT id FROM instance_log WHERE address = ? ORDER BY id DESC LIMIT 1 OFFSET ?)";
            transaction.run(query, &[&address, &address, &LINES_MAX]).await?;
        }
        let query = "DELETE FROM instance_log WHERE id <= (SELECT max(id) FROM instance_log) - ?";
        transaction.run(query, &[&ALL_LINES_MAX]).await?;
        transaction.commit().await
    }

    /// The last lines of an instance, the oldest first.
    pub async fn instance_log(&self, address: &Address, limit: u32) -> Result<Vec<LogLine>, StoreError> {
        let query = "SELECT at_ms, kind, text FROM instance_log WHERE address = ? ORDER BY id DESC LIMIT ?";
        let rows = self.rows(query, &[&address.to_string(), &limit]).await?;
        let line = |row: &SqliteRow| {
            let kind = match row.get::<&str, _>("kind") {
                "status" => LogKind::Status,
                _ => LogKind::Request,
            };
            LogLine { address: address.clone(), at: Timestamp(row.get("at_ms")), kind, text: row.get("text") }
        };
        Ok(rows.iter().rev().map(line).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amarre_core::model::Kind;

    #[tokio::test]
    async fn the_last_lines_of_each_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("amarre.db")).await.unwrap();
        let address = |id: &str| Address::new("ovh-cloud.paris".to_owned().into(), Kind::Instance, id);
        let line = |id: &str, n: i64| {
            let text = format!("ACTIVE → SHUTOFF {n}");
            LogLine { address: address(id), at: Timestamp(n), kind: LogKind::Status, text }
        };
        ledger.log_instances(&[line("other", 0)]).await.unwrap();
        let many: Vec<LogLine> = (1..=LINES_MAX + 3).map(|n| line("busy", n)).collect();
        ledger.log_instances(&many).await.unwrap();
        assert_eq!(ledger.instance_log(&address("busy"), 1_000).await.unwrap(), many[3..]);
        assert_eq!(ledger.instance_log(&address("busy"), 2).await.unwrap(), many[many.len() - 2..]);
        assert_eq!(ledger.instance_log(&address("other"), 1_000).await.unwrap(), [line("other", 0)]);
    }
}
