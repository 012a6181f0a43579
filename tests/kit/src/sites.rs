//! Sites that allow more than people do.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use amarre_core::model::site::{
    CertificateCare, CloudSite, Defaults, EVERY_ZONE, HostSite, Mode, NpmSite, Policy, PortRange, PublicAddress, Reach,
    Site,
};
use amarre_core::model::{Millis, ProviderId};

pub fn permissive() -> Site {
    let host = |name: &str, npm: Option<&str>, address: Vec<PublicAddress>| HostSite {
        docker: ProviderId::docker(name),
        address,
        also_at: Vec::new(),
        data: "/srv".to_owned(),
        private_address: None,
        publish_ports: None,
        publishes_on_ipv6: true,
        kept_ports: BTreeMap::new(),
        npm: npm.map(|npm| NpmSite { provider: ProviderId::npm(npm), container: None, reach: Reach::Auto }),
    };
    let ip = PublicAddress::Ip(IpAddr::from([203, 0, 113, 10]));
    let cloud = |provider: &str| CloudSite {
        provider: provider.to_owned().into(),
        actions: amarre_core::model::site::CloudActions::Power,
        limits: amarre_core::model::site::CloudLimits::default(),
        budget: None,
    };
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Site {
        instance: "amarre".to_owned(),
        domains: texts(&["example.org", "example.net"]),
        hosts: BTreeMap::from([
            ("default".to_owned(), host("default", Some("main"), vec![ip])),
            ("edge".to_owned(), host("edge", Some("edge"), vec![PublicAddress::Name("dyn.example.org.".to_owned())])),
            ("bare".to_owned(), host("bare", None, Vec::new())),
        ]),
        clouds: BTreeMap::from([
            ("paris".to_owned(), cloud("ovh-cloud.paris")),
            ("tlv".to_owned(), cloud("kamatera.tlv")),
        ]),
        lends_machines: true,
        reservations_kept: Millis::minutes(400 * 24 * 60),
        ssh_keys: BTreeMap::from([("ops".to_owned(), "ssh-ed25519 AAAAC3Nz ops".to_owned())]),
        pools: vec!["172.20.0.0/16".parse().unwrap()],
        prefix: 24,
        avoid: vec!["172.20.99.0/24".parse().unwrap()],
        dns_ttl_s: 3600,
        dns_timeout: amarre_core::model::Millis::minutes(10),
        dns_registry: true,
        simulated: BTreeSet::new(),
        forbidden: BTreeMap::new(),
        made_servers: BTreeMap::new(),
        zones: BTreeMap::from([(EVERY_ZONE.to_owned(), ProviderId::ovh())]),
        policy: Policy {
            host_paths: vec!["/srv".to_owned()],
            records: ["A", "AAAA", "CNAME", "TXT", "SRV", "_*"].into_iter().map(str::to_owned).collect(),
            images: texts(&["docker.io/*", "ghcr.io/*", "codeberg.org/*", "localhost/*", "registry.example.org:*"]),
            are_host_paths_named: true,
            instances: texts(&["*"]),
            repositories: texts(&["https://git.example.org/*"]),
            dockerfiles: texts(&["https://git.example.org/*"]),
            volumes: texts(&["*"]),
            networks: texts(&["*"]),
            subnets: vec!["0.0.0.0/0".parse().unwrap()],
            ports: PortRange::parse("1-65535").into_iter().collect(),
            secrets: BTreeMap::from([("*".to_owned(), texts(&["*"]))]),
            ..Policy::default()
        },
        defaults: Defaults {
            restart: None,
            environment: BTreeMap::from([("TZ".to_owned(), "Europe/Paris".to_owned())]),
            log_driver: "json-file".to_owned(),
            log_options: BTreeMap::from([("max-size".to_owned(), "10m".to_owned())]),
        },
        vars: BTreeMap::from([("TAG".to_owned(), "1.22".to_owned()), ("EMPTY".to_owned(), String::new())]),
        prune: true,
        mode: Mode::Enforce,
        images: amarre_core::model::site::ImageCare::default(),
        certificates: CertificateCare::default(),
        own_secrets: BTreeSet::new(),
        listeners: Vec::new(),
        own_names: BTreeMap::new(),
        limits: amarre_core::model::site::ManifestLimits::default(),
        shares: BTreeMap::new(),
    }
}
