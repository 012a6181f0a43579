//! How often OVH is asked about a zone of 1,000 records: by us, and by octoDNS at a simulator with the same records.

use std::path::Path;

use amarre_sim::Journal;
use amarre_sim::ovh::{Ovh, OvhOptions};
use tokio::process::Command;

use crate::rows;
use crate::support::rig::{Rig, ZONE};

const RECORDS: usize = 1000;
const RECORDS_SMOKE: usize = 20;
const TTL_S: u32 = 3600;

pub async fn compare(is_smoke: bool) {
    let count = if is_smoke { RECORDS_SMOKE } else { RECORDS };
    let (ours, octodns) = (ours(count).await, octodns(count).await);
    println!("{:<44} {:>10} {:>10}", format!("OVH calls, a zone of {count} records"), "amarre", "octodns");
    for ((what, ours), octodns) in ["quiet, all read anew", "one record changed"].into_iter().zip(ours).zip(octodns) {
        println!("{:<44} {ours:>10} {octodns:>10}", format!("  {what}"));
        rows::note(&format!("OVH calls, {what}; octoDNS"), ours as f64, octodns as f64, "", 0);
    }
}

/// Of all records, one is wanted by a manifest; the others are foreign.
async fn ours(count: usize) -> [usize; 2] {
    let mut rig = Rig::start().await;
    seed(&rig.ovh, ZONE, count);
    let record = |address: &str| format!("{{kind: Record, name: TAG-own, type: A, value: {address}}}\n");
    rig.write("own.yaml", &record("192.0.2.1"));
    rig.settings.insert("hosts".to_owned(), serde_json::json!({}));
    rig.configure();
    rig.apply().await;
    let journal = rig.ovh.server.journal.clone();
    let quiet = calls(&journal, async || assert_eq!(rig.run(&["plan"]).await.code, 0)).await;
    rig.write("own.yaml", &record("192.0.2.2"));
    let changed = calls(&journal, async || assert_eq!(rig.run(&["apply", "--yes"]).await.code, 0)).await;
    let gone = rig.run(&["destroy", "--all", "--yes"]).await;
    assert_eq!(gone.code, 0, "{gone}");
    [quiet, changed]
}

async fn octodns(count: usize) -> [usize; 2] {
    let ovh = Ovh::start(OvhOptions::with_zones(&[ZONE])).await.unwrap();
    seed(&ovh, ZONE, count);
    let journal = ovh.server.journal.clone();
    let run = async |changed: usize| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(root.join("target/python/bin/python"));
        command.arg(root.join("scripts/clients/octodns_zone.py")).args(["--endpoint", &ovh.endpoint(), "--zone", ZONE]);
        command.args(["--records", &count.to_string(), "--changed", &changed.to_string()]);
        let ended =
            command.env("PYTHONDONTWRITEBYTECODE", "1").output().await.expect("scripts/test makes target/python");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    };
    [calls(&journal, async || run(0).await).await, calls(&journal, async || run(1).await).await]
}

fn seed(ovh: &Ovh, zone: &str, count: usize) {
    for number in 0..count {
        ovh.seed_record(zone, &format!("r{number}"), "A", "198.51.100.7", TTL_S);
    }
}

async fn calls(journal: &Journal, what: impl AsyncFn()) -> usize {
    let before = journal.calls().len();
    what().await;
    journal.calls().len() - before
}
