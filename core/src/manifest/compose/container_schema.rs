//! The part of the schema that is about containers: their keys, and the maps that stand in them.

use serde_json::{Value as Json, json};

use super::build;
use crate::manifest::schema_keys::{
    SchemaKey, either, flag, link, list, map, number, object, pairs, scalar, text, words,
};
use crate::resources::docker::{SETTINGS, SettingShape, WordKind};

/// Maps that have a name in the schema.
pub(crate) fn parts() -> Vec<(&'static str, Json)> {
    vec![
        ("container", object(&[], keys())),
        ("job", object(&[], job_keys())),
        ("build", object(&[], build_keys())),
        ("secret", object(&["secret"], vec![("secret", text(), "Name of the secret")])),
        ("port", object(&["target", "published"], port_keys())),
        ("mount", object(&["type", "target"], mount_keys())),
        ("mount_bind", object(&[], mount_bind_keys())),
        ("mount_volume", object(&[], mount_volume_keys())),
        ("mount_tmpfs", object(&[], mount_tmpfs_keys())),
        ("healthcheck", object(&[], healthcheck_keys())),
        ("logging", object(&[], logging_keys())),
        ("dependency", object(&["condition"], dependency_keys())),
        ("blkio_config", object(&[], blkio_keys())),
        ("disk_rate", object(&["path", "rate"], disk_keys("rate"))),
        ("disk_weight", object(&["path", "weight"], disk_keys("weight"))),
        ("ulimit", object(&["soft", "hard"], ulimit_keys())),
        ("place", object(&[], place_keys())),
        ("device", object(&["source"], device_keys())),
        ("gpu", object(&[], gpu_keys())),
        ("deploy", object(&[], deploy_keys())),
        ("resources", object(&[], resources_keys())),
        ("limits", object(&[], limits_keys())),
        ("reservations", object(&[], reservations_keys())),
        ("restart_policy", object(&[], restart_policy_keys())),
    ]
}

/// The keys of a container.
pub(crate) fn keys() -> Vec<SchemaKey> {
    [own_keys(), network_keys(), limit_keys(), right_keys(), setting_keys()].concat()
}

/// The keys of a container that mean something for what runs once.
fn job_keys() -> Vec<SchemaKey> {
    const NEVER: [&str; 6] = ["ports", "networks", "container_name", "healthcheck", "mac_address", "restart"];
    let mut keys = keys();
    keys.retain(|(key, ..)| !NEVER.contains(key));
    keys.push(("restart", either(&[words(&["no"]), json!({"const": false})]), "It runs once"));
    keys.push(("timeout", text(), "It has failed when it still runs after this: 1s to 24h, 1h if not set"));
    keys
}

fn build_keys() -> Vec<SchemaKey> {
    let mut own = vec![
        ("context", text(), "The folder; the manifest's own if not set"),
        ("dockerfile", text(), "Its path in that folder; Dockerfile if not set"),
        ("dockerfile_inline", text(), "The Dockerfile itself"),
    ];
    own.extend(build::keys());
    own
}

fn own_keys() -> Vec<SchemaKey> {
    let restart = either(&[text(), json!({"const": false})]);
    let networks = either(&[list(text()), map(either(&[json!({"type": "null"}), link("place")]))]);
    vec![
        ("image", text(), "With a tag or a digest"),
        (
            "build",
            either(&[text(), link("build")]),
            "In place of `image`: the folder beside the manifest that it is built from",
        ),
        ("command", either(&[scalar(), list(scalar())]), "In place of the image's"),
        ("entrypoint", either(&[scalar(), list(scalar())]), "In place of the image's"),
        ("environment", pairs(&[link("secret")]), "Variables; a value may be {secret: NAME}"),
        ("ports", list(either(&[number(), link("port")])), "Published on the host"),
        ("volumes", list(either(&[text(), link("mount")])), "Named volumes, binds, and files of the source"),
        ("tmpfs", texts(), "Folders in memory: /run or /run:size=64m,mode=755"),
        ("healthcheck", link("healthcheck"), "In place of the image's"),
        ("user", scalar(), "1000, 1000:1000 or a name"),
        ("restart", restart, "no, always, unless-stopped, on-failure or on-failure:5"),
        ("labels", pairs(&[]), "Labels of the container"),
        ("logging", link("logging"), "Where its output goes"),
        ("pull_policy", text(), "missing, always, daily, weekly, every_12h or never"),
        (
            "depends_on",
            either(&[list(text()), map(link("dependency"))]),
            "Containers that must be there, or well, first",
        ),
        ("container_name", text(), "In place of the name that follows from the service"),
        ("attach", flag(), "What `docker compose up` prints; nothing of the container"),
        (
            "networks",
            networks,
            "default, or the one that `network` of the service names, and others beside it or in its place",
        ),
        ("deploy", link("deploy"), "What means something for one container"),
    ]
}

fn network_keys() -> Vec<SchemaKey> {
    let extra_hosts = either(&[list(text()), map(either(&[text(), list(text())]))]);
    vec![
        ("network_mode", text(), "none, host or service:KEY"),
        ("extra_hosts", extra_hosts, "As in nas:192.168.1.20 or gw:host-gateway"),
        ("expose", list(scalar()), "Ports that others on the network may use: for people, and some programs"),
    ]
}

fn limit_keys() -> Vec<SchemaKey> {
    vec![
        ("ulimits", map(either(&[number(), link("ulimit")])), "A number, or soft and hard"),
        ("blkio_config", link("blkio_config"), "Limits of disks"),
    ]
}

fn right_keys() -> Vec<SchemaKey> {
    vec![
        ("cap_add", list(text()), "As in NET_ADMIN; see policy.capabilities"),
        ("cap_drop", list(text()), "As in ALL"),
        ("security_opt", list(text()), "As in no-new-privileges:true"),
        ("privileged", flag(), "See policy.privileged"),
        ("devices", list(either(&[text(), link("device")])), "See policy.devices"),
        ("device_cgroup_rules", list(text()), "As in c 188:* rmw; see policy.devices"),
        ("gpus", either(&[json!({"const": "all"}), list(link("gpu"))]), "See policy.devices"),
        ("pid", text(), "service:KEY or host"),
        ("ipc", text(), "none, private, shareable, service:KEY or host"),
        ("uts", text(), "host; see policy.host_namespaces"),
        ("cgroup", text(), "private or host"),
        ("userns_mode", text(), "host; see policy.host_namespaces"),
        ("use_api_socket", json!({"const": false}), "Not supported; bind the socket where policy allows it"),
    ]
}

/// The keys that follow from the table of settings.
fn setting_keys() -> Vec<SchemaKey> {
    SETTINGS.iter().filter_map(|setting| Some((setting.key, setting_form(setting.shape)?, setting.about))).collect()
}

/// What may be written for a setting; nothing for one whose form is written out above.
fn setting_form(shape: SettingShape) -> Option<Json> {
    Some(match shape {
        SettingShape::Flag => flag(),
        SettingShape::Number(..) | SettingShape::Bytes(..) | SettingShape::Micros(..) => number(),
        SettingShape::Seconds(_) => text(),
        SettingShape::Cpus | SettingShape::Signal | SettingShape::Word(WordKind::Cpuset, _) => scalar(),
        SettingShape::Word(
            WordKind::Any | WordKind::Mac | WordKind::Path | WordKind::HostName | WordKind::Platform,
            _,
        ) => text(),
        SettingShape::Texts | SettingShape::Addresses => texts(),
        SettingShape::Pairs => pairs(&[]),
        SettingShape::Composite | SettingShape::OfNetwork => return None,
    })
}

fn port_keys() -> Vec<SchemaKey> {
    vec![
        ("target", number(), "Port of the container"),
        ("published", number(), "Port of the host"),
        ("host_ip", text(), "Address of the host; all if not set"),
        ("protocol", words(&["tcp", "udp"]), "tcp if not set"),
        ("mode", words(&["host", "ingress"]), "Both publish on the host"),
        ("name", scalar(), "For people"),
        ("app_protocol", scalar(), "For people"),
    ]
}

fn mount_keys() -> Vec<SchemaKey> {
    vec![
        ("type", words(&["volume", "bind", "tmpfs"]), "What is mounted"),
        ("source", text(), "Name of the volume, or path of the host or of the source"),
        ("target", text(), "Path in the container"),
        ("read_only", flag(), "Whether it may not write"),
        ("external", flag(), "A volume that is there under this name: used, never made or deleted"),
        ("consistency", text(), "Nothing on an engine of Linux"),
        ("bind", link("mount_bind"), "Of a bind"),
        ("volume", link("mount_volume"), "Of a volume"),
        ("tmpfs", link("mount_tmpfs"), "Of a folder in memory"),
    ]
}

fn mount_bind_keys() -> Vec<SchemaKey> {
    let propagation = words(&["rprivate", "private", "rshared", "shared", "rslave", "slave"]);
    vec![
        ("propagation", propagation, "How later mounts show on the other side"),
        ("create_host_path", flag(), "A missing folder is made; needs Docker API 1.42"),
    ]
}

fn mount_volume_keys() -> Vec<SchemaKey> {
    vec![
        ("nocopy", flag(), "What the image has there is not copied into it"),
        ("subpath", text(), "A folder of the volume; needs Docker API 1.45"),
    ]
}

fn mount_tmpfs_keys() -> Vec<SchemaKey> {
    vec![("size", number(), "As in 64m"), ("mode", number(), "In octal, as in 0755")]
}

fn healthcheck_keys() -> Vec<SchemaKey> {
    let span = number;
    vec![
        ("test", either(&[scalar(), list(scalar())]), "[CMD, …], [CMD-SHELL, …] or a text"),
        ("interval", span(), "Between two tests"),
        ("timeout", span(), "For one test"),
        ("retries", number(), "Failures in a row that count"),
        ("start_period", span(), "Failures do not count so long"),
        ("start_interval", span(), "Between two tests in that time; needs Docker API 1.44"),
        ("disable", flag(), "None at all"),
    ]
}

fn logging_keys() -> Vec<SchemaKey> {
    vec![("driver", text(), "Docker's log driver"), ("options", map(scalar()), "Its options")]
}

fn dependency_keys() -> Vec<SchemaKey> {
    vec![
        (
            "condition",
            words(&["service_started", "service_healthy", "service_completed_successfully"]),
            "When it counts as there",
        ),
        ("required", flag(), "Whether one that fails is waited for"),
        ("restart", flag(), "Made anew whenever the other is"),
    ]
}

fn blkio_keys() -> Vec<SchemaKey> {
    vec![
        ("weight", number(), "10 to 1000"),
        ("weight_device", list(link("disk_weight")), "By disk"),
        ("device_read_bps", list(link("disk_rate")), "Bytes a second"),
        ("device_write_bps", list(link("disk_rate")), "Bytes a second"),
        ("device_read_iops", list(link("disk_rate")), "Requests a second"),
        ("device_write_iops", list(link("disk_rate")), "Requests a second"),
    ]
}

fn disk_keys(limit: &'static str) -> Vec<SchemaKey> {
    vec![("path", text(), "A disk of the host, as in /dev/sda"), (limit, number(), "The limit")]
}

fn ulimit_keys() -> Vec<SchemaKey> {
    vec![("soft", number(), "-1 for no limit"), ("hard", number(), "-1 for no limit")]
}

fn place_keys() -> Vec<SchemaKey> {
    vec![
        ("aliases", list(text()), "More names on the network"),
        ("ipv4_address", text(), "In the lower half of `network: {subnet: …}`, or on the network of `network: NAME`"),
        ("mac_address", text(), "Needs Docker API 1.44"),
        ("priority", number(), "Nothing: there is one network"),
        ("gw_priority", number(), "Nothing: there is one network"),
    ]
}

fn device_keys() -> Vec<SchemaKey> {
    vec![
        ("source", text(), "A device of the host, as in /dev/ttyUSB0"),
        ("target", text(), "How it is called in the container"),
        ("permissions", text(), "As in rw"),
    ]
}

fn gpu_keys() -> Vec<SchemaKey> {
    vec![
        ("driver", text(), "As in nvidia"),
        ("count", number(), "How many, or all"),
        ("device_ids", list(scalar()), "Which, in place of `count`"),
        ("capabilities", list(text()), "As in gpu"),
        ("options", pairs(&[]), "The driver's"),
    ]
}

fn deploy_keys() -> Vec<SchemaKey> {
    vec![
        ("mode", json!({"const": "replicated"}), "It holds anyway"),
        ("replicas", json!({"enum": [1, "1"]}), "One container each"),
        ("resources", link("resources"), "Limits and reservations"),
        ("restart_policy", link("restart_policy"), "As `restart`"),
    ]
}

fn resources_keys() -> Vec<SchemaKey> {
    vec![("limits", link("limits"), "At most"), ("reservations", link("reservations"), "At least")]
}

fn limits_keys() -> Vec<SchemaKey> {
    vec![
        ("cpus", scalar(), "As `cpus` of the container"),
        ("memory", number(), "As `mem_limit`"),
        ("pids", number(), "As `pids_limit`"),
    ]
}

fn reservations_keys() -> Vec<SchemaKey> {
    vec![("memory", number(), "As `mem_reservation`"), ("devices", list(link("gpu")), "As `gpus`")]
}

fn restart_policy_keys() -> Vec<SchemaKey> {
    vec![
        ("condition", words(&["none", "on-failure", "any"]), "When it starts again"),
        ("max_attempts", number(), "With on-failure"),
    ]
}

/// One text or several.
fn texts() -> Json {
    either(&[scalar(), list(scalar())])
}
