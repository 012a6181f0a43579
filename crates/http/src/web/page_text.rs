//! What stands in a page: escaped for HTML, and without what turns a line around or is not seen.

use std::fmt::{self, Write};

use askama::filters::{Escaper, Html};

use amarre_core::model::words;

/// The escaper of all templates; see `askama.toml`. Fields that are sent back as they came are escaped `asis`.
#[derive(Debug, Clone, Copy)]
pub struct PageText;

impl PageText {
    /// A text as it stands in a page.
    pub fn escaped(text: &str) -> String {
        let mut escaped = String::new();
        // Writing to a text never fails.
        let _ = Self.write_escaped_str(&mut escaped, text);
        escaped
    }
}

impl Escaper for PageText {
    fn write_escaped_str<W: Write>(&self, dest: W, text: &str) -> fmt::Result {
        Html.write_escaped_str(dest, &words::lines(text))
    }
}
