//! Amarre in a container that it made itself, beside the services that it manages: it never ends itself.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;

use super::apply::WEB;
use crate::support::rig::Rig;
use crate::support::{docker, eventually, get, image, inspect};

/// It waits until the ledger is free, as it is when the program that made it has ended.
const ENTRY: &str = "#!/bin/sh\nwhile ! amarre --config \"$1\" run --yes; do sleep 1; done\n";

/// Writes to a bind, so that its successor cannot start beside it.
const SELF: &str = "
name: TAG-amarre
image: IMAGE
command: [FOLDER/amarre.yaml]
network_mode: host
volumes: ['FOLDER:FOLDER']
environment: {RUST_LOG: info, TEXT: one}
dns: none
";

/// The program with what it loads, in an image of this test's own, which goes with it.
struct OwnImage(String);

impl OwnImage {
    fn make(tag: &str) -> Self {
        let (root, name) = (tempfile::tempdir().unwrap(), format!("amarre-self-{tag}:1"));
        let at = |path: &str| root.path().join(path.trim_start_matches('/'));
        let program = env!("CARGO_BIN_EXE_amarre");
        let output = Command::new("ldd").arg(program).output().unwrap();
        let libraries = String::from_utf8_lossy(&output.stdout).into_owned();
        let certificates = "/etc/ssl/certs/ca-certificates.crt";
        for folder in ["bin", "tmp"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        image::add_busybox(root.path(), ENTRY);
        std::fs::copy(program, at("bin/amarre")).unwrap();
        let words = libraries.split_whitespace().filter(|word| word.starts_with('/'));
        for path in words.chain([certificates]).filter(|path| Path::new(path).exists()) {
            std::fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            std::fs::copy(path, at(path)).unwrap();
        }
        image::import_folder(&name, root.path(), &["ENTRYPOINT [\"/bin/entry\"]", "ENV PATH=/bin"], "none");
        Self(name)
    }
}

impl Drop for OwnImage {
    fn drop(&mut self) {
        let docker = |args: &[&str]| {
            let output = Command::new("docker").args(args).output();
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
        };
        for id in docker(&["ps", "-aq", "--filter", &format!("ancestor={}", self.0)]).split_whitespace() {
            docker(&["rm", "-f", id]);
        }
        docker(&["rmi", "-f", &self.0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn amarre_in_a_container_never_ends_itself() {
    let mut rig = Rig::start().await;
    let own_image = OwnImage::make(&rig.tag);
    let folder = rig.folder.path().display().to_string();
    rig.settings.insert("policy".to_owned(), json!({"host_network": true, "host_paths": [folder]}));
    rig.configure();
    let manifest = SELF.replace("IMAGE", &own_image.0).replace("FOLDER", &folder);
    rig.write("amarre.yaml", &manifest);
    rig.write("web.yaml", WEB);
    make_from_elsewhere(&rig).await;
    let own = rig.name("amarre");
    let before = inspect("container", &own);
    eventually(60, "the one in the container has the ledger", async || {
        get(([127, 0, 0, 1], rig.port()).into(), "127.0.0.1", "/readyz").await.is_some_and(|(status, _)| status == 200)
    })
    .await;

    // It works: what changes beside it is changed.
    rig.write("web.yaml", &WEB.replace("web one", "web two"));
    eventually(60, "the service is updated", async || rig.visit("web").await == Some((200, "web two\n".to_owned())))
        .await;

    // Its own manifest changes: that is not for it to do, and it says so.
    rig.write("amarre.yaml", &manifest.replace("TEXT: one", "TEXT: two"));
    eventually(60, "it says that it is not done", async || rig.run(&["status", &own]).await.out.contains("A0508"))
        .await;
    rig.write("web.yaml", &WEB.replace("web one", "web three"));
    eventually(60, "the rest goes on", async || rig.visit("web").await == Some((200, "web three\n".to_owned()))).await;
    assert_same(&before, &own);

    let destroyed = rig.run(&["destroy", "--all", "--yes"]).await;
    assert_eq!(destroyed.code, 3, "{destroyed}");
    assert!(destroyed.to_string().contains("A0508"), "{destroyed}");
    assert_same(&before, &own);
    assert_eq!(
        rig.containers().into_keys().collect::<Vec<_>>(),
        std::slice::from_ref(&own),
        "the others are gone: {destroyed}"
    );
    assert!(rig.host(&rig.domain("web")).is_none());
    docker(&["rm", "-f", &own]);
}

/// Makes everything by a configuration with a ledger of its own: no manifest mounts what Amarre itself works with.
async fn make_from_elsewhere(rig: &Rig) {
    let elsewhere = tempfile::tempdir().unwrap();
    let at = |name: &str| elsewhere.path().join(name);
    std::fs::create_dir_all(at("services")).unwrap();
    std::fs::create_dir_all(at("state")).unwrap();
    for file in ["amarre.yaml", "web.yaml"] {
        std::fs::copy(rig.folder.path().join("services").join(file), at("services").join(file)).unwrap();
    }
    std::fs::copy(rig.config(), at("amarre.yaml")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_amarre"));
    command.arg("--config").arg(at("amarre.yaml")).args(["apply", "--yes", "--timeout", "3m"]);
    let output = tokio::process::Command::from(command).output().await.unwrap();
    let Output { status, stdout, stderr } = output;
    let said = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(status.success(), "{said}");
}

/// It was neither re-created nor restarted.
#[track_caller]
fn assert_same(before: &serde_json::Value, name: &str) {
    let now = inspect("container", name);
    assert_eq!(now["Id"], before["Id"]);
    assert_eq!(now["State"]["StartedAt"], before["State"]["StartedAt"]);
    assert_eq!(now["State"]["Running"], true);
    assert_eq!(now["Name"], before["Name"]);
    assert_eq!(now["HostConfig"]["RestartPolicy"], before["HostConfig"]["RestartPolicy"]);
}
