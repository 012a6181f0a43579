//! What holds of every case, whoever wrote it.

use std::collections::{BTreeMap, BTreeSet};

use amarre_core::model::plan::Downtime;
use amarre_core::model::world::Applied;
use amarre_core::model::{Code, Facts, Kind, Millis, Plan, Verb, World};
use amarre_core::plan;
use amarre_core::plan::forecast::{Forecast, forecast};
use amarre_core::plan::render::{Style, json, text};
use amarre_core::plan::safety::lint;
use serde_json::{Value as Json, json};

use crate::dangers;
use crate::scene::{CANARY, Scene};
use crate::state::{self, State};
use crate::walk::{self, Crash, Turns, Walk, cut, essence, unexplained};

/// What a look at a case gives.
pub struct Answer {
    pub forecast: Forecast,
    pub text: String,
    pub json: Json,
}

/// The plan of a case.
pub fn answer(scene: &Scene, start: &State) -> Answer {
    let mut start = start.clone();
    state::judge(&mut start, scene);
    let view = state::observe(&start);
    scene.with_input(&view, &start.facts, start.now, |input| {
        let forecast = forecast(input);
        let text = text::plan(input, &forecast, "services @ 5e1c0aa", Style::PLAIN);
        let revision = json!({"id": "5e1c0aa", "kind": "folder", "label": "services"});
        let json = json::plan(input, &forecast, &revision, &[], start.now);
        Answer { forecast, text, json }
    })
}

/// Every broken promise, in words.
pub fn broken_promises(scene: &Scene, start: &State) -> Vec<String> {
    let answer = answer(scene, start);
    let mut broken = Vec::new();
    broken.extend(says_the_same_twice(scene, start, &answer));
    broken.extend(is_told_well(&answer));
    broken.extend(the_forecast_settles(scene, start, &answer));
    let walk = walk::walk(scene, start, Turns::AsPlanned);
    broken.extend(walk.wrong.iter().cloned());
    broken.extend(only_what_can_be_executed(&answer.forecast.first));
    broken.extend(the_walk_ends_well(scene, start, &answer, &walk));
    if !walk.wrong.is_empty() || !broken.is_empty() {
        // What follows would only say the same again.
        broken.dedup();
        return broken;
    }
    let other = walk::walk(scene, start, Turns::Reversed);
    broken.extend(other.wrong.iter().map(|wrong| format!("with the last service first: {wrong}")));
    broken.extend(differ("with the last service first", &essence(&walk.end, false), &essence(&other.end, false)));
    broken.extend(it_resumes(scene, start, &walk));
    broken.extend(gaps_are_harmless(scene, start));
    broken
}

fn says_the_same_twice(scene: &Scene, start: &State, answer: &Answer) -> Vec<String> {
    let mut reversed = scene.clone();
    reversed.services = scene.services.clone().into_iter().rev().collect();
    let mut backwards = start.clone();
    backwards.raw.seen = start.raw.seen.clone().into_iter().rev().collect();
    backwards.raw.gaps.reverse();
    let again = self::answer(&reversed, &backwards);
    let mut broken = Vec::new();
    if start.raw.gaps.len() < 2 && (again.text != answer.text || again.json != answer.json) {
        broken.push("the same input gives another plan".to_owned());
    }
    let stored = serde_json::to_string(&answer.forecast.plan).unwrap();
    if serde_json::from_str::<Plan>(&stored).unwrap() != answer.forecast.plan {
        broken.push("the plan does not survive being stored".to_owned());
    }
    broken
}

fn is_told_well(answer: &Answer) -> Vec<String> {
    let mut broken = Vec::new();
    if answer.text.contains(CANARY) || answer.json.to_string().contains(CANARY) {
        broken.push("a secret shows".to_owned());
    }
    for line in answer.text.lines().filter(|line| line.trim_end() != *line) {
        broken.push(format!("blanks at the end of `{line}`"));
    }
    nulls("", &answer.json, &mut broken);
    broken
}

fn nulls(path: &str, json: &Json, broken: &mut Vec<String>) {
    const MAY_BE_NULL: [&str; 7] = ["guard", "step", "refusal", "zone", "from", "to", "command"];
    match json {
        Json::Null if !MAY_BE_NULL.iter().any(|name| path.ends_with(&format!(".{name}"))) => {
            broken.push(format!("{path} is null in the JSON"));
        }
        Json::Object(entries) => entries.iter().for_each(|(key, item)| nulls(&format!("{path}.{key}"), item, broken)),
        Json::Array(items) => items.iter().for_each(|item| nulls(path, item, broken)),
        _ => (),
    }
}

fn only_what_can_be_executed(plan: &Plan) -> Vec<String> {
    let mut broken = Vec::new();
    for change in plan.changes.iter().filter(|change| change.is_now()) {
        if let Verb::Create(fields) | Verb::Update(fields) = &change.verb
            && fields.is_unresolved()
        {
            broken.push(format!("{} is executed with a value that is not known", change.address));
        }
    }
    broken
}

fn the_forecast_settles(scene: &Scene, start: &State, answer: &Answer) -> Vec<String> {
    let forecast = &answer.forecast;
    let mut broken = Vec::new();
    if !forecast.settled {
        broken.push("the forecast does not settle".to_owned());
    }
    let mut facts = start.facts.clone();
    for change in &forecast.plan.changes {
        foresee(&mut facts, change);
    }
    facts.open_intents.clear();
    let failed = &forecast.wants.failed;
    facts.failed.extend(failed.iter().map(|failure| (failure.address.clone(), failure.clone())));
    let later = start.now + Millis::minutes(24 * 60);
    let (rest, rules) = scene.with_input(&forecast.world, &facts, later, |input| {
        let rest = plan::pass(input).1;
        let rules = lint::broken_rules(input, &rest);
        (rest, rules)
    });
    broken.extend(rules.into_iter().map(|rule| format!("in the settled world: {rule}")));
    broken.extend(
        unexplained(&rest).into_iter().map(|change| format!("is left when the forecast has settled: {change}")),
    );
    broken
}

fn foresee(facts: &mut Facts, change: &amarre_core::model::Change) {
    if change.refusal().is_some() {
        return;
    }
    match &change.verb {
        Verb::Delete => drop((facts.applied.remove(&change.address), facts.leases.remove(&change.address))),
        Verb::Create(fields) => {
            let row = Applied { service: change.service.clone(), vendor_id: String::new(), fields: fields.clone() };
            facts.applied.insert(change.address.clone(), row);
        }
        Verb::Update(fields) => {
            if let Some(row) = facts.applied.get_mut(&change.address) {
                row.fields.extend(fields.clone());
            }
        }
    }
}

fn the_walk_ends_well(scene: &Scene, start: &State, answer: &Answer, walk: &Walk) -> Vec<String> {
    let mut broken: Vec<String> =
        unexplained(&walk.left).into_iter().map(|change| format!("is left at the end: {change}")).collect();
    let told: BTreeSet<&str> = answer
        .forecast
        .plan
        .changes
        .iter()
        .filter(|change| change.impact.downtime == Downtime::Some)
        .map(|change| change.service.as_str())
        .collect();
    let away = walk.away.iter().map(|service| (service.clone(), service.clone())).chain(windows(start, walk));
    let untold = away.filter(|(old, new)| !told.contains(old.as_str()) && !told.contains(new.as_str()));
    let untold: BTreeSet<String> = untold.filter(|_| scene.sick.is_empty()).map(|(_, service)| service).collect();
    broken.extend(untold.iter().map(|service| format!("{service} is away for a while and the plan does not say so")));
    broken.extend(dangers::not_stopped(&walk.end.raw, scene));
    // What a person agrees to on the way is not foreseen.
    let is_agreed = walk.end.confirmed != start.confirmed;
    if scene.sick.is_empty() && start.raw.gaps.is_empty() && !is_agreed {
        let foreseen = State { raw: answer.forecast.world.clone(), ..walk.end.clone() };
        let mut found = essence(&walk.end, true);
        // What an image declares is known only when it is there.
        found.retain(|address, _| !declared_volumes(&walk.end).contains(address));
        let mut expected = essence(&foreseen, true);
        expected.retain(|address, _| !declared_volumes(&walk.end).contains(address));
        broken.extend(differ("what was foreseen", &expected, &found));
    }
    broken
}

/// Addresses of the volumes that are there for what images declare.
fn declared_volumes(state: &State) -> BTreeSet<String> {
    let containers = state.raw.seen.iter().filter(|(address, _)| address.kind == Kind::Container);
    let mounts = containers.flat_map(|(address, seen)| {
        let names = seen.fields.strings("image_mounts").into_iter().filter_map(|mount| mount.split(':').nth(1));
        names.map(|name| format!("{}/volume/{name}", address.provider)).collect::<Vec<_>>()
    });
    mounts.collect()
}

/// Services one of whose domains is served before and after, and not in between: whose it was, and whose it is then.
fn windows(start: &State, walk: &Walk) -> Vec<(String, String)> {
    let (first, last) = (served(&start.raw), served(&walk.end.raw));
    let mut away = Vec::new();
    for step in &walk.steps {
        let now = served(&step.after.raw);
        let gone = first.iter().filter(|(domain, _)| last.contains_key(*domain) && !now.contains_key(*domain));
        away.extend(gone.map(|(domain, service)| (service.clone(), last[domain].clone())));
    }
    away
}

/// Domains that lead to something that works, and for which service.
fn served(raw: &World) -> BTreeMap<String, String> {
    let mut served = BTreeMap::new();
    for (_, host) in dangers::hosts(raw) {
        let is_url = host
            .fields
            .text("forward_host")
            .is_some_and(|to| !["172.2", "10.213", "10.0.0."].iter().any(|own| to.starts_with(own)));
        let works = is_url || dangers::target(raw, host).is_some_and(|(_, target)| target.ready.is_ready());
        let on_line = host.fields.flag("enabled") == Some(true) && host.fields.flag("online") != Some(false);
        if works && on_line {
            let service = host.service.clone().unwrap_or_default();
            served
                .extend(host.fields.strings("domains").into_iter().map(|domain| (domain.to_owned(), service.clone())));
        }
    }
    served
}

fn it_resumes(scene: &Scene, start: &State, walk: &Walk) -> Vec<String> {
    let mut broken = Vec::new();
    let created = |walk: &Walk| -> BTreeMap<String, usize> {
        let mut created = BTreeMap::new();
        for step in walk.steps.iter().filter(|step| matches!(step.change.verb, Verb::Create(_))) {
            *created.entry(step.change.address.base().to_string()).or_default() += 1;
        }
        created
    };
    let whole = created(walk);
    for count in 0..=walk.steps.len() {
        for crash in [Crash::Between, Crash::LedgerLost, Crash::AfterEffect, Crash::BeforeEffect] {
            let Some(state) = cut(walk, start, count, crash) else { continue };
            let forgets = crash == Crash::LedgerLost;
            // One number agrees to what a lost ledger knew and to what is too much at once.
            if forgets && walk.left.guard.as_ref().is_some_and(|guard| guard.code == Code::A0431) {
                continue;
            }
            let resumed = walk::walk(scene, &state, Turns::AsPlanned);
            let at = format!("cut after {count} of {}, {crash:?}", walk.steps.len());
            // Where hidden hosts point is in the ledger only.
            let unknowable = |wrong: &&String| forgets && !state.raw.gaps.is_empty() && wrong.contains("means another");
            let wrong = resumed.wrong.iter().filter(|wrong| !unknowable(wrong));
            broken.extend(wrong.map(|wrong| format!("{at}: {wrong}")));
            let left = unexplained(&resumed.left);
            broken.extend(left.into_iter().map(|change| format!("{at}: is left at the end: {change}")));
            let (expected, found) = (essence(&walk.end, !forgets), essence(&resumed.end, !forgets));
            broken.extend(differ(&at, &known(expected, forgets), &known(found, forgets)));
            for (address, made) in created(&resumed) {
                let may = whole.get(&address).copied().unwrap_or(0);
                if scene.sick.is_empty() && made > may {
                    broken.push(format!("{at}: {address} is created {made} times, at most {may} were to be"));
                }
            }
            if broken.len() > 8 {
                return broken;
            }
        }
    }
    broken
}

/// Access lists that nobody uses are not known to be ours without a ledger: reported, never deleted.
fn known(mut essence: BTreeMap<String, String>, forgets: bool) -> BTreeMap<String, String> {
    essence.retain(|address, _| !forgets || !address.contains("/access-list/"));
    essence
}

fn gaps_are_harmless(scene: &Scene, start: &State) -> Vec<String> {
    if start.raw.gaps.is_empty() {
        return Vec::new();
    }
    let without = |state: &State| State { raw: World { gaps: Vec::new(), ..state.raw.clone() }, ..state.clone() };
    let mut broken = Vec::new();
    let during = walk::walk(scene, start, Turns::AsPlanned);
    for step in during.steps.iter().filter(|step| start.raw.gap(&step.change.address).is_some()) {
        broken.push(format!("{} {} is done in a gap", step.change.action(), step.change.address));
    }
    let after = walk::walk(scene, &without(&during.end), Turns::AsPlanned);
    let never = walk::walk(scene, &without(start), Turns::AsPlanned);
    broken.extend(after.wrong.iter().map(|wrong| format!("after the gap: {wrong}")));
    broken.extend(differ("after the gap", &essence(&never.end, false), &essence(&after.end, false)));
    broken
}

/// What is otherwise at one end than at another.
pub fn differ(what: &str, expected: &BTreeMap<String, String>, found: &BTreeMap<String, String>) -> Vec<String> {
    let mut broken = Vec::new();
    for (address, entry) in expected {
        match found.get(address) {
            None => broken.push(format!("{what}: {address} is missing at the end")),
            Some(other) if other != entry => {
                broken.push(format!("{what}: {address} ends otherwise:\n  {entry}\n  {other}"));
            }
            Some(_) => (),
        }
    }
    let more = found.keys().filter(|address| !expected.contains_key(*address));
    broken.extend(more.map(|address| format!("{what}: {address} should not be there at the end")));
    broken
}

/// Services that the plan says are away for a while.
pub fn downtimes(plan: &Plan) -> Vec<String> {
    let away = plan.changes.iter().filter(|change| change.impact.downtime == Downtime::Some);
    let services: BTreeSet<String> = away.map(|change| change.service.clone()).collect();
    services.into_iter().collect()
}
