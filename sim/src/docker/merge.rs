//! A container's `Config` and `HostConfig`: what was asked for, the image's part and the engine's defaults.

use serde_json::{Map, Value, json};

use super::state::text;

/// Defaults, then the image's part, then what was asked for; what is null or unknown does not count.
pub(super) fn merged_config(asked: &Map<String, Value>, image: &Value) -> Map<String, Value> {
    let mut config = as_map(json!({
        "Hostname": "", "Domainname": "", "User": "", "AttachStdin": false, "AttachStdout": false,
        "AttachStderr": false, "Tty": false, "OpenStdin": false, "StdinOnce": false, "Env": [], "Cmd": null,
        "Image": "", "Volumes": null, "WorkingDir": "", "Entrypoint": null, "OnBuild": null, "Labels": {},
    }));
    /// Shown only when set.
    const SOMETIMES: [&str; 7] =
        ["ExposedPorts", "Healthcheck", "ArgsEscaped", "NetworkDisabled", "MacAddress", "StopSignal", "StopTimeout"];
    for (key, value) in asked {
        let known = config.contains_key(key) || SOMETIMES.contains(&key.as_str());
        // A time of 0 is one; a member that can be absent says so by its absence.
        let bare = SOMETIMES.contains(&key.as_str()) && key != "StopTimeout" && is_blank(value);
        if known && !bare && !value.is_null() {
            config.insert(key.clone(), value.clone());
        }
    }
    let image = image.as_object().cloned().unwrap_or_default();
    for key in ["Volumes", "ExposedPorts", "Labels"] {
        let mut both = object(&image, key);
        both.extend(object(&config, key));
        if !both.is_empty() {
            config.insert(key.to_owned(), Value::Object(both));
        }
    }
    for key in ["User", "WorkingDir", "Healthcheck"] {
        if let Some(value) = image.get(key)
            && config.get(key).is_none_or(is_blank)
        {
            config.insert(key.to_owned(), value.clone());
        }
    }
    // Measured at 20.10: `//srv/./app/` is kept as `/srv/app`.
    if let Some(folder) = config.get("WorkingDir").and_then(Value::as_str).filter(|folder| folder.starts_with('/')) {
        let parts: Vec<&str> = folder.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        config.insert("WorkingDir".to_owned(), json!(format!("/{}", parts.join("/"))));
    }
    if config["Entrypoint"].is_null() && is_blank(&config["Cmd"]) {
        let command = image.get("Cmd").cloned().unwrap_or(Value::Null);
        config.insert("Cmd".to_owned(), command);
    }
    let mut env = array(&config, "Env");
    let name_of = |entry: &Value| entry.as_str().unwrap_or_default().split('=').next().unwrap_or_default().to_owned();
    for entry in array(&image, "Env") {
        if !env.iter().any(|own| name_of(own) == name_of(&entry)) {
            env.push(entry);
        }
    }
    config.insert("Env".to_owned(), Value::Array(env));
    config
}

/// `minor` is that of the API which is spoken: what it does not know is dropped without a word.
pub(super) fn host_config(asked: &Map<String, Value>, minor: u32) -> Map<String, Value> {
    /// Since API 1.43.
    const ANNOTATIONS_SINCE: u32 = 43;
    let mut host = as_map(json!({
        "Binds": null, "ContainerIDFile": "", "LogConfig": {"Type": "json-file", "Config": {}},
        "NetworkMode": "default", "PortBindings": null,
        "RestartPolicy": {"Name": "", "MaximumRetryCount": 0}, "AutoRemove": false, "VolumeDriver": "",
        "VolumesFrom": null, "CapAdd": null, "CapDrop": null, "CgroupnsMode": "host", "Dns": null,
        "DnsOptions": null, "DnsSearch": null, "ExtraHosts": null, "GroupAdd": null, "IpcMode": "private",
        "Cgroup": "", "Links": null, "OomScoreAdj": 0, "PidMode": "", "Privileged": false,
        "PublishAllPorts": false, "ReadonlyRootfs": false, "SecurityOpt": null, "UTSMode": "", "UsernsMode": "",
        "ShmSize": 67_108_864, "Runtime": "runc", "ConsoleSize": [0, 0], "Isolation": "",
    }));
    host.extend(as_map(json!({
        "CpuShares": 0,
        "Memory": 0, "NanoCpus": 0, "CgroupParent": "", "BlkioWeight": 0, "BlkioWeightDevice": null,
        "BlkioDeviceReadBps": null, "BlkioDeviceWriteBps": null, "BlkioDeviceReadIOps": null,
        "BlkioDeviceWriteIOps": null, "CpuPeriod": 0, "CpuQuota": 0, "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0, "CpusetCpus": "", "CpusetMems": "", "Devices": null,
        "DeviceCgroupRules": null, "DeviceRequests": null, "KernelMemory": 0, "KernelMemoryTCP": 0,
        "MemoryReservation": 0, "MemorySwap": 0, "MemorySwappiness": null, "OomKillDisable": false,
        "PidsLimit": null, "Ulimits": null, "CpuCount": 0, "CpuPercent": 0, "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
    })));
    host.extend(as_map(hidden_paths(asked)));
    if asked.get("Privileged") == Some(&json!(true)) {
        host.insert("SecurityOpt".to_owned(), json!(["label=disable"]));
    }
    /// Shown only when set.
    const SOMETIMES: [&str; 5] = ["Mounts", "Init", "StorageOpt", "Sysctls", "Tmpfs"];
    /// For these an empty text or a zero means the default.
    const DEFAULTED: [&str; 5] = ["NetworkMode", "IpcMode", "CgroupnsMode", "Runtime", "ShmSize"];
    for (key, value) in asked {
        let sometimes = SOMETIMES.contains(&key.as_str());
        let newer = key == "Annotations" && minor >= ANNOTATIONS_SINCE;
        let known = host.contains_key(key) || sometimes || newer;
        let defaulted = (sometimes || newer || DEFAULTED.contains(&key.as_str())) && is_blank(value) && key != "Init";
        if known && !defaulted && !value.is_null() {
            host.insert(key.clone(), value.clone());
        }
    }
    let mut log = object(&host, "LogConfig");
    if text(&log, "Type").is_empty() {
        log.insert("Type".to_owned(), json!("json-file"));
    }
    if !log.get("Config").is_some_and(Value::is_object) {
        log.insert("Config".to_owned(), json!({}));
    }
    host.insert("LogConfig".to_owned(), Value::Object(log));
    let mut restart = object(&host, "RestartPolicy");
    restart.entry("Name").or_insert(json!(""));
    restart.entry("MaximumRetryCount").or_insert(json!(0));
    host.insert("RestartPolicy".to_owned(), Value::Object(restart));
    if let (Some(memory), Some(0)) = (host["Memory"].as_i64(), host["MemorySwap"].as_i64())
        && memory > 0
    {
        host.insert("MemorySwap".to_owned(), json!(memory * 2));
    }
    let mut bindings = object(&host, "PortBindings");
    for binding in bindings.values_mut().filter_map(Value::as_array_mut).flatten() {
        if let Some(binding) = binding.as_object_mut() {
            binding.entry("HostIp").or_insert(json!(""));
            binding.entry("HostPort").or_insert(json!(""));
        }
    }
    if host["PidsLimit"].as_i64().is_some_and(|limit| limit <= 0) {
        host.insert("PidsLimit".to_owned(), Value::Null);
    }
    if host["PortBindings"].is_object() {
        host.insert("PortBindings".to_owned(), Value::Object(bindings));
    }
    host
}

fn hidden_paths(asked: &Map<String, Value>) -> Value {
    if asked.get("Privileged") == Some(&json!(true)) {
        return json!({"MaskedPaths": null, "ReadonlyPaths": null});
    }
    json!({
        "MaskedPaths": [
            "/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
            "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
        ],
        "ReadonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    })
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

fn as_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

pub(super) fn object(of: &Map<String, Value>, key: &str) -> Map<String, Value> {
    of.get(key).and_then(Value::as_object).cloned().unwrap_or_default()
}

pub(super) fn array(of: &Map<String, Value>, key: &str) -> Vec<Value> {
    of.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
}
