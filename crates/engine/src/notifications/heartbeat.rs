//! Heartbeats for a monitoring service: its URL is called after passes that have ended. A loop that stands still, a
//! process that ended and a machine that is gone are all silent.
//!
//! | what | then |
//! |---|---|
//! | a pass has ended, whatever it found and whether or not it may act | the URL is called |
//! | passes end more often than `every` | those in between cause no call |
//! | only something else happens: a command, a preview | no call |
//! | the call failed | logged once; the next pass after `every` tries again |

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::channel::Heartbeat;
use super::{ChannelHealth, lock};
use crate::engine::reconcile::daemon::Handle;
use crate::providers::http::Http;
use amarre_core::model::{Code, Timestamp};

/// The answer is empty: a service that takes longer is away.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// A single lost heartbeat needs no person.
const LOST_BEFORE_TROUBLE: u32 = 2;

/// Sends heartbeats, and keeps their state. Clones share it.
#[derive(Clone)]
pub(super) struct HeartbeatState {
    handle: Handle,
    heartbeat: Heartbeat,
    health: Arc<Mutex<ChannelHealth>>,
}

impl HeartbeatState {
    pub(super) fn new(handle: Handle, heartbeat: Heartbeat) -> Self {
        Self { handle, heartbeat, health: Arc::default() }
    }

    pub(super) fn health(&self) -> ChannelHealth {
        lock(&self.health).clone()
    }

    /// Why heartbeats fail, if that needs a person.
    pub(super) fn problem(&self) -> Option<String> {
        let ChannelHealth { failed, tries, .. } = self.health();
        failed.filter(|_| tries >= LOST_BEFORE_TROUBLE).map(|(why, _)| why)
    }

    /// Sends heartbeats after passes until the loop ends.
    pub(super) async fn run(&self) {
        let (mut handle, mut seen, mut asked) = (self.handle.clone(), Timestamp::default(), None);
        loop {
            let (ended, now) = (handle.last_pass().0.at, handle.now());
            let has_ended = std::mem::replace(&mut seen, ended) != ended;
            // A clock that was set back makes no pause longer.
            let is_soon = asked.is_some_and(|asked: Timestamp| (0..self.heartbeat.every.0).contains(&(now - asked).0));
            if has_ended && !is_soon {
                asked = Some(now);
                let taken = self.ping().await;
                self.record(taken, now);
            }
            if !handle.changed().await {
                return;
            }
        }
    }

    async fn ping(&self) -> Result<(), String> {
        let http = Http::new(None)?;
        let request = http.request(reqwest::Method::GET, self.heartbeat.url.expose()).timeout(ANSWER_TIMEOUT);
        // The status code suffices: no body is read.
        let answer = http.open(request).await.map_err(|failure| failure.reason())?;
        match answer.status() {
            200..300 => Ok(()),
            status => Err(format!("it answered {status}")),
        }
    }

    fn record(&self, taken: Result<(), String>, now: Timestamp) {
        let mut health = lock(&self.health);
        match taken {
            Ok(()) => {
                if health.failed.is_some() {
                    tracing::info!("the heartbeat is taken again");
                }
                *health = ChannelHealth { sent: Some(now), ..ChannelHealth::default() };
            }
            Err(why) => {
                if health.failed.as_ref().is_none_or(|(known, _)| *known != why) {
                    tracing::warn!(code = %Code::A0911, "the heartbeat was not taken: {why}");
                }
                health.tries += 1;
                health.failed = Some((why, now));
            }
        }
    }
}
