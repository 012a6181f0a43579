//! The ledger lost or old, clocks that jump, two of us at once, lists that are behind: always the same end.

use amarre::engine::Engine;
use amarre_core::model::{Gate, Millis};
use amarre_sim::docker::ImageSpec;
use amarre_sim::{Fault, Server};
use serde_json::Value as Json;

use super::{CLOUD, plain};
use crate::support::stepped::{Stepped, ZONE, act, assert_same, step};

const HOUR: Millis = Millis::minutes(60);
const DAY: Millis = Millis::minutes(24 * 60);

fn back(span: Millis) -> Millis {
    Millis(-span.0)
}

fn names(rig: &Stepped) -> Vec<String> {
    let names = rig.docker.containers();
    let mut names: Vec<String> =
        names.iter().map(|container| container["Name"].as_str().unwrap_or_default().to_owned()).collect();
    names.sort();
    names
}

/// Much has happened since last week's ledger: resources went, came, and were re-created under other ids.
#[tokio::test]
async fn an_old_ledger_costs_a_retry_and_never_a_resource() {
    let mut rig = Stepped::start().await;
    for name in ["kept", "gone", "redone", "updated"] {
        rig.write(&format!("{name}.yaml"), &plain(name));
    }
    rig.write("cloud.yaml", CLOUD);
    rig.settle().await;
    let copy = rig.copy_of_ledger();
    rig.remove("gone.yaml");
    rig.write("fresh.yaml", &plain("fresh"));
    rig.write("updated.yaml", &plain("updated").replace("web:1", "web:2"));
    rig.write("cloud.yaml", &CLOUD.replace("TITLE: one", "TITLE: two"));
    rig.docker.remove("redone").unwrap();
    rig.settle().await;
    let (world, foreign) = (rig.world(), rig.foreign());
    rig.forget();
    rig.restart_with(&copy).await;
    rig.clock.advance(Millis::minutes(7 * 24 * 60));
    rig.settle().await;
    assert_same(&rig.world(), &world, "last week's ledger");
    assert_same(&rig.foreign(), &foreign, "what is not ours");
}

/// A zone that an old ledger holds for unpublished is published once more, and no more than that.
#[tokio::test]
async fn an_old_note_of_what_is_not_published_is_worth_one_refresh() {
    let mut rig = Stepped::start().await;
    rig.ovh.server.faults.add("POST", "/1.0/domain/zone/example.org/refresh", 99, Fault::Before(500));
    rig.write("one.yaml", "{kind: Record, name: one, type: A, value: 203.0.113.77}\n");
    for _ in 0..3 {
        rig.pass().await;
    }
    let copy = rig.copy_of_ledger();
    rig.ovh.server.faults.clear();
    rig.clock.advance(Millis::minutes(1));
    rig.settle().await;
    let before = rig.ovh.refreshes(ZONE);
    rig.restart_with(&copy).await;
    rig.pass_until_settled().await;
    rig.settle().await;
    assert_eq!(rig.ovh.refreshes(ZONE), before + 1);
}

/// The clock is set by an hour or a day, either way, in the middle of everything: it ends as it would have.
#[tokio::test]
async fn a_clock_jump_delays_nothing_and_hurries_nothing() {
    let mut undisturbed = Stepped::start().await;
    undisturbed.write("cloud.yaml", CLOUD);
    undisturbed.write("one.yaml", &plain("one"));
    undisturbed.settle().await;
    let expected = undisturbed.world();
    for jump in [HOUR, DAY, back(HOUR), back(DAY)] {
        for after in [1, 3, 6] {
            let mut rig = Stepped::start().await;
            rig.write("cloud.yaml", CLOUD);
            rig.write("one.yaml", &plain("one"));
            // A call whose outcome is not known, and one that has to be tried again.
            rig.docker.server.faults.add_nth("POST", "/v1.41/networks/create", 1, 1, Fault::CutAfter);
            rig.npm.server.faults.add("POST", "/api/nginx/proxy-hosts", 3, Fault::Before(500));
            for _ in 0..after {
                rig.pass().await;
                rig.clock.advance(Millis::seconds(1));
            }
            rig.clock.jump(jump);
            rig.settle().await;
            assert_same(&rig.world(), &expected, &format!("{jump} after {after} looks"));
            assert!(rig.last_pass().facts.failed.is_empty());
        }
    }
}

/// A person stopped a container for a backup: the grace period stays the same, whatever the clock shows.
#[tokio::test]
async fn a_grace_is_neither_cut_short_nor_prolonged_by_a_clock_that_jumps() {
    for jump in [HOUR, DAY, back(HOUR), back(DAY)] {
        let mut rig = Stepped::start().await;
        rig.write("one.yaml", &plain("one"));
        rig.settle().await;
        rig.docker.stop("one").unwrap();
        rig.pass().await;
        rig.clock.advance(Millis::minutes(5));
        rig.clock.jump(jump);
        let is_running = |rig: &Stepped| {
            rig.docker.containers().iter().any(|one| one["Name"] == "/one" && one["State"]["Running"] == true)
        };
        for _ in 0..9 {
            rig.pass().await;
            rig.clock.advance(Millis::minutes(1));
        }
        assert!(!is_running(&rig), "{jump}: 14 minutes are no quarter of an hour");
        for _ in 0..3 {
            rig.pass().await;
            rig.clock.advance(Millis::minutes(1));
        }
        assert!(is_running(&rig), "{jump}: {:?}", rig.last_pass().plan.changes);
        rig.settle().await;
    }
}

/// A candidate has its time to become healthy, and no clock ends it.
#[tokio::test]
async fn a_candidate_is_not_timed_out_by_a_clock_that_jumps() {
    let mut rig = Stepped::start().await;
    rig.write("one.yaml", &plain("one"));
    rig.settle().await;
    rig.write("one.yaml", &plain("one").replace("web:1", "web:2"));
    while !names(&rig).iter().any(|name| name.starts_with("/one-")) {
        rig.pass().await;
    }
    rig.pass().await;
    rig.clock.jump(HOUR);
    rig.pass().await;
    assert!(rig.last_pass().facts.failed.is_empty());
    rig.settle().await;
    assert!(rig.docker.containers().iter().any(|container| container["Config"]["Image"] == "web:2"));
}

async fn turn(rig: &mut Stepped, other: &mut Engine) {
    // Both observe before either has written.
    rig.engine.pass(act()).await;
    other.pass(act()).await;
    loop {
        let (mine, others) = (rig.engine.lane_done().await, other.lane_done().await);
        if !mine && !others {
            break;
        }
    }
    rig.clock.advance(Millis::seconds(2));
}

/// Two daemons by mistake, each with a ledger of its own, the same name and the same manifests: they do not fight, and
/// nothing is made twice.
#[tokio::test]
async fn two_instances_with_one_name_converge() {
    let mut alone = Stepped::start().await;
    let manifests: [(&str, String); 3] =
        [("cloud.yaml", CLOUD.to_owned()), ("one.yaml", plain("one")), ("two.yaml", plain("two"))];
    for (file, text) in &manifests {
        alone.write(file, text);
    }
    alone.settle().await;
    let expected = networks_apart(alone.world());

    let mut rig = Stepped::start().await;
    let mut other = rig.engine_of_another_ledger().await;
    for (file, text) in &manifests {
        rig.write(file, text);
    }
    for _ in 0..40 {
        turn(&mut rig, &mut other).await;
    }
    assert_same(&networks_apart(rig.world()), &expected, "two at once");
    rig.forget();
    for _ in 0..4 {
        turn(&mut rig, &mut other).await;
    }
    assert_eq!(rig.writes(), [""; 0], "they do not fight");

    rig.write("one.yaml", &plain("one").replace("web:1", "web:2"));
    rig.remove("two.yaml");
    for _ in 0..30 {
        turn(&mut rig, &mut other).await;
    }
    rig.forget();
    for _ in 0..4 {
        turn(&mut rig, &mut other).await;
    }
    assert_eq!(rig.writes(), [""; 0], "nor after a change: {:?}", rig.last_pass().plan.changes);
    assert_eq!(names(&rig), ["/cloud-app", "/cloud-db", "/npm", "/one", "/stranger"]);
}

/// Which subnet a network has depends on who came first.
fn networks_apart(mut world: Json) -> Json {
    for network in world["networks"].as_array_mut().into_iter().flatten() {
        network["ipam"] = Json::Null;
    }
    world
}

/// Two instances with names of their own and the same manifests: the second leaves everything of the first alone.
#[tokio::test]
async fn two_instances_never_touch_each_others_resources() {
    let mut rig = Stepped::start().await;
    rig.write("one.yaml", &plain("one"));
    rig.settle().await;
    let world = rig.world();
    rig.instance = "office".to_owned();
    let mut other = rig.engine_of_another_ledger().await;
    for _ in 0..12 {
        step(&mut other, act()).await;
        rig.clock.advance(Millis::seconds(2));
    }
    assert_same(&rig.world(), &world, "another instance");
    let held = |change: &amarre_core::model::Change| matches!(change.gate, Gate::Held(_) | Gate::After(_));
    assert!(other.last_pass().plan.changes.iter().all(held), "{:?}", other.last_pass().plan.changes);
    assert!(!other.last_pass().plan.changes.is_empty(), "it says what is in its way");
    rig.instance = "home".to_owned();
    rig.settle().await;
}

/// A removal that was cut off is looked at again when its outcome must show, not at the next interval.
#[tokio::test]
async fn an_image_whose_removal_was_cut_off_goes_all_the_same() {
    let mut rig = Stepped::start().await;
    let images = |rig: &Stepped| {
        let images = rig.docker.images();
        let tags = images.iter().flat_map(|image| image["RepoTags"].as_array().cloned().unwrap_or_default());
        let mut shops: Vec<String> = tags.map(|tag| tag.as_str().unwrap().to_owned()).collect();
        shops.retain(|tag| tag.starts_with("shop:"));
        shops.sort();
        shops
    };
    for image in ["shop:1", "shop:2", "shop:3"] {
        rig.docker.image(ImageSpec { id: image.to_owned(), ..ImageSpec::new(image) });
    }
    // Nothing else takes half a minute.
    let shop = |image: &str| format!("{}update: {{drain: 0s}}\n", plain("shop").replace("web:1", image));
    for image in ["shop:1", "shop:2"] {
        rig.write("shop.yaml", &shop(image));
        rig.settle().await;
    }
    rig.write("shop.yaml", &shop("shop:3"));
    rig.docker.server.faults.add("DELETE", "/v1.41/images/", 1, Fault::HangBefore);
    assert!(rig.pass_until_settled_or_dead(0).await, "an image is removed");
    rig.restart().await;
    rig.pass().await;
    assert_eq!(images(&rig), ["shop:1", "shop:2", "shop:3"], "it may be going still");
    rig.settle().await;
    assert_eq!(images(&rig), ["shop:2", "shop:3"]);
}

/// Lists that are some reads behind what was written: nothing is made twice.
#[tokio::test]
async fn a_list_that_is_behind_leads_to_no_duplicates() {
    let mut alone = Stepped::start().await;
    alone.write("cloud.yaml", CLOUD);
    alone.settle().await;
    let expected = alone.world();
    for reads in [1, 3] {
        let mut rig = Stepped::start().await;
        rig.write("cloud.yaml", CLOUD);
        let lists = ["/v1.41/containers/json", "/v1.41/networks?", "/v1.41/volumes"];
        let behind = |server: &Server, list: &str| server.faults.add("GET", list, u32::MAX, Fault::Stale { reads });
        for list in lists {
            behind(&rig.docker.server, list);
        }
        behind(&rig.npm.server, "/api/nginx/proxy-hosts?");
        behind(&rig.ovh.server, "/1.0/domain/zone/example.org/record");
        for _ in 0..60 {
            rig.pass().await;
            rig.clock.advance(Millis::seconds(4));
        }
        for server in rig.servers() {
            server.faults.clear();
        }
        rig.clock.advance(Millis::minutes(6));
        rig.settle().await;
        assert_same(&rig.world(), &expected, &format!("{reads} reads behind"));
    }
}
