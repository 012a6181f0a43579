//! Looks at every provider at once. Cannot fail: what could not be seen is a gap.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::poll::{Asking, Past};
use crate::ledger::Unpublished;
use crate::providers::{Observation, ObserveQuery, Provider};
use amarre_core::model::folders::Reserved;
use amarre_core::model::{Address, Facts, Fields, Gap, Kind, Millis, ProviderId, Timestamp, Wants, World};

/// An empty answer where the ledger owns several things is believed when a second look this much later agrees.
const EMPTY_DOUBTED: Millis = Millis::seconds(10);
/// From how many owned things on an empty answer is doubted.
const EMPTY_FROM: usize = 2;

/// An engine that has just started brings its containers back by itself, NPM's many networks one after the other.
const WAKES_WITHIN: Millis = Millis::seconds(60);

/// What is remembered from look to look.
#[derive(Debug, Default)]
pub struct Observer {
    empty_since: BTreeMap<ProviderId, Timestamp>,
    gap_since: BTreeMap<(ProviderId, Option<String>), Timestamp>,
    wakes: BTreeMap<ProviderId, Wake>,
    asking: Asking,
    /// What NPM's and Amarre's own containers mounted when they were seen last.
    reserved: BTreeMap<ProviderId, Vec<Reserved>>,
    /// Versions, where vendors say one.
    pub versions: BTreeMap<ProviderId, String>,
}

/// When an engine started, as far as is known.
#[derive(Debug, Clone, Default)]
struct Wake {
    /// What it said; `None` = it has not been seen yet.
    started: Option<Option<Timestamp>>,
    /// It could not be asked the last time.
    was_dark: bool,
    until: Timestamp,
}

/// All that a look knows before it asks.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// What is wanted, as far as that can be said with what the last look saw.
    pub wants: &'a Wants,
    /// What the ledger knows.
    pub facts: &'a Facts,
    /// Scopes that wait to be published.
    pub unpublished: &'a [Unpublished],
    /// Whether the answer may rest on what was read a moment ago.
    pub reuse: bool,
    /// The time of the look.
    pub now: Timestamp,
}

impl Observer {
    /// The world now. Answers also when an answer that was doubted should be asked again.
    pub async fn observe(
        &mut self,
        providers: &BTreeMap<ProviderId, Arc<dyn Provider>>,
        known: Known<'_>,
        past: Past<'_>,
    ) -> (World, Option<Timestamp>) {
        let Known { facts, now, .. } = known;
        let asks = |id: &ProviderId| ask(id, known);
        let answers = self.asking.ask(providers, asks, past, now).await;
        let mut world = World::default();
        let mut again = None;
        for (id, observation) in answers {
            self.versions.extend(observation.version.clone().map(|version| (id.clone(), version)));
            world.started.extend(observation.started.map(|at| (id.clone(), at)));
            world.mail_refused.extend(observation.mail_refused.clone().map(|identity| (id.clone(), identity)));
            if let Some(until) = self.wakes(&id, &observation, now) {
                world.waking.insert(id.clone(), until);
            }
            if observation.gaps.is_empty() && self.doubts(&id, &observation.seen, facts) {
                // A clock that was put back prolongs no doubt.
                let since = self.empty_since.get(&id).copied().filter(|since| *since <= now).unwrap_or(now);
                self.empty_since.insert(id.clone(), since);
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
            world.own.extend(observation.own);
            if observation.sees_files {
                world.leads.insert(id.clone(), BTreeMap::new());
            }
            world.reserved.insert(id.clone(), self.reserved(&id, observation.reserved));
            world.free.extend(observation.free.map(|free| (id.clone(), free)));
            world.addresses.extend(observation.addresses.map(|addresses| (id.clone(), addresses)));
            world.routes.insert(id, observation.routes);
        }
        self.date_gaps(&mut world.gaps, now);
        (world, again)
    }

    /// Forgets what is reserved for containers that are not NPM's in a new configuration.
    pub fn reconfigured(&mut self, is_npms: impl Fn(&Address) -> bool) {
        for reserved in self.reserved.values_mut() {
            reserved.retain(|reserved| reserved.is_own || is_npms(&reserved.by));
        }
    }

    /// What is reserved now. What a container mounts that is away for a moment, as in an update, stays reserved.
    fn reserved(&mut self, id: &ProviderId, mut now: Vec<Reserved>) -> Vec<Reserved> {
        let known = self.reserved.remove(id).unwrap_or_default();
        // Amarre runs in one container, whatever it is called now.
        let is_there =
            |before: &&Reserved| now.iter().any(|one| one.by.is_same(&before.by) || (one.is_own && before.is_own));
        let away: Vec<Reserved> = known.iter().filter(|before| !is_there(before)).cloned().collect();
        // One that is stopped publishes nothing, and comes back.
        for reserved in now.iter_mut().filter(|reserved| reserved.ports.is_empty()) {
            let before = known.iter().find(|before| before.by.is_same(&reserved.by));
            reserved.ports = before.map(|before| before.ports.clone()).unwrap_or_default();
        }
        now.extend(away);
        self.reserved.insert(id.clone(), now.clone());
        now
    }

    fn doubts(&self, id: &ProviderId, seen: &BTreeMap<Address, amarre_core::model::Seen>, facts: &Facts) -> bool {
        let owned =
            facts.applied.keys().filter(|address| address.provider == *id && address.kind != Kind::Image).count();
        owned >= EMPTY_FROM && !seen.values().any(|seen| seen.owner.is_ours())
    }

    /// Until when an engine brings back what it ran, when it started a moment ago. One that does not tell may have
    /// started while it could not be asked.
    fn wakes(&mut self, id: &ProviderId, observation: &Observation, now: Timestamp) -> Option<Timestamp> {
        if id.family() != "docker" {
            return None;
        }
        let known = self.wakes.get(id).cloned();
        if observation.gaps.iter().any(|gap| gap.zone.is_none()) {
            let wake = Wake { was_dark: true, ..known.unwrap_or_default() };
            self.wakes.insert(id.clone(), wake);
            return None;
        }
        let started = observation.started;
        let from = match (&known, started) {
            (Some(Wake { started: Some(before), .. }), _) if *before != started => Some(now),
            (Some(Wake { was_dark: true, .. }), None) => Some(now),
            // The clocks of two machines may differ; nothing starts in the future.
            (Some(Wake { started: None, .. }) | None, Some(at)) => Some(at.min(now)),
            (Some(_), _) | (None, None) => None,
        };
        let until = from.map(|from| from + WAKES_WITHIN).or(known.map(|known| known.until)).unwrap_or_default();
        // A clock that was put back keeps nobody waiting.
        let until = until.min(now + WAKES_WITHIN);
        self.wakes.insert(id.clone(), Wake { started: Some(started), was_dark: false, until });
        (now < until).then_some(until)
    }

    /// A gap that goes on keeps the time when it began.
    fn date_gaps(&mut self, gaps: &mut [Gap], now: Timestamp) {
        let mut since = BTreeMap::new();
        for gap in gaps.iter_mut() {
            let key = (gap.provider.clone(), gap.zone.clone());
            gap.since = self.gap_since.get(&key).copied().unwrap_or(gap.since).min(now);
            since.insert(key, gap.since);
        }
        self.gap_since = since;
    }
}

fn ask(id: &ProviderId, known: Known<'_>) -> ObserveQuery {
    let Known { wants, facts, unpublished, reuse, now } = known;
    let wanted: BTreeMap<Address, Fields> = wants
        .map
        .iter()
        .filter(|(address, _)| address.provider == *id)
        .map(|(address, want)| (address.clone(), want.fields.clone()))
        .collect();
    let applied = facts.applied.iter().filter(|(address, _)| address.provider == *id);
    ObserveQuery {
        now,
        wanted,
        applied: applied.map(|(address, applied)| (address.clone(), applied.clone())).collect(),
        unpublished: unpublished
            .iter()
            .filter(|dirty| dirty.provider == *id)
            .map(|dirty| dirty.scope.clone())
            .collect(),
        reuse,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn reserved(name: &str, is_own: bool) -> Reserved {
        let by = Address::new(ProviderId::docker("default"), Kind::Container, name);
        Reserved {
            by,
            is_own,
            service: None,
            volumes: [format!("{name}_data")].into(),
            paths: [].into(),
            ports: [].into(),
        }
    }

    fn names(reserved: &[Reserved]) -> Vec<&str> {
        reserved.iter().map(|reserved| reserved.by.name.as_str()).collect()
    }

    #[test]
    fn what_is_away_for_a_moment_stays_reserved() {
        let id = ProviderId::docker("default");
        let mut observer = Observer::default();
        observer.reserved(&id, vec![reserved("npm", false), reserved("amarre", true)]);
        assert_eq!(names(&observer.reserved(&id, vec![reserved("amarre", true)])), ["amarre", "npm"]);
        observer.reconfigured(|container| container.name == "npm");
        assert_eq!(names(&observer.reserved(&id, vec![reserved("amarre", true)])), ["amarre", "npm"]);
    }

    #[test]
    fn what_a_container_had_that_has_another_name_now_is_reserved_no_more() {
        let id = ProviderId::docker("default");
        let mut observer = Observer::default();
        observer.reserved(&id, vec![reserved("npm", false), reserved("amarre", true)]);
        let now = vec![reserved("npm", false), reserved("amarre-2", true)];
        assert_eq!(names(&observer.reserved(&id, now)), ["npm", "amarre-2"], "Amarre runs in one container");
        observer.reconfigured(|container| container.name == "proxy");
        let now = vec![reserved("proxy", false), reserved("amarre-2", true)];
        assert_eq!(names(&observer.reserved(&id, now)), ["proxy", "amarre-2"], "NPM's is another one");
    }
}
