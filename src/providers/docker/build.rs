//! Builds an image by BuildKit: `POST /build?version=2` with the files as a tar and without a session, which would be needed for
//! secrets alone. Measured on Engine 20.10: dropping the request ends the running step.
//!
//! The answer is a stream of JSON objects. What BuildKit says stands in `aux` of `moby.buildkit.trace`, a protobuf message
//! `moby.buildkit.v1.StatusResponse` in base64: field 1 are steps (1 digest, 3 name, 4 cached, 5 started, 6 completed, 7 error),
//! field 3 are pieces of logs (1 digest of the step, 4 bytes).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::errors::Error;
use futures_util::StreamExt;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::Value as Json;
use tokio::sync::{Notify, mpsc};

use super::answer_limit::Meter;
use super::api::EngineApi;
use super::{DockerProvider, brought, cannot, files, ids_of_images, transport};
use crate::providers::contract::{BuildContext, ContextPieces};
use crate::providers::{Class, ProviderError, Supplies, WatchBuilds};
use amarre_core::model::{Change, Code, Fields, Millis, Value, words};

/// Of one build; the first lines go when there are more.
const LOG_BYTES_MAX: usize = 1 << 20;
/// Logs that are kept in memory.
const LOGS_MAX: usize = 50;
/// One object of the stream.
const OBJECT_BYTES_MAX: usize = 8 << 20;
/// Lines of the log in an error.
const LINES_SHOWN: usize = 3;
/// Where a Dockerfile that Amarre wrote stands in what is sent.
const MADE_DOCKERFILE: &str = ".amarre.Dockerfile";

/// The commit that an image was built from, as the Open Container Initiative calls it.
const LABEL_REVISION: &str = "org.opencontainers.image.revision";

/// What a change says of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildOrder {
    /// Its name.
    pub image: String,
    /// The digest of the Dockerfile among what travels with the change.
    pub dockerfile: String,
    /// The files of a repository; a Dockerfile that is not one of them is sent beside them.
    pub context: BuildContext,
    /// The digest of the files among what travels with the change, where they are those of the source itself.
    files: Option<String>,
    /// Images that it is made from.
    pub bases: Vec<String>,
    args: BTreeMap<String, String>,
    target: Option<String>,
    timeout: Millis,
}

impl BuildOrder {
    /// From the field `build` of a change.
    pub fn of(image: &str, build: &Value) -> Option<Self> {
        let entries = build.entries()?;
        let text = |name: &str| entries.get(name).and_then(Value::as_text).map(str::to_owned);
        let args = entries.get("args").and_then(Value::entries).into_iter().flatten();
        let args = args.filter_map(|(name, value)| Some((name.clone(), value.as_text()?.to_owned()))).collect();
        let files = text("files");
        let of_repository = |name: &str| if files.is_some() { Some(String::new()) } else { text(name) };
        let (source, commit) = (of_repository("source")?, of_repository("commit")?);
        Some(Self {
            files,
            image: image.to_owned(),
            dockerfile: text("dockerfile")?,
            context: BuildContext { source, commit, folder: text("context")?, dockerfile: text("path"), beside: None },
            bases: entries.get("bases")?.strings().into_iter().map(str::to_owned).collect(),
            args,
            target: text("target"),
            timeout: Millis(entries.get("timeout_ms").and_then(Value::as_int)?),
        })
    }

    /// With the Dockerfile among the files, where the repository has none.
    pub fn with_dockerfile(mut self, text: Arc<[u8]>) -> Self {
        if self.context.dockerfile.is_none() {
            self.context.beside = Some((MADE_DOCKERFILE.to_owned(), text));
        }
        self
    }

    fn query(&self) -> String {
        // None of Amarre's own labels: containers inherit those of their image.
        let revision = Some(&self.context.commit).filter(|commit| !commit.is_empty());
        let labels = revision.map(|commit| (LABEL_REVISION.to_owned(), commit.clone())).into_iter().collect();
        let json = |map: &BTreeMap<String, String>| serde_json::to_string(map).unwrap_or_default();
        let mut pairs = vec![
            ("version", "2".to_owned()),
            ("t", self.image.clone()),
            ("dockerfile", self.context.dockerfile.clone().unwrap_or_else(|| MADE_DOCKERFILE.to_owned())),
            ("buildargs", json(&self.args)),
            ("labels", json(&labels)),
            ("forcerm", "1".to_owned()),
        ];
        pairs.extend(self.target.clone().map(|target| ("target", target)));
        let encoded = pairs.into_iter().map(|(name, value)| format!("{name}={}", encoded(&value)));
        encoded.collect::<Vec<_>>().join("&")
    }
}

/// A value of a query.
fn encoded(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}

/// The builds of an engine: their logs, and how far each is.
#[derive(Debug, Default)]
pub struct Builds(Mutex<BTreeMap<String, BuildLog>>);

/// One build, by its image.
#[derive(Debug, Default)]
struct BuildLog {
    lines: VecDeque<String>,
    bytes: usize,
    /// Lines that are gone.
    lost: usize,
    /// The step that runs.
    step: String,
    ticks: u64,
    number: u64,
    cancel: Arc<Notify>,
}

impl Builds {
    fn with<T>(&self, image: &str, work: impl FnOnce(&mut BuildLog) -> T) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(image).map(work)
    }

    fn begin(&self, image: &str) -> Arc<Notify> {
        let mut builds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = builds.values().map(|log| log.number).max().unwrap_or_default() + 1;
        if builds.len() >= LOGS_MAX
            && let Some(oldest) = builds.iter().min_by_key(|(_, log)| log.number).map(|(image, _)| image.clone())
        {
            builds.remove(&oldest);
        }
        let log = BuildLog { number, ..BuildLog::default() };
        let cancel = log.cancel.clone();
        builds.insert(image.to_owned(), log);
        cancel
    }

    fn line(&self, image: &str, line: &str) {
        let line = words::masked(line.trim_end());
        self.with(image, |log| {
            log.ticks += 1;
            log.bytes += line.len() + 1;
            log.lines.push_back(line);
            while log.bytes > LOG_BYTES_MAX
                && let Some(first) = log.lines.pop_front()
            {
                log.bytes -= first.len() + 1;
                log.lost += 1;
            }
        });
    }

    /// A sign of life.
    fn lives(&self, image: &str) {
        self.with(image, |log| log.ticks += 1);
    }

    /// The step that runs.
    pub fn step(&self, image: &str) -> String {
        self.with(image, |log| log.step.clone()).unwrap_or_default()
    }

    /// How many signs of life it has given.
    pub fn ticks(&self, image: &str) -> u64 {
        self.with(image, |log| log.ticks).unwrap_or_default()
    }

    /// What it printed. `None`: nothing is known of it.
    pub fn lines(&self, image: &str) -> Option<Vec<String>> {
        self.with(image, |log| {
            let lost = (log.lost > 0).then(|| format!("… {} earlier lines are gone", log.lost));
            lost.into_iter().chain(log.lines.iter().cloned()).collect()
        })
    }

    /// Ends it. Whether there was one.
    pub fn cancel(&self, image: &str) -> bool {
        self.with(image, |log| log.cancel.notify_waiters()).is_some()
    }
}

impl DockerProvider {
    /// Builds an image; answers the id when the engine did not have it before.
    pub(super) async fn build(
        &self,
        api: &EngineApi,
        change: &Change,
        fields: &Fields,
        supplies: Supplies<'_>,
    ) -> Result<String, ProviderError> {
        let image = change.address.name.as_str();
        let order = fields.get("build").and_then(|build| BuildOrder::of(image, build)).ok_or_else(|| cannot(change))?;
        let dockerfile = supplies.payloads.get(&order.dockerfile).and_then(|bundle| bundle.files.get(""));
        let dockerfile = dockerfile.ok_or_else(|| {
            let message = format!("the Dockerfile of {image} is not known any more");
            ProviderError::new(Class::Conflict, Code::A0405, message)
        })?;
        let order = order.with_dockerfile(dockerfile.bytes.clone());
        let before = ids_of_images(api).await?;
        let files = match &order.files {
            None => supplies.contexts.open(order.context.clone()),
            Some(digest) => {
                let bundle = supplies.payloads.get(digest).ok_or_else(|| {
                    let message = format!("the files that {image} is built from are not known any more");
                    ProviderError::new(Class::Conflict, Code::A0405, message)
                })?;
                in_one_piece(files::context(bundle, order.context.beside.as_ref()))
            }
        };
        build(api, &self.builds, &order, files).await?;
        brought(api, image, &before).await
    }
}

impl WatchBuilds for DockerProvider {
    fn build_log(&self, image: &str) -> Option<Vec<String>> {
        self.builds.lines(image)
    }

    fn cancel_build(&self, image: &str) -> bool {
        self.builds.cancel(image)
    }
}

/// A tar that is held already.
fn in_one_piece(tar: Vec<u8>) -> ContextPieces {
    let (pieces, taken) = mpsc::channel(1);
    let _ = pieces.try_send(Ok(tar.into()));
    taken
}

/// Builds an image.
///
/// # Errors
/// A step failed, the time is over, somebody cancelled it, or the engine does not answer.
async fn build(
    api: &EngineApi,
    builds: &Builds,
    order: &BuildOrder,
    files: ContextPieces,
) -> Result<(), ProviderError> {
    let cancel = builds.begin(&order.image);
    for base in &order.bases {
        if !api.has_image(base).await? {
            builds.line(&order.image, &format!("pulling {base}"));
            api.pull(base, None, |_| builds.lives(&order.image)).await?;
        }
    }
    let limit = Duration::from_millis(u64::try_from(order.timeout.0).unwrap_or_default());
    tokio::select! {
        done = tokio::time::timeout(limit, run(api, builds, order, files)) => done.unwrap_or_else(|_| {
            let message = format!("building {} took longer than {}", order.image, order.timeout);
            Err(ProviderError::new(Class::Rejected, Code::A0774, message).hint("give it more time: `build: {timeout: 60m}`"))
        }),
        () = cancel.notified() => {
            let message = format!("building {} was cancelled", order.image);
            Err(ProviderError::new(Class::Rejected, Code::A0778, message).hint("`amarre retry` builds it again"))
        }
    }
}

async fn run(api: &EngineApi, builds: &Builds, order: &BuildOrder, files: ContextPieces) -> Result<(), ProviderError> {
    let (sender, meter) = api.stream_sender()?;
    let (major, minor) = api.version;
    let uri = format!("{}/v{major}.{minor}/build?{}", transport::NAME, order.query());
    let trouble: Arc<Mutex<Option<String>>> = Arc::default();
    let pieces = futures_util::stream::unfold((files, trouble.clone()), |(mut files, trouble)| async {
        let piece = files.recv().await?;
        if let Err(error) = &piece {
            *trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
        }
        Some((piece, (files, trouble)))
    });
    let request = Request::post(uri).header("Content-Type", "application/x-tar");
    let request = request.body(bollard::body_try_stream(pieces));
    let request = request.map_err(|error| failed(order, builds, &error.to_string()))?;
    let answered = match sender.send(request).await {
        Ok(response) => read_answer(api, builds, order, response, &meter).await,
        Err(error) => Err(api.call_failed(&order.image, &error)),
    };
    // Files that could not be sent are the cause of whatever the engine says then.
    let trouble = trouble.lock().unwrap_or_else(PoisonError::into_inner).take();
    match trouble.filter(|_| answered.is_err()) {
        Some(why) => Err(passes(failed(order, builds, &format!("its files could not be sent: {why}")))),
        None => answered,
    }
}

/// Follows the stream to its end.
async fn read_answer(
    api: &EngineApi,
    builds: &Builds,
    order: &BuildOrder,
    response: Response<Incoming>,
    meter: &Meter,
) -> Result<(), ProviderError> {
    let is_good = response.status().is_success();
    let mut body = Body::new(response.into_body()).into_data_stream();
    let mut trace = Trace { builds, order, steps: BTreeMap::new(), rest: BTreeMap::new() };
    let mut gathered: Vec<u8> = Vec::new();
    let (mut error, mut is_made) = (None, false);
    while let Some(piece) = body.next().await {
        let broken = |error: axum::Error| Error::IOError { err: std::io::Error::other(error) };
        let piece = piece.map_err(|error| api.call_failed(&order.image, &broken(error)))?;
        meter.taken();
        gathered.extend_from_slice(&piece);
        if gathered.len() > OBJECT_BYTES_MAX {
            return Err(failed(order, builds, "the engine's answer is no stream of objects"));
        }
        let mut objects = serde_json::Deserializer::from_slice(&gathered).into_iter::<Said>();
        let mut done = 0;
        while let Some(Ok(said)) = objects.next() {
            done = objects.byte_offset();
            is_made |= said.id.as_deref() == Some("moby.image.id");
            error = error.or(said.error).or(said.message);
            if let Some(aux) = said.aux.as_ref().and_then(Json::as_str) {
                trace.take(&STANDARD.decode(aux).unwrap_or_default());
            }
            if let Some(text) = said.stream {
                text.lines().filter(|line| !line.is_empty()).for_each(|line| builds.line(&order.image, line));
            }
        }
        gathered.drain(..done);
    }
    match error {
        Some(error) if error.contains("no space left") => Err(passes(failed(order, builds, &error))),
        Some(error) => Err(failed(order, builds, &error)),
        None if is_made && is_good => Ok(()),
        None => Err(passes(failed(order, builds, "the engine ended the build without a word"))),
    }
}

/// One object of the stream.
#[derive(Debug, Deserialize)]
struct Said {
    id: Option<String>,
    aux: Option<Json>,
    stream: Option<String>,
    error: Option<String>,
    /// Of an answer that is no stream.
    message: Option<String>,
}

/// The same would fail again: until something of it changes, nobody tries.
fn failed(order: &BuildOrder, builds: &Builds, why: &str) -> ProviderError {
    builds.line(&order.image, &format!("failed: {why}"));
    let lines = builds.lines(&order.image).unwrap_or_default();
    let last: Vec<&str> = lines.iter().rev().skip(1).take(LINES_SHOWN).map(String::as_str).collect();
    let last: Vec<&str> = last.into_iter().rev().filter(|line| !line.is_empty()).collect();
    let message = format!("building {} failed: {}", order.image, words::line(why));
    let printed = if last.is_empty() { String::new() } else { format!("it printed last: {}; ", last.join(" / ")) };
    ProviderError::new(Class::Rejected, Code::A0773, message)
        .hint(format!("{printed}what runs stays as it is until a commit fixes it"))
}

/// It has nothing to do with what is built, so it is tried again.
fn passes(error: ProviderError) -> ProviderError {
    ProviderError { class: Class::RetryLater, ..error }
}

/// What BuildKit says of a build.
struct Trace<'a> {
    builds: &'a Builds,
    order: &'a BuildOrder,
    /// By digest: its name, and whether it was told.
    steps: BTreeMap<String, (String, bool)>,
    /// The last piece of a line, by step.
    rest: BTreeMap<String, String>,
}

impl Trace<'_> {
    fn take(&mut self, message: &[u8]) {
        for (number, field) in fields(message) {
            let ProtobufField::Bytes(bytes) = field else { continue };
            match number {
                1 => self.step(bytes),
                3 => self.printed(bytes),
                _ => (),
            }
        }
    }

    fn step(&mut self, message: &[u8]) {
        let (mut digest, mut name) = (String::new(), String::new());
        let (mut is_cached, mut has_begun) = (false, false);
        for (number, field) in fields(message) {
            match (number, field) {
                (1, ProtobufField::Bytes(bytes)) => digest = String::from_utf8_lossy(bytes).into_owned(),
                (3, ProtobufField::Bytes(bytes)) => name = String::from_utf8_lossy(bytes).into_owned(),
                (4, ProtobufField::Number(number)) => is_cached = number != 0,
                (5, ProtobufField::Bytes(_)) => has_begun = true,
                (_, _) => (),
            }
        }
        let image = &self.order.image;
        self.builds.lives(image);
        let known = self.steps.entry(digest).or_insert_with(|| (name.clone(), false));
        if known.1 || !(has_begun || is_cached) || name.starts_with("[internal]") {
            return;
        }
        known.1 = true;
        self.builds.line(image, &format!("{name}{}", if is_cached { "  (as before)" } else { "" }));
        self.builds.with(image, |log| log.step = words::line(&name));
    }

    fn printed(&mut self, message: &[u8]) {
        let (mut step, mut text) = (String::new(), String::new());
        for (number, field) in fields(message) {
            match (number, field) {
                (1, ProtobufField::Bytes(bytes)) => step = String::from_utf8_lossy(bytes).into_owned(),
                (4, ProtobufField::Bytes(bytes)) => text = String::from_utf8_lossy(bytes).into_owned(),
                (_, _) => (),
            }
        }
        let rest = self.rest.entry(step).or_default();
        rest.push_str(&text);
        while let Some((line, more)) = rest.split_once('\n') {
            self.builds.line(&self.order.image, &format!("  {line}"));
            *rest = more.to_owned();
        }
        if rest.len() > LOG_BYTES_MAX {
            rest.clear();
        }
    }
}

/// A value of a protobuf message.
#[derive(Debug, PartialEq, Eq)]
enum ProtobufField<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a protobuf message; what cannot be read ends it.
fn fields(mut message: &[u8]) -> Vec<(u64, ProtobufField<'_>)> {
    let mut found = Vec::new();
    while let Some(key) = varint(&mut message) {
        let field = match key & 7 {
            0 => varint(&mut message).map(ProtobufField::Number),
            1 => piece(&mut message, 8).map(ProtobufField::Bytes),
            2 => varint(&mut message).and_then(|length| piece(&mut message, length)).map(ProtobufField::Bytes),
            5 => piece(&mut message, 4).map(ProtobufField::Bytes),
            _ => None,
        };
        let Some(field) = field else { break };
        found.push((key >> 3, field));
    }
    found
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn piece<'a>(message: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let length = usize::try_from(length).ok().filter(|length| *length <= message.len())?;
    let (piece, rest) = message.split_at(length);
    *message = rest;
    Some(piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protobuf_message_is_walked_and_a_broken_one_ends() {
        let message = [0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1a, 0x7f];
        assert_eq!(fields(&message), [(1, ProtobufField::Number(150)), (2, ProtobufField::Bytes(b"hi"))]);
        assert_eq!(fields(&[0xff; 12]), []);
        assert_eq!(fields(&[]), []);
    }

    #[test]
    fn a_log_keeps_its_end() {
        let builds = Builds::default();
        builds.begin("a");
        for number in 0..30_000 {
            builds.line("a", &format!("line {number} of a build that prints very much indeed"));
        }
        let lines = builds.lines("a").unwrap();
        assert!(lines[0].contains("earlier lines are gone") && lines.last().unwrap().contains("29999"));
        assert!(lines.iter().map(String::len).sum::<usize>() <= LOG_BYTES_MAX + 100);
        assert_eq!((builds.lines("b"), builds.cancel("b")), (None, false));
    }

    #[test]
    fn a_query_is_encoded() {
        assert_eq!(encoded("a b&c=\"ü\""), "a%20b%26c%3D%22%C3%BC%22");
    }
}
