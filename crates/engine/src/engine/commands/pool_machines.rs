//! Which machines a pool has: its manifest is changed where it stands, by the same door as from a form on a page. A password goes to
//! the secrets beside the configuration and nowhere else.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::act::{ActArgs, VerbCall};
use super::edit_manifest::{self, FileChange, ManifestDraft, ManifestRemark};
use super::machine_list::{with_machines, without_machines};
use super::pools::{change, looked_up, machines};
use super::resize_instance::author;
use super::{CommandAnswer, CommandEnd, refused};
use crate::engine::reconcile::daemon::Handle;
use crate::engine::reconcile::reservations::PoolChange;
use crate::engine::report::exact_time;
use crate::engine::report::pass_view::PassView;
use crate::engine::report::pools::{self, MachineRow, MachineState, PoolRow};
use crate::secret::Secret;
use amarre_core::model::pool::{Disabled, Machine, Pool, machine_of};
use amarre_core::model::reservations::Reservation;
use amarre_core::model::{Code, Language, Millis, Origin, SecretName};

/// The argument that is the password of a machine's user; the command line takes a file for it.
pub const PASSWORD: &str = "password";
/// The argument with several machines, a line each; the command line takes a file for it.
pub const LIST: &str = "list";
/// Passwords that systems take.
const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 1..=200;
/// Sentences about lines that are wrong.
const WRONG_SHOWN_MAX: usize = 20;
/// What a line of a list has.
const FORM: &str = "name host port user password; in the place of the password `-` for Amarre's key, or `secret:NAME`";

/// A machine that is not in the pool yet.
struct NewMachine {
    /// Its line in a list, from 1.
    line: Option<usize>,
    name: String,
    address: String,
    port: u16,
    user: String,
    /// The name of the secret with the password, also of one that is not kept yet.
    secret: Option<SecretName>,
    /// The password itself, which is kept as that secret.
    password: Option<Secret>,
    host_key: Option<String>,
}

/// Puts machines into a pool.
pub async fn register(handle: &Handle, asked: VerbCall<'_>) -> Result<CommandAnswer, CommandEnd> {
    let (args, pool) = (asked.args, asked.args.text("pool"));
    // What is written is the newest text.
    handle.fetch().await;
    let (pass, row) = looked_up(handle, pool).await?;
    let machines =
        new_machines(pool, args).and_then(|machines| none_is_there(&row, machines)).map_err(CommandEnd::from)?;
    let edit = PoolEdit::adding(&pass, &row, &machines).map_err(CommandEnd::from)?;
    edit.check(handle, &machines).await.ok_or(CommandEnd::Stopping)?.map_err(CommandEnd::from)?;
    for one in &machines {
        let is_left = has_accounts(&pass, pool, &one.name);
        let forgetting = PoolChange::Forget { pool: pool.to_owned(), machine: one.name.clone(), is_left };
        change(handle, forgetting).await?;
    }
    // First: a pass may read the manifest at once.
    let kept = keep(handle, &machines).map_err(CommandEnd::from)?;
    let names: Vec<&str> = machines.iter().map(|one| one.name.as_str()).collect();
    let message = format!("register {} in {pool}", names.join(", "));
    if let Err(why) = edit_manifest::write(handle, edit.change(args, message)).await {
        forget(handle, &kept);
        return Err(remark(&why).into());
    }
    Ok(registered(pool, &edit.file, &machines))
}

fn registered(pool: &str, file: &str, machines: &[NewMachine]) -> CommandAnswer {
    let names: Vec<&str> = machines.iter().map(|one| one.name.as_str()).collect();
    let mut text = format!("{} in {pool}, by {file}.\n", names.join(", "));
    let untrusted = machines.iter().filter(|one| one.host_key.is_none()).map(|one| one.name.as_str());
    let untrusted: Vec<&str> = untrusted.collect();
    if !untrusted.is_empty() {
        text.push_str(&format!("Next, after comparing host keys: amarre pool trust {pool} {}\n", untrusted.join(" ")));
    }
    let document = |one: &NewMachine| {
        json!({
            "name": one.name, "address": one.address, "port": one.port, "user": one.user,
            "secret": one.secret.as_ref().map(|secret| &secret.0), "trusted": one.host_key.is_some(),
        })
    };
    let machines: Vec<Json> = machines.iter().map(document).collect();
    let document = json!({"schema": "amarre.registered/v1", "name": pool, "file": file, "machines": machines});
    CommandAnswer { document, text, exit: 0 }
}

/// The machines of a request: one, or a line each.
fn new_machines(pool: &str, args: &ActArgs) -> Result<Vec<NewMachine>, CommandAnswer> {
    let wrong = |why: &str, hint: &str| refused(Code::A0765, why, hint);
    match (args.given("name"), args.given("address"), args.given(LIST)) {
        (None, None, Some(list)) => listed(pool, list),
        (Some(name), Some(address), None) => {
            let port = u16::try_from(args.count("port").unwrap_or(22)).ok().filter(|port| *port > 0);
            let port = port.ok_or_else(|| wrong("a port is a number from 1 to 65535", "22 if not set"))?;
            let password = args.given(PASSWORD).map(Secret::new);
            if password.as_ref().is_some_and(|password| !is_password(password)) {
                let hint = "at most 200 characters, and no line breaks; without one, Amarre's key signs in";
                return Err(wrong("this cannot be a password", hint));
            }
            Ok(vec![NewMachine {
                line: None,
                name: name.to_owned(),
                address: address.to_owned(),
                port,
                user: args.given("user").unwrap_or("root").to_owned(),
                secret: password.as_ref().map(|_| SecretName(format!("{pool}/{name}"))),
                password,
                host_key: args.given("host_key").map(str::to_owned),
            }])
        }
        (_, _, Some(_)) => Err(wrong("a list names its machines itself", "give a name and an address, or a list")),
        (_, _, None) => Err(wrong("name and address of the machine are missing", "or give a list of several")),
    }
}

fn is_password(password: &Secret) -> bool {
    let text = password.expose();
    PASSWORD_CHARS.contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Lines of `name host port user password`, in which passwords may stand.
fn listed(pool: &str, list: &str) -> Result<Vec<NewMachine>, CommandAnswer> {
    let (mut machines, mut wrong) = (Vec::new(), Vec::new());
    for (line, text) in list.lines().enumerate().map(|(index, text)| (index + 1, text.trim())) {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let (name, address, port, user, sign_in) = match words.as_slice() {
            [name, address, port, user] => (name, address, port, user, "-"),
            [name, address, port, user, sign_in] => (name, address, port, user, *sign_in),
            // What the words are is not repeated: one of them may be a password.
            _ => {
                wrong.push(format!("line {line}: not four or five words"));
                continue;
            }
        };
        let Some(port) = port.parse::<u16>().ok().filter(|port| *port > 0) else {
            wrong.push(format!("line {line}: the third word is no port"));
            continue;
        };
        let (secret, password) = match (sign_in, sign_in.strip_prefix("secret:")) {
            ("-", _) => (None, None),
            (_, Some(secret)) => (Some(SecretName(secret.to_owned())), None),
            (password, None) => (Some(SecretName(format!("{pool}/{name}"))), Some(Secret::new(password))),
        };
        if password.as_ref().is_some_and(|password| !is_password(password)) {
            wrong.push(format!("line {line}: this cannot be a password"));
        }
        let (name, address, user) = ((*name).to_owned(), (*address).to_owned(), (*user).to_owned());
        machines.push(NewMachine { line: Some(line), name, address, port, user, secret, password, host_key: None });
    }
    match (wrong.is_empty(), machines.is_empty()) {
        (true, false) => Ok(machines),
        (true, true) => Err(refused(Code::A0765, "the list has no machine", FORM)),
        (false, _) => Err(wrong_lines(&wrong)),
    }
}

/// Nothing is registered where one line is wrong.
fn wrong_lines(wrong: &[String]) -> CommandAnswer {
    let more = wrong.len().saturating_sub(WRONG_SHOWN_MAX);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let shown: Vec<&str> = wrong.iter().take(WRONG_SHOWN_MAX).map(String::as_str).collect();
    let message = format!("{}{more}; no machine was registered", shown.join("; "));
    refused(Code::A0765, &message, FORM)
}

/// Refuses names that the pool has.
fn none_is_there(row: &PoolRow, machines: Vec<NewMachine>) -> Result<Vec<NewMachine>, CommandAnswer> {
    let there = machines.iter().filter(|one| row.pool.machines.contains_key(&one.name));
    let there: Vec<String> =
        there.map(|one| at_its_line(one, &format!("{} has a machine {} already", row.name, one.name))).collect();
    match there.as_slice() {
        [] => Ok(machines),
        [one] if machines.len() == 1 => {
            let hint =
                format!("take another name; amarre pool unregister {} {} takes it out", row.name, machines[0].name);
            Err(refused(Code::A0765, one, &hint))
        }
        several => Err(wrong_lines(several)),
    }
}

fn at_its_line(one: &NewMachine, why: &str) -> String {
    one.line.map_or_else(|| why.to_owned(), |line| format!("line {line}: {why}"))
}

impl NewMachine {
    /// As a manifest has it, on one line.
    fn yaml(&self) -> String {
        let mut line = format!("{{name: {}, address: {}", scalar(&self.name), scalar(&self.address));
        if self.port != 22 {
            line.push_str(&format!(", port: {}", self.port));
        }
        if self.user != "root" {
            line.push_str(&format!(", user: {}", scalar(&self.user)));
        }
        if let Some(SecretName(secret)) = &self.secret {
            line.push_str(&format!(", password: {{secret: {}}}", scalar(secret)));
        }
        if let Some(key) = &self.host_key {
            line.push_str(&format!(", host_key: {}", json!(key)));
        }
        line.push('}');
        line
    }

    /// As the pool has it by then.
    fn machine(&self) -> Machine {
        Machine {
            address: self.address.clone(),
            port: self.port,
            user: self.user.clone(),
            password: self.secret.clone(),
            host_key: self.host_key.clone(),
            is_container: false,
            server: None,
            origin: Origin::default(),
        }
    }
}

/// A text as YAML takes it for a text.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-./".contains(&byte);
    let begins = text.starts_with(|first: char| first.is_ascii_lowercase());
    let is_address = text.parse::<std::net::Ipv4Addr>().is_ok();
    let is_plain = begins && text.bytes().all(is_plain) && !WORDS.contains(&text);
    if is_plain || is_address { text.to_owned() } else { json!(text).to_string() }
}

/// Another text of the file in which a pool stands.
struct PoolEdit {
    pool: String,
    file: String,
    before: String,
    after: String,
    /// The pool as it is meant to be.
    meant: Pool,
}

impl PoolEdit {
    fn new(
        pass: &PassView,
        row: &PoolRow,
        meant: Pool,
        edit: impl FnOnce(&str, &str) -> Option<String>,
    ) -> Result<Self, CommandAnswer> {
        let Some((file, before)) = edit_manifest::file_of(pass, &row.name) else {
            let message = format!("the manifest of {} cannot be read now", row.name);
            return Err(refused(Code::A0461, &message, "amarre validate says why"));
        };
        match edit(&file, &before) {
            Some(after) => Ok(Self { pool: row.name.clone(), file, before, after, meant }),
            None => Err(by_hand(&file)),
        }
    }

    fn adding(pass: &PassView, row: &PoolRow, machines: &[NewMachine]) -> Result<Self, CommandAnswer> {
        let lines: Vec<String> = machines.iter().map(NewMachine::yaml).collect();
        let mut meant = row.pool.clone();
        meant.machines.extend(machines.iter().map(|one| (one.name.clone(), one.machine())));
        Self::new(pass, row, meant, |_, text| with_machines(text, &row.name, &lines))
    }

    fn removing(pass: &PassView, row: &PoolRow, names: &BTreeSet<String>) -> Result<Self, CommandAnswer> {
        let mut meant = row.pool.clone();
        meant.machines.retain(|name, _| !names.contains(name));
        Self::new(pass, row, meant, |file, text| {
            let own = row.pool.machines.iter().filter(|(_, machine)| machine.origin.file == file);
            let mut own: Vec<(&String, &Origin)> = own.map(|(name, machine)| (name, &machine.origin)).collect();
            own.sort_by_key(|(_, origin)| (origin.line, origin.column));
            let places: Vec<usize> = (0..own.len()).filter(|at| names.contains(own[*at].0)).collect();
            without_machines(text, &row.name, &places)
        })
    }

    /// Whether this text makes the pool that is meant, and nothing else otherwise.
    async fn check(&self, handle: &Handle, machines: &[NewMachine]) -> Option<Result<(), CommandAnswer>> {
        let new_secrets = machines.iter().filter(|one| one.password.is_some()).filter_map(|one| one.secret.clone());
        let new_secrets: Vec<String> = new_secrets.map(|secret| secret.0).collect();
        let drafted = edit_manifest::draft(handle, (&self.file, &self.after), &self.pool, new_secrets, true).await?;
        let ManifestDraft { settle, after, .. } = drafted;
        if let Some(first) = settle.first() {
            return Some(Err(self.refused(first, &settle, machines)));
        }
        let found = after.services.get(&self.pool).and_then(|service| service.pool.as_ref());
        Some(if found.is_some_and(|found| is_same(found, &self.meant)) { Ok(()) } else { Err(by_hand(&self.file)) })
    }

    /// Why the text is not written: of several machines, with their lines.
    fn refused(&self, first: &ManifestRemark, all: &[ManifestRemark], machines: &[NewMachine]) -> CommandAnswer {
        let machine_at = |remark: &ManifestRemark| {
            let line = self.after.lines().nth(remark.at?.0.checked_sub(1)?)?;
            machines.iter().find(|one| line.contains(&one.yaml()))
        };
        let is_list = machines.iter().any(|one| one.line.is_some());
        if !is_list || machine_at(first).is_none() {
            return remark(first);
        }
        let said =
            all.iter().map(|one| machine_at(one).map_or_else(|| one.text.clone(), |of| at_its_line(of, &one.text)));
        wrong_lines(&said.collect::<Vec<_>>())
    }

    fn change(&self, args: &ActArgs, message: String) -> FileChange {
        FileChange {
            file: self.file.clone(),
            before: Some(self.before.clone()),
            after: Some(self.after.clone()),
            author: author(args.text("by")),
            message,
        }
    }
}

fn by_hand(file: &str) -> CommandAnswer {
    let message = format!("the machines in {file} are not written line by line, so Amarre does not change them");
    refused(Code::A0461, &message, "write `machines` as a list with `-`, or change it by hand")
}

fn remark(why: &ManifestRemark) -> CommandAnswer {
    let hint = why.hints.first().map(|hint| hint.text.to_string()).unwrap_or_default();
    refused(why.code, &why.text, &hint)
}

fn is_same(one: &Pool, other: &Pool) -> bool {
    // Where a server is, and which key opens it, no manifest says.
    let placeless = |pool: &Pool| {
        let mut pool = Pool { origin: Origin::default(), ..pool.clone() };
        for machine in pool.machines.values_mut() {
            machine.origin = Origin::default();
            if machine.server.is_some() {
                machine.address.clear();
            }
        }
        for server in pool.servers.values_mut() {
            server.origin = Origin::default();
            server.shape.iter_mut().for_each(|shape| shape.ssh_key.clear());
        }
        pool
    };
    placeless(one) == placeless(other)
}

/// Keeps the passwords as secrets; where one cannot be kept, none is.
fn keep(handle: &Handle, machines: &[NewMachine]) -> Result<Vec<SecretName>, CommandAnswer> {
    let mut kept = Vec::new();
    for one in machines {
        let (Some(name), Some(password)) = (&one.secret, &one.password) else { continue };
        let Some(keeper) = handle.keeper() else {
            let hint = "let Amarre's key in, and register it without a password";
            return Err(refused(Code::A0207, "there is no place for secrets here", hint));
        };
        match keeper.keep(name, password) {
            Ok(true) => kept.push(name.clone()),
            Ok(false) => (),
            Err(why) => {
                forget(handle, &kept);
                let hint = "no secret is replaced: take another name for the machine; and may Amarre write there?";
                return Err(refused(Code::A0207, &at_its_line(one, &why), hint));
            }
        }
    }
    Ok(kept)
}

fn forget(handle: &Handle, kept: &[SecretName]) {
    for name in kept {
        if let Some(Err(why)) = handle.keeper().map(|keeper| keeper.forget(name)) {
            tracing::warn!("{why}");
        }
    }
}

/// Whether accounts of Amarre's are on a machine, as far as is known.
pub(super) fn has_accounts(pass: &PassView, pool: &str, machine: &str) -> bool {
    let known = pass.facts.applied.keys().chain(pass.world.seen.keys());
    known
        .filter(|address| address.kind == amarre_core::model::Kind::Account)
        .filter_map(machine_of)
        .any(|of| of == (pool, machine))
}

/// Takes machines out of a pool: while they are reserved only with `drain`, which waits for the end.
pub async fn unregister(handle: &Handle, asked: VerbCall<'_>) -> Result<CommandAnswer, CommandEnd> {
    let (args, pool) = (asked.args, asked.args.text("pool"));
    // What is written is the newest text.
    handle.fetch().await;
    let (pass, row) = looked_up(handle, pool).await?;
    let named = not_in_a_list(&pass, &row, machines(&row, args)?).map_err(CommandEnd::from)?;
    // From here on they are given out no more.
    let is_shut = |name: &&String| {
        let known = pass.facts.pools.get(pool).and_then(|facts| facts.machines.get(*name));
        known.is_some_and(|known| known.disabled.is_some())
    };
    let shut: Vec<String> = named.iter().filter(|name| !is_shut(name)).cloned().collect();
    set_disabled(handle, pool, &shut, Some(args.text("by"))).await?;
    if args.flag("drain") {
        drained(handle, pool, &named, Millis(args.timeout_ms())).await;
    }
    let (pass, row) = looked_up(handle, pool).await?;
    let taken = taken_out(handle, &pass, &row, &named, asked).await;
    // With `drain` they stay out of service: whoever asks again finds them free some time.
    if matches!(taken, Err(CommandEnd::Refused(_))) && !args.flag("drain") {
        set_disabled(handle, pool, &shut, None).await?;
    }
    taken
}

/// The machines of a request; those that stand in a file of machines are taken out there, by hand.
fn not_in_a_list(
    pass: &PassView,
    row: &PoolRow,
    named: Vec<(String, Machine)>,
) -> Result<BTreeSet<String>, CommandAnswer> {
    let file = pass.services.get(&row.name).map(|service| service.origin.file.as_str()).unwrap_or_default();
    if let Some((name, machine)) = named.iter().find(|(_, machine)| machine.is_made()) {
        let key = if machine.is_container { "service" } else { "instance" };
        let hint = "the last ones go with a smaller `count`, once nobody has them";
        return Err(refused(Code::A0461, &format!("{name} is made by `{key}` of the manifest"), hint));
    }
    match named.iter().find(|(_, machine)| machine.origin.file != file) {
        None => Ok(named.into_iter().map(|(name, _)| name).collect()),
        Some((name, Machine { origin, .. })) => {
            let message = format!("{name} stands in {}, line {}, and not in the manifest", origin.file, origin.line);
            Err(refused(Code::A0461, &message, "take that line out, where manifests come from"))
        }
    }
}

async fn set_disabled(handle: &Handle, pool: &str, machines: &[String], by: Option<&str>) -> Result<(), CommandEnd> {
    for machine in machines {
        let disabled = by.map(|by| Disabled { by: by.to_owned(), at: handle.now() });
        let setting = PoolChange::Enable { pool: pool.to_owned(), machine: machine.clone(), disabled };
        change(handle, setting).await?;
    }
    Ok(())
}

/// Waits until no reservation has one of these machines, and their accounts are gone where that can be seen.
async fn drained(handle: &Handle, pool: &str, named: &BTreeSet<String>, timeout: Millis) {
    let mut handle = handle.clone();
    let deadline = tokio::time::Instant::now() + timeout.to_duration();
    loop {
        let row = pools::find(&handle.last_pass().0, pool);
        let is_held = |one: &MachineRow| {
            one.holder.is_some() || matches!(one.state, MachineState::Draining | MachineState::Cleaning)
        };
        let is_held = row.is_some_and(|row| row.machines.iter().any(|one| named.contains(&one.name) && is_held(one)));
        if !is_held || !matches!(tokio::time::timeout_at(deadline, handle.changed()).await, Ok(true)) {
            return;
        }
    }
}

/// Writes the manifest without them.
async fn taken_out(
    handle: &Handle,
    pass: &PassView,
    row: &PoolRow,
    named: &BTreeSet<String>,
    asked: VerbCall<'_>,
) -> Result<CommandAnswer, CommandEnd> {
    let (args, pool) = (asked.args, asked.args.text("pool"));
    let held = row.machines.iter().filter(|one| named.contains(&one.name));
    if let Some((one, holder)) = held.filter_map(|one| Some((one, one.holder.as_ref()?))).next() {
        let message = format!("{} has {}", holder_text(holder, asked.style.language), one.name);
        let hint = if args.flag("drain") {
            "it is given out no more: ask again then".to_owned()
        } else {
            format!("--drain waits for the end; amarre pool release {pool} {} ends it now", holder.label())
        };
        return Err(refused(Code::A0765, &message, &hint).into());
    }
    let edit = PoolEdit::removing(pass, row, named).map_err(CommandEnd::from)?;
    edit.check(handle, &[]).await.ok_or(CommandEnd::Stopping)?.map_err(CommandEnd::from)?;
    let names: Vec<&str> = named.iter().map(String::as_str).collect();
    let message = format!("unregister {} from {pool}", names.join(", "));
    if let Err(why) = edit_manifest::write(handle, edit.change(args, message)).await {
        return Err(remark(&why).into());
    }
    let left: Vec<&str> = names.iter().copied().filter(|name| has_accounts(pass, pool, name)).collect();
    forget_machines(handle, row, &edit.meant, &left, &names).await;
    let mut text = format!("{} out of {pool}, by {}.\n", names.join(", "), edit.file);
    for name in &left {
        text.push_str(&format!("{name} still has an account: it is removed as soon as the machine answers.\n"));
    }
    let document =
        json!({"schema": "amarre.unregistered/v1", "name": pool, "file": edit.file, "machines": names, "left": left});
    Ok(CommandAnswer { document, text, exit: 0 })
}

/// Forgets host keys, and the passwords that `register` kept, of machines on which no account is left.
async fn forget_machines(handle: &Handle, row: &PoolRow, after: &Pool, left: &[&str], names: &[&str]) {
    for name in names {
        let is_left = left.contains(name);
        let forgetting = PoolChange::Forget { pool: row.name.clone(), machine: (*name).to_owned(), is_left };
        // If this fails, `register` forgets it before the name is used again.
        let _ = change(handle, forgetting).await;
        let own = SecretName(format!("{}/{name}", row.name));
        let is_own = row.pool.machines.get(*name).is_some_and(|machine| machine.password.as_ref() == Some(&own));
        let is_used = after.machines.values().any(|machine| machine.password.as_ref() == Some(&own));
        if is_own && !is_used && !is_left {
            forget(handle, &[own]);
        }
    }
}

/// `r7 for alice, of anna@example.org, until 12:04`
pub(super) fn holder_text(holder: &Reservation, language: Language) -> String {
    let until = holder.until().map(|until| format!(", until {}", exact_time(until, language))).unwrap_or_default();
    let of = if holder.by.is_empty() { String::new() } else { format!(", of {}", holder.by) };
    format!("{} for {}{of}{until},", holder.label(), holder.user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_texts() {
        for (text, written) in [
            ("m1", "m1"),
            ("box-1.lan", "box-1.lan"),
            ("lab/m1", "lab/m1"),
            ("192.168.1.21", "192.168.1.21"),
            ("on", "\"on\""),
            ("1", "\"1\""),
            ("1e3", "\"1e3\""),
            ("::1", "\"::1\""),
            ("a: b", "\"a: b\""),
            ("a\nb", "\"a\\nb\""),
            ("", "\"\""),
        ] {
            assert_eq!(scalar(text), written, "{text}");
        }
    }

    #[test]
    fn a_list_is_refused_with_its_lines_and_without_its_passwords() {
        let list = "# name host port user password\nm1 192.0.2.1 22 root hunter22\n\nm2 192.0.2.2 0 root hunter33\nm3 hunter44\n";
        let said = listed("lab", list).map(|_| ()).unwrap_err().text;
        assert!(said.contains("line 4: the third word is no port; line 5: not four or five words"), "{said}");
        assert!(!said.contains("hunter"), "{said}");
        let found = listed("lab", "m1 192.0.2.1 22 root hunter22\nm2 b.lan 2222 ops -\nm3 c 22 root secret:other\n");
        let lines: Vec<String> = found.unwrap_or_default().iter().map(NewMachine::yaml).collect();
        assert_eq!(
            lines,
            [
                "{name: m1, address: 192.0.2.1, password: {secret: lab/m1}}",
                "{name: m2, address: b.lan, port: 2222, user: ops}",
                "{name: m3, address: c, password: {secret: other}}"
            ]
        );
    }
}
