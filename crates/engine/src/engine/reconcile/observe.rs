//! Observes every provider concurrently. Cannot fail: what could not be observed is a gap.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::poll::{Asking, PollHistory};
use crate::ledger::Unpublished;
use crate::providers::machines::MachineAccess;
use crate::providers::{Observation, ObserveQuery, Provider};
use amarre_core::model::address::of_provider;
use amarre_core::model::families::ProviderRole;
use amarre_core::model::folders::Reserved;
use amarre_core::model::kinds::Settling;
use amarre_core::model::site::Reach;
use amarre_core::model::world::Applied;
use amarre_core::model::{
    Address, Code, Facts, Fields, Gap, GapScope, Kind, Millis, ProviderId, Seen, Site, Timestamp, Wants, World,
};
use amarre_core::plan::desired::npm_reach;
use amarre_core::text;

/// An empty answer although the ledger owns several resources is believed when a second one this much later agrees.
const EMPTY_DOUBTED: Millis = Millis::seconds(10);
/// From this many owned resources on an empty answer is doubted.
const EMPTY_FROM: usize = 2;

/// An engine that has just started brings its containers back by itself, NPM's many networks one after the other.
const WAKES_WITHIN: Millis = Millis::seconds(60);

/// What is remembered from pass to pass.
#[derive(Debug, Default)]
pub struct Observer {
    empty_since: BTreeMap<ProviderId, Timestamp>,
    gap_since: BTreeMap<(ProviderId, String), Timestamp>,
    wakes: BTreeMap<ProviderId, Wake>,
    asking: Asking,
    /// Since when each resource is ruled out without a break.
    ruled_out: BTreeMap<Address, Timestamp>,
    /// What NPM's and Amarre's own containers had when they were last observed; empty at first: then the ledger says it.
    reserved: BTreeMap<ProviderId, Vec<Reserved>>,
    /// The reported versions of vendors.
    pub versions: BTreeMap<ProviderId, String>,
    /// Where others have written since the look before.
    pub wrote: BTreeSet<ProviderId>,
}

/// When an engine started, as far as is known.
#[derive(Debug, Clone, Default)]
struct Wake {
    /// The reported start; `None` = not observed yet.
    started: Option<Option<Timestamp>>,
    /// It could not be asked the last time.
    was_dark: bool,
    until: Timestamp,
}

/// What a pass knows before it observes.
#[derive(Debug, Clone, Copy)]
pub struct PassKnowledge<'a> {
    pub site: &'a Site,
    /// The wanted resources, as far as the last pass knows them.
    pub wants: &'a Wants,
    /// The facts of the ledger.
    pub facts: &'a Facts,
    /// Zones that wait to be published.
    pub unpublished: &'a [Unpublished],
    /// How machines of pools are reached.
    pub machines: &'a [MachineAccess],
    /// Whether an earlier reading may be used.
    pub reuse: bool,
    /// Since when the ledger is there.
    pub ledger_since: Timestamp,
    /// The time of the pass.
    pub now: Timestamp,
}

impl Observer {
    /// Observes the world. Also answers when a doubted answer should be asked again.
    pub async fn observe(
        &mut self,
        providers: &BTreeMap<ProviderId, Arc<dyn Provider>>,
        known: PassKnowledge<'_>,
        past: PollHistory<'_>,
    ) -> (World, Option<Timestamp>) {
        let PassKnowledge { site, facts, now, .. } = known;
        let asks = |id: &ProviderId| observe_query(id, known);
        let answers = self.asking.observe(providers, asks, past, now).await;
        let mut world = World::default();
        let mut again = None;
        for (id, observation) in answers {
            if let Some(others) = &observation.others {
                tracing::info!(provider = %id, "somebody else writes there too: {others}");
                self.wrote.insert(id.clone());
            }
            self.versions.extend(observation.version.clone().map(|version| (id.clone(), version)));
            world.started.extend(observation.started.map(|at| (id.clone(), at)));
            world.mail_refused.extend(observation.mail_refused.clone().map(|identity| (id.clone(), identity)));
            let read_only = observation.read_only.clone().into_iter();
            world.read_only.extend(read_only.map(|(kind, refusal)| ((id.clone(), kind), refusal)));
            if let Some(until) = self.wakes(&id, &observation, now) {
                world.waking.insert(id.clone(), until);
            }
            if doubts(&id, &observation, facts) {
                // A clock that was set back prolongs no doubt.
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
            world.inventory.extend(observation.inventory);
            world.quotes.extend(observation.quotes);
            world.unoffered.extend(observation.unoffered);
            let since = |address: &Address| self.ruled_out.get(address).copied().unwrap_or(now).min(now);
            world.ruled_out.extend(observation.ruled_out.into_iter().map(|address| (address.clone(), since(&address))));
            world.own.extend(observation.own);
            if observation.sees_files {
                world.leads.insert(id.clone(), BTreeMap::new());
            }
            let remembered = facts.reserved.get(&id).into_iter().flatten().filter(|one| is_still_kept(site, one));
            world.reserved.insert(id.clone(), self.reserved(&id, observation.reserved, remembered));
            world.free.extend(observation.free.map(|free| (id.clone(), free)));
            world.addresses.extend(observation.addresses.map(|addresses| (id.clone(), addresses)));
            world.routes.insert(id, observation.routes);
        }
        self.ruled_out.clone_from(&world.ruled_out);
        self.streams(site, &mut world);
        self.date_gaps(&mut world.gaps, now);
        (world, again)
    }

    /// Another configuration may name other containers: what is kept of those before is read from the ledger.
    pub fn reconfigured(&mut self) {
        self.reserved.clear();
    }

    /// What is reserved now. What a container that is away has, as in an update, stays reserved.
    fn reserved<'a>(
        &mut self,
        id: &ProviderId,
        mut now: Vec<Reserved>,
        remembered: impl Iterator<Item = &'a Reserved>,
    ) -> Vec<Reserved> {
        let known = self.reserved.remove(id).unwrap_or_else(|| remembered.cloned().collect());
        // Amarre runs in one container, whatever its name is now, and so does NPM.
        let is_main = |one: &Reserved| one.by.kind == Kind::Container && !one.is_beside;
        let is_one = |one: &Reserved, other: &Reserved| {
            one.by.is_same(&other.by) || is_main(one) && is_main(other) && one.is_own == other.is_own
        };
        let is_there = |before: &&Reserved| now.iter().any(|one| is_one(one, before));
        let away: Vec<Reserved> = known.iter().filter(|before| !is_there(before)).cloned().collect();
        // A command in a container of its own publishes nothing; the daemon's container comes back.
        for own in now.iter_mut().filter(|one| one.is_own && one.ports.is_empty()) {
            let before = known.iter().find(|before| before.is_own);
            own.ports = before.map(|before| before.ports.clone()).unwrap_or_default();
        }
        now.extend(away);
        self.reserved.insert(id.clone(), now.clone());
        now
    }

    /// Where NPM has its host's network, the ports of its streams are the host's. Those of an NPM that does not answer, or
    /// whose container is away, stay reserved.
    fn streams(&mut self, site: &Site, world: &mut World) {
        for host in site.hosts.values() {
            let Some(npm) = &host.npm else { continue };
            let any = Address::new(npm.provider.clone(), Kind::Stream, "");
            let container = npm.container.as_ref().map(|name| Address::new(host.docker.clone(), Kind::Container, name));
            let is_there = container.is_none_or(|container| world.seen.contains_key(&container));
            if !is_there || world.gap(&any).is_some() {
                continue;
            }
            let is_on_host = npm_reach::reach_in(world, host) == Some(Reach::Host);
            let streams: Vec<Reserved> =
                world.of_kind(&npm.provider, Kind::Stream).filter(|_| is_on_host).map(stream).collect();
            let Some(reserved) = world.reserved.get_mut(&host.docker) else { continue };
            reserved.retain(|one| one.by.provider != npm.provider);
            reserved.extend(streams);
            self.reserved.insert(host.docker.clone(), reserved.clone());
        }
    }

    /// Until when a newly started engine brings back its containers. An engine that does not report its start may have
    /// started while it could not be asked.
    fn wakes(&mut self, id: &ProviderId, observation: &Observation, now: Timestamp) -> Option<Timestamp> {
        if !id.is_engine() {
            return None;
        }
        let known = self.wakes.get(id).cloned();
        if observation.gaps.iter().any(|gap| gap.is_whole()) {
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
        // A clock that was set back delays nothing.
        let until = until.min(now + WAKES_WITHIN);
        self.wakes.insert(id.clone(), Wake { started: Some(started), was_dark: false, until });
        (now < until).then_some(until)
    }

    /// A gap that lasts keeps the time when it began.
    fn date_gaps(&mut self, gaps: &mut [Gap], now: Timestamp) {
        let mut since = BTreeMap::new();
        for gap in gaps.iter_mut() {
            let key = (gap.provider.clone(), gap.place());
            gap.since = self.gap_since.get(&key).copied().unwrap_or(gap.since).min(now);
            since.insert(key, gap.since);
        }
        self.gap_since = since;
    }
}

/// Whether an answer shows nothing of ours, though the ledger owns several things that no gap of it hides.
fn doubts(id: &ProviderId, observation: &Observation, facts: &Facts) -> bool {
    let is_hidden = |address: &Address| observation.gaps.iter().any(|gap| gap.covers(address));
    let owned = of_provider(&facts.applied, id).filter(|(address, _)| address.kind.may_be_owned());
    let shown = owned.filter(|(address, _)| !is_hidden(address));
    shown.take(EMPTY_FROM).count() == EMPTY_FROM && !observation.seen.values().any(|seen| seen.owner.is_ours())
}

/// What a stream of NPM has.
fn stream((by, seen): (&Address, &Seen)) -> Reserved {
    let protocols = ["tcp", "udp"].into_iter().filter(|protocol| seen.fields.flag(protocol) == Some(true));
    Reserved {
        by: by.clone(),
        is_own: false,
        service: None,
        volumes: BTreeSet::new(),
        paths: BTreeSet::new(),
        ports: protocols.map(|protocol| format!("port {}/{protocol}", by.name)).collect(),
        is_beside: false,
    }
}

/// Whether what the ledger knows is still Amarre's own or NPM's.
fn is_still_kept(site: &Site, one: &Reserved) -> bool {
    let mut npms = site.hosts.values().filter_map(|host| Some((host, host.npm.as_ref()?)));
    let is_npms = npms.any(|(host, npm)| {
        let is_container = host.docker == one.by.provider;
        npm.provider == one.by.provider
            || is_container && npm.container.as_ref().is_none_or(|name| *name == one.by.name)
    });
    one.is_own || is_npms
}

fn observe_query(id: &ProviderId, known: PassKnowledge<'_>) -> ObserveQuery {
    let PassKnowledge { wants, facts, unpublished, reuse, ledger_since, now, .. } = known;
    let wanted: BTreeMap<Address, Fields> = of_provider(&wants.map, id)
        .map(|(address, want)| {
            let size = wants.sizes.get(address).map(|size| ("type".into(), size.clone()));
            let mut fields = want.fields.clone();
            fields.extend(size);
            (address.clone(), fields)
        })
        .collect();
    let applied = of_provider(&facts.applied, id);
    let applied: BTreeMap<Address, Applied> = applied.map(|(address, row)| (address.clone(), row.clone())).collect();
    let intents = of_provider(&facts.open_intents, id).map(|(address, _)| address);
    let created = intents.chain(applied.keys());
    // What is under way cannot be ruled out yet.
    let is_doubtful = |address: &&Address| {
        matches!(address.kind.traits().settling, Settling::RuledOut(_)) && !facts.in_progress.contains_key(*address)
    };
    let to_rule_out = created.filter(is_doubtful).cloned().collect();
    let is_cloud = id.role() == Some(ProviderRole::Cloud);
    let all = is_cloud.then(|| wants.map.values());
    let values = all.into_iter().flatten().flat_map(|want| want.fields.values());
    let mut led_to = BTreeSet::new();
    values.for_each(|value| value.outputs_of(id, &mut led_to));
    led_to.extend(of_provider(&wants.checks, id).map(|(address, _)| address.clone()));
    ObserveQuery {
        now,
        wanted,
        led_to,
        machines: if id.role() == Some(ProviderRole::Machines) { known.machines.to_vec() } else { Vec::new() },
        applied,
        to_rule_out,
        ordered: of_provider(&facts.ordered, id).map(clone_pair).collect(),
        unpublished: unpublished
            .iter()
            .filter(|dirty| dirty.provider == *id)
            .map(|dirty| dirty.scope.clone())
            .collect(),
        reuse,
        ledger_since,
    }
}

fn clone_pair((address, service): (&Address, &String)) -> (Address, String) {
    (address.clone(), service.clone())
}

fn empty_gap(id: &ProviderId, now: Timestamp) -> Gap {
    Gap {
        provider: id.clone(),
        scope: GapScope::Whole,
        code: Code::A0901,
        message: text!(
            "{provider} answers that it holds nothing of ours, though the ledger owns several things there",
            provider = id
        ),
        hint: text!("looked at again in 10 s, before it is believed"),
        since: now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reserved(name: &str, is_own: bool) -> Reserved {
        let by = Address::new(ProviderId::docker("default"), Kind::Container, name);
        let volumes = [format!("{name}_data")].into();
        Reserved { by, is_own, service: None, volumes, paths: [].into(), ports: [].into(), is_beside: false }
    }

    fn names(reserved: &[Reserved]) -> Vec<&str> {
        reserved.iter().map(|reserved| reserved.by.name.as_str()).collect()
    }

    #[test]
    fn what_a_gap_hides_is_no_empty_answer() {
        let id = ProviderId::ovh();
        let mut facts = Facts::default();
        for name in ["a.example.org/A", "b.example.org/A"] {
            let row = Applied { service: "a".to_owned(), vendor_id: "1".to_owned(), fields: Fields::default() };
            facts.applied.insert(Address::new(id.clone(), Kind::Record, name), row);
        }
        let mut observation = Observation::default();
        assert!(doubts(&id, &observation, &facts));
        let elsewhere = Gap { scope: GapScope::Zone("example.net".to_owned()), ..empty_gap(&id, Timestamp(0)) };
        observation.gaps.push(elsewhere.clone());
        assert!(doubts(&id, &observation, &facts), "that hides none of it");
        observation.gaps.push(Gap { scope: GapScope::Zone("example.org".to_owned()), ..elsewhere });
        assert!(!doubts(&id, &observation, &facts));
    }

    #[test]
    fn what_is_away_for_a_moment_stays_reserved() {
        let id = ProviderId::docker("default");
        let mut observer = Observer::default();
        let both = vec![reserved("npm", false), reserved("amarre", true)];
        observer.reserved(&id, both.clone(), [].iter());
        let now = observer.reserved(&id, vec![reserved("amarre", true)], [].iter());
        assert_eq!(names(&now), ["amarre", "npm"]);
        // After a restart, the ledger knows it.
        observer.reconfigured();
        assert_eq!(names(&observer.reserved(&id, vec![reserved("amarre", true)], both.iter())), ["amarre", "npm"]);
    }

    #[test]
    fn what_a_renamed_container_had_is_released() {
        let id = ProviderId::docker("default");
        let mut observer = Observer::default();
        observer.reserved(&id, vec![reserved("npm", false), reserved("amarre", true)], [].iter());
        let now = vec![reserved("npm", false), reserved("amarre-2", true)];
        assert_eq!(names(&observer.reserved(&id, now, [].iter())), ["npm", "amarre-2"], "Amarre runs in one container");
        let now = vec![reserved("proxy", false), reserved("amarre-2", true)];
        assert_eq!(names(&observer.reserved(&id, now, [].iter())), ["proxy", "amarre-2"], "NPM runs in one container");
    }
}
