//! Holds changes that people do not want done, by what [`crate::plan::protection`] says of their manifest.

use crate::model::{Arg, Change, Code, Gate, Hint, Kind, Plan, ReasonCode, Refusal, Verb, Wants};
use crate::plan::input::Input;
use crate::plan::protection;
use crate::text;

/// Holds what people do not want done.
pub fn hold_back(input: &Input<'_>, wants: &Wants, plan: &mut Plan) {
    for change in plan.changes.iter_mut().filter(|change| change.refusal().is_none()) {
        // What a person asked for by name is done.
        let is_release = change.because.code == ReasonCode::Released;
        let is_clean_up = change.address.kind == Kind::Image && change.verb == Verb::Delete;
        let is_asked = input.facts.suspended.get(&change.service).is_some_and(|suspension| suspension.destroy);
        if protection::is_reported(input, &change.service) && !is_asked && !is_clean_up && !is_release {
            change.gate = Gate::Held(reported(input, &change.service));
        } else if let Some(refusal) =
            protection::protected(input, &change.service, &change.address).filter(|_| takes_away(input, change))
        {
            change.gate = Gate::Held(refusal);
        } else if let Some(refusal) = wants.left_behind.get(&change.service).filter(|_| change.verb == Verb::Delete) {
            change.gate = Gate::Held(refusal.clone());
        }
    }
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
    let said = protection::reconcile_options(input, service).and_then(|said| said.mode).is_some();
    let place = if said { protection::file(input, service) } else { Arg::from("amarre.yaml") };
    Refusal {
        code: Code::A0417,
        message: text!("{service} is only reported: shown, not put right", service),
        found: Vec::new(),
        hints: vec![Hint::text(text!("to have it put right, take `mode: report` out of {place}", place))],
    }
}
