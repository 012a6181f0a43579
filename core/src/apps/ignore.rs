//! `.dockerignore`: what of a folder is not sent to the engine, which does not look at it itself.
//!
//! As Docker's own client reads it (`patternmatcher` of moby): a pattern is matched against the path and each folder above it; `!`
//! takes files back in; the last that matches counts; `**` stands for any number of folders.

/// The file, or the end of the name of one for a Dockerfile of its own.
const RULES: &str = ".dockerignore";
/// What is never sent: history, secrets, what others have installed.
const ALWAYS: [&str; 11] = [
    ".git",
    "**/.env",
    "**/.env.*",
    "!**/.env.example",
    "**/node_modules",
    "**/__pycache__",
    "**/.venv",
    "**/*.pem",
    "vendor/bundle",
    "target",
    "**/.DS_Store",
];
/// More would be for a machine to write, and each file is compared with all of them.
const PATTERNS_MAX: usize = 1_000;

/// Patterns, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Ignore(Vec<(Vec<String>, bool)>);

/// Which files of a folder are sent to an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SentFiles<'a> {
    ignore: Ignore,
    dockerfile: Option<&'a str>,
}

impl<'a> SentFiles<'a> {
    /// Of a folder whose texts are read by `text_of`, with its Dockerfile, where that is one of its files. Rules that are called after
    /// the Dockerfile come before the general ones.
    pub fn new(dockerfile: Option<&'a str>, text_of: impl Fn(&str) -> Option<String>) -> Self {
        let own = dockerfile.and_then(|dockerfile| text_of(&format!("{dockerfile}{RULES}")));
        let ignore = Ignore::new(&own.or_else(|| text_of(RULES)).unwrap_or_default());
        Self { ignore, dockerfile }
    }

    /// Whether a file is sent: the Dockerfile is, whatever is left out.
    pub fn has(&self, path: &str) -> bool {
        !self.ignore.has(path) || self.dockerfile == Some(path)
    }

    /// Whether a file says what is sent.
    pub fn is_rule(path: &str) -> bool {
        path.ends_with(RULES)
    }
}

impl Ignore {
    /// What a file says, after what is never sent.
    fn new(text: &str) -> Self {
        let own = text.trim_start_matches('\u{feff}').lines().filter(|line| !line.starts_with('#'));
        let patterns = ALWAYS.into_iter().chain(own).filter_map(|line| {
            let line = line.trim();
            let (line, takes_back) = line.strip_prefix('!').map_or((line, false), |rest| (rest.trim(), true));
            let parts: Vec<String> =
                line.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect();
            (!parts.is_empty()).then_some((parts, takes_back))
        });
        Self(patterns.take(PATTERNS_MAX).collect())
    }

    /// Whether a file is left out; `path` from the folder that is sent.
    fn has(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        self.0.iter().fold(false, |is_out, (pattern, takes_back)| {
            let matches = is_out == *takes_back && (1..=parts.len()).any(|length| matches(pattern, &parts[..length]));
            if matches { !takes_back } else { is_out }
        })
    }
}

/// Whether a pattern is a whole path. Of several `**` only the last is tried at more than one place, so that no pattern takes long.
fn matches(pattern: &[String], path: &[&str]) -> bool {
    let (mut at, mut on, mut star) = (0, 0, None);
    while on < path.len() {
        if pattern.get(at).is_some_and(|part| part == "**") {
            star = Some((at + 1, on));
            at += 1;
        } else if pattern.get(at).is_some_and(|part| is_part(part.as_bytes(), path[on].as_bytes())) {
            (at, on) = (at + 1, on + 1);
        } else if let Some((after, began)) = star {
            star = Some((after, began + 1));
            (at, on) = (after, began + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|part| part == "**")
}

/// `*`, `?`, `[a-z]` within one name; of several `*` only the last is tried at more than one place.
fn is_part(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut on, mut star) = (0, 0, None);
    while on < name.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at + 1, on));
            at += 1;
        } else if let Some(length) = is_letter(&pattern[at..], name[on]) {
            (at, on) = (at + length, on + 1);
        } else if let Some((after, began)) = star {
            star = Some((after, began + 1));
            (at, on) = (after, began + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// Whether a pattern begins with what is this letter, and how long that is in the pattern.
fn is_letter(pattern: &[u8], letter: u8) -> Option<usize> {
    match pattern.first()? {
        b'?' => Some(1),
        b'[' => match pattern.iter().position(|byte| *byte == b']').filter(|end| *end > 1) {
            Some(end) => is_one_of(&pattern[1..end], letter).then_some(end + 1),
            None => (letter == b'[').then_some(1),
        },
        b'\\' if pattern.len() > 1 => (pattern[1] == letter).then_some(2),
        byte => (*byte == letter).then_some(1),
    }
}

fn is_one_of(set: &[u8], letter: u8) -> bool {
    let (set, is_not) = set.strip_prefix(b"^").map_or((set, false), |set| (set, true));
    let mut at = 0;
    let mut found = false;
    while at < set.len() {
        let (first, last) = if set.get(at + 1) == Some(&b'-') && at + 2 < set.len() {
            (set[at], set[at + 2])
        } else {
            (set[at], set[at])
        };
        found |= (first..=last).contains(&letter);
        at += if first == last { 1 } else { 3 };
    }
    found != is_not
}

#[cfg(test)]
mod tests {
    use super::Ignore;

    #[test]
    fn files_are_left_out_as_docker_leaves_them_out() {
        let ignore =
            Ignore::new("# comment\n*.md\n!README.md\n/build\n**/*.log\ndocs/*\n!docs/keep\na?c\n[x-z]1\n  spaced  \n");
        for (path, is_out) in [
            ("a.md", true),
            ("README.md", false),
            ("sub/a.md", false),
            ("build/x/y", true),
            ("sub/build", false),
            ("x/y/z.log", true),
            ("top.log", true),
            ("docs/a/b", true),
            ("docs/keep/b", false),
            ("abc", true),
            ("abbc", false),
            ("y1", true),
            ("w1", false),
            ("spaced", true),
            (".git/config", true),
            (".env", true),
            ("app/.env.local", true),
            (".env.example", false),
            ("web/node_modules/x/y.js", true),
            ("cert.pem", true),
            ("src/main.rs", false),
        ] {
            assert_eq!(ignore.has(path), is_out, "{path}");
        }
    }

    #[test]
    fn no_pattern_takes_long() {
        let deep = vec!["a"; 60].join("/");
        let stars = vec!["**"; 40].join("/x/");
        assert!(!Ignore::new(&format!("{stars}/b\n")).has(&deep));
        let name = "a".repeat(200);
        assert!(!Ignore::new(&format!("{}b\n", "*a".repeat(60))).has(&name));
        assert!(Ignore::new(&format!("{}\n", "*a".repeat(60))).has(&name));
    }

    #[test]
    fn what_is_never_sent_can_be_taken_back() {
        assert!(!Ignore::new("!.env").has(".env"));
        assert!(Ignore::new("*\n!src\n").has("x"));
        assert!(!Ignore::new("*\n!src\n").has("src/a/b"));
    }
}
