//! A new generation takes over from the old one: by name, at NPM, and after a while alone.

use amarre_core::model::{Millis, Readiness};
use amarre_sim::Fault;
use amarre_sim::docker::{Behaviour, ImageSpec};
use amarre_sim::npm::Kind;
use serde_json::{Value as Json, json};

use super::plain;
use crate::support::stepped::{Setting, Stepped, options};

const NETWORK: &str = "zz-amarre-web";

/// One container with a sibling that finds it by name.
fn pair(title: &str) -> String {
    format!(
        "name: web\ncontainers:\n  app: {{image: 'web:1', environment: {{TITLE: {title}}}}}\n  peer: {{image: 'db:1'}}\n\
         routes: [{{domain: web, to: 'app:80'}}]\n"
    )
}

/// Each container of the service by its title, with its name, its address and the names that siblings find it by.
fn found(rig: &Stepped) -> Vec<(String, String, String, Vec<String>)> {
    let mut found = Vec::new();
    for container in rig.docker.containers() {
        let env = container["Config"]["Env"].as_array().unwrap();
        let title = env.iter().find_map(|entry| entry.as_str()?.strip_prefix("TITLE="));
        let Some(title) = title else { continue };
        let endpoint = &container["NetworkSettings"]["Networks"][NETWORK];
        let short = &container["Id"].as_str().unwrap()[..12];
        let names = endpoint["Aliases"].as_array().into_iter().flatten().filter_map(Json::as_str);
        let names = names.filter(|name| *name != short).map(str::to_owned).collect();
        let text = |json: &Json| json.as_str().unwrap_or_default().trim_start_matches('/').to_owned();
        found.push((title.to_owned(), text(&container["Name"]), format!("{}:80", text(&endpoint["IPAddress"])), names));
    }
    found.sort();
    found
}

fn leads_to(rig: &Stepped) -> String {
    let rows = rig.npm.rows(Kind::ProxyHost);
    let row = rows.iter().find(|row| row["domain_names"][0] == "web.example.org");
    row.map(|row| format!("{}:{}", row["forward_host"].as_str().unwrap(), row["forward_port"])).unwrap_or_default()
}

/// Runs passes until a condition holds.
async fn until(rig: &mut Stepped, is_so: impl Fn(&Stepped) -> bool) {
    for _ in 0..40 {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(1));
        if is_so(rig) {
            return;
        }
    }
    panic!("{:?} {:#?}", rig.last_pass().errors, rig.last_pass().plan);
}

async fn begun() -> Stepped {
    let mut rig = Stepped::start().await;
    rig.write("web.yaml", &pair("one"));
    rig.settle().await;
    rig
}

/// An engine forgets the names of a container for a moment while it renames it: another one answers by them, before and
/// after.
fn assert_renamed_beside_another(before: &[(String, String, String, Vec<String>)], rig: &Stepped) {
    let now = found(rig);
    let was_renamed = |one: &(String, String, String, Vec<String>)| {
        before.iter().any(|other| (other.0 == one.0) && (other.1 != one.1))
    };
    if now.iter().any(was_renamed) {
        for there in [before, &now] {
            let answering = there.iter().filter(|one| one.3.contains(&"app".to_owned())).count();
            assert_eq!(answering, 2, "{before:?} {now:?}");
        }
    }
}

/// In every pass of an update: siblings find a working container, and no broken one; NPM leads to a working one.
#[tokio::test]
async fn siblings_and_visitors_never_meet_a_candidate_before_it_is_healthy() {
    let mut rig = begun().await;
    let all = ["app".to_owned(), "web-app".to_owned()];
    let before = found(&rig);
    assert_eq!(before[0].3, all);
    let (old_place, id) = (before[0].2.clone(), rig.docker.containers().len());
    rig.write("web.yaml", &pair("two"));
    let (mut moved, mut alone) = (None, None);
    let mut last = before;
    for _ in 0..80 {
        let began = rig.clock_now();
        rig.pass().await;
        assert_renamed_beside_another(&last, &rig);
        let now = found(&rig);
        last.clone_from(&now);
        let answering: Vec<&String> = now.iter().filter(|one| one.3.contains(&all[0])).map(|one| &one.0).collect();
        assert!(!answering.is_empty(), "somebody answers: {now:?}");
        let pass = rig.last_pass();
        for (address, seen) in pass.world.seen.iter().filter(|(address, _)| address.name == "web-app") {
            let names = seen.fields.strings("aliases");
            let works = matches!(seen.ready, Readiness::Ready);
            assert!(works || names.is_empty(), "{address} is reached by {names:?} and does not work");
        }
        let place = leads_to(&rig);
        assert!(now.iter().any(|one| one.2 == place), "{place}: {now:?}");
        if place != old_place {
            moved.get_or_insert(began);
            alone = alone.or_else(|| (now.len() == 1).then(|| rig.clock_now()));
        }
        if pass.at_rest {
            break;
        }
        rig.clock.advance(Millis::seconds(2));
    }
    let drained = alone.unwrap() - moved.unwrap();
    assert!(drained >= Millis::seconds(30), "the old one drains for 30 s: {drained:?}");
    let now = found(&rig);
    assert_eq!(now.len(), 1);
    assert_eq!((now[0].0.as_str(), now[0].1.as_str(), &now[0].3), ("two", "web-app", &all.to_vec()));
    assert_eq!(rig.docker.containers().len(), id);
    rig.assert_quiet().await;
}

/// Out of sync until the new one serves, in sync while the old one only drains.
#[tokio::test]
async fn an_update_is_in_sync_from_when_the_new_one_serves() {
    let mut rig = begun().await;
    let synced = |rig: &Stepped| rig.last_pass().statuses()["web"].sync.word();
    assert_eq!(synced(&rig), "Synced");
    rig.docker.image(ImageSpec { behaviour: Behaviour::SlowStart(1_000_000), ..ImageSpec::new("slow:1") });
    rig.write("web.yaml", &pair("two").replace("web:1", "slow:1"));
    until(&mut rig, |rig| found(rig).len() == 2).await;
    rig.pass().await;
    let is_draining = |rig: &Stepped| !rig.last_pass().wants.drains.is_empty();
    assert!(!is_draining(&rig));
    assert_eq!(synced(&rig), "OutOfSync", "{:#?}", rig.last_pass().statuses()["web"]);
    let (_, candidate, ..) = found(&rig).into_iter().find(|one| one.0 == "two").unwrap();
    rig.docker.behave(&candidate, Behaviour::Serve).unwrap();
    until(&mut rig, is_draining).await;
    rig.pass().await;
    assert!(is_draining(&rig));
    let status = rig.last_pass().statuses()["web"].clone();
    assert_eq!((status.sync.word(), status.health.word()), ("Synced", "Healthy"), "{status:#?}");
    rig.settle().await;
    assert_eq!(synced(&rig), "Synced");
}

#[tokio::test]
async fn without_a_drain_the_old_one_goes_when_nothing_leads_to_it() {
    let mut rig = begun().await;
    rig.write("web.yaml", &format!("{}update: {{drain: 0s}}\n", pair("two")));
    for _ in 0..14 {
        let before = found(&rig);
        rig.pass().await;
        assert_renamed_beside_another(&before, &rig);
        rig.clock.advance(Millis(1));
    }
    assert_eq!(found(&rig).len(), 1, "{:?}", found(&rig));
    rig.settle().await;
}

/// A lost ledger drains once more; nothing else comes of it.
#[tokio::test]
async fn a_drain_outlives_a_restart_and_a_lost_ledger() {
    for lost in [false, true] {
        let mut rig = begun().await;
        rig.write("web.yaml", &pair("two"));
        let is_draining = |rig: &Stepped| !rig.last_pass().wants.drains.is_empty();
        until(&mut rig, is_draining).await;
        rig.clock.advance(Millis::seconds(20));
        if lost {
            rig.restart_without_ledger().await
        } else {
            rig.restart().await
        };
        rig.pass().await;
        rig.clock.advance(Millis::seconds(12));
        rig.pass().await;
        assert_eq!(found(&rig).len(), if lost { 2 } else { 1 }, "{:?}", rig.last_pass().plan);
        rig.settle().await;
        assert_eq!(found(&rig).len(), 1);
    }
}

/// What was to begin in an hour begins now, and goes on from there.
#[tokio::test]
async fn a_clock_set_back_prolongs_no_drain() {
    let mut rig = begun().await;
    rig.write("web.yaml", &pair("two"));
    until(&mut rig, |rig| !rig.last_pass().wants.drains.is_empty()).await;
    rig.clock.jump(Millis::minutes(-60));
    rig.pass().await;
    assert_eq!(found(&rig).len(), 2);
    rig.clock.advance(Millis::seconds(31));
    rig.pass().await;
    let pass = rig.last_pass();
    assert!(pass.wants.drains.values().all(|until| *until <= pass.at), "{:?}", pass.plan);
    // To the engine it is as if Docker had just started, which is another minute.
    rig.clock.advance(Millis::seconds(61));
    rig.pass().await;
    assert_eq!(found(&rig).len(), 1, "{:?}", rig.last_pass().plan);
    rig.settle().await;
}

/// One that stops working while the old one drains is taken back: the old one serves again, by name and at NPM.
#[tokio::test]
async fn one_that_fails_while_the_old_one_drains_is_taken_back() {
    let mut rig = begun().await;
    rig.write("web.yaml", &pair("two"));
    until(&mut rig, |rig| !rig.last_pass().wants.drains.is_empty()).await;
    let place = found(&rig)[0].2.clone();
    rig.docker.behave("web-app", Behaviour::Exit(3)).unwrap();
    rig.docker.crash("web-app").unwrap();
    rig.pass_until_settled().await;
    let now = found(&rig);
    assert_eq!(now.len(), 1, "{now:?}");
    assert_eq!((now[0].0.as_str(), now[0].1.as_str()), ("one", "web-app"));
    assert_eq!(now[0].3, ["app", "web-app"]);
    assert_eq!(leads_to(&rig), place);
}

/// At whatever moment of an update the new one fails for a while and comes back: one of the two is left, and hosts lead to it.
#[tokio::test]
async fn two_versions_never_stay() {
    let check = json!({"Test": ["CMD", "true"], "Interval": 1_000_000_000});
    let manifest = |title: &str| pair(title).replace("web:1", "checked:1") + "update: {drain: 5s}\n";
    for (moment, is_killed) in (1..16).flat_map(|moment| [(moment, false), (moment, true)]) {
        let mut rig = Stepped::start().await;
        rig.docker.load_image(ImageSpec { healthcheck: Some(check.clone()), ..ImageSpec::new("checked:1") });
        rig.write("web.yaml", &manifest("one"));
        rig.settle().await;
        rig.write("web.yaml", &manifest("two"));
        for _ in 0..moment {
            rig.pass().await;
            rig.clock.advance(Millis::seconds(1));
        }
        let behave = |rig: &Stepped, behaviour: Behaviour| {
            for (_, name, ..) in found(rig).into_iter().filter(|(title, ..)| title == "two") {
                rig.docker.behave(&name, behaviour).unwrap();
            }
        };
        behave(&rig, Behaviour::Unhealthy);
        for _ in 0..60 {
            if !rig.last_pass().facts.failed.is_empty() {
                break;
            }
            rig.pass().await;
            rig.clock.advance(Millis::seconds(5));
        }
        behave(&rig, Behaviour::Serve);
        if is_killed {
            rig.restart().await;
        }
        for _ in 0..40 {
            rig.pass().await;
            rig.clock.advance(Millis::seconds(3));
        }
        let left = found(&rig);
        assert_eq!(left.len(), 1, "{moment} {is_killed} {left:?} {:#?}", rig.last_pass().plan);
        assert_eq!((leads_to(&rig), left[0].1.as_str()), (left[0].2.clone(), "web-app"), "{moment} {is_killed}");
    }
}

/// Killed between the two calls, a container is on no network: it comes back to where it was.
#[tokio::test]
async fn a_container_on_no_network_returns_to_the_same_address() {
    for lost in [false, true] {
        let mut rig = begun().await;
        let before = found(&rig);
        rig.docker.disconnect(NETWORK, "web-app").unwrap();
        if lost {
            rig.restart_without_ledger().await;
        }
        rig.settle().await;
        let after = found(&rig);
        assert_eq!(after[0].3, before[0].3);
        if !lost {
            assert_eq!(after, before);
        }
        assert_eq!(leads_to(&rig), after[0].2);
    }
}

/// While nginx has not taken the new target, the old one stays.
#[tokio::test]
async fn the_old_one_stays_while_a_host_is_not_on_line() {
    let mut rig = begun().await;
    rig.write("web.yaml", &pair("two"));
    let place = found(&rig)[0].2.clone();
    until(&mut rig, |rig| leads_to(rig) != place).await;
    let row =
        rig.npm.rows(Kind::ProxyHost).into_iter().find(|row| row["domain_names"][0] == "web.example.org").unwrap();
    rig.npm.lose_file(row["id"].as_u64().unwrap());
    rig.npm.server.faults.add("PUT", "/api/nginx/proxy-hosts", 99, Fault::Before(500));
    for _ in 0..30 {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(5));
        assert_eq!(found(&rig).len(), 2);
        assert!(rig.last_pass().wants.drains.is_empty());
    }
    rig.npm.server.faults.clear();
    // After that many failures the next try is far away.
    rig.clock.advance(Millis::minutes(11));
    rig.settle().await;
    assert_eq!(found(&rig).len(), 1);
}

/// On its own network, on the one it shares with NPM, or by a port of its host.
#[tokio::test]
async fn it_is_handed_over_however_npm_reaches_it() {
    let edge = Setting { reach: Some("edge"), with_nas: false, ..Setting::default() };
    let published = Setting { reach: None, with_nas: true, ..Setting::default() };
    for (setting, host) in [(edge, ""), (published, "host: nas\n")] {
        let mut rig = Stepped::in_setting(options(), setting).await;
        if let Some(nas) = &rig.nas {
            nas.image(ImageSpec::new("web:1"));
        }
        rig.write("web.yaml", &format!("{}{host}", plain("web")));
        rig.settle().await;
        let before = leads_to(&rig);
        rig.write("web.yaml", &format!("{}{host}environment: {{A: b}}\n", plain("web")));
        rig.settle().await;
        assert_ne!(leads_to(&rig), before);
    }
}
