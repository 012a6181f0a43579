//! What containers mount of their host: where links lead, what NPM and Amarre mount, what a deleted service has left.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use amarre_core::model::Hint;
use amarre_sim::docker::DockerOptions;
use serde_json::json;

use crate::support::stepped::{Setting, Stepped, options};

const SEEN: Setting = Setting { has_data: true, sees_files: true, ..NOTHING };
const UNSEEN: Setting = Setting { has_data: true, ..NOTHING };
const NOTHING: Setting = Setting {
    reach: None,
    with_nas: false,
    allows_all: false,
    has_data: false,
    sees_files: false,
    follows_links: false,
    by_operators: false,
    is_npm_unnamed: false,
};
const OPERATORS: Setting = Setting { by_operators: true, ..SEEN };

/// An engine whose host has the folders that this machine has.
async fn rig(setting: Setting) -> Stepped {
    Stepped::in_setting(DockerOptions { host_paths: None, makes_folders: true, ..options() }, setting).await
}

fn data(rig: &Stepped, path: &str) -> PathBuf {
    rig.folder.path().join("data").join(path)
}

fn folder(rig: &Stepped, path: &str) {
    std::fs::create_dir_all(data(rig, path)).unwrap();
}

/// A service without a network that mounts folders below the data folder.
fn mounting(rig: &Stepped, name: &str, mounts: &[&str]) -> String {
    let root = rig.folder.path().join("data");
    let mounts: Vec<String> = mounts.iter().map(|mount| format!("{}/{mount}", root.display())).collect();
    json!({"name": name, "image": "web:1", "network_mode": "none", "volumes": mounts}).to_string()
}

pub fn is_made(rig: &Stepped, name: &str) -> bool {
    rig.docker.containers().iter().any(|container| container["Name"] == format!("/{name}"))
}

/// The code and everything that is said of the container that is held.
pub fn held(rig: &Stepped, name: &str) -> Option<(String, String)> {
    let pass = rig.last_pass();
    let refusal = pass.plan.changes.iter().filter(|change| change.service == name).find_map(|c| c.refusal().cloned());
    let said = |hint: &Hint| format!("{} {}", hint.text, hint.command.as_deref().unwrap_or_default());
    refusal.map(|refusal| {
        let hints: Vec<String> = refusal.hints.iter().map(said).collect();
        let found: Vec<String> = refusal.found.iter().map(|(field, value)| format!("{field} {value}")).collect();
        (refusal.code.to_string(), format!("{} {} {}", refusal.message, found.join("; "), hints.join("; ")))
    })
}

#[track_caller]
pub fn assert_held(rig: &Stepped, name: &str, code: &str, says: &[&str]) {
    let (found, text) = held(rig, name).unwrap_or_else(|| panic!("{name} is not held: {:?}", rig.last_pass().plan));
    assert_eq!(found, code, "{text}");
    for said in says {
        assert!(text.contains(said), "`{said}` is not in {text}");
    }
    assert!(!is_made(rig, name), "{name} was made");
}

#[tokio::test]
async fn a_link_that_leads_out_of_its_folders_is_not_mounted() {
    let mut rig = rig(SEEN).await;
    folder(&rig, "app");
    symlink("/", data(&rig, "app/x")).unwrap();
    rig.write("app.yaml", &mounting(&rig, "app", &["app/x/etc:/x:ro"]));
    rig.pass_until_settled().await;
    assert_held(&rig, "app", "A0440", &["app/x → /", "leads to /etc", "policy.host_paths", "remove the link"]);
    std::fs::remove_file(data(&rig, "app/x")).unwrap();
    folder(&rig, "app/x/etc");
    rig.pass_until_settled().await;
    assert_eq!(held(&rig, "app"), None);
    assert!(is_made(&rig, "app"));
}

#[tokio::test]
async fn a_link_is_followed_through_every_part_of_the_way() {
    let mut rig = rig(SEEN).await;
    folder(&rig, "app");
    symlink("b", data(&rig, "app/a")).unwrap();
    symlink("../../services", data(&rig, "app/b")).unwrap();
    symlink("c", data(&rig, "app/c")).unwrap();
    rig.write("one.yaml", &mounting(&rig, "one", &["app/a:/x"]));
    rig.write("two.yaml", &mounting(&rig, "two", &["app/c:/x"]));
    rig.pass_until_settled().await;
    assert_held(&rig, "one", "A0440", &["app/a → b", "services"]);
    assert_held(&rig, "two", "A0440", &["never comes to an end"]);
}

#[tokio::test]
async fn a_link_that_stays_in_its_folders_is_mounted() {
    let mut rig = rig(SEEN).await;
    folder(&rig, "app/real");
    symlink("real", data(&rig, "app/x")).unwrap();
    rig.write("app.yaml", &mounting(&rig, "app", &["app/x:/x"]));
    rig.pass_until_settled().await;
    assert_eq!(held(&rig, "app"), None);
    assert!(is_made(&rig, "app"));
}

#[tokio::test]
async fn the_operators_own_link_at_the_folder_of_all_data_is_followed() {
    let mut rig = rig(SEEN).await;
    let disk = rig.folder.path().join("disk");
    std::fs::remove_dir(data(&rig, "")).unwrap();
    std::fs::create_dir_all(disk.join("app")).unwrap();
    symlink(&disk, rig.folder.path().join("data")).unwrap();
    rig.write("app.yaml", &mounting(&rig, "app", &["app:/x"]));
    rig.pass_until_settled().await;
    assert!(is_made(&rig, "app"), "{:?}", held(&rig, "app"));
}

#[tokio::test]
async fn a_link_that_is_made_after_the_plan_is_found_before_the_container_is_made() {
    let mut rig = rig(SEEN).await;
    folder(&rig, "app/x");
    rig.write("app.yaml", &mounting(&rig, "app", &["app/x:/x"]));
    rig.write("web.yaml", "name: web\nimage: web:1\nport: 80\nssl: true\n");
    let at = data(&rig, "app/x");
    *rig.doors.then.lock().unwrap() = Some(Box::new(move || {
        std::fs::remove_dir(&at).unwrap();
        symlink("/", &at).unwrap();
    }));
    rig.pass().await;
    assert!(rig.doors.then.lock().unwrap().is_none(), "no name was visited");
    assert!(!is_made(&rig, "app"));
    rig.pass_until_settled().await;
    assert_held(&rig, "app", "A0440", &["app/x → /"]);
}

#[tokio::test]
async fn an_old_container_goes_on_while_its_successor_is_held_for_a_link() {
    let mut rig = rig(SEEN).await;
    folder(&rig, "app/x");
    rig.write("app.yaml", &mounting(&rig, "app", &["app/x:/x"]));
    rig.pass_until_settled().await;
    let before = rig.docker.containers();
    std::fs::remove_dir(data(&rig, "app/x")).unwrap();
    symlink("/", data(&rig, "app/x")).unwrap();
    rig.pass().await;
    assert_eq!(held(&rig, "app"), None, "what is there is not touched");
    rig.write("app.yaml", &mounting(&rig, "app", &["app/x:/x"]).replace("web:1", "web:2"));
    rig.pass_until_settled().await;
    assert_eq!(held(&rig, "app").unwrap().0, "A0440");
    let id = |all: &[serde_json::Value]| all.iter().find(|c| c["Name"] == "/app").unwrap()["Id"].clone();
    assert_eq!(id(&rig.docker.containers()), id(&before));
}

#[tokio::test]
async fn no_manifest_may_mount_folders_of_npm() {
    let mut rig = rig(UNSEEN).await;
    folder(&rig, "npm/data/logs");
    folder(&rig, "npm/other");
    folder(&rig, "beside");
    rig.docker.remove("npm").unwrap();
    let at = data(&rig, "npm/data");
    let binds =
        json!(["npm_certs:/etc/letsencrypt", format!("{}:/data", at.display()), "/etc/localtime:/etc/localtime:ro"]);
    let body = json!({"Image": "npm:2", "HostConfig": {"NetworkMode": "npm_default", "Binds": binds}});
    rig.docker.seed("npm", body).unwrap();
    rig.write("one.yaml", &mounting(&rig, "one", &["npm/data/logs:/x:ro"]));
    rig.write("two.yaml", &mounting(&rig, "two", &["npm:/x:ro"]));
    rig.write("three.yaml", "name: three\ncompose: ./three/compose.yaml\n");
    std::fs::create_dir(rig.folder.path().join("services/three")).unwrap();
    let stack = "services: {three: {image: 'web:1', volumes: ['certs:/x']}}\nvolumes: {certs: {external: true, name: npm_certs}}\n";
    rig.write("three/compose.yaml", stack);
    rig.write("four.yaml", &mounting(&rig, "four", &["npm/other:/x", "beside:/y"]));
    rig.pass_until_settled().await;
    assert_held(&rig, "one", "A0442", &["NPM's container npm", "no word of the policy"]);
    assert_held(&rig, "two", "A0442", &["NPM's container npm"]);
    assert_held(&rig, "three", "A0442", &["npm_certs"]);
    assert!(is_made(&rig, "four"), "{:?}", held(&rig, "four"));
}

#[tokio::test]
async fn operators_mount_what_they_like_but_not_what_npm_or_amarre_keeps() {
    let mut rig = rig(OPERATORS).await;
    folder(&rig, "npm/data");
    folder(&rig, "app/sub");
    folder(&rig, "theirs");
    symlink("/", data(&rig, "app/x")).unwrap();
    rig.docker.remove("npm").unwrap();
    let binds = json!([format!("{}:/data", data(&rig, "npm/data").display())]);
    rig.docker
        .seed("npm", json!({"Image": "npm:2", "HostConfig": {"NetworkMode": "npm_default", "Binds": binds}}))
        .unwrap();
    let binds = json!([format!("{}:/x:ro", data(&rig, "theirs").display())]);
    rig.docker.seed("other", json!({"Image": "web:1", "HostConfig": {"Binds": binds}})).unwrap();
    // A link out of all folders, a folder below one that is written to, and one of a container that is not ours.
    rig.write("link.yaml", &mounting(&rig, "link", &["app/x/etc:/x:ro"]));
    rig.write("below.yaml", &mounting(&rig, "below", &["app:/x", "app/sub:/y"]));
    rig.write("theirs.yaml", &mounting(&rig, "theirs", &["theirs:/x"]));
    let whole = json!({"name": "whole", "image": "web:1", "network_mode": "none", "volumes": ["/:/host:ro"]});
    rig.write("whole.yaml", &whole.to_string());
    rig.write("writes.yaml", &whole.to_string().replace("whole", "writes").replace(":ro", ""));
    rig.write("keys.yaml", &mounting(&rig, "keys", &["npm/data:/x:ro"]));
    rig.pass_until_settled().await;
    for name in ["link", "below", "theirs", "whole"] {
        assert!(is_made(&rig, name), "{name}: {:?}", held(&rig, name));
    }
    assert_held(&rig, "writes", "A0442", &["NPM's container npm", "read-only"]);
    assert_held(&rig, "keys", "A0442", &["NPM's container npm"]);
}

#[tokio::test]
async fn a_missing_folder_is_created_for_operators_and_the_plan_says_so() {
    let mut rig = rig(OPERATORS).await;
    // By a container of the engine Amarre knows that it sees the same files.
    rig.write("app.yaml", &mounting(&rig, "app", &["app/new:/x", "app/more:/y:ro,rslave"]));
    rig.pass().await;
    let said: Vec<String> = rig.last_pass().plan.notes.iter().map(|note| note.text.to_string()).collect();
    let expected =
        format!("creates the folders {}, {}", data(&rig, "app/more").display(), data(&rig, "app/new").display());
    assert!(said.iter().any(|note| note.contains(&expected)), "{said:?}");
    rig.pass_until_settled().await;
    assert!(is_made(&rig, "app"), "{:?}", held(&rig, "app"));
    assert!(data(&rig, "app/new").is_dir() && data(&rig, "app/more").is_dir());
    // What an engine makes in its older way is read back as what was wanted.
    let id = |rig: &Stepped| rig.docker.containers().iter().find(|one| one["Name"] == "/app").unwrap()["Id"].clone();
    let before = id(&rig);
    rig.pass_until_settled().await;
    assert!(rig.last_pass().plan.changes.is_empty(), "{:?}", rig.last_pass().plan.changes);
    assert_eq!(id(&rig), before);
}

#[tokio::test]
async fn no_manifest_may_mount_folders_of_amarre() {
    let mut rig = rig(SEEN).await;
    folder(&rig, "state");
    folder(&rig, "app");
    let at = data(&rig, "state");
    let body = json!({"Image": "other:1", "HostConfig": {"Binds": [format!("{}:/var/lib/amarre", at.display())]}});
    rig.own = Some(rig.docker.seed("amarre", body).unwrap());
    rig.restart().await;
    symlink("../state", data(&rig, "app/x")).unwrap();
    rig.write("one.yaml", &mounting(&rig, "one", &["state:/x"]));
    rig.pass_until_settled().await;
    assert_held(&rig, "one", "A0442", &["Amarre's own container amarre"]);
}

#[tokio::test]
async fn a_folder_below_one_that_is_written_to_is_not_mounted_where_links_are_not_seen() {
    let mut rig = rig(UNSEEN).await;
    folder(&rig, "app/x");
    folder(&rig, "app/y");
    // Beside one another they lead nowhere.
    rig.write("app.yaml", &mounting(&rig, "app", &["app/x:/x", "app/y:/y"]));
    rig.pass_until_settled().await;
    assert!(is_made(&rig, "app"));
    // Reading puts no link there.
    rig.write("reads.yaml", &mounting(&rig, "reads", &["app:/x:ro"]));
    rig.pass_until_settled().await;
    assert!(is_made(&rig, "reads"), "{:?}", held(&rig, "reads"));
    rig.write("writes.yaml", &mounting(&rig, "writes", &["app:/x"]));
    rig.pass_until_settled().await;
    assert_held(&rig, "writes", "A0441", &["app/x", "policy.follow_links"]);
}

#[tokio::test]
async fn a_folder_below_one_that_is_written_to_is_not_mounted_where_links_are_seen_either() {
    // An engine follows the link that a container makes there when it starts that one again by itself.
    let mut rig = rig(SEEN).await;
    folder(&rig, "one/x");
    folder(&rig, "two");
    folder(&rig, "two/below");
    rig.write("one.yaml", &mounting(&rig, "one", &["one:/a", "one/x:/b:ro"]));
    rig.write("two.yaml", &mounting(&rig, "two", &["two:/a:ro", "two/below:/b:ro"]));
    rig.pass_until_settled().await;
    assert_held(&rig, "one", "A0441", &["one/x"]);
    assert!(is_made(&rig, "two"), "{:?}", held(&rig, "two"));
}

#[tokio::test]
async fn an_earlier_writer_above_a_folder_is_remembered() {
    let mut rig = rig(UNSEEN).await;
    folder(&rig, "app/x");
    rig.write("app.yaml", &mounting(&rig, "app", &["app:/x"]));
    rig.pass_until_settled().await;
    rig.remove("app.yaml");
    rig.pass_until_settled().await;
    assert!(!is_made(&rig, "app"));
    rig.write("next.yaml", &mounting(&rig, "next", &["app/x:/x"]));
    rig.pass_until_settled().await;
    assert_held(&rig, "next", "A0441", &["app/x"]);
}

#[tokio::test]
async fn the_operator_may_say_that_links_are_followed() {
    let mut rig = rig(Setting { follows_links: true, ..UNSEEN }).await;
    folder(&rig, "app/x");
    rig.write("app.yaml", &mounting(&rig, "app", &["app:/all", "app/x:/x"]));
    rig.pass_until_settled().await;
    assert!(is_made(&rig, "app"), "{:?}", held(&rig, "app"));
}

/// A service with a volume, a folder and a secret of its own.
fn keeping(rig: &Stepped, extra: &str) -> String {
    let root = rig.folder.path().join("data");
    let (folder, rest) = (root.display(), "network_mode: none\nvolumes: ['data:/data'");
    format!("name: app\nimage: web:1\n{rest}, '{folder}/app:/x']\nenvironment: {{P: {{secret: app/db}}}}\n{extra}")
}

#[tokio::test]
async fn a_reused_service_name_gets_no_leftover_data() {
    let mut rig = rig(UNSEEN).await;
    folder(&rig, "app");
    rig.write("app.yaml", &keeping(&rig, ""));
    rig.pass_until_settled().await;
    assert!(is_made(&rig, "app"), "{:?}", held(&rig, "app"));
    rig.remove("app.yaml");
    rig.pass_until_settled().await;
    assert!(!is_made(&rig, "app"));
    rig.write("app.yaml", &keeping(&rig, ""));
    rig.pass_until_settled().await;
    assert_held(&rig, "app", "A0443", &["app_data", "data/app", "app/db", "reuse: true"]);
    rig.restart().await;
    rig.pass_until_settled().await;
    assert_held(&rig, "app", "A0443", &["app_data"]);
    // By another name neither.
    rig.remove("app.yaml");
    rig.write("thief.yaml", &keeping(&rig, "moved_from: app\n").replace("name: app", "name: thief"));
    rig.pass_until_settled().await;
    assert_held(&rig, "thief", "A0443", &["app_data"]);
    rig.remove("thief.yaml");
    rig.write("app.yaml", &keeping(&rig, "reuse: true\n"));
    rig.settle().await;
    assert!(is_made(&rig, "app"));
    // It is said once, and no container is re-created.
    let before = rig.docker.containers().iter().map(|one| one["Id"].clone()).collect::<Vec<_>>();
    rig.write("app.yaml", &keeping(&rig, ""));
    rig.settle().await;
    let after = rig.docker.containers().iter().map(|one| one["Id"].clone()).collect::<Vec<_>>();
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_service_that_was_never_deleted_needs_no_consent_to_return() {
    let mut rig = rig(UNSEEN).await;
    folder(&rig, "app");
    let text = keeping(&rig, "");
    rig.write("app.yaml", &text);
    rig.pass_until_settled().await;
    // Down and up again.
    rig.destroy("app").await;
    rig.pass_until_settled().await;
    assert!(!is_made(&rig, "app"));
    rig.engine.ledger().resume("app").await.unwrap();
    rig.pass_until_settled().await;
    assert!(is_made(&rig, "app"), "{:?}", held(&rig, "app"));
    // Broken, then well.
    rig.write("app.yaml", "name: app\nimage: [\n");
    rig.pass_until_settled().await;
    rig.write("app.yaml", &text.replace("web:1", "web:2"));
    rig.pass_until_settled().await;
    assert_eq!(held(&rig, "app"), None);
    // Under another name, and then changed.
    rig.remove("app.yaml");
    let renamed = keeping(&rig, "moved_from: app\n").replace("name: app", "name: other");
    rig.write("other.yaml", &renamed);
    rig.pass_until_settled().await;
    rig.write("other.yaml", &renamed.replace("web:1", "web:2"));
    rig.pass_until_settled().await;
    assert!(is_made(&rig, "other") && !is_made(&rig, "app"), "{:?}", held(&rig, "other"));
}

#[tokio::test]
async fn a_service_that_was_destroyed_with_its_data_left_nothing() {
    let mut rig = rig(UNSEEN).await;
    folder(&rig, "app");
    rig.write("app.yaml", &keeping(&rig, ""));
    rig.pass_until_settled().await;
    rig.purge("app").await;
    rig.remove("app.yaml");
    rig.pass_until_settled().await;
    rig.write("app.yaml", &keeping(&rig, ""));
    rig.pass_until_settled().await;
    assert!(is_made(&rig, "app"), "{:?}", held(&rig, "app"));
}

#[tokio::test]
async fn a_service_that_was_destroyed_and_whose_manifest_went_is_gone() {
    let mut rig = rig(UNSEEN).await;
    folder(&rig, "app");
    rig.write("app.yaml", &keeping(&rig, ""));
    rig.pass_until_settled().await;
    rig.destroy("app").await;
    rig.pass_until_settled().await;
    rig.remove("app.yaml");
    rig.pass_until_settled().await;
    rig.write("app.yaml", &keeping(&rig, ""));
    rig.engine.ledger().resume("app").await.unwrap();
    rig.pass_until_settled().await;
    assert_held(&rig, "app", "A0443", &["app_data"]);
}
