//! `amarre policy explain`: what of a manifest the policy allows, and by which word.

use serde_json::json;

use super::rig::Rig;

/// A folder below `/srv`, a volume of others, another service's secret, a directive that policy does not know.
const SHOP: &str = "
name: shop
compose: ./shop/compose.yaml
routes: [{domain: shop, to: 'app:80', advanced: 'auth_request_set $user $upstream_http_x_user;'}]
";
const COMPOSE: &str = "
services:
  app:
    image: web:1
    cgroup_parent: limited
    environment: {KEY: '{secret: cloud/key}', OWN: '{secret: shop/own}'}
    volumes:
    - data:/data
    - photos:/photos:ro
volumes:
  data: {external: true, name: stranger_data}
  photos: {driver_opts: {type: none, o: bind, device: /srv/photos}}
";

#[tokio::test(flavor = "multi_thread")]
async fn policy_explain_goes_through_a_manifest_line_by_line() {
    let rig = Rig::start().await;
    std::fs::create_dir(rig.path().join("services/shop")).unwrap();
    rig.file("services/shop.yaml", SHOP);
    rig.file("services/shop/compose.yaml", COMPOSE);
    let said = rig.run(&["policy", "explain", "services/shop.yaml"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    for line in [
        "services/shop/compose.yaml:",
        "refused  volumes: stranger_data",
        "A0264: ask the operator to add `stranger_data` to `policy.volumes`",
        "allowed  secrets: shop/own",
        "allowed  images: web:1",
        "refused  nginx: auth_request_set",
    ] {
        assert!(said.out.contains(line), "{line}: {}", said.out);
    }
    let json = rig.run(&["policy", "explain", "services/shop.yaml", "-o", "json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["schema"], "amarre.policy/v1");
    // A file that is not in the source yet, and one that is not there.
    rig.file("new.yaml", "name: new\nimage: web:1\nruntime: nvidia\n");
    let said = rig.run(&["policy", "explain", "new.yaml"]).await;
    assert!(said.code == 1 && said.out.contains("refused  runtimes: nvidia"), "{said:?}");
    rig.file("new.yaml", "name: new\nimage: web:1\n");
    let said = rig.run(&["policy", "explain", "new.yaml"]).await;
    assert!(said.code == 0 && said.out.contains("0 refused"), "{said:?}");
    let said = rig.run(&["policy", "explain", "nothing.yaml"]).await;
    assert!(said.code == 1 && said.err.contains("could not read nothing.yaml"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_explain_tells_what_allows_networks_volume_drivers_and_lines_for_nginx() {
    let rig = Rig::start().await;
    let mut config = rig.config();
    config["policy"] = json!({"networks": ["foreign*"], "volume_drivers": ["rclone"]});
    rig.file("amarre.yaml", &format!("{config:#}"));
    std::fs::create_dir(rig.path().join("services/shop")).unwrap();
    rig.file("services/lab.yaml", "{kind: Network, name: lab}");
    rig.file("services/one.yaml", "name: one\nimage: web:1\nnetwork: foreign_net\n");
    rig.file("services/two.yaml", "name: two\nimage: web:1\nnetwork: lab\n");
    let routes = "[{domain: shop, to: 'app:80', advanced: 'proxy_buffering off;'}]";
    rig.file("services/shop.yaml", &format!("name: shop\ncompose: ./shop/compose.yaml\nroutes: {routes}\n"));
    let volumes = "{far: {driver: rclone}, media: {driver_opts: {type: nfs, o: 'addr=192.168.1.5,ro', device: ':/m'}}}";
    let app = "{image: 'web:1', volumes: ['far:/far', 'media:/media']}";
    rig.file("services/shop/compose.yaml", &format!("services: {{app: {app}}}\nvolumes: {volumes}\n"));
    for (file, item, by) in [
        ("one", "networks: foreign_net", "policy.networks: foreign*"),
        ("two", "networks: lab", "the `Network` manifest lab defines it"),
        ("shop", "volume_drivers: rclone", "policy.volume_drivers: rclone"),
        ("shop", "volume_drivers: local type=nfs", "with its usual options it needs no word"),
        ("shop", "nginx: advanced", "its directives are known to be harmless"),
    ] {
        let said = rig.run(&["policy", "explain", &format!("services/{file}.yaml")]).await;
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.contains(&format!("  allowed  {item}\n           {by}\n")), "{item}: {}", said.out);
    }
}
