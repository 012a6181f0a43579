//! Keys that are understood but not supported, each by its name and with what to do instead.
//!
//! The list of Compose keys is the whole Compose Spec, so that none of them falls to "unknown key".

use super::container;
use crate::manifest::reader::UnknownKey;
use crate::manifest::yaml::diagnostic::Problem;
use crate::manifest::yaml::tree::Entry;
use crate::model::{Code, Text};
use crate::text;

/// Compose keys without a meaning here, and what to do instead.
fn compose_keys() -> [(&'static str, Text); 14] {
    [
        ("cpu_count", text!("use `cpus:`; this one is for engines of Windows")),
        ("cpu_percent", text!("use `cpus:`; this one is for engines of Windows")),
        ("credential_spec", text!("leave it out; it is for engines of Windows")),
        ("develop", text!("leave it out; it is for `docker compose watch`")),
        ("external_links", text!("containers of one service find one another by name")),
        ("isolation", text!("leave it out; it is for engines of Windows")),
        ("links", text!("leave it out; containers of one service find one another by name")),
        ("models", text!("write the address of the model into `environment:`")),
        ("post_start", text!("put the command into the `entrypoint:` of the image, or into a container of its own")),
        ("pre_stop", text!("use `stop_signal:`, and let the program of the container do it on that signal")),
        ("provider", text!("a container needs an image; what is elsewhere is kind `Route`")),
        ("scale", text!("one container each; leave it out")),
        ("version", text!("leave it out")),
        ("volumes_from", text!("name the volume in each container")),
    ]
}

/// Compose keys of a whole Compose file, where `project.rs` and `stack.rs` read them, and what to write in a manifest.
fn keys_of_files() -> [(&'static str, Text); 7] {
    [
        ("configs", text!("mount a file of the source: `volumes: [./app.conf:/etc/app.conf]`")),
        ("env_file", text!("write the variables into `environment:`, passwords as {form}", form = "`{secret: NAME}`")),
        ("extends", text!("use a YAML anchor and `<<`")),
        ("include", text!("write one manifest for each service")),
        ("label_file", text!("use `labels:`")),
        ("profiles", text!("leave it out, or take the manifest out of the folder")),
        ("secrets", text!("use `environment:` with {form}", form = "`{secret: NAME}`")),
    ]
}

/// Keys that are about containers, and what they are for.
fn keys_of_containers() -> [(&'static str, Text); 5] {
    [
        ("state", text!("it is for a Service: its containers run or stand still")),
        ("update", text!("it is for a Service: how a new container takes the place of the old one")),
        ("moved_from", text!("it is for a Service: whose data its containers have")),
        ("reuse", text!("it is for a Service: whether it gets what a deleted one of its name has left")),
        ("data", text!("it is for a Service: whether its containers may start on nothing")),
    ]
}

/// Words that other tools have for keys of a container.
const OTHER_WORDS: [(&str, &str); 4] =
    [("cpu", "cpus"), ("env", "environment"), ("memory", "mem_limit"), ("ram", "mem_limit")];

/// Keys of a container that nobody asked for.
pub(crate) fn container_key(entry: &Entry) -> UnknownKey {
    let key = entry.key.as_str();
    match key {
        "port" | "routes" | "ssl" => {
            let message = text!("`{key}` does not belong in a container", key);
            return refused(entry, Code::A0106, message, text!("write it beside `containers:`"));
        }
        _ => (),
    }
    if let Some((_, instead)) = keys_of_files().into_iter().find(|(known, _)| *known == key) {
        let message = text!("Compose key `{key}` is not supported in a manifest", key);
        let hint = text!("works in a whole Compose file, `compose: ./compose.yaml`; here {instead}", instead);
        return refused(entry, Code::A0112, message, hint);
    }
    if let Some((_, meant)) = OTHER_WORDS.into_iter().find(|(other, _)| *other == key) {
        return UnknownKey::Meant(meant);
    }
    match compose_keys().into_iter().find(|(known, _)| *known == key) {
        Some((_, hint)) => refused_key(entry, hint),
        None => UnknownKey::Unknown,
    }
}

/// The keys of the Compose Spec that are refused in a container.
pub(crate) fn container_keys() -> impl Iterator<Item = &'static str> {
    // `include` and `version` are a file's, for people who paste one.
    let of_files = ["include", "version"];
    compose_keys().into_iter().chain(keys_of_files()).map(|(key, _)| key).filter(move |key| !of_files.contains(key))
}

/// Keys at the top of a Compose file.
pub(crate) fn compose_file_key(entry: &Entry) -> UnknownKey {
    match entry.key.as_str() {
        "models" => refused_key(entry, text!("write the address of the model into `environment:`")),
        _ => UnknownKey::Unknown,
    }
}

/// Keys of a Service with `compose:`.
pub(crate) fn stack_service_key(entry: &Entry) -> UnknownKey {
    let key = entry.key.as_str();
    if container::is_key(key) && key != "dns" {
        let message = text!("`{key}` stands beside `compose:`", key);
        return refused(entry, Code::A0106, message, text!("write it into the Compose file"));
    }
    container_key(entry)
}

/// Keys of a Service with `containers:`.
pub(crate) fn long_service_key(entry: &Entry) -> UnknownKey {
    let key = entry.key.as_str();
    if container::is_key(key) && key != "dns" {
        let message = text!("`{key}` stands beside `containers:`", key);
        let hint = match key {
            "volumes" => text!("mounts belong in a container; named volumes need no declaration"),
            _ => text!("move it into the container that it is for"),
        };
        return refused(entry, Code::A0106, message, hint);
    }
    container_key(entry)
}

/// Keys of the kinds without containers.
pub(crate) fn small_kind_key(entry: &Entry) -> UnknownKey {
    let Some((key, what)) = keys_of_containers().into_iter().find(|(known, _)| *known == entry.key) else {
        return UnknownKey::Unknown;
    };
    refused(entry, Code::A0106, text!("`{key}` does not belong in this kind", key), what)
}

/// That a key of the Compose Spec means nothing in a Service.
pub(crate) fn not_in_service(key: &str) -> Text {
    text!("{what} is not supported in a Service", what = text!("Compose key `{key}`", key))
}

fn refused_key(entry: &Entry, hint: Text) -> UnknownKey {
    refused(entry, Code::A0112, not_in_service(&entry.key), hint)
}

fn refused(entry: &Entry, code: Code, message: Text, hint: Text) -> UnknownKey {
    UnknownKey::Reported(Problem::error(code, entry.key_spot, message).hint(hint))
}
