//! Reservations of machines, and what is known of these.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::resources::{Ledger, StoreError, read, written};
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
        let machines = sqlx::query("SELECT pool, name, facts FROM pool_machines").fetch_all(&self.pool);
        for row in machines.await.map_err(read)? {
            let facts: MachineFacts = serde_json::from_str(row.get("facts")).unwrap_or_default();
            pools.entry(row.get("pool")).or_default().machines.insert(row.get("name"), facts);
        }
        let live = sqlx::query("SELECT id, pool, document FROM reservations WHERE ended_ms IS NULL ORDER BY id");
        for row in live.fetch_all(&self.pool).await.map_err(read)? {
            let Some(one) = reservation(&row) else { continue };
            pools.entry(row.get("pool")).or_default().reservations.push(one);
        }
        let over =
            "SELECT id, pool, document FROM reservations WHERE ended_ms IS NOT NULL ORDER BY ended_ms DESC LIMIT ?";
        for row in sqlx::query(over).bind(OVER_MAX).fetch_all(&self.pool).await.map_err(read)? {
            let Some(one) = reservation(&row) else { continue };
            pools.entry(row.get("pool")).or_default().note_over(&one);
        }
        Ok(pools)
    }

    /// How the users of reservations that are not over sign in, by number.
    pub async fn sign_ins(&self) -> Result<BTreeMap<u64, String>, StoreError> {
        let query = "SELECT id, sign_in FROM reservations WHERE ended_ms IS NULL AND sign_in != ''";
        let rows = sqlx::query(query).fetch_all(&self.pool).await.map_err(read)?;
        let sign_in =
            |row: &SqliteRow| Some((u64::try_from(row.get::<i64, _>("id")).ok()?, row.get::<String, _>("sign_in")));
        Ok(rows.iter().filter_map(sign_in).collect())
    }

    /// Stores reservations that were asked for, each with how its user signs in; all or none.
    pub async fn add_reservations(&self, pool: &str, all: &[(&Reservation, &str)]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for (one, sign_in) in all.iter().copied() {
            let query = "INSERT INTO reservations (pool, user, document, sign_in) VALUES (?, ?, ?, ?)";
            let query = sqlx::query(query).bind(pool).bind(&one.user).bind(document(one)).bind(sign_in);
            query.execute(&mut *transaction).await.map_err(written)?;
        }
        transaction.commit().await.map_err(written)
    }

    /// Stores where reservations stand now, all or none; one that the ledger does not know comes as it is.
    pub async fn store_reservations(&self, all: &[(String, Reservation)]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        // One more than the highest would be the last that the table ever takes.
        for (pool, one) in all.iter().filter(|(_, one)| one.id <= NUMBER_MAX) {
            let query = "INSERT INTO reservations (id, pool, user, document, sign_in, ended_ms) VALUES (?, ?, ?, ?, '', ?) \
                         ON CONFLICT DO UPDATE SET document = excluded.document, ended_ms = excluded.ended_ms, \
                         sign_in = CASE WHEN excluded.ended_ms IS NULL THEN sign_in ELSE '' END";
            let query = sqlx::query(query).bind(number(one.id)).bind(pool).bind(&one.user).bind(document(one));
            query.bind(ended(one)).execute(&mut *transaction).await.map_err(written)?;
        }
        transaction.commit().await.map_err(written)
    }

    /// Forgets the reservations that ended before.
    pub async fn forget_reservations(&self, before: Timestamp) -> Result<(), StoreError> {
        let forget = sqlx::query("DELETE FROM reservations WHERE ended_ms < ?").bind(before.0);
        forget.execute(&self.pool).await.map_err(written).map(|_| ())
    }

    /// The accounts of a person's reservations of a pool.
    pub async fn users_of(&self, pool: &str, person: &str) -> Result<BTreeSet<String>, StoreError> {
        let query = "SELECT DISTINCT user FROM reservations WHERE pool = ? AND document ->> 'by' = ?";
        let rows = sqlx::query(query).bind(pool).bind(person).fetch_all(&self.pool).await.map_err(read)?;
        Ok(rows.iter().map(|row| row.get("user")).collect())
    }

    /// Takes a person's name out of the reservations that are over, and away what was recorded of the accounts.
    pub async fn forget_person(&self, pool: &str, person: &str, users: &BTreeSet<String>) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let query = "UPDATE reservations SET user = '', document = json_set(document, '$.by', '', '$.user', '') \
                     WHERE pool = ? AND ended_ms IS NOT NULL AND document ->> 'by' = ?";
        sqlx::query(query).bind(pool).bind(person).execute(&mut *transaction).await.map_err(written)?;
        for user in users {
            let delete = "DELETE FROM events WHERE address GLOB ?";
            let accounts = account_address(pool, "*", user).to_string();
            sqlx::query(delete).bind(accounts).execute(&mut *transaction).await.map_err(written)?;
        }
        transaction.commit().await.map_err(written)
    }

    /// The reservations of a pool, the last one first.
    pub async fn past_reservations(&self, pool: &str, count: usize) -> Result<Vec<Reservation>, StoreError> {
        let query = "SELECT id, document FROM reservations WHERE pool = ? ORDER BY id DESC LIMIT ?";
        let query = sqlx::query(query).bind(pool).bind(i64::try_from(count).unwrap_or(i64::MAX));
        let rows = query.fetch_all(&self.pool).await.map_err(read)?;
        Ok(rows.iter().filter_map(reservation).collect())
    }

    /// Stores what is known of a machine; `None`: nothing is.
    pub async fn note_machine(&self, pool: &str, name: &str, facts: Option<&MachineFacts>) -> Result<(), StoreError> {
        let query = match facts {
            Some(facts) => {
                let query = "INSERT INTO pool_machines (pool, name, facts) VALUES (?, ?, ?) \
                             ON CONFLICT DO UPDATE SET facts = excluded.facts";
                sqlx::query(query).bind(pool).bind(name).bind(serde_json::to_string(facts).unwrap_or_default())
            }
            None => sqlx::query("DELETE FROM pool_machines WHERE pool = ? AND name = ?").bind(pool).bind(name),
        };
        query.execute(&self.pool).await.map_err(written).map(|_| ())
    }
}
