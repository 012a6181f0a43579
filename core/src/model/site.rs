//! What manifests and planner may know of the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use ipnet::Ipv4Net;

use super::address::{Address, ProviderId};
use super::service::Service;
use super::time::Millis;

/// Stands in [`Site::zones`] for each zone that the provider itself lists.
pub const EVERY_ZONE: &str = ".";

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CloudSite {
    pub provider: ProviderId,
    /// What a person may ask of instances that no manifest manages.
    pub actions: CloudActions,
    /// How many servers manifests may have there, and which. None, unless the configuration says so.
    pub limits: CloudLimits,
    /// What the servers that Amarre made there may cost; `None`: no limit.
    pub budget: Option<CloudBudget>,
}

/// What manifests may have at a cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct CloudLimits {
    /// So many servers.
    pub instances: usize,
    /// Of these sizes; empty: of any.
    pub types: BTreeSet<String>,
}

/// An amount of money a month, without tax.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CloudBudget {
    /// In 10⁻⁸ of the currency.
    pub month: i64,
    /// As `EUR`.
    pub currency: String,
}

/// What a person may ask of instances that no manifest manages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum CloudActions {
    /// Nothing.
    None,
    /// Start, stop, reboot.
    #[default]
    Power,
    /// Everything that the vendor offers, for admins.
    All,
}

/// The configuration as the pure part sees it: no credentials, no endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Site {
    /// Our mark on everything.
    pub instance: String,
    /// The first is the default.
    pub domains: Vec<String>,
    /// By name.
    pub hosts: BTreeMap<String, HostSite>,
    /// Clouds by name.
    pub clouds: BTreeMap<String, CloudSite>,
    /// Whether manifests may have machines that Amarre reaches over SSH: the configuration has `pools`.
    pub lends_machines: bool,
    /// How long it is kept who had which of them.
    pub reservations_kept: Millis,
    /// Public keys for servers, by name, as OpenSSH writes them.
    pub ssh_keys: BTreeMap<String, String>,
    /// Subnet pools in order.
    pub pools: Vec<Ipv4Net>,
    /// Prefix length of one service's subnet.
    pub prefix: u8,
    /// Never used.
    pub avoid: Vec<Ipv4Net>,
    /// Seconds.
    pub dns_ttl_s: u32,
    /// How long a record may take until every server of its zone answers it.
    pub dns_timeout: Millis,
    /// Whether records are marked by TXT records.
    pub dns_registry: bool,
    /// Which provider answers for a zone, and for all that lies below it; [`EVERY_ZONE`] is all that no other entry holds.
    pub zones: BTreeMap<String, ProviderId>,
    /// What manifests may not do.
    pub policy: Policy,
    /// How much all manifests together may ask for.
    pub limits: ManifestLimits,
    /// What every container gets unless its manifest says otherwise.
    pub defaults: Defaults,
    /// `${NAME}` in manifests.
    pub vars: BTreeMap<String, String>,
    /// Whether what no manifest names any more is deleted.
    pub prune: bool,
    /// Whether what differs is put right, where a manifest does not say.
    pub mode: Mode,
    /// What becomes of images.
    pub images: ImageCare,
    /// How certificates are asked for.
    pub certificates: CertificateCare,
    /// What has no account yet and is simulated meanwhile: test mode.
    pub simulated: BTreeSet<ProviderId>,
    /// Names of the configuration's own credentials, as [`credential_key`] spells them: no manifest may name one.
    pub own_secrets: BTreeSet<String>,
    /// Where Amarre, its engines and NPM's admin pages listen.
    pub listeners: Vec<Listener>,
    /// Host names that the configuration works with, and the key that says so: `server.url`.
    pub own_names: BTreeMap<String, String>,
    /// What the good manifests of the ledger take of [`ManifestLimits`], by name: it stays theirs.
    pub shares: BTreeMap<String, Share>,
    /// The servers that Amarre made, by their vendor's id, each with the manifest that it was made for and that is still there.
    pub made_servers: BTreeMap<Address, String>,
    /// Files and folders of Amarre itself, by the engine on whose host it runs outside of a container. No container
    /// mounts them.
    pub forbidden: BTreeMap<ProviderId, BTreeSet<String>>,
}

/// Where something listens that no visitor is to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Listener {
    /// `None`: at each address of its machine.
    pub at: Option<IpAddr>,
    pub port: u16,
    /// Whether a name with this port is taken for it, too.
    pub by_name: bool,
}

/// How much all manifests together may ask for: a look at a vendor answers with all of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ManifestLimits {
    /// Host names and records.
    pub names: usize,
    /// Bytes of labels, environment and commands on one engine.
    pub labels: usize,
    /// Bytes of nginx's lines in one NPM.
    pub advanced: usize,
    /// Containers of one manifest.
    pub containers: usize,
}

/// More containers than a subnet of 254 addresses has room for, with a second one of each during an update.
pub const CONTAINERS_MAX: usize = 120;

impl Default for ManifestLimits {
    /// A service as people write it has three names, 3 KB of labels and environment, and some hundred bytes of nginx's
    /// lines: this is room for thousands. Docker writes six bytes for some letters, and lists of it may have 64 MiB, those
    /// of NPM 16 MiB. 10,000 names are planned within a second or two, in less than 100 MB. 50 containers share one subnet.
    fn default() -> Self {
        Self { names: 10_000, labels: 8 << 20, advanced: 4 << 20, containers: 50 }
    }
}

/// What one manifest takes of [`ManifestLimits`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Share {
    /// In which file it stands.
    pub file: String,
    pub host: String,
    /// Bytes of labels, environment and commands.
    pub labels: usize,
    /// Bytes of nginx's lines.
    pub advanced: usize,
    /// Host names and records.
    pub names: usize,
    /// What no other manifest may have beside it, each as a digest: names, records, ports, machines.
    pub claims: BTreeSet<u64>,
}

/// One use of something that policy has a word in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// Whose manifest uses it.
    pub service: String,
    /// The word of `policy`: `volumes`.
    pub word: String,
    /// What is used: `stranger_data`.
    pub item: String,
}

/// The name of a secret without what files, variables and folders do not tell apart: `cloud/db-key` is `cloud_db_key`.
pub fn credential_key(name: &str) -> String {
    name.to_ascii_lowercase().replace(['/', '-', '.'], "_")
}

impl Site {
    /// The host of a service; `None`: its kind needs none, or the configuration does not have it any more.
    pub fn host_of(&self, service: &Service) -> Option<&HostSite> {
        self.hosts.get(&service.host)
    }

    /// Whether it is the container that NPM runs in.
    pub fn is_npms(&self, container: &Address) -> bool {
        let hosts = self.hosts.values().filter(|host| host.docker == container.provider);
        let mut named = hosts.filter_map(|host| host.npm.as_ref()?.container.as_ref());
        named.any(|name| *name == container.name)
    }

    /// What is simulated, in words: `NPM and OVH are simulated, nothing real is written there`.
    pub fn test_mode(&self) -> Option<String> {
        let names: Vec<String> = self.simulated.iter().map(ProviderId::title).collect();
        let what = match names.as_slice() {
            [] => return None,
            [one] => format!("{one} is simulated"),
            [all @ .., last] => format!("{} and {last} are simulated", all.join(", ")),
        };
        Some(format!("{what}, nothing real is written there"))
    }
}

/// How certificates are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CertificateCare {
    /// Where a manifest does not say.
    pub challenge: Challenge,
    /// Whether it is asked first who answers on port 80.
    pub asks_port80: bool,
    /// Whether NPM can be told how to write a record.
    pub has_dns_credentials: bool,
}

impl Default for CertificateCare {
    fn default() -> Self {
        Self { challenge: Challenge::Http, asks_port80: true, has_dns_credentials: false }
    }
}

/// How it is shown to Let's Encrypt that a name is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Challenge {
    /// By an answer on port 80 (HTTP-01).
    Http,
    /// By a record in the DNS, which NPM writes (DNS-01): the one way for `*`.
    Dns,
}

/// What becomes of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ImageCare {
    /// How many of those that we pulled stay, for each service and name.
    pub keep: usize,
    /// Below this many free bytes nothing is pulled.
    pub min_free: u64,
    /// How many are built for one service within an hour.
    pub builds_per_hour: usize,
}

impl Default for ImageCare {
    fn default() -> Self {
        Self { keep: 2, min_free: 2 << 30, builds_per_hour: 20 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostSite {
    pub docker: ProviderId,
    /// Public addresses, or one name ending in a dot.
    pub address: Vec<PublicAddress>,
    /// Addresses that count as ours.
    pub also_at: Vec<IpAddr>,
    /// Folder for relative binds.
    pub data: String,
    /// Whether a port whose address is not said is published on IPv6, too.
    pub publishes_on_ipv6: bool,
    /// Where an NPM elsewhere reaches this host.
    pub private_address: Option<IpAddr>,
    /// Ports that may be published there for an NPM elsewhere: first and last.
    pub publish_ports: Option<(u16, u16)>,
    /// Its NPM, if it has one.
    pub npm: Option<NpmSite>,
    /// The ports of TCP that no manifest publishes here, at whatever address, and who listens there.
    pub kept_ports: BTreeMap<u16, PortKeeper>,
}

impl HostSite {
    /// One with an engine and nothing else.
    pub fn of_engine(docker: ProviderId) -> Self {
        Self {
            docker,
            address: Vec::new(),
            also_at: Vec::new(),
            data: String::new(),
            publishes_on_ipv6: false,
            private_address: None,
            publish_ports: None,
            npm: None,
            kept_ports: BTreeMap::new(),
        }
    }
}

/// Who listens at a port of a host, each with the key of the configuration that says so.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PortKeeper {
    /// NPM.
    Npm(String),
    /// Docker's API.
    Docker(String),
    /// Amarre itself.
    Amarre(String),
}

/// Below it are the ports that name a service of the machine itself (RFC 6335): `policy.ports` opens them.
pub const FIRST_OPEN_PORT: u16 = 1024;

/// Ports of a host: `53/udp`, `2222`, `8000-8999`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
    /// `None`: of each.
    protocol: Option<String>,
}

impl PortRange {
    /// Reads `53/udp`, `2222` or `8000-8999`.
    pub fn parse(text: &str) -> Option<Self> {
        let (numbers, protocol) = match text.split_once('/') {
            Some((numbers, protocol @ ("tcp" | "udp"))) => (numbers, Some(protocol.to_owned())),
            Some(_) => return None,
            None => (text, None),
        };
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (first > 0 && first <= last).then_some(Self { first, last, protocol })
    }

    /// Whether a port is one of them.
    pub fn contains(&self, port: u16, protocol: &str) -> bool {
        let is_of = self.protocol.as_deref().is_none_or(|own| own == protocol);
        is_of && (self.first..=self.last).contains(&port)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        if self.last > self.first {
            write!(f, "-{}", self.last)?;
        }
        self.protocol.iter().try_for_each(|protocol| write!(f, "/{protocol}"))
    }
}

impl HostSite {
    /// Those of its public addresses that are no names.
    pub fn ips(&self) -> impl Iterator<Item = IpAddr> {
        self.address.iter().filter_map(|address| match address {
            PublicAddress::Ip(ip) => Some(*ip),
            PublicAddress::Name(_) => None,
        })
    }
}

/// What A, AAAA or CNAME records point to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PublicAddress {
    /// A or AAAA.
    Ip(IpAddr),
    /// CNAME; ends in a dot.
    Name(String),
}

/// How an NPM is reached and reaches.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NpmSite {
    pub provider: ProviderId,
    /// Its container on this host, when it runs in one.
    pub container: Option<String>,
    /// How it reaches containers.
    pub reach: Reach,
}

/// Whether what differs is put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    Enforce,
    /// It is shown only.
    Report,
}

/// How NPM reaches a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Read from NPM's container.
    Auto,
    /// NPM is attached to each service's network.
    Network,
    /// NPM shares the host's network, or runs outside Docker.
    Host,
    /// NPM and all routed containers of the host share one network.
    Edge,
    /// NPM is elsewhere: a port of the host is published for each container.
    Published,
}

/// Parts of names that mean something for the whole domain: certificates, and how mail is judged, signed and encrypted.
/// No pattern of `policy.records` opens them, only their own word.
pub const SPECIAL_LABELS: [&str; 4] = ["_acme-challenge", "_dmarc", "_domainkey", "_mta-sts"];

/// Whether an item of `policy.records` is a word about names, and no type.
pub fn is_record_word(item: &str) -> bool {
    item.starts_with('_') || ["apex", "wildcard"].contains(&item)
}

/// Who commits manifests: it decides what holds for the words of `policy` that the configuration does not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Authors {
    /// People who are to have no more of a host than the words give them.
    Others,
    /// People who have root on the hosts already.
    Operators,
}

/// What manifests may not do; lives in the configuration, not in the repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Policy {
    /// As the configuration says; without it, others.
    pub authors: Option<Authors>,
    /// The words that `authors: operators` opens: those that the configuration does not write.
    pub opened: BTreeSet<&'static str>,
    /// Folders below which binds may lie; `<data>` is the host's data folder, `<service>` the manifest's name.
    pub host_paths: Vec<String>,
    /// Whether the configuration names those folders itself.
    pub are_host_paths_named: bool,
    /// Patterns of volumes that manifests may use beside their own.
    pub volumes: Vec<String>,
    /// Patterns of volume drivers; options of the driver `local` count as `local key=value …`.
    pub volume_drivers: Vec<String>,
    /// Patterns of networks that manifests may join beside those of `Network` manifests.
    pub networks: Vec<String>,
    /// Ranges in which manifests may ask for subnets beside the pools.
    pub subnets: Vec<Ipv4Net>,
    /// Ports of hosts that manifests may publish although they are below 1024.
    pub ports: Vec<PortRange>,
    /// Runtimes that containers may ask for.
    pub runtimes: Vec<String>,
    /// Log drivers that containers may ask for.
    pub log_drivers: Vec<String>,
    /// By manifest, or `*` for all: targets `host:port` of routes and streams that are closed otherwise.
    pub targets: BTreeMap<String, Vec<String>>,
    /// By manifest, or `*` for all: patterns of host names that are closed otherwise.
    pub names: BTreeMap<String, Vec<String>>,
    /// By manifest, or `*` for all: patterns of secrets that it may read beside its own.
    pub secrets: BTreeMap<String, Vec<String>>,
    /// Record types that manifests may name, and words for names: [`is_record_word`].
    pub records: BTreeSet<String>,
    /// Whether the configuration names those types itself: then MX and TXT may stand at a domain itself, too.
    pub are_records_named: bool,
    /// Image patterns; `*` matches anything.
    pub images: Vec<String>,
    /// Patterns of servers that are there and that manifests may name by `id`: `CLOUD:PROJECT/ID`.
    pub instances: Vec<String>,
    /// Patterns of repositories and folders from which images are built.
    pub repositories: Vec<String>,
    /// Patterns of those whose own Dockerfiles are built.
    pub dockerfiles: Vec<String>,
    /// Containers may have every right over the host.
    pub privileged: bool,
    /// Containers may speak to Docker.
    pub docker_socket: bool,
    /// Containers may share the host's network.
    pub host_network: bool,
    /// Containers may share the host's processes, IPC, host name and users.
    pub host_namespaces: bool,
    /// Devices that containers may use; `*` matches anything.
    pub devices: Vec<String>,
    /// Capabilities beyond Docker's own that containers may be given; `ALL` is any.
    pub capabilities: BTreeSet<String>,
    /// What `advanced` may say.
    pub nginx: NginxPolicy,
    /// Pools may have scripts that run as root on their machines.
    pub machine_scripts: bool,
    /// Binds below a folder that another container writes to are made although Amarre cannot see where links lead.
    pub follow_links: bool,
}

impl Default for Policy {
    /// What holds where the configuration says nothing.
    fn default() -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Self {
            authors: None,
            opened: BTreeSet::new(),
            host_paths: texts(&["<data>/<service>"]),
            are_host_paths_named: false,
            volumes: Vec::new(),
            volume_drivers: Vec::new(),
            networks: Vec::new(),
            subnets: Vec::new(),
            ports: Vec::new(),
            runtimes: Vec::new(),
            log_drivers: texts(&["json-file", "local", "journald", "none"]),
            targets: BTreeMap::new(),
            names: BTreeMap::new(),
            secrets: BTreeMap::new(),
            records: texts(&["A", "AAAA", "CNAME", "TXT", "SRV"]).into_iter().collect(),
            are_records_named: false,
            images: texts(&["*"]),
            privileged: false,
            docker_socket: false,
            host_network: false,
            host_namespaces: false,
            devices: Vec::new(),
            capabilities: BTreeSet::new(),
            nginx: NginxPolicy::default(),
            machine_scripts: false,
            instances: Vec::new(),
            repositories: Vec::new(),
            dockerfiles: Vec::new(),
            follow_links: false,
        }
    }
}

/// A word of the policy, and what opens it.
type Opening = (&'static str, fn(&mut Policy));

/// Every word that `authors: operators` opens, and what it is then. `targets` and `names` keep a part closed, so that
/// their lists cannot say it: `core/src/manifest/policy` asks [`Policy::is_opened`].
const OPENINGS: [Opening; 24] = [
    ("capabilities", |policy| policy.capabilities = BTreeSet::from(["ALL".to_owned()])),
    ("devices", |policy| policy.devices = vec!["*".to_owned()]),
    ("docker_socket", |policy| policy.docker_socket = true),
    ("dockerfiles", |policy| policy.dockerfiles = vec!["*".to_owned()]),
    ("follow_links", |policy| policy.follow_links = true),
    ("host_namespaces", |policy| policy.host_namespaces = true),
    ("host_network", |policy| policy.host_network = true),
    ("host_paths", |policy| policy.host_paths = vec!["/".to_owned()]),
    ("instances", |policy| policy.instances = vec!["*".to_owned()]),
    ("log_drivers", |policy| policy.log_drivers = vec!["*".to_owned()]),
    ("machine_scripts", |policy| policy.machine_scripts = true),
    ("names", |_| ()),
    ("networks", |policy| policy.networks = vec!["*".to_owned(), "container:*".to_owned()]),
    ("nginx", |policy| policy.nginx = NginxPolicy::Any),
    ("ports", |policy| policy.ports = vec![PortRange { first: 1, last: u16::MAX, protocol: None }]),
    ("privileged", |policy| policy.privileged = true),
    ("records", |policy| {
        // NS hands a part of the zone to other servers: what Amarre keeps there would be gone.
        let types = ["A", "AAAA", "CAA", "CNAME", "MX", "SRV", "TXT", "_*", "apex", "wildcard"];
        policy.records = types.into_iter().chain(SPECIAL_LABELS).map(str::to_owned).collect();
        policy.are_records_named = true;
    }),
    ("repositories", |policy| policy.repositories = vec!["*".to_owned()]),
    ("runtimes", |policy| policy.runtimes = vec!["*".to_owned()]),
    ("secrets", |policy| policy.secrets = BTreeMap::from([("*".to_owned(), vec!["*".to_owned()])])),
    ("subnets", |policy| policy.subnets = vec![Ipv4Net::default()]),
    ("targets", |_| ()),
    ("volume_drivers", |policy| policy.volume_drivers = vec!["*".to_owned()]),
    ("volumes", |policy| policy.volumes = vec!["*".to_owned()]),
];

impl Policy {
    /// The words that `authors: operators` opens.
    pub fn words() -> impl Iterator<Item = &'static str> {
        OPENINGS.into_iter().map(|(word, _)| word)
    }

    /// Opens a word as `authors: operators` does.
    pub fn open(&mut self, word: &str) {
        for (word, open) in OPENINGS.into_iter().filter(|(known, _)| *known == word) {
            open(self);
            self.opened.insert(word);
        }
    }

    /// Whether `authors: operators` opens a word.
    pub fn is_opened(&self, word: &str) -> bool {
        self.opened.contains(word)
    }

    /// Whether who commits manifests has root on the hosts.
    pub fn are_authors_operators(&self) -> bool {
        self.authors == Some(Authors::Operators)
    }

    /// Folders below which binds of a service may lie, with its host's data folder and its name in the place of the
    /// templates.
    pub fn host_roots(&self, data: &str, service: &str) -> Vec<String> {
        let data = data.trim_end_matches('/');
        self.host_paths.iter().map(|path| path.replace("<data>", data).replace("<service>", service)).collect()
    }
}

/// What a route's `advanced` may say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum NginxPolicy {
    /// Nothing.
    None,
    /// Directives that are known to be harmless.
    #[default]
    Directives,
    /// Anything.
    Any,
}

/// What every container gets unless its manifest says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Defaults {
    /// Restart policy; none: `unless-stopped` in a manifest, `no` in a Compose file.
    pub restart: Option<String>,
    /// Environment.
    pub environment: BTreeMap<String, String>,
    /// Log driver.
    pub log_driver: String,
    /// Log options.
    pub log_options: BTreeMap<String, String>,
}

impl Site {
    /// A name as a manifest writes it, made whole: `@` is the apex, a trailing dot or a known domain is full.
    pub fn full_name(&self, name: &str) -> String {
        let lower = ascii_name(name);
        let default = self.domains.first().map_or("", String::as_str);
        if lower == "@" {
            return default.to_owned();
        }
        if let Some(full) = lower.strip_suffix('.') {
            return full.to_owned();
        }
        if self.domains.iter().any(|domain| is_below(&lower, domain)) {
            return lower;
        }
        if default.is_empty() { lower } else { format!("{lower}.{default}") }
    }

    /// The provider of the zone that holds `name`: that of the longest entry of [`Site::zones`].
    pub fn dns_provider(&self, name: &str) -> Option<&ProviderId> {
        let zone = Self::zone_of(self.zones.keys().map(String::as_str), name);
        self.zones.get(zone.unwrap_or(EVERY_ZONE))
    }

    /// The longest of these zones that holds `name`.
    pub fn zone_of<'a>(zones: impl IntoIterator<Item = &'a str>, name: &str) -> Option<&'a str> {
        zones.into_iter().filter(|zone| is_below(name, zone)).max_by_key(|zone| zone.len())
    }
}

/// A name as it stands in the DNS: lower case, and what is not ASCII in its `xn--` form (IDNA 2008, UTS 46). A text that has
/// no such form is only made lower case: the check of names says what is wrong with it.
pub fn ascii_name(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    idna::domain_to_ascii(name).unwrap_or_else(|_| name.to_lowercase())
}

/// `127.1`, `2130706433`, `0x7f.1`: addresses to the C library, and not to a reader.
pub fn is_odd_number(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_hex = last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
    !last.is_empty() && (last.bytes().all(|b| b.is_ascii_digit()) || is_hex)
}

/// Whether `name` is `zone` or lies below it.
pub fn is_below(name: &str, zone: &str) -> bool {
    name == zone || name.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_ports_has_one_form() {
        for text in ["53/udp", "2222", "8000-8999", "1-65535/tcp"] {
            assert_eq!(PortRange::parse(text).map(|range| range.to_string()).as_deref(), Some(text));
        }
        for wrong in ["", "0", "65536", "9-8", "53/sctp", "a", "1-", "-1", "80:80"] {
            assert_eq!(PortRange::parse(wrong), None, "{wrong}");
        }
        let range = PortRange::parse("53-54/udp").unwrap();
        assert!(range.contains(54, "udp") && !range.contains(54, "tcp") && !range.contains(55, "udp"));
    }

    #[test]
    fn names_have_one_form() {
        for (name, ascii) in [
            ("Cloud.Example.org", "cloud.example.org"),
            ("Bücher.example.org", "xn--bcher-kva.example.org"),
            ("*.café.example.org.", "*.xn--caf-dma.example.org."),
            ("_x.日本.example.org", "_x.xn--wgv71a.example.org"),
            ("xn--bcher-kva", "xn--bcher-kva"),
            ("a\u{fffd}b", "a\u{fffd}b"),
        ] {
            assert_eq!(ascii_name(name), ascii);
            assert_eq!(ascii_name(ascii), ascii);
        }
    }
}
