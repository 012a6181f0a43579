//! `kind: Pool`: machines that people reserve for a time.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::{ManifestKindRow, pool_containers, pool_servers};
use crate::manifest::compose::{container, unsupported};
use crate::manifest::policy::{Closed, targets};
use crate::manifest::reader::{Reader, nothing_else};
use crate::manifest::schema_keys::{either, flag, head, link, list, number, object, text, words};
use crate::manifest::scope::{AllowedBy, PlacedText, Scope};
use crate::manifest::yaml::diagnostic::{Spot, shown};
use crate::manifest::yaml::tree::NodeData;
use crate::manifest::{policy, resolve};
use crate::model::pool::{Between, Machine, Pool, canonical_address};
use crate::model::reservations::PoolRules;
use crate::model::service::{Dns, ManifestKind, Service};
use crate::model::uses::UseKind;
use crate::model::{Code, Millis, Text};
use crate::text;

/// The row of the kind.
pub(super) const ROW: ManifestKindRow = ManifestKindRow {
    kind: ManifestKind::without_host("Pool").using(&[
        UseKind::Host,
        UseKind::ContainerName,
        UseKind::ContainerKey,
        UseKind::Port,
        UseKind::Network,
        UseKind::Subnet,
        UseKind::Volume,
        UseKind::Folder,
        UseKind::File,
        UseKind::Image,
        UseKind::LogDriver,
        UseKind::Secret,
        UseKind::Machine,
        UseKind::HostKey,
        UseKind::MadeServer,
        UseKind::Project,
        UseKind::SshKey,
        UseKind::Right,
    ]),
    parse,
    schema,
};

/// More are several pools.
const MACHINES_MAX: usize = 1000;
/// As long as a name of a manifest.
const NAME_CHARS_MAX: usize = 40;
const SSH_PORT: u16 = 22;
const PORT_MAX: i64 = 65_535;
/// The most that a limit may allow: as many as a pool has machines.
const COUNT_MAX: i64 = 1000;
/// It goes to a machine as one line.
const SCRIPT_BYTES_MAX: usize = 32 << 10;
/// The longest reservation that a pool may allow.
const LENGTH_MAX: Millis = Millis::minutes(31 * 24 * 60);
/// Where `limits` does not say it.
const USUAL: PoolLimits = PoolLimits {
    rules: PoolRules { longest: Millis::minutes(8 * 60), per_person: 5, queue: 50 },
    length: Millis::minutes(60),
};

/// What `limits` says.
struct PoolLimits {
    rules: PoolRules,
    /// Of a reservation that names none.
    length: Millis,
}

fn parse(mut reader: Reader<'_>, mut service: Service) -> Option<Service> {
    let scope = reader.scope;
    let spot = reader.spot;
    let mut machines = BTreeMap::new();
    listed(&mut reader, &mut machines);
    in_file(&mut reader, &mut machines);
    pool_containers::service(&mut reader, &mut service, &mut machines);
    let servers = pool_servers::servers(&mut reader, &service.name, &mut machines);
    if !["machines", "from", "service", "instance"].iter().any(|key| reader.has(key)) {
        let examples = "`machines: [{name: m1, address: 192.168.1.21}]`, `from: ./machines.txt`, \
                        `service: {template: sshd, count: 5}`";
        let last = "`instance: {cloud: paris, count: 5, …}`";
        reader.missing("machines", text!("as in {examples}, or {last}", examples, last));
    }
    let limits = limits(&mut reader);
    let PoolAccess { who, shell, sudo } = access(&mut reader);
    let between = between(&mut reader);
    if let Some(spot) = sudo
        && (between != Between::Rebuild || machines.values().any(|machine| !machine.is_container))
    {
        let hint = text!(
            "write `between: rebuild`, and machines by `service` only: what root leaves on another one, nothing takes away"
        );
        scope.error_hint(Code::A0106, spot, text!("`sudo` needs machines that are made anew in between"), hint);
    }
    if between == Between::Rebuild && !servers.is_empty() {
        let hint = text!(
            "write {example}, or leave it out: the account goes with all that it owns",
            example = "`between: {script: ./wipe.sh}`",
        );
        let message = text!("`between: rebuild` makes containers anew, and no servers");
        scope.error_hint(Code::A0106, reader.key_spot("between"), message, hint);
    }
    reader.finish(&unsupported::small_kind_key);
    if !scope.site.lends_machines {
        let hint = text!(
            "write {example} in amarre.yaml: it says that manifests may have machines reached over SSH",
            example = "`pools: {}`",
        );
        scope.error_hint(Code::A0106, spot, text!("amarre.yaml has no `pools`"), hint);
        return None;
    }
    let PoolLimits { rules, length: usual } = limits;
    service.pool = Some(Pool {
        machines,
        servers,
        rules,
        usual,
        who,
        shell,
        sudo: sudo.is_some(),
        between,
        origin: scope.origin(spot),
    });
    service.dns = Dns::None;
    Some(service)
}

/// What [`is_label`] takes.
fn label_hint() -> Text {
    text!("lower-case letters, digits and `-`, at most 40")
}

fn is_label(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= NAME_CHARS_MAX && text.bytes().all(is_plain) && !text.starts_with('-')
}

/// An IP address, or a name as DNS has it, in its one form.
pub(super) fn host(scope: &Scope<'_>, text: &PlacedText) -> Option<String> {
    let address = canonical_address(&text.text);
    if address.is_none() {
        let hint = text!("an IP address or a name, as in `192.168.1.21`; the port is a key of its own");
        scope.not_allowed(text, "`address`", hint);
    }
    address
}

/// A user of the machine, who makes accounts there.
pub(super) fn user(scope: &Scope<'_>, text: &PlacedText) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_user = (1..=32).contains(&text.text.len()) && text.text.bytes().all(is_plain) && !text.text.starts_with('-');
    if is_user {
        return Some(text.text.clone());
    }
    scope.not_allowed(text, "`user`", text!("root, or one that may `sudo` without a password"));
    None
}

/// `ssh-ed25519 AAAA…`, as `ssh-keyscan` prints it behind the name.
pub(super) fn host_key(scope: &Scope<'_>, text: &PlacedText) -> Option<String> {
    if is_host_key(&text.text) {
        return Some(text.text.clone());
    }
    let hint = text!("a kind and a key, as in `ssh-ed25519 AAAA…`: `amarre pool trust` shows it");
    scope.not_allowed(text, "`host_key`", hint);
    None
}

/// Whether it is the line of a host key: its kind and the key.
fn is_host_key(line: &str) -> bool {
    let mut words = line.split(' ');
    let is_kind = |word: &str| ["ssh-ed25519", "ssh-rsa"].contains(&word) || word.starts_with("ecdsa-sha2-nistp");
    let is_key = |word: &str| {
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
        word.starts_with("AAAA") && word.bytes().all(is_base64)
    };
    words.next().is_some_and(is_kind) && words.next().is_some_and(is_key) && words.next().is_none()
}

/// Adds a machine under its name.
pub(super) fn add(scope: &Scope<'_>, machines: &mut BTreeMap<String, Machine>, name: PlacedText, machine: Machine) {
    if machines.len() >= MACHINES_MAX {
        let message = text!("a pool has at most {most} machines", most = MACHINES_MAX);
        scope.error_hint(Code::A0106, name.spot, message, text!("divide them between several pools"));
        return;
    }
    // Where a server is, its cloud says.
    let same_place =
        |one: &&Machine| machine.server.is_none() && one.address == machine.address && one.port == machine.port;
    if let Some(twin) = machines.values().find(same_place) {
        let place = format!("{}:{}", machine.address, machine.port);
        let hint = text!("see line {line}, too", line = twin.origin.line.to_string());
        scope.error_hint(Code::A0106, name.spot, text!("{place} is there already", place), hint);
        return;
    }
    if machines.insert(name.text.clone(), machine).is_some() {
        scope.error(Code::A0106, name.spot, text!("two machines are called `{name}`", name = shown(&name.text)));
    }
}

fn listed(reader: &mut Reader<'_>, machines: &mut BTreeMap<String, Machine>) {
    let Some(node) = reader.node("machines") else { return };
    let scope = reader.scope;
    let NodeData::List(items) = &node.data else {
        return scope.wrong_type(node, "`machines`", text!("a list"));
    };
    for item in items {
        let Some(mut inner) = Reader::open(scope, item, text!("a machine"), "machines.") else { continue };
        let name = inner.required("name", text!("as in {example}", example = "`name: m1`"));
        let address = inner.required("address", text!("as in {example}", example = "`address: 192.168.1.21`"));
        let port = port(&mut inner);
        let user = inner.text("user");
        let user = user.map_or_else(|| Some("root".to_owned()), |text| self::user(scope, &text));
        let password = inner.node("password").and_then(|node| password(scope, node));
        let host_key = inner.text("host_key").and_then(|text| host_key(scope, &text));
        inner.finish(&nothing_else);
        let (Some(name), Some(address), Some(user)) = (name, address, user) else { continue };
        if !is_label(&name.text) {
            scope.not_allowed(&name, "`name`", label_hint());
            continue;
        }
        let spot = address.spot;
        let (Some(address), Some(port)) = (host(scope, &address), port) else { continue };
        targets::machine(scope, &address, port, spot);
        let origin = scope.origin(item.spot);
        let machine = Machine { address, port, user, password, host_key, is_container: false, server: None, origin };
        add(scope, machines, name, machine);
    }
}

/// Where a sshd listens; `None`: it was reported.
pub(super) fn port(reader: &mut Reader<'_>) -> Option<u16> {
    let has = reader.has("port");
    match reader.number("port", 1, PORT_MAX) {
        Some(port) => u16::try_from(port).ok(),
        None => (!has).then_some(SSH_PORT),
    }
}

/// A reference: the password itself does not belong in a manifest.
fn password(scope: &Scope<'_>, node: &crate::manifest::yaml::tree::Node) -> Option<crate::model::SecretName> {
    if node.scalar().is_some() {
        let hint = text!("write {example}; if it was committed, change it", example = "`password: {secret: lab/m1}`");
        scope.error_hint(Code::A0104, node.spot, text!("a password does not belong in a manifest"), hint);
        return None;
    }
    container::secret(scope, node, "`password`")
}

/// Lines of `name host port user password`, the password as `secret:NAME`, or `-` for Amarre's own key.
fn in_file(reader: &mut Reader<'_>, machines: &mut BTreeMap<String, Machine>) {
    let Some(path) = reader.text("from") else { return };
    let scope = reader.scope;
    let opened = scope.source_path(&path).and_then(|file| scope.open(&file, None, path.spot));
    let Some((number, content)) = opened else { return };
    let form = || {
        text!("five words: name host port user password, the password as `secret:lab/m1`, or `-` for Amarre's own key")
    };
    for (index, line) in content.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let spot = Spot::within(number, index + 1, 1);
        let word = |text: &str| PlacedText { text: text.to_owned(), spot };
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, address, port, login, secret) = match words.as_slice() {
            [name, address, port, login] => (name, address, port, login, &"-"),
            [name, address, port, login, secret] => (name, address, port, login, secret),
            _ => {
                scope.error_hint(Code::A0106, spot, text!("this line is no machine"), form());
                continue;
            }
        };
        if !is_label(name) {
            let message = text!("a name cannot be `{value}`", value = shown(name));
            scope.error_hint(Code::A0106, spot, message, label_hint());
            continue;
        }
        let Some(port) = port.parse::<u16>().ok().filter(|port| *port > 0) else {
            scope.error_hint(Code::A0106, spot, text!("a port cannot be `{value}`", value = shown(port)), form());
            continue;
        };
        let password = match (*secret, secret.strip_prefix("secret:")) {
            ("-", _) => None,
            (_, Some(secret)) => match container::secret_name(scope, &word(secret)) {
                Some(secret) => Some(secret),
                None => continue,
            },
            // What is there is the password itself: it is not repeated.
            (_, None) => {
                let message = text!("the password of {name} does not belong here", name = *name);
                let hint = text!(
                    "write `secret:lab/m1` in its place, keep it as that secret, and change it: it was in a file"
                );
                scope.error_hint(Code::A0104, spot, message, hint);
                continue;
            }
        };
        let (Some(address), Some(user)) = (host(scope, &word(address)), user(scope, &word(login))) else { continue };
        targets::machine(scope, &address, port, spot);
        let origin = scope.origin(spot);
        add(
            scope,
            machines,
            word(name),
            Machine { address, port, user, password, host_key: None, is_container: false, server: None, origin },
        );
    }
}

fn limits(reader: &mut Reader<'_>) -> PoolLimits {
    let Some(node) = reader.node("limits") else { return USUAL };
    let scope = reader.scope;
    let Some(mut inner) = Reader::open(scope, node, "`limits`", "limits.") else { return USUAL };
    let mut length = |key: &'static str, usual: Millis| {
        let Some(text) = inner.text(key) else { return usual };
        match resolve::duration_ms(&text.text).map(Millis) {
            Ok(span) if span >= Millis::minutes(1) && span <= LENGTH_MAX => span,
            Ok(_) => {
                scope.not_allowed(&text, format!("`limits.{key}`"), text!("from 1m to 31d"));
                usual
            }
            Err(hint) => {
                scope.not_allowed(&text, format!("`limits.{key}`"), hint);
                usual
            }
        }
    };
    let longest = length("duration", USUAL.rules.longest);
    let usual = length("default", Millis(USUAL.length.0.min(longest.0)));
    let mut count = |key: &'static str, usual: usize| {
        inner.number(key, 1, COUNT_MAX).and_then(|count| usize::try_from(count).ok()).unwrap_or(usual)
    };
    let (per_person, queue) = (count("per_user", USUAL.rules.per_person), count("queue", USUAL.rules.queue));
    let spot = inner.key_spot("default");
    inner.finish(&nothing_else);
    if usual > longest {
        let hint = text!("make `default` shorter, or `duration` longer");
        scope.error_hint(Code::A0106, spot, text!("`limits.default` is longer than `limits.duration`"), hint);
    }
    PoolLimits { rules: PoolRules { longest, per_person, queue }, length: usual }
}

/// Who may reserve, and what accounts are.
struct PoolAccess {
    who: BTreeSet<String>,
    shell: String,
    /// Where it is asked for.
    sudo: Option<Spot>,
}

fn access(reader: &mut Reader<'_>) -> PoolAccess {
    const SHELL: &str = "/bin/bash";
    let nothing = PoolAccess { who: BTreeSet::new(), shell: SHELL.to_owned(), sudo: None };
    let Some(node) = reader.node("access") else { return nothing };
    let scope = reader.scope;
    let Some(mut inner) = Reader::open(scope, node, "`access`", "access.") else { return nothing };
    let who = inner.texts("who").into_iter().map(|text| text.text.to_lowercase()).collect();
    let shell = inner.text("shell");
    let sudo = inner.flag("sudo").filter(|sudo| *sudo).map(|_| inner.key_spot("sudo"));
    inner.finish(&nothing_else);
    let is_path = |text: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
        text.starts_with('/') && text.len() <= 64 && text.bytes().all(is_plain)
    };
    if let Some(wrong) = shell.as_ref().filter(|shell| !is_path(&shell.text)) {
        scope.not_allowed(wrong, "`access.shell`", text!("a path, as in `/bin/bash`"));
    }
    PoolAccess { who, shell: shell.map_or_else(|| SHELL.to_owned(), |shell| shell.text), sudo }
}

/// `between: rebuild`, or `between: {script: ./wipe.sh}`.
fn between(reader: &mut Reader<'_>) -> Between {
    const REBUILD: &str = "rebuild";
    let Some(node) = reader.node("between") else { return Between::Nothing };
    let scope = reader.scope;
    if node.scalar().is_some() {
        let text = reader.text("between");
        if let Some(wrong) = text.filter(|text| text.text != REBUILD) {
            scope.not_allowed(&wrong, "`between`", text!("`rebuild`, or {example}", example = "`{script: ./wipe.sh}`"));
        }
        return Between::Rebuild;
    }
    let Some(mut inner) = Reader::open(scope, node, "`between`", "between.") else { return Between::Nothing };
    let path = inner.required("script", text!("a file of the source, as in `script: ./wipe.sh`"));
    inner.finish(&nothing_else);
    let Some(path) = path else { return Between::Nothing };
    let word = "machine_scripts";
    if scope.site.policy.machine_scripts {
        policy::allowed(scope, path.spot, word, &path.text, AllowedBy::Policy(format!("{word}: true")));
    } else {
        let message = text!("policy forbids scripts on machines, as {path}", path = shown(&path.text));
        let hint = text!("ask the operator to set `policy.machine_scripts: true`: a script runs as root");
        policy::report_closed(
            scope,
            &Closed { code: Code::A0205, spot: path.spot, word, item: &path.text, message, hint },
        );
    }
    let file = scope.source_path(&path).and_then(|file| scope.open(&file, None, path.spot));
    let script = file.map(|(_, content)| content.to_string()).unwrap_or_default();
    if script.len() > SCRIPT_BYTES_MAX {
        scope.not_allowed(&path, "`between.script`", text!("a file of at most 32 KiB"));
    }
    Between::Script(script.into())
}

fn schema() -> Json {
    let machine = object(
        &["name", "address"],
        vec![
            ("name", text(), "What it is called in the pool"),
            ("address", text(), "An IP address or a name"),
            ("port", number(), "22 if not set"),
            ("user", text(), "Who makes accounts there: root if not set, else one that may `sudo` without a password"),
            ("password", link("secret"), "That user's password; if not set, Amarre's own key signs in"),
            ("host_key", text(), "The host key that it has, as `ssh-ed25519 AAAA…`; if not set, the trusted one"),
        ],
    );
    let limits = object(
        &[],
        vec![
            ("duration", text(), "The longest reservation, extensions included; `8h` if not set"),
            ("default", text(), "Of a reservation that names no time; `1h` if not set"),
            ("per_user", number(), "Machines of one person at a time; 5 if not set"),
            ("queue", number(), "Reservations that wait at a time; 50 if not set"),
        ],
    );
    let access = object(
        &[],
        vec![
            ("who", list(text()), "Who may reserve, by the names of their accounts; everybody if not set"),
            ("shell", text(), "The shell of accounts; `/bin/bash` if not set"),
            ("sudo", flag(), "Accounts may do everything; needs `between: rebuild`"),
        ],
    );
    let between = object(&["script"], vec![("script", text(), "A file of the source that runs there as root")]);
    let mut keys = head();
    keys.extend([
        ("machines", list(machine), "Its machines"),
        (
            "from",
            text(),
            "A file of the source with a machine a line: name, host, port, user, password as `secret:NAME`",
        ),
        ("service", pool_containers::schema(), "Machines that Amarre makes: containers with an SSH server"),
        ("instance", pool_servers::schema(), "Machines that Amarre makes: servers of a cloud"),
        ("limits", limits, "What may be asked of it"),
        ("access", access, "Who may reserve, and what they get"),
        ("between", either(&[words(&["rebuild"]), between]), "What happens to a machine before the next one gets it"),
    ]);
    object(&["name"], keys)
}
