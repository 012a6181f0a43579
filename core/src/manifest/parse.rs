//! One document to one service, in two passes: first kind, name and host, then everything else with
//! the variables that follow from them. Finds all errors of a document, not only the first.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::service::{self, ContainerNetwork, Dns, ManifestKind, NetworkMode, Service, Target, Update};
use crate::model::site::{PublicAddress, Reach};
use crate::model::{Assets, Origin, Site, Value};

use super::budget::Opened;
use super::compose::container;
use super::compose::container::Read;
use super::compose::{composite_keys, stack, unsupported};
use super::kinds::{dependencies, reconcile_options, record, route, stream, update};
use super::policy::Decision;
use super::policy::conflicts::Claims;
use super::source_files::{OtherFile, Source};
use super::yaml::diagnostic::{
    A0104, A0105, A0106, A0108, A0109, A0111, A0112, A0113, A0114, A0140, Problem, Spot, shown,
};
use super::yaml::reader::{Reader, Scope, Text, Verdict, nearest};
use super::yaml::tree::{Data, Entry, Node};
use super::{kinds, resolve};

/// A name becomes part of network, volume and container names; Docker and DNS allow 63 in all.
pub(super) const NAME_CHARS_MAX: usize = 40;
/// More belong into several services: they would share one subnet and one update.
pub(super) const CONTAINERS_MAX: usize = 50;

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
pub(super) fn document(site: &Site, source: &Source<'_>, file: &str, root: &Node, explains: bool) -> Parsed {
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
        opened: Opened::after(source.spent()),
        places: RefCell::default(),
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
    let jobs = service.jobs.values().map(|job| &job.container);
    let mut parts: BTreeSet<Origin> = BTreeSet::from([service.origin.clone()]);
    parts.extend(service.containers.values().chain(jobs).map(|container| container.origin.clone()));
    parts.extend(service.routes.iter().map(|route| route.origin.clone()));
    parts.extend(service.redirects.iter().map(|redirect| redirect.origin.clone()));
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
    let source = Source::new(&[], &assets);
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
        opened: Opened::after(source.spent()),
        places: RefCell::default(),
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
    if kind == Some(ManifestKind::Record.word()) {
        return Some(record::identity(name, record_type?));
    }
    resolve::why_not_a_label(name, NAME_CHARS_MAX).is_none().then(|| name.to_owned())
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
        Data::List(items) => items.first(),
        Data::Scalar(_) | Data::Map(_) => None,
    });
    let domain = first_route.map_or(root, AsRef::as_ref).entry("domain").and_then(|entry| entry.value.scalar());
    let domain = match domain {
        Some(raw) => resolve::substitute(raw, &variables, &scope.site.vars).ok(),
        None => variables.get("name").cloned(),
    };
    if let Some(domain) = domain.filter(|domain| !domain.is_empty()) {
        variables.insert("domain".to_owned(), scope.site.full_name(&domain));
    }
    variables
}

fn read(scope: &Scope<'_>, root: &Node) -> Option<Service> {
    if let Some(entry) = root.entry("services").filter(|_| root.entry("image").is_none()) {
        let hint = "name it in a manifest: `{name: NAME, compose: ./FILE}`";
        scope.error_hint(A0114, entry.key_spot, "this is a Compose file, not a manifest".to_owned(), hint);
        return None;
    }
    let mut reader = Reader::open(scope, root, "a manifest", "")?;
    let kind = kind(&mut reader)?;
    let name = match kind {
        ManifestKind::Record => None,
        ManifestKind::Service
        | ManifestKind::Route
        | ManifestKind::Redirect
        | ManifestKind::Stream
        | ManifestKind::AccessList
        | ManifestKind::Network => {
            host(&mut reader);
            name(&mut reader, kind)
        }
    };
    let reconcile = reconcile_options::reconcile(&mut reader, kind == ManifestKind::Service);
    let service = Service {
        name: name.unwrap_or_default(),
        kind,
        host: scope.host.clone(),
        origin: scope.origin(reader.spot),
        containers: BTreeMap::new(),
        jobs: BTreeMap::new(),
        needs: Vec::new(),
        routes: Vec::new(),
        redirects: Vec::new(),
        streams: Vec::new(),
        access_lists: Vec::new(),
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
    match kind {
        ManifestKind::Service => self::service(reader, service),
        ManifestKind::Route => kinds::route(reader, service),
        ManifestKind::Redirect => kinds::redirect(reader, service),
        ManifestKind::Stream => stream::stream(reader, service),
        ManifestKind::AccessList => kinds::access_list(reader, service),
        ManifestKind::Record => record::record(reader, service),
        ManifestKind::Network => kinds::network(reader, service),
    }
}

fn kind(reader: &mut Reader<'_>) -> Option<ManifestKind> {
    const LATER: [&str; 3] = ["Instance", "Pool", "App"];
    if !reader.has("kind") {
        reader.entry("kind");
        return Some(ManifestKind::Service);
    }
    let text = reader.text("kind")?;
    if let Some(kind) = ManifestKind::ALL.into_iter().find(|kind| kind.word() == text.text) {
        return Some(kind);
    }
    let scope = reader.scope;
    if LATER.contains(&text.text.as_str()) {
        scope.error(A0113, text.spot, format!("kind `{}` is not yet supported", text.text));
        return None;
    }
    let words = ManifestKind::ALL.map(ManifestKind::word);
    let hint = match nearest(&text.text, &words) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("one of {}", words.join(", ")),
    };
    scope.error_hint(A0109, text.spot, format!("unknown kind `{}`", shown(&text.text)), &hint);
    None
}

fn name(reader: &mut Reader<'_>, kind: ManifestKind) -> Option<String> {
    let text = reader.required("name", "a short name, as in `name: gitea`")?;
    reader.scope.claims.borrow_mut().name = Some(text.spot);
    // Raw: a name with a variable in it could not be told from a broken document.
    let raw = reader.entry("name").and_then(|entry| entry.value.scalar()).unwrap_or_default().to_owned();
    let raw = Text { text: raw, spot: text.spot };
    if let Some(why) = resolve::why_not_a_label(&raw.text, NAME_CHARS_MAX) {
        reader.scope.not_allowed(&raw, "`name`", &why);
        return None;
    }
    if kind == ManifestKind::Service && raw.text.len() < 2 {
        let why = "at least two characters: a container is called so, and Docker takes no shorter name";
        reader.scope.not_allowed(&raw, "`name`", why);
        return None;
    }
    Some(raw.text)
}

fn host(reader: &mut Reader<'_>) {
    let text = if reader.has("host") {
        let Some(text) = reader.text("host") else { return };
        text
    } else {
        reader.entry("host");
        Text { text: "default".to_owned(), spot: reader.spot }
    };
    let hosts = &reader.scope.site.hosts;
    if !hosts.contains_key(&text.text) {
        let names: Vec<&str> = hosts.keys().map(String::as_str).collect();
        let hint = match nearest(&text.text, &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "amarre.yaml names none".to_owned(),
            None => format!("amarre.yaml names {}", names.join(", ")),
        };
        reader.scope.error_hint(A0111, text.spot, format!("unknown host `{}`", shown(&text.text)), &hint);
    }
}

fn service(mut reader: Reader<'_>, mut service: Service) -> Option<Service> {
    let scope = reader.scope;
    let mut network = None;
    let (mut read, others): (_, &dyn Fn(&Entry) -> Verdict) = if reader.has("compose") {
        let stack = stack::stack(&mut reader);
        (service.volumes, service.networks, network) = (stack.volumes, stack.networks, stack.network);
        (stack.containers, &unsupported::stack_service_key)
    } else if reader.has("containers") {
        (containers(&mut reader), &unsupported::long_service_key)
    } else {
        let read = container::container(&mut reader, true);
        (BTreeMap::from([(service.name.clone(), read)]), &unsupported::container_key)
    };
    dependencies::siblings(scope, &read);
    service.jobs = dependencies::jobs(&mut reader, &read);
    dependencies::tasks(scope, &mut read, &service.jobs);
    service.volumes.append(&mut scope.claims.borrow_mut().external);
    service.needs = dependencies::needs(&mut reader);
    let keys: Vec<&str> = read.keys().map(String::as_str).collect();
    service.routes = route::service_routes(&mut reader, &keys);
    service.dns = record::dns(&mut reader);
    service.network = network.unwrap_or_else(|| record::network_mode(&mut reader));
    beside(scope, &mut read, &service);
    places(scope, &read, &service);
    name_of_edge(&reader, &service);
    service.stopped = is_stopped(&mut reader);
    service.data = reconcile_options::data(&mut reader);
    service.update = update::update(&mut reader, &read);
    for (key, read) in read {
        service.containers.extend(read.map(|read| (key, read.container)));
    }
    apart(scope, &service);
    reader.finish(others);
    Some(service)
}

/// The network that NPM shares with the routed containers of a host is called as that of a service `edge` would be.
fn name_of_edge(reader: &Reader<'_>, service: &Service) {
    let npm = reader.scope.site.hosts.get(&service.host).and_then(|host| host.npm.as_ref());
    if service.name == "edge" && npm.is_some_and(|npm| npm.reach == Reach::Edge) {
        let text = Text { text: service.name.clone(), spot: reader.key_spot("name") };
        let why = "`zz-amarre-edge` is the network that NPM shares with containers there (`reach: edge`)";
        reader.scope.not_allowed(&text, "`name`", why);
    }
}

/// `state: running | stopped`.
fn is_stopped(reader: &mut Reader<'_>) -> bool {
    let Some(text) = reader.text("state") else { return false };
    if !matches!(text.text.as_str(), "running" | "stopped") {
        reader.scope.not_allowed(&text, "`state`", "`running` or `stopped`");
    }
    text.text == "stopped"
}

fn containers(reader: &mut Reader<'_>) -> BTreeMap<String, Option<Read>> {
    let mut containers = BTreeMap::new();
    let Some(node) = reader.node("containers") else { return containers };
    let scope = reader.scope;
    let Data::Map(entries) = &node.data else {
        scope.wrong_type(node, "`containers`", "a map");
        return containers;
    };
    if entries.is_empty() {
        scope.error(A0105, reader.key_spot("containers"), "`containers` names no container".to_owned());
    }
    if entries.len() > CONTAINERS_MAX {
        let message = format!("{} containers in one service, at most {CONTAINERS_MAX}", entries.len());
        scope.error(A0108, reader.key_spot("containers"), message);
        return containers;
    }
    for entry in entries {
        if let Some(why) = resolve::why_not_a_label(&entry.key, NAME_CHARS_MAX) {
            let message = format!("a container cannot be called `{}`", shown(&entry.key));
            scope.error_hint(A0106, entry.key_spot, message, &why);
        }
        if entry.value.is_null() {
            let message = format!("container `{}` has no value", shown(&entry.key));
            scope.error_hint(A0104, entry.key_spot, message, "it needs at least `image:`");
            continue;
        }
        let what = format!("container `{}`", shown(&entry.key));
        let Some(mut inner) = Reader::open(scope, &entry.value, &what, "") else { continue };
        scope.places_of(entry.key_spot, entry.value.entries());
        let read = container::container(&mut inner, false);
        inner.finish(&unsupported::container_key);
        let read = read.map(|mut read| {
            read.container.origin = scope.origin(entry.key_spot);
            read
        });
        containers.insert(entry.key.clone(), read);
    }
    containers
}

/// Whether a container calls the service's network so.
fn is_home(service: &Service, network: &Text) -> bool {
    network.text == "default" || service.network == NetworkMode::Shared(network.text.clone())
}

/// The networks that containers are on beside the service's, or in its place.
fn beside(scope: &Scope<'_>, containers: &mut BTreeMap<String, Option<Read>>, service: &Service) {
    for read in containers.values_mut().flatten() {
        let (home, mut others): (Vec<&Text>, Vec<&Text>) = read.networks.iter().partition(|one| is_home(service, one));
        // It lives where it asks for an address.
        others.sort_by_key(|other| read.placed_on.iter().all(|placed| placed.text != other.text));
        let mut names = others.into_iter().filter_map(|other| {
            if service.networks.contains_key(&other.text) {
                return Some(other.text.clone());
            }
            match record::shared_network(scope, other)? {
                NetworkMode::Shared(name) => Some(name),
                NetworkMode::Auto | NetworkMode::Subnet(_) | NetworkMode::Defined { .. } => None,
            }
        });
        if home.is_empty() {
            read.container.home = names.next();
        }
        read.container.also_on.extend(names);
        for placed in read.placed_on.iter().filter(|placed| read.container.also_on.contains(&placed.text)) {
            let message = format!("an address on `{}`, beside another network, is not supported", shown(&placed.text));
            let hint =
                "a container has an address of its own choice on the network on which it lives: leave it out here";
            scope.error_hint(A0112, placed.spot, message, hint);
        }
    }
}

/// What containers say of their network must be true of the service's; what has none cannot be routed to.
fn places(scope: &Scope<'_>, containers: &BTreeMap<String, Option<Read>>, service: &Service) {
    let published = scope.claims.borrow().ports.first().map(|claim| claim.spot);
    if let (NetworkMode::Defined { internal: true, .. }, Some(spot)) = (&service.network, published) {
        let message = "`ports` has no effect on a network that is cut off from the outside".to_owned();
        scope.no_effect(spot, message, "leave it out; NPM reaches the container without");
    }
    for read in containers.values().flatten() {
        if let (Some(address), Some(text)) = (read.container.ipv4_address, &read.address) {
            let own = read.container.home.as_ref().map(|name| service.networks.get(name));
            match (own, &service.network) {
                (Some(Some(own)), _) => composite_keys::check_address(scope, own.subnet, address, text),
                (None, NetworkMode::Subnet(subnet)) => {
                    composite_keys::check_address(scope, Some(*subnet), address, text)
                }
                (None, NetworkMode::Defined { subnet, .. }) => {
                    composite_keys::check_address(scope, *subnet, address, text)
                }
                (None, NetworkMode::Auto) => composite_keys::check_address(scope, None, address, text),
                // Its subnet is written elsewhere: the plan knows it.
                (Some(None), _) | (None, NetworkMode::Shared(_)) => (),
            }
        }
        joined(scope, read, containers);
    }
    for route in &service.routes {
        let Target::Container { key, port } = &route.to else { continue };
        let spot = Spot::at(route.origin.line, route.origin.column);
        let mode = containers.get(key).and_then(Option::as_ref).map(|read| &read.container.network_mode);
        match mode {
            Some(ContainerNetwork::Of(other)) => {
                let message = format!("`{key}` has no address of its own: it shares the network of `{other}`");
                scope.error_hint(A0140, spot, message, &format!("route to `{other}:{port}`"));
            }
            Some(ContainerNetwork::Other(other)) => {
                let message = format!("`{key}` has no address of its own: it shares the network of container {other}");
                let hint = format!("write the route where {other} is written, to its port {port}");
                scope.error_hint(A0140, spot, message, &hint);
            }
            Some(ContainerNetwork::None) => {
                let message = format!("`{key}` has `network_mode: none`, so nothing can reach it");
                scope.error_hint(A0140, spot, message, "leave one of the two out");
            }
            Some(ContainerNetwork::Own | ContainerNetwork::Host) | None => (),
        }
    }
}

/// `container:NAME` is for what the manifest does not have.
fn apart(scope: &Scope<'_>, service: &Service) {
    for (key, container) in &service.containers {
        let Some(own) = container.network_of_other().and_then(|name| service.key_of(name)) else { continue };
        let message = format!("`{key}` shares the network of a container of its own manifest");
        let spot = Spot::at(container.origin.line, container.origin.column);
        scope.error_hint(A0140, spot, message, &format!("write `network_mode: service:{own}`, of another than itself"));
    }
}

/// The other container must let its namespace be shared.
fn joined(scope: &Scope<'_>, read: &Read, containers: &BTreeMap<String, Option<Read>>) {
    let Some(other) = read.container.shares.get("ipc") else { return };
    let Some(Some(donor)) = containers.get(other) else { return };
    let is_shareable = donor.container.settings.get("ipc").and_then(Value::as_text) == Some("shareable");
    if !is_shareable {
        let spot = read.siblings.iter().find(|sibling| sibling.text == *other).map_or(Spot::at(1, 1), |text| text.spot);
        let message = format!("`{other}` does not share its `ipc`");
        scope.error_hint(A0140, spot, message, &format!("write `ipc: shareable` in `{other}`"));
    }
}
