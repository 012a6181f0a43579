//! The peer of a command: the daemon that holds the ledger, over its socket, or an engine in this process. Both are asked by
//! HTTP: without a daemon the same router answers here.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use reqwest::Method;
use serde_json::Value as Json;
use tokio::sync::mpsc;
use tower_service::Service;

use super::build_engine;
use super::build_engine::Built;
use super::output::Output;
use super::secret_files::SecretFiles;
use super::simulated::SimulatedWorld;
use super::template::FileTemplates;
use super::{Args, CommandFailure};
use crate::engine::commands::follow_logs;
use crate::engine::commands::logs::LogsQuery;
use crate::engine::commands::reads::{ReadCost, ReadRow, SERVICE, STATUS};
use crate::engine::commands::{Act, CommandAnswer, ProgressStep};
use crate::engine::reconcile::daemon;
use crate::engine::reconcile::daemon::{Behaviour, Handle};
use crate::ledger::Lock;
use crate::notifications::Notifications;
use crate::server::{self, reads::ANSWER};
use crate::web::view_model::encoded;
use amarre_core::model::Code;
use amarre_core::plan::render::Style;

/// Steps buffered for the terminal.
const STEPS_MAX: usize = 256;

/// How often a connection to a daemon that holds the ledger is tried, and the pause between.
const STARTING_TRIES: u32 = 10;
const STARTING_PAUSE: Duration = Duration::from_millis(200);

const JSON: &str = "application/json";

/// The peer.
pub enum Link {
    /// A running daemon, behind its socket.
    Remote(reqwest::Client),
    /// No daemon runs: this engine does the work and ends with the command.
    Local(Box<Local>),
}

/// An engine in this process, behind the router of a socket.
pub struct Local {
    handle: Handle,
    router: Router,
    stop: Arc<tokio::sync::Notify>,
    ended: tokio::task::JoinHandle<()>,
    _lock: Lock,
    _world: SimulatedWorld,
}

/// An answer whose body is still to be read.
struct PeerAnswer {
    is_success: bool,
    body: AnswerBody,
}

enum AnswerBody {
    OverSocket(reqwest::Response),
    InProcess(BodyDataStream),
}

impl PeerAnswer {
    async fn chunk(&mut self) -> Result<Option<Bytes>, CommandFailure> {
        match &mut self.body {
            AnswerBody::OverSocket(response) => response.chunk().await.map_err(|error| lost(&error)),
            AnswerBody::InProcess(body) => body.next().await.transpose().map_err(|error| lost(&error)),
        }
    }

    /// The whole body, unless it says why the request was refused.
    async fn read(mut self) -> Result<Vec<u8>, CommandFailure> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        if self.is_success {
            return Ok(body);
        }
        Err(refused(&serde_json::from_slice(&body).map_err(|_| other_version())?))
    }

    /// Forwards the items under a key; answers the last line.
    async fn read_lines<T: serde::de::DeserializeOwned>(
        mut self,
        key: &str,
        things: &mpsc::Sender<T>,
    ) -> Result<Option<CommandAnswer>, CommandFailure> {
        let mut buffer: Vec<u8> = Vec::new();
        let mut answer = None;
        while let Some(chunk) = self.chunk().await? {
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
}

impl Link {
    /// The daemon if one holds the ledger, else an engine in this process.
    pub async fn open(args: &Args) -> Result<Self, CommandFailure> {
        let config = super::configuration(args)?;
        let socket = config.beside_state("sock");
        let mut tries = 0;
        let Built { engine, lock, world } = loop {
            if let Some(client) = connect(&socket).await {
                return Ok(Link::Remote(client));
            }
            match build_engine::engine(&config).await {
                // A daemon that starts locks the ledger first, and listens a moment later.
                Err(failure) if failure.code == Some(Code::A0902) && tries < STARTING_TRIES => tries += 1,
                built => break built?,
            }
            tokio::time::sleep(STARTING_PAUSE).await;
        };
        let (handle, task, stop) = daemon::start(engine, Behaviour { acts: false, watches: false });
        let handle = handle.keeping(Arc::new(SecretFiles(config.clone())));
        let notifications = Notifications::new(handle.clone(), config.notifications.clone(), None);
        let router = server::private(handle.clone(), notifications, Arc::new(FileTemplates(config)));
        let ended = spawn(Box::pin(task));
        Ok(Link::Local(Box::new(Local { handle, router, stop, ended, _lock: lock, _world: world })))
    }

    /// Whether a daemon answers.
    pub fn is_remote(&self) -> bool {
        matches!(self, Link::Remote(_))
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: Option<&Json>,
    ) -> Result<PeerAnswer, CommandFailure> {
        match self {
            Link::Remote(client) => {
                let request = client.request(method, format!("http://amarre{path}")).header("accept", accept);
                let request = body.into_iter().fold(request, reqwest::RequestBuilder::json);
                let response = request.send().await.map_err(|error| lost(&error))?;
                let is_success = response.status().is_success();
                Ok(PeerAnswer { is_success, body: AnswerBody::OverSocket(response) })
            }
            Link::Local(local) => {
                let request = axum::http::Request::builder().method(method).uri(path);
                let request = request.header("accept", accept).header("content-type", JSON);
                let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
                let request = request.body(body).map_err(|error| lost(&error))?;
                let response = local.router.clone().call(request).await.map_err(|error| lost(&error))?;
                let is_success = response.status().is_success();
                Ok(PeerAnswer { is_success, body: AnswerBody::InProcess(response.into_body().into_data_stream()) })
            }
        }
    }

    /// A read of the table, as document and text.
    pub async fn read(
        &self,
        row: &ReadRow,
        args: &[(&'static str, String)],
        style: Style,
    ) -> Result<CommandAnswer, CommandFailure> {
        if let Link::Local(local) = self
            && row.cost == ReadCost::LastPass
        {
            // Without a daemon no other process asks the source's server.
            if [STATUS.id, SERVICE.id].contains(&row.id) {
                local.handle.fetch().await;
            }
            local.handle.pass().await.ok_or_else(stopped)?;
        }
        let (path, query) = row.request(args);
        let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let Style { ascii, colour, language } = style;
        let accept = format!("{ANSWER}; ascii={ascii}; colour={colour}; lang={}", language.code());
        let answer = self.ask(Method::GET, &format!("{path}?{}", query.join("&")), &accept, None).await?;
        serde_json::from_slice(&answer.read().await?).map_err(|_| other_version())
    }

    /// A request whose answer is JSON or empty, without a text.
    pub async fn send(&self, method: Method, path: &str, body: Option<Json>) -> Result<Json, CommandFailure> {
        let body = self.ask(method, path, JSON, body.as_ref()).await?.read().await?;
        if body.is_empty() { Ok(Json::Null) } else { serde_json::from_slice(&body).map_err(|_| other_version()) }
    }

    /// The output of containers from now on; `Some` when there is nothing to follow.
    pub async fn follow(
        &self,
        of: &LogsQuery,
        lines: follow_logs::LineSender,
    ) -> Result<Option<CommandAnswer>, CommandFailure> {
        let name = of.name.iter().map(|name| format!("&name={}", encoded(name))).collect::<String>();
        let path = format!("/api/v1/logs/follow?lines={}{name}", of.lines);
        self.ask(Method::GET, &path, JSON, None).await?.read_lines("line", &lines).await
    }

    /// Runs a command, printing each step. Ctrl-C stops safely after the running step.
    pub async fn act(&self, act: Act, output: &Output) -> Result<CommandAnswer, CommandFailure> {
        let (steps, mut inbox) = mpsc::channel::<ProgressStep>(STEPS_MAX);
        let Style { ascii, colour, language } = output.style;
        let path = format!("/api/v1/act?ascii={ascii}&colour={colour}&lang={}", language.code());
        let body = serde_json::to_value(act).map_err(|error| lost(&error))?;
        let work = async {
            let answer = self.ask(Method::POST, &path, JSON, Some(&body)).await?;
            answer.read_lines("step", &steps).await?.ok_or_else(stopped)
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
            let Local { handle, router, stop, ended, .. } = *local;
            stop.notify_one();
            drop((handle, router));
            let _ = ended.await;
        }
    }
}

/// Asks the peer once, and lets it go.
pub async fn read(
    args: &Args,
    row: &ReadRow,
    given: &[(&'static str, String)],
    output: &Output,
) -> Result<CommandAnswer, CommandFailure> {
    let link = Link::open(args).await?;
    let answer = link.read(row, given, output.style).await;
    link.close().await;
    answer
}

/// Sends one request to the peer, and lets it go.
pub async fn send(args: &Args, method: Method, path: &str, body: Option<Json>) -> Result<Json, CommandFailure> {
    let link = Link::open(args).await?;
    let answer = link.send(method, path, body).await;
    link.close().await;
    answer
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

/// `None` when no process listens there.
async fn connect(path: &Path) -> Option<reqwest::Client> {
    tokio::net::UnixStream::connect(path).await.ok()?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[expect(
        clippy::disallowed_methods,
        reason = "a socket to our own daemon, whose answers may take as long as an apply"
    )]
    reqwest::Client::builder().unix_socket(path).build().ok()
}

/// A problem as a failure.
fn refused(problem: &Json) -> CommandFailure {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let hints = vec![text(&problem["hints"][0]["text"])];
    CommandFailure::answered(&text(&problem["code"]), text(&problem["title"]), hints)
}

fn lost(error: &dyn std::error::Error) -> CommandFailure {
    CommandFailure::new(
        Code::A0904,
        format!("the daemon did not answer: {}", crate::error_chain::chain(error)),
        "is it stopping? see its log",
    )
}

fn other_version() -> CommandFailure {
    CommandFailure::new(Code::A0904, "the daemon speaks another version", "restart it after an upgrade")
}
