//! The pools of `network.pools`: leased, foreign and free subnets. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::{Value as Json, json};

use crate::engine::pass_result::Context;
use crate::engine::report::pass_view::PassView;
use amarre_core::model::address::of_provider;
use amarre_core::model::site::HostSite;
use amarre_core::model::{Address, Kind, Seen};
use amarre_core::plan::render::{Style, Tone, lines};

/// One subnet that is not free.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct TakenSubnet {
    subnet: Ipv4Net,
    /// The host; `None` if it counts everywhere.
    host: Option<String>,
    /// The service; `None` = not ours.
    service: Option<String>,
    /// The holder, if it is not ours.
    by: String,
    /// The addresses in it, with their holders.
    addresses: Vec<(Ipv4Addr, String)>,
    /// Leased, and its network is missing.
    is_lease_only: bool,
}

impl TakenSubnet {
    /// A subnet of which no more is known yet.
    fn unknown(subnet: Ipv4Net, host: Option<&String>) -> Self {
        let (service, by, addresses) = (None, String::new(), Vec::new());
        Self { subnet, host: host.cloned(), service, by, addresses, is_lease_only: false }
    }
}

/// One pool, counted in subnets of the configured size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolRoom {
    pub pool: Ipv4Net,
    /// Those of ours.
    pub leased: usize,
    /// Those of others.
    pub foreign: usize,
    pub free: usize,
    next: Option<Ipv4Net>,
}

/// The content of `amarre subnets`.
pub fn text(pass: &PassView, style: Style) -> String {
    let Some(context) = &pass.context else { return "not looked yet\n".to_owned() };
    let taken = taken(pass, context);
    let mut out = String::new();
    for room in free_room(context, &taken) {
        let next = room.next.map_or_else(|| "full".to_owned(), |next| format!("next {next}"));
        let PoolRoom { pool, leased, foreign, free, .. } = room;
        let size = context.site.prefix;
        out.push_str(&format!("{pool} in /{size}: {leased} leased, {foreign} not ours, {free} free, {next}\n"));
        if room.next.is_none() {
            out.push_str(&format!("  {} add one to `network.pools`\n", style.paint(Tone::Dim, "hint:")));
        }
    }
    for gap in pass.plan.gaps.iter().filter(|gap| gap.provider.is_engine() && gap.is_whole()) {
        out.push_str(&format!("{}: {}, {}; of it only leases are known\n", gap.provider, gap.message, gap.code));
    }
    if taken.is_empty() {
        return out;
    }
    let several = context.site.hosts.len() > 1;
    let hosts = context.site.hosts.keys().map(String::len).max().unwrap_or_default().max(4) + 2;
    let host = if several { format!("{:hosts$}", "HOST") } else { String::new() };
    out.push_str(&format!("{:18}{host}{:17}ADDRESSES\n", "SUBNET", "WHO"));
    for row in &taken {
        let host = if several { format!("{:hosts$}", row.host.as_deref().unwrap_or("all")) } else { String::new() };
        let who = row.service.as_deref().unwrap_or("(not ours)");
        let line = format!("{:18}{host}{who:16} {}", row.subnet.to_string(), holder(row));
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn holder(row: &TakenSubnet) -> String {
    if row.service.is_none() {
        return row.by.clone();
    }
    if row.is_lease_only {
        return "leased, its network is not there".to_owned();
    }
    let short = |(address, who): &(Ipv4Addr, String)| {
        // In a /24 and smaller the last number identifies it.
        let last =
            if row.subnet.prefix_len() >= 24 { format!(".{}", address.octets()[3]) } else { address.to_string() };
        format!("{last} {who}")
    };
    row.addresses.iter().map(short).collect::<Vec<_>>().join(", ")
}

/// The same for machines, `amarre.subnets/v1`.
pub fn document(pass: &PassView) -> Json {
    let Some(context) = &pass.context else {
        return json!({"schema": "amarre.subnets/v1", "pools": [], "subnets": []});
    };
    let taken = taken(pass, context);
    let rooms = free_room(context, &taken);
    let pool = |room: &PoolRoom| {
        json!({
            "pool": room.pool.to_string(), "prefix": context.site.prefix, "leased": room.leased,
            "foreign": room.foreign, "free": room.free, "next": room.next.map(|next| next.to_string()),
        })
    };
    let subnet = |row: &TakenSubnet| {
        let addresses: Vec<Json> =
            row.addresses.iter().map(|(at, who)| json!({"address": at.to_string(), "who": who})).collect();
        json!({
            "subnet": row.subnet.to_string(), "host": row.host, "service": row.service, "by": row.by,
            "network_exists": !row.is_lease_only, "addresses": addresses,
        })
    };
    json!({
        "schema": "amarre.subnets/v1",
        "at": pass.at.rfc3339(),
        "pools": rooms.iter().map(pool).collect::<Vec<_>>(),
        "subnets": taken.iter().map(subnet).collect::<Vec<_>>(),
    })
}

/// Our subnets, and those that overlap a pool; by subnet.
fn taken(pass: &PassView, context: &Context) -> Vec<TakenSubnet> {
    let mut rows: BTreeMap<(Ipv4Net, Option<String>), TakenSubnet> = BTreeMap::new();
    for (host, site) in &context.site.hosts {
        let mut ours = BTreeSet::new();
        for (address, subnet) in of_provider(&pass.facts.leases, &site.docker) {
            let service = lines::name(address, None);
            ours.insert(*subnet);
            let leased = TakenSubnet {
                service: Some(service),
                is_lease_only: true,
                ..TakenSubnet::unknown(*subnet, Some(host))
            };
            insert_at(&mut rows, leased);
        }
        let mut known = BTreeSet::new();
        let held = AddressesHeld::on(pass, site);
        for (address, seen) in pass.world.of_kind(&site.docker, Kind::Network) {
            let texts = seen.fields.text("subnet").into_iter().chain(seen.fields.strings("subnets"));
            for subnet in texts.filter_map(|text| text.parse::<Ipv4Net>().ok()) {
                known.insert(subnet);
                if seen.owner.is_ours() {
                    let service = seen.service.clone().unwrap_or_else(|| lines::name(address, None));
                    let addresses = held.within(address, subnet);
                    insert_at(
                        &mut rows,
                        TakenSubnet { service: Some(service), addresses, ..TakenSubnet::unknown(subnet, Some(host)) },
                    );
                } else if in_pools(context, subnet) {
                    let by = format!("Docker network {}", address.name);
                    insert_at(&mut rows, TakenSubnet { by, ..TakenSubnet::unknown(subnet, Some(host)) });
                }
            }
        }
        // Each Docker network is a route, too.
        let routes = pass.world.routes.get(&site.docker).into_iter().flatten();
        for route in routes.filter(|route| !known.contains(route) && in_pools(context, **route)) {
            insert_at(
                &mut rows,
                TakenSubnet { by: "route of the host".to_owned(), ..TakenSubnet::unknown(*route, Some(host)) },
            );
        }
    }
    let refused = pass.facts.refused_subnets.iter().map(|subnet| (*subnet, "refused by the engine"));
    let avoided = context.site.avoid.iter().map(|subnet| (*subnet, "`network.avoid`"));
    for (subnet, by) in refused.chain(avoided).filter(|(subnet, _)| in_pools(context, *subnet)) {
        insert_at(&mut rows, TakenSubnet { by: by.to_owned(), ..TakenSubnet::unknown(subnet, None) });
    }
    rows.into_values().collect()
}

fn insert_at(rows: &mut BTreeMap<(Ipv4Net, Option<String>), TakenSubnet>, row: TakenSubnet) {
    rows.insert((row.subnet, row.host.clone()), row);
}

/// The addresses in use on a host: NPM's by its attachments, those of containers by their own.
struct AddressesHeld<'a> {
    npm: BTreeMap<&'a str, Vec<(Ipv4Addr, String)>>,
    containers: BTreeSet<(Ipv4Addr, String)>,
}

impl<'a> AddressesHeld<'a> {
    fn on(pass: &'a PassView, host: &'a HostSite) -> Self {
        let address_of = |seen: &Seen| seen.fields.text("address")?.parse().ok();
        let npm_name = host.npm.as_ref().map_or("main", |npm| npm.provider.short_name());
        let mut npm: BTreeMap<&str, Vec<(Ipv4Addr, String)>> = BTreeMap::new();
        for (address, seen) in pass.world.of_kind(&host.docker, Kind::Attachment) {
            if let Some(((network, _), at)) = address.name.rsplit_once('/').zip(address_of(seen)) {
                npm.entry(network).or_default().push((at, format!("NPM {npm_name}")));
            }
        }
        let containers = pass.world.of_kind(&host.docker, Kind::Container).filter(|(_, seen)| seen.owner.is_ours());
        let containers = containers
            .filter_map(|(address, seen)| Some((address_of(seen)?, lines::name(address, Some(&seen.fields)))));
        Self { npm, containers: containers.collect() }
    }

    /// Those on a network within a subnet of it, in order.
    fn within(&self, network: &Address, subnet: Ipv4Net) -> Vec<(Ipv4Addr, String)> {
        let is_within = |(at, _): &&(Ipv4Addr, String)| subnet.contains(at);
        let containers = self.containers.range((subnet.network(), String::new())..).take_while(is_within);
        let npm = self.npm.get(network.name.as_str()).into_iter().flatten().filter(is_within);
        let mut all: Vec<(Ipv4Addr, String)> = npm.chain(containers).cloned().collect();
        all.sort();
        all
    }
}

fn in_pools(context: &Context, subnet: Ipv4Net) -> bool {
    context.site.pools.iter().any(|pool| overlap(*pool, subnet))
}

fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

/// The state of a candidate: ours goes before foreign, for a lease that a foreign network overlaps is still a lease.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum CandidateState {
    Free,
    Foreign,
    Ours,
}

fn free_room(context: &Context, taken: &[TakenSubnet]) -> Vec<PoolRoom> {
    context.site.pools.iter().map(|pool| room(*pool, context.site.prefix, taken)).collect()
}

/// A diagram of a pool: at most [`CELLS_MAX`] cells, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetPool {
    /// `172.20.0.0/16`.
    pub pool: String,
    /// The size of its subnets.
    pub prefix: u8,
    /// How many are leased.
    pub leased: usize,
    /// How many are foreign.
    pub foreign: usize,
    /// How many are free.
    pub free: usize,
    /// The next free one; `None`: the pool is full.
    pub next: Option<String>,
    /// Its subnets; where there are many, one cell stands for several.
    pub cells: Vec<Cell>,
}

/// One subnet of a pool, or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The first of them.
    pub subnet: String,
    /// The holders: services, or foreign ones; empty: free.
    pub who: Vec<String>,
    /// Whether one of them is ours.
    pub is_ours: bool,
    /// Whether the next free one is in it.
    pub is_next: bool,
}

/// A line of the table below the diagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetRow {
    /// `172.20.8.0/24`.
    pub subnet: String,
    /// The server; empty: counts on all.
    pub host: String,
    /// The service; `None`: not ours.
    pub service: Option<String>,
    /// The addresses in use, or the holder.
    pub what: String,
}

/// With more cells a diagram is unreadable.
const CELLS_MAX: usize = 512;

/// How much of each pool is taken.
pub fn rooms(pass: &PassView) -> Vec<PoolRoom> {
    let context = pass.context.as_ref();
    context.map(|context| free_room(context, &taken(pass, context))).unwrap_or_default()
}

/// Diagrams of all pools, and the taken subnets in them.
pub fn diagrams(pass: &PassView) -> (Vec<SubnetPool>, Vec<SubnetRow>) {
    let Some(context) = &pass.context else { return (Vec::new(), Vec::new()) };
    let taken = taken(pass, context);
    let pools = free_room(context, &taken).into_iter().map(|room| pool(room, context.site.prefix, &taken)).collect();
    let rows = taken.iter().map(|row| SubnetRow {
        subnet: row.subnet.to_string(),
        host: row.host.clone().unwrap_or_default(),
        service: row.service.clone(),
        what: holder(row),
    });
    (pools, rows.collect())
}

fn pool(room: PoolRoom, prefix: u8, taken: &[TakenSubnet]) -> SubnetPool {
    let states = states(room.pool, prefix, taken);
    let (size, first) = (1u32 << (32 - u32::from(prefix)), u32::from(room.pool.network()));
    let several = states.len().div_ceil(CELLS_MAX).max(1);
    let nth = |at: usize| Ipv4Addr::from(first.saturating_add(u32::try_from(at).unwrap_or_default() * size));
    let cells = states.chunks(several).enumerate().map(|(at, states)| {
        let (from, to) = (nth(at * several), nth(at * several + states.len() - 1));
        let end = Ipv4Net::new(to, prefix).map_or(to, |last| last.broadcast());
        let is_in = |row: &&TakenSubnet| row.subnet.network() <= end && row.subnet.broadcast() >= from;
        let who = |row: &TakenSubnet| row.service.clone().unwrap_or_else(|| row.by.clone());
        let is_free = states.iter().all(|state| *state == CandidateState::Free);
        Cell {
            subnet: format!("{from}/{prefix}"),
            who: if is_free { Vec::new() } else { taken.iter().filter(is_in).map(who).collect() },
            is_ours: states.contains(&CandidateState::Ours),
            is_next: room.next.is_some_and(|next| next.network() >= from && next.network() <= end),
        }
    });
    let PoolRoom { leased, foreign, free, .. } = room;
    let next = room.next.map(|next| next.to_string());
    SubnetPool { pool: room.pool.to_string(), prefix, leased, foreign, free, next, cells: cells.collect() }
}

fn room(pool: Ipv4Net, prefix: u8, taken: &[TakenSubnet]) -> PoolRoom {
    let size = 1u32 << (32 - u32::from(prefix));
    let states = states(pool, prefix, taken);
    let of = |wanted: CandidateState| states.iter().filter(|state| **state == wanted).count();
    let next = states.iter().position(|state| *state == CandidateState::Free);
    let next = next
        .and_then(|at| u32::try_from(at).ok())
        .and_then(|at| Ipv4Net::new(Ipv4Addr::from(u32::from(pool.network()) + at * size), prefix).ok());
    PoolRoom {
        pool,
        leased: of(CandidateState::Ours),
        foreign: of(CandidateState::Foreign),
        free: of(CandidateState::Free),
        next,
    }
}

/// The state of each subnet of a pool.
fn states(pool: Ipv4Net, prefix: u8, taken: &[TakenSubnet]) -> Vec<CandidateState> {
    let count = 1usize << prefix.saturating_sub(pool.prefix_len());
    let size = 1u32 << (32 - u32::from(prefix));
    let mut states = vec![CandidateState::Free; count];
    for row in taken.iter().filter(|row| overlap(pool, row.subnet)) {
        let first = u32::from(row.subnet.network()).max(u32::from(pool.network())) - u32::from(pool.network());
        let last = u32::from(row.subnet.broadcast()).min(u32::from(pool.broadcast())) - u32::from(pool.network());
        let state = if row.service.is_some() { CandidateState::Ours } else { CandidateState::Foreign };
        for at in (first / size)..=(last / size) {
            if let Some(known) = states.get_mut(at as usize) {
                *known = state.max(*known);
            }
        }
    }
    states
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    fn row(subnet: &str, service: Option<&str>) -> TakenSubnet {
        TakenSubnet {
            subnet: net(subnet),
            host: None,
            service: service.map(str::to_owned),
            by: String::new(),
            addresses: Vec::new(),
            is_lease_only: false,
        }
    }

    #[test]
    fn a_pool_is_counted_in_subnets_of_its_size() {
        let net_of_pool = net("172.20.0.0/16");
        let empty = room(net_of_pool, 24, &[]);
        assert_eq!((empty.leased, empty.foreign, empty.free, empty.next), (0, 0, 256, Some(net("172.20.0.0/24"))));
        let taken = [row("172.20.0.0/24", Some("a")), row("172.20.1.128/25", None), row("10.0.0.0/8", None)];
        let some = room(net_of_pool, 24, &taken);
        assert_eq!((some.leased, some.foreign, some.free, some.next), (1, 1, 254, Some(net("172.20.2.0/24"))));
        let full = room(net_of_pool, 24, &[row("172.16.0.0/12", None), row("172.20.9.0/24", Some("b"))]);
        assert_eq!((full.leased, full.foreign, full.free, full.next), (1, 255, 0, None));
        let many = pool(room(net("10.0.0.0/8"), 28, &[]), 28, &[row("10.0.64.0/24", Some("a"))]);
        let of_a: Vec<&Cell> = many.cells.iter().filter(|cell| !cell.who.is_empty()).collect();
        assert_eq!((many.cells.len(), many.cells[0].is_next, of_a.len()), (CELLS_MAX, true, 1));
        assert_eq!((of_a[0].subnet.as_str(), of_a[0].is_ours), ("10.0.0.0/28", true));
        let few = pool(some, 24, &taken).cells;
        let shown: Vec<(&str, usize, bool)> =
            few[..3].iter().map(|cell| (cell.subnet.as_str(), cell.who.len(), cell.is_next)).collect();
        assert_eq!(shown, [("172.20.0.0/24", 1, false), ("172.20.1.0/24", 1, false), ("172.20.2.0/24", 0, true)]);
        assert_eq!(room(net("10.0.0.0/24"), 24, &[]).free, 1);
        assert_eq!(room(net("10.0.0.0/8"), 28, &[]).free, 1 << 20);
    }
}
