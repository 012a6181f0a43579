//! Fields → the bodies of Docker's requests. Pure; invents no defaults.
#![expect(clippy::disallowed_types, reason = "the wire types are maps without order")]

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig, Ipam,
    IpamConfig, Mount, MountBindOptions, MountTmpfsOptions, MountType, MountVolumeOptions, NetworkCreateRequest,
    NetworkingConfig, PortBinding, VolumeCreateRequest,
};

use super::answers::{
    LABEL_ALSO_ON, LABEL_EDGE, LABEL_IMAGE_MOUNTS, LABEL_KEY, LABEL_NEEDS, LABEL_PLAIN, LABEL_PLATFORM,
    LABEL_PUBLISHED, LABEL_SPEC, LABELLED, NANOS_PER_MILLI, marks, restart_policy,
};
use super::files;
use super::files::LABEL_FILES;
use super::labels::SOMETIMES;
use super::settings;
use crate::secret::Secrets;
use amarre_core::model::{Address, Fields, Value};
use amarre_core::resources::docker;
use amarre_core::resources::docker::{HealthcheckSpec, MountKind, MountSpec, PortSpec};

/// A network to be made.
pub fn network_request(name: &str, fields: &Fields, service: &str, instance: &str) -> NetworkCreateRequest {
    let text = |field: &str| fields.text(field).map(str::to_owned);
    let config = IpamConfig {
        subnet: text("subnet"),
        gateway: text("gateway"),
        ip_range: text("ip_range"),
        ..IpamConfig::default()
    };
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        internal: fields.flag("internal"),
        ipam: Some(Ipam { config: Some(vec![config]), ..Ipam::default() }),
        labels: Some(marks(service, instance).into_iter().collect()),
        ..NetworkCreateRequest::default()
    }
}

/// A volume to be made.
pub fn volume_request(name: &str, fields: &Fields, marks: BTreeMap<String, String>) -> VolumeCreateRequest {
    let map = |field: &str| {
        let entries = fields.get(field).and_then(Value::entries).into_iter().flatten();
        entries.map(|(name, value)| (name.clone(), value.to_string())).collect::<BTreeMap<String, String>>()
    };
    let mut labels = map("labels");
    labels.extend(marks);
    let options = map("options");
    VolumeCreateRequest {
        name: Some(name.to_owned()),
        driver: fields.text("driver").map(str::to_owned),
        driver_opts: (!options.is_empty()).then(|| options.into_iter().collect()),
        labels: Some(labels.into_iter().collect()),
        ..VolumeCreateRequest::default()
    }
}

/// An endpoint at a fixed address. `gateway_last`: the engine takes a priority (API 1.48), so that this network
/// never becomes the one through which ports are published.
pub fn endpoint(address: Option<&str>, aliases: Vec<String>, gateway_last: bool) -> EndpointSettings {
    EndpointSettings {
        ipam_config: address.map(|address| EndpointIpamConfig {
            ipv4_address: Some(address.to_owned()),
            ..EndpointIpamConfig::default()
        }),
        aliases: (!aliases.is_empty()).then_some(aliases),
        gw_priority: gateway_last.then_some(-1),
        ..EndpointSettings::default()
    }
}

/// A container to be made. The only place where secrets become plain text.
///
/// # Errors
/// A secret is not known, or a value does not fit the engine's form.
pub fn container_body(
    address: &Address,
    fields: &Fields,
    service: &str,
    instance: &str,
    secrets: &Secrets,
) -> Result<ContainerCreateBody, String> {
    let (env, plain) = environment(fields, secrets)?;
    let list = |name: &str| {
        let strings = fields.get(name).map(Value::strings)?;
        Some(strings.into_iter().map(str::to_owned).collect::<Vec<String>>())
    };
    let labels = labels(address, fields, service, instance, &plain);
    let network = match fields.text("network_of") {
        Some(other) => format!("container:{other}"),
        None => fields.text("network").unwrap_or_default().to_owned(),
    };
    let has_endpoint = !matches!(network.as_str(), "none" | "host") && fields.get("network_of").is_none();
    let mut endpoint =
        endpoint(fields.text("address").or(fields.text("ipv4_address")), list("aliases").unwrap_or_default(), false);
    endpoint.mac_address = fields.text("mac_address").map(str::to_owned);
    let endpoints = has_endpoint.then(|| HashMap::from([(network.clone(), endpoint)]));
    let (mut exposed, bindings) = port_bindings(fields);
    exposed.extend(fields.get("expose").and_then(Value::entries).into_iter().flatten().map(|(port, _)| port.clone()));
    exposed.sort();
    exposed.dedup();
    let host = HostConfig {
        network_mode: Some(network),
        pid_mode: fields.text("pid_of").map(|other| format!("container:{other}")),
        ipc_mode: fields.text("ipc_of").map(|other| format!("container:{other}")),
        restart_policy: Some(restart_policy(fields.text("restart").unwrap_or("no"))),
        port_bindings: Some(bindings),
        mounts: Some(docker::mounts(fields).map(mount).collect()),
        log_config: fields.get("logging").and_then(Value::entries).map(log_config),
        ..HostConfig::default()
    };
    let body = ContainerCreateBody {
        image: fields.text("image").map(str::to_owned),
        cmd: list("command"),
        entrypoint: list("entrypoint"),
        env: Some(env),
        user: fields.text("user").map(str::to_owned),
        labels: Some(labels.into_iter().collect()),
        exposed_ports: Some(exposed),
        healthcheck: fields.get("healthcheck").and_then(HealthcheckSpec::parse).map(health_config),
        host_config: Some(host),
        networking_config: endpoints.map(|endpoints| NetworkingConfig { endpoints_config: Some(endpoints) }),
        ..ContainerCreateBody::default()
    };
    settings::write(fields, body)
}

/// Every label of ours, empty where it says nothing: what is not set, a container has from its image.
fn labels(
    address: &Address,
    fields: &Fields,
    service: &str,
    instance: &str,
    plain: &[String],
) -> BTreeMap<String, String> {
    let given = fields.get("labels").and_then(Value::entries).into_iter().flatten();
    let mut labels: BTreeMap<String, String> =
        given.map(|(name, value)| (name.clone(), value.as_text().unwrap_or_default().to_owned())).collect();
    labels.extend(marks(service, instance));
    let key = address.name.strip_prefix(&format!("{service}-")).unwrap_or(service);
    let generation = address.generation.as_deref().unwrap_or_default();
    let mut set = |label: &str, text: String| labels.insert(label.to_owned(), text);
    for (label, _) in SOMETIMES {
        set(label, String::new());
    }
    set(LABEL_KEY, key.to_owned());
    set(LABEL_SPEC, generation.to_owned());
    set(LABEL_PLAIN, plain.join(","));
    set(LABEL_FILES, files::label(fields).unwrap_or_default());
    let targets = fields.strings("image_mounts").into_iter().filter_map(MountSpec::parse).map(|mount| mount.target);
    set(LABEL_IMAGE_MOUNTS, targets.collect::<Vec<&str>>().join(","));
    for (field, label) in LABELLED {
        let Some(entries) = fields.get(field).and_then(Value::entries) else { continue };
        let pairs: Vec<String> = entries.iter().map(|(key, of)| format!("{key}={of}")).collect();
        set(label, pairs.join(","));
    }
    set(LABEL_NEEDS, fields.strings("needs").join(","));
    set(LABEL_PUBLISHED, fields.strings("published").join(","));
    set(LABEL_ALSO_ON, fields.strings("also_on").join(","));
    set(LABEL_EDGE, fields.text("edge").unwrap_or_default().to_owned());
    set(LABEL_PLATFORM, fields.text("platform").unwrap_or_default().to_owned());
    labels
}

fn environment(fields: &Fields, secrets: &Secrets) -> Result<(Vec<String>, Vec<String>), String> {
    let (mut env, mut plain) = (Vec::new(), Vec::new());
    for (name, value) in fields.get("environment").and_then(Value::entries).into_iter().flatten() {
        match value {
            Value::Secret { name: secret, .. } => {
                let known = secrets.get(secret).ok_or_else(|| format!("secret `{}` is not set", secret.0))?;
                env.push(format!("{name}={}", known.expose()));
            }
            Value::None
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Map(_)
            | Value::Output { .. } => {
                env.push(format!("{name}={value}"));
                plain.push(name.clone());
            }
        }
    }
    Ok((env, plain))
}

/// Without an address of the host, the engine listens on those of IPv4 and IPv6.
fn port_bindings(fields: &Fields) -> (Vec<String>, HashMap<String, Option<Vec<PortBinding>>>) {
    let on_ipv6 = fields.strings("on_ipv6");
    let mut bindings: BTreeMap<String, Vec<PortBinding>> = BTreeMap::new();
    let texts = fields.strings("ports").into_iter().chain(fields.strings("published"));
    for port in texts.filter_map(PortSpec::parse) {
        let ip = if port.is_also_on_ipv6(&on_ipv6) { "" } else { port.ip };
        let binding = PortBinding { host_ip: Some(ip.to_owned()), host_port: Some(port.published.to_string()) };
        bindings.entry(port.target.to_string()).or_default().push(binding);
    }
    let exposed = bindings.keys().cloned().collect();
    (exposed, bindings.into_iter().map(|(target, bindings)| (target, Some(bindings))).collect())
}

/// A mount as the engine takes it.
pub fn mount(spec: MountSpec<'_>) -> Mount {
    let option = |name: &str| spec.options.get(name).map(AsRef::as_ref);
    let is = |name: &str| option(name).map(|_| true);
    let typ = match spec.kind {
        MountKind::Volume => MountType::VOLUME,
        MountKind::Tmpfs => MountType::TMPFS,
        MountKind::Bind => MountType::BIND,
    };
    let bind = MountBindOptions {
        propagation: option("propagation").and_then(|word| word.parse().ok()),
        create_mountpoint: is("create"),
        ..MountBindOptions::default()
    };
    let volume = MountVolumeOptions {
        no_copy: is("nocopy"),
        subpath: option("subpath").map(str::to_owned),
        ..MountVolumeOptions::default()
    };
    let memory = MountTmpfsOptions {
        size_bytes: option("size").and_then(|size| size.parse().ok()),
        mode: option("mode").and_then(|mode| i64::from_str_radix(mode, 8).ok()),
        ..MountTmpfsOptions::default()
    };
    let has = |kind: MountKind| spec.kind == kind && !spec.options.is_empty();
    Mount {
        source: (spec.kind != MountKind::Tmpfs).then(|| spec.source.to_owned()),
        target: Some(spec.target.to_owned()),
        read_only: Some(spec.is_read_only),
        bind_options: has(MountKind::Bind).then_some(bind),
        volume_options: has(MountKind::Volume).then_some(volume),
        tmpfs_options: has(MountKind::Tmpfs).then_some(memory),
        typ: Some(typ),
        ..Mount::default()
    }
}

/// Lets the engine create folders of the host: it does so for `Binds`, and for no bind among `Mounts`.
pub fn create_folders(host: &mut HostConfig, folders: &[&str]) {
    let is_created = |mount: &Mount| {
        let is_bind = mount.typ == Some(MountType::BIND);
        is_bind && mount.source.as_deref().is_some_and(|source| folders.contains(&source))
    };
    let (created, others): (Vec<Mount>, Vec<Mount>) =
        host.mounts.take().unwrap_or_default().into_iter().partition(is_created);
    host.mounts = Some(others);
    host.binds = Some(created.iter().map(bind).collect());
}

/// `SOURCE:TARGET:MODE[,PROPAGATION]`.
fn bind(mount: &Mount) -> String {
    let of = |text: &Option<String>| text.clone().unwrap_or_default();
    let mode = if mount.read_only == Some(true) { "ro" } else { "rw" };
    let propagation = mount.bind_options.as_ref().and_then(|options| options.propagation);
    let propagation = propagation.map(|word| format!(",{word}")).unwrap_or_default();
    format!("{}:{}:{mode}{propagation}", of(&mount.source), of(&mount.target))
}

fn log_config(entries: &BTreeMap<String, Value>) -> HostConfigLogConfig {
    let options = entries.get("options").and_then(Value::entries).into_iter().flatten();
    HostConfigLogConfig {
        typ: entries.get("driver").and_then(Value::as_text).map(str::to_owned),
        config: Some(options.map(|(name, value)| (name.clone(), value.to_string())).collect()),
    }
}

fn health_config(check: HealthcheckSpec) -> HealthConfig {
    let nanos = |millis: Option<i64>| millis.map(|millis| millis * NANOS_PER_MILLI);
    HealthConfig {
        test: check.test,
        interval: nanos(check.interval_ms),
        timeout: nanos(check.timeout_ms),
        start_period: nanos(check.start_period_ms),
        start_interval: nanos(check.start_interval_ms),
        retries: check.retries,
    }
}
