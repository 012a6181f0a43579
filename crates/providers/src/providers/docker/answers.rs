//! Docker's wire types → fields. Pure; invents no defaults. The other way is [`super::requests`].
#![expect(clippy::disallowed_types, reason = "the wire types are maps without order; what leaves here is sorted")]

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary, ContainerSummaryStateEnum, EndpointSettings,
    HealthConfig, HealthStatusEnum, HostConfig, ImageInspect, Mount, MountPoint, MountType, Network, PortSummary,
    RestartPolicy, RestartPolicyNameEnum, Volume,
};

use super::api::engine_words;
use super::settings;
use crate::secret::{MarkKey, Scrubber, Secret};
use amarre_core::model::failures;
use amarre_core::model::{
    Address, Fields, Kind, Owner, ProviderId, Readiness, SecretName, Seen, Text, Timestamp, Value,
};
use amarre_core::resources::docker::{ContainerPort, HealthcheckSpec, MountKind, MountSpec, PortSpec};
use amarre_core::text;

/// Begins every label of ours.
const OWN: &str = "io.amarre.";
pub const LABEL_INSTANCE: &str = "io.amarre.instance";
pub const LABEL_SERVICE: &str = "io.amarre.service";
/// Which generation: a digest that covers no secret.
pub const LABEL_SPEC: &str = "io.amarre.spec";
/// Names of the variables that the manifest sets in plain text; all others count as secret when read back.
pub const LABEL_PLAIN: &str = "io.amarre.plain";
/// What is published for an NPM elsewhere: `192.168.1.10:20000:80/tcp`, and not by the manifest.
pub const LABEL_PUBLISHED: &str = "io.amarre.published";
/// The network that is shared with NPM, beside the service's own.
pub const LABEL_EDGE: &str = "io.amarre.edge";
/// Networks that it is on beside its own and that of NPM, with commas between them.
pub const LABEL_ALSO_ON: &str = "io.amarre.also-on";
/// The platform that its manifest asks for.
pub const LABEL_PLATFORM: &str = "io.amarre.platform";
/// Of a job: what the containers of its service were to become, `app=9fb65dc1a78f`.
pub const LABEL_BEFORE: &str = "io.amarre.before";
/// The instances of other containers that it was made for, `db=4f…`.
pub const LABEL_FOLLOWS: &str = "io.amarre.follows";
/// Paths that the image declares as volumes, and not the manifest.
pub const LABEL_IMAGE_MOUNTS: &str = "io.amarre.image-volumes";
/// Compose's, so that people's tools group containers. Never `config-hash`: `docker compose down` would take ours.
pub const LABEL_PROJECT: &str = "com.docker.compose.project";
/// Compose's, too: the container's key.
pub const LABEL_KEY: &str = "com.docker.compose.service";

/// Of a variable that an image sets by itself, a shorter value (`1`, `8080`, `C.UTF-8`) is none to hide in what it prints.
const HIDDEN_BYTES_MIN: usize = 8;
/// The services that come before its own: for the day on which manifest and ledger are gone.
pub const LABEL_NEEDS: &str = "io.amarre.needs";

/// Fields that are maps of texts, and the labels that hold them.
pub const LABELLED: [(&str, &str); 2] = [("before", LABEL_BEFORE), ("follows", LABEL_FOLLOWS)];

pub(super) const NANOS_PER_MILLI: i64 = 1_000_000;

/// What reading back depends on.
#[derive(Debug, Clone)]
pub struct AnswerReader {
    pub provider: ProviderId,
    /// Ours.
    pub instance: String,
    /// For marks of what is read.
    pub key: MarkKey,
    /// The time of the look.
    pub now: Timestamp,
}

impl AnswerReader {
    /// Whose a labelled thing is.
    pub fn owner(&self, labels: &BTreeMap<String, String>) -> Owner {
        match labels.get(LABEL_INSTANCE) {
            Some(instance) if *instance == self.instance => Owner::Ours,
            Some(instance) => Owner::Other(instance.clone()),
            None => Owner::Foreign,
        }
    }

    /// A thing with these fields.
    pub fn seen(&self, fields: Fields, labels: &BTreeMap<String, String>, id: &str) -> Seen {
        Seen {
            fields,
            ready: Readiness::Ready,
            owner: self.owner(labels),
            service: labels.get(LABEL_SERVICE).cloned(),
            vendor_id: id.to_owned(),
            at: self.now,
        }
    }

    /// A network; `members` are the containers configured on it.
    pub fn network(&self, network: &Network, members: &BTreeSet<String>) -> (Address, Seen) {
        let configs = network.ipam.as_ref().and_then(|ipam| ipam.config.as_deref()).unwrap_or_default();
        let subnets: Vec<String> = configs.iter().filter_map(|config| config.subnet.clone()).collect();
        let mut fields = Fields::default()
            .with("internal", Value::Bool(network.internal.unwrap_or_default()))
            .with("members", Value::texts(members.iter().cloned()))
            .with("subnets", Value::texts(subnets.iter().cloned()));
        if let Some(config) = configs.first() {
            let texts = [("subnet", &config.subnet), ("gateway", &config.gateway), ("ip_range", &config.ip_range)];
            for (name, text) in texts {
                if let Some(text) = text {
                    fields.set(name, Value::text(text));
                }
            }
        }
        let labels = ordered(network.labels.as_ref());
        let address = Address::new(self.provider.clone(), Kind::Network, network.name.as_deref().unwrap_or_default());
        (address, self.seen(fields, &labels, network.id.as_deref().unwrap_or_default()))
    }

    /// Which container its labels say that it is.
    fn address(&self, inspect: &ContainerInspectResponse) -> Option<Address> {
        let labels = ordered(inspect.config.as_ref()?.labels.as_ref());
        let (service, spec) = (labels.get(LABEL_SERVICE)?, labels.get(LABEL_SPEC)?);
        let key = labels.get(LABEL_KEY).unwrap_or(service);
        let name = if key == service { service.clone() } else { format!("{service}-{key}") };
        Some(Address::new(self.provider.clone(), Kind::Container, &name).at(spec))
    }

    /// A container of ours, from its inspection. `None` when its labels do not say which one. A label without a text says
    /// nothing: it is there so that none of the image's is.
    pub fn container(&self, inspect: &ContainerInspectResponse) -> Option<(Address, Seen)> {
        let address = self.address(inspect)?;
        let mut labels = ordered(inspect.config.as_ref()?.labels.as_ref());
        labels.retain(|name, text| !name.starts_with(OWN) || !text.is_empty());
        let mut fields = Fields::default();
        fields.set("id", Value::text(inspect.id.as_deref().unwrap_or_default()));
        self.what_runs(inspect, &labels, &mut fields);
        where_it_runs(inspect, &mut fields);
        image_mounts(inspect, &labels, &mut fields);
        how_it_is_reached(inspect, &labels, &mut fields);
        for (name, label) in LABELLED {
            let Some(text) = labels.get(label) else { continue };
            let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
            fields.set(name, Value::Map(pairs.map(|(key, of)| (key.to_owned(), Value::text(of))).collect()));
        }
        if let Some(needs) = labels.get(LABEL_NEEDS) {
            fields.set("needs", Value::texts(needs.split(',')));
        }
        if let Some(created) = inspect.created.as_deref().and_then(Timestamp::parse) {
            fields.set("created_at_ms", Value::Int(created.0));
        }
        let ready = state(inspect, self.now, &mut fields);
        let mut seen = self.seen(fields, &labels, inspect.id.as_deref().unwrap_or_default());
        seen.ready = ready;
        Some((address, seen))
    }

    /// Somebody else's container: only what can be in the way.
    pub fn foreign_container(&self, summary: &ContainerSummary) -> (Address, Seen) {
        let name = summary_name(summary);
        let mode = summary.host_config.as_ref().and_then(|config| config.network_mode.clone()).unwrap_or_default();
        let fields = Fields::default()
            .with("name", Value::text(&name))
            .with("id", Value::text(summary.id.as_deref().unwrap_or_default()))
            .with("network_mode", Value::text(mode))
            .with("networks", Value::texts(summary_networks(summary).into_keys()))
            .with("ports", Value::texts(summary_ports(summary)))
            .with("mounts", Value::texts(summary_mounts(summary)))
            .with("running", Value::Bool(summary.state.is_some_and(has_processes)))
            .with("image", Value::text(summary.image.as_deref().unwrap_or_default()))
            .with("image_id", Value::text(summary.image_id.as_deref().unwrap_or_default()));
        let labels = ordered(summary.labels.as_ref());
        let of_compose = [("project", LABEL_PROJECT), ("project_service", LABEL_KEY)];
        let of_compose =
            of_compose.into_iter().filter_map(|(name, label)| Some((name.into(), Value::text(labels.get(label)?))));
        let mut fields = fields;
        fields.extend(of_compose);
        let mut seen = self.seen(fields, &labels, summary.id.as_deref().unwrap_or_default());
        if seen.owner == Owner::Ours {
            // Our label without a generation, or from its image alone, is none that we wrote.
            seen.owner = Owner::Foreign;
            seen.service = None;
        }
        (Address::new(self.provider.clone(), Kind::Container, &name), seen)
    }

    fn what_runs(&self, inspect: &ContainerInspectResponse, labels: &BTreeMap<String, String>, fields: &mut Fields) {
        let Some(config) = &inspect.config else { return };
        let plain: BTreeSet<&str> = labels.get(LABEL_PLAIN).map(|list| list.split(',').collect()).unwrap_or_default();
        let environment = config.env.iter().flatten().filter_map(|entry| entry.split_once('=')).map(|(name, value)| {
            let value = if plain.contains(name) {
                Value::text(value)
            } else {
                Value::secret(SecretName(String::new()), self.key.mark(value))
            };
            (name.to_owned(), value)
        });
        fields.set("environment", Value::Map(environment.collect()));
        fields.set("image", Value::text(config.image.as_deref().unwrap_or_default()));
        fields.set("image_id", Value::text(inspect.image.as_deref().unwrap_or_default()));
        for (name, list) in [("command", &config.cmd), ("entrypoint", &config.entrypoint)] {
            if let Some(list) = list {
                fields.set(name, Value::texts(list.iter().cloned()));
            }
        }
        if let Some(user) = config.user.as_ref().filter(|user| !user.is_empty()) {
            fields.set("user", Value::text(user));
        }
        let labels = labels.iter().filter(|(name, _)| !is_own_label(name));
        fields.set("labels", Value::Map(labels.map(|(name, value)| (name.clone(), Value::text(value))).collect()));
        if let Some(check) = &config.healthcheck {
            fields.set("healthcheck", healthcheck(check).value());
        }
        // The image's are among them.
        let exposed = config.exposed_ports.iter().flatten().map(|port| (port.clone(), Value::Bool(true)));
        fields.set("expose", Value::Map(exposed.collect()));
        if let Some(host) = &inspect.host_config {
            settings::read(config, host, fields);
        }
    }
}

/// Labels by which Amarre marks what it made.
fn is_own_label(name: &str) -> bool {
    name.starts_with(OWN) || name.starts_with("com.docker.compose.")
}

fn where_it_runs(inspect: &ContainerInspectResponse, fields: &mut Fields) {
    fields.set("name", Value::text(inspect.name.as_deref().unwrap_or_default().trim_start_matches('/')));
    let Some(host) = &inspect.host_config else { return };
    fields.set("restart", Value::text(restart_text(host.restart_policy.as_ref())));
    fields.set("ports", Value::texts(port_texts(host)));
    fields.set("on_ipv6", Value::texts(ports_on_ipv6(host)));
    fields.set("mounts", Value::texts(mount_texts(host)));
    if let Some(log) = &host.log_config {
        let options = ordered(log.config.as_ref()).into_iter().map(|(name, value)| (name, Value::Text(value)));
        let driver = Value::text(log.typ.as_deref().unwrap_or_default());
        let entries = [("driver".to_owned(), driver), ("options".to_owned(), Value::Map(options.collect()))];
        fields.set("logging", Value::Map(entries.into()));
    }
    let network = host.network_mode.clone().unwrap_or_default();
    let endpoints = inspect.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    if let Some(endpoint) = endpoints.and_then(|endpoints| endpoints.get(&network)) {
        let short: String = inspect.id.as_deref().unwrap_or_default().chars().take(12).collect();
        // Engines before 25 list the short id among the aliases.
        let mut aliases: Vec<String> =
            endpoint.aliases.iter().flatten().filter(|alias| **alias != short).cloned().collect();
        aliases.sort();
        aliases.dedup();
        fields.set("aliases", Value::texts(aliases));
        if let Some(address) = endpoint_address(endpoint) {
            fields.set("address", Value::text(address));
        }
        let asked = endpoint.ipam_config.as_ref().and_then(|config| config.ipv4_address.as_ref());
        for (name, text) in [("ipv4_address", asked), ("mac_address", endpoint.mac_address.as_ref())] {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                fields.set(name, Value::text(text));
            }
        }
    }
    fields.set("network_mode", Value::text(&network));
    match network.strip_prefix("container:") {
        Some(other) => fields.set("network_of", Value::text(other)),
        None => fields.set("network", Value::text(network)),
    }
}

/// Tells what is mounted for the image from what is mounted for the manifest. A container that was made without names
/// for its image's volumes has anonymous ones; they are where its data is.
fn image_mounts(inspect: &ContainerInspectResponse, labels: &BTreeMap<String, String>, fields: &mut Fields) {
    let targets: BTreeSet<&str> =
        labels.get(LABEL_IMAGE_MOUNTS).map(|list| list.split(',').collect()).unwrap_or_default();
    let all: Vec<MountSpec<'_>> = fields.strings("mounts").into_iter().filter_map(MountSpec::parse).collect();
    let is_known = |target: &str| all.iter().any(|mount| mount.target == target);
    let text = |mount: &MountSpec<'_>| mount.to_string();
    let is_declared = |mount: &&MountSpec<'_>| targets.contains(mount.target);
    let mut declared: Vec<String> = all.iter().filter(is_declared).map(text).collect();
    let own: Vec<String> = all.iter().filter(|mount| !is_declared(mount)).map(text).collect();
    let anonymous: Vec<String> = inspect
        .mounts
        .iter()
        .flatten()
        .filter(|mount| mount.typ.as_deref() == Some("volume"))
        .filter_map(|mount| Some((mount.name.as_deref()?, mount.destination.as_deref()?)))
        .filter(|(_, target)| !is_known(target) && is_plain_target(target))
        .map(|(name, target)| MountSpec::new(MountKind::Volume, name, target).to_string())
        .collect();
    declared.extend(anonymous);
    declared.sort();
    fields.set("mounts", Value::texts(own));
    fields.set("image_mounts", Value::texts(declared));
}

/// What a label lists.
pub fn listed_in<'a>(labels: &'a BTreeMap<String, String>, label: &str) -> Vec<&'a str> {
    labels.get(label).into_iter().flat_map(|list| list.split(',')).filter(|item| !item.is_empty()).collect()
}

/// Tells what is there for NPM from what is there for the manifest.
fn how_it_is_reached(inspect: &ContainerInspectResponse, labels: &BTreeMap<String, String>, fields: &mut Fields) {
    let bound: Vec<String> = fields.strings("ports").into_iter().map(str::to_owned).collect();
    let listed: BTreeSet<&str> = labels.get(LABEL_PUBLISHED).map(|list| list.split(',').collect()).unwrap_or_default();
    let (published, own): (Vec<String>, Vec<String>) =
        bound.into_iter().partition(|port| listed.contains(port.as_str()));
    fields.set("ports", Value::texts(own));
    if !published.is_empty() {
        let ports = published.iter().filter_map(|port| PortSpec::parse(port));
        let mut publish: Vec<String> = ports.map(|port| port.wanted().to_string()).collect();
        publish.sort();
        fields.set("publish", Value::texts(publish));
        fields.set("published", Value::texts(published));
    }
    let networks = inspect.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let named = |network: &&str| networks.is_some_and(|networks| networks.contains_key(*network));
    let also_on: Vec<&str> = listed_in(labels, LABEL_ALSO_ON).into_iter().filter(named).collect();
    if !also_on.is_empty() {
        fields.set("also_on", Value::texts(also_on));
    }
    if let Some(platform) = labels.get(LABEL_PLATFORM).filter(|platform| !platform.is_empty()) {
        fields.set("platform", Value::text(platform));
    }
    if let Some(edge) = labels.get(LABEL_EDGE)
        && let Some(endpoint) = networks.and_then(|networks| networks.get(edge))
    {
        fields.set("edge", Value::text(edge));
        if let Some(address) = endpoint_address(endpoint) {
            fields.set("edge_address", Value::text(address));
        }
    }
}

/// As the field `mounts` of containers of ours has them.
fn summary_mounts(summary: &ContainerSummary) -> BTreeSet<String> {
    let text = |mount: &MountPoint| {
        let target = mount.destination.as_deref().unwrap_or_default();
        let (kind, source) = match mount.typ.as_deref()? {
            "volume" => (MountKind::Volume, mount.name.as_deref()?),
            "bind" => (MountKind::Bind, mount.source.as_deref()?),
            _ => return None,
        };
        let spec = MountSpec { is_read_only: mount.rw == Some(false), ..MountSpec::new(kind, source, target) };
        Some(spec.to_string())
    };
    summary.mounts.iter().flatten().filter_map(text).collect()
}

/// Whether it writes, or is about to.
fn has_processes(state: ContainerSummaryStateEnum) -> bool {
    use ContainerSummaryStateEnum::{CREATED, DEAD, EMPTY, EXITED, PAUSED, REMOVING, RESTARTING, RUNNING, STOPPING};
    match state {
        RUNNING | PAUSED | RESTARTING | STOPPING => true,
        EMPTY | CREATED | EXITED | REMOVING | DEAD => false,
    }
}

/// The ports of the host that a container has, as the list tells.
fn summary_ports(summary: &ContainerSummary) -> BTreeSet<String> {
    let text = |port: &PortSummary| {
        let typ = port.typ.map(|typ| typ.to_string()).unwrap_or_default();
        let ip = port.ip.as_deref().unwrap_or("0.0.0.0");
        let target = ContainerPort { number: port.private_port, protocol: &typ };
        Some(PortSpec { ip, published: port.public_port?, target }.to_string())
    };
    summary.ports.iter().flatten().filter_map(text).collect()
}

/// The paths that an image declares as volumes, as the engine mounts them.
pub fn declared_volumes(image: &ImageInspect) -> BTreeSet<String> {
    let declared = image.config.as_ref().and_then(|config| config.volumes.as_ref());
    let paths = declared.into_iter().flatten().map(|path| path.trim_end_matches('/'));
    paths.filter(|path| is_plain_target(path)).map(str::to_owned).collect()
}

/// Whether an image's path can stand in the text of a mount, which has colons and commas between its parts. Any other is
/// left to the engine, which gives it a volume without a name.
fn is_plain_target(path: &str) -> bool {
    path.starts_with('/') && !path.contains(|sign: char| matches!(sign, ':' | ',') || sign.is_control())
}

/// When it was started last.
pub fn started(inspect: &ContainerInspectResponse) -> Option<Timestamp> {
    inspect.state.as_ref()?.started_at.as_deref().and_then(Timestamp::parse)
}

/// Whether it works, as far as Docker itself can tell.
fn state(inspect: &ContainerInspectResponse, now: Timestamp, fields: &mut Fields) -> Readiness {
    let Some(state) = &inspect.state else {
        return Readiness::NotYet { since: now, why: text!("its state is not known") };
    };
    let at = |text: &Option<String>| text.as_deref().and_then(Timestamp::parse);
    let started = at(&state.started_at);
    if let Some(raw) = state.started_at.as_deref() {
        fields.set("started", Value::text(raw));
    }
    if let Some(started) = started {
        fields.set("started_at_ms", Value::Int(started.0));
    }
    if let Some(finished) = at(&state.finished_at) {
        fields.set("finished_at_ms", Value::Int(finished.0));
    }
    let exit_code = state.exit_code.unwrap_or_default();
    fields.set("exit_code", Value::Int(exit_code));
    fields.set("restarts", Value::Int(inspect.restart_count.unwrap_or_default()));
    let running = state.running.unwrap_or_default();
    fields.set("running", Value::Bool(running));
    let since = started.unwrap_or(now);
    let health = state.health.as_ref().and_then(|health| health.status);
    let word = match health {
        None | Some(HealthStatusEnum::NONE | HealthStatusEnum::EMPTY) => "none",
        Some(HealthStatusEnum::HEALTHY) => "healthy",
        Some(HealthStatusEnum::STARTING) => "starting",
        Some(HealthStatusEnum::UNHEALTHY) => "unhealthy",
    };
    fields.set("health", Value::text(word));
    if state.restarting.unwrap_or_default() {
        return Readiness::Failed { why: failures::restarted(exit_code) };
    }
    if !running {
        let never = matches!(state.status, Some(ContainerStateStatusEnum::CREATED));
        let failed = state.error.as_ref().filter(|error| !error.is_empty());
        return match (failed, never) {
            // It is the engine's last word: the next start that works takes it away.
            (Some(error), _) => {
                let error = Text::from(engine_words(error));
                Readiness::Failed { why: failures::not_started(started.is_some(), error) }
            }
            (None, true) => Readiness::NotYet { since: now, why: text!("was made but not started") },
            (None, false) => Readiness::Failed { why: failures::exited(exit_code) },
        };
    }
    match word {
        "healthy" => Readiness::Ready,
        "none" => Readiness::NotYet { since, why: text!("not probed yet") },
        "starting" => Readiness::NotYet { since, why: text!("its healthcheck has not passed yet") },
        _ => Readiness::NotYet { since, why: failures::unhealthy(&last_output(inspect)) },
    }
}

fn last_output(inspect: &ContainerInspectResponse) -> String {
    let log = inspect.state.as_ref().and_then(|state| state.health.as_ref()).and_then(|health| health.log.as_ref());
    let output = log.and_then(|log| log.last()).and_then(|result| result.output.clone()).unwrap_or_default();
    let line = output.lines().rfind(|line| !line.trim().is_empty()).unwrap_or(failures::FAILS).trim().to_owned();
    // What it prints is its own affair: a value of its environment that the manifest does not show may be in it.
    Scrubber::of(&hidden(inspect, true)).scrub(&line).chars().take(200).collect()
}

/// Values of variables that the manifest does not show, and that are long enough to tell something. Of a container that
/// is not ours none is shown: what its labels say, its image may have said.
pub fn hidden(inspect: &ContainerInspectResponse, is_ours: bool) -> Vec<Secret> {
    let config = inspect.config.as_ref();
    let labels = ordered(config.and_then(|config| config.labels.as_ref()));
    let plain = labels.get(LABEL_PLAIN).filter(|_| is_ours);
    let plain: BTreeSet<&str> = plain.map(|list| list.split(',').collect()).unwrap_or_default();
    let variables = config.and_then(|config| config.env.as_ref()).into_iter().flatten();
    let hidden = variables.filter_map(|entry| entry.split_once('=')).filter(|(name, _)| !plain.contains(name));
    hidden.filter(|(_, value)| value.len() >= HIDDEN_BYTES_MIN).map(|(_, value)| Secret::new(value)).collect()
}

/// The name without Docker's leading slash; links add names with more slashes.
pub fn summary_name(summary: &ContainerSummary) -> String {
    let names = summary.names.iter().flatten().map(|name| name.trim_start_matches('/'));
    names.into_iter().find(|name| !name.contains('/')).unwrap_or_default().to_owned()
}

/// The networks that a container is configured on, with its address there.
pub fn summary_networks(summary: &ContainerSummary) -> BTreeMap<String, Option<String>> {
    let networks = summary.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    networks.into_iter().flatten().map(|(name, endpoint)| (name.clone(), endpoint_address(endpoint))).collect()
}

/// The address in use, else the one asked for (a stopped container has none in use).
pub fn endpoint_address(endpoint: &EndpointSettings) -> Option<String> {
    let used = endpoint.ip_address.clone().filter(|address| !address.is_empty());
    used.or_else(|| endpoint.ipam_config.as_ref()?.ipv4_address.clone().filter(|address| !address.is_empty()))
}

/// A map without order, in order.
pub fn ordered(map: Option<&HashMap<String, String>>) -> BTreeMap<String, String> {
    map.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn restart_text(policy: Option<&RestartPolicy>) -> String {
    let Some(policy) = policy else { return "no".to_owned() };
    let name = match policy.name {
        None | Some(RestartPolicyNameEnum::EMPTY | RestartPolicyNameEnum::NO) => "no",
        Some(RestartPolicyNameEnum::ALWAYS) => "always",
        Some(RestartPolicyNameEnum::UNLESS_STOPPED) => "unless-stopped",
        Some(RestartPolicyNameEnum::ON_FAILURE) => "on-failure",
    };
    match policy.maximum_retry_count {
        Some(count) if count > 0 => format!("{name}:{count}"),
        Some(_) | None => name.to_owned(),
    }
}

/// `on-failure:3` as Docker has it.
pub fn restart_policy(text: &str) -> RestartPolicy {
    let (name, count) = text.split_once(':').unwrap_or((text, "0"));
    let name = match name {
        "always" => RestartPolicyNameEnum::ALWAYS,
        "unless-stopped" => RestartPolicyNameEnum::UNLESS_STOPPED,
        "on-failure" => RestartPolicyNameEnum::ON_FAILURE,
        _ => RestartPolicyNameEnum::NO,
    };
    RestartPolicy { name: Some(name), maximum_retry_count: count.parse().ok() }
}

/// Each port that is published, with an empty address where none was said.
fn bound_ports(host: &HostConfig) -> impl Iterator<Item = PortSpec<'_>> {
    let all = host.port_bindings.iter().flatten();
    let all = all.flat_map(|(target, bindings)| bindings.iter().flatten().map(move |binding| (target, binding)));
    all.filter_map(|(target, binding)| {
        let published = binding.host_port.as_deref()?.parse().ok()?;
        Some(PortSpec {
            ip: binding.host_ip.as_deref().unwrap_or_default(),
            published,
            target: ContainerPort::parse(target)?,
        })
    })
}

/// Those that are published without an address of the host.
fn ports_on_ipv6(host: &HostConfig) -> Vec<String> {
    let anywhere = bound_ports(host).filter(|port| port.ip.is_empty());
    let mut texts: Vec<String> = anywhere.map(|port| port.without_address()).collect();
    texts.sort();
    texts
}

fn port_texts(host: &HostConfig) -> Vec<String> {
    let said = |port: PortSpec<'_>| if port.ip.is_empty() { port.on_ipv4().to_string() } else { port.to_string() };
    let mut texts: Vec<String> = bound_ports(host).map(said).collect();
    texts.sort();
    texts
}

fn mount_texts(host: &HostConfig) -> Vec<String> {
    let mounts = host.mounts.iter().flatten().filter_map(mount_text);
    let mut texts: Vec<String> = mounts.chain(host.binds.iter().flatten().filter_map(|bind| bind_text(bind))).collect();
    texts.sort();
    texts
}

/// A folder of the host in the older form: `SOURCE:TARGET[:MODE,…]`.
fn bind_text(bind: &str) -> Option<String> {
    let mut parts = bind.splitn(3, ':');
    let (source, target) = (parts.next().filter(|source| source.starts_with('/'))?, parts.next()?);
    let words = || parts.clone().next().into_iter().flat_map(|mode| mode.split(','));
    let propagation =
        words().find(|word| word.contains("private") || word.contains("shared") || word.contains("slave"));
    let options = propagation.map(|word| ("propagation", word.into())).into_iter().collect();
    let is_read_only = words().any(|word| word == "ro");
    Some(MountSpec { kind: MountKind::Bind, source, target, is_read_only, options }.to_string())
}

fn mount_text(mount: &Mount) -> Option<String> {
    let kind = match mount.typ? {
        MountType::VOLUME => MountKind::Volume,
        MountType::BIND => MountKind::Bind,
        MountType::TMPFS => MountKind::Tmpfs,
        MountType::CLUSTER | MountType::IMAGE | MountType::NPIPE => return None,
    };
    let mut options: BTreeMap<&str, Cow<'_, str>> = BTreeMap::new();
    let bind = mount.bind_options.as_ref();
    options.extend(bind.and_then(|bind| bind.propagation).map(|word| ("propagation", word.to_string().into())));
    let is_made = bind.and_then(|bind| bind.create_mountpoint) == Some(true);
    options.extend(is_made.then(|| ("create", "true".into())));
    let volume = mount.volume_options.as_ref();
    let is_bare = volume.and_then(|volume| volume.no_copy) == Some(true);
    options.extend(is_bare.then(|| ("nocopy", "true".into())));
    options.extend(volume.and_then(|volume| volume.subpath.as_deref()).map(|path| ("subpath", path.into())));
    let memory = mount.tmpfs_options.as_ref();
    options.extend(memory.and_then(|memory| memory.size_bytes).map(|size| ("size", size.to_string().into())));
    options.extend(memory.and_then(|memory| memory.mode).map(|mode| ("mode", format!("{mode:04o}").into())));
    options.retain(|_, value| !value.is_empty());
    let (source, target) = (mount.source.as_deref().unwrap_or_default(), mount.target.as_deref()?);
    let is_read_only = mount.read_only.unwrap_or_default();
    Some(MountSpec { kind, source, target, is_read_only, options }.to_string())
}

/// Zero stands for Docker's own.
fn healthcheck(check: &HealthConfig) -> HealthcheckSpec {
    let millis = |nanos: Option<i64>| nanos.filter(|nanos| *nanos != 0).map(|nanos| nanos / NANOS_PER_MILLI);
    HealthcheckSpec {
        test: check.test.clone(),
        interval_ms: millis(check.interval),
        timeout_ms: millis(check.timeout),
        start_period_ms: millis(check.start_period),
        start_interval_ms: millis(check.start_interval),
        retries: check.retries.filter(|retries| *retries != 0),
    }
}

/// What a volume says of itself.
pub fn volume_fields(volume: &Volume) -> Fields {
    let map = |map: BTreeMap<String, String>| {
        Value::Map(map.into_iter().map(|(name, text)| (name, Value::Text(text))).collect())
    };
    let mut labels = ordered(Some(&volume.labels));
    labels.retain(|name, _| !is_own_label(name));
    Fields::default()
        .with("driver", Value::text(&volume.driver))
        .with("options", map(ordered(Some(&volume.options))))
        .with("labels", map(labels))
}

/// The labels on everything of ours.
pub fn marks(service: &str, instance: &str) -> BTreeMap<String, String> {
    let pairs = [(LABEL_INSTANCE, instance), (LABEL_SERVICE, service), (LABEL_PROJECT, service)];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
