//! What people ask of pools: reservations, and what becomes of machines.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::act::{ActArgs, VerbCall};
use super::reservation_drafts::ReservationDraft;
use super::{CommandAnswer, CommandEnd, ledger_refused, refused};
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::reconcile::reservations::PoolChange;
use crate::engine::report::as_json;
use crate::engine::report::pass_view::PassView;
use crate::engine::report::pool_documents::{PoolDocument, PoolsDocument, ReservationDocument, ReservationsDocument};
use crate::engine::report::pools::{self, PoolRow, ReservationRow};
use crate::ledger::Ledger;
use crate::providers::machines::ReachMachines;
use crate::secret::Secret;
use amarre_core::model::pool::{Disabled, Machine, account_address, provider};
use amarre_core::model::reservations::{Reservation, ReservationState, number_of};
use amarre_core::model::{Code, Language, Millis};
use amarre_core::plan::render::Style;

/// The argument that is a public key; the command line also takes a file for it.
pub const PUBLIC_KEY: &str = "key";
/// The argument with the accounts of several people; the command line also takes a file for it.
pub const USERS: &str = "users";
/// The argument with the fingerprints that a person compared.
pub const FINGERPRINTS: &str = "fingerprints";
/// Reservations of the past that are shown.
const HISTORY_MAX: usize = 200;

/// All pools.
pub fn list(pass: &PassView, style: Style) -> CommandAnswer {
    let rows = pools::rows(pass);
    CommandAnswer { document: as_json(&PoolsDocument::new(&rows)), text: pools::table(&rows, style), exit: 0 }
}

pub fn show(pass: &PassView, name: &str, style: Style) -> CommandAnswer {
    match pools::find(pass, name) {
        Some(row) => {
            CommandAnswer { document: as_json(&PoolDocument::new(&row)), text: pools::pool_text(&row, style), exit: 0 }
        }
        None => no_pool(pass, name),
    }
}

/// Who had which machines of a pool.
pub async fn history(ledger: &Ledger, pass: &PassView, name: &str, style: Style) -> CommandAnswer {
    if pools::find(pass, name).is_none() {
        return no_pool(pass, name);
    }
    match ledger.past_reservations(name, HISTORY_MAX).await {
        Ok(all) => {
            let document = as_json(&ReservationsDocument::new(name, &all));
            CommandAnswer { document, text: pools::history_text(&all, style), exit: 0 }
        }
        Err(error) => ledger_refused(ledger, &ledger.failure_text(&error), ""),
    }
}

pub(super) fn no_pool(pass: &PassView, name: &str) -> CommandAnswer {
    let names: Vec<String> = pools::rows(pass).into_iter().map(|row| row.name).collect();
    let hint = match names.as_slice() {
        [] => "docs/pools.md says how to write one".to_owned(),
        names => format!("there are {}", names.join(", ")),
    };
    refused(Code::A1002, &format!("there is no pool {name}"), &hint)
}

/// The provider of all machines.
pub(super) fn reach(pass: &PassView) -> Option<&dyn ReachMachines> {
    pass.context.as_ref()?.providers.get(&provider())?.capabilities().machines
}

/// The line that lets Amarre into machines.
pub async fn key(pass: &PassView) -> CommandAnswer {
    let Some(reach) = reach(pass) else {
        return refused(Code::A0765, "amarre.yaml has no `pools`", "write `pools: {}` there");
    };
    match reach.public_key(true).await.map(Option::unwrap_or_default) {
        Ok(line) => CommandAnswer {
            document: json!({"schema": "amarre.pool-key/v1", "key": line}),
            text: format!("{line}\n"),
            exit: 0,
        },
        Err(why) => refused(Code::A0765, &why, "docs/pools.md says how machines let Amarre in"),
    }
}

/// The answer of a verb, wherever it ended.
pub async fn answer_of(verb: impl Future<Output = Result<CommandAnswer, CommandEnd>>) -> Option<CommandAnswer> {
    verb.await.map_or_else(CommandEnd::answer, Some)
}

/// A pool, after a look.
pub(super) async fn looked_up(handle: &Handle, name: &str) -> Result<(Arc<PassView>, PoolRow), CommandEnd> {
    after_a_look(handle, |pass| pools::find(pass, name).ok_or_else(|| no_pool(pass, name))).await
}

/// What a look finds, or what is said where it is not there.
pub(super) async fn after_a_look<T>(
    handle: &Handle,
    find: impl FnOnce(&PassView) -> Result<T, CommandAnswer>,
) -> Result<(Arc<PassView>, T), CommandEnd> {
    let pass = handle.pass().await.ok_or(CommandEnd::Stopping)?.pass;
    let found = find(&pass).map_err(CommandEnd::from)?;
    Ok((pass, found))
}

/// What came of a change of a pool.
pub(super) async fn change(handle: &Handle, change: PoolChange) -> Result<Arc<PassView>, CommandEnd> {
    let pool = change.pool().to_owned();
    let reply = handle.shown(LoopCommand::ChangePool(Box::new(change))).await.ok_or(CommandEnd::Stopping)?;
    match reply.error {
        None => Ok(reply.pass),
        Some(why) => Err(refused(Code::A0765, &why, &format!("amarre pool show {pool} says what there is")).into()),
    }
}

/// Reserves machines, all that is asked for or nothing, and waits until their accounts are ready.
pub async fn reserve(handle: &Handle, asked: VerbCall<'_>) -> Result<CommandAnswer, CommandEnd> {
    let (args, name) = (asked.args, asked.args.text("pool"));
    let (_, row) = looked_up(handle, name).await?;
    let drafts = ReservationDraft::all(&row, args, handle.now())?;
    let wanted = drafts.iter().map(ReservationDraft::wanted).collect::<Result<Vec<_>, CommandEnd>>()?;
    let pass = change(handle, PoolChange::Reserve { pool: name.to_owned(), wanted }).await?;
    let deadline = Instant::now() + Millis(args.timeout_ms()).to_duration();
    let mut answers = Vec::new();
    for draft in &drafts {
        match answer(handle, name, &pass, draft, deadline, asked.style.language).await {
            // What became of one takes no password from the others: each is shown this once.
            Ok(answer) | Err(CommandEnd::Refused(answer)) => answers.push(answer),
            Err(CommandEnd::Stopping) => return Err(CommandEnd::Stopping),
        }
    }
    Ok(together(name, answers))
}

/// One answer to several reservations.
fn together(name: &str, mut answers: Vec<CommandAnswer>) -> CommandAnswer {
    if let [_] = answers.as_slice() {
        return answers.remove(0);
    }
    let documents: Vec<Json> = answers.iter().map(|answer| answer.document.clone()).collect();
    let document = json!({"schema": "amarre.reservations/v1", "name": name, "reservations": documents});
    let exit = answers.iter().map(|answer| answer.exit).max().unwrap_or_default();
    CommandAnswer { document, text: answers.into_iter().map(|answer| answer.text).collect(), exit }
}

/// What became of one reservation that was asked for.
async fn answer(
    handle: &Handle,
    name: &str,
    pass: &PassView,
    draft: &ReservationDraft,
    deadline: Instant,
    language: Language,
) -> Result<CommandAnswer, CommandEnd> {
    let hint = format!("amarre pool show {name} says what there is");
    let Some(id) = find_one(pass, name, |one| draft.is_of(one)).map(|row| row.reservation.id) else {
        return Err(refused(Code::A0765, "the reservation could not be read back", &hint).into());
    };
    if let Some(row) = ready(handle, name, id, deadline).await {
        return begun(&row, name, pass, draft.made.as_ref(), language).ok_or(CommandEnd::Stopping);
    }
    let past = handle.ledger().past_reservations(name, HISTORY_MAX).await.unwrap_or_default();
    let end = past.iter().find(|one| one.id == id).and_then(|one| match &one.state {
        ReservationState::Over { why, .. } => Some(pools::end_text(*why).to_string()),
        ReservationState::Open | ReservationState::Held { .. } => None,
    });
    let why = end.unwrap_or_else(|| "it is gone".to_owned());
    Err(refused(Code::A0765, &format!("r{id} is over: {why}"), &hint).into())
}

fn find_one(pass: &PassView, pool: &str, is_it: impl Fn(&Reservation) -> bool) -> Option<ReservationRow> {
    let row = pools::find(pass, pool)?;
    row.reservations.into_iter().find(|one| is_it(&one.reservation))
}

/// Waits until all accounts of a reservation are ready, or it waits in the queue, or until the deadline. `None`: it is over.
async fn ready(handle: &Handle, pool: &str, id: u64, deadline: Instant) -> Option<ReservationRow> {
    let mut handle = handle.clone();
    loop {
        let row = find_one(&handle.last_pass().0, pool, |one| one.id == id)?;
        let is_done = match &row.reservation.state {
            ReservationState::Held { machines, .. } => row.ready == machines.len(),
            ReservationState::Open | ReservationState::Over { .. } => true,
        };
        let changed = tokio::time::timeout_at(deadline, handle.changed());
        if is_done || !matches!(changed.await, Ok(true)) {
            return Some(row);
        }
    }
}

/// The answer to who reserved.
fn begun(
    row: &ReservationRow,
    pool: &str,
    pass: &PassView,
    password: Option<&Secret>,
    language: Language,
) -> Option<CommandAnswer> {
    let machines_of = &pass.services.get(pool)?.pool.as_ref()?.machines;
    let one = &row.reservation;
    let mut document = ReservationDocument::live(row).json();
    document["schema"] = json!("amarre.reservation/v1");
    document["pool"] = json!(pool);
    document["password"] = json!(password.map(Secret::expose));
    let machines: Vec<(&String, &Machine)> =
        one.machines().filter_map(|name| Some((name, machines_of.get(name)?))).collect();
    let places =
        machines.iter().map(|(name, machine)| json!({"name": name, "host": machine.address, "port": machine.port}));
    document["hosts"] = places.collect();
    let mut text = match (&one.state, row.place) {
        (ReservationState::Held { until, .. }, _) => {
            let lines =
                machines.iter().map(|(name, machine)| format!("  {name:12} {}\n", ssh_line(&one.user, machine)));
            let until = super::report::exact_time(*until, language);
            let late = if row.ready < machines.len() {
                "\nNot all accounts are ready yet: `amarre pool show` of the pool says more.\n"
            } else {
                ""
            };
            format!("{} until {until}:\n{}{late}", one.label(), lines.collect::<String>())
        }
        (ReservationState::Open, Some((place, at))) => {
            let at = super::report::exact_time(at, language);
            format!("{} waits: place {place} in the queue, at {at} at the latest.\n", one.label())
        }
        (ReservationState::Open, None) if one.is_booked() => {
            format!("{} begins at {}.\n", one.label(), super::report::exact_time(one.from, language))
        }
        (ReservationState::Open | ReservationState::Over { .. }, _) => format!("{} waits.\n", one.label()),
    };
    if !pass.acts {
        text.push_str("Amarre only plans here: `amarre run`, or `amarre apply`, gives machines out.\n");
    }
    if let Some(password) = password {
        text.push_str(&format!("Password, shown this once: {}\n", password.expose()));
    }
    Some(CommandAnswer { document, text, exit: 0 })
}

/// What a person types to get there.
pub fn ssh_line(user: &str, machine: &Machine) -> String {
    match machine.port {
        22 => format!("ssh {user}@{}", machine.address),
        port => format!("ssh -p {port} {user}@{}", machine.address),
    }
}

/// Whose a reservation is: the address in `Anna <anna@example.org>`, so that it does not matter how a person came.
pub fn owner(by: &str) -> &str {
    by.rsplit_once('<').and_then(|(_, address)| address.strip_suffix('>')).unwrap_or(by)
}

/// The reservations that a request names, if the person may touch them.
pub(super) fn named(row: &PoolRow, args: &ActArgs) -> Result<Vec<Reservation>, CommandEnd> {
    let (by, others) = (owner(args.text("by")), args.flag("others"));
    let live = || row.reservations.iter().map(|one| &one.reservation);
    if args.flag("all") {
        return Ok(live().filter(|one| others || one.by == by).cloned().collect());
    }
    let mut found = Vec::new();
    for label in args.texts("reservations") {
        let Some(one) = number_of(&label).and_then(|id| live().find(|one| one.id == id)) else {
            let message = format!("there is no reservation {label} in {}", row.name);
            return Err(refused(Code::A1002, &message, &format!("amarre pool show {} lists them", row.name)).into());
        };
        if one.by != by && !others {
            let whose = if one.by.is_empty() { "was recovered from its machine" } else { "is another person's" };
            let hint = "an operator may, with --others";
            return Err(refused(Code::A0766, &format!("{label} {whose}"), hint).into());
        }
        found.push(one.clone());
    }
    if found.is_empty() {
        let hint = format!("name some, as `r41`: amarre pool show {} lists them", row.name);
        return Err(refused(Code::A0765, "no reservation is named", &hint).into());
    }
    Ok(found)
}

/// Gives machines back, or leaves the queue.
pub async fn release(handle: &Handle, asked: VerbCall<'_>) -> Result<CommandAnswer, CommandEnd> {
    let (args, name) = (asked.args, asked.args.text("pool"));
    let (_, row) = looked_up(handle, name).await?;
    let found = named(&row, args)?;
    let ids: Vec<u64> = found.iter().map(|one| one.id).collect();
    let count = ids.len();
    let ending = PoolChange::End { pool: name.to_owned(), ids };
    change(handle, ending).await?;
    let left = cleaned(handle, name, &found, Millis(args.timeout_ms())).await;
    let labels: Vec<String> = found.iter().map(Reservation::label).collect();
    let mut text = format!("Released {}.\n", if labels.is_empty() { "nothing".to_owned() } else { labels.join(", ") });
    for MachineLeft { machine, why, .. } in &left {
        text.push_str(&format!("{machine} still has the account: {why}\n"));
    }
    let left: Vec<&String> = left.iter().map(|left| &left.machine).collect();
    let document = json!({"schema": "amarre.released/v1", "released": count, "reservations": labels, "left": left});
    Ok(CommandAnswer { document, text, exit: if left.is_empty() { 0 } else { 3 } })
}

/// A machine with an account whose reservation is over.
pub(super) struct MachineLeft {
    machine: String,
    why: String,
    /// Whether it stays until something else changes.
    is_stuck: bool,
}

fn left_over(pass: &PassView, pool: &str, over: &[Reservation]) -> Vec<MachineLeft> {
    let accounts = over.iter().flat_map(|one| one.machines().map(move |machine| (machine, &one.user)));
    let left = accounts.filter_map(|(machine, user)| {
        let address = account_address(pool, machine, user);
        let gap = pass.world.gap(&address).map(|gap| gap.message.to_string());
        let stuck = gap.or_else(|| Some(pass.failing.get(&address)?.error.message.to_string()));
        let is_stuck = stuck.is_some();
        let is_there = pass.world.seen.contains_key(&address);
        let why = stuck.or_else(|| is_there.then(|| "it is being removed".to_owned()))?;
        Some(MachineLeft { machine: machine.clone(), why, is_stuck })
    });
    left.collect()
}

/// Waits until the accounts of what is over are gone, where that can be seen.
pub(super) async fn cleaned(handle: &Handle, pool: &str, over: &[Reservation], timeout: Millis) -> Vec<MachineLeft> {
    let mut handle = handle.clone();
    let deadline = Instant::now() + timeout.to_duration();
    loop {
        let left = left_over(&handle.last_pass().0, pool, over);
        let is_done = left.iter().all(|one| one.is_stuck);
        if is_done || !matches!(tokio::time::timeout_at(deadline, handle.changed()).await, Ok(true)) {
            return left;
        }
    }
}

/// Takes a person's name out of the history.
pub async fn forget(handle: &Handle, asked: VerbCall<'_>) -> Result<CommandAnswer, CommandEnd> {
    let (name, person) = (asked.args.text("pool"), asked.args.text("person"));
    looked_up(handle, name).await?;
    change(handle, PoolChange::Erase { pool: name.to_owned(), person: person.to_owned() }).await?;
    let document = json!({"schema": "amarre.forgotten/v1", "name": name});
    Ok(CommandAnswer {
        document,
        text: format!("No past reservation of {name} names that person any more.\n"),
        exit: 0,
    })
}

/// Lets a reservation last longer.
pub async fn extend(handle: &Handle, asked: VerbCall<'_>) -> Result<CommandAnswer, CommandEnd> {
    let (args, name) = (asked.args, asked.args.text("pool"));
    let (_, row) = looked_up(handle, name).await?;
    let found = named(&row, args)?;
    let by = args.time("by_ms").map_or(row.pool.usual, Millis);
    let mut documents = Vec::new();
    let mut text = String::new();
    for one in &found {
        let extending = PoolChange::Extend { pool: name.to_owned(), id: one.id, by };
        let pass = change(handle, extending).await?;
        let row = find_one(&pass, name, |known| known.id == one.id).ok_or(CommandEnd::Stopping)?;
        let until = row.reservation.until().map(|at| super::report::exact_time(at, asked.style.language));
        text.push_str(&format!("{} until {}.\n", one.label(), until.unwrap_or_default()));
        documents.push(ReservationDocument::live(&row).json());
    }
    let document = json!({"schema": "amarre.reservations/v1", "name": name, "reservations": documents});
    Ok(CommandAnswer { document, text, exit: 0 })
}

/// Pins the host key that a machine shows, after a person compared its fingerprint.
pub async fn trust(handle: &Handle, asked: VerbCall<'_>) -> Result<CommandAnswer, CommandEnd> {
    let (args, name) = (asked.args, asked.args.text("pool"));
    let (pass, row) = looked_up(handle, name).await?;
    let machines = machines(&row, args)?;
    let Some(reach) = reach(&pass) else { return Err(no_pool(&pass, name).into()) };
    let expected = args.texts(FINGERPRINTS);
    let mut found = Vec::new();
    for (machine, access) in machines {
        let keys = match reach.offered_keys(&access).await {
            Ok(keys) => keys,
            Err(why) => {
                let message = format!("{name}/{machine}: {why}");
                let hint = "nothing was trusted; is it up, and is the way to it open?";
                return Err(refused(Code::A0763, &message, hint).into());
            }
        };
        let Some(key) = keys.into_iter().next() else { continue };
        let shown = fingerprint(&key);
        if !expected.is_empty() && !expected.contains(&shown) {
            let message = format!("{name}/{machine} shows {shown}, which is not what was compared");
            let hint = "nothing was trusted; find out which machine that is";
            return Err(refused(Code::A0761, &message, hint).into());
        }
        found.push((machine, key, shown));
    }
    let mut documents = Vec::new();
    let mut text = String::new();
    for (machine, key, shown) in found {
        if !args.flag("dry_run") {
            let trusting = PoolChange::Trust { pool: name.to_owned(), machine: machine.clone(), key: key.clone() };
            change(handle, trusting).await?;
        }
        text.push_str(&format!("{name}/{machine}  {shown}  ({})\n", key.split(' ').next().unwrap_or_default()));
        documents.push(json!({"machine": machine, "fingerprint": shown, "key": key}));
    }
    let is_dry = args.flag("dry_run");
    if is_dry {
        text.push_str(
            "Compare with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints on the machine itself.\n",
        );
    }
    let document = json!({"schema": "amarre.trusted/v1", "name": name, "trusted": !is_dry, "machines": documents});
    Ok(CommandAnswer { document, text, exit: 0 })
}

/// The machines that a request names.
pub(super) fn machines(row: &PoolRow, args: &ActArgs) -> Result<Vec<(String, Machine)>, CommandEnd> {
    let names = args.texts("machines");
    let found = names.iter().map(|name| match row.pool.machines.get(name) {
        Some(machine) => Ok((name.clone(), machine.clone())),
        None => {
            let message = format!("there is no machine {name} in {}", row.name);
            Err(refused(Code::A1002, &message, &format!("amarre pool show {} lists them", row.name)).into())
        }
    });
    found.collect()
}

/// As `ssh-keygen -l` prints it: `SHA256:…`.
fn fingerprint(key: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
    use sha2::{Digest, Sha256};
    let blob = key.split(' ').nth(1).and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}

/// Takes machines out of service, or back.
pub async fn set_enabled(handle: &Handle, asked: VerbCall<'_>, enables: bool) -> Result<CommandAnswer, CommandEnd> {
    let (args, name) = (asked.args, asked.args.text("pool"));
    let (_, row) = looked_up(handle, name).await?;
    let machines = machines(&row, args)?;
    let names: Vec<String> = machines.into_iter().map(|(machine, _)| machine).collect();
    for machine in &names {
        let disabled = (!enables).then(|| Disabled { by: args.text("by").to_owned(), at: handle.now() });
        let setting = PoolChange::Enable { pool: name.to_owned(), machine: machine.clone(), disabled };
        change(handle, setting).await?;
    }
    let word = if enables { "in service again" } else { "out of service; who has one keeps it until the end" };
    let text = format!("{}: {word}\n", names.join(", "));
    let document = json!({"schema": "amarre.machines/v1", "name": name, "machines": names, "enabled": enables});
    Ok(CommandAnswer { document, text, exit: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_one_takes_no_password_from_the_others() {
        let good = |password: &str| CommandAnswer {
            document: json!({"password": password}),
            text: format!("Password, shown this once: {password}\n"),
            exit: 0,
        };
        let taken = || refused(Code::A0765, "r2 is over", "");
        let both = together("lab", vec![good("first"), taken(), good("third")]);
        assert!(both.text.contains("first") && both.text.contains("third"), "{}", both.text);
        assert_eq!(both.document["reservations"].as_array().map(Vec::len), Some(3));
        assert_eq!(both.exit, taken().exit);
        assert!(both.refused().is_none(), "what was done is answered, not refused");
        assert_eq!(together("lab", vec![taken()]).refused(), taken().refused());
    }
}
