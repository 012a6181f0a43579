//! What README.md promises of Amarre's behaviour, and the tests that break where it does not hold.

use std::collections::BTreeSet;

use amarre_tidy::{files, read};

const TABLE: &str = "tests/cases/readme.txt";
const SECTION: &str = "## How it behaves";

/// Each sentence of each point, on one line.
fn sentences(readme: &str) -> Vec<String> {
    let section = readme.split(SECTION).nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap_or_default();
    let words = |point: &str| point.split_whitespace().collect::<Vec<_>>().join(" ");
    let points = section.split("\n- ").skip(1).map(words);
    points.flat_map(|point| in_sentences(&point)).collect()
}

fn in_sentences(point: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = point;
    while let Some(at) = [". ", ".** "].iter().filter_map(|end| rest.find(end).map(|at| at + end.len())).min() {
        found.push(rest[..at].trim().to_owned());
        rest = &rest[at..];
    }
    found.push(rest.trim().to_owned());
    found.retain(|sentence| !sentence.is_empty());
    found
}

#[test]
fn every_promise_names_its_tests() {
    let table = read(TABLE);
    let promised: Vec<&str> = table.lines().filter_map(|line| line.strip_prefix("> ")).collect();
    assert_eq!(promised, sentences(&read("README.md")), "{TABLE} has other sentences than README.md");
    let tests = ["tests", "core", "crates", "src", "sim"].iter().flat_map(|folder| files(folder));
    let sources: Vec<String> = tests.filter(|path| path.ends_with(".rs")).map(|path| read(&path)).collect();
    let names: BTreeSet<&str> =
        sources.iter().flat_map(|text| text.split("fn ").skip(1)).filter_map(|rest| rest.split('(').next()).collect();
    let mut last: Option<&str> = None;
    for line in table.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        match line.strip_prefix("> ") {
            Some(sentence) => assert!(last.is_none_or(|last| !last.starts_with("> ")), "no test before {sentence}"),
            None => assert!(names.contains(line), "there is no test {line}"),
        }
        last = Some(line);
    }
    assert!(last.is_some_and(|last| !last.starts_with("> ")), "the last sentence has no test");
}
