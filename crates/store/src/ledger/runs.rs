//! History for people: runs, events, suspensions.

use std::collections::BTreeMap;

use super::resources::{Ledger, RUNS_KEPT, StoreError};
use super::sql::{AssertSqlSafe, LedgerTransaction, Params, Row, SqliteRow};
use amarre_core::model::world::Suspension;
use amarre_core::model::{Address, Text, Timestamp};

/// The result of a run whose process ended before it.
pub const CUT_OFF: &str = "cut_off";

/// One run, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub id: i64,
    pub started: Timestamp,
    /// When it ended; `None` = it is open.
    pub ended: Option<Timestamp>,
    pub revision: String,
    /// `unchanged`, `applied`, `partial`, `failed`, `guarded`, `cut_off`.
    pub result: Option<String>,
    /// Changes made.
    pub writes: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub at: Timestamp,
    pub run: i64,
    /// The service; empty = none in particular.
    pub service: String,
    pub address: Option<Address>,
    /// `created`, `updated`, `deleted`, `failed`, `drift`, …
    pub kind: String,
    /// The sentence. One that was stored without a template is shown as it was stored.
    pub text: Text,
    /// The reason of a change, as in plans: `drift`, `manifest_changed`, ….
    pub reason: Option<String>,
}

impl Event {
    /// Whether something of a provider was changed.
    pub fn is_change(&self) -> bool {
        matches!(self.kind.as_str(), "created" | "updated" | "deleted" | "performed")
    }

    /// The same, or it was tried and failed.
    pub fn is_attempt(&self) -> bool {
        self.is_change() || self.kind == "failed"
    }

    /// Whether a change failed, or a container of it does not work.
    pub fn is_failure(&self) -> bool {
        matches!(self.kind.as_str(), "failed" | "degraded")
    }

    /// Whether it put back what others changed.
    pub fn is_heal(&self) -> bool {
        matches!(self.reason.as_deref(), Some("drift" | "missing"))
    }
}

/// A filter of events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter<'a> {
    /// A service, an address, or its end: `proxy-host/git.example.org`; empty = all.
    pub of: &'a str,
    /// A kind, or the reason of a change; empty = all.
    pub kind: &'a str,
    /// Not before.
    pub since: Timestamp,
    /// Only events of exactly this service; empty = all.
    pub service: &'a str,
    /// Only events before this id.
    pub before: Option<i64>,
    /// Only events after this id.
    pub after: Option<i64>,
    /// At most this many, the newest.
    pub limit: u32,
}

impl Ledger {
    /// Begins a run; forgets the oldest ones.
    pub async fn begin_run(&self, revision: &str, now: Timestamp) -> Result<i64, StoreError> {
        let mut transaction = self.begin().await?;
        let query = "INSERT INTO runs (started_ms, revision) VALUES (?, ?)";
        let id = transaction.insert(query, &[&now.0, &revision]).await?;
        for query in [
            "DELETE FROM runs WHERE id < ?",
            "DELETE FROM events WHERE run < ?",
            "DELETE FROM intents WHERE run < ? AND done_ms IS NOT NULL",
            "DELETE FROM actions WHERE run < ? AND done_ms IS NOT NULL",
        ] {
            transaction.run(query, &[&(id - RUNS_KEPT)]).await?;
        }
        transaction.commit().await?;
        Ok(id)
    }

    /// Ends a run.
    pub async fn end_run(&self, id: i64, result: &str, now: Timestamp) -> Result<(), StoreError> {
        self.run("UPDATE runs SET ended_ms = ?, result = ? WHERE id = ?", &[&now.0, &result, &id]).await
    }

    /// Ends the runs of a process that was killed, at their last event: no other process writes this ledger, so none of
    /// them goes on.
    pub async fn end_cut_runs(&self) -> Result<(), StoreError> {
        let last = "COALESCE((SELECT MAX(at_ms) FROM events WHERE run = runs.id), started_ms)";
        let query = format!("UPDATE runs SET ended_ms = MAX({last}, started_ms), result = ? WHERE ended_ms IS NULL");
        self.run(AssertSqlSafe(query), &[&CUT_OFF]).await
    }

    /// The latest run.
    pub async fn last_run(&self) -> Result<Option<Run>, StoreError> {
        Ok(self.runs(Timestamp(i64::MAX), None, 1).await?.into_iter().next())
    }

    /// Runs that began by a time, and before the one of a number, the latest first.
    pub async fn runs(&self, by: Timestamp, before: Option<i64>, limit: u32) -> Result<Vec<Run>, StoreError> {
        let query = "SELECT id, started_ms, ended_ms, revision, result, writes FROM runs WHERE started_ms <= ? \
                     AND id < ? ORDER BY id DESC LIMIT ?";
        let run = |row: &SqliteRow| Run {
            id: row.get("id"),
            started: Timestamp(row.get("started_ms")),
            ended: row.get::<Option<i64>, _>("ended_ms").map(Timestamp),
            revision: row.get("revision"),
            result: row.get("result"),
            writes: row.get("writes"),
        };
        self.collect(query, &[&by.0, &before.unwrap_or(i64::MAX), &limit], |row| Some(run(row))).await
    }

    /// When something was last written for each service.
    pub async fn last_applied(&self) -> Result<BTreeMap<String, Timestamp>, StoreError> {
        let query = "SELECT service, MAX(at_ms) AS at_ms FROM applied WHERE service <> '' GROUP BY service";
        self.collect(query, &[], |row| Some((row.get("service"), Timestamp(row.get("at_ms"))))).await
    }

    /// The events of a run, oldest first.
    pub async fn events_of_run(&self, run: i64) -> Result<Vec<Event>, StoreError> {
        let query = "SELECT at_ms, run, service, address, kind, text, template, args, reason FROM events WHERE run = ? ORDER BY id";
        self.collect(query, &[&run], |row| Some(event(row))).await
    }

    /// Stores an event.
    pub async fn record(&self, event: &Event) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        record(&mut transaction, event).await?;
        transaction.commit().await
    }

    /// The latest events of a service (of all with an empty name), newest first.
    pub async fn events(&self, service: &str, limit: u32) -> Result<Vec<Event>, StoreError> {
        let query = "SELECT at_ms, run, service, address, kind, text, template, args, reason FROM events \
                     WHERE service = ?1 OR ?1 = '' ORDER BY id DESC LIMIT ?2";
        self.collect(query, &[&service, &limit], |row| Some(event(row))).await
    }

    /// The latest events that match a filter, with their ids, newest first.
    pub async fn events_of(&self, filter: &EventFilter<'_>) -> Result<Vec<(i64, Event)>, StoreError> {
        // The end of an address matches: `container/cloud-app` is one of `docker/container/cloud-app@4b78`. A deleted
        // resource has drifted, too.
        let query = "SELECT id, at_ms, run, service, address, kind, text, template, args, reason FROM events \
                     WHERE (?1 = '' OR service = ?1 OR address = ?1 OR substr(address, -length(?1) - 1) = '/' || ?1 \
                         OR instr(address, '/' || ?1 || '@') > 0 \
                         OR instr(address, ?1 || '@') = 1 OR instr(address, '/' || ?1 || '/') > 0) \
                     AND (?2 = '' OR kind = ?2 OR reason = ?2 OR ?2 = 'drift' AND reason = 'missing') AND at_ms >= ?3 AND id < ?5 AND id > ?6 AND (?7 = '' OR service = ?7) ORDER BY id DESC LIMIT ?4";
        let EventFilter { of, kind, since, service, before, after, limit } = filter;
        let (before, after) = (before.unwrap_or(i64::MAX), after.unwrap_or(i64::MIN));
        let params: Params<'_> = &[of, kind, &since.0, limit, &before, &after, service];
        self.collect(query, params, |row| Some((row.get("id"), event(row)))).await
    }

    /// Services whose latest event is a failure: the resource and the error.
    pub async fn past_failures(&self) -> Result<BTreeMap<String, (Address, Text)>, StoreError> {
        let query = "SELECT service, address, text, template, args FROM events WHERE kind = 'failed' \
                     AND id IN (SELECT max(id) FROM events GROUP BY service)";
        let failure = |row: &SqliteRow| {
            let address = row.get::<Option<String>, _>("address")?.parse().ok()?;
            Some((row.get("service"), (address, text(row, "text"))))
        };
        self.collect(query, &[], failure).await
    }

    /// Suspends a service. One that is destroyed is new when it returns, without a version to roll back to.
    pub async fn suspend(&self, service: &str, suspension: &Suspension) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        insert_suspension(&mut transaction, service, suspension).await?;
        transaction.commit().await
    }

    /// Resumes a service; answers whether it was suspended.
    pub async fn resume(&self, service: &str) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        transaction.run("DELETE FROM rollbacks WHERE service = ?", &[&service]).await?;
        let resumed = transaction.change("DELETE FROM suspensions WHERE service = ?", &[&service]).await?;
        transaction.commit().await?;
        Ok(resumed > 0)
    }

    /// Stores services that are in sync for the first time.
    pub async fn converged(&self, services: &[String], now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for service in services {
            let query = "INSERT OR IGNORE INTO converged (service, at_ms) VALUES (?, ?)";
            transaction.run(query, &[&service, &now.0]).await?;
        }
        transaction.commit().await
    }
}

/// Stores an event within a transaction.
pub(crate) async fn record(transaction: &mut LedgerTransaction, event: &Event) -> Result<(), StoreError> {
    let (template, args) = event.text.parts().unzip();
    let query = "INSERT INTO events (at_ms, run, service, address, kind, text, template, args, reason) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let Event { at, run, service, kind, reason, .. } = event;
    let (address, text) = (event.address.as_ref().map(Address::to_string), event.text.to_string());
    transaction.run(query, &[&at.0, run, service, &address, kind, &text, &template, &args, reason]).await
}

fn event(row: &SqliteRow) -> Event {
    Event {
        at: Timestamp(row.get("at_ms")),
        run: row.get("run"),
        service: row.get("service"),
        address: row.get::<Option<String>, _>("address").and_then(|text| text.parse().ok()),
        kind: row.get("kind"),
        text: text(row, "text"),
        reason: row.get("reason"),
    }
}

/// The text of a row: its parts, or the whole of it in `column`.
pub(crate) fn text(row: &SqliteRow, column: &str) -> Text {
    let (template, args): (Option<String>, Option<String>) = (row.get("template"), row.get("args"));
    let parts = template.zip(args).and_then(|(template, args)| Text::from_parts(template, &args));
    parts.unwrap_or_else(|| Text::foreign(row.get::<String, _>(column)))
}

/// Suspends a service: its rollback is over, and a service to destroy keeps no good manifests.
pub(crate) async fn insert_suspension(
    transaction: &mut LedgerTransaction,
    service: &str,
    suspension: &Suspension,
) -> Result<(), StoreError> {
    let of_destroyed = [
        "DELETE FROM converged WHERE service = ?",
        "DELETE FROM good_manifests WHERE service = ?",
        "DELETE FROM good_assets WHERE service = ?",
    ];
    let of_destroyed = of_destroyed.into_iter().filter(|_| suspension.destroy);
    for query in of_destroyed.chain(["DELETE FROM rollbacks WHERE service = ?"]) {
        transaction.run(query, &[&service]).await?;
    }
    let (template, args) = suspension.why.parts().unzip();
    let query = "INSERT OR REPLACE INTO suspensions \
                 (service, by_whom, why, template, args, destroy, purge, at_ms, until_ms) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let Suspension { by, why, destroy, purge, at, until } = suspension;
    let (why, until) = (why.to_string(), until.map(|until| until.0));
    transaction.run(query, &[&service, by, &why, &template, &args, destroy, purge, &at.0, &until]).await
}

#[cfg(test)]
mod tests {
    use amarre_core::text;

    use super::*;

    #[tokio::test]
    async fn old_runs_go_with_their_events() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("amarre.db")).await.unwrap();
        let now = Timestamp(1);
        let first = ledger.begin_run("a", now).await.unwrap();
        let event = Event {
            at: now,
            run: first,
            service: "web".to_owned(),
            address: None,
            kind: "created".to_owned(),
            text: Text::foreign(""),
            reason: None,
        };
        ledger.record(&event).await.unwrap();
        // As if there had been as many runs as are kept.
        let query = "INSERT INTO runs (id, started_ms, revision) VALUES (?, 1, 'b')";
        ledger.run(query, &[&(first + RUNS_KEPT - 1)]).await.unwrap();
        ledger.begin_run("c", now).await.unwrap();
        assert_eq!(ledger.events("web", 9).await.unwrap(), [event]);
        let newest = ledger.begin_run("d", now).await.unwrap();
        assert_eq!(ledger.events("web", 9).await.unwrap(), []);
        let oldest = ledger.row("SELECT min(id) AS oldest FROM runs", &[]).await.unwrap().unwrap();
        assert_eq!(oldest.get::<i64, _>("oldest"), newest - 2);
    }

    #[tokio::test]
    async fn a_run_that_was_cut_off_has_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("amarre.db");
        let ledger = Ledger::open(&path).await.unwrap();
        let done = ledger.begin_run("a", Timestamp(1)).await.unwrap();
        ledger.end_run(done, "applied", Timestamp(2)).await.unwrap();
        let cut = ledger.begin_run("b", Timestamp(3)).await.unwrap();
        let last = Event { run: cut, at: Timestamp(5), ..event(text!("restart")) };
        ledger.record(&last).await.unwrap();
        ledger.begin_run("c", Timestamp(7)).await.unwrap();
        ledger.end_cut_runs().await.unwrap();
        let runs = ledger.runs(Timestamp(i64::MAX), None, 9).await.unwrap();
        let ends: Vec<_> = runs.iter().map(|run| (run.ended.map(|at| at.0), run.result.as_deref())).collect();
        assert_eq!(ends, [(Some(7), Some(CUT_OFF)), (Some(5), Some(CUT_OFF)), (Some(2), Some("applied"))]);
    }

    fn event(text: Text) -> Event {
        let (service, kind) = ("web".to_owned(), "performed".to_owned());
        Event { at: Timestamp(1), run: 1, service, address: None, kind, text, reason: Some("restart".to_owned()) }
    }

    #[tokio::test]
    async fn a_sentence_is_stored_with_its_template() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("amarre.db")).await.unwrap();
        let said = text!("{word} by {by}: {why}", word = text!("restart"), by = "alice", why = Text::foreign("{by}"));
        for text in [said.clone(), Text::foreign("what {somebody} said"), Text::foreign("")] {
            ledger.record(&event(text.clone())).await.unwrap();
            assert_eq!(ledger.events("web", 1).await.unwrap(), [event(text)]);
        }
        let kept = ledger.rows("SELECT text FROM events ORDER BY id", &[]).await.unwrap();
        assert_eq!(
            kept[0].get::<String, _>("text"),
            "restart by alice: {by}",
            "in English, for whoever reads the file"
        );
    }

    /// A vendor's words have no parts.
    #[tokio::test]
    async fn a_sentence_without_parts_is_shown_as_it_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("amarre.db")).await.unwrap();
        let text = "restart by alice; its {answer} was lost";
        let insert = "INSERT INTO events (at_ms, run, service, kind, text, reason) VALUES (1, 1, 'web', 'performed', ?, 'restart')";
        ledger.run(insert, &[&text]).await.unwrap();
        assert_eq!(ledger.events("web", 9).await.unwrap(), [event(Text::foreign(text))]);
    }

    /// A version after this one may store arguments that this one does not know.
    #[tokio::test]
    async fn arguments_that_cannot_be_read_leave_the_english_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("amarre.db")).await.unwrap();
        ledger.record(&event(text!("by {by}", by = "alice"))).await.unwrap();
        ledger.run("UPDATE events SET args = '{\"by\":{\"unheard_of\":1}}'", &[]).await.unwrap();
        assert_eq!(ledger.events("web", 9).await.unwrap(), [event(Text::foreign("by alice"))]);
    }
}
