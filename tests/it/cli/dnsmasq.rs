//! Records in a dnsmasq of this machine: written to its folder, answered by the real one, corrected, removed.

use std::path::Path;

use serde_json::json;
use tokio::process::Command;

use super::ends;
use super::rig::Rig;
use crate::support::{eventually, free_port};

const WEB: &str = "name: web\nimage: web:1\nport: 80\n";
const RECORDS: &str = "\
{kind: Record, name: www.home.example, type: CNAME, value: web.home.example.}
---
{kind: Record, name: note.home.example, type: TXT, value: 'said \"so\", twice'}
";

/// A dnsmasq, and what starts it again when it ends: systemd's `Restart=always`. Ends with the test's runtime.
async fn supervised(folder: &Path, port: u16) {
    std::fs::create_dir(folder.join("dnsmasq.d")).unwrap();
    std::fs::write(folder.join("dnsmasq.d/others.conf"), "host-record=mail.home.example,192.0.2.7\n").unwrap();
    let at = folder.display();
    let options = format!(
        "port={port}\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\nno-hosts\nlocal=/home.example/\n\
         conf-dir={at}/dnsmasq.d,*.conf\npid-file={at}/dnsmasq.pid\nuser=root\n"
    );
    std::fs::write(folder.join("dnsmasq.conf"), options).unwrap();
    let file = folder.join("dnsmasq.conf");
    tokio::spawn(async move {
        loop {
            let mut dnsmasq = Command::new("dnsmasq");
            let ended = dnsmasq.arg("-k").arg("-C").arg(&file).kill_on_drop(true).status().await;
            assert!(ended.unwrap().success(), "dnsmasq refuses its configuration");
        }
    });
    eventually(60, "dnsmasq answers", async || ask(port, "mail.home.example", "A").await == "192.0.2.7").await;
}

/// What an independent client hears.
async fn ask(port: u16, name: &str, record_type: &str) -> String {
    let port = port.to_string();
    let arguments = ["+short", "+tries=3", "+time=5", "@127.0.0.1", "-p", &port, name, record_type];
    let output = Command::new("dig").args(arguments).output().await.unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

async fn rig() -> (Rig, u16) {
    let (rig, port) = (Rig::start().await, free_port());
    supervised(rig.path(), port).await;
    let mut config = rig.config();
    config["domains"] = json!(["home.example"]);
    config["dnsmasq"] = json!({
        "conf_dir": "dnsmasq.d", "pid_file": "dnsmasq.pid", "zones": ["home.example"], "servers": [format!("127.0.0.1:{port}")],
    });
    rig.file("amarre.yaml", &format!("{config:#}"));
    (rig, port)
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_answered_corrected_and_removed() {
    let (rig, port) = rig().await;
    rig.file("services/web.yaml", WEB);
    rig.file("services/records.yaml", RECORDS);
    let elsewhere = rig.ovh.records("example.org");
    rig.apply().await;
    assert_eq!(ask(port, "web.home.example", "A").await, "203.0.113.10");
    assert_eq!(ask(port, "www.home.example", "CNAME").await, "web.home.example.");
    assert_eq!(ask(port, "note.home.example", "TXT").await, "\"said \\\"so\\\", twice\"");
    assert!(ask(port, "_amarre.web.home.example", "TXT").await.contains("heritage=amarre"));
    assert_eq!(rig.ovh.records("example.org"), elsewhere, "the other provider of zones was not asked to write");

    let own = rig.path().join("dnsmasq.d/amarre.conf");
    let text = std::fs::read_to_string(&own).unwrap();
    std::fs::write(&own, text.replace("203.0.113.10", "192.0.2.66")).unwrap();
    ends(&rig.run(&["plan", "--detailed-exitcode"]).await, 2, &["web.home.example", "192.0.2.66"]);
    rig.apply().await;
    assert_eq!(ask(port, "web.home.example", "A").await, "203.0.113.10");

    std::fs::remove_file(rig.path().join("services/web.yaml")).unwrap();
    std::fs::remove_file(rig.path().join("services/records.yaml")).unwrap();
    let removed = rig.run(&["apply", "--yes", "--confirm-deletes", "3", "--timeout", "60s"]).await;
    ends(&removed, 0, &[]);
    ends(&rig.run(&["plan", "--detailed-exitcode"]).await, 0, &[]);
    assert_eq!(std::fs::read_to_string(&own).unwrap().lines().count(), 1, "its first line alone");
    assert_eq!(ask(port, "mail.home.example", "A").await, "192.0.2.7", "the file of somebody else stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dnsmasq_cannot_hold_is_refused_with_a_reason() {
    let (rig, _) = rig().await;
    for (manifest, words) in [
        ("{kind: Record, name: mail.home.example, type: A, value: 192.0.2.8}", ["A0405", "is not ours"]),
        ("{kind: Record, name: x.home.example, type: SRV, value: 1 1 80 a.home.example.}", ["and no SRV", "dnsmasq"]),
        ("{kind: Record, name: y.example.net., type: A, value: 192.0.2.8}", ["A0701", "y.example.net"]),
    ] {
        rig.file("services/record.yaml", manifest);
        ends(&rig.run(&["plan"]).await, 0, &words);
    }
    // The process that the file names now is another one.
    rig.file("services/record.yaml", "{kind: Record, name: z.home.example, type: A, value: 192.0.2.8}");
    rig.file("other.pid", "1");
    let mut config: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(rig.path().join("amarre.yaml")).unwrap()).unwrap();
    config["dnsmasq"]["pid_file"] = json!("other.pid");
    rig.file("amarre.yaml", &format!("{config:#}"));
    ends(&rig.run(&["apply", "--yes", "--timeout", "50s"]).await, 3, &["A0703", "which is no dnsmasq"]);
    config["dnsmasq"]["zones"] = json!([]);
    rig.file("amarre.yaml", &format!("{config:#}"));
    ends(&rig.run(&["plan"]).await, 1, &["A0201", "dnsmasq.zones names no zone"]);
}
