//! How servers and what belongs to them look in answers.

use serde_json::{Value, json};

use super::catalogue;
use super::state::{CommandIds, Machine, State, local_stamp};

/// An average month has so many hours.
const HOURS: f64 = 730.0;

/// One item of the list: no address, no tag, no date.
pub(super) fn listed(machine: &Machine) -> Value {
    json!({
        "id": machine.id,
        "name": machine.name,
        "datacenter": machine.datacenter,
        "power": power(machine),
    })
}

/// A server by itself, as the console has it.
pub(super) fn detailed(machine: &Machine, now: i64) -> Value {
    let has_address = now >= machine.addresses_from;
    let network = |(network, ip): &(String, String)| {
        let ips = if has_address { vec![ip] } else { Vec::new() };
        json!({ "network": network, "ips": ips })
    };
    json!({
        "id": machine.id,
        "datacenter": machine.datacenter,
        "name": machine.name,
        "cpu": machine.cpu,
        "ram": machine.ram_mib,
        "power": power(machine),
        "diskSizes": machine.disks_gb,
        "networks": machine.networks.iter().map(network).collect::<Vec<_>>(),
        "billing": machine.billing.word(),
        "traffic": machine.traffic,
        // Numbers, as strings.
        "managed": if machine.is_managed { "1" } else { "0" },
        "backup": if machine.has_backup { "1" } else { "0" },
    })
}

/// The same with the prices that the proxy adds: `""` where it could not ask for them, and the hourly one twice, though a
/// server that is off costs less.
pub(super) fn priced(state: &State, machine: &Machine) -> Value {
    let cents = catalogue::monthly(machine) as f64;
    let (monthly, hourly) = if state.switches.has_no_prices {
        (String::new(), String::new())
    } else {
        (format!("{:.2}", cents / 100.0), format!("{:.3}", cents / 100.0 / HOURS))
    };
    let mut item = detailed(machine, state.now());
    item["priceMonthlyOn"] = json!(monthly);
    item["priceHourlyOn"] = json!(hourly);
    item["priceHourlyOff"] = json!(hourly);
    item
}

fn power(machine: &Machine) -> &'static str {
    if machine.is_on { "on" } else { "off" }
}

pub(super) fn tags(machine: &Machine) -> Value {
    machine.tags.iter().map(|tag| json!({ "id": machine.id, "tagName": tag })).collect()
}

pub(super) fn description(machine: &Machine) -> Value {
    json!([{ "name": machine.name, "description": machine.description }])
}

pub(super) fn disks(machine: &Machine) -> Value {
    (0..).zip(&machine.disks_gb).map(|(id, size): (u32, _)| json!({ "id": id, "size": format!("{size}gb") })).collect()
}

/// Each on top of the one before, the last one active. That a list is flat is the proxy's doing; what `child` holds is
/// guessed.
pub(super) fn snapshots(machine: &Machine) -> Value {
    let last = machine.snapshots.len().saturating_sub(1);
    let row = |(depth, snapshot): (usize, &super::state::SnapshotRow)| {
        json!({
            "id": snapshot.id,
            "name": snapshot.name,
            "date": local_stamp(snapshot.taken),
            "active": depth == last,
            "depth": depth,
            "child": null,
        })
    };
    machine.snapshots.iter().enumerate().map(row).collect()
}

/// The newest first, which is a guess.
pub(super) fn history(machine: &Machine) -> Value {
    let row = |(at, action): &(i64, String)| json!({ "date": local_stamp(*at), "user": "api", "action": action });
    machine.history.iter().rev().map(row).collect()
}

/// The answer to what began these commands.
pub(super) fn command_ids(form: CommandIds, ids: &[u64]) -> Value {
    match (form, ids) {
        (CommandIds::Strings, ids) => json!(ids.iter().map(u64::to_string).collect::<Vec<_>>()),
        (CommandIds::Bare, [id]) => json!(id),
        (CommandIds::Named, [id]) => json!({ "cmdId": id }),
        (CommandIds::Numbers | CommandIds::Bare | CommandIds::Named, ids) => json!(ids),
    }
}
