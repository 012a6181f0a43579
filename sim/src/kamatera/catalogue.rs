//! What can be had: datacenters, images, sizes and their limits, and what all of it costs.

use serde_json::{Map, Value, json};
use sha1::{Digest, Sha1};

use super::state::Machine;

/// Id, country, continent, city. The ids are those of 2026; what is written beside the newer ones is guessed.
const DATACENTERS: [(&str, &str, &str, &str); 25] = [
    ("AS", "China", "Asia", "Hong Kong"),
    ("AS-SG", "Singapore", "Asia", "Singapore"),
    ("AS-TY", "Japan", "Asia", "Tokyo"),
    ("AU-SY", "Australia", "Oceania", "Sydney"),
    ("CA-TR", "Canada", "North America", "Toronto"),
    ("EU", "The Netherlands", "Europe", "Amsterdam"),
    ("EU-BU", "Romania", "Europe", "Bucharest"),
    ("EU-FR", "Germany", "Europe", "Frankfurt"),
    ("EU-LO", "United Kingdom", "Europe", "London"),
    ("EU-MD", "Spain", "Europe", "Madrid"),
    ("EU-ML", "Italy", "Europe", "Milan"),
    ("EU-ST", "Sweden", "Europe", "Stockholm"),
    ("IL", "Israel", "Middle East", "Rosh Haayin"),
    ("IL-HA", "Israel", "Middle East", "Haifa"),
    ("IL-PT", "Israel", "Middle East", "Petach Tikva"),
    ("IL-RH", "Israel", "Middle East", "Rosh Haayin 2"),
    ("IL-TA", "Israel", "Middle East", "Tel Aviv"),
    ("US-AT", "United States", "North America", "Atlanta"),
    ("US-CH", "United States", "North America", "Chicago"),
    ("US-LA", "United States", "North America", "Los Angeles"),
    ("US-MI", "United States", "North America", "Miami"),
    ("US-NY2", "United States", "North America", "New York"),
    ("US-SC", "United States", "North America", "Santa Clara"),
    ("US-SE", "United States", "North America", "Seattle"),
    ("US-TX", "United States", "North America", "Texas"),
];

/// One image of every datacenter.
#[derive(Debug)]
pub(super) struct Image {
    /// What `?images=1` calls it, and one of both descriptions by which a creation finds it.
    pub name: &'static str,
    /// The other one.
    pub description: &'static str,
    pub os: &'static str,
    pub code: &'static str,
    pub disk_gb: u32,
    pub ram_mib: u32,
    /// A month, in cents.
    pub price: i64,
}

const fn image(names: (&'static str, &'static str), os: &'static str, code: &'static str) -> Image {
    Image { name: names.0, description: names.1, os, code, disk_gb: 5, ram_mib: 256, price: 0 }
}

pub(super) const IMAGES: [Image; 4] = [
    image(("Debian version 12 (bookworm) 64-bit", "debian_server_12_64-bit"), "Debian", "12 64bit"),
    image(("Ubuntu Server 22.04 LTS 64-bit", "ubuntu_server_22.04_64-bit"), "Ubuntu", "22.04 64bit"),
    image(("Ubuntu Server 24.04 LTS 64-bit", "ubuntu_server_24.04_64-bit"), "Ubuntu", "24.04 64bit"),
    Image {
        disk_gb: 30,
        ram_mib: 1024,
        price: 1600,
        ..image(
            ("Microsoft Windows Server 2022 Standard 64-bit", "windows_server_2022_standard_64-bit"),
            "Windows",
            "2022_standard 64bit",
        )
    },
];

/// The ladder of sizes; in between there are none.
pub(super) const DISKS_GB: [u32; 27] = [
    5, 10, 15, 20, 30, 40, 50, 60, 80, 100, 150, 200, 250, 300, 350, 400, 450, 500, 600, 700, 800, 900, 1000, 1500,
    2000, 3000, 4000,
];

const CORES: [u32; 17] = [1, 2, 4, 6, 8, 12, 16, 20, 24, 28, 32, 36, 40, 48, 56, 64, 72];
const RAM_MIB: [u32; 21] = [
    256, 512, 1024, 2048, 3072, 4096, 6144, 8192, 10240, 12288, 16384, 24576, 32768, 49152, 65536, 98304, 131_072,
    200_704, 262_144, 327_680, 393_216,
];

/// Traffic packages of servers that are billed by the month.
pub(super) const TRAFFIC: [(&str, &str); 2] =
    [("b20", "20Mbit/sec unmetered on 10Gbit/sec port"), ("t5000", "5000GB/month on 10Gbit/sec port")];
pub(super) const TRAFFIC_AT_FIRST: &str = "t5000";

/// Id, name, most cores, least and most memory in MiB.
const CPU_TYPES: [(char, &str, u32, u32, u32); 4] = [
    ('A', "Type A - Availability", 32, 256, 131_072),
    ('B', "Type B - General Purpose", 72, 1024, 393_216),
    ('D', "Type D - Dedicated", 20, 1024, 393_216),
    ('T', "Type T - Burstable", 72, 256, 393_216),
];

impl Image {
    /// As a datacenter has it, without its prefix: 32 hexadecimal digits, of which the vendor writes the letters in
    /// one case here and in another there.
    pub fn id(&self, datacenter: &str) -> String {
        format!("6000C29{}", &digits(&format!("image/{datacenter}/{}", self.name))[..25])
    }

    fn full_id(&self, datacenter: &str) -> String {
        format!("{datacenter}:{}", self.id(datacenter))
    }
}

pub(super) fn has_datacenter(id: &str) -> bool {
    DATACENTERS.iter().any(|datacenter| datacenter.0 == id)
}

pub(super) fn image_named(name: &str) -> Option<&'static Image> {
    IMAGES.iter().find(|image| image.name == name || image.description == name)
}

/// Count and type of `2B`; `None`: it is no such thing.
pub(super) fn cpu(text: &str) -> Option<(u32, char)> {
    let kind = text.chars().last().filter(char::is_ascii_uppercase)?;
    let count = text[..text.len() - 1].parse().ok()?;
    Some((count, kind))
}

/// Why these cannot be had together; `None`: they can. Texts are guessed.
pub(super) fn misfit(cpu: (u32, char), ram_mib: u32, disks_gb: &[u32]) -> Option<String> {
    let (count, kind) = cpu;
    let Some((_, _, cores_max, ram_min, ram_max)) = CPU_TYPES.iter().find(|row| row.0 == kind) else {
        return Some(format!("invalid CPU type {kind}"));
    };
    if !CORES.contains(&count) || count > *cores_max {
        return Some(format!("invalid number of CPU cores {count}{kind}"));
    }
    if !RAM_MIB.contains(&ram_mib) || !(*ram_min..=*ram_max).contains(&ram_mib) {
        return Some(format!("invalid RAM size {ram_mib} for CPU type {kind}"));
    }
    let odd = disks_gb.iter().find(|size| !DISKS_GB.contains(size));
    odd.map(|size| format!("invalid disk size {size}"))
}

pub(super) fn datacenters() -> Value {
    let all = DATACENTERS.iter();
    all.map(|(id, name, category, city)| json!({ "id": id, "name": name, "category": category, "subCategory": city }))
        .collect()
}

pub(super) fn images(datacenter: &str, withdrawn: &[String]) -> Value {
    let listed = IMAGES.iter().filter(|image| !withdrawn.iter().any(|gone| gone == image.name));
    let row = |image: &Image| {
        let ram = image.ram_mib;
        json!({
            "datacenter": datacenter,
            "os": image.os,
            "id": image.full_id(datacenter),
            "name": image.name,
            "code": image.code,
            "osDiskSizeGB": image.disk_gb,
            "ramMBMin": { "A": ram, "B": ram, "T": ram, "D": ram },
        })
    };
    listed.map(row).collect()
}

/// Suggestions: no server says later that it is `small`.
pub(super) fn sizes() -> Value {
    let row = |(id, cores, ram, disk): (&str, u32, u32, u32)| {
        json!({
            "id": id, "cpuType": "B", "cpuCores": cores, "ramMB": ram, "diskSizeGB": disk,
            "monthlyTrafficPackage": TRAFFIC_AT_FIRST,
        })
    };
    [("small", 2, 4096, 30), ("medium", 4, 8192, 60), ("large", 8, 16384, 100)].map(row).into_iter().collect()
}

pub(super) fn capabilities() -> Value {
    let row = |(id, name, cores_max, ram_min, ram_max): &(char, &str, u32, u32, u32)| {
        json!({
            "id": id,
            "name": name,
            "description": format!("{name}."),
            "cpuCores": CORES.iter().filter(|count| *count <= cores_max).collect::<Vec<_>>(),
            "ramMB": RAM_MIB.iter().filter(|ram| (ram_min..=ram_max).contains(ram)).collect::<Vec<_>>(),
        })
    };
    let traffic: Map<String, Value> = TRAFFIC.iter().map(|(id, text)| ((*id).to_owned(), json!(text))).collect();
    json!({
        "diskSizeGB": DISKS_GB,
        "monthlyTrafficPackage": traffic,
        "defaultMonthlyTrafficPackage": TRAFFIC_AT_FIRST,
        "cpuTypes": CPU_TYPES.iter().map(row).collect::<Vec<_>>(),
    })
}

/// What a server costs a month while it runs, in cents of a US dollar.
pub(super) fn monthly(machine: &Machine) -> i64 {
    let (count, kind) = cpu(&machine.cpu).unwrap_or((1, 'A'));
    let further: i64 = machine.disks_gb.iter().skip(1).map(|size| i64::from(*size) * 5).sum();
    let image = image_named(&machine.image).map_or(0, |image| image.price);
    let parts = [cpu_price(count, kind), ram_price(machine.ram_mib, kind), further, image];
    let hardware: i64 = parts.iter().sum::<i64>() + disk_price(machine.disks_gb.first().copied().unwrap_or(0));
    // The copies cost half of the server.
    let backup = if machine.has_backup { hardware / 2 } else { 0 };
    hardware + backup + if machine.is_managed { 5000 } else { 0 }
}

/// Known are 1A 0, 2A 4, 1B 0, 2B 10 and 1D 10 dollars; the rest is made up along these.
fn cpu_price(count: u32, kind: char) -> i64 {
    let count = i64::from(count);
    match kind {
        'A' => (count - 1) * 400,
        'B' => (count - 1) * 1000,
        'D' => count * 1000,
        _ => (count - 1) * 300,
    }
}

/// Known are A 1024 −2, 2048 0, 4096 6, and B 1024 3, 2048 9, 4096 23; the rest is made up along these.
fn ram_price(ram_mib: u32, kind: char) -> i64 {
    let above = i64::from(ram_mib) - 2048;
    match (kind, above > 0) {
        ('A' | 'T', true) => above * 300 / 1024,
        ('A' | 'T', false) => above * 200 / 1024,
        (_, true) => 900 + above * 700 / 1024,
        (_, false) => 900 + above * 600 / 1024,
    }
}

/// The boot disk; each further one costs 0.05 a GB.
fn disk_price(size_gb: u32) -> i64 {
    match size_gb {
        0..=20 => 600,
        21..=30 => 800,
        31..=50 => 1000,
        51..=100 => 1400,
        larger => 1400 + i64::from(larger - 100) * 5,
    }
}

/// The public price list: `var prd_prices = '{…}';`, monthly US dollars. Names of members beside those that clients are known
/// to read are guessed.
pub(super) fn calculator() -> String {
    let dollars = |cents: i64| Value::from(cents as f64 / 100.0);
    let mut cpus = Map::new();
    let mut rams = Map::new();
    for (kind, _, cores_max, ram_min, ram_max) in CPU_TYPES {
        let counts = CORES.iter().filter(|count| **count <= cores_max);
        cpus.extend(counts.map(|count| (format!("{count}{kind}"), dollars(cpu_price(*count, kind)))));
        let sizes = RAM_MIB.iter().filter(|ram| (ram_min..=ram_max).contains(ram));
        let prices = sizes.map(|ram| (ram.to_string(), dollars(ram_price(*ram, kind))));
        rams.insert(kind.to_string(), Value::Object(prices.collect()));
    }
    let disks: Map<String, Value> =
        DISKS_GB.iter().map(|size| (size.to_string(), dollars(disk_price(*size)))).collect();
    let ids: Vec<&str> = DATACENTERS.iter().map(|datacenter| datacenter.0).collect();
    let packages: Map<String, Value> = ids.iter().map(|&id| (id.to_owned(), json!({ "t5000": 0, "b20": 0 }))).collect();
    let os = |image: &Image| {
        json!({
            "id": image.description, "name": image.name, "category": image.os, "price": dollars(image.price),
            "minRamMB": image.ram_mib, "minCpu": 1, "minDiskSizeGB": image.disk_gb, "datacenters": ids,
        })
    };
    let prices = json!({
        "base": 0, "cpu": cpus, "ramMB": rams, "diskGB": disks, "diskExtraGB": 0.05, "wan": { "first": 0, "more": 1 },
        "wanPoweredOff": 5, "snapshotGB": 0.05, "hdlibGB": 0.05, "managed": 50, "backup": 0.5, "netPck": packages,
        "os": IMAGES.iter().map(os).collect::<Vec<_>>(),
    });
    format!("var prd_prices = '{prices}';\n")
}

/// 40 hexadecimal digits that belong to a text.
pub(super) fn digits(text: &str) -> String {
    hex::encode(Sha1::digest(text.as_bytes()))
}
