//! `compose: ./compose.yaml`: a whole Compose file as the containers of a Service.
//!
//! Its services are read as `containers` are, after what only Compose knows was worked in: `env_file`, `label_file`,
//! `profiles`, `configs`, `secrets`, and the networks and volumes at the top of the file.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::container::ContainerRead;
use super::links::Links;
use super::networks::Networks;
use super::project::{Project, ProjectLoading, one_or_many};
use super::{container, delivered_files, env_file, file_names, links, merge, mounts, networks, unsupported};
use crate::manifest::opened_files::{Part, ValueFormat};
use crate::manifest::policy;
use crate::manifest::policy::volume_drivers;
use crate::manifest::reader::{Reader, flag, nearest, nothing_else};
use crate::manifest::scope::{PlacedText, Scope};
use crate::manifest::yaml::diagnostic::{Problem, Spot, shown};
use crate::manifest::yaml::tree::{Entry, Node, NodeData};
use crate::model::folders::as_word;
use crate::model::service::{Container, Mount, NetworkMode, OwnNetwork, Volume};
use crate::model::site::CONTAINERS_MAX as CONTAINERS_MAX_EVER;
use crate::model::{Code, Text};
use crate::text;

/// What a Compose file gives a manifest.
#[derive(Default)]
pub(crate) struct Stack {
    pub containers: BTreeMap<String, Option<ContainerRead>>,
    pub volumes: BTreeMap<String, Volume>,
    /// Where its services live.
    pub network: Option<NetworkMode>,
    /// Its own beside that one.
    pub networks: BTreeMap<String, OwnNetwork>,
}

/// The services that are taken, with who is linked to whom, and on which networks they are.
struct Picked {
    services: Vec<Entry>,
    links: Links,
    networks: Networks,
}

/// Warns where the old project has another name, and so other volumes. `.env` wins over the file.
fn other_name(scope: &Scope<'_>, path: &PlacedText, found: &file_names::ProjectFiles, project: &Project) {
    let of_environment = found.environment.get("COMPOSE_PROJECT_NAME").map(|name| {
        let message = text!("`COMPOSE_PROJECT_NAME={name}` of `.env` is not used", name = shown(name));
        (name, path.spot, message)
    });
    let of_file = || {
        let name = project.name.as_ref()?;
        let message = text!("the Compose file's name `{name}` is not used", name = shown(&name.text));
        Some((&name.text, name.spot, message))
    };
    let Some((name, spot, message)) = of_environment.or_else(of_file) else { return };
    if *name != scope.name {
        let hint = text!("the service is called {name}, as its manifest says", name = shown(&scope.name));
        scope.report(Problem::warning(Code::A0158, spot, message).hint(hint));
    }
}

/// Reads what `compose:` names.
pub(crate) fn stack(reader: &mut Reader<'_>) -> Stack {
    let scope = reader.scope;
    let paths: Vec<PlacedText> = one_or_many(reader, "compose");
    let picked: Vec<PlacedText> = one_or_many(reader, "profiles");
    let has_network = reader.has("network");
    if reader.has("containers") {
        let message = text!("`containers` stands beside `compose`");
        let hint = text!("write all of them into one of the two");
        scope.error_hint(Code::A0106, reader.key_spot("containers"), message, hint);
        reader.entry("containers");
    }
    let Some(path) = paths.first() else { return Stack::default() };
    let loading = ProjectLoading::new(scope);
    let Some(found) = file_names::read(scope, &loading, &paths) else { return Stack::default() };
    let project = loading.project(&found.files, &found.environment);
    let Some(project) = project.filter(|_| !scope.is_over_budget()) else { return Stack::default() };
    other_name(scope, path, &found, &project);
    let said = file_names::profiles(&found);
    let services = picked_services(scope, &project, &picked, &said);
    if services.is_empty() && !scope.is_broken() {
        let message = text!("{path} has no service that is picked", path = shown(&path.text));
        let hint = text!("`profiles: [NAME]` beside `compose:` picks those that have profiles");
        scope.error_hint(Code::A0105, path.spot, message, hint);
    }
    let mut stack = Stack { volumes: volumes(scope, &project), ..Stack::default() };
    let networks = if has_network { Networks::default() } else { networks::read(scope, &project, &services) };
    (stack.network, stack.networks) = (networks.mode.clone(), networks.own.clone());
    let too_many = |count, most| text!("{count} containers in one service, at most {most}", count, most);
    if !self::is_few(scope, services.len(), path.spot, too_many) {
        return stack;
    }
    let picked = Picked { links: links::read(scope, &services), services, networks };
    for entry in &picked.services {
        let read = container(scope, &project, &picked, entry);
        stack.containers.insert(entry.key.clone(), read);
    }
    stack
}

/// The services without profiles, and those with one that is picked: by the manifest, or by `COMPOSE_PROFILES` where that
/// says nothing.
fn picked_services(scope: &Scope<'_>, project: &Project, picked: &[PlacedText], said: &BTreeSet<&str>) -> Vec<Entry> {
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut services = Vec::new();
    let by_manifest: BTreeSet<&str> = picked.iter().map(|profile| profile.text.as_str()).collect();
    let wanted = if by_manifest.is_empty() { said } else { &by_manifest };
    for entry in &project.services {
        let own = entry.value.entry("profiles");
        let own = own.and_then(|profiles| scope.texts(&profiles.value, "`profiles`")).unwrap_or_default();
        known.extend(own.iter().map(|profile| profile.text.clone()));
        let is_picked = |profile: &PlacedText| wanted.contains(profile.text.as_str()) || wanted.contains("*");
        if own.is_empty() || own.iter().any(is_picked) {
            services.push(entry.clone());
        }
    }
    for profile in picked.iter().filter(|profile| profile.text != "*" && !known.contains(&profile.text)) {
        if scope.is_full() {
            break;
        }
        let names: Vec<&str> = known.iter().map(String::as_str).collect();
        let hint = match nearest(&profile.text, &names) {
            Some(near) => text!("did you mean `{near}`?", near),
            None if names.is_empty() => text!("no service of the Compose file has profiles"),
            None => text!("there are {names}", names),
        };
        let message = text!("unknown profile `{name}`", name = shown(&profile.text));
        scope.error_hint(Code::A0111, profile.spot, message, hint);
    }
    services
}

/// One service as a container.
fn container(scope: &Scope<'_>, project: &Project, picked: &Picked, entry: &Entry) -> Option<ContainerRead> {
    if let Some(why) = why_not_a_key(&entry.key) {
        let message = text!("a container cannot be called `{name}`", name = shown(&entry.key));
        scope.error_hint(Code::A0106, entry.key_spot, message, why);
    }
    let what = text!("service `{name}`", name = shown(&entry.key));
    if !matches!(entry.value.data, NodeData::Map(_)) {
        let (wanted, found) = (text!("a map"), entry.value.word());
        let message = text!("{what} must be {wanted}, not {found}", what, wanted, found);
        scope.error_hint(Code::A0104, entry.key_spot, message, text!("it needs at least `image:`"));
        return None;
    }
    volumes_are_defined(scope, project, &entry.value);
    let mut copies: Vec<Mount> = Vec::new();
    for (key, part) in [("configs", Part::Config), ("secrets", Part::Secret)] {
        if let Some(granted) = entry.value.entry(key) {
            copies.extend(delivered_files::granted(scope, project, part, &granted.value));
        }
    }
    let node = worked_in(scope, project, picked, entry);
    let mut reader = Reader::open(scope, &node, what, "")?;
    scope.places_of(entry.key_spot, entry.value.entries());
    let read = container::container(&mut reader, false);
    reader.finish(&unsupported::container_key);
    let mut read = read?;
    read.container.aliases.extend(links::aliases(&picked.links, &entry.key));
    read.container.aliases.sort();
    read.container.aliases.dedup();
    for copy in copies {
        if read.container.mounts.iter().any(|other| other.target == copy.target) {
            scope.error(Code::A0106, entry.key_spot, text!("two mounts at {path}", path = shown(&copy.target)));
        }
        if copy.is_copied() {
            delivered_files::judge_target(scope, &copy, &read.container.mounts, entry.key_spot);
        }
        read.container.mounts.push(copy);
    }
    let Container { mounts, settings, .. } = &read.container;
    delivered_files::judge_memory(scope, mounts, settings, entry.key_spot);
    let read_only = entry.value.entry("read_only").filter(|entry| flag(&entry.value) == Ok(true));
    if let Some(read_only) = read_only.filter(|_| read.container.mounts.iter().any(Mount::is_copied)) {
        let message = text!("nothing can be copied into a container with `read_only: true`");
        let hint = text!("leave `read_only` out, or bind the files by their absolute paths on the host");
        scope.error_hint(Code::A0157, read_only.key_spot, message, hint);
    }
    read.container.origin = scope.origin(entry.key_spot);
    Some(read)
}

/// Compose takes more names than manifests do; Docker and its DNS take these.
fn why_not_a_key(key: &str) -> Option<Text> {
    const KEY_MAX: usize = 40;
    let is_good = key.len() <= KEY_MAX
        && key.starts_with(|c: char| c.is_ascii_alphanumeric())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    (!is_good).then(|| text!("letters, digits, `.`, `_` and `-`, at most {most} characters", most = KEY_MAX))
}

/// The service's map as a container's: without the keys that are worked in here.
fn worked_in(scope: &Scope<'_>, project: &Project, picked: &Picked, of: &Entry) -> Rc<Node> {
    const HERE: [&str; 7] = ["profiles", "extends", "env_file", "label_file", "configs", "secrets", "links"];
    let service = &of.value;
    let has_image = service.entry("image").is_some_and(|image| !image.value.is_null());
    let asks = service.entry("pull_policy").and_then(|entry| entry.value.scalar()) == Some("build");
    let is_built = asks && service.entry("build").is_some();
    let has_image = has_image && !is_built;
    let mut entries: Vec<Entry> = Vec::new();
    for entry in service.entries().iter().filter(|entry| !HERE.contains(&entry.key.as_str())) {
        let value = match entry.key.as_str() {
            "environment" | "labels" => merge::pairs(&entry.value, &|name, first, spot| {
                scope.report(container::twice(name, &format!("`{}`", entry.key), spot, first));
            }),
            "depends_on" => needed(&entry.value, &picked.services),
            "volumes" => named_volumes(&of.key, &entry.value),
            "build" if has_image => {
                let message = text!("`build` has no effect beside `image`: the image is pulled");
                let hint = text!("push what is built under that name, or write `pull_policy: build`");
                scope.no_effect(entry.key_spot, message, hint);
                continue;
            }
            // Built whenever what goes in is new, and called after that.
            "image" | "pull_policy" if is_built => continue,
            "networks" => match picked.networks.said_by(scope, &entry.value) {
                Some(networks) => networks,
                None => continue,
            },
            _ => Rc::clone(&entry.value),
        };
        // A key without a value is no key to Compose.
        if !value.is_null() {
            entries.push(Entry { value, ..entry.clone() });
        }
    }
    if let Some(files) = service.entry("env_file") {
        let brought = env_files(scope, project, &files.value);
        add(&mut entries, "environment", files, brought);
    }
    if let Some(files) = service.entry("label_file") {
        let brought = label_files(scope, project, &files.value);
        add(&mut entries, "labels", files, brought);
    }
    if let Some(environment) = entries.iter_mut().find(|entry| entry.key == "environment") {
        environment.value = valued(scope, project, &environment.value);
    }
    if let Some((links, own)) = service.entry("links").zip(picked.links.get(&of.key)) {
        links::come_first(own, links.key_spot, &mut entries);
    }
    Node::made(service.spot, NodeData::Map(entries))
}

/// A volume that nobody gave a name gets one after its container and place, as those that images declare: its data outlive
/// the container.
fn named_volumes(key: &str, volumes: &Rc<Node>) -> Rc<Node> {
    let NodeData::List(items) = &volumes.data else { return Rc::clone(volumes) };
    let named = |item: &Rc<Node>| match item.scalar() {
        Some(path) if path.starts_with('/') && !path.contains(':') => {
            Node::made_text(item.spot, format!("{key}_{}:{path}", as_word(path)))
        }
        Some(_) | None => Rc::clone(item),
    };
    Node::made(volumes.spot, NodeData::List(items.iter().map(named).collect()))
}

/// What files bring, below what the service itself says.
fn add(entries: &mut Vec<Entry>, key: &str, of: &Entry, brought: Vec<Entry>) {
    if let Some(own) = entries.iter_mut().find(|entry| entry.key == key) {
        let NodeData::Map(known) = &own.value.data else { return };
        let mut all = known.clone();
        let names: BTreeSet<&str> = known.iter().map(|entry| entry.key.as_str()).collect();
        all.extend(brought.into_iter().filter(|fresh| !names.contains(fresh.key.as_str())));
        own.value = Node::made(own.value.spot, NodeData::Map(all));
        return;
    }
    let value = Node::made(of.value.spot, NodeData::Map(brought));
    entries.push(Entry { key: key.to_owned(), key_spot: of.key_spot, value });
}

/// Variables without a value are taken from outside, and what is `{secret: NAME}` is one.
fn valued(scope: &Scope<'_>, project: &Project, environment: &Rc<Node>) -> Rc<Node> {
    let NodeData::Map(entries) = &environment.data else { return Rc::clone(environment) };
    let mut all = Vec::new();
    for entry in entries {
        let value = if entry.value.is_null() {
            let Some(value) = project.environment.get(&entry.key) else {
                let message = text!("variable `{name}` is not set, so it is left out", name = shown(&entry.key));
                let hint = text!("set it in `.env` beside the Compose file, or remove the line");
                scope.report(Problem::warning(Code::A0153, entry.key_spot, message).hint(hint));
                continue;
            };
            Node::made_text(entry.key_spot, value.clone())
        } else {
            Rc::clone(&entry.value)
        };
        let secret = value.scalar().and_then(delivered_files::secret_in).map(|name| {
            let name = Node::made_text(value.spot, name.to_owned());
            let entry = Entry { key: "secret".to_owned(), key_spot: value.spot, value: name };
            Node::made(value.spot, NodeData::Map(vec![entry]))
        });
        all.push(Entry { value: secret.unwrap_or(value), ..entry.clone() });
    }
    Node::made(environment.spot, NodeData::Map(all))
}

/// The variables of `env_file`; of two files the later wins.
fn env_files(scope: &Scope<'_>, project: &Project, node: &Rc<Node>) -> Vec<Entry> {
    let single = [Rc::clone(node)];
    let items = if matches!(node.data, NodeData::List(_)) { node.items() } else { &single };
    let mut known: BTreeMap<String, Entry> = BTreeMap::new();
    for item in items {
        let Some((path, format, required)) = env_file_item(scope, item) else { continue };
        let Some(whole) = scope.source_path(&path) else { continue };
        if !required && !scope.source.has(&whole) {
            continue;
        }
        let outside = |name: &str| {
            let earlier = known.get(name).and_then(|entry| entry.value.scalar()).map(str::to_owned);
            earlier.or_else(|| project.environment.get(name).cloned())
        };
        let Some(read) = env_file::open(scope, (&whole, format), path.spot, &outside) else { continue };
        for variable in read.iter() {
            let value = Node::made_text(variable.spot, variable.value.clone());
            known.insert(variable.name.clone(), Entry { key: variable.name.clone(), key_spot: variable.spot, value });
        }
    }
    known.into_values().collect()
}

fn env_file_item(scope: &Scope<'_>, item: &Node) -> Option<(PlacedText, ValueFormat, bool)> {
    if !matches!(item.data, NodeData::Map(_)) {
        return Some((scope.text(item, "`env_file`")?, ValueFormat::Compose, true));
    }
    let mut reader = Reader::open(scope, item, text!("an item of {list}", list = "`env_file`"), "env_file.")?;
    let path = reader.required("path", text!("as in {example}", example = "`path: ./app.env`"));
    let required = reader.flag("required").unwrap_or(true);
    let format = reader.choice("format", &[("raw", ValueFormat::Raw)]).unwrap_or(ValueFormat::Compose);
    reader.finish(&nothing_else);
    Some((path?, format, required))
}

fn label_files(scope: &Scope<'_>, project: &Project, node: &Rc<Node>) -> Vec<Entry> {
    let single = [Rc::clone(node)];
    let items = if matches!(node.data, NodeData::List(_)) { node.items() } else { &single };
    let plain: Vec<Rc<Node>> =
        items.iter().filter(|item| scope.text(item, "`label_file`").is_some()).cloned().collect();
    env_files(scope, project, &Node::made(node.spot, NodeData::List(plain)))
}

/// `depends_on` without those that need not be there and are not picked.
fn needed(node: &Rc<Node>, services: &[Entry]) -> Rc<Node> {
    let NodeData::Map(entries) = &node.data else { return Rc::clone(node) };
    let is_optional = |entry: &Entry| entry.value.entry("required").is_some_and(|e| flag(&e.value) == Ok(false));
    let names: BTreeSet<&str> = services.iter().map(|service| service.key.as_str()).collect();
    let is_there = |entry: &Entry| names.contains(entry.key.as_str());
    let left = entries.iter().filter(|entry| is_there(entry) || !is_optional(entry)).cloned();
    Node::made(node.spot, NodeData::Map(left.collect()))
}

/// `external: true`, or the old `external: {name: x}`; where it says so.
pub(crate) fn external<'a>(reader: &mut Reader<'a>) -> Option<(Option<PlacedText>, Spot)> {
    let entry = reader.entry("external")?;
    if matches!(entry.value.data, NodeData::Map(_)) {
        let mut inner = Reader::open(reader.scope, &entry.value, "`external`", "external.")?;
        let name = inner.text("name");
        inner.finish(&nothing_else);
        return Some((name, entry.key_spot));
    }
    (reader.flag("external") == Some(true)).then_some((None, entry.key_spot))
}

/// A volume that is mounted must be defined, as Compose has it: a slip of the pen would start on empty data.
fn volumes_are_defined(scope: &Scope<'_>, project: &Project, service: &Node) {
    let Some(volumes) = service.entry("volumes") else { return };
    let defined: BTreeSet<&str> = project.volumes.iter().map(|entry| entry.key.as_str()).collect();
    for item in volumes.value.items() {
        let named = match &item.data {
            NodeData::Scalar(scalar) => scalar
                .text
                .split_once(':')
                .map(|(source, _)| source)
                .filter(|source| !source.starts_with(['/', '.', '~'])),
            NodeData::Map(_) => {
                let is_volume = item.entry("type").and_then(|entry| entry.value.scalar()) == Some("volume");
                item.entry("source").and_then(|entry| entry.value.scalar()).filter(|_| is_volume)
            }
            NodeData::List(_) => None,
        };
        let Some(name) = named else { continue };
        if defined.contains(name) || scope.is_full() {
            continue;
        }
        let keys: Vec<&str> = project.volumes.iter().map(|entry| entry.key.as_str()).collect();
        let hint = match nearest(name, &keys) {
            Some(near) => text!("did you mean `{near}`?", near),
            None => {
                let example = format!("`volumes: {{{}: }}`", shown(name));
                text!("define it at the top of the file: {example}", example)
            }
        };
        scope.error_hint(Code::A0111, item.spot, text!("unknown volume `{name}`", name = shown(name)), hint);
    }
}

/// The volumes at the top of the file that say something of themselves.
fn volumes(scope: &Scope<'_>, project: &Project) -> BTreeMap<String, Volume> {
    let said = project.volumes.iter().filter(|entry| !entry.value.is_null());
    said.filter_map(|entry| Some((entry.key.clone(), volume(scope, entry)?))).collect()
}

fn volume(scope: &Scope<'_>, entry: &Entry) -> Option<Volume> {
    let what = text!("volume `{name}`", name = shown(&entry.key));
    let mut reader = Reader::open(scope, &entry.value, what.clone(), "volume.")?;
    let name = reader.text("name");
    let external = external(&mut reader);
    let driver = reader.text("driver");
    let options = texts(&mut reader, "driver_opts");
    let labels = container::labels(&mut reader);
    reader.finish(&nothing_else);
    volume_drivers::driver(scope, driver.as_ref(), &options, entry.key_spot);
    let options: BTreeMap<String, String> = options.into_iter().map(|(key, text)| (key, text.text)).collect();
    let is_external = external.is_some();
    if is_external && (driver.is_some() || !options.is_empty() || !labels.is_empty()) {
        let message = text!("{what} is external and says how to make it", what);
        scope.error_hint(Code::A0106, entry.key_spot, message, text!("keep `external` and `name` only"));
    }
    let legacy = external.and_then(|(name, _)| name);
    let key = is_external.then(|| PlacedText { text: entry.key.clone(), spot: entry.key_spot });
    let name = legacy.or(name).or(key);
    if let Some(name) = &name {
        if !mounts::is_volume_name(&name.text) {
            scope.not_allowed(
                name,
                text!("the name of volume `{key}`", key = shown(&entry.key)),
                text!("letters, digits, `.`, `_` and `-`"),
            );
        }
        policy::volume(scope, name);
    }
    let (name, driver) = (name.map(|name| name.text), driver.map(|driver| driver.text));
    Some(Volume { name, is_external, driver, options, labels, origin: scope.origin(entry.key_spot) })
}

fn texts(reader: &mut Reader<'_>, key: &'static str) -> BTreeMap<String, PlacedText> {
    let Some(node) = reader.node(key) else { return BTreeMap::new() };
    let label = reader.label(key);
    if !matches!(node.data, NodeData::Map(_)) {
        reader.scope.wrong_type(node, &label, text!("a map"));
    }
    let entries = node.entries().iter();
    entries.filter_map(|entry| Some((entry.key.clone(), reader.scope.text(&entry.value, &label)?))).collect()
}

/// Whether a manifest has no more containers than one may have; reported where it has.
pub(crate) fn is_few(scope: &Scope<'_>, count: usize, spot: Spot, message: fn(usize, usize) -> Text) -> bool {
    let most = scope.site.limits.containers;
    if count > most {
        let hint = if most < CONTAINERS_MAX_EVER {
            text!(
                "divide them between several manifests, or ask the operator for {word}",
                word = format!("`limits: {{containers: {}}}`", count.min(CONTAINERS_MAX_EVER))
            )
        } else {
            text!("divide them between several manifests")
        };
        scope.error_hint(Code::A0108, spot, message(count, most), hint);
    }
    count <= most
}
