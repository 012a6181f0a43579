//! Reservations of machines, and what is known of these.

use std::collections::{BTreeMap, BTreeSet};

use super::resources::{Ledger, StoreError};
use super::sql::{Row, SqliteRow};
use amarre_core::model::Timestamp;
use amarre_core::model::pool::{MachineFacts, PoolFacts, account_address};
use amarre_core::model::reservations::{NUMBER_MAX, Reservation, ReservationState};

/// Reservations that are over and still looked at: an account of one may be on a machine that was away.
const OVER_MAX: i64 = 5000;

fn reservation(row: &SqliteRow) -> Option<Reservation> {
    let document: Reservation = serde_json::from_str(row.get("document")).ok()?;
    Some(Reservation { id: u64::try_from(row.get::<i64, _>("id")).ok()?, ..document })
}

fn number(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

fn ended(one: &Reservation) -> Option<i64> {
    match &one.state {
        ReservationState::Over { at, .. } => Some(at.0),
        ReservationState::Open | ReservationState::Held { .. } => None,
    }
}

fn document(one: &Reservation) -> String {
    serde_json::to_string(one).unwrap_or_default()
}

impl Ledger {
    /// What is known of each pool, by name.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn pools(&self) -> Result<BTreeMap<String, PoolFacts>, StoreError> {
        let mut pools: BTreeMap<String, PoolFacts> = BTreeMap::new();
        for row in self.rows("SELECT pool, name, facts FROM pool_machines", &[]).await? {
            let facts: MachineFacts = serde_json::from_str(row.get("facts")).unwrap_or_default();
            pools.entry(row.get("pool")).or_default().machines.insert(row.get("name"), facts);
        }
        let live = "SELECT id, pool, document FROM reservations WHERE ended_ms IS NULL ORDER BY id";
        for row in self.rows(live, &[]).await? {
            let Some(one) = reservation(&row) else { continue };
            pools.entry(row.get("pool")).or_default().reservations.push(one);
        }
        let over =
            "SELECT id, pool, document FROM reservations WHERE ended_ms IS NOT NULL ORDER BY ended_ms DESC LIMIT ?";
        for row in self.rows(over, &[&OVER_MAX]).await? {
            let Some(one) = reservation(&row) else { continue };
            pools.entry(row.get("pool")).or_default().note_over(&one);
        }
        Ok(pools)
    }

    /// How the users of reservations that are not over sign in, by number.
    pub async fn sign_ins(&self) -> Result<BTreeMap<u64, String>, StoreError> {
        let query = "SELECT id, sign_in FROM reservations WHERE ended_ms IS NULL AND sign_in != ''";
        let sign_in =
            |row: &SqliteRow| Some((u64::try_from(row.get::<i64, _>("id")).ok()?, row.get::<String, _>("sign_in")));
        self.collect(query, &[], sign_in).await
    }

    /// Stores reservations that were asked for, each with how its user signs in; all or none.
    pub async fn add_reservations(&self, pool: &str, all: &[(&Reservation, &str)]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for (one, sign_in) in all.iter().copied() {
            let query = "INSERT INTO reservations (pool, user, document, sign_in) VALUES (?, ?, ?, ?)";
            transaction.run(query, &[&pool, &one.user, &document(one), &sign_in]).await?;
        }
        transaction.commit().await
    }

    /// Stores where reservations stand now, all or none; one that the ledger does not know comes as it is.
    pub async fn store_reservations(&self, all: &[(String, Reservation)]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        // One more than the highest would be the last that the table ever takes.
        for (pool, one) in all.iter().filter(|(_, one)| one.id <= NUMBER_MAX) {
            let query = "INSERT INTO reservations (id, pool, user, document, sign_in, ended_ms) VALUES (?, ?, ?, ?, '', ?) \
                         ON CONFLICT DO UPDATE SET document = excluded.document, ended_ms = excluded.ended_ms, \
                         sign_in = CASE WHEN excluded.ended_ms IS NULL THEN sign_in ELSE '' END";
            transaction.run(query, &[&number(one.id), &pool, &one.user, &document(one), &ended(one)]).await?;
        }
        transaction.commit().await
    }

    /// Forgets the reservations that ended before.
    pub async fn forget_reservations(&self, before: Timestamp) -> Result<(), StoreError> {
        self.run("DELETE FROM reservations WHERE ended_ms < ?", &[&before.0]).await
    }

    /// The accounts of a person's reservations of a pool.
    pub async fn users_of(&self, pool: &str, person: &str) -> Result<BTreeSet<String>, StoreError> {
        let query = "SELECT DISTINCT user FROM reservations WHERE pool = ? AND document ->> 'by' = ?";
        self.collect(query, &[&pool, &person], |row| Some(row.get("user"))).await
    }

    /// Takes a person's name out of the reservations that are over, and away what was recorded of the accounts.
    pub async fn forget_person(&self, pool: &str, person: &str, users: &BTreeSet<String>) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let query = "UPDATE reservations SET user = '', document = json_set(document, '$.by', '', '$.user', '') \
                     WHERE pool = ? AND ended_ms IS NOT NULL AND document ->> 'by' = ?";
        transaction.run(query, &[&pool, &person]).await?;
        for user in users {
            let delete = "DELETE FROM events WHERE address GLOB ?";
            transaction.run(delete, &[&account_address(pool, "*", user).to_string()]).await?;
        }
        transaction.commit().await
    }

    /// The reservations of a pool, the last one first.
    pub async fn past_reservations(&self, pool: &str, count: usize) -> Result<Vec<Reservation>, StoreError> {
        let query = "SELECT id, document FROM reservations WHERE pool = ? ORDER BY id DESC LIMIT ?";
        self.collect(query, &[&pool, &i64::try_from(count).unwrap_or(i64::MAX)], reservation).await
    }

    /// Stores what is known of a machine; `None`: nothing is.
    pub async fn note_machine(&self, pool: &str, name: &str, facts: Option<&MachineFacts>) -> Result<(), StoreError> {
        let Some(facts) = facts else {
            return self.run("DELETE FROM pool_machines WHERE pool = ? AND name = ?", &[&pool, &name]).await;
        };
        let query = "INSERT INTO pool_machines (pool, name, facts) VALUES (?, ?, ?) \
                     ON CONFLICT DO UPDATE SET facts = excluded.facts";
        self.run(query, &[&pool, &name, &serde_json::to_string(facts).unwrap_or_default()]).await
    }
}
