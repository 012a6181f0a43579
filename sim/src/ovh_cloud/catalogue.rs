//! What can be had: flavours, images and regions, with ids that are each region's own, and prices.

use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::ovh_api::{Reply, bad_request};

/// One row of the price list, as far as an instance shows it.
#[derive(Debug)]
pub(super) struct Flavor {
    pub name: &'static str,
    pub vcpus: u32,
    pub ram_gib: u32,
    pub disk_gb: u32,
    /// What the vendor calls its type.
    pub family: &'static str,
    pub os: &'static str,
    pub mbit: u32,
    /// Disks in the host itself: lost when the server leaves it.
    pub has_local_disks: bool,
    /// For an hour and a month, in hundred-millionths of a euro. Invented, of the right size.
    pub hourly: i64,
    pub monthly: i64,
}

const fn flavor(name: &'static str, size: (u32, u32, u32), family: &'static str, hourly: i64) -> Flavor {
    let (vcpus, ram_gib, disk_gb) = size;
    // A month costs about half of its hours.
    let monthly = hourly * 365;
    Flavor { name, vcpus, ram_gib, disk_gb, family, os: "linux", mbit: 250, has_local_disks: false, hourly, monthly }
}

pub(super) const FLAVORS: [Flavor; 8] = [
    flavor("b2-7", (2, 7, 50), "ovh.ssd.eg", 6_810_000),
    flavor("b3-8", (2, 8, 50), "ovh.ssd.eg", 5_080_000),
    flavor("b3-16", (4, 16, 100), "ovh.ssd.eg", 10_160_000),
    flavor("c3-4", (2, 4, 50), "ovh.ssd.cpu", 4_530_000),
    flavor("d2-2", (1, 2, 25), "ovh.vps-ssd", 1_020_000),
    Flavor { has_local_disks: true, mbit: 2000, ..flavor("t1-45", (8, 45, 400), "ovh.ssd.gpu", 170_000_000) },
    Flavor { has_local_disks: true, mbit: 1000, ..flavor("i1-45", (8, 45, 50), "ovh.iops", 65_000_000) },
    Flavor { os: "windows", ..flavor("win-b3-8", (2, 8, 50), "ovh.ssd.eg", 9_680_000) },
];

/// Name, first user, type, least disk in GB, size in GiB.
pub(super) const IMAGES: [(&str, &str, &str, u32, f64); 4] = [
    ("Debian 12", "debian", "linux", 0, 2.0),
    ("Debian 13", "debian", "linux", 0, 3.0),
    ("Ubuntu 24.04", "ubuntu", "linux", 0, 2.578_125),
    ("Windows Server 2022 Standard (Core)", "Administrator", "windows", 50, 12.5),
];

impl Flavor {
    pub fn named(name: &str) -> Option<&'static Self> {
        FLAVORS.iter().find(|flavor| flavor.name == name)
    }

    pub fn id(&self, region: &str) -> String {
        uuid(&format!("flavor/{region}/{}/{}", self.name, self.os))
    }

    pub fn plan(&self, is_monthly: bool) -> String {
        if is_monthly { format!("{}.monthly.postpaid", self.name) } else { format!("{}.consumption", self.name) }
    }

    /// Neither flavours with disks in the host nor the family vps-ssd can be resized, or resized to.
    pub fn can_resize(&self) -> bool {
        !self.has_local_disks && self.family != "ovh.vps-ssd"
    }

    /// The licence of a Windows flavour is billed beside it. Its plan's name is guessed.
    pub fn licence(&self) -> Option<String> {
        (self.os == "windows").then(|| format!("{}.license", self.name))
    }

    /// `ram` is given, for its unit differs from one answer to the next.
    pub fn json(&self, region: &str, ram: u32, stock: u32) -> Value {
        let capability = |name: &str, is_on: bool| json!({ "name": name, "enabled": is_on });
        json!({
            "id": self.id(region),
            "name": self.name,
            "region": region,
            "ram": ram,
            "disk": self.disk_gb,
            "vcpus": self.vcpus,
            "type": self.family,
            "osType": self.os,
            "inboundBandwidth": self.mbit,
            "outboundBandwidth": self.mbit,
            "available": stock > 0,
            "planCodes": { "monthly": self.plan(true), "hourly": self.plan(false), "license": self.licence() },
            "capabilities": [
                capability("resize", self.can_resize()),
                capability("snapshot", true),
                capability("volume", true),
                capability("failoverip", true),
            ],
            "quota": stock,
        })
    }
}

pub(super) fn image_id(region: &str, name: &str) -> String {
    uuid(&format!("image/{region}/{name}"))
}

/// `None`: no image of that name is in the catalogue.
pub(super) fn image(region: &str, name: &str) -> Option<Value> {
    let (name, user, kind, disk, size) = IMAGES.iter().find(|image| image.0 == name)?;
    Some(json!({
        "id": image_id(region, name),
        "name": name,
        "region": region,
        "visibility": "public",
        "type": kind,
        "minDisk": disk,
        "minRam": 0,
        "size": size,
        "creationDate": "2026-08-18T09:02:27Z",
        "status": "active",
        "user": user,
        "flavorType": null,
        "tags": [],
        "planCode": null,
    }))
}

/// `status` as the condition of the region has it.
pub(super) fn region(name: &str, status: &str) -> Value {
    let place: String = name.chars().take_while(char::is_ascii_alphabetic).collect();
    let (continent, country) = match place.as_str() {
        "BHS" => ("NA", "ca"),
        "SGP" => ("ASIA", "sg"),
        "SYD" => ("ASIA", "au"),
        "DE" => ("EU", "de"),
        "UK" => ("EU", "uk"),
        "WAW" => ("EU", "pl"),
        _ => ("EU", "fr"),
    };
    let service = |service: &str| json!({ "name": service, "status": status, "endpoint": "" });
    json!({
        "name": name,
        "type": "region",
        "status": status,
        "continentCode": continent,
        "datacenterLocation": place,
        "ipCountries": [country],
        "services": [service("instance"), service("image"), service("network"), service("volume")],
    })
}

/// `GET /order/catalog/public/cloud`: no more of it than the plans of the flavours.
pub(super) fn prices(subsidiary: Option<&str>) -> Reply {
    let currency = match currency(subsidiary) {
        Ok(currency) => currency,
        Err(refusal) => return refusal,
    };
    let hourly = FLAVORS.iter().map(|flavor| addon(&flavor.plan(false), flavor, "hour", flavor.hourly));
    let monthly = FLAVORS.iter().map(|flavor| addon(&flavor.plan(true), flavor, "month", flavor.monthly));
    Reply::ok(json!({
        "catalogId": 4242,
        "locale": { "currencyCode": currency, "subsidiary": subsidiary, "taxRate": 20 },
        "plans": [{ "planCode": "project.2018", "invoiceName": "Public Cloud Project", "pricings": [] }],
        "products": [],
        "addons": hourly.chain(monthly).collect::<Vec<_>>(),
        "planFamilies": [],
    }))
}

/// `GET /cloud/subsidiaryPrice?flavorId&ovhSubsidiary`: the older price list, which libcloud asks. `chosen` are the flavours
/// of the id, each with a region; the shape is that of libcloud's fixture, with nothing but servers in it.
pub(super) fn older_prices(subsidiary: Option<&str>, chosen: &[(&'static Flavor, String)]) -> Reply {
    let currency = match currency(subsidiary) {
        Ok(currency) => currency,
        Err(refusal) => return refusal,
    };
    let price = |amount: i64| {
        let value = amount as f64 / 100_000_000.0;
        json!({ "currencyCode": currency, "text": format!("{value:.4} {currency}"), "value": value })
    };
    let row = |(flavor, region): &(&'static Flavor, String)| {
        json!({
            "flavorId": flavor.id(region),
            "flavorName": flavor.name,
            "region": region,
            "price": price(flavor.hourly),
            "monthlyPrice": price(flavor.monthly),
        })
    };
    Reply::ok(json!({
        "projectCreation": price(0),
        "instances": chosen.iter().map(row).collect::<Vec<_>>(),
        "snapshots": [],
        "volumes": [],
        "storage": [],
        "archive": [],
        "bandwidthStorage": [],
        "bandwidthArchiveIn": [],
        "bandwidthArchiveOut": [],
    }))
}

/// Which subsidiaries there are is guessed.
fn currency(subsidiary: Option<&str>) -> Result<&'static str, Reply> {
    match subsidiary {
        Some("FR" | "DE" | "ES" | "IT" | "IE" | "NL" | "PT" | "FI" | "LT") => Ok("EUR"),
        Some("GB") => Ok("GBP"),
        Some("PL") => Ok("PLN"),
        Some("CA" | "QC") => Ok("CAD"),
        Some("US" | "WE" | "WS") => Ok("USD"),
        Some(other) => Err(bad_request(&format!(
            "[ovhSubsidiary] Given data ({other}) does not belong to the OvhSubsidiaryEnum enumeration"
        ))),
        None => Err(bad_request("[ovhSubsidiary] missing")),
    }
}

fn addon(plan: &str, flavor: &Flavor, unit: &str, price: i64) -> Value {
    json!({
        "planCode": plan,
        "invoiceName": flavor.name,
        "product": format!("publiccloud-instance-{}", flavor.name),
        "pricingType": "consumption",
        "pricings": [{
            "phase": 1,
            "capacities": ["consumption"],
            "commitment": 0,
            "description": format!("{} by the {unit}", flavor.name),
            "interval": 1,
            "intervalUnit": unit,
            "price": price,
            "tax": price / 5,
            "mode": "default",
            "strategy": "volume",
            "type": "consumption",
        }],
    })
}

/// A uuid that is always the same for the same text.
pub(super) fn uuid(text: &str) -> String {
    let digits = digits(text);
    format!("{}-{}-5{}-a{}-{}", &digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..32])
}

/// Forty hexadecimal digits that are always the same for the same text.
pub(super) fn digits(text: &str) -> String {
    hex::encode(Sha1::digest(text.as_bytes()))
}
