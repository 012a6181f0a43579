//! A field that is put right and seen different again, over and over: somebody else writes it, too. Counted in the
//! ledger, so that no restart begins anew; whatever the other does, the number of writes is limited.
//!
//! | | is left alone | until |
//! |---|---|---|
//! | written twice in a row without ever having been seen as wanted | A0906 | it is seen as wanted, something else is wanted, or a person asks |
//! | put right three times within an hour, or ten times within a day | A0907 | a person asks, something else is wanted, or it has been as wanted for a day |

use super::time::{Millis, Timestamp};
use super::value::{Fields, Value};

/// The field of a thing's own being there.
pub const ITSELF: &str = "";

/// Written so often without effect, it does not stay.
pub const UNSEEN_MAX: u32 = 2;
/// Wants that change by themselves, back and forth, end as well.
const UNSEEN_WHATEVER: u32 = 6;
/// Put right so often within an hour, somebody undoes it.
pub const HOUR_MAX: usize = 3;
/// Somebody may be slow, too.
pub const DAY_MAX: usize = 10;
const HOUR: Millis = Millis::minutes(60);
const DAY: Millis = Millis::minutes(24 * 60);

/// Fields that follow where a container is: that it moved is no manifest's change, and nobody's quarrel.
const FOLLOWS: [&str; 3] = ["forward_host", "forward_port", "locations"];

/// What is remembered of one field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Flap {
    pub service: String,
    /// A digest of what was wanted.
    pub wanted: String,
    /// The state of the source that wanted it.
    pub revision: String,
    /// When it was written, the latest last.
    pub writes: Vec<Timestamp>,
    /// Writes since it was last seen as wanted.
    pub unseen: u32,
    /// Left alone since then.
    pub since: Option<Timestamp>,
    /// As wanted since then.
    pub calm: Option<Timestamp>,
}

/// Why a field is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftAloneReason {
    /// It does not stay as written.
    DoesNotStay,
    /// Somebody writes it, too.
    Quarantined,
}

/// What stands for a wanted value; of a secret its mark.
pub fn digest(field: &str, value: &Value) -> String {
    Fields::default().with(field.to_owned(), value.clone()).marked_digest()
}

impl Flap {
    /// After one more write. `is_other` says that something else was wanted the last time.
    #[must_use]
    pub fn written(before: Option<Self>, field: &str, now: Self, is_other: bool, at: Timestamp) -> Self {
        let is_new = |before: &Self| is_other && (before.revision != now.revision || FOLLOWS.contains(&field));
        let mut flap = before.filter(|before| !is_new(before)).unwrap_or_default();
        flap.writes.retain(|known| *known <= at && at - *known < DAY);
        flap.writes.push(at);
        let surplus = flap.writes.len().saturating_sub(DAY_MAX);
        flap.writes.drain(..surplus);
        Self { writes: flap.writes, unseen: flap.unseen + 1, since: flap.since, calm: None, ..now }
    }

    /// After a look: `None` = there is nothing left to remember.
    #[must_use]
    pub fn seen(&self, is_as_wanted: bool, now: Timestamp) -> Option<Self> {
        let mut flap = self.clone();
        if is_as_wanted {
            // A clock that was put back keeps nothing for ever.
            let calm = flap.calm.filter(|calm| *calm <= now).unwrap_or(now);
            (flap.unseen, flap.calm) = (0, Some(calm));
            return (now - calm < DAY).then_some(flap);
        }
        flap.calm = None;
        if flap.since.is_none() && flap.is_fought_over(now) {
            flap.since = Some(now);
        }
        Some(flap)
    }

    /// Whether, and why, the field is not written now.
    pub fn left(&self, wanted: &str, revision: &str, now: Timestamp) -> Option<LeftAloneReason> {
        let is_same = self.wanted == wanted;
        if is_same && (self.since.is_some() || self.is_fought_over(now)) {
            return Some(LeftAloneReason::Quarantined);
        }
        let is_loop =
            self.unseen >= UNSEEN_MAX && is_same || self.unseen >= UNSEEN_WHATEVER && self.revision == revision;
        is_loop.then_some(LeftAloneReason::DoesNotStay)
    }

    /// How often it was put right of late.
    pub fn count(&self, now: Timestamp) -> usize {
        self.within(DAY, now)
    }

    fn is_fought_over(&self, now: Timestamp) -> bool {
        self.within(HOUR, now) >= HOUR_MAX || self.within(DAY, now) >= DAY_MAX
    }

    fn within(&self, span: Millis, now: Timestamp) -> usize {
        self.writes.iter().filter(|at| **at <= now && now - **at < span).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody who undoes every write after a while, for ten days: how often is it written?
    fn fight(pause: Millis, lag: Millis) -> Vec<Timestamp> {
        let mut flap: Option<Flap> = None;
        let (mut now, mut spoilt, mut writes) = (Timestamp(0), true, Vec::new());
        let mut next = Timestamp(0);
        while now < Timestamp(0) + Millis(10 * DAY.0) {
            flap = flap.and_then(|flap| flap.seen(!spoilt, now));
            let is_left = flap.as_ref().and_then(|flap| flap.left("w", "r", now)).is_some();
            if spoilt && !is_left {
                let row = Flap { wanted: "w".to_owned(), revision: "r".to_owned(), ..Flap::default() };
                flap = Some(Flap::written(flap, "websockets", row, false, now));
                writes.push(now);
                spoilt = false;
                next = now + pause;
            }
            now = now + lag;
            spoilt |= now >= next;
        }
        writes
    }

    #[test]
    fn whoever_undoes_it_however_fast_the_number_of_writes_is_limited() {
        for minutes in [0, 1, 5, 19, 21, 40, 61, 100, 143, 145, 600, 1439] {
            let writes = fight(Millis::minutes(minutes), Millis::seconds(30));
            let longest = DAY_MAX.max(usize::try_from(10 * 24 * 60 / minutes.max(145)).unwrap() + 1);
            assert!(writes.len() <= longest, "every {minutes} min: {} writes", writes.len());
        }
        assert_eq!(fight(Millis::minutes(0), Millis::seconds(1)).len(), 2, "at once: it never stays");
        assert_eq!(fight(Millis::minutes(5), Millis::seconds(30)).len(), HOUR_MAX);
        assert_eq!(fight(Millis::minutes(30), Millis::seconds(30)).len(), DAY_MAX);
    }

    #[test]
    fn a_quarantine_ends_with_another_wish_or_a_calm_day() {
        let at = |minutes| Timestamp(0) + Millis::minutes(minutes);
        let row = |wanted: &str, revision: &str| Flap {
            wanted: wanted.to_owned(),
            revision: revision.to_owned(),
            ..Flap::default()
        };
        let mut flap = None;
        for minute in 0..3 {
            flap = Some(Flap::written(flap, "f", row("w", "1"), false, at(minute)).seen(true, at(minute)).unwrap());
        }
        let flap = flap.unwrap().seen(false, at(3)).unwrap();
        assert_eq!(flap.since, Some(at(3)));
        assert_eq!(flap.left("w", "1", at(9_999)), Some(LeftAloneReason::Quarantined));
        assert_eq!(flap.left("v", "2", at(4)), None, "something else is wanted");
        let calm = flap.seen(true, at(10)).unwrap();
        assert_eq!(calm.left("w", "1", at(11)), Some(LeftAloneReason::Quarantined), "not calm for long");
        assert!(calm.seen(true, at(10 + 24 * 60 - 1)).is_some());
        assert_eq!(calm.seen(true, at(10 + 24 * 60)), None);
        assert!(calm.seen(false, at(20)).unwrap().calm.is_none());
        let anew = Flap::written(Some(flap.clone()), "f", row("v", "2"), true, at(5));
        assert_eq!((anew.writes.len(), anew.since), (1, None), "another manifest begins anew");
        let by_itself = Flap::written(Some(flap.clone()), "f", row("v", "1"), true, at(5));
        assert_eq!(by_itself.writes.len(), 4, "a want that changes by itself does not");
        let follows = Flap::written(Some(flap), "forward_host", row("v", "1"), true, at(5));
        assert_eq!(follows.writes.len(), 1, "a host that follows its container does");
    }

    #[test]
    fn wants_that_change_back_and_forth_by_themselves_end() {
        let mut flap: Option<Flap> = None;
        let mut writes = 0;
        for turn in 0..50 {
            let wanted = ["a", "b"][turn % 2];
            let now = Timestamp(0) + Millis::seconds(turn as i64);
            flap = flap.and_then(|flap| flap.seen(false, now));
            if flap.as_ref().and_then(|flap| flap.left(wanted, "r", now)).is_none() {
                let row = Flap { wanted: wanted.to_owned(), revision: "r".to_owned(), ..Flap::default() };
                flap = Some(Flap::written(flap, "f", row, true, now));
                writes += 1;
            }
        }
        assert!(writes <= 8, "{writes}");
    }
}
