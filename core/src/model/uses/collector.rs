//! Takes a service apart and notes what it uses. Nothing is skipped by `..`: a new field says here what is used by it.

use std::collections::BTreeSet;

use super::super::address::service_of_network;
use super::super::app::{App, AppSource};
use super::super::image_reference::ReferenceParts;
use super::super::instance::{Instance, ServerShape};
use super::super::pool::{Machine, Pool};
use super::super::service::{
    AccessList, AnsweredHost, Container, ContainerNetwork, Delivery, DeliveryContent, Dns, EnvValue, Mount,
    MountSource, NetworkMode, OwnNetwork, Port, Route, Service, Stream, StreamTarget, Target, Tls, Volume,
};
use super::super::site::{PublicAddress, Reach, Site};
use super::super::value::SecretName;
use super::{OF_CONTAINER, Use, UseKind, container_names, home_network, hosted, records};

/// What a service uses. Files of the source, and what words of the policy allow beside, are not in a service:
/// `manifest::uses_of_text` adds them.
pub fn of(service: &Service, site: &Site) -> BTreeSet<Use> {
    let mut found = UseCollector { host: &service.host, site, uses: BTreeSet::new() };
    found.service(service);
    listed(service, found.uses)
}

/// These uses, and what of them the kind of the manifest does not list.
pub fn listed(service: &Service, mut uses: BTreeSet<Use>) -> BTreeSet<Use> {
    let (manifest, listed) = (service.kind.word(), service.kind.uses());
    let kinds: BTreeSet<UseKind> = uses.iter().map(Use::kind).filter(|kind| !listed.contains(kind)).collect();
    uses.extend(kinds.into_iter().map(|kind| Use::Unlisted { manifest, used: Some(kind) }));
    if listed.is_empty() {
        uses.insert(Use::Unlisted { manifest, used: None });
    }
    uses
}

/// What is collected of one service.
struct UseCollector<'a> {
    host: &'a str,
    site: &'a Site,
    uses: BTreeSet<Use>,
}

impl UseCollector<'_> {
    fn add(&mut self, used: Use) {
        self.uses.insert(used);
    }

    fn host(&self) -> String {
        self.host.to_owned()
    }

    fn service(&mut self, service: &Service) {
        let Service {
            name: _,
            kind,
            host,
            origin: _,
            containers,
            jobs,
            needs,
            routes,
            answered,
            streams,
            access_lists,
            instance,
            app,
            pool,
            dns: _,
            network,
            networks,
            volumes,
            stopped: _,
            reconcile: _,
            data,
            update: _,
            places: _,
        } = service;
        if kind.needs_host() {
            self.add(Use::Host(host.clone()));
        }
        for (key, container) in containers {
            self.add(Use::ContainerKey { host: self.host(), name: service.address_name(key) });
            self.container(service, container);
        }
        for (key, job) in jobs {
            self.add(Use::ContainerKey { host: self.host(), name: service.address_name(key) });
            self.container(service, &job.container);
        }
        self.uses.extend(container_names(service, self.site, &[]).into_keys().map(Use::ContainerName));
        self.uses.extend(needs.iter().map(|needed| Use::Service(needed.service.clone())));
        routes.iter().for_each(|route| self.route(route));
        answered.iter().for_each(|host| self.answered(host));
        streams.iter().for_each(|stream| self.stream(stream));
        access_lists.iter().for_each(|list| self.access_list(list));
        instance.iter().for_each(|instance| self.instance(instance));
        app.iter().for_each(|app| self.app(app));
        pool.iter().for_each(|pool| self.pool(pool));
        self.names(service);
        match network {
            NetworkMode::Subnet(subnet) | NetworkMode::Defined { subnet: Some(subnet), internal: _ } => {
                self.add(Use::Subnet { host: self.host(), subnet: *subnet });
            }
            NetworkMode::Shared(name) => self.add(Use::Network { host: self.host(), name: name.clone() }),
            NetworkMode::Auto | NetworkMode::Defined { subnet: None, internal: _ } => (),
        }
        for OwnNetwork { subnet, internal: _ } in networks.values() {
            self.uses.extend(subnet.map(|subnet| Use::Subnet { host: host.clone(), subnet }));
        }
        for (key, volume) in volumes {
            let Volume { name: _, is_external: _, driver: _, options, labels: _, origin: _ } = volume;
            let folder = options.get("device").map(|device| self.folder(device, false));
            self.uses.extend(folder);
            self.add(Use::Volume { host: self.host(), name: service.volume_name(key), is_written: false });
        }
        self.uses.extend(data.of.iter().map(|old| Use::DataOf(old.clone())));
    }

    /// Names and records, those that follow from names too.
    fn names(&mut self, service: &Service) {
        let record = |name: &str, word: &str| Use::Record { name: name.to_owned(), record_type: word.to_owned() };
        self.uses.extend(hosted(service).map(|name| Use::Name(name.to_owned())));
        self.uses.extend(records(service).iter().map(|one| record(&one.name, &one.record_type)));
        let is_recorded = |name: &&str| self.site.dns_provider(name).is_some();
        let to_servers: BTreeSet<&str> =
            service.servers().flat_map(|server| &server.domains).map(String::as_str).collect();
        let mut led = Vec::new();
        for name in hosted(service).filter(is_recorded) {
            if to_servers.contains(name) {
                led.extend(["A", "AAAA"].map(|word| record(name, word)));
            } else if service.dns == Dns::Auto {
                let addresses = self.site.hosts.get(&service.host).map(|host| host.address.as_slice());
                led.extend(addresses.unwrap_or_default().iter().map(|address| record(name, record_type_of(address))));
            }
        }
        self.uses.extend(led);
    }

    fn folder(&self, path: &str, is_written: bool) -> Use {
        Use::Folder { host: self.host(), path: path.to_owned(), is_written }
    }

    fn container(&mut self, service: &Service, container: &Container) {
        let Container {
            image,
            build: _,
            command: _,
            entrypoint: _,
            environment,
            ports,
            mounts,
            healthcheck: _,
            user: _,
            restart: _,
            is_restart_unsaid: _,
            labels: _,
            depends_on: _,
            logging: (log_driver, _),
            pull_policy: _,
            container_name: _,
            network_mode,
            home,
            also_on,
            aliases: _,
            ipv4_address,
            shares: _,
            settings: _,
            origin: _,
        } = container;
        self.uses.extend(environment.values().filter_map(|value| match value {
            EnvValue::Secret(name) => secret_use(name),
            EnvValue::Plain(_) => None,
        }));
        self.add(Use::LogDriver(log_driver.clone()));
        if !builds_itself(service, container) {
            self.add(use_of_image(image));
        }
        for Port { host_ip, is_anywhere: _, published, target: _, protocol } in ports {
            let (ip, protocol) = (host_ip.clone(), protocol.clone());
            self.add(Use::Port { host: self.host(), ip, port: *published, protocol });
        }
        for Mount { source, target: _, read_only, options: _, writes_copy: _, creates_folder: _ } in mounts {
            // What may be read may still not be written to.
            for is_written in if *read_only { &[false][..] } else { &[false, true] } {
                match source {
                    MountSource::Bind(path) => self.add(self.folder(path, *is_written)),
                    MountSource::Volume(volume) => {
                        let name = service.volume_name(volume);
                        self.add(Use::Volume { host: self.host(), name, is_written: *is_written });
                    }
                    MountSource::Copied(Delivery { content: DeliveryContent::Secret(name), .. }) => {
                        self.uses.extend(secret_use(name));
                    }
                    // The files themselves are `Use::File`.
                    MountSource::Tmpfs | MountSource::Copied(_) => (),
                }
            }
        }
        let joined = home.iter().chain(also_on).filter(|network| !service.networks.contains_key(*network));
        let joined: Vec<Use> = joined.map(|name| Use::Network { host: self.host(), name: name.clone() }).collect();
        self.uses.extend(joined);
        match network_mode {
            ContainerNetwork::Other(name) => {
                self.add(Use::Network { host: self.host(), name: format!("{OF_CONTAINER}{name}") });
            }
            ContainerNetwork::Own | ContainerNetwork::None | ContainerNetwork::Host | ContainerNetwork::Of(_) => (),
        }
        // On a network of its own, it meets nobody.
        let shared = home_network(service, container);
        if let (Some(ip), true) = (ipv4_address, is_shared(service, shared)) {
            let network = service_of_network(shared).unwrap_or(shared).to_owned();
            self.add(Use::Address { host: self.host(), network, ip: *ip });
        }
    }

    fn route(&mut self, route: &Route) {
        let Route {
            domains: _,
            to: _,
            tls,
            force_https: _,
            websockets: _,
            block_exploits: _,
            access_list,
            http2: _,
            hsts: _,
            caching: _,
            locations: _,
            advanced: _,
            origin: _,
        } = route;
        for target in route.targets() {
            match target {
                Target::Url { scheme: _, host, port } => self.add(Use::Target(format!("{host}:{port}"))),
                Target::Instance { name, port: _ } => self.add(Use::ContainerOf(name.clone())),
                Target::Container { .. } => (),
            }
        }
        self.tls(tls);
        self.uses.extend(access_list.iter().map(|list| Use::AccessList(list.clone())));
    }

    fn tls(&mut self, tls: &Tls) {
        match tls {
            Tls::Existing(name) => self.add(Use::Certificate(name.clone())),
            Tls::None | Tls::LetsEncrypt(_) => (),
        }
    }

    fn answered(&mut self, host: &AnsweredHost) {
        let AnsweredHost {
            kind: _,
            domains: _,
            tls,
            force_https: _,
            http2: _,
            hsts: _,
            advanced: _,
            fields: _,
            origin: _,
        } = host;
        self.tls(tls);
    }

    fn stream(&mut self, stream: &Stream) {
        let Stream { port, to, tcp, udp, origin: _ } = stream;
        let npm = self.site.hosts.get(self.host).and_then(|host| host.npm.as_ref());
        let provider = npm.map(|npm| npm.provider.to_string()).unwrap_or_default();
        self.add(Use::NpmPort { npm: provider, port: *port });
        if npm.is_some_and(|npm| npm.reach == Reach::Host) {
            for (protocol, _) in [("tcp", tcp), ("udp", udp)].into_iter().filter(|(_, is_meant)| **is_meant) {
                let (ip, protocol) = ("0.0.0.0".to_owned(), protocol.to_owned());
                self.add(Use::Port { host: self.host(), ip, port: *port, protocol });
            }
        }
        match to {
            StreamTarget::Container { service, key: _, port: _ } => self.add(Use::ContainerOf(service.clone())),
            StreamTarget::Address { host, port } => self.add(Use::Target(format!("{host}:{port}"))),
        }
    }

    fn access_list(&mut self, list: &AccessList) {
        let AccessList { name: _, users, allow: _, deny: _, satisfy_any: _, pass_auth: _, origin: _ } = list;
        self.uses.extend(users.values().filter_map(secret_use));
    }

    fn instance(&mut self, instance: &Instance) {
        let Instance { address, shape, cloud, rule: _, domains: _, check: _, origin: _ } = instance;
        let Some(shape) = shape else { return self.add(Use::Server(address.clone())) };
        let ServerShape { project, region: _, size, image: _, ssh_key, user_data: _, may_resize: _ } = shape;
        self.add(Use::MadeServer { address: address.clone(), size: size.clone() });
        self.add(Use::Project { cloud: cloud.clone(), project: project.clone() });
        if !ssh_key.is_empty() {
            self.add(Use::SshKey(ssh_key.clone()));
        }
    }

    fn app(&mut self, app: &App) {
        let App { source, build: _ } = app;
        let AppSource { url, app: _, reference: _, commit: _, path: _, token, host_key: _ } = source;
        self.add(Use::Repository(url.to_string()));
        self.uses.extend(token.iter().filter_map(secret_use));
    }

    fn pool(&mut self, pool: &Pool) {
        let Pool { machines, servers, rules: _, usual: _, who: _, shell: _, sudo: _, between: _, origin: _ } = pool;
        for machine in machines.values() {
            let Machine { address, port, user: _, password, host_key, is_container: _, server, origin: _ } = machine;
            // Where a server is, its cloud says.
            if server.is_none() {
                self.add(Use::Machine { address: address.clone(), port: *port });
            }
            self.uses.extend(host_key.iter().map(|key| Use::HostKey(key.clone())));
            self.uses.extend(password.iter().filter_map(secret_use));
        }
        servers.values().for_each(|server| self.instance(server));
    }
}

/// A secret that a manifest names; those that Amarre makes for it are no use.
fn secret_use(name: &SecretName) -> Option<Use> {
    (!name.is_own()).then(|| Use::Secret(name.0.clone()))
}

fn record_type_of(address: &PublicAddress) -> &'static str {
    match address {
        PublicAddress::Ip(ip) if ip.is_ipv4() => "A",
        PublicAddress::Ip(_) => "AAAA",
        PublicAddress::Name(_) => "CNAME",
    }
}

/// Whether Amarre builds the image for this container.
fn builds_itself(service: &Service, container: &Container) -> bool {
    container.build.is_some() || service.build().is_some_and(|build| build.image == container.image)
}

/// What Amarre built is `amarre/shop`, or `amarre/shop/worker` where a service has several.
fn use_of_image(image: &str) -> Use {
    let parts = ReferenceParts::of(image);
    match parts.built_here().and_then(|built| built.split('/').next()) {
        Some(app) => Use::BuiltImage(app.to_owned()),
        None => Use::Image(image.to_owned()),
    }
}

/// Whether containers of other manifests may be on a network.
fn is_shared(service: &Service, network: &str) -> bool {
    network != service.name && !service.networks.contains_key(network)
}
