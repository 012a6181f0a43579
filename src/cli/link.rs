//! Whom a command speaks to: the daemon that holds the ledger, over its socket, or an engine of our own.

use std::path::Path;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value as Json;
use tokio::sync::mpsc;

use super::build_engine;
use super::build_engine::Built;
use super::output::Output;
use super::simulated::World;
use super::{Args, Failure};
use crate::engine::commands;
use crate::engine::commands::events;
use crate::engine::commands::events::EventsOf;
use crate::engine::commands::explain;
use crate::engine::commands::find_address;
use crate::engine::commands::follow_logs;
use crate::engine::commands::history;
use crate::engine::commands::history::HistoryOf;
use crate::engine::commands::logs;
use crate::engine::commands::logs::LogsOf;
use crate::engine::commands::trace;
use crate::engine::commands::{Act, Answer, PlanForm, Step};
use crate::engine::reconcile::daemon;
use crate::engine::reconcile::daemon::{Behaviour, Command, Handle};
use crate::engine::report;
use crate::engine::report::service_list;
use crate::engine::report::service_list::Listing;
use crate::ledger::Lock;
use amarre_core::plan::render::Look;

/// Steps on their way to the terminal.
const STEPS_MAX: usize = 256;

/// How long a daemon that holds the ledger may take to listen: so often, with such a pause.
const STARTING_TRIES: u32 = 10;
const STARTING_PAUSE: Duration = Duration::from_millis(200);

/// One of the two.
pub enum Link {
    /// A daemon runs.
    Remote(Remote),
    /// None runs: ours does the work and ends with the command.
    Local(Box<Local>),
}

/// A daemon behind its socket.
pub struct Remote {
    client: reqwest::Client,
}

/// An engine of our own.
pub struct Local {
    handle: Handle,
    stop: std::sync::Arc<tokio::sync::Notify>,
    ended: tokio::task::JoinHandle<()>,
    _lock: Lock,
    _world: World,
}

impl Link {
    /// The daemon where one holds the ledger, else an engine of our own.
    pub async fn open(args: &Args) -> Result<Self, Failure> {
        let config = super::configuration(args)?;
        let socket = config.beside_state("sock");
        let mut tries = 0;
        let Built { engine, lock, world } = loop {
            if let Some(remote) = Remote::connect(&socket).await {
                return Ok(Link::Remote(remote));
            }
            match build_engine::engine(&config).await {
                // A daemon that starts takes the ledger first, and listens a moment later.
                Err(failure) if failure.code == "A0902" && tries < STARTING_TRIES => tries += 1,
                built => break built?,
            }
            tokio::time::sleep(STARTING_PAUSE).await;
        };
        let (handle, task, stop) = daemon::start(engine, Behaviour { acts: false, watches: false });
        Ok(Link::Local(Box::new(Local { handle, stop, ended: spawn(Box::pin(task)), _lock: lock, _world: world })))
    }

    /// Whether a daemon answers.
    pub fn is_remote(&self) -> bool {
        matches!(self, Link::Remote(_))
    }

    /// The plan of this moment.
    /// `reference`: of another branch, tag or commit.
    pub async fn plan(&self, reference: Option<&str>, look: Look, form: PlanForm) -> Result<Answer, Failure> {
        match self {
            Link::Remote(remote) => {
                let of: Vec<(&str, &str)> = reference.iter().map(|name| ("ref", *name)).collect();
                let query = format!("&markdown={}&asks={}", form == PlanForm::Markdown, form == PlanForm::Asks);
                remote.get_of("/api/v1/plan/text", &of, look, &query).await
            }
            Link::Local(local) => commands::plan(&local.handle, reference, look, form).await.ok_or_else(stopped),
        }
    }

    /// Which subnets are taken, and where room is.
    pub async fn subnets(&self, look: Look) -> Result<Answer, Failure> {
        match self {
            Link::Remote(remote) => remote.get("/api/v1/subnets/text", look, "").await,
            Link::Local(local) => commands::subnets(&local.handle, look).await.ok_or_else(stopped),
        }
    }

    /// What containers printed last.
    pub async fn logs(&self, of: &LogsOf) -> Result<Answer, Failure> {
        match self {
            Link::Remote(remote) => {
                let name: Vec<(&str, &str)> = of.name.iter().map(|name| ("name", name.as_str())).collect();
                let query = format!("&last_failed={}&lines={}", of.last_failed, of.lines);
                remote.get_of("/api/v1/logs/text", &name, Look::PLAIN, &query).await
            }
            Link::Local(local) => logs::logs(&local.handle, of).await.ok_or_else(stopped),
        }
    }

    /// What containers print from now on; `Some` when there is nothing to follow.
    pub async fn follow(&self, of: &LogsOf, lines: follow_logs::Lines) -> Result<Option<Answer>, Failure> {
        match self {
            Link::Remote(remote) => remote.follow(of, lines).await,
            Link::Local(local) => Ok(follow_logs::follow(local.handle.clone(), of.clone(), lines).await),
        }
    }

    /// What was done and seen.
    pub async fn events(&self, of: &EventsOf) -> Result<Answer, Failure> {
        match self {
            Link::Remote(remote) => {
                let words = [("name", &of.name), ("kind", &of.kind)];
                let words: Vec<(&str, &str)> =
                    words.iter().filter_map(|(key, value)| Some((*key, value.as_deref()?))).collect();
                let since = of.since_s.map(|since| format!("&since_s={since}")).unwrap_or_default();
                remote.get_of("/api/v1/events/text", &words, Look::PLAIN, &format!("&limit={}{since}", of.limit)).await
            }
            Link::Local(local) => Ok(events::events(&local.handle, of).await),
        }
    }

    /// Runs, what one did, or the versions of a service.
    pub async fn history(&self, of: &HistoryOf) -> Result<Answer, Failure> {
        match self {
            Link::Remote(remote) => {
                let name: Vec<(&str, &str)> = of.name.iter().map(|name| ("name", name.as_str())).collect();
                let at = of.at_ms.map(|at| format!("&at_ms={at}")).unwrap_or_default();
                let to = of.to_ms.map(|to| format!("&to_ms={to}")).unwrap_or_default();
                remote.get_of("/api/v1/history/text", &name, Look::PLAIN, &format!("&limit={}{at}{to}", of.limit)).await
            }
            Link::Local(local) => Ok(history::history(&local.handle, of).await),
        }
    }

    /// Why one thing is there.
    pub async fn explain(&self, thing: &str, look: Look) -> Result<Answer, Failure> {
        match self {
            Link::Remote(remote) => remote.get_of("/api/v1/explain/text", &[("thing", thing)], look, "").await,
            Link::Local(local) => explain::explain(&local.handle, thing, look).await.ok_or_else(stopped),
        }
    }

    /// The way of a request, from the name to the container.
    pub async fn trace(&self, domain: &str, look: Look) -> Result<Answer, Failure> {
        match self {
            Link::Remote(remote) => remote.get_of("/api/v1/trace/text", &[("domain", domain)], look, "").await,
            Link::Local(local) => trace::trace(&local.handle, domain, look).await.ok_or_else(stopped),
        }
    }

    /// How everything is, or one service.
    pub async fn status(&self, service: Option<&str>, listing: Listing, look: Look) -> Result<Answer, Failure> {
        match (self, service) {
            (Link::Remote(remote), None) => {
                let only = listing.only.map(|only| format!("&only={}", only.word())).unwrap_or_default();
                let query = format!("&all={}&wide={}{only}", listing.all, listing.wide);
                remote.get("/api/v1/status/text", look, &query).await
            }
            (Link::Remote(remote), Some(name)) => remote.get(&format!("/api/v1/services/{name}/text"), look, "").await,
            (Link::Local(local), service) => {
                // Nobody else asks the server while no daemon runs.
                local.handle.fetch().await;
                // The reply's own picture: the one that is shown to others follows a moment later.
                let picture = local.handle.ask(Command::Look).await.ok_or_else(stopped)?.picture;
                let now = local.handle.now();
                let Some(name) = service else {
                    let text = report::status_text(&picture, listing, now, None, look);
                    let document = service_list::document(&picture, report::status_json(&picture, None), listing.only);
                    return Ok(Answer { document, text, exit: 0 });
                };
                let row = picture.statuses().get(name).map(|row| report::service_json(&picture, row));
                let events = local.handle.ledger().events(name, 5).await.unwrap_or_default();
                let text = report::service_text(&picture, name, &events, now, look);
                let both = row.zip(text).map(|(document, text)| Answer { document, text, exit: 0 });
                both.ok_or_else(|| {
                    let hint = find_address::service_hint(&picture, name);
                    Failure::new("A1002", format!("there is no service {name}"), hint)
                })
            }
        }
    }

    /// Does something, printing each step. Ctrl-C stops safely after the running step.
    pub async fn act(&self, act: Act, output: &Output) -> Result<Answer, Failure> {
        let (steps, mut inbox) = mpsc::channel::<Step>(STEPS_MAX);
        let look = output.look;
        let work: BoxFuture<'_, Result<Answer, Failure>> = match self {
            Link::Remote(remote) => Box::pin(remote.act(act, look, steps)),
            Link::Local(local) => Box::pin(async move {
                let answer = commands::act(&local.handle, act, look, &steps).await;
                drop(steps);
                answer.ok_or_else(stopped)
            }),
        };
        tokio::pin!(work);
        // One for all steps: what comes between two would be lost.
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        let mut interrupted = false;
        let answer = loop {
            tokio::select! {
                biased;
                Some(step) = inbox.recv() => output.step(&step),
                answer = &mut work => break answer,
                _ = &mut interrupt, if !interrupted => {
                    interrupted = true;
                    match self {
                        Link::Remote(_) => return Err(Failure::new("", "stopped watching; the daemon goes on", "amarre status")),
                        Link::Local(local) => {
                            output.say("stopping after the running step; the next run goes on from there");
                            local.stop.notify_one();
                        }
                    }
                }
            }
        };
        while let Ok(step) = inbox.try_recv() {
            output.step(&step);
        }
        answer
    }

    /// Lets an engine of our own finish what it is doing.
    pub async fn close(self) {
        if let Link::Local(local) = self {
            local.stop.notify_one();
            let _ = local.ended.await;
        }
    }
}

fn spawn(task: BoxFuture<'static, ()>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(task)
}

fn stopped() -> Failure {
    Failure::new(
        "A0904",
        "stopped before it was done; what was done is kept, and something may be down meanwhile",
        "see amarre status, then the same command again",
    )
}

impl Local {
    /// The engine.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Remote {
    /// `None` when nobody listens there.
    async fn connect(path: &Path) -> Option<Self> {
        tokio::net::UnixStream::connect(path).await.ok()?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        #[expect(
            clippy::disallowed_methods,
            reason = "a socket to our own daemon, whose answers may take as long as an apply"
        )]
        let client = reqwest::Client::builder().unix_socket(path).build().ok()?;
        Some(Self { client })
    }

    async fn get(&self, path: &str, look: Look, query: &str) -> Result<Answer, Failure> {
        self.get_of(path, &[], look, query).await
    }

    /// As [`Remote::get`], with words that people typed.
    async fn get_of(&self, path: &str, of: &[(&str, &str)], look: Look, query: &str) -> Result<Answer, Failure> {
        let url = format!("http://amarre{path}?ascii={}&colour={}{query}", look.ascii, look.colour);
        let response = self.client.get(url).query(of).send().await.map_err(|error| lost(&error))?;
        let status = response.status();
        let body = whole(response).await?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|_| other_version());
        }
        Err(refused(&serde_json::from_slice(&body).map_err(|_| other_version())?))
    }

    /// Asks for something that is no answer for people; what it gives is JSON, or nothing.
    pub async fn send(&self, method: reqwest::Method, path: &str, body: Option<Json>) -> Result<Json, Failure> {
        let mut request = self.client.request(method, format!("http://amarre{path}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.map_err(|error| lost(&error))?;
        let status = response.status();
        let body = whole(response).await?;
        match (status.is_success(), body.is_empty()) {
            (true, true) => Ok(Json::Null),
            (true, false) => serde_json::from_slice(&body).map_err(|_| other_version()),
            (false, _) => Err(refused(&serde_json::from_slice(&body).map_err(|_| other_version())?)),
        }
    }

    async fn act(&self, act: Act, look: Look, steps: mpsc::Sender<Step>) -> Result<Answer, Failure> {
        let url = format!("http://amarre/api/v1/act?ascii={}&colour={}", look.ascii, look.colour);
        let response = self.client.post(url).json(&act).send().await.map_err(|error| lost(&error))?;
        in_lines(response, "step", &steps).await?.ok_or_else(stopped)
    }

    async fn follow(&self, of: &LogsOf, lines: follow_logs::Lines) -> Result<Option<Answer>, Failure> {
        let name: Vec<(&str, &str)> = of.name.iter().map(|name| ("name", name.as_str())).collect();
        let url = format!("http://amarre/api/v1/logs/follow?lines={}", of.lines);
        let response = self.client.get(url).query(&name).send().await.map_err(|error| lost(&error))?;
        in_lines(response, "line", &lines).await
    }
}

/// Passes on what comes under a key; answers what stands at the end.
async fn in_lines<T: serde::de::DeserializeOwned>(
    mut response: reqwest::Response,
    key: &str,
    things: &mpsc::Sender<T>,
) -> Result<Option<Answer>, Failure> {
    let mut buffer: Vec<u8> = Vec::new();
    let mut answer = None;
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(&error))? {
        buffer.extend_from_slice(&chunk);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            let mut line: Json = serde_json::from_slice(&line).map_err(|_| other_version())?;
            if let Ok(thing) = serde_json::from_value(line[key].take()) {
                let _ = things.send(thing).await;
            } else {
                answer = serde_json::from_value(line["end"].take()).ok();
            }
        }
    }
    Ok(answer)
}

/// What our own daemon answers.
async fn whole(mut response: reqwest::Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(&error))? {
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A problem as a failure.
fn refused(problem: &Json) -> Failure {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    Failure::new(&text(&problem["code"]), text(&problem["title"]), text(&problem["hints"][0]["text"]))
}

fn lost(error: &reqwest::Error) -> Failure {
    Failure::new(
        "A0904",
        format!("the daemon did not answer: {}", crate::error_chain::chain(error)),
        "is it stopping? see its log",
    )
}

fn other_version() -> Failure {
    Failure::new("A0904", "the daemon speaks another version", "restart it after an upgrade")
}
