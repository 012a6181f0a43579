//! What a service does next by itself, as one line: drift that is put back, a container that starts, a wait. Pure.

use super::countdown::{CountFrom, Then};
use super::jobs;
use super::status::{drift_word, is_drift, need_text};
use crate::engine::report::pass_view::PassView;
use amarre_core::model::plan::{Gate, Wait};
use amarre_core::model::{Address, Change, Kind, Readiness, Text};
use amarre_core::text;

/// The next step and its time.
pub fn next_step(pass: &PassView, name: &str) -> (Text, Option<CountFrom>) {
    let mine: Vec<&Change> = pass.changes_of(name).collect();
    let is_due = |change: &&&Change| !matches!(change.gate, Gate::Until { .. });
    let drift = mine.iter().filter(|change| is_drift(change)).filter(is_due);
    let drift: Vec<&str> = drift.map(|change| drift_word(change)).collect();
    if let Some(first) = drift.first() {
        let text = match drift.len() - 1 {
            0 => text!("drift: {first}, being put back", first = *first),
            n => text!("drift: {first} and {n} more, being put back", first = *first, n),
        };
        return (text, None);
    }
    let waits = mine.iter().find_map(|change| match &change.gate {
        Gate::Until { at, what } => {
            let (text, then) = until_text(change, *what);
            Some((text, Some(CountFrom::Until(then, *at))))
        }
        Gate::After(needs) => needs.first().map(|need| (text!("waits for {what}", what = need_text(pass, need)), None)),
        Gate::Now | Gate::Held(_) => None,
    });
    let wanted = || pass.wanted_by(name).iter();
    let called = |address: &Address| {
        let manifest = pass.services.get(name).filter(|_| address.kind == Kind::Container);
        manifest.map_or_else(|| address.name.clone(), |manifest| manifest.called(&address.name))
    };
    let starting = wanted()
        .filter(|address| address.kind == Kind::Container || address.kind.is_instance())
        .filter_map(|address| Some((address, &pass.world.seen.get(address)?.ready)))
        .find_map(|(address, ready)| match ready {
            Readiness::NotYet { why, .. } => Some(match jobs::job(pass, address) {
                Some(job) => text!("job {job} {why}", job, why = why.clone()),
                None if called(address) == name => why.clone(),
                None => text!("{thing}: {why}", thing = called(address), why = why.clone()),
            }),
            Readiness::Ready | Readiness::Failed { .. } => None,
        });
    let ready = mine
        .iter()
        .find(|change| change.is_now())
        .map(|change| jobs::doing(change, jobs::resource_label(pass, &change.address)));
    let unasked = wanted().filter(|address| address.kind == Kind::Image);
    let unasked = unasked.filter_map(|image| Some((image, pass.world.seen.get(image)?.fields.text("unasked")?)));
    let unasked = unasked
        .map(|(image, why)| text!("is there a newer {image}? {why}", image = &image.name, why = Text::from(why)))
        .next();
    let alone = |text: Text| (text, None);
    starting.map(alone).or(waits).or(ready.map(alone)).or(unasked.map(alone)).unwrap_or_default()
}

/// The text of a change that waits for a time, and of what comes then.
fn until_text(change: &Change, what: Wait) -> (Text, Then) {
    let provider = &change.address.provider;
    match what {
        Wait::StoppedGrace => (text!("stopped outside Amarre"), Then::Started),
        Wait::EngineStart => {
            (text!("{provider} has just started and brings its containers back itself", provider), Then::GoesOn)
        }
        Wait::Provider => (text!("{provider} fails for everybody", provider), Then::TriedAgain),
        Wait::Lent => (text!("a reservation has the machine"), Then::GoesOn),
        Wait::Drain => (text!("the old container stops"), Then::Said),
        Wait::Settle | Wait::Budget | Wait::Order | Wait::Backoff | Wait::Builds => (text!("goes on"), Then::Said),
    }
}
