//! Images, volumes and files.

use amarre_sim::docker::{Docker, DockerOptions, ImageSpec};
use serde_json::{Value, json};

use crate::client::{call, create, engine, message, post};

#[tokio::test]
async fn pulls_answer_as_a_registry_would() {
    let docker = Docker::start(DockerOptions { pull_anything: false, ..DockerOptions::default() }).await.unwrap();
    docker.image(ImageSpec::new("web:1"));
    let (status, _) = post(&docker, "/images/create?fromImage=web&tag=1").await;
    assert_eq!(status, 200);
    let refused = post(&docker, "/images/create?fromImage=web&tag=9").await;
    assert_eq!(message(&refused), (404, "manifest for web:9 not found: manifest unknown: manifest unknown"));
    let refused = post(&docker, "/images/create?fromImage=ghcr.io/a/b&tag=1").await;
    assert!(message(&refused).1.starts_with("pull access denied for ghcr.io/a/b"));
    let asked = |docker: Value| docker["Descriptor"]["digest"].as_str().unwrap().to_owned();
    let before = asked(call(&docker, "GET", "/distribution/web:1/json", Value::Null).await.1);
    docker.image(ImageSpec { id: "newer".to_owned(), ..ImageSpec::new("web:1") });
    let after = asked(call(&docker, "GET", "/distribution/web:1/json", Value::Null).await.1);
    assert_ne!(before, after);
}

#[tokio::test]
async fn anonymous_volumes_go_only_when_asked() {
    let docker = engine().await;
    docker.load_image(ImageSpec { volumes: vec!["/data".to_owned()], ..ImageSpec::new("db:1") });
    docker.seed_container("db", "db:1", &[]).unwrap();
    let name = docker.volumes()[0]["Name"].as_str().unwrap().to_owned();
    let (status, _) = call(&docker, "DELETE", &format!("/volumes/{name}"), Value::Null).await;
    assert_eq!(status, 409);
    docker.remove("db").unwrap();
    assert_eq!(docker.volumes().len(), 1);
    docker.seed_container("db", "db:1", &[]).unwrap();
    assert_eq!(docker.volumes().len(), 2, "a new container does not find the old data");
    let (status, _) = call(&docker, "DELETE", "/containers/db?force=1&v=1", Value::Null).await;
    assert_eq!((status, docker.volumes().len()), (204, 1));
}

#[tokio::test]
async fn files_are_copied_in_unless_the_root_is_read_only() {
    let docker = engine().await;
    assert_eq!(create(&docker, "open", json!({"Image": "web:1"})).await.0, 201);
    let shut = json!({"Image": "web:1", "HostConfig": {"ReadonlyRootfs": true}});
    assert_eq!(create(&docker, "shut", shut).await.0, 201);
    let put =
        async |name: &str| call(&docker, "PUT", &format!("/containers/{name}/archive?path=/etc"), json!("tar")).await;
    assert_eq!(put("open").await.0, 200);
    assert_eq!(message(&put("shut").await), (500, "container rootfs is marked read-only"));
    assert_eq!(docker.uploads("open"), [("/etc".to_owned(), b"\"tar\"".to_vec())]);
}

/// A demo leaves nothing behind on the machine that it is shown on.
#[tokio::test]
async fn a_folder_that_a_bind_asks_for_is_made_here_only_where_that_is_wanted() {
    let folder = std::env::temp_dir().join(format!("amarre-sim-binds-{}", std::process::id()));
    let below = folder.join("made/below");
    let bind = json!({"Image": "web:1", "HostConfig": {"Binds": [format!("{}:/data", below.display())]}});
    let source = folder.join("made").display().to_string();
    let mount = json!({"Type": "bind", "Source": source, "Target": "/data"});
    let mount = json!({"Image": "web:1", "HostConfig": {"Mounts": [mount]}});
    for makes_folders in [false, true] {
        let docker = Docker::start(DockerOptions { makes_folders, ..DockerOptions::default() }).await.unwrap();
        docker.load_image(ImageSpec::new("web:1"));
        let early = create(&docker, "early", mount.clone()).await;
        assert!(message(&early).1.contains("bind source path does not exist"), "{early:?}");
        assert_eq!(create(&docker, "bound", bind.clone()).await.0, 201);
        assert_eq!(create(&docker, "mounted", mount.clone()).await.0, 201, "the engine has it since");
        assert_eq!(below.is_dir(), makes_folders);
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
