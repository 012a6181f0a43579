//! From what is written to what is meant: defaults, checks, secrets resolved.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::Ipv4Net;

use super::file::{File, HostFile, OvhFile, SecretSource};
use super::secrets::{Resolver, environment};
use super::{Config, ConfigError, NpmAccess, OvhAccess};
use crate::model::site::{Defaults, HostSite, NpmSite, Policy, PublicAddress, Reach};
use crate::model::{Millis, ProviderId, Site};
use crate::secret::Secret;

impl File {
    /// Keys of the design that do nothing yet are refused, for a setting that is ignored is a trap.
    pub(super) fn not_yet_supported(&self) -> Result<(), ConfigError> {
        let set = |on: bool, name: &'static str| on.then_some(name);
        let policy = &self.policy;
        let found = [
            set(self.registries.is_some(), "registries"),
            set(self.certificates.is_some(), "certificates"),
            set(self.images.is_some(), "images"),
            set(self.source.as_ref().is_some_and(|source| source.git.is_some()), "source.git"),
            set(self.reconcile.mode.as_deref().is_some_and(|mode| mode != "enforce"), "reconcile.mode: report"),
            set(self.hosts.values().any(|host| host.private_address.is_some()), "hosts.….private_address"),
            set(self.hosts.values().any(|host| host.publish_ports.is_some()), "hosts.….publish_ports"),
            set(policy.privileged == Some(true), "policy.privileged: true"),
            set(policy.docker_socket == Some(true), "policy.docker_socket: true"),
            set(policy.host_network == Some(true), "policy.host_network: true"),
            set(policy.host_namespaces == Some(true), "policy.host_namespaces: true"),
            set(policy.devices.as_ref().is_some_and(|devices| !devices.is_empty()), "policy.devices"),
            set(policy.capabilities.is_some(), "policy.capabilities"),
            set(policy.nginx.is_some(), "policy.nginx"),
        ];
        match found.into_iter().flatten().next() {
            Some(name) => {
                Err(ConfigError::new("A0202", format!("`{name}` is not yet supported"), "leave it out for now"))
            }
            None => Ok(()),
        }
    }

    pub(super) fn build(self, path: PathBuf, base: &Path, secrets: &Resolver) -> Result<Config, ConfigError> {
        check_instance(&self.instance)?;
        let ovh = self.ovh(secrets)?;
        let site = self.site(ovh.is_some())?;
        let folder = self
            .source
            .as_ref()
            .and_then(|source| source.folder.clone())
            .unwrap_or_else(|| PathBuf::from("./services"));
        let interval = duration("reconcile.interval", self.reconcile.interval.as_deref(), Millis::minutes(5))?;
        let mut npms = BTreeMap::new();
        for (name, npm) in &self.npm {
            let secret = secrets.read(&npm.secret)?;
            let url = npm.url.trim_end_matches('/').trim_end_matches("/api").to_owned();
            npms.insert(name.clone(), NpmAccess { url, identity: npm.identity.clone(), secret });
        }
        let listen = self.server.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 7070)));
        if !listen.ip().is_loopback() {
            let message = format!("server.listen {listen} is not on loopback");
            return Err(ConfigError::new(
                "A0204",
                message,
                "without accounts only loopback is served; put your own proxy in front",
            ));
        }
        let dockers = self.docker_endpoints(&site);
        Ok(Config {
            source: clean(base, &folder),
            interval,
            dockers,
            npms,
            ovh,
            listen,
            state: clean(base, &self.state),
            site,
            path,
        })
    }

    fn docker_endpoints(&self, site: &Site) -> BTreeMap<String, String> {
        let usual = environment("DOCKER_HOST").unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
        let endpoint =
            |name: &String| self.hosts.get(name).and_then(|host| host.docker.clone()).unwrap_or_else(|| usual.clone());
        site.hosts.keys().map(|name| (name.clone(), endpoint(name))).collect()
    }

    fn site(&self, has_dns: bool) -> Result<Site, ConfigError> {
        let mut domains = self.domains.clone().unwrap_or_default();
        domains.extend(self.domain.clone());
        let domains: Vec<String> = domains.iter().map(|domain| domain.trim_end_matches('.').to_lowercase()).collect();
        let mut hosts = BTreeMap::new();
        for (name, host) in &self.hosts {
            hosts.insert(name.clone(), self.host(name, host)?);
        }
        if hosts.is_empty() {
            hosts.insert("default".to_owned(), self.host("default", &HostFile::default())?);
        }
        let mut pools = self.network.pools.clone().unwrap_or_default();
        pools.extend(self.network.pool);
        if pools.is_empty() {
            pools =
                vec![Ipv4Net::new_assert([172, 20, 0, 0].into(), 16), Ipv4Net::new_assert([10, 213, 0, 0].into(), 16)];
        }
        let prefix = self.network.prefix.unwrap_or(24);
        if !(20..=28).contains(&prefix) || pools.iter().any(|pool| pool.prefix_len() > prefix) {
            let message = format!("network.prefix {prefix} does not fit");
            return Err(ConfigError::new("A0201", message, "it is from 20 to 28, and no pool is smaller"));
        }
        let ttl = duration("dns.ttl", self.dns.ttl.as_deref(), Millis::minutes(60))?;
        let registry = match self.dns.registry.as_deref() {
            None | Some("txt") => true,
            Some("none") => false,
            Some(other) => {
                return Err(ConfigError::new("A0201", format!("dns.registry: `{other}`"), "it is txt or none"));
            }
        };
        Ok(Site {
            instance: self.instance.clone(),
            domains,
            hosts,
            pools,
            prefix,
            avoid: self.network.avoid.clone(),
            dns_ttl_s: u32::try_from(ttl.0 / 1000).unwrap_or(3600),
            dns_registry: registry,
            has_dns,
            policy: self.policy(),
            defaults: self.defaults(),
            vars: self.vars.clone(),
            prune: self.reconcile.prune.unwrap_or(true),
        })
    }

    fn policy(&self) -> Policy {
        let usual = ["A", "AAAA", "CNAME", "TXT", "CAA", "SRV"].map(str::to_owned);
        Policy {
            host_paths: self.policy.host_paths.clone().unwrap_or_else(|| vec!["/srv".to_owned()]),
            records: self.policy.records.clone().unwrap_or_else(|| usual.to_vec()).into_iter().collect(),
            images: self.policy.images.clone().unwrap_or_else(|| vec!["*".to_owned()]),
            privileged: self.policy.privileged.unwrap_or_default(),
            docker_socket: self.policy.docker_socket.unwrap_or_default(),
            host_network: self.policy.host_network.unwrap_or_default(),
            host_namespaces: self.policy.host_namespaces.unwrap_or_default(),
            devices: self.policy.devices.clone().unwrap_or_default(),
            ..Policy::default()
        }
    }

    fn defaults(&self) -> Defaults {
        let logging = self.defaults.logging.as_ref();
        let rotated = [("max-size", "10m"), ("max-file", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        Defaults {
            restart: self.defaults.restart.clone().unwrap_or_else(|| "unless-stopped".to_owned()),
            environment: self.defaults.environment.clone(),
            log_driver: logging.and_then(|logging| logging.driver.clone()).unwrap_or_else(|| "json-file".to_owned()),
            log_options: match logging {
                Some(logging) => logging.options.clone().unwrap_or_default(),
                None => rotated.into(),
            },
        }
    }

    fn host(&self, name: &str, host: &HostFile) -> Result<HostSite, ConfigError> {
        let mut address = Vec::new();
        for text in host.address.list() {
            address.push(match text.parse::<IpAddr>() {
                Ok(ip) => PublicAddress::Ip(ip),
                Err(_) if text.ends_with('.') => PublicAddress::Name(text.to_lowercase()),
                Err(_) => {
                    let message = format!("hosts.{name}.address: `{text}` is not an address");
                    return Err(ConfigError::new("A0201", message, "a name must end in a dot: home.example.org."));
                }
            });
        }
        let mut also_at = Vec::new();
        for text in host.also_at.list() {
            also_at.push(text.parse().map_err(|_| {
                ConfigError::new(
                    "A0201",
                    format!("hosts.{name}.also_at: `{text}` is not an address"),
                    "write an IPv4 or IPv6 address",
                )
            })?);
        }
        let only = (self.npm.len() == 1).then(|| self.npm.keys().next().cloned()).flatten();
        let npm = match host.npm.clone().or(only) {
            None => None,
            Some(npm) => Some(self.npm_site(name, &npm)?),
        };
        let data = host.data.clone().unwrap_or_else(|| "/srv".to_owned());
        if !data.starts_with('/') || data.split('/').any(|part| part == "..") {
            let message = format!("hosts.{name}.data: `{data}` is not a whole path");
            return Err(ConfigError::new("A0201", message, "write a folder of the host, as in `/srv`"));
        }
        Ok(HostSite {
            docker: ProviderId::docker(name),
            address,
            also_at,
            data,
            private_address: host.private_address,
            publish_ports: publish_ports(name, host.publish_ports.as_deref())?,
            npm,
        })
    }

    fn npm_site(&self, host: &str, npm: &str) -> Result<NpmSite, ConfigError> {
        let Some(file) = self.npm.get(npm) else {
            let message = format!("hosts.{host}.npm: there is no `npm.{npm}`");
            return Err(ConfigError::new("A0201", message, "add it below `npm:`"));
        };
        let reach = match file.reach.as_deref() {
            None | Some("auto") => Reach::Auto,
            Some("network") => Reach::Network,
            Some("host") => Reach::Host,
            Some(word @ ("edge" | "published")) => {
                return Err(ConfigError::new(
                    "A0202",
                    format!("npm.{npm}.reach: `{word}` is not yet supported"),
                    "use auto, network or host",
                ));
            }
            Some(other) => {
                return Err(ConfigError::new(
                    "A0201",
                    format!("npm.{npm}.reach: `{other}`"),
                    "it is auto, network or host",
                ));
            }
        };
        if reach == Reach::Network && file.container.is_none() {
            let message = format!("npm.{npm}.reach: network needs `npm.{npm}.container`");
            return Err(ConfigError::new("A0201", message, "name NPM's container"));
        }
        Ok(NpmSite { provider: ProviderId::npm(npm), container: file.container.clone(), reach })
    }

    fn ovh(&self, secrets: &Resolver) -> Result<Option<OvhAccess>, ConfigError> {
        let none = OvhFile::default();
        let file = self.ovh.as_ref().unwrap_or(&none);
        let text = |own: &Option<String>, name: &str| own.clone().or_else(|| environment(name));
        let secret = |own: &Option<SecretSource>, name: &str| match own {
            Some(source) => secrets.read(source).map(Some),
            None => Ok(environment(name).map(Secret::new)),
        };
        let key = text(&file.application_key, "OVH_APPLICATION_KEY");
        let application_secret = secret(&file.application_secret, "OVH_APPLICATION_SECRET")?;
        let consumer = secret(&file.consumer_key, "OVH_CONSUMER_KEY")?;
        let (application_key, application_secret, consumer_key) = match (key, application_secret, consumer) {
            (Some(key), Some(secret), Some(consumer)) => (key, secret, consumer),
            (None, None, None) if self.ovh.is_none() => return Ok(None),
            _ => {
                let message = "ovh needs application_key, application_secret and consumer_key";
                return Err(ConfigError::new("A0201", message, "all three come with an OVH API token"));
            }
        };
        let resolvers =
            self.dns.propagation.resolvers.clone().unwrap_or_else(|| vec!["1.1.1.1".to_owned(), "9.9.9.9".to_owned()]);
        Ok(Some(OvhAccess {
            endpoint: text(&file.endpoint, "OVH_ENDPOINT").unwrap_or_else(|| "ovh-eu".to_owned()),
            application_key,
            application_secret,
            consumer_key,
            servers: servers("dns.propagation.servers", &self.dns.propagation.servers)?,
            resolvers: servers("dns.propagation.resolvers", &resolvers)?,
            timeout: duration("dns.propagation.timeout", self.dns.propagation.timeout.as_deref(), Millis::minutes(10))?,
        }))
    }
}

/// Joined without the `./` that people write.
fn clean(base: &Path, path: &Path) -> PathBuf {
    base.join(path).components().collect()
}

/// `20000-20999`.
fn publish_ports(host: &str, text: Option<&str>) -> Result<Option<(u16, u16)>, ConfigError> {
    let Some(text) = text else { return Ok(None) };
    let range = text.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    match range {
        Some((first, last)) if first > 0 && first <= last => Ok(Some((first, last))),
        Some(_) | None => {
            let message = format!("hosts.{host}.publish_ports: `{text}`");
            Err(ConfigError::new("A0201", message, "write the first and the last port: 20000-20999"))
        }
    }
}

fn check_instance(instance: &str) -> Result<(), ConfigError> {
    let fits = !instance.is_empty() && instance.len() <= 40;
    // It stands in labels, in NPM's names and in TXT values, where commas and slashes have a meaning.
    if fits && instance.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        return Ok(());
    }
    Err(ConfigError::new(
        "A0201",
        format!("instance: `{instance}`"),
        "use lower-case letters, digits and `-`, at most 40",
    ))
}

fn duration(key: &str, text: Option<&str>, usual: Millis) -> Result<Millis, ConfigError> {
    let Some(text) = text else { return Ok(usual) };
    match humantime::parse_duration(text) {
        Ok(span) if span.as_millis() > 0 => Ok(Millis(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))),
        Ok(_) | Err(_) => {
            Err(ConfigError::new("A0201", format!("{key}: `{text}` is not a duration"), "write 30s, 5m or 1h"))
        }
    }
}

fn servers(key: &str, texts: &[String]) -> Result<Vec<SocketAddr>, ConfigError> {
    let parse = |text: &String| {
        let with_port = text.parse().ok();
        with_port.or_else(|| text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53)))
    };
    let mut servers = Vec::new();
    for text in texts {
        servers.push(
            parse(text).ok_or_else(|| {
                ConfigError::new("A0201", format!("{key}: `{text}`"), "write address or address:port")
            })?,
        );
    }
    Ok(servers)
}
