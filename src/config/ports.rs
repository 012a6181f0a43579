//! Ports of hosts: those that `policy.ports` opens, and those of NPM, Docker's API and Amarre, which nothing opens.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::file::{File, PortText};
use super::{ConfigError, DockerAccess};
use amarre_core::model::site::{HostSite, PortKeeper, PortRange, Reach};
use amarre_core::model::{Code, Site};

/// Where NPM answers visitors.
const NPM_PORTS: [u16; 2] = [80, 443];

/// `policy.ports`.
pub(super) fn ranges(texts: &[PortText]) -> Result<Vec<PortRange>, ConfigError> {
    let range = |text: &PortText| {
        let text = match text {
            PortText::One(number) => number.to_string(),
            PortText::Text(text) => text.clone(),
        };
        PortRange::parse(&text).ok_or_else(|| {
            let message = format!("policy.ports: `{text}` is no port");
            ConfigError::new(Code::A0201, message, "write 53, \"53/udp\" or \"8000-8999\"")
        })
    };
    texts.iter().map(range).collect()
}

impl File {
    /// Notes on each host the ports that no manifest publishes. Amarre's own is kept on all of them: the address of an
    /// engine does not tell on which machine it stands.
    pub(super) fn keep_ports(
        &self,
        site: &mut Site,
        own: &[(SocketAddr, &str)],
        dockers: &BTreeMap<String, DockerAccess>,
    ) {
        for (name, host) in &mut site.hosts {
            let endpoint = dockers.get(name).map(|docker| docker.endpoint.as_str()).unwrap_or_default();
            let mut kept = self.npms_ports(host, is_here(endpoint));
            let docker = docker_port(endpoint);
            kept.extend(docker.map(|port| (port, PortKeeper::Docker(format!("hosts.{name}.docker")))));
            // Port 0 is any that is free.
            let own = own.iter().filter(|(listen, _)| listen.port() > 0);
            kept.extend(own.map(|(listen, key)| (listen.port(), PortKeeper::Amarre((*key).to_owned()))));
            host.kept_ports = kept;
        }
    }

    /// Those of an NPM that stands on the host, or on this machine with the host.
    fn npms_ports(&self, host: &HostSite, is_here: bool) -> BTreeMap<u16, PortKeeper> {
        let Some(npm) = &host.npm else { return BTreeMap::new() };
        let name = npm.provider.suffix().unwrap_or("main");
        let url = self.npm.get(name).and_then(|file| file.url.as_deref());
        if npm.reach == Reach::Published && !(is_here && url.is_some_and(self::is_here)) {
            return BTreeMap::new();
        }
        let url = url.and_then(|url| url.parse::<reqwest::Url>().ok());
        let admin = url.and_then(|url| url.port_or_known_default());
        let ports = NPM_PORTS.into_iter().map(|port| (port, format!("npm.{name}")));
        let ports = ports.chain(admin.map(|port| (port, format!("npm.{name}.url"))));
        ports.map(|(port, key)| (port, PortKeeper::Npm(key))).collect()
    }
}

/// Whether a URL leads to this machine itself.
fn is_here(url: &str) -> bool {
    let Ok(url) = url.parse::<reqwest::Url>() else { return false };
    let Some(host) = url.host_str() else { return url.scheme() == "unix" };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.is_empty() || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The port at which an engine is reached over the network.
fn docker_port(endpoint: &str) -> Option<u16> {
    let url = endpoint.parse::<reqwest::Url>().ok()?;
    let usual = match url.scheme() {
        "tcp" | "http" => 2375,
        "ssh" => 22,
        _ => return None,
    };
    Some(url.port().unwrap_or(usual))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_each_kind_of_endpoint_is_found() {
        for (endpoint, port) in [
            ("unix:///var/run/docker.sock", None),
            ("tcp://10.0.0.5:2376", Some(2376)),
            ("tcp://docker.lan", Some(2375)),
            ("http://127.0.0.1:1234", Some(1234)),
            ("ssh://ops@nas", Some(22)),
            ("ssh://ops@nas:2222", Some(2222)),
        ] {
            assert_eq!(docker_port(endpoint), port, "{endpoint}");
        }
    }
}
