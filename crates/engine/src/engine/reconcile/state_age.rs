//! How long a state has lasted, whatever the clocks say: between two passes a container's state can become neither
//! older nor younger than the time between them. So a clock that jumps forward ends no grace period and no time-out
//! early, and one that is set back delays nothing. What only our probes can tell counts from the start of this process:
//! one that was away for a while, or has an old ledger, condemns nothing at first sight.

use std::collections::BTreeMap;

use amarre_core::model::{Address, Kind, Millis, ProviderId, Readiness, Timestamp, Value, World};

/// Clocks of two machines differ by some seconds; that is no jump.
const SLACK: Millis = Millis::seconds(30);
/// Two clocks are read within this time.
const READ_APART: Millis = Millis::seconds(1);
/// The times that waits are counted from.
const STAMPS: [&str; 2] = ["started_at_ms", "finished_at_ms"];

/// What was observed when, by a monotonic clock.
#[derive(Debug, Default)]
pub struct StateAges {
    known: BTreeMap<(Address, &'static str), KnownState>,
    looks: BTreeMap<ProviderId, Millis>,
}

#[derive(Debug, Clone, Copy)]
struct KnownState {
    stamp: i64,
    first: Millis,
    /// The pass before, which did not observe it yet.
    before: Option<Millis>,
    /// Since when it is watched, by the clock, as it was said last.
    watched: Timestamp,
}

impl StateAges {
    /// Corrects impossible times.
    pub fn correct(&mut self, world: &mut World, now: Timestamp, steady: Millis) {
        let mut known = BTreeMap::new();
        let containers = world.seen.iter_mut().filter(|(address, _)| address.kind == Kind::Container);
        for (address, seen) in containers {
            for field in STAMPS {
                let Some(stamp) = seen.fields.get(field).and_then(Value::as_int) else { continue };
                let key = (address.clone(), field);
                let before = self.looks.get(&address.provider).copied();
                let fresh = KnownState { stamp, first: steady, before, watched: now };
                let mut entry = self.known.get(&key).copied().filter(|entry| entry.stamp == stamp).unwrap_or(fresh);
                entry.watched = entry.watched_since(now, steady);
                known.insert(key, entry);
                let right = entry.corrected(now, steady);
                if let Some(right) = right.filter(|_| field == "finished_at_ms") {
                    seen.fields.set(field, Value::Int(right.0));
                    // Both are of one clock: the running time stays as it was.
                    let started = seen.fields.get("started_at_ms").and_then(Value::as_int);
                    let started = started.map(|started| Value::Int(started + right.0 - stamp));
                    seen.fields.extend(started.map(|started| ("started_at_ms".into(), started)));
                }
                let is_ours_to_tell = seen.fields.text("health") == Some("none");
                let Readiness::NotYet { since, .. } = &mut seen.ready else { continue };
                if since.0 == stamp {
                    *since = right.unwrap_or(*since);
                    if is_ours_to_tell && entry.watched - *since > SLACK {
                        *since = entry.watched;
                    }
                }
            }
        }
        // Resources in a gap were not observed.
        for (key, entry) in std::mem::take(&mut self.known) {
            if world.gap(&key.0).is_some() {
                known.insert(key, entry);
            }
        }
        self.known = known;
        let seen: Vec<ProviderId> = world.routes.keys().filter(|id| !world.is_dark(id)).cloned().collect();
        self.looks.extend(seen.into_iter().map(|id| (id, steady)));
    }
}

impl StateAges {
    /// Since when a container runs, as far as its stamp is plausible.
    pub fn up_since(&self, address: &Address, stamp: i64, now: Timestamp, steady: Millis) -> Timestamp {
        let known = self.known.get(&(address.clone(), STAMPS[0])).filter(|known| known.stamp == stamp);
        known.and_then(|known| known.corrected(now, steady)).unwrap_or(Timestamp(stamp))
    }
}

impl KnownState {
    /// Since when it is watched, by the clock. What was said last stays while that is right to a second: two clocks that
    /// are read one after the other tell another millisecond at each look.
    fn watched_since(self, now: Timestamp, steady: Millis) -> Timestamp {
        let watched = Timestamp(now.0 - (steady.0 - self.first.0));
        if (watched - self.watched).0.abs() < READ_APART.0 { self.watched } else { watched }
    }

    /// The plausible time, if the stamp is not.
    fn corrected(self, now: Timestamp, steady: Millis) -> Option<Timestamp> {
        let span = |from: Millis| steady.0 - from.0;
        let age = now.0 - self.stamp;
        let least = span(self.first);
        let most = self.before.map(span);
        let right = match most {
            Some(most) if age > most + SLACK.0 => most,
            Some(_) | None if age < least - SLACK.0 => least,
            Some(_) | None => return None,
        };
        Some(Timestamp(now.0 - right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_when_a_state_is_watched_stays_the_same_and_follows_a_clock_that_jumps() {
        let known = KnownState { stamp: 0, first: Millis(0), before: None, watched: Timestamp(1_000_000) };
        let said = |late: i64| known.watched_since(Timestamp(1_060_000 + late), Millis(60_000)).0 - 1_000_000;
        assert_eq!(
            [-999, -1, 0, 3, 999, 1000, 3_600_000, -3_600_000].map(said),
            [0, 0, 0, 0, 0, 1000, 3_600_000, -3_600_000]
        );
    }
}
