//! The pages of error codes as HTML. A tag in a text is text, so that no page can hold one. Pure.
//!
//! Links lead to other codes' pages and to the Internet. The documents beside them are not served here: a link to one
//! becomes its path.

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use super::page_text::PageText;

/// A text without its title line, and the title.
pub fn titled(text: &str) -> (String, &str) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    (html(rest), first.trim_start_matches('#').trim())
}

/// A text as HTML.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library has many parts of a text, most of which stay as they are"
)]
pub fn html(text: &str) -> String {
    // What ends the open links, the innermost last.
    let mut ends = Vec::new();
    let events = Parser::new(text).map(|event| match event {
        Event::Html(tag) | Event::InlineHtml(tag) => Event::Text(tag),
        Event::Start(Tag::HtmlBlock) => Event::Start(Tag::Paragraph),
        Event::End(TagEnd::HtmlBlock) => Event::End(TagEnd::Paragraph),
        Event::Start(Tag::CodeBlock(_)) => Event::Html("<pre class=\"code\" tabindex=\"0\">".into()),
        Event::End(TagEnd::CodeBlock) => Event::Html("</pre>\n".into()),
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            let (begin, end) = link(&dest_url);
            ends.push(end);
            Event::Html(begin.into())
        }
        Event::End(TagEnd::Link | TagEnd::Image) => Event::Html(ends.pop().unwrap_or_default().into()),
        event => event,
    });
    let mut out = String::new();
    pulldown_cmark::html::push_html(&mut out, events);
    out
}

/// What stands before and behind the label of a link.
fn link(target: &str) -> (String, String) {
    let page = target.strip_suffix(".md").filter(|code| crate::error_pages::is_code(code));
    match (page, target.strip_prefix("../")) {
        (Some(code), _) => (format!("<a href=\"/errors/{code}\">"), "</a>".to_owned()),
        (None, Some(path)) => (String::new(), format!(" (<code>docs/{}</code>)", PageText::escaped(path))),
        (None, None) if target.starts_with("https://") => {
            (format!("<a href=\"{}\" rel=\"noreferrer\">", PageText::escaped(target)), "</a>".to_owned())
        }
        (None, None) => (String::new(), String::new()),
    }
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
        is("## What\n\nOne\ntwo.\n", "<h2>What</h2>\n<p>One\ntwo.</p>\n");
        is(
            "```text\n! a <b>\n\n  c\n```\nafter",
            "<pre class=\"code\" tabindex=\"0\">! a &lt;b&gt;\n\n  c\n</pre>\n<p>after</p>\n",
        );
        is(
            "1. one `x`\n2. two\n\n- a\n- b",
            "<ol>\n<li>one <code>x</code></li>\n<li>two</li>\n</ol>\n<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n",
        );
        is(
            "1. with code:\n\n   ```yaml\n   a:\n     b: 1\n   ```\n\n2. next",
            "<ol>\n<li>\n<p>with code:</p>\n<pre class=\"code\" tabindex=\"0\">a:\n  b: 1\n</pre>\n</li>\n\
             <li>\n<p>next</p>\n</li>\n</ol>\n",
        );
        is("**no** and [that](A0282.md)", "<p><strong>no</strong> and <a href=\"/errors/A0282\">that</a></p>\n");
        is("see [pages](../deploy.md#pages)", "<p>see pages (<code>docs/deploy.md#pages</code>)</p>\n");
    }

    #[test]
    fn nothing_in_a_text_is_a_tag_or_another_place() {
        is("<script>alert('x')</script>", "<p>&lt;script&gt;alert('x')&lt;/script&gt;</p>\n");
        is("a <b onclick=x>c", "<p>a &lt;b onclick=x&gt;c</p>\n");
        is("[x](javascript:alert)", "<p>x</p>\n");
        is("![x](javascript:alert)", "<p>x</p>\n");
        is("[x](https://a\"onclick=)", "<p><a href=\"https://a&#34;onclick=\" rel=\"noreferrer\">x</a></p>\n");
        is("a ` b * c [d", "<p>a ` b * c [d</p>\n");
        is("```\nnever closed", "<pre class=\"code\" tabindex=\"0\">never closed</pre>\n");
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
