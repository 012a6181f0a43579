//! `amarre restart` on a real engine.

use crate::support::docker;
use crate::support::rig::Rig;

/// Two containers, of which one waits for the other to be healthy.
const PAIR: &str = "
name: TAG-pair
containers:
  app:
    image: amarre-test:1
    entrypoint: [/bin/sh, -c, 'trap \"exit 0\" TERM; while :; do sleep 1; done']
    depends_on: {db: {condition: service_healthy}}
    stop_grace_period: 2s
    healthcheck: {test: [CMD, 'true'], interval: 1s}
  db:
    image: amarre-test:1
    entrypoint: [/bin/sh, -c, 'trap \"exit 0\" TERM; while :; do sleep 1; done']
    stop_grace_period: 2s
    healthcheck: {test: [CMD, 'true'], interval: 1s}
";

fn started(rig: &Rig, key: &str) -> String {
    docker(&["inspect", "-f", "{{.State.StartedAt}}", &format!("{}-{key}", rig.name("pair"))]).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn containers_restart_in_the_order_in_which_they_depend() {
    let rig = Rig::start().await;
    rig.write("pair.yaml", PAIR);
    rig.apply().await;
    let before = (started(&rig, "db"), started(&rig, "app"));
    let done = rig.run(&["restart", &rig.name("pair"), "--yes"]).await;
    assert_eq!(done.code, 0, "{done}");
    assert!(done.out.contains("is restarted and ready again after "), "{done}");
    let after = (started(&rig, "db"), started(&rig, "app"));
    assert!(before.0 < after.0 && before.1 < after.1 && after.0 < after.1, "{before:?} {after:?}");
    let plan = rig.run(&["plan", "--detailed-exitcode"]).await;
    assert_eq!(plan.code, 0, "{plan}");
    let one = rig.run(&["restart", &rig.name("pair"), "app", "--yes"]).await;
    assert_eq!(one.code, 0, "{one}");
    assert_eq!(started(&rig, "db"), after.0, "{one}");
    assert!(after.1 < started(&rig, "app"), "{one}");
}
