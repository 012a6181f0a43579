//! Refusals in the audit log: a wrong token, a wrong password, an insufficient role.
//!
//! Equal refusals within an hour share one row, which is written when its count has doubled, after a minute, or when
//! the audit log is read; a process that ends loses the counts since. A flood of names or addresses shares rows. So it
//! costs few writes, and displaces no action.

use std::collections::BTreeMap;

use super::accounts::AuditRow;
use super::resources::{Ledger, StoreError};
use super::sql::Params;
use amarre_core::model::{Millis, Timestamp};

/// Refusals within this time share a row.
const STRETCH: Millis = Millis::minutes(60);
/// The largest number of rows of refusals: a person reads no more.
const ROWS_KEPT: i64 = 2_000;
/// Names that one address tries within the time and that have a row each; the rest share one.
const NAMES_OF_ADDRESS_MAX: usize = 20;
/// Rows that are counted at a time; further refusals share one for each action.
const COUNTED_MAX: usize = 500;
/// A counted row is written again after this long.
const WRITTEN_AFTER: Millis = Millis::minutes(1);
/// The placeholder for names and addresses that share a row, and for further targets.
const OTHERS: &str = "…";

/// Equal refusals: action, account, address, result.
type GroupingKey = (String, String, String, String);

/// The refusals of the last hour.
#[derive(Debug, Default)]
pub(crate) struct RefusalTally(BTreeMap<GroupingKey, RefusalCount>);

#[derive(Debug, Clone)]
struct RefusalCount {
    /// Its row, once it is written.
    id: Option<i64>,
    first: Timestamp,
    last: Timestamp,
    written: Timestamp,
    count: u32,
    count_written: u32,
    target: String,
}

impl RefusalTally {
    /// Counts a refusal. Answers the finished rows that have to be written once more, and this one, if it is due.
    fn count(&mut self, row: &AuditRow) -> (Vec<(GroupingKey, RefusalCount)>, Option<GroupingKey>) {
        let mut over = Vec::new();
        self.0.retain(|same, counted| {
            let lasts = (0..STRETCH.0).contains(&(row.at - counted.first).0);
            if !lasts && counted.is_unwritten() {
                over.push((same.clone(), counted.clone()));
            }
            lasts
        });
        let same = self.grouping_key(row);
        let counted = self.0.entry(same.clone()).or_insert_with(|| RefusalCount {
            id: None,
            first: row.at,
            last: row.at,
            written: row.at,
            count: 0,
            count_written: 0,
            target: row.target.clone(),
        });
        counted.count = counted.count.saturating_add(1);
        counted.last = row.at;
        if counted.target != row.target && !counted.target.ends_with(OTHERS) {
            counted.target = format!("{} {OTHERS}", counted.target).trim_start().to_owned();
        }
        let is_due =
            counted.id.is_none() || counted.count.is_power_of_two() || row.at - counted.written >= WRITTEN_AFTER;
        (over, is_due.then_some(same))
    }

    fn grouping_key(&self, row: &AuditRow) -> GroupingKey {
        let known = |same: &GroupingKey| self.0.contains_key(same);
        let of =
            |who: &str, address: &str| (row.action.clone(), who.to_owned(), address.to_owned(), row.result.clone());
        let own = of(&row.who, &row.address);
        if known(&own) {
            return own;
        }
        let of_address =
            self.0.keys().filter(|(action, _, address, _)| (action, address) == (&row.action, &row.address));
        let shared = if of_address.count() < NAMES_OF_ADDRESS_MAX { own } else { of(OTHERS, &row.address) };
        if known(&shared) || self.0.len() < COUNTED_MAX { shared } else { of(OTHERS, OTHERS) }
    }
}

impl RefusalCount {
    fn is_unwritten(&self) -> bool {
        self.count != self.count_written
    }
}

impl Ledger {
    /// Counts a refusal, and writes rows that are due.
    pub async fn refused(&self, row: &AuditRow) -> Result<(), StoreError> {
        let mut tally = self.refused.lock().await;
        let (over, due) = tally.count(row);
        for (same, mut counted) in over {
            self.write_refused(&same, &mut counted).await?;
        }
        if let Some((same, counted)) = due.and_then(|same| tally.0.get_mut(&same).map(|counted| (same, counted))) {
            self.write_refused(&same, counted).await?;
        }
        Ok(())
    }

    /// Writes all counts that are not written yet.
    pub(crate) async fn write_all_refused(&self) -> Result<(), StoreError> {
        let mut tally = self.refused.lock().await;
        for (same, counted) in tally.0.iter_mut().filter(|(_, counted)| counted.is_unwritten()) {
            self.write_refused(same, counted).await?;
        }
        Ok(())
    }

    async fn write_refused(&self, same: &GroupingKey, counted: &mut RefusalCount) -> Result<(), StoreError> {
        let (count, until) = (i64::from(counted.count), (counted.count > 1).then_some(counted.last.0));
        if let Some(id) = counted.id {
            let update = "UPDATE audit SET count = ?, until_ms = ?, target = ? WHERE id = ?";
            self.run(update, &[&count, &until, &counted.target, &id]).await?;
        } else {
            let insert = "INSERT INTO audit (at_ms, who, address, action, target, result, refused, count, until_ms)
                VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?)";
            let (action, who, address, result) = same;
            let params: Params<'_> = &[&counted.first.0, who, address, action, &counted.target, result, &count, &until];
            counted.id = Some(self.insert(insert, params).await?);
            self.forget_audited(true, ROWS_KEPT).await?;
        }
        (counted.written, counted.count_written) = (counted.last, counted.count);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::accounts::Audited;
    use crate::ledger::sql::Row;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn row(who: &str, address: &str, target: &str, at: Timestamp) -> AuditRow {
        AuditRow {
            at,
            who: who.to_owned(),
            address: address.to_owned(),
            action: "sign_in".to_owned(),
            target: target.to_owned(),
            result: "no".to_owned(),
        }
    }

    async fn ledger() -> (tempfile::TempDir, Ledger) {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("amarre.db")).await.unwrap();
        (folder, ledger)
    }

    fn rows_of<'a>(rows: &'a [Audited], who: &str) -> Vec<&'a Audited> {
        rows.iter().filter(|one| one.row.who == who).collect()
    }

    #[tokio::test]
    async fn equal_refusals_within_an_hour_share_a_row_with_a_count() {
        let (_folder, ledger) = ledger().await;
        for at in 0..300 {
            ledger.refused(&row("a@b.c", "192.0.2.1", "x", NOW + Millis(at))).await.unwrap();
        }
        ledger.refused(&row("a@b.c", "192.0.2.1", "y", NOW + Millis::minutes(2))).await.unwrap();
        ledger.refused(&row("a@b.c", "192.0.2.1", "y", NOW + Millis::minutes(3))).await.unwrap();
        ledger.refused(&row("a@b.c", "192.0.2.2", "x", NOW)).await.unwrap();
        let rows = ledger.audited(None, 10).await.unwrap();
        assert_eq!(rows.len(), 2, "{rows:?}");
        let (other, first) = (&rows[0], &rows[1]);
        assert_eq!((other.count, other.until), (1, NOW));
        assert_eq!((first.count, first.row.at, first.until), (302, NOW, NOW + Millis::minutes(3)));
        assert_eq!(first.row.target, "x …");
        ledger.refused(&row("a@b.c", "192.0.2.1", "y", NOW + Millis::minutes(61))).await.unwrap();
        assert_eq!(ledger.audited(None, 10).await.unwrap().len(), 3, "another hour, another row");
    }

    #[tokio::test]
    async fn a_flood_shares_rows_and_displaces_no_other_rows() {
        let (_folder, ledger) = ledger().await;
        ledger.audit(&row("people", "192.0.2.9", "", NOW)).await.unwrap();
        for number in 0..3_000_u32 {
            let name = format!("{number}@b.c");
            ledger.refused(&row(&name, "192.0.2.1", "", NOW)).await.unwrap();
            ledger.refused(&row(&name, &format!("2001:db8:0:{number:x}::/64"), "", NOW)).await.unwrap();
        }
        let rows = ledger.audited(None, 10_000).await.unwrap();
        assert!(rows.len() <= COUNTED_MAX + 4, "{}", rows.len());
        assert_eq!(rows.iter().map(|one| one.count).sum::<u32>(), 6_001, "each is counted");
        assert_eq!(rows_of(&rows, OTHERS).len(), 2, "of one address, and of all");
        // Hour after hour.
        for hour in 1..10 {
            for number in 0..600 {
                let one = row(&number.to_string(), &format!("192.0.3.{number}"), "", NOW + Millis::minutes(61 * hour));
                ledger.refused(&one).await.unwrap();
            }
        }
        let rows = ledger.audited(None, 10_000).await.unwrap();
        assert!(rows.len() <= usize::try_from(ROWS_KEPT).unwrap() + 1, "{}", rows.len());
        assert_eq!(rows_of(&rows, "people").len(), 1);
    }

    #[tokio::test]
    async fn a_flood_is_written_now_and_then_only() {
        let (_folder, ledger) = ledger().await;
        let changes = async || -> i64 { ledger.row("SELECT total_changes()", &[]).await.unwrap().unwrap().get(0) };
        let before = changes().await;
        for _ in 0..10_000 {
            ledger.refused(&row("a@b.c", "192.0.2.1", "", NOW)).await.unwrap();
        }
        let written = changes().await - before;
        assert!(written < 20, "{written}");
        assert_eq!(ledger.audited(None, 1).await.unwrap()[0].count, 10_000);
    }
}
