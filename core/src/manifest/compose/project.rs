//! Compose files to one tree: text → variables replaced → `include` → `extends` → services, networks, volumes, configs and
//! secrets, every value with its place in the file that it comes from.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::interpolate::{InterpolationFault, Noted};
use super::{env_file, interpolate, merge, unsupported};
use crate::manifest::budget::Effort;
use crate::manifest::opened_files::ValueFormat;
use crate::manifest::reader::{Reader, UnknownKey, nearest, nothing_else};
use crate::manifest::scope::{PlacedText, Scope};
use crate::manifest::source_files::{folder_of, within};
use crate::manifest::variables;
use crate::manifest::yaml::diagnostic::{Problem, Spot, shown};
use crate::manifest::yaml::tree;
use crate::manifest::yaml::tree::{Entry, Node, NodeData, Scalar};
use crate::model::{Code, Text};
use crate::text;

/// Files that include files, services that extend services.
const DEPTH_MAX: usize = 10;

/// The variables of a project: its own files first, then what stands around it.
pub(crate) type Environment = Rc<BTreeMap<String, String>>;

/// Everything that the Compose files of a manifest say.
#[derive(Debug, Default)]
pub(crate) struct Project {
    pub services: Vec<Entry>,
    pub networks: Vec<Entry>,
    pub volumes: Vec<Entry>,
    pub configs: Vec<Entry>,
    pub secrets: Vec<Entry>,
    /// `name:` of the outermost file.
    pub name: Option<PlacedText>,
    /// Of the outermost file.
    pub environment: Environment,
    /// Where each thing is defined, by sort and name.
    places: BTreeMap<(&'static str, String), Spot>,
}

/// The services of one file, which may extend one another.
#[derive(Default)]
struct Siblings {
    entries: Vec<Entry>,
    places: BTreeMap<String, usize>,
}

impl Siblings {
    fn of(entries: Vec<Entry>) -> Self {
        let places = entries.iter().enumerate().map(|(place, entry)| (entry.key.clone(), place)).collect();
        Self { entries, places }
    }

    fn find(&self, name: &str) -> Option<&Entry> {
        self.places.get(name).and_then(|place| self.entries.get(*place))
    }
}

/// What is shared while the files of one manifest are read.
pub(crate) struct ProjectLoading<'s> {
    scope: &'s Scope<'s>,
    /// Variables that were already said to be unset.
    unset: RefCell<BTreeSet<String>>,
    /// Files as they are written, by their numbers; `None`: not to be read, which was reported.
    trees: RefCell<BTreeMap<u16, Option<Rc<Node>>>>,
    /// Services of files that are extended, by path.
    extended: RefCell<BTreeMap<String, Rc<Siblings>>>,
}

impl<'s> ProjectLoading<'s> {
    pub fn new(scope: &'s Scope<'s>) -> Self {
        Self { scope, unset: RefCell::default(), trees: RefCell::default(), extended: RefCell::default() }
    }

    /// The variables of the project in a folder.
    pub fn variables(&self, folder: &str, spot: Spot) -> Environment {
        self.environment(&[], folder, &Rc::new(self.scope.site.vars.clone()), false, spot)
    }

    /// The Compose files of a project, each laid over those before it, with all that they include. Relative paths start from
    /// the folder of the first.
    pub fn project(&self, files: &[(String, Spot)], environment: &Environment) -> Option<Project> {
        let (first, _) = files.first()?;
        let folder = folder_of(first).to_owned();
        let mut whole: Option<Project> = None;
        for (path, spot) in files {
            let project = self.file(path, Some(&folder), environment, &mut Vec::new(), *spot)?;
            whole = Some(match whole {
                Some(below) => self.laid_over(below, project, *spot)?,
                None => project,
            });
        }
        whole
    }

    /// `above` over `below`.
    fn laid_over(&self, below: Project, above: Project, spot: Spot) -> Option<Project> {
        let nodes = |project: &Project| project.services.iter().map(|entry| entry.value.count()).sum::<usize>();
        let work = Effort::nodes(nodes(&below) + nodes(&above));
        self.scope.spend(work, spot).then(|| Project {
            services: merge::parts(below.services, above.services),
            networks: merge::parts(below.networks, above.networks),
            volumes: merge::parts(below.volumes, above.volumes),
            configs: merge::parts(below.configs, above.configs),
            secrets: merge::parts(below.secrets, above.secrets),
            name: above.name.or(below.name),
            environment: below.environment,
            places: below.places,
        })
    }

    /// The variables of `env_files`, or of the `.env` of a folder; what stands around the project wins where it is included.
    fn environment(
        &self,
        env_files: &[(String, Spot)],
        folder: &str,
        around: &Environment,
        is_included: bool,
        spot: Spot,
    ) -> Environment {
        let own = [(within(folder, ".env"), spot)];
        let files = if env_files.is_empty() { own.as_slice() } else { env_files };
        let mut values = Rc::clone(around);
        for (path, spot) in files {
            if env_files.is_empty() && !self.scope.source.has(path) {
                continue;
            }
            let outside = |name: &str| values.get(name).cloned();
            let read = env_file::open(self.scope, (path.as_str(), ValueFormat::Compose), *spot, &outside);
            // What stands around is copied the first time.
            let Some(read) = read.filter(|_| self.scope.spend(Effort::nodes(values.len()), *spot)) else { continue };
            let values = Rc::make_mut(&mut values);
            for variable in read.iter().filter(|variable| !is_included || !around.contains_key(&variable.name)) {
                values.insert(variable.name.clone(), variable.value.clone());
            }
        }
        values
    }

    fn file(
        &self,
        path: &str,
        base: Option<&str>,
        environment: &Environment,
        trail: &mut Vec<String>,
        spot: Spot,
    ) -> Option<Project> {
        let scope = self.scope;
        if trail.iter().any(|other| other == path) || trail.len() >= DEPTH_MAX {
            let circle = format!("{} -> {}", trail.join(" -> "), shown(path));
            scope.error(Code::A0155, spot, text!("{key} goes in a circle: {circle}", key = "`include`", circle));
            return None;
        }
        trail.push(path.to_owned());
        let root = self.tree(path, base, environment, spot);
        let project = root.map(|root| self.read(path, &root, environment, trail));
        trail.pop();
        project.flatten()
    }

    /// A file with its variables replaced.
    fn tree(&self, path: &str, base: Option<&str>, environment: &Environment, spot: Spot) -> Option<Rc<Node>> {
        let (number, text) = self.scope.open(path, base, spot)?;
        let known = self.trees.borrow().get(&number).cloned();
        let root = known.unwrap_or_else(|| {
            let root = self.parsed(path, number, &text, spot);
            self.trees.borrow_mut().insert(number, root.clone());
            root
        });
        let root = root?;
        let NodeData::Map(entries) = &root.data else { return Some(root) };
        // What stands in `x-…` counts only where an alias brings it.
        let replaced = |entry: &Entry| {
            if entry.key.starts_with("x-") {
                entry.clone()
            } else {
                Entry { value: self.replaced(&entry.value, environment), ..entry.clone() }
            }
        };
        Some(root.with(NodeData::Map(entries.iter().map(replaced).collect())))
    }

    fn parsed(&self, path: &str, number: u16, text: &str, spot: Spot) -> Option<Rc<Node>> {
        let tree = tree::read_within(number, text, 0);
        if tree.root.is_none() && tree.problems.is_empty() {
            self.scope.error(Code::A0104, spot, text!("{path} is empty", path = shown(path)));
        }
        tree.problems.into_iter().for_each(|problem| self.scope.report(problem));
        tree.root
    }

    fn read(&self, path: &str, root: &Rc<Node>, environment: &Environment, trail: &mut Vec<String>) -> Option<Project> {
        let mut reader = Reader::open(self.scope, root, text!("a Compose file"), "")?;
        let mut project = Project { environment: Rc::clone(environment), ..Project::default() };
        let includes = reader.node("include");
        if let Some(node) = includes {
            self.includes(node, environment, trail, &mut project);
        }
        let own = Siblings::of(section(&mut reader, "services"));
        let services: Vec<Entry> = own
            .entries
            .iter()
            .filter_map(|entry| {
                let mut trail = vec![(path.to_owned(), entry.key.clone())];
                let value = self.extended(entry, &own, environment, &mut trail)?;
                Some(Entry { value, ..entry.clone() })
            })
            .collect();
        self.add(&mut project.places, &mut project.services, services, "service");
        let networks = section(&mut reader, "networks");
        self.add(&mut project.places, &mut project.networks, networks, "network");
        let volumes = section(&mut reader, "volumes");
        self.add(&mut project.places, &mut project.volumes, volumes, "volume");
        let configs = section(&mut reader, "configs");
        self.add(&mut project.places, &mut project.configs, configs, "config");
        let secrets = section(&mut reader, "secrets");
        self.add(&mut project.places, &mut project.secrets, secrets, "secret");
        project.name = reader.text("name");
        // Compose itself has no use for it any more.
        reader.entry("version");
        reader.finish(&unsupported::compose_file_key);
        Some(project)
    }

    /// Two files of one project cannot define one thing.
    fn add(
        &self,
        places: &mut BTreeMap<(&'static str, String), Spot>,
        all: &mut Vec<Entry>,
        fresh: Vec<Entry>,
        what: &'static str,
    ) {
        for entry in fresh {
            if let Some(first) = places.get(&(what, entry.key.clone())) {
                let thing = thing(what, &entry.key);
                let place = format!("{}:{}", self.scope.path_of(*first), first.line);
                let message = text!("two files define the {thing}", thing);
                let hint = text!("rename one of them; the other is {place}", place);
                self.scope.error_hint(Code::A0120, entry.key_spot, message, hint);
                continue;
            }
            places.insert((what, entry.key.clone()), entry.key_spot);
            all.push(entry);
        }
    }

    fn includes(&self, node: &Node, environment: &Environment, trail: &mut Vec<String>, project: &mut Project) {
        let NodeData::List(items) = &node.data else {
            self.scope.wrong_type(node, "`include`", text!("a list"));
            return;
        };
        for item in items {
            let included = match &item.data {
                NodeData::Map(_) => self.long_include(item, environment, trail),
                NodeData::Scalar(_) | NodeData::List(_) => {
                    let text = self.scope.text(item, text!("an item of {list}", list = "`include`"));
                    text.map(|text| self.included(&[text], None, &[], environment, trail)).unwrap_or_default()
                }
            };
            for other in included {
                self.add(&mut project.places, &mut project.services, other.services, "service");
                self.add(&mut project.places, &mut project.networks, other.networks, "network");
                self.add(&mut project.places, &mut project.volumes, other.volumes, "volume");
                self.add(&mut project.places, &mut project.configs, other.configs, "config");
                self.add(&mut project.places, &mut project.secrets, other.secrets, "secret");
            }
        }
    }

    fn long_include(&self, item: &Node, environment: &Environment, trail: &mut Vec<String>) -> Vec<Project> {
        let scope = self.scope;
        let what = text!("an item of {list}", list = "`include`");
        let Some(mut reader) = Reader::open(scope, item, what, "include.") else { return Vec::new() };
        let paths = one_or_many(&mut reader, "path");
        let folder = reader.text("project_directory");
        let env_files = one_or_many(&mut reader, "env_file");
        reader.finish(&nothing_else);
        if paths.is_empty() {
            scope.error(Code::A0106, item.spot, text!("an item of `include` names no `path`"));
        }
        if let Some(second) = paths.get(1) {
            let message = text!("several files in one `path`, which override one another, are not supported");
            let hint = text!("include each of them by itself, or merge them into one file");
            scope.error_hint(Code::A0106, second.spot, message, hint);
            return Vec::new();
        }
        self.included(&paths, folder.as_ref(), &env_files, environment, trail)
    }

    fn included(
        &self,
        paths: &[PlacedText],
        folder: Option<&PlacedText>,
        env_files: &[PlacedText],
        environment: &Environment,
        trail: &mut Vec<String>,
    ) -> Vec<Project> {
        let scope = self.scope;
        let mut projects = Vec::new();
        for text in paths {
            let Some(path) = scope.source_path(text) else { continue };
            let folder = match folder {
                Some(folder) => scope.source_path(folder),
                None => Some(folder_of(&path).to_owned()),
            };
            let Some(folder) = folder else { continue };
            let files: Vec<(String, Spot)> =
                env_files.iter().filter_map(|text| Some((scope.source_path(text)?, text.spot))).collect();
            let environment = self.environment(&files, &folder, environment, true, text.spot);
            projects.extend(self.file(&path, Some(&folder), &environment, trail, text.spot));
        }
        projects
    }

    /// A service with what it extends merged in.
    fn extended(
        &self,
        service: &Entry,
        siblings: &Siblings,
        environment: &Environment,
        trail: &mut Vec<(String, String)>,
    ) -> Option<Rc<Node>> {
        let scope = self.scope;
        let Some(extends) = service.value.entry("extends") else { return Some(Rc::clone(&service.value)) };
        let (name, file) = match &extends.value.data {
            NodeData::Map(_) => {
                let mut reader = Reader::open(scope, &extends.value, "`extends`", "extends.")?;
                let name = reader.required("service", text!("which service is extended"));
                let file = reader.text("file");
                reader.finish(&nothing_else);
                (name?, file)
            }
            NodeData::Scalar(_) | NodeData::List(_) => (scope.text(&extends.value, "`extends`")?, None),
        };
        let path = match &file {
            Some(file) => scope.source_path(file)?,
            None => trail.last().map(|(path, _)| path.clone()).unwrap_or_default(),
        };
        let step = (path.clone(), name.text.clone());
        if trail.contains(&step) || trail.len() >= DEPTH_MAX {
            let names: Vec<&str> = trail.iter().map(|(_, name)| name.as_str()).collect();
            let circle = format!("{} -> {}", names.join(" -> "), shown(&name.text));
            let message = text!("{key} goes in a circle: {circle}", key = "`extends`", circle);
            scope.error(Code::A0155, name.spot, message);
            return None;
        }
        let others;
        let candidates: &Siblings = match &file {
            Some(file) => {
                others = self.services_of(&path, environment, file.spot)?;
                &others
            }
            None => siblings,
        };
        let Some(found) = candidates.find(&name.text) else {
            if scope.is_full() {
                return None;
            }
            let keys: Vec<&str> = candidates.entries.iter().map(|entry| entry.key.as_str()).collect();
            let hint = match nearest(&name.text, &keys) {
                Some(near) => text!("did you mean `{near}`?", near),
                None => text!("{path} has {names}", path = shown(&path), names = shown(&keys.join(", "))),
            };
            let message = text!("unknown service `{name}`", name = shown(&name.text));
            scope.error_hint(Code::A0111, name.spot, message, hint);
            return None;
        };
        trail.push(step);
        let base = self.extended(found, candidates, environment, trail);
        trail.pop();
        let base = base?;
        let work = Effort::nodes(base.count() + service.value.count());
        scope.spend(work, name.spot).then(|| merge::services(&base, &service.value))
    }

    /// The services of a file that is extended; what else it holds is not taken.
    fn services_of(&self, path: &str, environment: &Environment, spot: Spot) -> Option<Rc<Siblings>> {
        if let Some(known) = self.extended.borrow().get(path) {
            return Some(Rc::clone(known));
        }
        let root = self.tree(path, None, environment, spot)?;
        let services = root.entry("services").map(|entry| entry.value.entries().to_vec()).unwrap_or_default();
        let services = Rc::new(Siblings::of(services));
        self.extended.borrow_mut().insert(path.to_owned(), Rc::clone(&services));
        Some(services)
    }

    /// A tree with its variables replaced: in values, never in keys.
    fn replaced(&self, node: &Rc<Node>, environment: &Environment) -> Rc<Node> {
        self.replaced_in(node, environment, false)
    }

    /// `is_path`: below `volumes`, where texts begin with a path.
    fn replaced_in(&self, node: &Rc<Node>, environment: &Environment, is_path: bool) -> Rc<Node> {
        if !self.scope.spend(Effort::nodes(1), node.spot) {
            return Rc::clone(node);
        }
        match &node.data {
            NodeData::List(items) => {
                let items = items.iter().map(|item| self.replaced_in(item, environment, is_path)).collect();
                node.with(NodeData::List(items))
            }
            NodeData::Map(entries) => {
                let entries = entries.iter().map(|entry| {
                    let is_path = is_path || entry.key == "volumes";
                    Entry { value: self.replaced_in(&entry.value, environment, is_path), ..entry.clone() }
                });
                node.with(NodeData::Map(entries.collect()))
            }
            NodeData::Scalar(scalar) if scalar.text.contains('$') => {
                self.replaced_scalar(node, scalar, environment, is_path)
            }
            NodeData::Scalar(_) => Rc::clone(node),
        }
    }

    fn replaced_scalar(&self, node: &Rc<Node>, scalar: &Scalar, environment: &Environment, is_path: bool) -> Rc<Node> {
        let scope = self.scope;
        let value_of = |name: &str| {
            let later = variables::LATER.contains(&name).then(|| format!("${{{name}}}"));
            let own = || (name == "COMPOSE_PROJECT_NAME").then(|| scope.name.clone());
            // For Compose, the folder of the file: where its relative paths start.
            let here = || (name == "PWD" && is_path).then(|| ".".to_owned());
            let known = later.or_else(|| environment.get(name).cloned());
            known.or_else(|| scope.variables.get(name).cloned()).or_else(own).or_else(here)
        };
        let mut noted = Noted::default();
        let text = match interpolate::replace(&scalar.text, &value_of, &mut noted) {
            Ok(text) => text,
            Err(fault) => {
                scope.report(self::fault(fault, node.spot));
                return Rc::clone(node);
            }
        };
        if noted.has_plain_dollar {
            let problem =
                Problem::warning(Code::A0187, node.spot, text!("a `$` that begins no variable stands for itself"));
            scope.report(problem.hint(text!("write `$$` for a dollar sign, as Compose has it")));
        }
        let first = first_variable(&scalar.text).filter(|name| noted.unset.iter().any(|unset| unset == name));
        if let Some(name) = first.filter(|_| is_path && text.starts_with('/')) {
            let message = text!("variable `{name}` is not set, so this path would begin at /", name = shown(name));
            let hint = text!("set it in `.env`, or write the path of the host");
            scope.report(Problem::error(Code::A0153, node.spot, message).hint(hint));
            self.unset.borrow_mut().insert(name.to_owned());
        }
        for name in noted.unset {
            if self.unset.borrow_mut().insert(name.clone()) {
                let name = shown(&name);
                let form = format!("`${{{name}:-}}`");
                let message = text!("variable `{name}` is not set, so it is empty", name);
                let hint = text!("set it in `.env`, or write {form} if that is meant", form);
                scope.report(Problem::warning(Code::A0153, node.spot, message).hint(hint));
            }
        }
        if !scope.spend(Effort::bytes(text.len()), node.spot) {
            return Node::made_text(node.spot, String::new());
        }
        // What becomes empty is an empty text, not nothing.
        let plain = scalar.plain && !matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL");
        Node::made(node.spot, NodeData::Scalar(Scalar { text, plain, literal: false }))
    }
}

/// The variable with which a text begins.
fn first_variable(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('$')?;
    let rest = rest.strip_prefix('{').unwrap_or(rest);
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
    Some(&rest[..end])
}

fn fault(fault: InterpolationFault, spot: Spot) -> Problem {
    match fault {
        InterpolationFault::Form(why) => {
            Problem::error(Code::A0110, spot, why).hint(text!("write `$$` for a dollar sign"))
        }
        InterpolationFault::Demanded { name, message } => env_file::demanded(&name, &message, spot),
        InterpolationFault::TooLong => Problem::error(Code::A0108, spot, text!("too long once variables are replaced")),
    }
}

/// How messages call a thing that a Compose file defines.
fn thing(sort: &str, name: &str) -> Text {
    let name = shown(name);
    match sort {
        "service" => text!("service `{name}`", name),
        "network" => text!("network `{name}`", name),
        "volume" => text!("volume `{name}`", name),
        "config" => text!("config `{name}`", name),
        _ => text!("secret `{name}`", name),
    }
}

/// The entries of a part of a Compose file.
fn section(reader: &mut Reader<'_>, key: &'static str) -> Vec<Entry> {
    let Some(entry) = reader.entry(key) else { return Vec::new() };
    match &entry.value.data {
        NodeData::Map(entries) => entries.iter().filter(|entry| !entry.key.starts_with("x-")).cloned().collect(),
        NodeData::Scalar(_) if entry.value.is_null() => Vec::new(),
        NodeData::Scalar(_) | NodeData::List(_) => {
            reader.scope.wrong_type(&entry.value, reader.label(key), text!("a map"));
            Vec::new()
        }
    }
}

/// A text, or a list of texts.
pub(crate) fn one_or_many(reader: &mut Reader<'_>, key: &'static str) -> Vec<PlacedText> {
    let Some(node) = reader.node(key) else { return Vec::new() };
    match &node.data {
        NodeData::List(_) => reader.scope.texts(node, reader.label(key)).unwrap_or_default(),
        NodeData::Scalar(_) | NodeData::Map(_) => reader.scope.text(node, reader.label(key)).into_iter().collect(),
    }
}

/// A verdict for keys of a part of a Compose file that have no meaning here.
pub(crate) fn not_here(entry: &Entry, of: &str, known: &[(&str, impl Into<Text> + Clone)]) -> UnknownKey {
    let Some((key, hint)) = known.iter().find(|(key, _)| *key == entry.key) else { return UnknownKey::Unknown };
    let message = text!("{key} is not supported", key = format!("`{of}.{key}`"));
    UnknownKey::Reported(Problem::error(Code::A0112, entry.key_spot, message).hint(hint.clone()))
}
