//! The keys of one drawn container, made to fit: of two that contradict each other one.
#![expect(clippy::wildcard_enum_match_arm, reason = "JSON has the forms that it has")]

use serde_json::{Map, Value as Json, json};

use crate::coherent::Stock;
use crate::dice::Dice;
use crate::generate::Ground;

/// With the first there may be none of the others.
const EXCLUDES: &[(&str, &[&str])] = &[
    ("cpus", &["cpu_period", "cpu_quota"]),
    ("uts", &["hostname", "domainname"]),
    ("gpus", &["deploy"]),
    ("oom_kill_disable", &["deploy"]),
];
/// Without the network's own namespace none of these.
const OF_NETWORKS: [&str; 11] = [
    "ports",
    "networks",
    "hostname",
    "domainname",
    "dns",
    "dns_opt",
    "dns_search",
    "extra_hosts",
    "expose",
    "mac_address",
    "sysctls",
];

/// Makes it right. `earlier` are the siblings on which it may depend.
pub fn make(
    container: &mut Map<String, Json>,
    ground: &Ground,
    dice: &mut Dice,
    earlier: &[String],
    stock: &mut Stock,
) {
    if !ground.images.is_empty() {
        container.insert("image".to_owned(), json!(dice.pick(&ground.images)));
    }
    siblings(container, earlier);
    if container.contains_key("network_mode") {
        OF_NETWORKS.iter().for_each(|key| drop(container.remove(*key)));
    }
    for (key, others) in EXCLUDES {
        if container.contains_key(*key) {
            others.iter().for_each(|other| drop(container.remove(*other)));
        }
    }
    if container.contains_key("container_name") {
        stock.names += 1;
        container.insert("container_name".to_owned(), json!(format!("own_name{}", stock.names)));
    }
    limits(container);
    ports(container, &mut stock.port);
    mounts(container, earlier.len());
    if let Some(check) = container.get_mut("healthcheck").and_then(Json::as_object_mut) {
        if check.get("disable") == Some(&json!(true)) {
            check.retain(|key, _| key == "disable");
        } else if check.keys().any(|key| key != "disable") && !check.contains_key("test") {
            check.insert("test".to_owned(), json!("true"));
        }
    }
    gpus(container);
    if container.get("logging").is_some_and(|logging| *logging == json!({})) {
        container.remove("logging");
    }
}

/// References to siblings, or none.
fn siblings(container: &mut Map<String, Json>, earlier: &[String]) {
    let first = earlier.first();
    for key in ["network_mode", "pid", "ipc"] {
        if container.get(key).is_some_and(|mode| mode == "service:SIBLING") {
            match first {
                Some(sibling) => drop(container.insert(key.to_owned(), json!(format!("service:{sibling}")))),
                None => drop(container.remove(key)),
            }
        }
    }
    let Some(needs) = container.remove("depends_on") else { return };
    let Some(first) = first else { return };
    let needs = match needs {
        Json::Object(map) => json!({first: map.values().next()}),
        _ => json!([first]),
    };
    container.insert("depends_on".to_owned(), needs);
}

/// One whose end is waited for can end: nobody starts it again, and nobody asks it over a port.
pub fn ends(containers: &mut Map<String, Json>) {
    let waited: Vec<String> = containers
        .values()
        .filter_map(|container| container.get("depends_on")?.as_object())
        .flatten()
        .filter(|(_, need)| need["condition"] == "service_completed_successfully")
        .map(|(key, _)| key.clone())
        .collect();
    for key in waited {
        let Some(container) = containers.get_mut(&key).and_then(Json::as_object_mut) else { continue };
        for said in ["ports", "restart"] {
            container.remove(said);
        }
        if let Some(deploy) = container.get_mut("deploy").and_then(Json::as_object_mut) {
            deploy.remove("restart_policy");
        }
    }
}

/// What `deploy` says may not stand beside the keys that say the same.
fn limits(container: &mut Map<String, Json>) {
    const SAME: [(&str, &str, &str); 5] = [
        ("limits", "cpus", "cpus"),
        ("limits", "memory", "mem_limit"),
        ("limits", "pids", "pids_limit"),
        ("reservations", "memory", "mem_reservation"),
        ("reservations", "devices", "gpus"),
    ];
    if container.contains_key("memswap_limit") && !container.contains_key("mem_limit") {
        container.insert("mem_limit".to_owned(), json!("512m"));
    }
    let own: Vec<String> = container.keys().cloned().collect();
    let has = |key: &str| own.iter().any(|own| own == key);
    if let Some(deploy) = container.get_mut("deploy").and_then(Json::as_object_mut) {
        if has("restart") {
            deploy.remove("restart_policy");
        }
        if let Some(policy) = deploy.get_mut("restart_policy").and_then(Json::as_object_mut)
            && policy.get("condition").is_none_or(|condition| condition != "on-failure")
        {
            policy.remove("max_attempts");
        }
        for (part, key, same) in SAME {
            let clash = has(same) || (key == "cpus" && (has("cpu_period") || has("cpu_quota")));
            if clash
                && let Some(part) =
                    deploy.get_mut("resources").and_then(|r| r.get_mut(part)).and_then(Json::as_object_mut)
            {
                part.remove(key);
            }
        }
    }
    // More is reserved than the samples of `deploy` allow.
    if container.contains_key("mem_reservation")
        && let Some(limits) = container.get_mut("deploy").and_then(|deploy| deploy.pointer_mut("/resources/limits"))
    {
        limits.as_object_mut().unwrap().remove("memory");
    }
}

/// Every published port once.
fn ports(container: &mut Map<String, Json>, port: &mut u16) {
    let Some(ports) = container.get_mut("ports").and_then(Json::as_array_mut) else { return };
    for entry in ports {
        *port += 1;
        match entry.as_object_mut() {
            Some(entries) => drop(entries.insert("published".to_owned(), json!(port.to_string()))),
            None => *entry = json!(format!("127.0.0.1:{port}:80")),
        }
    }
}

/// Every path once, and of a mount what its type has.
fn mounts(container: &mut Map<String, Json>, at: usize) {
    let Some(mounts) = container.get_mut("volumes").and_then(Json::as_array_mut) else { return };
    for (index, mount) in mounts.iter_mut().enumerate() {
        let Some(entries) = mount.as_object_mut() else { continue };
        entries.insert("target".to_owned(), json!(format!("/mounted{at}{index}")));
        let kind = entries["type"].as_str().unwrap().to_owned();
        match kind.as_str() {
            "volume" => entries.insert("source".to_owned(), json!("more")),
            "bind" => entries.insert("source".to_owned(), json!("/srv/shared")),
            _ => {
                entries.remove("read_only");
                entries.remove("source")
            }
        };
        for other in ["volume", "bind", "tmpfs"].iter().filter(|other| **other != kind) {
            entries.remove(*other);
        }
        if kind != "bind" {
            entries.remove("consistency");
        }
    }
    let mut targets = Vec::new();
    mounts.retain(|mount| {
        let target = match mount {
            Json::String(text) => text.split(':').nth(1).unwrap_or_default().to_owned(),
            other => other["target"].as_str().unwrap_or_default().to_owned(),
        };
        let is_new = !targets.contains(&target);
        targets.push(target);
        is_new
    });
}

/// Either how many, or which.
fn gpus(container: &mut Map<String, Json>) {
    let in_deploy = container.get_mut("deploy").and_then(|deploy| deploy.get_mut("resources"));
    let in_deploy = in_deploy.and_then(|resources| resources.get_mut("reservations"));
    if let Some(devices) = in_deploy.and_then(|reservations| reservations.get_mut("devices")) {
        either(devices);
    }
    if let Some(gpus) = container.get_mut("gpus") {
        either(gpus);
    }
}

fn either(gpus: &mut Json) {
    for gpu in gpus.as_array_mut().into_iter().flatten().filter_map(Json::as_object_mut) {
        if gpu.contains_key("device_ids") {
            gpu.remove("count");
        }
        gpu.insert("capabilities".to_owned(), json!(["gpu"]));
    }
}
