//! What a person can do where something that is not ours has the place of something wanted: ways that free the place, and
//! none that touches what is another's. Pure.
//!
//! | what is in the way | on our side | on the other side |
//! |---|---|---|
//! | a proxy host, a redirection | another `domain:` | whoever has it gives the name up |
//! | a stream | another `port:` | the same |
//! | a record | another `domain:`, `name:` of a Record, or `dns: none` | the same |
//! | a container, a network, anything else | another name of the service | the same |
//!
//! What has no owner that is known may be adopted, where its kind can, or removed by a person whose it is. What is another
//! instance's is for that instance to give up.

use crate::model::kinds::Adoption;
use crate::model::manifest_kind::ManifestKind;
use crate::model::{Address, Hint, Kind, Owner, Text, Want};
use crate::plan::input::Input;
use crate::text;

/// What is in the way of something wanted.
pub struct Rival<'a> {
    pub address: &'a Address,
    pub owner: &'a Owner,
    /// What of its place is wanted: its name, or those of its names that are asked for.
    pub names: &'a str,
    /// Whether it is what is wanted, but for its owner: only that can be adopted.
    pub is_alike: bool,
}

/// The ways out of a conflict.
pub fn ways_out(input: &Input<'_>, rival: &Rival<'_>, want: &Want) -> Vec<Hint> {
    let Rival { address, owner, names, is_alike } = *rival;
    let mut hints = Vec::new();
    let is_adoptable = is_alike && address.kind.traits().adoption == Adoption::Mark;
    if matches!(owner, Owner::Foreign | Owner::Unverified) && is_adoptable {
        let thing = format!("{}/{}", address.kind.word(), address.name);
        hints.push(Hint::command(text!("to take it over"), format!("amarre adopt {thing}")));
    }
    hints.push(Hint::text(another_place(input, address.kind, names, want)));
    let kind = input.services.get(&want.service).map(|service| service.kind);
    if address.kind == Kind::Record && kind != Some(ManifestKind::RECORD) {
        let file = &want.origin.file;
        hints.push(Hint::text(text!("to leave the record alone, put `dns: none` in {file}", file)));
    }
    let place = address.provider.title();
    hints.push(Hint::text(match owner {
        Owner::Other(instance) => {
            text!("or have the instance {instance} give it up: take it out of the manifests there", instance)
        }
        // A host has other names, too.
        Owner::Unverified | Owner::Foreign | Owner::Ours | Owner::MarkLost
            if !is_alike && address.kind.has_host_names() =>
        {
            text!("or, if it is yours, take {names} out of it in {place}", names, place)
        }
        Owner::Unverified | Owner::Foreign | Owner::Ours | Owner::MarkLost => {
            text!("or, if it is yours and nobody needs it, remove it in {place}", place)
        }
    }));
    hints
}

/// How what is wanted gets a place that is free.
fn another_place(input: &Input<'_>, kind: Kind, names: &str, want: &Want) -> Text {
    let (service, file) = (&want.service, &want.origin.file);
    let written = input.services.get(service).map(|service| service.kind);
    if kind == Kind::Record && written == Some(ManifestKind::RECORD) {
        return text!("give the record another `name:` in {file}", file);
    }
    if kind == Kind::Record || kind.has_host_names() {
        return text!("write another `domain:` or alias in place of {names} in {file}", names, file);
    }
    // Visitors come in by its port.
    if kind.is_entry() {
        return text!("give {service} another `port:` in {file}", service, file);
    }
    text!("give {service} another name in {file}", service, file)
}
