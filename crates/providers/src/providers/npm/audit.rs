//! Who changed a host by hand: NPM's audit log, which administrators may read. People may use Amarre's account, too.

use std::collections::BTreeMap;

use super::NpmProvider;
use super::api::{Me, NpmAuditRow};
use super::sections::Section;
use crate::providers::{Attributed, Difference};
use amarre_core::model::{Address, Timestamp, words};

/// Clocks of two machines differ, and NPM tells whole seconds of its own.
const SLACK_MS: i64 = 5_000;

impl NpmProvider {
    /// Of each thing the latest entry that is not ours; nothing where our account may not read the log.
    pub(super) async fn traces(&self, touched: &[Difference]) -> BTreeMap<Address, Attributed> {
        let Some(me) = self.account().filter(Me::is_admin) else { return BTreeMap::new() };
        let Ok(rows) = self.api.audit_log().await else { return BTreeMap::new() };
        let trace = |thing: &Difference| Some((thing.address.clone(), trace(&rows, me.id, thing)?));
        touched.iter().filter_map(trace).collect()
    }
}

/// The latest entry of another account since the thing was as it should be; else that of our own, which a person used, too:
/// we wrote before we last saw it well.
fn trace(rows: &[NpmAuditRow], own: u64, thing: &Difference) -> Option<Attributed> {
    let word = Section::of_kind(thing.address.kind)?.audit()?;
    let is_it = |row: &&NpmAuditRow| row.object_type == word && row.object_id.to_string() == thing.vendor_id;
    let latest = |is_own: bool| {
        let rows = rows.iter().filter(is_it).filter(|row| (row.user_id == own) == is_own);
        let row = rows.max_by(|one, other| one.created_on.cmp(&other.created_on))?;
        let slack = if is_own { -SLACK_MS } else { SLACK_MS };
        let at = at(&row.created_on).filter(|at| at.0 + slack >= thing.since.0)?;
        let by = row.user.as_ref().map(|user| words::said(&user.email));
        Some(Attributed { by, at, evidence: if is_own { "NPM audit, Amarre's account" } else { "NPM audit" } })
    };
    // Before it was seen well once, nothing tells our own writes from a person's.
    latest(false).or_else(|| latest(true).filter(|_| thing.last_well > Timestamp::default()))
}

/// The time of an entry: without a zone, and so taken for that of this machine.
fn at(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp(at.as_millisecond()));
    }
    let civil: jiff::civil::DateTime = text.replace('T', " ").trim_end_matches('Z').parse().ok()?;
    Some(Timestamp(civil.to_zoned(jiff::tz::TimeZone::system()).ok()?.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use amarre_core::model::{Kind, ProviderId};
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_of_our_own_account_counts_after_all_was_well() {
        let row = |user: u64, at: &str| -> NpmAuditRow {
            let user_of = json!({"email": format!("u{user}@example.org")});
            let row = json!({"created_on": at, "user_id": user, "object_type": "proxy-host", "object_id": 7, "user": user_of});
            serde_json::from_value(row).unwrap()
        };
        let since = at("2026-11-29T01:00:00Z").unwrap();
        let address = Address::new(ProviderId::npm("main"), Kind::ProxyHost, "web.example.org");
        let thing = Difference { address, vendor_id: "7".to_owned(), since, last_well: since };
        let by = |rows: &[NpmAuditRow]| trace(rows, 1, &thing).and_then(|found| found.by);
        let (ours, late) = (row(1, "2026-11-29T00:59:58Z"), row(1, "2026-11-29T01:02:00Z"));
        assert_eq!(by(std::slice::from_ref(&ours)), None, "that is what we wrote");
        assert_eq!(by(&[ours.clone(), late.clone()]).as_deref(), Some("u1@example.org"));
        let theirs = row(2, "2026-11-29T01:01:00Z");
        assert_eq!(by(&[ours, theirs, late]).as_deref(), Some("u2@example.org"));
    }
}
