//! The changes of the last day, a lane for each provider.

use std::collections::BTreeMap;

use super::{Web, view_model};
use crate::ledger::runs::EventFilter;
use crate::words::Words;
use amarre_core::model::pool::MACHINES;
use amarre_core::model::{Millis, ProviderId, Timestamp};

/// How far back it goes.
const SPAN: Millis = Millis::minutes(24 * 60);
/// The time that one unit of the drawing stands for.
const UNIT: Millis = Millis::minutes(2);
/// Events that are read; of a day with more, the newest.
const EVENTS_MAX: u32 = 5_000;
/// Hours between two labels of the axis.
const HOURS_APART: i64 = 4;

pub struct Timeline {
    /// In its units.
    pub width: i64,
    /// Labels at the upper edge, from the oldest to now, as far from each other.
    pub hours: Vec<String>,
    /// From top to bottom.
    pub lanes: Vec<Lane>,
}

/// The changes at one provider.
pub struct Lane {
    /// `NPM edge`.
    pub title: String,
    /// The changes, oldest first.
    pub marks: Vec<TimelineMark>,
}

/// Changes within two minutes.
pub struct TimelineMark {
    pub x: i64,
    /// Whether something failed.
    pub failed: bool,
    /// The last run of it.
    pub run: i64,
    pub title: String,
}

#[derive(Default)]
struct Bucket {
    changed: usize,
    failed: usize,
    run: i64,
}

impl Timeline {
    /// The last day; `None`: no pass has ended yet.
    pub async fn load(web: &Web, words: Words) -> Option<Self> {
        let now = web.handle.now();
        let from = Timestamp(now.0 - SPAN.0);
        let (pass, _) = web.handle.last_pass();
        let filter = EventFilter { since: from, limit: EVENTS_MAX, ..EventFilter::default() };
        let events = web.handle.ledger().events_of(&filter).await.unwrap_or_default();
        let mut lanes: BTreeMap<ProviderId, BTreeMap<i64, Bucket>> =
            pass.context.as_ref()?.providers.keys().map(|id| (id.clone(), BTreeMap::new())).collect();
        for (_, event) in events {
            let has_failed = event.kind == "failed";
            let is_of_run = event.run > 0 && event.is_attempt();
            let Some(address) = event.address.filter(|_| is_of_run) else { continue };
            let Some(lane) = lanes.get_mut(&address.provider) else { continue };
            let bucket = lane.entry((event.at - from).0 / UNIT.0).or_default();
            bucket.run = bucket.run.max(event.run);
            *(if has_failed { &mut bucket.failed } else { &mut bucket.changed }) += 1;
        }
        let mark = |(unit, bucket): (i64, Bucket)| {
            let at = view_model::clock(Timestamp(from.0 + unit * UNIT.0));
            let (changed, failed) = (bucket.changed.to_string(), bucket.failed.to_string());
            let values = [("time", at.get(..5).unwrap_or(&at)), ("changed", &changed), ("failed", &failed)];
            let key = if bucket.failed > 0 { "timeline-failed" } else { "timeline-changed" };
            TimelineMark { x: unit, failed: bucket.failed > 0, run: bucket.run, title: words.with_all(key, &values) }
        };
        let lane = |(id, marks): (ProviderId, BTreeMap<i64, Bucket>)| Lane {
            title: if id.family() == MACHINES { words.get("timeline-machines") } else { id.title() },
            marks: marks.into_iter().map(mark).collect(),
        };
        let hours = (0..=24 / HOURS_APART).map(|step| {
            let at = Timestamp(from.0 + step * HOURS_APART * 60 * 60 * 1000);
            view_model::clock(at).get(..5).unwrap_or_default().to_owned()
        });
        Some(Self { width: SPAN.0 / UNIT.0, hours: hours.collect(), lanes: lanes.into_iter().map(lane).collect() })
    }
}
