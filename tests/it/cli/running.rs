//! The daemon and its surroundings: a configuration that changes, systemd, logs.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value as Json, json};

use super::rig::{Rig, end, signal};
use crate::support::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_read_again_and_a_broken_one_changes_nothing() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", "name: web\nimage: web:1\nport: 80\nenvironment: {TEXT: '${GREETING:-none}'}\n");
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let text = || {
        let web = rig.docker.containers().into_iter().find(|container| container["Name"] == "/web");
        web.map(|web| web["Config"]["Env"].to_string()).unwrap_or_default()
    };
    let trouble = async || rig.json("/api/v1/status").await["configuration"]["error"].clone();
    eventually(60, "it is there", async || text().contains("TEXT=none")).await;

    let mut config = rig.config();
    config["vars"] = json!({"GREETING": "hello"});
    rig.file("amarre.yaml", &config.to_string());
    signal(&daemon, "HUP");
    eventually(60, "the new one is in force", async || text().contains("TEXT=hello")).await;
    assert_eq!(trouble().await, json!(null));

    rig.file("amarre.yaml", "frob: 1\n");
    signal(&daemon, "HUP");
    eventually(60, "status says so", async || trouble().await["code"] == "A0201").await;
    assert!(rig.log().contains("the configuration before stays in force"), "{}", rig.log());
    let status = rig.run_with(&["--config", "good.yaml", "status"], &[]).await;
    assert!(status.err.contains("A0201"), "there is no good.yaml: {status:?}");

    // What has to wait is said, and what need not is done.
    config["vars"] = json!({"GREETING": "hello again"});
    config["server"] = json!({"listen": "127.0.0.1:1"});
    rig.file("amarre.yaml", &config.to_string());
    signal(&daemon, "HUP");
    eventually(60, "all else is in force", async || text().contains("TEXT=hello again")).await;
    assert_eq!(trouble().await["code"], "A0222");
    assert!(trouble().await["message"].as_str().unwrap().starts_with("`server` changes with a restart only"));

    config["instance"] = json!("other");
    config["vars"] = json!({"GREETING": "not taken over"});
    rig.file("amarre.yaml", &config.to_string());
    signal(&daemon, "HUP");
    let said = "`instance` cannot change from home to other";
    eventually(60, "and says why", async || {
        trouble().await["message"].as_str().is_some_and(|message| message.starts_with(said))
    })
    .await;
    assert!(text().contains("TEXT=hello again"), "{}", text());
    assert_eq!(end(daemon).await, 0);
}

/// Server and source change with a restart only, so what they are now stays closed to manifests when the file is read again.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_keeps_running_folders_closed_to_manifests() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", "name: web\nimage: web:1\nenvironment: {TEXT: '${GREETING:-none}'}\n");
    let mut config = rig.config();
    config["server"]["webhook_secret"] = json!({"secret": "hook"});
    rig.file("amarre.yaml", &config.to_string());
    let daemon = rig.daemon(&["--yes"], &[("AMARRE_SECRET_HOOK", "a secret of sixteen or more")]).await;
    config["server"] = json!({"listen": "127.0.0.1:1"});
    config["vars"] = json!({"GREETING": "hello"});
    rig.file("amarre.yaml", &config.to_string());
    signal(&daemon, "HUP");
    eventually(60, "the file is read again", async || {
        let error = &rig.json("/api/v1/status").await["configuration"]["error"];
        error["code"] == "A0222"
    })
    .await;
    let to = |port: u16| format!("routes: [{{domain: page, to: 'http://nas.example.net:{port}'}}]");
    rig.file("services/running.yaml", &format!("{{kind: Route, name: running, {}}}\n", to(rig.port)));
    rig.file("services/next.yaml", &format!("{{kind: Route, name: next, {}}}\n", to(1).replace("page", "other")));
    rig.file("services/hook.yaml", "name: hook\nimage: web:1\nenvironment: {TOKEN: {secret: hook}}\n");
    for (name, code) in [("running", "A0271"), ("next", "A0271"), ("hook", "A0260")] {
        eventually(60, &format!("{name} is refused"), async || {
            rig.json(&format!("/api/v1/services/{name}")).await["error"]["code"] == code
        })
        .await;
    }
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_notified_of_each_state() {
    let rig = Rig::start().await;
    let path = rig.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let next = || {
        let mut message = [0; 256];
        let length = socket.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let wanted = |wanted: &str| loop {
        let message = tokio::task::block_in_place(next);
        if message.starts_with(wanted) {
            return message;
        }
        assert!(message.starts_with("WATCHDOG=1"), "{wanted} was to come, not {message}");
    };
    let env = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "400000")];
    let daemon = rig.daemon(&[], &env).await;
    wanted("READY=1");
    wanted("WATCHDOG=1");
    let monotonic = || Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap().as_micros();
    let before = monotonic();
    signal(&daemon, "HUP");
    let reloading = wanted("RELOADING=1");
    let at: u128 = reloading.split_once("MONOTONIC_USEC=").unwrap().1.parse().unwrap();
    assert!((before..=monotonic()).contains(&at), "{before} {at}");
    wanted("READY=1");
    signal(&daemon, "TERM");
    wanted("STOPPING=1");
    assert_eq!(end_without_signal(daemon).await, 0);
}

async fn end_without_signal(mut child: tokio::process::Child) -> i32 {
    tokio::time::timeout(Duration::from_secs(60), child.wait()).await.unwrap().unwrap().code().unwrap_or(-1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_log_names_run_and_service_and_no_secret() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", "name: web\nimage: web:1\nenvironment: {PASSWORD: {secret: web}}\n");
    rig.file("services/sick.yaml", "name: sick\nimage: nowhere.example.net/a:1\n");
    let env = [("AMARRE_SERVICE_SECRET_WEB", "canary-4711"), ("AMARRE_LOG_FORMAT", "json"), ("AMARRE_LOG", "trace")];
    let daemon = rig.daemon(&["--yes"], &env).await;
    let lines = || -> Vec<Json> {
        rig.log()
            .lines()
            .filter(|line| line.starts_with('{'))
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    };
    let says = |service: &str, level: &str| {
        lines().iter().any(|line| {
            line["level"] == level && line["fields"]["service"] == service && line["fields"]["run"].is_i64()
        })
    };
    eventually(60, "what was made is logged", async || says("web", "INFO")).await;
    eventually(60, "and what did not work", async || says("sick", "WARN")).await;
    // The container is read again, with every variable of it.
    rig.run(&["status", "web"]).await;
    rig.run(&["reconcile", "web", "--timeout", "1s"]).await;
    assert_eq!(end(daemon).await, 0);
    assert!(!rig.log().contains("canary-4711") && !rig.log().contains("changeme-npm"), "{}", rig.log());
}
