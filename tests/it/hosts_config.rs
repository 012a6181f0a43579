//! Several hosts and how their NPM reaches them: what a configuration means, and what it may not say.

use std::path::Path;

use amarre::config::Config;
use amarre_core::manifest::{SourceFile, load};
use amarre_core::model::Assets;
use amarre_core::model::site::{PublicAddress, Reach};
use serde_json::{Value as Json, json};

fn config(hosts: &Json, npm: &Json) -> Result<Config, String> {
    let mut main = json!({"url": "http://127.0.0.1:81", "identity": "a@example.net", "secret": "x"});
    main.as_object_mut().unwrap().extend(npm.as_object().unwrap().clone());
    let text = json!({"instance": "home", "domains": ["example.org"], "hosts": hosts, "npm": {"main": main}});
    Config::parse(&text.to_string(), Path::new("/srv/amarre.yaml"))
        .map_err(|error| format!("{}: {}", error.code, error.message))
}

fn published(more: &Json) -> Json {
    let mut host = json!({"private_address": "192.168.1.2", "publish_ports": "20000-20009"});
    host.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    host
}

#[test]
fn an_npm_reaches_other_hosts_by_published_ports() {
    let hosts = json!({"default": {"address": "203.0.113.10"}, "nas": published(&json!({}))});
    let site = config(&hosts, &json!({"container": "npm"})).unwrap().site;
    let npm = |host: &str| site.hosts[host].npm.clone().unwrap();
    assert_eq!((npm("default").reach, npm("default").container.as_deref()), (Reach::Auto, Some("npm")));
    assert_eq!((npm("nas").reach, npm("nas").container), (Reach::Published, None));
    assert_eq!(site.hosts["nas"].address, [PublicAddress::Ip([203, 0, 113, 10].into())], "where visitors come to NPM");
    assert_eq!(site.hosts["nas"].publish_ports, Some((20000, 20009)));
}

#[test]
fn the_ports_of_npm_docker_and_amarre_are_kept_on_their_hosts() {
    let nas = published(&json!({"docker": "tcp://nas.lan:2376"}));
    let hosts = json!({"default": {"docker": "unix:///var/run/docker.sock"}, "nas": nas});
    let kept = |hosts: &Json, npm: &Json, host: &str| -> Vec<String> {
        let site = config(hosts, npm).unwrap().site;
        site.hosts[host].kept_ports.iter().map(|(port, keeper)| format!("{port} {keeper:?}")).collect()
    };
    let npm = json!({"container": "npm", "url": "http://127.0.0.1:8181"});
    let (npms, amarres) = ("Npm(\"npm.main\")", "7070 Amarre(\"server.listen\")");
    let admin = "8181 Npm(\"npm.main.url\")".to_owned();
    let own = [format!("80 {npms}"), format!("443 {npms}"), amarres.to_owned(), admin];
    assert_eq!(kept(&hosts, &npm, "default"), own);
    assert_eq!(kept(&hosts, &npm, "nas"), ["2376 Docker(\"hosts.nas.docker\")", amarres]);
    // NPM runs beside Docker on this machine, and reaches containers by published ports.
    let here = json!({"default": published(&json!({"docker": "unix:///var/run/docker.sock"}))});
    let npm = json!({"reach": "published", "url": "http://localhost:8181"});
    assert_eq!(kept(&here, &npm, "default"), own);
    let elsewhere = json!({"reach": "published", "url": "http://npm.lan:81"});
    assert_eq!(kept(&here, &elsewhere, "default"), [amarres]);
}

#[test]
fn a_manifest_without_a_host_says_which_to_write() {
    let site = config(&json!({"nas": published(&json!({}))}), &json!({"reach": "published"})).unwrap().site;
    let file = SourceFile { path: "services/a.yaml".to_owned(), text: "name: shop\nimage: a:1\n".to_owned() };
    let found = load(&[file], &Assets::default(), &site).diagnostics;
    let said: Vec<String> =
        found.iter().flat_map(|one| [one.message.to_string(), one.hint.as_ref().unwrap().to_string()]).collect();
    assert_eq!(
        said,
        [
            "key `host` is missing: no host in amarre.yaml is called `default`",
            "write `host: nas`, or call that host `default` in amarre.yaml"
        ]
    );
}

#[test]
fn the_host_of_an_npm_is_configured() {
    let hosts = json!({"one": published(&json!({})), "two": {}});
    let site = config(&hosts, &json!({"container": "npm", "host": "two", "reach": "edge"})).unwrap().site;
    assert_eq!(site.hosts["one"].npm.as_ref().unwrap().reach, Reach::Published);
    assert_eq!(site.hosts["two"].npm.as_ref().unwrap().reach, Reach::Edge);
}

#[test]
fn a_host_that_the_only_npm_cannot_reach_has_none() {
    let site = config(&json!({"default": {}, "nas": {}}), &json!({"container": "npm"})).unwrap().site;
    assert!(site.hosts["default"].npm.is_some());
    assert!(site.hosts["nas"].npm.is_none());
}

#[test]
fn invalid_host_settings_are_refused() {
    let default = || json!({"default": {}});
    let cases = [
        (
            default(),
            json!({"reach": "published"}),
            "A0201: npm.main reaches host `default` by published ports, and hosts.default.private_address is not set",
        ),
        (
            json!({"default": {"private_address": "192.168.1.2"}}),
            json!({"reach": "published"}),
            "hosts.default.publish_ports is not set",
        ),
        (json!({"default": {}, "nas": {"npm": "main"}}), json!({}), "hosts.nas.private_address is not set"),
        (default(), json!({"reach": "edge"}), "npm.main.reach: edge needs `npm.main.container`"),
        (default(), json!({"reach": "everywhere"}), "npm.main.reach: `everywhere`"),
        (default(), json!({"host": "nas"}), "npm.main.host: there is no `hosts.nas`"),
        (
            json!({"one": published(&json!({})), "two": published(&json!({}))}),
            json!({}),
            "npm.main serves several hosts, and none of them is `default`",
        ),
        (json!({"default": {"publish_ports": "20000"}}), json!({}), "hosts.default.publish_ports: `20000`"),
        (json!({"default": {"publish_on": ["127.0.0.1"]}}), json!({}), "hosts.default.publish_on: `127.0.0.1`"),
        (json!({"default": {"publish_on": []}}), json!({}), "hosts.default.publish_on: ``"),
        (json!({"default": {"publish_ports": "2000-1000"}}), json!({}), "hosts.default.publish_ports: `2000-1000`"),
    ];
    for (hosts, npm, expected) in cases {
        let error = config(&hosts, &npm).err().unwrap_or_else(|| panic!("taken: {hosts} {npm}"));
        assert!(error.contains(expected), "{error}\nexpected {expected}");
    }
}
