//! Limits tries of passwords. Pure: takes `now` and the counts, reads no clock and no ledger.
//!
//! | client | counted by | tries |
//! |---|---|---|
//! | any | the account and the address | 5 |
//! | | the address, whichever accounts | 50; loopback 500, since a tunnel brings everybody from there |
//! | | the account, from wherever | 100 |
//! | a browser in which the user has signed in before | that browser, and nothing else | 5 |
//!
//! So a client that guesses at one account is stopped first, one that tries many accounts next, and many clients that
//! try one account last. None of them locks out the user, whose browser is known. Whether the account exists makes no
//! difference.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::ledger::login_attempts;
use crate::ledger::login_attempts::{CountedLogin, Wrong};
use amarre_core::model::{Millis, Timestamp};

/// Wrong passwords of one account from one address, or from one known browser, before it waits.
pub const TRIES_MAX: u32 = 5;
/// From one address, for whichever accounts: an office that comes back from its holidays.
const TRIES_OF_ADDRESS_MAX: u32 = 50;
/// From loopback: through a tunnel, or a proxy that is not trusted, all come from there.
const TRIES_OF_SHARED_MAX: u32 = 500;
/// For one account, from any address.
const TRIES_OF_ACCOUNT_MAX: u32 = 100;
/// The first wait; doubled with each further failure.
const WAIT_FIRST: Millis = Millis::minutes(1);
/// The longest wait.
const WAIT_LAST: Millis = Millis::minutes(60);

/// The new counts; `None`: delete.
pub type Changes = BTreeMap<CountedLogin, Option<Wrong>>;

/// One try of a password, and the keys that its failure is counted by.
#[derive(Debug, Clone)]
pub struct Try {
    counted: Vec<(CountedLogin, u32)>,
}

/// A try is counted as a failure before the password is checked: concurrent tries are no way around.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedTry {
    /// How many may fail after this one, before a wait.
    pub left: u32,
    at: Timestamp,
    before: BTreeMap<CountedLogin, Wrong>,
}

/// The end of the wait.
fn locked_until(wrong: Wrong, max: u32) -> Option<Timestamp> {
    let beyond = wrong.count.checked_sub(max)?;
    let wait = WAIT_FIRST.0.saturating_mul(1_i64.checked_shl(beyond.min(20)).unwrap_or(i64::MAX));
    Some(wrong.last + Millis(wait.min(WAIT_LAST.0)))
}

fn is_loopback(address: &str) -> bool {
    address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Try {
    /// For an account, from an address, in a known browser of this account.
    pub fn new(email: &str, address: &str, device: Option<&str>) -> Self {
        let of = |account: &str, source: &str| CountedLogin { account: account.to_owned(), source: source.to_owned() };
        let account = login_attempts::account(email);
        let counted = match device {
            Some(device) => vec![(of(&account, &format!("device {device}")), TRIES_MAX)],
            None => {
                let of_address = if is_loopback(address) { TRIES_OF_SHARED_MAX } else { TRIES_OF_ADDRESS_MAX };
                vec![
                    (of(&account, address), TRIES_MAX),
                    (of("", address), of_address),
                    (of(&account, ""), TRIES_OF_ACCOUNT_MAX),
                ]
            }
        };
        Self { counted }
    }

    pub fn counted(&self) -> Vec<CountedLogin> {
        self.counted.iter().map(|(counted, _)| counted.clone()).collect()
    }

    /// Counts it as a failure; `Err`: until when no password is checked.
    pub fn take(
        &self,
        known: &BTreeMap<CountedLogin, Wrong>,
        now: Timestamp,
    ) -> (Changes, Result<CountedTry, Timestamp>) {
        // A count by a clock that has been set back since counts from now on, and makes no wait of years.
        let of = |counted: &CountedLogin| known.get(counted).map(|wrong| Wrong { last: wrong.last.min(now), ..*wrong });
        let wait = self.counted.iter().filter_map(|(counted, max)| locked_until(of(counted)?, *max)).max();
        if let Some(until) = wait.filter(|until| *until > now) {
            let late = known.iter().filter(|(_, wrong)| wrong.last > now);
            let put_back = late.map(|(counted, wrong)| (counted.clone(), Some(Wrong { last: now, ..*wrong })));
            return (put_back.collect(), Err(until));
        }
        let (mut changes, mut left) = (Changes::new(), TRIES_MAX);
        for (counted, max) in &self.counted {
            let count = of(counted).map_or(0, |wrong| wrong.count).saturating_add(1);
            left = left.min(max.saturating_sub(count));
            changes.insert(counted.clone(), Some(Wrong { count, last: now }));
        }
        let before = self.counted.iter().filter_map(|(counted, _)| Some((counted.clone(), of(counted)?))).collect();
        (changes, Ok(CountedTry { left, at: now, before }))
    }

    /// It succeeded: the failures of this account from there are deleted. Other counts stay, else the owner of one
    /// account could try others for ever.
    pub fn succeeded(&self, taken: &CountedTry, known: &BTreeMap<CountedLogin, Wrong>) -> Changes {
        let mut changes = self.withdraw(taken, known);
        if let Some((own, _)) = self.counted.first() {
            changes.insert(own.clone(), None);
        }
        changes
    }

    /// Removes its count.
    pub fn withdraw(&self, taken: &CountedTry, known: &BTreeMap<CountedLogin, Wrong>) -> Changes {
        let back = |counted: &CountedLogin| {
            let wrong = known.get(counted)?;
            let before = taken.before.get(counted).filter(|_| wrong.last == taken.at);
            let last = before.map_or(wrong.last, |before| before.last);
            Some((
                counted.clone(),
                Some(Wrong { count: wrong.count.saturating_sub(1), last }).filter(|wrong| wrong.count > 0),
            ))
        };
        self.counted.iter().filter_map(|(counted, _)| back(counted)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    #[derive(Default)]
    struct TryTable(BTreeMap<CountedLogin, Wrong>);

    impl TryTable {
        fn write(&mut self, changes: Changes) {
            for (counted, wrong) in changes {
                match wrong {
                    Some(wrong) => _ = self.0.insert(counted, wrong),
                    None => _ = self.0.remove(&counted),
                }
            }
        }

        fn tries(&mut self, one: &Try, now: Timestamp) -> Result<CountedTry, Timestamp> {
            let (changes, answer) = one.take(&self.0, now);
            self.write(changes);
            answer
        }

        fn wrong(&mut self, email: &str, address: &str, now: Timestamp) -> Result<u32, Timestamp> {
            self.tries(&Try::new(email, address, None), now).map(|taken| taken.left)
        }

        fn right(&mut self, email: &str, address: &str, now: Timestamp) {
            let one = Try::new(email, address, None);
            let taken = self.tries(&one, now).unwrap();
            self.write(one.succeeded(&taken, &self.0));
        }
    }

    #[test]
    fn after_five_failures_each_wait_is_twice_as_long() {
        let (mut table, mut now) = (TryTable::default(), NOW);
        let left: Vec<u32> = (0..5).map(|_| table.wrong("a@b.c", "192.0.2.1", now).unwrap()).collect();
        assert_eq!(left, [4, 3, 2, 1, 0]);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let until = table.wrong("a@b.c", "192.0.2.1", now).unwrap_err();
            waits.push((until - now).0 / 60_000);
            now = until;
            assert_eq!(table.wrong("a@b.c", "192.0.2.1", now), Ok(0));
        }
        assert_eq!(waits[..6], [1, 2, 4, 8, 16, 32]);
        assert!(waits.iter().all(|minutes| *minutes <= 60), "{waits:?}");
        assert!(table.wrong("a@b.c", "192.0.2.2", now).is_ok(), "the owner, from elsewhere");
    }

    #[test]
    fn one_address_with_many_accounts_waits_and_so_do_many_addresses_with_one() {
        for (address, most) in [("192.0.2.1", TRIES_OF_ADDRESS_MAX), ("127.0.0.1", TRIES_OF_SHARED_MAX)] {
            let mut table = TryTable::default();
            (0..most).for_each(|at| assert!(table.wrong(&format!("{at}@b.c"), address, NOW).unwrap() < 5));
            assert!(table.wrong("new@b.c", address, NOW).is_err(), "{address}");
            assert!(table.wrong("new@b.c", "198.51.100.1", NOW).is_ok());
        }
        let mut table = TryTable::default();
        (0..100).for_each(|at| assert!(table.wrong("a@b.c", &format!("192.0.2.{at}"), NOW).unwrap() < 5));
        assert!(table.wrong("a@b.c", "198.51.100.1", NOW).is_err());
    }

    #[test]
    fn a_known_browser_is_counted_on_its_own() {
        let mut table = TryTable::default();
        (0..100).for_each(|at| _ = table.wrong("a@b.c", &format!("192.0.2.{at}"), NOW));
        (0..5).for_each(|_| _ = table.wrong("a@b.c", "127.0.0.1", NOW));
        let own = Try::new("a@b.c", "127.0.0.1", Some("digest"));
        let left: Vec<u32> = (0..5).map(|_| table.tries(&own, NOW).unwrap().left).collect();
        assert_eq!(left, [4, 3, 2, 1, 0]);
        assert!(table.tries(&own, NOW).is_err(), "who has stolen it guesses no more than others");
        assert!(table.wrong("a@b.c", "127.0.0.1", NOW).is_err());
    }

    #[test]
    fn a_success_clears_its_own_failures_only() {
        let mut table = TryTable::default();
        (0..4).for_each(|_| assert!(table.wrong("a@b.c", "::1", NOW).unwrap() > 0));
        table.right("a@b.c", "::1", NOW);
        assert_eq!(table.wrong("a@b.c", "::1", NOW), Ok(4));
        // The owner of an account does not delete the tries at others.
        let mut table = TryTable::default();
        for at in 0..TRIES_OF_ADDRESS_MAX {
            assert!(table.wrong(&format!("{at}@b.c"), "192.0.2.1", NOW).is_ok());
            if at < TRIES_OF_ADDRESS_MAX - 1 {
                table.right("mine@b.c", "192.0.2.1", NOW);
            }
        }
        assert!(table.wrong("new@b.c", "192.0.2.1", NOW).is_err());
        assert!(!table.0.keys().any(|counted| counted.account == login_attempts::account("mine@b.c")));
    }

    #[test]
    fn a_withdrawn_try_does_not_count() {
        let (mut table, one) = (TryTable::default(), Try::new("a@b.c", "192.0.2.1", None));
        let taken = table.tries(&one, NOW).unwrap();
        table.write(one.withdraw(&taken, &table.0));
        assert!(table.0.is_empty());
        (0..5).for_each(|_| _ = table.tries(&one, NOW));
        let later = NOW + Millis::minutes(2);
        let before = table.0.clone();
        let taken = table.tries(&one, later).unwrap();
        table.write(one.withdraw(&taken, &table.0));
        assert_eq!(table.0, before);
    }

    #[test]
    fn a_clock_that_is_put_back_makes_no_wait_of_years() {
        let mut table = TryTable::default();
        (0..5).for_each(|_| _ = table.wrong("a@b.c", "192.0.2.1", NOW));
        let then = Timestamp(NOW.0 - 365 * 24 * 60 * 60_000);
        assert_eq!(table.wrong("a@b.c", "192.0.2.1", then), Err(then + WAIT_FIRST));
        assert!(table.wrong("a@b.c", "192.0.2.1", then + WAIT_FIRST).is_ok());
    }
}
