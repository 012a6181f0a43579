//! What is copied into a container before it starts: files and folders of the source, `configs` and `secrets`.
//!
//! | written | becomes |
//! |---|---|
//! | `./php.ini:/etc/php.ini`, and it is in the source | a copy |
//! | `./data:/data`, and it is not | a bind below `hosts.<host>.data`/`<service>` |
//! | `/srv/x:/x` | a bind |
//! | a config or secret with `file`, `content` or `environment` | a copy, at its target |
//! | a secret with `external: true` | a copy of Amarre's secret of that name |

use std::collections::BTreeMap;

use super::mounts;
use super::project::{Project, not_here};
use super::settings::SettingValues;
use crate::manifest::budget::Effort;
use crate::manifest::opened_files::{MountContent, Part};
use crate::manifest::reader::{Reader, nearest};
use crate::manifest::scope::{PlacedText, Scope, is_compose};
use crate::manifest::source_files::{Looked, inside, within};
use crate::manifest::yaml::diagnostic::{Problem, Spot, shown};
use crate::manifest::yaml::tree::{Entry, Node, NodeData};
use crate::manifest::{policy, resolve, source_files};
use crate::model::folders::is_strictly_below;
use crate::model::service::{Delivery, DeliveryContent, Mount, MountSource};
use crate::model::{Asset, Bundle, BundleFile, Code, SecretName, Text, Value};
use crate::text;

/// A folder of configuration; more is data, which belongs onto the host.
const FOLDER_FILES_MAX: usize = 1_000;
/// What a container reads at its start.
const CONTENT_BYTES_MAX: usize = 1024 * 1024;

/// The source of a bind as a manifest writes it, when it is relative.
pub(crate) fn relative(scope: &Scope<'_>, source: &str, spot: Spot) -> Option<MountSource> {
    if source.starts_with('~') {
        let message = text!("{path} has no meaning: Amarre has no home folder", path = shown(source));
        let hint = text!("write an absolute path of the host, or a path from the manifest's folder");
        scope.error_hint(Code::A0106, spot, message, hint);
        return None;
    }
    let Some(path) = scope.source.join(&scope.base_of(spot), source) else { return on_host(scope, source, spot) };
    match scope.source.look(&path) {
        Looked::File(..) => {
            if !scope.spend(Effort::nodes(1), spot) {
                return None;
            }
            let asset = scope.asset(&path, spot)?;
            let bundle = scope.source.file_bundle(&path, asset.bytes.ok()?, asset.executable);
            return Some(copied(DeliveryContent::Bundle(bundle)));
        }
        // Says why.
        Looked::Unread(..) => return scope.bytes(&path, spot).and(None),
        Looked::Missing => return on_host(scope, source, spot),
        Looked::Folder(_) => (),
    }
    // A Compose project has the folder to itself, but for the manifest that names it.
    let said = PlacedText { text: source.to_owned(), spot };
    let below = all_below(scope, &path, &said, is_compose(spot))?;
    let manifest = own_manifest(scope, &path);
    if below.len() > FOLDER_FILES_MAX {
        let (folder, n) = (shown(source), below.len());
        let message = text!("{folder} holds {n} files, at most {limit}", folder, n, limit = FOLDER_FILES_MAX);
        scope.error_hint(Code::A0108, spot, message, text!("keep data on the host and bind it by its absolute path"));
        return None;
    }
    let mut files = BTreeMap::new();
    for (below, asset) in below {
        let whole = within(&path, &below);
        scope.uses.borrow_mut().insert(whole.clone(), asset.clone());
        if !scope.is_readable(&whole, &asset, spot) {
            return None;
        }
        files.insert(below, BundleFile { bytes: asset.bytes.ok()?, executable: asset.executable });
    }
    Some(copied(DeliveryContent::Bundle(scope.source.folder_bundle(&path, manifest.as_deref(), files))))
}

/// The manifest's own path in a folder, if it is there.
fn own_manifest(scope: &Scope<'_>, path: &str) -> Option<String> {
    inside(path, scope.file).map(str::to_owned)
}

/// Every file below a folder, by its path there, but for the manifest itself, where `has_own` says that it may be there. Another
/// manifest may not.
pub(super) fn all_below(
    scope: &Scope<'_>,
    path: &str,
    said: &PlacedText,
    has_own: bool,
) -> Option<BTreeMap<String, Asset>> {
    let spot = said.spot;
    let mut below = scope.source.below(path);
    if let Some(manifest) = own_manifest(scope, path) {
        below.remove(&manifest);
        let mut texts = scope.source.texts_below(path).filter(|(other, _)| *other != manifest);
        let read = Effort::bytes(texts.clone().map(|(_, text)| text.len()).sum());
        if !scope.spend(read, spot) {
            return None;
        }
        if !has_own || texts.any(|(_, text)| source_files::is_manifest(text)) {
            let message = text!("{folder} is the folder of the manifest itself", folder = shown(&said.text));
            scope.error_hint(Code::A0157, spot, message, text!("put the files into a folder of their own"));
            return None;
        }
    }
    scope.spend(Effort::nodes(below.len()), spot).then_some(below)
}

fn copied(content: DeliveryContent) -> MountSource {
    MountSource::Copied(Delivery { content, mode: None, uid: 0, gid: 0 })
}

/// What is copied in is written into what is mounted above it, and an engine hides what it writes itself.
pub(super) fn judge_target(scope: &Scope<'_>, copy: &Mount, others: &[Mount], spot: Spot) {
    /// The engine's own in each container, and the key that says what they hold.
    const OF_ENGINE: [(&str, &str); 3] =
        [("/etc/hosts", "extra_hosts:"), ("/etc/resolv.conf", "dns:"), ("/etc/hostname", "hostname:")];
    let target = copy.target.as_str();
    if let Some((_, key)) = OF_ENGINE.iter().find(|(path, _)| *path == target) {
        let message = text!("a copy at {path} is hidden: Docker writes that file itself", path = target);
        let hint = text!("write `{key}`, or bind a file of the host by its absolute path", key = *key);
        scope.error_hint(Code::A0106, spot, message, hint);
    }
    let is_above = |other: &&Mount| !other.is_copied() && is_strictly_below(target, &other.target);
    let Some(above) = others.iter().find(is_above) else { return };
    let at = above.target.as_str();
    let place = match &above.source {
        MountSource::Tmpfs => return hidden_in_memory(scope, target, at, spot),
        MountSource::Bind(folder) if !is_strictly_below(folder, data_folder(scope)) => {
            let message = text!("a copy at {path} would be written into {folder} on the host", path = target, folder);
            let hint =
                text!("mount it outside of {above}, or put the file there by hand and take this line out", above = at);
            return scope.error_hint(Code::A0106, spot, message, hint);
        }
        MountSource::Bind(place) | MountSource::Volume(place) => place,
        MountSource::Copied(_) => return,
    };
    // The service's own data.
    if is_compose(spot) {
        let message = text!("a copy at {path} is written into {place} with each new container", path = target, place);
        let hint = text!(
            "what the container changes in it is lost then; mount it outside of {above} to keep both apart",
            above = at
        );
        scope.no_effect(spot, message, hint);
    }
}

/// The same for the folders in memory that `tmpfs:` asks for.
pub(super) fn judge_memory(scope: &Scope<'_>, mounts: &[Mount], settings: &SettingValues, spot: Spot) {
    let folders = settings.get("tmpfs").and_then(Value::entries).into_iter().flat_map(BTreeMap::keys);
    for folder in folders {
        let is_below = |copy: &&Mount| copy.is_copied() && is_strictly_below(&copy.target, folder);
        mounts.iter().filter(is_below).for_each(|copy| hidden_in_memory(scope, &copy.target, folder, spot));
    }
}

fn hidden_in_memory(scope: &Scope<'_>, path: &str, above: &str, spot: Spot) {
    let message = text!("a copy at {path} would be hidden by the folder in memory at {above}", path, above);
    let hint = text!("have the folder in memory at another path, below {above}", above);
    scope.error_hint(Code::A0106, spot, message, hint);
}

/// Where the data of all services of the host lie.
fn data_folder<'a>(scope: &'a Scope<'_>) -> &'a str {
    scope.site.hosts.get(&scope.host).map_or("/srv", |host| host.data.as_str())
}

/// What is not in the source is data of the service, on its host.
fn on_host(scope: &Scope<'_>, source: &str, spot: Spot) -> Option<MountSource> {
    let data = data_folder(scope);
    let name = scope.data_of.as_ref().unwrap_or(&scope.name);
    let Some(path) = below(data, name, source) else {
        let message = text!("there is no {path} in the source", path = shown(source));
        let folder = format!("{data}/{}", shown(name));
        let hint = text!("what is not there is looked for from {folder}, and never above {data}", folder, data);
        scope.error_hint(Code::A0106, spot, message, hint);
        return None;
    };
    policy::bind(scope, &path, spot);
    Some(MountSource::Bind(path))
}

/// A path from the service's folder below `data`: `../shared` is a neighbour of it.
fn below(data: &str, name: &str, source: &str) -> Option<String> {
    let mut parts = vec![name];
    for part in source.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            parts.pop()?;
        } else {
            parts.push(part);
        }
    }
    if parts.is_empty() { None } else { resolve::normal_path(&format!("{data}/{}", parts.join("/"))) }
}

impl Part {
    fn word(self) -> &'static str {
        match self {
            Part::Config => "config",
            Part::Secret => "secret",
        }
    }

    /// As a sentence calls one.
    fn named(self, name: &str) -> Text {
        match self {
            Part::Config => text!("config `{name}`", name = shown(name)),
            Part::Secret => text!("secret `{name}`", name = shown(name)),
        }
    }

    fn of(self, project: &Project) -> &[Entry] {
        match self {
            Part::Config => &project.configs,
            Part::Secret => &project.secrets,
        }
    }

    /// As the Compose Spec has it.
    fn target(self, name: &str) -> String {
        match self {
            Part::Config => format!("/{name}"),
            Part::Secret => format!("/run/secrets/{name}"),
        }
    }
}

/// `configs` or `secrets` of a service: what is mounted where.
pub(crate) fn granted(scope: &Scope<'_>, project: &Project, part: Part, node: &Node) -> Vec<Mount> {
    let what = format!("`{}s`", part.word());
    let NodeData::List(items) = &node.data else {
        scope.wrong_type(node, &what, text!("a list"));
        return Vec::new();
    };
    let items = items.iter().filter_map(|item| match &item.data {
        NodeData::Map(_) => long_grant(scope, project, part, item),
        NodeData::Scalar(_) | NodeData::List(_) => {
            let name = scope.text(item, text!("an item of {list}", list = &what))?;
            let source = content(scope, project, part, &name)?;
            let target = mounts::target_path(scope, &part.target(&name.text), name.spot)?;
            Some(mount(source, target, None, 0, 0))
        }
    });
    items.collect()
}

fn long_grant(scope: &Scope<'_>, project: &Project, part: Part, item: &Node) -> Option<Mount> {
    const ID_MAX: i64 = 4_294_967_294;
    let (list, path) = match part {
        Part::Config => ("`configs`", "configs."),
        Part::Secret => ("`secrets`", "secrets."),
    };
    let mut reader = Reader::open(scope, item, text!("an item of {list}", list), path)?;
    let source = reader.required("source", text!("the name of it, as at the top of the file"));
    let target = reader.text("target");
    let uid = reader.number("uid", 0, ID_MAX).unwrap_or(0);
    let gid = reader.number("gid", 0, ID_MAX).unwrap_or(0);
    let mode = mode(&mut reader);
    reader.finish(&crate::manifest::reader::nothing_else);
    let source = source?;
    let target = match target {
        None => mounts::target_path(scope, &part.target(&source.text), source.spot)?,
        Some(target) if target.text.starts_with('/') => mounts::target_path(scope, &target.text, target.spot)?,
        Some(target) if part == Part::Secret && !target.text.contains("..") => {
            mounts::target_path(scope, &part.target(&target.text), target.spot)?
        }
        Some(target) => {
            scope.not_allowed(&target, "`target`", text!("an absolute path in the container"));
            return None;
        }
    };
    let content = content(scope, project, part, &source)?;
    Some(mount(content, target, mode, u32::try_from(uid).ok()?, u32::try_from(gid).ok()?))
}

/// `0440`, as files have it.
fn mode(reader: &mut Reader<'_>) -> Option<u32> {
    const MODE_MAX: u32 = 0o7777;
    let text = reader.text("mode")?;
    let digits = text.text.strip_prefix("0o").or_else(|| text.text.strip_prefix('0'));
    let mode = digits.and_then(|digits| u32::from_str_radix(digits, 8).ok()).filter(|mode| *mode <= MODE_MAX);
    if mode.is_none() {
        let hint = text!("in octal with a zero in front, as in `0440`");
        reader.scope.not_allowed(&text, reader.label("mode"), hint);
    }
    mode
}

fn mount(given: MountContent, target: String, mode: Option<u32>, uid: u32, gid: u32) -> Mount {
    /// Everybody in the container may read it, nobody may write: the Compose Spec's default.
    const USUAL_MODE: u32 = 0o444;
    let source = match given {
        MountContent::Host(path) => MountSource::Bind(path),
        MountContent::Content(content) => {
            MountSource::Copied(Delivery { content, mode: Some(mode.unwrap_or(USUAL_MODE)), uid, gid })
        }
    };
    Mount { source, target, read_only: true, options: BTreeMap::new(), writes_copy: false, creates_folder: false }
}

/// What a config or secret holds, as it is defined at the top of the file.
fn content(scope: &Scope<'_>, project: &Project, part: Part, name: &PlacedText) -> Option<MountContent> {
    if !scope.spend(Effort::nodes(1), name.spot) {
        return None;
    }
    let key = (part, name.text.clone());
    let known = scope.opened.given.borrow().get(&key).cloned();
    if known.is_some() {
        return known;
    }
    let given = defined_content(scope, project, part, name)?;
    scope.opened.given.borrow_mut().insert(key, given.clone());
    Some(given)
}

fn defined_content(scope: &Scope<'_>, project: &Project, part: Part, name: &PlacedText) -> Option<MountContent> {
    let defined = part.of(project);
    let Some(entry) = defined.iter().find(|entry| entry.key == name.text) else {
        let keys: Vec<&str> = defined.iter().map(|entry| entry.key.as_str()).collect();
        let hint = match nearest(&name.text, &keys) {
            Some(near) => text!("did you mean `{near}`?", near),
            None => text!("define it in `{key}:` at the top of the file", key = format!("{}s", part.word())),
        };
        let unknown = shown(&name.text);
        let message = match part {
            Part::Config => text!("unknown config `{name}`", name = unknown),
            Part::Secret => text!("unknown secret `{name}`", name = unknown),
        };
        scope.error_hint(Code::A0111, name.spot, message, hint);
        return None;
    };
    let what = part.named(&entry.key);
    let mut reader = Reader::open(scope, &entry.value, what.clone(), "")?;
    let file = reader.text("file");
    let inline = reader.text("content");
    let variable = reader.text("environment");
    let external = reader.flag("external").unwrap_or(false);
    let own_name = reader.text("name");
    let others = [
        ("driver", text!("leave it out")),
        ("driver_opts", text!("leave it out")),
        ("template_driver", text!("leave it out")),
        ("labels", text!("leave it out")),
    ];
    let of = part.word();
    reader.finish(&|entry| not_here(entry, of, &others));
    if external {
        let name = own_name.unwrap_or_else(|| PlacedText { text: entry.key.clone(), spot: entry.key_spot });
        return external_secret(scope, part, &name);
    }
    let given = match (file, inline, variable) {
        (Some(file), None, None) => of_file(scope, &file),
        (None, Some(inline), None) => of_text(scope, &inline),
        (None, None, Some(variable)) => of_variable(scope, project, &variable),
        (None, None, None) => {
            let message = text!("{what} says nothing", what = what.clone());
            let hint = text!("`file:`, `content:`, `environment:`, or `external: true`");
            scope.error_hint(Code::A0105, entry.key_spot, message, hint);
            None
        }
        _ => {
            let message =
                text!("{what} says more than one of `file`, `content` and `environment`", what = what.clone());
            scope.error_hint(Code::A0106, entry.key_spot, message, text!("keep one of them"));
            None
        }
    };
    if part == Part::Secret && matches!(given, Some(MountContent::Content(DeliveryContent::Bundle(_)))) {
        in_plain_text(scope, what, entry.key_spot);
    }
    given
}

/// Said once, however many containers get it.
fn in_plain_text(scope: &Scope<'_>, what: Text, spot: Spot) {
    let is_said = scope.problems.borrow().iter().any(|problem| problem.code == Code::A0159 && problem.spot == spot);
    if !is_said {
        let message = text!("{what} stands in the source in plain text", what);
        let hint = text!("`external: true`, and put its value where Amarre finds secrets");
        scope.report(Problem::warning(Code::A0159, spot, message).hint(hint));
    }
}

fn external_secret(scope: &Scope<'_>, part: Part, name: &PlacedText) -> Option<MountContent> {
    if part == Part::Config {
        let message = text!("a config with `external: true` is not supported");
        let hint = text!("use `file:` or `content:`; what is secret belongs into `secrets:`");
        scope.error_hint(Code::A0113, name.spot, message, hint);
        return None;
    }
    super::container::secret_name(scope, name)
        .map(|name: SecretName| MountContent::Content(DeliveryContent::Secret(name)))
}

fn of_file(scope: &Scope<'_>, file: &PlacedText) -> Option<MountContent> {
    if file.text.starts_with('/') {
        let path = resolve::normal_path(&file.text)?;
        policy::bind(scope, &path, file.spot);
        return Some(MountContent::Host(path));
    }
    let path = scope.source_path(file)?;
    let bytes = scope.bytes(&path, file.spot)?;
    Some(MountContent::Content(DeliveryContent::Bundle(scope.source.file_bundle(&path, bytes, false))))
}

fn of_text(scope: &Scope<'_>, text: &PlacedText) -> Option<MountContent> {
    if text.text.len() > CONTENT_BYTES_MAX {
        scope.error(Code::A0108, text.spot, text!("a content of more than 1 MiB"));
        return None;
    }
    Some(MountContent::Content(DeliveryContent::Bundle(Bundle::of_file(text.text.as_bytes().into(), false))))
}

fn of_variable(scope: &Scope<'_>, project: &Project, variable: &PlacedText) -> Option<MountContent> {
    let Some(value) = project.environment.get(&variable.text) else {
        scope.report(super::env_file::demanded(&variable.text, "", variable.spot));
        return None;
    };
    let value = PlacedText { text: value.clone(), spot: variable.spot };
    match secret_in(&value.text) {
        Some(name) => {
            let name = PlacedText { text: name.to_owned(), spot: variable.spot };
            super::container::secret_name(scope, &name).map(|name| MountContent::Content(DeliveryContent::Secret(name)))
        }
        None => of_text(scope, &value),
    }
}

/// The name in a text that is `{secret: NAME}` and nothing else.
pub(crate) fn secret_in(text: &str) -> Option<&str> {
    let inside = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    Some(inside.trim().strip_prefix("secret:")?.trim())
}
