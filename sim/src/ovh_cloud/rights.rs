//! Which rights there are: paths for a signed key, actions for a service account.

/// Access rules with which servers can be read.
pub const READING_RULES: [(&str, &str); 2] = [("GET", "/cloud/project"), ("GET", "/cloud/project/*")];

/// Access rules with which servers can be read, started, stopped, rebooted and shelved: what a consumer key may at first.
pub const POWER_RULES: [(&str, &str); 7] = [
    ("GET", "/cloud/project"),
    ("GET", "/cloud/project/*"),
    ("POST", "/cloud/project/*/instance/*/start"),
    ("POST", "/cloud/project/*/instance/*/stop"),
    ("POST", "/cloud/project/*/instance/*/reboot"),
    ("POST", "/cloud/project/*/instance/*/shelve"),
    ("POST", "/cloud/project/*/instance/*/unshelve"),
];

/// Access rules with which servers can also be created, renamed, resized, reinstalled, saved and deleted, and keys made for them.
pub const MANAGING_RULES: [(&str, &str); 10] = [
    ("GET", "/cloud/project"),
    ("GET", "/cloud/project/*"),
    ("POST", "/cloud/project/*/instance"),
    ("POST", "/cloud/project/*/instance/*"),
    ("POST", "/cloud/project/*/region/*/instance"),
    ("PUT", "/cloud/project/*/instance/*"),
    ("DELETE", "/cloud/project/*/instance/*"),
    ("POST", "/cloud/project/*/sshkey"),
    ("DELETE", "/cloud/project/*/sshkey/*"),
    ("DELETE", "/cloud/project/*/snapshot/*"),
];

/// What a service account needs for that beside [`POWER_ACTIONS`].
pub const MANAGING_ACTIONS: [&str; 13] = [
    "publicCloudProject:apiovh:instance/create",
    "publicCloudProject:apiovh:instance/delete",
    "publicCloudProject:apiovh:instance/edit",
    "publicCloudProject:apiovh:instance/resize",
    "publicCloudProject:apiovh:instance/reinstall",
    "publicCloudProject:apiovh:instance/snapshot",
    "publicCloudProject:apiovh:instance/vnc/create",
    "publicCloudProject:apiovh:instance/activeMonthlyBilling",
    "publicCloudProject:apiovh:region/instance/create",
    "publicCloudProject:apiovh:snapshot/get",
    "publicCloudProject:apiovh:snapshot/delete",
    "publicCloudProject:apiovh:sshkey/create",
    "publicCloudProject:apiovh:sshkey/delete",
];

/// The same as [`POWER_RULES`] for a service account, and no more.
pub const POWER_ACTIONS: [&str; 14] = [
    "publicCloudProject:apiovh:get",
    "publicCloudProject:apiovh:instance/get",
    "publicCloudProject:apiovh:instance/start",
    "publicCloudProject:apiovh:instance/stop",
    "publicCloudProject:apiovh:instance/reboot",
    "publicCloudProject:apiovh:instance/shelve",
    "publicCloudProject:apiovh:instance/unshelve",
    "publicCloudProject:apiovh:flavor/get",
    "publicCloudProject:apiovh:image/get",
    "publicCloudProject:apiovh:operation/get",
    "publicCloudProject:apiovh:quota/get",
    "publicCloudProject:apiovh:region/get",
    "publicCloudProject:apiovh:region/instance/get",
    "publicCloudProject:apiovh:sshkey/get",
];

/// The name of the right that a call needs, as the schema's `x-iam-actions` have it.
pub(super) fn action(method: &str, path: &str) -> String {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let verb = match method {
        "POST" => "create",
        "PUT" => "edit",
        "DELETE" => "delete",
        _ => "get",
    };
    match (method, parts.as_slice()) {
        (_, ["cloud", "project"] | ["cloud", "project", _]) => format!("publicCloudProject:apiovh:{verb}"),
        ("POST", ["cloud", "project", _, "instance", _, "vnc"]) => {
            "publicCloudProject:apiovh:instance/vnc/create".to_owned()
        }
        ("POST", ["cloud", "project", _, "instance", _, what]) => format!("publicCloudProject:apiovh:instance/{what}"),
        (_, ["cloud", "project", _, "region", _, what, ..]) => {
            format!("publicCloudProject:apiovh:region/{what}/{verb}")
        }
        (_, ["cloud", "project", _, what, ..]) => format!("publicCloudProject:apiovh:{what}/{verb}"),
        _ => format!("account:apiovh:{}/{verb}", parts.join("/")),
    }
}
