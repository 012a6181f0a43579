//! Times in sentences: an instant is stored, and rendered when the sentence is shown. Pure.

use amarre_core::model::{Millis, Timestamp};

/// The instant that a sentence counts from or to, after its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountFrom {
    /// `…; next try in 26 s`: the event, the separator before it, and when.
    Until(&'static str, Timestamp),
    /// `starting, for 12 s`.
    For(Timestamp),
    /// `healthy, up 3 s`.
    Up(Timestamp),
}

impl CountFrom {
    /// The instant of a sentence that counts from it.
    pub const fn since(self) -> Option<Timestamp> {
        match self {
            CountFrom::Until(..) => None,
            CountFrom::For(since) | CountFrom::Up(since) => Some(since),
        }
    }
}

/// The sentence at this moment.
pub fn with_time(text: &str, clock: Option<CountFrom>, now: Timestamp) -> String {
    match clock {
        None => text.to_owned(),
        Some(CountFrom::Until(what, at)) => format!("{text}{what} {}", within_text(at, now)),
        Some(CountFrom::For(since)) => format!("{text}, for {}", now - since),
        Some(CountFrom::Up(since)) => format!("{text}, up {}", now - since),
    }
}

/// `in 26 s`; `now` if it is due.
pub fn within_text(at: Timestamp, now: Timestamp) -> String {
    let left = at - now;
    if left < Millis::seconds(1) { "now".to_owned() } else { format!("in {left}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rendered_as_of_the_moment_of_display() {
        let at = |seconds: i64| Timestamp(seconds * 1_000);
        let tells = |clock: CountFrom, now: i64| with_time("it", Some(clock), at(now));
        assert_eq!(tells(CountFrom::Until("; next try", at(30)), 4), "it; next try in 26 s");
        assert_eq!(tells(CountFrom::Until("; next try", at(30)), 18), "it; next try in 12 s");
        assert_eq!(tells(CountFrom::Until("; next try", at(30)), 31), "it; next try now");
        assert_eq!(tells(CountFrom::For(at(30)), 42), "it, for 12 s");
        assert_eq!(tells(CountFrom::Up(at(30)), 33), "it, up 3 s");
        assert_eq!(with_time("it", None, at(9)), "it");
    }
}
