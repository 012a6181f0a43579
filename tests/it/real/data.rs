//! Nothing starts without its data: what a container had, or what an unmanaged container has, is never replaced by something
//! empty before a person says so.

use std::path::Path;

use serde_json::json;

use crate::support::docker;
use crate::support::rig::{PUBLIC, Rig};

const NEW: &str = "data: new\n";

fn idle(name: &str, mount: &str) -> String {
    format!("name: TAG-{name}\nimage: amarre-test:1\ncommand: [idle]\nstop_grace_period: 1s\nvolumes: ['{mount}']\n")
}

/// A rig whose manifests may mount what lies below its folder `srv`.
async fn with_folder() -> (Rig, String) {
    let mut rig = Rig::start().await;
    let folder = rig.folder.path().join("srv").display().to_string();
    std::fs::create_dir_all(&folder).unwrap();
    let docker = format!("unix://{}", rig.folder.path().join("docker.sock").display());
    let host = json!({"docker": docker, "address": PUBLIC, "npm": "main", "data": format!("{folder}/data")});
    rig.settings.insert("hosts".to_owned(), json!({"default": host}));
    rig.settings.insert("policy".to_owned(), json!({"host_paths": [folder]}));
    rig.configure();
    (rig, folder)
}

/// It is held, and nothing was made for it.
async fn assert_held(rig: &Rig, name: &str, hints: &[&str]) {
    let held = rig.apply_partly().await;
    assert!(held.out.contains("A0419") && !rig.containers().contains_key(&rig.name(name)), "{held}");
    let plan = rig.run(&["plan"]).await.out;
    assert!(hints.iter().all(|hint| plan.contains(hint)), "{hints:?} {plan}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_gone_is_not_replaced_by_something_empty() {
    let (rig, folder) = with_folder().await;
    let bind = format!("{folder}/box");
    std::fs::create_dir_all(&bind).unwrap();
    for (name, mount) in [("notes", "space:/data".to_owned()), ("box", format!("{bind}:/data"))] {
        rig.write(&format!("{name}.yaml"), &idle(name, &mount));
        rig.apply().await;
        let container = rig.name(name);
        docker(&["exec", &container, "sh", "-c", "echo kept > /data/file"]);
        rig.apply().await;
        docker(&["rm", "--force", &container]);
        if name == "box" {
            // As a disk that is not mounted leaves it.
            std::fs::remove_file(format!("{bind}/file")).unwrap();
            assert_held(&rig, name, &["mount the disk", "data: new"]).await;
            std::fs::remove_dir_all(&bind).unwrap();
        } else {
            docker(&["volume", "rm", &format!("{container}_space")]);
        }
        assert_held(&rig, name, &["backup", "data: new"]).await;
        assert!(!Path::new(&bind).exists() || name == "notes");
        if name == "box" {
            std::fs::create_dir_all(&bind).unwrap();
            std::fs::write(format!("{bind}/file"), "kept").unwrap();
        } else {
            rig.write("notes.yaml", &format!("{}{NEW}", idle(name, &mount)));
        }
        rig.apply().await;
        assert!(rig.containers().contains_key(&container));
    }
}

/// A stack that people ran before, with each form of data on their side and on ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_first_start_beside_a_stranger_with_the_data_is_held() {
    let (rig, folder) = with_folder().await;
    let theirs = format!("{folder}/old/app");
    std::fs::create_dir_all(&theirs).unwrap();
    std::fs::write(format!("{theirs}/file"), "kept").unwrap();
    let (stranger, volume) = (rig.name("old"), rig.name("old-data"));
    docker(&["volume", "create", &volume]);
    // An image of its own: other tests start containers of the usual one.
    let image = format!("{stranger}:1");
    docker(&["tag", "amarre-test:1", &image]);
    let idle = |name: &str, mount: &str| idle(name, mount).replace("amarre-test:1", &image);
    // Their folder, named volume, anonymous volume; as it runs, and stopped.
    for mount in [format!("{theirs}:/data"), format!("{volume}:/data"), "/data".to_owned()] {
        docker(&["run", "--detach", "--name", &stranger, "--volume", &mount, &image, "sleep", "100000"]);
        for (number, ours) in
            [format!("{folder}/new:/data"), "data:/data".to_owned(), "./data:/data".to_owned()].iter().enumerate()
        {
            let name = format!("app{number}");
            rig.write("app.yaml", &idle(&name, ours));
            assert_held(&rig, &name, &["data: new", &stranger]).await;
        }
        docker(&["stop", "--time", "1", &stranger]);
        assert_held(&rig, "app2", &["data: new", &stranger]).await;
        docker(&["rm", "--force", "--volumes", &stranger]);
    }
    docker(&["volume", "rm", &volume]);
    rig.remove("app.yaml");

    // What people put there is what they mean.
    docker(&[
        "run",
        "--detach",
        "--name",
        &stranger,
        "--volume",
        &format!("{theirs}:/data"),
        &image,
        "sleep",
        "100000",
    ]);
    std::fs::create_dir_all(format!("{folder}/moved")).unwrap();
    rig.write("app.yaml", &idle("app", &format!("{folder}/moved:/data")));
    assert_held(&rig, "app", &[]).await;
    std::fs::write(format!("{folder}/moved/file"), "moved").unwrap();
    docker(&["stop", "--time", "1", &stranger]);
    rig.apply().await;
    assert_eq!(docker(&["exec", &rig.name("app"), "cat", "/data/file"]), "moved");
    docker(&["rm", "--force", "--volumes", &stranger]);
    docker(&["rm", "--force", &rig.name("app")]);
    docker(&["rmi", &image]);
}

/// What a stack has left says where its data were: a container whose folder is gone, a volume, a folder that is now copied.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_first_start_without_the_folder_of_a_stack_is_held() {
    let (rig, folder) = with_folder().await;
    let (stranger, theirs) = (rig.name("left"), format!("{folder}/left"));
    let image = format!("{stranger}:1");
    docker(&["tag", "amarre-test:1", &image]);
    let idle = |name: &str, mount: &str| idle(name, mount).replace("amarre-test:1", &image);
    std::fs::create_dir_all(&theirs).unwrap();
    docker(&["create", "--name", &stranger, "--volume", &format!("{theirs}:/data"), &image, "sleep", "100000"]);
    std::fs::rename(&theirs, format!("{folder}/elsewhere")).unwrap();
    rig.write("app.yaml", &idle("gone", &format!("{theirs}:/data")));
    assert_held(&rig, "gone", &["data: new", "bring"]).await;

    std::fs::create_dir(rig.folder.path().join("services/conf")).unwrap();
    rig.write_in("conf", "one.ini", "a = 1");
    rig.write("app.yaml", &idle("copied", "./conf:/data"));
    assert_held(&rig, "copied", &["take the folder out of the source", ":ro"]).await;
    docker(&["rm", "--force", &stranger]);

    let volume = format!("{}_db", rig.name("volumes"));
    docker(&["volume", "create", &volume]);
    let both = idle("volumes", "./data:/data").replace("volumes: [", "volumes: ['db:/db', ");
    rig.write("app.yaml", &both);
    assert_held(&rig, "volumes", &["hosts.default.data", &volume]).await;
    docker(&["volume", "rm", &volume]);
    docker(&["rmi", &image]);
}

/// The containers of a service that come first do not stand for those that are held.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stack_of_several_is_held_until_a_person_decides() {
    let (rig, folder) = with_folder().await;
    let (stranger, theirs) = (rig.name("stack-db-1"), format!("{folder}/stack/db"));
    std::fs::create_dir_all(&theirs).unwrap();
    std::fs::write(format!("{theirs}/file"), "kept").unwrap();
    // Of the same Compose project, by another image.
    let labels =
        [format!("com.docker.compose.project={}", rig.name("stack")), "com.docker.compose.service=db".to_owned()];
    docker(&[
        "run",
        "--detach",
        "--name",
        &stranger,
        "--label",
        &labels[0],
        "--label",
        &labels[1],
        "--volume",
        &format!("{theirs}:/data"),
        "amarre-test-theirs:1",
        "sleep",
        "100000",
    ]);
    let manifest = "name: TAG-stack\ncontainers:\n  db: {image: 'amarre-test:1', command: [idle], stop_grace_period: 1s, volumes: ['./db:/data']}\n  \
                    web: {image: 'amarre-test:1', command: [serve, '80']}\n";
    rig.write("stack.yaml", manifest);
    for _ in 0..2 {
        assert_held(&rig, "stack-db", &[&stranger, "data: new"]).await;
    }
    // An empty folder is no decision.
    std::fs::create_dir_all(format!("{folder}/data/{}/db", rig.name("stack"))).unwrap();
    assert_held(&rig, "stack-db", &[&stranger, "data: new"]).await;
    rig.write("stack.yaml", &format!("{manifest}{NEW}"));
    rig.apply().await;
    docker(&["rm", "--force", &stranger]);
}
