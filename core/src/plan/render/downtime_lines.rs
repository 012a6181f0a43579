//! For how long services are away while a plan is carried out, as far as the past tells, in words and seconds. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::plan::Downtime;
use crate::model::{Address, Change, Kind, Millis};
use crate::plan::forecast::Forecast;
use crate::plan::forecast::downtime;
use crate::plan::forecast::downtime::Expected;
use crate::plan::input::Input;

/// The services that are away for a while, each with what to expect, where that is known.
pub type Services<'a> = BTreeMap<&'a str, Option<Expected>>;

/// All of a plan.
pub fn services<'a>(input: &Input<'_>, forecast: &'a Forecast) -> Services<'a> {
    let away = forecast.plan.changes.iter().filter(|change| change.impact.downtime == Downtime::Some);
    let mut by_service: BTreeMap<&str, BTreeSet<Address>> = BTreeMap::new();
    for change in away {
        by_service.entry(&change.service).or_default().insert(change.address.base());
    }
    by_service.into_iter().map(|(service, away)| (service, longest(input, &away))).collect()
}

/// What to expect of a change; `None` while that is not known.
pub fn of_change(input: &Input<'_>, change: &Change) -> Option<Millis> {
    match change.impact.downtime {
        Downtime::None => Some(Millis(0)),
        Downtime::Some => expected_downtime(input, &change.address.base()).map(|expected| expected.about),
    }
}

/// The containers of a service are away side by side: the slowest tells how long.
fn longest(input: &Input<'_>, away: &BTreeSet<Address>) -> Option<Expected> {
    let expected: Option<Vec<Expected>> = away.iter().map(|base| expected_downtime(input, base)).collect();
    expected?.into_iter().max_by_key(|expected| expected.about)
}

fn expected_downtime(input: &Input<'_>, base: &Address) -> Option<Expected> {
    let known = input.facts.away.get(base).filter(|_| base.kind == Kind::Container)?;
    downtime::expected(known)
}

/// `8 s`, about so long.
pub fn about(expected: &Expected) -> String {
    whole(expected.about).in_words()
}

/// `vaultwarden about 8 s (last five: 6 to 9 s)`.
pub fn line(service: &str, expected: Option<&Expected>) -> String {
    let Some(expected) = expected else { return service.to_owned() };
    let (least, most) = (whole(expected.least), whole(expected.most));
    let range = match (least == most, most < Millis::minutes(1)) {
        (true, _) => most.in_words(),
        (false, true) => format!("{} to {}", seconds(least), most.in_words()),
        (false, false) => format!("{} to {}", least.in_words(), most.in_words()),
    };
    let range = count(expected.count).map(|count| format!(" (last {count}: {range})")).unwrap_or_default();
    format!("{service} about {}{range}", about(expected))
}

/// Of one alone there is no range.
fn count(count: usize) -> Option<String> {
    match count {
        0 | 1 => None,
        2 => Some("two".to_owned()),
        3 => Some("three".to_owned()),
        4 => Some("four".to_owned()),
        5 => Some("five".to_owned()),
        more => Some(more.to_string()),
    }
}

/// In whole seconds, and at least one: nothing takes no time at all.
fn whole(span: Millis) -> Millis {
    Millis::seconds(((span.0 + 500) / 1000).max(1))
}

/// Whole seconds, for machines; none is none.
pub fn seconds(span: Millis) -> i64 {
    if span.0 == 0 { 0 } else { whole(span).0 / 1000 }
}
