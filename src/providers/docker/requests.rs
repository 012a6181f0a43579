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
    let image_mounts = list("image_mounts").unwrap_or_default();
    let published = list("published").unwrap_or_default();
    let labels = labels(address, fields, (service, instance), &plain);
    let network = match fields.text("network_of") {
        Some(other) => format!("container:{other}"),
        None => fields.text("network").unwrap_or_default().to_owned(),
    };
    let has_endpoint = !matches!(network.as_str(), "none" | "host") && fields.get("network_of").is_none();
    let mut endpoint =
        endpoint(fields.text("address").or(fields.text("ipv4_address")), list("aliases").unwrap_or_default(), false);
    endpoint.mac_address = fields.text("mac_address").map(str::to_owned);
    let endpoints = has_endpoint.then(|| HashMap::from([(network.clone(), endpoint)]));
    let (mut exposed, bindings) =
        port_bindings(&[list("ports").unwrap_or_default(), published].concat(), &fields.strings("on_ipv6"));
    exposed.extend(fields.get("expose").and_then(Value::entries).into_iter().flatten().map(|(port, _)| port.clone()));
    exposed.sort();
    exposed.dedup();
    let host = HostConfig {
        network_mode: Some(network),
        pid_mode: fields.text("pid_of").map(|other| format!("container:{other}")),
        ipc_mode: fields.text("ipc_of").map(|other| format!("container:{other}")),
        restart_policy: Some(restart_policy(fields.text("restart").unwrap_or("no"))),
        port_bindings: Some(bindings),
        mounts: Some(
            list("mounts").unwrap_or_default().iter().chain(&image_mounts).filter_map(|text| mount(text)).collect(),
        ),
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
        healthcheck: fields.get("healthcheck").and_then(Value::entries).map(health_config),
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
    (service, instance): (&str, &str),
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
    let targets = fields.strings("image_mounts").into_iter().filter_map(|mount| mount.rsplit(':').nth(1));
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
fn port_bindings(texts: &[String], on_ipv6: &[&str]) -> (Vec<String>, HashMap<String, Option<Vec<PortBinding>>>) {
    let mut bindings: BTreeMap<String, Vec<PortBinding>> = BTreeMap::new();
    for text in texts {
        // ip:published:target/protocol; an IPv6 address has colons of its own.
        let mut parts = text.rsplitn(3, ':');
        let (Some(target), Some(published), Some(ip)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let is_on_both = text.strip_prefix("0.0.0.0:").is_some_and(|rest| on_ipv6.contains(&rest));
        let ip = if is_on_both { "" } else { ip };
        let binding = PortBinding { host_ip: Some(ip.to_owned()), host_port: Some(published.to_owned()) };
        bindings.entry(target.to_owned()).or_default().push(binding);
    }
    let exposed = bindings.keys().cloned().collect();
    (exposed, bindings.into_iter().map(|(target, bindings)| (target, Some(bindings))).collect())
}

pub fn mount(text: &str) -> Option<Mount> {
    let mut parts = text.splitn(4, ':');
    let (kind, source, target, mode) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let options: BTreeMap<&str, &str> = mode.split(',').filter_map(|option| option.split_once('=')).collect();
    let is = |name: &str| options.contains_key(name).then_some(true);
    let typ = match kind {
        "volume" => MountType::VOLUME,
        "tmpfs" => MountType::TMPFS,
        _ => MountType::BIND,
    };
    let bind = MountBindOptions {
        propagation: options.get("propagation").and_then(|word| word.parse().ok()),
        create_mountpoint: is("create"),
        ..MountBindOptions::default()
    };
    let volume = MountVolumeOptions {
        no_copy: is("nocopy"),
        subpath: options.get("subpath").map(|path| (*path).to_owned()),
        ..MountVolumeOptions::default()
    };
    let memory = MountTmpfsOptions {
        size_bytes: options.get("size").and_then(|size| size.parse().ok()),
        mode: options.get("mode").and_then(|mode| i64::from_str_radix(mode, 8).ok()),
        ..MountTmpfsOptions::default()
    };
    let has = |typ_of: MountType| typ == typ_of && !options.is_empty();
    Some(Mount {
        source: (typ != MountType::TMPFS).then(|| source.to_owned()),
        target: Some(target.to_owned()),
        read_only: Some(mode.split(',').next() == Some("ro")),
        bind_options: has(MountType::BIND).then_some(bind),
        volume_options: has(MountType::VOLUME).then_some(volume),
        tmpfs_options: has(MountType::TMPFS).then_some(memory),
        typ: Some(typ),
        ..Mount::default()
    })
}

fn log_config(entries: &BTreeMap<String, Value>) -> HostConfigLogConfig {
    let options = entries.get("options").and_then(Value::entries).into_iter().flatten();
    HostConfigLogConfig {
        typ: entries.get("driver").and_then(Value::as_text).map(str::to_owned),
        config: Some(options.map(|(name, value)| (name.clone(), value.to_string())).collect()),
    }
}

fn health_config(entries: &BTreeMap<String, Value>) -> HealthConfig {
    let nanos = |name: &str| entries.get(name).and_then(Value::as_int).map(|millis| millis * NANOS_PER_MILLI);
    HealthConfig {
        test: entries.get("test").map(|test| test.strings().into_iter().map(str::to_owned).collect()),
        interval: nanos("interval_ms"),
        timeout: nanos("timeout_ms"),
        start_period: nanos("start_period_ms"),
        start_interval: nanos("start_interval_ms"),
        retries: entries.get("retries").and_then(Value::as_int),
    }
}
