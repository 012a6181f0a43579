//! Jobs as people see them: by their own name, not as one container among others. Pure.

use crate::engine::report::pass_view::PassView;
use amarre_core::model::{Address, Arg, Change, Kind, Text, Verb};
use amarre_core::plan::render::lines;
use amarre_core::text;

/// The name in its manifest, of a job.
pub fn job<'a>(pass: &'a PassView, address: &Address) -> Option<&'a str> {
    if address.kind != Kind::Container {
        return None;
    }
    let wanted = pass.wants.map.get(address).map(|want| &want.service);
    let service = wanted.or_else(|| pass.facts.applied.get(address).map(|row| &row.service))?;
    let manifest = pass.services.get(service)?;
    manifest.jobs.keys().find(|key| manifest.address_name(key) == address.name).map(String::as_str)
}

/// `job backup`, `container cloud-app`, `record cloud.example.org`.
pub fn resource_label(pass: &PassView, address: &Address) -> Text {
    match job(pass, address) {
        Some(job) => text!("job {job}", job),
        None => text!("{kind} {name}", kind = address.kind, name = shown_name(address)),
    }
}

/// As people call it: what Docker calls a network of ours is for its order only.
pub fn shown_name(address: &Address) -> Arg {
    let is_of_network = matches!(address.kind, Kind::Network | Kind::Attachment);
    if is_of_network { lines::name_text(address, None).into() } else { Arg::from(&address.name) }
}

/// What is done now.
pub fn doing(change: &Change, thing: Text) -> Text {
    match change.verb {
        Verb::Create(_) => text!("create {thing}", thing),
        Verb::Update(_) => text!("update {thing}", thing),
        Verb::Delete => text!("delete {thing}", thing),
    }
}
