//! Proof of the simulated OVH by clients that others wrote: python-ovh and octoDNS.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::process::Command;

use amarre_sim::ovh::{Ovh, OvhOptions};

/// Keys unlike the defaults of the scripts, so that none is taken from there.
fn options() -> OvhOptions {
    OvhOptions {
        application_key: "a-key".to_owned(),
        application_secret: "a-secret".to_owned(),
        consumer_key: "a-consumer".to_owned(),
        ..OvhOptions::with_zones(&["example.com", "example.org"])
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn python() -> PathBuf {
    let path = std::env::var_os("AMARRE_PYTHON").map_or_else(|| root().join("target/python/bin/python"), PathBuf::from);
    assert!(
        path.exists(),
        "no Python at {}: `scripts/test` makes the environment from scripts/clients/requirements.txt, or set AMARRE_PYTHON",
        path.display()
    );
    path
}

/// Runs a script of `scripts/clients` against the simulator; it must end well.
async fn check(ovh: &Ovh, script: &str) {
    let mut command = Command::new(python());
    command
        .arg(root().join("scripts/clients").join(script))
        .args(["--endpoint", &ovh.endpoint()])
        .args(["--dns", &ovh.dns[0].to_string()])
        .env("OVH_APPLICATION_KEY", "a-key")
        .env("OVH_APPLICATION_SECRET", "a-secret")
        .env("OVH_CONSUMER_KEY", "a-consumer")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    // Not on a thread that the simulator needs.
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run.await.unwrap().unwrap();
    assert!(
        output.status.success(),
        "{script}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vendors_library_works() {
    let ovh = Ovh::start(options()).await.unwrap();
    check(&ovh, "ovh_python.py").await;
    assert_eq!(ovh.refreshes("example.com"), 3);
    assert_eq!(ovh.refreshes("example.org"), 0);
    assert_eq!(ovh.records("example.com").len(), 2, "the NS records");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn octodns_applies_and_then_plans_nothing() {
    let ovh = Ovh::start(options()).await.unwrap();
    check(&ovh, "octodns_apply.py").await;
    assert_eq!(ovh.refreshes("example.com"), 3);
    assert_eq!(ovh.published("example.com").len(), 2, "the NS records");
}
