//! Fields of a container that stand for one member of the engine's `Config` or `HostConfig` each. Pure.
//!
//! The table says where each lies and how it is written there; both ways follow from it. Read back are only
//! members that say something, so that what an engine fills in by itself looks like what nobody set.

use std::collections::BTreeMap;

use bollard::models::{ContainerConfig, ContainerCreateBody, ContainerInspectResponse, HostConfig};
use serde_json::{Map, Value as Json};

use amarre_core::model::{Fields, Value};

/// One field: its name, the member, and the form in which the engine has it.
struct Setting {
    field: &'static str,
    member: Member,
    form: Form,
}

/// Where it lies.
#[derive(Clone, Copy)]
enum Member {
    Config(&'static str),
    Host(&'static str),
}

/// How it is written there.
#[derive(Clone, Copy)]
enum Form {
    /// As it is; `""`, `0`, `false` and nothing are the same.
    Plain,
    /// As it is, `0` and `false` included.
    Exact,
    /// Names of capabilities, some engines with `CAP_` in front; order does not matter.
    Capabilities,
    /// Objects: our name of each member and the engine's.
    Objects(Names),
    /// Objects by name; the engine has a list of them with the name as `Name`.
    Named(Names),
    /// Options of a process's confinement; a privileged container gets `label=disable` by itself.
    Security,
}

/// Members of an object: as the manifest says them, and as Docker does.
type Names = &'static [(&'static str, &'static str)];

const DEVICE: Names = &[("source", "PathOnHost"), ("target", "PathInContainer"), ("permissions", "CgroupPermissions")];
const REQUEST: Names = &[
    ("driver", "Driver"),
    ("count", "Count"),
    ("device_ids", "DeviceIDs"),
    ("capabilities", "Capabilities"),
    ("options", "Options"),
];
const LIMIT: Names = &[("soft", "Soft"), ("hard", "Hard")];

const TABLE: &[Setting] = &[
    config("domainname", "Domainname", Form::Plain),
    config("hostname", "Hostname", Form::Plain),
    config("stdin_open", "OpenStdin", Form::Plain),
    config("stop_grace_period", "StopTimeout", Form::Exact),
    config("stop_signal", "StopSignal", Form::Plain),
    config("tty", "Tty", Form::Plain),
    config("working_dir", "WorkingDir", Form::Plain),
    host("annotations", "Annotations", Form::Plain),
    host("cap_add", "CapAdd", Form::Capabilities),
    host("cap_drop", "CapDrop", Form::Capabilities),
    host("cgroup", "CgroupnsMode", Form::Plain),
    host("cgroup_parent", "CgroupParent", Form::Plain),
    host("cpu_period", "CpuPeriod", Form::Plain),
    host("cpu_quota", "CpuQuota", Form::Plain),
    host("cpu_rt_period", "CpuRealtimePeriod", Form::Plain),
    host("cpu_rt_runtime", "CpuRealtimeRuntime", Form::Plain),
    host("cpu_shares", "CpuShares", Form::Plain),
    host("cpus", "NanoCpus", Form::Plain),
    host("cpuset", "CpusetCpus", Form::Plain),
    host("device_cgroup_rules", "DeviceCgroupRules", Form::Plain),
    host("devices", "Devices", Form::Objects(DEVICE)),
    host("dns", "Dns", Form::Plain),
    host("dns_opt", "DnsOptions", Form::Plain),
    host("dns_search", "DnsSearch", Form::Plain),
    host("extra_hosts", "ExtraHosts", Form::Plain),
    host("gpus", "DeviceRequests", Form::Objects(REQUEST)),
    host("group_add", "GroupAdd", Form::Plain),
    host("init", "Init", Form::Exact),
    host("ipc", "IpcMode", Form::Plain),
    host("mem_limit", "Memory", Form::Plain),
    host("mem_reservation", "MemoryReservation", Form::Plain),
    host("mem_swappiness", "MemorySwappiness", Form::Exact),
    host("memswap_limit", "MemorySwap", Form::Plain),
    host("oom_kill_disable", "OomKillDisable", Form::Plain),
    host("oom_score_adj", "OomScoreAdj", Form::Plain),
    host("pid", "PidMode", Form::Plain),
    host("pids_limit", "PidsLimit", Form::Plain),
    host("privileged", "Privileged", Form::Plain),
    host("read_only", "ReadonlyRootfs", Form::Plain),
    host("runtime", "Runtime", Form::Plain),
    host("security_opt", "SecurityOpt", Form::Security),
    host("shm_size", "ShmSize", Form::Plain),
    host("storage_opt", "StorageOpt", Form::Plain),
    host("sysctls", "Sysctls", Form::Plain),
    host("tmpfs", "Tmpfs", Form::Plain),
    host("ulimits", "Ulimits", Form::Named(LIMIT)),
    host("userns_mode", "UsernsMode", Form::Plain),
    host("uts", "UTSMode", Form::Plain),
];

/// Members of `blkio_config`, each of which is one of `HostConfig`.
const BLKIO: [(&str, &str, Names); 6] = [
    ("weight", "BlkioWeight", &[]),
    ("weight_device", "BlkioWeightDevice", &[("path", "Path"), ("weight", "Weight")]),
    ("device_read_bps", "BlkioDeviceReadBps", RATE),
    ("device_write_bps", "BlkioDeviceWriteBps", RATE),
    ("device_read_iops", "BlkioDeviceReadIOps", RATE),
    ("device_write_iops", "BlkioDeviceWriteIOps", RATE),
];
const RATE: Names = &[("path", "Path"), ("rate", "Rate")];

const fn config(field: &'static str, member: &'static str, form: Form) -> Setting {
    Setting { field, member: Member::Config(member), form }
}

const fn host(field: &'static str, member: &'static str, form: Form) -> Setting {
    Setting { field, member: Member::Host(member), form }
}

/// Whether a field has its place here, or in the part of a container that `requests.rs` writes.
pub fn has(field: &str) -> bool {
    matches!(field, "blkio_config" | "expose" | "mac_address" | "platform")
        || TABLE.iter().any(|setting| setting.field == field)
}

/// Adds what `fields` set to a container that is to be made.
///
/// # Errors
/// A value does not fit the engine's member.
pub fn write(fields: &Fields, body: ContainerCreateBody) -> Result<ContainerCreateBody, String> {
    let (mut config, mut host) = (Map::new(), Map::new());
    for setting in TABLE {
        let Some(value) = fields.get(setting.field) else { continue };
        let json = to_wire(value, setting.form);
        match setting.member {
            Member::Config(member) => config.insert(member.to_owned(), json),
            Member::Host(member) => host.insert(member.to_owned(), json),
        };
    }
    for (name, member, names) in BLKIO {
        let entries = fields.get("blkio_config").and_then(Value::entries);
        if let Some(value) = entries.and_then(|entries| entries.get(name)) {
            let form = if names.is_empty() { Form::Plain } else { Form::Objects(names) };
            host.insert(member.to_owned(), to_wire(value, form));
        }
    }
    // What goes in and out of the library's types goes through their own names.
    let mut all = serde_json::to_value(body).map_err(|error| error.to_string())?;
    if let Json::Object(members) = &mut all {
        members.extend(config);
        if let Some(Json::Object(inner)) = members.get_mut("HostConfig") {
            inner.extend(host);
        }
    }
    serde_json::from_value(all).map_err(|error| format!("the engine's form of a field: {error}"))
}

/// Reads back what says something.
pub fn read(config: &ContainerConfig, host: &HostConfig, fields: &mut Fields) {
    let (Ok(Json::Object(config)), Ok(Json::Object(host))) = (serde_json::to_value(config), serde_json::to_value(host))
    else {
        return;
    };
    let is_privileged = host.get("Privileged") == Some(&Json::Bool(true));
    for setting in TABLE {
        let json = match setting.member {
            Member::Config(member) => config.get(member),
            Member::Host(member) => host.get(member),
        };
        let value = json.and_then(|json| from_wire(json, setting.form, is_privileged));
        if let Some(value) = value {
            fields.set(setting.field, value);
        }
    }
    let mut blkio = BTreeMap::new();
    for (name, member, names) in BLKIO {
        let form = if names.is_empty() { Form::Plain } else { Form::Objects(names) };
        let value = host.get(member).and_then(|json| from_wire(json, form, false));
        blkio.extend(value.map(|value| (name.to_owned(), value)));
    }
    if !blkio.is_empty() {
        fields.set("blkio_config", Value::Map(blkio));
    }
    // Another container's namespace is a field of its own.
    for (field, of) in [("pid", "pid_of"), ("ipc", "ipc_of")] {
        let id = fields.text(field).and_then(|mode| mode.strip_prefix("container:")).map(str::to_owned);
        if let Some(id) = id {
            fields.remove(field);
            fields.set(of, Value::Text(id));
        }
    }
}

/// Names of fields that a container was asked to have and does not.
pub fn lost(wanted: &Fields, made: &ContainerInspectResponse) -> Vec<&'static str> {
    let (Some(config), Some(host)) = (&made.config, &made.host_config) else { return Vec::new() };
    let mut kept = Fields::default();
    read(config, host, &mut kept);
    let names = TABLE.iter().map(|setting| setting.field).chain(["blkio_config"]);
    names.filter(|name| wanted.get(name).is_some_and(|value| kept.get(name) != Some(value))).collect()
}

fn to_wire(value: &Value, form: Form) -> Json {
    match form {
        Form::Plain | Form::Exact | Form::Capabilities | Form::Security => plain(value),
        Form::Objects(names) => Json::Array(value.items().iter().map(|item| renamed(item, names)).collect()),
        Form::Named(names) => {
            let entries = value.entries().into_iter().flatten().map(|(name, item)| {
                let mut object = renamed(item, names);
                if let Json::Object(members) = &mut object {
                    members.insert("Name".to_owned(), Json::String(name.clone()));
                }
                object
            });
            Json::Array(entries.collect())
        }
    }
}

fn renamed(item: &Value, names: Names) -> Json {
    let entries = item.entries().into_iter().flatten().filter_map(|(name, value)| {
        let (_, member) = names.iter().find(|(ours, _)| ours == name)?;
        Some(((*member).to_owned(), plain(value)))
    });
    Json::Object(entries.collect())
}

fn plain(value: &Value) -> Json {
    match value {
        Value::None | Value::Secret { .. } | Value::Output { .. } => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int(number) => Json::from(*number),
        Value::Text(text) => Json::String(text.clone()),
        Value::List(items) => Json::Array(items.iter().map(plain).collect()),
        Value::Map(entries) => Json::Object(entries.iter().map(|(name, item)| (name.clone(), plain(item))).collect()),
    }
}

fn from_wire(json: &Json, form: Form, is_privileged: bool) -> Option<Value> {
    match form {
        Form::Exact => value(json),
        Form::Plain => value(json).filter(says_something),
        Form::Capabilities => {
            let bare = |text: &str| text.strip_prefix("CAP_").unwrap_or(text).to_owned();
            let mut names: Vec<String> = json.as_array()?.iter().filter_map(Json::as_str).map(bare).collect();
            names.sort();
            Some(Value::texts(names)).filter(says_something)
        }
        Form::Security => {
            let options = json.as_array()?.iter().filter_map(Json::as_str);
            Some(Value::texts(options.filter(|option| !(is_privileged && *option == "label=disable"))))
                .filter(says_something)
        }
        Form::Objects(names) => {
            Some(Value::List(json.as_array()?.iter().map(|item| named(item, names)).collect())).filter(says_something)
        }
        Form::Named(names) => {
            let entries = json.as_array()?.iter();
            let entries = entries.filter_map(|item| Some((item.get("Name")?.as_str()?.to_owned(), named(item, names))));
            Some(Value::Map(entries.collect())).filter(says_something)
        }
    }
}

/// Numbers as they are: a limit of 0 is one.
fn named(item: &Json, names: Names) -> Value {
    let entries = names.iter().filter_map(|(name, member)| {
        let value = value(item.get(member)?)?;
        let is_number = matches!(value, Value::Int(_));
        (is_number || says_something(&value)).then(|| ((*name).to_owned(), value))
    });
    Value::Map(entries.collect())
}

fn value(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => Value::Int(number.as_i64()?),
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::List(items.iter().filter_map(value).collect()),
        Json::Object(members) => {
            Value::Map(members.iter().filter_map(|(name, item)| Some((name.clone(), value(item)?))).collect())
        }
    })
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::None | Value::Bool(false) | Value::Int(0) => false,
        Value::Bool(true) | Value::Int(_) | Value::Secret { .. } | Value::Output { .. } => true,
        Value::Text(text) => !text.is_empty(),
        Value::List(items) => !items.is_empty(),
        Value::Map(entries) => !entries.is_empty(),
    }
}
