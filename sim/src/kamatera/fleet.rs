//! What an account begins with: its servers, written down or made by number, and how fast the vendor is.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Datacenters of [`KamateraOptions::many`], in turn.
const DATACENTERS: [&str; 3] = ["EU", "IL", "US-NY2"];

/// How one simulator starts.
#[derive(Debug, Clone)]
pub struct KamateraOptions {
    /// Port of both doors on loopback; 0 = any free one.
    pub port: u16,
    /// What `AuthClientId` must be.
    pub client_id: String,
    /// What `AuthSecret` must be.
    pub secret: String,
    /// The account's servers.
    pub servers: Vec<KamateraServer>,
    /// Names of the account's private networks, as `lan-12345-backend`; here each is in every datacenter.
    pub lans: Vec<String>,
    /// By which clock commands go on.
    pub clock: KamateraClock,
    /// How long they take.
    pub pace: KamateraPace,
    /// Where servers and commands are kept from one start to the next; `None`: nowhere.
    pub kept_at: Option<PathBuf>,
}

/// By which clock commands go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KamateraClock {
    /// Only [`super::Kamatera::advance`] moves it.
    Stopped,
    /// The machine's.
    Running,
}

/// How long a command takes, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KamateraPace {
    /// `pending` is shown for so long.
    pub pending_s: i64,
    /// A creation or a clone is in progress for so long. The vendor's take 2 to 4 minutes, sometimes 10.
    pub create_s: i64,
    /// Every other command is in progress for so long.
    pub change_s: i64,
    /// The list and the detail of a server show what a command did so long after it is `complete`. The vendor's own tests
    /// wait up to 60 seconds.
    pub lag_s: i64,
    /// A server that is new has no address for so long after it is first shown.
    pub address_s: i64,
}

/// One server as it begins.
#[derive(Debug, Clone)]
pub struct KamateraServer {
    /// 32 hexadecimal digits; `None`: some are made.
    pub id: Option<String>,
    /// Unique when the vendor made the server, not when somebody renamed it.
    pub name: String,
    /// `EU`
    pub datacenter: String,
    /// Count and type: `2B`.
    pub cpu: String,
    /// In MiB.
    pub ram_mib: u32,
    /// In GB, the boot disk first.
    pub disks_gb: Vec<u32>,
    /// A private network beside the public one, and the address in it.
    pub lan: Option<(String, String)>,
    /// Description of an image of the catalogue.
    pub image: String,
    /// Whether it runs.
    pub is_on: bool,
    /// How it is paid for.
    pub billing: KamateraBilling,
    /// Its tags.
    pub tags: Vec<String>,
}

/// How a server is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KamateraBilling {
    /// For each hour that it runs; its disks and its address for each hour that it exists.
    Hourly,
    /// For each month, whether it runs or not.
    Monthly,
}

impl KamateraBilling {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Hourly => "hourly",
            Self::Monthly => "monthly",
        }
    }

    pub(super) fn named(word: &str) -> Option<Self> {
        [Self::Hourly, Self::Monthly].into_iter().find(|billing| billing.word() == word)
    }
}

impl KamateraPace {
    /// All is done and seen with the answer.
    pub const AT_ONCE: Self = Self { pending_s: 0, create_s: 0, change_s: 0, lag_s: 0, address_s: 0 };
}

impl KamateraServer {
    /// A running server with Ubuntu, one disk and a public address, billed by the hour, without tags.
    pub fn new(name: &str, datacenter: &str, cpu: &str, ram_mib: u32) -> Self {
        Self {
            id: None,
            name: name.to_owned(),
            datacenter: datacenter.to_owned(),
            cpu: cpu.to_owned(),
            ram_mib,
            disks_gb: vec![20],
            lan: None,
            image: "Ubuntu Server 24.04 LTS 64-bit".to_owned(),
            is_on: true,
            billing: KamateraBilling::Hourly,
            tags: Vec::new(),
        }
    }

    fn off(self) -> Self {
        Self { is_on: false, ..self }
    }

    fn tagged(self, tag: &str) -> Self {
        Self { tags: vec![tag.to_owned()], ..self }
    }

    fn disks(self, disks_gb: &[u32]) -> Self {
        Self { disks_gb: disks_gb.to_vec(), ..self }
    }

    fn in_lan(self, ip: &str) -> Self {
        Self { lan: Some(("lan-12345-backend".to_owned(), ip.to_owned())), ..self }
    }
}

impl KamateraOptions {
    /// These servers, the login `client-id` with `secret`, a clock that stands still, a free port.
    pub fn with_servers(servers: Vec<KamateraServer>) -> Self {
        Self {
            port: 0,
            client_id: "client-id".to_owned(),
            secret: "secret".to_owned(),
            servers,
            lans: vec!["lan-12345-backend".to_owned()],
            clock: KamateraClock::Stopped,
            pace: KamateraPace { pending_s: 5, create_s: 150, change_s: 20, lag_s: 15, address_s: 10 },
            kept_at: None,
        }
    }

    /// Eight servers in three datacenters with most of what is odd about servers: some are off, one is billed by the month,
    /// one has the name of another with a suffix, one is Windows.
    pub fn eight() -> Self {
        let new = KamateraServer::new;
        Self::with_servers(vec![
            new("shop-web", "EU", "2B", 2048).tagged("shop"),
            // A creation that was sent twice: the second has got a suffix, and no tag.
            new("shop-web(1)", "EU", "2B", 2048),
            new("shop-db", "EU", "4D", 8192).tagged("shop").disks(&[50, 100]).in_lan("10.0.0.5"),
            new("build-1", "EU", "4B", 4096).off(),
            new("old-mail", "IL", "1A", 1024).off(),
            KamateraServer {
                image: "Microsoft Windows Server 2022 Standard 64-bit".to_owned(),
                ..new("office", "IL", "2B", 4096).disks(&[60])
            },
            KamateraServer { billing: KamateraBilling::Monthly, ..new("cache-1", "US-NY2", "1B", 1024).tagged("shop") },
            new("batch-1", "US-NY2", "8T", 16384).disks(&[30, 200]).off(),
        ])
    }

    /// So many servers over three datacenters. The same number makes the same fleet.
    pub fn many(servers: usize) -> Self {
        let sizes = [("2B", 2048), ("1A", 1024), ("4D", 8192)];
        let made = (0..servers).map(|number| {
            let (cpu, ram_mib) = sizes[number % sizes.len()];
            let datacenter = DATACENTERS[number / sizes.len() % DATACENTERS.len()];
            let server = KamateraServer::new(&format!("load-{number}"), datacenter, cpu, ram_mib);
            if number % 5 == 2 { server.off() } else { server }
        });
        Self::with_servers(made.collect())
    }
}
