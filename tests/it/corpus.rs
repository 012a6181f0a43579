//! Compose projects as people have them, `tests/cases/corpus/NAME.txt`, in the proportions in which they were met (`-- PATH --`
//! begins each file of one).
//!
//! `taken.out` beside them counts how many are taken, by the usual policy, with `authors: operators` and with everything
//! allowed, and says of each other
//! one why not. `UPDATE=1` rewrites it.

mod meaning;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use amarre::source::Folder;
use amarre_core::manifest::{Diagnostic, Loaded, Severity, SourceFile, load};
use amarre_core::model::Code;
use amarre_core::model::site::{Policy, Site};

/// Of all projects, with everything allowed.
const TAKEN_PERCENT_MIN: usize = 95;
/// Of all projects, with `policy.authors: operators` and no other word.
const BY_OPERATORS_PERCENT_MIN: usize = 90;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/corpus")
}

/// Every project, by name.
pub fn projects() -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let project = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    entries.filter(|path| path.extension().is_some_and(|end| end == "txt")).map(project).collect()
}

/// Writes a project's files below `services/NAME`, with its manifest; answers the folder `services`.
pub fn unpack(root: &Path, name: &str, text: &str) -> PathBuf {
    let services = root.join("services");
    let folder = services.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("service.yaml"), format!("name: {name}\ncompose: .\n")).unwrap();
    let mut current: Option<(PathBuf, String)> = None;
    let write = |(path, text): (PathBuf, String)| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("-- ").and_then(|line| line.strip_suffix(" --")) {
            current.replace((folder.join(path), String::new())).into_iter().for_each(write);
        } else if let Some((_, text)) = &mut current {
            text.push_str(line);
            text.push('\n');
        }
    }
    current.into_iter().for_each(write);
    services
}

/// What is in such a folder.
pub fn read(services: &Path, site: &Site) -> Loaded {
    let snapshot = Folder::new(services).read().unwrap();
    let file = |(path, text): &(String, String)| SourceFile { path: path.clone(), text: text.clone() };
    let files: Vec<SourceFile> = snapshot.files.iter().map(file).collect();
    load(&files, &snapshot.assets, site)
}

/// As it is where the configuration says nothing of it.
fn usual() -> Site {
    Site { policy: Policy::default(), ..amarre_testkit::sites::permissive() }
}

/// With every word of the policy.
pub fn generous() -> Site {
    let mut site = crate::compose_keys::site();
    site.policy.host_paths = vec!["/".to_owned()];
    site
}

/// Why a project is not taken.
fn errors(loaded: &Loaded) -> Vec<&Diagnostic> {
    loaded.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).collect()
}

#[test]
fn published_projects_are_accepted_or_refused_by_name() {
    let projects = projects();
    let count = projects.len();
    assert!(count >= 200, "{count} projects");
    let (usual, by_authors, generous) = (usual(), crate::escapes::operators(usual()), generous());
    let (mut by_usual, mut by_operators, mut by_all) = (0, 0, 0);
    let (mut refused, mut closed) = (String::new(), String::new());
    let mut warned: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, text) in &projects {
        let copied = tempfile::tempdir().unwrap();
        let services = unpack(copied.path(), name, text);
        let (strict, wide) = (read(&services, &usual), read(&services, &generous));
        let codes: BTreeSet<&str> = wide.diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect();
        for code in codes {
            *warned.entry(code).or_default() += 1;
        }
        let said = |problem: &Diagnostic| (problem.code, problem.message.to_string());
        let whatever: Vec<(Code, String)> = errors(&wide).into_iter().map(said).collect();
        assert_eq!(whatever.is_empty(), wide.services.len() == 1, "{name}: {:?}", wide.diagnostics);
        by_all += usize::from(whatever.is_empty());
        by_operators += usize::from(errors(&read(&services, &by_authors)).is_empty());
        for (code, message) in &whatever {
            writeln!(refused, "  {name}: {code} {message}").unwrap();
        }
        let of_policy: Vec<&Diagnostic> =
            errors(&strict).into_iter().filter(|problem| !whatever.contains(&said(problem))).collect();
        by_usual += usize::from(whatever.is_empty() && of_policy.is_empty());
        for problem in of_policy {
            let hint = problem.hint.as_ref().map(ToString::to_string).unwrap_or_default();
            assert!(hint.contains("`policy."), "{name}: {problem:?} names no word of the policy");
            writeln!(closed, "  {name}: {} {}", problem.code, problem.message).unwrap();
        }
    }
    assert!(by_all * 100 >= count * TAKEN_PERCENT_MIN, "{by_all} of {count} are taken with everything allowed");
    assert!(
        by_operators * 100 >= count * BY_OPERATORS_PERCENT_MIN,
        "{by_operators} of {count} are taken from operators"
    );
    let share = |of: usize| format!("{of} of {count}, {:.1} %", of as f64 / count as f64 * 100.0);
    let codes: Vec<String> = warned.iter().map(|(code, count)| format!("{code} {count}")).collect();
    let got = format!(
        "taken with everything allowed: {}\ntaken with `authors: operators`: {}\ntaken by the usual policy: {}\ncodes, with everything allowed: {}\n\nrefused whatever the policy says\n{refused}\nclosed by the usual policy\n{closed}",
        share(by_all),
        share(by_operators),
        share(by_usual),
        codes.join(", "),
    );
    let golden = folder().join("taken.out");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&golden, &got).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&golden).unwrap_or_default(), got, "UPDATE=1 rewrites it");
}
