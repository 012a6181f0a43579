//! What broken, missing and unreadable manifests do: nothing to what runs.

use std::sync::atomic::Ordering;

use amarre_core::model::{Code, Kind, Millis};
use serde_json::Value as Json;

use super::plain;
use crate::support::stepped::{Stepped, ZONE};

const VAULT: &str = "
name: vault
image: web:1
environment: {PASSWORD: {secret: vault}}
volumes: ['data:/data']
";

/// The name can be read, the rest cannot.
const BROKEN: &str = "name: two\nimage: web:1\nprot: 80\n";

async fn settled(files: &[(&str, &str)]) -> Stepped {
    let mut rig = Stepped::start().await;
    for (name, text) in files {
        rig.write(name, text);
    }
    rig.settle().await;
    rig.forget();
    rig
}

/// Several passes, far enough apart for every doubt to be over.
async fn run_passes(rig: &mut Stepped) {
    for _ in 0..4 {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(11));
    }
}

fn containers(rig: &Stepped) -> Vec<String> {
    let all = rig.docker.containers();
    let mut names: Vec<String> = all.iter().map(|one| one["Name"].as_str().unwrap().to_owned()).collect();
    names.retain(|name| name != "/npm" && name != "/stranger");
    names.sort();
    names
}

fn image_of(rig: &Stepped, name: &str) -> Json {
    rig.docker.containers().into_iter().find(|one| one["Name"] == name).unwrap()["Config"]["Image"].clone()
}

#[tokio::test]
async fn a_broken_manifest_is_healed_to_its_last_good_state() {
    let mut rig = settled(&[("one.yaml", &plain("one")), ("two.yaml", &plain("two"))]).await;
    rig.write("two.yaml", BROKEN);
    run_passes(&mut rig).await;
    assert_eq!(rig.writes(), [""; 0]);
    rig.docker.remove("two").unwrap();
    rig.pass_until_settled().await;
    assert_eq!(containers(&rig), ["/one", "/two"]);
    // After a restart as well: the last good text is in the ledger.
    rig.docker.remove("two").unwrap();
    rig.restart().await;
    rig.pass_until_settled().await;
    assert_eq!(containers(&rig), ["/one", "/two"]);
    assert!(rig.last_pass().broken.contains_key("two"));
}

/// Also when its file comes first: what was there before goes on, and follows its own manifest.
#[tokio::test]
async fn a_newcomer_takes_no_name_of_a_last_good_manifest() {
    let vault = "name: vault\nnetwork: shared\n\
        containers: {app: {image: 'web:1', container_name: the-vault, networks: {default: {aliases: [vaultdb]}}}}\n\
        dns: [{type: TXT, name: proof, value: one}]\n";
    let files = [("shared.yaml", "{kind: Network, name: shared}\n"), ("vault.yaml", vault)];
    let mut rig = settled(&files).await;
    for asks in [
        "network: shared\ncontainers: {vaultdb: {image: 'web:1'}}\n",
        "image: web:1\ncontainer_name: the-vault\n",
        "image: web:1\ndns: [{type: SRV, name: proof, value: 0 1 2 a.example.org.}]\n",
        "image: web:1\ndns: [{type: TXT, name: proof, value: two}]\n",
    ] {
        rig.write("aaa.yaml", &format!("name: aaa\n{asks}"));
        run_passes(&mut rig).await;
        assert_eq!(rig.writes(), [""; 0], "{asks}");
        let broken: Vec<String> = rig.last_pass().broken.keys().cloned().collect();
        assert_eq!(broken, ["aaa"], "{asks}");
    }
    rig.write("vault.yaml", &vault.replace("web:1", "web:2"));
    rig.pass_until_settled().await;
    assert_eq!(image_of(&rig, "/the-vault"), "web:2", "its updates do not wait for the newcomer");
    rig.write("aaa.yaml", &plain("vault"));
    rig.write("vault.yaml", vault);
    rig.pass_until_settled().await;
    let pass = rig.last_pass();
    let refused: Vec<(&str, Code)> = pass.diagnostics.iter().map(|one| (one.file.as_str(), one.code)).collect();
    assert_eq!((refused, pass.broken.len()), (vec![("services/aaa.yaml", Code::A0120)], 0));
    assert_eq!(image_of(&rig, "/the-vault"), "web:1", "its name is its own");
    rig.write("aaa.yaml", &plain("aaa"));
    rig.settle().await;
    assert_eq!(containers(&rig), ["/aaa", "/the-vault"]);
}

#[tokio::test]
async fn a_broken_manifest_without_a_last_good_one_leaves_its_service_alone() {
    let mut rig = settled(&[("one.yaml", &plain("one")), ("two.yaml", &plain("two"))]).await;
    rig.write("two.yaml", BROKEN);
    rig.restart_without_ledger().await;
    run_passes(&mut rig).await;
    assert_eq!(rig.writes(), [""; 0]);
    assert_eq!(containers(&rig), ["/one", "/two"]);
}

/// An editor or a program may empty a file before it writes it, and be interrupted.
#[tokio::test]
async fn an_emptied_file_removes_nothing() {
    let mut rig = settled(&[("one.yaml", &plain("one")), ("two.yaml", &plain("two"))]).await;
    for empty in ["", "\n \r\n"] {
        rig.write("two.yaml", empty);
        run_passes(&mut rig).await;
        assert_eq!(rig.writes(), [""; 0], "{empty:?}");
        let told: Vec<Code> = rig.last_pass().diagnostics.iter().map(|one| one.code).collect();
        assert_eq!(told, [Code::A0101]);
    }
    rig.remove("two.yaml");
    rig.settle().await;
    assert_eq!(containers(&rig), ["/one"]);
}

/// While a file is broken that may hold it, a service whose file vanished is not pruned.
#[tokio::test]
async fn a_file_without_a_readable_service_stops_all_pruning() {
    let mut rig = settled(&[("one.yaml", &plain("one")), ("two.yaml", &plain("two"))]).await;
    rig.remove("two.yaml");
    rig.write("moved.yaml", "{name: [");
    run_passes(&mut rig).await;
    assert_eq!(rig.writes(), [""; 0]);
    rig.remove("moved.yaml");
    rig.settle().await;
    assert_eq!(containers(&rig), ["/one"]);
}

#[tokio::test]
async fn an_unreachable_source_prunes_nothing_and_the_last_good_state_is_kept() {
    let mut rig = settled(&[("one.yaml", &plain("one"))]).await;
    let (services, away) = (rig.folder.path().join("services"), rig.folder.path().join("away"));
    std::fs::rename(&services, &away).unwrap();
    run_passes(&mut rig).await;
    assert_eq!(rig.writes(), [""; 0]);
    assert!(rig.last_pass().source_error.is_some());
    rig.docker.remove("one").unwrap();
    rig.pass_until_settled().await;
    assert_eq!(containers(&rig), ["/one"]);

    rig.forget();
    rig.restart_without_ledger().await;
    run_passes(&mut rig).await;
    assert_eq!(rig.writes(), [""; 0], "with the ledger lost too, nothing is known, and nothing goes");
    std::fs::rename(&away, &services).unwrap();
    rig.settle().await;
}

/// Nothing is stopped for a successor that could not start without its secret.
#[tokio::test]
async fn a_service_whose_secret_is_missing_is_left_alone() {
    let mut rig = settled(&[("vault.yaml", VAULT), ("one.yaml", &plain("one"))]).await;
    rig.no_secrets.store(true, Ordering::Relaxed);
    rig.docker.remove("one").unwrap();
    rig.pass_until_settled().await;
    assert!(rig.last_pass().broken.contains_key("vault"));
    assert!(!rig.writes().iter().any(|line| line.contains("vault") || line.contains("/stop")), "{:?}", rig.writes());
    assert_eq!(containers(&rig), ["/one", "/vault"], "the others are healed");

    // What serves is shown, not the successor that is not made.
    rig.write("vault.yaml", &format!("{VAULT}labels: [a=b]\n"));
    rig.pass_until_settled().await;
    let status = rig.last_pass().statuses()["vault"].clone();
    assert_eq!((status.health.word(), status.code), ("Healthy", Some(Code::A0207)), "{}", status.what_now);
    let absent = status.resources.iter().filter(|one| !rig.last_pass().world.seen.contains_key(&one.address));
    assert_eq!(absent.count(), 0);
    rig.no_secrets.store(false, Ordering::Relaxed);
    rig.settle().await;
}

/// What only the ledger knows the owner of is not forgotten while its vendor cannot be asked.
#[tokio::test]
async fn a_gap_is_no_reason_to_forget_what_is_ours() {
    let list = "{kind: AccessList, name: family, users: {anna: {secret: family/anna}}, allow: [192.168.0.0/16]}";
    let mut rig = settled(&[("one.yaml", &plain("one")), ("family.yaml", list)]).await;
    let lists = |rig: &Stepped| -> Vec<Json> { rig.npm.rows(amarre_sim::npm::Kind::AccessList) };
    assert_eq!(lists(&rig).len(), 1);
    rig.npm.backend_down(true);
    rig.remove("family.yaml");
    run_passes(&mut rig).await;
    assert!(rig.last_pass().facts.applied.keys().any(|address| address.kind == Kind::AccessList));
    rig.npm.backend_down(false);
    rig.settle().await;
    assert_eq!(lists(&rig).len(), 0);
    assert!(!rig.ovh.records(ZONE).is_empty());
}
