//! The alerts that channels were sent.

use super::resources::{Ledger, StoreError};
use super::sql::{Row, SqliteRow};
use amarre_core::model::Timestamp;
use amarre_core::model::savings::Day;

/// A sent alert that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentAlert {
    /// The problem: `attention/photos`.
    pub trouble: String,
    /// Its code; empty without one.
    pub code: String,
    pub text: String,
    pub at: Timestamp,
}

impl Ledger {
    /// The open alerts of a channel.
    pub async fn open_alerts(&self, channel: &str) -> Result<Vec<SentAlert>, StoreError> {
        let told = |row: &SqliteRow| SentAlert {
            trouble: row.get("trouble"),
            code: row.get("code"),
            text: row.get("text"),
            at: Timestamp(row.get("at_ms")),
        };
        self.collect("SELECT * FROM told WHERE channel = ? ORDER BY trouble", &[&channel], |row| Some(told(row))).await
    }

    /// Records a message: the alerts in it, and those that are over. `event`: the last event in it.
    pub async fn record_sent(
        &self,
        channel: &str,
        told: &[SentAlert],
        over: &[String],
        event: Option<i64>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for row in told {
            let insert = "INSERT OR REPLACE INTO told (channel, trouble, code, text, at_ms) VALUES (?, ?, ?, ?, ?)";
            transaction.run(insert, &[&channel, &row.trouble, &row.code, &row.text, &row.at.0]).await?;
        }
        for trouble in over {
            transaction.run("DELETE FROM told WHERE channel = ? AND trouble = ?", &[&channel, &trouble]).await?;
        }
        if let Some(event) = event {
            let query = "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)";
            transaction.run(query, &[&format!("told {channel}"), &event.to_string()]).await?;
        }
        transaction.commit().await
    }

    /// The last event that was sent to a channel.
    pub async fn last_event_sent(&self, channel: &str) -> Result<Option<i64>, StoreError> {
        Ok(self.meta(&format!("told {channel}")).await?.and_then(|text| text.parse().ok()))
    }

    /// Records that a channel was sent what was saved in the week that began on a Monday.
    pub async fn record_week_sent(&self, channel: &str, monday: Day) -> Result<(), StoreError> {
        self.set_meta(&format!("saved {channel}"), &monday.0.to_string()).await
    }

    /// The Monday of the last week that a channel was sent.
    pub async fn last_week_sent(&self, channel: &str) -> Result<Option<Day>, StoreError> {
        Ok(self.meta(&format!("saved {channel}")).await?.and_then(|text| text.parse().ok()).map(Day))
    }
}
