//! Images as they are seen: what the registry has under a name, how far a pull is, how full the disk is.

pub mod built_images;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bollard::models::{CreateImageInfo, ImageInspect, ImageSummary};
use futures_util::StreamExt;

use super::DockerProvider;
use super::answers::AnswerReader;
use super::api::EngineApi;
use crate::providers::{FindImages, ImageFacts, ObserveQuery, ProviderError};
use amarre_core::model::{Address, Fields, Kind, Millis, Readiness, Seen, Timestamp, Value, platform, words};
use amarre_core::text;

/// Questions to registries in flight at once.
const ASKS_IN_FLIGHT: usize = 4;
/// From this version on, an engine with containerd's image store tells which platforms it has of one name.
const SEVERAL_PLATFORMS: (usize, usize) = (1, 49);
/// What a tag that was moved away leaves.
const NO_NAME: &str = "<none>";

/// What registries said, so that each is asked no more often than wanted.
#[derive(Debug, Default)]
pub struct Remotes(Mutex<BTreeMap<String, RegistryQuery>>);

#[derive(Debug, Clone)]
struct RegistryQuery {
    at: Timestamp,
    /// The digest, or why there is none.
    answer: Result<String, String>,
}

impl Remotes {
    /// Asks for every wanted image that is there and whose time has come; answers all that is known.
    pub async fn ask(
        &self,
        api: &EngineApi,
        ask: &ObserveQuery,
        there: &[&ImageSummary],
    ) -> BTreeMap<String, Result<String, String>> {
        let is_there = |reference: &str| there.iter().any(|image| image.repo_tags.iter().any(|tag| tag == reference));
        let wanted: BTreeMap<String, Millis> = ask
            .wanted
            .iter()
            .filter(|(address, _)| address.kind == Kind::Image && is_there(&address.name))
            .filter_map(|(address, fields)| {
                let every = fields.get("ask_every_ms").and_then(Value::as_int)?;
                Some((address.name.clone(), Millis(every)))
            })
            .collect();
        if wanted.is_empty() {
            return BTreeMap::new();
        }
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_due =
            |reference: &str, every: Millis| known.get(reference).is_none_or(|asked| ask.now - asked.at >= every);
        // Owned: a borrow here would have to live in the future that is made of it.
        let mut due = Vec::new();
        for (reference, every) in &wanted {
            if is_due(reference, *every) {
                due.push(reference.clone());
            }
        }
        let due = due.into_iter().map(|reference| {
            let api = api.clone();
            async move {
                let answer = api.remote_digest(&reference).await.map_err(|error| error.message.to_string());
                (reference, answer)
            }
        });
        let answers: Vec<(String, Result<String, String>)> =
            futures_util::stream::iter(due).buffer_unordered(ASKS_IN_FLIGHT).collect().await;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(answers.into_iter().map(|(reference, answer)| (reference, RegistryQuery { at: ask.now, answer })));
        let answer = |reference: String| known.get(&reference).map(|asked| (reference, asked.answer.clone()));
        wanted.into_keys().filter_map(answer).collect()
    }
}

#[async_trait]
impl FindImages for DockerProvider {
    async fn image(&self, reference: &str) -> Result<ImageFacts, ProviderError> {
        self.api().await?.image(reference).await
    }

    async fn digest(&self, reference: &str) -> Result<String, ProviderError> {
        self.api().await?.remote_digest(reference).await
    }
}

/// What an image says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// The paths that it declares as volumes, in order.
    pub volumes: BTreeSet<String>,
    /// `linux/arm64`, without a variant; `None` where the engine may have several platforms under one name.
    pub platform: Option<String>,
}

impl Declared {
    /// From an inspect of an engine that speaks this version.
    pub fn of(image: &ImageInspect, version: (usize, usize)) -> Self {
        let platform = image.os.as_ref().zip(image.architecture.as_ref());
        let platform = platform.filter(|_| version < SEVERAL_PLATFORMS);
        let platform = platform.map(|(os, architecture)| words::said(&format!("{os}/{architecture}")));
        Self { volumes: super::answers::declared_volumes(image), platform }
    }
}

/// An image under each of its names; one without any under its id.
pub fn seen(
    ask: &ObserveQuery,
    reader: &AnswerReader,
    image: &ImageSummary,
    declared: Option<&Declared>,
    remotes: &BTreeMap<String, Result<String, String>>,
) -> Vec<(Address, Seen)> {
    let tags: Vec<&String> = image.repo_tags.iter().filter(|tag| !tag.starts_with(NO_NAME)).collect();
    let digests: Vec<&String> = image.repo_digests.iter().filter(|digest| !digest.starts_with(NO_NAME)).collect();
    let mut names: Vec<&String> = tags.iter().chain(&digests).copied().collect();
    if tags.is_empty() {
        names.push(&image.id);
    }
    let mut all = Vec::new();
    for name in names {
        let mut fields = Fields::default().with("id", Value::text(&image.id));
        if let Some(declared) = declared {
            fields.set("volumes", Value::texts(declared.volumes.iter().cloned()));
            fields.extend(declared.platform.as_ref().map(|platform| ("platform".into(), Value::text(platform))));
        }
        let repository = repository_of(name);
        let own: Vec<&str> = digests
            .iter()
            .filter_map(|known| known.split_once('@'))
            .filter(|(known, _)| *known == repository)
            .map(|(_, digest)| digest)
            .collect();
        let remote = remotes.get(name.as_str());
        let same = remote.and_then(|remote| own.iter().find(|digest| remote.as_deref() == Ok(**digest)));
        if let Some(digest) = same.or(own.first()) {
            fields.set("digest", Value::text(*digest));
        }
        let mut is_current = true;
        match remote {
            Some(Ok(digest)) => {
                fields.set("remote", Value::text(digest));
                is_current = same.is_some();
            }
            Some(Err(why)) => fields.set("unasked", Value::text(why)),
            None => (),
        }
        let mut seen = reader.seen(fields, &BTreeMap::new(), &image.id);
        if !is_current {
            seen.ready = Readiness::NotYet { since: reader.now, why: text!("the registry has another one") };
        }
        let address = Address::new(reader.provider.clone(), Kind::Image, name);
        let asked = ask.wanted.get(&address).and_then(|fields| fields.text("platform"));
        let other =
            seen.fields.text("platform").filter(|there| asked.is_some_and(|asked| !platform::is_for(there, asked)));
        if let Some(other) = other {
            seen.ready = Readiness::NotYet { since: reader.now, why: text!("it is for {platform}", platform = other) };
        }
        all.push((address, seen));
    }
    all
}

/// Without tag and digest.
fn repository_of(reference: &str) -> &str {
    let name = reference.split('@').next().unwrap_or(reference);
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        Some(_) | None => name,
    }
}

/// Whether what a registry says is a digest: it is kept in the ledger, and stands in Dockerfiles.
pub fn is_digest(text: &str) -> bool {
    /// The name of an algorithm, and 512 bits in hex.
    const BYTES_MAX: usize = 200;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+._-:".contains(&byte);
    text.len() <= BYTES_MAX && text.contains(':') && text.bytes().all(is_plain)
}

/// The digest under which a registry has an image, of those that are known of it.
pub fn digest_of(reference: &str, digests: &[String]) -> Option<String> {
    let familiar = |name: &str| {
        let name = name.strip_prefix("docker.io/").unwrap_or(name);
        name.strip_prefix("library/").unwrap_or(name).to_owned()
    };
    let wanted = familiar(repository_of(reference));
    let known = digests.iter().filter_map(|known| known.split_once('@'));
    let own = known.filter(|(name, _)| familiar(name) == wanted).map(|(_, digest)| digest);
    // What names one digest means that one, of several that the same image has.
    let said = reference.split_once('@').map(|(_, digest)| digest);
    let own: Vec<&str> = own.collect();
    own.iter().find(|digest| said == Some(**digest)).or(own.first()).map(|digest| (*digest).to_owned())
}

/// Free bytes for this user in the file system of a folder.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

/// How far pulls are, by reference; and how many lines of progress came at all, for a large layer is unpacked long after
/// its last byte.
#[derive(Debug, Default)]
pub struct Pulls(Mutex<BTreeMap<String, Layers>>, Mutex<BTreeMap<String, u64>>);

/// An image has at most 127 layers; more than this is no progress of a pull.
const LAYERS_MAX: usize = 1_000;

/// Downloaded and whole bytes of each layer.
type Layers = BTreeMap<String, (i64, i64)>;

impl Pulls {
    /// A pull begins.
    pub fn begin(&self, reference: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(reference.to_owned(), Layers::new());
    }

    /// One line of its progress.
    pub fn step(&self, reference: &str, step: &CreateImageInfo) {
        *self.1.lock().unwrap_or_else(PoisonError::into_inner).entry(reference.to_owned()).or_default() += 1;
        let mut pulls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(layers), Some(layer)) = (pulls.get_mut(reference), &step.id) else { return };
        match step.status.as_deref() {
            Some("Downloading") if layers.len() < LAYERS_MAX || layers.contains_key(layer) => {
                let detail = step.progress_detail.as_ref();
                let current = detail.and_then(|detail| detail.current).unwrap_or_default();
                let total = detail.and_then(|detail| detail.total).unwrap_or_default();
                layers.insert(layer.clone(), (current, total.max(current)));
            }
            Some("Verifying Checksum" | "Download complete" | "Extracting" | "Pull complete") => {
                if let Some((current, total)) = layers.get_mut(layer) {
                    *current = *total;
                }
            }
            Some(_) | None => (),
        }
    }

    /// How many lines of progress have come.
    pub fn progress_lines(&self, reference: &str) -> u64 {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).get(reference).copied().unwrap_or_default()
    }

    /// `12 of 58 MB`, then `58 MB`; layers that are so small that the engine gives no size count nothing.
    pub fn news(&self, reference: &str) -> String {
        let pulls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(layers) = pulls.get(reference) else { return String::new() };
        let (current, total) = layers
            .values()
            .fold((0_i64, 0_i64), |(a, b), (current, total)| (a.saturating_add(*current), b.saturating_add(*total)));
        match total {
            0 => String::new(),
            total if current == total => amount(total, total),
            total => {
                format!("{} of {}", amount(current, total).split(' ').next().unwrap_or_default(), amount(total, total))
            }
        }
    }
}

/// In the unit that fits `whole`, a begun one counted.
fn amount(bytes: i64, whole: i64) -> String {
    let (divisor, unit) = if whole < 1_000_000 { (1_000, "kB") } else { (1_000_000, "MB") };
    format!("{} {unit}", bytes.saturating_add(divisor - 1) / divisor)
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    #[test]
    fn a_pull_tells_how_far_it_is() {
        let pulls = Pulls::default();
        let step = |layer: &str, status: &str, current: i64, total: i64| {
            let progress_detail = ProgressDetail { current: Some(current), total: Some(total) };
            let (id, status) = (Some(layer.to_owned()), Some(status.to_owned()));
            pulls.step(
                "a:1",
                &CreateImageInfo { id, status, progress_detail: Some(progress_detail), ..CreateImageInfo::default() },
            );
            pulls.news("a:1")
        };
        assert_eq!(pulls.news("a:1"), "");
        pulls.begin("a:1");
        assert_eq!(step("x", "Pulling fs layer", 0, 0), "");
        assert_eq!(step("x", "Downloading", 12_000_000, 40_000_000), "12 of 40 MB");
        assert_eq!(step("y", "Downloading", 6_000_000, 18_000_000), "18 of 58 MB");
        assert_eq!(step("x", "Download complete", 0, 0), "46 of 58 MB");
        assert_eq!(step("y", "Extracting", 1_000_000, 18_000_000), "58 MB");
        pulls.begin("a:1");
        assert_eq!(pulls.news("a:1"), "");
        assert_eq!(step("x", "Downloading", 500, 900_000), "1 of 900 kB");
        assert_eq!((pulls.progress_lines("a:1"), pulls.progress_lines("b:1")), (6, 0));
    }
}
