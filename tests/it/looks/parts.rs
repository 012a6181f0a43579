//! What one person puts into the source harms that part of it, and not the services of others.

use std::path::PathBuf;

use crate::support::stepped::Stepped;
use amarre_core::model::Code;

const COMPOSE: &str = "services: {calm: {image: 'web:${VERSION}', configs: [page], env_file: ./app.env}}\nconfigs: {page: {file: ./page.html}}\n";

async fn settled() -> Stepped {
    let mut rig = Stepped::start().await;
    for folder in ["calm", "evil", "other"] {
        std::fs::create_dir_all(path(&rig, folder)).unwrap();
    }
    rig.write("calm/calm.yaml", "name: calm\ncompose: ./compose.yaml\nport: 80\n");
    rig.write("calm/compose.yaml", COMPOSE);
    rig.write("calm/page.html", "hello");
    rig.write("calm/app.env", "A=1\n");
    rig.write("calm/.env", "VERSION=1\n");
    rig.write("evil/evil.yaml", "name: evil\nimage: web:1\n");
    rig.write("other/other.yaml", "name: other\nimage: web:1\n");
    rig.settle().await;
    rig
}

fn path(rig: &Stepped, below: &str) -> PathBuf {
    rig.folder.path().join("services").join(below)
}

fn images(rig: &Stepped) -> Vec<String> {
    let all = rig.docker.containers();
    let named =
        all.iter().map(|one| format!("{} {}", one["Name"].as_str().unwrap(), one["Config"]["Image"].as_str().unwrap()));
    let mut images: Vec<String> =
        named.filter(|name| !name.starts_with("/npm") && !name.starts_with("/stranger")).collect();
    images.sort();
    images
}

fn codes(rig: &Stepped) -> Vec<&'static str> {
    rig.last_pass().diagnostics.iter().map(|found| found.code.as_str()).collect()
}

#[tokio::test]
async fn large_files_of_one_folder_take_no_room_from_those_of_others() {
    let mut rig = settled().await;
    std::fs::create_dir_all(path(&rig, "aaa")).unwrap();
    for number in 0..34 {
        rig.write(&format!("aaa/{number}"), &"x".repeat(1024 * 1024));
    }
    rig.write("calm/.env", "VERSION=2\n");
    rig.settle().await;
    assert_eq!(images(&rig), ["/calm web:2", "/evil web:1", "/other web:1"], "{:?}", codes(&rig));
    rig.assert_quiet().await;
}

#[tokio::test]
async fn a_part_that_cannot_be_read_harms_the_services_that_are_in_it() {
    let mut rig = settled().await;
    std::fs::create_dir_all(path(&rig, "evil/2/3/4/5/6/7/8/9")).unwrap();
    std::fs::rename(path(&rig, "evil/evil.yaml"), path(&rig, "evil/2/3/4/5/6/7/8/9/evil.yaml")).unwrap();
    rig.write("calm/.env", "VERSION=2\n");
    rig.remove("other/other.yaml");
    rig.pass_until_settled().await;
    // The update is made; what is not seen is not deleted, nor is what may have been moved there.
    assert_eq!(images(&rig), ["/calm web:2", "/evil web:1", "/other web:1"]);
    let pass = rig.last_pass();
    let found = pass.diagnostics.iter().find(|found| found.code == Code::A0318).expect("it is said");
    assert_eq!((found.file.as_str(), found.severity.word()), ("services/evil/2/3/4/5/6/7/8/9", "error"));
    drop(pass);
    std::fs::remove_dir_all(path(&rig, "evil/2")).unwrap();
    rig.settle().await;
    assert_eq!(images(&rig), ["/calm web:2"]);
    rig.assert_quiet().await;
}

#[tokio::test]
async fn a_name_that_a_terminal_obeys_is_left_out() {
    let mut rig = settled().await;
    for name in ["nl\nfake error: all good.yaml", "a\u{202e}lmay.yaml", "esc\u{1b}[2J.yaml"] {
        std::fs::write(path(&rig, name), "name: odd\nimage: web:1\n").unwrap();
    }
    rig.settle().await;
    let pass = rig.last_pass();
    let files: Vec<&str> = pass.diagnostics.iter().map(|found| found.file.as_str()).collect();
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(files.iter().all(|file| file.starts_with("services/") && !file.chars().any(char::is_control)), "{files:?}");
    assert!(codes(&rig).iter().all(|code| *code == "A0308"));
    assert_eq!(images(&rig).len(), 3);
}
