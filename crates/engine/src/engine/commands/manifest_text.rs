//! Changes some keys of one manifest in the text of a file. Pure: text in, text out; comments and all other manifests stay.

use amarre_core::manifest;

/// The document of a manifest in a file: where it begins, and its text.
pub fn document_of<'t>(text: &'t str, name: &str) -> Option<(usize, &'t str)> {
    let mut starts = vec![0];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "---" {
            starts.push(at + line.len());
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).map(|start| text[..start - 1].rfind("---").unwrap_or(*start));
    let ends = ends.chain([text.len()]).collect::<Vec<_>>();
    let documents = starts.iter().zip(ends).map(|(start, end)| (*start, &text[*start..end.max(*start)]));
    documents.into_iter().find(|(_, document)| manifest::names_in(document) == [Some(name.to_owned())])
}

/// Whether a manifest that is written line by line has one of these keys.
pub fn has_key(document: &str, keys: &[&str]) -> bool {
    document.lines().any(|line| keys.iter().any(|key| is_key(line, key)))
}

fn is_key(line: &str, key: &str) -> bool {
    line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'))
}

/// A file with these lines in the place of some keys of one manifest; all else stays. `None`: the manifest is not written line by
/// line.
pub fn with_keys(text: &str, name: &str, keys: &[&str], written: &str) -> Option<String> {
    let (start, document) = document_of(text, name)?;
    let lines: Vec<&str> = document.split_inclusive('\n').collect();
    if !lines.iter().any(|line| is_key(line, "name")) {
        return None;
    }
    let mut out = String::new();
    let mut is_written = false;
    let mut at = 0;
    while at < lines.len() {
        if !keys.iter().any(|key| is_key(lines[at], key)) {
            out.push_str(lines[at]);
            at += 1;
            continue;
        }
        at += 1;
        // Comments and empty lines before the next key are of that key.
        let is_inner = |line: &&str| line.starts_with([' ', '\t', '}', ']']) && !line.trim().is_empty();
        let inner =
            lines[at..].iter().take_while(|line| is_inner(line) || line.trim().is_empty() || line.starts_with('#'));
        at += inner.enumerate().filter(|(_, line)| is_inner(line)).map(|(index, _)| index + 1).last().unwrap_or(0);
        if !std::mem::replace(&mut is_written, true) {
            out.push_str(written);
        }
    }
    if !is_written {
        let end = out.trim_end().len();
        let rest = out.split_off(end);
        out.push('\n');
        out.push_str(written);
        out.push_str(rest.strip_prefix('\n').unwrap_or_default());
    }
    Some(format!("{}{out}{}", &text[..start], &text[start + document.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "schedule:\n  timezone: UTC\n";

    #[test]
    fn only_some_keys_of_one_manifest_change() {
        let head = "# build\nkind: Instance\nname: a\ncloud: c\nid: x # keep\n";
        for (before, after) in [
            (format!("{head}power: on\n"), format!("{head}{RULE}")),
            (
                format!("{head}power: on # why\n\n# of protect\nreconcile: {{}}\n"),
                format!("{head}{RULE}\n# of protect\nreconcile: {{}}\n"),
            ),
            (format!("{head}schedule:\n  on: x\n  # inner\n  off: y\n\nnote: z\n"), format!("{head}{RULE}\nnote: z\n")),
            (format!("{head}schedule: {{on: x,\n  off: y\n}}\n"), format!("{head}{RULE}")),
            (head.to_owned(), format!("{head}{RULE}")),
            (head.trim_end().to_owned(), format!("{head}{RULE}")),
            (
                format!("kind: Instance\nname: b\npower: on\n---\n{head}power: on\n---\nname: web\nimage: web:1\n"),
                format!("kind: Instance\nname: b\npower: on\n---\n{head}{RULE}---\nname: web\nimage: web:1\n"),
            ),
        ] {
            assert_eq!(
                with_keys(&before, "a", &["power", "schedule"], RULE).as_deref(),
                Some(after.as_str()),
                "{before}"
            );
        }
        for other in ["{kind: Instance, name: a, power: on}\n", "kind: Instance\nname: b\n"] {
            assert_eq!(with_keys(other, "a", &["power", "schedule"], RULE), None, "{other}");
        }
    }
}
