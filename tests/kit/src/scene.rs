//! What every case takes for granted: the site, the vendors' tables and spelling, an empty server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::OnceLock;

use amarre_core::manifest::{Loaded, SourceFile, load};
use amarre_core::model::site::{
    CertificateCare, CloudActions, CloudLimits, CloudSite, Defaults, EVERY_ZONE, HostSite, Mode, NpmSite, Policy,
    PortRange, PublicAddress, Reach, Site,
};
use amarre_core::model::{
    Address, Assets, Facts, Fields, KindSchema, Mark, Millis, Owner, ProviderId, Readiness, Requests, SecretName, Seen,
    Service, Timestamp, Value, World,
};
use amarre_core::plan::input::{Input, Schemas};
use amarre_core::resources::{cloud, dns, docker, npm};

use crate::state::State;

/// 20 November 2026, 12:00:00 UTC.
pub const START: Timestamp = Timestamp(1_795_176_000_000);
/// Every mark of a secret begins so; nobody may ever read one.
pub const CANARY: &str = "canary-";

/// Everything that a plan depends on, the world and the ledger apart.
#[derive(Clone)]
pub struct Scene {
    pub services: BTreeMap<String, Service>,
    pub site: Site,
    pub marks: BTreeMap<SecretName, Mark>,
    /// Images whose containers do not work.
    pub sick: BTreeMap<String, Sick>,
    /// Paths that images declare as volumes.
    pub declares: BTreeMap<String, Vec<String>>,
    pub requests: Requests,
}

/// How a container does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sick {
    /// It ends at once.
    Exits,
    /// It runs and never becomes healthy.
    Hangs,
}

impl Scene {
    /// Reads manifests; all of them must be good.
    #[track_caller]
    pub fn of(files: &[(String, String)], site: &Site, versions: &BTreeMap<String, String>) -> Self {
        Self::beside(files, &Assets::new(), site, versions)
    }

    /// The same with files that manifests name.
    pub fn beside(
        files: &[(String, String)],
        assets: &Assets,
        site: &Site,
        versions: &BTreeMap<String, String>,
    ) -> Self {
        let files: Vec<SourceFile> =
            files.iter().map(|(path, text)| SourceFile { path: path.clone(), text: text.clone() }).collect();
        let loaded = load(&files, assets, site);
        assert!(loaded.broken.is_empty(), "{:#?}", loaded.diagnostics);
        Self::loaded(loaded, site, versions)
    }

    /// Of manifests that were read.
    pub fn loaded(loaded: Loaded, site: &Site, versions: &BTreeMap<String, String>) -> Self {
        let services: BTreeMap<String, Service> =
            loaded.services.into_iter().map(|service| (service.name.clone(), service)).collect();
        let mut marks = BTreeMap::new();
        for (name, _) in services.values().flat_map(Service::secrets) {
            let version = versions.get(&name.0).map_or("1", String::as_str);
            marks.insert(name.clone(), Mark(format!("{CANARY}{}-{version}", name.0)));
        }
        Self {
            services,
            site: site.clone(),
            marks,
            sick: BTreeMap::new(),
            declares: BTreeMap::new(),
            requests: Requests::default(),
        }
    }

    /// Calls `use_it` with the input of a look at a state.
    pub fn with_state<T>(&self, state: &State, view: &World, use_it: impl FnOnce(&Input<'_>) -> T) -> T {
        let requests = Requests { confirmed: state.confirmed.clone(), ..self.requests.clone() };
        self.with_input(view, &state.facts, state.now, |input| use_it(&Input { requests: &requests, ..*input }))
    }

    /// Calls `use_it` with the input of a look.
    pub fn with_input<T>(
        &self,
        world: &World,
        facts: &Facts,
        now: Timestamp,
        use_it: impl FnOnce(&Input<'_>) -> T,
    ) -> T {
        use_it(&Input {
            services: &self.services,
            site: &self.site,
            schemas: schemas(),
            spell: &spell,
            marks: &self.marks,
            world,
            facts,
            now: now.into(),
            requests: &self.requests,
        })
    }
}

/// The vendors' tables.
pub fn schemas() -> &'static Schemas {
    static SCHEMAS: OnceLock<Schemas> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        const CLOUD: &[KindSchema] = &[cloud::INSTANCE, cloud::SERVER];
        let families = [("docker", docker::KINDS), ("npm", npm::KINDS), ("ovh", dns::KINDS), ("ovh-cloud", CLOUD)];
        families
            .into_iter()
            .flat_map(|(family, kinds)| kinds.iter().map(move |kind| ((family.to_owned(), kind.kind), kind)))
            .collect()
    })
}

/// The vendors' spelling.
pub fn spell(address: &Address, fields: &mut Fields) -> Result<(), String> {
    match address.provider.family() {
        "npm" => npm::normalize::normalize(address.kind, fields).map_err(|objection| objection.message),
        "ovh" => {
            let record_type = address.name.rsplit_once('/').map(|(_, record_type)| record_type);
            dns::normalize(address.kind, record_type, fields).map_err(|objection| objection.message)
        }
        _ => Ok(()),
    }
}

/// One server with NPM in a container and a domain at OVH.
#[expect(clippy::too_many_lines, reason = "one line for each field")]
pub fn site() -> Site {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let npm = NpmSite { provider: ProviderId::npm("main"), container: Some("npm".to_owned()), reach: Reach::Auto };
    let host = HostSite {
        docker: ProviderId::docker("default"),
        address: vec![PublicAddress::Ip(IpAddr::from([203, 0, 113, 10]))],
        also_at: Vec::new(),
        data: "/srv".to_owned(),
        private_address: None,
        publish_ports: None,
        publishes_on_ipv6: true,
        kept_ports: BTreeMap::new(),
        npm: Some(npm),
    };
    let cloud = CloudSite {
        provider: "ovh-cloud.paris".to_owned().into(),
        actions: CloudActions::Power,
        limits: CloudLimits::default(),
        budget: None,
    };
    Site {
        instance: "amarre".to_owned(),
        domains: texts(&["example.org", "example.net"]),
        hosts: BTreeMap::from([("default".to_owned(), host)]),
        clouds: BTreeMap::from([("paris".to_owned(), cloud)]),
        lends_machines: false,
        reservations_kept: Millis(0),
        ssh_keys: BTreeMap::new(),
        pools: vec!["172.20.0.0/16".parse().unwrap(), "10.213.0.0/16".parse().unwrap()],
        prefix: 24,
        avoid: Vec::new(),
        dns_ttl_s: 3600,
        dns_timeout: amarre_core::model::Millis::minutes(10),
        dns_registry: true,
        simulated: BTreeSet::new(),
        forbidden: BTreeMap::new(),
        made_servers: BTreeMap::new(),
        zones: BTreeMap::from([(EVERY_ZONE.to_owned(), ProviderId::ovh())]),
        policy: Policy {
            host_paths: texts(&["/srv"]),
            instances: texts(&["paris:*"]),
            records: ["A", "AAAA", "CNAME", "TXT", "CAA", "SRV", "apex", "wildcard", "_dmarc", "_*"]
                .into_iter()
                .map(str::to_owned)
                .collect(),
            images: texts(&["*"]),
            host_network: true,
            are_host_paths_named: true,
            volumes: texts(&["*"]),
            networks: texts(&["*", "container:*"]),
            subnets: vec!["0.0.0.0/0".parse().unwrap()],
            ports: PortRange::parse("1-65535").into_iter().collect(),
            // Services of a story have containers of the same key, also on a network that they share.
            names: BTreeMap::from([("*".to_owned(), texts(&["app", "db"]))]),
            secrets: BTreeMap::from([("*".to_owned(), texts(&["*"]))]),
            ..Policy::default()
        },
        defaults: Defaults {
            restart: None,
            environment: BTreeMap::from([("TZ".to_owned(), "Europe/Paris".to_owned())]),
            log_driver: "json-file".to_owned(),
            log_options: BTreeMap::from([("max-size".to_owned(), "10m".to_owned())]),
        },
        vars: BTreeMap::new(),
        prune: true,
        mode: Mode::Enforce,
        images: amarre_core::model::site::ImageCare::default(),
        certificates: CertificateCare { has_dns_credentials: true, ..CertificateCare::default() },
        own_secrets: BTreeSet::new(),
        listeners: Vec::new(),
        own_names: BTreeMap::new(),
        limits: amarre_core::model::site::ManifestLimits::default(),
        shares: BTreeMap::new(),
    }
}

/// What stands on a server before Amarre comes.
pub fn empty_server() -> World {
    let bridge = |subnet: &str| {
        Fields::default()
            .with("internal", Value::Bool(false))
            .with("subnet", Value::text(subnet))
            .with("subnets", Value::texts([subnet]))
    };
    let npm = Fields::default()
        .with("name", Value::text("npm"))
        .with("network_mode", Value::text("npm_default"))
        .with("networks", Value::texts(["npm_default"]))
        .with("ports", Value::texts(["443", "80", "81", "2222"].map(|port| format!("0.0.0.0:{port}:{port}/tcp"))));
    let zone = Fields::default().with("nameservers", Value::texts(["dns104.ovh.net.", "ns104.ovh.net."]));
    let things = [
        ("docker/container/npm", npm),
        ("docker/network/bridge", bridge("172.17.0.0/16")),
        ("docker/network/npm_default", bridge("172.18.0.0/16")),
        ("ovh/zone/example.org", zone),
    ];
    let mut world = World::default();
    for (address, fields) in things {
        world.seen.insert(address.parse().unwrap(), seen(fields, Owner::Foreign, None, &format!("id-{address}")));
    }
    world
}

/// A thing that does its work.
pub fn seen(fields: Fields, owner: Owner, service: Option<&str>, id: &str) -> Seen {
    Seen {
        fields,
        ready: Readiness::Ready,
        owner,
        service: service.map(str::to_owned),
        vendor_id: id.to_owned(),
        at: START,
    }
}
