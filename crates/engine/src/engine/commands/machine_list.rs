//! Changes the list `machines` of a pool in the text of a file. Pure: text in, text out; comments, order and all other keys stay.
//!
//! | written as | a machine is added | a machine is taken out |
//! |---|---|---|
//! | a line or several for each, with `-` | behind the last one | with its lines; comments stay |
//! | `[…]` | behind the last one, on a line of its own; the first one as a list with `-` | with its comma |
//! | not there | as a list with `-` | |

use std::ops::Range;

use super::manifest_text::{document_of, with_keys};

const KEY: &str = "machines";

/// A file with more machines in a pool, each as YAML on one line. `None`: the manifest is not written line by line.
pub fn with_machines(text: &str, pool: &str, machines: &[String]) -> Option<String> {
    let (start, document) = document_of(text, pool)?;
    let (before, after) = (&text[..start], &text[start + document.len()..]);
    let list = MachineList::find(document)?;
    let document = match list {
        MachineList::Missing => {
            let lines: String = machines.iter().map(|one| format!("  - {one}\n")).collect();
            return with_keys(text, pool, &[KEY], &format!("{KEY}:\n{lines}"));
        }
        MachineList::Lines { indent, end, .. } => {
            let (before, after) = document.split_at(end);
            let lines: String = machines.iter().map(|one| format!("{indent}- {one}\n")).collect();
            let line_end = if before.ends_with('\n') { "" } else { "\n" };
            format!("{before}{line_end}{lines}{after}")
        }
        MachineList::Brackets { open, items } => match items.last() {
            None => first_of_all(document, open, machines)?,
            Some(last) => {
                let (before, after) = document.split_at(last.end);
                let lines: String = machines.iter().map(|one| format!(",\n  {one}")).collect();
                format!("{before}{lines}{after}")
            }
        },
    };
    Some(format!("{before}{document}{after}"))
}

/// A file without some machines of a pool, by their places in the list from 0. `None`: the manifest is not written line by line.
pub fn without_machines(text: &str, pool: &str, places: &[usize]) -> Option<String> {
    let (start, document) = document_of(text, pool)?;
    let (before, after) = (&text[..start], &text[start + document.len()..]);
    let mut places = places.to_vec();
    places.sort_unstable();
    places.dedup();
    let mut document = document.to_owned();
    // From the end, so that the places before stay.
    for place in places.into_iter().rev() {
        document = without_one(&document, place)?;
    }
    Some(format!("{before}{document}{after}"))
}

/// Brackets with nothing between them become a list with `-`.
fn first_of_all(document: &str, open: usize, machines: &[String]) -> Option<String> {
    let close = open + document[open..].find(']')?;
    let is_plain = document[open + 1..close].trim().is_empty();
    let line_end = document[close..].find('\n').map_or(document.len(), |at| close + at);
    let (before, rest) = (document[..open].trim_end(), document[close + 1..line_end].trim_end());
    let lines: String = machines.iter().map(|one| format!("  - {one}\n")).collect();
    let after = document[line_end..].strip_prefix('\n').unwrap_or_default();
    is_plain.then(|| format!("{before}{rest}\n{lines}{after}"))
}

fn without_one(document: &str, place: usize) -> Option<String> {
    let cut = |range: Range<usize>| format!("{}{}", &document[..range.start], &document[range.end..]);
    match MachineList::find(document)? {
        MachineList::Missing => None,
        MachineList::Lines { key_end, items, .. } => {
            let item = items.get(place)?.clone();
            let rest = cut(item);
            // A key without a value is no list.
            let is_empty = items.len() == 1;
            Some(if is_empty { format!("{} []{}", &rest[..key_end], &rest[key_end..]) } else { rest })
        }
        MachineList::Brackets { items, .. } => {
            let item = items.get(place)?.clone();
            let range = match (items.get(place + 1), place.checked_sub(1).and_then(|before| items.get(before))) {
                (Some(next), _) => item.start..next.start,
                (None, Some(before)) => before.end..item.end,
                (None, None) => item,
            };
            Some(cut(range))
        }
    }
}

/// How the list is written, with places in the text of its document.
enum MachineList {
    /// There is none.
    Missing,
    /// A `-` before each.
    Lines {
        /// Behind `machines:`.
        key_end: usize,
        /// What stands before each `-`.
        indent: String,
        /// The lines of each machine, without the comments between them.
        items: Vec<Range<usize>>,
        /// Behind the last line of the list.
        end: usize,
    },
    /// Between brackets.
    Brackets {
        /// The first bracket.
        open: usize,
        /// What stands between the commas.
        items: Vec<Range<usize>>,
    },
}

impl MachineList {
    fn find(document: &str) -> Option<Self> {
        let lines = line_ranges(document);
        let is_key = |line: &Range<usize>, key: &str| {
            document[line.clone()].strip_prefix(key).is_some_and(|rest| rest.starts_with(':'))
        };
        // Else the document is a single flow.
        lines.iter().find(|line| is_key(line, "name"))?;
        let Some(at) = lines.iter().position(|line| is_key(line, KEY)) else { return Some(Self::Missing) };
        let key_end = lines[at].start + KEY.len() + 1;
        let value = document[key_end..lines[at].end].trim_start();
        if value.starts_with('[') {
            let open = lines[at].end - value.len();
            return Some(Self::Brackets { open, items: bracket_items(document, open)? });
        }
        (value.is_empty() || value.starts_with('#')).then(|| Self::lines(document, &lines[at..], key_end))
    }

    /// `lines`: the line of the key, and all after it.
    fn lines(document: &str, lines: &[Range<usize>], key_end: usize) -> Self {
        let text = |line: &Range<usize>| &document[line.clone()];
        let is_blank = |line: &Range<usize>| text(line).trim().is_empty() || text(line).trim_start().starts_with('#');
        let is_inner = |line: &Range<usize>| text(line).starts_with([' ', '\t', '-']);
        let body = &lines[1..];
        let count = body.iter().take_while(|line| is_inner(line) || is_blank(line)).count();
        // What stands at the left edge after the last machine is of the next key.
        let count = body[..count].iter().rposition(is_inner).map_or(0, |last| last + 1);
        let body = &body[..count];
        let dash = |line: &Range<usize>| {
            let line = text(line);
            let rest = line.trim_start_matches(' ');
            let is_item = rest == "-" || rest.starts_with("- ") || rest.starts_with("-\n") || rest.starts_with("-\r");
            is_item.then(|| line.len() - rest.len())
        };
        let depth = body.iter().find_map(dash).unwrap_or(2);
        let starts: Vec<usize> = (0..body.len()).filter(|at| dash(&body[*at]) == Some(depth)).collect();
        let ends = starts.iter().skip(1).copied().chain([body.len()]);
        let items = starts.iter().zip(ends).map(|(start, end)| {
            let own = body[*start..end].iter().rposition(|line| !is_blank(line)).unwrap_or_default();
            body[*start].start..body[start + own].end
        });
        let end = body.last().map_or(lines[0].end, |line| line.end);
        Self::Lines { key_end, indent: " ".repeat(depth), items: items.collect(), end }
    }
}

fn line_ranges(text: &str) -> Vec<Range<usize>> {
    let mut at = 0;
    let line = |line: &str| {
        at += line.len();
        at - line.len()..at
    };
    text.split_inclusive('\n').map(line).collect()
}

/// What stands between the commas of a list in brackets; `None`: it does not end.
fn bracket_items(text: &str, open: usize) -> Option<Vec<Range<usize>>> {
    let mut items = Vec::new();
    let mut item: Option<Range<usize>> = None;
    let (mut depth, mut quote, mut before) = (0_usize, None, ' ');
    let mut letters = text[open..].char_indices().map(|(at, letter)| (open + at, letter));
    while let Some((at, letter)) = letters.next() {
        let own = at..at + letter.len_utf8();
        match (quote, letter) {
            (Some('"'), '\\') => drop(letters.next()),
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => (),
            (None, '#') if before.is_whitespace() => {
                letters.by_ref().find(|(_, letter)| *letter == '\n');
                before = '\n';
                continue;
            }
            (None, '\'' | '"') if before.is_whitespace() || "[{,:".contains(before) => quote = Some(letter),
            (None, ',') if depth == 1 => {
                items.extend(item.take());
                before = letter;
                continue;
            }
            (None, '[' | '{') => {
                depth += 1;
                if depth == 1 {
                    before = letter;
                    continue;
                }
            }
            (None, ']' | '}') => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    items.extend(item.take());
                    return Some(items);
                }
            }
            (None, _) => (),
        }
        before = letter;
        if quote.is_some() || !letter.is_whitespace() {
            item = Some(item.map_or(own.start, |item| item.start)..own.end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# the room\nkind: Pool\nname: lab\n";
    const NEW: &str = "{name: m9, address: 192.0.2.9}";

    fn added(list: &str) -> String {
        let after = with_machines(&format!("{HEAD}{list}"), "lab", &[NEW.to_owned()]).unwrap();
        after.strip_prefix(HEAD).unwrap().to_owned()
    }

    fn taken(list: &str, places: &[usize]) -> String {
        let after = without_machines(&format!("{HEAD}{list}"), "lab", places).unwrap();
        after.strip_prefix(HEAD).unwrap().to_owned()
    }

    #[test]
    fn a_machine_is_added_as_the_others_are_written() {
        for (before, after) in [
            ("machines:\n  - {name: a}\nlimits: {}\n", "machines:\n  - {name: a}\n  - NEW\nlimits: {}\n"),
            (
                "machines: # here\n  # first\n  - name: a\n    address: b\n\n# of limits\nlimits: {}\n",
                "machines: # here\n  # first\n  - name: a\n    address: b\n  - NEW\n\n# of limits\nlimits: {}\n",
            ),
            ("machines:\n- {name: a}", "machines:\n- {name: a}\n- NEW\n"),
            ("machines:\n-\n  name: a\nfrom: x\n", "machines:\n-\n  name: a\n- NEW\nfrom: x\n"),
            ("machines: [] # none\n", "machines: # none\n  - NEW\n"),
            ("machines: [{name: a}]\n", "machines: [{name: a},\n  NEW]\n"),
            ("machines: [\n  {name: 'a]'}, # one, two\n]\n", "machines: [\n  {name: 'a]'},\n  NEW, # one, two\n]\n"),
            ("from: ./machines.txt\n", "from: ./machines.txt\nmachines:\n  - NEW\n"),
            ("machines:\nlimits: {}\n", "machines:\n  - NEW\nlimits: {}\n"),
        ] {
            assert_eq!(added(before), after.replace("NEW", NEW), "{before}");
        }
        for other in ["machines: &all [a]\n", "machines: [a\n"] {
            assert_eq!(with_machines(&format!("{HEAD}{other}"), "lab", &[NEW.to_owned()]), None, "{other}");
        }
        assert_eq!(with_machines("{kind: Pool, name: lab, machines: []}\n", "lab", &[NEW.to_owned()]), None);
    }

    #[test]
    fn a_machine_is_taken_out_and_comments_stay() {
        let three = "machines:\n  # first\n  - {name: a}\n  - name: b\n    port: 2\n\n  # last\n  - {name: c} # old\nlimits: {}\n";
        for (places, after) in [
            (&[0][..], "machines:\n  # first\n  - name: b\n    port: 2\n\n  # last\n  - {name: c} # old\nlimits: {}\n"),
            (&[1], "machines:\n  # first\n  - {name: a}\n\n  # last\n  - {name: c} # old\nlimits: {}\n"),
            (&[2, 1, 1], "machines:\n  # first\n  - {name: a}\n\n  # last\nlimits: {}\n"),
            (&[0, 1, 2], "machines: []\n  # first\n\n  # last\nlimits: {}\n"),
        ] {
            assert_eq!(taken(three, places), after, "{places:?}");
        }
        let brackets = "machines: [{name: a}, {name: \"b, {\"},\n  {name: c}]\n";
        for (places, after) in [
            (&[0][..], "machines: [{name: \"b, {\"},\n  {name: c}]\n"),
            (&[1], "machines: [{name: a}, {name: c}]\n"),
            (&[2], "machines: [{name: a}, {name: \"b, {\"}]\n"),
            (&[0, 1, 2], "machines: []\n"),
        ] {
            assert_eq!(taken(brackets, places), after, "{places:?}");
        }
        assert_eq!(without_machines(&format!("{HEAD}{brackets}"), "lab", &[3]), None);
    }

    #[test]
    fn other_documents_of_the_file_stay() {
        let text =
            format!("name: web\nimage: web:1\n---\n{HEAD}machines:\n  - {{name: a}}\n---\nname: x\nimage: x:1\n");
        let after = with_machines(&text, "lab", &[NEW.to_owned()]).unwrap();
        assert_eq!(after, text.replace("- {name: a}\n", &format!("- {{name: a}}\n  - {NEW}\n")));
        assert_eq!(without_machines(&after, "lab", &[1]).as_deref(), Some(text.as_str()));
    }
}
