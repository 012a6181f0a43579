//! `amarre init` beside containers that are there.

use crate::support::rig::Rig;
use crate::support::{docker, image};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn init_proposes_the_folders_that_containers_mount() {
    let rig = Rig::start().await;
    let (data, name) = (rig.folder.path().join("media/films"), rig.name("stranger"));
    std::fs::create_dir_all(&data).unwrap();
    let mount = format!("{}:/films", data.display());
    docker(&["create", "--name", &name, "-v", &mount, "-v", "/etc/localtime:/etc/localtime:ro", image::THEIRS]);
    let config = rig.folder.path().join("first/amarre.yaml");
    let args = ["init", "--yes", "--domain", "example.org", "--address", "203.0.113.10", "--simulate", "npm,ovh"];
    let args = [&args[..], &["--instance", "first"]].concat();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_amarre"));
    let socket = format!("unix://{}", rig.folder.path().join("docker.sock").display());
    command.arg("--config").arg(&config).args(args).args(["--docker", &socket]);
    let said = command.output().await.unwrap();
    docker(&["rm", &name]);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));

    let text = std::fs::read_to_string(&config).unwrap();
    let parts: Vec<String> = data.iter().skip(1).take(2).map(|part| part.to_string_lossy().into_owned()).collect();
    let proposed = text.lines().find(|line| line.starts_with("#   host_paths: ")).unwrap_or_else(|| panic!("{text}"));
    assert!(proposed.contains(&format!("\"/{}\"", parts.join("/"))) && !proposed.contains("localtime"), "{proposed}");
}
