//! What timetables saved, by server and day, for [`KEPT_DAYS`].

use std::collections::BTreeMap;

use super::resources::{Ledger, StoreError, address};
use super::sql::{Row, SqliteRow};
use amarre_core::model::savings::Day;
use amarre_core::model::{Address, Millis};

/// For a year, and a month to look back from its end.
pub const KEPT_DAYS: i64 = 400;

/// A server, a day and a currency; the currency is empty where no price was known.
pub type SavedOn = (Address, Day, String);

/// What was saved, and how long the server was off for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SavedAmount {
    /// In 10⁻⁸ of the currency.
    pub amount: i64,
    /// How long it was off or shelved.
    pub off: Millis,
}

impl SavedAmount {
    /// One more part.
    pub fn add(&mut self, amount: i64, off: Millis) {
        self.amount = self.amount.saturating_add(amount);
        self.off = Millis(self.off.0.saturating_add(off.0));
    }
}

/// What was saved in some days, by server and currency.
pub type SavedSums = BTreeMap<(Address, String), SavedAmount>;

impl Ledger {
    /// Adds what a look found. Days that are too long ago are forgotten.
    pub async fn add_saved(&self, parts: &BTreeMap<SavedOn, SavedAmount>, today: Day) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let query = "INSERT INTO savings (day, address, currency, amount, off_ms) VALUES (?, ?, ?, ?, ?) \
                     ON CONFLICT DO UPDATE SET amount = amount + excluded.amount, off_ms = off_ms + excluded.off_ms";
        for ((address, day, currency), SavedAmount { amount, off }) in parts {
            transaction.run(query, &[&day.0, &address.to_string(), &currency, &amount, &off.0]).await?;
        }
        transaction.run("DELETE FROM savings WHERE day <= ?", &[&today.before(KEPT_DAYS).0]).await?;
        transaction.commit().await
    }

    /// What was saved from a day to another one, both included.
    pub async fn saved(&self, first: Day, last: Day) -> Result<SavedSums, StoreError> {
        let query = "SELECT address, currency, SUM(amount) AS amount, SUM(off_ms) AS off_ms FROM savings \
                     WHERE day BETWEEN ? AND ? GROUP BY address, currency";
        let sum = |row: &SqliteRow| {
            let amount = SavedAmount { amount: row.get("amount"), off: Millis(row.get("off_ms")) };
            Some(((address(row, "address")?, row.get("currency")), amount))
        };
        self.collect(query, &[&first.0, &last.0], sum).await
    }
}
