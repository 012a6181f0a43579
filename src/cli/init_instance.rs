//! What `amarre init` calls the instance: as the machine is called, and never as another one that is here already.

use std::collections::BTreeSet;
use std::path::Path;

use bollard::models::ContainerSummary;

use super::CommandFailure;
use super::args::InitArgs;
use super::init::Dialogue;
use crate::providers::Observation;
use crate::providers::docker::answers::LABEL_INSTANCE;
use crate::providers::docker::api::EngineApi as Docker;
use amarre_core::model::{Code, Owner};

/// The longest name of an instance.
const INSTANCE_CHARS_MAX: usize = 40;

/// The instances of Amarre whose marks are on what the engine has.
pub(super) async fn instances(docker: &Docker, containers: &[ContainerSummary]) -> BTreeSet<String> {
    let mut labels: Vec<_> = containers.iter().filter_map(|container| container.labels.clone()).collect();
    if let Ok(networks) = docker.networks().await {
        labels.extend(networks.all().into_iter().filter_map(|network| network.labels));
    }
    if let Ok(volumes) = docker.volumes().await {
        labels.extend(volumes.all().into_iter().map(|volume| volume.labels));
    }
    labels.into_iter().filter_map(|mut labels| labels.remove(LABEL_INSTANCE)).collect()
}

/// What this Amarre is called: on a machine as the machine, in a container as a person says.
pub(super) fn instance(
    init: &InitArgs,
    dialogue: &Dialogue<'_>,
    known: &BTreeSet<String>,
) -> Result<String, CommandFailure> {
    let usual = if is_container() { None } else { machine_name() };
    let why_not = |answer: &str| {
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = !answer.is_empty() && answer.len() <= INSTANCE_CHARS_MAX && answer.bytes().all(is_name);
        (!fits).then(|| {
            if answer.is_empty() {
                ("the instance needs a name".to_owned(), "give it: amarre init --instance NAME")
            } else {
                (format!("`{answer}` is no name of an instance"), "lower-case letters, digits and `-`, at most 40")
            }
        })
    };
    let name = dialogue.checked("Name of this Amarre, on every resource", &init.instance, usual, why_not)?;
    if name.is_empty() {
        let message = "in a container, the name of this instance is not known";
        return Err(CommandFailure::new(Code::A1034, message, "give it: amarre init --instance NAME"));
    }
    if known.contains(&name) { Err(name_is_taken(&name, "this Docker engine")) } else { Ok(name) }
}

fn name_is_taken(name: &str, place: &str) -> CommandFailure {
    let hint = "give this one another name: amarre init --instance NAME; to go on with what is there, write amarre.yaml by hand \
                and keep its key";
    CommandFailure::new(Code::A1034, format!("{place} has resources of an instance {name} already"), hint)
}

/// Nothing else may have the marks of this name: its first plan would delete what they are on.
pub(super) fn refuse_marked(seen: &Observation, name: &str, place: &str) -> Result<(), CommandFailure> {
    let is_marked = |owner: &Owner| match owner {
        Owner::Ours | Owner::MarkLost | Owner::Unverified => true,
        Owner::Other(other) => other == name,
        Owner::Foreign => false,
    };
    if seen.seen.values().any(|seen| is_marked(&seen.owner)) { Err(name_is_taken(name, place)) } else { Ok(()) }
}

/// Whether this process is in a container, whose name is made up by its engine.
fn is_container() -> bool {
    ["/.dockerenv", "/run/.containerenv"].iter().any(|path| Path::new(path).exists())
}

/// The machine's name as an instance may be called; none where it has no name of its own.
fn machine_name() -> Option<String> {
    let uname = rustix::system::uname();
    let name = uname.nodename().to_string_lossy().to_lowercase();
    let plain: String = name
        .split('.')
        .next()
        .unwrap_or_default()
        .chars()
        .map(|char| if char.is_ascii_lowercase() || char.is_ascii_digit() { char } else { '-' })
        .take(INSTANCE_CHARS_MAX)
        .collect();
    let plain = plain.trim_matches('-');
    (!plain.is_empty() && plain != "localhost").then(|| plain.to_owned())
}
