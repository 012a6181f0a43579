//! Creating a server and cloning one: what the proxy checks at once, what is found out minutes later, and what comes of it.
//!
//! | refused at once | an error in the command's log |
//! |---|---|
//! | name, password, datacenter, image, yes and no, the form of numbers | sizes that do not exist or do not go together, no room, the account's limit |
//!
//! The rules of names, passwords and images are known; which of the rest is noticed when, and all texts but that of the image,
//! are guessed from what users report: options are "refused only after minutes".

use serde_json::{Value, json};

use super::answers::Decline;
use super::ask::{Ask, one};
use super::catalogue::{self, DISKS_GB, IMAGES, Image, TRAFFIC, TRAFFIC_AT_FIRST};
use super::fleet::KamateraBilling;
use super::queue::{Effect, KamateraVerb, Order};
use super::shapes;
use super::state::{Machine, State, address, machine_id, wan};

/// A password that the vendor is to make.
const GENERATE: &str = "__generate__";
const PASSWORD_LENGTHS: std::ops::RangeInclusive<usize> = 10..=20;
const DISKS_MAX: usize = 4;
const NETWORKS_MAX: usize = 4;
const NAME_LENGTH_MIN: usize = 4;

/// `POST /service/server`. Answers the commands and never the server. `quantity` is not read: there is one server, always.
pub(super) fn create(state: &mut State, ask: &Ask) -> Result<Value, Decline> {
    begin(state, ask, None, KamateraVerb::Create)
}

/// `POST /service/cloneServer`: what is empty is the source's. Tags, key, script, user data and power-on are not.
pub(super) fn clone(state: &mut State, ask: &Ask) -> Result<Value, Decline> {
    let source = one(state, &ask.text("source-id"), &ask.text("source-name"), "cloneServer")?;
    begin(state, ask, Some(&source), KamateraVerb::Clone)
}

fn begin(state: &mut State, ask: &Ask, source: Option<&Machine>, verb: KamateraVerb) -> Result<Value, Decline> {
    let is_generated = check_password(ask)?;
    let (mut machine, misfit) = wanted(state, ask, source)?;
    let wish = machine.name.clone();
    machine.name = state.free_name(&wish);
    let pace = state.pace;
    let ends_at = state.now() + pace.pending_s + pace.create_s;
    machine.addresses_from = if machine.is_on { ends_at + pace.lag_s + pace.address_s } else { i64::MAX };
    machine.history.push((state.now(), verb.description().to_owned()));
    let failure = state.switches.creations_fail.map(|failure| failure.text(&machine.datacenter));
    let order = Order {
        machine: machine.id.clone(),
        server: wish,
        verb,
        log: format!("Name: {}\nCreating...", machine.name),
        failure: misfit.map(|why| format!("Error: {why}")).or(failure),
        effect: Effect::Create(Box::new(machine)),
    };
    let id = state.begin(order)?;
    let ids = shapes::command_ids(state.switches.command_ids, &[id]);
    match is_generated {
        false => Ok(ids),
        // An array, whatever other answers have.
        true => {
            let ids = if ids.is_array() { ids } else { json!([id]) };
            Ok(json!({ "commandIds": ids, "password": generated(id) }))
        }
    }
}

/// The server that is asked for, and why it will not come to be.
fn wanted(state: &mut State, ask: &Ask, source: Option<&Machine>) -> Result<(Machine, Option<String>), Decline> {
    let or_source = |flag: &str, of: fn(&Machine) -> String| match (ask.text(flag), source) {
        (text, Some(source)) if text.is_empty() => of(source),
        (text, _) => text,
    };
    let name = checked_name(&ask.text("name"))?;
    let datacenter = or_source("datacenter", |source| source.datacenter.clone());
    if !catalogue::has_datacenter(&datacenter) {
        return Err(Decline::rule(&format!("Invalid datacenter '{datacenter}'")));
    }
    // A clone needs no catalogue: its source may be from an image that left it.
    let copied = source.filter(|_| !ask.is_set("image")).and_then(|source| catalogue::image_named(&source.image));
    let image = copied.map_or_else(|| image(state, &datacenter, &ask.text("image")), Ok)?;
    let cpu = or_source("cpu", |source| source.cpu.clone());
    let count_and_type = catalogue::cpu(&cpu).ok_or_else(|| Decline::flag("Flag 'cpu' is invalid"))?;
    let ram_mib = number(&or_source("ram", |source| source.ram_mib.to_string()), "ram")?;
    let disks_gb = disks(&or_source("disk", spelled_disks))?;
    let networks = rows(&or_source("network", spelled_networks), "network", NETWORKS_MAX)?;
    let billing = or_source("billingcycle", |source| source.billing.word().to_owned());
    let billing = billing_named(&billing)?;
    let traffic = traffic(billing, &or_source("monthlypackage", |source| source.traffic.clone()))?;
    let is_managed = yes(&or_source("managed", |source| word(source.is_managed)), "managed", false)?;
    let has_backup = yes(&or_source("dailybackup", |source| word(source.has_backup)), "dailybackup", false)?;
    let is_on = yes(&ask.text("poweronaftercreate"), "poweronaftercreate", true)?;
    let misfit = catalogue::misfit(count_and_type, ram_mib, &disks_gb)
        .or_else(|| too_small(image, ram_mib, &disks_gb))
        .or_else(|| no_such_network(&state.lans, &networks));
    let made = state.next_number();
    let place = |(index, row): (usize, &Row)| (row.network(&datacenter), row.ip(made, index));
    let machine = Machine {
        id: machine_id(made),
        name,
        networks: networks.iter().enumerate().map(place).collect(),
        datacenter,
        cpu,
        ram_mib,
        disks_gb,
        is_on,
        billing,
        traffic,
        is_managed,
        has_backup,
        image: image.name.to_owned(),
        user_data: ask.text("userdata-file"),
        tags: ask.text("tag").split_whitespace().map(str::to_owned).collect(),
        description: image.name.to_owned(),
        snapshots: Vec::new(),
        history: Vec::new(),
        addresses_from: i64::MAX,
    };
    Ok((machine, misfit))
}

/// The characters are known, and so is the least length; longer ones than a rename would take are let through (a guess).
fn checked_name(name: &str) -> Result<String, Decline> {
    let is_fine = |letter: char| letter.is_ascii_alphanumeric() || "()_-".contains(letter);
    if name.len() >= NAME_LENGTH_MIN && name.chars().all(is_fine) {
        Ok(name.to_owned())
    } else {
        Err(Decline::flag("Flag 'name' is invalid"))
    }
}

/// Whether the vendor is to make one. A key in its place is enough.
fn check_password(ask: &Ask) -> Result<bool, Decline> {
    let (password, again) = (ask.text("password"), ask.text("passwordValidate"));
    if password != again {
        return Err(Decline::flag("Passwords do not match"));
    }
    match password.as_str() {
        GENERATE => Ok(true),
        "" if ask.is_set("ssh-key") => Ok(false),
        "" => Err(Decline::flag("Flag 'password' is required")),
        password => {
            let has = |kind: fn(&char) -> bool| password.chars().any(|letter| kind(&letter));
            let is_fine = PASSWORD_LENGTHS.contains(&password.len())
                && password.chars().all(|letter| letter.is_ascii_alphanumeric() || "!@#$^&*()~".contains(letter))
                && has(char::is_ascii_lowercase)
                && has(char::is_ascii_uppercase)
                && has(char::is_ascii_digit);
            if is_fine { Ok(false) } else { Err(Decline::flag("Flag 'password' is invalid")) }
        }
    }
}

/// One that keeps to the rules.
fn generated(command: u64) -> String {
    format!("Aa1{}", &catalogue::digits(&format!("password/{command}"))[..13])
}

/// By id, with the prefix of the datacenter or without, in any case; or by one of its descriptions.
fn image(state: &State, datacenter: &str, wanted: &str) -> Result<&'static Image, Decline> {
    let is_listed = |image: &&Image| !state.switches.withdrawn_images.iter().any(|gone| gone == image.name);
    let listed: Vec<&'static Image> = IMAGES.iter().filter(is_listed).collect();
    let id = match wanted.split_once(':') {
        Some((prefix, id)) if prefix == datacenter => id,
        Some((prefix, _)) => {
            return Err(Decline::rule(&format!("image of datacenter {prefix} cannot be used in {datacenter}")));
        }
        None => wanted,
    };
    let is_it = |image: &&&'static Image| {
        let by_id = image.id(datacenter).eq_ignore_ascii_case(id);
        by_id || wanted == image.name || wanted == image.description
    };
    listed.iter().find(is_it).copied().ok_or_else(|| {
        let names: Vec<&str> = listed.iter().map(|image| image.description).collect();
        let text = format!("failed to find disk image ID from name {wanted}, available: {}", names.join(", "));
        Decline::rule(&text)
    })
}

fn too_small(image: &Image, ram_mib: u32, disks_gb: &[u32]) -> Option<String> {
    let boot_gb = disks_gb.first().copied().unwrap_or(0);
    if ram_mib < image.ram_mib {
        return Some(format!("the image needs at least {} MB of RAM", image.ram_mib));
    }
    (boot_gb < image.disk_gb).then(|| format!("the image needs a disk of at least {} GB", image.disk_gb))
}

/// One `id=0,size=20` or `name=wan,ip=auto`.
#[derive(Debug)]
struct Row {
    /// The size of a disk, the name of a network.
    value: String,
    ip: String,
}

impl Row {
    fn network(&self, datacenter: &str) -> String {
        if self.value == "wan" { wan(datacenter) } else { self.value.clone() }
    }

    fn ip(&self, made: u32, index: usize) -> String {
        match (self.ip.as_str(), self.value.as_str()) {
            ("" | "auto", "wan") => address(made),
            ("" | "auto", _) => format!("10.0.{index}.{}", 10 + made % 240),
            (ip, _) => ip.to_owned(),
        }
    }
}

/// Several are separated by spaces. None is asked for: the vendor's default.
fn rows(text: &str, flag: &str, count_max: usize) -> Result<Vec<Row>, Decline> {
    let invalid = || Decline::flag(&format!("Flag '{flag}' is invalid"));
    let text = match (text, flag) {
        ("", "disk") => "size=20",
        ("", _) => "name=wan,ip=auto",
        (text, _) => text,
    };
    let mut rows = Vec::new();
    for item in text.split_whitespace() {
        let mut row = Row { value: String::new(), ip: String::new() };
        for part in item.split(',') {
            match part.split_once('=') {
                Some(("size" | "name", value)) => value.clone_into(&mut row.value),
                Some(("ip", ip)) => ip.clone_into(&mut row.ip),
                // They are in order anyway.
                Some(("id", _)) => (),
                Some(_) | None => return Err(invalid()),
            }
        }
        if row.value.is_empty() {
            return Err(invalid());
        }
        rows.push(row);
    }
    if (1..=count_max).contains(&rows.len()) { Ok(rows) } else { Err(invalid()) }
}

fn disks(text: &str) -> Result<Vec<u32>, Decline> {
    rows(text, "disk", DISKS_MAX)?.iter().map(|row| number(&row.value, "disk")).collect()
}

fn no_such_network(lans: &[String], networks: &[Row]) -> Option<String> {
    let unknown = networks.iter().find(|row| row.value != "wan" && !lans.contains(&row.value))?;
    Some(format!("network {} does not exist", unknown.value))
}

fn spelled_disks(machine: &Machine) -> String {
    machine.disks_gb.iter().map(|size| format!("size={size}")).collect::<Vec<_>>().join(" ")
}

/// Addresses are not copied: two servers cannot have one.
fn spelled_networks(machine: &Machine) -> String {
    let name = |network: &str| if network.starts_with("wan") { "wan" } else { network }.to_owned();
    machine.networks.iter().map(|(it, _)| format!("name={},ip=auto", name(it))).collect::<Vec<_>>().join(" ")
}

fn word(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.to_owned()
}

/// Of a flag that is `yes` or `no`; what it is when it is empty.
pub(super) fn yes(text: &str, flag: &str, otherwise: bool) -> Result<bool, Decline> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        "" => Ok(otherwise),
        _ => Err(Decline::flag(&format!("Flag '{flag}' must be yes or no"))),
    }
}

pub(super) fn number(text: &str, flag: &str) -> Result<u32, Decline> {
    text.parse().map_err(|_| Decline::flag(&format!("Flag '{flag}' is invalid")))
}

/// In lower case only. Empty is hourly.
pub(super) fn billing_named(text: &str) -> Result<KamateraBilling, Decline> {
    let text = if text.is_empty() { "hourly" } else { text };
    KamateraBilling::named(text).ok_or_else(|| Decline::flag("Flag 'billingcycle' is invalid"))
}

/// Read of servers that are billed by the month; what the others say of it is the default.
pub(super) fn traffic(billing: KamateraBilling, wanted: &str) -> Result<String, Decline> {
    let ids = TRAFFIC.map(|(id, _)| id);
    match billing {
        KamateraBilling::Hourly => Ok(TRAFFIC_AT_FIRST.to_owned()),
        KamateraBilling::Monthly if ids.contains(&wanted) => Ok(wanted.to_owned()),
        KamateraBilling::Monthly => Err(Decline::rule(&format!("monthlypackage must be one of: {}", ids.join(", ")))),
    }
}

/// `10gb` or `10`, on the ladder of sizes.
pub(super) fn size_gb(text: &str, flag: &str) -> Result<u32, Decline> {
    let size = number(text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic()), flag)?;
    if DISKS_GB.contains(&size) { Ok(size) } else { Err(Decline::upstream(&format!("invalid disk size {size}"))) }
}
