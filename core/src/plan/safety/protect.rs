//! What people decided about a manifest: only to report it, to protect it, to leave fields of it to others.
//!
//! | | what differs | a delete, a re-create | made for the first time, or again |
//! |---|---|---|---|
//! | `mode: enforce` | put right | done | done |
//! | `mode: report` | shown | shown | shown |
//! | `protect: true` | put right | held | done |

use crate::model::service::Reconcile;
use crate::model::site::Mode;
use crate::model::{
    Address, Arg, Change, Code, Fields, Gate, Hint, Kind, Plan, ReasonCode, Refusal, Service, Value, Verb, Wants,
};
use crate::plan::input::Input;
use crate::text;

/// Holds what people do not want done.
pub fn hold_back(input: &Input<'_>, wants: &Wants, plan: &mut Plan) {
    for change in plan.changes.iter_mut().filter(|change| change.refusal().is_none()) {
        // What a person asked for by name is done.
        let is_release = change.because.code == ReasonCode::Released;
        let is_clean_up = change.address.kind == Kind::Image && change.verb == Verb::Delete;
        let is_asked = input.facts.suspended.get(&change.service).is_some_and(|suspension| suspension.destroy);
        if is_reported(input, &change.service) && !is_asked && !is_clean_up && !is_release {
            change.gate = Gate::Held(reported(input, &change.service));
        } else if let Some(refusal) =
            protected(input, &change.service, &change.address).filter(|_| takes_away(input, change))
        {
            change.gate = Gate::Held(refusal);
        } else if let Some(refusal) = wants.left_behind.get(&change.service).filter(|_| change.verb == Verb::Delete) {
            change.gate = Gate::Held(refusal.clone());
        }
    }
}

/// What a manifest says of how it is kept; of one that is gone, what it said last.
fn reconcile_options<'a>(input: &Input<'a>, service: &str) -> Option<&'a Reconcile> {
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

/// Whether something that is there goes, or is made anew.
fn takes_away(input: &Input<'_>, change: &Change) -> bool {
    let address = &change.address;
    let others = || input.world.instances(&address.base()).into_iter().filter(|(other, _)| other != address);
    match change.verb {
        Verb::Update(_) => false,
        Verb::Create(_) => address.kind == Kind::Container && others().next().is_some(),
        // What has a successor that works was made anew before.
        Verb::Delete if address.kind == Kind::Container => !others().any(|(_, seen)| seen.ready.is_ready()),
        Verb::Delete => !matches!(address.kind, Kind::Image | Kind::Account),
    }
}

fn reported(input: &Input<'_>, service: &str) -> Refusal {
    let said = reconcile_options(input, service).and_then(|said| said.mode).is_some();
    let place = if said { file(input, service) } else { Arg::from("amarre.yaml") };
    Refusal {
        code: Code::A0417,
        message: text!("{service} is only reported: shown, not put right", service),
        found: Vec::new(),
        hints: vec![Hint::text(text!("to have it put right, take `mode: report` out of {place}", place))],
    }
}

/// Why nothing of a service is deleted or made anew, if its manifest says so.
pub fn protected(input: &Input<'_>, service: &str, address: &Address) -> Option<Refusal> {
    let said = reconcile_options(input, service).and_then(|said| said.protect);
    let Address { kind, name, .. } = address;
    if said.is_none() && *kind == Kind::Server && input.services.contains_key(service) {
        return Some(Refusal {
            code: Code::A0418,
            message: text!("server {name} is protected unless its manifest says otherwise", name),
            found: Vec::new(),
            hints: vec![Hint::text(text!(
                "if it may go with its disks, write {what} in {file}",
                what = "`reconcile: {protect: false}`",
                file = file(input, service)
            ))],
        });
    }
    said.filter(|protects| *protects)?;
    Some(Refusal {
        code: Code::A0418,
        message: text!(
            "{kind} {name} is neither deleted nor made anew: {service} is protected",
            kind = *kind,
            name,
            service
        ),
        found: Vec::new(),
        hints: vec![Hint::text(text!("if it may be, take `protect: true` out of {file}", file = file(input, service)))],
    })
}

/// Where a manifest stands, or stood.
fn file(input: &Input<'_>, service: &str) -> Arg {
    let gone = |file: &String| text!("{file}, which has to be put back for that", file).into();
    let stood = || input.facts.history.gone.get(service).map(gone);
    let stands = input.services.get(service).map(|service| Arg::from(&service.origin.file));
    stands.or_else(stood).unwrap_or_else(|| text!("its manifest").into())
}
