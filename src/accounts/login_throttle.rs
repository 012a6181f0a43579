//! Who may try a password, and how often. Pure: takes `now` and what is known, reads no clock and no ledger.
//!
//! | who tries | is counted of | tries |
//! |---|---|---|
//! | anybody | the account and the address | 5 |
//! | | the address, whichever accounts | 50; loopback 500, since a tunnel brings everybody from there |
//! | | the account, from wherever | 100 |
//! | a browser in which the user has signed in before | that browser, and nothing else | 5 |
//!
//! So one who guesses at one account is stopped first, one who tries many accounts next, and many who try one account
//! last. None of them keeps out the user, who has a browser that is known. Whether the account exists makes no difference.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::ledger::login_attempts;
use crate::ledger::login_attempts::{Counted, Wrong};
use amarre_core::model::{Millis, Timestamp};

/// Wrong passwords of one account from one address, or from one known browser, before it waits.
pub const TRIES_MAX: u32 = 5;
/// From one address, for whichever accounts: an office that comes back from its holidays.
const TRIES_OF_ADDRESS_MAX: u32 = 50;
/// From loopback: through a tunnel, or a proxy that is not trusted, all come from there.
const TRIES_OF_SHARED_MAX: u32 = 500;
/// For one account, from wherever.
const TRIES_OF_ACCOUNT_MAX: u32 = 100;
/// The first wait; doubled with each further wrong one.
const WAIT_FIRST: Millis = Millis::minutes(1);
/// The longest wait.
const WAIT_LAST: Millis = Millis::minutes(60);

/// What is counted from now on; `None`: no more.
pub type Changes = BTreeMap<Counted, Option<Wrong>>;

/// One try of a password, and what its being wrong is counted of.
#[derive(Debug, Clone)]
pub struct Try {
    counted: Vec<(Counted, u32)>,
}

/// A try that was counted as wrong before the password was looked at: many at once are no way around.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// How many may be wrong after this one, before a wait.
    pub left: u32,
    at: Timestamp,
    before: BTreeMap<Counted, Wrong>,
}

/// Until when nothing is tried.
fn until(wrong: Wrong, max: u32) -> Option<Timestamp> {
    let beyond = wrong.count.checked_sub(max)?;
    let wait = WAIT_FIRST.0.saturating_mul(1_i64.checked_shl(beyond.min(20)).unwrap_or(i64::MAX));
    Some(wrong.last + Millis(wait.min(WAIT_LAST.0)))
}

fn is_loopback(address: &str) -> bool {
    address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Try {
    /// For an account, from an address, in a browser that is known for this account.
    pub fn new(email: &str, address: &str, device: Option<&str>) -> Self {
        let of = |account: &str, source: &str| Counted { account: account.to_owned(), source: source.to_owned() };
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

    /// Of what it is counted.
    pub fn counted(&self) -> Vec<Counted> {
        self.counted.iter().map(|(counted, _)| counted.clone()).collect()
    }

    /// Counts it as wrong; `Err`: until when no password is looked at.
    pub fn take(&self, known: &BTreeMap<Counted, Wrong>, now: Timestamp) -> (Changes, Result<Taken, Timestamp>) {
        // What was counted by a clock that has been put back since counts from now on, and is no wait of years.
        let of = |counted: &Counted| known.get(counted).map(|wrong| Wrong { last: wrong.last.min(now), ..*wrong });
        let wait = self.counted.iter().filter_map(|(counted, max)| until(of(counted)?, *max)).max();
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
        (changes, Ok(Taken { left, at: now, before }))
    }

    /// It was right: of this account from there nothing was wrong. What others did stays counted, else one who has an
    /// account could try others for ever.
    pub fn right(&self, taken: &Taken, known: &BTreeMap<Counted, Wrong>) -> Changes {
        let mut changes = self.not_looked_at(taken, known);
        if let Some((own, _)) = self.counted.first() {
            changes.insert(own.clone(), None);
        }
        changes
    }

    /// It counts as if it had not been.
    pub fn not_looked_at(&self, taken: &Taken, known: &BTreeMap<Counted, Wrong>) -> Changes {
        let back = |counted: &Counted| {
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
    struct Table(BTreeMap<Counted, Wrong>);

    impl Table {
        fn write(&mut self, changes: Changes) {
            for (counted, wrong) in changes {
                match wrong {
                    Some(wrong) => _ = self.0.insert(counted, wrong),
                    None => _ = self.0.remove(&counted),
                }
            }
        }

        fn tries(&mut self, one: &Try, now: Timestamp) -> Result<Taken, Timestamp> {
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
            self.write(one.right(&taken, &self.0));
        }
    }

    #[test]
    fn five_wrong_ones_wait_and_each_further_one_twice_as_long() {
        let (mut table, mut now) = (Table::default(), NOW);
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
    fn who_tries_many_accounts_and_many_who_try_one_wait_too() {
        for (address, most) in [("192.0.2.1", TRIES_OF_ADDRESS_MAX), ("127.0.0.1", TRIES_OF_SHARED_MAX)] {
            let mut table = Table::default();
            (0..most).for_each(|at| assert!(table.wrong(&format!("{at}@b.c"), address, NOW).unwrap() < 5));
            assert!(table.wrong("new@b.c", address, NOW).is_err(), "{address}");
            assert!(table.wrong("new@b.c", "198.51.100.1", NOW).is_ok());
        }
        let mut table = Table::default();
        (0..100).for_each(|at| assert!(table.wrong("a@b.c", &format!("192.0.2.{at}"), NOW).unwrap() < 5));
        assert!(table.wrong("a@b.c", "198.51.100.1", NOW).is_err());
    }

    #[test]
    fn a_known_browser_is_counted_on_its_own() {
        let mut table = Table::default();
        (0..100).for_each(|at| _ = table.wrong("a@b.c", &format!("192.0.2.{at}"), NOW));
        (0..5).for_each(|_| _ = table.wrong("a@b.c", "127.0.0.1", NOW));
        let own = Try::new("a@b.c", "127.0.0.1", Some("digest"));
        let left: Vec<u32> = (0..5).map(|_| table.tries(&own, NOW).unwrap().left).collect();
        assert_eq!(left, [4, 3, 2, 1, 0]);
        assert!(table.tries(&own, NOW).is_err(), "who has stolen it guesses no more than others");
        assert!(table.wrong("a@b.c", "127.0.0.1", NOW).is_err());
    }

    #[test]
    fn a_right_one_forgives_its_own_and_nothing_else() {
        let mut table = Table::default();
        (0..4).for_each(|_| assert!(table.wrong("a@b.c", "::1", NOW).unwrap() > 0));
        table.right("a@b.c", "::1", NOW);
        assert_eq!(table.wrong("a@b.c", "::1", NOW), Ok(4));
        // One who has an account of his own does not wipe out what he tried at others.
        let mut table = Table::default();
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
    fn what_is_not_looked_at_counts_as_if_it_had_not_been() {
        let (mut table, one) = (Table::default(), Try::new("a@b.c", "192.0.2.1", None));
        let taken = table.tries(&one, NOW).unwrap();
        table.write(one.not_looked_at(&taken, &table.0));
        assert!(table.0.is_empty());
        (0..5).for_each(|_| _ = table.tries(&one, NOW));
        let later = NOW + Millis::minutes(2);
        let before = table.0.clone();
        let taken = table.tries(&one, later).unwrap();
        table.write(one.not_looked_at(&taken, &table.0));
        assert_eq!(table.0, before);
    }

    #[test]
    fn a_clock_that_is_put_back_makes_no_wait_of_years() {
        let mut table = Table::default();
        (0..5).for_each(|_| _ = table.wrong("a@b.c", "192.0.2.1", NOW));
        let then = Timestamp(NOW.0 - 365 * 24 * 60 * 60_000);
        assert_eq!(table.wrong("a@b.c", "192.0.2.1", then), Err(then + WAIT_FIRST));
        assert!(table.wrong("a@b.c", "192.0.2.1", then + WAIT_FIRST).is_ok());
    }
}
