//! Looks at every provider at once. Cannot fail: what could not be seen is a gap.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Address, Facts, Fields, Gap, Kind, Millis, ProviderId, Timestamp, Wants, World};
use crate::providers::{Ask, Provider};
use crate::store::Unpublished;

/// An empty answer where the ledger owns several things is believed when a second look this much later agrees.
const EMPTY_DOUBTED: Millis = Millis::seconds(10);
/// From how many owned things on an empty answer is doubted.
const EMPTY_FROM: usize = 2;

/// What is remembered from look to look.
#[derive(Debug, Default)]
pub struct Observer {
    empty_since: BTreeMap<ProviderId, Timestamp>,
    gap_since: BTreeMap<(ProviderId, Option<String>), Timestamp>,
    /// Versions, where vendors say one.
    pub versions: BTreeMap<ProviderId, String>,
}

impl Observer {
    /// The world now. Answers also when an answer that was doubted should be asked again.
    pub async fn observe(
        &mut self,
        providers: &BTreeMap<ProviderId, Arc<dyn Provider>>,
        wants: &Wants,
        facts: &Facts,
        unpublished: &[Unpublished],
        reuse: bool,
        now: Timestamp,
    ) -> (World, Option<Timestamp>) {
        let asks = providers.iter().map(|(id, provider)| {
            let ask = Ask { reuse, ..ask(id, wants, facts, unpublished, now) };
            let provider = provider.clone();
            async move { (id.clone(), provider.observe(&ask).await) }
        });
        let mut world = World::default();
        let mut again = None;
        for (id, observation) in futures_util::future::join_all(asks).await {
            self.versions.extend(observation.version.map(|version| (id.clone(), version)));
            if observation.gaps.is_empty() && self.doubts(&id, &observation.seen, facts) {
                let since = *self.empty_since.entry(id.clone()).or_insert(now);
                if now - since < EMPTY_DOUBTED {
                    again = Some(since + EMPTY_DOUBTED);
                    world.gaps.push(empty_gap(&id, now));
                    continue;
                }
            } else {
                self.empty_since.remove(&id);
            }
            world.gaps.extend(observation.gaps);
            world.seen.extend(observation.seen);
            world.free.extend(observation.free.map(|free| (id.clone(), free)));
            world.routes.insert(id, observation.routes);
        }
        self.date_gaps(&mut world.gaps);
        (world, again)
    }

    fn doubts(&self, id: &ProviderId, seen: &BTreeMap<Address, crate::model::Seen>, facts: &Facts) -> bool {
        let owned =
            facts.applied.keys().filter(|address| address.provider == *id && address.kind != Kind::Image).count();
        owned >= EMPTY_FROM && !seen.values().any(|seen| seen.owner.is_ours())
    }

    /// A gap that goes on keeps the time when it began.
    fn date_gaps(&mut self, gaps: &mut [Gap]) {
        let mut since = BTreeMap::new();
        for gap in gaps.iter_mut() {
            let key = (gap.provider.clone(), gap.zone.clone());
            gap.since = self.gap_since.get(&key).copied().unwrap_or(gap.since);
            since.insert(key, gap.since);
        }
        self.gap_since = since;
    }
}

fn ask(id: &ProviderId, wants: &Wants, facts: &Facts, unpublished: &[Unpublished], now: Timestamp) -> Ask {
    let wanted: BTreeMap<Address, Fields> = wants
        .map
        .iter()
        .filter(|(address, _)| address.provider == *id)
        .map(|(address, want)| (address.clone(), want.fields.clone()))
        .collect();
    let applied = facts.applied.iter().filter(|(address, _)| address.provider == *id);
    Ask {
        now,
        wanted,
        applied: applied.map(|(address, applied)| (address.clone(), applied.clone())).collect(),
        unpublished: unpublished
            .iter()
            .filter(|dirty| dirty.provider == *id)
            .map(|dirty| dirty.scope.clone())
            .collect(),
        reuse: false,
    }
}

fn empty_gap(id: &ProviderId, now: Timestamp) -> Gap {
    Gap {
        provider: id.clone(),
        zone: None,
        code: "A0901".to_owned(),
        message: format!("{id} answers that it holds nothing of ours, though the ledger owns several things there"),
        hint: "looked at again in 10 s, before it is believed".to_owned(),
        since: now,
    }
}
