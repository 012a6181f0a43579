//! Ticks whose power was not reached in time: by a server that is busy, not seen, or refused by its vendor. Pure.

use super::instances::{InstanceRow, InstanceState};
use crate::engine::report::pass_view::PassView;
use amarre_core::model::site::Mode;
use amarre_core::model::timetable::Tick;
use amarre_core::model::{Arg, Text};
use amarre_core::text;

/// A tick whose power was not reached.
#[derive(Debug, Clone, PartialEq)]
pub struct MissedTick {
    pub tick: Tick,
    /// Why, as far as that is known.
    pub why: Option<Text>,
}

/// The tick that a server missed. One that is only reported on, or that a person set aside, misses none.
pub(super) fn missed_tick(pass: &PassView, row: &InstanceRow) -> Option<MissedTick> {
    let managed = row.manifest.as_ref()?;
    let service = pass.services.get(&managed.service)?;
    let usual = pass.context.as_ref()?.site.mode;
    let is_left = service.reconcile.mode.unwrap_or(usual) == Mode::Report
        || pass.facts.suspended.contains_key(&managed.service)
        || !pass.consented;
    let tick = managed.facts.missed(&managed.wanted, pass.at).filter(|_| !is_left)?;
    Some(MissedTick { tick, why: why(pass, row) })
}

fn why(pass: &PassView, row: &InstanceRow) -> Option<Text> {
    if let Some(gap) = &row.gap {
        return Some(gap.message.clone());
    }
    let status = row.status.as_str();
    match row.state {
        InstanceState::Error => Some(text!("the vendor says {status}", status)),
        InstanceState::Unknown | InstanceState::NotMade | InstanceState::Missing => None,
        // While a try of ours is looked at, it is on its way, and so the last one that failed comes first.
        InstanceState::Changing => failure(pass, row).or_else(|| Some(text!("its status is {status}", status))),
        InstanceState::On | InstanceState::Off | InstanceState::Shelved => failure(pass, row),
    }
}

/// What its vendor said to the last try, or why none is made.
fn failure(pass: &PassView, row: &InstanceRow) -> Option<Text> {
    let service = row.manifest.as_ref().map(|managed| &managed.service)?;
    let held = pass.change_of(&row.address).and_then(|change| change.refusal());
    let held = held.map(|refusal| refusal.message.clone());
    let failed = pass.failing.get(&row.address).map(|known| known.error.message.clone());
    let before = pass.past_failures.get(service).filter(|(address, _)| *address == row.address);
    held.or(failed).or(before.map(|(_, why)| why.clone()))
}

impl InstanceRow {
    /// What it missed, for people: lowercase, no full stop.
    pub fn missed_text(&self) -> Option<Text> {
        let MissedTick { tick, why } = self.missed.as_ref()?;
        let (at, wanted, state) = (Arg::Date(tick.at), InstanceState::from(tick.to).text(), self.state.text());
        Some(match why {
            Some(why) => text!(
                "its timetable wanted it {wanted} at {at}, and it is {state}: {why}",
                wanted,
                at,
                state,
                why = why.clone()
            ),
            None => text!("its timetable wanted it {wanted} at {at}, and it is {state}", wanted, at, state),
        })
    }
}
