//! A plan as the comment of a merge request: counts first, each service folded. Pure.
//!
//! What comes from manifests stands in fences that are longer than any of its own, or is escaped: no value can end
//! a fence, open a tag, mention a person or link anywhere.

use super::Style;
use super::text::{self, PlanSection};
use crate::plan::forecast::Forecast;
use crate::plan::input::Input;

/// Comments are cut by forges at 65,536 characters; what is longer is left to the text.
const BYTES_MAX: usize = 60_000;

/// The whole plan.
pub fn plan(input: &Input<'_>, forecast: &Forecast, revision: &str) -> String {
    let counts = inline(&text::counts(input, forecast));
    let mut out = format!("### Amarre plan for {}\n\n**{counts}**\n", code(revision));
    let mut cut = 0;
    for (sign, PlanSection { title, body }) in text::sections(input, forecast) {
        let sign = sign.map_or(String::new(), |sign| format!("{} ", Style::PLAIN.sign(sign)));
        let title = html(&format!("{sign}{title}"));
        let piece = format!("\n<details><summary>{title}</summary>\n\n{}\n</details>\n", fenced(&body));
        if out.len() + piece.len() > BYTES_MAX {
            cut += 1;
        } else {
            out.push_str(&piece);
        }
    }
    if cut > 0 {
        out.push_str(&format!("\nToo long for a comment: {cut} more. `amarre plan` shows all.\n"));
    }
    out
}

/// A text as a block of its own.
pub fn fenced(text: &str) -> String {
    let fence = fence(text);
    format!("{fence}text\n{text}{fence}\n")
}

/// A fence that nothing in `text` can end.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    "`".repeat(longest.max(2) + 1)
}

/// A code span that nothing in `text` can end.
fn code(text: &str) -> String {
    let text = one_line(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    match longest {
        0 => format!("`{text}`"),
        n => format!("{0} {text} {0}", "`".repeat(n + 1)),
    }
}

/// Running text: no markup of its own.
fn inline(text: &str) -> String {
    let mut out = String::new();
    for c in html(text).chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#') {
            out.push('\\');
        }
        out.push(c);
        if c == '@' {
            // Breaks the mention, and is not seen.
            out.push('\u{2060}');
        }
    }
    out
}

fn html(text: &str) -> String {
    one_line(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_ends_what_it_stands_in() {
        assert_eq!(fence("plain\n"), "```");
        assert_eq!(fence("a ``` b\n"), "````");
        assert_eq!(fence("`````\n"), "``````");
        assert_eq!(code("services @ 5e1c0aa"), "`services @ 5e1c0aa`");
        assert_eq!(code("a`b``c"), "``` a`b``c ```");
        assert_eq!(html("</summary><b>\"x\"\n&"), "&lt;/summary&gt;&lt;b&gt;&quot;x&quot; &amp;");
        assert_eq!(inline("**x** [a](b) @all | `"), "\\*\\*x\\*\\* \\[a\\](b) @\u{2060}all \\| \\`");
    }
}
