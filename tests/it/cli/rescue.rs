//! `npm rescue`: disables the hosts that nginx names when it refuses its configuration.

use amarre_sim::npm::Kind;
use serde_json::{Value as Json, json};

use super::ends;
use super::rig::Rig;
use crate::support::eventually;

async fn broken() -> Rig {
    let rig = Rig::start().await;
    rig.docker.nginx_in("npm", rig.npm.nginx_test());
    rig.docker.seed_container("blog", "web:1", &["npm_default"]).unwrap();
    rig
}

fn is_on(rig: &Rig, kind: Kind, id: u64) -> bool {
    rig.npm.rows(kind).into_iter().any(|row| row["id"] == id && row["enabled"] != false && row["enabled"] != 0)
}

fn host(domain: &str, more: Json) -> Json {
    let mut host =
        json!({"domain_names": [domain], "forward_scheme": "http", "forward_host": "192.0.2.7", "forward_port": 80});
    host.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    host
}

#[tokio::test(flavor = "multi_thread")]
async fn rescue_disables_only_the_hosts_that_nginx_refuses() {
    let rig = broken().await;
    ends(&rig.run(&["npm", "rescue"]).await, 0, &["nothing to rescue"]);

    let certificate = rig.npm.seed_certificate("shop", &["shop.example.org"]);
    let shop = rig.npm.seed_proxy_host(&host("shop.example.org", json!({"certificate_id": certificate})));
    let path = json!({"path": "/x", "forward_scheme": "http", "forward_host": "blog", "forward_port": 80});
    let wiki = rig.npm.seed_proxy_host(&host("wiki.example.org", json!({"locations": [path]})));
    let off = rig.npm.seed_stream(&json!({
        "incoming_port": 2222, "forwarding_host": "192.0.2.7", "forwarding_port": 22, "tcp_forwarding": true,
    }));
    assert!(rig.npm.serves("wiki.example.org") && rig.npm.serves("shop.example.org"));
    rig.npm.lose_certificate(certificate);
    rig.docker.remove("blog").unwrap();

    let dry = rig.run(&["npm", "rescue", "--dry-run"]).await;
    ends(
        &dry,
        2,
        &["NPM main: nginx refuses its configuration", "would be switched off, not ours", "Nothing was changed"],
    );
    let asked = rig.run(&["npm", "rescue", "main"]).await;
    ends(&asked, 4, &["A0402", "amarre npm rescue --yes"]);
    assert!(is_on(&rig, Kind::ProxyHost, shop) && is_on(&rig, Kind::ProxyHost, wiki), "nobody said yes");

    let done = rig.run(&["npm", "rescue", "--yes"]).await;
    let (shop_off, wiki_off) = (
        format!("proxy host {shop} shop.example.org is switched off"),
        format!("proxy host {wiki} wiki.example.org is switched off"),
    );
    ends(
        &done,
        0,
        &[
            &shop_off,
            &wiki_off,
            "cannot load certificate",
            "host not found in upstream",
            "takes its configuration again",
        ],
    );
    assert!(!is_on(&rig, Kind::ProxyHost, shop) && !is_on(&rig, Kind::ProxyHost, wiki));
    assert!(is_on(&rig, Kind::Stream, off) && rig.npm.serves("foreign.example.org"), "what nginx takes stays");
    assert!(!rig.npm.serves("wiki.example.org"), "nginx has loaded what is left");
    ends(&rig.run(&["npm", "rescue"]).await, 0, &["nothing to rescue"]);
    ends(&rig.run(&["events"]).await, 0, &["rescued", "proxy host", "amarre npm rescue"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_disabled_in_its_row_but_not_in_its_file_is_rescued() {
    let rig = broken().await;
    let path = json!({"path": "/x", "forward_scheme": "http", "forward_host": "blog", "forward_port": 80});
    let wiki = rig.npm.seed_proxy_host(&host("wiki.example.org", json!({"locations": [path]})));
    rig.npm.put_off(wiki);
    assert!(rig.npm.serves("wiki.example.org") && !is_on(&rig, Kind::ProxyHost, wiki));
    rig.docker.remove("blog").unwrap();
    let done = rig.run(&["npm", "rescue", "--yes"]).await;
    ends(&done, 0, &["wiki.example.org is switched off", "takes its configuration again"]);
    assert!(!rig.npm.serves("wiki.example.org"));
}

/// With a daemon it is the daemon that asks, and nothing of ours stays off by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_rescue_beside_a_daemon_lets_the_other_hosts_converge() {
    let rig = broken().await;
    let path = json!({"path": "/x", "forward_scheme": "http", "forward_host": "blog", "forward_port": 80});
    rig.npm.seed_proxy_host(&host("wiki.example.org", json!({"locations": [path]})));
    rig.docker.remove("blog").unwrap();
    let daemon = rig.daemon(&["--yes"], &[]).await;
    rig.file("services/web.yaml", "name: web\nimage: web:1\nport: 80\n");
    eventually(60, "nginx refuses it", async || rig.run(&["status", "web"]).await.out.contains("A0609")).await;
    let stuck = rig.run(&["reconcile", "--timeout", "5s"]).await;
    ends(
        &stuck,
        3,
        &["nginx refuses its configuration because of proxy host", "which is not ours", "host not found in upstream"],
    );
    ends(&rig.run(&["status", "web"]).await, 0, &["A0609", "amarre npm rescue main --dry-run"]);
    ends(&rig.run(&["npm", "rescue", "--dry-run"]).await, 2, &["wiki.example.org would be switched off, not ours"]);
    ends(&rig.run(&["npm", "rescue", "--yes"]).await, 0, &["takes its configuration again"]);
    ends(&rig.run(&["retry", "web"]).await, 0, &[]);
    assert!(rig.npm.serves("web.example.org"));
    super::rig::end(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_rescue_is_explained() {
    let rig = Rig::start().await;
    ends(&rig.run(&["npm", "rescue"]).await, 1, &["A0614", "nginx in container npm could not be asked"]);
    ends(&rig.run(&["npm", "rescue", "edge"]).await, 1, &["A0614", "no NPM edge is configured"]);
    rig.docker.nginx_in("npm", rig.npm.nginx_test());
    rig.npm.break_nginx(true);
    let custom = rig.run(&["npm", "rescue", "--yes"]).await;
    ends(&custom, 1, &["/data/nginx/custom/http.conf", "names no host", "docker exec npm nginx -t"]);
    let mut config = rig.config();
    config["npm"]["main"].as_object_mut().unwrap().remove("container");
    rig.file("amarre.yaml", &format!("{config:#}"));
    ends(&rig.run(&["npm", "rescue"]).await, 1, &["A0614", "its container is not known", "npm.main.container"]);
}
