//! Times in sentences: an instant is stored, and rendered when the sentence is shown. Pure.

use amarre_core::model::{Millis, Text, Timestamp};
use amarre_core::text;

/// The instant that a sentence counts from or to, after its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountFrom {
    /// `…; next try in 26 s`: what comes then, and when.
    Until(Then, Timestamp),
    /// `starting, for 12 s`.
    For(Timestamp),
    /// `healthy, up 3 s`.
    Up(Timestamp),
}

/// What comes at the end of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The next try.
    NextTry,
    /// The next order of a certificate, which no process may place before.
    NextOrder,
    /// A provider is tried again.
    TriedAgain,
    /// A container is started again.
    Started,
    /// What was interrupted goes on.
    GoesOn,
    /// The sentence itself says it.
    Said,
}

impl CountFrom {
    /// The instant of a sentence that counts from it.
    pub const fn since(self) -> Option<Timestamp> {
        match self {
            CountFrom::Until(..) => None,
            CountFrom::For(since) | CountFrom::Up(since) => Some(since),
        }
    }

    /// Whether something is tried again then.
    pub const fn is_try(self) -> bool {
        match self {
            CountFrom::Until(then, _) => match then {
                Then::NextTry | Then::NextOrder | Then::TriedAgain | Then::Started => true,
                Then::GoesOn | Then::Said => false,
            },
            CountFrom::For(_) | CountFrom::Up(_) => false,
        }
    }

    /// Whether the time holds for the next process, too; other pauses end with the process that makes them.
    pub const fn outlives_the_process(self) -> bool {
        match self {
            CountFrom::Until(then, _) => match then {
                Then::NextOrder => true,
                Then::NextTry | Then::TriedAgain | Then::Started | Then::GoesOn | Then::Said => false,
            },
            CountFrom::For(_) | CountFrom::Up(_) => false,
        }
    }
}

/// The sentence at this moment.
pub fn with_time(what: &Text, clock: Option<CountFrom>, now: Timestamp) -> Text {
    let what = what.clone();
    match clock {
        None => what,
        Some(CountFrom::Until(then, at)) => {
            let when = within(at, now);
            match then {
                Then::NextTry | Then::NextOrder => text!("{what}; next try {when}", what, when),
                Then::TriedAgain => text!("{what}; tried again {when}", what, when),
                Then::Started => text!("{what}; started again {when}", what, when),
                Then::GoesOn => text!("{what}; goes on {when}", what, when),
                Then::Said => text!("{what} {when}", what, when),
            }
        }
        Some(CountFrom::For(since)) => text!("{what}, for {span}", what, span = now - since),
        Some(CountFrom::Up(since)) => text!("{what}, up {span}", what, span = now - since),
    }
}

/// `in 26 s`; `now` if it is due.
pub fn within(at: Timestamp, now: Timestamp) -> Text {
    let left = at - now;
    if left < Millis::seconds(1) { text!("now") } else { text!("in {left}", left) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rendered_as_of_the_moment_of_display() {
        let at = |seconds: i64| Timestamp(seconds * 1_000);
        let tells = |clock: CountFrom, now: i64| with_time(&Text::foreign("it"), Some(clock), at(now)).to_string();
        assert_eq!(tells(CountFrom::Until(Then::NextTry, at(30)), 4), "it; next try in 26 s");
        assert_eq!(tells(CountFrom::Until(Then::NextTry, at(30)), 18), "it; next try in 12 s");
        assert_eq!(tells(CountFrom::Until(Then::NextTry, at(30)), 31), "it; next try now");
        assert_eq!(tells(CountFrom::For(at(30)), 42), "it, for 12 s");
        assert_eq!(tells(CountFrom::Up(at(30)), 33), "it, up 3 s");
        assert_eq!(with_time(&Text::foreign("it"), None, at(9)), Text::foreign("it"));
    }
}
