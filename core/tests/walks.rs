//! A seed is a walk: three sources drawn from the JSON Schema, and the way from the first to the second, perhaps not to
//! its end, to the third, and back. Whatever the manifests say, the end must be as if the first had been the only one.
//!
//! `scripts/chaos walks N` goes N of them, `scripts/chaos walks --seed S` goes one again and prints it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use amarre_core::manifest::{Severity, SourceFile, load};
use amarre_core::model::{Address, Change, Gate, Need, Plan, State as Presence, Value};
use serde_json::Value as Json;

use crate::ends::unlike_new;
use crate::generated::{assets, site, the_schema};
use crate::life::{Life, Until, foreign};
use crate::moments::start;
use crate::shares::{Detail, Seeds, shares};
use amarre_testkit::dice::Dice;
use amarre_testkit::generate::{Generated, Ground, generate};
use amarre_testkit::scene::{Scene, schemas};
use amarre_testkit::state::State;
use amarre_testkit::walk::unexplained;

/// Eight hundred in a round; `scripts/chaos walks` goes more.
const WALKS: Seeds = Seeds { called: "walks", usual: 100, tell: walked };
/// What one leg may write at most for each thing that is there before or after it.
const WRITES_MAX: usize = 4;
/// Looks that one leg may take.
const LOOKS_MAX: usize = 250;

shares!(
    WALKS,
    walks_first_share = 0,
    walks_second_share = 1,
    walks_third_share = 2,
    walks_fourth_share = 3,
    walks_fifth_share = 4,
    walks_sixth_share = 5,
    walks_seventh_share = 6,
    walks_eighth_share = 7
);

/// What happened, and what is wrong with it.
fn walked(seed: u64, detail: Detail) -> (Vec<String>, Vec<String>) {
    let mut walk = Walk { dice: Dice::new(seed), life: Life::new(start()), told: Vec::new() };
    walk.life.trace = (detail == Detail::EachChange).then(Vec::new);
    walk.go(seed);
    (walk.told, walk.life.wrong)
}

struct Walk {
    dice: Dice,
    life: Life,
    told: Vec<String>,
}

impl Walk {
    fn go(&mut self, seed: u64) {
        let nobodys = foreign(&self.life.state);
        let drawn: Vec<Generated> = (0..3).map(|at| self.draw(seed.wrapping_mul(3) + at)).collect();
        let first = started(&drawn[0]);
        let second = self.near(&first, &drawn[1]);
        let third = self.near(&second, &drawn[2]);
        let home = self.leg("A", &first, Until::Rest);
        // What is held there leaves open what stands in its place after another way.
        let is_clear = held(&self.life).is_empty();
        if self.dice.chance(60) {
            let until = Until::Changes(self.dice.below(25));
            self.leg("B, not to its end", &second, until);
            if self.dice.chance(50) {
                self.life.finish(&mut self.dice);
            } else {
                self.life.crash();
            }
        } else {
            self.leg("B", &second, Until::Rest);
        }
        self.leg("C", &third, Until::Rest);
        self.leg("A again", &first, Until::Rest);
        if self.life.wrong.is_empty() && is_clear && !self.is_in_the_way() {
            self.is_as_if_new(&home);
        }
        for (address, seen) in nobodys {
            if self.life.state.raw.seen.get(&address) != Some(&seen) {
                self.life.wrong.push(format!("{address} is not ours and was changed"));
            }
        }
    }

    /// A source that is good, running or not.
    fn draw(&mut self, seed: u64) -> Generated {
        // Names of people's own that change hands between services, together with routes, may wait for one another.
        // Jobs have walks of their own among the plan cases.
        let without = ["container.container_name", "Service.jobs"].map(str::to_owned).to_vec();
        let ground = Ground { without, ..Ground::default() };
        let mut drawn = generate(the_schema(), &ground, seed);
        while scene(&drawn).is_err() || scene(&started(&drawn)).is_err() {
            drawn = generate(the_schema(), &ground, self.dice.roll());
        }
        drawn
    }

    /// The manifests of one source, some of them as in another, where that fits.
    fn near(&mut self, one: &Generated, other: &Generated) -> Generated {
        let mut mixed = other.clone();
        for document in &mut mixed.documents {
            let same = one.documents.iter().find(|known| name(known) == name(document));
            if let Some(same) = same.filter(|_| self.dice.chance(60)) {
                *document = same.clone();
            }
        }
        for file in one.beside.iter().filter(|(path, _)| !other.beside.iter().any(|(known, _)| known == path)) {
            mixed.beside.push(file.clone());
        }
        if scene(&mixed).is_ok() { mixed } else { other.clone() }
    }

    /// Goes on under these manifests.
    fn leg(&mut self, called: &str, source: &Generated, until: Until) -> Option<Rc<Scene>> {
        if !self.life.wrong.is_empty() {
            return None;
        }
        self.told.push(format!("{called}, until {until:?}"));
        self.told.extend(source.files().into_iter().map(|(path, text)| format!("  {path}: {text}")));
        let scene = match scene(source) {
            Ok(scene) => Rc::new(scene),
            Err(why) => {
                self.life.wrong.push(format!("a generated manifest is refused: {why}"));
                return None;
            }
        };
        let (looks, made, there) = (self.life.looks, self.life.made, self.life.state.raw.seen.len());
        self.life.go(&scene, until, &mut self.dice);
        let changes = self.life.trace.as_mut().map(std::mem::take);
        self.told.extend(changes.into_iter().flatten());
        let (looks, made) = (self.life.looks - looks, self.life.made - made);
        if looks > LOOKS_MAX {
            self.life.wrong.push(format!("{looks} looks"));
        }
        if made > WRITES_MAX * (there + self.life.state.raw.seen.len()) {
            self.life.wrong.push(format!("{made} writes"));
        }
        if until == Until::Rest {
            let left = self.life.left().map(|plan| left_for_nothing(plan, &self.life.state)).unwrap_or_default();
            self.life.wrong.extend(left.into_iter().map(|change| format!("is left at the end: {change}")));
        }
        Some(scene)
    }

    /// A subnet that a manifest asks for is another one's yet, which has no reason to leave it: that is said, and held.
    fn is_in_the_way(&self) -> bool {
        held(&self.life).iter().any(|held| held.contains(": A0412 "))
    }

    /// The same as on a new server, and the same is held.
    fn is_as_if_new(&mut self, scene: &Option<Rc<Scene>>) {
        let Some(scene) = scene else { return };
        let mut new = Life::new(start());
        new.go(scene, Until::Rest, &mut self.dice);
        self.life.wrong.extend(new.wrong.iter().map(|wrong| format!("on a new server: {wrong}")));
        let (expected, found) = (held(&new), held(&self.life));
        for held in found.iter().filter(|held| !expected.contains(held)) {
            self.life.wrong.push(format!("is held at the end: {held}"));
        }
        // Data stays; what has run before an update stays until the next.
        let jobs = jobs(&self.life.state);
        // What a new server would not get stays as it is where it is.
        let is_held = |address: &str| expected.iter().any(|held| held.starts_with(&format!("create {address}: ")));
        let counts = |address: &str| {
            let stays = ["/volume/", "/image/"].iter().any(|kind| address.contains(kind));
            !stays && !jobs.iter().any(|job| job == address) && !is_held(address)
        };
        let (new_end, own_end) = (without_defaults(&new.state), without_defaults(&self.life.state));
        self.life.wrong.extend(unlike_new(&new_end, &own_end, counts));
        let (expected, found) = (environments(&new.state), environments(&self.life.state));
        for (address, environment) in expected {
            if let Some(other) = found.get(&address).filter(|other| **other != environment) {
                self.life.wrong.push(format!("{address} has another environment: {environment} {other}"));
            }
        }
    }
}

/// What is left of services of which nothing is held: the rest of one may wait for what is, and so may another for a place
/// that the held one keeps.
fn left_for_nothing(plan: &Plan, state: &State) -> Vec<String> {
    let held: BTreeSet<&String> =
        plan.changes.iter().filter(|change| change.refusal().is_some()).map(|change| &change.service).collect();
    let keeps = |need: &Need| {
        let keeper = state.raw.seen.get(&need.on).filter(|_| need.is == Presence::Absent);
        keeper.and_then(|seen| seen.service.as_ref()).is_some_and(|service| held.contains(service))
    };
    let needs = |change: &Change, is: &dyn Fn(&Need) -> bool| matches!(&change.gate, Gate::After(needs) if needs.iter().any(is));
    let mut waiting: BTreeSet<&Address> =
        plan.changes.iter().filter(|change| needs(change, &keeps)).map(|change| &change.address).collect();
    // What waits for one that waits does so for the same.
    loop {
        let also = plan.changes.iter().filter(|change| needs(change, &|need| waiting.contains(&need.on)));
        let also: Vec<&Address> = also.map(|change| &change.address).filter(|at| !waiting.contains(at)).collect();
        if also.is_empty() {
            break;
        }
        waiting.extend(also);
    }
    let others =
        plan.changes.iter().filter(|change| !held.contains(&change.service) && !waiting.contains(&change.address));
    let starts: Vec<String> = others.map(|change| format!("{} {} ", change.action(), change.address)).collect();
    let mut left = unexplained(plan);
    left.retain(|text| starts.iter().any(|start| text.starts_with(start)));
    left
}

/// What is held, in the last plan.
fn held(life: &Life) -> Vec<String> {
    let say = |plan: &Plan| -> Vec<String> {
        let held = plan.changes.iter().filter_map(|change| Some((change, change.refusal()?)));
        held.map(|(change, why)| format!("{} {}: {} {}", change.action(), change.address.base(), why.code, why.message))
            .collect()
    };
    life.left().map(say).unwrap_or_default()
}

/// What was set once goes back to its default; where it never was, nobody asks.
fn without_defaults(state: &State) -> State {
    let mut state = state.clone();
    for (address, seen) in &mut state.raw.seen {
        let Some(schema) = schemas().get(&(address.provider.family().to_owned(), address.kind)) else { continue };
        seen.fields.retain(|name, value| {
            let default = schema.field(name).and_then(|field| field.default);
            default.is_none_or(|default| serde_json::from_str::<Value>(default).ok().as_ref() != Some(value))
        });
    }
    state
}

/// Containers of jobs, as they are called at an end.
fn jobs(state: &State) -> Vec<String> {
    let jobs = state.raw.seen.iter().filter(|(_, seen)| seen.fields.get("before").is_some());
    jobs.map(|(address, _)| address.base().to_string()).collect()
}

/// The environment of each container of ours, without what depends on the subnet that was free.
fn environments(state: &State) -> BTreeMap<Address, String> {
    let ours = state.raw.seen.iter().filter(|(_, seen)| seen.owner.is_ours());
    let say = |value: &Value| match value {
        Value::Text(text) if text.ends_with("/24") => "subnet".to_owned(),
        Value::Secret { mark, .. } => mark.0.clone(),
        Value::None
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Text(_)
        | Value::List(_)
        | Value::Map(_)
        | Value::Output { .. } => value.to_string(),
    };
    ours.filter_map(|(address, seen)| {
        let environment = seen.fields.get("environment")?.entries()?;
        let texts: Vec<String> = environment.iter().map(|(name, value)| format!("{name}={}", say(value))).collect();
        Some((address.base(), texts.join(" ")))
    })
    .collect()
}

fn name(document: &Json) -> (String, String) {
    (document["kind"].as_str().unwrap_or("Service").to_owned(), document["name"].to_string())
}

/// The same with everything running: of a service that is stopped, a new server has nothing.
fn started(source: &Generated) -> Generated {
    let mut source = source.clone();
    for document in source.documents.iter_mut().filter_map(Json::as_object_mut) {
        // What cannot be while it runs may be said of one that is stopped.
        if document.remove("state").is_some_and(|state| state == "stopped") {
            document.remove("update");
        }
    }
    source
}

/// What the manifests say, or why one is refused.
fn scene(source: &Generated) -> Result<Scene, String> {
    let site = site();
    let files = source.files().into_iter().map(|(path, text)| SourceFile { path, text });
    let loaded = load(&files.collect::<Vec<_>>(), &assets(source), &site);
    if loaded.broken.is_empty() {
        return Ok(Scene::loaded(loaded, &site, &BTreeMap::new()));
    }
    let all = loaded.diagnostics.iter().filter(|said| said.severity == Severity::Error);
    Err(all.map(|said| said.message.to_string()).collect::<Vec<_>>().join("; "))
}
