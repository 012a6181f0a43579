//! Searches every output for canaries, in every form that one may have there.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Where it was looked, and what was there.
#[derive(Default)]
pub struct Found {
    texts: Vec<(String, String)>,
}

impl Found {
    pub fn add(&mut self, place: impl Into<String>, bytes: &[u8]) {
        self.texts.push((place.into(), String::from_utf8_lossy(bytes).into_owned()));
    }

    /// Every file below a folder, except those that hold a secret on purpose.
    pub fn add_files(&mut self, folder: &std::path::Path, given: &[&str]) {
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                if given.iter().any(|given| name.starts_with(given)) {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else if path.is_file() {
                    self.add(format!("the file {name}"), &std::fs::read(&path).unwrap());
                }
            }
        }
    }

    /// Where which canary is, with what stands around it.
    pub fn leaks(&self, canaries: &[(&str, &str)]) -> Vec<String> {
        let all = canaries.iter().flat_map(|(name, value)| forms(value).into_iter().map(move |form| (name, form)));
        let all: Vec<_> = all.collect();
        // In one go: there are a thousand forms.
        let search = AhoCorasick::new(all.iter().map(|(_, (_, text))| text)).unwrap();
        let mut leaks = Vec::new();
        for (place, found) in &self.texts {
            let mut hits = BTreeSet::new();
            for hit in search.find_overlapping_iter(found) {
                if hits.insert(hit.pattern()) {
                    let around: String = found[..hit.start()].chars().rev().take(80).collect();
                    let around: String = around.chars().rev().collect();
                    let (name, (form, text)) = &all[hit.pattern()];
                    leaks.push(format!("{name}, {form}, in {place}: …{around}>>>{text}<<<"));
                }
            }
        }
        leaks
    }

    pub fn places(&self) -> usize {
        self.texts.len()
    }

    pub fn contains(&self, text: &str) -> bool {
        self.texts.iter().any(|(_, found)| found.contains(text))
    }
}

/// A value in each of its forms: as it is, written in JSON, URLs and base64, and as digests that need no key.
pub fn forms(value: &str) -> Vec<(&'static str, String)> {
    let json = serde_json::to_string(value).unwrap();
    let json = json[1..json.len() - 1].to_owned();
    let url: String = value
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    let url_kept: String = value
        .bytes()
        .map(|byte| match byte {
            b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    let mut forms = vec![
        ("plain", value.to_owned()),
        ("in small letters", value.to_lowercase()),
        ("in JSON", json.clone()),
        ("in JSON within JSON", json.replace('\\', "\\\\").replace('"', "\\\"")),
        ("in a URL", url.clone()),
        ("in a URL in small letters", url.to_lowercase()),
        ("in a URL", url_kept.clone()),
        ("in a form", url_kept.replace("%20", "+")),
        ("backwards", value.chars().rev().collect()),
    ];
    // A cut is no disguise. What vendors make themselves has halves that mean nothing.
    if value.starts_with("cAnary") {
        let (first, second) = value.split_at(value.len() / 2);
        forms.extend([("its first half", first.to_owned()), ("its second half", second.to_owned())]);
    }
    for text in [value, json.as_str()] {
        for before in ["", "x", "xx"] {
            let whole = base64(format!("{before}{text}").as_bytes());
            let skipped = (before.len() * 8).div_ceil(6);
            let core = whole.trim_end_matches('=')[skipped..].to_owned();
            // The last letter may hold bits of what comes after.
            let core = core[..core.len() - 1].to_owned();
            forms.push(("in base64", core.replace('+', "-").replace('/', "_")));
            forms.push(("in base64", core));
        }
    }
    let digests = [hex::encode(Sha256::digest(value)), hex::encode(Sha1::digest(value)), md5(value)];
    forms.extend(digests.map(|digest| ("as a digest without a key", digest[..12].to_owned())));
    forms.dedup();
    forms
}

/// By the command: no crate here has a digest as old.
fn md5(value: &str) -> String {
    use std::io::Write;
    let mut command = std::process::Command::new("md5sum");
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("md5sum is there");
    child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for letter in 0..4 {
            let is_there = letter <= three.len();
            let index = number >> (18 - 6 * letter) & 63;
            text.push(if is_there { char::from(LETTERS[index as usize]) } else { '=' });
        }
    }
    text
}

#[test]
fn a_canary_is_found_in_each_form() {
    let value = "cAnary-\"7+/ é";
    assert_eq!(base64("Ma".as_bytes()), "TWE=");
    for text in [
        "say cAnary-\"7+/ é",
        r#"{"a": "cAnary-\"7+/ é"}"#,
        "?a=cAnary-%227%2B%2F%20%C3%A9",
        &base64(format!("user:{value}!").as_bytes()),
        &base64(format!("user1:{value}").as_bytes()),
        &base64(format!("user12:{value} ").as_bytes()),
        &hex::encode(Sha256::digest(value)),
        &hex::encode(Sha1::digest(value)),
        &md5(value),
    ] {
        let mut found = Found::default();
        found.add("here", text.as_bytes());
        assert!(!found.leaks(&[("it", value)]).is_empty(), "{text}");
    }
}
