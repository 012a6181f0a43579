//! Keys that are understood but not supported, each by its name and with what to do instead.
//!
//! The list of Compose keys is the whole Compose Spec, so that none of them falls to "unknown key".

use super::container;
use crate::manifest::yaml::diagnostic::Problem;
use crate::manifest::yaml::reader::UnknownKey;
use crate::manifest::yaml::tree::Entry;
use crate::model::Code;

/// Compose keys without a meaning here, and what to do instead.
const COMPOSE: [(&str, &str); 14] = [
    ("cpu_count", "use `cpus:`; this one is for engines of Windows"),
    ("cpu_percent", "use `cpus:`; this one is for engines of Windows"),
    ("credential_spec", "leave it out; it is for engines of Windows"),
    ("develop", "leave it out; it is for `docker compose watch`"),
    ("external_links", "containers of one service find one another by name"),
    ("isolation", "leave it out; it is for engines of Windows"),
    ("links", "leave it out; containers of one service find one another by name"),
    ("models", "write the address of the model into `environment:`"),
    ("post_start", "put the command into the `entrypoint:` of the image, or into a container of its own"),
    ("pre_stop", "use `stop_signal:`, and let the program of the container do it on that signal"),
    ("provider", "a container needs an image; what is elsewhere is kind `Route`"),
    ("scale", "one container each; leave it out"),
    ("version", "leave it out"),
    ("volumes_from", "name the volume in each container"),
];

/// Compose keys of a whole Compose file, where `project.rs` and `stack.rs` read them, and what to write in a manifest.
const COMPOSE_FILES: [(&str, &str); 7] = [
    ("configs", "mount a file of the source: `volumes: [./app.conf:/etc/app.conf]`"),
    ("env_file", "write the variables into `environment:`, passwords as `{secret: NAME}`"),
    ("extends", "use a YAML anchor and `<<`"),
    ("include", "write one manifest for each service"),
    ("label_file", "use `labels:`"),
    ("profiles", "leave it out, or take the manifest out of the folder"),
    ("secrets", "use `environment:` with `{secret: NAME}`"),
];

/// Keys that are about containers, and what they are for.
const OF_CONTAINERS: [(&str, &str); 5] = [
    ("state", "it is for a Service: its containers run or stand still"),
    ("update", "it is for a Service: how a new container takes the place of the old one"),
    ("moved_from", "it is for a Service: whose data its containers have"),
    ("reuse", "it is for a Service: whether it gets what a deleted one of its name has left"),
    ("data", "it is for a Service: whether its containers may start on nothing"),
];

/// Keys of a container that nobody asked for.
pub(crate) fn container_key(entry: &Entry) -> UnknownKey {
    let key = entry.key.as_str();
    match key {
        "port" | "routes" | "ssl" => {
            let message = format!("`{key}` does not belong in a container");
            let problem = Problem::error(Code::A0106, entry.key_spot, message);
            return UnknownKey::Reported(problem.hint("write it beside `containers:`".to_owned()));
        }
        _ => (),
    }
    if let Some((_, instead)) = COMPOSE_FILES.iter().find(|(known, _)| *known == key) {
        let message = format!("Compose key `{key}` is not supported in a manifest");
        let hint = format!("works in a whole Compose file, `compose: ./compose.yaml`; here {instead}");
        return refused(Problem::error(Code::A0112, entry.key_spot, message), &hint);
    }
    match COMPOSE.iter().find(|(known, _)| *known == key) {
        Some((_, hint)) => refused_key(entry, hint),
        None => UnknownKey::Unknown,
    }
}

/// The keys of the Compose Spec that are refused in a container.
pub(crate) fn container_keys() -> impl Iterator<Item = &'static str> {
    // `include` and `version` are a file's, for people who paste one.
    let of_files = ["include", "version"];
    COMPOSE.iter().chain(&COMPOSE_FILES).map(|(key, _)| *key).filter(move |key| !of_files.contains(key))
}

/// Keys at the top of a Compose file.
pub(crate) fn compose_file_key(entry: &Entry) -> UnknownKey {
    match entry.key.as_str() {
        "models" => refused_key(entry, "write the address of the model into `environment:`"),
        _ => UnknownKey::Unknown,
    }
}

/// Keys of a Service with `compose:`.
pub(crate) fn stack_service_key(entry: &Entry) -> UnknownKey {
    let key = entry.key.as_str();
    if container::is_key(key) && key != "dns" {
        let message = format!("`{key}` stands beside `compose:`");
        let problem = Problem::error(Code::A0106, entry.key_spot, message);
        return UnknownKey::Reported(problem.hint("write it into the Compose file".to_owned()));
    }
    container_key(entry)
}

/// Keys of a Service with `containers:`.
pub(crate) fn long_service_key(entry: &Entry) -> UnknownKey {
    let key = entry.key.as_str();
    if container::is_key(key) && key != "dns" {
        let message = format!("`{key}` stands beside `containers:`");
        let problem = Problem::error(Code::A0106, entry.key_spot, message);
        let hint = match key {
            "volumes" => "mounts belong in a container; named volumes need no declaration",
            _ => "move it into the container that it is for",
        };
        return UnknownKey::Reported(problem.hint(hint.to_owned()));
    }
    container_key(entry)
}

/// Keys of the kinds without containers.
pub(crate) fn small_kind_key(entry: &Entry) -> UnknownKey {
    let Some((key, what)) = OF_CONTAINERS.iter().find(|(known, _)| *known == entry.key) else {
        return UnknownKey::Unknown;
    };
    refused(Problem::error(Code::A0106, entry.key_spot, format!("`{key}` does not belong in this kind")), what)
}

fn refused_key(entry: &Entry, hint: &str) -> UnknownKey {
    let message = format!("Compose key `{}` is not supported in a Service", entry.key);
    refused(Problem::error(Code::A0112, entry.key_spot, message), hint)
}

fn refused(problem: Problem, hint: &str) -> UnknownKey {
    UnknownKey::Reported(if hint.is_empty() { problem } else { problem.hint(hint.to_owned()) })
}
