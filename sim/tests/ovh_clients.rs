//! Proof of the simulated OVH by clients that others wrote: python-ovh and octoDNS.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "python/mod.rs"]
mod python;

use amarre_sim::ovh::{Ovh, OvhOptions};

fn options() -> OvhOptions {
    OvhOptions {
        application_key: python::APPLICATION_KEY.to_owned(),
        application_secret: python::APPLICATION_SECRET.to_owned(),
        consumer_key: python::CONSUMER_KEY.to_owned(),
        ..OvhOptions::with_zones(&["example.com", "example.org"])
    }
}

async fn check(ovh: &Ovh, script: &str) {
    python::check(script, &["--endpoint", &ovh.endpoint(), "--dns", &ovh.dns[0].to_string()]).await;
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
