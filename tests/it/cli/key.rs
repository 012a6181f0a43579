//! `key`, and what becomes of records without it.

use std::os::unix::fs::PermissionsExt;

use super::ends;
use super::rig::{Rig, end};
use crate::support::stepped::ZONE;

const WEB: &str = "name: web\nimage: web:1\nport: 80\n";

fn zone(rig: &Rig) -> Vec<String> {
    let mut rows: Vec<String> = rig.ovh.records(ZONE).iter().map(ToString::to_string).collect();
    rows.sort();
    rows
}

fn lose(rig: &Rig, files: &[&str]) {
    for file in files {
        let _ = std::fs::remove_file(rig.path().join(file));
    }
}

const LEDGER: [&str; 3] = ["amarre.db", "amarre.db-wal", "amarre.db-shm"];

/// Made, kept elsewhere, rotated, kept again, the ones before forgotten: containers never notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_exported_rotated_and_retired() {
    let rig = Rig::start().await;
    ends(&rig.run(&["key", "export"]).await, 1, &["A0226", "is not there yet"]);
    ends(&rig.run(&["key", "rotate"]).await, 1, &["A0226", "is not there yet"]);
    rig.file("services/web.yaml", "name: web\nimage: web:1\nport: 80\nenvironment: {PASSWORD: {secret: web}}\n");
    std::fs::create_dir_all(rig.path().join("secrets/services")).unwrap();
    rig.file("secrets/services/web", "canary-9");
    rig.apply().await;
    let containers = rig.docker.containers();
    ends(&rig.run(&["doctor"]).await, 0, &["amarre.key was never exported", "A0226", "amarre key export"]);
    let exported = rig.run(&["key", "export"]).await;
    assert_eq!((exported.code, exported.out.trim().len()), (0, 64), "{}", exported.err);
    assert!(rig.run(&["doctor"]).await.out.contains(", exported\n"));

    let daemon = rig.daemon(&["--yes"], &[]).await;
    ends(&rig.run(&["key", "rotate"]).await, 1, &["A0902", "stop the daemon"]);
    assert_eq!(end(daemon).await, 0);
    ends(&rig.run(&["key", "rotate"]).await, 0, &["A new key signs from now on"]);
    let path = rig.path().join("amarre.key");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!((text.lines().count(), text.lines().last()), (2, Some(exported.out.trim())));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    ends(&rig.run(&["doctor"]).await, 0, &["was rotated since it was exported"]);
    let plan = rig.run(&["plan", "--detailed-exitcode"]).await;
    ends(&plan, 2, &["signed by an older key → signed"]);
    assert!(!plan.out.contains("container"), "{}", plan.out);
    rig.apply().await;
    ends(&rig.run(&["plan", "--detailed-exitcode"]).await, 0, &["nothing to do"]);

    ends(&rig.run(&["key", "retire"]).await, 0, &["The key before the first verifies nothing any more"]);
    ends(&rig.run(&["key", "retire"]).await, 0, &["There is one key"]);
    lose(&rig, &LEDGER);
    rig.apply().await;
    ends(&rig.run(&["plan", "--detailed-exitcode"]).await, 0, &["nothing to do"]);
    assert_eq!(rig.docker.containers(), containers);

    // A copy that was put back is the key.
    ends(&rig.run(&["key", "export"]).await, 0, &[]);
    let copy = rig.run(&["key", "export"]).await.out;
    lose(&rig, &["amarre.key"]);
    ends(&rig.run(&["doctor"]).await, 1, &["amarre.key is gone", "A0227"]);
    rig.file("amarre.key", &copy);
    assert!(rig.run(&["doctor"]).await.out.contains(", exported\n"));
    ends(&rig.run(&["plan", "--detailed-exitcode"]).await, 0, &["nothing to do"]);
}

/// Key and ledger are lost: what a manifest wants is used, listed, and taken back by its number.
#[tokio::test(flavor = "multi_thread")]
async fn unsigned_records_are_taken_back_by_their_number() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    rig.file("services/more.yaml", "{kind: Record, name: more, type: A, value: 192.0.2.7}\n");
    rig.file("services/gone.yaml", "{kind: Record, name: gone, type: A, value: 192.0.2.8}\n");
    rig.apply().await;
    rig.run(&["key", "export"]).await;
    let before = zone(&rig);
    lose(&rig, &LEDGER);
    lose(&rig, &["amarre.key"]);
    std::fs::remove_file(rig.path().join("services/gone.yaml")).unwrap();
    rig.apply().await;
    assert_eq!(zone(&rig), before, "nothing is changed, nothing goes");
    ends(&rig.run(&["doctor"]).await, 1, &["is not the key that was exported", "A0227"]);

    let all = ["adopt", "--all", "--unsigned"];
    let with = |more: &[&'static str]| [&all[..], more].concat();
    let dry = rig.run(&with(&["--dry-run"])).await;
    ends(
        &dry,
        0,
        &["< record more.example.org/A", "for web", "2 records carry marks", "stay as they are: gone.example.org/A"],
    );
    ends(&rig.run(&all).await, 4, &["A0432", "--confirm 2"]);
    ends(&rig.run(&with(&["--confirm", "3"])).await, 1, &["A0432", "2 records would be taken over, not 3"]);
    assert_eq!(rig.run(&with(&["--yes"])).await.code, 2, "a yes is no number");
    assert_eq!(rig.run(&["adopt", "--all"]).await.code, 2);
    assert_eq!(rig.run(&["adopt"]).await.code, 2);
    assert_eq!(zone(&rig), before);
    ends(&rig.run(&with(&["--confirm", "2", "--timeout", "30s"])).await, 0, &["2 records are ours again"]);
    ends(&rig.run(&["plan", "--detailed-exitcode"]).await, 0, &["nothing to do"]);
    ends(&rig.run(&all).await, 0, &["No record that a manifest wants"]);
    // They go with their manifests again, and the one that nothing wanted stays.
    std::fs::remove_file(rig.path().join("services/more.yaml")).unwrap();
    rig.apply().await;
    let names: Vec<String> =
        zone(&rig).into_iter().filter(|row| row.contains("more") || row.contains("gone")).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.iter().all(|row| row.contains("gone")), "{names:?}");
}
