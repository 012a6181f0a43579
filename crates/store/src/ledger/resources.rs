//! Owned resources, applied fields, open intents.
//!
//! An intent is stored before a call leaves, its outcome after, each in one transaction with everything that depends on
//! it (lease, ownership, zone to publish), so that a crash between any two statements leaves a true ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection};
use tokio::sync::Mutex;

use super::audit_refusals::RefusalTally;
use super::cache::Cached;
use super::certificate_orders;
use super::disk::DiskRoom;
use super::field_texts::{FieldTexts, TextReading};
use super::file::LedgerFile;
use super::flapping::note_writes;
use super::good_manifests::StoredManifest;
use super::migrations::MIGRATIONS;
use super::runs;
use super::sql::{LedgerTransaction, Row, SqliteRow};
use super::updates::mark_away;
use amarre_core::model::ReasonCode;
use amarre_core::model::world::{Applied, Failure, Pulled, Suspension};
use amarre_core::model::{Address, Change, Code, Facts, Fields, Kind, Millis, ProviderId, Timestamp, Value, Verb};
use amarre_core::resources::cloud::DELETING;
use amarre_core::resources::docker::PortSpec;

/// A statement that takes longer than this meets a locked database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest that a vendor can have a call wait.
const VENDOR_WAIT_MAX: Millis = Millis::minutes(8 * 24 * 60);
/// Runs and their events that are kept; older ones go with each new run.
pub(crate) const RUNS_KEPT: i64 = 2_000;

/// The ledger could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the ledger {doing}: {why}")]
pub struct StoreError {
    doing: &'static str,
    why: String,
}

impl StoreError {
    pub(crate) fn new(doing: &'static str, error: &dyn std::error::Error) -> Self {
        Self { doing, why: crate::error_chain::chain(error) }
    }

    pub(crate) fn because(doing: &'static str, why: String) -> Self {
        Self { doing, why }
    }
}

/// A call that is about to leave.
#[derive(Debug, Clone)]
pub struct Intent<'a> {
    pub run: i64,
    pub change: &'a Change,
    /// The scope that has to be published afterwards.
    pub publishes: Option<String>,
}

/// A scope (a zone) with changes that are invisible before it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpublished {
    pub provider: ProviderId,
    pub scope: String,
    pub since: Timestamp,
}

/// An open ledger.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(crate) pool: SqlitePool,
    /// The file of a ledger that is written; what is only read may go.
    file: Option<Arc<LedgerFile>>,
    facts: Cached<Facts>,
    texts: FieldTexts,
    pub(crate) manifests: Cached<BTreeMap<String, StoredManifest>>,
    pub(crate) good_generations: Cached<BTreeSet<(String, String)>>,
    pub(crate) refused: Arc<Mutex<RefusalTally>>,
}

impl Ledger {
    /// Opens the ledger and migrates it; creates it when it is missing.
    ///
    /// # Errors
    /// The file cannot be opened, is no ledger, or is newer than this program.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let file = LedgerFile::make_private(path).map_err(|error| StoreError::new("could not be opened", &error))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            // A later connection of the pool must not begin an empty ledger.
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        // One connection: one ledger has one writer, and its reads are small.
        let pool =
            SqlitePoolOptions::new().max_connections(1).after_release(|connection, _| Box::pin(is_clean(connection)));
        let pool = pool.connect_with(options).await;
        let pool = pool.map_err(|error| StoreError::new("could not be opened", &error))?;
        let migrated = MIGRATIONS.run(&pool).await;
        migrated.map_err(|error| StoreError::new("could not be brought up to date", &error))?;
        Ok(Self { file: Some(Arc::new(file)), ..Self::from_pool(pool) })
    }

    /// The disk of its file, if that is full.
    pub fn full_disk(&self) -> Option<DiskRoom> {
        DiskRoom::beside(self.file.as_ref()?.path()).filter(DiskRoom::is_full)
    }

    /// What failed, behind the reason that people know: a full disk.
    pub fn failure_text(&self, error: &StoreError) -> String {
        self.full_disk().map_or_else(|| error.to_string(), |room| format!("{}; {error}", room.text()))
    }

    pub(crate) fn from_pool(pool: SqlitePool) -> Self {
        Self {
            pool,
            file: None,
            facts: Cached::default(),
            texts: FieldTexts::default(),
            manifests: Cached::default(),
            good_generations: Cached::default(),
            refused: Arc::default(),
        }
    }

    /// The facts for a plan.
    pub async fn facts(&self) -> Result<Arc<Facts>, StoreError> {
        self.check_file()?;
        self.facts.get(&self.pool, self.read_facts()).await
    }

    async fn read_facts(&self) -> Result<Facts, StoreError> {
        let mut texts = self.texts.reading();
        Ok(Facts {
            in_progress: BTreeMap::new(),
            going: BTreeSet::new(),
            leases: self.leases().await?,
            refused_subnets: self.column("SELECT subnet FROM refused_subnets").await?.into_iter().collect(),
            ports: self.ports().await?,
            refused_ports: self.refused_ports().await?,
            failed: self.failed().await?,
            open_intents: self.open_intents().await?,
            orders: self.orders().await?,
            ordered: self.ordered().await?,
            applied: self.applied(&mut texts).await?,
            last_good: self.last_good(&mut texts).await?,
            repointed_at: self.repointed().await?,
            away: self.away().await?,
            pulled: self.pulled().await?,
            rolling: BTreeMap::new(),
            builds: self.build_times().await?,
            suspended: self.suspended().await?,
            converged: self.column("SELECT service FROM converged").await?.into_iter().collect(),
            frozen: std::collections::BTreeSet::new(),
            gone: BTreeMap::new(),
            released: self.released().await?,
            changed_by: BTreeMap::new(),
            prune_blocked: false,
            history: amarre_core::model::History::default(),
            flaps: self.flaps().await?,
            retired: self.retired().await?,
            written_folders: self.written_folders().await?,
            reserved: self.reserved().await?,
            power: self.power().await?,
            pools: self.pools().await?,
            revision: String::new(),
        })
    }

    /// Stores an intent before its call leaves; with a new network its lease, with a record its zone, with a container
    /// that an update stops first the time of its stop.
    pub async fn intent(&self, intent: &Intent<'_>, now: Timestamp) -> Result<i64, StoreError> {
        let mut transaction = self.begin().await?;
        let change = intent.change;
        let query = "INSERT INTO intents (run, address, service, action, at_ms) VALUES (?, ?, ?, ?, ?)";
        let id = transaction
            .insert(query, &[&intent.run, &change.address.to_string(), &change.service, &change.action(), &now.0])
            .await?;
        if let (Kind::Network, Verb::Create(fields)) = (change.address.kind, &change.verb)
            && let Some(subnet) = fields.text("subnet")
        {
            let query = "INSERT OR REPLACE INTO leases (network, subnet) VALUES (?, ?)";
            transaction.run(query, &[&change.address.to_string(), &subnet]).await?;
        }
        if let (Kind::Container, Verb::Create(fields)) = (change.address.kind, &change.verb) {
            lease_ports(&mut transaction, &change.address, fields).await?;
        }
        certificate_orders::begin(&mut transaction, id, change, now).await?;
        mark_away(&mut transaction, change, now).await?;
        if let Some(scope) = &intent.publishes {
            let query = "INSERT OR IGNORE INTO unpublished (provider, scope, at_ms) VALUES (?, ?, ?)";
            transaction.run(query, &[&change.address.provider.as_str(), &scope, &now.0]).await?;
        }
        transaction.commit().await?;
        Ok(id)
    }

    /// Stores that a change was done, or which fields of it, if not all were written.
    pub async fn finish_intent(
        &self,
        intent: i64,
        run: i64,
        change: &Change,
        (vendor_id, written_fields): (&str, Option<&Fields>),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        close(&mut transaction, intent, "ok", now).await?;
        certificate_orders::issued(&mut transaction, intent).await?;
        if change.address.kind == Kind::Image {
            note_image(&mut transaction, change, vendor_id, now).await?;
        }
        let before = stored_fields(&mut transaction, &change.address).await?;
        let applied =
            |fields: Fields| Applied { service: change.service.clone(), vendor_id: vendor_id.to_owned(), fields };
        // A certificate has no field that another program could write; its presence is observed.
        if change.address.kind != Kind::Certificate {
            note_writes(&mut transaction, change, &before, written_fields, run, now).await?;
        }
        match &change.verb {
            // Only hosts were written: whatever the outcome of earlier calls, they are on line.
            Verb::Update(_) if change.address.kind == Kind::Certificate => {
                let query =
                    "UPDATE intents SET done_ms = ?, outcome = 'observed' WHERE done_ms IS NULL AND address = ?";
                transaction.run(query, &[&now.0, &change.address.to_string()]).await?;
            }
            Verb::Create(fields) => {
                record_owned(&mut transaction, &change.address, &applied(fields.clone()), run, now).await?;
            }
            // Its mark is removed: it is unowned.
            Verb::Update(_) if change.because.code == ReasonCode::Released => {
                delete_owned(&mut transaction, &change.address).await?;
            }
            Verb::Update(fields) => {
                let mut merged = before;
                merged.extend(written_fields.unwrap_or(fields).clone());
                record_owned(&mut transaction, &change.address, &applied(merged), run, now).await?;
            }
            // The vendor still carries it out: it is owned until it is observed to be gone.
            Verb::Delete if !vendor_id.is_empty() => {
                let fields = before.with(DELETING, Value::Int(now.0));
                record_owned(&mut transaction, &change.address, &applied(fields), run, now).await?;
            }
            Verb::Delete => delete_owned(&mut transaction, &change.address).await?,
        }
        transaction.run("UPDATE runs SET writes = writes + 1 WHERE id = ?", &[&run]).await?;
        transaction.commit().await
    }

    /// A deletion that the vendor had accepted came to nothing: the server is owned as before.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn deletion_failed(&self, address: &Address, run: i64, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let query = "SELECT service, vendor_id, fields FROM applied WHERE address = ?";
        if let Some(row) = transaction.row(query, &[&address.to_string()]).await? {
            let mut fields: Fields = from_json(&row.get::<String, _>("fields"));
            fields.remove(DELETING);
            let owned = Applied { service: row.get("service"), vendor_id: row.get("vendor_id"), fields };
            record_owned(&mut transaction, address, &owned, run, now).await?;
        }
        transaction.commit().await
    }

    /// Stores that a change failed, and until when the vendor wants no other try if it states so. An unknown outcome is
    /// not stored: its intent stays open.
    pub async fn failed_call(
        &self,
        intent: i64,
        code: Code,
        until: Option<Timestamp>,
        why: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // Limits of certificates are counted by the week: what a vendor says beyond that is no reason to wait for ever.
        let until = until.map(|until| until.min(now + VENDOR_WAIT_MAX));
        let mut transaction = self.begin().await?;
        certificate_orders::failed(&mut transaction, intent, code, until).await?;
        close(&mut transaction, intent, why, now).await?;
        transaction.commit().await
    }

    /// Closes the intents of these addresses that left by then: their effect has been observed since, or never will be.
    pub async fn settle(&self, settled: &[(&Address, &Timestamp)], now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for (address, left) in settled {
            let query = "UPDATE intents SET done_ms = ?, outcome = 'observed' \
                         WHERE done_ms IS NULL AND address = ? AND at_ms <= ?";
            transaction.run(query, &[&now.0, &address.to_string(), &left.0]).await?;
        }
        transaction.commit().await
    }

    /// Stores ownership that was observed rather than written: after a crash, or with a lost ledger.
    pub async fn learn(&self, rows: &BTreeMap<Address, Applied>, run: i64, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for (address, row) in rows {
            record_owned(&mut transaction, address, row, run, now).await?;
            if address.kind == Kind::Network
                && let Some(subnet) = row.fields.text("subnet")
            {
                let query = "INSERT OR REPLACE INTO leases (network, subnet) VALUES (?, ?)";
                transaction.run(query, &[&address.to_string(), &subnet]).await?;
            }
        }
        transaction.commit().await
    }

    /// Forgets resources that are neither present nor wanted.
    pub async fn forget(&self, addresses: &[Address]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for address in addresses {
            delete_owned(&mut transaction, address).await?;
        }
        transaction.commit().await
    }

    /// Forgets pulled images that are gone.
    pub async fn forget_images(&self, gone: &[Pulled]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for pulled in gone {
            let query = "DELETE FROM pulled WHERE provider = ? AND id = ? AND reference = ?";
            transaction.run(query, &[&pulled.provider.as_str(), &pulled.id, &pulled.reference]).await?;
        }
        transaction.commit().await
    }

    /// Marks a subnet as one that the engine refuses.
    pub async fn refuse_subnet(&self, subnet: &str, network: &Address, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let query = "INSERT OR IGNORE INTO refused_subnets (subnet, at_ms) VALUES (?, ?)";
        transaction.run(query, &[&subnet, &now.0]).await?;
        transaction.run("DELETE FROM leases WHERE network = ?", &[&network.to_string()]).await?;
        transaction.commit().await
    }

    /// Marks a port of a container's host as used by another program.
    pub async fn refuse_port(&self, container: &Address, port: u16, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let query = "INSERT OR IGNORE INTO refused_ports (provider, port, at_ms) VALUES (?, ?, ?)";
        transaction.run(query, &[&container.provider.as_str(), &port, &now.0]).await?;
        let query = "DELETE FROM port_leases WHERE container = ? AND port = ?";
        transaction.run(query, &[&container.base().to_string(), &port]).await?;
        transaction.commit().await
    }

    async fn ports(&self) -> Result<BTreeMap<Address, BTreeSet<u16>>, StoreError> {
        let rows = self.rows("SELECT container, port FROM port_leases", &[]).await?;
        let mut ports: BTreeMap<Address, BTreeSet<u16>> = BTreeMap::new();
        for row in &rows {
            let port = u16::try_from(row.get::<i64, _>("port")).ok();
            if let (Some(container), Some(port)) = (address(row, "container"), port) {
                ports.entry(container).or_default().insert(port);
            }
        }
        Ok(ports)
    }

    async fn refused_ports(&self) -> Result<BTreeMap<ProviderId, BTreeSet<u16>>, StoreError> {
        let rows = self.rows("SELECT provider, port FROM refused_ports", &[]).await?;
        let mut ports: BTreeMap<ProviderId, BTreeSet<u16>> = BTreeMap::new();
        for row in &rows {
            let port = u16::try_from(row.get::<i64, _>("port")).ok();
            if let (Some(provider), Some(port)) = (provider(row), port) {
                ports.entry(provider).or_default().insert(port);
            }
        }
        Ok(ports)
    }

    /// Scopes with unpublished changes.
    pub async fn unpublished(&self) -> Result<Vec<Unpublished>, StoreError> {
        let dirty = |row: &SqliteRow| {
            let since = Timestamp(row.get("at_ms"));
            Some(Unpublished { provider: provider(row)?, scope: row.get("scope"), since })
        };
        self.collect("SELECT provider, scope, at_ms FROM unpublished ORDER BY provider, scope", &[], dirty).await
    }

    /// Marks a scope as unpublished.
    pub async fn unpublished_again(
        &self,
        provider: &ProviderId,
        scope: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let query = "INSERT OR IGNORE INTO unpublished (provider, scope, at_ms) VALUES (?, ?, ?)";
        self.run(query, &[&provider.as_str(), &scope, &now.0]).await
    }

    /// Marks a scope as published.
    pub async fn published(&self, provider: &ProviderId, scope: &str) -> Result<(), StoreError> {
        self.run("DELETE FROM unpublished WHERE provider = ? AND scope = ?", &[&provider.as_str(), &scope]).await
    }

    /// Reads a value of the ledger's metadata.
    pub async fn meta(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(self.row("SELECT value FROM meta WHERE name = ?", &[&name]).await?.map(|row| row.get("value")))
    }

    /// Writes a value of the ledger's metadata.
    pub async fn set_meta(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.check_file()?;
        self.run("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", &[&name, &value]).await
    }

    /// Deletes a value of the ledger's metadata.
    pub async fn unset_meta(&self, name: &str) -> Result<(), StoreError> {
        self.run("DELETE FROM meta WHERE name = ?", &[&name]).await
    }

    /// What is written to a file that was removed or replaced is lost.
    pub(super) fn check_file(&self) -> Result<(), StoreError> {
        self.file.as_ref().map_or(Ok(()), |file| file.check())
    }

    async fn column<T: std::str::FromStr>(&self, query: &'static str) -> Result<Vec<T>, StoreError> {
        self.collect(query, &[], |row| row.get::<String, _>(0).parse().ok()).await
    }

    async fn leases(&self) -> Result<BTreeMap<Address, ipnet::Ipv4Net>, StoreError> {
        let lease = |row: &SqliteRow| Some((address(row, "network")?, row.get::<String, _>("subnet").parse().ok()?));
        self.collect("SELECT network, subnet FROM leases", &[], lease).await
    }

    async fn failed(&self) -> Result<BTreeMap<Address, Failure>, StoreError> {
        let failure = |row: &SqliteRow| {
            let address = address(row, "address")?;
            Some((address.clone(), Failure { address, inputs: row.get("inputs"), why: row.get("why") }))
        };
        self.collect("SELECT address, inputs, why FROM failed", &[], failure).await
    }

    async fn open_intents(&self) -> Result<BTreeMap<Address, Timestamp>, StoreError> {
        let open = |row: &SqliteRow| Some((address(row, "address")?, Timestamp(row.get("at_ms"))));
        self.collect("SELECT address, at_ms FROM intents WHERE done_ms IS NULL ORDER BY id", &[], open).await
    }

    async fn applied(&self, texts: &mut TextReading) -> Result<BTreeMap<Address, Applied>, StoreError> {
        let applied = |row: &SqliteRow| {
            let fields = texts.fields(row.get("fields"));
            let applied = Applied { service: row.get("service"), vendor_id: row.get("vendor_id"), fields };
            Some((address(row, "address")?, applied))
        };
        self.collect("SELECT address, service, vendor_id, fields FROM applied", &[], applied).await
    }

    async fn last_good(&self, texts: &mut TextReading) -> Result<BTreeMap<Address, (String, Fields)>, StoreError> {
        let good =
            |row: &SqliteRow| Some((address(row, "base")?, (row.get("generation"), texts.fields(row.get("fields")))));
        self.collect("SELECT base, generation, fields FROM last_good", &[], good).await
    }

    async fn pulled(&self) -> Result<Vec<Pulled>, StoreError> {
        let query = "SELECT provider, id, reference, service, at_ms, ready FROM pulled ORDER BY at_ms, id, reference";
        let pulled = |row: &SqliteRow| {
            Some(Pulled {
                provider: provider(row)?,
                id: row.get("id"),
                reference: row.get("reference"),
                service: row.get("service"),
                at: Timestamp(row.get("at_ms")),
                ready: row.get("ready"),
            })
        };
        self.collect(query, &[], pulled).await
    }

    async fn suspended(&self) -> Result<BTreeMap<String, Suspension>, StoreError> {
        let suspension = |row: &SqliteRow| Suspension {
            by: row.get("by_whom"),
            why: runs::text(row, "why"),
            destroy: row.get::<i64, _>("destroy") != 0,
            purge: row.get::<i64, _>("purge") != 0,
            at: Timestamp(row.get("at_ms")),
            until: row.get::<Option<i64>, _>("until_ms").map(Timestamp),
        };
        self.collect("SELECT * FROM suspensions", &[], |row| Some((row.get("service"), suspension(row)))).await
    }
}

/// A failed commit (a full disk) can leave its transaction open, and later writes in memory only. Such a connection is
/// not used again.
async fn is_clean(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let can_begin = connection.execute("BEGIN").await.is_ok() && connection.execute("ROLLBACK").await.is_ok();
    Ok(can_begin && !connection.is_in_transaction())
}

async fn close(
    transaction: &mut LedgerTransaction,
    intent: i64,
    outcome: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    transaction.run("UPDATE intents SET done_ms = ?, outcome = ? WHERE id = ?", &[&now.0, &outcome, &intent]).await
}

/// Stores that a resource is owned, with its fields.
pub(crate) async fn record_owned(
    transaction: &mut LedgerTransaction,
    address: &Address,
    row: &Applied,
    run: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    // Images are never owned; the engine's own list is the cache.
    if address.kind == Kind::Image {
        return Ok(());
    }
    let query =
        "INSERT OR REPLACE INTO applied (address, service, vendor_id, fields, run, at_ms) VALUES (?, ?, ?, ?, ?, ?)";
    let Applied { service, vendor_id, fields } = row;
    transaction.run(query, &[&address.to_string(), service, vendor_id, &to_json(fields), &run, &now.0]).await
}

/// An image is never owned, but Amarre deletes those that it pulled.
async fn note_image(
    transaction: &mut LedgerTransaction,
    change: &Change,
    id: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (provider, reference) = (change.address.provider.as_str(), &change.address.name);
    match &change.verb {
        Verb::Delete => {
            let query = "DELETE FROM pulled WHERE provider = ? AND (reference = ? OR id = ?)";
            transaction.run(query, &[&provider, reference, reference]).await
        }
        Verb::Create(_) | Verb::Update(_) if id.is_empty() => Ok(()),
        Verb::Create(_) | Verb::Update(_) => {
            let query =
                "INSERT OR REPLACE INTO pulled (provider, id, reference, service, at_ms) VALUES (?, ?, ?, ?, ?)";
            transaction.run(query, &[&provider, &id, reference, &change.service, &now.0]).await
        }
    }
}

pub(crate) async fn delete_owned(transaction: &mut LedgerTransaction, address: &Address) -> Result<(), StoreError> {
    for query in ["DELETE FROM applied WHERE address = ?", "DELETE FROM leases WHERE network = ?"] {
        transaction.run(query, &[&address.to_string()]).await?;
    }
    // The last generation of a container releases its ports.
    let query = "DELETE FROM port_leases WHERE container = ?1
        AND NOT EXISTS (SELECT 1 FROM applied WHERE substr(address, 1, length(?1) + 1) = ?1 || '@')";
    transaction.run(query, &[&address.base().to_string()]).await
}

/// The ports of the host that are published for a container are its own.
async fn lease_ports(
    transaction: &mut LedgerTransaction,
    container: &Address,
    fields: &Fields,
) -> Result<(), StoreError> {
    for port in fields.strings("published").into_iter().filter_map(PortSpec::parse) {
        let query = "INSERT OR IGNORE INTO port_leases (container, port) VALUES (?, ?)";
        transaction.run(query, &[&container.base().to_string(), &port.published]).await?;
    }
    Ok(())
}

async fn stored_fields(transaction: &mut LedgerTransaction, address: &Address) -> Result<Fields, StoreError> {
    let row = transaction.row("SELECT fields FROM applied WHERE address = ?", &[&address.to_string()]).await?;
    Ok(row.map(|row| from_json(&row.get::<String, _>("fields"))).unwrap_or_default())
}

pub(crate) fn address(row: &SqliteRow, column: &str) -> Option<Address> {
    row.get::<String, _>(column).parse().ok()
}

/// The provider of a row; `None`: it is not the name of one.
pub(super) fn provider(row: &SqliteRow) -> Option<ProviderId> {
    let any = format!("{}/container/x", row.get::<String, _>("provider"));
    any.parse().ok().map(|any: Address| any.provider)
}

pub(super) fn to_json(fields: &Fields) -> String {
    // Plain data in ordered maps: serialising cannot fail.
    serde_json::to_string(fields).unwrap_or_default()
}

/// An unreadable row counts as unknown: that costs a retry, never harm.
pub(super) fn from_json(text: &str) -> Fields {
    serde_json::from_str(text).unwrap_or_default()
}
