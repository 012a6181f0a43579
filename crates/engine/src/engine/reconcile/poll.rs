//! Observes each provider in a task of its own, one at a time, so that a silent provider holds nothing up: the pass
//! goes on without it, and its answer counts when it comes, unless a write happened there meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::providers::{Observation, ObserveQuery, Provider};
use amarre_core::model::{Address, Code, Gap, GapScope, ProviderId, Text, Timestamp};
use amarre_core::text;

/// The first answer of a provider is long: all its containers, all records of a zone.
const LIMIT_FIRST: Duration = Duration::from_secs(60);
/// A provider that answered before is expected to do it again.
const LIMIT: Duration = Duration::from_secs(15);
/// A provider that was away the last time gets little time; most report at once that they still are.
const LIMIT_AWAY: Duration = Duration::from_secs(1);

/// The providers that are being observed.
#[derive(Debug, Default)]
pub struct Asking {
    asked: BTreeMap<ProviderId, PendingPoll>,
    answered: BTreeSet<ProviderId>,
    away: BTreeSet<ProviderId>,
}

#[derive(Debug)]
struct PendingPoll {
    /// One task; it ends with this value.
    task: JoinSet<Observation>,
    since: Timestamp,
    wanted: BTreeSet<Address>,
    /// A pass has gone on without it: its answer wakes the loop.
    is_late: Arc<AtomicBool>,
}

/// What is known from earlier passes.
#[derive(Debug, Clone, Copy)]
pub struct PollHistory<'a> {
    /// When the latest write ended, by provider.
    pub written: &'a BTreeMap<ProviderId, Timestamp>,
    /// Wakes the loop.
    pub wake: &'a Arc<Notify>,
}

impl Asking {
    /// The answer of every provider; a gap where none came in time.
    pub async fn observe(
        &mut self,
        providers: &BTreeMap<ProviderId, Arc<dyn Provider>>,
        ask: impl Fn(&ProviderId) -> ObserveQuery,
        past: PollHistory<'_>,
        now: Timestamp,
    ) -> Vec<(ProviderId, Observation)> {
        self.asked.retain(|id, _| providers.contains_key(id));
        for (id, provider) in providers {
            if !self.asked.contains_key(id) {
                self.asked.insert(id.clone(), begin(provider.clone(), ask(id), past.wake.clone(), now));
            }
        }
        let limits: BTreeMap<ProviderId, Duration> = self.asked.keys().map(|id| (id.clone(), self.limit(id))).collect();
        let answers = self.asked.iter_mut().map(|(id, asked)| {
            let limit = limits.get(id).copied().unwrap_or(LIMIT);
            async move { (id.clone(), tokio::time::timeout(limit, asked.task.join_next()).await) }
        });
        let answers = futures_util::future::join_all(answers).await;
        let mut observations = Vec::new();
        for (id, answer) in answers {
            let observation = match answer {
                Err(_) => self.late_answer(&id, now),
                Ok(Some(Ok(observation))) => {
                    let asked = self.asked.remove(&id);
                    let is_fresh = asked.as_ref().is_some_and(|asked| is_fresh(asked, &id, &ask, past, now));
                    if is_fresh { observation } else { gap(&id, "its answer was overtaken by a change", now) }
                }
                Ok(Some(Err(_)) | None) => {
                    self.asked.remove(&id);
                    gap(&id, "asking it broke", now)
                }
            };
            if observation.gaps.iter().any(|gap| gap.is_whole()) {
                self.away.insert(id.clone());
            } else {
                self.away.remove(&id);
                self.answered.insert(id.clone());
            }
            observations.push((id, observation));
        }
        observations
    }

    fn limit(&self, id: &ProviderId) -> Duration {
        match (self.away.contains(id), self.answered.contains(id)) {
            (true, _) => LIMIT_AWAY,
            (false, true) => LIMIT,
            (false, false) => LIMIT_FIRST,
        }
    }

    fn late_answer(&self, id: &ProviderId, now: Timestamp) -> Observation {
        let Some(asked) = self.asked.get(id) else { return gap(id, "it is not asked", now) };
        asked.is_late.store(true, Ordering::Relaxed);
        let mut observation = gap(id, "it has not answered yet", now);
        observation.gaps.iter_mut().for_each(|gap| gap.since = asked.since.min(now));
        observation
    }
}

fn begin(provider: Arc<dyn Provider>, ask: ObserveQuery, wake: Arc<Notify>, since: Timestamp) -> PendingPoll {
    let (mut task, is_late) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
    let (wanted, told) = (ask.wanted.keys().cloned().collect(), is_late.clone());
    task.spawn(async move {
        let observation = provider.observe(&ask).await.clean();
        let is_away = observation.gaps.iter().any(|gap| gap.is_whole());
        if told.load(Ordering::Relaxed) && !is_away {
            wake.notify_one();
        }
        observation
    });
    PendingPoll { task, since, wanted, is_late }
}

/// An answer of this pass, or an earlier one since which nothing was written there and the wants are the same.
fn is_fresh(
    asked: &PendingPoll,
    id: &ProviderId,
    ask: impl Fn(&ProviderId) -> ObserveQuery,
    past: PollHistory<'_>,
    now: Timestamp,
) -> bool {
    let is_untouched = || past.written.get(id).is_none_or(|ended| *ended <= asked.since);
    asked.since == now || is_untouched() && ask(id).wanted.keys().all(|address| asked.wanted.contains(address))
}

fn gap(id: &ProviderId, why: &str, now: Timestamp) -> Observation {
    let gap = Gap {
        provider: id.clone(),
        scope: GapScope::Whole,
        code: Code::A0909,
        message: text!("{provider} cannot be seen: {why}", provider = id, why = Text::from(why)),
        hint: text!("nothing of it is touched meanwhile; it is looked at again by itself"),
        since: now,
    };
    Observation { gaps: vec![gap], ..Observation::default() }
}
