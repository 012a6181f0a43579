//! Versions of languages: from what a file says to the one that is used.

use super::DetectedPart;
use super::recipe::AppFindings;
use super::repository::RepositoryFolder;
use crate::text;

/// One bound: how it compares, and the numbers.
type Bound<'a> = (&'a str, Vec<u32>);

/// The version that the first of several files says, with its reason; the usual one where none does. One that nothing fits is asked for.
pub(super) fn settle<const N: usize>(
    language: &str,
    said: [(&'static str, Option<String>); N],
    known: &[&str],
    usual: &str,
    findings: &mut AppFindings,
) -> String {
    for (file, said) in said.into_iter().filter_map(|(file, said)| Some((file, said?))) {
        if let Some(version) = pick(&said, known, usual) {
            findings.found(
                DetectedPart::Version,
                format!("{language} {version}"),
                text!("{file} says {said}", file, said),
            );
            return version;
        }
        findings.notes.push(text!("{file} says {said}, which names no version: it is passed over", file, said));
    }
    findings.found(DetectedPart::Version, format!("{language} {usual}"), text!("no file says which: the usual one"));
    usual.to_owned()
}

/// What `.tool-versions` says of a tool.
pub(super) fn tool_version(app: &RepositoryFolder<'_>, tool: &str) -> Option<String> {
    let line =
        |line: &str| line.strip_prefix(tool).filter(|rest| rest.starts_with(' ')).map(|rest| rest.trim().to_owned());
    app.text(".tool-versions")?.lines().find_map(line)
}

/// The first line of a file that says nothing else.
pub(super) fn first_line(app: &RepositoryFolder<'_>, file: &str) -> Option<String> {
    Some(app.text(file)?.lines().find(|line| !line.trim().is_empty())?.trim().to_owned())
}

/// The parts of a version that are numbers: `v3.12.x` has two.
fn numbers(text: &str) -> Vec<u32> {
    let text = text.trim().trim_start_matches(['v', 'V', '=']);
    text.split('.').map_while(|part| part.parse().ok()).collect()
}

/// Whether a text is one version and no range: `3.12.4`, `v22`, `20.x`.
fn is_plain(text: &str) -> bool {
    let text = text.trim().trim_start_matches('v');
    text.starts_with(|char: char| char.is_ascii_digit())
        && text.chars().all(|char| char.is_ascii_digit() || matches!(char, '.' | 'x' | '*'))
}

/// The version that fits what a file says: as many parts as `known` has. `usual` where it fits, else the newest that does; a plain
/// version that is not known is taken as it is. `None`: none fits, or the text is no version.
pub(super) fn pick(said: &str, known: &[&str], usual: &str) -> Option<String> {
    let parts = numbers(usual).len();
    if is_plain(said) {
        let said = numbers(said);
        if said.len() >= parts {
            return Some(joined(&said[..parts]));
        }
    }
    let fits = |candidate: &&str| fits(said, &numbers(candidate));
    if fits(&usual) {
        return Some(usual.to_owned());
    }
    known.iter().copied().filter(|one| fits(one)).max_by_key(|one| numbers(one)).map(str::to_owned)
}

/// `3.12`.
fn joined(numbers: &[u32]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
}

/// Whether a line of releases, such as 3.12, has one within a range. `||` and `|` are "or", commas and spaces "and".
fn fits(range: &str, line: &[u32]) -> bool {
    range.split('|').filter(|part| !part.trim().is_empty()).any(|part| match bounds(part) {
        Some(bounds) => !bounds.is_empty() && bounds.iter().all(|bound| is_within(bound, line)),
        None => false,
    })
}

fn bounds(text: &str) -> Option<Vec<Bound<'_>>> {
    const SIGNS: [&str; 9] = [">=", "<=", "==", "!=", "~=", ">", "<", "^", "~"];
    if let Some((low, high)) = text.split_once(" - ") {
        return Some(vec![(">=", some_numbers(low)?), ("<=", some_numbers(high)?)]);
    }
    let mut bounds = Vec::new();
    let mut sign = "";
    for word in text.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty()) {
        let found = SIGNS.into_iter().find(|sign| word.starts_with(sign));
        let rest = word.trim_start_matches(found.unwrap_or_default()).trim();
        if rest.is_empty() {
            sign = found.unwrap_or_default();
            continue;
        }
        let own = found.unwrap_or(sign);
        sign = "";
        if matches!(rest, "*" | "x" | "latest") {
            bounds.push((">=", vec![0]));
        } else {
            bounds.push((own, some_numbers(rest)?));
        }
    }
    Some(bounds)
}

fn some_numbers(text: &str) -> Option<Vec<u32>> {
    Some(numbers(text)).filter(|numbers| !numbers.is_empty())
}

/// Compared as far as the line goes.
fn is_within((sign, bound): &Bound<'_>, line: &[u32]) -> bool {
    let length = bound.len().min(line.len());
    let (to, of) = (&bound[..length], &line[..length]);
    match *sign {
        ">=" => of >= to,
        // Of the line that a bound lies in, the newest release is what is used.
        ">" => of > to,
        "<" => of < to,
        "<=" => of <= to,
        "!=" => bound.len() > line.len() || of != to,
        // The part before the last may not change; of one part, that one.
        "^" => of >= to && line.first() == bound.first(),
        "~=" => of >= to && line.starts_with(&bound[..(bound.len() - 1).clamp(1, line.len())]),
        "~" => of >= to && line.starts_with(&bound[..bound.len().min(2).min(line.len())]),
        _ => of == to,
    }
}

#[cfg(test)]
mod tests {
    use super::pick;

    #[test]
    fn a_version_is_picked_as_its_file_says() {
        const PYTHON: [&str; 5] = ["3.10", "3.11", "3.12", "3.13", "3.14"];
        let python = |said: &str| pick(said, &PYTHON, "3.13").unwrap_or_default();
        for (said, is) in [
            ("3.12.4", "3.12"),
            ("3.9", "3.9"),
            (">=3.10", "3.13"),
            (">=3.14", "3.14"),
            (">=3.10,<3.13", "3.12"),
            (">= 3.10, < 3.12", "3.11"),
            ("^3.11", "3.13"),
            ("~3.11", "3.11"),
            ("~=3.11", "3.13"),
            ("~=3.11.2", "3.11"),
            ("3.12.*", "3.12"),
            ("==3.11.*", "3.11"),
            (">3.13", "3.14"),
            ("!=3.13", "3.14"),
            (">=3.15", ""),
            ("pypy", ""),
            ("", ""),
            ("*", "3.13"),
        ] {
            assert_eq!(python(said), is, "{said}");
        }
        let node = |said: &str| pick(said, &["20", "22", "24"], "24").unwrap_or_default();
        for (said, is) in [
            ("v22.11.0", "22"),
            ("20.x", "20"),
            (">=18", "24"),
            ("^20 || ^22", "22"),
            ("18 - 22", "22"),
            (">=20 <23", "22"),
            ("^20.9.0", "20"),
            ("lts/*", ""),
            ("24", "24"),
        ] {
            assert_eq!(node(said), is, "{said}");
        }
    }
}
