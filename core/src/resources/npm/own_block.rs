//! Whether NPM writes its own `location /` into a site, with the access list, the proxy, the redirection or the 404. Pure.

/// Where NPM finds a `location / {` in the lines of a site, for which it leaves its own out: the line, from 1.
///
/// It looks into the bare text, comments and quoted texts too: for the beginning of a line, or anything that ends with `;`, then
/// `location`, `/` and `{` with nothing but blanks between them, in any case.
pub fn root_location(lines: &str) -> Option<usize> {
    const WORD: &str = "location";
    let folded = lines.to_ascii_lowercase();
    let found = folded.match_indices(WORD).find(|(at, _)| {
        let after = folded[at + WORD.len()..].trim_start_matches(is_blank);
        let is_root = after.strip_prefix('/').is_some_and(|rest| rest.trim_start_matches(is_blank).starts_with('{'));
        let before = folded[..*at].trim_end_matches(is_blank);
        let between = &folded[before.len()..*at];
        is_root && (before.is_empty() || before.ends_with(';') || between.contains(is_line_end))
    });
    found.map(|(at, _)| 1 + folded[..at].matches('\n').count())
}

/// NPM reads with JavaScript's patterns.
fn is_blank(sign: char) -> bool {
    sign != '\u{85}' && (sign.is_whitespace() || sign == '\u{feff}')
}

fn is_line_end(sign: char) -> bool {
    matches!(sign, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::root_location;

    #[test]
    fn it_is_found_where_npm_finds_it() {
        for (lines, line) in [
            ("gzip on;\n\nlocation\n/ {", Some(3)),
            ("location / {}", Some(1)),
            ("# a; LOCATION\u{a0}/{", Some(1)),
            ("} location / {", None),
            ("# location / {", None),
            ("location = / {", None),
            ("location /x {", None),
            ("", None),
        ] {
            assert_eq!(root_location(lines), line, "{lines}");
        }
    }
}
