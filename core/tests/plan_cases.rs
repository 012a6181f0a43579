//! Each case is `tests/cases/plan/NAME.yaml`, and beside it `NAME.plan`: its story and what `amarre plan` prints.
//! `UPDATE=1` rewrites the latter. What must hold of every case stands in `oracle.rs`, not in the cases.
#![expect(clippy::wildcard_enum_match_arm, reason = "a world for tests minds only what it is asked about")]

mod case;

use std::path::{Path, PathBuf};

use amarre_testkit::oracle;

/// Cases are spread over so many tests, which run side by side.
const SHARES: usize = 4;

#[test]
fn plan_cases_first_share() {
    share(0);
}

#[test]
fn plan_cases_second_share() {
    share(1);
}

#[test]
fn plan_cases_third_share() {
    share(2);
}

#[test]
fn plan_cases_fourth_share() {
    share(3);
}

#[test]
fn plan_every_golden_has_its_case() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "plan") {
            assert!(path.with_extension("yaml").exists(), "{} has no case", path.display());
        }
    }
    assert!(cases().len() >= 100, "only {} cases", cases().len());
}

#[track_caller]
fn share(which: usize) {
    let mut wrong = Vec::new();
    for path in cases().into_iter().skip(which).step_by(SHARES) {
        wrong.extend(check(&path));
    }
    assert!(wrong.is_empty(), "UPDATE=1 rewrites what is printed:\n{}", wrong.join("\n"));
}

/// What is wrong with a case, in words.
fn check(path: &Path) -> Vec<String> {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let case = case::read(&name, &std::fs::read_to_string(path).unwrap());
    let answer = oracle::answer(&case.scene, &case.start);
    let mut wrong = oracle::broken_promises(&case.scene, &case.start);
    let away = oracle::downtimes(&answer.forecast.plan);
    if case.downtime.as_ref().is_some_and(|expected| *expected != away) {
        wrong.push(format!("the plan says that {away:?} are away for a while"));
    }
    let printed = format!("{}\n\n{}", case.story, answer.text);
    let golden = path.with_extension("plan");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&golden, &printed).unwrap();
    } else if std::fs::read_to_string(&golden).unwrap_or_default() != printed {
        wrong.push(format!("prints otherwise:\n{printed}"));
    }
    wrong.into_iter().map(|what| format!("--- {name}: {what}")).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/plan")
}

fn cases() -> Vec<PathBuf> {
    let only = std::env::var_os("CASE").map(|name| name.to_string_lossy().into_owned());
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let is_asked = |path: &PathBuf| {
        only.as_ref().is_none_or(|only| only.split(',').any(|one| path.to_string_lossy().contains(one)))
    };
    let mut cases: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "yaml") && is_asked(path)).collect();
    cases.sort();
    cases
}
