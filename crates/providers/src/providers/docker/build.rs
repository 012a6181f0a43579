//! Builds an image by BuildKit: `POST /build?version=2` with the files as a tar and without a session, which would be needed for
//! secrets alone. Measured on Engine 20.10: dropping the request ends the running step.
//!
//! An image that it is made from is the one that the first build had, by its digest, until a person moves on to another. Its tag may
//! stand for another one by then, here or in the registry.

use std::collections::BTreeMap;
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
use tokio::time::Instant;

use super::answer_limit::Meter;
use super::api::EngineApi;
use super::images::built_images::without_digits;
use super::{DockerProvider, brought, build_trace, cannot, files, ids_of_images, transport};
use crate::providers::{BuildContext, Class, ContextPieces, ProviderError, Supplies, WatchBuilds, WatchedBuild};
use amarre_core::apps;
use amarre_core::model::build_log::{BuildLog, StepNews};
use amarre_core::model::{Change, Code, Fields, Millis, Text, Timestamp, Value, words};
use amarre_core::text;

/// Builds that are kept in memory.
const BUILDS_MAX: usize = 50;
/// One object of the stream.
const OBJECT_BYTES_MAX: usize = 8 << 20;
/// Lines of the log in an error.
const LINES_SHOWN: usize = 3;
/// The argument by which BuildKit keeps the cache mounts of builds apart.
const CACHE_ARGUMENT: &str = "BUILDKIT_CACHE_MOUNT_NS";

/// The commit that an image was built from, as the Open Container Initiative calls it.
const LABEL_REVISION: &str = "org.opencontainers.image.revision";

/// What a change says of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildOrder {
    pub image: String,
    /// The digest of the Dockerfile among what travels with the change.
    pub dockerfile: String,
    /// The files of a repository; a Dockerfile that is not one of them is sent beside them.
    pub context: BuildContext,
    /// The digest of the files among what travels with the change, where they are those of the source itself.
    files: Option<String>,
    /// Images that it is made from.
    pub bases: Vec<String>,
    /// Digests of some of them.
    digests: BTreeMap<String, String>,
    args: BTreeMap<String, String>,
    target: Option<String>,
    timeout: Millis,
}

impl BuildOrder {
    /// From the field `build` of a change.
    pub fn of(image: &str, build: &Value) -> Option<Self> {
        let entries = build.entries()?;
        let text = |name: &str| entries.get(name).and_then(Value::as_text).map(str::to_owned);
        let texts = |name: &str| -> BTreeMap<String, String> {
            let pairs = entries.get(name).and_then(Value::entries).into_iter().flatten();
            pairs.filter_map(|(name, value)| Some((name.clone(), value.as_text()?.to_owned()))).collect()
        };
        let files = text("files");
        let of_repository = |name: &str| if files.is_some() { Some(String::new()) } else { text(name) };
        let (source, commit) = (of_repository("source")?, of_repository("commit")?);
        Some(Self {
            files,
            image: image.to_owned(),
            dockerfile: text("dockerfile")?,
            context: BuildContext {
                source,
                commit,
                folder: text("context")?,
                dockerfile: text("path"),
                below: String::new(),
                beside: None,
            },
            bases: entries.get("bases")?.strings().into_iter().map(str::to_owned).collect(),
            digests: texts("moved"),
            args: texts("args"),
            target: text("target"),
            timeout: Millis(entries.get("timeout_ms").and_then(Value::as_int)?),
        })
    }

    /// With the Dockerfile in what is sent.
    ///
    /// | whose it is | where it stands | where the files stand |
    /// |---|---|---|
    /// | Amarre's, for a repository | at the top, by a name that nobody can guess | below a folder: `COPY . .` does not take it |
    /// | of a manifest, `dockerfile_inline` | at the top, by a name that nobody can guess | at the top |
    /// | one of the files | in its own place, with digests for the tags that are known | at the top |
    pub fn with_dockerfile(mut self, bytes: &Arc<[u8]>, digests: BTreeMap<String, String>, name: String) -> Self {
        // What a manifest was read with comes before what is known by now.
        let digests = digests.into_iter().chain(std::mem::take(&mut self.digests));
        self.digests = digests.filter(|(image, _)| !image.contains('@') && self.bases.contains(image)).collect();
        let text = std::str::from_utf8(bytes).ok().map(|text| apps::pinned(text, &self.args, &self.digests));
        let is_made = self.context.dockerfile.is_none() && self.files.is_none();
        let text = if is_made { text.map(|text| apps::from_below(&text)) } else { text };
        let changed: Option<Arc<[u8]>> =
            text.filter(|text| text.as_bytes() != &**bytes).map(|text| text.into_bytes().into());
        if is_made {
            self.context.below = apps::SENT_BELOW.to_owned();
        }
        self.context.beside = match &self.context.dockerfile {
            None => Some((name, changed.unwrap_or_else(|| bytes.clone()))),
            Some(path) => changed.map(|changed| (path.clone(), changed)),
        };
        self
    }

    /// An image that it is made from, as it is pulled.
    fn base(&self, image: &str) -> String {
        self.digests.get(image).map_or_else(|| image.to_owned(), |digest| apps::at_digest(image, digest))
    }

    /// `image`: its name at the engine; `cache`: the name space of its cache mounts.
    fn query(&self, image: String, cache: String) -> String {
        // None of Amarre's own labels: containers inherit those of their image.
        let revision = Some(&self.context.commit).filter(|commit| !commit.is_empty());
        let labels = revision.map(|commit| (LABEL_REVISION.to_owned(), commit.clone())).into_iter().collect();
        let json = |map: &BTreeMap<String, String>| serde_json::to_string(map).unwrap_or_default();
        let beside = self.context.beside.as_ref().map(|(name, _)| name.clone());
        let dockerfile = self.context.dockerfile.clone().or(beside).unwrap_or_default();
        let mut args = self.args.clone();
        args.insert(CACHE_ARGUMENT.to_owned(), cache);
        let mut pairs = vec![
            ("version", "2".to_owned()),
            ("t", image),
            ("dockerfile", dockerfile),
            ("buildargs", json(&args)),
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

/// The builds of an engine, by image.
#[derive(Debug, Default)]
pub struct Builds {
    known: Mutex<BTreeMap<String, KnownBuild>>,
    /// When it was looked at last, by the clock of the engine's loop.
    looked: Mutex<Option<(Timestamp, Instant)>>,
}

#[derive(Debug)]
struct KnownBuild {
    build: WatchedBuild,
    ticks: u64,
    cancel: Arc<Notify>,
}

impl Builds {
    fn with<T>(&self, image: &str, work: impl FnOnce(&mut KnownBuild) -> T) -> Option<T> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get_mut(image).map(work)
    }

    /// It is this late.
    pub fn look(&self, now: Timestamp) {
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Instant::now()));
    }

    fn now(&self) -> Timestamp {
        let looked = *self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = |at: Instant| Millis(i64::try_from(at.elapsed().as_millis()).unwrap_or_default());
        looked.map_or(Timestamp(0), |(now, at)| now + passed(at))
    }

    fn begin(&self, image: &str, service: &str) -> Arc<Notify> {
        let began = self.now();
        let mut builds = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if builds.len() >= BUILDS_MAX
            && let Some(oldest) =
                builds.iter().min_by_key(|(_, known)| known.build.began).map(|(image, _)| image.clone())
        {
            builds.remove(&oldest);
        }
        let (service, image) = (service.to_owned(), image.to_owned());
        let build = WatchedBuild { service, image: image.clone(), began, ended: None, log: BuildLog::default() };
        let cancel: Arc<Notify> = Arc::default();
        builds.insert(image, KnownBuild { build, ticks: 0, cancel: cancel.clone() });
        cancel
    }

    /// Something was heard of it.
    pub fn hear(&self, image: &str, tell: impl FnOnce(&mut BuildLog)) {
        self.with(image, |known| {
            known.ticks += 1;
            tell(&mut known.build.log);
        });
    }

    /// A step of ours begins, or is done.
    fn own_step(&self, image: &str, name: &str, is_done: bool) {
        let now = Some(self.now());
        let (began, ended) = if is_done { (None, now) } else { (now, None) };
        self.hear(image, |log| log.step(StepNews { id: name, name, began, ended, ..StepNews::default() }));
    }

    fn end(&self, image: &str, failure: Option<&ProviderError>) {
        let now = self.now();
        self.with(image, |known| {
            known.build.ended = Some(now);
            if known.build.log.error.is_none() {
                known.build.log.end(failure.map(|error| error.message.to_string()));
            }
        });
    }

    /// The step that runs.
    pub fn step(&self, image: &str) -> String {
        self.with(image, |known| known.build.log.running().to_owned()).unwrap_or_default()
    }

    /// How many signs of life it has given.
    pub fn ticks(&self, image: &str) -> u64 {
        self.with(image, |known| known.ticks).unwrap_or_default()
    }
}

/// A build that its caller waits for: one that it lets go has ended.
struct RunningBuild<'a> {
    builds: &'a Builds,
    image: &'a str,
}

impl Drop for RunningBuild<'_> {
    fn drop(&mut self) {
        let is_open = self.builds.with(self.image, |known| known.build.ended.is_none()) == Some(true);
        if is_open {
            let message = "it was given up: nothing was heard of it for too long".to_owned();
            self.builds.end(self.image, Some(&ProviderError::new(Class::OutcomeUnknown, Code::A0774, message)));
        }
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
        let name = api.built.dockerfile(image);
        let order = order.with_dockerfile(&dockerfile.bytes, supplies.contexts.base_digests(&change.service), name);
        let cache = api.built.cache(&self.config.instance, &change.service);
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
        let cancel = self.builds.begin(image, &change.service);
        let running = RunningBuild { builds: &self.builds, image };
        let built = build(api, &self.builds, (&order, cache), (files, cancel)).await;
        self.builds.end(image, built.as_ref().err());
        drop(running);
        built?;
        brought(api, image, &before).await
    }
}

impl WatchBuilds for DockerProvider {
    fn build(&self, image: &str) -> Option<WatchedBuild> {
        self.builds.with(image, |known| known.build.clone())
    }

    fn ended_builds(&self) -> Vec<(String, Timestamp)> {
        let known = self.builds.known.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = known.values().map(|known| &known.build).filter(|build| build.ended.is_some());
        ended.map(|build| (build.image.clone(), build.began)).collect()
    }

    fn cancel_build(&self, image: &str) -> bool {
        let running = |known: &mut KnownBuild| known.build.ended.is_none().then(|| known.cancel.notify_one());
        self.builds.with(image, running).flatten().is_some()
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
/// A step failed, the time is over, a person cancelled it, or the engine does not answer.
async fn build(
    api: &EngineApi,
    builds: &Builds,
    (order, cache): (&BuildOrder, String),
    (files, cancel): (ContextPieces, Arc<Notify>),
) -> Result<(), ProviderError> {
    let limit = Duration::from_millis(u64::try_from(order.timeout.0).unwrap_or_default());
    let built = async {
        bring_bases(api, builds, order).await?;
        tokio::time::timeout(limit, run(api, builds, order, cache, files)).await.unwrap_or_else(|_| {
            let message = format!("building {} took longer than {}", order.image, order.timeout);
            Err(ProviderError::new(Class::Rejected, Code::A0774, message)
                .hint("give it more time: `build: {timeout: 60m}`"))
        })
    };
    tokio::select! {
        done = built => done,
        () = cancel.notified() => {
            let message = format!("building {} was cancelled", order.image);
            Err(ProviderError::new(Class::Rejected, Code::A0778, message).hint(text!("`amarre retry` builds it again")))
        }
    }
}

/// Fetches the images that it is made from, where they are not there, and notes which they are.
async fn bring_bases(api: &EngineApi, builds: &Builds, order: &BuildOrder) -> Result<(), ProviderError> {
    for image in &order.bases {
        let name = order.base(image);
        if !api.has_image(&name).await? {
            let step = format!("pull {name}");
            builds.own_step(&order.image, &step, false);
            let pulled = api.pull(&name, None, |_| builds.hear(&order.image, |_| ())).await;
            pulled.map_err(|error| match order.digests.get(image) {
                // It may have been taken away there; its tag stands for another one by now.
                Some(_) => error.hint(text!("`amarre app deploy NAME --pull` builds on what its tag stands for now")),
                None => error,
            })?;
            builds.own_step(&order.image, &step, true);
        }
        if let Some(digest) = api.digest_of(&name).await? {
            builds.hear(&order.image, |log| _ = log.bases.insert(image.clone(), digest));
        }
    }
    Ok(())
}

async fn run(
    api: &EngineApi,
    builds: &Builds,
    order: &BuildOrder,
    cache: String,
    files: ContextPieces,
) -> Result<(), ProviderError> {
    let (sender, meter) = api.stream_sender()?;
    let (major, minor) = api.version;
    let query = order.query(api.built.at_engine(&order.image), cache);
    let uri = format!("{}/v{major}.{minor}/build?{query}", transport::NAME);
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
        let mut objects = serde_json::Deserializer::from_slice(&gathered).into_iter::<BuildMessage>();
        let mut done = 0;
        while let Some(Ok(said)) = objects.next() {
            done = objects.byte_offset();
            is_made |= said.id.as_deref() == Some("moby.image.id");
            error = error.or(said.error).or(said.message).map(|error| without_digits(&error));
            if let Some(aux) = said.aux.as_ref().and_then(Json::as_str) {
                let message = STANDARD.decode(aux).unwrap_or_default();
                builds.hear(&order.image, |log| build_trace::read(&message, log));
            }
            if let Some(text) = said.stream {
                let text = without_digits(&text);
                let lines = text.lines().filter(|line| !line.is_empty());
                lines.for_each(|line| builds.hear(&order.image, |log| log.say(line)));
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
struct BuildMessage {
    id: Option<String>,
    aux: Option<Json>,
    stream: Option<String>,
    error: Option<String>,
    /// Of an answer that is no stream.
    message: Option<String>,
}

/// The same would fail again: until something of it changes, it is not tried.
fn failed(order: &BuildOrder, builds: &Builds, why: &str) -> ProviderError {
    let end = |known: &mut KnownBuild| {
        let log = &mut known.build.log;
        log.end(Some(words::line(why)));
        log.last_lines(LINES_SHOWN).join(" / ")
    };
    let last = builds.with(&order.image, end).unwrap_or_default();
    let (image, why) = (&order.image, Text::from(words::line(why)));
    let message = text!("building {image} failed: {why}", image, why);
    let hint = if last.is_empty() {
        text!("what runs stays as it is until a commit fixes it")
    } else {
        text!("it printed last: {last}; what runs stays as it is until a commit fixes it", last = Text::from(last))
    };
    ProviderError::new(Class::Rejected, Code::A0773, message).hint(hint)
}

/// It has nothing to do with what is built, so it is tried again.
fn passes(error: ProviderError) -> ProviderError {
    ProviderError { class: Class::RetryLater, ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_encoded() {
        assert_eq!(encoded("a b&c=\"ü\""), "a%20b%26c%3D%22%C3%BC%22");
    }
}
