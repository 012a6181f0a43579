//! The patches of `scripts/mutants` fit the tree as it is: each breaks a rule by lines that are there, once, and names a
//! test that exists. Whether the test catches it, the script finds out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The rules that always hold: each has at least one patch.
const RULES: std::ops::RangeInclusive<u32> = 1..=12;
/// All cases of plans, of which a patch names one.
const PLAN_CASES: &str = "test(/plan_cases_/)";

#[test]
fn every_patch_fits_the_tree_and_names_a_test() {
    let mut wrong = Vec::new();
    for (name, text) in patches() {
        wrong.extend(objections(&name, &text).into_iter().map(|what| format!("{name}: {what}")));
        let patch = root().join(format!("tests/mutants/{name}.patch"));
        let git = Command::new("git").args(["apply", "--check", "--recount"]).arg(patch).current_dir(root()).output();
        let git = git.unwrap();
        if !git.status.success() {
            wrong.push(format!("{name}: {}", String::from_utf8_lossy(&git.stderr)));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_rule_has_a_patch() {
    let covered: BTreeSet<u32> = patches().keys().filter_map(|name| rule_of(name)).collect();
    let missing: Vec<u32> = RULES.filter(|rule| !covered.contains(rule)).collect();
    assert!(missing.is_empty(), "no patch in tests/mutants breaks {missing:?}");
}

/// By name, without the ending.
fn patches() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(root().join("tests/mutants")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let stem = name.strip_suffix(".patch").unwrap_or_else(|| panic!("{name} is no patch"));
        found.insert(stem.to_owned(), std::fs::read_to_string(&path).unwrap());
    }
    found
}

fn rule_of(name: &str) -> Option<u32> {
    name.split_once('-')?.0.parse().ok()
}

fn objections(name: &str, text: &str) -> Vec<String> {
    let (header, body) = text.split_once("\n--- ").unwrap_or((text, ""));
    let entries: BTreeMap<&str, &str> = header.lines().filter_map(|line| line.split_once(": ")).collect();
    let mut wrong = Vec::new();
    if entries.get("rule").and_then(|rule| rule.parse().ok()) != rule_of(name) {
        wrong.push("`rule:` is not what its name begins with".to_owned());
    }
    if !entries.contains_key("breaks") {
        wrong.push("`breaks:` does not say what it does".to_owned());
    }
    let tests = entries.get("test").copied().unwrap_or_default();
    let folder = match entries.get("package").copied() {
        None => "tests/it",
        Some("amarre-core") => "core/tests",
        Some("amarre-tidy") => "tests/tidy",
        Some(other) => return vec![format!("`package: {other}` has no tests that patches name")],
    };
    wrong.extend(tests.split(" | ").filter_map(|filter| unknown_test(filter, folder)));
    match entries.get("case") {
        Some(case) if !root().join(format!("tests/cases/plan/{case}.yaml")).exists() => {
            wrong.push(format!("there is no case {case}"));
        }
        None if tests.contains(PLAN_CASES) => wrong.push("`case:` does not say which".to_owned()),
        Some(_) | None => (),
    }
    wrong.extend(body.split("\n--- ").flat_map(misfits));
    wrong
}

/// What is wrong with one part of a filter: `test(=looks::promises::one_delete_needs_no_confirmation)`, or `test(=files_stay_short)`
/// for a test that no module is around.
fn unknown_test(filter: &str, folder: &str) -> Option<String> {
    if filter == PLAN_CASES {
        return None;
    }
    let path = filter.strip_prefix("test(=").and_then(|rest| rest.strip_suffix(')'));
    let Some(path) = path else {
        return Some(format!("`{filter}` is not of the form test(=module::test)"));
    };
    let (module, test) = path.rsplit_once("::").unwrap_or(("main", path));
    let file = root().join(folder).join(module.replace("::", "/"));
    let text =
        [file.with_extension("rs"), file.join("mod.rs")].iter().find_map(|path| std::fs::read_to_string(path).ok());
    let is_there = text.is_some_and(|text| text.contains(&format!("fn {test}(")));
    (!is_there).then(|| format!("there is no test {module}::{test}"))
}

/// What does not fit in the part of a patch that is about one file.
fn misfits(part: &str) -> Vec<String> {
    let Some(path) = part.lines().find_map(|line| line.strip_prefix("+++ b/")) else {
        return vec!["changes no file".to_owned()];
    };
    let file = std::fs::read_to_string(root().join(path)).unwrap_or_default();
    let lines: Vec<&str> = file.lines().collect();
    let mut wrong = Vec::new();
    if !["src/", "core/src/"].iter().any(|product| path.starts_with(product)) {
        wrong.push(format!("changes {path}, which is neither in src nor in core/src"));
    }
    for hunk in part.split("\n@@ ").skip(1) {
        let hunk: Vec<&str> = hunk.lines().skip(1).filter(|line| !line.starts_with("diff ")).collect();
        let is_context = |line: Option<&&str>| line.is_some_and(|line| line.starts_with(' '));
        if !is_context(hunk.first()) || !is_context(hunk.last()) {
            wrong.push(format!("{path}: a change needs a line around it on either side"));
        }
        let before: Vec<&str> =
            hunk.iter().filter(|line| !line.starts_with('+')).map(|line| line.get(1..).unwrap_or_default()).collect();
        let places = lines.windows(before.len()).filter(|window| *window == before).count();
        if places != 1 {
            wrong.push(format!("{path}: these lines are there {places} times:\n{}", before.join("\n")));
        }
    }
    wrong
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
