//! Links in folders that containers mount, on a real engine: the way to the files of the host.

use serde_json::json;

use crate::support::rig::Rig;
use crate::support::{docker, eventually};

/// Makes a link to everything that the host has.
const FIRST: &str = "
name: TAG-first
image: amarre-test:1
entrypoint: [sh, -c, 'busybox ln -s / /data/x; mkdir -p /data/dir; sleep 100000']
network_mode: none
stop_grace_period: 1s
volumes: ['FOLDER/data:/data']
";

/// Mounts what the link leads to.
const SECOND: &str = "
name: TAG-second
image: amarre-test:1
command: [idle]
network_mode: none
stop_grace_period: 1s
volumes: ['FOLDER/data/PATH:/host:ro']
";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_link_that_a_container_makes_does_not_lead_another_one_to_the_host() {
    let mut rig = Rig::start().await;
    let folder = rig.folder.path().display().to_string();
    let data = rig.folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(rig.folder.path().join("of-the-host"), "a file of the host").unwrap();
    rig.settings.insert("policy".to_owned(), json!({"host_paths": [data]}));
    rig.configure();
    let second = |path: &str| SECOND.replace("FOLDER", &folder).replace("PATH", path);
    rig.write("first.yaml", &FIRST.replace("FOLDER", &folder));
    rig.apply().await;
    eventually(60, "the link is there", async || data.join("dir").is_dir() && data.join("x").is_symlink()).await;
    let file = format!("x{folder}/of-the-host");
    // All that the host has is above Amarre's own files, too.
    // And beside the link, the container that restarts by itself could find another one tomorrow.
    for (path, code) in [("x/etc", "A0440"), (file.as_str(), "A0440"), ("x", "A0442"), ("dir", "A0441")] {
        rig.write("second.yaml", &second(path));
        let ended = rig.apply_partly().await;
        assert!(ended.to_string().contains(code), "{path}: {ended}");
        assert!(!rig.containers().contains_key(&rig.name("second")), "{path}");
    }
    // With the operator's word the folder is mounted, and what a link leads to is not.
    rig.settings.insert("policy".to_owned(), json!({"host_paths": [data], "follow_links": true}));
    rig.configure();
    rig.write("second.yaml", &second("x/etc"));
    let ended = rig.apply_partly().await;
    assert!(ended.to_string().contains("A0440"), "{ended}");
    rig.write("second.yaml", &second("dir"));
    rig.apply().await;
    let seen = docker(&["exec", &rig.name("second"), "ls", "/host"]);
    assert_eq!(seen.trim(), "");
    let ended = rig.run(&["destroy", "--all", "--yes"]).await;
    assert_eq!(ended.code, 0, "{ended}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn amarres_own_files_are_mounted_by_no_manifest() {
    let mut rig = Rig::start().await;
    let folder = rig.folder.path().display().to_string();
    rig.settings.insert("policy".to_owned(), json!({"host_paths": ["/"], "docker_socket": true}));
    rig.configure();
    for path in ["state", "state/amarre.db", "state/amarre.key", "services", "amarre.yaml", "."] {
        let text = SECOND.replace("FOLDER/data/PATH", &format!("{folder}/{path}"));
        rig.write("second.yaml", &text);
        let ended = rig.apply_partly().await;
        assert!(ended.to_string().contains("A0442"), "{path}: {ended}");
        assert!(!rig.containers().contains_key(&rig.name("second")), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_plan_names_all_folders_that_are_not_there() {
    let mut rig = Rig::start().await;
    let data = rig.folder.path().join("data");
    rig.settings.insert("policy".to_owned(), json!({"host_paths": [data.display().to_string()]}));
    rig.configure();
    // By a container of the engine Amarre knows that it sees the same files, should it run in one itself.
    rig.write("idle.yaml", "name: TAG-idle\nimage: amarre-test:1\ncommand: [idle]\nnetwork_mode: none\n");
    rig.apply().await;
    let folders = ["films", "music"].map(|name| data.join(name).display().to_string());
    rig.write(
        "media.yaml",
        &format!(
            "name: TAG-media\nimage: amarre-test:1\ncommand: [serve, '80']\nvolumes: ['{}:/films', '{}:/music:ro']\n\
             healthcheck: {{test: [CMD, 'true'], interval: 1s}}\n",
            folders[0], folders[1]
        ),
    );
    let plan = rig.run(&["plan"]).await;
    let said =
        format!("not on the host: {}, {}; Docker makes no container without them: install -d", folders[0], folders[1]);
    assert!(plan.out.contains(&said), "{plan}");
    std::fs::create_dir_all(&folders[0]).unwrap();
    std::fs::create_dir_all(&folders[1]).unwrap();
    let plan = rig.run(&["plan"]).await;
    assert!(!plan.out.contains("not on the host"), "{plan}");
    rig.apply().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn operators_get_missing_folders_and_may_read_the_whole_host() {
    let mut rig = Rig::start().await;
    let data = rig.folder.path().join("data");
    rig.settings.insert("policy".to_owned(), json!({"authors": "operators"}));
    rig.configure();
    rig.write("idle.yaml", "name: TAG-idle\nimage: amarre-test:1\ncommand: [idle]\nnetwork_mode: none\n");
    rig.apply().await;
    let folder = data.join("films").display().to_string();
    rig.write(
        "media.yaml",
        &format!(
            "name: TAG-media\nimage: amarre-test:1\ncommand: [idle]\nnetwork_mode: none\nstop_grace_period: 1s\n\
             volumes: ['{folder}:/films', '/:/host:ro']\n"
        ),
    );
    let plan = rig.run(&["plan"]).await;
    assert!(plan.out.contains(&format!("creates the folder {folder} on the host")), "{plan}");
    // A second run in it changes nothing.
    rig.apply().await;
    assert!(std::path::Path::new(&folder).is_dir());
    let seen = docker(&["exec", &rig.name("media"), "ls", &format!("/host{}", data.display())]);
    assert_eq!(seen.trim(), "films");
}
