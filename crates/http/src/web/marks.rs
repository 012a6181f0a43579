//! The marks of the pages: one inline sprite a page, with only the symbols that the page uses.
//!
//! A mark takes the colour of its text. Those of a tone carry it themselves, so that they keep it anywhere.

use std::fmt::Write as _;

/// Where the sprite goes in a page.
const PLACE: &str = "<svg class=\"sprite\" id=\"sprite\" aria-hidden=\"true\"></svg>";
/// How a page refers to a symbol.
const REFERENCE: &str = "href=\"#i-";

/// Every symbol: its name, the side of its square, and what it draws.
const SYMBOLS: [(&str, u8, &str); SYMBOL_COUNT] = [
    ("anchor", 22, r#"<circle cx="11" cy="5" r="2.6"/><path d="M11 7.6V19M3 12.5c.6 4 4 6.5 8 6.5s7.4-2.5 8-6.5"/>"#),
    ("arrow", 16, r#"<path d="M2.5 8h10.5M9 4l4 4-4 4"/>"#),
    ("bad", 16, r#"<path d="M8 1.8l6.6 11.9H1.4zM8 6v3.6M8 11.6v.2"/>"#),
    ("box", 16, r#"<path d="M2 5l6-3 6 3v6.5l-6 3-6-3zM2 5l6 3 6-3M8 8v6.5"/>"#),
    (
        "branch",
        16,
        r#"<circle cx="4" cy="3.5" r="1.8"/><circle cx="4" cy="12.5" r="1.8"/><circle cx="12" cy="5" r="1.8"/><path d="M4 5.3v5.4M12 6.8c0 3-8 1.5-8 4"/>"#,
    ),
    ("cal", 16, r#"<rect x="2" y="3" width="12" height="11" rx="1.5"/><path d="M2 6.5h12M5 1.5v3M11 1.5v3"/>"#),
    ("clock", 16, r#"<circle cx="8" cy="8" r="6.25"/><path d="M8 4.2V8l2.6 1.6"/>"#),
    (
        "dim",
        16,
        r#"<circle cx="8" cy="8" r="6.25" stroke-dasharray="2.4 2"/><path d="M6.2 6.4c.1-2.3 3.6-2.2 3.6 0 0 1.4-1.8 1.4-1.8 2.7M8 11.4v.2"/>"#,
    ),
    (
        "disk",
        16,
        r#"<ellipse cx="8" cy="3.8" rx="5.5" ry="2.2"/><path d="M2.5 3.8v8.4c0 1.2 2.5 2.2 5.5 2.2s5.5-1 5.5-2.2V3.8M2.5 8c0 1.2 2.5 2.2 5.5 2.2s5.5-1 5.5-2.2"/>"#,
    ),
    ("dl", 16, r#"<path d="M8 2v8M4.8 7L8 10.2 11.2 7M2.5 13.5h11"/>"#),
    ("dots", 16, r#"<path d="M3 8h.1M8 8h.1M13 8h.1" stroke-width="2.4"/>"#),
    ("down", 16, r#"<path d="M4 6.5l4 4 4-4"/>"#),
    (
        "globe",
        16,
        r#"<circle cx="8" cy="8" r="6.25"/><path d="M1.75 8h12.5M8 1.75c4.2 4 4.2 8.5 0 12.5M8 1.75c-4.2 4-4.2 8.5 0 12.5"/>"#,
    ),
    (
        "go",
        16,
        r#"<circle cx="8" cy="8" r="6.25" opacity=".3"/><path d="M8 1.75A6.25 6.25 0 0 1 14.25 8" stroke-width="2"/>"#,
    ),
    ("gone", 16, r#"<circle cx="8" cy="8" r="6.25"/><path d="M5 8h6"/>"#),
    (
        "grid",
        16,
        r#"<rect x="2" y="2" width="5" height="5" rx="1"/><rect x="9" y="2" width="5" height="5" rx="1"/><rect x="2" y="9" width="5" height="5" rx="1"/><rect x="9" y="9" width="5" height="5" rx="1"/>"#,
    ),
    ("info", 16, r#"<circle cx="8" cy="8" r="6.25"/><path d="M8 7.2v4M8 4.8v.1"/>"#),
    ("lock", 16, r#"<rect x="3" y="7" width="10" height="7" rx="1.5"/><path d="M5 7V5a3 3 0 0 1 6 0v2"/>"#),
    ("missing", 16, r#"<circle cx="8" cy="8" r="6.25"/><path d="M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8"/>"#),
    (
        "net",
        16,
        r#"<circle cx="8" cy="3.5" r="1.8"/><circle cx="3.5" cy="12.5" r="1.8"/><circle cx="12.5" cy="12.5" r="1.8"/><path d="M8 5.3v2.7M3.5 10.7V8h9v2.7"/>"#,
    ),
    ("off", 16, r#"<rect x="1.75" y="1.75" width="12.5" height="12.5" rx="3"/><path d="M6.3 5.4v5.2M9.7 5.4v5.2"/>"#),
    ("ok", 16, r#"<circle cx="8" cy="8" r="6.25"/><path d="M5 8.2l2.1 2.1L11.2 6"/>"#),
    ("open", 16, r#"<rect x="3" y="7" width="10" height="7" rx="1.5"/><path d="M5 7V5a3 3 0 0 1 5.8-1"/>"#),
    ("play", 16, r#"<path d="M4.5 2.5l8.5 5.5-8.5 5.5z"/>"#),
    ("plus", 16, r#"<path d="M8 3v10M3 8h10"/>"#),
    ("pulse", 16, r#"<path d="M1.5 8h3l2-5 3 10 2-5h3"/>"#),
    ("redo", 16, r#"<path d="M13.5 8a5.5 5.5 0 1 1-1.6-3.9M13.5 1.8v3h-3"/>"#),
    (
        "server",
        16,
        r#"<rect x="2" y="2" width="12" height="5" rx="1.5"/><rect x="2" y="9" width="12" height="5" rx="1.5"/><path d="M4.5 4.5h.1M4.5 11.5h.1"/>"#,
    ),
    ("shield", 16, r#"<path d="M8 1.5l5.5 2v4c0 3.5-2.2 5.8-5.5 7-3.3-1.2-5.5-3.5-5.5-7v-4z"/>"#),
    ("stop", 16, r#"<rect x="3.5" y="3.5" width="9" height="9" rx="1.5"/>"#),
    ("term", 16, r#"<rect x="1.5" y="2.5" width="13" height="11" rx="2"/><path d="M4.5 6l2 2-2 2M8.5 10.5h3"/>"#),
    ("trash", 16, r#"<path d="M2.5 4h11M6 4V2.5h4V4M4 4l.7 10h6.6L12 4"/>"#),
    ("undo", 16, r#"<path d="M2.5 6.5h7a4 4 0 0 1 0 8H6M5.5 3.5l-3 3 3 3"/>"#),
    ("user", 16, r#"<circle cx="8" cy="5.2" r="2.8"/><path d="M2.5 14c.6-3 2.7-4.5 5.5-4.5s4.9 1.5 5.5 4.5"/>"#),
    ("warn", 16, r#"<path d="M3 5.5h10M3 10.5h10M11 2.5l-6 11"/>"#),
    ("yet", 16, r#"<circle cx="8" cy="8" r="6.25" stroke-dasharray="2.4 2"/>"#),
];
const SYMBOL_COUNT: usize = 36;

/// A mark in the colour of its text.
pub fn icon(name: &str) -> String {
    format!("<svg class=\"i\" aria-hidden=\"true\"><use href=\"#i-{name}\"/></svg>")
}

/// The mark of a tone, in its colour. `yet` is for resources still to come, `gone` for deleted ones; `missing` has the
/// colour of `bad` and a shape of its own; `go` turns.
pub fn tone(tone: &str) -> &'static str {
    match tone {
        "ok" => "<svg class=\"i ok\" aria-hidden=\"true\"><use href=\"#i-ok\"/></svg>",
        "go" => "<svg class=\"i go spin\" aria-hidden=\"true\"><use href=\"#i-go\"/></svg>",
        "warn" => "<svg class=\"i warn\" aria-hidden=\"true\"><use href=\"#i-warn\"/></svg>",
        "bad" => "<svg class=\"i bad\" aria-hidden=\"true\"><use href=\"#i-bad\"/></svg>",
        "missing" => "<svg class=\"i bad\" aria-hidden=\"true\"><use href=\"#i-missing\"/></svg>",
        "off" => "<svg class=\"i off\" aria-hidden=\"true\"><use href=\"#i-off\"/></svg>",
        "gone" => "<svg class=\"i dim\" aria-hidden=\"true\"><use href=\"#i-gone\"/></svg>",
        "yet" => "<svg class=\"i dim\" aria-hidden=\"true\"><use href=\"#i-yet\"/></svg>",
        "info" => "<svg class=\"i go\" aria-hidden=\"true\"><use href=\"#i-info\"/></svg>",
        _ => "<svg class=\"i dim\" aria-hidden=\"true\"><use href=\"#i-dim\"/></svg>",
    }
}

/// A page with the symbols that it uses.
pub fn with_sprite(page: &str) -> String {
    let uses = |name: &str| page.contains(&format!("{REFERENCE}{name}\""));
    let mut sprite = String::new();
    for (name, side, body) in SYMBOLS.iter().filter(|(name, ..)| uses(name)) {
        let _ = write!(sprite, "<symbol id=\"i-{name}\" viewBox=\"0 0 {side} {side}\">{body}</symbol>");
    }
    page.replacen(PLACE, &PLACE.replace("></svg>", &format!(">{sprite}</svg>")), 1)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_page_has_the_symbols_that_it_uses_and_no_others() {
        let page = with_sprite(&format!("<body>{PLACE}{}{}</body>", icon("lock"), tone("missing")));
        let defined: Vec<&str> =
            page.split("<symbol id=\"i-").skip(1).map(|rest| &rest[..rest.find('"').unwrap()]).collect();
        assert_eq!(defined, ["lock", "missing"], "{page}");
    }

    #[test]
    fn every_reference_has_its_symbol_and_every_symbol_is_used() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web");
        let mut text = String::new();
        for below in [folder.clone(), folder.join("service"), folder.join("templates")] {
            for file in std::fs::read_dir(below).unwrap().map(|file| file.unwrap().path()) {
                let is_text = file.extension().is_some_and(|end| end == "rs" || end == "html");
                if is_text && !file.ends_with("marks.rs") {
                    text.push_str(&std::fs::read_to_string(file).unwrap());
                }
            }
        }
        let known: Vec<&str> = SYMBOLS.iter().map(|(name, ..)| *name).collect();
        for part in text.split("icon(\"").skip(1) {
            let name = &part[..part.find('"').unwrap()];
            assert!(known.contains(&name), "there is no mark {name}");
        }
        let tones = ["ok", "go", "warn", "bad", "missing", "off", "gone", "yet", "info", "dim"];
        for name in known.iter().filter(|name| !tones.contains(name)) {
            assert!(text.contains(&format!("\"{name}\"")), "no page has the mark {name}");
        }
        for name in tones {
            assert!(super::tone(name).contains(&format!("#i-{name}\"")) && known.contains(&name), "{name}");
        }
    }
}
