//! Two ends held against each other.

use std::collections::BTreeMap;

use crate::plan_cases::oracle::differ;
use crate::plan_cases::sim::State;
use crate::plan_cases::walk::essence;

/// What is otherwise at an end than on a new server, as far as it counts.
pub fn unlike_new(new: &State, found: &State, counts: impl Fn(&str) -> bool) -> Vec<String> {
    let essence = |state: &State| -> BTreeMap<String, String> {
        essence(state, false).into_iter().filter(|(address, _)| counts(address)).collect()
    };
    differ("not as on a new server", &essence(new), &essence(found))
}
