//! The loop: waits for something that wakes it, looks, hands out, waits. And the handle by which others ask.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use notify::Watcher;
use tokio::sync::{Notify, Semaphore, broadcast, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::counters;
use super::counters::Meters;
use super::schedule::Weariness;
use super::{manifest_loader, schedule};
use crate::engine::{Clock, ConfigTrouble, Engine, Mode, Picture, Progress, Settings};
use crate::ledger::Ledger;
use crate::ledger::runs::Event;
use crate::source::{Edit, Snapshot, Source, SourceError};
use amarre_core::manifest::{Loaded, SourceFile};
use amarre_core::model::world::{Applied, Suspension};
use amarre_core::model::{Address, Assets, Millis, Site, Timestamp};

/// Commands that may wait for the loop.
const COMMANDS_MAX: usize = 64;
/// The folder is read at least this often, whatever the file system tells.
const POLL: Millis = Millis::seconds(30);

/// A folder on a share that went away may never answer.
const WATCH_TIMEOUT: Duration = Duration::from_secs(5);
/// A look at vendors that do not answer takes a minute: with a short interval, that is no standstill.
const STALLED_LEAST: Millis = Millis::minutes(3);

/// How the loop behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// Acts by itself; else it only plans until somebody applies.
    pub acts: bool,
    /// Watches folder and providers; `false` for a command that runs once.
    pub watches: bool,
}

/// What can be asked of the loop.
#[derive(Debug)]
pub enum Command {
    /// Look now and answer what is there; acts only where the loop acts anyway.
    Look,
    /// Answer what a look would find with another state of the source, which does not come into force.
    Preview {
        /// That state.
        snapshot: Box<Snapshot>,
        /// What its manifests say, or why they could not be read.
        loaded: Box<Result<Loaded, SourceError>>,
        /// Secrets that are not set yet, and will be by then.
        promised: Vec<String>,
    },
    /// Act until everything is at rest, or until the time.
    Apply {
        /// How many services a person agreed to delete.
        confirmed_deletes: Option<usize>,
        /// Only these services; `None` = all.
        only: Option<BTreeSet<String>>,
        /// Not longer than this.
        timeout: Millis,
    },
    /// Go on with another configuration, or say what is wrong with the one that was read.
    Reconfigure {
        /// `None` = the one in force stays.
        settings: Option<Box<Settings>>,
        /// What is to be said.
        trouble: Option<ConfigTrouble>,
    },
    /// Leave a service alone, or destroy it.
    Suspend {
        /// Which.
        service: String,
        /// Who, why, and whether it is to go.
        suspension: Suspension,
    },
    /// Take a service up again.
    Resume {
        /// Which.
        service: String,
    },
    /// Put a service's containers back to what a good manifest asks for, and suspend it with that.
    RollBack {
        /// Which.
        service: String,
        /// Which good manifest: by its generations.
        generations: String,
        /// Who and why.
        suspension: Suspension,
    },
    /// End what is done for a service after its running step, and leave it alone.
    Cancel {
        /// Which.
        service: String,
        /// Who and why.
        suspension: Suspension,
    },
    /// Forget that anything of a service failed.
    Retry {
        /// Which.
        service: String,
    },
    /// Take over what is there already.
    Adopt {
        /// What.
        address: Address,
        /// What is known of it, for which service.
        row: Box<Applied>,
        /// Who asks.
        by: String,
    },
    /// Write the mark of what was taken over, and nothing else; answers when it is written, or cannot be.
    Mark {
        /// What.
        address: Address,
        /// How long the answer may take.
        timeout: Millis,
    },
    /// Write down what a person did.
    Record(Box<Event>),
    /// Give something out of hand.
    Release {
        /// What.
        address: Address,
        /// Of which service it is.
        service: String,
        /// Which one it is to its vendor.
        vendor_id: String,
        /// Who asks.
        by: String,
    },
}

/// The answer to a command.
#[derive(Debug, Clone)]
pub struct Reply {
    /// What was there at the end.
    pub picture: Arc<Picture>,
    /// Whether everything came to rest.
    pub settled: bool,
    /// Why it could not be done, when it could not.
    pub error: Option<String>,
}

/// A command and where its answer goes.
type Ask = (Command, oneshot::Sender<Reply>);

/// By which server and command line ask.
#[derive(Clone)]
pub struct Handle {
    commands: mpsc::Sender<Ask>,
    picture: watch::Receiver<(Arc<Picture>, Timestamp)>,
    progress: broadcast::Sender<Progress>,
    ledger: Ledger,
    source: Source,
    clock: Arc<dyn Clock>,
    meters: Arc<Meters>,
    /// Of those who ask what another state of the source would lead to.
    turns: Arc<Semaphore>,
    started: Timestamp,
    interval: Millis,
}

impl Handle {
    /// Asks and waits for the answer; `None` when the loop has ended.
    pub async fn ask(&self, command: Command) -> Option<Reply> {
        let (reply, answer) = oneshot::channel();
        self.commands.send((command, reply)).await.ok()?;
        answer.await.ok()
    }

    /// What a look would find with another state of the source. Its manifests are read here: the loop does not wait.
    pub async fn preview(&self, snapshot: Snapshot, promised: Vec<String>) -> Option<Reply> {
        let context = match &self.picture().0.context {
            Some(context) => context.clone(),
            // No look has ended yet.
            None => self.ask(Command::Look).await?.picture.context.clone()?,
        };
        let loaded = manifest_loader::aside(self.turns.clone(), &snapshot, &context.site).await;
        let (snapshot, loaded) = (Box::new(snapshot), Box::new(loaded));
        self.ask(Command::Preview { snapshot, loaded, promised }).await
    }

    /// What a manifest says that was good before, read here as well; `None`: it could not be read in time.
    pub(crate) async fn read_again(&self, texts: (SourceFile, Assets), site: &Site) -> Option<Loaded> {
        manifest_loader::again_aside(self.turns.clone(), texts, site).await
    }

    /// Looks now, and waits until what was found is what everybody is shown.
    pub async fn look(&self) -> Option<Reply> {
        let reply = self.ask(Command::Look).await?;
        let mut shown = self.clone();
        while shown.picture().0.at < reply.picture.at && shown.turned().await {}
        Some(reply)
    }

    /// Asks the source's server for a newer state, without the loop waiting for it.
    pub async fn fetch(&self) {
        fetch(&self.source, &*self.clock, &self.meters).await;
    }

    /// Asks the source's server, and takes exactly this commit, though it does not descend from the accepted one.
    ///
    /// # Errors
    /// The server has another one, or the source is a folder.
    pub async fn accept_rewrite(&self, commit: &str) -> Result<(), SourceError> {
        self.source.accept(commit, self.clock.now()).await
    }

    /// What is counted while the loop goes round.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Another state of the source by its name, which does not come into force.
    ///
    /// # Errors
    /// The source has no such thing, or does not answer.
    pub async fn fetch_ref(&self, name: &str) -> Result<Snapshot, SourceError> {
        self.source.fetch_ref(name).await
    }

    /// Writes a change of one manifest to where manifests come from; the next look has it.
    ///
    /// # Errors
    /// The file is another one by now, or the source takes no change.
    pub async fn write(&self, edit: Edit) -> Result<(), SourceError> {
        self.source.write(edit, self.clock.now()).await
    }

    /// Why a file of the source, as shown, cannot be written; `None`: it can, as far as is known.
    pub async fn unwritable(&self, shown: &str) -> Option<SourceError> {
        self.source.unwritable(shown).await
    }

    /// Whether manifests come from a repository.
    pub fn is_git(&self) -> bool {
        matches!(self.source, Source::Git(_))
    }

    /// The path, as shown, of a manifest that is not there yet.
    pub fn path_of(&self, service: &str) -> String {
        self.source.path_of(service)
    }

    /// Whether manifests come from what a repository calls so: `refs/heads/main`.
    pub fn follows(&self, reference: &str) -> bool {
        self.source.follows(reference)
    }

    /// Where manifests come from, for people.
    pub fn source_name(&self) -> String {
        self.source.to_string()
    }

    /// What the last look found out, and when the next one is due.
    pub fn picture(&self) -> (Arc<Picture>, Timestamp) {
        self.picture.borrow().clone()
    }

    /// Since when no look has ended, where that is too long: more than three intervals.
    pub fn stalled(&self) -> Option<Timestamp> {
        let (picture, _) = self.picture();
        let last = picture.at.max(self.started);
        let interval = if picture.interval.0 > 0 { picture.interval } else { self.interval };
        (self.now() - last > Millis(interval.0.saturating_mul(3).max(STALLED_LEAST.0))).then_some(last)
    }

    /// Waits until the loop has gone round; `false` when it has ended.
    pub async fn turned(&mut self) -> bool {
        self.picture.changed().await.is_ok()
    }

    /// Listens to what lanes do.
    pub fn progress(&self) -> broadcast::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// The time, as the loop has it.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The ledger, for reading.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

/// Somebody who waits for the loop to come to rest.
struct Waiter {
    reply: oneshot::Sender<Reply>,
    deadline: Timestamp,
    /// It waits for a mark only.
    marks: bool,
}

/// The loop's own state.
struct Daemon {
    engine: Engine,
    behaviour: Behaviour,
    waiters: Vec<Waiter>,
    confirmed_deletes: Option<usize>,
    only: Option<BTreeSet<String>>,
    acts: bool,
    last_look: Timestamp,
    weariness: Weariness,
    /// When what woke the loop is looked at.
    due: Option<Timestamp>,
    /// The configuration was just changed: other providers are to be watched.
    is_renewed: bool,
}

/// Makes the handle and the loop. The loop runs until `shutdown`, then finishes the running step of each lane.
pub fn start(engine: Engine, behaviour: Behaviour) -> (Handle, impl Future<Output = ()>, Arc<Notify>) {
    let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
    let (pictures, picture) = watch::channel((engine.picture(), Timestamp::default()));
    let handle = Handle {
        commands,
        picture,
        progress: engine.progress.clone(),
        ledger: engine.ledger.clone(),
        source: engine.source.clone(),
        clock: engine.clock.clone(),
        meters: engine.meters.clone(),
        turns: Arc::new(Semaphore::new(manifest_loader::AT_ONCE)),
        started: engine.clock.now(),
        interval: engine.interval,
    };
    let shutdown = Arc::new(Notify::new());
    let daemon = Daemon {
        engine,
        behaviour,
        waiters: Vec::new(),
        confirmed_deletes: None,
        only: None,
        acts: behaviour.acts,
        last_look: Timestamp::default(),
        weariness: Weariness::default(),
        due: None,
        is_renewed: false,
    };
    (handle, daemon.run(inbox, pictures, shutdown.clone()), shutdown)
}

/// Asks the source's server; whether something is other than before.
async fn fetch(source: &Source, clock: &dyn Clock, meters: &Meters) -> bool {
    let started = clock.now();
    let is_new = source.fetch(started).await;
    if matches!(source, Source::Git(_)) {
        let result = if source.read().await.error.is_some() { "failed" } else { "ok" };
        meters.fetches.get_or_create(&counters::labels(&[("result", result)])).inc();
        meters.fetching.observe(counters::seconds(clock.now() - started));
    }
    is_new
}

/// Asks the source's server from time to time, and wakes the loop when something is other than before.
async fn follow(source: Source, interval: Millis, (clock, meters): (Arc<dyn Clock>, Arc<Meters>), wake: Arc<Notify>) {
    let mut failures = 0;
    loop {
        if fetch(&source, &*clock, &meters).await {
            wake.notify_one();
        }
        // A server that answers is asked as always: somebody may be mending what it has.
        let is_silent = |error: SourceError| matches!(error.code, "A0302" | "A0303" | "A0304");
        let is_failing = source.read().await.error.is_some_and(is_silent);
        failures = if is_failing { failures + 1 } else { 0 };
        tokio::time::sleep(schedule::ask_source_again(interval, failures, rand::random()).to_duration()).await;
    }
}

impl Daemon {
    async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Ask>,
        pictures: watch::Sender<(Arc<Picture>, Timestamp)>,
        shutdown: Arc<Notify>,
    ) {
        let wake = self.engine.wake.clone();
        let mut watchers = JoinSet::new();
        let mut watching = self.behaviour.watches.then(|| self.watch_folder()).flatten();
        // What changes from here on is noticed; a folder that does not answer is watched once it does.
        let _watched = match watching.as_mut() {
            Some(watching) => tokio::time::timeout(WATCH_TIMEOUT, watching).await.ok(),
            None => None,
        };
        if self.behaviour.watches {
            watchers = self.watchers();
            self.look().await;
        }
        loop {
            if std::mem::take(&mut self.is_renewed) && self.behaviour.watches {
                watchers.shutdown().await;
                watchers = self.watchers();
            }
            let next = self.next_wake();
            pictures.send_replace((self.engine.picture(), next));
            let now = self.engine.clock.now();
            let idle = !self.behaviour.watches && self.waiters.is_empty();
            let sleep = tokio::time::sleep((next - now).to_duration());
            tokio::select! {
                biased;
                () = shutdown.notified() => break,
                ask = inbox.recv() => match ask {
                    Some((command, reply)) => self.take(command, reply).await,
                    None => break,
                },
                _ = self.engine.lane_done(), if self.engine.is_busy() => self.look_soon(),
                () = wake.notified(), if !idle => self.look_soon(),
                () = sleep, if !idle => self.look().await,
                () = tokio::time::sleep(POLL.to_duration()), if self.behaviour.watches => {
                    if self.engine.source_moved().await {
                        self.look().await;
                    }
                }
            }
        }
        self.engine.stop().await;
        self.engine.end_run().await;
        pictures.send_replace((self.engine.picture(), Timestamp::default()));
    }

    /// What comes in a burst is looked at once.
    fn look_soon(&mut self) {
        let due = self.weariness.look_soon(self.engine.clock.now());
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
    }

    /// Who wakes the loop: every provider by its own means, and the source's server.
    fn watchers(&self) -> JoinSet<()> {
        let mut watchers = JoinSet::new();
        let wake = &self.engine.wake;
        for provider in self.engine.context.providers.values() {
            let (provider, wake) = (provider.clone(), wake.clone());
            watchers.spawn(async move {
                if let Some(events) = provider.capabilities().events {
                    events.watch(wake).await;
                }
            });
        }
        if let Some(interval) = self.engine.source.interval() {
            let (source, clock) = (self.engine.source.clone(), self.engine.clock.clone());
            watchers.spawn(follow(source, interval, (clock, self.engine.meters.clone()), wake.clone()));
        }
        watchers
    }

    /// The running steps are finished with the configuration that they began with; what follows has the new one.
    async fn reconfigure(&mut self, settings: Option<Box<Settings>>, trouble: Option<ConfigTrouble>) {
        if let Some(settings) = settings {
            self.engine.stop().await;
            self.engine.reconfigure(*settings);
            self.is_renewed = true;
        }
        self.engine.config_trouble = trouble;
        self.look().await;
    }

    async fn look(&mut self) {
        let mode = if self.acts {
            Mode::Act { confirmed_deletes: self.confirmed_deletes, only: self.only.clone() }
        } else if self.engine.adopts() {
            Mode::Mark
        } else {
            Mode::PlanOnly
        };
        let adopts = self.engine.adopts();
        self.due = None;
        self.engine.look(mode).await;
        self.last_look = self.engine.clock.now();
        self.weariness = self.weariness.after_look(self.engine.picture.took, self.last_look);
        self.answer_waiters();
        if adopts && !self.engine.adopts() {
            // The plan had the mark alone.
            self.look_soon();
        }
    }

    fn answer_waiters(&mut self) {
        let (settled, now) = (self.engine.picture.at_rest, self.last_look);
        let picture = self.engine.picture();
        let is_marked = !self.engine.adopts();
        let done = |waiter: &mut Waiter| {
            let is_done = if waiter.marks { is_marked } else { settled };
            is_done || now >= waiter.deadline
        };
        for waiter in self.waiters.extract_if(.., done) {
            // Who asked may have gone; the work is done all the same.
            let _ = waiter.reply.send(Reply { picture: picture.clone(), settled, error: None });
        }
        if self.waiters.is_empty() {
            self.engine.unmark();
            self.acts = self.behaviour.acts;
            self.confirmed_deletes = None;
            self.engine.confirmed.clear();
            self.engine.impatient = false;
            self.only = None;
        }
    }

    fn next_wake(&self) -> Timestamp {
        let now = self.engine.clock.now();
        let mut wishes: Vec<Timestamp> = self.engine.picture.plan.next_look.into_iter().collect();
        wishes.extend(self.due);
        wishes.extend(self.waiters.iter().map(|waiter| waiter.deadline));
        let acts = self.acts || self.engine.adopts();
        let is_moving = self.engine.picture.plan.changes.iter().any(amarre_core::model::Change::is_now) && acts;
        if is_moving && !self.engine.is_busy() && self.engine.ledger_error.is_none() {
            wishes.push(now + Millis(50));
        }
        if self.acts {
            wishes.extend(self.engine.when_to_publish(now));
        }
        let interval = if self.waiters.is_empty() { self.engine.interval } else { Millis::seconds(1) };
        // A clock that was put back keeps nobody waiting.
        schedule::next_wake(self.last_look.min(now), interval, &wishes, now)
    }

    async fn take(&mut self, command: Command, reply: oneshot::Sender<Reply>) {
        let error = match command {
            Command::Look => {
                self.engine.read_anew();
                self.look().await;
                return answer(reply, self.engine.picture(), None);
            }
            Command::Preview { snapshot, loaded, promised } => {
                self.engine.read_anew();
                let picture = self.engine.preview((*snapshot, *loaded), &promised).await;
                return answer(reply, picture, None);
            }
            Command::Apply { confirmed_deletes, only, timeout } => {
                self.begin_to_act(confirmed_deletes, only).await;
                self.waiters.push(Waiter { reply, deadline: self.engine.clock.now() + timeout, marks: false });
                self.look().await;
                return;
            }
            Command::Mark { address, timeout } => {
                self.engine.mark(address);
                self.waiters.push(Waiter { reply, deadline: self.engine.clock.now() + timeout, marks: true });
                self.look().await;
                return;
            }
            Command::Reconfigure { settings, trouble } => {
                self.reconfigure(settings, trouble).await;
                None
            }
            Command::Suspend { service, suspension } => self.suspend(&service, &suspension).await,
            Command::RollBack { service, generations, suspension } => {
                self.roll_back(&service, &generations, &suspension).await
            }
            Command::Cancel { service, suspension } => {
                let error = self.suspend(&service, &suspension).await;
                self.engine.cancel_lane(&service);
                self.look().await;
                error
            }
            Command::Retry { service } => self.engine.retry(&service).await.err().map(|error| error.to_string()),
            Command::Adopt { address, row, by } => {
                let (run, now) = (self.engine.picture.run, self.engine.clock.now());
                let adopted = self.engine.ledger.adopt(&address, &row, run, &by, now).await;
                adopted.err().map(|error| error.to_string())
            }
            Command::Record(event) => {
                let event = Event { run: self.engine.picture.run, ..*event };
                self.engine.ledger.record(&event).await.err().map(|error| error.to_string())
            }
            Command::Release { address, service, vendor_id, by } => {
                let (run, now) = (self.engine.picture.run, self.engine.clock.now());
                let released = self.engine.ledger.release(&address, (&service, &vendor_id), run, &by, now).await;
                released.err().map(|error| error.to_string())
            }
            Command::Resume { service } => match self.engine.ledger.resume(&service).await {
                Ok(true) => {
                    self.look().await;
                    None
                }
                Ok(false) => Some(format!("{service} is not suspended")),
                Err(error) => Some(error.to_string()),
            },
        };
        answer(reply, self.engine.picture(), error);
        self.look_soon();
    }

    /// From the next look on the loop does what somebody asked for: all of it, or what concerns these services.
    async fn begin_to_act(&mut self, confirmed_deletes: Option<usize>, only: Option<BTreeSet<String>>) {
        if only.is_none() {
            self.consent().await;
        }
        let asked = only.clone().unwrap_or_default();
        // A daemon that acts by itself goes on for all.
        self.only = only.filter(|_| !self.behaviour.acts);
        self.acts = true;
        self.confirmed_deletes = confirmed_deletes;
        self.engine.retry_now();
        // Who asks for one service wants it put right, whoever else writes it.
        asked.iter().for_each(|service| self.engine.forgive(service));
    }

    /// From now on the loop may act by itself, after a restart as well.
    async fn consent(&mut self) {
        if let Err(error) = self.engine.ledger.set_meta("consent", "given").await {
            self.engine.ledger_failed(&error);
        } else if self.behaviour.watches {
            self.behaviour.acts = true;
        }
    }

    async fn suspend(&mut self, service: &str, suspension: &Suspension) -> Option<String> {
        if self.engine.picture.context.is_none() {
            self.look().await;
        }
        let picture = self.engine.picture();
        if !picture.knows(service) {
            return Some(format!("there is no service {service}"));
        }
        self.engine.ledger.suspend(service, suspension).await.err().map(|error| error.to_string())
    }

    async fn roll_back(&mut self, service: &str, generations: &str, suspension: &Suspension) -> Option<String> {
        let ledger = &self.engine.ledger;
        let stored = match ledger.manifests().await {
            Ok(manifests) => manifests.get(service).cloned(),
            Err(error) => return Some(error.to_string()),
        };
        let Some(from) = stored else { return Some(format!("there is no manifest of {service}")) };
        if let Err(error) = ledger.roll_back(service, generations, &from, suspension).await {
            return Some(error.to_string());
        }
        self.engine.cancel_lane(service);
        None
    }

    /// The file system tells; where it does not, the interval is the fall-back.
    fn watch_folder(&self) -> Option<JoinHandle<Option<notify::RecommendedWatcher>>> {
        let wake = self.engine.wake.clone();
        let path = self.engine.source.folder()?.to_owned();
        let told = move |event: Result<notify::Event, notify::Error>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                wake.notify_one();
            }
        };
        Some(tokio::task::spawn_blocking(move || {
            let watcher = notify::recommended_watcher(told).and_then(|mut watcher| {
                watcher.watch(&path, notify::RecursiveMode::Recursive)?;
                Ok(watcher)
            });
            let unwatched =
                |error| tracing::warn!("could not watch {}: {error}; it is read every interval", path.display());
            watcher.map_err(unwatched).ok()
        }))
    }
}

/// Who asked may have gone; what was asked for is done all the same.
fn answer(reply: oneshot::Sender<Reply>, picture: Arc<Picture>, error: Option<String>) {
    let _ = reply.send(Reply { settled: picture.at_rest, picture, error });
}
