//! Builds: registries are asked now and then whether there is a newer image to begin from, and an hour has a limited number of builds.

use amarre::engine::report::builds::{bases, with_newer_bases};
use amarre_core::model::plan::Wait;
use amarre_core::model::{Gate, Millis, Timestamp};
use amarre_sim::docker::ImageSpec;

use crate::support::stepped::{Setting, Stepped, options};

async fn settled() -> Stepped {
    let mut rig = Stepped::in_setting(options(), Setting { allows_all: true, ..Setting::default() }).await;
    rig.docker.image(ImageSpec::new("nginx:1"));
    std::fs::create_dir_all(rig.folder.path().join("services/site")).unwrap();
    rig.write("site/Dockerfile", "FROM nginx:1\nEXPOSE 80\n");
    rig.write("site.yaml", "name: site\nbuild: ./site\nport: 80\n");
    rig.settle().await;
    rig
}

/// Passes until a registry was asked, after a time.
async fn asked_after(rig: &mut Stepped, from: Timestamp) {
    for _ in 0..500 {
        rig.pass().await;
        let pass = rig.last_pass();
        let rows = bases(&pass, &pass.services["site"]);
        if rows.iter().all(|row| row.asked.is_some_and(|asked| asked >= from)) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("no registry was asked");
}

fn newer(rig: &Stepped) -> Vec<String> {
    let pass = rig.last_pass();
    with_newer_bases(&pass).flat_map(|(_, images)| images).collect()
}

#[tokio::test]
async fn a_newer_base_image_is_reported_and_nothing_is_built_for_it() {
    let mut rig = settled().await;
    asked_after(&mut rig, Timestamp(0)).await;
    assert!(!rig.last_pass().bases.fixed.is_empty(), "the digest is fixed");
    assert_eq!(newer(&rig), [""; 0]);
    rig.docker.image(ImageSpec { id: "newer".to_owned(), ..ImageSpec::new("nginx:1") });
    let before = rig.clock_now();
    rig.clock.advance(Millis::minutes(7 * 60));
    asked_after(&mut rig, before + Millis::minutes(7 * 60)).await;
    assert_eq!(newer(&rig), ["nginx:1"]);
    rig.assert_quiet().await;
    // What was asked is known after a restart, and not asked again at once.
    rig.restart().await;
    rig.pass().await;
    rig.pass().await;
    assert_eq!(newer(&rig), ["nginx:1"]);
}

#[tokio::test]
async fn builds_of_a_service_within_an_hour_are_limited() {
    let mut rig = settled().await;
    for number in 1..20 {
        rig.write("site/Dockerfile", &format!("FROM nginx:1\nEXPOSE 80\nLABEL number={number}\n"));
        rig.settle().await;
    }
    rig.write("site/Dockerfile", "FROM nginx:1\nEXPOSE 80\nLABEL number=last\n");
    rig.pass_until_settled().await;
    let waits = |rig: &Stepped| {
        let pass = rig.last_pass();
        pass.plan.changes.iter().any(|change| matches!(change.gate, Gate::Until { what: Wait::Builds, .. }))
    };
    assert!(waits(&rig), "{:?}", rig.last_pass().plan.changes);
    rig.clock.advance(Millis::minutes(61));
    rig.settle().await;
    assert!(!waits(&rig));
}

/// Several of them take turns, and none of them a second one.
#[tokio::test]
async fn builds_that_fail_for_good_are_built_once_each() {
    let mut rig = settled().await;
    rig.forget();
    let failing = ["bad-a", "bad-b", "bad-c"];
    for name in failing {
        std::fs::create_dir_all(rig.folder.path().join("services").join(name)).unwrap();
        rig.write(&format!("{name}/Dockerfile"), "FROM nginx:1\nRUN exit 7\nEXPOSE 80\n");
        rig.write(&format!("{name}.yaml"), &format!("name: {name}\nbuild: ./{name}\nport: 80\n"));
    }
    let built = |rig: &Stepped| rig.writes().into_iter().filter(|write| write.contains("/build?")).count();
    for _ in 0..8 {
        rig.pass().await;
    }
    for _ in 0..3 {
        rig.pass_until_settled().await;
        rig.clock.advance(Millis::minutes(10));
    }
    assert_eq!(built(&rig), failing.len(), "{:?}", rig.writes());
    // A person asks again, or another Dockerfile comes.
    rig.write("bad-b/Dockerfile", "FROM nginx:1\nRUN exit 8\nEXPOSE 80\n");
    rig.pass_until_settled().await;
    assert_eq!(built(&rig), failing.len() + 1, "{:?}", rig.writes());
}
