//! Two ends held against each other.

use std::collections::BTreeMap;

use crate::plan_cases::sim::State;
use crate::plan_cases::walk::essence;

/// What is otherwise at one end than at another, as far as it counts.
pub fn differences(expected: &State, found: &State, counts: impl Fn(&str) -> bool) -> Vec<String> {
    let essence = |state: &State| -> BTreeMap<String, String> {
        essence(state, false).into_iter().filter(|(address, _)| counts(address)).collect()
    };
    let (expected, found) = (essence(expected), essence(found));
    let mut wrong = Vec::new();
    for (address, entry) in &expected {
        match found.get(address) {
            None => wrong.push(format!("{address} is missing at the end")),
            Some(other) if other != entry => {
                wrong.push(format!("{address} is otherwise than on a new server:\n    {entry}\n    {other}"));
            }
            Some(_) => (),
        }
    }
    let more = found.keys().filter(|address| !expected.contains_key(*address));
    wrong.extend(more.map(|address| format!("{address} is on no new server")));
    wrong
}
