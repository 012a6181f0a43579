//! What people ask of pools: reservations, and what becomes of machines.

use serde_json::{Value as Json, json};

use super::act::{ActArgs, Asked};
use super::{CommandAnswer, refused};
use crate::engine::PassResult;
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::reconcile::reservations::PoolChange;
use crate::engine::report::pools::{self, PoolRow, ReservationRow};
use crate::ledger::Ledger;
use crate::providers::machines::ReachMachines;
use crate::providers::ssh::sign_in_text;
use crate::secret::Secret;
use amarre_core::model::pool::{Disabled, Machine, is_user_name, provider};
use amarre_core::model::reservations::{Reservation, ReservationRequest, ReservationState, number_of, refusal};
use amarre_core::model::{Code, Language, Millis, Timestamp};
use amarre_core::plan::render::Style;

/// The argument that is a public key; the command line also takes a file for it.
pub const PUBLIC_KEY: &str = "key";
/// The argument with the fingerprints that a person compared.
pub const FINGERPRINTS: &str = "fingerprints";
/// Reservations of the past that are shown.
const HISTORY_MAX: usize = 200;
/// The letters of a made password, each one of 32.
const PASSWORD_LETTERS: usize = 20;
/// Letters and digits that are not taken for one another.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Longer ones are no public keys.
const KEY_CHARS_MAX: usize = 8192;

/// All pools.
pub fn list(picture: &PassResult, style: Style) -> CommandAnswer {
    let rows = pools::rows(picture);
    CommandAnswer { document: pools::document(&rows), text: pools::table(&rows, style), exit: 0 }
}

/// One pool.
pub fn show(picture: &PassResult, name: &str, style: Style) -> CommandAnswer {
    match pools::find(picture, name) {
        Some(row) => {
            CommandAnswer { document: pools::pool_document(&row), text: pools::pool_text(&row, style), exit: 0 }
        }
        None => no_pool(picture, name),
    }
}

/// Who had which machines of a pool.
pub async fn history(ledger: &Ledger, picture: &PassResult, name: &str, style: Style) -> CommandAnswer {
    if pools::find(picture, name).is_none() {
        return no_pool(picture, name);
    }
    match ledger.past_reservations(name, HISTORY_MAX).await {
        Ok(all) => {
            let rows: Vec<Json> = all.iter().map(pools::past_document).collect();
            let document = json!({"schema": "amarre.reservations/v1", "name": name, "reservations": rows});
            CommandAnswer { document, text: pools::history_text(&all, style), exit: 0 }
        }
        Err(error) => refused(Code::A0903, &error.to_string(), "is the disk full?"),
    }
}

fn no_pool(picture: &PassResult, name: &str) -> CommandAnswer {
    let names: Vec<String> = pools::rows(picture).into_iter().map(|row| row.name).collect();
    let hint = match names.as_slice() {
        [] => "docs/pools.md says how to write one".to_owned(),
        names => format!("there are {}", names.join(", ")),
    };
    refused(Code::A1002, &format!("there is no pool {name}"), &hint)
}

/// The provider of all machines.
fn reach(picture: &PassResult) -> Option<&dyn ReachMachines> {
    picture.context.as_ref()?.providers.get(&provider())?.capabilities().machines
}

/// The line that lets Amarre into machines.
pub async fn key(picture: &PassResult) -> CommandAnswer {
    let Some(reach) = reach(picture) else {
        return refused(Code::A0765, "amarre.yaml has no `pools`", "write `pools: {}` there");
    };
    match reach.public_key().await {
        Ok(line) => CommandAnswer {
            document: json!({"schema": "amarre.pool-key/v1", "key": line}),
            text: format!("{line}\n"),
            exit: 0,
        },
        Err(why) => refused(Code::A0765, &why, "docs/pools.md says how machines let Amarre in"),
    }
}

/// What came of a change of a pool.
async fn change(handle: &Handle, change: PoolChange) -> Option<Result<std::sync::Arc<PassResult>, CommandAnswer>> {
    let pool = change.pool().to_owned();
    let reply = handle.shown(LoopCommand::ChangePool(Box::new(change))).await?;
    let hint = format!("amarre pool show {pool} says what there is");
    Some(match reply.error {
        None => Ok(reply.picture),
        Some(why) => Err(refused(Code::A0765, &why, &hint)),
    })
}

/// Reserves machines, and waits until their accounts are ready.
pub async fn reserve(handle: &Handle, asked: Asked<'_>) -> Option<CommandAnswer> {
    let args = asked.args;
    let picture = handle.request(LoopCommand::Pass).await?.picture;
    let name = args.text("pool");
    let Some(row) = pools::find(&picture, name) else { return Some(no_pool(&picture, name)) };
    let wanted = match ReservationDraft::parse(&row, args, handle.now()) {
        Ok(wanted) => wanted,
        Err(answer) => return Some(answer),
    };
    let ReservationDraft { reservation, password, key } = wanted;
    let hash = match password.as_ref().map(crypt) {
        None => String::new(),
        Some(Ok(hash)) => hash,
        Some(Err(why)) => return Some(refused(Code::A0765, &why, "choose another password, or sign in with a key")),
    };
    let by = reservation.by.clone();
    let sign_in = Secret::new(sign_in_text(&hash, &key));
    let asked_at = reservation.asked;
    let adding = PoolChange::Reserve { pool: name.to_owned(), reservation: Box::new(reservation), sign_in };
    let picture = match change(handle, adding).await? {
        Ok(picture) => picture,
        Err(answer) => return Some(answer),
    };
    let found = find_one(&picture, name, |one| one.by == by && one.asked == asked_at);
    let Some(id) = found.map(|row| row.reservation.id) else {
        return Some(refused(
            Code::A0765,
            "the reservation could not be read back",
            &format!("amarre pool show {name} says what there is"),
        ));
    };
    let made = password.filter(|_| args.given("password").is_none());
    let row = ready(handle, name, id, Millis(args.timeout_ms())).await;
    Some(match row {
        Some(row) => begun(&row, (name, &picture), made.as_ref(), asked.style.language)?,
        None => {
            let past = handle.ledger().past_reservations(name, HISTORY_MAX).await.unwrap_or_default();
            let end = past.iter().find(|one| one.id == id).and_then(|one| match &one.state {
                ReservationState::Over { why, .. } => Some(pools::end_text(*why).to_string()),
                ReservationState::Open | ReservationState::Held { .. } => None,
            });
            let why = end.unwrap_or_else(|| "it is gone".to_owned());
            refused(
                Code::A0765,
                &format!("r{id} is over: {why}"),
                &format!("amarre pool show {name} says what there is"),
            )
        }
    })
}

fn find_one(picture: &PassResult, pool: &str, is_it: impl Fn(&Reservation) -> bool) -> Option<ReservationRow> {
    let row = pools::find(picture, pool)?;
    row.reservations.into_iter().find(|one| is_it(&one.reservation))
}

/// Waits until all accounts of a reservation are ready, or it waits in the queue, or until the timeout. `None`: it is over.
async fn ready(handle: &Handle, pool: &str, id: u64, timeout: Millis) -> Option<ReservationRow> {
    let mut handle = handle.clone();
    let deadline = tokio::time::Instant::now() + timeout.to_duration();
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
    (pool, picture): (&str, &PassResult),
    password: Option<&Secret>,
    language: Language,
) -> Option<CommandAnswer> {
    let machines_of = &picture.services.get(pool)?.pool.as_ref()?.machines;
    let one = &row.reservation;
    let mut document = pools::reservation_document(row);
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
    if !picture.acts {
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

/// A reservation as it was asked for.
struct ReservationDraft {
    reservation: Reservation,
    password: Option<Secret>,
    key: String,
}

impl ReservationDraft {
    fn parse(row: &PoolRow, args: &ActArgs, now: Timestamp) -> Result<Self, CommandAnswer> {
        let by = owner(args.text("by")).to_owned();
        let may = row.pool.who.is_empty() || row.pool.who.contains(&by.to_lowercase());
        if !may {
            let message = format!("{by} may not reserve machines of {}", row.name);
            return Err(refused(Code::A0766, &message, "`access.who` of its manifest says who may"));
        }
        let user = args.given("user").map_or_else(|| usual_user(&by), str::to_owned);
        if !is_user_name(&user) {
            let shown: String = amarre_core::model::words::cut(&amarre_core::model::words::line(&user), 40);
            let message = format!("an account cannot be called `{shown}`");
            let hint = "lower-case letters, digits and `-`, a letter first, at most 31, and no name that systems use";
            return Err(refused(Code::A0765, &message, hint));
        }
        let key = match args.given(PUBLIC_KEY) {
            None => String::new(),
            Some(line) => public_key(line).ok_or_else(|| {
                let hint = "give the line of a .pub file: `ssh-ed25519 AAAA…`; never a private key";
                refused(Code::A0765, "this is no public key", hint)
            })?,
        };
        let password = match (args.given("password"), key.is_empty()) {
            (Some(given), _) => Some(Secret::new(given)),
            (None, true) => Some(made_password()),
            (None, false) => None,
        };
        let length = args.time("for_ms").map_or(row.pool.usual, Millis);
        let count = args.count("count").unwrap_or(1);
        let from = args.time("from_ms").map(Timestamp).filter(|from| *from > now);
        let reservation = Reservation {
            id: 0,
            user,
            by,
            count,
            partly: args.flag("partial"),
            asked: now,
            from: from.unwrap_or(now),
            length,
            state: ReservationState::Open,
        };
        Ok(Self { reservation, password, key })
    }
}

/// Whose a reservation is: the address in `Anna <anna@example.org>`, so that it does not matter how a person came.
pub fn owner(by: &str) -> &str {
    by.rsplit_once('<').and_then(|(_, address)| address.strip_suffix('>')).unwrap_or(by)
}

/// Why a reservation is not taken on, by what the loop knows.
pub fn refusal_of(
    reservation: &Reservation,
    pool: &amarre_core::model::pool::Pool,
    known: &[Reservation],
    now: Timestamp,
) -> Option<String> {
    let from = Some(reservation.from).filter(|_| reservation.is_booked());
    let request =
        ReservationRequest { by: &reservation.by, count: reservation.count, from, length: reservation.length };
    let why = refusal(&request, &pool.rules, pool.machines.len(), known, now)?;
    Some(why.to_string())
}

/// The account of who names none: what stands before the `@` of an address.
fn usual_user(by: &str) -> String {
    let local = by.split('@').next().unwrap_or_default().to_lowercase();
    local.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).take(31).collect()
}

/// The kind and the key of a public key, without whose it is.
fn public_key(line: &str) -> Option<String> {
    const KINDS: [&str; 5] = ["ssh-rsa", "ssh-ed25519", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"];
    let mut words = line.split_whitespace();
    let (kind, key) = (words.next()?, words.next()?);
    let is_kind = KINDS.iter().any(|known| kind.starts_with(known))
        && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-@.".contains(&byte));
    let is_key =
        key.starts_with("AAAA") && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
    (is_kind && is_key && line.len() <= KEY_CHARS_MAX).then(|| format!("{kind} {key}"))
}

fn made_password() -> Secret {
    let letters = (0..PASSWORD_LETTERS).map(|_| char::from(ALPHABET[usize::from(rand::random::<u8>() % 32)]));
    Secret::new(letters.collect::<String>())
}

/// A password as `chpasswd -e` takes it on every system: SHA-512 crypt.
///
/// # Errors
/// It is too short, too long, or has line breaks.
pub fn crypt(password: &Secret) -> Result<String, String> {
    const LENGTHS: std::ops::RangeInclusive<usize> = 8..=200;
    let text = password.expose();
    if !LENGTHS.contains(&text.len()) || text.chars().any(char::is_control) {
        return Err("a password has 8 to 200 characters, and no line breaks".to_owned());
    }
    let salt: [u8; 12] = rand::random();
    let hash = sha_crypt::ShaCrypt::SHA512;
    sha_crypt::PasswordHasher::hash_password_with_salt(&hash, text.as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(|error| error.to_string())
}

/// The reservations that a request names, if the person may touch them.
fn named(row: &PoolRow, args: &ActArgs) -> Result<Vec<Reservation>, CommandAnswer> {
    let (by, others) = (owner(args.text("by")), args.flag("others"));
    let live = || row.reservations.iter().map(|one| &one.reservation);
    if args.flag("all") {
        return Ok(live().filter(|one| others || one.by == by).cloned().collect());
    }
    let mut found = Vec::new();
    for label in args.texts("reservations") {
        let Some(one) = number_of(&label).and_then(|id| live().find(|one| one.id == id)) else {
            let message = format!("there is no reservation {label} in {}", row.name);
            return Err(refused(Code::A1002, &message, &format!("amarre pool show {} lists them", row.name)));
        };
        if one.by != by && !others {
            let whose = if one.by.is_empty() { "was recovered from its machine" } else { "is another person's" };
            let hint = "an operator may, with --others";
            return Err(refused(Code::A0766, &format!("{label} {whose}"), hint));
        }
        found.push(one.clone());
    }
    if found.is_empty() {
        let hint = format!("name some, as `r41`: amarre pool show {} lists them", row.name);
        return Err(refused(Code::A0765, "no reservation is named", &hint));
    }
    Ok(found)
}

/// Gives machines back, or leaves the queue.
pub async fn release(handle: &Handle, asked: Asked<'_>) -> Option<CommandAnswer> {
    let (args, name) = (asked.args, asked.args.text("pool"));
    let picture = handle.request(LoopCommand::Pass).await?.picture;
    let Some(row) = pools::find(&picture, name) else { return Some(no_pool(&picture, name)) };
    let found = match named(&row, args) {
        Ok(found) => found,
        Err(answer) => return Some(answer),
    };
    let ids: Vec<u64> = found.iter().map(|one| one.id).collect();
    let count = ids.len();
    let ending = PoolChange::End { pool: name.to_owned(), ids };
    if let Err(answer) = change(handle, ending).await? {
        return Some(answer);
    }
    cleaned(handle, name, &found, Millis(args.timeout_ms())).await;
    let labels: Vec<String> = found.iter().map(Reservation::label).collect();
    let left: Vec<MachineLeft> = left_over(&handle.last_pass().0, name, &found);
    let mut text = format!("Released {}.\n", if labels.is_empty() { "nothing".to_owned() } else { labels.join(", ") });
    for MachineLeft { machine, why } in &left {
        text.push_str(&format!("{machine} still has the account: {why}\n"));
    }
    let left: Vec<&String> = left.iter().map(|left| &left.machine).collect();
    let document = json!({"schema": "amarre.released/v1", "released": count, "reservations": labels, "left": left});
    Some(CommandAnswer { document, text, exit: if left.is_empty() { 0 } else { 3 } })
}

/// A machine with an account whose reservation is over.
struct MachineLeft {
    machine: String,
    why: String,
}

fn left_over(picture: &PassResult, pool: &str, over: &[Reservation]) -> Vec<MachineLeft> {
    let accounts = over.iter().flat_map(|one| one.machines().map(move |machine| (machine, &one.user)));
    let left = accounts.filter_map(|(machine, user)| {
        let address = amarre_core::model::pool::account_address(pool, machine, user);
        let gap = picture.world.gap(&address).map(|gap| gap.message.clone());
        let failure = picture.failing.get(&address).map(|failure| failure.error.message.clone());
        let is_there = picture.world.seen.contains_key(&address);
        let why = gap.or(failure).or(is_there.then(|| "it is being removed".to_owned()))?;
        Some(MachineLeft { machine: machine.clone(), why })
    });
    left.collect()
}

/// Waits until the accounts of what is over are gone, where that can be seen.
async fn cleaned(handle: &Handle, pool: &str, over: &[Reservation], timeout: Millis) {
    let mut handle = handle.clone();
    let deadline = tokio::time::Instant::now() + timeout.to_duration();
    loop {
        let picture = handle.last_pass().0;
        let accounts = over.iter().flat_map(|one| one.machines().map(move |machine| (machine, &one.user)));
        let is_pending = |(machine, user): (&String, &String)| {
            let address = amarre_core::model::pool::account_address(pool, machine, user);
            let is_stuck = picture.world.gap(&address).is_some() || picture.failing.contains_key(&address);
            picture.world.seen.contains_key(&address) && !is_stuck
        };
        let is_done = !accounts.into_iter().any(is_pending);
        if is_done || !matches!(tokio::time::timeout_at(deadline, handle.changed()).await, Ok(true)) {
            return;
        }
    }
}

/// Lets a reservation last longer.
pub async fn extend(handle: &Handle, asked: Asked<'_>) -> Option<CommandAnswer> {
    let (args, name) = (asked.args, asked.args.text("pool"));
    let picture = handle.request(LoopCommand::Pass).await?.picture;
    let Some(row) = pools::find(&picture, name) else { return Some(no_pool(&picture, name)) };
    let found = match named(&row, args) {
        Ok(found) => found,
        Err(answer) => return Some(answer),
    };
    let by = args.time("by_ms").map_or(row.pool.usual, Millis);
    let mut documents = Vec::new();
    let mut text = String::new();
    for one in &found {
        let extending = PoolChange::Extend { pool: name.to_owned(), id: one.id, by };
        let picture = match change(handle, extending).await? {
            Ok(picture) => picture,
            Err(answer) => return Some(answer),
        };
        let row = find_one(&picture, name, |known| known.id == one.id)?;
        let until = row.reservation.until().map(|at| super::report::exact_time(at, asked.style.language));
        text.push_str(&format!("{} until {}.\n", one.label(), until.unwrap_or_default()));
        documents.push(pools::reservation_document(&row));
    }
    let document = json!({"schema": "amarre.reservations/v1", "name": name, "reservations": documents});
    Some(CommandAnswer { document, text, exit: 0 })
}

/// Pins the host key that a machine shows, after a person compared its fingerprint.
pub async fn trust(handle: &Handle, asked: Asked<'_>) -> Option<CommandAnswer> {
    let (args, name) = (asked.args, asked.args.text("pool"));
    let picture = handle.request(LoopCommand::Pass).await?.picture;
    let Some(row) = pools::find(&picture, name) else { return Some(no_pool(&picture, name)) };
    let machines = match machines(&row, args) {
        Ok(machines) => machines,
        Err(answer) => return Some(answer),
    };
    let Some(reach) = reach(&picture) else { return Some(no_pool(&picture, name)) };
    let expected = args.texts(FINGERPRINTS);
    let mut found = Vec::new();
    for (machine, access) in machines {
        let keys = match reach.offered_keys(&access).await {
            Ok(keys) => keys,
            Err(why) => {
                let message = format!("{name}/{machine}: {why}");
                return Some(refused(
                    Code::A0763,
                    &message,
                    "nothing was trusted; is it up, and is the way to it open?",
                ));
            }
        };
        let Some(key) = keys.into_iter().next() else { continue };
        let shown = fingerprint(&key);
        if !expected.is_empty() && !expected.contains(&shown) {
            let message = format!("{name}/{machine} shows {shown}, which is not what was compared");
            return Some(refused(Code::A0761, &message, "nothing was trusted; find out which machine that is"));
        }
        found.push((machine, key, shown));
    }
    let mut documents = Vec::new();
    let mut text = String::new();
    for (machine, key, shown) in found {
        if !args.flag("dry_run") {
            let trusting = PoolChange::Trust { pool: name.to_owned(), machine: machine.clone(), key: key.clone() };
            if let Err(answer) = change(handle, trusting).await? {
                return Some(answer);
            }
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
    Some(CommandAnswer { document, text, exit: 0 })
}

/// The machines that a request names.
fn machines(row: &PoolRow, args: &ActArgs) -> Result<Vec<(String, Machine)>, CommandAnswer> {
    let names = args.texts("machines");
    let found = names.iter().map(|name| match row.pool.machines.get(name) {
        Some(machine) => Ok((name.clone(), machine.clone())),
        None => {
            let message = format!("there is no machine {name} in {}", row.name);
            Err(refused(Code::A1002, &message, &format!("amarre pool show {} lists them", row.name)))
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
pub async fn set_enabled(handle: &Handle, asked: Asked<'_>, enables: bool) -> Option<CommandAnswer> {
    let (args, name) = (asked.args, asked.args.text("pool"));
    let picture = handle.request(LoopCommand::Pass).await?.picture;
    let Some(row) = pools::find(&picture, name) else { return Some(no_pool(&picture, name)) };
    let machines = match machines(&row, args) {
        Ok(machines) => machines,
        Err(answer) => return Some(answer),
    };
    let names: Vec<String> = machines.into_iter().map(|(machine, _)| machine).collect();
    for machine in &names {
        let disabled = (!enables).then(|| Disabled { by: args.text("by").to_owned(), at: handle.now() });
        let setting = PoolChange::Enable { pool: name.to_owned(), machine: machine.clone(), disabled };
        if let Err(answer) = change(handle, setting).await? {
            return Some(answer);
        }
    }
    let word = if enables { "in service again" } else { "out of service; who has one keeps it until the end" };
    let text = format!("{}: {word}\n", names.join(", "));
    let document = json!({"schema": "amarre.machines/v1", "name": name, "machines": names, "enabled": enables});
    Some(CommandAnswer { document, text, exit: 0 })
}
