//! Files of the source in containers: copied before the start, part of the generation, kept for healing.

use amarre_sim::Fault;

use crate::support::stepped::Stepped;

const WEB: &str = "
name: web
compose: ./compose.yaml
port: 80
";

const COMPOSE: &str = "
services:
  web:
    image: web:${VERSION}
    configs: [page]
    volumes: ['./app.ini:/etc/app.ini:ro', './conf:/etc/conf']
    secrets: [token]
configs: {page: {content: 'page ${PAGE:-one}'}}
secrets: {token: {external: true, name: shared/token}}
";

async fn settled() -> Stepped {
    let mut rig = Stepped::start().await;
    write(&rig);
    rig.settle().await;
    rig
}

fn write(rig: &Stepped) {
    std::fs::create_dir_all(rig.folder.path().join("services/conf")).unwrap();
    rig.write("app.ini", "first");
    rig.write("conf/a.conf", "in a folder");
    rig.write(".env", "VERSION=1");
    rig.write("compose.yaml", COMPOSE);
    rig.write("web.yaml", WEB);
}

/// What was last copied into the container, as text.
fn copied(rig: &Stepped) -> String {
    let uploads = rig.docker.uploads("web");
    let (path, archive) = uploads.last().expect("something was copied");
    assert_eq!(path, "/");
    String::from_utf8_lossy(archive).into_owned()
}

fn id(rig: &Stepped) -> String {
    let all = rig.docker.containers();
    let own: Vec<String> =
        all.iter().filter(|one| one["Name"] == "/web").map(|one| one["Id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(own.len(), 1);
    own[0].clone()
}

#[tokio::test]
async fn a_copied_file_is_delivered_and_its_change_makes_a_new_generation() {
    let mut rig = settled().await;
    let text = copied(&rig);
    for part in [
        "etc/app.ini",
        "first",
        "etc/conf/a.conf",
        "in a folder",
        "page one",
        "run/secrets/token",
        "value of shared/token",
    ] {
        assert!(text.contains(part), "{part}");
    }
    let labels = rig.docker.containers().iter().map(|one| one["Config"]["Labels"].to_string()).collect::<String>();
    assert!(!labels.contains("value of shared/token") && labels.contains("io.amarre.files"), "{labels}");
    for (file, content) in [("app.ini", "second"), ("conf/b.conf", "one more"), (".env", "VERSION=1\nPAGE=two")] {
        let before = id(&rig);
        rig.write(file, content);
        rig.settle().await;
        assert_ne!(id(&rig), before, "{file}");
    }
    let text = copied(&rig);
    assert!(text.contains("second") && text.contains("one more") && text.contains("page two"));
    // An unused file changes nothing.
    let before = id(&rig);
    rig.write("note.txt", "nobody reads this");
    rig.settle().await;
    assert_eq!(id(&rig), before);
}

#[tokio::test]
async fn a_lost_ledger_recreates_no_container() {
    let mut rig = settled().await;
    let before = id(&rig);
    rig.restart_without_ledger().await;
    rig.settle().await;
    assert_eq!(id(&rig), before);
}

#[tokio::test]
async fn a_source_that_is_broken_or_away_heals_with_the_files_that_were_good() {
    let mut rig = settled().await;
    rig.remove("app.ini");
    rig.write("compose.yaml", "services: [");
    rig.docker.remove("web").unwrap();
    rig.restart().await;
    rig.pass_until_settled().await;
    assert!(rig.last_pass().broken.contains_key("web"));
    assert!(copied(&rig).contains("first") && copied(&rig).contains("value of shared/token"));
    let services = rig.folder.path().join("services");
    std::fs::rename(&services, rig.folder.path().join("away")).unwrap();
    rig.docker.remove("web").unwrap();
    rig.pass_until_settled().await;
    assert!(copied(&rig).contains("in a folder"));
}

/// The old generation comes back with the files that it had, which the source has no more.
#[tokio::test]
async fn a_rollback_restores_the_files_of_its_version() {
    let mut rig = settled().await;
    rig.docker.image(amarre_sim::docker::ImageSpec {
        id: "web:2".to_owned(),
        behaviour: amarre_sim::docker::Behaviour::Exit(1),
        ..amarre_sim::docker::ImageSpec::new("web:2")
    });
    rig.write("app.ini", "second");
    rig.write(".env", "VERSION=2");
    rig.pass_until_settled().await;
    rig.docker.remove("web").unwrap();
    rig.restart().await;
    rig.pass_until_settled().await;
    assert!(copied(&rig).contains("first"), "{:?}", rig.last_pass().plan);
}

/// A container never runs without its files, wherever it was interrupted.
#[tokio::test]
async fn a_crash_between_making_and_starting_loses_no_file() {
    let copying = [Fault::Before(500), Fault::After(500), Fault::CutBefore, Fault::CutAfter];
    let making = (0..6).map(|skip| ("POST", skip, Fault::CutAfter));
    for (method, skip, fault) in copying.map(|fault| ("PUT", 0, fault)).into_iter().chain(making) {
        let mut rig = Stepped::start().await;
        write(&rig);
        rig.docker.server.faults.add_nth(method, "/", skip, 1, fault.clone());
        rig.pass_until_settled().await;
        rig.docker.server.faults.clear();
        rig.restart().await;
        for _ in 0..20 {
            rig.pass().await;
            rig.clock.advance(amarre_core::model::Millis::seconds(10));
        }
        rig.settle().await;
        assert!(copied(&rig).contains("value of shared/token"), "{method} {skip} {fault:?}");
    }
}
