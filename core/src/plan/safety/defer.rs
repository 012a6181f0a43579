//! What is not touched for now, though it differs: an engine that has just started brings its containers back by
//! itself, and Amarre does not cut the branch that it sits on.
//!
//! | | what is left | until |
//! |---|---|---|
//! | the engine started a moment ago | everything of its own that was there before, and every delete | a minute after its start |
//! | Amarre's own container | its delete, stop, rename and successor, and its networks' deletes | somebody does it by hand |

use std::collections::BTreeSet;

use crate::model::address::generations;
use crate::model::plan::Wait;
use crate::model::{Address, Change, Code, Fields, Gate, Hint, Kind, Plan, Refusal, Verb, Wants};
use crate::plan::input::Input;
use crate::text;

/// Gives what is to be left its gate.
pub fn hold_back(input: &Input<'_>, wants: &Wants, plan: &mut Plan) {
    for change in &mut plan.changes {
        if change.refusal().is_none() && (cuts_own(input, change) || makes_room(input, wants, change)) {
            let is_own = input.world.own.iter().any(|own| own.is_same(&change.address));
            change.gate = Gate::Held(own(change, is_own));
        }
        let waking = input.world.waking.get(&change.address.provider).filter(|until| input.now.is_before(**until));
        let Some(until) = waking.filter(|_| change.is_now() && is_put_right(input, change)) else { continue };
        change.gate = Gate::Until { at: *until, what: Wait::EngineStart };
        plan.next_look = Some(plan.next_look.map_or(*until, |known| known.min(*until)));
    }
}

/// Whether the engine may be about to do it, or what is seen may be gone in a moment. What is made for the first time
/// waits for nothing.
fn is_put_right(input: &Input<'_>, change: &Change) -> bool {
    let was_there = || generations(&input.facts.applied, &change.address).next().is_some();
    change.address.kind.traits().comes_back_with_engine && (!matches!(change.verb, Verb::Create(_)) || was_there())
}

/// Whether a change would end Amarre's own container, or cut it off.
fn cuts_own(input: &Input<'_>, change: &Change) -> bool {
    let own = input.world.own.iter().filter(|own| own.provider == change.address.provider);
    let fields = |own: &Address| input.world.seen.get(own).map(|seen| &seen.fields);
    let kind = change.address.kind;
    match &change.verb {
        Verb::Create(_) => {
            kind == Kind::Container
                && own.into_iter().any(|own| own.generation.is_some() && own.is_same(&change.address))
        }
        Verb::Update(written) => {
            kind == Kind::Container && own.into_iter().any(|own| *own == change.address) && is_an_end(written)
        }
        Verb::Delete if kind == Kind::Container => own.into_iter().any(|own| *own == change.address),
        Verb::Delete if kind == Kind::Network => {
            own.filter_map(fields).any(|fields| networks(fields).contains(change.address.name.as_str()))
        }
        Verb::Delete if kind == Kind::Attachment => {
            let container = change.address.name.rsplit_once('/').map(|(_, container)| container);
            own.filter_map(fields).any(|fields| fields.text("name") == container)
        }
        Verb::Delete => false,
    }
}

/// Whether something goes for a network that is made anew, which Amarre itself is on: that one cannot go, and what went
/// for it would not come back.
fn makes_room(input: &Input<'_>, wants: &Wants, change: &Change) -> bool {
    let is_on = |address: &Address, network: &Address| {
        input.world.seen.get(address).is_some_and(|seen| networks(&seen.fields).contains(network.name.as_str()))
    };
    let mut stay = wants.moving.iter().filter(|network| input.world.own.iter().any(|own| is_on(own, network)));
    change.verb == Verb::Delete
        && stay.any(|network| {
            let attached = change.address.name.rsplit_once('/').map(|(network, _)| network);
            network.provider == change.address.provider
                && (is_on(&change.address, network)
                    || change.address.kind == Kind::Attachment && attached == Some(network.name.as_str()))
        })
}

fn is_an_end(written: &Fields) -> bool {
    written.flag("running") == Some(false) || written.text("name").is_some()
}

/// What a container is on: ours say it one by one, others as a list.
fn networks(fields: &Fields) -> BTreeSet<&str> {
    let one = [fields.text("network"), fields.text("edge")].into_iter().flatten();
    fields.strings("networks").into_iter().chain(fields.strings("also_on")).chain(one).collect()
}

fn own(change: &Change, is_own: bool) -> Refusal {
    let (kind, name) = (change.address.kind, &change.address.name);
    let message = match (kind == Kind::Container, is_own) {
        (true, true) => text!("container {name} is the one that Amarre runs in", name),
        (true, false) => text!("container {name} is on a network that Amarre itself is on", name),
        (false, _) => text!("{kind} {name} is one that Amarre itself is on", kind, name),
    };
    Refusal {
        code: Code::A0508,
        message,
        found: Vec::new(),
        hints: vec![Hint::text(text!(
            "do it by hand, from outside Amarre: `docker compose up -d` where Amarre is set up"
        ))],
    }
}
