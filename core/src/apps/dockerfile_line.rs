//! The one door through which values of a repository or a manifest come into a Dockerfile that Amarre writes. A value fills in a part
//! of one line: it begins no line of its own, gives an instruction no flags, such as `--mount` or `--from`, and takes no lines below it
//! as a here-document.
//!
//! | in a template | may hold |
//! |---|---|
//! | `{{ value }}` | what a file or a manifest says: no word that begins with `--`, wherever it stands |
//! | `{{ command\|escape("command") }}` | a command that Amarre puts together, or what an app is started by: `--` after its first word |

use std::fmt;

use askama::filters::Escaper;

/// Writes a value as it is, or fails: nothing is taken out of it.
#[derive(Debug, Clone, Copy)]
pub struct DockerfileLine;

/// The same for a command whose words are Amarre's.
#[derive(Debug, Clone, Copy)]
pub struct DockerfileCommand;

impl Escaper for DockerfileLine {
    fn write_escaped_str<W: fmt::Write>(&self, dest: W, value: &str) -> fmt::Result {
        write_if(is_part(value) && !value.split_whitespace().any(is_flag), dest, value)
    }
}

impl Escaper for DockerfileCommand {
    fn write_escaped_str<W: fmt::Write>(&self, dest: W, value: &str) -> fmt::Result {
        write_if(is_part(value) && !value.split_whitespace().next().is_some_and(is_flag), dest, value)
    }
}

fn write_if<W: fmt::Write>(is_allowed: bool, mut dest: W, value: &str) -> fmt::Result {
    if is_allowed { dest.write_str(value) } else { Err(fmt::Error) }
}

fn is_flag(word: &str) -> bool {
    word.trim_start_matches(['"', '\'', '\\']).starts_with("--")
}

/// Whether a value stays within its line. A backslash at the end would take in the next one, and `<<` those up to a word.
fn is_part(value: &str) -> bool {
    let is_broken = |letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}');
    !value.contains(is_broken) && !value.contains("<<") && !value.trim_end().ends_with('\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(escaper: impl Escaper, value: &str) -> bool {
        let mut text = String::new();
        escaper.write_escaped_str(&mut text, value).is_ok() && text == value
    }

    #[test]
    fn a_value_is_a_part_of_one_line() {
        for good in ["", "24", "CMD [\"a\\nb\"]", "/app/dist", "- x", "a--b", "1 < 2"] {
            assert!(written(DockerfileLine, good) && written(DockerfileCommand, good), "{good:?}");
        }
        for bad in [
            "1\nADD x /",
            "1\rADD x /",
            "--from=x /y",
            "  --mount=type=bind,from=x",
            "\u{a0}--from=x",
            "npm ci \\",
            "a\u{2028}b",
            "a\0",
            "a<<x",
            "a <<EOF",
            "a <<\"USER 1:1\" .",
        ] {
            assert!(!written(DockerfileLine, bad) && !written(DockerfileCommand, bad), "{bad:?}");
        }
    }

    #[test]
    fn flags_are_only_in_commands_of_amarre() {
        for command in ["npm install -g pnpm@9 --ignore-scripts", "[\"x\", \"--port\", \"1\"]"] {
            assert!(written(DockerfileCommand, command) && !written(DockerfileLine, command), "{command:?}");
        }
        for bad in ["public --from=x/y:1", "@9 --mount=type=bind,from=x", "x\t--from=y", "x \"--from=y\""] {
            assert!(!written(DockerfileLine, bad), "{bad:?}");
        }
    }
}
