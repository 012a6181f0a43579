//! Images from a real registry: accounts, refusals, newer ones under the same name.

use serde_json::json;

use crate::support::registry::{PASSWORD, Registry, USER};
use crate::support::rig::Rig;
use crate::support::{image, inspect};

fn use_account(rig: &mut Rig, registry: &Registry, password: &str) {
    std::fs::write(rig.folder.path().join("password"), password).unwrap();
    let login = json!({"username": USER, "password": {"file": "password"}});
    rig.settings.insert("registries".to_owned(), json!({registry.host(): login}));
    rig.configure();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_private_image_is_pulled_with_the_registrys_account() {
    let mut rig = Rig::start().await;
    let registry = Registry::start().await;
    let reference = registry.push(image::TWO, "app:1");
    let manifest = |image: &str| format!("{{name: TAG-app, image: '{image}', command: serve 80, dns: none}}");
    rig.write("app.yaml", &manifest(&reference));
    let told = |text: String| {
        assert!(!text.contains("canary"), "{text}");
        text
    };

    // Without an account, with a wrong one, and with one for what is not there.
    let nobody = told(rig.apply_partly("5s").await.to_string());
    assert!(nobody.contains("A0523") && nobody.contains(&format!("registries.{}", registry.host())), "{nobody}");
    use_account(&mut rig, &registry, "canary-wrong");
    let wrong = told(rig.apply_partly("5s").await.to_string());
    assert!(wrong.contains("A0523") && wrong.contains("refuses the account `ops`"), "{wrong}");
    use_account(&mut rig, &registry, PASSWORD);
    rig.write("app.yaml", &manifest(&reference.replace("app:1", "app:9")));
    let absent = told(rig.apply_partly("5s").await.to_string());
    assert!(absent.contains("A0504") && absent.contains("is the name right"), "{absent}");

    rig.write("app.yaml", &manifest(&reference));
    told(rig.apply().await.to_string());
    assert_eq!(inspect("container", &rig.name("app"))["Config"]["Image"], reference);
    told(rig.status_text().await);
}
