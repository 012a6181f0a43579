//! Attributes each drifted field to the account that changed it: asked once for each difference, never guessed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::engine::Engine;
use crate::engine::report::wait_text;
use crate::providers::{Attributed, Difference};
use amarre_core::model::plan::ReasonCode;
use amarre_core::model::{Address, Change, Expect, Plan, ProviderId, Text, Timestamp};
use amarre_core::text;

/// A log that takes longer to be read is skipped: the difference itself is known.
const LIMIT: Duration = Duration::from_secs(5);

/// Attributions by address: the digest of the difference, and the text.
pub type Attributions = BTreeMap<Address, (String, Text)>;

impl Engine {
    /// Adds to each correcting change the account that made it necessary, as far as a log tells.
    pub(crate) async fn attribute(&mut self, plan: &mut Plan, now: Timestamp) -> BTreeMap<Address, Text> {
        let is_drift = |change: &Change| matches!(change.because.code, ReasonCode::Drift | ReasonCode::Missing);
        let drift: BTreeMap<Address, Change> = plan
            .changes
            .iter()
            .filter(|change| is_drift(change))
            .map(|change| (change.address.clone(), change.clone()))
            .collect();
        self.attributions.retain(|address, _| drift.contains_key(address));
        let were_planned: BTreeSet<Address> =
            self.pass.plan.changes.iter().map(|change| change.address.clone()).collect();
        let mut asked: BTreeMap<ProviderId, Vec<Difference>> = BTreeMap::new();
        for change in drift.values() {
            let is_known = self.attributions.get(&change.address).is_some_and(|(of, _)| *of == difference(change));
            let Some(row) = self.last_facts.applied.get(&change.address).filter(|_| !is_known) else { continue };
            let was_well = self.pass.world.seen.contains_key(&change.address);
            let was_well = was_well && !were_planned.contains(&change.address);
            let last_well = if was_well { self.pass.at } else { Timestamp::default() };
            // Nothing that happened before our own last write has caused this.
            let written = self.ledger.written_at(&change.address).await.ok().flatten().unwrap_or_default();
            let touched = Difference {
                address: change.address.clone(),
                vendor_id: row.vendor_id.clone(),
                since: last_well.max(written),
                last_well,
            };
            asked.entry(change.address.provider.clone()).or_default().push(touched);
        }
        for (id, touched) in asked {
            let Some(provider) = self.context.providers.get(&id) else { continue };
            let traces = match provider.capabilities().attribution {
                Some(log) => tokio::time::timeout(LIMIT, log.attribute(&touched, now)).await.unwrap_or_default(),
                None => BTreeMap::new(),
            };
            for thing in touched {
                let Some(change) = drift.get(&thing.address) else { continue };
                let text = drift_text(change, traces.get(&thing.address), thing.last_well, now);
                self.attributions.insert(thing.address, (difference(change), text));
            }
        }
        for change in plan.changes.iter_mut().filter(|change| is_drift(change)) {
            if let Some((_, text)) = self.attributions.get(&change.address) {
                change.because.text.clone_from(text);
            }
        }
        self.attributions.iter().map(|(address, (_, text))| (address.clone(), text.clone())).collect()
    }
}

/// Identifies a difference.
fn difference(change: &Change) -> String {
    let which = match &change.expects {
        Expect::Absent => "",
        Expect::Unchanged { fields, .. } => fields,
    };
    format!("{} {which}", change.action())
}

fn drift_text(change: &Change, trace: Option<&Attributed>, since: Timestamp, now: Timestamp) -> Text {
    let is_gone = change.because.code == ReasonCode::Missing;
    let time = |at: Timestamp| wait_text::time(at, now);
    match trace {
        Some(Attributed { by: Some(by), at, evidence }) => {
            let (at, evidence) = (time(*at), *evidence);
            if is_gone {
                text!("removed by {by} {at} ({evidence})", by, at, evidence)
            } else {
                text!("changed by {by} {at} ({evidence})", by, at, evidence)
            }
        }
        Some(Attributed { by: None, at, evidence }) => {
            let (at, evidence) = (time(*at), *evidence);
            if is_gone {
                text!("removed {at} ({evidence}; by whom is not recorded)", at, evidence)
            } else {
                text!("changed {at} ({evidence}; by whom is not recorded)", at, evidence)
            }
        }
        None if since == Timestamp::default() => change.because.text.clone(),
        None => {
            let (since, now) = (time(since), time(now));
            if is_gone {
                text!("removed by somebody, between {since} and {now}", since, now)
            } else {
                text!("changed by somebody, between {since} and {now}", since, now)
            }
        }
    }
}
