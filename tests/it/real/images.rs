//! Images from a real registry: accounts, refusals, newer ones under the same name.

use serde_json::json;

use crate::support::registry::{PASSWORD, Registry, USER};
use crate::support::rig::Rig;
use crate::support::{docker, docker_lines, eventually, image, inspect};

/// A container that is healthy at once.
const APP: &str = "{name: TAG-app, image: 'IMAGE', command: serve 80, dns: none, pull_policy: POLICY, \
    healthcheck: {test: [CMD, 'true'], interval: 1s}, update: {drain: 0s}}";

fn write_app(rig: &Rig, image: &str, policy: &str) {
    rig.write("app.yaml", &APP.replace("IMAGE", image).replace("POLICY", policy));
}

fn use_account(rig: &mut Rig, registry: &Registry, password: &str) {
    std::fs::write(rig.folder.path().join("password"), password).unwrap();
    let login = json!({"username": USER, "password": {"file": "password"}});
    rig.settings.insert("registries".to_owned(), json!({registry.host(): login}));
    rig.configure();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_private_image_is_pulled_with_the_registrys_account() {
    // Before the rig, so that it goes after the rig's containers: its images go with it.
    let registry = Registry::start().await;
    let mut rig = Rig::start().await;
    let reference = registry.push(image::TWO, "app:1");
    let manifest = |image: &str| APP.replace("IMAGE", image).replace("POLICY", "missing");
    rig.write("app.yaml", &manifest(&reference));
    let told = |text: String| {
        assert!(!text.contains("canary"), "{text}");
        text
    };

    // Without an account, with a wrong one, and with one for what is not there.
    let nobody = told(rig.apply_partly().await.to_string());
    assert!(nobody.contains("A0523") && nobody.contains(&format!("registries.{}", registry.host())), "{nobody}");
    use_account(&mut rig, &registry, "canary-wrong");
    let wrong = told(rig.apply_partly().await.to_string());
    assert!(wrong.contains("A0523") && wrong.contains("refuses the account `ops`"), "{wrong}");
    use_account(&mut rig, &registry, PASSWORD);
    rig.write("app.yaml", &manifest(&reference.replace("app:1", "app:9")));
    let absent = told(rig.apply_partly().await.to_string());
    assert!(absent.contains("A0504") && absent.contains("is the name right"), "{absent}");

    rig.write("app.yaml", &manifest(&reference));
    told(rig.apply().await.to_string());
    assert_eq!(inspect("container", &rig.name("app"))["Config"]["Image"], reference);
    told(rig.status_text().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_newer_image_under_the_same_name_is_pulled_before_anything_stops() {
    let mut registry = Registry::start().await;
    let mut rig = Rig::start().await;
    use_account(&mut rig, &registry, PASSWORD);
    let reference = registry.push_new(image::ONE, "app:1");
    registry.push_new(image::TWO, "app:next");
    write_app(&rig, &reference, "always");
    rig.apply().await;
    let first = inspect("container", &rig.name("app"))["Image"].clone();

    registry.move_tag("app", "next", "1");
    write_app(&rig, &reference, "missing");
    rig.quiet().await;
    write_app(&rig, &reference, "always");
    let plan = rig.run(&["plan"]).await;
    assert!(plan.out.contains("the registry has another one under this name"), "{plan}");
    rig.forget();
    rig.apply().await;
    let second = inspect("container", &rig.name("app"))["Image"].clone();
    assert_ne!(first, second);
    let writes = rig.gate.writes();
    let at =
        |what: &str| writes.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {writes:?}"));
    assert!(at("/images/create") < at("/containers/create") && at("/containers/create") < at("/stop"), "{writes:?}");

    // A daemon runs a pass every second and asks once an hour.
    rig.forget();
    let daemon = rig.daemon().await;
    daemon.wait_until_settled().await;
    let looks = || rig.gate.asked().iter().filter(|line| line.contains("/containers/json")).count();
    let before = looks();
    eventually(60, "three more looks", async || looks() >= before + 3).await;
    let asked = rig.gate.asked().iter().filter(|line| line.contains("/distribution/")).count();
    assert_eq!(asked, 1, "{:?}", rig.gate.asked());
    assert_eq!(daemon.stop().await, 0);

    // A registry that cannot be asked is no failure, and nothing is done about it.
    registry.stop();
    let plan = rig.run(&["plan", "--detailed-exitcode"]).await;
    assert_eq!(plan.code, 0, "{plan}");
    let status = rig.status().await;
    let row = &status["services"][0];
    assert_eq!((row["sync"].as_str(), row["health"].as_str()), (Some("Unknown"), Some("Healthy")), "{status:#}");
    assert!(row["what_now"].as_str().unwrap().contains("is there a newer"), "{status:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn unused_images_that_amarre_pulled_are_deleted() {
    // Before the rig, so that it goes after the rig's containers: its images go with it.
    let registry = Registry::start().await;
    let mut rig = Rig::start().await;
    use_account(&mut rig, &registry, PASSWORD);
    let images: Vec<String> = (1..=4).map(|n| registry.push_new(image::TWO, &format!("app:{n}"))).collect();
    // One that was here before us, under another name.
    docker(&["tag", image::ONE, &format!("{}/app:0", registry.host())]);
    let there =
        || docker_lines(&["images", "--filter", &format!("reference={}/*", registry.host()), "--format", "{{.Tag}}"]);

    write_app(&rig, &images[0], "never");
    let refused = rig.apply_partly().await;
    assert!(refused.to_string().contains("A0526"), "{refused}");
    write_app(&rig, &images[0], "missing");
    rig.settings.insert("images".to_owned(), json!({"min_free": "9000TiB"}));
    rig.configure();
    let full = rig.apply_partly().await;
    assert!(full.to_string().contains("A0525") && full.to_string().contains("docker system df"), "{full}");
    assert_eq!(there(), ["0"]);

    rig.settings.remove("images");
    rig.configure();
    rig.apply().await;
    let mine = rig.name("mine");
    docker(&["tag", &images[0], &mine]);
    for image in &images[1..] {
        write_app(&rig, image, "missing");
        rig.apply().await;
    }
    // 4 runs, 3 is the rollback target, 1 has a foreign name, 0 was never ours.
    assert_eq!(there(), ["0", "1", "3", "4"]);
    docker(&["rmi", &mine]);
    rig.apply().await;
    assert_eq!(there(), ["0", "3", "4"]);

    // Of a service that is gone nothing stays to go back to.
    rig.remove("app.yaml");
    rig.apply().await;
    assert_eq!(there(), ["0"]);
}
