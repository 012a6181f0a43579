//! Runs of letters that could be base64 or hex, over the ends of lines, with the place of each letter. Pure.

use std::ops::Range;

/// Eight letters are six bytes.
const BASE64_LETTERS_MIN: usize = 8;
/// Six bytes.
const HEX_LETTERS_MIN: usize = 12;

/// What a run is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Base64,
    Hex,
}

impl Encoding {
    const fn bits(self) -> usize {
        match self {
            Encoding::Base64 => 6,
            Encoding::Hex => 4,
        }
    }

    const fn letters_min(self) -> usize {
        match self {
            Encoding::Base64 => BASE64_LETTERS_MIN,
            Encoding::Hex => HEX_LETTERS_MIN,
        }
    }

    /// What a letter stands for, in both alphabets of base64.
    fn value(self, letter: u8) -> Option<u8> {
        match (self, letter) {
            (Encoding::Base64, b'A'..=b'Z') => Some(letter - b'A'),
            (Encoding::Base64, b'a'..=b'z') => Some(letter - b'a' + 26),
            (Encoding::Base64, b'0'..=b'9') => Some(letter - b'0' + 52),
            (Encoding::Base64, b'+' | b'-') => Some(62),
            (Encoding::Base64, b'/' | b'_') => Some(63),
            (Encoding::Hex, b'0'..=b'9') => Some(letter - b'0'),
            (Encoding::Hex, b'a'..=b'f') => Some(letter - b'a' + 10),
            (Encoding::Hex, b'A'..=b'F') => Some(letter - b'A' + 10),
            (Encoding::Base64 | Encoding::Hex, _) => None,
        }
    }
}

/// Letters one after the other, whatever stands between them.
#[derive(Debug)]
pub(super) struct CodedRun<'t> {
    text: &'t [u8],
    code: Encoding,
    values: Vec<u8>,
    places: Vec<usize>,
}

impl CodedRun<'_> {
    /// At how many letters a byte may begin.
    pub(super) fn phases(&self) -> usize {
        8 / gcd(self.code.bits())
    }

    /// The bytes, where the first begins with the letter of this number.
    pub(super) fn decode(&self, phase: usize) -> Vec<u8> {
        let bits = self.code.bits();
        let mut bytes = Vec::with_capacity(self.values.len() * bits / 8);
        let (mut waiting, mut count): (u32, usize) = (0, 0);
        for value in self.values.iter().skip(phase) {
            waiting = waiting << bits | u32::from(*value);
            count += bits;
            if count >= 8 {
                count -= 8;
                bytes.push(u8::try_from(waiting >> count & 0xff).unwrap_or_default());
                waiting &= (1 << count) - 1;
            }
        }
        bytes
    }

    /// Where in the text these bytes of a phase stand: from the first letter that is theirs alone to the last that
    /// holds anything of them. Ends of lines are left out.
    pub(super) fn spans(&self, phase: usize, bytes: Range<usize>) -> Vec<Range<usize>> {
        let bits = self.code.bits();
        let first = phase + (bytes.start * 8).div_ceil(bits);
        let last = (phase + (bytes.end * 8).div_ceil(bits)).min(self.places.len());
        let mut spans: Vec<Range<usize>> = Vec::new();
        for place in self.places.get(first..last).unwrap_or_default() {
            match spans.last_mut() {
                // `:` or a blank between two pairs.
                Some(span) if self.text[span.end..*place].iter().all(|byte| matches!(byte, b':' | b' ')) => {
                    span.end = place + 1;
                }
                Some(_) | None => spans.push(*place..place + 1),
            }
        }
        spans
    }
}

/// The greatest common divisor of bits and eight; both codes have an even number.
const fn gcd(bits: usize) -> usize {
    if bits.is_multiple_of(4) { 4 } else { 2 }
}

/// Every run that could be base64.
pub(super) fn base64_runs(text: &[u8], see: impl FnMut(&CodedRun<'_>)) {
    runs(text, Encoding::Base64, see);
}

/// Every run that could be hex.
pub(super) fn hex_runs(text: &[u8], see: impl FnMut(&CodedRun<'_>)) {
    runs(text, Encoding::Hex, see);
}

fn runs(text: &[u8], code: Encoding, mut see: impl FnMut(&CodedRun<'_>)) {
    let mut run = CodedRun { text, code, values: Vec::new(), places: Vec::new() };
    let (mut at, mut group) = (0, 0);
    while let Some(letter) = text.get(at) {
        if let Some(value) = code.value(*letter) {
            run.values.push(value);
            run.places.push(at);
            group += 1;
            at += 1;
            continue;
        }
        let gap = if run.values.is_empty() { 0 } else { gap(&text[at..], code, group) };
        let goes_on = gap > 0 && text.get(at + gap).is_some_and(|letter| code.value(*letter).is_some());
        if !goes_on {
            if run.values.len() >= code.letters_min() {
                see(&run);
            }
            run.values.clear();
            run.places.clear();
        }
        group = 0;
        at += gap.max(1);
    }
    if run.values.len() >= code.letters_min() {
        see(&run);
    }
}

/// How long what a run goes on after is: the end of a line with what the next one is indented by, as it is or as JSON
/// has it; or what stands between pairs of hex. 0: it ends here.
fn gap(text: &[u8], code: Encoding, group: usize) -> usize {
    let end = [&b"\r\n"[..], b"\n", b"\\r\\n", b"\\n"].into_iter().find(|end| text.starts_with(end)).map(<[u8]>::len);
    match (end, text.first()) {
        (Some(end), _) => end + text[end..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count(),
        (None, Some(b':' | b' ')) if code == Encoding::Hex && group == 2 => 1,
        (None, _) => 0,
    }
}
