//! Amarre in a container that it looks after itself: Docker gives it the container's id as its host's name.

use std::process::Stdio;

use tokio::process::Command;

use super::rig::Rig;

const WEB: &str = "name: web\nimage: web:1\nport: 80\n";

fn id(rig: &Rig, image: &str) -> Option<String> {
    let web = rig.docker.containers().into_iter().find(|container| container["Config"]["Image"] == image);
    web.map(|web| web["Id"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn amarre_does_not_remove_the_container_that_it_runs_in() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    rig.apply().await;
    let own = id(&rig, "web:1").unwrap();
    rig.file("services/web.yaml", &WEB.replace("web:1", "web:2"));
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--uts", "sh", "-c", "hostname \"$0\" && exec \"$@\"", &own[..12]]);
    command.args([env!("CARGO_BIN_EXE_amarre"), "apply", "--yes", "--timeout", "20s"]);
    command.current_dir(rig.path()).stdin(Stdio::null()).kill_on_drop(true).env_remove("DOCKER_HOST");
    let ended = command.output().await.unwrap();
    let said = [ended.stdout, ended.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert_eq!(ended.status.code(), Some(3), "{said}");
    assert!(said.contains("A0508") && said.contains("is the one that Amarre runs in"), "{said}");
    assert_eq!(id(&rig, "web:1"), Some(own), "it runs on");
    assert!(id(&rig, "web:2").is_some(), "its successor serves");

    // From somewhere else it goes.
    rig.apply().await;
    assert_eq!(id(&rig, "web:1"), None);
}
