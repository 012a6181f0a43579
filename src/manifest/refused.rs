//! Keys that are understood but not supported, each by its name and with what to do instead.
//!
//! The list of Compose keys is the whole Compose Spec, so that none of them falls to "unknown key".

use super::compose::CONTAINER_KEYS;
use super::diagnostic::{A0106, A0112, A0113, A0205, Problem};
use super::reader::{Verdict, flag};
use super::yaml::Entry;

/// Compose keys without a meaning here, and what to do instead (empty: nothing).
const COMPOSE: [(&str, &str); 75] = [
    ("annotations", "use `labels:`"),
    ("attach", "leave it out; logs are kept for every container"),
    ("blkio_config", ""),
    ("build", "use `image:`; building from a repository is kind `App`"),
    ("cap_drop", ""),
    ("cgroup", ""),
    ("cgroup_parent", ""),
    ("configs", "put the content in a file below a folder of the host and bind it"),
    ("container_name", "a container is called as its service"),
    ("cpu_count", ""),
    ("cpu_percent", ""),
    ("cpu_period", ""),
    ("cpu_quota", ""),
    ("cpu_rt_period", ""),
    ("cpu_rt_runtime", ""),
    ("cpu_shares", ""),
    ("cpus", ""),
    ("cpuset", ""),
    ("credential_spec", ""),
    ("deploy", "one container each; leave it out"),
    ("develop", "leave it out"),
    ("device_cgroup_rules", ""),
    ("dns_opt", ""),
    ("dns_search", ""),
    ("domainname", ""),
    ("env_file", "write the variables into `environment:`, passwords as `{secret: NAME}`"),
    ("expose", "leave it out; containers of one service reach one another on every port"),
    ("extends", "use a YAML anchor and `<<`"),
    ("external_links", "containers of one service find one another by name"),
    ("extra_hosts", ""),
    ("gpus", ""),
    ("group_add", ""),
    ("hostname", ""),
    ("include", "one manifest for each service"),
    ("init", ""),
    ("isolation", ""),
    ("label_file", "use `labels:`"),
    ("links", "leave it out; containers of one service find one another by name"),
    ("mac_address", ""),
    ("mem_limit", ""),
    ("mem_reservation", ""),
    ("mem_swappiness", ""),
    ("memswap_limit", ""),
    ("models", ""),
    ("networks", "use `network:`; containers of one service share a network"),
    ("oom_kill_disable", ""),
    ("oom_score_adj", ""),
    ("pids_limit", ""),
    ("platform", ""),
    ("post_start", ""),
    ("pre_stop", ""),
    ("profiles", "leave it out, or take the manifest out of the folder"),
    ("provider", ""),
    ("read_only", ""),
    ("runtime", ""),
    ("scale", "one container each; leave it out"),
    ("secrets", "use `environment:` with `{secret: NAME}`"),
    ("security_opt", ""),
    ("shm_size", ""),
    ("stdin_open", ""),
    ("stop_grace_period", ""),
    ("stop_signal", ""),
    ("storage_opt", ""),
    ("sysctls", ""),
    ("tmpfs", ""),
    ("tty", ""),
    ("ulimits", ""),
    ("userns_mode", ""),
    ("uts", ""),
    ("version", "leave it out"),
    ("volumes_from", "name the volume in each container"),
    ("working_dir", ""),
    ("network_mode", "use `network:`"),
    ("pid", ""),
    ("ipc", ""),
];

/// What a later version will know of a Service, and what to do until then.
const SERVICE_LATER: [(&str, &str); 9] = [
    ("jobs", ""),
    ("compose", "write the containers into the manifest; the keys are the same"),
    ("state", ""),
    ("needs", ""),
    ("update", ""),
    ("moved_from", ""),
    ("data", ""),
    ("reconcile", ""),
    ("pull_policy", "leave it out; an image is pulled when it is missing"),
];

/// Keys of a container that nobody asked for.
pub(super) fn container_key(entry: &Entry) -> Verdict {
    if let Some(verdict) = policy(entry) {
        return verdict;
    }
    let key = entry.key.as_str();
    match key {
        "pull_policy" => return later(entry, &SERVICE_LATER),
        "dns" => return compose(entry, ""),
        "port" | "routes" | "ssl" => {
            let message = format!("`{key}` does not belong in a container");
            let problem = Problem::error(A0106, entry.key_spot, message);
            return Verdict::Refused(problem.hint("write it beside `containers:`".to_owned()));
        }
        _ => (),
    }
    match COMPOSE.iter().find(|(known, _)| *known == key) {
        Some((_, hint)) => compose(entry, hint),
        None => Verdict::Unknown,
    }
}

/// Keys of a Service with one container, written at the top level.
pub(super) fn short_service_key(entry: &Entry) -> Verdict {
    match later(entry, &SERVICE_LATER) {
        Verdict::Unknown => container_key(entry),
        found @ (Verdict::Harmless | Verdict::Refused(_)) => found,
    }
}

/// Keys of a Service with `containers:`.
pub(super) fn long_service_key(entry: &Entry) -> Verdict {
    let key = entry.key.as_str();
    if CONTAINER_KEYS.contains(&key) || key == "depends_on" {
        let message = format!("`{key}` stands beside `containers:`");
        let problem = Problem::error(A0106, entry.key_spot, message);
        let hint = match key {
            "volumes" => "mounts belong in a container; named volumes need no declaration",
            _ => "move it into the container that it is for",
        };
        return Verdict::Refused(problem.hint(hint.to_owned()));
    }
    short_service_key(entry)
}

/// Keys of the kinds without containers.
pub(super) fn small_kind_key(entry: &Entry) -> Verdict {
    later(entry, &SERVICE_LATER)
}

/// What policy forbids, by name; the same key with a harmless value is taken.
fn policy(entry: &Entry) -> Option<Verdict> {
    let key = entry.key.as_str();
    let text = entry.value.scalar().unwrap_or_default();
    let what = match (key, text) {
        ("privileged" | "use_api_socket", _) if flag(&entry.value) == Ok(false) => return Some(Verdict::Harmless),
        ("privileged" | "use_api_socket" | "devices" | "cap_add", _) => format!("`{key}`"),
        ("network_mode" | "pid" | "ipc" | "uts" | "userns_mode" | "cgroup", "host") => format!("`{key}: host`"),
        _ => return None,
    };
    let problem = Problem::error(A0205, entry.key_spot, format!("policy forbids {what}"));
    Some(Verdict::Refused(problem.hint("leave it out; no setting of this version allows it".to_owned())))
}

fn compose(entry: &Entry, hint: &str) -> Verdict {
    let message = format!("Compose key `{}` is not supported in a Service", entry.key);
    refused(Problem::error(A0112, entry.key_spot, message), hint)
}

fn later(entry: &Entry, table: &[(&str, &str)]) -> Verdict {
    let Some((key, hint)) = table.iter().find(|(known, _)| *known == entry.key) else { return Verdict::Unknown };
    refused(Problem::error(A0113, entry.key_spot, format!("`{key}` is not yet supported")), hint)
}

fn refused(problem: Problem, hint: &str) -> Verdict {
    Verdict::Refused(if hint.is_empty() { problem } else { problem.hint(hint.to_owned()) })
}
