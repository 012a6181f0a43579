//! Checks whether anything listens where our NPM hosts lead. Docker's healthcheck does not test the visitors' port, and
//! NPM's settings do not show whether the container answers. Changes nothing.
//!
//! | a host leads to | probed |
//! | a container that is not ready | no: its own state says more |
//! | the place at which the container answered and became ready | no |
//! | another port of it | until something listens there; then not before the container starts again |
//! | a port to which a host is to be switched | the same; it is switched when something listens |
//! | a port with https, an address that is no container's | no |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::StreamExt;

use super::health::{ContainerRun, HealthTracks, ProbeSpot, run_of};
use crate::engine::pass_result::DeadEnd;
use crate::engine::report::pass_view::PassView;
use crate::providers::Provider;
use amarre_core::model::{Address, Fields, Kind, ProviderId, Seen, State, Timestamp, Value, Want, Wants, World};
use amarre_core::plan::compare;
use amarre_core::plan::input::Input;
use amarre_core::plan::targets;

/// Concurrent probes: each is a process in NPM's container.
const IN_FLIGHT: usize = 8;

/// A place of a run.
type RunSpot = (ContainerRun, ProbeSpot);

/// An upstream that is not known to listen.
#[derive(Debug, Clone)]
pub struct UpstreamPlace {
    host: Address,
    service: String,
    path: Option<String>,
    container: Address,
    spot: RunSpot,
    is_led: bool,
}

/// Whether a host leads to a container, as NPM has it now.
pub fn leads_to(pass: &PassView, host: &Address, container: &Address) -> bool {
    let seen = |address: &Address| pass.world.seen.get(address);
    let leads = seen(host)
        .zip(seen(container))
        .and_then(|(there, seen)| pass.with_input(|input| targets::lead_to(input, there, &container.provider, seen)));
    leads == Some(true)
}

/// `172.20.3.2:80`: the upstream of an NPM host, its paths apart.
pub fn place_of(pass: &PassView, host: &Address) -> Option<String> {
    let to = targets::all(&pass.world.seen.get(host)?.fields).find(|to| to.path.is_none())?;
    Some(spelled(to.host, to.port?))
}

fn spelled(host: &str, port: i64) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The probe results so far.
#[derive(Debug, Default, Clone)]
pub struct UpstreamProbes {
    listens: BTreeSet<RunSpot>,
    /// Since when nothing is known to listen.
    refuses: BTreeMap<RunSpot, Timestamp>,
}

/// The upstreams of our hosts that are to be probed: those to which they lead, then those to which they are to lead.
pub fn upstreams_to_probe(input: &Input<'_>, wants: &Wants, health: &HealthTracks) -> Vec<UpstreamPlace> {
    let world = input.world;
    let hosts = world.seen.iter().filter(|(host, seen)| host.kind == Kind::ProxyHost && seen.owner.is_ours());
    let is_on = |seen: &Seen| seen.fields.flag("enabled") != Some(false);
    let containers: Vec<(&Address, &Seen)> = world.seen.iter().filter(|(address, seen)| is_up(address, seen)).collect();
    // Most are found by their address at once: there may be hundreds of each.
    let by_address: BTreeMap<&str, (&Address, &Seen)> = containers
        .iter()
        .filter_map(|(address, seen)| Some((seen.fields.text("address")?, (*address, *seen))))
        .collect();
    let mut places = Vec::new();
    for (host, seen) in hosts.filter(|(_, seen)| is_on(seen)) {
        for pointer in targets::all(&seen.fields).filter(|pointer| is_plain(&seen.fields, pointer.path)) {
            let Some(port) = pointer.port.and_then(|port| u16::try_from(port).ok()) else { continue };
            let is_there = |(address, container): &&(&Address, &Seen)| {
                targets::leads_to(input, seen, pointer, &address.provider, container)
            };
            let found = by_address.get(pointer.host).filter(|container| is_there(container));
            let Some((container, there)) = found.or_else(|| containers.iter().find(is_there)) else { continue };
            places.push(UpstreamPlace {
                host: host.clone(),
                service: seen.service.clone().unwrap_or_default(),
                path: pointer.path.map(str::to_owned),
                container: (*container).clone(),
                spot: (run_of(container, there), (pointer.host.to_owned(), port)),
                is_led: true,
            });
        }
    }
    places.extend(wants.map.iter().flat_map(|(host, want)| to_be_led(world, host, want)));
    places.retain(|place| !health.has_answered(&place.spot.0, &place.spot.1));
    places
}

/// The places to which a host is to be switched.
fn to_be_led(world: &World, host: &Address, want: &Want) -> Vec<UpstreamPlace> {
    let awaited = want.needs.iter().filter_map(|need| match need.is {
        State::Listening(port) => Some((&need.on, port)),
        State::Present | State::Ready | State::Absent => None,
    });
    let up = awaited.filter_map(|(container, port)| Some((container, port, world.seen.get(container)?)));
    let up: Vec<_> = up.filter(|(container, _, seen)| is_up(container, seen)).collect();
    if up.is_empty() {
        return Vec::new();
    }
    let fields = compare::resolve(&want.fields, world);
    let places = up.into_iter().filter_map(|(container, port, seen)| {
        let is_it = |to: &targets::Pointer<'_>| {
            let is_at = targets::is_at(to.host, to.port, &seen.fields) || targets::is_on_host(&seen.fields);
            is_at && to.port == Some(i64::from(port))
        };
        let to = targets::all(&fields).find(is_it)?;
        Some(UpstreamPlace {
            host: host.clone(),
            service: want.service.clone(),
            path: to.path.map(str::to_owned),
            container: container.clone(),
            spot: (run_of(container, seen), (to.host.to_owned(), port)),
            is_led: false,
        })
    });
    places.collect()
}

fn is_up(address: &Address, seen: &Seen) -> bool {
    address.kind == Kind::Container && seen.fields.flag("running") == Some(true) && seen.ready.is_ready()
}

/// Whether a host, or a path of it, uses plain HTTP upstream.
fn is_plain(host: &Fields, path: Option<&str>) -> bool {
    let Some(path) = path else { return host.text("forward_scheme") == Some("http") };
    let locations = host.get("locations").map(Value::items).unwrap_or_default();
    let text = |location: &Value, key: &str| location.entries()?.get(key)?.as_text().map(str::to_owned);
    let of_path = locations.iter().find(|location| text(location, "path").as_deref() == Some(path));
    of_path.and_then(|location| text(location, "scheme")).as_deref() == Some("http")
}

impl UpstreamProbes {
    /// Writes into the world the ports at which nothing was found to listen.
    pub fn recall(&self, world: &mut World) {
        if self.refuses.is_empty() {
            return world.closed.clear();
        }
        let runs: BTreeMap<ContainerRun, &Address> = world
            .seen
            .iter()
            .filter(|(address, seen)| is_up(address, seen))
            .map(|(address, seen)| (run_of(address, seen), address))
            .collect();
        let mut closed: BTreeMap<Address, BTreeSet<u16>> = BTreeMap::new();
        for (run, (_, port)) in self.refuses.keys() {
            if let Some(container) = runs.get(run) {
                closed.entry((*container).clone()).or_default().insert(*port);
            }
        }
        world.closed = closed;
    }

    /// Probes what is not known yet. An unclear answer is not reported.
    pub async fn probe_due(
        &mut self,
        providers: &BTreeMap<ProviderId, Arc<dyn Provider>>,
        places: Vec<UpstreamPlace>,
        now: Timestamp,
    ) -> BTreeMap<Address, DeadEnd> {
        let spots: BTreeSet<&RunSpot> = places.iter().map(|place| &place.spot).collect();
        self.listens.retain(|spot| spots.contains(spot));
        let open = spots.into_iter().filter(|spot| !self.listens.contains(*spot));
        let asks = open.filter_map(|spot| Some((spot.clone(), providers.get(&spot.0.engine)?.clone())));
        let asks = asks.map(|(spot, provider)| async move {
            let said = match provider.capabilities().probe {
                Some(probe) => probe.listens(&spot.1.0, spot.1.1).await,
                None => None,
            };
            (spot, said)
        });
        let asks: Vec<_> = asks.map(futures_util::FutureExt::boxed).collect();
        let answers: Vec<_> = futures_util::stream::iter(asks).buffer_unordered(IN_FLIGHT).collect().await;
        let before = std::mem::take(&mut self.refuses);
        for (spot, said) in answers {
            match said {
                Some(true) => _ = self.listens.insert(spot),
                Some(false) => {
                    let since = before.get(&spot).copied().unwrap_or(now);
                    self.refuses.insert(spot, since);
                }
                None => (),
            }
        }
        let dead = places.into_iter().filter_map(|place| {
            let since = *self.refuses.get(&place.spot)?;
            let UpstreamPlace { host, service, path, container, spot: (_, (to, port)), is_led } = place;
            let at = spelled(&to, i64::from(port));
            Some((host, DeadEnd { service, path, at, container, since, is_led }))
        });
        // The first of a host: its own upstream comes before those of its paths.
        let mut all = BTreeMap::new();
        for (host, end) in dead {
            all.entry(host).or_insert(end);
        }
        all
    }
}
