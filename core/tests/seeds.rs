//! A seed is a story: manifests, others, what somebody does meanwhile, what breaks, when the process dies. At its end
//! the faults stop, and everything must be as if the last manifests had been the first.
//!
//! `scripts/chaos memory N` tells N stories, `scripts/chaos memory --seed S` tells one again and prints it.

use std::collections::BTreeMap;
use std::rc::Rc;

use amarre_core::model::{Address, Code, Facts, Gap, GapScope, Kind, Owner, Readiness, Seen, Value};

use crate::ends::unlike_new;
use crate::life::{Life, Until, Weather, foreign, provider};
use crate::moments::{Moment, start};
use crate::shares::{self, Detail, Seeds, shares};
use amarre_testkit::dice::Dice;
use amarre_testkit::scene::{START, Scene, Sick};
use amarre_testkit::walk::unexplained;

/// Eight thousand in a round; `scripts/chaos memory` tells others.
const STORIES: Seeds = Seeds { called: "memory", usual: 1_000, tell: told };
/// Manifests that a story has at most before its last ones.
const CHAPTERS_MAX: usize = 3;

shares!(
    STORIES,
    seeds_first_share = 0,
    seeds_second_share = 1,
    seeds_third_share = 2,
    seeds_fourth_share = 3,
    seeds_fifth_share = 4,
    seeds_sixth_share = 5,
    seeds_seventh_share = 6,
    seeds_eighth_share = 7
);

/// Stories that a million found wrong once: of calls that were on their way, of what could not be seen, of a ledger that
/// was put back.
const FOUND: [u64; 23] = [
    2026231409, 2026257510, 2026420987, 2026559834, 2026584498, 2026586606, 2026663605, 2026738347, 2026741890,
    2026753900, 2026885875, 2026926105, 2026974060, 2027105638, 2030054477, 2040026764, 2040541911, 2040643519,
    2040819192, 2050057784, 2050842879, 2060080493, 2060090834,
];

#[test]
fn stories_found_wrong_once_end_well() {
    shares::each(STORIES, &FOUND);
}

/// What happened, and what is wrong with it.
fn told(seed: u64, detail: Detail) -> (Vec<String>, Vec<String>) {
    let mut story = Story::new(seed);
    story.life.trace = (detail == Detail::EachChange).then(Vec::new);
    story.tell();
    (story.told, story.life.wrong)
}

struct Story {
    dice: Dice,
    life: Life,
    told: Vec<String>,
    sick: BTreeMap<String, Sick>,
    /// The ledger as it once was.
    copy: Facts,
    lost: bool,
    /// Somebody stopped a container.
    stopped: bool,
}

impl Story {
    fn new(seed: u64) -> Self {
        let life = Life::new(start());
        let (told, sick) = (Vec::new(), BTreeMap::new());
        Self { dice: Dice::new(seed), life, told, sick, copy: Facts::default(), lost: false, stopped: false }
    }

    fn tell(&mut self) {
        let nobody = foreign(&self.life.state);
        let mut moments = vec![Moment::new(&mut self.dice)];
        for _ in 0..=self.dice.below(CHAPTERS_MAX) {
            let moment = moments.last().unwrap().clone();
            self.chapter(&moment);
            if !self.life.wrong.is_empty() {
                return;
            }
            let next = match self.dice.below(4) {
                0 => self.dice.pick(&moments).clone(),
                1 | 2 => moment.changed(&mut self.dice),
                _ => Moment::new(&mut self.dice),
            };
            moments.push(next);
        }
        self.last(&moments.pop().unwrap().started());
        for (address, seen) in nobody {
            if self.life.state.raw.seen.get(&address) != Some(&seen) {
                self.life.wrong.push(format!("{address} is not ours and was changed"));
            }
        }
    }

    /// Manifests for a while, in whatever weather.
    fn chapter(&mut self, moment: &Moment) {
        self.say(moment);
        let scene = Rc::new(self.scene(moment));
        self.life.weather = weather(&mut self.dice);
        self.told.push(format!("  {:?}", self.life.weather));
        let until = if self.dice.chance(50) { Until::Rest } else { Until::Changes(self.dice.below(14)) };
        let hidden = self.dice.chance(12).then(|| self.dice.below(3));
        // With NPM hidden and the ledger lost, nobody knows where a host leads.
        let hidden = hidden.filter(|hidden| !(self.lost && provider(*hidden).family() == "npm"));
        if let Some(hidden) = hidden {
            self.life.state.raw.gaps = vec![gap(hidden)];
        }
        self.told.push(format!("  until {until:?}, {hidden:?} hidden, sick: {:?}", self.sick));
        // While something always fails there may be no rest.
        let weather = self.life.weather;
        if until == Until::Rest {
            let most = Until::Changes(40);
            self.life.go(&scene, if weather.fails + weather.loses > 0 { most } else { until }, &mut self.dice);
        } else {
            self.life.go(&scene, until, &mut self.dice);
        }
        self.tell_changes();
        self.life.state.raw.gaps.clear();
        let events = self.dice.below(3);
        if events > 0 && !self.life.is_idle() {
            // What somebody does while a change is being made, the next look finds; before it nobody could.
            if self.dice.chance(50) {
                self.life.finish(&mut self.dice);
            } else {
                self.told.push("- the process dies".to_owned());
                self.life.crash();
            }
        }
        for _ in 0..events {
            self.event();
        }
    }

    /// The faults stop.
    fn last(&mut self, moment: &Moment) {
        self.say(moment);
        self.told.push("  the faults stop".to_owned());
        self.sick.clear();
        let scene = Rc::new(self.scene(moment));
        self.life.weather = Weather::default();
        // `amarre retry`: what was sick is well again.
        self.life.state.facts.failed.clear();
        {
            let now = self.life.state.now;
            let containers = self.life.state.raw.seen.iter_mut().filter(|(address, _)| address.kind == Kind::Container);
            for (_, seen) in containers.filter(|(_, seen)| seen.fields.flag("running") != Some(false)) {
                // For one that just starts, an hour may have passed in a moment.
                if !seen.ready.is_ready() {
                    seen.ready = Readiness::NotYet { since: now, why: "not probed yet".into() };
                }
            }
        }
        self.life.go(&scene, Until::Rest, &mut self.dice);
        if self.stopped && !self.life.state.facts.failed.is_empty() {
            // What was stopped before it was known to be good, or by an older ledger, cannot be told from what ended by
            // itself: whoever stopped it starts it again.
            let state = &mut self.life.state;
            for failed in std::mem::take(&mut state.facts.failed).into_keys() {
                if let Some(seen) = state.raw.seen.get_mut(&failed) {
                    seen.fields.set("running", Value::Bool(true));
                    seen.fields.remove("finished_at_ms");
                    seen.ready = Readiness::Ready;
                }
            }
            self.life.go(&scene, Until::Rest, &mut self.dice);
        }
        self.tell_changes();
        if !self.life.wrong.is_empty() {
            return;
        }
        let Some(left) = self.life.left().cloned() else { return };
        let held = left.changes.iter().filter(|change| change.refusal().is_some());
        let stuck = unexplained(&left).into_iter().map(|change| format!("is left at the end: {change}"));
        self.life.wrong.extend(stuck);
        let held: Vec<String> = held.map(|change| format!("{:?}", change.refusal())).collect();
        self.life.wrong.extend(held.into_iter().map(|held| format!("is held at the end: {held}")));
        self.as_if_new(&scene);
    }

    /// The same as on a new server.
    fn as_if_new(&mut self, scene: &Rc<Scene>) {
        let mut new = Life::new(start());
        new.go(scene, Until::Rest, &mut self.dice);
        let counts = |address: &str| {
            let remains = ["/volume/", "/image/"].iter().any(|kind| address.contains(kind));
            // Nobody's without a ledger: reported, never deleted.
            let unknown = self.lost && address.contains("/access-list/");
            !remains && !unknown
        };
        self.life.wrong.extend(unlike_new(&new.state, &self.life.state, counts));
    }

    /// Something happens to the world, the ledger or the process.
    fn event(&mut self) {
        let marked = !self.life.state.raw.seen.values().any(|seen| seen.owner == Owner::MarkLost);
        let what = match self.dice.below(10) {
            0 => {
                self.life.crash();
                "the process dies".to_owned()
            }
            1 if marked => {
                self.life.crash();
                self.life.state.facts =
                    Facts { last_good: self.life.state.facts.last_good.clone(), ..Facts::default() };
                self.lost = true;
                "the ledger is lost".to_owned()
            }
            2 => {
                self.copy = self.life.state.facts.clone();
                "the ledger is copied".to_owned()
            }
            3 if marked => {
                self.life.crash();
                self.life.state.facts = self.copy.clone();
                self.lost = true;
                "the ledger is put back".to_owned()
            }
            4 => {
                let hour = 3_600_000 * if self.dice.chance(50) { 1 } else { -1 };
                self.life.state.now.0 += hour;
                format!("the clock steps by {hour} ms")
            }
            5 => {
                let image = format!("app:{}", self.dice.below(2));
                let sick = if self.dice.chance(50) { Sick::Exits } else { Sick::Hangs };
                self.sick = BTreeMap::from([(image.clone(), sick)]);
                format!("{image} {sick:?}")
            }
            _ => self.meddle(),
        };
        self.told.push(format!("- {what}"));
    }

    /// Somebody does something to one of our things.
    fn meddle(&mut self) -> String {
        let state = &mut self.life.state;
        let how = self.dice.below(4);
        let fits = |kind: Kind| match how {
            0 => !matches!(kind, Kind::Network | Kind::Volume | Kind::Image | Kind::AccessList),
            1 => kind == Kind::Container,
            _ => matches!(kind, Kind::ProxyHost | Kind::Record),
        };
        // Without its mark, only the ledger knows whose it is.
        let is_known = |address| how != 3 || state.facts.applied.contains_key(address);
        // Who stops what is about to take over cannot be told from one that ends by itself.
        let stands = |address: &Address| state.raw.generations(address).nth(1).is_none();
        let works = |address: &Address, seen: &Seen| how != 1 || seen.ready.is_ready() && stands(address);
        let ours = state.raw.seen.iter().filter(|(address, seen)| {
            seen.owner.is_ours() && fits(address.kind) && is_known(address) && works(address, seen)
        });
        let ours: Vec<_> = ours.map(|(address, _)| address.clone()).collect();
        if ours.is_empty() {
            return "nothing".to_owned();
        }
        let address = self.dice.pick(&ours).clone();
        let now = state.now;
        // Nobody can tell from an old list what somebody did meanwhile.
        self.life.forget_lists();
        let state = &mut self.life.state;
        let seen = state.raw.seen.get_mut(&address).unwrap();
        match how {
            0 => {
                state.raw.seen.remove(&address);
                format!("somebody removes {address}")
            }
            1 => {
                self.stopped = true;
                let ago = *self.dice.pick(&[60i64, 3600]);
                seen.fields.set("running", Value::Bool(false));
                seen.fields.set("finished_at_ms", Value::Int(now.0 - ago * 1000));
                seen.ready = Readiness::Failed { why: "exited with code 0".into() };
                format!("somebody stopped {address} {ago} s ago")
            }
            2 if address.kind == Kind::ProxyHost => {
                seen.fields.set("forward_host", Value::text("192.168.1.9"));
                seen.fields.set("enabled", Value::Bool(false));
                format!("somebody edits {address}")
            }
            2 => {
                seen.fields.set("values", Value::texts(["198.51.100.7"]));
                format!("somebody edits {address}")
            }
            _ => {
                seen.owner = Owner::MarkLost;
                seen.fields.set("mark", Value::Bool(false));
                format!("{address} loses its mark")
            }
        }
    }

    fn tell_changes(&mut self) {
        let changes = self.life.trace.as_mut().map(std::mem::take);
        self.told.extend(changes.into_iter().flatten());
    }

    fn scene(&self, moment: &Moment) -> Scene {
        Scene { sick: self.sick.clone(), ..moment.scene() }
    }

    fn say(&mut self, moment: &Moment) {
        for (path, text) in moment.files().iter().skip(2) {
            self.told.push(format!("{path}: {}", text.trim_end().replace('\n', "; ")));
        }
    }
}

fn weather(dice: &mut Dice) -> Weather {
    match dice.below(6) {
        // An engine and an NPM are one process each and tell what is; OVH may tell what was.
        0 => Weather { lag: Some(1 + dice.below(2)), ..Weather::default() },
        1 => Weather { fails: 15, ..Weather::default() },
        2 => Weather { loses: 15, ..Weather::default() },
        3 => Weather { hasty: 30, ..Weather::default() },
        _ => Weather::default(),
    }
}

fn gap(hidden: usize) -> Gap {
    Gap {
        provider: provider(hidden),
        scope: GapScope::Whole,
        code: Code::A0901,
        message: "could not be reached".into(),
        hint: "".into(),
        since: START,
    }
}
