//! Which power a machine should have now, and why. Pure: the instant is an argument, and what was overridden comes from
//! the ledger.
//!
//! | rule | override | level |
//! |---|---|---|
//! | unmanaged | any | none, and the override is over |
//! | a level or a timetable | not over | that of the override |
//! | a level | none or over | that level |
//! | a timetable | none or over | its last tick since it was first seen; before that, none: nothing is switched |
//!
//! | an override until | is over, by a timetable | by a level |
//! |---|---|---|
//! | the next tick | after one tick | never by itself |
//! | the tick after the next | after two ticks | never by itself |
//! | an instant | at that instant | at that instant |
//! | followed | never by itself | never by itself |

use serde::{Deserialize, Serialize};

use super::text::{Arg, Text};
use super::time::Timestamp;
use super::timetable::{Tick, Timetable};
use crate::text;

/// Whether a machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    On,
    /// It is stopped; its vendor keeps its place.
    Off,
    /// It is stored and its place is given back.
    Shelved,
}

/// Who switched a machine against its rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverrideSource {
    /// A person, through Amarre.
    Person,
    /// It was seen switched, and it was not Amarre.
    Observed,
}

/// How long an override lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverrideEnd {
    /// Until the timetable ticks once.
    NextTick,
    /// Until it ticks twice: the next tick is skipped.
    TickAfterNext,
    /// Until an instant.
    At(Timestamp),
    /// Until a person asks to follow the rule again.
    Followed,
}

/// A power that takes the place of the rule's for a while.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Override {
    pub to: Power,
    pub source: OverrideSource,
    /// The account; empty where it is not known.
    pub by: String,
    pub at: Timestamp,
    /// How long.
    pub until: OverrideEnd,
}

/// What the manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PowerRule {
    /// Amarre leaves the power alone.
    Unmanaged,
    /// Always this.
    Level(Power),
    /// As a timetable says.
    Schedule(Timetable),
}

/// Which power a machine should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// `None`: it is neither started nor stopped.
    pub level: Option<Power>,
    pub why: Cause,
    /// The next tick of the timetable, whether an override lasts beyond it or not.
    pub next: Option<Tick>,
    /// The override that was given has ended: the caller deletes it.
    pub override_is_over: bool,
}

/// Why a machine should have its power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// No rule.
    Unmanaged,
    /// The manifest names the power.
    Level(Power),
    /// The last tick of the timetable.
    Tick(Tick),
    /// The timetable has not ticked since it was first seen; its next tick.
    NoTickYet(Option<Tick>),
    /// An override, and when it ends by itself, if it does.
    Override(Override, Option<Timestamp>),
}

impl Power {
    pub const ALL: [Power; 3] = [Power::On, Power::Off, Power::Shelved];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Power::On => "on",
            Power::Off => "off",
            Power::Shelved => "shelved",
        }
    }

    /// Of `on`, `off` or `shelved`.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|power| power.as_str() == word)
    }

    /// Whether a machine seen so is as wanted. What is shelved is off, and costs less.
    pub fn is_met_by(self, seen: Power) -> bool {
        self == seen || self == Power::Off && seen == Power::Shelved
    }
}

impl PowerRule {
    /// The value of `power`, or `schedule`: an override ends when this changes.
    pub const fn key(&self) -> &'static str {
        match self {
            PowerRule::Unmanaged => "unmanaged",
            PowerRule::Level(power) => power.as_str(),
            PowerRule::Schedule(_) => "schedule",
        }
    }

    /// Whether it ever leads to a shelve.
    pub fn shelves(&self) -> bool {
        match self {
            PowerRule::Unmanaged => false,
            PowerRule::Level(power) => *power == Power::Shelved,
            PowerRule::Schedule(table) => table.off_as().power() == Power::Shelved,
        }
    }

    pub const fn timetable(&self) -> Option<&Timetable> {
        match self {
            PowerRule::Schedule(table) => Some(table),
            PowerRule::Unmanaged | PowerRule::Level(_) => None,
        }
    }
}

impl Override {
    /// Whether it may have been a crash: a person is asked.
    pub fn needs_attention(&self) -> bool {
        self.source == OverrideSource::Observed && self.to != Power::On
    }

    /// Whether it outlives a change of the manifest, given the [`key`](PowerRule::key) of the rule at the time of the
    /// override. A changed timetable keeps it, a changed `power` ends it.
    pub fn survives(&self, key: &str, rule: &PowerRule) -> bool {
        key == rule.key() && *rule != PowerRule::Unmanaged
    }

    /// Whether it has ended by itself. `since`: when the timetable was first seen; ticks before that are not its own.
    fn is_over(&self, now: Timestamp, rule: &PowerRule, since: Timestamp) -> bool {
        let ticks = match self.until {
            OverrideEnd::At(end) => return now >= end,
            OverrideEnd::Followed => return false,
            OverrideEnd::NextTick => 1,
            OverrideEnd::TickAfterNext => 2,
        };
        let Some(table) = rule.timetable() else { return false };
        table.ticks(self.at.max(since)).take_while(|tick| tick.at <= now).take(ticks).count() == ticks
    }

    /// When it ends by itself, if it is not over.
    fn end(&self, rule: &PowerRule, since: Timestamp) -> Option<Timestamp> {
        let tick = |skipped| rule.timetable()?.ticks(self.at.max(since)).nth(skipped).map(|tick| tick.at);
        match self.until {
            OverrideEnd::At(end) => Some(end),
            OverrideEnd::NextTick => tick(0),
            OverrideEnd::TickAfterNext => tick(1),
            OverrideEnd::Followed => None,
        }
    }
}

/// Which power a machine should have now. `since`: when its timetable was first seen; `None` is just now.
pub fn wanted(now: Timestamp, rule: &PowerRule, since: Option<Timestamp>, override_: Option<&Override>) -> Wanted {
    let since = since.unwrap_or(now);
    let next = rule.timetable().and_then(|table| table.next_tick(now));
    let is_over = |known: &Override| *rule == PowerRule::Unmanaged || known.is_over(now, rule, since);
    let override_is_over = override_.is_some_and(is_over);
    let (level, why) = match (override_.filter(|_| !override_is_over), rule) {
        (Some(known), _) => (Some(known.to), Cause::Override(known.clone(), known.end(rule, since))),
        (None, PowerRule::Unmanaged) => (None, Cause::Unmanaged),
        (None, PowerRule::Level(power)) => (Some(*power), Cause::Level(*power)),
        (None, PowerRule::Schedule(table)) => match table.last_tick(now, since) {
            Some(tick) => (Some(tick.to), Cause::Tick(tick)),
            None => (None, Cause::NoTickYet(next)),
        },
    };
    Wanted { level, why, next, override_is_over }
}

/// The override that a change of power makes, seen between two observations. `did_we`: Amarre switched it. `None`: it is as
/// wanted, it is ours, or it is drift that is corrected.
pub fn observed(
    now: Timestamp,
    rule: &PowerRule,
    wanted: &Wanted,
    before: Option<Power>,
    seen: Power,
    did_we: bool,
) -> Option<Override> {
    let is_start = before? != Power::On && seen == Power::On;
    let is_stop = before? == Power::On && seen != Power::On;
    // Stopped where shelved is wanted is half of the way.
    let is_wanted = wanted.level.is_some_and(|level| (level == Power::On) == (seen == Power::On));
    let until = match rule {
        PowerRule::Unmanaged => return None,
        PowerRule::Level(_) if is_start => OverrideEnd::Followed,
        PowerRule::Level(_) => return None,
        PowerRule::Schedule(_) => OverrideEnd::NextTick,
    };
    let is_override = (is_start || is_stop) && !did_we && !is_wanted;
    is_override.then(|| Override { to: seen, source: OverrideSource::Observed, by: String::new(), at: now, until })
}

impl Cause {
    /// For people: lowercase, no full stop.
    pub fn text(&self) -> Text {
        match self {
            Cause::Unmanaged => text!("its power is not managed"),
            Cause::Level(power) => text!("its manifest says power: {power}", power = power.as_str()),
            Cause::Tick(Tick { at, to }) => {
                let at = Arg::Date(*at);
                match to {
                    Power::On => text!("its timetable switched it on at {at}", at),
                    Power::Off => text!("its timetable switched it off at {at}", at),
                    Power::Shelved => text!("its timetable shelved it at {at}", at),
                }
            }
            Cause::NoTickYet(Some(next)) => {
                text!("its timetable is new: nothing is started or stopped before {at}", at = Arg::Date(next.at))
            }
            Cause::NoTickYet(None) => text!("its timetable is new and has no next tick: nothing is started or stopped"),
            Cause::Override(known, end) => {
                let what = known.text();
                match end {
                    Some(end) => text!("{what}; until {end}", what, end = Arg::Date(*end)),
                    None => text!("{what}; until its rule is followed again", what),
                }
            }
        }
    }
}

impl Override {
    /// For people, without its end: lowercase, no full stop.
    pub fn text(&self) -> Text {
        let (at, by) = (Arg::Date(self.at), self.by.as_str());
        match (self.source, self.to) {
            (OverrideSource::Person, Power::On) => text!("{by} started it at {at}", by, at),
            (OverrideSource::Person, Power::Off) => text!("{by} stopped it at {at}", by, at),
            (OverrideSource::Person, Power::Shelved) => text!("{by} shelved it at {at}", by, at),
            (OverrideSource::Observed, Power::On) => text!("it was started outside Amarre, seen at {at}", at),
            (OverrideSource::Observed, Power::Off) => {
                text!("it was stopped outside Amarre or crashed, seen at {at}", at)
            }
            (OverrideSource::Observed, Power::Shelved) => text!("it was shelved outside Amarre, seen at {at}", at),
        }
    }
}
