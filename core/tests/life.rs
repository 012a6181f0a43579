//! One world over time: looks, lanes that work side by side, lists that lag behind, answers that get lost.
//!
//! As in the engine: a service is given changes only while its lane is idle, and what a change expects is read again
//! just before harm.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use amarre_core::model::{
    Address, Change, Expect, Facts, Gap, Kind, Millis, Owner, Plan, ProviderId, Readiness, Seen, Timestamp, Verb,
    Wants, World,
};
use amarre_core::plan;
use amarre_core::plan::safety::{lint, mass_deletes};

use amarre_testkit::dangers::NO_RECORD;
use amarre_testkit::dice::Dice;
use amarre_testkit::scene::{START, Scene};
use amarre_testkit::state::{self, State};
use amarre_testkit::walk;

/// Far more than any way takes.
const TURNS_MAX: usize = 1500;
/// A container that hangs is judged after at most this long.
const PATIENCE: Millis = Millis::minutes(11);
/// Lists that are kept, to be seen later.
const KEPT: usize = 3;

/// What a look found and decided.
struct Look {
    scene: Rc<Scene>,
    wants: Wants,
    plan: Plan,
    /// What it could not see.
    gaps: Vec<Gap>,
}

/// A change that waits for its turn, and the look that gave it.
type Turn = (Change, Rc<Look>);

/// How badly the outside world behaves just now, in percent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// A call fails and does nothing.
    pub fails: usize,
    /// A call does its work and its answer is lost.
    pub loses: usize,
    /// Lists of OVH are so many looks old.
    pub lag: Option<usize>,
    /// Another look comes while lanes are at work.
    pub hasty: usize,
}

/// The world, the ledger, and what is under way.
pub struct Life {
    pub state: State,
    pub weather: Weather,
    pub wrong: Vec<String>,
    pub looks: usize,
    /// Changes that were made.
    pub made: usize,
    /// Each change that was made, if somebody wants to read it.
    pub trace: Option<Vec<String>>,
    last: Option<Rc<Look>>,
    lanes: BTreeMap<String, VecDeque<Turn>>,
    past: VecDeque<World>,
    waited_from: Option<Timestamp>,
}

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Nothing more happens.
    Rest,
    /// So many changes were made.
    Changes(usize),
}

impl Life {
    pub fn new(state: State) -> Self {
        Self {
            state,
            weather: Weather::default(),
            wrong: Vec::new(),
            looks: 0,
            made: 0,
            trace: None,
            last: None,
            lanes: BTreeMap::new(),
            past: VecDeque::new(),
            waited_from: None,
        }
    }

    /// Goes on under these manifests.
    pub fn go(&mut self, scene: &Rc<Scene>, until: Until, dice: &mut Dice) {
        let mut made = 0;
        self.waited_from = None;
        for _ in 0..TURNS_MAX {
            if until == Until::Changes(made) || self.wrong.len() > 4 {
                return;
            }
            let busy = !self.lanes.is_empty();
            if busy && !dice.chance(self.weather.hasty) {
                self.work(dice);
                made += 1;
                continue;
            }
            let given = self.look(scene);
            if busy || given {
                continue;
            }
            if !self.wait(scene) {
                return;
            }
        }
        self.wrong.push(format!(
            "does not come to rest in {TURNS_MAX} turns; still to do: {}",
            self.left().map(walk::names).unwrap_or_default()
        ));
    }

    /// The last plan.
    pub fn left(&self) -> Option<&Plan> {
        self.last.as_ref().map(|look| &look.plan)
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.lanes.is_empty()
    }

    /// What is under way is done.
    pub fn finish(&mut self, dice: &mut Dice) {
        while !self.lanes.is_empty() {
            self.work(dice);
        }
    }

    /// The process ends: what was under way is forgotten.
    pub fn crash(&mut self) {
        self.lanes.clear();
        self.past.clear();
    }

    /// OVH's next list is as things are.
    pub fn forget_lists(&mut self) {
        self.past.clear();
    }

    /// Whether a lane was given something.
    fn look(&mut self, scene: &Rc<Scene>) -> bool {
        self.looks += 1;
        state::judge(&mut self.state, scene);
        let view = self.view();
        let state = &mut self.state;
        let under_way = self.lanes.values().flatten();
        let made = under_way.filter_map(|(change, _)| match &change.verb {
            Verb::Create(fields) => Some((change.address.clone(), fields.clone())),
            Verb::Update(fields) if change.address.kind.traits().forwards => {
                Some((change.address.clone(), fields.clone()))
            }
            Verb::Update(_) | Verb::Delete => None,
        });
        state.facts.in_progress = made.collect();
        let going = self.lanes.values().flatten().filter(|(change, _)| change.verb == Verb::Delete);
        state.facts.going = going.map(|(change, _)| change.address.clone()).collect();
        let (wants, plan, broken, doomed) = scene.with_state(state, &view, |input| {
            let (wants, plan) = plan::pass(input);
            let broken = lint::broken_rules(input, &plan);
            let doomed = if plan.guard.is_some() { mass_deletes::doomed(input, &plan) } else { Default::default() };
            (wants, plan, broken, doomed)
        });
        self.wrong.extend(broken.into_iter().map(|rule| format!("lint: {rule}")));
        let agreed = !doomed.is_empty();
        // Somebody reads the plan, and means it.
        state.confirmed.extend(doomed);
        walk::keep_books(state, &view, &wants, &plan);
        let look = Rc::new(Look { scene: scene.clone(), wants, plan, gaps: view.gaps });
        self.last = Some(look.clone());
        let mut given = agreed;
        for change in look.plan.changes.iter().filter(|change| change.is_now()) {
            let taken = self.lanes.values().flatten().any(|(other, _)| other.address == change.address);
            let lane = self.lanes.get(&change.service);
            let is_idle = lane.is_none_or(|lane| lane.back().is_some_and(|(_, by)| Rc::ptr_eq(by, &look)));
            if is_idle && !taken {
                let turn = (change.clone(), look.clone());
                self.lanes.entry(change.service.clone()).or_default().push_back(turn);
                given = true;
            }
        }
        if given {
            self.waited_from = None;
            state_passes(&mut self.state, scene, Millis::seconds(1));
        }
        given
    }

    /// What a look sees: of OVH perhaps what was there a while ago.
    fn view(&mut self) -> World {
        let view = state::observe(&self.state);
        // What was not told cannot be told again.
        let Some(looks) = self.weather.lag.filter(|_| view.gaps.is_empty()) else {
            self.past.clear();
            return view;
        };
        let mut seen = view.clone();
        if let Some(before) = self.past.iter().rev().nth(looks.saturating_sub(1)) {
            let of = |address: &Address| address.provider.family() == "ovh";
            seen.seen.retain(|address, _| !of(address));
            let old: Vec<(Address, Seen)> =
                before.seen.iter().filter(|(address, _)| of(address)).map(|(a, s)| (a.clone(), s.clone())).collect();
            seen.seen.extend(old);
        }
        if self.past.len() == KEPT {
            self.past.pop_front();
        }
        self.past.push_back(view);
        seen
    }

    /// One change of one lane.
    fn work(&mut self, dice: &mut Dice) {
        let names: Vec<String> = self.lanes.keys().cloned().collect();
        let name = dice.pick(&names).clone();
        let lane = self.lanes.get_mut(&name).unwrap();
        let (change, look) = lane.pop_front().unwrap();
        let rest = !lane.is_empty();
        if !rest {
            self.lanes.remove(&name);
        }
        if !self.still_fits(&change) {
            // A conflict: what is left of the lane rests on the same observation.
            self.lanes.remove(&name);
            return;
        }
        let (fails, loses) = (dice.chance(self.weather.fails), dice.chance(self.weather.loses));
        if fails {
            self.nothing_is_taken_away(&name);
            return;
        }
        if let Some(trace) = &mut self.trace {
            let fields = match &change.verb {
                Verb::Create(fields) => {
                    let place = ["subnet", "network", "address"].into_iter().filter_map(|name| fields.text(name));
                    place.collect::<Vec<_>>().join(" ")
                }
                Verb::Delete => String::new(),
                Verb::Update(fields) => format!("{fields:?}"),
            };
            let lost = if loses { " (its answer is lost)" } else { "" };
            let at = (self.state.now - START).0 / 1000;
            trace.push(format!("    {at} s: {} {}{lost} {fields}", change.action(), change.address));
        }
        self.made += 1;
        let before = loses.then(|| self.state.facts.clone());
        // What it was decided under is what counts; by an old list, a record may still be there that is gone.
        let gaps = std::mem::replace(&mut self.state.raw.gaps, look.gaps.clone());
        let mut wrong = state::apply(&mut self.state, &change, &look.scene, &look.wants, &look.plan);
        self.state.raw.gaps = gaps;
        wrong.retain(|wrong| self.weather.lag.is_none() || !wrong.ends_with(NO_RECORD));
        self.wrong.extend(wrong);
        if change.address.kind == Kind::Volume && change.verb == Verb::Delete {
            self.wrong.push(format!("{} is deleted, and nobody said --purge", change.address));
        }
        walk::remember(&mut self.state, &change);
        if let Some(before) = before {
            self.state.facts = Facts {
                leases: before.leases,
                applied: before.applied,
                ports: before.ports,
                ..self.state.facts.clone()
            };
            if matches!(change.verb, Verb::Create(_)) {
                walk::intend(&mut self.state.facts, &change);
            }
            self.state.facts.open_intents.insert(change.address.clone(), self.state.now);
            self.nothing_is_taken_away(&name);
        }
    }

    /// After a failure a lane goes on with what takes nothing away.
    fn nothing_is_taken_away(&mut self, name: &str) {
        let takes_away = |change: &Change| match &change.verb {
            Verb::Delete => true,
            Verb::Update(fields) => fields.flag("running") == Some(false),
            Verb::Create(_) => false,
        };
        if let Some(lane) = self.lanes.get_mut(name) {
            lane.retain(|(change, _)| !takes_away(change));
            if lane.is_empty() {
                self.lanes.remove(name);
            }
        }
    }

    /// Whether what a change expects is there; by id, and where a vendor has no ids worth the name by fields.
    fn still_fits(&self, change: &Change) -> bool {
        let there = self.state.raw.seen.get(&change.address);
        match (&change.expects, there) {
            (Expect::Absent, there) => there.is_none(),
            (Expect::Unchanged { .. }, None) => false,
            (Expect::Unchanged { vendor_id, fields }, Some(there)) => {
                let by_fields = change.address.provider.family() != "docker";
                // What is hidden cannot be read again.
                let same = || Some(state::observe(&self.state).seen.get(&change.address)?.fields.digest() == *fields);
                there.vendor_id == *vendor_id && (!by_fields || same() == Some(true))
            }
        }
    }

    /// Lets time pass; false when nothing will come of it.
    fn wait(&mut self, scene: &Scene) -> bool {
        let state = &self.state;
        let next_look = self.left().and_then(|plan| plan.next_look);
        let from = *self.waited_from.get_or_insert(state.now);
        let starting = state.raw.seen.values().any(|seen| matches!(seen.ready, Readiness::NotYet { .. }))
            && state.now - from <= PATIENCE;
        let lagging = self.weather.lag.is_some() && state.now - from <= Millis::seconds(10);
        let intents = !state.facts.open_intents.is_empty() && state.now - from <= Millis::minutes(2);
        match next_look.filter(|at| *at > state.now) {
            Some(at) => {
                let passed = at - state.now;
                state_passes(&mut self.state, scene, passed);
            }
            None if lagging => state_passes(&mut self.state, scene, Millis::seconds(1)),
            None if starting || intents => state_passes(&mut self.state, scene, Millis::minutes(1)),
            None => return false,
        }
        true
    }
}

/// The first of engines, of NPMs, and OVH.
pub fn provider(family: usize) -> ProviderId {
    [ProviderId::docker("default"), ProviderId::npm("main"), ProviderId::ovh()][family].clone()
}

fn state_passes(state: &mut State, scene: &Scene, passed: Millis) {
    state.now = state.now + passed;
    state::tick(state, scene);
}

/// What is not ours, as it is.
pub fn foreign(state: &State) -> BTreeMap<Address, Seen> {
    let is_foreign = |(address, seen): &(&Address, &Seen)| {
        seen.owner == Owner::Foreign && !matches!(address.kind, Kind::Image | Kind::Attachment)
    };
    state.raw.seen.iter().filter(is_foreign).map(|(address, seen)| (address.clone(), seen.clone())).collect()
}
