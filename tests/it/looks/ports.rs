//! Ports to which hosts are switched: only to those at which something listens, whatever else says that the container is well.

use amarre_core::model::{Code, Millis};
use amarre_core::plan::render::Style;
use amarre_sim::docker::ImageSpec;
use serde_json::json;

use crate::support::get;
use crate::support::stepped::Stepped;

/// What visitors of `web.example.org` get at a path.
async fn visit(rig: &Stepped, path: &str) -> u16 {
    get(rig.npm.proxy_address, "web.example.org", path).await.map_or(0, |(status, _)| status)
}

/// Passes over half a minute, with a visitor after each.
async fn pass_with_visitors(rig: &mut Stepped, answer: u16) {
    for _ in 0..6 {
        rig.clock.advance(Millis::seconds(5));
        rig.pass().await;
        assert_eq!(visit(rig, "/").await, answer);
    }
}

fn code(rig: &Stepped) -> Option<Code> {
    rig.last_pass().statuses()["web"].code
}

/// `web`: by its healthcheck, or by its port alone.
async fn with_web(healthcheck: bool) -> Stepped {
    let mut rig = Stepped::start().await;
    let check = healthcheck.then(|| json!({"Test": ["CMD", "true"], "Interval": 1_000_000_000}));
    rig.docker.load_image(ImageSpec { ports: vec![8080, 8081], healthcheck: check, ..ImageSpec::new("ported:1") });
    rig.write("web.yaml", MANIFEST);
    rig.settle().await;
    assert_eq!(visit(&rig, "/").await, 200);
    rig
}

const MANIFEST: &str = "name: web\nimage: ported:1\nport: 8080\n";

#[tokio::test]
async fn a_host_is_not_switched_to_a_port_at_which_nothing_listens() {
    for healthcheck in [false, true] {
        let mut rig = with_web(healthcheck).await;
        rig.write("web.yaml", &MANIFEST.replace("8080", "9999"));
        pass_with_visitors(&mut rig, 200).await;
        let pass = rig.last_pass();
        let status = &pass.statuses()["web"];
        assert_eq!((status.health.word(), status.code), ("Degraded", Some(Code::A0532)), "{}", status.what_now);
        assert!(status.what_now.to_string().contains(":9999"), "{}", status.what_now);
        assert!(!pass.plan.changes.is_empty(), "the switch is still to come");
        let conditions = amarre::engine::report::service_json(&pass, status)["conditions"].clone();
        let serving = conditions.as_array().unwrap().iter().find(|one| one["type"] == "Serving").unwrap();
        assert_eq!(serving["status"], "True", "it serves at the port before: {serving}");

        // What another process finds out is the same.
        rig.restart().await;
        pass_with_visitors(&mut rig, 200).await;
        assert_ne!(rig.last_pass().statuses()["web"].health.word(), "Healthy");

        rig.write("web.yaml", &MANIFEST.replace("8080", "8081"));
        rig.settle().await;
        assert_eq!((visit(&rig, "/").await, code(&rig)), (200, None));
    }
}

#[tokio::test]
async fn a_path_is_not_led_to_a_port_at_which_nothing_listens() {
    let mut rig = with_web(false).await;
    let paths = "routes: [{domain: web.example.org, to: 'web:8080', locations: [{path: /api, to: 'web:PORT'}]}]\n";
    let manifest =
        |port: &str| format!("name: web\ncontainers: {{web: {{image: 'ported:1'}}}}\n{}", paths.replace("PORT", port));
    rig.write("web.yaml", &manifest("8081"));
    rig.settle().await;
    assert_eq!(visit(&rig, "/api").await, 200);
    rig.write("web.yaml", &manifest("9999"));
    pass_with_visitors(&mut rig, 200).await;
    assert_eq!((visit(&rig, "/api").await, code(&rig)), (200, Some(Code::A0532)));
}

#[tokio::test]
async fn a_new_host_waits_for_its_port() {
    let mut rig = with_web(true).await;
    rig.write("shop.yaml", "name: shop\nimage: ported:1\nport: 9999\n");
    pass_with_visitors(&mut rig, 200).await;
    let pass = rig.last_pass();
    let status = &pass.statuses()["shop"];
    assert_eq!((status.health.word(), status.code), ("Degraded", Some(Code::A0532)), "{}", status.what_now);
    let plan = amarre::engine::report::plan_text(&pass, Style::PLAIN);
    assert!(plan.contains("9999"), "{plan}");
    rig.write("shop.yaml", "name: shop\nimage: ported:1\nport: 8081\n");
    rig.settle().await;
}

#[tokio::test]
async fn the_only_container_gets_another_key_without_a_lost_visitor() {
    let mut rig = with_web(false).await;
    let manifest = |key: &str, port: &str| {
        format!(
            "name: web\ncontainers: {{{key}: {{image: 'ported:1'}}}}\nroutes: [{{domain: web, to: '{key}:{port}'}}]\n"
        )
    };
    rig.write("web.yaml", &manifest("srv", "9999"));
    pass_with_visitors(&mut rig, 200).await;
    rig.restart().await;
    // It has two minutes to be healthy.
    for _ in 0..5 {
        pass_with_visitors(&mut rig, 200).await;
    }
    let status = rig.last_pass().statuses()["web"].clone();
    assert_eq!((status.health.word(), status.code), ("Degraded", Some(Code::A0512)), "{}", status.what_now);

    rig.write("web.yaml", &manifest("app", "8081"));
    for _ in 0..12 {
        pass_with_visitors(&mut rig, 200).await;
    }
    rig.settle().await;
    assert_eq!((visit(&rig, "/").await, code(&rig)), (200, None));
    let containers = rig.docker.containers();
    let names = containers.iter().filter_map(|one| one["Name"].as_str()).filter(|name| name.contains("web"));
    assert_eq!(names.collect::<Vec<_>>(), ["/web"], "the one of the last key alone");
}
