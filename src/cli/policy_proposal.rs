//! The `policy` that `amarre init` proposes, from what existing containers mount and use.

use std::collections::BTreeSet;

use bollard::models::ContainerInspectResponse;

use amarre_core::model::folders::is_within;
use amarre_core::model::site::FIRST_OPEN_PORT;

/// Folders of the system or an engine are never proposed along with other folders.
const CLOSED: [&str; 15] = [
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys", "/usr", "/var/lib",
    "/var/log", "/var/run",
];
/// Below these, the second level is still shared by everybody.
const SHARED: [&str; 5] = ["home", "media", "mnt", "opt", "var"];

/// For `policy`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Proposals {
    /// For `host_paths`.
    pub host_paths: BTreeSet<String>,
    /// For `devices`.
    pub devices: BTreeSet<String>,
    /// For `ports`.
    pub ports: BTreeSet<String>,
}

impl Proposals {
    /// Adds the mounts, devices and ports of one container.
    pub fn add(&mut self, container: &ContainerInspectResponse) {
        let mounts = container.mounts.iter().flatten();
        let binds = mounts.filter(|mount| mount.typ.as_deref() == Some("bind"));
        self.host_paths.extend(binds.filter_map(|bind| folder(bind.source.as_deref()?)));
        let Some(host) = container.host_config.as_ref() else { return };
        let devices = host.devices.iter().flatten().filter_map(|device| device.path_on_host.clone());
        self.devices.extend(devices);
        if host.device_requests.as_ref().is_some_and(|requests| !requests.is_empty()) {
            self.devices.insert("gpus".to_owned());
        }
        for (port, bindings) in host.port_bindings.iter().flatten() {
            let protocol = port.rsplit('/').next().unwrap_or("tcp");
            let published = bindings.iter().flatten().filter_map(|binding| binding.host_port.as_deref()?.parse().ok());
            // The others need no word.
            let low = published.filter(|port: &u16| (1..FIRST_OPEN_PORT).contains(port));
            self.ports.extend(low.map(|port| format!("{port}/{protocol}")));
        }
    }

    /// The lines of the configuration, commented out: a person decides. Empty where nothing is found. `with_key`: `policy:`
    /// does not stand before them.
    pub fn lines(&self, with_key: bool) -> String {
        if *self == Self::default() {
            return String::new();
        }
        let list = |items: Vec<&str>| serde_json::Value::from(items).to_string();
        let mut out =
            "# What the containers that are here mount and use. Remove the `# ` for what manifests may use, too.\n"
                .to_owned();
        if with_key {
            out.push_str("# policy:\n");
        }
        if !self.host_paths.is_empty() {
            let own = ["<data>/<service>"].into_iter();
            let paths: Vec<&str> = own.chain(self.host_paths.iter().map(String::as_str)).collect();
            out.push_str(&format!("#   host_paths: {}\n", list(paths)));
        }
        if !self.devices.is_empty() {
            out.push_str(&format!("#   devices: {}\n", list(self.devices.iter().map(String::as_str).collect())));
        }
        if !self.ports.is_empty() {
            out.push_str(&format!("#   ports: {}\n", list(self.ports.iter().map(String::as_str).collect())));
        }
        out
    }
}

/// The folder to allow for a bind, wide enough for its neighbours; `None` for a system folder.
fn folder(source: &str) -> Option<String> {
    if CLOSED.iter().any(|closed| is_within(source, closed)) || source.chars().any(char::is_control) {
        return None;
    }
    let parts: Vec<&str> = source.split('/').filter(|part| !part.is_empty()).collect();
    let depth = if SHARED.contains(parts.first()?) { 3 } else { 2 };
    // A home folder holds keys, and folders next to the root are shared.
    let is_too_wide = parts.len() < depth && SHARED.contains(&parts[0]);
    (!is_too_wide).then(|| format!("/{}", parts[..parts.len().min(depth)].join("/")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn folders_in_use_are_proposed_and_system_folders_are_not() {
        let bind = |source: &str| json!({"Type": "bind", "Source": source, "Destination": "/x", "RW": true});
        let sources = [
            "/mnt/nas/media/books",
            "/mnt/nas/media/films",
            "/DATA/AppData/app/config",
            "/data",
            "/home/ann",
            "/home/ann/paperless/inbox",
            "/var/run/docker.sock",
            "/etc/localtime",
            "/",
        ];
        let container = json!({
            "Mounts": sources.map(bind),
            "HostConfig": {
                "Devices": [{"PathOnHost": "/dev/dri", "PathInContainer": "/dev/dri", "CgroupPermissions": "rwm"}],
                "PortBindings": {
                    "53/udp": [{"HostIp": "", "HostPort": "53"}], "8080/tcp": [{"HostIp": "", "HostPort": "8080"}],
                    "443/tcp": null,
                },
                "DeviceRequests": [{"Driver": "nvidia", "Count": -1, "Capabilities": [["gpu"]]}],
            },
        });
        let mut found = Proposals::default();
        assert_eq!(found.lines(true), "");
        found.add(&serde_json::from_value(container).unwrap());
        let expected = "#   host_paths: [\"<data>/<service>\",\"/DATA/AppData\",\"/data\",\"/home/ann/paperless\",\"/mnt/nas/media\"]\n\
                        #   devices: [\"/dev/dri\",\"gpus\"]\n\
                        #   ports: [\"53/udp\"]\n";
        assert!(found.lines(true).ends_with(&format!("# policy:\n{expected}")), "{}", found.lines(true));
        assert!(found.lines(false).ends_with(&format!("too.\n{expected}")), "{}", found.lines(false));
    }
}
