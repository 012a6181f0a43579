//! Which images a Dockerfile is made from.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The images that a Dockerfile names as people write it, in order: at `FROM`, at `COPY --from`, and the frontend that `# syntax` asks for. Arguments
/// that are known are filled in; stages of its own are none. A convenience, so that images stay what they were: a text that is made
/// for it hides images from this, and `policy.dockerfiles` says which may be built.
pub fn bases(dockerfile: &str, args: &BTreeMap<String, String>) -> Vec<String> {
    let mut known = BTreeSet::new();
    let named = named(dockerfile, args).into_iter().map(|named| named.image);
    named.filter(|image| known.insert(image.clone())).collect()
}

/// The same Dockerfile with a digest in place of the tag of each image that has one here: what it is built from is what it was built
/// from before, whatever its tag stands for by now.
pub fn pinned(dockerfile: &str, args: &BTreeMap<String, String>, digests: &BTreeMap<String, String>) -> String {
    let mut text = dockerfile.to_owned();
    // From the end, so that what is before stays where it is.
    for NamedImage { at, image } in named(dockerfile, args).into_iter().rev() {
        if let Some(digest) = digests.get(&image) {
            text.replace_range(at, &at_digest(&image, digest));
        }
    }
    text
}

/// `node:24` and a digest: `node@sha256:…`.
pub fn at_digest(image: &str, digest: &str) -> String {
    format!("{}@{digest}", untagged(image))
}

/// `registry:5000/node:24`: without what follows the last colon, where that is a tag.
fn untagged(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    }
}

/// An image that a Dockerfile names, and where that stands in its text.
struct NamedImage {
    at: Range<usize>,
    image: String,
}

fn named(dockerfile: &str, args: &BTreeMap<String, String>) -> Vec<NamedImage> {
    let mut found = NamedImages { text: dockerfile, ..NamedImages::default() };
    let mut text = DockerfileLines::default();
    for line in dockerfile.lines() {
        let place = text.place(line);
        if place == LinePlace::Document {
            continue;
        }
        let line = line.trim();
        let is_first = place == LinePlace::Instruction;
        let comment = line.strip_prefix('#').map(|rest| rest.trim().replace(' ', "").to_ascii_lowercase());
        if comment.is_some_and(|comment| comment.starts_with("syntax=")) {
            found.add(line.split_once('=').map_or("", |(_, image)| image.trim()));
        }
        let mut words = line.split_whitespace();
        let word = words.next().unwrap_or_default().to_ascii_lowercase();
        let words: Vec<&str> = words.filter(|word| !word.starts_with("--")).collect();
        match word.as_str() {
            "arg" if is_first => {
                if let Some((name, value)) = words.first().and_then(|arg| arg.split_once('=')) {
                    let value = args.get(name).map_or(value, String::as_str);
                    found.args.insert(name.to_owned(), value.trim_matches(['"', '\'']).to_owned());
                }
            }
            "from" if is_first => {
                found.add(words.first().copied().unwrap_or_default());
                found.stages.push(words.get(2).map(|name| name.to_ascii_lowercase()).unwrap_or_default());
            }
            _ => (),
        }
        text.flags(line, place).into_iter().filter_map(image_of).for_each(|image| found.add(image));
    }
    found.images
}

/// The image of `--from=IMAGE` or `--mount=…,from=IMAGE`.
fn image_of(flag: &str) -> Option<&str> {
    let rest = flag.strip_prefix("--from=");
    rest.or_else(|| flag.strip_prefix("--mount=")?.split(',').find_map(|part| part.strip_prefix("from=")))
}

/// What a line of a Dockerfile is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LinePlace {
    /// An instruction begins there.
    Instruction,
    /// It goes on from the line before.
    GoesOn,
    /// It is in a here-document: what a program reads.
    Document,
}

/// Where the lines of a Dockerfile are, as they come, and how BuildKit reads them: only `RUN`, `COPY` and `ADD` have flags with images,
/// which end at the first word that is none, and take here-documents.
#[derive(Default)]
struct DockerfileLines {
    goes_on: bool,
    /// The lines of an instruction that takes here-documents, as one.
    instruction: String,
    /// Whether the next word may be a flag.
    has_flags: bool,
    /// Here-documents that have begun, the first one first.
    documents: Vec<HereDocument>,
}

impl DockerfileLines {
    fn place(&mut self, written: &str) -> LinePlace {
        if let Some(document) = self.documents.first() {
            if document.ends_at(written) {
                self.documents.remove(0);
            }
            return LinePlace::Document;
        }
        let line = written.trim();
        // A comment or an empty line between two lines of an instruction ends nothing.
        if line.is_empty() || line.starts_with('#') {
            return LinePlace::Instruction;
        }
        let place = if self.goes_on { LinePlace::GoesOn } else { LinePlace::Instruction };
        if place == LinePlace::Instruction {
            let word = line.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
            self.has_flags = matches!(word.as_str(), "run" | "copy" | "add");
            self.instruction.clear();
        }
        self.goes_on = line.ends_with('\\');
        if self.has_flags || !self.instruction.is_empty() {
            let end = written.trim_end();
            self.instruction.push_str(end.strip_suffix('\\').unwrap_or(end));
        }
        if !self.goes_on {
            self.documents = shell_words(&self.instruction).iter().filter_map(|word| here_document(word)).collect();
        }
        place
    }

    /// The flags in a line of an instruction that may have images in them.
    fn flags<'a>(&mut self, line: &'a str, place: LinePlace) -> Vec<&'a str> {
        if line.is_empty() || line.starts_with('#') {
            return Vec::new();
        }
        let mut flags = Vec::new();
        for word in line.split_whitespace().skip(usize::from(place == LinePlace::Instruction)) {
            self.has_flags &= word == "\\" || (word.starts_with("--") && word != "--");
            if self.has_flags {
                flags.push(word);
            }
        }
        flags
    }
}

/// What ends a here-document.
struct HereDocument {
    end: String,
    /// Tabs before it count for nothing.
    is_indented: bool,
}

impl HereDocument {
    fn ends_at(&self, line: &str) -> bool {
        (if self.is_indented { line.trim_start_matches('\t') } else { line }) == self.end
    }
}

/// The here-document that begins with a word such as `<<EOF`, `<<-EOF`, `3<<EOF` or `<<"EOF"`.
fn here_document(word: &str) -> Option<HereDocument> {
    let end = word.trim_start_matches(|letter: char| letter.is_ascii_digit()).strip_prefix("<<")?;
    let (is_indented, end) = end.strip_prefix('-').map_or((false, end), |end| (true, end));
    let end = end.replace(['"', '\'', '\\'], "");
    (!end.is_empty() && !end.contains('<')).then_some(HereDocument { end, is_indented })
}

/// The words of a line as a shell has them: a quote holds a word together, and stays in it.
fn shell_words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            _ if letter.is_whitespace() && quote.is_none() => {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            }
            '\\' if quote != Some('\'') => word.extend([letter].into_iter().chain(letters.next())),
            _ => {
                word.push(letter);
                quote = match quote {
                    None => matches!(letter, '"' | '\'').then_some(letter),
                    Some(end) => (end != letter).then_some(end),
                };
            }
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

#[derive(Default)]
struct NamedImages<'a> {
    text: &'a str,
    images: Vec<NamedImage>,
    args: BTreeMap<String, String>,
    stages: Vec<String>,
}

impl<'a> NamedImages<'a> {
    /// A piece of the text that names an image.
    fn add(&mut self, written: &'a str) {
        let filled = self.args.iter().fold(written.to_owned(), |image, (name, value)| {
            image.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value)
        });
        let is_stage = self.stages.contains(&filled.to_ascii_lowercase())
            || filled.parse::<usize>().is_ok_and(|at| at < self.stages.len());
        if !filled.is_empty() && filled != "scratch" && !is_stage {
            let start = written.as_ptr().addr() - self.text.as_ptr().addr();
            self.images.push(NamedImage { at: start..start + written.len(), image: filled });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_is_found() {
        let args = BTreeMap::from([("B".to_owned(), "said".to_owned())]);
        let of = |text: &str| bases(text, &args).join(" ");
        assert_eq!(of("FROM a:1 AS build\nFROM build\nCOPY --from=build /x /y\n"), "a:1");
        assert_eq!(of("ARG A=1.2\nFROM --platform=x a:${A}\nFROM b:$A as Two\nFROM two"), "a:1.2 b:1.2");
        assert_eq!(of("ARG B=not\nFROM $B"), "said");
        assert_eq!(
            of("# syntax=docker/dockerfile:1\nfrom scratch\ncopy --from=0 / /\nCOPY --chown=1 --from=c:2 / /"),
            "docker/dockerfile:1 c:2"
        );
        assert_eq!(of("FROM a\nRUN --mount=type=bind,from=evil/x,target=/y cat /y"), "a evil/x");
        assert_eq!(of("FROM a\nRUN --network=none \\\n  --mount=type=bind,from=evil/x,target=/y cat /y"), "a evil/x");
        assert_eq!(of("FROM a\nRUN echo built from source\nRUN tool --from redis"), "a");
        assert_eq!(of("FROM a\nRUN python3 - <<EOF\nfrom redis import Redis\nEOF\nCOPY --from=b / /"), "a b");
        assert_eq!(of("FROM a\nRUN --network=none \\\n\n# why\n  --mount=from=b x"), "a b");
        // What is no instruction names no stage behind which an image could hide.
        assert_eq!(of("FROM a\nRUN : \\\nfrom scratch as evil/x\nCOPY --from=evil/x / /"), "a evil/x");
        assert_eq!(of(""), "");
    }

    #[test]
    fn flags_end_at_the_first_word_that_is_none() {
        for text in [
            "FROM a\nCOPY public --from=127.0.0.1:5000/x:1 /srv/www",
            "FROM a\nRUN npm install pnpm@9 --mount=type=bind,from=127.0.0.1:5000/x",
            "FROM a\nRUN x \\\n  --mount=type=bind,from=127.0.0.1:5000/x",
            "FROM a\nRUN -- --mount=type=bind,from=127.0.0.1:5000/x",
            "FROM a\nENV X=1 \\\n  --from=127.0.0.1:5000/x",
            "FROM a\nCMD --from=127.0.0.1:5000/x",
        ] {
            assert_eq!(bases(text, &BTreeMap::new()), ["a"], "{text:?}");
        }
    }

    #[test]
    fn a_here_document_begins_and_ends_where_buildkit_says() {
        for (line, hides) in [
            ("RUN npm install pnpm@9<<EOF", false),
            ("RUN echo \"a <<EOF\"", false),
            ("RUN echo 1 << EOF", false),
            ("RUN cat <<<EOF", false),
            ("RUNNER <<EOF", false),
            ("ENV A <<EOF", false),
            ("RUN cat <<EOF", true),
            ("COPY <<-'EOF' /x", true),
            ("add 3<<\"EOF\" /x", true),
            ("RUN cat \\\n  <<EOF \\\n  && true", true),
            ("RUN cat\\\n  <<EOF", true),
            ("RUN cat\\\n<<EOF", false),
        ] {
            let found = bases(&format!("FROM a\n{line}\nFROM b\n EOF\nEOF\nFROM c\n"), &BTreeMap::new());
            let all: &[&str] = if hides { &["a", "c"] } else { &["a", "b", "c"] };
            assert_eq!(found, all, "{line:?}");
        }
        let spaced = "FROM a\nCOPY public <<\"USER 1:1\" . /w\nFROM b\nUSER 1:1\nFROM c";
        assert_eq!(bases(spaced, &BTreeMap::new()), ["a", "c"]);
        // With a dash, tabs may stand before the end.
        assert_eq!(bases("FROM a\nRUN <<-E\nFROM b\n\tE\nFROM c", &BTreeMap::new()), ["a", "c"]);
        assert_eq!(bases("FROM a\nRUN <<E\nFROM b\n\tE\nFROM c", &BTreeMap::new()), ["a"]);
    }

    #[test]
    fn a_digest_takes_the_place_of_each_tag_and_of_nothing_else() {
        let args = BTreeMap::new();
        let digests = [("a:1", "sha256:aa"), ("r:5000/b", "sha256:bb"), ("c", "sha256:cc")];
        let digests = digests.map(|(image, digest)| (image.to_owned(), digest.to_owned())).into();
        let of = |text: &str| pinned(text, &args, &digests);
        assert_eq!(
            of("FROM --platform=a:1 a:1 AS a\nCOPY --from=a /a:1 /\n"),
            "FROM --platform=a:1 a@sha256:aa AS a\nCOPY --from=a /a:1 /\n"
        );
        assert_eq!(
            of("ARG V=1\nFROM a:$V\n  from r:5000/b\n"),
            "ARG V=1\nFROM a@sha256:aa\n  from r:5000/b@sha256:bb\n"
        );
        assert_eq!(
            of("# syntax = c\nFROM x\nRUN --mount=type=bind,from=c,target=/c cat"),
            "# syntax = c@sha256:cc\nFROM x\nRUN --mount=type=bind,from=c@sha256:cc,target=/c cat"
        );
        for plain in [
            "FROM scratch\nCOPY --from=0 c c",
            "FROM x\nRUN python3 - <<-'E'\nfrom c import d\nE\n",
            "FROM x\nRUN echo from c \\\n  from c",
        ] {
            assert_eq!(of(plain), plain);
        }
        assert_eq!(at_digest("r:5000/b@sha256:old", "sha256:new"), "r:5000/b@sha256:new");
    }
}
