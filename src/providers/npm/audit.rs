//! Who changed a host by hand: NPM's audit log, which administrators may read.

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
        let trace = |thing: &Difference| {
            let word = Section::of_kind(thing.address.kind)?.audit()?;
            let is_it = |row: &&NpmAuditRow| {
                row.object_type == word && row.object_id.to_string() == thing.vendor_id && row.user_id != me.id
            };
            let row = rows.iter().filter(is_it).max_by(|one, other| one.created_on.cmp(&other.created_on))?;
            let at = at(&row.created_on)?;
            let by = row.user.as_ref().map(|user| words::said(&user.email));
            (at.0 + SLACK_MS >= thing.since.0)
                .then(|| (thing.address.clone(), Attributed { by, at, evidence: "NPM audit" }))
        };
        touched.iter().filter_map(trace).collect()
    }
}

/// The time of an entry: without a zone, and so taken for that of this machine.
fn at(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp(at.as_millisecond()));
    }
    let civil: jiff::civil::DateTime = text.replace('T', " ").trim_end_matches('Z').parse().ok()?;
    Some(Timestamp(civil.to_zoned(jiff::tz::TimeZone::system()).ok()?.timestamp().as_millisecond()))
}
