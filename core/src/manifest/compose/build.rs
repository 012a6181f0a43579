//! `build`: a container whose image is built from a folder of the source. What is sent to the engine travels with the manifest, so that
//! what is built is what was read; a repository of its own is kind `App`.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{delivered_files, merge};
use crate::apps::SentFiles;
use crate::manifest::named_files::too_large;
use crate::manifest::policy::{Closed, images};
use crate::manifest::reader::{Reader, UnknownKey};
use crate::manifest::schema_keys::{SchemaKey, either, list, map, scalar, text};
use crate::manifest::scope::{AllowedBy, PlacedText, Scope, no_effect};
use crate::manifest::source_files::{folder_of, inside, within};
use crate::manifest::yaml::diagnostic::{Problem, Spot, shown};
use crate::manifest::yaml::tree::{Entry, NodeData};
use crate::manifest::{policy, resolve};
use crate::model::app::{Build, bases_asset};
use crate::model::repository_place::allowing;
use crate::model::source::{is_hidden, is_known_hidden};
use crate::model::{Bundle, BundleFile, Code, Commit, Millis, NotRead, Text};
use crate::{apps, text};

/// The key of the policy.
pub(crate) const WORD: &str = "repositories";
/// The key of the policy for Dockerfiles that Amarre did not write.
const DOCKERFILES: &str = "dockerfiles";
/// Where nothing is said; large builds of Rust or Java on a small machine take this.
pub(crate) const TIMEOUT: Millis = Millis::minutes(20);
const TIMEOUT_MAX: Millis = Millis::minutes(120);
/// Of a folder of the source, which is held in memory and kept with its manifest.
const CONTEXT_BYTES_MAX: usize = 8 << 20;
const MIB: usize = 1 << 20;
const DOCKERFILE: &str = "Dockerfile";
/// Of all arguments together: they are in the request, and in each layer's history.
const ARGS_BYTES_MAX: usize = 64 << 10;
/// What says where what is built is called after.
const NAME_CHARS_MAX: usize = 40;

/// What `build` says of an image, wherever its files are.
#[derive(Default)]
pub(crate) struct BuildKeys {
    pub dockerfile: Option<PlacedText>,
    pub args: BTreeMap<String, String>,
    pub target: Option<String>,
    pub timeout: Option<Millis>,
}

impl BuildKeys {
    /// Reads the keys that all builds have.
    pub fn read(inner: &mut Reader<'_>) -> Self {
        let scope = inner.scope;
        let dockerfile = inner.text("dockerfile");
        let target = inner.text("target").map(|text| text.text);
        let timeout = inner.text("timeout").and_then(|text| match resolve::duration_ms(&text.text).map(Millis) {
            Ok(span) if (Millis::seconds(10)..=TIMEOUT_MAX).contains(&span) => Some(span),
            Ok(_) => {
                scope.not_allowed(&text, "`build.timeout`", text!("10s to 2h"));
                None
            }
            Err(hint) => {
                scope.not_allowed(&text, "`build.timeout`", hint);
                None
            }
        });
        Self { dockerfile, args: args(inner), target, timeout }
    }
}

/// A map, or a list of `NAME=value`. Arguments can be read in the image, so none of them is a secret.
fn args(inner: &mut Reader<'_>) -> BTreeMap<String, String> {
    let scope = inner.scope;
    let Some(entry) = inner.entry("args").filter(|entry| !entry.value.is_null()) else { return BTreeMap::new() };
    let spot = entry.key_spot;
    let pairs = merge::pairs(&entry.value, &|_, _, _| ());
    let mut args = BTreeMap::new();
    for entry in pairs.entries() {
        let label = format!("`build.args.{}`", shown(&entry.key));
        if entry.value.is_null() {
            let message = text!("{label} has no value", label);
            let hint = text!("give it one: Amarre passes none of its own variables on");
            scope.error_hint(Code::A0104, entry.key_spot, message, hint);
            continue;
        }
        if let Some((message, hint)) = not_an_argument(&entry.key) {
            scope.error_hint(Code::A0780, entry.key_spot, message, hint);
            continue;
        }
        args.extend(scope.text(&entry.value, &label).map(|value| (entry.key.clone(), value.text)));
    }
    let size: usize = args.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > ARGS_BYTES_MAX {
        let (size, most) = (size.div_ceil(1 << 10).to_string(), (ARGS_BYTES_MAX >> 10).to_string());
        let message = text!("`build.args` come to {size} KiB, at most {most}", size, most);
        scope.error_hint(Code::A0162, spot, message, text!("put long texts into files of the build"));
        return BTreeMap::new();
    }
    args
}

/// Why something is no name of an argument. BuildKit obeys some itself, and leaves a proxy out of what it knows a layer by: what a
/// proxy of one app answered would be in the layers of others.
fn not_an_argument(name: &str) -> Option<(Text, Text)> {
    let upper = name.to_ascii_uppercase();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if upper.ends_with("_PROXY") {
        let message = text!("`build.args` name a proxy: {name}", name = shown(name));
        let hint =
            text!("leave it out: builds share layers, whatever proxy they came by; the engine itself may have one");
        return Some((message, hint));
    }
    if upper.starts_with("BUILDKIT_") || upper == "SOURCE_DATE_EPOCH" {
        let message = text!("`build.args` speak to BuildKit itself: {name}", name = shown(name));
        return Some((message, text!("leave it out")));
    }
    let is_name = !name.is_empty() && name.len() <= 200 && name.bytes().all(fits);
    (!is_name).then(|| {
        let message = text!("`build.args` have a name that is none: {name}", name = shown(name));
        (message, text!("letters, digits, `_`, `.` and `-`"))
    })
}

/// What goes into an image beside its files.
pub(crate) struct ImageParts<'a> {
    /// A digest of the files.
    pub files: &'a str,
    /// The text of the Dockerfile.
    pub dockerfile: &'a str,
    /// Where it lies among the files.
    pub path: Option<&'a str>,
    /// The keys of the manifest.
    pub keys: &'a BuildKeys,
    /// Digests of images that it is made from, where a person has moved on to them.
    pub moved: &'a BTreeMap<String, String>,
}

/// How an image is called: after what it is for, and by a digest of what goes in.
pub(crate) fn image_name(name: &str, of: &ImageParts<'_>) -> String {
    let mut hash = Sha256::new();
    let target = of.keys.target.as_deref().unwrap_or_default();
    let pairs = of.keys.args.iter().chain(of.moved).flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    for part in [of.files, of.dockerfile, of.path.unwrap_or_default(), target].into_iter().chain(pairs) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    format!("amarre/{name}:{}", hex::encode(&hash.finalize()[..6]))
}

/// The digests that a person has moved on to, of the images that something is made from; they belong to the manifest from then on.
pub(crate) fn moved(scope: &Scope<'_>, bases: &[String]) -> BTreeMap<String, String> {
    let path = bases_asset(&scope.name);
    let Some(asset) = scope.source.file(&path) else { return BTreeMap::new() };
    let known: Option<BTreeMap<String, String>> = asset.content().and_then(|bytes| serde_json::from_slice(bytes).ok());
    scope.uses.borrow_mut().insert(path, asset);
    let is_used = |(image, _): &(String, String)| bases.contains(image);
    known.into_iter().flatten().filter(is_used).collect()
}

/// Whether what is at a place may be built: it runs as root meanwhile.
pub(crate) fn allowed(scope: &Scope<'_>, place: &str, spot: Spot, example: &str) {
    if let Some(pattern) = allowing(&scope.site.policy.repositories, place) {
        return policy::allowed(scope, spot, WORD, place, AllowedBy::Policy(format!("{WORD}: {pattern}")));
    }
    let message = text!("policy forbids to build from {place}", place = shown(place));
    let hint = text!("ask the operator to add it to `policy.{word}`, as in `{example}`", word = WORD, example);
    policy::report_closed(scope, &Closed { code: Code::A0776, spot, word: WORD, item: place, message, hint });
}

/// Whether a Dockerfile may be built that Amarre did not write: its author chooses the images that it is made from, what the engine
/// fetches itself for `ADD`, what is mounted, and which program reads it. Reading it tells none of that for certain.
pub(crate) fn dockerfile_allowed(scope: &Scope<'_>, place: &str, path: Option<&str>, spot: Spot, way: Text) -> bool {
    if let Some(pattern) = allowing(&scope.site.policy.dockerfiles, place) {
        let by = AllowedBy::Policy(format!("{DOCKERFILES}: {pattern}"));
        policy::allowed(scope, spot, DOCKERFILES, place, by);
        return true;
    }
    let message = match path {
        Some(path) => {
            text!("policy forbids the Dockerfile of {place}: {path}", place = shown(place), path = shown(path))
        }
        None => text!("policy forbids a Dockerfile for {place}: `dockerfile_inline`", place = shown(place)),
    };
    let item = format!("`{}`", shown(place));
    let hint = text!("{way}, or ask the operator to add {item} to `policy.{word}`", way, item, word = DOCKERFILES);
    policy::report_closed(scope, &Closed { code: Code::A0290, spot, word: DOCKERFILES, item: place, message, hint });
    false
}

/// The images of a Dockerfile that Amarre pulls before, with its accounts, and keeps as they were: those that `policy.images` allows.
/// What else it names the engine fetches itself, as anybody would.
pub(crate) fn bases_of(scope: &Scope<'_>, text: &str, keys: &BuildKeys) -> Vec<String> {
    let mut bases = apps::bases(text, &keys.args);
    bases.retain(|image| images::is_open(scope, image));
    bases
}

/// Reads `build`: the folder itself, or a map.
pub(super) fn read(scope: &Scope<'_>, entry: &Entry) -> Option<Build> {
    let (spot, node) = (entry.key_spot, &entry.value);
    let (context, keys, inline) = match &node.data {
        NodeData::Map(_) => {
            let mut inner = Reader::open(scope, node, "`build`", "build.")?;
            let context = inner.text("context");
            let keys = BuildKeys::read(&mut inner);
            let inline = inner.text("dockerfile_inline");
            inner.finish(&unsupported);
            (context, keys, inline)
        }
        NodeData::Scalar(_) | NodeData::List(_) => (Some(scope.text(node, "`build`")?), BuildKeys::default(), None),
    };
    let context = context.unwrap_or_else(|| PlacedText { text: ".".to_owned(), spot });
    if is_repository(&context.text) {
        let message =
            text!("`build` from {place}: a repository of its own is kind `App`", place = shown(&context.text));
        let hint = text!("write an App with {example}", example = "`git: {url: …}`");
        scope.error_hint(Code::A0112, context.spot, message, hint);
        return None;
    }
    let folder = scope.source_path(&context)?;
    allowed(scope, &format!("./{folder}"), context.spot, "./*");
    if let (Some(inline), Some(_)) = (&inline, &keys.dockerfile) {
        let message = text!("`dockerfile` and `dockerfile_inline` are both there");
        scope.error_hint(Code::A0140, inline.spot, message, text!("leave one of them out"));
        return None;
    }
    let place = format!("./{folder}");
    let own = inline.is_none().then(|| keys.dockerfile.as_ref().map_or(DOCKERFILE, |text| text.text.as_str()));
    let way = text!("have Amarre write one: kind `App` with a `framework`");
    dockerfile_allowed(scope, &place, own, context.spot, way);
    let (path, text) = match inline {
        Some(inline) => (None, inline.text),
        None => {
            let (path, text) = dockerfile(scope, &folder, keys.dockerfile.as_ref(), &context)?;
            (Some(path), text)
        }
    };
    let files = files(scope, &folder, path.as_deref(), &context)?;
    built(scope, &folder, files, path, &text, keys)
}

/// A Git URL, as Compose takes one for a context.
fn is_repository(context: &str) -> bool {
    context.contains("://") || context.starts_with("git@") || context.starts_with("github.com/")
}

/// The Dockerfile: its path in the folder, and its text.
fn dockerfile(
    scope: &Scope<'_>,
    folder: &str,
    said: Option<&PlacedText>,
    context: &PlacedText,
) -> Option<(String, String)> {
    let (name, spot) = said.map_or((DOCKERFILE, context.spot), |text| (text.text.as_str(), text.spot));
    let whole = scope.source.join(folder, name).filter(|_| !name.starts_with('/'));
    let inside = whole.as_ref().and_then(|whole| inside(folder, whole));
    let (Some(whole), Some(inside)) = (&whole, inside) else {
        let message = text!("the Dockerfile {path} is not in the folder that is built", path = shown(name));
        scope.error_hint(Code::A0106, spot, message, text!("write its path from `build.context`"));
        return None;
    };
    if !scope.source.has(whole) {
        let message = text!("there is no {path} in the source", path = shown(whole));
        let hint = match said {
            Some(_) => {
                text!("put it there, or correct the path; it is read from {folder}", folder = folder_of(whole))
            }
            None => {
                text!("put a Dockerfile there, name it by `build.dockerfile`, or have Amarre write one: kind `App`")
            }
        };
        scope.error_hint(Code::A0150, spot, message, hint);
        return None;
    }
    let bytes = scope.bytes(whole, spot)?;
    let Ok(text) = std::str::from_utf8(&bytes) else {
        scope.error(Code::A0157, spot, text!("{path} is no text in UTF-8", path = shown(whole)));
        return None;
    };
    Some((inside.to_owned(), text.to_owned()))
}

/// The files that are sent: those of the folder, less what `.dockerignore` leaves out and the manifest itself.
fn files(scope: &Scope<'_>, folder: &str, dockerfile: Option<&str>, context: &PlacedText) -> Option<Bundle> {
    let mut below = delivered_files::all_below(scope, folder, context, true)?;
    // Of hidden files, those that builds read.
    let is_sent = |path: &str| match path.rsplit_once('/') {
        Some((folder, name)) => !is_hidden(folder) && (!is_hidden(name) || is_known_hidden(name)),
        None => !is_hidden(path) || is_known_hidden(path),
    };
    below.retain(|path, _| is_sent(path));
    let of = |path: &str| {
        let asset = below.get(path)?;
        Some(String::from_utf8_lossy(asset.content()?).into_owned())
    };
    let rules = SentFiles::new(dockerfile, of);
    let mut sent = BTreeMap::new();
    let mut size = 0;
    for (inside, asset) in &below {
        let is_sent = rules.has(inside);
        let whole = within(folder, inside);
        if is_sent || SentFiles::is_rule(inside) {
            scope.uses.borrow_mut().insert(whole.clone(), asset.clone());
        }
        if !is_sent {
            continue;
        }
        if asset.bytes == Err(NotRead::TooLarge) {
            let size = asset.size.to_string();
            let message = text!("{path} was not read: {size} bytes", path = shown(&whole), size);
            let hint = text!(
                "leave it out by `.dockerignore`, or build from a repository: kind `App`; {limits}",
                limits = too_large()
            );
            scope.error_hint(Code::A0157, context.spot, message, hint);
            return None;
        }
        if !scope.is_readable(&whole, asset, context.spot) {
            return None;
        }
        let Ok(bytes) = asset.bytes.clone() else { return None };
        size += bytes.len();
        sent.insert(inside.clone(), BundleFile { bytes, executable: asset.executable });
    }
    if size > CONTEXT_BYTES_MAX {
        let (folder, size) = (shown(folder), size.div_ceil(MIB).to_string());
        let limit = (CONTEXT_BYTES_MAX / MIB).to_string();
        let message = text!("{folder} holds {size} MiB, at most {limit} are sent", folder, size, limit);
        let hint =
            text!("leave out by `.dockerignore` what the build does not need, or build from a repository: kind `App`");
        scope.error_hint(Code::A0108, context.spot, message, hint);
        return None;
    }
    Some(Bundle::new(sent))
}

fn built(
    scope: &Scope<'_>,
    folder: &str,
    files: Bundle,
    path: Option<String>,
    text: &str,
    keys: BuildKeys,
) -> Option<Build> {
    let bases = bases_of(scope, text, &keys);
    let moved = moved(scope, &bases);
    let parts =
        ImageParts { files: &files.digest, dockerfile: text, path: path.as_deref(), keys: &keys, moved: &moved };
    let image = image_name(&called(scope, folder), &parts);
    Some(Build {
        image,
        context: folder.to_owned(),
        files: Some(files),
        dockerfile: Bundle::of_file(text.as_bytes().into(), false),
        dockerfile_path: path,
        bases,
        moved,
        target: keys.target,
        args: keys.args,
        timeout: keys.timeout.unwrap_or(TIMEOUT),
        commit: Commit::default(),
        framework: DOCKERFILE.to_owned(),
        reasons: Vec::new(),
        notes: Vec::new(),
    })
}

/// The service, with the folder where that is another one.
fn called(scope: &Scope<'_>, folder: &str) -> String {
    let last = folder.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let is_plain = !last.is_empty() && last.len() <= NAME_CHARS_MAX && last.chars().all(is_plain);
    let is_own = folder == folder_of(scope.file) || last == scope.name;
    if is_plain && !is_own { format!("{}/{last}", scope.name) } else { scope.name.clone() }
}

/// Keys of the Compose Spec for other builders, and one that people look for, with what to do instead.
pub(crate) fn unsupported(entry: &Entry) -> UnknownKey {
    const NO_EFFECT: [&str; 7] = ["cache_from", "cache_to", "no_cache", "pull", "tags", "provenance", "sbom"];
    let key = entry.key.as_str();
    if NO_EFFECT.contains(&key) {
        let message = text!("`build.{key}` has no effect: an image is built once for what goes in", key);
        return UnknownKey::Reported(no_effect(entry.key_spot, message, text!("leave it out")));
    }
    let Some(hint) = instead_of(key) else { return UnknownKey::Unknown };
    let message = text!("`build.{key}` is not supported", key);
    UnknownKey::Reported(Problem::error(Code::A0112, entry.key_spot, message).hint(hint))
}

/// What to do instead of a key that is refused.
fn instead_of(key: &str) -> Option<Text> {
    Some(match key {
        "additional_contexts" => {
            text!("put the files below `build.context`, or name an image by `COPY --from=IMAGE`")
        }
        "entitlements" => text!("leave it out: a build has the rights that every container has"),
        "extra_hosts" => text!("leave it out; a build resolves names as its host does"),
        "isolation" => text!("leave it out; it is for engines of Windows"),
        "labels" => text!("write `LABEL` into the Dockerfile"),
        "memory" => {
            text!("an engine applies no limit to the builds of BuildKit: limit it as a whole, by a cgroup of its own")
        }
        "network" => text!("leave it out: a build is on the engine's usual network"),
        "platforms" => text!("leave it out: an image is built for the machine that runs it"),
        "privileged" => text!("leave it out: no build is privileged"),
        "secrets" => text!("fetch what is secret before, or pass it to the container by `environment:`"),
        "shm_size" => text!("leave it out"),
        "ssh" => text!("put the files below `build.context`"),
        _ => return None,
    })
}

/// Its keys that all builds have.
pub(crate) fn keys() -> Vec<SchemaKey> {
    vec![
        (
            "args",
            either(&[map(scalar()), list(text())]),
            "Arguments of the build; they can be read in the image: no secrets",
        ),
        ("target", text(), "The stage that is built"),
        ("timeout", text(), "When it is cancelled; 20m if not set"),
    ]
}
