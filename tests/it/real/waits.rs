//! Jobs before updates, and containers that wait for the end of others.

use crate::support::rig::Rig;
use crate::support::{docker, inspect};

const CLOUD: &str = "
name: TAG-cloud
containers:
  app:
    image: amarre-test:1
    command: [serve, '80']
    environment: {TEXT: cloud one}
    volumes: ['data:/data']
jobs:
  backup:
    image: amarre-test:2
    entrypoint: [sh, -c]
    command: ['wget -q -O /dumps/page http://app/ && cat /data/file > /dumps/copy']
    volumes: ['data:/data:ro', 'dumps:/dumps']
    depends_on: {app: {condition: service_healthy}}
routes:
  - {domain: TAG-cloud, to: 'app:80'}
";

/// What a file of a volume holds.
fn read(volume: &str, file: &str) -> String {
    let mount = format!("{volume}:/v:ro");
    docker(&[
        "run",
        "--rm",
        "--network",
        "none",
        "--entrypoint",
        "cat",
        "-v",
        &mount,
        "amarre-test:1",
        &format!("/v/{file}"),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_job_saves_the_data_before_an_update_and_one_that_fails_stops_it() {
    let rig = Rig::start().await;
    let (app, job) = (rig.name("cloud"), rig.name("cloud-backup"));
    let dumps = format!("{}_dumps", rig.name("cloud"));
    rig.write("cloud.yaml", CLOUD);
    rig.apply().await;
    assert_eq!(rig.containers().into_keys().collect::<Vec<_>>(), std::slice::from_ref(&app), "no job at first");
    docker(&["exec", &app, "sh", "-c", "echo saved > /data/file"]);

    rig.write("cloud.yaml", &CLOUD.replace("cloud one", "cloud two"));
    let plan = rig.run(&["plan"]).await.out;
    assert!(plan.contains("before the update, at most 1 h"), "{plan}");
    rig.apply().await;
    rig.assert_serves("cloud", "cloud two").await;
    assert_eq!(read(&dumps, "copy"), "saved");
    assert_eq!(read(&dumps, "page"), "cloud one", "it ran beside the old one");
    let done = inspect("container", &job);
    assert_eq!(done["State"]["ExitCode"], 0);
    assert!(done["State"]["FinishedAt"].as_str() < inspect("container", &app)["Created"].as_str());

    let serving = inspect("container", &app)["Id"].clone();
    let failing = CLOUD.replace("cloud one", "cloud three").replace("/dumps/copy'", "/dumps/copy && exit 4'");
    rig.write("cloud.yaml", &failing);
    rig.apply_partly().await;
    assert_eq!(inspect("container", &app)["Id"], serving);
    rig.assert_serves("cloud", "cloud two").await;
    assert_eq!(inspect("container", &format!("{job}-failed"))["State"]["ExitCode"], 4);
    rig.forget();
    rig.run(&["apply", "--yes", "--timeout", "20s"]).await;
    assert_eq!(rig.writes(), [""; 0], "it is not tried again unchanged");
    let status = rig.status_text().await;
    assert!(status.contains("code 4") && status.contains("Degraded"), "{status}");

    rig.write("cloud.yaml", &CLOUD.replace("cloud one", "cloud three"));
    rig.apply().await;
    rig.assert_serves("cloud", "cloud three").await;
    assert_eq!(read(&dumps, "page"), "cloud two");
    assert_eq!(rig.containers().into_keys().collect::<Vec<_>>(), [app, job], "the failed one is gone");
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_container_waits_for_an_end_and_its_dependents_are_recreated() {
    const SHOP: &str = "
name: TAG-shop
containers:
  app:
    image: amarre-test:1
    command: [serve, '80']
    environment: {TEXT: shop}
    depends_on:
      migrate: {condition: service_completed_successfully}
      db: {condition: service_healthy, restart: true}
  db:
    image: amarre-test:1
    environment: {MODE: one}
    volumes: ['data:/data']
    healthcheck: {test: [CMD, test, -e, /data/schema], interval: 1s}
  migrate:
    image: amarre-test:2
    entrypoint: [touch, /data/schema]
    volumes: ['data:/data']
routes:
  - {domain: TAG-shop, to: 'app:80'}
";
    let rig = Rig::start().await;
    let of = |name: &str| inspect("container", &rig.name(name));
    rig.write("shop.yaml", SHOP);
    rig.apply().await;
    rig.assert_serves("shop", "shop").await;
    assert_eq!(of("shop-migrate")["State"]["ExitCode"], 0);
    assert!(of("shop-migrate")["State"]["FinishedAt"].as_str() < of("shop-app")["Created"].as_str());
    let (app, migrate) = (of("shop-app")["Id"].clone(), of("shop-migrate")["Id"].clone());
    rig.write("shop.yaml", &SHOP.replace("MODE: one", "MODE: two"));
    rig.apply().await;
    rig.assert_serves("shop", "shop").await;
    assert_ne!(of("shop-app")["Id"], app, "made anew with the database");
    assert_eq!(of("shop-migrate")["Id"], migrate, "it does not run again");
    assert!(of("shop-db")["Created"].as_str() < of("shop-app")["Created"].as_str());
    rig.quiet().await;
}
