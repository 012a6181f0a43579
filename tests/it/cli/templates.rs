//! `amarre new`: every template is rendered, read and planned, and what is typed wrong is named.

use std::os::unix::fs::PermissionsExt;

use super::ends;
use super::rig::Rig;

const NAMES: [&str; 10] = [
    "gitea",
    "grafana",
    "immich",
    "jellyfin",
    "nextcloud",
    "paperless-ngx",
    "uptime-kuma",
    "vaultwarden",
    "whoami",
    "wordpress",
];

#[tokio::test]
async fn every_template_becomes_a_service_that_can_be_planned() {
    let rig = Rig::start().await;
    let mut config = rig.config();
    // Whatever answers at the test's address is not asked.
    config["certificates"] = serde_json::json!({"port80": "assume"});
    rig.file("amarre.yaml", &format!("{config:#}"));
    let listed = rig.run(&["new"]).await;
    for name in NAMES {
        assert!(listed.out.contains(name), "{listed:?}");
        assert!(rig.run(&["new", name]).await.out.contains("address"), "{name}");
        let service = format!("my-{name}");
        let written = rig.run(&["new", name, &service, "--write"]).await;
        ends(&written, 0, &[]);
        assert!(written.err.contains(&format!("Wrote services/{service}.yaml")), "{written:?}");
        let again = rig.run(&["new", name, &service, "--write"]).await;
        assert!(again.code == 1 && again.err.contains("A0312"), "{again:?}");
    }
    let secret = rig.path().join("secrets/services/my-nextcloud/db");
    assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(&secret).unwrap().len(), 48);
    ends(&rig.run(&["validate", "--strict"]).await, 0, &["10 manifests are good"]);
    let plan = rig.run(&["plan", "-o", "json"]).await;
    assert_eq!(plan.code, 0, "{plan:?}");
    let plan: serde_json::Value = serde_json::from_str(&plan.out).unwrap();
    let services = plan["services"].as_array().unwrap();
    assert_eq!(services.len(), NAMES.len());
    for change in services.iter().flat_map(|service| service["changes"].as_array().unwrap()) {
        assert!(change["refusal"].is_null(), "{change:#}");
    }
}

#[tokio::test]
async fn a_template_is_only_printed_and_its_errors_are_named() {
    let rig = Rig::start().await;
    let printed = rig.run(&["new", "grafana", "charts", "--set", "tls=none", "--set", "address=graphs"]).await;
    ends(&printed, 0, &["name: charts", "domain: graphs", "http://${domain}/"]);
    assert!(printed.err.contains("charts/admin") && printed.err.contains("--secrets"), "{printed:?}");
    assert!(!rig.path().join("services/charts.yaml").exists() && !rig.path().join("secrets").exists());
    for (args, words) in [
        (&["new", "grafan"][..], "did you mean grafana"),
        (&["new", "grafana", "Charts"], "small letters"),
        (&["new", "grafana", "charts", "--set", "image=a b"], "an image with its tag"),
        (&["new", "grafana", "charts", "--set", "colour=red"], "there are address, image, tls"),
    ] {
        let wrong = rig.run(args).await;
        assert!(wrong.code == 1 && wrong.err.contains("A1009") && wrong.err.contains(words), "{wrong:?}");
    }
    // What has no usual value has to be said.
    let unsaid = rig.run(&["new", "app", "shop"]).await;
    assert!(unsaid.code == 1 && unsaid.err.contains("`repository` has to be said"), "{unsaid:?}");
    let said = rig.run(&["new", "app", "shop", "--set", "repository=https://git.example.org/shop"]).await;
    ends(&said, 0, &["kind: App", "url: https://git.example.org/shop", "to: shop:8080"]);
    assert_eq!(rig.run(&["new", "grafana", "charts", "--set", "colour"]).await.code, 2);
    std::fs::create_dir(rig.path().join("templates")).unwrap();
    let own = "title: Mine\nabout: My own\nparameters: {}\nnotes: ''\nmanifest: |\n  name: {{name}}\n  image: mine:1\n";
    rig.file("templates/grafana.yaml", own);
    ends(&rig.run(&["new", "grafana", "charts"]).await, 0, &["image: mine:1"]);
    rig.file("templates/broken.yaml", "title: Mine\n");
    let broken = rig.run(&["new"]).await;
    assert!(broken.code == 1 && broken.err.contains("templates/broken.yaml"), "{broken:?}");
}
