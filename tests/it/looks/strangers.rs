//! Resources of foreign containers, and NPM's own: a service's name gives no right to them.

use amarre_core::model::Code;
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

/// NPM's container in the place of the usual one.
fn npm_with(rig: &Stepped, mode: &str, ports: &[(&str, &str)]) {
    rig.docker.remove("npm").unwrap();
    let exposed: serde_json::Map<String, Json> =
        ports.iter().map(|(target, _)| ((*target).to_owned(), json!({}))).collect();
    let bound = |(target, port): &(&str, &str)| ((*target).to_owned(), json!([{"HostIp": "", "HostPort": port}]));
    let bindings: serde_json::Map<String, Json> = ports.iter().map(bound).collect();
    let body = json!({
        "Image": "npm:2", "Labels": {"com.docker.compose.project": "proxy"}, "ExposedPorts": exposed,
        "HostConfig": {"NetworkMode": mode, "PortBindings": bindings},
    });
    rig.docker.seed("npm", body).unwrap();
}

/// Services that publish these ports, called after them.
fn publishing(rig: &Stepped, ports: &[&str]) {
    for port in ports {
        let name = format!("on-{port}");
        rig.write(
            &format!("{name}.yaml"),
            &format!("{{name: {name}, image: 'web:1', ports: ['127.0.0.1:{port}:80']}}\n"),
        );
    }
}

#[tokio::test]
async fn no_manifest_gets_the_name_ports_or_neighbours_of_npm() {
    let mut rig = rig().await;
    npm_with(&rig, "npm_default", &[("80/tcp", "18080"), ("81/tcp", "18081")]);
    foreign(
        &rig,
        "proxy-db-1",
        json!({"Binds": ["proxy_db:/var/lib"]}),
        json!({"com.docker.compose.project": "proxy"}),
    );
    rig.pass_until_settled().await;
    // While it is re-created, nothing takes its place.
    rig.docker.remove("npm").unwrap();
    rig.docker.remove("proxy-db-1").unwrap();
    publishing(&rig, &["18080", "18081", "18082"]);
    keeping(&rig, "three", ", container_name: npm");
    keeping(&rig, "proxy", "");
    rig.write("proxy/compose.yaml", "services: {proxy: {image: 'web:1', volumes: ['db:/x']}}\nvolumes: {db: }\n");
    rig.pass_until_settled().await;
    assert_held(&rig, "proxy", "A0442", &["proxy_db"]);
    rig.restart().await;
    rig.pass_until_settled().await;
    assert_held(&rig, "on-18080", "A0442", &["port 18080/tcp", "NPM's container npm"]);
    assert_held(&rig, "on-18081", "A0442", &["port 18081/tcp"]);
    let (code, text) = held(&rig, "three").unwrap();
    assert!(code == "A0442" && text.contains("the name npm"), "{text}");
    assert!(is_made(&rig, "on-18082"), "{:?}", held(&rig, "on-18082"));
}

#[tokio::test]
async fn no_manifest_gets_a_port_of_an_npm_that_is_stopped_when_amarre_starts() {
    let mut rig = rig().await;
    npm_with(&rig, "npm_default", &[("443/tcp", "18443")]);
    rig.docker.stop("npm").unwrap();
    publishing(&rig, &["18443", "18444"]);
    rig.pass_until_settled().await;
    assert_held(&rig, "on-18443", "A0442", &["port 18443/tcp", "NPM's container npm"]);
    assert!(is_made(&rig, "on-18444"), "{:?}", held(&rig, "on-18444"));
}

#[tokio::test]
async fn no_manifest_gets_a_port_at_which_npm_listens_on_the_hosts_network() {
    let mut rig = rig().await;
    npm_with(&rig, "host", &[]);
    let ssh = json!({"incoming_port": 2222, "forwarding_host": "192.0.2.7", "forwarding_port": 22, "tcp_forwarding": true, "udp_forwarding": false});
    rig.npm.seed_stream(&ssh);
    publishing(&rig, &["2222", "3000", "3001"]);
    rig.pass_until_settled().await;
    for away in [false, true] {
        if away {
            rig.npm.backend_down(true);
            rig.docker.remove("npm").unwrap();
            rig.restart().await;
            rig.pass().await;
        }
        assert_held(&rig, "on-2222", "A0442", &["port 2222/tcp", "NPM's stream 2222"]);
        assert_held(&rig, "on-3000", "A0442", &["port 3000/tcp", "NPM's container npm"]);
        assert!(is_made(&rig, "on-3001"), "{:?}", held(&rig, "on-3001"));
    }
}

#[tokio::test]
async fn the_container_that_publishes_npms_port_is_npms_where_none_is_named() {
    let mut rig = Stepped::in_setting(options(), Setting { is_npm_unnamed: true, ..Setting::default() }).await;
    npm_with(&rig, "npm_default", &[("80/tcp", "80"), ("443/tcp", "18443")]);
    rig.pass_until_settled().await;
    rig.docker.stop("npm").unwrap();
    publishing(&rig, &["18443", "18444"]);
    rig.restart().await;
    rig.pass_until_settled().await;
    assert_held(&rig, "on-18443", "A0442", &["port 18443/tcp", "NPM's container npm"]);
    assert!(is_made(&rig, "on-18444"), "{:?}", held(&rig, "on-18444"));
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

/// An operator starts the old container again, beside the new one: two databases on one volume destroy it.
#[tokio::test]
async fn a_second_writer_beside_a_running_container_is_reported() {
    let mut rig = Stepped::in_setting(options(), Setting { allows_all: true, ..Setting::default() }).await;
    rig.write("kuma.yaml", "{name: kuma, image: 'npm:2', volumes: ['data:/data']}\n");
    rig.write("album.yaml", "{name: album, image: 'npm:2', data: shared, volumes: ['data:/data']}\n");
    rig.pass_until_settled().await;
    foreign(&rig, "kuma-1", json!({"Binds": ["kuma_data:/data"]}), json!({}));
    foreign(&rig, "album-1", json!({"Binds": ["album_data:/data"]}), json!({}));
    rig.docker.seed("backup-1", json!({"Image": "web:1", "HostConfig": {"Binds": ["album_data:/data"]}})).unwrap();
    rig.pass_until_settled().await;
    let reported = |rig: &Stepped, name: &str| {
        let row = rig.engine.last_pass().statuses()[name].clone();
        (row.attention, row.code, row.what_now.to_string(), row.hints.first().and_then(|hint| hint.command.clone()))
    };
    let (needs, code, what, way_out) = reported(&rig, "kuma");
    assert!(needs && code == Some(Code::A0446), "{what}");
    assert_eq!(what, "containers kuma and kuma-1 both write to volume kuma_data");
    assert_eq!(way_out.as_deref(), Some("docker stop kuma-1"));
    assert!(!reported(&rig, "album").0, "both are to write there");
    rig.docker.stop("kuma-1").unwrap();
    rig.pass_until_settled().await;
    assert!(!reported(&rig, "kuma").0);
}
