//! The picture of a service: from the names to the data, column by column, with the hops between them. Pure.
//!
//! | a hop | is drawn |
//! |---|---|
//! | both ends are there, and nothing speaks against it | as a line |
//! | one end is still to come, or another container serves as long as this one does not | dashed, grey |
//! | one end cannot be seen now | dotted, grey |
//! | a visitor does not get through: the end to which it leads failed, it leads elsewhere, or nothing listens at its end | red, with a cross, and explained below |
//!
//! It shows only what was observed: a line is no test. What was deleted again is no node.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::marks;
use super::service_rows::{self, Ring};
use super::view_model;
use super::view_model::{Counted, StateMark as Shown};
use crate::engine::PassView;
use crate::engine::pass_result::DeadEnd;
use crate::engine::reconcile::upstream_probe;
use crate::engine::report::exposure;
use crate::engine::report::status;
use crate::engine::report::status::{Health, ResourceStatus, ServiceStatus};
use crate::words::Words;
use amarre_core::model::service::{MountSource, Service, Target};
use amarre_core::model::{Address, Fields, Gate, Kind, Millis, Timestamp, Value};
use amarre_core::plan::render::lines;

/// The largest number of nodes in a column; the rest is counted.
const NODES_MAX: usize = 6;
/// The height of a node with and without the gap below it, in the drawing's units; the line meets a node this far below
/// its top.
const ROW: usize = 152;
const NODE: usize = 132;
const MEETS: usize = 66;
/// The room between two columns.
const GAP: usize = 48;

pub struct Drawing {
    /// From left to right.
    pub columns: Vec<Column>,
    /// The lines between each two columns, as SVG.
    pub wires: Vec<String>,
    /// Where the path breaks, as text.
    pub breaks: Vec<String>,
    /// Whether a visitor gets through only when more is there.
    pub is_to_come: bool,
}

pub struct Column {
    /// What is in it.
    pub title: String,
    /// The name of the mark of its nodes.
    pub mark: &'static str,
    /// The class of the wire to the next one where the columns stand one below the other.
    pub leads: &'static str,
    /// From top to bottom.
    pub nodes: Vec<TopologyNode>,
    /// How many more there are.
    pub more: usize,
}

pub struct TopologyNode {
    /// Its state as a tone.
    pub tone: &'static str,
    /// Whether it is the container that is about to be removed.
    pub drains: bool,
    pub name: String,
    /// `new`, `draining`; empty: it is alone.
    pub badge: String,
    /// Whether it is about to serve.
    pub is_new: bool,
    pub lines: Vec<NodeLine>,
    /// The days that its certificate has left.
    pub ring: Option<Ring>,
    pub word: String,
    /// Its name in a query.
    pub thing: String,
}

/// A line of a node.
#[derive(Default)]
pub struct NodeLine {
    /// The name of the mark before it; empty: none.
    pub icon: &'static str,
    /// What follows in its class: ` mono`; empty: nothing.
    pub class: &'static str,
    pub text: Counted,
}

impl NodeLine {
    fn plain(text: impl Into<String>) -> Self {
        Self { text: Counted::plain(text), ..Self::default() }
    }

    fn mono(text: impl Into<String>) -> Self {
        Self { class: " mono", ..Self::plain(text) }
    }
}

impl TopologyNode {
    /// Its mark: a dot when all is well.
    pub fn mark(&self) -> &'static str {
        if self.tone == "ok" { "<span class=\"dot\"></span>" } else { marks::tone(self.tone) }
    }

    /// The class of its box.
    pub fn class(&self) -> &'static str {
        match self.tone {
            _ if self.drains => "drain",
            "yet" => "next",
            "missing" => "bad",
            tone => tone,
        }
    }

    /// The class of one with a ring.
    pub fn ringed(&self) -> &'static str {
        if self.ring.is_some() { " ringed" } else { "" }
    }

    /// Its name, which may be broken where names have parts.
    pub fn name_html(&self) -> String {
        view_model::breakable(&self.name)
    }
}

/// The state of a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hop {
    Stands,
    ToCome,
    Unknown,
    Broken,
}

type HopTable = BTreeMap<(usize, usize), Hop>;

/// The column of a kind.
fn column(kind: Kind) -> Option<usize> {
    const COLUMNS: [(Kind, usize); 5] =
        [(Kind::Record, 0), (Kind::Certificate, 1), (Kind::AccessList, 1), (Kind::Container, 2), (Kind::Volume, 3)];
    let named = COLUMNS.into_iter().find(|(named, _)| *named == kind).map(|(_, column)| column);
    named.or(kind.is_proxied().then_some(1))
}

/// The drawing of a service.
pub fn draw(pass: &PassView, row: &ServiceStatus, now: Timestamp, words: Words) -> Drawing {
    let table = NodeTable::new(pass, row);
    let hops = table.hops();
    let titles = [("svc-dns", "globe"), ("svc-proxy", "shield"), ("svc-containers", "box"), ("svc-volumes", "disk")];
    let column = |(at, (title, mark)): (usize, (&str, &'static str))| {
        let all = &table.columns[at];
        let nodes = all.iter().take(NODES_MAX).map(|resource| node(pass, row, resource, now, words)).collect();
        let leads = hops.get(at).map(leads_on).unwrap_or_default();
        Column { title: words.get(title), mark, leads, nodes, more: all.len().saturating_sub(NODES_MAX) }
    };
    let columns: Vec<Column> = titles.into_iter().enumerate().map(column).collect();
    let height = columns.iter().map(|column| column.nodes.len()).max().unwrap_or(1).max(1) * ROW - (ROW - NODE);
    let wires = hops.iter().map(|hops| wire(hops, height)).collect();
    let is_to_come = hops[..2].iter().flat_map(HopTable::values).any(|hop| *hop == Hop::ToCome)
        && !hops[..2].iter().all(|hops| hops.values().any(|hop| *hop == Hop::Stands));
    Drawing { columns, wires, breaks: table.breaks(&hops, words), is_to_come }
}

/// How a column leads to the next one as a whole: where one way stands, another that is to come cuts none.
fn leads_on(hops: &HopTable) -> &'static str {
    match (hops.values().max(), hops.values().min()) {
        (Some(Hop::Broken), _) => " cutnext",
        (_, Some(Hop::Stands)) => "",
        (Some(Hop::Stands | Hop::ToCome | Hop::Unknown), _) => " nextnext",
        (None, _) => " nonext",
    }
}

/// The resources of each column, in drawing order.
struct NodeTable<'a> {
    pass: &'a PassView,
    manifest: Option<&'a Service>,
    columns: [Vec<&'a ResourceStatus>; 4],
}

impl<'a> NodeTable<'a> {
    fn new(pass: &'a PassView, row: &'a ServiceStatus) -> Self {
        let mut columns: [Vec<&ResourceStatus>; 4] = Default::default();
        for resource in row.resources.iter().filter(|resource| !is_gone(pass, row, resource)) {
            if let Some(at) = column(resource.address.kind) {
                columns[at].push(resource);
            }
        }
        let mut table = Self { pass, manifest: pass.services.get(&row.name), columns };
        // Related nodes stand side by side: names by their host, volumes by the containers that mount them.
        let mut records = std::mem::take(&mut table.columns[0]);
        records.sort_by_key(|record| table.host_of_record(record).unwrap_or(usize::MAX));
        let mut volumes = std::mem::take(&mut table.columns[3]);
        volumes.sort_by_key(|volume| table.mounts_of(volume).into_iter().min().unwrap_or(usize::MAX));
        (table.columns[0], table.columns[3]) = (records, volumes);
        table
    }

    fn place(&self, at: usize, test: impl Fn(&ResourceStatus) -> bool) -> Option<usize> {
        self.columns[at].iter().position(|resource| test(resource))
    }

    fn host(&self, domain: &str) -> Option<usize> {
        self.place(1, |resource| {
            let name = resource.address.name.split(['/', ',']).next().unwrap_or_default();
            resource.address.kind.has_host_names() && name == domain
        })
    }

    fn host_of_record(&self, record: &ResourceStatus) -> Option<usize> {
        let name = record.address.name.split('/').next().unwrap_or_default();
        let mut routes = self.manifest.into_iter().flat_map(|manifest| &manifest.routes);
        let of_route = routes.find(|route| route.domains.iter().any(|domain| domain == name));
        let main = of_route.and_then(|route| route.domains.first());
        main.and_then(|main| self.host(main)).or_else(|| self.host(name))
    }

    /// Every generation of a container of the manifest.
    fn containers(&self, key: &str) -> impl Iterator<Item = usize> {
        let name = self.manifest.map(|manifest| manifest.address_name(key));
        let all = self.columns[2].iter().enumerate();
        let found = all.filter(move |(_, resource)| Some(&resource.address.name) == name.as_ref());
        found.map(|(at, _)| at).collect::<Vec<_>>().into_iter()
    }

    /// The containers that mount a volume.
    fn mounts_of(&self, volume: &ResourceStatus) -> BTreeSet<usize> {
        let Some(manifest) = self.manifest else { return BTreeSet::new() };
        let is_it =
            |name: &String| volume.address.name == *name || volume.address.name == format!("{}_{name}", manifest.name);
        let mounts = |key: &&String| {
            let container = manifest.containers.get(*key);
            let mut sources = container.into_iter().flat_map(|container| &container.mounts).map(|mount| &mount.source);
            sources.any(|source| matches!(source, MountSource::Volume(name) if is_it(name)))
        };
        manifest.containers.keys().filter(mounts).flat_map(|key| self.containers(key)).collect()
    }

    fn hops(&self) -> [HopTable; 3] {
        let mut hops: [HopTable; 3] = Default::default();
        for (from, record) in self.columns[0].iter().enumerate() {
            if let Some(to) = self.host_of_record(record) {
                let host = self.columns[1][to];
                let is_broken = has_failed(record) || self.is_down(host);
                let is_waited_for = [record, host].into_iter().any(|end| end.to_come);
                let way =
                    if is_hidden(record) || is_hidden(host) { Hop::Unknown } else { hop(is_broken, is_waited_for) };
                hops[0].insert((from, to), way);
            }
        }
        // A certificate has the name of its host.
        let leads = |kind| matches!(kind, Kind::ProxyHost | Kind::Stream);
        for (at, host) in self.columns[1].iter().enumerate().filter(|(_, host)| leads(host.address.kind)) {
            hops[1].extend(self.of_host(at, host));
        }
        for (to, volume) in self.columns[3].iter().enumerate() {
            for from in self.mounts_of(volume) {
                let container = self.columns[2][from];
                // A broken container still has its data.
                let is_to_come = [container, volume].into_iter().any(|end| end.to_come);
                let is_gone = volume.health == Health::Missing || volume.health == Health::Degraded;
                hops[2].insert((from, to), hop(is_gone && !is_to_come, is_to_come));
            }
        }
        for hops in &mut hops {
            hops.retain(|(from, to), _| *from < NODES_MAX && *to < NODES_MAX);
        }
        hops
    }

    /// The target of a host: in the manifest, and in NPM.
    fn of_host(&self, at: usize, host: &ResourceStatus) -> HopTable {
        let mut hops = HopTable::new();
        let leads = self.leads_to(host);
        for to in &leads {
            let container = self.columns[2][*to];
            let is_dead = self.is_dead(host, container, true);
            let is_broken = self.is_down(host) || has_failed(container) || is_dead;
            hops.insert((at, *to), hop(is_broken, false));
        }
        let domain = host.address.name.split(['/', ',']).next().unwrap_or_default();
        let routes = self.manifest.into_iter().flat_map(|manifest| &manifest.routes);
        let meant = routes.filter(|route| route.domains.first().is_some_and(|first| first == domain));
        let keys = meant.flat_map(|route| route.targets()).filter_map(|target| match target {
            Target::Container { key, .. } => Some(key),
            Target::Url { .. } | Target::Instance { .. } => None,
        });
        let is_drift = host.change.as_deref().is_some_and(status::is_drift);
        for to in keys.flat_map(|key| self.containers(key)).filter(|to| !leads.contains(to)) {
            let container = self.columns[2][to];
            if !self.pass.wants.map.contains_key(&container.address) {
                continue;
            }
            let is_moving = host.change.as_deref().is_some_and(|change| change.refusal().is_none()) && !is_drift;
            let is_waited_for = is_moving || container.health == Health::Progressing || host.to_come;
            // Another one serves meanwhile: no visitor comes here.
            let is_served = !leads.is_empty();
            let is_dead = self.is_dead(host, container, false);
            let is_broken = self.is_down(host) || !is_served && (has_failed(container) || is_dead || !is_waited_for);
            let way = if is_hidden(host) { Hop::Unknown } else { hop(is_broken, is_waited_for || is_served) };
            hops.insert((at, to), way);
        }
        hops
    }

    fn dead_end(&self, host: &ResourceStatus, container: &ResourceStatus) -> Option<&DeadEnd> {
        self.pass.dead_ends.get(&host.address).filter(|end| end.container == container.address)
    }

    /// Whether a host leads, or is to be led, to a port of a container at which nothing listens.
    fn is_dead(&self, host: &ResourceStatus, container: &ResourceStatus, is_led: bool) -> bool {
        let end = self.dead_end(host, container);
        end.is_some_and(|end| end.is_led == is_led && !end.is_fresh(self.pass.at))
    }

    fn is_off(&self, host: &ResourceStatus) -> bool {
        self.pass.world.seen.get(&host.address).is_some_and(|seen| seen.fields.flag("enabled") == Some(false))
    }

    /// Whether requests do not reach NPM's host. A host that leads to a dead end is reached.
    fn is_down(&self, host: &ResourceStatus) -> bool {
        let is_reached = self.pass.dead_ends.contains_key(&host.address);
        self.is_off(host) || has_failed(host) && !is_reached
    }

    /// The containers to which a host leads in NPM now.
    fn leads_to(&self, host: &ResourceStatus) -> BTreeSet<usize> {
        let all = self.columns[2].iter().enumerate();
        let leads = |container: &Address| upstream_probe::leads_to(self.pass, &host.address, container);
        all.filter(|(_, container)| leads(&container.address)).map(|(at, _)| at).collect()
    }

    /// `The way breaks between shop.example.org and shop: nothing listens at 172.20.3.2:81`
    fn breaks(&self, hops: &[HopTable; 3], words: Words) -> Vec<String> {
        let broken = hops.iter().enumerate().flat_map(|(column, hops)| {
            hops.iter().filter(|(_, hop)| **hop == Hop::Broken).map(move |((from, to), _)| (column, *from, *to))
        });
        let told = broken.map(|(column, from, to)| {
            let (from, to) = (self.columns[column][from], self.columns[column + 1][to]);
            let name = |resource: &ResourceStatus| lines::name(&resource.address, None);
            let why = self.broken_reason(from, to, words);
            words.with_all("pic-breaks", &[("from", &name(from)), ("to", &name(to)), ("why", &why)])
        });
        told.collect()
    }

    fn broken_reason(&self, from: &ResourceStatus, to: &ResourceStatus, words: Words) -> String {
        if let Some(end) = self.dead_end(from, to) {
            return end.text();
        }
        if self.is_off(from) || self.is_off(to) {
            return words.get("pic-off");
        }
        match [to, from].into_iter().find(|end| has_failed(end)) {
            Some(end) => words.say(&end.detail),
            None => words.with(
                "pic-elsewhere",
                "where",
                &upstream_probe::place_of(self.pass, &from.address).unwrap_or_default(),
            ),
        }
    }
}

fn hop(is_broken: bool, is_to_come: bool) -> Hop {
    match (is_broken, is_to_come) {
        (true, _) => Hop::Broken,
        (false, true) => Hop::ToCome,
        (false, false) => Hop::Stands,
    }
}

/// Whether it cannot be seen now: nothing is known of where it leads.
fn is_hidden(resource: &ResourceStatus) -> bool {
    resource.health == Health::Unknown
}

/// Whether a container was deleted again while another one of its service stands, as a candidate is that failed.
fn is_gone(pass: &PassView, row: &ServiceStatus, resource: &ResourceStatus) -> bool {
    let is_there = |address: &Address| pass.world.seen.contains_key(address);
    let address = &resource.address;
    let mut others = other_generations(pass, row, address);
    let is_candidate = address.kind == Kind::Container && !resource.to_come && !is_hidden(resource);
    is_candidate && !is_there(address) && others.any(|other| is_there(&other.address))
}

/// The other generations of a container in its service's list.
fn other_generations<'a>(
    pass: &'a PassView,
    row: &'a ServiceStatus,
    address: &'a Address,
) -> impl Iterator<Item = &'a ResourceStatus> {
    let heir = pass.wants.heir(address);
    let is_other = move |other: &Address| other != address && pass.wants.heir(other) == heir;
    row.resources.iter().filter(move |other| is_other(&other.address))
}

/// Whether a resource is broken, as opposed to not there yet.
fn has_failed(resource: &ResourceStatus) -> bool {
    match resource.health {
        Health::Degraded => true,
        Health::Missing => !resource.to_come,
        Health::Progressing | Health::Unknown | Health::Healthy => false,
    }
}

fn node(pass: &PassView, row: &ServiceStatus, resource: &ResourceStatus, now: Timestamp, words: Words) -> TopologyNode {
    let address = &resource.address;
    let (sync, health) = (Shown::sync(resource.sync, words), Shown::health(resource.health, words));
    // A working resource shows its drift.
    let state = if resource.health == Health::Healthy { &sync } else { &health };
    let badge = badge(pass, row, resource, words);
    // The deletion of a replaced container is no drift.
    let tone = if resource.health == Health::Healthy && !badge.is_empty() { "ok" } else { state.tone };
    let drains = pass.wants.drains.get(address);
    let mut lines = facts(pass, row, resource, words);
    let (tone, word) = if resource.to_come {
        lines.push(NodeLine::plain(next_step_text(resource, words)));
        ("yet", words.get("pic-yet"))
    } else {
        match drains {
            Some(until) => lines.push(NodeLine::plain(words.with("pic-drains", "time", &view_model::clock(*until)))),
            None if has_state_line(resource) => lines.push(NodeLine {
                class: line_class(tone),
                text: Counted::new(&resource.detail, resource.detail_clock, now, words),
                ..NodeLine::default()
            }),
            None => (),
        }
        (tone, state.word.clone())
    };
    let ring = (address.kind == Kind::ProxyHost && pass.world.seen.contains_key(address))
        .then(|| Ring::of_host(pass, address, now, words))
        .flatten();
    let is_new = badge == words.get("pic-new");
    // Of two generations each has a page.
    let thing = view_model::encoded(&address.to_string());
    TopologyNode {
        tone,
        drains: drains.is_some(),
        name: lines::name(address, None),
        badge,
        is_new,
        lines,
        ring,
        word,
        thing,
    }
}

/// Whether its state is said below its facts: those of a host, a record or a volume that works say it already.
fn has_state_line(resource: &ResourceStatus) -> bool {
    let says_itself = matches!(resource.address.kind, Kind::Record | Kind::ProxyHost | Kind::Volume);
    !says_itself || resource.health != Health::Healthy
}

/// The class of a line about a state.
fn line_class(tone: &str) -> &'static str {
    match tone {
        "bad" | "missing" => " bad",
        "warn" => " warn",
        "go" => " go",
        _ => "",
    }
}

/// What is known of a resource beside its state.
fn facts(pass: &PassView, row: &ServiceStatus, resource: &ResourceStatus, words: Words) -> Vec<NodeLine> {
    let address = &resource.address;
    let kind = |label: &str| NodeLine::plain(words.kind(label));
    let Some(fields) = fields_of(pass, address) else { return vec![kind(&address.kind.label())] };
    if address.kind == Kind::Record {
        let kind = address.name.rsplit('/').next().unwrap_or_default();
        let ttl = fields.get("ttl").and_then(Value::as_int).map(|seconds| view_model::span(Millis::seconds(seconds)));
        let ttl = ttl.map(|ttl| format!("ttl {ttl} · ")).unwrap_or_default();
        let values = fields.strings("values").join(", ");
        let server = NodeLine::plain(format!("{ttl}{}", address.provider.title()));
        vec![NodeLine::mono(format!("{kind} {values}")), server]
    } else if address.kind == Kind::ProxyHost {
        host_facts(pass, row, resource, words)
    } else if address.kind == Kind::Container {
        let image = NodeLine::mono(fields.text("image").map(view_model::short_image).unwrap_or_default());
        let at = fields.text("address").filter(|_| pass.world.seen.contains_key(address));
        let job = resource.job.as_ref().map(|_| kind("job"));
        job.into_iter().chain([image]).chain(at.map(NodeLine::mono)).collect()
    } else if address.kind == Kind::Volume {
        mounts_text(pass, row, address).map(NodeLine::mono).into_iter().collect()
    } else {
        vec![kind(&address.kind.label())]
    }
}

/// What was observed of a resource, else what is wanted.
fn fields_of<'a>(pass: &'a PassView, address: &Address) -> Option<&'a Fields> {
    let seen = pass.world.seen.get(address).map(|seen| &seen.fields);
    seen.or_else(|| pass.wants.map.get(address).map(|want| &want.fields))
}

/// Who is let in, how, and where it leads.
fn host_facts(pass: &PassView, row: &ServiceStatus, resource: &ResourceStatus, words: Words) -> Vec<NodeLine> {
    let address = &resource.address;
    let mut lines = Vec::new();
    let of_host = exposure::of_host(pass, row, &address.name);
    if let Some(access) = of_host.map(|found| service_rows::access_line(&found, words)) {
        let class = if access.is_off { " warn" } else { "" };
        lines.push(NodeLine { icon: access.icon, class, text: Counted::plain(access.text) });
    }
    let options = [("force_https", "pic-force-https"), ("http2", "pic-http2"), ("hsts", "pic-hsts")];
    let has = |field: &str| fields_of(pass, address).and_then(|fields| fields.flag(field)) == Some(true);
    let is_secure = fields_of(pass, address).is_some_and(|fields| fields.text("certificate").is_some());
    let options = options.into_iter().filter(|(field, _)| is_secure && has(field)).map(|(_, key)| words.get(key));
    let options = options.collect::<Vec<_>>().join(", ");
    lines.push(NodeLine::plain(if is_secure { options } else { words.get("pic-plain") }));
    lines.retain(|line| !line.text.text.is_empty());
    let is_drift = resource.change.as_deref().is_some_and(status::is_drift);
    if let Some(place) = upstream_probe::place_of(pass, address) {
        let class = if is_drift { " mono warn" } else { " mono" };
        lines.push(NodeLine { class, ..NodeLine::plain(format!("→ {place}")) });
    }
    lines
}

/// Where a volume is mounted.
fn mounts_text(pass: &PassView, row: &ServiceStatus, volume: &Address) -> Option<String> {
    let manifest = pass.services.get(&row.name)?;
    let is_it = |name: &String| volume.name == *name || volume.name == format!("{}_{name}", manifest.name);
    let mounts = manifest.containers.values().flat_map(|container| &container.mounts);
    let targets = mounts.filter(|mount| matches!(&mount.source, MountSource::Volume(name) if is_it(name)));
    let targets: BTreeSet<&str> = targets.map(|mount| mount.target.as_str()).collect();
    (!targets.is_empty()).then(|| targets.into_iter().collect::<Vec<_>>().join(", "))
}

/// Which of two generations of a container it is: where hosts lead, tells which one serves.
fn badge(pass: &PassView, row: &ServiceStatus, resource: &ResourceStatus, words: Words) -> String {
    let address = &resource.address;
    let mut others = other_generations(pass, row, address);
    let is_alone = others.all(|other| is_gone(pass, row, other));
    if is_alone || address.kind != Kind::Container || is_gone(pass, row, resource) {
        return String::new();
    }
    let is_led_to = |other: &ResourceStatus| upstream_probe::leads_to(pass, &other.address, address);
    let mut hosts = row.resources.iter().filter(|other| other.address.kind.traits().forwards);
    let is_wanted = pass.wants.map.get(address).is_some_and(|want| !want.keep_only);
    let key = if hosts.any(is_led_to) {
        "pic-serving"
    } else if pass.wants.drains.contains_key(address) {
        "pic-draining"
    } else if is_wanted {
        "pic-new"
    } else {
        "pic-old"
    };
    words.get(key)
}

/// What precedes the creation of a resource.
fn next_step_text(resource: &ResourceStatus, words: Words) -> String {
    match resource.change.as_deref().map(|change| &change.gate) {
        Some(Gate::After(needs)) => match needs.first() {
            Some(need) => {
                let thing = format!("{} {}", words.kind(&need.on.kind.label()), lines::name(&need.on, None));
                words.with("pic-after", "thing", &thing)
            }
            None => words.get("pic-next"),
        },
        Some(Gate::Until { at, .. }) => words.with("pic-at", "time", &view_model::clock(*at)),
        Some(Gate::Now | Gate::Held(_)) | None => words.get("pic-next"),
    }
}

/// One gap between two columns.
fn wire(hops: &HopTable, height: usize) -> String {
    let mut svg =
        format!("<svg class=\"wire\" height=\"{height}\" viewBox=\"0 0 {GAP} {height}\" aria-hidden=\"true\">");
    // Broken lines are drawn last, above the others.
    let mut order: Vec<(&(usize, usize), &Hop)> = hops.iter().collect();
    order.sort_by_key(|(_, hop)| **hop);
    for ((from, to), hop) in order {
        let (start, end) = (MEETS + ROW * from, MEETS + ROW * to);
        let way =
            if from == to { format!("M0 {start}H41") } else { format!("M0 {start}C26 {start} 16 {end} 41 {end}") };
        let (class, head) = match hop {
            Hop::Stands => ("ok", "h"),
            Hop::ToCome => ("next", "hn"),
            Hop::Unknown => ("alias", "hn"),
            Hop::Broken => ("cut", "hn"),
        };
        let _ = write!(
            svg,
            "<path class=\"{class}\" d=\"{way}\"/><path class=\"{head}\" d=\"M40 {}L48 {end}L40 {}z\"/>",
            end - 5,
            end + 5
        );
        if *hop == Hop::Broken {
            let middle = usize::midpoint(start, end);
            let _ = write!(
                svg,
                "<circle class=\"x\" cx=\"22\" cy=\"{middle}\" r=\"9\"/><path class=\"x\" d=\"M19 {}l6 6M25 {}l-6 6\"/>",
                middle - 3,
                middle - 3
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_come_dashes_no_way_that_stands() {
        let leads = |hops: &[Hop]| {
            let table = hops.iter().enumerate().map(|(to, hop)| ((0, to), *hop)).collect();
            leads_on(&table)
        };
        assert_eq!(leads(&[Hop::Stands, Hop::ToCome]), "", "the one before serves");
        assert_eq!(leads(&[Hop::ToCome]), " nextnext");
        assert_eq!(leads(&[Hop::Unknown]), " nextnext");
        assert_eq!(leads(&[Hop::Stands, Hop::Broken]), " cutnext");
        assert_eq!(leads(&[]), " nonext");
    }

    #[test]
    fn a_hop_is_drawn_by_its_state() {
        let svg = wire(&HopTable::from([((0, 1), Hop::Stands), ((1, 0), Hop::Unknown)]), 2 * ROW);
        assert!(
            svg.contains("class=\"ok\" d=\"M0 66C26 66 16 218 41 218\"") && svg.contains("class=\"alias\""),
            "{svg}"
        );
        let svg = wire(&HopTable::from([((0, 0), Hop::Broken), ((1, 1), Hop::ToCome)]), 2 * ROW);
        assert!(
            svg.contains("class=\"cut\" d=\"M0 66H41\"") && svg.contains("class=\"next\" d=\"M0 218H41\""),
            "{svg}"
        );
        assert!(svg.rfind("class=\"cut\"") > svg.rfind("class=\"next\""), "what is broken is above the rest: {svg}");
    }
}
