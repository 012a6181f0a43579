//! Checks whether anything listens where our NPM hosts lead. Docker's healthcheck does not test the visitors' port, and
//! NPM's settings do not show whether the container answers. Changes nothing.
//!
//! | a host leads to | probed |
//! | a container that is not ready | no: its own state says more |
//! | the port by which its readiness was found | no: it answered |
//! | another port of it | until something listens there; then not before the container starts again |
//! | a port with https, an address that is no container's | no |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::StreamExt;

use super::health::{ContainerRun, run_of};
use crate::engine::PassResult;
use crate::providers::Provider;
use amarre_core::model::{Address, Fields, Kind, Millis, ProviderId, Seen, Timestamp, Value, Wants};
use amarre_core::plan::diff::upstreams;
use amarre_core::plan::input::Input;

/// Concurrent probes: each is a process in NPM's container.
const IN_FLIGHT: usize = 8;
/// How long a program that Docker calls healthy may need until its port is open.
const SETTLES: Millis = Millis::seconds(10);

/// A target of a run: host and port.
type ProbeSpot = (ContainerRun, String, u16);

/// An upstream that is not known to listen.
#[derive(Debug, Clone)]
pub struct UpstreamPlace {
    host: Address,
    service: String,
    path: Option<String>,
    container: Address,
    spot: ProbeSpot,
}

/// A host of ours that leads to a port on which nothing listens: visitors get a 502.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadEnd {
    /// The service of the host.
    pub service: String,
    /// The path that leads there; `None`: the host itself.
    pub path: Option<String>,
    /// Host and port.
    pub at: String,
    /// The running container.
    pub container: Address,
    /// Since when that is known.
    pub since: Timestamp,
}

impl DeadEnd {
    /// Whether it may still end by itself: the container has only just become healthy.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now - self.since < SETTLES
    }

    /// The sentence for people.
    pub fn text(&self) -> String {
        let path = self.path.as_ref().map(|path| format!(", where {path} leads")).unwrap_or_default();
        format!("nothing listens at {}{path}", self.at)
    }
}

/// Whether a host leads to a container, as NPM has it now.
pub fn leads_to(picture: &PassResult, host: &Address, container: &Address) -> bool {
    let seen = |address: &Address| picture.world.seen.get(address);
    let leads = seen(host).zip(seen(container)).and_then(|(there, seen)| {
        picture.with_input(|input| upstreams::lead_to(input, there, &container.provider, seen))
    });
    leads == Some(true)
}

/// `172.20.3.2:80`: the upstream of an NPM host, its paths apart.
pub fn place_of(picture: &PassResult, host: &Address) -> Option<String> {
    let to = upstreams::all(&picture.world.seen.get(host)?.fields).find(|to| to.path.is_none())?;
    Some(spelled(to.host, to.port?))
}

fn spelled(host: &str, port: i64) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The probe results so far.
#[derive(Debug, Default, Clone)]
pub struct UpstreamProbes {
    listens: BTreeSet<ProbeSpot>,
    /// Since when nothing is known to listen.
    refuses: BTreeMap<ProbeSpot, Timestamp>,
}

/// The upstreams of our hosts that are to be probed.
pub fn upstreams_to_probe(input: &Input<'_>, wants: &Wants) -> Vec<UpstreamPlace> {
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
        for pointer in upstreams::all(&seen.fields).filter(|pointer| is_plain(&seen.fields, pointer.path)) {
            let Some(port) = pointer.port.and_then(|port| u16::try_from(port).ok()) else { continue };
            let is_there = |(address, container): &&(&Address, &Seen)| {
                upstreams::leads_to(input, seen, pointer, &address.provider, container)
            };
            let found = by_address.get(pointer.host).filter(|container| is_there(container));
            let Some((container, there)) = found.or_else(|| containers.iter().find(is_there)) else { continue };
            if is_judged_there(wants, container, &there.fields, (pointer.host, port)) {
                continue;
            }
            places.push(UpstreamPlace {
                host: host.clone(),
                service: seen.service.clone().unwrap_or_default(),
                path: pointer.path.map(str::to_owned),
                container: (*container).clone(),
                spot: (run_of(container, there), pointer.host.to_owned(), port),
            });
        }
    }
    places
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

/// Whether a container is ready because its probe of this target answered.
fn is_judged_there(wants: &Wants, container: &Address, fields: &Fields, (host, port): (&str, u16)) -> bool {
    let probe = wants.probes.get(container).or_else(|| wants.probes_of_old.get(container));
    let Some(Some(probe)) = probe.filter(|_| fields.text("health") == Some("none")) else { return false };
    probe.port == port && probe.at.as_deref().or(fields.text("address")) == Some(host)
}

impl UpstreamProbes {
    /// Probes what is not known yet. An unclear answer is not reported.
    pub async fn probe_due(
        &mut self,
        providers: &BTreeMap<ProviderId, Arc<dyn Provider>>,
        places: Vec<UpstreamPlace>,
        now: Timestamp,
    ) -> BTreeMap<Address, DeadEnd> {
        let spots: BTreeSet<&ProbeSpot> = places.iter().map(|place| &place.spot).collect();
        self.listens.retain(|spot| spots.contains(spot));
        let open = spots.into_iter().filter(|spot| !self.listens.contains(*spot));
        let asks = open.filter_map(|spot| Some((spot.clone(), providers.get(&spot.0.engine)?.clone())));
        let asks = asks.map(|(spot, provider)| async move {
            let said = match provider.capabilities().probe {
                Some(probe) => probe.listens(&spot.1, spot.2).await,
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
            let (_, host, port) = place.spot;
            let UpstreamPlace { service, path, container, .. } = place;
            Some((place.host, DeadEnd { service, path, at: spelled(&host, i64::from(port)), container, since }))
        });
        // The first of a host: its own upstream comes before those of its paths.
        let mut all = BTreeMap::new();
        for (host, end) in dead {
            all.entry(host).or_insert(end);
        }
        all
    }
}
