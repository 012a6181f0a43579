//! How long something has been so, whatever the clocks say: between two looks a container's state cannot have become
//! older than the time between them, nor younger. So a clock that is put forward ends no grace and no time-out early,
//! and one that is put back keeps nothing waiting. What only our probes can tell has been waited for since this process
//! watches it: one that was not there for a while, or has an old ledger, condemns nothing at first sight.

use std::collections::BTreeMap;

use amarre_core::model::{Address, Kind, Millis, ProviderId, Readiness, Timestamp, Value, World};

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
                let right = entry.put_right(now, steady);
                if let Some(right) = right.filter(|_| field == "finished_at_ms") {
                    seen.fields.set(field, Value::Int(right.0));
                    // Both are of one clock: how long it ran stays as it was.
                    let started = seen.fields.get("started_at_ms").and_then(Value::as_int);
                    let started = started.map(|started| Value::Int(started + right.0 - stamp));
                    seen.fields.extend(started.map(|started| ("started_at_ms".into(), started)));
                }
                let is_ours_to_tell = seen.fields.text("health") == Some("none");
                let Readiness::NotYet { since, .. } = &mut seen.ready else { continue };
                if since.0 == stamp {
                    let watched = Timestamp(now.0 - (steady.0 - entry.first.0));
                    *since = right.unwrap_or(*since);
                    if is_ours_to_tell && watched - *since > SLACK {
                        *since = watched;
                    }
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

impl Ages {
    /// Since when a container runs, as far as its stamp can be right.
    pub fn up_since(&self, address: &Address, stamp: i64, now: Timestamp, steady: Millis) -> Timestamp {
        let known = self.known.get(&(address.clone(), STAMPS[0])).filter(|known| known.stamp == stamp);
        known.and_then(|known| known.put_right(now, steady)).unwrap_or(Timestamp(stamp))
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
