//! Wrong passwords, and browsers in which users have signed in.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::resources::{Ledger, StoreError};
use super::sql::{LedgerTransaction, Params, Row};
use amarre_core::model::{Millis, Timestamp};

/// The largest number of rows. A flood of names and addresses fills no disk; the latest failures are known.
const ROWS_MAX: i64 = 10_000;
/// How long a wrong password counts: longer than the longest wait, else that would end the doubling.
pub const COUNTS_FOR: Millis = Millis::minutes(24 * 60);
/// A browser in which its user does not sign in is forgotten after this long.
const DEVICE_IDLE: Millis = Millis::minutes(180 * 24 * 60);
/// Browsers of one user. A user of more signs in there like from an unknown one.
const DEVICES_OF_USER_MAX: u32 = 20;

/// What failures are counted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CountedLogin {
    /// [`account`] of one, or empty for all.
    pub account: String,
    /// An address or a device, or empty for all.
    pub source: String,
}

/// Counted failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrong {
    pub count: u32,
    pub last: Timestamp,
}

/// The key of an account, whether it exists or not.
pub fn account(email: &str) -> String {
    hex::encode(Sha256::digest(email.as_bytes()))
}

impl Ledger {
    /// Lets `decide` update the counts of these keys: `None` deletes one. One transaction.
    pub async fn guess<T>(
        &self,
        of: &[CountedLogin],
        now: Timestamp,
        decide: impl FnOnce(&BTreeMap<CountedLogin, Wrong>) -> (BTreeMap<CountedLogin, Option<Wrong>>, T),
    ) -> Result<T, StoreError> {
        let mut transaction = self.begin().await?;
        let mut known = BTreeMap::new();
        for counted in of {
            let query = "SELECT count, last_ms FROM guesses WHERE account = ? AND source = ? AND last_ms > ?";
            let params: Params<'_> = &[&counted.account, &counted.source, &(now.0 - COUNTS_FOR.0)];
            if let Some(row) = transaction.row(query, params).await? {
                let count = u32::try_from(row.get::<i64, _>("count")).unwrap_or(u32::MAX);
                known.insert(counted.clone(), Wrong { count, last: Timestamp(row.get("last_ms")) });
            }
        }
        let (changes, answer) = decide(&known);
        if changes.is_empty() {
            return Ok(answer);
        }
        for (counted, wrong) in changes {
            let CountedLogin { account, source } = &counted;
            match wrong {
                Some(Wrong { count, last }) => {
                    let insert = "INSERT OR REPLACE INTO guesses (account, source, count, last_ms) VALUES (?, ?, ?, ?)";
                    transaction.run(insert, &[account, source, &count, &last.0]).await?;
                }
                None => {
                    let delete = "DELETE FROM guesses WHERE account = ? AND source = ?";
                    transaction.run(delete, &[account, source]).await?;
                }
            }
        }
        forget(&mut transaction, now).await?;
        transaction.commit().await?;
        Ok(answer)
    }

    /// Whether this account has signed in in the browser with this digest.
    pub async fn is_device(&self, digest: &str, email: &str, now: Timestamp) -> Result<bool, StoreError> {
        let query = "SELECT 1 FROM devices WHERE digest = ? AND email = ? AND used_ms > ?";
        Ok(self.row(query, &[&digest, &email, &(now.0 - DEVICE_IDLE.0)]).await?.is_some())
    }

    /// Records that a user has signed in in this browser. Deletes unused and surplus ones.
    pub async fn know_device(&self, digest: &str, email: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let insert = "INSERT OR REPLACE INTO devices (digest, email, used_ms) VALUES (?, ?, ?)";
        transaction.run(insert, &[&digest, &email, &now.0]).await?;
        let old = "DELETE FROM devices WHERE used_ms <= ?1 OR digest IN
            (SELECT digest FROM devices WHERE email = ?2 ORDER BY used_ms DESC, digest LIMIT -1 OFFSET ?3)";
        transaction.run(old, &[&(now.0 - DEVICE_IDLE.0), &email, &DEVICES_OF_USER_MAX]).await?;
        transaction.commit().await
    }
}

/// Deletes counts that are over, and the oldest of too many.
async fn forget(transaction: &mut LedgerTransaction, now: Timestamp) -> Result<(), StoreError> {
    let old = "DELETE FROM guesses WHERE last_ms <= ?1 OR rowid IN
        (SELECT rowid FROM guesses ORDER BY last_ms DESC LIMIT -1 OFFSET ?2)";
    transaction.run(old, &[&(now.0 - COUNTS_FOR.0), &ROWS_MAX]).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::accounts::UserRow;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    async fn ledger() -> (tempfile::TempDir, Ledger) {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("amarre.db")).await.unwrap();
        (folder, ledger)
    }

    async fn count(ledger: &Ledger, query: &'static str) -> i64 {
        ledger.row(query, &[]).await.unwrap().unwrap().get(0)
    }

    #[tokio::test]
    async fn a_flood_of_names_fills_no_table_and_a_day_empties_it() {
        let (_folder, ledger) = ledger().await;
        let many: Vec<CountedLogin> = (0..ROWS_MAX + 500)
            .map(|number| CountedLogin { account: account(&number.to_string()), source: "192.0.2.1".to_owned() })
            .collect();
        let wrong = |at: usize| Some(Wrong { count: 1, last: NOW + Millis(i64::try_from(at).unwrap()) });
        let changes = many.iter().enumerate().map(|(at, counted)| (counted.clone(), wrong(at))).collect();
        ledger.guess(&[], NOW, |_| (changes, ())).await.unwrap();
        assert_eq!(count(&ledger, "SELECT count(*) FROM guesses").await, ROWS_MAX);
        let latest = [many.last().unwrap().clone()];
        let known = ledger.guess(&latest, NOW, |known| (BTreeMap::new(), known.len())).await.unwrap();
        assert_eq!(known, 1, "what was wrong last is known");
        let later = NOW + Millis(COUNTS_FOR.0 + 60_000);
        let one = BTreeMap::from([(latest[0].clone(), Some(Wrong { count: 1, last: later }))]);
        ledger.guess(&latest, later, |known| (one, assert!(known.is_empty()))).await.unwrap();
        assert_eq!(count(&ledger, "SELECT count(*) FROM guesses").await, 1);
    }

    #[tokio::test]
    async fn a_user_has_some_devices_which_go_with_the_account() {
        let (_folder, ledger) = ledger().await;
        let row = |email: &str| UserRow {
            email: email.to_owned(),
            name: "A".to_owned(),
            role: "admin".to_owned(),
            password: String::new(),
            created: NOW,
        };
        for email in ["a@b.c", "d@b.c"] {
            ledger.add_user(&row(email), false).await.unwrap();
        }
        ledger.know_device("other", "d@b.c", NOW).await.unwrap();
        for number in 0..30 {
            ledger.know_device(&number.to_string(), "a@b.c", NOW + Millis(number)).await.unwrap();
        }
        let is = async |digest: &str, email: &str, at: Timestamp| ledger.is_device(digest, email, at).await.unwrap();
        assert_eq!(count(&ledger, "SELECT count(*) FROM devices").await, 21);
        assert!(is("29", "a@b.c", NOW).await && !is("0", "a@b.c", NOW).await, "the latest");
        assert!(is("other", "d@b.c", NOW).await && !is("other", "a@b.c", NOW).await, "of one account");
        assert!(!is("29", "a@b.c", NOW + Millis(DEVICE_IDLE.0 + 29)).await);
        ledger.remove_user("a@b.c").await.unwrap();
        assert_eq!(count(&ledger, "SELECT count(*) FROM devices").await, 1);
    }
}
