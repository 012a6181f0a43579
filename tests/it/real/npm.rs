//! NPM as a container on the same engine: attached where it is needed, never cut, detached before the network goes.

use crate::support::supplies;
use amarre::providers::Provider;
use amarre::providers::docker::{DockerConfig, DockerProvider};
use amarre::secret::{MarkKey, Secrets};
use amarre_core::model::plan::Impact;
use amarre_core::model::{
    Address, Change, Expect, Fields, Gate, Kind, ProviderId, Reason, ReasonCode, Text, Value, Verb,
};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::apply::PLAIN;
use crate::support::nginx::RealFront;
use crate::support::rig::Rig;
use crate::support::{docker, docker_lines, free_port, image, inspect};

/// A container that stands for NPM: what it is called, and how it is told to reach containers.
fn use_npm(rig: &mut Rig, name: &str) {
    let main = json!({
        "url": rig.npm.server.url(), "identity": "amarre@amarre.demo", "secret": "changeme-npm", "container": name,
    });
    rig.settings.insert("npm".to_owned(), json!({"main": main}));
    rig.configure();
}

fn run_npm(name: &str, network: &str) {
    docker(&["run", "-d", "--name", name, "--network", network, image::ONE, "serve", "81"]);
}

fn endpoint(container: &str, network: &str) -> Json {
    inspect("container", container)["NetworkSettings"]["Networks"][network].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn npm_is_attached_detached_and_attached_again() {
    let mut rig = Rig::start().await;
    let (npm, own) = (rig.name("npm"), rig.name("proxy"));
    let network = format!("zz-amarre-{}", rig.name("plain"));
    docker(&["network", "create", "--subnet", &format!("10.{}.0.0/24", rig.octet), &own]);
    run_npm(&npm, &own);
    let before = endpoint(&npm, &own);
    use_npm(&mut rig, &npm);
    rig.write("plain.yaml", PLAIN);
    rig.apply().await;
    assert_eq!(endpoint(&npm, &network)["IPAddress"], format!("10.{}.1.2", rig.octet));
    assert_eq!(endpoint(&npm, &own), before, "its own network is as it was");
    assert!(!rig.gate.execs().is_empty(), "probed from where NPM stands");
    rig.assert_serves("plain", "amarre-test 2").await;

    // NPM is re-created, as an update of it does.
    docker(&["rm", "-f", &npm]);
    run_npm(&npm, &own);
    let plain = rig.containers()[&rig.name("plain")].clone();
    let ended = rig.apply().await;
    assert_eq!(endpoint(&npm, &network)["IPAddress"], format!("10.{}.1.2", rig.octet));
    assert_eq!(rig.containers()[&rig.name("plain")], plain, "{ended}");
    rig.forget();
    rig.apply().await;
    assert_eq!(rig.writes(), [""; 0]);

    rig.forget();
    let destroyed = rig.run(&["destroy", &rig.name("plain"), "--yes"]).await;
    assert_eq!(destroyed.code, 0, "{destroyed}");
    let writes = rig.gate.writes();
    let at =
        |what: &str| writes.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {writes:?}"));
    assert!(at("/disconnect") < at("DELETE /networks/"), "{writes:?}");
    assert!(endpoint(&npm, &network).is_null());
    assert_eq!(inspect("container", &npm)["State"]["Running"], true);
    rig.quiet().await;
}

/// Docker publishes ports through the network whose name sorts first: attaching would cut every site.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_npm_that_would_be_cut_is_not_attached() {
    let mut rig = Rig::start().await;
    let (npm, own) = (rig.name("npm"), format!("zzz-{}-proxy", rig.tag));
    docker(&["network", "create", "--subnet", &format!("10.{}.9.0/24", rig.octet), &own]);
    run_npm(&npm, &own);
    use_npm(&mut rig, &npm);
    rig.write("plain.yaml", PLAIN);
    // It waits for a person, to the end of its time.
    let ended = rig.run(&["apply", "--yes", "--timeout", "20s"]).await;
    assert!(ended.code == 3 && ended.out.contains("A0506"), "{ended}");
    let network = format!("zz-amarre-{}", rig.name("plain"));
    assert!(endpoint(&npm, &network).is_null(), "held for consent");
    assert!(rig.host(&rig.domain("plain")).is_none(), "no host that leads nowhere");
    assert!(rig.status_text().await.contains("docker network connect") || ended.out.contains("docker network connect"));
    // A person attaches it when it suits.
    docker(&["network", "connect", "--ip", &format!("10.{}.0.2", rig.octet), &network, &npm]);
    rig.apply().await;
    rig.assert_serves("plain", "amarre-test 2").await;
    docker(&["rm", "-f", &npm]);
    docker(&["network", "rm", &own]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_npm_on_the_hosts_own_network_needs_no_attachment() {
    let mut rig = Rig::start().await;
    let npm = rig.name("npm");
    docker(&["run", "-d", "--name", &npm, "--network", "host", image::ONE, "idle"]);
    let before = inspect("container", &npm)["NetworkSettings"].clone();
    use_npm(&mut rig, &npm);
    rig.write("plain.yaml", PLAIN);
    rig.apply().await;
    assert_eq!(inspect("container", &npm)["NetworkSettings"], before);
    assert!(!rig.gate.asked().iter().any(|line| line.ends_with("/connect")));
    rig.assert_serves("plain", "amarre-test 2").await;
}

/// A stopped container holds no endpoint: Docker would remove its network, and it would never start again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_npm_that_is_stopped_while_a_service_goes_starts_again() {
    let mut rig = Rig::start().await;
    let (npm, own) = (rig.name("npm"), rig.name("proxy"));
    docker(&["network", "create", "--subnet", &format!("10.{}.0.0/24", rig.octet), &own]);
    run_npm(&npm, &own);
    use_npm(&mut rig, &npm);
    rig.write("plain.yaml", PLAIN);
    rig.apply().await;
    let network = format!("zz-amarre-{}", rig.name("plain"));
    docker(&["stop", "-t", "0", &npm]);
    rig.forget();
    let destroyed = rig.run(&["destroy", &rig.name("plain"), "--yes"]).await;
    assert_eq!(destroyed.code, 0, "{destroyed}");
    assert!(!docker_lines(&["network", "ls", "--format", "{{.Name}}"]).contains(&network));
    docker(&["start", &npm]);
    assert_eq!(inspect("container", &npm)["State"]["Running"], true);
    assert!(endpoint(&npm, &network).is_null());

    // A foreign container that is configured on it, stopped, keeps the network.
    let resumed = rig.run(&["resume", &rig.name("plain")]).await;
    assert_eq!(resumed.code, 0, "{resumed}");
    rig.apply().await;
    let guest = rig.name("guest");
    docker(&["create", "--name", &guest, "--network", &network, image::ONE]);
    let held = rig.run(&["destroy", &rig.name("plain"), "--yes"]).await;
    assert_eq!(held.code, 3, "{held}");
    assert!(held.to_string().contains("Left: network"), "{held}");
    docker(&["start", &guest]);
    docker(&["rm", "-f", &guest]);
    docker(&["rm", "-f", &npm]);
    docker(&["network", "rm", &own]);
}

/// Visitors of other sites notice nothing of fifty services that come and go.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_long_download_through_npm_survives_fifty_attachments() {
    const ATTACHMENTS: u32 = 50;
    /// 10 bytes, doubled this often: 40 MiB, more than buffers on the way hold.
    const DOUBLED: u32 = 22;
    let rig = Rig::start().await;
    let (npm, own) = (rig.name("npm"), rig.name("proxy"));
    docker(&["network", "create", "--subnet", &format!("10.{}.0.0/24", rig.octet), &own]);
    let port = free_port();
    let published = format!("127.0.0.1:{port}:80");
    docker(&["run", "-d", "--name", &npm, "--network", &own, "-p", &published, image::ONE, "serve", "80"]);
    let grow = format!(
        "cd /www; echo 123456789 > big; i=0; while [ $i -lt {DOUBLED} ]; do cat big big > more; cat more > big; i=$((i+1)); done"
    );
    docker(&["exec", &npm, "sh", "-c", &grow]);

    let config = DockerConfig::new(
        ProviderId::docker("default"),
        "unix:///var/run/docker.sock",
        &rig.instance(),
        MarkKey::new([7; 32]),
    );
    let provider = DockerProvider::new(DockerConfig { npm_container: Some(npm.clone()), ..config }).unwrap();
    let apply = async |kind: Kind, name: &str, fields: Option<Fields>| {
        let address = Address::new(ProviderId::docker("default"), kind, name);
        let (verb, expects) = match fields {
            Some(fields) => (Verb::Create(fields), Expect::Absent),
            None => (Verb::Delete, Expect::Unchanged { vendor_id: name.to_owned(), fields: String::new() }),
        };
        let because = Reason { code: ReasonCode::ManifestNew, text: Text::default(), origin: None };
        let service = rig.name("many");
        let change = Change {
            address,
            service,
            verb,
            diff: Vec::new(),
            because,
            impact: Impact::default(),
            expects,
            gate: Gate::Now,
        };
        provider.apply(&change, supplies(&Secrets::new())).await.unwrap();
    };
    let mut download = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    download.write_all(b"GET /big HTTP/1.0\r\n\r\n").await.unwrap();
    let (mut length, mut part) = (0, vec![0; 64 * 1024]);
    for number in 0..ATTACHMENTS {
        let name = format!("zz-amarre-{}-{number}", rig.tag);
        let subnet = format!("10.{}.{}.{}/28", rig.octet, 200 + number / 16, number % 16 * 16);
        apply(Kind::Network, &name, Some(Fields::default().with("subnet", Value::text(subnet)))).await;
        let attachment = format!("{name}/{npm}");
        apply(Kind::Attachment, &attachment, Some(Fields::default())).await;
        // It goes on while networks come, and while they go.
        length += download.read(&mut part).await.unwrap();
        if number % 2 == 1 {
            apply(Kind::Attachment, &attachment, None).await;
            apply(Kind::Network, &name, None).await;
        }
    }
    let mut rest = Vec::new();
    download.read_to_end(&mut rest).await.unwrap();
    let whole = 10 << DOUBLED;
    assert!(length + rest.len() > whole, "{} of {whole} bytes", length + rest.len());
    docker(&["rm", "-f", &npm]);
    for number in (0..ATTACHMENTS).filter(|number| number % 2 == 0) {
        docker(&["network", "rm", &format!("zz-amarre-{}-{number}", rig.tag)]);
    }
    docker(&["network", "rm", &own]);
}

/// As a real nginx says it, in a real container.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_real_nginx_names_what_it_refuses_and_is_rescued() {
    let mut rig = Rig::start().await;
    let front = RealFront::start(&mut rig).await;
    let host = |name: &str| json!({"domain_names": [rig.domain(name)], "forward_scheme": "http", "forward_host": "192.0.2.7", "forward_port": 80});
    let (good, bad) = (rig.npm.seed_proxy_host(&host("good")), rig.npm.seed_proxy_host(&host("bad")));
    let well = rig.run(&["npm", "rescue"]).await;
    assert!(well.code == 0 && well.out.contains("nothing to rescue"), "{well}");
    // What passed once and does not any more, as a certificate whose files are gone.
    let file = rig.folder.path().join(format!("proxy_host/{bad}.conf"));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\nssl_certificate /data/custom_ssl/gone.pem; bogus;\n")).unwrap();

    let dry = rig.run(&["npm", "rescue", "--dry-run"]).await;
    let named = format!("proxy host {bad} {} would be switched off, not ours", rig.domain("bad"));
    assert!(dry.code == 2 && dry.out.contains(&named) && dry.out.contains("unknown directive \"bogus\""), "{dry}");
    let done = rig.run(&["npm", "rescue", "--yes"]).await;
    assert!(done.code == 0 && done.out.contains("takes its configuration again"), "{done}");
    let rows = rig.npm.rows(amarre_sim::npm::Kind::ProxyHost);
    let is_on = |id: u64| rows.iter().any(|row| row["id"] == id && row["enabled"] == true);
    assert_eq!((is_on(good), is_on(bad), file.exists()), (true, false, false));
    front.end();
}
