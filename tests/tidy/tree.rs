//! The repository as text: its Rust files without comments and tests, its documents.
#![expect(clippy::unwrap_used, reason = "tests")]

pub mod mutants;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The folders of what is delivered, the simulators apart.
pub const PRODUCT: [&str; 3] = ["core/src", "crates", "src"];

/// One Rust file: as it is, without comments, and without comments and tests.
pub struct Source {
    pub path: String,
    pub text: String,
    pub code: String,
    pub product: String,
}

pub fn rust_files(folder: &str) -> Vec<Source> {
    files(folder).into_iter().filter(|path| path.ends_with(".rs")).map(source).collect()
}

fn source(path: String) -> Source {
    let text = read(&path);
    let mut code = String::new();
    for line in text.lines() {
        let comment = line.find("//").filter(|at| !line[..*at].ends_with(':'));
        let _ = writeln!(code, "{}", &line[..comment.unwrap_or(line.len())]);
    }
    let product = if path.ends_with("tests.rs") { String::new() } else { without_tests(&code) };
    Source { path, text, code, product }
}

/// `#[cfg(test)] mod tests { … }` ends at the next brace in the first column.
fn without_tests(code: &str) -> String {
    let mut product = String::new();
    let mut in_tests = false;
    for line in code.lines() {
        in_tests |= line.starts_with("#[cfg(test)]");
        if !in_tests {
            let _ = writeln!(product, "{line}");
        }
        in_tests &= !(line.starts_with('}') || line.ends_with(';') && line.starts_with("mod "));
    }
    product
}

/// Everything written for people.
pub fn documents() -> Vec<String> {
    let mut found: Vec<String> = files("docs").into_iter().filter(|path| path.ends_with(".md")).collect();
    let tops = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    found.extend(tops.filter(|name| name.ends_with(".md")));
    found
}

/// The files below a folder, by name; none where there is no folder.
pub fn files(folder: &str) -> Vec<String> {
    files_below(&root(), folder)
}

/// The same in a copy of the tree.
fn files_below(root: &Path, folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub fn root() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../.."].iter().collect()
}
