//! Fields of a container that stand for one member of the engine's `Config` or `HostConfig` each. Pure.
//!
//! Which settings there are is said in `amarre_core::resources::docker::SETTINGS`. The table here says where each lies and
//! how it is written there; both ways follow from it. Read back are only members that say something, so that what an engine
//! fills in by itself looks like what nobody set.

use std::collections::BTreeMap;

use bollard::models::{ContainerConfig, ContainerCreateBody, ContainerInspectResponse, HostConfig};
use serde_json::{Map, Value as Json};

use amarre_core::model::{Fields, Value};

/// One field: its name, the member, and the form in which the engine has it.
struct Setting {
    field: &'static str,
    member: Member,
    form: WireForm,
}

#[derive(Clone, Copy)]
enum Member {
    Config(&'static str),
    Host(&'static str),
}

/// How it is written there.
#[derive(Clone, Copy)]
enum WireForm {
    /// As it is; `""`, `0`, `false` and nothing are the same.
    Plain,
    /// As it is, `0` and `false` included.
    Exact,
    /// Names of capabilities, some engines with `CAP_` in front; order does not matter.
    Capabilities,
    /// Objects: our name of each member and the engine's.
    Objects(MemberNames),
    /// Objects by name; the engine has a list of them with the name as `Name`.
    Named(MemberNames),
    /// Options of a process's confinement; a privileged container gets `label=disable` by itself.
    Security,
}

/// Members of an object: as the manifest says them, and as Docker does.
type MemberNames = &'static [(&'static str, &'static str)];

const DEVICE: MemberNames =
    &[("source", "PathOnHost"), ("target", "PathInContainer"), ("permissions", "CgroupPermissions")];
const REQUEST: MemberNames = &[
    ("driver", "Driver"),
    ("count", "Count"),
    ("device_ids", "DeviceIDs"),
    ("capabilities", "Capabilities"),
    ("options", "Options"),
];
const LIMIT: MemberNames = &[("soft", "Soft"), ("hard", "Hard")];

const TABLE: &[Setting] = &[
    config("domainname", "Domainname", WireForm::Plain),
    config("hostname", "Hostname", WireForm::Plain),
    config("stdin_open", "OpenStdin", WireForm::Plain),
    config("stop_grace_period", "StopTimeout", WireForm::Exact),
    config("stop_signal", "StopSignal", WireForm::Plain),
    config("tty", "Tty", WireForm::Plain),
    config("working_dir", "WorkingDir", WireForm::Plain),
    host("annotations", "Annotations", WireForm::Plain),
    host("cap_add", "CapAdd", WireForm::Capabilities),
    host("cap_drop", "CapDrop", WireForm::Capabilities),
    host("cgroup", "CgroupnsMode", WireForm::Plain),
    host("cgroup_parent", "CgroupParent", WireForm::Plain),
    host("cpu_period", "CpuPeriod", WireForm::Plain),
    host("cpu_quota", "CpuQuota", WireForm::Plain),
    host("cpu_rt_period", "CpuRealtimePeriod", WireForm::Plain),
    host("cpu_rt_runtime", "CpuRealtimeRuntime", WireForm::Plain),
    host("cpu_shares", "CpuShares", WireForm::Plain),
    host("cpus", "NanoCpus", WireForm::Plain),
    host("cpuset", "CpusetCpus", WireForm::Plain),
    host("device_cgroup_rules", "DeviceCgroupRules", WireForm::Plain),
    host("devices", "Devices", WireForm::Objects(DEVICE)),
    host("dns", "Dns", WireForm::Plain),
    host("dns_opt", "DnsOptions", WireForm::Plain),
    host("dns_search", "DnsSearch", WireForm::Plain),
    host("extra_hosts", "ExtraHosts", WireForm::Plain),
    host("gpus", "DeviceRequests", WireForm::Objects(REQUEST)),
    host("group_add", "GroupAdd", WireForm::Plain),
    host("init", "Init", WireForm::Exact),
    host("ipc", "IpcMode", WireForm::Plain),
    host("mem_limit", "Memory", WireForm::Plain),
    host("mem_reservation", "MemoryReservation", WireForm::Plain),
    host("mem_swappiness", "MemorySwappiness", WireForm::Exact),
    host("memswap_limit", "MemorySwap", WireForm::Plain),
    host("oom_kill_disable", "OomKillDisable", WireForm::Plain),
    host("oom_score_adj", "OomScoreAdj", WireForm::Plain),
    host("pid", "PidMode", WireForm::Plain),
    host("pids_limit", "PidsLimit", WireForm::Plain),
    host("privileged", "Privileged", WireForm::Plain),
    host("read_only", "ReadonlyRootfs", WireForm::Plain),
    host("runtime", "Runtime", WireForm::Plain),
    host("security_opt", "SecurityOpt", WireForm::Security),
    host("shm_size", "ShmSize", WireForm::Plain),
    host("storage_opt", "StorageOpt", WireForm::Plain),
    host("sysctls", "Sysctls", WireForm::Plain),
    host("tmpfs", "Tmpfs", WireForm::Plain),
    host("ulimits", "Ulimits", WireForm::Named(LIMIT)),
    host("userns_mode", "UsernsMode", WireForm::Plain),
    host("uts", "UTSMode", WireForm::Plain),
];

/// Members of `blkio_config`, each of which is one of `HostConfig`.
const BLKIO: [(&str, &str, MemberNames); 6] = [
    ("weight", "BlkioWeight", &[]),
    ("weight_device", "BlkioWeightDevice", &[("path", "Path"), ("weight", "Weight")]),
    ("device_read_bps", "BlkioDeviceReadBps", RATE),
    ("device_write_bps", "BlkioDeviceWriteBps", RATE),
    ("device_read_iops", "BlkioDeviceReadIOps", RATE),
    ("device_write_iops", "BlkioDeviceWriteIOps", RATE),
];
const RATE: MemberNames = &[("path", "Path"), ("rate", "Rate")];

const fn config(field: &'static str, member: &'static str, form: WireForm) -> Setting {
    Setting { field, member: Member::Config(member), form }
}

const fn host(field: &'static str, member: &'static str, form: WireForm) -> Setting {
    Setting { field, member: Member::Host(member), form }
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
            let form = if names.is_empty() { WireForm::Plain } else { WireForm::Objects(names) };
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
        let form = if names.is_empty() { WireForm::Plain } else { WireForm::Objects(names) };
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

fn to_wire(value: &Value, form: WireForm) -> Json {
    match form {
        WireForm::Plain | WireForm::Exact | WireForm::Capabilities | WireForm::Security => plain(value),
        WireForm::Objects(names) => Json::Array(value.items().iter().map(|item| renamed(item, names)).collect()),
        WireForm::Named(names) => {
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

fn renamed(item: &Value, names: MemberNames) -> Json {
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

fn from_wire(json: &Json, form: WireForm, is_privileged: bool) -> Option<Value> {
    match form {
        WireForm::Exact => value(json),
        WireForm::Plain => value(json).filter(says_something),
        WireForm::Capabilities => {
            let bare = |text: &str| text.strip_prefix("CAP_").unwrap_or(text).to_owned();
            let mut names: Vec<String> = json.as_array()?.iter().filter_map(Json::as_str).map(bare).collect();
            names.sort();
            Some(Value::texts(names)).filter(says_something)
        }
        WireForm::Security => {
            let options = json.as_array()?.iter().filter_map(Json::as_str);
            Some(Value::texts(options.filter(|option| !(is_privileged && *option == "label=disable"))))
                .filter(says_something)
        }
        WireForm::Objects(names) => {
            Some(Value::List(json.as_array()?.iter().map(|item| named(item, names)).collect())).filter(says_something)
        }
        WireForm::Named(names) => {
            let entries = json.as_array()?.iter();
            let entries = entries.filter_map(|item| Some((item.get("Name")?.as_str()?.to_owned(), named(item, names))));
            Some(Value::Map(entries.collect())).filter(says_something)
        }
    }
}

/// Numbers as they are: a limit of 0 is one.
fn named(item: &Json, names: MemberNames) -> Value {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use amarre_core::resources::docker::SETTINGS;

    use super::TABLE;

    /// Settings with a place of their own: several members, those that `requests.rs` writes, and what a pull asks for.
    const ELSEWHERE: [&str; 5] = ["blkio_config", "expose", "ipv4_address", "mac_address", "platform"];

    #[test]
    fn every_setting_has_its_place_in_the_engines_form() {
        let settings: BTreeSet<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
        let places: Vec<&str> = TABLE.iter().map(|row| row.field).chain(ELSEWHERE).collect();
        assert_eq!(places.len(), settings.len(), "a setting has two places, or none");
        assert_eq!(places.into_iter().collect::<BTreeSet<&str>>(), settings);
    }
}
