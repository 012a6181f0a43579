//! Texts for terminals: of what others wrote, nothing is obeyed.

use amarre_core::model::words;

/// A text as it may reach a terminal: with line ends, tabs and our colours, without other control sequences and without
/// what turns a line around or is not seen.
pub fn shown(text: &str, colour: bool) -> String {
    let is_plain = |letter: char| !words::is_obeyed(letter) || matches!(letter, '\n' | '\t');
    if text.chars().all(is_plain) {
        return text.to_owned();
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|letter: char| !is_plain(letter)) {
        clean.push_str(&rest[..at]);
        rest = &rest[at..];
        match colour_length(rest) {
            Some(length) => {
                clean.push_str(if colour { &rest[..length] } else { "" });
                rest = &rest[length..];
            }
            None => {
                let mut letters = rest.chars();
                if letters.next() == Some('\u{1b}') {
                    words::skip_sequence(&mut letters);
                }
                rest = letters.as_str();
            }
        }
    }
    clean.push_str(rest);
    clean
}

/// The length of a colour at the beginning of a text: `ESC [ 3 1 m`.
fn colour_length(text: &str) -> Option<usize> {
    let numbers = text.strip_prefix("\u{1b}[")?;
    let end = numbers.find(|letter: char| !letter.is_ascii_digit() && letter != ';')?;
    numbers[end..].starts_with('m').then_some(text.len() - numbers.len() + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_and_our_colours_reach_a_terminal() {
        let (plain, colour) = (false, true);
        let text = "one\u{1b}]0;title\u{7} \u{1b}[31mred\u{1b}[0m\ttwo\r\n\u{1b}[2J\u{1b}[Hend\u{1b}";
        assert_eq!(shown(text, plain), "one red\ttwo\nend");
        assert_eq!(shown(text, colour), "one \u{1b}[31mred\u{1b}[0m\ttwo\nend");
        assert_eq!(shown("as it is é\n", plain), "as it is é\n");
        assert_eq!(shown("a\u{202e}b\u{2066}\u{200b}\u{61c}\u{2028}c\n", colour), "abc\n");
    }
}
