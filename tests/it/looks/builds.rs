//! Builds: whether there is a newer image to begin from is asked now and then, and an hour has only so many builds.

use amarre::engine::report::builds::{bases, with_newer_bases};
use amarre_core::model::plan::Wait;
use amarre_core::model::{Gate, Millis};
use amarre_sim::docker::ImageSpec;

use crate::support::eventually;
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

/// Passes until a registry was asked after a time.
async fn asked(rig: &mut Stepped) {
    let from = rig.clock_now();
    for _ in 0..500 {
        rig.pass().await;
        let picture = rig.last_pass();
        let rows = bases(&picture, &picture.services["site"]);
        if rows.iter().all(|row| row.asked.is_some_and(|asked| asked >= from)) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("no registry was asked");
}

fn newer(rig: &Stepped) -> Vec<String> {
    let picture = rig.last_pass();
    with_newer_bases(&picture).flat_map(|(_, images)| images).collect()
}

#[tokio::test]
async fn a_newer_base_image_is_told_of_and_nothing_is_built_for_it() {
    let mut rig = settled().await;
    eventually(30, "the digest is fixed", async || !rig.last_pass().bases.fixed.is_empty()).await;
    asked(&mut rig).await;
    assert_eq!(newer(&rig), [""; 0]);
    rig.docker.image(ImageSpec { id: "newer".to_owned(), ..ImageSpec::new("nginx:1") });
    rig.clock.advance(Millis::minutes(7 * 60));
    asked(&mut rig).await;
    assert_eq!(newer(&rig), ["nginx:1"]);
    rig.assert_quiet().await;
    // What was asked is known after a restart, and not asked again at once.
    rig.restart().await;
    rig.pass().await;
    rig.pass().await;
    assert_eq!(newer(&rig), ["nginx:1"]);
}

#[tokio::test]
async fn an_hour_has_so_many_builds_of_a_service() {
    let mut rig = settled().await;
    for number in 1..20 {
        rig.write("site/Dockerfile", &format!("FROM nginx:1\nEXPOSE 80\nLABEL number={number}\n"));
        rig.settle().await;
    }
    rig.write("site/Dockerfile", "FROM nginx:1\nEXPOSE 80\nLABEL number=last\n");
    rig.pass_until_settled().await;
    let waits = |rig: &Stepped| {
        let picture = rig.last_pass();
        picture.plan.changes.iter().any(|change| matches!(change.gate, Gate::Until { what: Wait::Builds, .. }))
    };
    assert!(waits(&rig), "{:?}", rig.last_pass().plan.changes);
    rig.clock.advance(Millis::minutes(61));
    rig.settle().await;
    assert!(!waits(&rig));
}
