//! One document to one service, in two passes: first kind, name and host, then everything else with
//! the variables that follow from them. Finds all errors of a document, not only the first.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::compose::{container, unsupported};
use super::kinds::shared::{host, reconcile_options};
use super::kinds::{KINDS, record, schema};
use super::opened_files::OpenedFiles;
use super::reader::{Reader, nearest};
use super::scope::{Claims, Decision, PlacedText, Scope};
use super::source_files::{OtherFile, SourceFiles};
use super::yaml::diagnostic::{Problem, Spot, shown};
use super::yaml::tree::{Node, NodeData};
use super::{limits, resolve, variables};
use crate::model::service::{Dns, ManifestKind, NetworkMode, Service, Update};
use crate::model::site::PublicAddress;
use crate::model::{Assets, Code, Origin, Site, service};
use crate::text;

/// What came out of one document.
pub(super) struct Parsed {
    /// Whose it is, where that can be told.
    pub name: Option<String>,
    /// Only when there is no error.
    pub service: Option<Service>,
    pub problems: Vec<Problem>,
    pub claims: Claims,
    /// Other files that were opened: their places are numbered by this list, from 1.
    pub files: Vec<OtherFile>,
    /// Everything of the source that it needs to be read again.
    pub uses: Assets,
    /// What policy says of each use, where it is asked for.
    pub decisions: Vec<Decision>,
}

/// Reads one document.
pub(super) fn document(site: &Site, source: &SourceFiles<'_>, file: &str, root: &Node, explains: bool) -> Parsed {
    let problems = RefCell::new(Vec::new());
    let claims = RefCell::new(Claims::default());
    let name = lenient_name(root);
    let host = root.entry("host").and_then(|entry| entry.value.scalar()).filter(|host| site.hosts.contains_key(*host));
    let mut scope = Scope {
        site,
        file,
        name: name.clone().unwrap_or_default(),
        host: host.unwrap_or("default").to_owned(),
        data_of: root.entry("moved_from").and_then(|entry| entry.value.scalar()).map(str::to_owned),
        variables: BTreeMap::new(),
        problems,
        claims,
        source,
        files: RefCell::default(),
        uses: RefCell::default(),
        decisions: explains.then(RefCell::default),
        opened: OpenedFiles::after(source.spent()),
        places: RefCell::default(),
        built: RefCell::default(),
    };
    scope.variables = variables(&scope, root);
    let service = read(&scope, root);
    let service = if scope.is_broken() { None } else { service };
    let service = service.map(|service| placed(&scope, service));
    source.add_spent(scope.opened.budget.spent());
    let (problems, claims) = (scope.problems.into_inner(), scope.claims.into_inner());
    let decisions = scope.decisions.map(RefCell::into_inner).unwrap_or_default();
    let (files, uses) = (scope.files.into_inner(), scope.uses.into_inner());
    Parsed { name, service, problems, claims, files, uses, decisions }
}

/// The service with the places of the keys of its parts.
fn placed(scope: &Scope<'_>, mut service: Service) -> Service {
    let records = match &service.dns {
        Dns::Records(records) => records.as_slice(),
        Dns::Auto | Dns::None => &[],
    };
    let mut parts: BTreeSet<Origin> = BTreeSet::from([service.origin.clone()]);
    parts.extend(service.all_containers().map(|container| container.origin.clone()));
    parts.extend(service.routes.iter().map(|route| route.origin.clone()));
    parts.extend(service.answered.iter().map(|host| host.origin.clone()));
    parts.extend(service.streams.iter().map(|stream| stream.origin.clone()));
    parts.extend(service.access_lists.iter().map(|list| list.origin.clone()));
    parts.extend(records.iter().map(|record| record.origin.clone()));
    let place = |(spot, keys): (&Spot, &Vec<(String, Spot)>)| {
        let part = Some(scope.origin(*spot)).filter(|origin| parts.contains(origin))?;
        Some((part, keys.iter().map(|(key, spot)| (key.clone(), scope.origin(*spot))).collect()))
    };
    service.places = scope.places.borrow().iter().filter_map(place).collect();
    service
}

/// Every key that a container may have or that is refused there by name, for tools that list them.
pub fn container_keys(site: &Site) -> BTreeSet<&'static str> {
    let assets = Assets::new();
    let source = SourceFiles::new(&[], &assets);
    let scope = Scope {
        site,
        file: "",
        name: String::new(),
        host: "default".to_owned(),
        data_of: None,
        variables: BTreeMap::new(),
        problems: RefCell::default(),
        claims: RefCell::default(),
        source: &source,
        files: RefCell::default(),
        uses: RefCell::default(),
        decisions: None,
        opened: OpenedFiles::after(source.spent()),
        places: RefCell::default(),
        built: RefCell::default(),
    };
    let mut reader = Reader::empty(&scope);
    container::container(&mut reader, false);
    reader.asked().chain(unsupported::container_keys()).collect()
}

/// The name of a document that may be broken elsewhere.
fn lenient_name(root: &Node) -> Option<String> {
    let text = |key: &str| root.entry(key).and_then(|entry| entry.value.scalar());
    name_of(text("kind"), text("name")?, text("type"))
}

/// The identity that a document's kind, name and type give it, if they are well-formed.
pub(super) fn name_of(kind: Option<&str>, name: &str, record_type: Option<&str>) -> Option<String> {
    if kind == Some(ManifestKind::RECORD.word()) {
        return Some(record::identity(name, record_type?));
    }
    resolve::why_not_a_label(name, limits::NAME_CHARS_MAX).is_none().then(|| name.to_owned())
}

/// What `${…}` means in this document only.
fn variables(scope: &Scope<'_>, root: &Node) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    if let Some(name) = root.entry("name").and_then(|entry| entry.value.scalar()) {
        variables.insert("name".to_owned(), name.to_owned());
    }
    let address = scope.site.hosts.get(&scope.host).and_then(|host| host.address.first());
    if let Some(address) = address {
        let text = match address {
            PublicAddress::Ip(ip) => ip.to_string(),
            PublicAddress::Name(name) => name.trim_end_matches('.').to_owned(),
        };
        variables.insert("host.address".to_owned(), text);
    }
    let first_route = root.entry("routes").and_then(|entry| match &entry.value.data {
        NodeData::List(items) => items.first(),
        NodeData::Scalar(_) | NodeData::Map(_) => None,
    });
    let domain = first_route.map_or(root, AsRef::as_ref).entry("domain").and_then(|entry| entry.value.scalar());
    let domain = match domain {
        Some(raw) => variables::substitute(raw, &variables, &scope.site.vars).ok(),
        None => variables.get("name").cloned(),
    };
    if let Some(domain) = domain.filter(|domain| !domain.is_empty()) {
        variables.insert("domain".to_owned(), scope.site.full_name(&domain));
    }
    variables
}

fn read(scope: &Scope<'_>, root: &Node) -> Option<Service> {
    if let Some(entry) = root.entry("services").filter(|_| root.entry("image").is_none()) {
        let message = text!("this is a Compose file, not a manifest");
        let hint = text!("name it in a manifest: {example}", example = "`{name: NAME, compose: ./FILE}`");
        scope.error_hint(Code::A0114, entry.key_spot, message, hint);
        return None;
    }
    let mut reader = Reader::open(scope, root, text!("a manifest"), "")?;
    let kind = kind(&mut reader)?;
    if kind.needs_host() {
        host::host(&mut reader);
    }
    // A record is called after what it says.
    let name = if kind == ManifestKind::RECORD { None } else { name(&mut reader, kind) };
    let reconcile = reconcile_options::reconcile(&mut reader, kind.can_stop());
    let service = Service {
        name: name.unwrap_or_default(),
        kind,
        host: if kind.needs_host() { scope.host.clone() } else { String::new() },
        origin: scope.origin(reader.spot),
        containers: BTreeMap::new(),
        jobs: BTreeMap::new(),
        needs: Vec::new(),
        routes: Vec::new(),
        answered: Vec::new(),
        streams: Vec::new(),
        access_lists: Vec::new(),
        instance: None,
        app: None,
        pool: None,
        dns: Dns::Auto,
        network: NetworkMode::Auto,
        networks: BTreeMap::new(),
        volumes: BTreeMap::new(),
        stopped: false,
        reconcile,
        data: service::Data::default(),
        update: Update::default(),
        places: BTreeMap::new(),
    };
    let row = KINDS.iter().find(|row| row.kind == kind)?;
    (row.parse)(reader.with_sections(Box::new(move |key| schema::sections_with(kind, key))), service)
}

fn kind(reader: &mut Reader<'_>) -> Option<ManifestKind> {
    if !reader.has("kind") {
        reader.entry("kind");
        return Some(ManifestKind::SERVICE);
    }
    let text = reader.text("kind")?;
    if let Some(kind) = KINDS.iter().map(|row| row.kind).find(|kind| kind.word() == text.text) {
        return Some(kind);
    }
    let scope = reader.scope;
    let words: Vec<&str> = KINDS.iter().map(|row| row.kind.word()).collect();
    let hint = match nearest(&text.text, &words) {
        Some(near) => text!("did you mean `{near}`?", near),
        None => text!("one of {words}", words),
    };
    scope.error_hint(Code::A0109, text.spot, text!("unknown kind `{kind}`", kind = shown(&text.text)), hint);
    None
}

fn name(reader: &mut Reader<'_>, kind: ManifestKind) -> Option<String> {
    let text = reader.required("name", text!("a short name, as in {example}", example = "`name: gitea`"))?;
    reader.scope.claims.borrow_mut().name = Some(text.spot);
    // Raw: a name with a variable in it could not be told from a broken document.
    let raw = reader.entry("name").and_then(|entry| entry.value.scalar()).unwrap_or_default().to_owned();
    let raw = PlacedText { text: raw, spot: text.spot };
    if let Some(why) = resolve::why_not_a_label(&raw.text, limits::NAME_CHARS_MAX) {
        reader.scope.not_allowed(&raw, "`name`", why);
        return None;
    }
    if matches!(kind, ManifestKind::SERVICE | ManifestKind::APP) && raw.text.len() < 2 {
        let why = text!("at least two characters: a container is called so, and Docker takes no shorter name");
        reader.scope.not_allowed(&raw, "`name`", why);
        return None;
    }
    Some(raw.text)
}
