//! Takes secrets out of texts that others wrote, such as what a container prints.
//!
//! | a secret stands there | how it is found |
//! |---|---|
//! | as it is, in JSON, in a URL, in a form | one pass with an automaton of all of them |
//! | in base64, in either alphabet, after any bytes, wrapped over lines | what could be base64 is decoded, and the same is looked for in it |
//! | in hex, small or large, with `:`, blanks or lines in between | likewise |
//! | one line of its base64 or hex alone, as a log has it | eight bytes of it, decoded, are found among all eights of the secrets |
//!
//! The automaton holds the beginnings of secrets only, and of very much text not every eight: so its size has a limit.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind, PatternID};

use super::Secret;
use super::coded::{self, CodedRun};

/// Shorter ones stand in many words.
const WORD_BYTES_MIN: usize = 4;
/// The base64 and the hex of shorter ones are too short to say anything.
const CODED_BYTES_MIN: usize = 6;
/// The automaton holds this much of the beginning of a secret; the rest is compared at each match.
const ANCHOR_BYTES: usize = 16;
/// Of shorter ones the parts say nothing.
const FRAGMENT_OF_BYTES_MIN: usize = 12;
/// Each fourth eight of a secret is kept: a part of eleven bytes, as sixteen letters of base64 hold, has one of them.
const STRIDE: usize = 4;
/// Eights that are kept, 8 MiB of them; where secrets have more, fewer of each are.
const EIGHTS_MAX: usize = 1024 * 1024;
/// Eights of fewer different bytes, such as zeros, stand in anything.
const DIFFERENT_BYTES_MIN: usize = 4;

/// Knows secrets, to hide them. A copy shares what it knows.
#[derive(Clone, Default)]
pub struct Scrubber(Arc<KnownSecrets>);

#[derive(Default)]
struct KnownSecrets {
    secrets: BTreeSet<String>,
    /// Made when a text is looked at for the first time.
    finder: OnceLock<Finder>,
}

impl Scrubber {
    /// What stands in the place of a secret.
    const HIDDEN: &str = "(hidden)";

    /// Knows these secrets, as they are and in every code above. Of one with several lines each line counts, for texts
    /// are looked at line by line.
    pub fn of<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let secrets = secrets.into_iter().map(|secret| secret.expose().to_owned());
        let secrets = secrets.filter(|secret| !secret.trim().is_empty()).collect();
        Self(Arc::new(KnownSecrets { secrets, finder: OnceLock::new() }))
    }

    /// As [`Scrubber::of`], for the words of vendors: what is very short stands in many of them, and what is in small
    /// letters there counts, too.
    pub fn of_words<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let long: Vec<&Secret> = secrets.into_iter().filter(|secret| secret.expose().len() >= WORD_BYTES_MIN).collect();
        let small: Vec<Secret> = long.iter().map(|secret| Secret::new(secret.expose().to_lowercase())).collect();
        Self::of(long.into_iter().chain(&small))
    }

    /// Knows what `other` knows as well.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let secrets = self.0.secrets.union(&other.0.secrets).cloned().collect();
        Self(Arc::new(KnownSecrets { secrets, finder: OnceLock::new() }))
    }

    /// The text with `(hidden)` in the place of each secret.
    pub fn scrub(&self, text: &str) -> String {
        if self.0.secrets.is_empty() {
            return text.to_owned();
        }
        let finder = self.0.finder.get_or_init(|| Finder::of(&self.0.secrets));
        let mut clean = String::with_capacity(text.len());
        let mut done = 0;
        for span in finder.spans(text) {
            clean.push_str(text.get(done..span.start).unwrap_or_default());
            clean.push_str(Self::HIDDEN);
            done = span.end;
        }
        clean.push_str(text.get(done..).unwrap_or_default());
        clean
    }
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secrets)")
    }
}

struct Finder {
    forms: SecretForms,
    eights: Eights,
}

impl Finder {
    fn of(secrets: &BTreeSet<String>) -> Self {
        Self { forms: SecretForms::of(secrets), eights: Eights::of(secrets) }
    }

    /// What is to be hidden, in order, none overlapping another.
    fn spans(&self, text: &str) -> Vec<Range<usize>> {
        let mut spans = self.forms.find(text.as_bytes(), 1);
        coded::base64_runs(text.as_bytes(), |run| self.decoded(run, &mut spans));
        coded::hex_runs(text.as_bytes(), |run| self.decoded(run, &mut spans));
        spans.sort_by_key(|span| (span.start, span.end));
        let mut apart: Vec<Range<usize>> = Vec::with_capacity(spans.len());
        for span in spans {
            match apart.last_mut() {
                Some(last) if span.start < last.end => last.end = last.end.max(span.end),
                Some(_) | None => apart.push(span),
            }
        }
        apart
    }

    /// What a run of letters hides, read at each place where its first byte may begin.
    fn decoded(&self, run: &CodedRun<'_>, spans: &mut Vec<Range<usize>>) {
        for phase in 0..run.phases() {
            let bytes = run.decode(phase);
            let whole = self.forms.find(&bytes, CODED_BYTES_MIN);
            for part in self.eights.find(&bytes) {
                if !whole.iter().any(|whole| whole.start <= part.start && part.end <= whole.end) {
                    // What is left of it on both sides is shorter than what is looked for.
                    let margin = self.eights.stride - 1;
                    let wide = part.start.saturating_sub(margin)..(part.end + margin).min(bytes.len());
                    spans.extend(run.spans(phase, wide));
                }
            }
            spans.extend(whole.into_iter().flat_map(|whole| run.spans(phase, whole)));
        }
    }
}

/// Every secret in each way of writing that leaves its letters readable.
struct SecretForms {
    /// Over the beginnings; `None` = it could not be made, and then nothing is shown.
    automaton: Option<AhoCorasick>,
    /// By the number of a beginning: what begins with it, the longest first.
    whole: Vec<Vec<Box<[u8]>>>,
    numbers: BTreeMap<Vec<u8>, usize>,
}

impl SecretForms {
    fn of(secrets: &BTreeSet<String>) -> Self {
        let mut forms: BTreeSet<Vec<u8>> = BTreeSet::new();
        for line in secrets.iter().flat_map(|secret| secret.lines()).map(str::trim).filter(|line| !line.is_empty()) {
            let json = serde_json::to_string(line).unwrap_or_default();
            let json = json.get(1..json.len().saturating_sub(1)).unwrap_or_default().to_owned();
            let large = in_url(line, b"0123456789ABCDEF");
            let small = in_url(line, b"0123456789abcdef");
            let in_forms = [large.replace("%20", "+"), small.replace("%20", "+")];
            let all = [line.to_owned(), json, large, small].into_iter().chain(in_forms);
            forms.extend(all.filter(|form| !form.is_empty()).map(String::into_bytes));
        }
        let mut beginnings: BTreeMap<Vec<u8>, Vec<Box<[u8]>>> = BTreeMap::new();
        for form in forms {
            let beginning = form[..form.len().min(ANCHOR_BYTES)].to_vec();
            beginnings.entry(beginning).or_default().push(form.into_boxed_slice());
        }
        let mut automaton = AhoCorasick::builder();
        automaton.match_kind(MatchKind::LeftmostLongest).kind(Some(AhoCorasickKind::ContiguousNFA));
        let automaton = automaton.build(beginnings.keys()).ok();
        let mut whole = Vec::with_capacity(beginnings.len());
        let mut numbers = BTreeMap::new();
        for (number, (beginning, mut forms)) in beginnings.into_iter().enumerate() {
            forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
            whole.push(forms);
            numbers.insert(beginning, number);
        }
        Self { automaton, whole, numbers }
    }

    /// Where they stand: the leftmost, of those the longest, of at least `bytes_min` bytes.
    fn find(&self, text: &[u8], bytes_min: usize) -> Vec<Range<usize>> {
        let Some(automaton) = &self.automaton else { return std::iter::once(0..text.len()).collect() };
        let (mut spans, mut at) = (Vec::new(), 0);
        while let Some(found) = automaton.find(Input::new(text).span(at..text.len())) {
            let start = found.start();
            match self.longest(&text[start..], found.pattern(), found.len()).filter(|length| *length >= bytes_min) {
                Some(length) => {
                    spans.push(start..start + length);
                    at = start + length;
                }
                None => at = start + 1,
            }
        }
        spans
    }

    /// The longest that a text begins with. A long one whose beginning is there may not go on as it should; then a
    /// shorter one may be there all the same.
    fn longest(&self, text: &[u8], beginning: PatternID, length: usize) -> Option<usize> {
        let is_it = |number: usize| {
            let whole = self.whole.get(number)?;
            whole.iter().find(|form| text.starts_with(form)).map(|form| form.len())
        };
        is_it(beginning.as_usize())
            .or_else(|| (1..length).rev().find_map(|shorter| is_it(*self.numbers.get(text.get(..shorter)?)?)))
    }
}

/// As it stands in a URL, with these digits.
fn in_url(text: &str, digits: &[u8; 16]) -> String {
    let mut url = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let digit = |four: u8| char::from(digits[usize::from(four)]);
            url.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    url
}

/// Eight bytes each of the secrets, to know a part of one by.
struct Eights {
    stride: usize,
    /// In order.
    all: Vec<u64>,
    /// One bit for each of some: most of what is asked for is not there.
    sieve: Vec<u64>,
}

impl Eights {
    fn of(secrets: &BTreeSet<String>) -> Self {
        let long =
            || secrets.iter().map(|secret| secret.trim().as_bytes()).filter(|it| it.len() >= FRAGMENT_OF_BYTES_MIN);
        let total: usize = long().map(<[u8]>::len).sum();
        let stride = STRIDE.max(total.div_ceil(EIGHTS_MAX));
        let eights = long().flat_map(|secret| secret.windows(8).step_by(stride));
        let mut all: Vec<u64> = eights.filter(|eight| says_something(eight)).map(number).collect();
        all.sort_unstable();
        all.dedup();
        let mut sieve = vec![0; (all.len() / 4).next_power_of_two().max(64)];
        for eight in &all {
            let (word, bit) = place(*eight, sieve.len());
            sieve[word] |= bit;
        }
        Self { stride, all, sieve }
    }

    /// Where bytes of secrets are, neighbours as one.
    fn find(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut parts: Vec<Range<usize>> = Vec::new();
        if self.all.is_empty() || bytes.len() < 8 {
            return parts;
        }
        let mut eight = number(&bytes[..8]);
        for start in 0..=bytes.len() - 8 {
            if start > 0 {
                eight = eight << 8 | u64::from(bytes[start + 7]);
            }
            let (word, bit) = place(eight, self.sieve.len());
            if self.sieve[word] & bit == 0 || self.all.binary_search(&eight).is_err() {
                continue;
            }
            match parts.last_mut() {
                Some(last) if start <= last.end => last.end = start + 8,
                Some(_) | None => parts.push(start..start + 8),
            }
        }
        parts
    }
}

fn number(eight: &[u8]) -> u64 {
    eight.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn says_something(eight: &[u8]) -> bool {
    eight.iter().collect::<BTreeSet<_>>().len() >= DIFFERENT_BYTES_MIN
}

/// The word and the bit of an eight in a sieve; `words`: its length, a power of two.
fn place(eight: u64, words: usize) -> (usize, u64) {
    // Fibonacci hashing: the upper bits depend on all of the lower ones.
    let mixed = eight.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24;
    let word = usize::try_from(mixed >> 6).unwrap_or_default() & (words - 1);
    (word, 1 << (mixed & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 200 bytes without a pattern.
    fn long() -> String {
        let mut state: u64 = 7;
        let letter = |state: &mut u64| {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'!' + u8::try_from(*state >> 33 & 63).unwrap_or_default())
        };
        (0..200).map(|_| letter(&mut state)).collect()
    }

    fn base64(bytes: &[u8], is_url: bool) -> String {
        use base64::Engine as _;
        use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
        if is_url { URL_SAFE_NO_PAD.encode(bytes) } else { STANDARD.encode(bytes) }
    }

    fn wrapped(text: &str, columns: usize, end: &str) -> String {
        let letters: Vec<char> = text.chars().collect();
        letters.chunks(columns).map(|line| line.iter().collect::<String>() + end).collect()
    }

    /// No seven bytes of a secret can be read out of a text, in whatever code.
    #[track_caller]
    fn says_nothing(shown: &str, secret: &str) {
        let letters: String = shown.replace("(hidden)", " ");
        for run in letters.split(|char: char| !char.is_ascii_alphanumeric() && !"+/-_".contains(char)) {
            assert!(run.len() < 24, "`{run}` is left in {shown}");
        }
        for part in secret.as_bytes().windows(7) {
            assert!(!shown.contains(&String::from_utf8_lossy(part).into_owned()), "{shown}");
        }
    }

    #[test]
    fn what_others_print_is_rid_of_secrets_in_each_form() {
        let secrets = ["pa/ss wörd", "pa", "line one\n  line two\n", "", "say \"x\""].map(Secret::new);
        let scrubber = Scrubber::of(&secrets);
        let scrub = |text: &str| scrubber.scrub(text);
        assert_eq!(scrub("user=a password=pa/ss wörd!"), "user=a (hidden)ssword=(hidden)!");
        assert_eq!(scrub("postgres://a:pa%2Fss%20w%C3%B6rd@db"), "postgres://a:(hidden)@db");
        assert_eq!(scrub("postgres://a:pa%2fss%20w%c3%b6rd@db"), "postgres://a:(hidden)@db");
        assert_eq!(scrub(r#"{"p": "say \"x\""}"#), r#"{"p": "(hidden)"}"#);
        assert_eq!(scrub("> line two <"), "> (hidden) <");
        assert_eq!(Scrubber::default().scrub("nothing"), "nothing");
        assert_eq!(
            Scrubber::of(&[Secret::new("a")]).and(&Scrubber::of(&[Secret::new("b")])).scrub("abc"),
            "(hidden)(hidden)c"
        );
        assert_eq!(format!("{scrubber:?}"), "(secrets)");
    }

    #[test]
    fn what_a_vendor_repeats_is_rid_of_secrets_in_each_form() {
        let secrets = [Secret::new("Can\"ary 7+/é"), Secret::new("abc")];
        let scrubber = Scrubber::of_words(&secrets);
        for text in [
            "it was Can\"ary 7+/é",
            "in json: Can\\\"ary 7+/é",
            "in small letters: can\"ary 7+/é",
            "in a url: a=Can%22ary%207%2B%2F%C3%A9&b",
            "in a form: a=Can%22ary+7%2B%2F%C3%A9&b",
        ] {
            let shown = scrubber.scrub(text);
            assert!(shown.contains("(hidden)") && !shown.to_lowercase().contains("ary"), "{shown}");
        }
        // `printf 'a:Can"ary 7+/é' | base64`, and with one and two letters more before it.
        for (text, rest) in [
            ("YTpDYW4iYXJ5IDcrL8Op", "YTp"),
            ("YWE6Q2FuImFyeSA3Ky/DqQ==", "YWE6"),
            ("YWFhOkNhbiJhcnkgNysvw6k=", "YWFhOk"),
        ] {
            let shown = scrubber.scrub(text);
            assert!(shown.starts_with(rest) && shown.contains("(hidden)"), "{shown}");
        }
        assert_eq!(scrubber.scrub("abc"), "abc", "so short, it is in many words");
    }

    #[test]
    fn base64_is_found_in_both_alphabets_after_any_bytes_and_wrapped() {
        let (secret, other) = (long(), "hunter2-and-a-half");
        let scrubber = Scrubber::of(&[Secret::new(&*secret), Secret::new(other)]);
        for before in ["", "a", "ab", "abc", "TOKEN="] {
            for is_url in [false, true] {
                let code = base64(format!("{before}{secret}").as_bytes(), is_url);
                says_nothing(&scrubber.scrub(&code), &secret);
                for (columns, end) in [(76, "\n"), (64, "\r\n"), (76, "\n    "), (60, "\\n"), (21, "\n")] {
                    let text = wrapped(&code, columns, end);
                    says_nothing(&scrubber.scrub(&text), &secret);
                    let kept = scrubber.scrub(&text).matches('\n').count();
                    assert_eq!(kept, text.matches('\n').count(), "lines stay lines");
                }
                let short = base64(format!("{before}{other}").as_bytes(), is_url);
                assert!(scrubber.scrub(&wrapped(&short, 8, "\n")).contains("(hidden)"), "{short}");
            }
        }
    }

    #[test]
    fn a_line_inside_of_the_base64_of_a_secret_is_hidden_when_it_stands_alone() {
        let secret = format!("-----BEGIN KEY-----\n{}\n-----END KEY-----\n", wrapped(&long(), 64, "\n"));
        let scrubber = Scrubber::of(&[Secret::new(&*secret)]);
        for before in ["", "a", "ab"] {
            let code = base64(format!("{before}{secret}").as_bytes(), false);
            for columns in [64, 76] {
                for line in wrapped(&code, columns, "\n").lines().filter(|line| line.len() >= 24) {
                    let shown = scrubber.scrub(line);
                    says_nothing(&shown, &secret);
                    assert_eq!(shown.replace("(hidden)", "").len() / 8, 0, "{line}: {shown}");
                }
            }
        }
    }

    #[test]
    fn hex_is_found_small_and_large_and_in_groups() {
        let secret = "correct horse battery";
        let scrubber = Scrubber::of(&[Secret::new(secret)]);
        let small = hex::encode(format!("x={secret};"));
        let pairs: Vec<&str> = small.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok()).collect();
        let lines: Vec<String> = pairs.chunks(16).map(|line| format!(" {}", line.join(" "))).collect();
        for text in [
            &*small,
            &small.to_uppercase(),
            &format!("0{small}"),
            &pairs.join(":"),
            &pairs.join(" "),
            &lines.join("\n"),
        ] {
            let shown = scrubber.scrub(text);
            let left: String = shown.replace("(hidden)", "").chars().filter(char::is_ascii_hexdigit).collect();
            assert!(shown.contains("(hidden)") && left.len() <= 7, "{text}: {shown}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        let scrubber =
            Scrubber::of(&[Secret::new(long()), Secret::new("00000000000000000000000000"), Secret::new("hunter2")]);
        let digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        for text in [
            digest,
            "a/long/path-with_words+of/letters\nand another line",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "hunter 2",
        ] {
            assert_eq!(scrubber.scrub(text), text);
        }
        // The beginning of a long one, and a short one that begins alike.
        let (one, other) = ("abcdefghijklmnopqrstuvwxyz", "abcdefg");
        let scrubber = Scrubber::of(&[Secret::new(one), Secret::new(other)]);
        assert_eq!(scrubber.scrub(&format!("{one} abcdefghijklmnopqrst")), "(hidden) (hidden)hijklmnopqrst");
    }
}
