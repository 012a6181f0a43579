//! What an account begins with: projects and their servers, written down or made by number.

use std::path::PathBuf;

use super::catalogue;

/// The project `ci` of [`OvhCloudOptions::dozen`].
pub const CI_PROJECT: &str = "0c1d2e3f405162738495a6b7c8d9eaf1";
/// The project `web` of [`OvhCloudOptions::dozen`].
pub const WEB_PROJECT: &str = "7eb0a1b2c3d4e5f60718293a4b5c6d7e";

/// Regions of [`OvhCloudOptions::many`], in this order; further ones are `SIM1`, `SIM2` …
const REGIONS: [&str; 9] = ["GRA11", "SBG5", "BHS5", "DE1", "UK1", "WAW1", "SGP1", "SYD1", "RBX-A"];

/// How one simulator starts.
#[derive(Debug, Clone)]
pub struct OvhCloudOptions {
    /// Port of the API on loopback; 0 = any free one.
    pub port: u16,
    /// What `X-Ovh-Application` must be.
    pub application_key: String,
    /// The half of the signature's key that belongs to the application.
    pub application_secret: String,
    /// What `X-Ovh-Consumer` must be.
    pub consumer_key: String,
    /// The account's projects.
    pub projects: Vec<CloudProject>,
    /// By which clock servers start and stop.
    pub clock: CloudClock,
    /// How long that takes.
    pub pace: CloudPace,
    /// Where servers and their power state are kept from one start to the next; `None`: nowhere.
    pub kept_at: Option<PathBuf>,
}

/// By which clock servers change their status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudClock {
    /// Only [`super::OvhCloud::advance`] moves it.
    Stopped,
    /// The machine's.
    Running,
}

/// How long a verb takes, in seconds. The vendor shows the old status for "some seconds"; minutes for a shelve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloudPace {
    /// After a verb the old status is shown for so long.
    pub lag_s: i64,
    /// Each status in between is shown for so long.
    pub step_s: i64,
}

/// One project: servers, keys and regions of their own.
#[derive(Debug, Clone)]
pub struct CloudProject {
    /// 32 hexadecimal digits.
    pub id: String,
    /// What people call it.
    pub description: String,
    /// Regions that are activated in it.
    pub regions: Vec<String>,
    /// Names of its SSH keys.
    pub keys: Vec<String>,
    /// Its servers.
    pub instances: Vec<CloudInstance>,
}

/// One server as it begins.
#[derive(Debug, Clone)]
pub struct CloudInstance {
    /// Its uuid; `None`: one is made.
    pub id: Option<String>,
    /// Not unique.
    pub name: String,
    /// One of the project's regions.
    pub region: String,
    /// Name of a flavour of the catalogue: `b3-8`.
    pub flavor: String,
    /// What it was installed from.
    pub image: CloudImage,
    /// Name of its SSH key; one that the project does not have was deleted.
    pub key: Option<String>,
    /// The word of the API: `ACTIVE`.
    pub status: String,
    /// Whether it is billed by the month.
    pub is_monthly: bool,
    /// An address in a private network, beside the public ones.
    pub private_address: Option<String>,
    /// When it was created.
    pub created: String,
}

/// What a server was installed from.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum CloudImage {
    /// An image of the catalogue, by name.
    Listed(String),
    /// One that left the catalogue: the list has its id, the detail says `null`.
    Withdrawn(String),
    /// A snapshot of the project, by its id.
    Snapshot(String),
    /// Booted from a volume: `null` in both.
    #[default]
    Volume,
}

impl CloudInstance {
    /// A server from Debian 13 with the key `deploy`, running, billed by the hour.
    pub fn new(name: &str, region: &str, flavor: &str) -> Self {
        Self {
            id: None,
            name: name.to_owned(),
            region: region.to_owned(),
            flavor: flavor.to_owned(),
            image: CloudImage::Listed("Debian 13".to_owned()),
            key: Some("deploy".to_owned()),
            status: "ACTIVE".to_owned(),
            is_monthly: false,
            private_address: None,
            created: "2026-09-14T07:31:12Z".to_owned(),
        }
    }

    fn status(self, status: &str) -> Self {
        Self { status: status.to_owned(), ..self }
    }

    fn image(self, image: CloudImage) -> Self {
        Self { image, ..self }
    }
}

impl CloudProject {
    /// A project with the key `deploy` and these regions.
    pub fn new(id: &str, description: &str, regions: &[&str], instances: Vec<CloudInstance>) -> Self {
        Self {
            id: id.to_owned(),
            description: description.to_owned(),
            regions: regions.iter().map(|&region| region.to_owned()).collect(),
            keys: vec!["deploy".to_owned()],
            instances,
        }
    }
}

impl OvhCloudOptions {
    /// These projects, keys named after themselves, a clock that stands still, a free port.
    pub fn with_projects(projects: Vec<CloudProject>) -> Self {
        Self {
            port: 0,
            application_key: "application-key".to_owned(),
            application_secret: "application-secret".to_owned(),
            consumer_key: "consumer-key".to_owned(),
            projects,
            clock: CloudClock::Stopped,
            pace: CloudPace { lag_s: 5, step_s: 10 },
            kept_at: None,
        }
    }

    /// Twelve servers in three regions of two projects, [`CI_PROJECT`] and [`WEB_PROJECT`], with most of what is odd about
    /// servers: two of one name, a null image, a null key, one billed by the month, one with disks that shelving loses.
    pub fn dozen() -> Self {
        let regions = ["GRA11", "SBG5", "BHS5"];
        let debian = |name: &str| CloudImage::Listed(name.to_owned());
        let new = CloudInstance::new;
        let ci = vec![
            new("build-1", "GRA11", "c3-4"),
            new("build-2", "GRA11", "c3-4").status("SHUTOFF"),
            new("build-3", "SBG5", "c3-4").status("SHELVED_OFFLOADED"),
            new("gpu-train", "GRA11", "t1-45").image(debian("Ubuntu 24.04")),
            new("win-agent", "SBG5", "win-b3-8").image(debian("Windows Server 2022 Standard (Core)")).status("SHUTOFF"),
            CloudInstance { key: None, ..new("cache-1", "BHS5", "d2-2").image(debian("Debian 12")) },
            new("build-9", "BHS5", "c3-4").status("ERROR"),
        ];
        let web = vec![
            CloudInstance { is_monthly: true, ..new("web-1", "GRA11", "b3-8") },
            // The same name elsewhere: another server.
            new("web-1", "SBG5", "b3-8"),
            CloudInstance { private_address: Some("10.1.2.15".to_owned()), ..new("db-1", "GRA11", "b3-8") },
            CloudInstance { private_address: Some("10.1.2.16".to_owned()), ..new("db-2", "SBG5", "b3-8") }
                .image(CloudImage::Volume)
                .status("SHUTOFF"),
            CloudInstance { key: Some("former-colleague".to_owned()), ..new("staging", "BHS5", "d2-2") }
                .image(CloudImage::Withdrawn("Debian 10".to_owned()))
                .status("SHELVED_OFFLOADED"),
        ];
        Self::with_projects(vec![
            CloudProject::new(CI_PROJECT, "ci", &regions, ci),
            CloudProject::new(WEB_PROJECT, "web", &regions, web),
        ])
    }

    /// So many servers, spread evenly over so many projects and regions. The same numbers make the same fleet.
    pub fn many(instances: usize, projects: usize, regions: usize) -> Self {
        let regions: Vec<String> = (0..regions.max(1)).map(region).collect();
        let names: Vec<&str> = regions.iter().map(String::as_str).collect();
        let mut made: Vec<CloudProject> = (0..projects.max(1))
            .map(|number| {
                let id: String = catalogue::digits(&format!("project/{number}")).chars().take(32).collect();
                CloudProject::new(&id, &format!("load-{number}"), &names, Vec::new())
            })
            .collect();
        let (flavors, count) = (["b3-8", "c3-4", "d2-2", "t1-45"], made.len());
        let statuses = ["ACTIVE", "ACTIVE", "SHUTOFF", "ACTIVE", "SHELVED_OFFLOADED"];
        for number in 0..instances {
            let region = names[number / count % names.len()];
            let instance = CloudInstance::new(&format!("load-{number}"), region, flavors[number % flavors.len()]);
            made[number % count].instances.push(instance.status(statuses[number % statuses.len()]));
        }
        Self::with_projects(made)
    }
}

fn region(number: usize) -> String {
    REGIONS.get(number).map_or_else(|| format!("SIM{}", number - REGIONS.len() + 1), |&name| name.to_owned())
}
