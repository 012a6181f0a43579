//! What newer engines answer otherwise than 20.10, by the version of their API: the published history of changes.

use serde_json::{Map, Value, json};

use super::state::short;

/// Rewrites the answer to `GET path` as an engine of API 1.`minor` gives it.
pub(super) fn newer(minor: u32, path: &str, body: &mut Value) {
    let path: Vec<&str> = path.trim_matches('/').split('/').filter(|part| !part.starts_with("v1.")).collect();
    match path.as_slice() {
        ["containers", "json"] => body.as_array_mut().into_iter().flatten().for_each(|entry| listed(minor, entry)),
        ["containers", _, "json"] => container(minor, body),
        ["images", "json"] => body.as_array_mut().into_iter().flatten().for_each(|entry| image(minor, entry)),
        ["images", .., "json"] => image(minor, body),
        ["networks"] => body.as_array_mut().into_iter().flatten().for_each(|entry| network(minor, entry)),
        ["networks", _] => network(minor, body),
        _ => (),
    }
}

fn listed(minor: u32, entry: &mut Value) {
    endpoints(minor, entry, None);
    if minor >= 48 {
        entry["ImageManifestDescriptor"] = descriptor();
    }
    if minor >= 52 {
        let status = match entry["Status"].as_str() {
            Some(status) if status.contains("(healthy)") => "healthy",
            Some(status) if status.contains("(unhealthy)") => "unhealthy",
            Some(status) if status.contains("starting") => "starting",
            Some(_) | None => "none",
        };
        entry["Health"] = json!({"Status": status, "FailingStreak": 0});
    }
}

fn container(minor: u32, body: &mut Value) {
    let own = body["Id"].as_str().map(|id| short(id).to_owned());
    endpoints(minor, body, own);
    if minor >= 48 {
        body["ImageManifestDescriptor"] = descriptor();
    }
    if minor >= 52
        && let Some(settings) = body["NetworkSettings"].as_object_mut()
    {
        // What spoke of the default bridge only.
        settings.retain(|name, _| matches!(name.as_str(), "SandboxID" | "SandboxKey" | "Ports" | "Networks"));
    }
}

/// `own`: the container's short id, where the answer names it.
fn endpoints(minor: u32, body: &mut Value, own: Option<String>) {
    let Some(networks) = body["NetworkSettings"]["Networks"].as_object_mut() else { return };
    for endpoint in networks.values_mut().filter_map(Value::as_object_mut) {
        if minor >= 44 {
            names(endpoint, own.as_deref());
        }
        if minor >= 48 {
            endpoint.entry("GwPriority").or_insert(json!(0));
        }
    }
}

/// Aliases are what was asked for and nothing else; the short id moves to a list of its own.
fn names(endpoint: &mut Map<String, Value>, own: Option<&str>) {
    let asked = endpoint.get("Aliases").and_then(Value::as_array).cloned().unwrap_or_default();
    let asked: Vec<Value> = asked.into_iter().filter(|alias| alias.as_str() != own).collect();
    let mut all = asked.clone();
    all.extend(own.map(|own| json!(own)));
    endpoint.insert("Aliases".to_owned(), if asked.is_empty() { Value::Null } else { json!(asked) });
    endpoint.insert("DNSNames".to_owned(), if all.is_empty() { Value::Null } else { json!(all) });
}

fn image(minor: u32, body: &mut Value) {
    let Some(image) = body.as_object_mut() else { return };
    let mut gone: Vec<&str> = Vec::new();
    if minor >= 44 {
        gone.push("VirtualSize");
        // An image without a name has empty lists, and no placeholders.
        for names in ["RepoTags", "RepoDigests"] {
            let is_empty = image.get(names).is_some_and(|names| names.is_null() || *names == json!(["<none>:<none>"]));
            if is_empty {
                image.insert(names.to_owned(), json!([]));
            }
        }
    }
    if minor >= 45 {
        gone.extend(["Container", "ContainerConfig"]);
    }
    if minor >= 48 {
        image.insert("Descriptor".to_owned(), descriptor());
    }
    if minor >= 50
        && let Some(config) = image.get_mut("Config").and_then(Value::as_object_mut)
    {
        let runtime = ["Hostname", "Domainname", "AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin"];
        config.retain(|name, value| !runtime.contains(&name.as_str()) && !value.is_null() && *value != "");
        config.remove("StdinOnce");
        config.remove("Image");
    }
    if minor >= 51 && image.contains_key("Containers") {
        image.insert("Containers".to_owned(), json!(1));
    }
    image.retain(|name, _| !gone.contains(&name.as_str()));
}

fn network(minor: u32, body: &mut Value) {
    if minor >= 47 {
        body["EnableIPv4"] = json!(true);
    }
    if minor >= 52 {
        body["Status"] = json!({"IPAM": {"Subnets": {}}});
    }
}

fn descriptor() -> Value {
    let digest = format!("sha256:{}", super::state::digest("descriptor"));
    json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": 1362})
}
