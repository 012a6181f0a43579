//! What is asked of a server that is there: its power, its end, its configuration, disks, snapshots, tags and description.
//!
//! | call | answer |
//! |---|---|
//! | power, terminate, configure, rename | `["command"]` |
//! | disk and snapshot with something to do | a bare number |
//! | tags and description with something to do | the list after it, at once |
//! | disk, snapshot, tags, description, history without | the list |

use serde_json::{Value, json};

use super::answers::Decline;
use super::ask::{Ask, server, servers};
use super::catalogue;
use super::create::{billing_named, number, size_gb, traffic, yes};
use super::queue::{Change, Effect, KamateraVerb, Order};
use super::shapes;
use super::state::{Machine, SnapshotRow, State};

/// Flags of `/server/configure`, of which each call takes one.
const CONFIGURATION: [&str; 5] = ["cpu", "ram", "dailybackup", "managed", "billingcycle"];
const NAME_LENGTHS: std::ops::RangeInclusive<usize> = 4..=40;

/// `POST /service/server/poweron`, `poweroff` and `reboot`, of one server or of all whose name matches.
pub(super) fn power(state: &mut State, ask: &Ask, verb: KamateraVerb, method: &str) -> Result<Value, Decline> {
    let ids = servers(state, ask, method)?;
    let commands = each(state, &ids, |state, machine| power_of_one(state, machine, verb))?;
    Ok(shapes::command_ids(state.switches.command_ids, &commands))
}

/// A hard stop. A server that is in that state already completes its command and stays so; that there is no error, and
/// that a reboot starts one that is off, is guessed.
pub(super) fn power_of_one(state: &mut State, machine: &Machine, verb: KamateraVerb) -> Result<u64, Decline> {
    let is_on = verb != KamateraVerb::PowerOff;
    state.begin(Order::new(machine, verb, Effect::Change(Change::Power(is_on))))
}

/// `POST /service/server/terminate`: one server, or **all whose name matches**. Nothing brings them back.
pub(super) fn terminate(state: &mut State, ask: &Ask) -> Result<Value, Decline> {
    let ids = servers(state, ask, "terminateServer")?;
    if ask.is_set("dryrun") {
        let names: Result<Vec<String>, Decline> =
            ids.iter().map(|id| state.machine(id).map(|machine| machine.name.clone())).collect();
        return Ok(json!({ "dryrun": true, "server-names": names? }));
    }
    let is_forced = ask.is_set("force");
    let commands = each(state, &ids, |state, machine| terminate_one(state, machine, is_forced))?;
    Ok(shapes::command_ids(state.switches.command_ids, &commands))
}

/// One that runs is ended only by force. The text is guessed.
pub(super) fn terminate_one(state: &mut State, machine: &Machine, is_forced: bool) -> Result<u64, Decline> {
    if machine.is_on && !is_forced {
        return Err(Decline::upstream("server must be powered off before it is terminated"));
    }
    state.begin(Order::new(machine, KamateraVerb::Terminate, Effect::Terminate))
}

/// One after another. What was begun before one is refused goes on, and its command is not told: a guess.
fn each(
    state: &mut State,
    ids: &[String],
    begin: impl Fn(&mut State, &Machine) -> Result<u64, Decline>,
) -> Result<Vec<u64>, Decline> {
    let mut commands = Vec::new();
    for id in ids {
        let machine = state.machine(id)?.clone();
        commands.push(begin(state, &machine)?);
    }
    Ok(commands)
}

/// `POST /server/configure`: one flag a call.
pub(super) fn configure(state: &mut State, ask: &Ask) -> Result<Value, Decline> {
    let given: Vec<&str> = CONFIGURATION.into_iter().filter(|flag| !ask.text(flag).is_empty()).collect();
    let flag = match given.as_slice() {
        [flag] => *flag,
        [] => return Err(Decline::flag("Please choose a configuration flag")),
        _ => return Err(Decline::flag("Please choose only 1 configuration flag at a time")),
    };
    let machine = server(state, ask, "serverConfigure")?;
    let wanted = ask.text(flag);
    // Some images can take more while they run; that is not simulated, and the text is guessed.
    if machine.is_on && matches!(flag, "cpu" | "ram") {
        return Err(Decline::upstream(&format!("server must be powered off to change its {flag}")));
    }
    let change = match flag {
        "cpu" => Change::Cpu(wanted),
        "ram" => Change::Ram(number(&wanted, flag)?),
        "dailybackup" => Change::Backup(yes(&wanted, flag, false)?),
        "managed" => Change::Managed(yes(&wanted, flag, false)?),
        _ => {
            let billing = billing_named(&wanted)?;
            Change::Billing(billing, traffic(billing, &ask.text("monthlypackage"))?)
        }
    };
    let misfit = misfit(&machine, &change);
    let mut order = Order::new(&machine, KamateraVerb::Configure, Effect::Change(change));
    order.failure = misfit.map(|why| format!("Error: {why}"));
    let command = state.begin(order)?;
    Ok(shapes::command_ids(state.switches.command_ids, &[command]))
}

/// Found out by the command, not by the call: a guess after what users report of creations.
fn misfit(machine: &Machine, change: &Change) -> Option<String> {
    let mut machine = machine.clone();
    change.apply(&mut machine, 0);
    match catalogue::cpu(&machine.cpu) {
        Some(cpu) => catalogue::misfit(cpu, machine.ram_mib, &machine.disks_gb),
        None => Some(format!("invalid CPU {}", machine.cpu)),
    }
}

/// `POST /service/server/rename`. Here a name may be taken: names are not unique.
pub(super) fn rename(state: &mut State, ask: &Ask) -> Result<Value, Decline> {
    let wanted = ask.text("new-name");
    let is_fine = |letter: char| letter.is_ascii_alphanumeric() || "()_-".contains(letter);
    if !NAME_LENGTHS.contains(&wanted.len()) || !wanted.chars().all(is_fine) {
        return Err(Decline::rule("Invalid value for 'new-name'"));
    }
    let machine = server(state, ask, "post")?;
    let command = state.begin(Order::new(&machine, KamateraVerb::Rename, Effect::Change(Change::Name(wanted))))?;
    Ok(shapes::command_ids(state.switches.command_ids, &[command]))
}

/// `POST /server/tags`. No command: a tag is there at once, and made by its first use.
pub(super) fn tags(state: &mut State, ask: &Ask) -> Result<Value, Decline> {
    let machine = server(state, ask, "serverTags")?;
    let (add, remove) = (ask.text("add"), ask.text("remove"));
    if !add.is_empty() || !remove.is_empty() {
        state.by_hand(&machine.id, |machine| {
            machine.tags.remove(&remove);
            if !add.is_empty() {
                machine.tags.insert(add.clone());
            }
        });
        state.accepted.push((machine.id.clone(), KamateraVerb::Tags));
    }
    Ok(shapes::tags(state.machine(&machine.id)?))
}

/// `POST /server/description`. At first it is the operating system's.
pub(super) fn description(state: &mut State, ask: &Ask) -> Result<Value, Decline> {
    let machine = server(state, ask, "serverDescription")?;
    let text = ask.text("set");
    if !text.is_empty() {
        state.by_hand(&machine.id, |machine| machine.description.clone_from(&text));
        state.accepted.push((machine.id.clone(), KamateraVerb::Description));
    }
    Ok(shapes::description(state.machine(&machine.id)?))
}

/// `POST /server/disk`. That its refusals come at once is guessed.
pub(super) fn disk(state: &mut State, ask: &Ask) -> Result<Value, Decline> {
    let machine = server(state, ask, "serverDisk")?;
    let (add, remove, resize) = (ask.text("add"), ask.text("remove"), ask.text("resize"));
    let change = match (add.as_str(), remove.as_str(), resize.as_str()) {
        ("", "", "") => return Ok(shapes::disks(&machine)),
        (size, "", "") => Change::AddDisk(size_gb(size, "add")?),
        ("", index, "") => Change::RemoveDisk(removable(&machine, index)?),
        ("", "", index) => resized(state, &machine, index, &ask.text("size"))?,
        // A guess.
        _ => return Err(Decline::rule("Please choose only one of add, remove and resize")),
    };
    Ok(json!(state.begin(Order::new(&machine, KamateraVerb::Disk, Effect::Change(change)))?))
}

/// Never the boot disk, and none of a server that has snapshots, be they those that its own resizes left.
fn removable(machine: &Machine, index: &str) -> Result<usize, Decline> {
    let index = existing(machine, index)?;
    if index == 0 {
        return Err(Decline::upstream("the boot disk cannot be removed"));
    }
    if machine.snapshots.is_empty() { Ok(index) } else { Err(Decline::upstream("server has snapshots")) }
}

fn resized(state: &State, machine: &Machine, index: &str, size: &str) -> Result<Change, Decline> {
    let index = existing(machine, index)?;
    let size = size_gb(size, "size")?;
    if machine.disks_gb.get(index).is_some_and(|held| *held >= size) {
        return Err(Decline::upstream("a disk can only grow"));
    }
    Ok(Change::ResizeDisk(index, size, next_snapshot(state, machine, &format!("resize-disk-{index}"))))
}

fn existing(machine: &Machine, index: &str) -> Result<usize, Decline> {
    let index = number(index, "disk")? as usize;
    if index < machine.disks_gb.len() {
        Ok(index)
    } else {
        Err(Decline::upstream(&format!("there is no disk {index}")))
    }
}

/// `POST /server/snapshot`. Reverting begins a command that changes nothing here: what is on a disk is not simulated.
pub(super) fn snapshot(state: &mut State, ask: &Ask) -> Result<Value, Decline> {
    let machine = server(state, ask, "serverSnapshot")?;
    let (create, delete, revert) = (ask.text("create"), ask.text("delete"), ask.text("revert"));
    let effect = match (create.as_str(), delete.as_str(), revert.as_str()) {
        ("", "", "") => return Ok(shapes::snapshots(&machine)),
        (name, "", "") => Effect::Change(Change::AddSnapshot(next_snapshot(state, &machine, name))),
        ("", id, "") => Effect::Change(Change::DeleteSnapshot(taken(&machine, id)?)),
        ("", "", id) => taken(&machine, id).map(|_| Effect::Nothing)?,
        _ => return Err(Decline::rule("Please choose only one of create, delete and revert")),
    };
    Ok(json!(state.begin(Order::new(&machine, KamateraVerb::Snapshot, effect))?))
}

fn next_snapshot(state: &State, machine: &Machine, name: &str) -> SnapshotRow {
    let id = machine.snapshots.iter().map(|snapshot| snapshot.id).max().unwrap_or(0) + 1;
    SnapshotRow { id, name: format!("snap{id}-{name}"), taken: state.now() }
}

fn taken(machine: &Machine, id: &str) -> Result<u32, Decline> {
    let found = machine.snapshots.iter().find(|snapshot| snapshot.id.to_string() == id);
    found.map(|snapshot| snapshot.id).ok_or_else(|| Decline::upstream(&format!("there is no snapshot {id}")))
}

/// `POST /server/history`: the only trace of when a server was made.
pub(super) fn history(state: &State, ask: &Ask) -> Result<Value, Decline> {
    Ok(shapes::history(&server(state, ask, "serverHistory")?))
}
