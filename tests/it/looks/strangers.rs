//! Resources of foreign containers, and NPM's own: a service's name gives no right to them.

use amarre_sim::docker::DockerOptions;
use serde_json::{Value as Json, json};

use super::binds::{assert_held, held, is_made};
use crate::support::stepped::{Setting, Stepped, options};

/// An engine whose host has these folders, and the default policy.
async fn rig() -> Stepped {
    let folders = ["/srv/blog", "/srv/blog/html", "/srv/wiki", "/srv/wiki/pages", "/srv/shop", "/etc/localtime"];
    let host_paths = Some(folders.map(str::to_owned).into());
    Stepped::with(DockerOptions { host_paths, ..options() }).await
}

fn foreign(rig: &Stepped, name: &str, host: Json, labels: Json) {
    rig.docker.seed(name, json!({"Image": "npm:2", "Labels": labels, "HostConfig": host})).unwrap();
}

fn keeping(rig: &Stepped, name: &str, keys: &str) {
    let compose = format!("services: {{{name}: {{image: 'web:1'{keys}}}}}\nvolumes: {{data: }}\n");
    std::fs::create_dir_all(rig.folder.path().join("services").join(name)).unwrap();
    rig.write(&format!("{name}.yaml"), &format!("name: {name}\ncompose: ./{name}/compose.yaml\n"));
    rig.write(&format!("{name}/compose.yaml"), &compose);
}

#[tokio::test]
async fn a_volume_that_was_there_is_not_the_services_for_its_name() {
    let mut rig = rig().await;
    foreign(&rig, "cloud-db-1", json!({"Binds": ["cloud_data:/var/lib"]}), json!({}));
    rig.docker.seed_volume("old_data").unwrap();
    rig.docker.seed_volume("named_data").unwrap();
    let mounted = ", volumes: ['data:/x']";
    keeping(&rig, "cloud", mounted);
    keeping(&rig, "old", mounted);
    keeping(&rig, "fresh", mounted);
    keeping(&rig, "named", mounted);
    let external = "services: {named: {image: 'web:1', volumes: ['data:/x']}}\nvolumes: {data: {external: true, name: named_data}}\n";
    rig.write("named/compose.yaml", external);
    rig.pass_until_settled().await;
    assert_held(&rig, "cloud", "A0444", &["cloud_data", "container cloud-db-1", "policy.volumes"]);
    assert_held(&rig, "old", "A0444", &["old_data"]);
    assert_held(&rig, "named", "A0444", &["named_data"]);
    assert!(is_made(&rig, "fresh"), "{:?}", held(&rig, "fresh"));

    // What was made when the volume was free stays as it is.
    keeping(&rig, "fresh", ", volumes: ['data:/x'], environment: {A: b}");
    foreign(&rig, "thief", json!({"Binds": ["fresh_data:/x"]}), json!({}));
    rig.pass_until_settled().await;
    assert_eq!(held(&rig, "fresh"), None);
}

#[tokio::test]
async fn a_folder_that_another_container_has_is_not_the_services_for_its_name() {
    let mut rig = rig().await;
    let binds = json!({"Binds": ["/srv/blog/html:/x", "/srv/wiki:/y:ro", "/etc/localtime:/etc/localtime:ro"]});
    foreign(&rig, "web-1", binds, json!({}));
    keeping(&rig, "blog", ", volumes: ['/srv/blog:/x']");
    keeping(&rig, "wiki", ", volumes: ['/srv/wiki/pages:/x:ro']");
    keeping(&rig, "shop", ", volumes: ['/srv/shop:/x']");
    rig.pass_until_settled().await;
    assert_held(&rig, "blog", "A0445", &["/srv/blog", "container web-1", "policy.host_paths"]);
    assert_held(&rig, "wiki", "A0445", &["/srv/wiki"]);
    assert!(is_made(&rig, "shop"), "{:?}", held(&rig, "shop"));

    rig.docker.remove("web-1").unwrap();
    rig.pass().await;
    rig.pass_until_settled().await;
    assert!(is_made(&rig, "blog") && is_made(&rig, "wiki"), "{:?}", held(&rig, "blog"));
    // A foreign container that comes later takes nothing away.
    foreign(&rig, "late", json!({"Binds": ["/srv/blog:/x"]}), json!({}));
    keeping(&rig, "blog", ", volumes: ['/srv/blog:/x'], environment: {A: b}");
    rig.pass_until_settled().await;
    assert_eq!(held(&rig, "blog"), None);
}

#[tokio::test]
async fn no_manifest_gets_the_name_ports_or_neighbours_of_npm() {
    let mut rig = rig().await;
    rig.docker.remove("npm").unwrap();
    let label = json!({"com.docker.compose.project": "proxy"});
    let body = json!({
        "Image": "npm:2", "Labels": label, "ExposedPorts": {"80/tcp": {}, "81/tcp": {}},
        "HostConfig": {"NetworkMode": "npm_default", "PortBindings": {
            "80/tcp": [{"HostIp": "", "HostPort": "80"}], "81/tcp": [{"HostIp": "127.0.0.1", "HostPort": "81"}],
        }},
    });
    rig.docker.seed("npm", body).unwrap();
    foreign(&rig, "proxy-db-1", json!({"Binds": ["proxy_db:/var/lib"]}), label);
    rig.pass_until_settled().await;
    // While it is made again, nothing takes its place.
    rig.docker.remove("npm").unwrap();
    rig.docker.remove("proxy-db-1").unwrap();
    keeping(&rig, "one", ", ports: ['80:80']");
    keeping(&rig, "two", ", ports: ['127.0.0.1:81:81']");
    keeping(&rig, "three", ", container_name: npm");
    keeping(&rig, "proxy", "");
    rig.write("proxy/compose.yaml", "services: {proxy: {image: 'web:1', volumes: ['db:/x']}}\nvolumes: {db: }\n");
    keeping(&rig, "four", ", ports: ['8080:80']");
    rig.pass_until_settled().await;
    assert_held(&rig, "one", "A0442", &["port 80/tcp", "NPM's container npm"]);
    assert_held(&rig, "two", "A0442", &["port 81/tcp"]);
    assert_held(&rig, "proxy", "A0442", &["proxy_db"]);
    let (code, text) = held(&rig, "three").unwrap();
    assert!(code == "A0442" && text.contains("the name npm"), "{text}");
    assert!(is_made(&rig, "four"), "{:?}", held(&rig, "four"));
}

/// A stack that still runs beside the manifest that is to follow it: no second writer, no port twice, no empty start.
#[tokio::test]
async fn a_running_container_holds_its_successor_until_it_stops() {
    let options = DockerOptions { host_paths: Some(["/srv/photos".to_owned()].into()), ..options() };
    let mut rig = Stepped::in_setting(options, Setting { allows_all: true, ..Setting::default() }).await;
    let compose = json!({"com.docker.compose.project": "kuma"});
    foreign(&rig, "kuma-1", json!({"Binds": ["kuma:/data"]}), compose);
    foreign(&rig, "photos-1", json!({"Binds": ["/srv/photos:/p"]}), json!({}));
    let ports = json!({"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "3001"}]});
    let uptime = json!({
        "Image": "npm:2", "ExposedPorts": {"80/tcp": {}},
        "HostConfig": {"NetworkMode": "bridge", "PortBindings": ports},
    });
    rig.docker.seed("uptime-1", uptime).unwrap();
    let external = "{type: volume, source: kuma, target: /data, external: true}";
    rig.write("kuma.yaml", &format!("{{name: kuma, image: 'web:1', volumes: [{external}]}}\n"));
    rig.write("reads.yaml", "{name: reads, image: 'web:1', volumes: ['/srv/photos:/p:ro']}\n");
    rig.write("photos.yaml", "{name: photos, image: 'web:1', volumes: ['/srv/photos:/p']}\n");
    rig.write("album.yaml", "{name: album, image: 'web:1', data: shared, volumes: ['/srv/photos:/p']}\n");
    rig.write("uptime.yaml", "{name: uptime, image: 'web:1', ports: ['127.0.0.1:3001:80']}\n");
    rig.write("beside.yaml", "{name: beside, image: 'npm:2', volumes: ['data:/data']}\n");
    rig.pass_until_settled().await;
    assert_held(&rig, "kuma", "A0446", &["volume kuma", "container kuma-1, which runs", "docker stop kuma-1"]);
    assert_held(&rig, "photos", "A0446", &["/srv/photos", "container photos-1", "data: shared"]);
    assert_held(&rig, "uptime", "A0447", &["port 3001/tcp", "container uptime-1", "docker stop uptime-1"]);
    let keep = "{type: volume, source: kuma, target: /data, external: true}";
    assert_held(&rig, "beside", "A0419", &["volume kuma", "container kuma-1", "volume beside_data", keep, "data: new"]);
    for free in ["reads", "album"] {
        assert!(is_made(&rig, free), "{free}: {:?}", held(&rig, free));
    }

    rig.write("beside.yaml", "{name: beside, image: 'npm:2', data: new, volumes: ['data:/data']}\n");
    for stopped in ["kuma-1", "photos-1", "uptime-1"] {
        rig.docker.stop(stopped).unwrap();
    }
    rig.pass().await;
    rig.pass_until_settled().await;
    for made in ["kuma", "photos", "uptime", "beside"] {
        assert!(is_made(&rig, made), "{made}: {:?}", held(&rig, made));
    }
}
