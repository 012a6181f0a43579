//! The peer of a command: the daemon that holds the ledger, over its socket, or an engine in this process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value as Json;
use tokio::sync::mpsc;

use super::build_engine;
use super::build_engine::Built;
use super::output::Output;
use super::secret_files::SecretFiles;
use super::simulated::SimulatedWorld;
use super::{Args, CommandFailure};
use crate::engine::PassResult;
use crate::engine::commands;
use crate::engine::commands::apps;
use crate::engine::commands::builds;
use crate::engine::commands::events;
use crate::engine::commands::events::EventsQuery;
use crate::engine::commands::explain;
use crate::engine::commands::find_address;
use crate::engine::commands::follow_logs;
use crate::engine::commands::history;
use crate::engine::commands::history::HistoryQuery;
use crate::engine::commands::instance_answers;
use crate::engine::commands::logs;
use crate::engine::commands::logs::LogsQuery;
use crate::engine::commands::pools;
use crate::engine::commands::trace;
use crate::engine::commands::{Act, CommandAnswer, PlanForm, ProgressStep};
use crate::engine::reconcile::daemon;
use crate::engine::reconcile::daemon::{Behaviour, Handle, LoopCommand};
use crate::engine::report;
use crate::engine::report::instances::InstancesQuery;
use crate::engine::report::service_list;
use crate::engine::report::service_list::ListQuery;
use crate::ledger::Lock;
use amarre_core::model::Code;
use amarre_core::plan::render::Style;

/// Steps buffered for the terminal.
const STEPS_MAX: usize = 256;

/// How often a connection to a daemon that holds the ledger is tried, and the pause between.
const STARTING_TRIES: u32 = 10;
const STARTING_PAUSE: Duration = Duration::from_millis(200);

/// What a command asks about a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstancePart {
    /// Everything that is known of it.
    All,
    /// The next ticks of its timetable.
    Schedule,
    /// The end of its log: at most this number of lines.
    Logs(u32),
}

/// What a command asks about apps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppPart<'a> {
    /// All of them.
    List,
    /// One.
    One(&'a str),
    /// What the newest build of one did, and whether all is shown that it printed.
    BuildLog(&'a str, bool),
    /// What was deployed, at most this many: of one, or of all.
    Deployments(Option<&'a str>, u16),
    /// What these come to.
    Stats(Option<&'a str>),
    /// One deployment.
    Deployment(&'a str),
    /// What its build has printed.
    DeploymentLog(&'a str, bool),
    /// The line that a forge takes for a repository.
    Key(&'a str, &'a str),
}

/// What a command asks about pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolPart<'a> {
    /// All of them.
    List,
    /// The line that lets Amarre into machines.
    Key,
    /// One.
    One(&'a str),
    /// Who had which machines of one.
    History(&'a str),
}

/// The peer.
pub enum Link {
    /// A running daemon.
    Remote(Remote),
    /// No daemon runs: this engine does the work and ends with the command.
    Local(Box<Local>),
}

/// A daemon behind its socket.
pub struct Remote {
    client: reqwest::Client,
}

/// An engine in this process.
pub struct Local {
    handle: Handle,
    stop: std::sync::Arc<tokio::sync::Notify>,
    ended: tokio::task::JoinHandle<()>,
    _lock: Lock,
    _world: SimulatedWorld,
}

impl Link {
    /// The daemon if one holds the ledger, else an engine in this process.
    pub async fn open(args: &Args) -> Result<Self, CommandFailure> {
        let config = super::configuration(args)?;
        let socket = config.beside_state("sock");
        let mut tries = 0;
        let Built { engine, lock, world } = loop {
            if let Some(remote) = Remote::connect(&socket).await {
                return Ok(Link::Remote(remote));
            }
            match build_engine::engine(&config).await {
                // A daemon that starts locks the ledger first, and listens a moment later.
                Err(failure) if failure.code == Some(Code::A0902) && tries < STARTING_TRIES => tries += 1,
                built => break built?,
            }
            tokio::time::sleep(STARTING_PAUSE).await;
        };
        let (handle, task, stop) = daemon::start(engine, Behaviour { acts: false, watches: false });
        let handle = handle.keeping(Arc::new(SecretFiles(config)));
        Ok(Link::Local(Box::new(Local { handle, stop, ended: spawn(Box::pin(task)), _lock: lock, _world: world })))
    }

    /// Whether a daemon answers.
    pub fn is_remote(&self) -> bool {
        matches!(self, Link::Remote(_))
    }

    /// The current plan.
    /// `reference`: another branch, tag or commit.
    pub async fn plan(
        &self,
        reference: Option<&str>,
        style: Style,
        form: PlanForm,
    ) -> Result<CommandAnswer, CommandFailure> {
        match self {
            Link::Remote(remote) => {
                let of: Vec<(&str, &str)> = reference.iter().map(|name| ("ref", *name)).collect();
                let query = format!("&markdown={}&asks={}", form == PlanForm::Markdown, form == PlanForm::Asks);
                remote.get_with("/api/v1/plan/text", &of, style, &query).await
            }
            Link::Local(local) => commands::plan(&local.handle, reference, style, form).await.ok_or_else(stopped),
        }
    }

    /// The taken subnets, and the free ones.
    pub async fn subnets(&self, style: Style) -> Result<CommandAnswer, CommandFailure> {
        match self {
            Link::Remote(remote) => remote.get("/api/v1/subnets/text", style, "").await,
            Link::Local(local) => commands::subnets(&local.handle, style).await.ok_or_else(stopped),
        }
    }

    /// The last output of containers.
    pub async fn logs(&self, of: &LogsQuery) -> Result<CommandAnswer, CommandFailure> {
        match self {
            Link::Remote(remote) => {
                let name: Vec<(&str, &str)> = of.name.iter().map(|name| ("name", name.as_str())).collect();
                let query = format!("&last_failed={}&lines={}", of.last_failed, of.lines);
                remote.get_with("/api/v1/logs/text", &name, Style::PLAIN, &query).await
            }
            Link::Local(local) => logs::logs(&local.handle, of).await.ok_or_else(stopped),
        }
    }

    /// The output of containers from now on; `Some` when there is nothing to follow.
    pub async fn follow(
        &self,
        of: &LogsQuery,
        lines: follow_logs::LineSender,
    ) -> Result<Option<CommandAnswer>, CommandFailure> {
        match self {
            Link::Remote(remote) => remote.follow(of, lines).await,
            Link::Local(local) => Ok(follow_logs::follow(local.handle.clone(), of.clone(), lines).await),
        }
    }

    /// Events.
    pub async fn events(&self, of: &EventsQuery, style: Style) -> Result<CommandAnswer, CommandFailure> {
        match self {
            Link::Remote(remote) => {
                let words = [("name", &of.name), ("kind", &of.kind)];
                let words: Vec<(&str, &str)> =
                    words.iter().filter_map(|(key, value)| Some((*key, value.as_deref()?))).collect();
                let since = of.since_s.map(|since| format!("&since_s={since}")).unwrap_or_default();
                remote.get_with("/api/v1/events/text", &words, style, &format!("&limit={}{since}", of.limit)).await
            }
            Link::Local(local) => Ok(events::events(&local.handle, of, style.language).await),
        }
    }

    /// Runs, one run's changes, or the versions of a service.
    pub async fn history(&self, of: &HistoryQuery, style: Style) -> Result<CommandAnswer, CommandFailure> {
        match self {
            Link::Remote(remote) => {
                let name: Vec<(&str, &str)> = of.name.iter().map(|name| ("name", name.as_str())).collect();
                let at = of.at_ms.map(|at| format!("&at_ms={at}")).unwrap_or_default();
                let to = of.to_ms.map(|to| format!("&to_ms={to}")).unwrap_or_default();
                remote.get_with("/api/v1/history/text", &name, style, &format!("&limit={}{at}{to}", of.limit)).await
            }
            Link::Local(local) => Ok(history::history(&local.handle, of, style.language).await),
        }
    }

    /// Explains a resource.
    pub async fn explain(&self, thing: &str, style: Style) -> Result<CommandAnswer, CommandFailure> {
        match self {
            Link::Remote(remote) => remote.get_with("/api/v1/explain/text", &[("thing", thing)], style, "").await,
            Link::Local(local) => explain::explain(&local.handle, thing, style).await.ok_or_else(stopped),
        }
    }

    /// Traces a domain name.
    pub async fn trace(&self, domain: &str, style: Style) -> Result<CommandAnswer, CommandFailure> {
        match self {
            Link::Remote(remote) => remote.get_with("/api/v1/trace/text", &[("domain", domain)], style, "").await,
            Link::Local(local) => trace::trace(&local.handle, domain, style).await.ok_or_else(stopped),
        }
    }

    /// The servers of all clouds.
    pub async fn instances(
        &self,
        of: &InstancesQuery,
        wide: bool,
        style: Style,
    ) -> Result<CommandAnswer, CommandFailure> {
        match self {
            Link::Remote(remote) => {
                remote.get_with("/api/v1/instances/text", &of.pairs(), style, &format!("&wide={wide}")).await
            }
            Link::Local(local) => {
                let pass = local.pass().await?;
                Ok(instance_answers::list(&pass, of, wide, style))
            }
        }
    }

    /// Something about one server.
    pub async fn instance(
        &self,
        name: &str,
        part: InstancePart,
        style: Style,
    ) -> Result<CommandAnswer, CommandFailure> {
        match self {
            Link::Remote(remote) => {
                let (part, query) = match part {
                    InstancePart::All => ("", String::new()),
                    InstancePart::Schedule => ("/schedule", String::new()),
                    InstancePart::Logs(lines) => ("/logs", format!("&lines={lines}")),
                };
                let path = format!("/api/v1/instances/{}{part}/text", crate::web::view_model::encoded(name));
                remote.get(&path, style, &query).await
            }
            Link::Local(local) => {
                let pass = local.pass().await?;
                Ok(match part {
                    InstancePart::All => instance_answers::show(local.handle.ledger(), &pass, name, style).await,
                    InstancePart::Schedule => instance_answers::schedule(&pass, local.handle.now(), name, style),
                    InstancePart::Logs(lines) => {
                        instance_answers::logs(local.handle.ledger(), &pass, name, lines, style).await
                    }
                })
            }
        }
    }

    /// Manifests of servers that have none.
    pub async fn instance_manifests(&self, of: &InstancesQuery) -> Result<CommandAnswer, CommandFailure> {
        match self {
            Link::Remote(remote) => {
                remote.get_with("/api/v1/instances/manifests/text", &of.pairs(), Style::PLAIN, "").await
            }
            Link::Local(local) => {
                let pass = local.pass().await?;
                Ok(instance_answers::manifests(&pass, of))
            }
        }
    }

    /// Something about apps.
    pub async fn apps(&self, part: AppPart<'_>, style: Style) -> Result<CommandAnswer, CommandFailure> {
        match self {
            Link::Remote(remote) => {
                let name = crate::web::view_model::encoded;
                let of = |app: Option<&str>| app.map(|app| format!("&app={}", name(app))).unwrap_or_default();
                let query = match part {
                    AppPart::Deployments(app, limit) => format!("{}&limit={limit}", of(app)),
                    AppPart::Stats(app) => of(app),
                    AppPart::Key(app, url) => format!("&app={}&url={}", name(app), name(url)),
                    AppPart::List | AppPart::One(_) | AppPart::Deployment(_) => String::new(),
                    AppPart::BuildLog(_, all) | AppPart::DeploymentLog(_, all) => format!("&all={all}"),
                };
                let path = match part {
                    AppPart::Deployments(..) => "/api/v1/deployments/text".to_owned(),
                    AppPart::Stats(_) => "/api/v1/deployments/stats/text".to_owned(),
                    AppPart::Key(..) => "/api/v1/app-key/text".to_owned(),
                    AppPart::Deployment(id) => format!("/api/v1/deployments/{}/text", name(id)),
                    AppPart::DeploymentLog(id, _) => format!("/api/v1/deployments/{}/log/text", name(id)),
                    AppPart::List => "/api/v1/apps/text".to_owned(),
                    AppPart::One(app) => format!("/api/v1/apps/{}/text", name(app)),
                    AppPart::BuildLog(app, _) => format!("/api/v1/apps/{}/build-log/text", name(app)),
                };
                remote.get(&path, style, &query).await
            }
            Link::Local(local) => {
                let pass = local.pass().await?;
                Ok(match part {
                    AppPart::List => apps::list(&pass, style),
                    AppPart::One(app) => apps::show(&pass, app, style),
                    AppPart::BuildLog(app, all) => builds::log(&local.handle, &pass, app, style, all).await,
                    AppPart::Deployments(app, limit) => apps::deployments(&pass, app, usize::from(limit), style),
                    AppPart::Stats(app) => apps::stats(&pass, app),
                    AppPart::Key(app, url) => apps::deploy_key(&local.handle, app, url).await,
                    AppPart::Deployment(id) => apps::deployment(&pass, id, style),
                    AppPart::DeploymentLog(id, all) => {
                        builds::deployment_log(&local.handle, &pass, id, style, all).await
                    }
                })
            }
        }
    }

    /// Something about pools.
    pub async fn pools(&self, part: PoolPart<'_>, style: Style) -> Result<CommandAnswer, CommandFailure> {
        match self {
            Link::Remote(remote) => {
                let name = crate::web::view_model::encoded;
                let path = match part {
                    PoolPart::List => "/api/v1/pools/text".to_owned(),
                    PoolPart::Key => "/api/v1/pool-key/text".to_owned(),
                    PoolPart::One(pool) => format!("/api/v1/pools/{}/text", name(pool)),
                    PoolPart::History(pool) => format!("/api/v1/pools/{}/history/text", name(pool)),
                };
                remote.get(&path, style, "").await
            }
            Link::Local(local) => {
                let pass = local.pass().await?;
                Ok(match part {
                    PoolPart::List => pools::list(&pass, style),
                    PoolPart::Key => pools::key(&pass).await,
                    PoolPart::One(pool) => pools::show(&pass, pool, style),
                    PoolPart::History(pool) => pools::history(local.handle.ledger(), &pass, pool, style).await,
                })
            }
        }
    }

    /// The status of everything, or of one service.
    pub async fn status(
        &self,
        service: Option<&str>,
        listing: ListQuery,
        style: Style,
    ) -> Result<CommandAnswer, CommandFailure> {
        match (self, service) {
            (Link::Remote(remote), None) => {
                let only = listing.only.map(|only| format!("&only={}", only.word())).unwrap_or_default();
                let query = format!("&all={}&wide={}{only}", listing.all, listing.wide);
                remote.get("/api/v1/status/text", style, &query).await
            }
            (Link::Remote(remote), Some(name)) => remote.get(&format!("/api/v1/services/{name}/text"), style, "").await,
            (Link::Local(local), service) => {
                // Without a daemon, this is the only process that asks the server.
                local.handle.fetch().await;
                // The reply's own result: the published one follows a moment later.
                let pass = local.handle.request(LoopCommand::Pass).await.ok_or_else(stopped)?.pass;
                let now = local.handle.now();
                let Some(name) = service else {
                    let text = report::status_text(&pass, listing, now, None, style);
                    let document = service_list::document(&pass, report::status_json(&pass, None), listing.only);
                    return Ok(CommandAnswer { document, text, exit: 0 });
                };
                let row = pass.statuses().get(name).map(|row| report::service_json(&pass, row));
                let events = local.handle.ledger().events(name, 5).await.unwrap_or_default();
                let text = report::service_text(&pass, name, &events, now, style);
                let both = row.zip(text).map(|(document, text)| CommandAnswer { document, text, exit: 0 });
                both.ok_or_else(|| {
                    let hint = find_address::service_hint(&pass, name);
                    CommandFailure::new(Code::A1002, format!("there is no service {name}"), hint)
                })
            }
        }
    }

    /// Runs a command, printing each step. Ctrl-C stops safely after the running step.
    pub async fn act(&self, act: Act, output: &Output) -> Result<CommandAnswer, CommandFailure> {
        let (steps, mut inbox) = mpsc::channel::<ProgressStep>(STEPS_MAX);
        let style = output.style;
        let work: BoxFuture<'_, Result<CommandAnswer, CommandFailure>> = match self {
            Link::Remote(remote) => Box::pin(remote.act(act, style, steps)),
            Link::Local(local) => Box::pin(async move {
                let answer = commands::act(&local.handle, act, style, &steps).await;
                drop(steps);
                answer.ok_or_else(stopped)
            }),
        };
        tokio::pin!(work);
        // One channel for all steps: a new one would lose steps in between.
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
                        Link::Remote(_) => return Err(CommandFailure::new(None, "stopped watching; the daemon goes on", "amarre status")),
                        Link::Local(local) => {
                            output.note("stopping after the running step; the next run goes on from there");
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

    /// Lets an engine in this process finish its running steps.
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

fn stopped() -> CommandFailure {
    CommandFailure::new(
        Code::A0904,
        "stopped before it was done; what was done is kept, and something may be down meanwhile",
        "see amarre status, then the same command again",
    )
}

impl Local {
    /// The result of a pass now: the published one follows a moment later.
    async fn pass(&self) -> Result<Arc<PassResult>, CommandFailure> {
        Ok(self.handle.request(LoopCommand::Pass).await.ok_or_else(stopped)?.pass)
    }

    /// The engine.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Remote {
    /// `None` when no process listens there.
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

    async fn get(&self, path: &str, style: Style, query: &str) -> Result<CommandAnswer, CommandFailure> {
        self.get_with(path, &[], style, query).await
    }

    /// As [`Remote::get`], with typed parameters.
    async fn get_with(
        &self,
        path: &str,
        of: &[(&str, &str)],
        style: Style,
        query: &str,
    ) -> Result<CommandAnswer, CommandFailure> {
        let url = format!("http://amarre{path}?{}{query}", style_query(style));
        let response = self.client.get(url).query(of).send().await.map_err(|error| lost(&error))?;
        let status = response.status();
        let body = read_body(response).await?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|_| other_version());
        }
        Err(refused(&serde_json::from_slice(&body).map_err(|_| other_version())?))
    }

    /// A request whose answer is JSON or empty, without a text.
    pub async fn send(&self, method: reqwest::Method, path: &str, body: Option<Json>) -> Result<Json, CommandFailure> {
        let mut request = self.client.request(method, format!("http://amarre{path}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.map_err(|error| lost(&error))?;
        let status = response.status();
        let body = read_body(response).await?;
        match (status.is_success(), body.is_empty()) {
            (true, true) => Ok(Json::Null),
            (true, false) => serde_json::from_slice(&body).map_err(|_| other_version()),
            (false, _) => Err(refused(&serde_json::from_slice(&body).map_err(|_| other_version())?)),
        }
    }

    async fn act(
        &self,
        act: Act,
        style: Style,
        steps: mpsc::Sender<ProgressStep>,
    ) -> Result<CommandAnswer, CommandFailure> {
        let url = format!("http://amarre/api/v1/act?{}", style_query(style));
        let response = self.client.post(url).json(&act).send().await.map_err(|error| lost(&error))?;
        read_lines(response, "step", &steps).await?.ok_or_else(stopped)
    }

    async fn follow(
        &self,
        of: &LogsQuery,
        lines: follow_logs::LineSender,
    ) -> Result<Option<CommandAnswer>, CommandFailure> {
        let name: Vec<(&str, &str)> = of.name.iter().map(|name| ("name", name.as_str())).collect();
        let url = format!("http://amarre/api/v1/logs/follow?lines={}", of.lines);
        let response = self.client.get(url).query(&name).send().await.map_err(|error| lost(&error))?;
        read_lines(response, "line", &lines).await
    }
}

/// Forwards the items under a key; answers the last line.
async fn read_lines<T: serde::de::DeserializeOwned>(
    mut response: reqwest::Response,
    key: &str,
    things: &mpsc::Sender<T>,
) -> Result<Option<CommandAnswer>, CommandFailure> {
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

/// The body of an answer of our own daemon.
async fn read_body(mut response: reqwest::Response) -> Result<Vec<u8>, CommandFailure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(&error))? {
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// As `StyleQuery` of the server reads it.
fn style_query(style: Style) -> String {
    format!("ascii={}&colour={}&lang={}", style.ascii, style.colour, style.language.code())
}

/// A problem as a failure.
fn refused(problem: &Json) -> CommandFailure {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let hints = vec![text(&problem["hints"][0]["text"])];
    CommandFailure::answered(&text(&problem["code"]), text(&problem["title"]), hints)
}

fn lost(error: &reqwest::Error) -> CommandFailure {
    CommandFailure::new(
        Code::A0904,
        format!("the daemon did not answer: {}", crate::error_chain::chain(error)),
        "is it stopping? see its log",
    )
}

fn other_version() -> CommandFailure {
    CommandFailure::new(Code::A0904, "the daemon speaks another version", "restart it after an upgrade")
}
