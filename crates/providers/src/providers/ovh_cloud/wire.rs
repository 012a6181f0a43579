//! What OVH Public Cloud sends, as far as it is of use (API v1, the flat family), and what its words mean.

use serde::Deserialize;
use serde_json::Value as Json;

use crate::providers::servers::vendor_id;
use amarre_core::model::Text;
use amarre_core::resources::cloud::power;
use amarre_core::text;

#[derive(Debug, Clone, Deserialize)]
pub struct WireProject {
    /// What people call it; empty or null where nobody did.
    #[serde(default)]
    pub description: Option<String>,
    /// `creating`, `ok`, `suspended`, `deleting`, `deleted`.
    pub status: String,
}

impl WireProject {
    /// One of which nothing is known but that it is there.
    pub fn unread() -> Self {
        Self { description: None, status: String::new() }
    }
}

/// An instance, as lists and details have it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireInstance {
    #[serde(deserialize_with = "vendor_id")]
    pub id: String,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub ip_addresses: Vec<WireAddress>,
    pub region: String,
    pub status: String,
    #[serde(default)]
    pub created: Option<String>,
    #[serde(default)]
    pub flavor_id: Option<String>,
    /// Only lists have it; `null` of one that boots from a volume.
    #[serde(default)]
    pub image_id: Option<String>,
    /// `null` where it has none, or that was deleted.
    #[serde(default)]
    pub ssh_key_id: Option<String>,
    /// `b3-8.consumption`, `b3-8.monthly.postpaid`. Old answers have none.
    #[serde(default)]
    pub plan_code: Option<String>,
    /// `null` where it is paid by the hour.
    #[serde(default)]
    pub monthly_billing: Option<Json>,
    /// Its size, which only the details of one instance have.
    #[serde(default)]
    pub flavor: Option<WireSize>,
}

/// What a size is called, and the type that the catalogue gives it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WireSize {
    /// `b3-8`.
    #[serde(default)]
    pub name: String,
    /// `ovh.ssd.eg`.
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
}

/// Families with disks that are passed through from their host (ovh/docs, "shelve or pause an instance"): in no snapshot.
const LOCAL_FAMILIES: [&str; 3] = ["i1", "t1", "t2"];
/// The same by type; whatever else has a GPU is taken for one of them.
const LOCAL_TYPES: [&str; 2] = ["ovh.iops", "ovh.ssd.gpu"];
/// Families and types all of whose disks are in the snapshot that a shelve takes.
const KEPT_FAMILIES: [&str; 8] = ["b2", "b3", "c2", "c3", "d2", "r2", "r3", "s1"];
const KEPT_TYPES: [&str; 4] = ["ovh.ssd.eg", "ovh.ssd.cpu", "ovh.ssd.ram", "ovh.vps-ssd"];

impl WireSize {
    /// Whether servers of it have disks in their host; `None`: Amarre does not know the size.
    pub fn has_local_disks(&self) -> Option<bool> {
        let name = self.name.strip_prefix("win-").unwrap_or(&self.name);
        let family = name.split('-').next().unwrap_or_default();
        let kind = self.kind.as_deref().unwrap_or_default();
        if LOCAL_FAMILIES.contains(&family) || LOCAL_TYPES.iter().any(|local| kind.starts_with(local)) {
            return Some(true);
        }
        (KEPT_TYPES.contains(&kind) || kind.is_empty() && KEPT_FAMILIES.contains(&family)).then_some(false)
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct WireAddress {
    pub ip: String,
    /// `public` or `private`.
    #[serde(rename = "type", default)]
    pub kind: String,
}

/// An instance in the answer of its region, which also says whether something is under way.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireSummary {
    pub status: String,
    /// Empty or null: nothing is under way.
    #[serde(default)]
    pub task_state: Option<String>,
}

/// The console of an instance. Its address opens it without a password.
#[derive(Clone, Deserialize)]
pub struct WireConsole {
    pub url: String,
}

/// A server as a create answers it, as far as it is of use.
#[derive(Debug, Clone, Deserialize)]
pub struct WireMade {
    #[serde(deserialize_with = "vendor_id")]
    pub id: String,
}

/// A size that a region offers. One name has an id in each region.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireFlavor {
    pub id: String,
    pub name: String,
    /// `ovh.ssd.eg`.
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
    #[serde(default)]
    pub os_type: Option<String>,
    /// Whether it is in stock.
    #[serde(default)]
    pub available: Option<bool>,
    #[serde(default)]
    pub plan_codes: WirePlanCodes,
    /// In GB.
    #[serde(default)]
    pub disk: u32,
    /// What it can; old answers have none.
    #[serde(default)]
    pub capabilities: Vec<WireCapability>,
}

/// Something that a size can, or not: `resize`.
#[derive(Debug, Clone, Deserialize)]
pub struct WireCapability {
    pub name: String,
    #[serde(default)]
    pub enabled: bool,
}

impl WireFlavor {
    /// One that left the catalogue: nothing is known of it but its name.
    pub fn gone(name: &str) -> Self {
        Self {
            id: String::new(),
            name: name.to_owned(),
            kind: None,
            os_type: None,
            available: None,
            plan_codes: WirePlanCodes::default(),
            disk: 0,
            capabilities: Vec::new(),
        }
    }

    /// Whether servers of it can get another size, or it can be given to others.
    pub fn can_resize(&self) -> bool {
        self.capabilities.is_empty() || self.capabilities.iter().any(|can| can.name == "resize" && can.enabled)
    }
}

/// What a size is called in the catalogue of prices.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct WirePlanCodes {
    #[serde(default)]
    pub hourly: Option<String>,
}

/// An image. Its name stays, its id changes with each rebuild.
#[derive(Debug, Clone, Deserialize)]
pub struct WireImage {
    pub id: String,
    pub name: String,
    /// `linux`, `windows`.
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
}

/// A snapshot: an image of the project's own.
#[derive(Debug, Clone, Deserialize)]
pub struct WireSnapshot {
    pub id: String,
    pub name: String,
    /// `active` once it can be used.
    #[serde(default)]
    pub status: String,
}

/// A public key.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireKey {
    pub id: String,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub public_key: String,
}

/// Something that a project carries out, or did.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireOperation {
    /// `instance#create`.
    #[serde(default)]
    pub action: String,
    /// `created`, `in-progress`, `completed`, `in-error`, `unknown`.
    #[serde(default)]
    pub status: String,
    /// What it is about, once that is known.
    #[serde(default)]
    pub resource_id: Option<String>,
    #[serde(default)]
    pub sub_operations: Option<Vec<WireOperation>>,
}

impl WireOperation {
    /// Whether it makes a server.
    pub fn is_create(&self) -> bool {
        self.action.contains("instance#create")
    }

    /// Whether it came to nothing.
    pub fn has_failed(&self) -> bool {
        self.status == "in-error"
    }

    pub fn is_complete(&self) -> bool {
        self.status == "completed"
    }

    /// The id of the server that it makes, once that is known.
    pub fn made(&self) -> Option<&str> {
        let inner = self.sub_operations.iter().flatten().filter(|one| one.is_create());
        self.resource_id.as_deref().or_else(|| inner.filter_map(|one| one.resource_id.as_deref()).next())
    }
}

impl WireInstance {
    /// The name of its size: `b3-8`.
    pub fn size(&self) -> &str {
        self.planned_size().or(self.flavor_id.as_deref()).unwrap_or_default()
    }

    /// The same, by the details of one.
    pub fn shown_size(&self) -> &str {
        let named = self.flavor.as_ref().map(|flavor| flavor.name.as_str()).filter(|name| !name.is_empty());
        named.unwrap_or_else(|| self.size())
    }

    /// The same by what is paid for it.
    pub fn planned_size(&self) -> Option<&str> {
        let plan = self.plan_code.as_deref().and_then(|code| code.split('.').next());
        plan.filter(|size| !size.is_empty())
    }

    /// Whether it is paid by the month.
    pub fn is_monthly(&self) -> bool {
        self.monthly_billing.as_ref().is_some_and(|billing| !billing.is_null())
    }
}

/// The catalogue of prices.
#[derive(Debug, Clone, Deserialize)]
pub struct WireCatalogue {
    pub locale: WireLocale,
    #[serde(default)]
    pub plans: Vec<WirePlan>,
    #[serde(default)]
    pub addons: Vec<WirePlan>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireLocale {
    pub currency_code: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WirePlan {
    pub plan_code: String,
    #[serde(default)]
    pub pricings: Vec<WirePricing>,
}

/// What it costs: in 10⁻⁸ of the currency, without tax.
#[derive(Debug, Clone, Deserialize)]
pub struct WirePricing {
    pub price: i64,
}

/// What a status says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PowerStatus {
    /// It stays in this power.
    Stable(&'static str),
    /// It is on its way to something else.
    Transient(Text),
    /// The vendor gave it up.
    Broken,
}

/// What a status says. A word that is not known says that something is under way: nobody acts on it.
pub fn power_status(status: &str) -> PowerStatus {
    match status {
        "ACTIVE" => PowerStatus::Stable(power::ON),
        "SHUTOFF" | "STOPPED" => PowerStatus::Stable(power::OFF),
        "SHELVED_OFFLOADED" => PowerStatus::Stable(power::SHELVED),
        "ERROR" => PowerStatus::Broken,
        "BUILD" | "BUILDING" => PowerStatus::Transient(text!("it is being made")),
        "REBOOT" | "HARD_REBOOT" => PowerStatus::Transient(text!("it reboots")),
        "SHELVING" | "SHELVED" => PowerStatus::Transient(text!("it is being shelved")),
        "UNSHELVING" => PowerStatus::Transient(text!("it comes back from the shelf")),
        "RESIZE" | "RESIZED" | "VERIFY_RESIZE" | "REVERT_RESIZE" => {
            PowerStatus::Transient(text!("it gets another size"))
        }
        "REBUILD" => PowerStatus::Transient(text!("it is installed again")),
        "SNAPSHOTTING" => PowerStatus::Transient(text!("a snapshot is taken")),
        "MIGRATING" => PowerStatus::Transient(text!("it moves to another machine of the vendor")),
        "RESCUE" | "RESCUED" | "RESCUING" | "UNRESCUING" => PowerStatus::Transient(text!("it is in rescue mode")),
        "PAUSED" | "SUSPENDED" => PowerStatus::Transient(text!("it is paused at the vendor")),
        "DELETING" | "DELETED" | "SOFT_DELETED" => PowerStatus::Transient(text!("it is being deleted")),
        _ => PowerStatus::Transient(text!("something is under way at the vendor")),
    }
}
