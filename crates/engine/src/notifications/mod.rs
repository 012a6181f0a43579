//! Notifies people of problems, of their end, and of changes: Slack, Discord, ntfy, e-mail, a signed webhook.
//!
//! Level-triggered, as all else: the ledger records what each channel was sent, so an alert is sent once, closed when
//! the problem is over, and not lost with a failed message or a process that ended.

pub mod channel;
pub mod message;
mod send;
mod heartbeat;
pub mod alerts;
mod savings;
mod reservations;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value as Json, json};

use self::channel::{Channel, Heartbeat, Topic};
use self::heartbeat::HeartbeatState;
use self::message::Message;
use crate::engine::PassView;
use crate::engine::reconcile::daemon::Handle;
use crate::ledger::StoreError;
use crate::ledger::notifications::SentAlert;
use crate::ledger::runs::{Event, EventFilter};
use alerts::{AlertTimes, Due, News};
use amarre_core::model::savings::{Day, week_due};
use amarre_core::model::{Millis, Timestamp};

/// The shortest pause between messages to one channel: news in between are sent together.
const GROUPED_FOR: Millis = Millis::seconds(15);
/// A problem may have lasted long enough without a pass in between.
const LOOKS_EVERY: Duration = Duration::from_secs(5);
/// The first backoff after a failed message; doubled each time.
const WAIT_FIRST: Millis = Millis::seconds(10);
/// The longest backoff.
const WAIT_LAST: Millis = Millis::minutes(10);
/// Events in one message.
const EVENTS_MAX: u32 = 500;

/// The state of a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelHealth {
    /// When the last message was delivered.
    pub sent: Option<Timestamp>,
    /// The last error, and when.
    pub failed: Option<(String, Timestamp)>,
    /// The end of the backoff.
    next: Timestamp,
    tries: u32,
}

/// The alerts sent to a channel.
#[derive(Debug, Default)]
struct ChannelMemory {
    told: Vec<SentAlert>,
    /// What it was sent last of each reservation that is not over.
    reservations: Vec<SentAlert>,
    /// The last event sent.
    event: Option<i64>,
    /// The Monday of the last week whose savings were sent.
    week: Option<Day>,
}

/// All channels, and their state. Clones share it.
#[derive(Clone)]
pub struct Notifications {
    handle: Handle,
    channels: Arc<Vec<Channel>>,
    health: Arc<Mutex<BTreeMap<String, ChannelHealth>>>,
    /// The URL of the pages, if people can reach them.
    site: Option<String>,
    pulse: Option<HeartbeatState>,
}

impl Notifications {
    /// For these channels.
    pub fn new(handle: Handle, channels: Vec<Channel>, site: Option<String>) -> Self {
        Self { handle, channels: Arc::new(channels), health: Arc::default(), site, pulse: None }
    }

    /// With heartbeats.
    #[must_use]
    pub fn with_heartbeat(mut self, heartbeat: Option<Heartbeat>) -> Self {
        self.pulse = heartbeat.map(|heartbeat| HeartbeatState::new(self.handle.clone(), heartbeat));
        self
    }

    /// The state of the heartbeats; `None`: not configured.
    pub fn heartbeat(&self) -> Option<ChannelHealth> {
        self.pulse.as_ref().map(HeartbeatState::health)
    }

    /// Each channel, and its state.
    pub fn channels(&self) -> Vec<(Channel, ChannelHealth)> {
        let health = lock(&self.health);
        let of = |channel: &Channel| health.get(&channel.name).cloned().unwrap_or_default();
        self.channels.iter().map(|channel| (channel.clone(), of(channel))).collect()
    }

    /// Sends a test message; `None`: there is no such channel.
    pub async fn test(&self, name: &str, by: &str) -> Option<Result<(), String>> {
        let channel = self.channels.iter().find(|channel| channel.name == name)?;
        let instance = alerts::instance(&self.handle.last_pass().0);
        let message = message::trial(&instance, by, self.site.as_deref(), self.handle.now());
        Some(self.send(channel, &message).await)
    }

    /// Sends messages until the loop ends.
    pub async fn run(self) {
        let beats = async {
            if let Some(pulse) = &self.pulse {
                pulse.run().await;
            }
        };
        tokio::join!(self.subscribes(), beats);
    }

    async fn subscribes(&self) {
        if self.channels.is_empty() {
            return;
        }
        let (mut handle, mut since, mut known) = (self.handle.clone(), AlertTimes::default(), None);
        loop {
            match self.notify(&mut since, &mut known).await {
                Ok(()) => (),
                Err(error) => tracing::warn!("what was told to whom could not be kept: {error}"),
            }
            tokio::select! {
                is_there = handle.changed() => if !is_there { return },
                () = tokio::time::sleep(LOOKS_EVERY) => (),
            }
        }
    }

    async fn notify(
        &self,
        since: &mut AlertTimes,
        known: &mut Option<BTreeMap<String, ChannelMemory>>,
    ) -> Result<(), StoreError> {
        let ((pass, _), now) = (self.handle.last_pass(), self.handle.now());
        if pass.context.is_none() {
            return Ok(());
        }
        let known = match known {
            Some(known) => known,
            None => known.insert(self.load_alerts().await?),
        };
        let mut troubles = alerts::problems(&pass);
        troubles.extend(self.handle.stalled_since().map(alerts::stalled));
        troubles.extend(self.pulse.as_ref().and_then(HeartbeatState::problem).map(alerts::unannounced));
        since.step(&troubles, known.values().flat_map(|known| &known.told), now);
        let mut kept = Ok(());
        for channel in self.channels.iter() {
            if lock(&self.health).get(&channel.name).is_some_and(|health| now < health.next) {
                continue;
            }
            let known = known.entry(channel.name.clone()).or_default();
            let is_known = |trouble: &str| alerts::is_known(&pass, trouble);
            let due = since.due(channel, is_known, &troubles, &known.told, now);
            match self.send_due(channel, known, &pass, due, now).await {
                // By themselves: beside many problems they would be cut off.
                Ok(false) => {
                    kept = kept.and(self.send_week(channel, known, &pass, now).await);
                    kept = kept.and(self.send_reservations(channel, known, &pass, now).await);
                }
                Ok(true) => (),
                Err(error) => kept = kept.and(Err(error)),
            }
        }
        kept
    }

    /// Sends problems and changes. Answers whether there was anything to send.
    async fn send_due(
        &self,
        channel: &Channel,
        known: &mut ChannelMemory,
        pass: &PassView,
        due: Due,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // Changes can only be reported if they can be read; problems are reported all the same.
        let (done, event, read) = match self.done_news(channel, known.event).await {
            Ok((done, event)) => (done, event, Ok(())),
            Err(error) => (Vec::new(), known.event, Err(error)),
        };
        let all: Vec<News> = due.news.into_iter().chain(done).collect();
        let is_any = !all.is_empty();
        if !is_any && event == known.event {
            return read.map(|()| false);
        }
        if is_any && !self.takes(channel, pass, &all, now).await {
            return read.map(|()| true);
        }
        // In memory first: if the ledger cannot be written, the alert is still sent only once.
        known
            .told
            .retain(|row| !due.over.contains(&row.trouble) && !due.told.iter().any(|new| new.trouble == row.trouble));
        known.told.extend(due.told.iter().cloned());
        known.event = event;
        read.and(self.handle.ledger().record_sent(&channel.name, &due.told, &due.over, event).await).map(|()| is_any)
    }

    /// Sends what timetables saved in the week that was last over, once.
    async fn send_week(
        &self,
        channel: &Channel,
        known: &mut ChannelMemory,
        pass: &PassView,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let monday = week_due(now, &jiff::tz::TimeZone::system());
        if !channel.on.contains(&Topic::Savings) || known.week.is_some_and(|sent| sent >= monday) {
            return Ok(());
        }
        let sums = self.handle.ledger().saved(monday, Day(monday.0 + 6)).await?;
        if let Some(news) = savings::weekly(pass, channel, monday, &sums) {
            if !self.takes(channel, pass, &[news], now).await {
                return Ok(());
            }
            known.week = Some(monday);
            return self.handle.ledger().record_week_sent(&channel.name, monday).await;
        }
        // Nothing is added to a week that is over.
        known.week = Some(monday);
        Ok(())
    }

    /// Sends what is due about reservations, each by itself: they concern different people.
    async fn send_reservations(
        &self,
        channel: &Channel,
        known: &mut ChannelMemory,
        pass: &PassView,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for due in reservations::due(pass, channel, &known.reservations, now) {
            if let Some(news) = due.news
                && !self.takes(&due.channel, pass, &[news], now).await
            {
                return Ok(());
            }
            known.reservations.retain(|row| row.trouble != due.key);
            known.reservations.extend(due.row.clone());
            let over: Vec<String> = due.row.is_none().then_some(due.key).into_iter().collect();
            let row: Vec<SentAlert> = due.row.into_iter().collect();
            self.handle.ledger().record_sent(&channel.name, &row, &over, None).await?;
        }
        Ok(())
    }

    /// The alerts sent to each channel, also by an earlier process.
    async fn load_alerts(&self) -> Result<BTreeMap<String, ChannelMemory>, StoreError> {
        let (ledger, mut all) = (self.handle.ledger(), BTreeMap::new());
        for Channel { name, .. } in self.channels.iter() {
            let (told, event) = (ledger.open_alerts(name).await?, ledger.last_event_sent(name).await?);
            let is_reservation = |row: &SentAlert| row.trouble.starts_with(reservations::ROWS);
            let (reservations, told) = told.into_iter().partition(is_reservation);
            let week = ledger.last_week_sent(name).await?;
            all.insert(name.clone(), ChannelMemory { told, reservations, event, week });
        }
        Ok(all)
    }

    /// The changes since the last message to a channel, and the last event. A channel gets no changes from before it
    /// existed.
    async fn done_news(&self, channel: &Channel, after: Option<i64>) -> Result<(Vec<News>, Option<i64>), StoreError> {
        if ![Topic::Applied, Topic::Drift, Topic::Deployments].iter().any(|topic| channel.on.contains(topic)) {
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
        Ok((alerts::finished_news(channel, &events, is_all), Some(newest.unwrap_or(after))))
    }

    /// Sends news as one message. Whether the channel took it.
    async fn takes(&self, channel: &Channel, pass: &PassView, news: &[News], now: Timestamp) -> bool {
        let message = message::message(&alerts::instance(pass), news, self.site.as_deref(), now);
        self.send(channel, &message).await.is_ok()
    }

    async fn send(&self, channel: &Channel, message: &Message) -> Result<(), String> {
        let now = self.handle.now();
        let sent = send::send(&channel.carrier, message, now).await;
        let mut all = lock(&self.health);
        let health = all.entry(channel.name.clone()).or_default();
        match sent {
            Ok(()) => {
                *health = ChannelHealth { sent: Some(now), next: now + GROUPED_FOR, ..ChannelHealth::default() };
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
pub fn document(channels: &[(Channel, ChannelHealth)]) -> Json {
    let row = |(channel, health): &(Channel, ChannelHealth)| {
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
