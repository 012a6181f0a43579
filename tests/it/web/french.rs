//! Pages and terminal in French: no sentence of the catalogue stays English.

use super::*;
use crate::support::sentences;

/// A container with data, and a job before it is updated.
const VAULT: &str = "
name: vault
containers:
  app: {image: 'db:1', environment: {MODE: one}, volumes: ['data:/data']}
jobs:
  backup: {image: 'web:1', command: ['true'], volumes: ['data:/data:ro', 'dumps:/dumps'], timeout: 10m}
routes: [{domain: vault, to: 'app:80'}]
";
const PAGES: [&str; 6] = ["/", "/services/vault", "/services/one", "/services/web", "/services/sick", "/runs"];
const COMMANDS: [&[&str]; 6] = [
    &["status", "--all"],
    &["status", "vault"],
    &["status", "one"],
    &["status", "web"],
    &["status", "sick"],
    &["events"],
];

/// A daemon with a service whose job failed, one that is suspended, one that a person stopped, and one that starts.
async fn all_that_waits() -> (Rig, Child) {
    let (rig, daemon) = started().await;
    rig.file("services/vault.yaml", VAULT);
    rig.file("services/one.yaml", "name: one\nimage: web:1\n");
    let health = async |name: &str| rig.json(&format!("/api/v1/services/{name}")).await["health"].clone();
    for name in ["vault", "one", "web"] {
        eventually(60, "all are healthy", async || health(name).await == "Healthy").await;
    }
    let asked = rig.run(&["restart", "web", "--yes"]).await;
    assert_eq!(asked.code, 0, "{asked:?}");
    let sick = VAULT.replace("MODE: one", "MODE: two").replace("['true']", "[sh, -c, 'exit 3']");
    rig.file("services/vault.yaml", &sick);
    let asked = rig.run(&["suspend", "one", "--why", "moving", "--until", "1h"]).await;
    assert_eq!(asked.code, 0, "{asked:?}");
    rig.docker.stop("web").unwrap();
    rig.file("services/sick.yaml", "name: sick\nimage: web:1\nhealthcheck: {test: [CMD, 'false']}\n");
    eventually(60, "the job failed", async || health("vault").await == "Degraded").await;
    let waits = async |name: &str| rig.json(&format!("/api/v1/services/{name}")).await["waiting"].is_object();
    eventually(60, "the stopped one waits", async || waits("web").await && waits("sick").await).await;
    (rig, daemon)
}

#[tokio::test]
async fn no_page_and_no_command_leaves_a_known_sentence_in_english() {
    let (rig, daemon) = all_that_waits().await;
    let mut said = Vec::new();
    for path in PAGES {
        let in_language = async |language: &str| {
            let mut browser = Browser::with_address(rig.port);
            browser.headers.push(("Accept-Language".to_owned(), language.to_owned()));
            browser.get(path).await.body
        };
        let (english, french) = (in_language("en").await, in_language("fr").await);
        sentences::none_left(&english, &french);
        said.extend(sentences::parts_said(&english));
    }
    for command in COMMANDS {
        let english = rig.run(command).await.out;
        let french = rig.run(&[&["--lang", "fr"], command].concat()).await.out;
        sentences::none_left(&english, &french);
        said.extend(sentences::parts_said(&english));
    }
    // No column is narrower than its words.
    let status = rig.run(&["--lang", "fr", "status", "vault"]).await.out;
    assert!(status.contains("enregistrement  vault.example.org"), "{status}");
    let status = rig.run(&["--lang", "fr", "status"]).await.out;
    let head = status.lines().find(|line| line.starts_with("SERVICE")).unwrap();
    let row = status.lines().find(|line| line.starts_with("vault")).unwrap();
    let place = |line: &str, word: &str| line.find(word).map(|at| line[..at].chars().count());
    assert_eq!(place(head, "SYNCHRO"), place(row, "Désynchronisé"), "{status}");
    assert_eq!(place(head, "SANTÉ"), place(row, "Dégradé"), "{status}");
    let mut french = Browser::with_address(rig.port);
    french.headers.push(("Accept-Language".to_owned(), "fr".to_owned()));
    french.get("/new/templates").await.shows("Un coffre de mots de passe");
    french.get("/new/templates/whoami").await.shows("son image");
    for part in [
        "nothing by itself",
        "suspended by ",
        "stopped outside Amarre",
        "restart",
        " by ",
        "the same is not tried again",
    ] {
        assert!(said.iter().any(|known| known.contains(part)), "{part:?} is not shown: {said:?}");
    }
    assert_eq!(end(daemon).await, 0);
}
