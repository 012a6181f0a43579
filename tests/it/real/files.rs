//! Files of the source and secrets, on the real engine: there before the container's program begins.

use crate::support::docker_lines;
use crate::support::rig::Rig;

const WEB: &str = "
name: TAG-web
compose: web/compose.yaml
port: 80
";

const COMPOSE: &str = "
services:
  web:
    image: amarre-test:1
    command: [serve, '80']
    user: '0'
    volumes:
      - ./page.html:/www/index.html:ro
      - ./conf:/etc/conf:ro
      - data:/data
      - ./seed.txt:/data/seed.txt
    configs:
      - {source: greeting, target: /etc/deep/er/greeting, uid: '1000', gid: '1001', mode: 0640}
    secrets: [token, {source: given, mode: 0400}]
configs: {greeting: {content: 'hello ${WHO}'}}
secrets:
  token: {external: true, name: shared/token}
  given: {file: ./given.txt}
volumes: {data: {}}
";

fn cat(rig: &Rig, path: &str) -> String {
    docker_lines(&["exec", &rig.name("web"), "cat", path]).join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn files_and_secrets_are_there_before_the_start() {
    let rig = Rig::start().await;
    let services = rig.folder.path().join("services");
    std::fs::create_dir_all(services.join("web/conf/sub")).unwrap();
    std::fs::create_dir_all(rig.folder.path().join("secrets/services/shared")).unwrap();
    std::fs::write(rig.folder.path().join("secrets/services/shared/token"), "canary-77aa").unwrap();
    let files = [
        ("page.html", "one\n"),
        ("conf/sub/a.conf", "a = 1"),
        ("seed.txt", "seed"),
        ("given.txt", "given"),
        (".env", "WHO=world"),
        ("compose.yaml", COMPOSE),
    ];
    for (name, text) in files {
        std::fs::write(services.join("web").join(name), text).unwrap();
    }
    rig.write("web.yaml", WEB);
    rig.apply().await;
    rig.assert_serves("web", "one").await;
    assert_eq!(cat(&rig, "/etc/conf/sub/a.conf"), "a = 1");
    assert_eq!(cat(&rig, "/etc/deep/er/greeting"), "hello world");
    assert_eq!(cat(&rig, "/run/secrets/token"), "canary-77aa");
    assert_eq!(cat(&rig, "/data/seed.txt"), "seed");
    let rights = |path: &str| {
        let line = docker_lines(&["exec", &rig.name("web"), "ls", "-ln", path]).join("");
        line.split_whitespace().take(4).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(rights("/etc/deep/er/greeting"), ["-rw-r-----", "1", "1000", "1001"]);
    assert_eq!(rights("/run/secrets/given"), ["-r--------", "1", "0", "0"]);
    let said = docker_lines(&["inspect", &rig.name("web")]).join("\n");
    assert!(!said.contains("canary-77aa"), "a secret shows");

    let before = rig.containers();
    rig.forget();
    rig.apply().await;
    assert_eq!(rig.writes(), [""; 0]);
    std::fs::write(services.join("web/page.html"), "two\n").unwrap();
    rig.apply().await;
    rig.assert_serves("web", "two").await;
    assert_ne!(rig.containers(), before);
    // What is in use stays: another secret is another container, the ledger or not.
    std::fs::write(rig.folder.path().join("secrets/services/shared/token"), "canary-88bb").unwrap();
    rig.apply().await;
    assert_eq!(cat(&rig, "/run/secrets/token"), "canary-88bb");
    for name in ["amarre.db", "amarre.db-wal"] {
        let ledger = std::fs::read(rig.state().join(name)).unwrap_or_default();
        let shows = |canary: &str| ledger.windows(canary.len()).any(|window| window == canary.as_bytes());
        assert!(!shows("canary-77aa") && !shows("canary-88bb"), "a secret is in {name}");
    }
}
