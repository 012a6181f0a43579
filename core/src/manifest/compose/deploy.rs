//! `deploy`: what of it means something for one container on one engine. The rest is a cluster's.

use super::settings::{SettingValues, is_nothing};
use super::unsupported::not_in_service;
use super::{rights, settings};
use crate::manifest::reader::{Reader, UnknownKey, nothing_else};
use crate::manifest::scope::{is_compose, no_effect};
use crate::manifest::yaml::diagnostic::{Problem, shown};
use crate::manifest::yaml::tree::Entry;
use crate::model::{Code, Text, Value};
use crate::resources::docker::PIDS_MAX;
use crate::text;

/// Reads it into the settings of the plain keys; answers the restart policy where it names one.
pub(crate) fn read(reader: &mut Reader<'_>, settings: &mut SettingValues) -> Option<String> {
    let node = reader.node("deploy")?;
    let scope = reader.scope;
    let has_restart = reader.has("restart");
    let mut deploy = Reader::open(scope, node, "`deploy`", "deploy.")?;
    mode(&mut deploy);
    resources(&mut deploy, settings);
    let restart = restart(&mut deploy);
    if restart.is_some() && has_restart {
        if is_compose(deploy.spot) {
            let message =
                text!("{key} has no effect beside {other}", key = "`restart`", other = "`deploy.restart_policy`");
            scope.no_effect(reader.key_spot("restart"), message, text!("keep one of the two"));
        } else {
            let message = text!("{key} stands beside `{other}`", key = "`deploy.restart_policy`", other = "restart");
            let hint = text!("both say the same; keep one");
            scope.error_hint(Code::A0140, deploy.key_spot("restart_policy"), message, hint);
        }
    }
    deploy.finish(&|entry| {
        let hint = match entry.key.as_str() {
            "endpoint_mode" => text!("leave it out; there is one container"),
            "labels" => text!("use `labels:` of the container"),
            "placement" => text!("use `host:` to say where the service runs"),
            "rollback_config" => text!("leave it out; a container that fails is put back by itself"),
            "update_config" => text!("leave it out; an update is stop-first or start-first by itself"),
            _ => return UnknownKey::Unknown,
        };
        of_cluster(entry, "deploy", hint)
    });
    restart
}

fn mode(deploy: &mut Reader<'_>) {
    let scope = deploy.scope;
    let hint = text!("leave it out; there is one container");
    match deploy.text("mode") {
        Some(text) if text.text == "global" => {
            let message = text!("Compose key `{key}` has no effect on one host", key = "deploy.mode: global");
            scope.no_effect(text.spot, message, hint);
        }
        Some(text) if text.text != "replicated" => {
            let message = not_in_service(&format!("deploy.mode: {}", shown(&text.text)));
            scope.error_hint(Code::A0112, text.spot, message, hint);
        }
        Some(_) | None => (),
    }
    if let Some(text) = deploy.text("replicas").filter(|text| text.text != "1") {
        let message = not_in_service(&format!("deploy.replicas: {}", shown(&text.text)));
        let hint = text!("one container each; write a container for every copy");
        scope.error_hint(Code::A0112, text.spot, message, hint);
    }
}

fn resources(deploy: &mut Reader<'_>, settings: &mut SettingValues) {
    let Some(node) = deploy.node("resources") else { return };
    let scope = deploy.scope;
    let Some(mut resources) = Reader::open(scope, node, "`deploy.resources`", "deploy.resources.") else { return };
    if let Some(node) = resources.node("limits") {
        let path = "deploy.resources.limits.";
        if let Some(mut limits) = Reader::open(scope, node, "`deploy.resources.limits`", path) {
            let cpus = settings::cpus(&mut limits, "cpus");
            put(&limits, settings, "cpus", "cpus", cpus);
            let memory = settings::memory(&mut limits, "memory");
            put(&limits, settings, "memory", "mem_limit", memory);
            let pids = limits.number("pids", -1, PIDS_MAX).filter(|pids| *pids != -1).map(Value::Int);
            put(&limits, settings, "pids", "pids_limit", pids);
            limits.finish(&nothing_else);
        }
    }
    if let Some(node) = resources.node("reservations") {
        let path = "deploy.resources.reservations.";
        if let Some(mut reserved) = Reader::open(scope, node, "`deploy.resources.reservations`", path) {
            let memory = settings::memory(&mut reserved, "memory");
            put(&reserved, settings, "memory", "mem_reservation", memory);
            if let Some(node) = reserved.node("devices") {
                let requests =
                    rights::device_requests(scope, node, "`deploy.resources.reservations.devices`", path, false);
                put(&reserved, settings, "devices", "gpus", Some(Value::List(requests)));
            }
            reserved.finish(&|entry| {
                let hint = match entry.key.as_str() {
                    "cpus" => text!("use `cpu_shares`; an engine reserves no CPUs"),
                    "generic_resources" => text!("use `devices`, or `reservations.devices`"),
                    _ => return UnknownKey::Unknown,
                };
                of_cluster(entry, "deploy.resources.reservations", hint)
            });
        }
    }
    resources.finish(&nothing_else);
}

/// Two places for one thing are an error, for nothing says which of them holds; Compose takes two that say the same.
fn put(reader: &Reader<'_>, settings: &mut SettingValues, key: &str, field: &str, value: Option<Value>) {
    let Some(value) = value.filter(|value| !is_nothing(value)) else { return };
    let is_same = settings.get(field) == Some(&value) && is_compose(reader.spot);
    if settings.contains_key(field) && !is_same {
        let message = text!("{key} stands beside `{other}`", key = reader.label(key), other = field);
        let hint = text!("both say the same; keep one");
        reader.scope.error_hint(Code::A0140, reader.key_spot(key), message, hint);
    }
    settings.insert(field.to_owned(), value);
}

fn restart(deploy: &mut Reader<'_>) -> Option<String> {
    const ATTEMPTS_MAX: i64 = 1_000_000;
    let node = deploy.node("restart_policy")?;
    let scope = deploy.scope;
    let mut policy = Reader::open(scope, node, "`deploy.restart_policy`", "deploy.restart_policy.")?;
    // The last two are a container's own words, which Compose takes as well.
    let words = [
        ("none", "no"),
        ("on-failure", "on-failure"),
        ("any", "always"),
        ("always", "always"),
        ("unless-stopped", "unless-stopped"),
    ];
    let has_condition = policy.has("condition");
    let usual = if is_compose(policy.spot) { "no" } else { "always" };
    let word = policy.choice("condition", &words).unwrap_or(usual);
    if !has_condition && usual == "no" {
        let message = text!("`deploy.restart_policy` without `condition` restarts nothing, as with `docker compose`");
        let hint = text!("write `condition: any`, or `condition: none` if that is meant");
        scope.report(Problem::warning(Code::A0192, policy.spot, message).hint(hint));
    }
    let attempts = policy.number("max_attempts", 1, ATTEMPTS_MAX);
    if attempts.is_some() && word != "on-failure" {
        let message = text!("`deploy.restart_policy.max_attempts` needs `condition: on-failure`");
        let hint = text!("Docker counts failures only");
        scope.error_hint(Code::A0140, policy.key_spot("max_attempts"), message, hint);
    }
    policy.finish(&|entry| {
        let hint = match entry.key.as_str() {
            "delay" => text!("leave it out; Docker waits longer after each failure"),
            "window" => text!("leave it out; a container counts as well by its healthcheck"),
            _ => return UnknownKey::Unknown,
        };
        of_cluster(entry, "deploy.restart_policy", hint)
    });
    Some(match attempts {
        Some(attempts) => format!("{word}:{attempts}"),
        None => word.to_owned(),
    })
}

/// A key without a meaning here.
fn of_cluster(entry: &Entry, of: &str, hint: Text) -> UnknownKey {
    let key = format!("{of}.{}", entry.key);
    let message = text!("Compose key `{key}` has no effect on one host", key);
    UnknownKey::Reported(no_effect(entry.key_spot, message, hint))
}
