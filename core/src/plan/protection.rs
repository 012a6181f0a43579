//! What people decided about a manifest: only to report it, to protect it, to leave fields of it to others.
//!
//! | | what differs | a delete, a re-create | made for the first time, or again |
//! |---|---|---|---|
//! | `mode: enforce` | put right | done | done |
//! | `mode: report` | shown | shown | shown |
//! | `protect: true` | put right | held | done |
//! | a server, and no `protect` | put right | held; all of its manifest, where it is destroyed with its data | done |

use super::input::Input;
use crate::model::service::Reconcile;
use crate::model::site::Mode;
use crate::model::{Address, Arg, Code, Fields, Hint, Kind, Refusal, Service, Text, Value};
use crate::text;

/// What a manifest says of how it is kept; of one that is gone, what it said last.
pub(crate) fn reconcile_options<'a>(input: &Input<'a>, service: &str) -> Option<&'a Reconcile> {
    let said = input.services.get(service).map(|service| &service.reconcile);
    said.or_else(|| input.facts.gone.get(service))
}

/// Whether nothing of a service is touched, only shown.
pub fn is_reported(input: &Input<'_>, service: &str) -> bool {
    reconcile_options(input, service).and_then(|said| said.mode).unwrap_or(input.site.mode) == Mode::Report
}

/// Whether a field is left to others once it was given.
pub fn ignores(input: &Input<'_>, service: &str, kind: Kind, field: &str) -> bool {
    reconcile_options(input, service)
        .is_some_and(|said| said.ignore.iter().any(|ignored| ignored.is_about(kind, field)))
}

/// The fields of a container without those that are left to others.
pub fn without_ignored(service: &Service, fields: &Fields) -> Fields {
    if service.reconcile.ignore.is_empty() {
        return fields.clone();
    }
    let is_ignored = |field: &str| {
        let mut ignored = service.reconcile.ignore.iter();
        ignored.any(|ignored| ignored.is_about(Kind::Container, field))
    };
    let left = fields.iter().filter(|(name, _)| !is_ignored(name)).map(|(name, value)| {
        let mut value = value.clone();
        if let Value::Map(entries) = &mut value {
            entries.retain(|key, _| !is_ignored(&format!("{name}.{key}")));
        }
        (name.clone(), value)
    });
    left.collect()
}

/// Why nothing of a service is deleted or made anew: its manifest says so, or it has a server, and does not say that it may go.
pub fn protected(input: &Input<'_>, service: &str, address: &Address) -> Option<Refusal> {
    let Address { kind, name, .. } = address;
    let is_server = *kind == Kind::Server;
    match says(input, service) {
        Some(false) => None,
        Some(true) => {
            let message = text!(
                "{kind} {name} is neither deleted nor made anew: {service} is protected",
                kind = *kind,
                name,
                service
            );
            Some(refusal(message, way_out(input, service, is_server)))
        }
        None if !input.services.contains_key(service) => None,
        None if is_server => Some(refusal(unsaid(name), way_out(input, service, true))),
        // Without its names a server that stays would run on unreachable.
        None => is_purged(input, service).then(|| server(input, service)).flatten().map(|server| {
            let message = text!(
                "{kind} {name} stays with server {server}, which is protected unless its manifest says otherwise",
                kind = *kind,
                name,
                server = &server.name
            );
            refusal(message, way_out(input, service, true))
        }),
    }
}

/// Why a service is not destroyed at all, neither with its data nor without.
pub fn indestructible(input: &Input<'_>, service: &str) -> Option<Refusal> {
    says(input, service).filter(|protects| *protects)?;
    let message = text!("{service} is protected, so nothing of it is destroyed", service);
    Some(refusal(message, way_out(input, service, server(input, service).is_some())))
}

/// Why a service is not destroyed with its data: it has a server, and its manifest does not say that it may go.
pub fn unpurgeable(input: &Input<'_>, service: &str) -> Option<Refusal> {
    let server = server(input, service).filter(|_| says(input, service).is_none())?;
    Some(refusal(unsaid(&server.name), way_out(input, service, true)))
}

fn says(input: &Input<'_>, service: &str) -> Option<bool> {
    reconcile_options(input, service).and_then(|said| said.protect)
}

fn is_purged(input: &Input<'_>, service: &str) -> bool {
    input.facts.suspended.get(service).is_some_and(|suspension| suspension.destroy && suspension.purge)
}

/// The first server that a manifest made.
fn server<'a>(input: &Input<'a>, service: &str) -> Option<&'a Address> {
    let mut servers = input.services.get(service)?.servers().map(|server| &server.address);
    let is_made = |address: &Address| input.world.seen.get(address).is_some_and(|seen| seen.owner.is_ours());
    servers.find(|address| address.kind == Kind::Server && is_made(address))
}

fn unsaid(server: &str) -> Text {
    text!("server {name} is protected unless its manifest says otherwise", name = server)
}

/// What takes the protection away.
fn way_out(input: &Input<'_>, service: &str, has_server: bool) -> Text {
    let file = file(input, service);
    if has_server {
        let what = "`reconcile: {protect: false}`";
        return text!("if it may go with its disks, write {what} in {file}", what, file);
    }
    text!("if it may be, take `protect: true` out of {file}", file)
}

fn refusal(message: Text, hint: Text) -> Refusal {
    Refusal { code: Code::A0418, message, found: Vec::new(), hints: vec![Hint::text(hint)] }
}

/// Where a manifest stands, or stood.
pub(crate) fn file(input: &Input<'_>, service: &str) -> Arg {
    let gone = |file: &String| text!("{file}, which has to be put back for that", file).into();
    let stood = || input.facts.history.gone.get(service).map(gone);
    let stands = input.services.get(service).map(|service| Arg::from(&service.origin.file));
    stands.or_else(stood).unwrap_or_else(|| text!("its manifest").into())
}
