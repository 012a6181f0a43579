//! The lines that the script on a machine reads, and the lines that it prints.

use std::collections::{BTreeMap, BTreeSet};

use amarre_core::model::{Timestamp, words};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A machine has one of each kind, from two servers.
const KEYS_MAX: usize = 16;
/// The longest that are in use have 16,384 bits.
const KEY_BYTES_MAX: usize = 4096;
/// More names are not remembered of one machine.
const NAMES_MAX: usize = 5000;

/// What a machine says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct MachineLook {
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub(super) system: String,
    /// Its clock, in seconds since 1970.
    pub(super) now_s: i64,
    /// KiB that are free where homes are.
    pub(super) free: i64,
    /// It ends an account by itself on the day after its time.
    pub(super) expires: bool,
    /// Accounts that are not ours.
    pub(super) users: Vec<String>,
    /// Ours, by user.
    pub(super) accounts: BTreeMap<String, AccountMark>,
    /// What runs there: another one after each start.
    pub(super) running: String,
    /// All host keys that it has, as `ssh-ed25519 AAAA…`.
    pub(super) host_keys: BTreeSet<String>,
    /// What Amarre noted there: pool, proof and host key.
    pub(super) registered: Option<(String, String, String)>,
    /// What could not be done, and why.
    pub(super) failed: Vec<(String, String)>,
}

/// An account as its mark says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AccountMark {
    pub(super) uid: i64,
    pub(super) reservation: String,
    pub(super) until_ms: i64,
    pub(super) pool: String,
    /// Empty: it is not known how its user signs in.
    pub(super) sign_in: String,
    /// By which Amarre knows what it wrote.
    pub(super) proof: String,
    /// Its account is gone, or was never made.
    pub(super) is_rest: bool,
}

/// Reads what the script printed; `None`: that is something else.
pub(super) fn parse(said: &str) -> Option<MachineLook> {
    // Whatever a login prints comes before.
    let (_, said) = said.split_once("AMARRE1\n")?;
    let mut look = MachineLook::default();
    let mut is_done = false;
    for line in said.lines() {
        let mut parts = line.split('\t');
        let word = parts.next().unwrap_or_default();
        let parts: Vec<&str> = parts.collect();
        match (word, parts.as_slice()) {
            ("system", [system]) => look.system = words::said(system),
            ("now", [now]) => look.now_s = now.parse().ok()?,
            ("free", [free]) => look.free = free.parse::<i64>().unwrap_or_default().max(0),
            ("expires", [expires]) => look.expires = *expires == "day",
            ("running", [running]) => look.running = words::said(running),
            ("hostkey", [key]) if look.host_keys.len() < KEYS_MAX && key.len() <= KEY_BYTES_MAX => {
                look.host_keys.insert(words::clean(key));
            }
            ("registered", [pool, proof, key]) if key.len() <= KEY_BYTES_MAX => {
                look.registered = Some((words::said(pool), words::said(proof), words::clean(key)));
            }
            ("foreign", [name]) if look.users.len() < NAMES_MAX => look.users.push(words::said(name)),
            ("account" | "rest", [name, uid, reservation, until, pool, sign_in, proof])
                if look.accounts.len() < NAMES_MAX && words::is_clean(name) =>
            {
                let mark = AccountMark {
                    uid: uid.parse().ok()?,
                    reservation: words::said(reservation),
                    until_ms: until.parse().unwrap_or_default(),
                    pool: words::said(pool),
                    sign_in: words::said(sign_in),
                    proof: words::said(proof),
                    is_rest: word == "rest",
                };
                look.accounts.insert((*name).to_owned(), mark);
            }
            ("failed", [what, why]) => look.failed.push((words::said(what), words::line(why))),
            ("done", []) => is_done = true,
            _ => (),
        }
    }
    is_done.then_some(look)
}

/// How the user of a reservation signs in, as a secret: a crypt hash and a public key, a line each; either may be empty.
pub fn sign_in_text(hash: &str, key: &str) -> String {
    format!("{hash}\n{key}")
}

/// The line that notes whose a machine is.
pub(super) fn register_line(again: bool, pool: &str, proof: &str, host_key: &str) -> String {
    format!("{} {pool} {proof} {host_key}\n", if again { "reregister" } else { "register" })
}

/// Whether lines for a machine change no account there.
pub(super) fn is_look(lines: &str) -> bool {
    lines.lines().all(|line| line.starts_with("register ") || line.starts_with("reregister "))
}

/// The line with what runs before the next reservation.
pub(super) fn between_line(script: &str) -> String {
    format!("between {}\n", STANDARD.encode(script))
}

/// An account that is to be there.
pub(super) struct AccountLines<'a> {
    pub(super) user: &'a str,
    pub(super) uid: i64,
    pub(super) until: Timestamp,
    pub(super) reservation: &'a str,
    pub(super) pool: &'a str,
    /// By which Amarre knows later that it wrote the mark.
    pub(super) proof: &'a str,
    pub(super) shell: &'a str,
    pub(super) sudo: bool,
    /// How it signs in, and the mark of that.
    pub(super) sign_in: Option<(&'a str, &'a str)>,
}

const DAY_MS: i64 = 86_400_000;

impl AccountLines<'_> {
    pub(super) fn text(&self) -> String {
        let AccountLines { user, uid, until, reservation, pool, proof, shell, sudo, sign_in } = self;
        // A day's expiry counts from its beginning: the first one after the end.
        let day = until.0.div_euclid(DAY_MS) + 1;
        let mut lines = format!("make {user} {uid} {} {day} {reservation} {pool} {proof} {shell}\n", until.0);
        if let Some((text, mark)) = sign_in {
            let (hash, key) = text.split_once('\n').unwrap_or((text, ""));
            if !key.is_empty() {
                lines.push_str(&format!("key {user} {} {key}\n", until.0));
            }
            if !hash.is_empty() {
                lines.push_str(&format!("hash {user} {hash}\n"));
            }
            lines.push_str(&format!("sign {user} {mark}\n"));
        }
        if *sudo {
            lines.push_str(&format!("sudo {user}\n"));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_prints_is_read_whatever_stands_before_it() {
        let said = "Welcome!\nAMARRE1\nfailed\tend bob\tprocesses of it go on\nsystem\tDebian \u{1b}[2J12\nnow\t1795176000\nfree\t900\n\
                    expires\tday\nforeign\troot\naccount\talice\t20041\tr41\t1795179600000\tlab\tabc\t0f\n\
                    rest\tbob\t20042\tr42\t1795179600000\tlab\t\t\ndone\n";
        let look = parse(said).unwrap_or_default();
        assert_eq!((look.now_s, look.free, look.expires), (1_795_176_000, 900, true));
        assert_eq!(look.users, ["root"]);
        assert!(!look.system.contains('\u{1b}'), "{}", look.system);
        let alice = look.accounts.get("alice");
        assert_eq!(alice.map(|alice| (alice.uid, alice.is_rest)), Some((20_041, false)));
        assert_eq!(look.accounts.get("bob").map(|bob| bob.is_rest), Some(true));
        assert_eq!(look.failed.len(), 1);
        for broken in ["", "AMARRE1\n", "AMARRE1\nnow\tx\ndone\n", &said[..said.len() - 5]] {
            assert_eq!(parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn the_day_after_its_end_locks_an_account() {
        let until = Timestamp(20_000 * DAY_MS + 1);
        let lines = AccountLines {
            user: "alice",
            uid: 20_041,
            until,
            reservation: "r41",
            pool: "lab",
            proof: "0f",
            shell: "/bin/bash",
            sudo: true,
            sign_in: Some(("$6$hash\nssh-ed25519 AAAA", "abc")),
        };
        let expected = "make alice 20041 1728000000001 20001 r41 lab 0f /bin/bash\nkey alice 1728000000001 ssh-ed25519 AAAA\n\
                        hash alice $6$hash\nsign alice abc\nsudo alice\n";
        assert_eq!(lines.text(), expected);
    }
}
