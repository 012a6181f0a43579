//! Stories told by seeds: whatever is lost, late, refused or killed, a server is started and stopped only as a rule or a person
//! says, and in the end each is as it should be.

use std::collections::BTreeSet;

use amarre_core::model::Millis;
use amarre_core::model::power::{OverrideEnd, Power};
use amarre_core::plan::desired::instance;
use amarre_sim::Fault;
use amarre_sim::ovh_cloud::{CI_PROJECT, CloudVerb, RegionCondition};
use amarre_testkit::dice::Dice;

use super::support::{CloudRig, MONDAY, OFFICE};

/// Stories of each share and run; `CLOUD_STORIES=N` tells another number, as `scripts/long` does.
const STORIES: u64 = 25;
/// All shares together.
const SHARES: u64 = 2;

/// Tells a share of the stories of this `SEED_ROUND`; `CLOUD_STORY=S` tells that one alone.
async fn tell(share: u64) {
    let number = |name: &str| std::env::var_os(name).and_then(|text| text.to_str()?.parse::<u64>().ok());
    if let Some(seed) = number("CLOUD_STORY") {
        return Box::pin(story(seed)).await;
    }
    let count = number("CLOUD_STORIES").unwrap_or(STORIES);
    let first = number("SEED_ROUND").unwrap_or_default() * count * SHARES + share * count;
    for seed in first..first + count {
        Box::pin(story(seed)).await;
    }
}

#[tokio::test]
async fn no_story_switches_a_server_that_no_rule_names_first_share() {
    tell(0).await;
}

#[tokio::test]
async fn no_story_switches_a_server_that_no_rule_names_second_share() {
    tell(1).await;
}

/// A server, its region, and a rule.
const MANAGED: [(&str, &str, &str); 4] = [
    ("db-1", "GRA11", OFFICE),
    ("build-1", "GRA11", "power: on"),
    ("win-agent", "SBG5", "power: off"),
    (
        "cache-1",
        "BHS5",
        "schedule: {timezone: America/New_York, on: '*/40 * * * *', off: '10-50/40 * * * *', off_as: shelve}",
    ),
];

async fn story(seed: u64) {
    let mut dice = Dice::new(seed);
    let mut rig = CloudRig::start_at(MONDAY).await;
    let ids: Vec<String> = MANAGED.iter().map(|(name, region, rule)| rig.manage(name, region, rule)).collect();
    rig.pass(Millis::seconds(5)).await;
    rig.cloud.server.faults.decide_by(faults(seed));
    let mut told = 0;
    let mut asked: BTreeSet<(String, CloudVerb)> = BTreeSet::new();
    for _ in 0..40 {
        trouble(&mut rig, &mut dice, &ids, &mut asked).await;
        let pass = rig.pass(Millis(0)).await;
        let effects = rig.cloud.effects();
        for (id, verb) in &effects[told..] {
            let wanted = pass.services.values().find_map(|service| {
                let one = service.instance.as_ref().filter(|one| one.address.name == *id)?;
                one.wanted(Some(pass.facts.power.get(&one.address)?), pass.at).level
            });
            let by_rule = wanted.is_some_and(|wanted| leads_to(*verb) == Some(wanted));
            assert!(
                by_rule || asked.contains(&(id.clone(), *verb)),
                "seed {seed}: {verb:?} of {id}, wanted {wanted:?}"
            );
        }
        told = effects.len();
        rig.goes_by(Millis::seconds(1 + i64::try_from(dice.below(600)).unwrap()));
    }
    rig.cloud.server.faults.clear();
    rig.cloud.withdraw_key(false);
    for region in ["GRA11", "SBG5", "BHS5"] {
        rig.cloud.set_region(region, RegionCondition::Up);
    }
    rig.cloud.set_project_status(CI_PROJECT, "ok");
    for id in &ids {
        if !["ACTIVE", "SHUTOFF", "SHELVED_OFFLOADED"].contains(&rig.status(id).as_str()) {
            rig.cloud.set_status(id, "ACTIVE");
        }
    }
    // What was held for having no effect is tried again.
    MANAGED.iter().for_each(|(name, ..)| rig.engine.reset_service(name));
    // Beyond every pause, and between two ticks.
    for _ in 0..20 {
        rig.pass(Millis::minutes(10)).await;
    }
    rig.write("cache-1", &format!("id: {}\npower: unmanaged\n", ids[3]));
    for _ in 0..12 {
        rig.pass(Millis::seconds(30)).await;
    }
    let pass = rig.engine.last_pass();
    let (left, gaps) = (&pass.plan.changes, &pass.plan.gaps);
    assert!(left.is_empty() && gaps.is_empty(), "seed {seed}: {left:?} {gaps:?}");
    for (id, (name, ..)) in ids.iter().zip(MANAGED) {
        let row = amarre::engine::report::instances::find(&pass, name).unwrap();
        let now = instance::resting(&pass.world, &row.address);
        let wanted = row.manifest.unwrap().wanted.level;
        let is_right = wanted.is_none() || wanted == now || wanted == Some(Power::Off) && now == Some(Power::Shelved);
        assert!(is_right, "seed {seed}: {name} {id} is {now:?}, wanted {wanted:?}");
    }
}

const fn leads_to(verb: CloudVerb) -> Option<Power> {
    match verb {
        CloudVerb::Start | CloudVerb::Unshelve => Some(Power::On),
        CloudVerb::Stop => Some(Power::Off),
        CloudVerb::Shelve => Some(Power::Shelved),
        CloudVerb::RebootSoft | CloudVerb::RebootHard => None,
        // No story asks for these.
        CloudVerb::Create | CloudVerb::Delete | CloudVerb::Rename | CloudVerb::Resize | CloudVerb::Reinstall => None,
        CloudVerb::Snapshot | CloudVerb::BillMonthly | CloudVerb::DeleteSnapshot => None,
        CloudVerb::CreateKey | CloudVerb::DeleteKey => None,
    }
}

type Decide = std::sync::Arc<dyn Fn(&str, &str) -> Option<Fault> + Send + Sync>;

/// What goes wrong with a call, by the seed.
fn faults(seed: u64) -> Decide {
    let dice = std::sync::Mutex::new(Dice::new(seed ^ 0x5eed));
    std::sync::Arc::new(move |method, _| {
        let mut dice = dice.lock().unwrap();
        let percent = if method == "POST" { 40 } else { 8 };
        dice.chance(percent).then(|| match (method, dice.below(7)) {
            (_, 0) => Fault::CutBefore,
            (_, 1) => Fault::CutAfter,
            (_, 2) => Fault::Before(503),
            (_, 3) => Fault::TooMany(7),
            ("POST", 4) => Fault::After(504),
            ("POST", _) => Fault::Before(409),
            (_, 4) => Fault::Half,
            _ => Fault::Stale { reads: 2 },
        })
    })
}

async fn trouble(rig: &mut CloudRig, dice: &mut Dice, ids: &[String], asked: &mut BTreeSet<(String, CloudVerb)>) {
    let id = dice.pick(ids).clone();
    match dice.below(14) {
        0 => rig.restart().await,
        1 => rig.lose_ledger().await,
        2 => drop(rig.cloud.set_status(&id, "SHUTOFF")),
        3 => drop(rig.cloud.set_status(&id, "ACTIVE")),
        4 => drop(rig.cloud.set_status(&id, ["REBOOT", "ERROR", "RESIZE"][dice.below(3)])),
        5 => rig.cloud.withdraw_key(dice.chance(50)),
        6 => rig.cloud.set_region("GRA11", *dice.pick(&[RegionCondition::DownListFails, RegionCondition::Up])),
        7 => drop(rig.cloud.set_project_status(CI_PROJECT, ["ok", "suspended"][dice.below(2)])),
        8 => {
            let to = *dice.pick(&[Power::On, Power::Off]);
            let end = OverrideEnd::At(rig.clock_in(Millis::minutes(30)));
            let until = *dice.pick(&[OverrideEnd::NextTick, OverrideEnd::TickAfterNext, end]);
            rig.hold(&id, to, until).await;
        }
        9 => {
            let (word, verb) = *dice.pick(&[("stop", CloudVerb::Stop), ("reboot", CloudVerb::RebootSoft)]);
            if rig.ask(&id, word).is_ok() {
                asked.insert((id, verb));
            }
        }
        _ => (),
    }
}
