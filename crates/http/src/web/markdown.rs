//! The pages of error codes as HTML: headings, paragraphs, lists, code and links, and nothing else of Markdown. Every
//! text is escaped, so that no page can hold a tag. Pure.
//!
//! Links lead to other codes' pages and to the Internet. The documents beside them are not served here: a link to one
//! becomes its path.

/// A text without its title line, and the title.
pub fn titled(text: &str) -> (String, &str) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    (html(rest), first.trim_start_matches('#').trim())
}

/// A text as HTML.
pub fn html(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    blocks(&lines)
}

fn blocks(lines: &[&str]) -> String {
    let (mut out, mut at) = (String::new(), 0);
    while let Some(line) = lines.get(at) {
        let rest = lines.get(at..).unwrap_or_default();
        let (block, taken) = match line {
            line if line.trim().is_empty() => (String::new(), 1),
            line if line.starts_with("```") => fenced(rest),
            line if line.starts_with('#') => (heading(line), 1),
            line if marker(line).is_some() => list(rest),
            _ => paragraph(rest),
        };
        out.push_str(&block);
        at += taken;
    }
    out
}

fn heading(line: &str) -> String {
    let level = line.bytes().take_while(|byte| *byte == b'#').count().clamp(2, 4);
    format!("<h{level}>{}</h{level}>", inline(line.trim_start_matches('#').trim()))
}

/// The lines between two fences; an open fence goes to the end.
fn fenced(lines: &[&str]) -> (String, usize) {
    let code: Vec<&str> = lines.iter().skip(1).take_while(|line| !line.starts_with("```")).copied().collect();
    let taken = (code.len() + 2).min(lines.len());
    (format!("<pre class=\"code\" tabindex=\"0\">{}</pre>", escaped(&code.join("\n"))), taken)
}

/// Where the text of a list item begins, and whether it is numbered: `1. text`, `- text`.
fn marker(line: &str) -> Option<(usize, bool)> {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 0 {
        return line.get(digits..)?.starts_with(". ").then_some((digits + 2, true));
    }
    line.starts_with("- ").then_some((2, false))
}

/// Consecutive items, each with the lines indented below it.
fn list(lines: &[&str]) -> (String, usize) {
    let is_numbered = lines.first().and_then(|line| marker(line)).is_some_and(|(_, is_numbered)| is_numbered);
    let (mut items, mut at) = (String::new(), 0);
    while let Some((begin, _)) = lines.get(at).and_then(|line| marker(line)).filter(|found| found.1 == is_numbered) {
        let first = lines.get(at).and_then(|line| line.get(begin..)).unwrap_or_default();
        let mut own = vec![first];
        at += 1;
        while let Some(line) = lines.get(at) {
            let is_indented = |line: &&str| line.starts_with("  ");
            let is_gap = line.trim().is_empty() && lines.get(at + 1).is_some_and(is_indented);
            if !is_indented(line) && !is_gap {
                break;
            }
            own.push(line.get(begin..).unwrap_or_else(|| line.trim_start()));
            at += 1;
        }
        items.push_str(&format!("<li>{}</li>", bare(&blocks(&own))));
        // Items may be separated by an empty line.
        let next = lines.get(at + 1).and_then(|line| marker(line));
        if lines.get(at).is_some_and(|line| line.trim().is_empty()) && next.is_some_and(|next| next.1 == is_numbered) {
            at += 1;
        }
    }
    let tag = if is_numbered { "ol" } else { "ul" };
    (format!("<{tag}>{items}</{tag}>"), at)
}

/// A single paragraph needs no tag of its own in an item.
fn bare(html: &str) -> &str {
    let one = html.strip_prefix("<p>").and_then(|rest| rest.strip_suffix("</p>"));
    one.filter(|text| !text.contains("<p>")).unwrap_or(html)
}

fn paragraph(lines: &[&str]) -> (String, usize) {
    let is_text = |line: &&&str| {
        !line.trim().is_empty() && !line.starts_with("```") && !line.starts_with('#') && marker(line).is_none()
    };
    let own: Vec<&str> = lines.iter().take_while(is_text).map(|line| line.trim()).collect();
    (format!("<p>{}</p>", inline(&own.join(" "))), own.len().max(1))
}

/// Code, emphasis and links of a line.
fn inline(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*', '[']) {
        let (before, from) = rest.split_at(at);
        out.push_str(&escaped(before));
        let found = code(from).or_else(|| strong(from)).or_else(|| link(from));
        rest = match found {
            Some((html, after)) => {
                out.push_str(&html);
                after
            }
            None => {
                // All three are one byte.
                let (sign, after) = from.split_at(1);
                out.push_str(&escaped(sign));
                after
            }
        };
    }
    out.push_str(&escaped(rest));
    out
}

fn code(text: &str) -> Option<(String, &str)> {
    let (inside, after) = text.strip_prefix('`')?.split_once('`')?;
    Some((format!("<code>{}</code>", escaped(inside)), after))
}

fn strong(text: &str) -> Option<(String, &str)> {
    let (inside, after) = text.strip_prefix("**")?.split_once("**")?;
    Some((format!("<strong>{}</strong>", inline(inside)), after))
}

fn link(text: &str) -> Option<(String, &str)> {
    let (label, after) = text.strip_prefix('[')?.split_once("](")?;
    let (target, after) = after.split_once(')')?;
    let label = inline(label);
    let page = target.strip_suffix(".md").filter(|code| crate::error_pages::is_code(code));
    let html = match (page, target.strip_prefix("../")) {
        (Some(code), _) => format!("<a href=\"/errors/{code}\">{label}</a>"),
        (None, Some(path)) => format!("{label} (<code>docs/{}</code>)", escaped(path)),
        (None, None) if target.starts_with("https://") => {
            format!("<a href=\"{}\" rel=\"noreferrer\">{label}</a>", escaped(target))
        }
        (None, None) => label,
    };
    Some((html, after))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            sign => out.push(sign),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use amarre_core::model::Language;

    #[track_caller]
    fn is(text: &str, expected: &str) {
        assert_eq!(html(text), expected);
    }

    #[test]
    fn what_error_pages_use_becomes_html() {
        is("## What\n\nOne\ntwo.\n", "<h2>What</h2><p>One two.</p>");
        is(
            "```text\n! a <b>\n\n  c\n```\nafter",
            "<pre class=\"code\" tabindex=\"0\">! a &lt;b&gt;\n\n  c</pre><p>after</p>",
        );
        is(
            "1. one `x`\n2. two\n\n- a\n- b",
            "<ol><li>one <code>x</code></li><li>two</li></ol><ul><li>a</li><li>b</li></ul>",
        );
        is(
            "1. with code:\n\n   ```yaml\n   a:\n     b: 1\n   ```\n\n2. next",
            "<ol><li><p>with code:</p><pre class=\"code\" tabindex=\"0\">a:\n  b: 1</pre></li><li>next</li></ol>",
        );
        is("**no** and [that](A0282.md)", "<p><strong>no</strong> and <a href=\"/errors/A0282\">that</a></p>");
        is("see [pages](../deploy.md#pages)", "<p>see pages (<code>docs/deploy.md#pages</code>)</p>");
    }

    #[test]
    fn nothing_in_a_text_is_a_tag_or_another_place() {
        is("<script>alert('x')</script>", "<p>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;</p>");
        is("[x](javascript:alert)", "<p>x</p>");
        is("[x](https://a\"onclick=)", "<p><a href=\"https://a&quot;onclick=\" rel=\"noreferrer\">x</a></p>");
        is("a ` b * c [d", "<p>a ` b * c [d</p>");
        is("```\nnever closed", "<pre class=\"code\" tabindex=\"0\">never closed</pre>");
    }

    #[test]
    fn no_page_keeps_a_sign_of_markdown() {
        let both = [Language::En, Language::Fr];
        for (language, code) in
            both.into_iter().flat_map(|one| crate::error_pages::titles(one).map(move |(code, _)| (one, code)))
        {
            let page = crate::error_pages::page(code, language);
            let (html, title) = titled(page);
            assert!(title.starts_with(&format!("{code}: ")), "{title}");
            assert_eq!(html.matches("<h2>").count(), 5, "{code}");
            // Code is not Markdown.
            let mut prose = html.clone();
            for (open, close) in [("<pre", "</pre>"), ("<code>", "</code>")] {
                while let Some(from) = prose.find(open) {
                    let to = prose[from..].find(close).unwrap() + from + close.len();
                    prose.replace_range(from..to, "");
                }
            }
            assert!(!["```", "**", "](", "##", "`"].iter().any(|sign| prose.contains(sign)), "{code}: {prose}");
        }
    }
}
