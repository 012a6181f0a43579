//! Who may try a password, and how often. Pure: takes `now`, reads no clock.
//!
//! Counted is by address and account, by address, and by account: one who guesses at one account is stopped first, one
//! who tries many accounts next, and many who try one account last. Whether the account exists makes no difference. Of
//! loopback the address alone is not counted.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{Millis, Timestamp};

/// Wrong passwords of one account from one address, before it waits.
pub const TRIES_MAX: u32 = 5;
/// From one address, for whichever accounts.
const TRIES_OF_ADDRESS_MAX: u32 = 25;
/// For one account, from wherever.
const TRIES_OF_ACCOUNT_MAX: u32 = 100;
/// The first wait; doubled with each further wrong one.
const WAIT_FIRST: Millis = Millis::minutes(1);
/// The longest wait.
const WAIT_LAST: Millis = Millis::minutes(60);
/// How long a wrong one counts: longer than the longest wait, else that would end the doubling.
const COUNTS_FOR: Millis = Millis::minutes(24 * 60);
/// More than this is remembered of nobody's.
const KEPT_MAX: usize = 10_000;

/// Wrong passwords of late.
#[derive(Debug, Default)]
pub struct Guesses(BTreeMap<Of, Wrong>);

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Both(String, String),
    Address(String),
    Account(String),
}

#[derive(Debug, Clone, Copy)]
struct Wrong {
    count: u32,
    last: Timestamp,
}

impl Wrong {
    /// Until when nothing is tried.
    fn until(self, max: u32) -> Option<Timestamp> {
        let beyond = self.count.checked_sub(max)?;
        let wait = WAIT_FIRST.0.saturating_mul(1_i64.checked_shl(beyond.min(20)).unwrap_or(i64::MAX));
        Some(self.last + Millis(wait.min(WAIT_LAST.0)))
    }
}

/// Through a tunnel all come from loopback, whoever they are: there the address tells nothing.
fn is_shared(address: &str) -> bool {
    address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn keys(account: &str, address: &str) -> Vec<(Of, u32)> {
    let (account, address) = (account.to_owned(), address.to_owned());
    let mut keys =
        vec![(Of::Both(account.clone(), address.clone()), TRIES_MAX), (Of::Account(account), TRIES_OF_ACCOUNT_MAX)];
    if !is_shared(&address) {
        keys.push((Of::Address(address), TRIES_OF_ADDRESS_MAX));
    }
    keys
}

impl Guesses {
    /// Until when no password of this account is looked at that comes from this address.
    pub fn waits(&self, account: &str, address: &str, now: Timestamp) -> Option<Timestamp> {
        let until = |(key, max)| self.0.get(&key).and_then(|wrong| wrong.until(max));
        keys(account, address).into_iter().filter_map(until).filter(|until| *until > now).max()
    }

    /// A password was wrong. Answers how many may still be tried before a wait.
    pub fn wrong(&mut self, account: &str, address: &str, now: Timestamp) -> u32 {
        self.0.retain(|_, wrong| now - wrong.last < COUNTS_FOR);
        while self.0.len() > KEPT_MAX {
            let oldest = self.0.iter().min_by_key(|(_, wrong)| wrong.last).map(|(key, _)| key.clone());
            oldest.map(|key| self.0.remove(&key));
        }
        let mut left = TRIES_MAX;
        for (key, max) in keys(account, address) {
            let wrong = self.0.entry(key).or_insert(Wrong { count: 0, last: now });
            *wrong = Wrong { count: wrong.count.saturating_add(1), last: now };
            left = left.min(max.saturating_sub(wrong.count));
        }
        left
    }

    /// A password was right.
    pub fn right(&mut self, account: &str, address: &str) {
        keys(account, address).iter().for_each(|(key, _)| _ = self.0.remove(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    #[test]
    fn five_wrong_ones_wait_and_each_further_one_twice_as_long() {
        let (mut guesses, mut now) = (Guesses::default(), NOW);
        let left: Vec<u32> = (0..5).map(|_| guesses.wrong("a@b.c", "192.0.2.1", now)).collect();
        assert_eq!(left, [4, 3, 2, 1, 0]);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let until = guesses.waits("a@b.c", "192.0.2.1", now).unwrap();
            waits.push((until - now).0 / 60_000);
            now = until;
            assert_eq!(guesses.waits("a@b.c", "192.0.2.1", now), None);
            guesses.wrong("a@b.c", "192.0.2.1", now);
        }
        assert_eq!(waits[..6], [1, 2, 4, 8, 16, 32]);
        assert!(waits.iter().all(|minutes| *minutes <= 60), "{waits:?}");
        assert_eq!(guesses.waits("a@b.c", "192.0.2.2", now), None, "the owner, from elsewhere");
    }

    #[test]
    fn who_tries_many_accounts_and_many_who_try_one_wait_too() {
        let mut guesses = Guesses::default();
        (0..25).for_each(|at| assert!(guesses.wrong(&format!("{at}@b.c"), "192.0.2.1", NOW) < 5));
        assert!(guesses.waits("new@b.c", "192.0.2.1", NOW).is_some());
        let mut guesses = Guesses::default();
        (0..100).for_each(|at| assert!(guesses.wrong("a@b.c", &format!("192.0.2.{at}"), NOW) < 5));
        assert!(guesses.waits("a@b.c", "198.51.100.1", NOW).is_some());
        let mut guesses = Guesses::default();
        (0..100).for_each(|at| assert!(guesses.wrong(&format!("{at}@b.c"), "127.0.0.1", NOW) < 5));
        assert_eq!(guesses.waits("new@b.c", "127.0.0.1", NOW), None, "all who come through a tunnel");
    }

    #[test]
    fn a_right_one_and_a_day_forgive() {
        let mut guesses = Guesses::default();
        (0..4).for_each(|_| assert!(guesses.wrong("a@b.c", "::1", NOW) > 0));
        guesses.right("a@b.c", "::1");
        assert_eq!(guesses.wrong("a@b.c", "::1", NOW), 4);
        assert_eq!(guesses.wrong("a@b.c", "::1", NOW + COUNTS_FOR), 4);
    }
}
