//! Two ends held against each other.

use std::collections::BTreeMap;

use amarre_core::model::Value;

use amarre_testkit::oracle::differ;
use amarre_testkit::state::State;
use amarre_testkit::walk::essence;

/// What is otherwise at an end than on a new server, as far as it counts.
pub fn unlike_new(new: &State, found: &State, counts: impl Fn(&str) -> bool) -> Vec<String> {
    let essence = |state: &State| -> BTreeMap<String, String> {
        essence(&with_any_certificate(state), false).into_iter().filter(|(address, _)| counts(address)).collect()
    };
    let (new, mut found) = (essence(new), essence(found));
    // Certificates are kept for a month after their last user.
    found.retain(|address, _| !address.contains("/certificate/") || new.contains_key(address));
    differ("not as on a new server", &new, &found)
}

/// Which of several certificates that fit a host has depends on what it had before.
fn with_any_certificate(state: &State) -> State {
    let mut state = state.clone();
    for thing in state.raw.seen.values_mut().filter(|thing| thing.fields.text("certificate").is_some()) {
        thing.fields.set("certificate", Value::text("one that fits"));
    }
    state
}
