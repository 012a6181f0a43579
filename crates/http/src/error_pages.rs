//! The pages of `docs/errors`, one for each error code: what `amarre help CODE` and `/errors/CODE` show. Pure.

use amarre_core::model::suggestion::nearest;
use amarre_core::model::{Code, Language};

macro_rules! pages {
    ($($code:ident)*) => {
        /// The page of a code, as Markdown.
        pub const fn page(code: Code, language: Language) -> &'static str {
            match (code, language) {
                $((Code::$code, Language::En) => include_str!(concat!("../../../docs/errors/", stringify!($code), ".md")),)*
                $((Code::$code, Language::Fr) => include_str!(concat!("../../../docs/errors/", stringify!($code), ".fr.md")),)*
            }
        }
    };
}

amarre_core::with_codes!(pages);

/// Whether a word looks like a code: `A0103`, `a103`.
pub fn is_code(word: &str) -> bool {
    let digits = word.strip_prefix(['A', 'a']).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The nearest code.
pub fn near(code: &str) -> Option<&'static str> {
    let known: Vec<&'static str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    nearest(&code.to_ascii_uppercase(), &known)
}

/// Every code with its title, in order.
pub fn titles(language: Language) -> impl Iterator<Item = (Code, &'static str)> {
    Code::ALL.iter().map(move |code| {
        let line = page(*code, language).lines().next().unwrap_or_default();
        (*code, line.split_once(": ").map_or(line, |(_, title)| title))
    })
}
