//! `plan` where it cannot be whole: a provider that is away, a guard that holds.

use serde_json::{Value as Json, json};

use super::ends;
use super::rig::Rig;
use crate::support::free_port;

const WEB: &str = "name: web\nimage: web:1\nport: 80\nupdate: {drain: 0s}\n";

/// NPM is nowhere from now on.
fn without_npm(rig: &Rig) {
    let mut config = rig.config();
    config["npm"]["main"]["url"] = json!(format!("http://127.0.0.1:{}", free_port()));
    rig.file("amarre.yaml", &format!("{config:#}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_fails_when_a_provider_that_it_needs_cannot_be_asked() {
    let rig = Rig::start().await;
    rig.file("services/job.yaml", "name: job\nimage: web:1\n");
    rig.apply().await;
    without_npm(&rig);
    for args in [&["plan"][..], &["plan", "--detailed-exitcode"]] {
        ends(&rig.run(args).await, 0, &["A0601", "nothing to do in what could be seen"]);
    }
    rig.file("services/web.yaml", WEB);
    let told =
        ["error[A0422]: could not ask npm (A0601), which manifests need", "amarre help A0422", "container     web"];
    for args in [&["plan"][..], &["plan", "--detailed-exitcode"], &["plan", "--out", "plan.json"]] {
        ends(&rig.run(args).await, 1, &told);
    }
    assert!(!rig.path().join("plan.json").exists(), "what is not whole is not saved");
    let ended = rig.run(&["plan", "-o", "json"]).await;
    ends(&ended, 1, &["error[A0422]"]);
    let plan: Json = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(plan["gaps"][0]["needed"], true, "{plan:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_fails_when_the_guard_holds_it() {
    let rig = Rig::start().await;
    for name in ["one", "two"] {
        rig.file(&format!("services/{name}.yaml"), &format!("name: {name}\nimage: web:1\n"));
    }
    rig.apply().await;
    for name in ["one", "two"] {
        std::fs::remove_file(rig.path().join(format!("services/{name}.yaml"))).unwrap();
    }
    for args in [&["plan"][..], &["plan", "--detailed-exitcode"], &["plan", "-o", "json"], &["plan", "-o", "markdown"]]
    {
        let told =
            ["this plan deletes all 2 services", "amarre apply --confirm-deletes=2", "error[A0401]: held by the guard"];
        ends(&rig.run(args).await, 4, &told);
    }
    ends(&rig.run(&["apply", "--yes"]).await, 4, &["A0401"]);
}
