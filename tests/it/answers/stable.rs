//! Words for what is another one in each run: ports and folders, digests of them, keys, and how long something took.

/// What has had a word so far.
pub struct Stable {
    known: Vec<(String, String)>,
}

impl Stable {
    /// With words for what is known from the beginning.
    pub fn new(known: Vec<(String, &str)>) -> Self {
        Self { known: known.into_iter().map(|(what, word)| (what, word.to_owned())).collect() }
    }

    /// From now on this is called so; what has a word keeps it.
    pub fn call(&mut self, what: &str, word: &str) {
        if !what.is_empty() && self.known.iter().all(|(known, _)| known != what) {
            self.known.push((what.to_owned(), word.to_owned()));
        }
    }

    /// A digest, which people see shortened.
    pub fn call_digest(&mut self, digest: &str, short: usize, word: &str) {
        self.call(digest, word);
        self.call(digest.get(..short).unwrap_or_default(), &format!("{word}-SHORT"));
    }

    /// A text with these words in it.
    pub fn in_words(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (what, word) in &self.known {
            text = text.replace(what, word);
        }
        text.lines().map(|line| format!("{}\n", without_spans(line))).collect()
    }
}

/// A line without the milliseconds that something took, and without when a provider is asked again, which has some chance in it, so
/// that not all ask at once.
fn without_spans(line: &str) -> String {
    if let Some((before, _)) = line.split_once("\"next_run_at\": \"") {
        return format!("{before}\"next_run_at\": \"NEXT-RUN\",");
    }
    if let Some((before, number)) =
        line.split_once("ms\": ").filter(|(_, number)| number.starts_with(|c: char| c.is_ascii_digit()))
    {
        return format!("{before}ms\": SPAN{}", number.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    let mut parts = line.split(" ms");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let before = out.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        if before < out.len() && !part.starts_with(char::is_alphanumeric) {
            out.replace_range(before.., "SPAN");
        }
        out.push_str(" ms");
        out.push_str(part);
    }
    out
}

/// Metrics in the order of their names; of what is counted or measured while the machine works, no value.
pub fn metrics(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(without_measure).collect();
    lines.sort();
    lines.dedup();
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}

fn without_measure(line: &str) -> String {
    let measured = ["_bucket{", "_sum", "_count", "_total", "_bytes"];
    let Some((name, _)) = line.rsplit_once(' ').filter(|_| !line.starts_with('#')) else { return line.to_owned() };
    let is_measured = measured.iter().any(|part| name.contains(part));
    if is_measured { format!("{name} MEASURED") } else { line.to_owned() }
}
