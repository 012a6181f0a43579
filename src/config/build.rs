//! From the file's shapes to the configuration: defaults, checks, secrets resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::Ipv4Net;

use super::file::{File, HostFile, ServerTlsFile};
use super::ovh::LoginSection;
use super::secrets::Resolver;
use super::{Config, ConfigError, DockerAccess, NpmAccess, OvhAccess, RegistryAccess, SourceAccess, docker};
use crate::secret::Secret;
use amarre_core::model::repository_place::RepositoryPattern;
use amarre_core::model::site::{
    Authors, CONTAINERS_MAX, CertificateCare, Challenge, Defaults, EVERY_ZONE, HostSite, ImageCare, Listener,
    ManifestLimits, Mode, NginxPolicy, NpmSite, Policy, PublicAddress, Reach, ascii_name, is_record_word,
};
use amarre_core::model::{Code, Millis, ProviderId, Site};

/// More a person would not want, and each takes a host for minutes.
const BUILDS_PER_HOUR_MAX: usize = 1_000;

impl File {
    pub(super) fn build(self, path: PathBuf, base: &Path, secrets: &Resolver) -> Result<Config, ConfigError> {
        check_instance(&self.instance)?;
        let ovh = self.ovh(secrets)?;
        let dnsmasq = self.dnsmasq.as_ref().map(|dnsmasq| dnsmasq.build(base)).transpose()?;
        let mut zones: BTreeMap<String, ProviderId> = BTreeMap::new();
        zones.extend(ovh.iter().map(|_| (EVERY_ZONE.to_owned(), ProviderId::ovh())));
        let named = dnsmasq.iter().flat_map(|dnsmasq| dnsmasq.zones.clone());
        zones.extend(named.map(|zone| (zone, ProviderId::from("dnsmasq".to_owned()))));
        let mut site = self.site(zones)?;
        let clouds = super::clouds::build(&self.clouds, secrets)?;
        site.ssh_keys = super::clouds::ssh_keys(&self.ssh_keys)?;
        site.clouds = clouds.iter().map(|(name, (cloud, _))| (name.clone(), cloud.clone())).collect();
        let source = self.source(base, secrets)?;
        let interval = duration("reconcile.interval", self.reconcile.interval.as_deref(), Millis::minutes(5))?;
        let dns_credentials = self.dns_credentials(secrets)?;
        let mut npms = BTreeMap::new();
        for (name, npm) in &self.npm {
            let access = super::npm::access(name, npm, secrets)?;
            // A real key must not be given to a simulator.
            let dns_credentials = dns_credentials.clone().filter(|_| !npm.simulated);
            npms.insert(name.clone(), NpmAccess { dns_credentials, ..access });
        }
        let server = super::server::build(&self.server, base, secrets)?;
        if let Some((_, from)) = &server.compat_cloud {
            super::clouds::check_compat(from, &site.clouds)?;
        }
        super::pools::check_compat(server.compat_pool.as_ref(), self.pools.is_some())?;
        let notifications = super::notifications::build(&self.notifications, secrets)?;
        let heartbeat = super::notifications::heartbeat(self.reconcile.heartbeat.as_ref(), secrets)?;
        let dockers = self.dockers(&site, base)?;
        let registries = self.registries(secrets)?;
        let own = server.listeners();
        site.listeners = listeners(&own, &dockers, &npms);
        self.keep_ports(&mut site, &own, &dockers);
        site.own_names = self.own_names(&dockers);
        self.keep_key_files(secrets);
        site.own_secrets = secrets.own.borrow().clone();
        Ok(Config {
            source,
            interval,
            dockers,
            registries,
            npms,
            ovh,
            dnsmasq,
            clouds: clouds.into_values().map(|(cloud, access)| (cloud.provider, access)).collect(),
            pools: self.pools.as_ref().map(|pools| pools.build(base, &clean(base, &self.state))),
            server,
            notifications,
            heartbeat,
            state: clean(base, &self.state),
            secret_files: secrets.files(),
            site,
            path,
        })
    }

    /// Keys that the configuration names by their files.
    fn keep_key_files(&self, secrets: &Resolver) {
        let git = self.source.as_ref().and_then(|source| source.git.as_ref());
        let ssh = git.and_then(|git| git.ssh_key.as_ref());
        let tls = self.hosts.values().filter_map(|host| host.docker.as_ref()?.tls()?.key.as_ref());
        let own = self.server.tls.iter().filter_map(|tls| match tls {
            ServerTlsFile::Files(pair) => Some(&pair.key),
            ServerTlsFile::Word(_) => None,
        });
        let pools = self.pools.as_ref().and_then(|pools| pools.ssh_key.as_ref());
        ssh.into_iter().chain(tls).chain(own).chain(pools).for_each(|path| secrets.note_file(path));
    }

    fn source(&self, base: &Path, secrets: &Resolver) -> Result<SourceAccess, ConfigError> {
        let folder = self.source.as_ref().and_then(|source| source.folder.as_deref());
        match (folder, self.source.as_ref().and_then(|source| source.git.as_ref())) {
            (Some(_), Some(_)) => {
                let message = "source has both `folder` and `git`";
                Err(ConfigError::new(Code::A0201, message, "leave one of them out"))
            }
            (None, Some(file)) => Ok(SourceAccess::Git(Box::new(super::git::build(file, base, secrets)?))),
            (Some(folder), None) => Ok(SourceAccess::Folder(clean(base, folder))),
            (None, None) => Ok(SourceAccess::Folder(clean(base, Path::new("./services")))),
        }
    }

    fn dockers(&self, site: &Site, base: &Path) -> Result<BTreeMap<String, DockerAccess>, ConfigError> {
        let access = |name: &String| {
            let file = self.hosts.get(name).and_then(|host| host.docker.as_ref());
            Ok((name.clone(), docker::access(name, file, base)?))
        };
        site.hosts.keys().map(access).collect()
    }

    fn registries(&self, secrets: &Resolver) -> Result<BTreeMap<String, RegistryAccess>, ConfigError> {
        let mut registries = BTreeMap::new();
        for (name, file) in &self.registries {
            let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_host) {
                let message = format!("registries: `{name}` is not a registry");
                return Err(ConfigError::new(
                    Code::A0201,
                    message,
                    "write it as in names of images: ghcr.io, registry.lan:5000",
                ));
            }
            let (username, password) = (file.username.clone(), secrets.read(&file.password)?);
            registries.insert(name.clone(), RegistryAccess { username, password });
        }
        Ok(registries)
    }

    /// The simulated providers. For OVH the zones must be configured.
    fn simulated(&self, domains: &[String]) -> Result<BTreeSet<ProviderId>, ConfigError> {
        let npms = self.npm.iter().filter(|(_, npm)| npm.simulated).map(|(name, _)| ProviderId::npm(name));
        let mut simulated: BTreeSet<ProviderId> = npms.collect();
        if self.ovh.as_ref().is_some_and(|ovh| ovh.simulated) {
            if domains.is_empty() {
                let message = "ovh is simulated, and no `domains` are named";
                return Err(ConfigError::new(
                    Code::A0201,
                    message,
                    "name them: each is a zone of the simulated account",
                ));
            }
            simulated.insert(ProviderId::ovh());
        }
        simulated.extend(super::clouds::simulated(&self.clouds));
        Ok(simulated)
    }

    fn site(&self, zones: BTreeMap<String, ProviderId>) -> Result<Site, ConfigError> {
        let mut domains = self.domains.clone().unwrap_or_default();
        domains.extend(self.domain.clone());
        let domains: Vec<String> = domains.iter().map(|domain| ascii_name(domain.trim_end_matches('.'))).collect();
        if let Some(wrong) = domains.iter().find(|domain| !super::is_domain(domain)) {
            let message = format!("domains: `{wrong}` is not a domain");
            return Err(ConfigError::new(Code::A0201, message, "write it as in `example.org`"));
        }
        let mut hosts = BTreeMap::new();
        for (name, host) in &self.hosts {
            hosts.insert(name.clone(), self.host(name, host)?);
        }
        // Who has a cloud or pools and neither host nor NPM has no Docker host.
        let has_others = !self.clouds.is_empty() || self.pools.is_some();
        if hosts.is_empty() && (!has_others || !self.npm.is_empty()) {
            hosts.insert("default".to_owned(), self.host("default", &HostFile::default())?);
        }
        self.visitors_come_to_npm(&mut hosts)?;
        let mut pools = self.network.pools.clone().unwrap_or_default();
        pools.extend(self.network.pool);
        if pools.is_empty() {
            pools =
                vec![Ipv4Net::new_assert([172, 20, 0, 0].into(), 16), Ipv4Net::new_assert([10, 213, 0, 0].into(), 16)];
        }
        let prefix = self.network.prefix.unwrap_or(24);
        if !(20..=28).contains(&prefix) || pools.iter().any(|pool| pool.prefix_len() > prefix) {
            let message = format!("network.prefix {prefix} does not fit");
            return Err(ConfigError::new(Code::A0201, message, "it is from 20 to 28, and no pool is smaller"));
        }
        let ttl = duration("dns.ttl", self.dns.ttl.as_deref(), Millis::minutes(60))?;
        let registry = match self.dns.registry.as_deref() {
            None | Some("txt") => true,
            Some("none") => false,
            Some(other) => {
                return Err(ConfigError::new(Code::A0201, format!("dns.registry: `{other}`"), "it is txt or none"));
            }
        };
        Ok(Site {
            instance: self.instance.clone(),
            simulated: self.simulated(&domains)?,
            domains,
            hosts,
            clouds: BTreeMap::new(),
            lends_machines: self.pools.is_some(),
            reservations_kept: super::pools::kept(self.pools.as_ref())?,
            ssh_keys: BTreeMap::new(),
            pools,
            prefix,
            avoid: self.network.avoid.clone(),
            dns_ttl_s: u32::try_from(ttl.0 / 1000).unwrap_or(3600),
            dns_timeout: self.dns_timeout()?,
            dns_registry: registry,
            zones,
            policy: self.policy()?,
            limits: self.limits()?,
            defaults: self.defaults(),
            vars: self.vars.clone(),
            prune: self.reconcile.prune.unwrap_or(true),
            mode: self.mode()?,
            images: self.images()?,
            certificates: self.certificates()?,
            own_secrets: BTreeSet::new(),
            listeners: Vec::new(),
            own_names: BTreeMap::new(),
            shares: BTreeMap::new(),
            forbidden: BTreeMap::new(),
            made_servers: BTreeMap::new(),
        })
    }

    fn mode(&self) -> Result<Mode, ConfigError> {
        match self.reconcile.mode.as_deref() {
            None | Some("enforce") => Ok(Mode::Enforce),
            Some("report") => Ok(Mode::Report),
            Some(other) => {
                let message = format!("`reconcile.mode` cannot be `{other}`");
                Err(ConfigError::new(Code::A0201, message, "`enforce` or `report`"))
            }
        }
    }

    fn dns_timeout(&self) -> Result<Millis, ConfigError> {
        duration("dns.propagation.timeout", self.dns.propagation.timeout.as_deref(), Millis::minutes(10))
    }

    fn certificates(&self) -> Result<CertificateCare, ConfigError> {
        let file = &self.certificates;
        let challenge = match file.challenge.as_deref() {
            None | Some("http") => Challenge::Http,
            Some("dns") => Challenge::Dns,
            Some(other) => {
                let message = format!("certificates.challenge: `{other}`");
                return Err(ConfigError::new(Code::A0201, message, "it is http or dns"));
            }
        };
        let has_dns_credentials = file.dns_credentials.is_some();
        if challenge == Challenge::Dns && !has_dns_credentials {
            let message = "certificates.challenge is dns, and certificates.dns_credentials is not set";
            return Err(ConfigError::new(Code::A0201, message, "NPM needs a key of its own to write records at OVH"));
        }
        let asks_port80 = match file.port80.as_deref() {
            None | Some("require") => true,
            Some("assume") => false,
            Some(other) => {
                let message = format!("certificates.port80: `{other}`");
                return Err(ConfigError::new(Code::A0201, message, "it is require or assume"));
            }
        };
        Ok(CertificateCare { challenge, asks_port80, has_dns_credentials })
    }

    /// NPM's credentials for writing records: the lines of certbot's OVH plugin.
    fn dns_credentials(&self, secrets: &Resolver) -> Result<Option<Secret>, ConfigError> {
        let Some(file) = &self.certificates.dns_credentials else { return Ok(None) };
        let (secret, consumer) = (secrets.read(&file.application_secret)?, secrets.read(&file.consumer_key)?);
        let endpoint = file.endpoint.as_deref().unwrap_or("ovh-eu");
        let values = [
            ("endpoint", endpoint),
            ("application_key", file.application_key.as_str()),
            ("application_secret", secret.expose()),
            ("consumer_key", consumer.expose()),
        ];
        let is_word =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if let Some((key, _)) = values.iter().find(|(_, value)| !is_word(value)) {
            let message = format!("certificates.dns_credentials.{key} is not what OVH gives out");
            return Err(ConfigError::new(
                Code::A0201,
                message,
                "letters, digits and `-` only; endpoint as in `ovh-eu`",
            ));
        }
        let lines = values.map(|(key, value)| format!("dns_ovh_{key} = {value}"));
        Ok(Some(Secret::new(lines.join("\n"))))
    }

    fn images(&self) -> Result<ImageCare, ConfigError> {
        let usual = ImageCare::default();
        let keep = self.images.keep.unwrap_or(usual.keep);
        let builds_per_hour = self.images.builds_per_hour.unwrap_or(usual.builds_per_hour);
        if !(1..=BUILDS_PER_HOUR_MAX).contains(&builds_per_hour) {
            let message = format!("images.builds_per_hour: {builds_per_hour} is not 1 to {BUILDS_PER_HOUR_MAX}");
            return Err(ConfigError::new(Code::A0201, message, "leave it out for 20 an hour of each service"));
        }
        let usual = ImageCare { keep, builds_per_hour, ..usual };
        let Some(text) = &self.images.min_free else { return Ok(usual) };
        let min_free = bytes(text).ok_or_else(|| {
            let message = format!("images.min_free: `{text}` is not a size");
            ConfigError::new(Code::A0201, message, "write 2GiB, 500MiB, or 0 to pull always")
        })?;
        Ok(ImageCare { min_free, ..usual })
    }

    fn limits(&self) -> Result<ManifestLimits, ConfigError> {
        let usual = ManifestLimits::default();
        let size = |key: &str, text: &Option<String>, usual: usize| {
            let Some(text) = text else { return Ok(usual) };
            bytes(text).and_then(|size| usize::try_from(size).ok()).ok_or_else(|| {
                ConfigError::new(Code::A0201, format!("limits.{key}: `{text}` is not a size"), "write 16MiB, or 500KiB")
            })
        };
        let containers = self.limits.containers.unwrap_or(usual.containers);
        if !(1..=CONTAINERS_MAX).contains(&containers) {
            let hint = format!("write a number from 1 to {CONTAINERS_MAX}, or leave it out");
            return Err(ConfigError::new(
                Code::A0201,
                format!("limits.containers: {containers} is out of range"),
                hint,
            ));
        }
        Ok(ManifestLimits {
            containers,
            names: self.limits.names.unwrap_or(usual.names),
            labels: size("labels", &self.limits.labels, usual.labels)?,
            advanced: size("advanced", &self.limits.advanced, usual.advanced)?,
        })
    }

    /// A host without a public address whose NPM stands elsewhere is visited at that NPM's address.
    fn visitors_come_to_npm(&self, hosts: &mut BTreeMap<String, HostSite>) -> Result<(), ConfigError> {
        let addresses: BTreeMap<String, Vec<PublicAddress>> =
            hosts.iter().map(|(name, host)| (name.clone(), host.address.clone())).collect();
        for (name, host) in hosts.iter_mut().filter(|(_, host)| host.address.is_empty()) {
            let file = self.hosts.get(name).and_then(|host| host.npm.clone());
            let Some(npm) = file.or_else(|| self.npm.keys().next().cloned()).filter(|_| host.npm.is_some()) else {
                continue;
            };
            let at = self.npm_host(&npm)?.and_then(|at| addresses.get(&at).cloned());
            host.address = at.unwrap_or_default();
        }
        Ok(())
    }

    fn policy(&self) -> Result<Policy, ConfigError> {
        let (file, mut usual) = (&self.policy, Policy::default());
        usual.authors = file.authors.map(Authors::from);
        if usual.are_authors_operators() {
            let written = file.written();
            Policy::words().filter(|word| !written.contains(word)).for_each(|word| usual.open(word));
        }
        let mut records: BTreeSet<String> = file.records.iter().flatten().map(|item| record_item(item)).collect();
        // Rights alone name targets, not types: those keep their default.
        let names_types =
            file.records.is_some() && (records.is_empty() || !records.iter().all(|item| is_record_word(item)));
        let are_records_named = names_types || usual.are_records_named;
        if !names_types {
            records.extend(usual.records);
        }
        let list = |said: &Option<Vec<String>>, usual: Vec<String>| said.clone().unwrap_or(usual);
        let ports = file.ports.as_deref().map(super::ports::ranges).transpose()?;
        Ok(Policy {
            authors: usual.authors,
            opened: usual.opened,
            host_paths: list(&file.host_paths, usual.host_paths),
            are_host_paths_named: file.host_paths.is_some(),
            volumes: list(&file.volumes, usual.volumes),
            volume_drivers: list(&file.volume_drivers, usual.volume_drivers),
            networks: list(&file.networks, usual.networks),
            subnets: file.subnets.clone().unwrap_or(usual.subnets),
            ports: ports.unwrap_or(usual.ports),
            runtimes: list(&file.runtimes, usual.runtimes),
            log_drivers: list(&file.log_drivers, usual.log_drivers),
            targets: file.targets.clone(),
            names: file.names.clone(),
            secrets: file.secrets.clone().unwrap_or(usual.secrets),
            records,
            are_records_named,
            images: list(&file.images, usual.images),
            privileged: file.privileged.unwrap_or(usual.privileged),
            docker_socket: file.docker_socket.unwrap_or(usual.docker_socket),
            host_network: file.host_network.unwrap_or(usual.host_network),
            host_namespaces: file.host_namespaces.unwrap_or(usual.host_namespaces),
            devices: list(&file.devices, usual.devices),
            nginx: file.nginx.map_or(usual.nginx, NginxPolicy::from),
            capabilities: file.capabilities.as_ref().map_or(usual.capabilities, |said| capabilities(&said.list())),
            machine_scripts: file.machine_scripts.unwrap_or(usual.machine_scripts),
            instances: list(&file.instances, usual.instances),
            repositories: places("repositories", file.repositories.as_ref(), usual.repositories)?,
            dockerfiles: places("dockerfiles", file.dockerfiles.as_ref(), usual.dockerfiles)?,
            follow_links: file.follow_links.unwrap_or(usual.follow_links),
        })
    }

    fn defaults(&self) -> Defaults {
        let logging = self.defaults.logging.as_ref();
        let rotated = [("max-size", "10m"), ("max-file", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        Defaults {
            restart: self.defaults.restart.clone(),
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
            address.push(super::public_address(&text).ok_or_else(|| {
                let message = format!("hosts.{name}.address: `{text}` is not an address");
                ConfigError::new(Code::A0201, message, super::NO_PUBLIC_ADDRESS)
            })?);
        }
        let mut also_at = Vec::new();
        for text in host.also_at.list() {
            also_at.push(text.parse().map_err(|_| {
                ConfigError::new(
                    Code::A0201,
                    format!("hosts.{name}.also_at: `{text}` is not an address"),
                    "write an IPv4 or IPv6 address",
                )
            })?);
        }
        let only = (self.npm.len() == 1).then(|| self.npm.keys().next().cloned()).flatten();
        let npm = match (&host.npm, only) {
            (Some(npm), _) => Some(self.npm_site(name, host, npm)?),
            (None, Some(npm)) => self.usual_npm(name, host, &npm)?,
            (None, None) => None,
        };
        let data = host.data.clone().unwrap_or_else(|| "/srv".to_owned());
        if !data.starts_with('/') || data.split('/').any(|part| part == "..") {
            let message = format!("hosts.{name}.data: `{data}` is not an absolute path");
            return Err(ConfigError::new(Code::A0201, message, "write a folder of the host, as in `/srv`"));
        }
        Ok(HostSite {
            docker: ProviderId::docker(name),
            address,
            also_at,
            data,
            private_address: host.private_address,
            publish_ports: publish_ports(name, host.publish_ports.as_deref())?,
            publishes_on_ipv6: publishes_on_ipv6(name, host.publish_on.as_deref())?,
            npm,
            // Known once the engines and NPMs are read.
            kept_ports: BTreeMap::new(),
        })
    }

    /// The only NPM serves a host that does not name one, unless it stands elsewhere and cannot reach it.
    fn usual_npm(&self, name: &str, host: &HostFile, npm: &str) -> Result<Option<NpmSite>, ConfigError> {
        let can_publish = host.private_address.is_some() && host.publish_ports.is_some();
        let is_there = self.npm_host(npm)?.is_none_or(|at| at == name);
        if is_there || can_publish { self.npm_site(name, host, npm).map(Some) } else { Ok(None) }
    }

    /// The host of an NPM; `None` if no container and no other host needs it.
    fn npm_host(&self, npm: &str) -> Result<Option<String>, ConfigError> {
        let Some(file) = self.npm.get(npm) else { return Ok(None) };
        let is_only = self.npm.len() == 1;
        let uses = |host: &HostFile| host.npm.as_deref().map_or(is_only, |named| named == npm);
        let users: Vec<&String> = self.hosts.iter().filter(|(_, host)| uses(host)).map(|(name, _)| name).collect();
        if let Some(host) = &file.host {
            if self.hosts.contains_key(host) || (self.hosts.is_empty() && host == "default") {
                return Ok(Some(host.clone()));
            }
            let message = format!("npm.{npm}.host: there is no `hosts.{host}`");
            return Err(ConfigError::new(Code::A0201, message, "name the host that NPM runs on"));
        }
        match users.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some((*one).clone())),
            [..] if users.iter().any(|host| *host == "default") => Ok(Some("default".to_owned())),
            [..] => {
                let message = format!("npm.{npm} serves several hosts, and none of them is `default`");
                Err(ConfigError::new(Code::A0201, message, format!("say which one it runs on: `npm.{npm}.host`")))
            }
        }
    }

    fn npm_site(&self, host: &str, host_file: &HostFile, npm: &str) -> Result<NpmSite, ConfigError> {
        let Some(file) = self.npm.get(npm) else {
            let message = format!("hosts.{host}.npm: there is no `npm.{npm}`");
            return Err(ConfigError::new(Code::A0201, message, "add it below `npm:`"));
        };
        let reach = match file.reach.as_deref() {
            None | Some("auto") => Reach::Auto,
            Some("network") => Reach::Network,
            Some("host") => Reach::Host,
            Some("edge") => Reach::Edge,
            Some("published") => Reach::Published,
            Some(other) => {
                return Err(ConfigError::new(
                    Code::A0201,
                    format!("npm.{npm}.reach: `{other}`"),
                    "it is auto, network, host, edge or published",
                ));
            }
        };
        let word = file.reach.as_deref().unwrap_or_default();
        if matches!(reach, Reach::Network | Reach::Edge) && file.container.is_none() {
            let message = format!("npm.{npm}.reach: {word} needs `npm.{npm}.container`");
            return Err(ConfigError::new(Code::A0201, message, "name NPM's container"));
        }
        // Only on its own host can it reach networks and addresses of containers.
        let is_there = self.npm_host(npm)?.is_none_or(|at| at == host);
        let reach = if is_there { reach } else { Reach::Published };
        let container = file.container.clone().filter(|_| is_there);
        if reach == Reach::Published {
            let needed = [
                ("private_address", host_file.private_address.is_some()),
                ("publish_ports", host_file.publish_ports.is_some()),
            ];
            if let Some((key, _)) = needed.iter().find(|(_, is_set)| !is_set) {
                let message =
                    format!("npm.{npm} reaches host `{host}` by published ports, and hosts.{host}.{key} is not set");
                return Err(ConfigError::new(
                    Code::A0201,
                    message,
                    "write both: private_address: 192.168.1.10, publish_ports: 20000-20999",
                ));
            }
        }
        Ok(NpmSite { provider: ProviderId::npm(npm), container, reach })
    }

    fn ovh(&self, secrets: &Resolver) -> Result<Option<OvhAccess>, ConfigError> {
        // Keys in the environment are those of a cloud where only that is named.
        let has_services =
            self.domain.is_some() || self.domains.is_some() || !self.hosts.is_empty() || !self.npm.is_empty();
        if self.ovh.is_none() && !has_services && !self.clouds.is_empty() {
            return Ok(None);
        }
        let section = LoginSection { name: "ovh", file: self.ovh.as_ref(), variables: &[], may_lack_keys: false };
        let Some((endpoint, login)) = super::ovh::login(section, secrets)? else { return Ok(None) };
        let resolvers =
            self.dns.propagation.resolvers.clone().unwrap_or_else(|| vec!["1.1.1.1".to_owned(), "9.9.9.9".to_owned()]);
        Ok(Some(OvhAccess {
            endpoint,
            login,
            servers: servers("dns.propagation.servers", &self.dns.propagation.servers)?,
            resolvers: servers("dns.propagation.resolvers", &resolvers)?,
            timeout: self.dns_timeout()?,
        }))
    }
}

/// Targets that are closed to visitors: Amarre's own pages, engines reached over TCP, NPM's admin pages.
fn listeners(
    own: &[(SocketAddr, &str)],
    dockers: &BTreeMap<String, DockerAccess>,
    npms: &BTreeMap<String, NpmAccess>,
) -> Vec<Listener> {
    let own = own.iter().map(|(listen, _)| {
        let at = Some(listen.ip()).filter(|ip| !ip.is_unspecified());
        Listener { at, port: listen.port(), by_name: true }
    });
    let url = |text: &str, usual: u16| {
        let url = reqwest::Url::parse(text).ok()?;
        let at = url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        Some((at, url.port_or_known_default().unwrap_or(usual)))
    };
    let tcp = dockers.values().filter(|docker| docker.endpoint.starts_with("tcp://"));
    let engines = tcp.filter_map(|docker| url(&docker.endpoint, 2375));
    let engines = engines.map(|(at, port)| Listener { at, port, by_name: true });
    // By a name, NPM may well be a public site.
    let npms = npms.values().filter_map(|npm| url(&npm.url, 81)).filter(|(at, _)| at.is_some());
    let npms = npms.map(|(at, port)| Listener { at, port, by_name: false });
    own.chain(engines).chain(npms).collect()
}

/// A word for a label, as names have them: in lower case.
fn record_item(item: &str) -> String {
    if item.starts_with('_') { item.to_ascii_lowercase() } else { item.to_owned() }
}

/// Names without `CAP_`, in capitals; `default` adds none to Docker's own.
fn capabilities(words: &[String]) -> BTreeSet<String> {
    let names = words.iter().filter(|word| *word != "default").map(|word| word.to_ascii_uppercase());
    names.map(|name| name.strip_prefix("CAP_").unwrap_or(&name).to_owned()).collect()
}

/// Joined without a leading `./`.
pub(super) fn clean(base: &Path, path: &Path) -> PathBuf {
    base.join(path).components().collect()
}

/// `[0.0.0.0]`, or `[0.0.0.0, "::"]`, which is what Docker does.
fn publishes_on_ipv6(host: &str, addresses: Option<&[String]>) -> Result<bool, ConfigError> {
    let Some(addresses) = addresses else { return Ok(true) };
    let mut said: Vec<&str> = addresses.iter().map(|address| address.trim_matches(['[', ']'])).collect();
    said.sort_unstable();
    match said.as_slice() {
        ["0.0.0.0"] => Ok(false),
        ["0.0.0.0", "::"] => Ok(true),
        _ => {
            let message = format!("hosts.{host}.publish_on: `{}`", addresses.join(", "));
            let hint =
                "write [0.0.0.0] for IPv4 only; one port gets another address in its manifest, 127.0.0.1:8080:80";
            Err(ConfigError::new(Code::A0201, message, hint))
        }
    }
}

/// `20000-20999`.
fn publish_ports(host: &str, text: Option<&str>) -> Result<Option<(u16, u16)>, ConfigError> {
    let Some(text) = text else { return Ok(None) };
    let range = text.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    match range {
        Some((first, last)) if first > 0 && first <= last => Ok(Some((first, last))),
        Some(_) | None => {
            let message = format!("hosts.{host}.publish_ports: `{text}`");
            Err(ConfigError::new(Code::A0201, message, "write the first and the last port: 20000-20999"))
        }
    }
}

/// URLs are shown in errors, status and logs. A user without a password is no credential, as in `ssh://ops@host`.
pub(super) fn no_credentials(key: &str, url: &str) -> Result<(), ConfigError> {
    // A password may contain letters that end it in a URL.
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    match rest.rsplit_once('@') {
        Some((user, _)) if user.contains(':') => Err(ConfigError::new(
            Code::A0201,
            format!("{key}: the URL has a password in it"),
            "leave out what stands before `@`: an address is shown in errors and logs, a password must not be",
        )),
        Some(_) | None => Ok(()),
    }
}

fn check_instance(instance: &str) -> Result<(), ConfigError> {
    let fits = !instance.is_empty() && instance.len() <= 40;
    // It is part of labels, NPM's names and TXT values, where commas and slashes have a meaning.
    if fits && instance.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        return Ok(());
    }
    Err(ConfigError::new(
        Code::A0201,
        format!("instance: `{instance}`"),
        "use lower-case letters, digits and `-`, at most 40",
    ))
}

pub(super) fn duration(key: &str, text: Option<&str>, usual: Millis) -> Result<Millis, ConfigError> {
    let Some(text) = text else { return Ok(usual) };
    match humantime::parse_duration(text) {
        Ok(span) if span.as_millis() > 0 => Ok(Millis(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))),
        Ok(_) | Err(_) => {
            Err(ConfigError::new(Code::A0201, format!("{key}: `{text}` is not a duration"), "write 30s, 5m or 1h"))
        }
    }
}

/// `2GiB`, `500MB`, `0`.
fn bytes(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 8] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
    ];
    let unit = UNITS.iter().find(|(unit, _)| text.ends_with(unit));
    let (number, size) = unit.map_or((text, 1), |(unit, size)| (text.trim_end_matches(unit), *size));
    number.trim().parse::<u64>().ok()?.checked_mul(size)
}

pub(super) fn servers(key: &str, texts: &[String]) -> Result<Vec<SocketAddr>, ConfigError> {
    let parse = |text: &String| {
        let with_port = text.parse().ok();
        with_port.or_else(|| text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53)))
    };
    let mut servers = Vec::new();
    for text in texts {
        servers.push(parse(text).ok_or_else(|| {
            ConfigError::new(Code::A0201, format!("{key}: `{text}`"), "write address or address:port")
        })?);
    }
    Ok(servers)
}

/// Patterns of repositories and folders; what is none would silently stand for nothing.
fn places(word: &str, said: Option<&Vec<String>>, usual: Vec<String>) -> Result<Vec<String>, ConfigError> {
    let Some(said) = said else { return Ok(usual) };
    for text in said {
        RepositoryPattern::parse(text).map_err(|why| {
            let message = format!("policy.{word}: `{text}` is no pattern of repositories: {why}");
            let hint = "write `https://github.com/acme/*`, `git@github.com:acme/*`, `./services/shop` or `*`";
            ConfigError::new(Code::A0201, message, hint)
        })?;
    }
    Ok(said.clone())
}
