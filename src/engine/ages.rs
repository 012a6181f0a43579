//! How long something has been so, whatever the clocks say: between two looks a container's state cannot have become
//! older than the time between them, nor younger. So a clock that is put forward ends no grace and no time-out early,
//! and one that is put back keeps nothing waiting.

use std::collections::BTreeMap;

use crate::model::{Address, Kind, Millis, ProviderId, Readiness, Timestamp, Value, World};

/// Clocks of two machines differ by some seconds; that is no jump.
const SLACK: Millis = Millis::seconds(30);
/// Times that waits are counted from.
const STAMPS: [&str; 2] = ["started_at_ms", "finished_at_ms"];

/// What was seen when, by a clock that only goes forward.
#[derive(Debug, Default)]
pub struct Ages {
    known: BTreeMap<(Address, &'static str), Known>,
    looks: BTreeMap<ProviderId, Millis>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    stamp: i64,
    first: Millis,
    /// The look before, that did not see it yet.
    before: Option<Millis>,
}

impl Ages {
    /// Puts times right that cannot be.
    pub fn correct(&mut self, world: &mut World, now: Timestamp, steady: Millis) {
        let mut known = BTreeMap::new();
        let containers = world.seen.iter_mut().filter(|(address, _)| address.kind == Kind::Container);
        for (address, seen) in containers {
            for field in STAMPS {
                let Some(stamp) = seen.fields.get(field).and_then(Value::as_int) else { continue };
                let key = (address.clone(), field);
                let before = self.looks.get(&address.provider).copied();
                let fresh = Known { stamp, first: steady, before };
                let entry = self.known.get(&key).copied().filter(|entry| entry.stamp == stamp).unwrap_or(fresh);
                known.insert(key, entry);
                let Some(right) = entry.put_right(now, steady) else { continue };
                if field == "finished_at_ms" {
                    seen.fields.set(field, Value::Int(right.0));
                }
                if let Readiness::NotYet { since, .. } = &mut seen.ready
                    && since.0 == stamp
                {
                    *since = right;
                }
            }
        }
        // What is in a gap was not looked at.
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

impl Known {
    /// When it must have been, if the stamp cannot be right.
    fn put_right(self, now: Timestamp, steady: Millis) -> Option<Timestamp> {
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
