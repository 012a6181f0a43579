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

use super::view_model;
use super::view_model::StateMark as Shown;
use crate::engine::PassResult;
use crate::engine::reconcile::upstream_probe;
use crate::engine::reconcile::upstream_probe::DeadEnd;
use crate::engine::report::status;
use crate::engine::report::status::{Health, ResourceStatus, ServiceStatus};
use crate::words::Words;
use amarre_core::model::service::{MountSource, Service, Target};
use amarre_core::model::{Address, Gate, Kind, Timestamp};
use amarre_core::plan::render::lines;

/// The largest number of nodes in a column; the rest is counted.
const NODES_MAX: usize = 6;
/// The height of a node and the gap below it, in the drawing's units; the line meets a node this far below its top.
const ROW: usize = 116;
const MEETS: usize = 16;
/// The room between two columns.
const GAP: usize = 44;
/// The leftmost and rightmost vertical line in it: an arrow and a cross need room.
const LANES: std::ops::RangeInclusive<usize> = 8..=28;
/// The length of a shown digest.
const DIGEST_LETTERS: usize = 12;

/// The drawing.
pub struct Drawing {
    /// From left to right.
    pub columns: Vec<Column>,
    /// The lines between each two columns, as SVG.
    pub wires: Vec<String>,
    /// Where the path breaks, as text.
    pub breaks: Vec<String>,
}

/// One column.
pub struct Column {
    /// What is in it.
    pub title: String,
    /// From top to bottom.
    pub nodes: Vec<TopologyNode>,
    /// How many more there are.
    pub more: usize,
}

/// One resource.
pub struct TopologyNode {
    /// The class with its colour.
    pub tone: &'static str,
    /// Its name.
    pub name: String,
    /// `new`, `draining`; empty: it is alone.
    pub badge: String,
    /// Details.
    pub lines: Vec<String>,
    /// Its state.
    pub word: String,
    /// Its name in a query.
    pub thing: String,
}

impl TopologyNode {
    /// Its icon.
    pub fn mark(&self) -> &'static str {
        view_model::mark(self.tone)
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
pub fn draw(picture: &PassResult, row: &ServiceStatus, now: Timestamp, words: Words) -> Drawing {
    let table = NodeTable::new(picture, row);
    let titles = ["svc-dns", "svc-proxy", "svc-containers", "svc-volumes"];
    let column = |(at, title): (usize, &str)| {
        let all = &table.columns[at];
        let nodes = all.iter().take(NODES_MAX).map(|resource| node(picture, row, resource, (now, words))).collect();
        Column { title: words.get(title), nodes, more: all.len().saturating_sub(NODES_MAX) }
    };
    let columns: Vec<Column> = titles.into_iter().enumerate().map(column).collect();
    let hops = table.hops();
    let height = columns.iter().map(|column| column.nodes.len()).max().unwrap_or(1).max(1) * ROW;
    let wires = hops.iter().map(|hops| wire(hops, height)).collect();
    Drawing { columns, wires, breaks: table.breaks(&hops, words) }
}

/// The resources of each column, in drawing order.
struct NodeTable<'a> {
    picture: &'a PassResult,
    manifest: Option<&'a Service>,
    columns: [Vec<&'a ResourceStatus>; 4],
}

impl<'a> NodeTable<'a> {
    fn new(picture: &'a PassResult, row: &'a ServiceStatus) -> Self {
        let mut columns: [Vec<&ResourceStatus>; 4] = Default::default();
        for resource in row.resources.iter().filter(|resource| !is_gone(picture, row, resource)) {
            if let Some(at) = column(resource.address.kind) {
                columns[at].push(resource);
            }
        }
        let mut table = Self { picture, manifest: picture.services.get(&row.name), columns };
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
            let is_broken = self.is_down(host)
                || has_failed(container)
                || self.dead_end(host, container).is_some_and(|end| !end.is_fresh(self.picture.at));
            hops.insert((at, *to), hop(is_broken, false));
        }
        let domain = host.address.name.split(['/', ',']).next().unwrap_or_default();
        let routes = self.manifest.into_iter().flat_map(|manifest| &manifest.routes);
        let meant = routes.filter(|route| route.domains.first().is_some_and(|first| first == domain));
        let keys = meant.flat_map(|route| route.targets()).filter_map(|target| match target {
            Target::Container { key, .. } => Some(key),
            Target::Url { .. } | Target::Instance { .. } => None,
        });
        let is_drift = host.change.as_ref().is_some_and(status::is_drift);
        for to in keys.flat_map(|key| self.containers(key)).filter(|to| !leads.contains(to)) {
            let container = self.columns[2][to];
            if !self.picture.wants.map.contains_key(&container.address) {
                continue;
            }
            let is_moving = host.change.as_ref().is_some_and(|change| change.refusal().is_none()) && !is_drift;
            let is_waited_for = is_moving || container.health == Health::Progressing || host.to_come;
            // Another one serves meanwhile: no visitor comes here.
            let is_served = !leads.is_empty();
            let is_broken = self.is_down(host) || !is_served && (has_failed(container) || !is_waited_for);
            let way = if is_hidden(host) { Hop::Unknown } else { hop(is_broken, is_waited_for || is_served) };
            hops.insert((at, to), way);
        }
        hops
    }

    fn dead_end(&self, host: &ResourceStatus, container: &ResourceStatus) -> Option<&DeadEnd> {
        self.picture.dead_ends.get(&host.address).filter(|end| end.container == container.address)
    }

    fn is_off(&self, host: &ResourceStatus) -> bool {
        self.picture.world.seen.get(&host.address).is_some_and(|seen| seen.fields.flag("enabled") == Some(false))
    }

    /// Whether requests do not reach NPM's host. A host that leads to a dead end is reached.
    fn is_down(&self, host: &ResourceStatus) -> bool {
        let is_reached = self.picture.dead_ends.contains_key(&host.address);
        self.is_off(host) || has_failed(host) && !is_reached
    }

    /// The containers to which a host leads in NPM now.
    fn leads_to(&self, host: &ResourceStatus) -> BTreeSet<usize> {
        let all = self.columns[2].iter().enumerate();
        let leads = |container: &Address| upstream_probe::leads_to(self.picture, &host.address, container);
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
                &upstream_probe::place_of(self.picture, &from.address).unwrap_or_default(),
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
fn is_gone(picture: &PassResult, row: &ServiceStatus, resource: &ResourceStatus) -> bool {
    let is_there = |address: &Address| picture.world.seen.contains_key(address);
    let address = &resource.address;
    let mut others = row.resources.iter().filter(|other| other.address != *address && other.address.is_same(address));
    let is_candidate = address.kind == Kind::Container && !resource.to_come && !is_hidden(resource);
    is_candidate && !is_there(address) && others.any(|other| is_there(&other.address))
}

/// Whether a resource is broken, as opposed to not there yet.
fn has_failed(resource: &ResourceStatus) -> bool {
    match resource.health {
        Health::Degraded => true,
        Health::Missing => !resource.to_come,
        Health::Progressing | Health::Unknown | Health::Healthy => false,
    }
}

fn node(
    picture: &PassResult,
    row: &ServiceStatus,
    resource: &ResourceStatus,
    (now, words): (Timestamp, Words),
) -> TopologyNode {
    let address = &resource.address;
    let (sync, health) = (Shown::sync(resource.sync, words), Shown::health(resource.health, words));
    // A working resource shows its drift.
    let state = if resource.health == Health::Healthy { &sync } else { &health };
    let label = if resource.job.is_some() { "job".to_owned() } else { address.kind.label() };
    let badge = badge(picture, row, resource, words);
    // The deletion of a replaced container is no drift.
    let tone = if resource.health == Health::Healthy && !badge.is_empty() { "ok" } else { state.tone };
    let image = image(picture, address);
    // The column shows that it is a container.
    let mut lines = vec![match image {
        Some(image) if resource.job.is_some() => format!("{} · {image}", words.kind(&label)),
        Some(image) => image,
        None => words.kind(&label),
    }];
    let (tone, word) = if resource.to_come {
        lines.push(next_step_text(resource, words));
        ("yet", words.get("pic-yet"))
    } else {
        lines.push(match picture.wants.drains.get(address) {
            Some(until) => words.with("pic-drains", "time", &view_model::clock(*until)),
            None => words.say(&resource.detail_at(now)),
        });
        (tone, state.word.clone())
    };
    let thing = view_model::encoded(&address.base().to_string());
    TopologyNode { tone, name: lines::name(address, None), badge, lines, word, thing }
}

/// Which of two generations of a container it is: where hosts lead, tells which one serves.
fn badge(picture: &PassResult, row: &ServiceStatus, resource: &ResourceStatus, words: Words) -> String {
    let address = &resource.address;
    let mut others = row.resources.iter().filter(|other| other.address != *address && other.address.is_same(address));
    let is_alone = others.all(|other| is_gone(picture, row, other));
    if is_alone || address.kind != Kind::Container || is_gone(picture, row, resource) {
        return String::new();
    }
    let is_led_to = |other: &ResourceStatus| upstream_probe::leads_to(picture, &other.address, address);
    let mut hosts = row.resources.iter().filter(|other| other.address.kind.traits().forwards);
    let is_wanted = picture.wants.map.get(address).is_some_and(|want| !want.keep_only);
    let key = if hosts.any(is_led_to) {
        "pic-serving"
    } else if picture.wants.drains.contains_key(address) {
        "pic-draining"
    } else if is_wanted {
        "pic-new"
    } else {
        "pic-old"
    };
    words.get(key)
}

/// The image of a container, without its registry: `immich-server:v1.120`.
fn image(picture: &PassResult, address: &Address) -> Option<String> {
    let seen = picture.world.seen.get(address).map(|seen| &seen.fields);
    let fields = seen.or_else(|| picture.wants.map.get(address).map(|want| &want.fields));
    let image = fields.filter(|_| address.kind == Kind::Container)?.text("image")?;
    let last = image.rsplit('/').next().unwrap_or(image);
    Some(match last.split_once("@sha256:") {
        Some((name, digest)) => format!("{name}@{}", digest.chars().take(DIGEST_LETTERS).collect::<String>()),
        None => last.to_owned(),
    })
}

/// What precedes the creation of a resource.
fn next_step_text(resource: &ResourceStatus, words: Words) -> String {
    match resource.change.as_ref().map(|change| &change.gate) {
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

/// One gap between two columns. Bent lines have a vertical part of their own for each start, so that two crossing lines
/// are not taken for one.
fn wire(hops: &HopTable, height: usize) -> String {
    let bends: BTreeSet<usize> = hops.keys().filter(|(from, to)| from != to).map(|(from, _)| *from).collect();
    let (first, room) = (*LANES.start(), LANES.end() - LANES.start());
    let lane = |from: usize| {
        let at = bends.iter().position(|other| *other == from).unwrap_or_default();
        first + room * (at + 1) / (bends.len() + 1)
    };
    let mut svg = format!(
        "<svg class=\"wire\" height=\"{height}\" viewBox=\"0 0 {GAP} {height}\" aria-hidden=\"true\" fill=\"none\" \
         stroke=\"currentColor\" stroke-width=\"1.5\">"
    );
    // Broken lines are drawn last, above the others.
    let mut order: Vec<(&(usize, usize), &Hop)> = hops.iter().collect();
    order.sort_by_key(|(_, hop)| **hop);
    for ((from, to), hop) in order {
        let (start, end, x) = (MEETS + ROW * from, MEETS + ROW * to, lane(*from));
        let way = if from == to { format!("M2 {start}H41") } else { format!("M2 {start}H{x}V{end}H41") };
        let (class, dashed) = match hop {
            Hop::Stands => ("", ""),
            Hop::ToCome => (" class=\"y\"", " stroke-dasharray=\"3 3\""),
            Hop::Unknown => (" class=\"y\"", " stroke-dasharray=\"1 4\""),
            Hop::Broken => (" class=\"x\"", ""),
        };
        let _ = write!(svg, "<path d=\"{way}\"{class}{dashed}/><path d=\"M37 {}l5 4l-5 4\"{class}/>", end - 4);
        if *hop == Hop::Broken {
            let cross = if from == to { GAP / 2 - 6 } else { *LANES.end() };
            let _ = write!(svg, "<path d=\"M{cross} {}l8 8m0 -8l-8 8\"{class} stroke-width=\"2\"/>", end - 4);
        }
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_crosses_has_vertical_lines_of_its_own() {
        let svg = wire(&HopTable::from([((0, 1), Hop::Stands), ((1, 0), Hop::Stands)]), 2 * ROW);
        assert!(svg.contains("d=\"M2 16H14V132H41\"") && svg.contains("d=\"M2 132H21V16H41\""), "{svg}");
        let svg = wire(&HopTable::from([((0, 0), Hop::Broken), ((1, 1), Hop::ToCome)]), 2 * ROW);
        assert!(svg.contains("d=\"M2 16H41\" class=\"x\"") && svg.contains("class=\"y\" stroke-dasharray"), "{svg}");
    }
}
