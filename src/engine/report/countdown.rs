//! Times in sentences: what is kept is an instant, and it is put into words when the sentence is shown. Pure.

use amarre_core::model::{Millis, Timestamp};

/// The instant that a sentence counts from or to, behind its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// `…; next try in 26 s`: what comes, with the sign before it, and when.
    Until(&'static str, Timestamp),
    /// `starting, for 12 s`.
    For(Timestamp),
    /// `healthy, up 3 s`.
    Up(Timestamp),
}

impl Clock {
    /// Since when it is so, of one that counts from an instant.
    pub const fn since(self) -> Option<Timestamp> {
        match self {
            Clock::Until(..) => None,
            Clock::For(since) | Clock::Up(since) => Some(since),
        }
    }
}

/// The sentence as it is now.
pub fn told(text: &str, clock: Option<Clock>, now: Timestamp) -> String {
    match clock {
        None => text.to_owned(),
        Some(Clock::Until(what, at)) => format!("{text}{what} {}", within(at, now)),
        Some(Clock::For(since)) => format!("{text}, for {}", now - since),
        Some(Clock::Up(since)) => format!("{text}, up {}", now - since),
    }
}

/// `in 26 s`; what is due is `now`.
pub fn within(at: Timestamp, now: Timestamp) -> String {
    let left = at - now;
    if left < Millis::seconds(1) { "now".to_owned() } else { format!("in {left}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_as_of_the_moment_in_which_it_is_shown() {
        let at = |seconds: i64| Timestamp(seconds * 1_000);
        let tells = |clock: Clock, now: i64| told("it", Some(clock), at(now));
        assert_eq!(tells(Clock::Until("; next try", at(30)), 4), "it; next try in 26 s");
        assert_eq!(tells(Clock::Until("; next try", at(30)), 18), "it; next try in 12 s");
        assert_eq!(tells(Clock::Until("; next try", at(30)), 31), "it; next try now");
        assert_eq!(tells(Clock::For(at(30)), 42), "it, for 12 s");
        assert_eq!(tells(Clock::Up(at(30)), 33), "it, up 3 s");
        assert_eq!(told("it", None, at(9)), "it");
    }
}
