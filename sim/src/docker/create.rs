//! `POST /containers/create`: what was asked for, the image's part and the engine's defaults become one container.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::endpoint::endpoint_of;
use super::images::{Reference, config_of};
use super::merge::{array, host_config, merged_config, object};
use super::state::{Answer, Container, Endpoint, Mount, State, Status, refuse, short, text};
use super::volumes::is_name;

/// Something is to run, where the image has no command.
fn check_command(has_none: bool, config: &Map<String, Value>) -> Answer<()> {
    let says = |key: &str| config.get(key).and_then(Value::as_array).is_some_and(|words| !words.is_empty());
    if has_none && !says("Cmd") && !says("Entrypoint") { refuse(400, "no command specified") } else { Ok(()) }
}

impl State {
    /// Creates and gives the id.
    pub(super) fn create(&mut self, name: &str, platform: &str, body: &Map<String, Value>) -> Answer<String> {
        let asked_name = name.trim_start_matches('/');
        if text(body, "Image").is_empty() && !body.contains_key("Cmd") {
            return refuse(400, "Config cannot be empty in order to create a container");
        }
        if !name.is_empty() && !is_name(asked_name) {
            return refuse(400, format!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"));
        }
        let asked_host = object(body, "HostConfig");
        check_host(&asked_host)?;
        let settings = object(&object(body, "NetworkingConfig"), "EndpointsConfig");
        if settings.len() > 1 {
            let names: Vec<&str> = settings.keys().map(String::as_str).collect();
            let names = names.join(", ");
            return refuse(400, format!("Container cannot be connected to network endpoints: {names}"));
        }
        for mount in array(&asked_host, "Mounts") {
            self.check_mount(&mount)?;
        }
        let image = self.image_for(text(body, "Image"), platform)?;
        if let Some(other) = self.containers.iter().find(|c| c.name == asked_name) {
            return refuse(409, name_taken(asked_name, &other.id));
        }
        let id = self.new_id("container");
        let name = if asked_name.is_empty() { format!("quirky_{}", short(&id)) } else { asked_name.to_owned() };
        let image = &self.images[image];
        let (image_id, behaviour, ports) = (image.id.clone(), image.spec.behaviour, image.spec.ports.clone());
        let mut config = self.config_on(&config_of(&image.spec), body);
        check_command(image.spec.has_no_command, &config)?;
        let host = self.host_config_with_ids(&asked_host)?;
        let mode = self.mode_name(text(&host, "NetworkMode"));
        if text(&config, "Hostname").is_empty() {
            let hostname = if mode == "host" { "simulated" } else { short(&id) };
            config.insert("Hostname".to_owned(), json!(hostname));
        }
        let networks = self.endpoints(&settings, mode);
        let mounts = self.mounts(&config, &host)?;
        self.containers.push(Container {
            id: id.clone(),
            name,
            created: crate::clock::now(),
            image_id,
            config,
            host,
            networks,
            mounts,
            status: Status::Created,
            pid: 0,
            exit_code: 0,
            error: String::new(),
            started: None,
            finished: None,
            health: None,
            restart_count: 0,
            failures: 0,
            stopped_by_hand: false,
            exits: 0,
            run: 0,
            looks: 0,
            sandbox: String::new(),
            published: Vec::new(),
            listener: super::state::Listening::default(),
            logs: Vec::new(),
            behaviour,
            ports,
            is_held: false,
            port_moves: 0,
            uploads: Vec::new(),
        });
        self.emit_container(self.containers.len() - 1, "create", &[]);
        Ok(id)
    }

    /// The image that a reference names, if it is here and built for the platform.
    fn image_for(&self, written: &str, platform: &str) -> Answer<usize> {
        Reference::check(written)?;
        let Some(image) = self.find_image(written) else {
            let full = Reference::parse(written).full();
            return refuse(404, format!("No such image: {full}"));
        };
        if !self.images[image].spec.is_for(platform) {
            let (os, architecture) = self.images[image].spec.built_for();
            let message = format!(
                "image with reference {written} was found but does not match the specified platform: wanted {platform}, \
                 actual: {os}/{architecture}"
            );
            return refuse(404, message);
        }
        Ok(image)
    }

    /// What was asked for on top of the image's part, as far as the engine's API knows it.
    fn config_on(&self, image: &Value, body: &Map<String, Value>) -> Map<String, Value> {
        let mut config = merged_config(body, image);
        if !self.speaks(44)
            && let Some(check) = config.get_mut("Healthcheck").and_then(Value::as_object_mut)
        {
            check.remove("StartInterval");
        }
        config
    }

    /// The host's part with the engine's defaults. Containers whose namespaces it shares are kept by id.
    fn host_config_with_ids(&self, asked: &Map<String, Value>) -> Answer<Map<String, Value>> {
        let mut host = host_config(asked, self.minor());
        for namespace in ["NetworkMode", "PidMode", "IpcMode"] {
            if let Some(other) = text(&host, namespace).strip_prefix("container:") {
                let other = &self.containers[self.find(other)?].id;
                host.insert(namespace.to_owned(), json!(format!("container:{other}")));
            }
        }
        host.entry("NetworkMode").or_insert(json!("default"));
        Ok(host)
    }

    /// The networks that were asked for; without any, that of the mode.
    fn endpoints(&self, settings: &Map<String, Value>, mode: String) -> BTreeMap<String, Endpoint> {
        let minor = self.minor();
        let mut networks = BTreeMap::new();
        for (network, own) in settings {
            let own = own.as_object().cloned().unwrap_or_default();
            networks.insert(self.mode_name(network), endpoint_of(&own, minor));
        }
        if networks.is_empty() && !mode.starts_with("container:") {
            networks.insert(mode, endpoint_of(&Map::new(), minor));
        }
        networks
    }

    /// The network that a mode means; an id becomes the name.
    fn mode_name(&self, mode: &str) -> String {
        match mode {
            "" | "default" => "bridge".to_owned(),
            mode => match self.find_network(mode) {
                Ok(index) => self.networks[index].name.clone(),
                Err(_) => mode.to_owned(),
            },
        }
    }

    /// The Mounts API refuses a bind whose source is missing; `Binds` would make the directory.
    fn check_mount(&self, mount: &Value) -> Answer<()> {
        let word = |key: &str| mount[key].as_str().unwrap_or_default();
        let (kind, source, target) = (word("Type"), word("Source"), word("Target"));
        let invalid = |why: &str| refuse(400, format!("invalid mount config for type \"{kind}\": {why}"));
        if !matches!(kind, "bind" | "volume" | "tmpfs") {
            return refuse(400, format!("mount type unknown: \"{kind}\""));
        }
        if target.is_empty() {
            return invalid("field Target must not be empty");
        }
        if !target.starts_with('/') {
            return invalid(&format!("invalid mount path: '{target}' mount path must be absolute"));
        }
        if kind != "bind" {
            return Ok(());
        }
        if source.is_empty() {
            return invalid("field Source must not be empty");
        }
        if !source.starts_with('/') {
            return invalid(&format!("invalid mount path: '{source}' mount path must be absolute"));
        }
        let exists = match &self.options.host_paths {
            None => Path::new(source).exists() || self.folders.iter().any(|folder| folder.starts_with(source)),
            Some(paths) => paths.iter().any(|path| Path::new(source).starts_with(path)),
        };
        if exists {
            return Ok(());
        }
        invalid(&format!("bind source path does not exist: {source}"))
    }

    fn mounts(&mut self, config: &Map<String, Value>, host: &Map<String, Value>) -> Answer<Vec<Mount>> {
        let mut mounts: BTreeMap<String, Mount> = BTreeMap::new();
        for bind in array(host, "Binds") {
            let written = bind.as_str().unwrap_or_default();
            let mut parts = written.splitn(3, ':');
            let (source, target) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let mode = parts.next().unwrap_or_default();
            let writable = !mode.split(',').any(|word| word == "ro");
            if !target.starts_with('/') {
                let kind = if source.starts_with('/') { "bind" } else { "volume" };
                return refuse(
                    500,
                    format!(
                        "invalid volume specification: '{written}': invalid mount config for type \"{kind}\": invalid mount path: '{target}' mount path must be absolute"
                    ),
                );
            }
            let mount = if source.starts_with('/') {
                if self.options.makes_folders {
                    // Made as the host's root, who may do so; where it is a file that is there, it stays.
                    let _ = std::fs::create_dir_all(source);
                } else {
                    self.folders.insert(PathBuf::from(source));
                }
                bind_mount(source, target, mode, writable)
            } else {
                let asked = json!({"Name": source});
                let name = self.ensure_volume(&asked)?;
                let mode = if mode.is_empty() { "z" } else { mode };
                volume_mount(&name, target, mode, writable, false)
            };
            add_mount(&mut mounts, target, mount)?;
        }
        for asked in array(host, "Mounts") {
            let word = |key: &str| asked[key].as_str().unwrap_or_default();
            let (source, target) = (word("Source"), word("Target"));
            let writable = asked["ReadOnly"] != json!(true);
            let mount = match word("Type") {
                "bind" => bind_mount(source, target, "", writable),
                "tmpfs" => Mount {
                    shown: json!({
                        "Type": "tmpfs", "Source": "", "Destination": target, "Mode": "", "RW": writable, "Propagation": "",
                    }),
                    volume: None,
                    anonymous: false,
                },
                _ => {
                    let options = &asked["VolumeOptions"];
                    let asked = json!({
                        "Name": source, "Labels": options["Labels"], "Driver": options["DriverConfig"]["Name"],
                        "DriverOpts": options["DriverConfig"]["Options"],
                    });
                    let name = self.ensure_volume(&asked)?;
                    volume_mount(&name, target, "z", writable, source.is_empty())
                }
            };
            add_mount(&mut mounts, target, mount)?;
        }
        for target in object(config, "Volumes").keys() {
            if !mounts.contains_key(target) {
                let name = self.ensure_volume(&json!({}))?;
                mounts.insert(target.clone(), volume_mount(&name, target, "", true, true));
            }
        }
        Ok(mounts.into_values().collect())
    }

    fn ensure_volume(&mut self, asked: &Value) -> Answer<String> {
        let asked = asked.as_object().cloned().unwrap_or_default();
        let volume = self.create_volume(&asked)?;
        Ok(volume["Name"].as_str().unwrap_or_default().to_owned())
    }
}

fn add_mount(mounts: &mut BTreeMap<String, Mount>, target: &str, mount: Mount) -> Answer<()> {
    if mounts.insert(target.to_owned(), mount).is_some() {
        return refuse(400, format!("Duplicate mount point: {target}"));
    }
    Ok(())
}

fn check_ports(bindings: &Map<String, Value>) -> Answer<()> {
    let invalid = |port: &str| refuse(400, format!("invalid port specification: \"{port}\""));
    for (key, wishes) in bindings {
        let port = key.split('/').next().unwrap_or_default();
        if port.parse::<u16>().is_err() {
            return invalid(key);
        }
        for wish in wishes.as_array().into_iter().flatten() {
            let asked = wish["HostPort"].as_str().unwrap_or_default();
            if !asked.is_empty() && asked.parse::<u16>().is_err() {
                return invalid(asked);
            }
        }
    }
    Ok(())
}

pub(super) fn name_taken(name: &str, holder: &str) -> String {
    format!(
        "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". \
         You have to remove (or rename) that container to be able to reuse that name."
    )
}

/// What the engine refuses of the host's part before it looks at anything else.
fn check_host(asked: &Map<String, Value>) -> Answer<()> {
    let policy = object(asked, "RestartPolicy");
    check_restart(&policy)?;
    if asked.get("AutoRemove") == Some(&json!(true)) && !matches!(text(&policy, "Name"), "" | "no") {
        return refuse(400, "can't create 'AutoRemove' container with restart policy");
    }
    check_ports(&object(asked, "PortBindings"))
}

pub(super) fn check_restart(policy: &Map<String, Value>) -> Answer<()> {
    let retries = policy.get("MaximumRetryCount").and_then(Value::as_i64).unwrap_or(0);
    match text(policy, "Name") {
        name @ ("always" | "unless-stopped" | "no") if retries != 0 => {
            refuse(400, format!("maximum retry count cannot be used with restart policy '{name}'"))
        }
        "on-failure" if retries < 0 => refuse(400, "maximum retry count cannot be negative"),
        "" | "always" | "unless-stopped" | "no" | "on-failure" => Ok(()),
        name => refuse(400, format!("invalid restart policy '{name}'")),
    }
}

fn bind_mount(source: &str, target: &str, mode: &str, writable: bool) -> Mount {
    Mount {
        shown: json!({
            "Type": "bind", "Source": source, "Destination": target, "Mode": mode, "RW": writable,
            "Propagation": "rprivate",
        }),
        volume: None,
        anonymous: false,
    }
}

fn volume_mount(name: &str, target: &str, mode: &str, writable: bool, anonymous: bool) -> Mount {
    Mount {
        shown: json!({
            "Type": "volume", "Name": name, "Source": format!("/var/lib/docker/volumes/{name}/_data"),
            "Destination": target, "Driver": "local", "Mode": mode, "RW": writable, "Propagation": "",
        }),
        volume: Some(name.to_owned()),
        anonymous,
    }
}
