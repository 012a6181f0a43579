//! What policy refuses never reaches the engine: the whole table of escapes beside one good service.

use crate::escapes::{Escape, escapes, probes};
use crate::support::docker_lines;
use crate::support::rig::Rig;

const GOOD: &str =
    "name: TAG-good\nimage: amarre-test:1\ncommand: [serve, '80']\nhealthcheck: {test: [CMD, 'true'], interval: 1s}\n";

fn about_the_engine(escape: &&Escape) -> bool {
    matches!(escape.section.as_str(), "volume" | "bind" | "bindlong" | "container" | "image")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_refused_setting_reaches_the_engine() {
    let mut rig = Rig::start().await;
    rig.settings.insert("policy".to_owned(), serde_json::json!({"images": ["docker.io/library/*", "amarre-test:*"]}));
    rig.configure();
    rig.write("good.yaml", GOOD);
    let mut tried = 0;
    for escape in escapes().iter().filter(about_the_engine) {
        for (manifest, compose) in probes(escape) {
            tried += 1;
            let folder = format!("e{tried}");
            std::fs::create_dir(rig.folder.path().join("services").join(&folder)).unwrap();
            let manifest =
                manifest.replace("name: app\n", &format!("name: TAG-e{tried}\n")).replace("x:1", "amarre-test:1");
            rig.write_in(&folder, "app.yaml", &manifest);
            if let Some(compose) = compose {
                rig.write_in(&folder, "compose.yaml", &compose.replace("x:1", "amarre-test:1"));
            }
        }
    }
    assert!(tried >= 200, "{tried}");
    rig.apply_partly().await;
    let label = format!("label=io.amarre.instance={}", rig.instance());
    let names = |args: &[&str]| docker_lines(&[args, &["--filter", &label]].concat());
    assert_eq!(names(&["ps", "-a", "--format", "{{.Names}}"]), [rig.name("good")]);
    assert_eq!(names(&["volume", "ls", "--format", "{{.Name}}"]), [""; 0]);
    assert_eq!(names(&["network", "ls", "--format", "{{.Name}}"]), [format!("zz-amarre-{}", rig.name("good"))]);
}
