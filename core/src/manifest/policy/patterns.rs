//! How many steps a regular expression may take before it fails. Pure.
//!
//! nginx matches patterns by backtracking (PCRE), in a worker that serves other sites too: `^/(a|aa)+$` takes seconds
//! for a path of 40 letters. What is counted, as a power of two, is an upper limit of the steps for a text of 8 KiB, the
//! longest line of a request that nginx takes by default.
//!
//! | in a pattern | factor |
//! |---|---|
//! | it may begin anywhere in the text | 2¹³ |
//! | `x*`, `x+`, `x{2,}`, where what follows may begin with an `x` too | 2¹³ |
//! | `x?`, `x{0,3}`, the same | as many as there are lengths |
//! | alternatives that begin alike | as many as there are |
//! | repetitions with one possible end, behind one of these | 2¹³ once |
//! | a repeated group in which there is more than one way | refused |

use std::collections::BTreeSet;

use crate::model::Text;
use crate::text;

/// The length of the text: 8 KiB.
const LENGTH_BITS: u32 = 13;
/// Longer than the lists of crawlers that people use.
const BYTES_MAX: usize = 2_000;
/// A pattern is compiled once for each repetition: `(x{100}){100}` is ten thousand.
const SIZE_MAX: u32 = 4_000;
const DEPTH_MAX: usize = 20;

/// ASCII characters, one bit each. The last one stands for every other character.
type CharSet = u128;
const ALL: CharSet = CharSet::MAX;

/// What may come next, and fail; `None`: nothing can.
type Follow = Option<CharSet>;

#[derive(Debug)]
enum PatternPart {
    One(CharSet),
    /// `^`, `\A`.
    Start,
    /// `$`, `\z`.
    End,
    /// What looks ahead or behind, and `\b`, which looks for nothing.
    Look(Vec<Vec<Self>>),
    Group(Vec<Vec<Self>>),
    /// `max` is `None` for any number.
    Repeat {
        piece: Box<Self>,
        min: u32,
        max: Option<u32>,
    },
}

/// The steps that a pattern may take, as a power of two.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn steps(pattern: &str) -> Result<u32, Text> {
    if pattern.len() > BYTES_MAX {
        return Err(text!("it is longer than {n} bytes", n = BYTES_MAX));
    }
    let mut parser = Parser { signs: pattern.chars().collect(), at: 0, depth: 0 };
    let choices = parser.choices()?;
    if parser.at < parser.signs.len() {
        return Err(text!("it has a `)` too many"));
    }
    if size(&choices) > SIZE_MAX {
        return Err(too_many_repetitions());
    }
    let mut ways = Ways::default();
    let mut bits = ways.of_choices(&choices, None)?;
    if !choices.iter().all(|choice| is_anchored(choice)) {
        bits += LENGTH_BITS;
    }
    Ok(if bits > 0 && ways.has_runs { bits + LENGTH_BITS } else { bits })
}

/// Whether a text of ASCII characters has what a pattern looks for. What looks ahead or behind counts as there; `None`: the
/// pattern cannot be read.
pub(crate) fn matches(pattern: &str, text: &str) -> Option<bool> {
    let mut parser = Parser { signs: pattern.chars().collect(), at: 0, depth: 0 };
    let choices = parser.choices().ok().filter(|_| parser.at == parser.signs.len())?;
    let text: Vec<char> = text.chars().collect();
    Some(!ends_of_choices(&choices, &text, &(0..=text.len()).collect()).is_empty())
}

/// Where a match may end that begins at one of these places.
fn ends_of_choices(choices: &[Vec<PatternPart>], text: &[char], begins: &BTreeSet<usize>) -> BTreeSet<usize> {
    let of_sequence = |sequence: &Vec<PatternPart>| {
        sequence.iter().fold(begins.clone(), |places, piece| ends_of_piece(piece, text, &places))
    };
    choices.iter().flat_map(of_sequence).collect()
}

fn ends_of_piece(piece: &PatternPart, text: &[char], begins: &BTreeSet<usize>) -> BTreeSet<usize> {
    match piece {
        PatternPart::One(set) => {
            let fits = |at: &&usize| text.get(**at).is_some_and(|sign| of_char(*sign) & set != 0);
            begins.iter().filter(fits).map(|at| at + 1).collect()
        }
        PatternPart::Start => begins.iter().copied().filter(|at| *at == 0).collect(),
        PatternPart::End => begins.iter().copied().filter(|at| *at == text.len()).collect(),
        PatternPart::Look(_) => begins.clone(),
        PatternPart::Group(choices) => ends_of_choices(choices, text, begins),
        PatternPart::Repeat { piece, min, max } => {
            let mut places = begins.clone();
            let mut ends = if *min == 0 { begins.clone() } else { BTreeSet::new() };
            // Places only move on: after so many rounds nothing new comes.
            let rounds = u32::try_from(text.len()).unwrap_or(u32::MAX).saturating_add(1);
            for round in 1..=max.unwrap_or(u32::MAX).min(min.saturating_add(rounds)) {
                places = ends_of_piece(piece, text, &places);
                if places.is_empty() {
                    break;
                }
                if round >= *min {
                    ends.extend(&places);
                }
            }
            ends
        }
    }
}

/// Whether it begins at the beginning of the text, or takes everything from there.
fn is_anchored(sequence: &[PatternPart]) -> bool {
    match sequence.first() {
        Some(PatternPart::Start) => true,
        Some(PatternPart::Group(choices)) => choices.iter().all(|choice| is_anchored(choice)),
        Some(PatternPart::Repeat { piece, min: 0 | 1, max: None }) => matches!(**piece, PatternPart::One(ALL)),
        Some(PatternPart::One(_) | PatternPart::End | PatternPart::Look(_) | PatternPart::Repeat { .. }) | None => {
            false
        }
    }
}

fn size(choices: &[Vec<PatternPart>]) -> u32 {
    choices.iter().flatten().map(size_of).fold(1, u32::saturating_add)
}

fn size_of(piece: &PatternPart) -> u32 {
    match piece {
        PatternPart::One(_) | PatternPart::Start | PatternPart::End => 1,
        PatternPart::Look(choices) | PatternPart::Group(choices) => size(choices),
        PatternPart::Repeat { piece, min, max } => max.unwrap_or(*min).max(1).saturating_mul(size_of(piece)),
    }
}

/// With what a sequence may begin, before what follows it.
fn first(sequence: &[PatternPart], follow: Follow) -> Follow {
    let Some((piece, rest)) = sequence.split_first() else { return follow };
    match piece {
        PatternPart::One(set) => Some(*set),
        PatternPart::End => Some(0),
        PatternPart::Start | PatternPart::Look(_) => Some(ALL),
        PatternPart::Group(choices) => {
            let rest = first(rest, follow);
            choices.iter().map(|choice| first(choice, rest)).reduce(either).unwrap_or(rest)
        }
        PatternPart::Repeat { piece, min, .. } => {
            let rest = first(rest, follow);
            let begun = first(std::slice::from_ref(piece.as_ref()), rest);
            if *min == 0 { either(begun, rest) } else { begun }
        }
    }
}

fn either(one: Follow, other: Follow) -> Follow {
    // Where one of them ends the pattern, nothing can fail.
    one.zip(other).map(|(one, other)| one | other)
}

/// In how many ways a pattern may go on.
#[derive(Default)]
struct Ways {
    /// There is a repetition without limit that has one possible end.
    has_runs: bool,
}

impl Ways {
    fn of_choices(&mut self, choices: &[Vec<PatternPart>], follow: Follow) -> Result<u32, Text> {
        let (mut most, mut seen, mut alike) = (0, 0, false);
        for choice in choices {
            most = most.max(self.of_sequence(choice, follow)?);
            let begins = first(choice, follow).unwrap_or(ALL);
            alike |= seen & begins != 0;
            seen |= begins;
        }
        Ok(most + if alike { log2(choices.len()) } else { 0 })
    }

    fn of_sequence(&mut self, sequence: &[PatternPart], follow: Follow) -> Result<u32, Text> {
        let mut bits = 0;
        for (index, piece) in sequence.iter().enumerate() {
            let follow = first(&sequence[index + 1..], follow);
            bits += match piece {
                PatternPart::One(_) | PatternPart::Start | PatternPart::End => 0,
                PatternPart::Group(choices) => self.of_choices(choices, follow)?,
                PatternPart::Look(choices) => self.of_choices(choices, None)?,
                PatternPart::Repeat { piece, min, max } => self.of_repeat(piece, *min, *max, follow)?,
            };
        }
        Ok(bits)
    }

    fn of_repeat(&mut self, piece: &PatternPart, min: u32, max: Option<u32>, follow: Follow) -> Result<u32, Text> {
        let begins = first(std::slice::from_ref(piece), Some(0)).unwrap_or(ALL);
        let inner = match piece {
            PatternPart::Group(choices) if max == Some(1) => self.of_choices(choices, follow)?,
            PatternPart::Group(choices) => {
                let again = Some(begins | follow.unwrap_or(0));
                if self.of_choices(choices, again)? > 0 || choices.iter().any(|choice| can_be_empty(choice)) {
                    return Err(text!("it repeats a group that can be matched in more than one way"));
                }
                0
            }
            PatternPart::Repeat { .. } => return Err(text!("it repeats a repetition")),
            PatternPart::One(_) | PatternPart::Start | PatternPart::End | PatternPart::Look(_) => 0,
        };
        let is_open = max != Some(min) && follow.is_some_and(|follow| follow & begins != 0);
        self.has_runs |= max.is_none() && !is_open;
        let lengths = match max {
            Some(max) => log2((max.saturating_sub(min) as usize).saturating_add(1)).min(LENGTH_BITS),
            None => LENGTH_BITS,
        };
        Ok(inner + if is_open { lengths } else { 0 })
    }
}

fn can_be_empty(sequence: &[PatternPart]) -> bool {
    sequence.iter().all(|piece| match piece {
        PatternPart::One(_) => false,
        PatternPart::Start | PatternPart::End | PatternPart::Look(_) => true,
        PatternPart::Group(choices) => choices.iter().any(|choice| can_be_empty(choice)),
        PatternPart::Repeat { piece, min, .. } => *min == 0 || can_be_empty(std::slice::from_ref(piece.as_ref())),
    })
}

/// Rounded up.
fn log2(number: usize) -> u32 {
    number.next_power_of_two().trailing_zeros()
}

/// The letters of a pattern.
struct Parser {
    signs: Vec<char>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.signs.get(self.at).copied()
    }

    fn eat(&mut self, text: &str) -> bool {
        let is_there = text.chars().enumerate().all(|(index, sign)| self.signs.get(self.at + index) == Some(&sign));
        self.at += if is_there { text.chars().count() } else { 0 };
        is_there
    }

    fn choices(&mut self) -> Result<Vec<Vec<PatternPart>>, Text> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(text!("its groups are nested too deeply"));
        }
        let mut choices = vec![Vec::new()];
        while let Some(sign) = self.peek() {
            match sign {
                ')' => break,
                '|' => {
                    self.at += 1;
                    choices.push(Vec::new());
                }
                _ => {
                    let piece = self.piece()?;
                    let piece = self.repeated(piece)?;
                    choices.last_mut().expect("one is there from the beginning").extend(piece);
                }
            }
        }
        self.depth -= 1;
        Ok(choices)
    }

    /// `None`: it says how to read the rest, and matches nothing.
    fn piece(&mut self) -> Result<Option<PatternPart>, Text> {
        let sign = self.peek().unwrap_or_default();
        self.at += 1;
        Ok(Some(match sign {
            '^' => PatternPart::Start,
            '$' => PatternPart::End,
            '.' => PatternPart::One(ALL),
            '[' => PatternPart::One(self.class()?),
            '\\' => self.escape()?,
            '(' => return self.group(),
            '*' | '+' | '?' => return Err(text!("it repeats nothing")),
            sign => PatternPart::One(in_both_cases(of_char(sign))),
        }))
    }

    fn group(&mut self) -> Result<Option<PatternPart>, Text> {
        for flags in ["?i)", "?-i)"] {
            if self.eat(flags) {
                return Ok(None);
            }
        }
        let looks = ["?=", "?!", "?<=", "?<!"].iter().any(|sign| self.eat(sign));
        if !looks && !["?:", "?i:", "?-i:"].iter().any(|sign| self.eat(sign)) && matches!(self.peek(), Some('?' | '*'))
        {
            return Err(text!("it has a kind of group that cannot be judged"));
        }
        let choices = self.choices()?;
        if !self.eat(")") {
            return Err(text!("a group is not closed"));
        }
        Ok(Some(if looks { PatternPart::Look(choices) } else { PatternPart::Group(choices) }))
    }

    fn repeated(&mut self, piece: Option<PatternPart>) -> Result<Option<PatternPart>, Text> {
        let Some(mut piece) = piece else { return Ok(None) };
        while let Some((min, max)) = self.counts()? {
            // Lazy, or without a way back: what is tried is the same at most.
            let _ = self.eat("?") || self.eat("+");
            piece = PatternPart::Repeat { piece: Box::new(piece), min, max };
        }
        Ok(Some(piece))
    }

    fn counts(&mut self) -> Result<Option<(u32, Option<u32>)>, Text> {
        for (sign, counts) in [("*", (0, None)), ("+", (1, None)), ("?", (0, Some(1)))] {
            if self.eat(sign) {
                return Ok(Some(counts));
            }
        }
        if self.peek() != Some('{') {
            return Ok(None);
        }
        let inside: String = self.signs[self.at + 1..].iter().take_while(|sign| **sign != '}').collect();
        let (low, high) = inside.split_once(',').unwrap_or((&inside, &inside));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(low) || !(high.is_empty() || is_number(high)) {
            // Without numbers, it is a brace.
            return Ok(None);
        }
        self.at += inside.chars().count() + 2;
        let number = |text: &str| text.parse::<u32>().map_err(|_| too_many_repetitions());
        let max = if high.is_empty() { None } else { Some(number(high)?) };
        Ok(Some((number(low)?, max)))
    }

    fn escape(&mut self) -> Result<PatternPart, Text> {
        let sign = self.peek().ok_or_else(|| text!("it ends with a {sign}", sign = "`\\`"))?;
        self.at += 1;
        Ok(match sign {
            'A' => PatternPart::Start,
            'z' | 'Z' => PatternPart::End,
            'b' | 'B' => PatternPart::Look(Vec::new()),
            sign => PatternPart::One(in_both_cases(self.escaped(sign)?)),
        })
    }

    /// What `\d`, `\.` or `\x41` stands for, of which the first two letters are behind us.
    fn escaped(&mut self, sign: char) -> Result<CharSet, Text> {
        let digits = || ranges(&[('0', '9')]);
        let words = || ranges(&[('0', '9'), ('a', 'z'), ('A', 'Z'), ('_', '_')]);
        let blanks = || ranges(&[('\t', '\r'), (' ', ' ')]);
        Ok(match sign {
            'd' => digits(),
            'D' => !digits(),
            'w' => words(),
            'W' => !words(),
            's' | 'h' | 'v' => blanks(),
            'S' | 'H' | 'V' => !blanks(),
            'n' => of_char('\n'),
            'r' => of_char('\r'),
            't' => of_char('\t'),
            'x' => {
                let digits: String =
                    self.signs[self.at..].iter().take(2).filter(|sign| sign.is_ascii_hexdigit()).collect();
                self.at += digits.len();
                u8::from_str_radix(&digits, 16).map(|byte| of_char(char::from(byte))).map_err(|_| unknown_escape())?
            }
            sign if sign.is_ascii_alphanumeric() => return Err(unknown_escape()),
            sign => of_char(sign),
        })
    }

    /// `[…]`, of which the bracket is behind us.
    fn class(&mut self) -> Result<CharSet, Text> {
        let open = || text!("a `[` is not closed");
        let is_negative = self.eat("^");
        let mut set = 0;
        let start = self.at;
        loop {
            let sign = self.peek().ok_or_else(open)?;
            if sign == ']' && self.at > start {
                self.at += 1;
                return Ok(if is_negative { !set } else { in_both_cases(set) });
            }
            if sign == '[' && matches!(self.signs.get(self.at + 1), Some(':' | '.' | '=')) {
                return Err(unknown_escape());
            }
            self.at += 1;
            let mut from = of_char(sign);
            if sign == '\\' {
                let escaped = self.peek().ok_or_else(open)?;
                self.at += 1;
                from = self.escaped(escaped)?;
            }
            let to = self.signs.get(self.at + 1).copied().filter(|to| self.peek() == Some('-') && *to != ']');
            match to {
                // With an escape at either end, all of them: no honest range is refused for it.
                Some(to) if sign == '\\' || to == '\\' => {
                    self.at += 2 + usize::from(to == '\\');
                    set = ALL;
                }
                Some(to) => {
                    self.at += 2;
                    set |= ranges(&[(sign, to)]);
                }
                None => set |= from,
            }
        }
    }
}

fn unknown_escape() -> Text {
    text!("it has an escape that cannot be judged")
}

fn too_many_repetitions() -> Text {
    text!("its repetitions come to too much")
}

fn ranges(ranges: &[(char, char)]) -> CharSet {
    let of =
        |(from, to): &(char, char)| (*from..=(*to).min('\x7f')).map(of_char).fold(of_char(*to), |set, one| set | one);
    ranges.iter().map(of).fold(0, |set, one| set | one)
}

fn of_char(sign: char) -> CharSet {
    1 << u32::from(sign).min(127)
}

/// `~*` makes no difference between them.
fn in_both_cases(set: CharSet) -> CharSet {
    const LETTERS: CharSet = ((1 << 26) - 1) << 65;
    set | (set & LETTERS) << 32 | (set & (LETTERS << 32)) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_as_people_write_them_take_few_steps() {
        for (pattern, most) in [
            ("^/api", 0),
            ("^/(.*)$", 0),
            ("^/([a-z]+)/([0-9]+)/(.*)$", 0),
            ("^(.*)/foo/(.*)$", 26),
            ("(bot|spider|crawler)", 14),
            (r"\.(?:css|js|woff2?|svg|gif|map)$", 13),
            (r"\.php(/.*)?$", 26),
            (r"^/(?:build|tests|config|lib|3rdparty|templates|data)(?:$|/)", 3),
            (
                r"^/(?:index|remote|ocs\/v[12]|updater\/.+|oc[ms]-provider\/.+|.+\/richdocumentscode\/proxy)\.php(?:$|\/)",
                16,
            ),
            (r"^([0-9]{1,3}\.){3}[0-9]{1,3}$", 0),
            (r"^/([a-z0-9-]+/)*index\.html$", 26),
            (r"^(?!/\.well-known).*$", 0),
            ("(?i)windows nt [5-6]\\.[0-9]+", 26),
            ("a{x}", 13),
        ] {
            match steps(pattern) {
                Ok(bits) => assert!(bits <= most, "{pattern}: {bits}"),
                Err(why) => panic!("{pattern}: {why}"),
            }
        }
    }

    #[test]
    fn patterns_that_hold_a_worker_take_many() {
        for pattern in [
            "^a*a*a*b",
            "a*a*b",
            "^.*a.*b.*c$",
            &"a?".repeat(30),
            "^/a{0,200}a{0,200}a{0,200}a{0,200}a{0,200}b",
            "^[^a]*A[^a]*A[^a]*A",
            "x(?=a*a*b)y*z",
        ] {
            assert!(steps(&format!("{pattern}c")).is_ok_and(|bits| bits > 26), "{pattern}: {:?}", steps(pattern));
        }
        for pattern in [
            "^/(a|aa)+[b-y]$",
            "(a+)+b",
            "(a*)*b",
            "([a-z]+)*9",
            "(a?){100}b",
            "(?:a{1,2}){1,50}b",
            "((a|b|ab))*c",
            "(.*,)+x",
            "a**b",
            r"(a)\1*b",
            "(?R)",
            "(?<x>a)",
            "(*NO_JIT)a",
            "(?(1)a|b)",
            "(x{100}){100}",
            "a{5000}",
            "[[:alpha:]]",
            "(a",
            "a)",
            "[a",
            &"(".repeat(3000),
            &"(".repeat(300),
        ] {
            assert!(steps(pattern).is_err(), "{pattern}: {:?}", steps(pattern));
        }
    }
}
