//! Ordered certificates, for the limits of Let's Encrypt.

use std::collections::BTreeMap;

use super::resources::{Ledger, StoreError, address};
use super::sql::{LedgerTransaction, Row, SqliteRow};
use amarre_core::model::world::{LIMITED, NOT_ISSUED, NOT_PLACED, Order, Ordered};
use amarre_core::model::{Address, Change, Code, Millis, Timestamp};

/// No limit looks farther back than a week; kept a little longer, for people.
const KEPT: Millis = Millis::minutes(30 * 24 * 60);

/// Recorded before the call leaves.
pub(crate) async fn begin(
    transaction: &mut LedgerTransaction,
    intent: i64,
    change: &Change,
    now: Timestamp,
) -> Result<(), StoreError> {
    if !change.is_order() {
        return Ok(());
    }
    let query = "INSERT INTO orders (intent, address, at_ms) VALUES (?, ?, ?)";
    transaction.run(query, &[&intent, &change.address.to_string(), &now.0]).await?;
    transaction.run("DELETE FROM orders WHERE at_ms < ?", &[&(now.0 - KEPT.0)]).await
}

/// An order was fulfilled.
pub(crate) async fn issued(transaction: &mut LedgerTransaction, intent: i64) -> Result<(), StoreError> {
    end(transaction, intent, "issued", None, None).await
}

/// An order failed. One that never left, for want of a connection or a right, does not count.
pub(crate) async fn failed(
    transaction: &mut LedgerTransaction,
    intent: i64,
    code: Code,
    until: Option<Timestamp>,
) -> Result<(), StoreError> {
    let outcome = if [NOT_ISSUED, LIMITED].contains(&code) {
        "failed"
    } else if NOT_PLACED.contains(&code) {
        "not_placed"
    } else {
        "nothing"
    };
    end(transaction, intent, outcome, Some(code), until).await
}

async fn end(
    transaction: &mut LedgerTransaction,
    intent: i64,
    outcome: &str,
    code: Option<Code>,
    until: Option<Timestamp>,
) -> Result<(), StoreError> {
    let query = "UPDATE orders SET outcome = ?, code = ?, until_ms = ? WHERE intent = ?";
    transaction.run(query, &[&outcome, &code.map(Code::as_str), &until.map(|until| until.0), &intent]).await
}

impl Ledger {
    /// A person wants these certificates ordered again: earlier failures are no reason to wait.
    pub async fn forgive_orders(&self, certificates: &[Address]) -> Result<u64, StoreError> {
        let names: Vec<String> = certificates.iter().map(Address::to_string).collect();
        let query = "UPDATE orders SET forgiven = 1 \
                     WHERE forgiven = 0 AND outcome IS NOT 'issued' AND outcome IS NOT 'nothing' \
                     AND address IN (SELECT value FROM json_each(?))";
        self.change(query, &[&serde_json::json!(names).to_string()]).await
    }

    /// Certificates of which it is not known whether they came, and for which manifest they were asked for.
    pub(crate) async fn ordered(&self) -> Result<BTreeMap<Address, String>, StoreError> {
        let query = "SELECT orders.address, intents.service FROM orders JOIN intents ON intents.id = orders.intent \
                     WHERE orders.outcome IS NULL ORDER BY orders.at_ms, orders.intent";
        self.collect(query, &[], |row| Some((address(row, "address")?, row.get("service")))).await
    }

    /// Orders that Let's Encrypt knows of, or may, and those that did not reach it.
    pub(crate) async fn orders(&self) -> Result<Vec<Order>, StoreError> {
        let query = "SELECT address, at_ms, outcome, code, until_ms, forgiven FROM orders WHERE outcome IS NOT 'nothing' ORDER BY at_ms, intent";
        let order = |row: &SqliteRow| {
            let outcome = match row.get::<Option<String>, _>("outcome").as_deref() {
                Some("issued") => Ordered::Issued,
                Some("failed") => Ordered::Failed,
                Some("not_placed") => Ordered::NotPlaced,
                Some(_) | None => Ordered::Unknown,
            };
            Some(Order {
                certificate: address(row, "address")?,
                at: Timestamp(row.get("at_ms")),
                outcome,
                code: row.get::<Option<String>, _>("code").as_deref().and_then(Code::parse),
                until: row.get::<Option<i64>, _>("until_ms").map(Timestamp),
                forgiven: row.get("forgiven"),
            })
        };
        self.collect(query, &[], order).await
    }
}
