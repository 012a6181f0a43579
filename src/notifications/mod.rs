//! Tells people elsewhere what is wrong, what is over, and what was done: Slack, Discord, ntfy, e-mail, a signed webhook.
//!
//! Level-triggered, as all else: what each channel was told stands in the ledger, so something is told once, told again
//! when it is over, and not lost with a message that was not taken or a process that ended.

pub mod channel;
pub mod message;
mod send;
mod heartbeat;
pub mod alerts;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value as Json, json};

use self::channel::{Channel, Heartbeat, Topic};
use self::heartbeat::Pulse;
use self::message::Message;
use crate::engine::reconcile::daemon::Handle;
use crate::ledger::StoreError;
use crate::ledger::notifications::ToldRow;
use crate::ledger::runs::{Event, EventFilter};
use alerts::{News, Since};
use amarre_core::model::{Millis, Timestamp};

/// Nothing is sent to one channel sooner after the last message: what comes in between is told together.
const GROUPED_FOR: Millis = Millis::seconds(15);
/// Something may have lasted long enough without the loop having gone round.
const LOOKS_EVERY: Duration = Duration::from_secs(5);
/// The first wait after a message that was not taken; doubled each time.
const WAIT_FIRST: Millis = Millis::seconds(10);
/// The longest.
const WAIT_LAST: Millis = Millis::minutes(10);
/// Events that are told of at once.
const EVENTS_MAX: u32 = 500;

/// How a channel is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// When something was taken last.
    pub sent: Option<Timestamp>,
    /// Why the last was not, and when.
    pub failed: Option<(String, Timestamp)>,
    /// Nothing is tried before.
    next: Timestamp,
    tries: u32,
}

/// What a channel was told.
#[derive(Debug, Default)]
struct Known {
    told: Vec<ToldRow>,
    /// The last event that it was told of.
    event: Option<i64>,
}

/// All channels, and how they are. Clones share it.
#[derive(Clone)]
pub struct Notifications {
    handle: Handle,
    channels: Arc<Vec<Channel>>,
    health: Arc<Mutex<BTreeMap<String, Health>>>,
    /// Where pages are, when people can reach them.
    site: Option<String>,
    pulse: Option<Pulse>,
}

impl Notifications {
    /// For these channels.
    pub fn new(handle: Handle, channels: Vec<Channel>, site: Option<String>) -> Self {
        Self { handle, channels: Arc::new(channels), health: Arc::default(), site, pulse: None }
    }

    /// With a service that waits for signs of life.
    #[must_use]
    pub fn with_heartbeat(mut self, heartbeat: Option<Heartbeat>) -> Self {
        self.pulse = heartbeat.map(|heartbeat| Pulse::new(self.handle.clone(), heartbeat));
        self
    }

    /// How the signs of life are taken; `None`: nothing waits for them.
    pub fn heartbeat(&self) -> Option<Health> {
        self.pulse.as_ref().map(Pulse::health)
    }

    /// Each channel, and how it is.
    pub fn channels(&self) -> Vec<(Channel, Health)> {
        let health = lock(&self.health);
        let of = |channel: &Channel| health.get(&channel.name).cloned().unwrap_or_default();
        self.channels.iter().map(|channel| (channel.clone(), of(channel))).collect()
    }

    /// Sends a message that says that it is a test; `None`: there is no such channel.
    pub async fn test(&self, name: &str, by: &str) -> Option<Result<(), String>> {
        let channel = self.channels.iter().find(|channel| channel.name == name)?;
        let instance = alerts::instance(&self.handle.picture().0);
        let message = message::trial(&instance, by, self.site.as_deref(), self.handle.now());
        Some(self.send(channel, &message).await)
    }

    /// Tells what there is to tell, until the loop ends.
    pub async fn run(self) {
        let beats = async {
            if let Some(pulse) = &self.pulse {
                pulse.run().await;
            }
        };
        tokio::join!(self.tells(), beats);
    }

    async fn tells(&self) {
        if self.channels.is_empty() {
            return;
        }
        let (mut handle, mut since, mut known) = (self.handle.clone(), Since::default(), None);
        loop {
            match self.tell(&mut since, &mut known).await {
                Ok(()) => (),
                Err(error) => tracing::warn!("what was told to whom could not be kept: {error}"),
            }
            tokio::select! {
                is_there = handle.turned() => if !is_there { return },
                () = tokio::time::sleep(LOOKS_EVERY) => (),
            }
        }
    }

    async fn tell(&self, since: &mut Since, known: &mut Option<BTreeMap<String, Known>>) -> Result<(), StoreError> {
        let ((picture, _), now) = (self.handle.picture(), self.handle.now());
        if picture.context.is_none() {
            return Ok(());
        }
        let known = match known {
            Some(known) => known,
            None => known.insert(self.remembered().await?),
        };
        let mut troubles = alerts::troubles(&picture);
        troubles.extend(self.handle.stalled().map(alerts::stalled));
        troubles.extend(self.pulse.as_ref().and_then(Pulse::trouble).map(alerts::unheard));
        since.step(&troubles, known.values().flat_map(|known| &known.told), now);
        let mut kept = Ok(());
        for channel in self.channels.iter() {
            if lock(&self.health).get(&channel.name).is_some_and(|health| now < health.next) {
                continue;
            }
            let known = known.entry(channel.name.clone()).or_default();
            let is_known = |trouble: &str| alerts::is_known(&picture, trouble);
            let due = since.due(channel, is_known, &troubles, &known.told, now);
            // Of what was done can only be told what can be read; of what is wrong, all the same.
            let (done, event) = match self.done(channel, known.event).await {
                Ok(found) => found,
                Err(error) => {
                    kept = kept.and(Err(error));
                    (Vec::new(), known.event)
                }
            };
            let all: Vec<News> = due.news.into_iter().chain(done).collect();
            if all.is_empty() && event == known.event {
                continue;
            }
            if !all.is_empty() {
                let message = message::message(&alerts::instance(&picture), &all, self.site.as_deref(), now);
                if self.send(channel, &message).await.is_err() {
                    continue;
                }
            }
            // First here: where the ledger cannot be written, it is told once all the same.
            known.told.retain(|row| {
                !due.over.contains(&row.trouble) && !due.told.iter().any(|new| new.trouble == row.trouble)
            });
            known.told.extend(due.told.iter().cloned());
            known.event = event;
            kept = kept.and(self.handle.ledger().tell(&channel.name, &due.told, &due.over, event).await);
        }
        kept
    }

    /// What each channel was told, in another life too.
    async fn remembered(&self) -> Result<BTreeMap<String, Known>, StoreError> {
        let (ledger, mut all) = (self.handle.ledger(), BTreeMap::new());
        for Channel { name, .. } in self.channels.iter() {
            let known = Known { told: ledger.told(name).await?, event: ledger.told_to(name).await? };
            all.insert(name.clone(), known);
        }
        Ok(all)
    }

    /// What was done since a channel was told last, and up to which event. Of what was done before there was the channel
    /// it is told nothing.
    async fn done(&self, channel: &Channel, after: Option<i64>) -> Result<(Vec<News>, Option<i64>), StoreError> {
        if !channel.on.contains(&Topic::Applied) && !channel.on.contains(&Topic::Drift) {
            return Ok((Vec::new(), after));
        }
        let limit = if after.is_some() { EVENTS_MAX } else { 1 };
        let filter = EventFilter { since: Timestamp(i64::MIN), after, limit, ..EventFilter::default() };
        let mut found = self.handle.ledger().events_of(&filter).await?;
        let newest = found.first().map(|(id, _)| *id);
        let Some(after) = after else { return Ok((Vec::new(), Some(newest.unwrap_or_default()))) };
        found.reverse();
        let is_all = found.len() < EVENTS_MAX as usize;
        let events: Vec<Event> = found.into_iter().map(|(_, event)| event).collect();
        Ok((alerts::done(channel, &events, is_all), Some(newest.unwrap_or(after))))
    }

    async fn send(&self, channel: &Channel, message: &Message) -> Result<(), String> {
        let now = self.handle.now();
        let sent = send::send(&channel.carrier, message, now).await;
        let mut all = lock(&self.health);
        let health = all.entry(channel.name.clone()).or_default();
        match sent {
            Ok(()) => {
                *health = Health { sent: Some(now), next: now + GROUPED_FOR, ..Health::default() };
                Ok(())
            }
            Err(not_taken) => {
                let wait = Millis(WAIT_FIRST.0.saturating_mul(1 << health.tries.min(16)).min(WAIT_LAST.0));
                let wait = not_taken.retry_after.map_or(wait, |least| wait.max(least).min(WAIT_LAST));
                tracing::warn!(channel = channel.name, "a notification was not taken: {}", not_taken.why);
                health.tries += 1;
                health.next = now + wait;
                health.failed = Some((not_taken.why.clone(), now));
                Err(not_taken.why)
            }
        }
    }
}

/// Every channel for machines, `amarre.notifications/v1`; no address stands in it.
pub fn document(channels: &[(Channel, Health)]) -> Json {
    let row = |(channel, health): &(Channel, Health)| {
        let failed = health.failed.as_ref().map(|(why, at)| json!({"message": why, "at": at.rfc3339()}));
        json!({
            "name": channel.name, "by": channel.carrier.word(), "on": channel.on.iter().map(|topic| topic.word()).collect::<Vec<_>>(),
            "services": channel.services, "after_s": channel.after.0 / 1_000,
            "sent_at": health.sent.map(Timestamp::rfc3339), "error": failed,
        })
    };
    json!({"schema": "amarre.notifications/v1", "channels": channels.iter().map(row).collect::<Vec<_>>()})
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
