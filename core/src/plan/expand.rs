//! Manifests → wants: every resource that a revision needs, with what it needs first.
//!
//! Containers are in [`crate::plan::rollout`]; here is what stands around them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

use super::desired::certificate::CertificateNames;
use super::desired::dns_records::WantedRecords;
use super::desired::{account, certificate, host_fields, instance, npm_reach, stream, subnets};
use super::expansion::{Attachments, Expansion, Home, RouteTarget, ServiceEndpoints};
use super::indexes::all_mounts::AllMounts;
use super::indexes::zone_names::ZoneNames;
use super::indexes::{known_containers, shared_networks};
use super::input::Input;
use super::rollout::{network_recreate, start_conditions, stopped};
use super::targets::{HostTargets, StreamTargets};
use super::{addressing, left_alone, protection, rollout};
use crate::model::families::ProviderRole;
use crate::model::service::{AccessList, AnsweredHost, Dns, NetworkMode, Record, Route, Target as Leads, Tls};
use crate::model::site::{HostSite, NpmSite, PublicAddress, Reach};
use crate::model::{Address, Code, Fields, Hint, Kind, Need, Origin, ProviderId, Refusal, Service, Site, Value, Wants};
use crate::text;

/// Every want of every manifest that is in force.
pub fn expand(input: &Input<'_>) -> Wants {
    let stream_targets = StreamTargets::by(input);
    let subnets = subnets::assign(input, &stream_targets);
    let all_mounts = AllMounts::of(input);
    let mut wants = Wants { moving: network_recreate::networks(&all_mounts, &subnets), ..Wants::default() };
    let names = ZoneNames::of(input);
    let known = known_containers::known(input);
    let containers = input.services.values().flat_map(|service| service.containers.values());
    let asked_for: BTreeSet<Ipv4Addr> = containers.filter_map(|container| container.ipv4_address).collect();
    let host_targets = HostTargets::by(input);
    let joined = shared_networks::SharedNetworks::by(input);
    let mut taken_addresses = BTreeMap::new();
    let mut taken_ports = BTreeMap::new();
    let mut places = BTreeMap::new();
    let lists = defined_lists(input);
    let nowhere = HostSite::of_engine(ProviderId::usual(ProviderRole::Engine));
    // Where the containers of each service are, for the streams of others.
    let mut reached: BTreeMap<&str, ServiceEndpoints> = BTreeMap::new();
    let mut services: Vec<&Service> = input.services.values().collect();
    // What several manifests want is wanted by one that is taken care of.
    services.sort_by_key(|service| {
        let name = &service.name;
        (left_alone::is_left_alone(input, name) || protection::is_reported(input, name), service.stopped)
    });
    for service in start_conditions::in_order(input, services) {
        if input.facts.suspended.get(&service.name).is_some_and(|suspension| suspension.destroy) {
            continue;
        }
        let host = match input.site.host_of(service) {
            Some(host) => host,
            None if service.kind.needs_host() => continue,
            None => &nowhere,
        };
        let mut expansion = Expansion {
            input,
            service,
            host,
            names: &names,
            known: &known,
            stream_targets: &stream_targets,
            all_mounts: &all_mounts,
            host_targets: &host_targets,
            joined: &joined,
            asked_for: &asked_for,
            subnets: &subnets,
            wants: &mut wants,
            taken: &mut taken_addresses,
            ports: &mut taken_ports,
            places: &mut places,
            lists: &lists,
            reached: &reached,
        };
        let reach = expansion.run();
        reached.insert(&service.name, reach);
    }
    stream::expand(input, &reached, &mut wants);
    wants
}

impl Expansion<'_> {
    fn run(&mut self) -> ServiceEndpoints {
        let home = self.home();
        let moving = self.moving(home.as_ref());
        self.own_networks();
        let attachments = match (npm_reach::reach(self.input, self.host), &home) {
            (Some(Reach::Network), Some(home)) => self.attachments(home),
            (Some(Reach::Edge), _) => Attachments { home: self.edge(), ..Attachments::default() },
            (Some(Reach::Network | Reach::Auto | Reach::Host | Reach::Published) | None, _) => Attachments::default(),
        };
        let targets = match &home {
            Some(_) if self.service.stopped => stopped::containers(self),
            Some(_) if let Some(network) = &moving => network_recreate::remove_containers(self, network),
            Some(home) => rollout::containers(self, home),
            None => BTreeMap::new(),
        };
        for list in &self.service.access_lists {
            self.access_list(list);
        }
        for server in self.service.servers() {
            instance::expand(self, server);
        }
        if let Some(pool) = &self.service.pool {
            account::expand(self, pool);
        }
        let records = self.records(&targets);
        for route in &self.service.routes {
            self.route(route, &targets, &records, &attachments);
        }
        for host in &self.service.answered {
            self.answered(host, &records);
        }
        let at = (self.stream_targets)
            .of(self.service)
            .filter_map(|(key, port)| {
                let target = targets.get(key)?;
                Some(((key.to_owned(), port), npm_reach::point(self, target, port)))
            })
            .collect();
        let moves = moving.is_some();
        if self.service.stopped {
            stopped::make_nothing(self);
        } else if moves {
            network_recreate::keep_hosts(self);
        }
        ServiceEndpoints { targets, attachments, at, moves }
    }

    fn home(&self) -> Option<Home> {
        if self.service.containers.is_empty() {
            return None;
        }
        let docker = &self.host.docker;
        let NetworkMode::Shared(name) = &self.service.network else {
            let Some((address, _)) = subnets::network_of(self.input, self.service) else {
                let none = Address::new(docker.clone(), Kind::Network, &subnets::network_name(&self.service.name));
                return Some(Home::own(none, None, self.service));
            };
            let subnet = self.subnets.get(&address).and_then(|subnet| subnet.as_ref().ok()).copied();
            return Some(Home::own(address, subnet, self.service));
        };
        Some(self.home_at(self.shared(name)))
    }

    /// A network that its containers are on and that is made anew.
    fn moving(&self, home: Option<&Home>) -> Option<Address> {
        let beside = self.service.containers.values().flat_map(|container| self.not_at_home(container));
        let mut all = home.map(|home| home.address.clone()).into_iter().chain(beside);
        all.find(|network| self.wants.moving.contains(network))
    }

    fn own_networks(&mut self) {
        for subnets::Own { address, asked, internal } in subnets::networks_of(self.input, self.service) {
            if !self.wants.moving.contains(&address) {
                self.network(address, asked, internal);
            }
        }
    }

    /// The network that the host's routed containers share with NPM, and NPM on it.
    fn edge(&mut self) -> Option<Address> {
        if !subnets::is_on_edge(self.stream_targets, self.service) {
            return None;
        }
        let address = npm_reach::edge_network(self.host);
        self.network(address.clone(), None, false);
        let subnet = self.subnets.get(&address).and_then(|subnet| subnet.as_ref().ok()).copied();
        self.attachment(&address, subnet)
    }

    fn network(&mut self, address: Address, asked: Option<Ipv4Net>, internal: bool) {
        let mut fields = Fields::default().with("internal", Value::Bool(internal));
        let mut refusal = None;
        match self.subnets.get(&address) {
            Some(Ok(subnet)) => {
                // What is there keeps its subnet until it is made anew; what is asked for shows as the difference.
                let subnet = asked.as_ref().unwrap_or(subnet);
                fields.set("subnet", Value::text(subnet.to_string()));
                fields.set("gateway", Value::text(addressing::gateway(*subnet).to_string()));
                if let Some(range) = addressing::ip_range(*subnet) {
                    fields.set("ip_range", Value::text(range.to_string()));
                }
            }
            Some(Err(full)) => refusal = Some(full.as_ref().clone()),
            None => (),
        }
        let origin = self.service.origin.clone();
        let want = self.want(address, fields, Vec::new(), &origin);
        want.refuse(refusal);
    }

    /// NPM on the networks of routed containers.
    fn attachments(&mut self, home: &Home) -> Attachments {
        let service = self.service;
        let leads_elsewhere = service
            .routes
            .iter()
            .flat_map(|route| route.targets())
            .any(|target| !matches!(target, Leads::Container { .. }));
        let lives_at_home = |key: &str| service.containers.get(key).is_some_and(|container| container.home.is_none());
        let host_targets: BTreeSet<&str> = subnets::on_edge(self.stream_targets, service).collect();
        let is_wanted = service.has_network() && (leads_elsewhere || host_targets.iter().any(|key| lives_at_home(key)));
        // It leaves what is made anew, whatever leads there.
        let is_moving = |wants: &Wants, network: &Address| wants.moving.contains(network);
        let is_at_home = is_wanted || is_moving(self.wants, &home.address);
        let at_home = if is_at_home { self.attachment(&home.address, home.subnet) } else { None };
        let mut elsewhere = BTreeMap::new();
        for (key, container) in service.containers.iter().filter(|(_, container)| container.home.is_some()) {
            let home = self.home_of(home, container).into_owned();
            if host_targets.contains(key.as_str()) || is_moving(self.wants, &home.address) {
                elsewhere.insert(key.clone(), self.attachment(&home.address, home.subnet));
            }
        }
        Attachments { home: at_home, elsewhere }
    }

    /// NPM on the network of a routed container, where NPM lives on a bridge of the same host.
    fn attachment(&mut self, network: &Address, subnet: Option<Ipv4Net>) -> Option<Address> {
        let container = self.host.npm.as_ref()?.container.as_ref()?;
        let docker = self.host.docker.clone();
        let npm_container = Address::new(docker.clone(), Kind::Container, container);
        let address = Address::new(docker, Kind::Attachment, &format!("{}/{container}", network.name));
        // Whether it comes again is another question: hosts that lead to this network go on doing so until there is another.
        if self.wants.moving.contains(network) {
            network_recreate::detach(self, address, network);
            return None;
        }
        let mut fields = Fields::default();
        if let Some(subnet) = subnet {
            fields.set("address", Value::text(addressing::npm_address(subnet, self.service).to_string()));
        }
        let needs = vec![Need::present(network.clone()), Need::present(npm_container.clone())];
        let refusal = self.would_cut_npm(&npm_container, &network.name);
        let origin = self.service.origin.clone();
        let want = self.want(address.clone(), fields, needs, &origin);
        want.refuse(refusal);
        Some(address)
    }

    /// Docker moves a container's published ports to the network whose name sorts first, and cuts what is open.
    fn would_cut_npm(&self, npm: &Address, network: &str) -> Option<Refusal> {
        let seen = self.input.world.seen.get(npm)?;
        let networks = seen.fields.strings("networks");
        if networks.contains(&network) || networks.iter().any(|own| *own < network) {
            return None;
        }
        let own = networks.first().copied().unwrap_or("(none)");
        Some(Refusal {
            code: Code::A0506,
            message: text!("attaching {npm} to {network} would cut every site for a moment", npm = &npm.name, network),
            found: vec![(text!("its own network"), own.to_owned().into())],
            hints: vec![Hint::command(
                text!(
                    "give NPM a network whose name sorts before {network}, or attach it yourself when it suits",
                    network
                ),
                format!("docker network connect {network} {}", npm.name),
            )],
        })
    }

    fn access_list(&mut self, list: &AccessList) {
        let Some(npm) = self.host.npm.as_ref() else { return };
        let address = Address::new(npm.provider.clone(), Kind::AccessList, &list_name(self.input.site, &list.name));
        let users = list.users.iter().map(|(user, secret)| (user.clone(), self.secret(secret))).collect();
        let fields = Fields::default()
            .with("users", Value::Map(users))
            .with("allow", Value::texts(list.allow.iter().cloned()))
            .with("deny", Value::texts(list.deny.iter().cloned()))
            .with("satisfy_any", Value::Bool(list.satisfy_any))
            .with("pass_auth", Value::Bool(list.pass_auth));
        self.want(address, fields, Vec::new(), &list.origin);
    }

    /// The records of this manifest, by name: what a proxy host of that name comes after.
    fn records(&mut self, targets: &BTreeMap<String, RouteTarget>) -> BTreeMap<String, Vec<Address>> {
        let mut by_name: BTreeMap<String, Vec<Address>> = BTreeMap::new();
        let (records, needs) = match &self.service.dns {
            Dns::None => (Vec::new(), Vec::new()),
            Dns::Records(records) => (records.clone(), Vec::new()),
            Dns::Auto => {
                (self.auto_records(), targets.values().map(|target| Need::ready(target.address.clone())).collect())
            }
        };
        let mut sets: BTreeMap<(String, String), Vec<Record>> = BTreeMap::new();
        for record in records {
            sets.entry((record.name.clone(), record.record_type.clone())).or_default().push(record);
        }
        for ((name, record_type), records) in sets {
            let mut values: Vec<&str> = records.iter().map(|record| record.value.as_str()).collect();
            values.sort_unstable();
            values.dedup();
            let ttl_s = records.first().map_or(self.input.site.dns_ttl_s, |record| record.ttl_s);
            let origin = records.first().map(|record| record.origin.clone()).unwrap_or_default();
            let set = WantedRecords { name: &name, record_type: &record_type, values: Value::texts(values), ttl_s };
            let address = self.record_set(set, needs.clone(), &origin);
            by_name.entry(name).or_default().push(address);
        }
        by_name
    }

    fn auto_records(&mut self) -> Vec<Record> {
        let routes = self.service.routes.iter().map(|route| (&route.domains, &route.origin));
        let answered = self.service.answered.iter().map(|host| (&host.domains, &host.origin));
        let names: Vec<(String, Origin)> = routes
            .chain(answered)
            .flat_map(|(domains, origin)| domains.iter().map(move |domain| (domain.clone(), origin.clone())))
            .collect();
        let mut records = Vec::new();
        for (name, origin) in names {
            if let Some(wildcard) = self.names.covering(&name, self.host) {
                self.note(
                    None,
                    text!("{name} is answered by {wildcard}, which is not ours: no record is written", name, wildcard),
                );
                continue;
            }
            for target in &self.host.address {
                let (record_type, value) = match target {
                    PublicAddress::Ip(IpAddr::V4(address)) => ("A", address.to_string()),
                    PublicAddress::Ip(IpAddr::V6(address)) => ("AAAA", address.to_string()),
                    PublicAddress::Name(target) => ("CNAME", target.clone()),
                };
                let (record_type, ttl_s) = (record_type.to_owned(), self.input.site.dns_ttl_s);
                records.push(Record { name: name.clone(), record_type, value, ttl_s, origin: origin.clone() });
            }
        }
        records
    }

    fn route(
        &mut self,
        route: &Route,
        targets: &BTreeMap<String, RouteTarget>,
        records: &BTreeMap<String, Vec<Address>>,
        attachments: &Attachments,
    ) {
        let Some(npm) = self.host.npm.clone() else { return };
        let Some(main) = route.domains.first() else { return };
        let address = Address::new(npm.provider.clone(), Kind::ProxyHost, main);
        let host = self.input.world.seen.get(&address);
        let through = route.targets().filter_map(|target| match target {
            Leads::Container { key, .. } => attachments.of(key),
            Leads::Url { .. } | Leads::Instance { .. } => attachments.home.as_ref(),
        });
        let through: BTreeSet<&Address> = through.collect();
        let mut needs: Vec<Need> = through.into_iter().cloned().map(Need::present).collect();
        let Some((scheme, at)) =
            host_fields::upstream(self, &route.to, host_fields::HostQuery { host, path: None }, targets, &mut needs)
        else {
            return;
        };
        let locations = host_fields::locations(self, &route.locations, host, targets, &mut needs);
        needs.extend(route.domains.iter().filter_map(|name| records.get(name)).flatten().cloned().map(Need::present));
        let front =
            CertificateNames { npm: &npm.provider, domains: &route.domains, host, records, origin: &route.origin };
        let certificate = self.certificate(&route.tls, &front, &mut needs);
        let access_list = self.access_list_of(&npm, route.access_list.as_deref(), &mut needs);
        let mut fields = host_fields::strict(Fields::default(), route.hsts, &route.advanced)
            .with("domains", sorted(&route.domains))
            .with("forward_scheme", Value::text(scheme))
            .with("certificate", certificate)
            .with("force_https", Value::Bool(route.force_https))
            .with("http2", Value::Bool(route.http2))
            .with("websockets", Value::Bool(route.websockets))
            .with("block_exploits", Value::Bool(route.block_exploits))
            .with("access_list", access_list)
            .with("enabled", Value::Bool(!self.service.stopped))
            .with("online", Value::Bool(true))
            .with("mark", Value::Bool(true));
        if let Some((host, port)) = at {
            fields.set("forward_host", host);
            fields.set("forward_port", port);
        }
        fields.extend(locations.map(|locations| ("locations".into(), locations)));
        // The one that is left to NPM unless the manifest names it.
        fields.extend(route.caching.map(|caching| ("caching".into(), Value::Bool(caching))));
        let refusal = host_fields::no_instance(self, route);
        self.want(address, fields, needs, &route.origin).refuse(refusal);
    }

    fn answered(&mut self, answered: &AnsweredHost, records: &BTreeMap<String, Vec<Address>>) {
        let Some(npm) = self.host.npm.clone() else { return };
        let AnsweredHost { kind, domains, tls, force_https, http2, hsts, advanced, fields, origin } = answered;
        let Some(main) = domains.first() else { return };
        let names = domains.iter().filter_map(|name| records.get(name)).flatten();
        let mut needs: Vec<Need> = names.cloned().map(Need::present).collect();
        let address = Address::new(npm.provider.clone(), *kind, main);
        let host = self.input.world.seen.get(&address);
        let front = CertificateNames { npm: &npm.provider, domains, host, records, origin };
        let certificate = self.certificate(tls, &front, &mut needs);
        let fields = host_fields::strict(fields.clone(), *hsts, advanced)
            .with("domains", sorted(domains))
            .with("certificate", certificate)
            .with("force_https", Value::Bool(*force_https))
            .with("http2", Value::Bool(*http2))
            .with("enabled", Value::Bool(true))
            .with("online", Value::Bool(true))
            .with("mark", Value::Bool(true));
        self.want(address, fields, needs, origin);
    }

    /// The certificate by name; a host is never written without the one that its manifest asks for.
    fn certificate(&mut self, tls: &Tls, front: &CertificateNames<'_>, needs: &mut Vec<Need>) -> Value {
        match tls {
            Tls::None => Value::None,
            Tls::Existing(name) => {
                needs.push(Need::present(Address::new(front.npm.clone(), Kind::Certificate, name)));
                Value::text(name)
            }
            Tls::LetsEncrypt(asked) => certificate::for_host(self, front, *asked, needs),
        }
    }

    /// The access list by name, likewise.
    fn access_list_of(&self, npm: &NpmSite, list: Option<&str>, needs: &mut Vec<Need>) -> Value {
        list.map_or(Value::None, |list| {
            let ours = self.lists.contains(&(&npm.provider, list));
            let name = if ours { list_name(self.input.site, list) } else { list.to_owned() };
            needs.push(Need::present(Address::new(npm.provider.clone(), Kind::AccessList, &name)));
            Value::text(name)
        })
    }
}

fn defined_lists<'a>(input: &Input<'a>) -> BTreeSet<(&'a ProviderId, &'a str)> {
    let site = input.site;
    let npm_of = |service: &Service| site.host_of(service)?.npm.as_ref().map(|npm| &npm.provider);
    let services = input.services.values().filter_map(|service| Some((npm_of(service)?, service)));
    services.flat_map(|(npm, service)| service.access_lists.iter().map(move |list| (npm, list.name.as_str()))).collect()
}

/// What an access list of ours is called in NPM, which has no other place for a mark.
pub fn list_name(site: &Site, name: &str) -> String {
    format!("{}/{name}", site.instance)
}

fn sorted(domains: &[String]) -> Value {
    let mut domains = domains.to_vec();
    domains.sort();
    domains.dedup();
    Value::texts(domains)
}
