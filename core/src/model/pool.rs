//! A pool as a manifest describes it: machines that Amarre reaches over SSH, and what may be asked of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::address::{Address, ProviderId};
use super::instance::Instance;
use super::kinds::{Kind, ResourceScope};
use super::reservations::{PoolRules, Reservation, ReservationEnd, ReservationState};
use super::site::{ascii_name, is_odd_number};
use super::time::{Millis, Timestamp};
use super::value::SecretName;
use super::world::Origin;

/// The provider of all machines.
pub const MACHINES: &str = "ssh";

/// The gap of one machine is a part that goes by this word.
pub const MACHINE_PART: &str = "machine";

/// Numbers of accounts, in which no system makes any of its own.
const ACCOUNT_IDS: std::ops::Range<u64> = 20_000..60_000;

/// What a manifest says of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pool {
    /// Its machines, by name.
    pub machines: BTreeMap<String, Machine>,
    /// Those of them that are servers of a cloud, which Amarre makes, by name.
    pub servers: BTreeMap<String, Instance>,
    /// What may be asked of it.
    pub rules: PoolRules,
    /// How long a reservation lasts that names no time.
    pub usual: Millis,
    /// Who may reserve, by the names of their accounts at Amarre; empty: everybody who may see pools.
    pub who: BTreeSet<String>,
    /// The shell of accounts.
    pub shell: String,
    /// Whether accounts may do everything on their machine, by `sudo`.
    pub sudo: bool,
    /// What happens to a machine before the next one gets it.
    pub between: Between,
    pub origin: Origin,
}

/// What happens to a machine between two reservations, beside that the account goes with all that it owns.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Between {
    /// Nothing.
    Nothing,
    /// A script of the shell runs there, as root.
    Script(Arc<str>),
    /// Its container is made anew.
    Rebuild,
}

/// How a machine is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Machine {
    /// An IP address, or a name.
    pub address: String,
    /// Where its sshd listens.
    pub port: u16,
    /// As whom: root.
    pub user: String,
    /// The secret that holds that user's password; `None`: Amarre's own key signs in.
    pub password: Option<SecretName>,
    /// The host key that it has, as `ssh-ed25519 AAAA…`; `None`: the one that a person trusted.
    pub host_key: Option<String>,
    /// It is a container of the pool, called as the machine is: Amarre makes it, and knows its host key.
    #[serde(default)]
    pub is_container: bool,
    /// It is this server, which Amarre makes: its address is the one that its cloud shows, empty until there is one.
    #[serde(default)]
    pub server: Option<Address>,
    #[serde(skip)]
    pub origin: Origin,
}

impl Machine {
    /// Whether Amarre makes it.
    pub fn is_made(&self) -> bool {
        self.is_container || self.server.is_some()
    }
}

/// The one form in which a machine's address is kept and compared, however a manifest writes it: an IP address as it is printed, and
/// a name in lower case without a dot behind it. `None`: it is neither, or a form that readers and systems understand differently
/// (`127.1`, `0x7f000001`, an IPv4 address inside of one for IPv6).
pub fn canonical_address(text: &str) -> Option<String> {
    let name = ascii_name(text);
    let name = name.strip_suffix('.').unwrap_or(&name);
    match name.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V6(ip)) => (!carries_ipv4(ip)).then(|| ip.to_string()),
        Ok(IpAddr::V4(ip)) => Some(ip.to_string()),
        Err(_) => (is_dns_name(name) && !is_odd_number(name)).then(|| name.to_owned()),
    }
}

fn is_dns_name(name: &str) -> bool {
    let is_part = |part: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=63).contains(&part.len()) && part.bytes().all(is_plain) && !part.starts_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_part)
}

/// Whether it leads to an IPv4 address that it holds: the old compatible form, translated ones, NAT64, 6to4, Teredo.
fn carries_ipv4(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => false,
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => true,
        [0x64, 0xff9b, ..] | [0x2002, ..] | [0x2001, 0, ..] => true,
        _ => false,
    }
}

/// What the ledger knows of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MachineFacts {
    /// The host key that a person trusted.
    #[serde(default)]
    pub trusted: Option<String>,
    /// Who took it out of service, and when; `None`: it may be given out.
    #[serde(default)]
    pub disabled: Option<Disabled>,
    /// How it was reached last: one that is in no manifest any more is still cleaned.
    #[serde(default)]
    pub reached: Option<Machine>,
    /// When it was given back last.
    #[serde(skip)]
    pub rested_since: Timestamp,
    /// The last reservation that had it and is over; 0: none had.
    #[serde(skip)]
    pub last: u64,
}

/// A machine that a person took out of service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Disabled {
    pub by: String,
    pub at: Timestamp,
}

/// What the ledger knows of a pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PoolFacts {
    /// Reservations that are not over.
    pub reservations: Vec<Reservation>,
    /// What is known of machines, by name.
    pub machines: BTreeMap<String, MachineFacts>,
    /// Reservations that are over, by number, each with its user.
    pub over: BTreeMap<u64, String>,
    /// When those of them ended whose time was over.
    pub expired: BTreeMap<u64, Timestamp>,
}

impl PoolFacts {
    /// Notes a reservation that is over.
    pub fn note_over(&mut self, one: &Reservation) {
        let ReservationState::Over { at, why, machines } = &one.state else { return };
        self.over.insert(one.id, one.user.clone());
        if *why == ReservationEnd::Expired {
            self.expired.insert(one.id, *at);
        }
        for machine in machines {
            let facts = self.machines.entry(machine.clone()).or_default();
            facts.rested_since = facts.rested_since.max(*at);
            facts.last = facts.last.max(one.id);
        }
    }

    /// The live reservation that has a machine.
    pub fn holder(&self, machine: &str) -> Option<&Reservation> {
        self.reservations.iter().find(|one| one.machines().any(|name| name == machine))
    }
}

/// The provider of all machines.
pub fn provider() -> ProviderId {
    MACHINES.to_owned().into()
}

/// The address of a machine.
pub fn machine_address(pool: &str, machine: &str) -> Address {
    Address::new(provider(), Kind::Machine, &format!("{pool}/{machine}"))
}

/// The address of an account.
pub fn account_address(pool: &str, machine: &str, user: &str) -> Address {
    Address::new(provider(), Kind::Account, &format!("{pool}/{machine}/{user}"))
}

/// The pool and the machine of an address of either kind; `None`: it is of another kind.
pub fn machine_of(address: &Address) -> Option<(&str, &str)> {
    let (pool, rest) =
        address.name.split_once('/').filter(|_| address.kind.traits().scope == ResourceScope::OnMachine)?;
    Some((pool, rest.split_once('/').map_or(rest, |(machine, _)| machine)))
}

/// The number of the account of a reservation: no two that live have the same.
pub fn account_id(reservation: u64) -> i64 {
    let span = ACCOUNT_IDS.end - ACCOUNT_IDS.start;
    i64::try_from(ACCOUNT_IDS.start + reservation % span).unwrap_or_default()
}

/// The secret that holds how the user of a reservation signs in. No manifest can name it.
pub fn sign_in_secret(reservation: u64) -> SecretName {
    SecretName(format!("reservation {reservation}"))
}

/// The secret with the public key by which Amarre signs in: it comes into the machines that Amarre makes.
pub fn own_key_secret() -> SecretName {
    SecretName("key of Amarre".to_owned())
}

/// The secret with the private host key of a machine that Amarre makes.
pub fn host_key_secret(pool: &str, machine: &str) -> SecretName {
    SecretName(format!("host key {pool}/{machine}"))
}

/// The variable by which the container of a machine tells for which turn it was made: after each reservation comes the next one,
/// where it is made anew in between.
pub const TURN: &str = "AMARRE_TURN";

/// The turn of a machine: the last reservation that had it.
pub fn turn(facts: Option<&PoolFacts>, machine: &str) -> String {
    let last = facts.and_then(|facts| facts.machines.get(machine)).map_or(0, |known| known.last);
    format!("r{last}")
}

/// Longer names are refused by some systems.
const USER_CHARS_MAX: usize = 31;
/// Names that systems use, or may.
const SYSTEM_USERS: [&str; 38] = [
    "root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data",
    "backup", "list", "irc", "gnats", "nobody", "admin", "adm", "sudo", "wheel", "staff", "users", "sshd", "ssh",
    "docker", "operator", "shutdown", "halt", "ftp", "postgres", "mysql", "amarre", "ubuntu", "debian", "ec2-user",
    "guest",
];

/// Whether an account may have this name: lower case, digits and `-`, and none that a system uses.
pub fn is_user_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    begins
        && name.len() <= USER_CHARS_MAX
        && name.bytes().all(is_plain)
        && !name.starts_with("systemd-")
        && !SYSTEM_USERS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_form() {
        for (written, expected) in [
            ("192.168.1.21", Some("192.168.1.21")),
            ("192.168.1.21.", Some("192.168.1.21")),
            ("::ffff:192.168.1.21", Some("192.168.1.21")),
            ("::FFFF:c0a8:115", Some("192.168.1.21")),
            ("0:0:0:0:0:ffff:c0a8:0115", Some("192.168.1.21")),
            ("１９２.１６８.１.２１", Some("192.168.1.21")),
            ("192。168。1。21", Some("192.168.1.21")),
            ("2001:DB8:0:0::0001", Some("2001:db8::1")),
            ("::1", Some("::1")),
            ("Box.LAN.", Some("box.lan")),
            ("Müller.lan", Some("xn--mller-kva.lan")),
            ("192.168.1.021", None),
            ("192.168.277", None),
            ("3232235797", None),
            ("0xc0a80115", None),
            ("0xC0.0xA8.1.0x15", None),
            ("0300.0250.1.21", None),
            ("::192.168.1.21", None),
            ("64:ff9b::192.168.1.21", None),
            ("64:ff9b:1::c0a8:115", None),
            ("::ffff:0:192.168.1.21", None),
            ("2002:c0a8:115::1", None),
            ("2001:0:1::1", None),
            ("[::1]", None),
            ("fe80::1%eth0", None),
            ("box..lan", None),
            ("box.lan..", None),
            ("-oProxyCommand=x", None),
            ("box lan", None),
            ("", None),
        ] {
            assert_eq!(canonical_address(written).as_deref(), expected, "{written}");
        }
    }
}
