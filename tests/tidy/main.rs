//! The rules about the source that no compiler holds: who may import whom, what a pure module may name, through which
//! door an effect goes, which files belong together, and that no document speaks of what is not there.
//!
//! Each rule is a table. A deviation stands in its table with the reason, and one that is needed no more fails too. Nothing of the
//! product is compiled for it; what needs its parser is in `tests/it/named_commands.rs`.

mod code_map;
mod floors;
mod names;
mod promises;
mod reach;
mod words;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use amarre_tidy::{PRODUCT, Source, documents, files, read, root, rust_files};

/// All that is written in Rust here.
const ALL_CODE: [&str; 6] = ["core/src", "core/tests", "crates", "src", "sim", "tests"];

/// Who may import whom where the walls between packages let more through; a path allows everything below it. A module that is not
/// here may use what its package can.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("resources", &["model"]),
    ("apps", &["model"]),
    ("manifest", &["model", "resources", "apps"]),
    ("turns", &["model"]),
    ("plan", &["model", "resources", "turns"]),
    ("secret", &["model"]),
    // A channel is what the configuration says of it.
    ("config", &["model", "secret", "notifications::channel"]),
    ("words", &["model"]),
    ("providers", &["model", "resources", "secret", "error_chain", "turns"]),
    // What of a repository is looked at, and what of it is sent to an engine.
    ("source", &["model", "secret", "apps", "turns"]),
    // A published port is leased to its container, and a server stays owned while its vendor deletes it.
    ("ledger", &["model", "resources::docker", "resources::cloud", "error_chain"]),
    ("accounts", &["model", "secret", "ledger"]),
    (
        "notifications",
        &["words", "model", "manifest", "plan::render", "secret", "error_chain", "providers::http", "ledger", "engine"],
    ),
    // The table of verbs says which role each verb needs.
    (
        "engine",
        &[
            "model",
            "resources::cloud",
            "apps",
            "manifest",
            "plan",
            "secret",
            "providers",
            "source",
            "ledger",
            "accounts::Role",
            "words",
        ],
    ),
    // What is shown: the engine's pass and its words, and of the store what was recorded.
    (
        "server",
        &[
            "model",
            "manifest",
            "engine",
            "plan::render",
            "ledger::runs",
            "accounts",
            "notifications",
            "secret",
            "error_pages",
            "templates",
        ],
    ),
    (
        "web",
        &[
            "words",
            "model",
            "templates",
            "manifest",
            "engine",
            "plan::render",
            "ledger",
            "source",
            "accounts",
            "notifications",
            "secret",
            "server",
            "error_pages",
        ],
    ),
];

/// Single files that may do more, and why.
const MAY_ALSO_USE: &[(&str, &str, &str)] = &[
    ("crates/providers/src/source/git/http.rs", "providers::http", "fetches through the one HTTP client"),
    ("src/config/place.rs", "manifest::place", "finds keys of amarre.yaml as the reader of manifests does"),
    ("crates/providers/src/providers/docker/build.rs", "apps", "sends a Dockerfile with digests in place of tags"),
    ("core/src/plan/render/json.rs", "manifest", "its document lists what is wrong with manifests"),
];

/// Modules that do no IO, hold no clock and log nothing.
const PURE: [&str; 2] = ["core/src", "crates/http/src/templates"];
const IMPURE: [&str; 9] =
    ["tokio", "reqwest", "sqlx", "std::fs", "std::env", "std::process", "SystemTime", "Instant", "tracing"];

/// Effects and the files through which they go.
const DOORS: &[(&str, &[&str])] = &[
    ("io::stdout", &["src/cli/output.rs"]),
    ("io::stderr", &["src/cli/output.rs", "src/telemetry.rs"]),
    ("io::stdin", &["src/cli/output.rs"]),
    // cli/link.rs speaks over the unix socket to our own daemon; docker/transport.rs to engines, over pipes and TLS of its own.
    (
        "Client::builder",
        &[
            "crates/providers/src/providers/http.rs",
            "src/cli/link.rs",
            "crates/providers/src/providers/docker/transport.rs",
        ],
    ),
    ("SystemTime", &["crates/engine/src/engine/reconcile/clock.rs"]),
    ("env::var", &["src/config/secrets.rs", "src/cli/output.rs", "src/cli/commands.rs"]),
    (
        "sqlx::",
        &[
            "crates/store/src/ledger/sql.rs",
            "crates/store/src/ledger/resources.rs",
            "crates/store/src/ledger/inspect.rs",
            "crates/store/src/ledger/migrations.rs",
            "crates/store/src/ledger/cache.rs",
            "crates/store/src/ledger/instance_name.rs",
        ],
    ),
    // The cli spawns what outlives a call of its own: the servers of `run`, and the engine of a command without a daemon.
    // The server completes a request whose client does not wait.
    (
        "tokio::spawn",
        // A machine that answers late wakes the loop; the task ends with its answer.
        &["src/cli/link.rs", "crates/providers/src/providers/ssh/mod.rs", "crates/http/src/server/mod.rs"],
    ),
    (
        "JoinSet",
        &[
            "crates/engine/src/engine/reconcile/engine.rs",
            "crates/engine/src/engine/reconcile/poll.rs",
            // Prices are read beside the loop, and the task ends with it.
            "crates/engine/src/engine/reconcile/savings.rs",
            "crates/engine/src/engine/reconcile/daemon.rs",
            "src/cli/daemon.rs",
            "crates/http/src/server/listener.rs",
            // Machines are asked side by side, and one answer takes what came in time.
            "crates/providers/src/providers/ssh/mod.rs",
            // Repositories are fetched beside the loop, which a fetch that has ended wakes.
            "crates/providers/src/source/apps.rs",
        ],
    ),
];

/// What may stand nowhere, and what may not stand in the product outside its tests.
const BANNED: [&str; 11] = [
    "todo!",
    "unimplemented!",
    "FIXME",
    "TODO",
    "XXX",
    "#[ignore",
    "#[should_panic",
    "dbg!(",
    // A comment stands on its own; what it refers to is in this repository.
    "DESIGN §",
    "UX §",
    "STYLE §",
];
const BANNED_IN_PRODUCT: [&str; 5] = ["println!", "print!(", "eprint!(", ".unwrap()", "process::exit"];

/// A file longer than this is two files.
const LINES_MAX: usize = 700;
/// From here on it is named, so that it is reviewed.
const LINES_REPORTED: usize = 500;
/// Longer ones, their limit and the reason.
const LONG_FILES: &[(&str, usize, &str)] = &[];

/// Folders of `tests/cases` that a test reads as a whole: each `NAME.yaml` with what is made of it beside it.
const READ_AS_A_WHOLE: [&str; 2] = ["manifest", "plan"];
/// Folders of `tests/cases` of which a test reads whatever lies there, below folders too.
const READ_TO_THE_END: [&str; 7] = ["answers", "apps", "compose-files", "corpus", "kamatera", "ovh-cloud", "timetable"];

/// Packages in Cargo.lock: 344 when the limit was set, and 15 % more; six that make schemas from structs, eight that make
/// a certificate, and three that read Markdown.
const PACKAGES_MAX: usize = 412;
/// A second TLS. (`openssl-probe` only looks where a machine keeps its certificates.)
const BANNED_PACKAGES: [&str; 6] =
    ["openssl", "openssl-sys", "native-tls", "aws-lc-rs", "aws-lc-sys", "aws-lc-fips-sys"];

/// The list of the error codes.
const CODES: &str = "core/src/model/code.rs";
const PAGE_LINES_MAX: usize = 60;
const PAGE_HEADINGS: [(&str, [&str; 5]); 2] = [
    (".md", ["## What you see", "## What happened", "## How to fix it", "## How to check", "## Other causes"]),
    (".fr.md", ["## Symptôme", "## Ce qui s’est passé", "## Résolution", "## Vérification", "## Autres causes"]),
];

#[test]
fn imports_go_one_way() {
    let mut wrong = Vec::new();
    let mut unused: BTreeSet<_> = MAY_ALSO_USE.iter().map(|(file, path, _)| (*file, *path)).collect();
    let tops: BTreeSet<&str> = MAY_USE.iter().map(|(module, _)| *module).collect();
    for file in PRODUCT.into_iter().flat_map(rust_files) {
        let Some(module) = module_of(&file.path) else { continue };
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else { continue };
        for import in imports(&file, &tops) {
            let is_below = |path: &str| import == path || import.starts_with(&format!("{path}::"));
            if is_below(&module) || allowed.iter().any(|path| is_below(path)) {
                continue;
            }
            match MAY_ALSO_USE.iter().find(|(name, path, _)| *name == file.path && is_below(path)) {
                Some((name, path, _)) => {
                    unused.remove(&(*name, *path));
                }
                None => wrong.push(format!("{}: `{module}` may not use `{import}`", file.path)),
            }
        }
        let may =
            ["src/cli/demo.rs", "src/cli/simulated.rs", "src/cli/simulated_machines.rs"].contains(&file.path.as_str());
        if file.code.contains("amarre_sim") && !may {
            wrong.push(format!("{}: only the demo and test mode may use the simulators", file.path));
        }
    }
    wrong
        .extend(unused.iter().map(|(file, path)| format!("{file}: no longer uses `{path}`; strike it from the table")));
    none(&wrong);
}

#[test]
fn simulators_share_nothing_with_the_product() {
    let uses = |file: &Source| file.code.contains("amarre::").then(|| format!("{} uses the product", file.path));
    none(&rust_files("sim").iter().filter_map(uses).collect::<Vec<_>>());
    assert!(!read("sim/Cargo.toml").contains("path = \"..\""), "sim/Cargo.toml depends on the product");
}

#[test]
fn pure_modules_name_nothing_impure() {
    let mut wrong = Vec::new();
    for file in PURE.into_iter().flat_map(rust_files) {
        for word in IMPURE.into_iter().filter(|word| has_word(&file.code, word)) {
            wrong.push(format!("{}: `{word}`", file.path));
        }
    }
    none(&wrong);
}

#[test]
fn each_effect_has_one_door() {
    let mut wrong = Vec::new();
    for file in PRODUCT.into_iter().flat_map(rust_files) {
        for (effect, doors) in DOORS {
            if has_word(&file.product, effect) && !doors.contains(&file.path.as_str()) {
                wrong.push(format!("{}: `{effect}` belongs into {}", file.path, doors.join(", ")));
            }
        }
    }
    none(&wrong);
}

#[test]
fn banned_words_stand_nowhere() {
    let mut wrong = Vec::new();
    for file in ALL_CODE.into_iter().flat_map(rust_files) {
        if file.path == "tests/tidy/main.rs" {
            continue;
        }
        for (number, line) in file.text.lines().enumerate() {
            for word in BANNED.into_iter().filter(|word| has_word(line, word)) {
                wrong.push(format!("{}:{}: `{word}`", file.path, number + 1));
            }
        }
        for word in BANNED_IN_PRODUCT.into_iter().filter(|word| is_product(&file.path) && file.product.contains(word)) {
            wrong.push(format!("{}: `{word}` outside tests", file.path));
        }
    }
    none(&wrong);
}

#[test]
fn files_stay_short() {
    let mut wrong = Vec::new();
    let mut long = String::new();
    for file in ALL_CODE.into_iter().flat_map(rust_files) {
        let lines = file.text.lines().count();
        let max = LONG_FILES.iter().find(|(path, _, _)| *path == file.path).map_or(LINES_MAX, |(_, max, _)| *max);
        if lines > max {
            wrong.push(format!("{}: {lines} lines, at most {max}", file.path));
        } else if lines > LINES_REPORTED {
            let _ = writeln!(long, "{}: {lines} lines", file.path);
        } else if max != LINES_MAX {
            wrong.push(format!("{}: short again; strike it from LONG_FILES", file.path));
        }
    }
    if wrong.is_empty() {
        return;
    }
    panic!("{}\nlong, and still allowed:\n{long}", wrong.join("\n"));
}

#[test]
fn every_case_is_read_by_a_test() {
    let code: String = ALL_CODE.into_iter().flat_map(rust_files).map(|file| file.text).collect();
    let mut wrong = Vec::new();
    let mut cases = files("tests/cases");
    cases.retain(|path| !path.ends_with("/README.md"));
    let whole: Vec<&str> =
        READ_AS_A_WHOLE.into_iter().filter(|folder| code.contains(&format!("tests/cases/{folder}"))).collect();
    for path in &cases {
        let Some((folder, name)) = path["tests/cases/".len()..].rsplit_once('/') else {
            // A list that one test holds together with the code.
            if !(path.ends_with(".txt") && code.contains(path.as_str())) {
                wrong.push(format!("{path}: belongs into a folder"));
            }
            continue;
        };
        let top = folder.split('/').next().unwrap_or_default();
        let is_read = if READ_TO_THE_END.contains(&top) {
            code.contains(&format!("tests/cases/{top}"))
        } else if whole.contains(&folder) {
            // A case has something beside it, and that has its case.
            let stem = path.rsplit_once('.').map_or(path.as_str(), |(stem, _)| stem);
            let beside = |other: &&String| other.strip_prefix(stem).is_some_and(|end| end.starts_with('.'));
            let partners =
                cases.iter().filter(beside).filter(|other| other.ends_with(".yaml") != name.ends_with(".yaml"));
            partners.count() > 0
        } else {
            code.contains(&format!("tests/cases/{folder}/{name}"))
        };
        if !is_read {
            wrong.push(format!("{path}: no test reads it"));
        }
    }
    none(&wrong);
}

#[test]
fn every_test_file_is_compiled() {
    let mut wrong = Vec::new();
    let compiled_by_name = [
        "tests/it/main.rs",
        "core/tests/main.rs",
        "core/tests/planning.rs",
        "tests/tidy/main.rs",
        "tests/tidy/tree.rs",
        // A part of it, and a tool.
        "tests/tidy/mutants.rs",
        "tests/tidy/mutant.rs",
    ];
    let roots = ["tests/it", "core/tests", "tests/tidy"];
    let tests = roots.into_iter().flat_map(rust_files);
    for file in tests.filter(|file| !compiled_by_name.contains(&file.path.as_str())) {
        let path = Path::new(&file.path);
        let (parent, stem) = (path.parent().unwrap(), path.file_stem().unwrap().to_str().unwrap());
        let (owner, name) = match (stem, roots.iter().any(|root| parent == Path::new(root))) {
            ("mod", _) => (parent.parent().unwrap().join("main.rs"), parent.file_name().unwrap().to_str().unwrap()),
            (stem, true) => (parent.join("main.rs"), stem),
            (stem, false) => (parent.with_extension("rs"), stem),
        };
        let owner = if root().join(&owner).exists() { owner } else { parent.join("mod.rs") };
        let text = std::fs::read_to_string(root().join(&owner)).unwrap_or_default();
        if !text.lines().any(|line| line.trim().trim_start_matches("pub ") == format!("mod {name};")) {
            wrong.push(format!("{}: {} has no `mod {name};`", file.path, owner.display()));
        }
    }
    none(&wrong);
}

#[test]
fn dependencies_stay_few_and_have_one_tls() {
    let lock = read("Cargo.lock");
    let names: Vec<&str> = lock.lines().filter_map(|line| line.strip_prefix("name = ")).collect();
    assert!(names.len() <= PACKAGES_MAX, "{} packages in Cargo.lock, at most {PACKAGES_MAX}", names.len());
    for banned in BANNED_PACKAGES {
        assert!(!names.contains(&format!("\"{banned}\"").as_str()), "Cargo.lock has `{banned}`");
    }
}

/// A profile override of the package with the binary resets `strip`: its symbols stay, 12 MB of them.
#[test]
fn no_profile_override_names_the_package_of_the_binary() {
    let manifest = read("Cargo.toml");
    let mut section = "";
    let mut wrong = Vec::new();
    for line in manifest.lines().map(str::trim) {
        section = if line.starts_with('[') { line } else { section };
        let Some(rest) = section.strip_prefix("[profile.") else { continue };
        let is_override =
            rest.ends_with(".package]") && line.split('=').next().is_some_and(|key| key.trim() == "amarre");
        if is_override || rest.ends_with(".package.amarre]") && section == line {
            wrong.push(format!("Cargo.toml: {section} has an override of the package `amarre`; set it in [profile.*]"));
        }
    }
    none(&wrong);
}

#[test]
fn every_error_code_has_its_page_and_every_page_its_code() {
    let mut wrong = Vec::new();
    // The list itself uses no code.
    let says = |file: &&Source| file.path != CODES;
    let said: BTreeSet<String> = PRODUCT
        .into_iter()
        .flat_map(rust_files)
        .filter(|file| says(&file))
        .flat_map(|file| codes(&file.product))
        .collect();
    let pages: BTreeSet<String> = files("docs/errors").into_iter().collect();
    for (code, (end, headings)) in said.iter().flat_map(|code| PAGE_HEADINGS.map(|form| (code, form))) {
        let path = format!("docs/errors/{code}{end}");
        if !pages.contains(&path) {
            wrong.push(format!("{path}: there is no such page"));
            continue;
        }
        let page = read(&path);
        if !page.starts_with(&format!("# {code}: ")) {
            wrong.push(format!("{path}: does not begin with `# {code}: `"));
        }
        if page.lines().count() >= PAGE_LINES_MAX {
            wrong.push(format!("{path}: {PAGE_LINES_MAX} lines or more"));
        }
        let found: Vec<&str> = page.lines().filter(|line| line.starts_with("## ")).collect();
        if found != headings {
            wrong.push(format!("{path}: its headings are not {headings:?}"));
        }
    }
    let known = |path: &String| said.contains(code_of(path));
    wrong.extend(pages.iter().filter(|path| !known(path)).map(|path| format!("{path}: nothing says this code")));
    none(&wrong);
}

/// The code of a page in either language.
fn code_of(path: &str) -> &str {
    path["docs/errors/".len()..].trim_end_matches(".md").trim_end_matches(".fr")
}

#[test]
fn the_codes_are_in_order_and_are_the_pages() {
    let listed: Vec<String> = read(CODES)
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"))
        .flat_map(str::split_whitespace)
        .filter(|word| codes(word).contains(*word))
        .map(str::to_owned)
        .collect();
    let mut pages: Vec<String> = files("docs/errors").iter().map(|path| code_of(path).to_owned()).collect();
    pages.sort();
    pages.dedup();
    assert_eq!(listed, pages, "{CODES} lists other codes than docs/errors has pages");
}

#[test]
fn documents_name_only_what_is_there() {
    let mut wrong = Vec::new();
    for path in documents() {
        let text = read(&path);
        let folder = Path::new(&path).parent().unwrap();
        for target in links(&text) {
            if !target.contains("://") && !root().join(folder).join(&target).exists() {
                wrong.push(format!("{path}: links to {target}"));
            }
        }
        for name in text.split('`').skip(1).step_by(2).filter_map(file_name) {
            if !root().join(name).exists() && !root().join(folder).join(name).exists() {
                wrong.push(format!("{path}: names {name}"));
            }
        }
    }
    none(&wrong);
}

#[test]
fn the_standing_documents_are_in_form() {
    let manifest = read("Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("version = \"")).unwrap().trim_end_matches('"');
    let section = format!("\n## [{version}] - ");
    assert!(read("CHANGELOG.md").contains(&section), "CHANGELOG.md has no section for {version}");
    assert!(read("ARCHITECTURE.md").lines().count() <= 250, "ARCHITECTURE.md is longer than 250 lines");
    for path in documents() {
        let text = read(&path);
        let titles = text.lines().scan(false, |fenced, line| {
            *fenced ^= line.trim_start().starts_with("```");
            Some(!*fenced && line.starts_with("# "))
        });
        assert_eq!(titles.filter(|is_title| *is_title).count(), 1, "{path} has not one title");
    }
}

fn is_product(path: &str) -> bool {
    PRODUCT.iter().any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
}

/// The top module that a file belongs to; `main.rs` and `lib.rs` to none.
fn module_of(path: &str) -> Option<String> {
    let first = inside(path)?.split('/').next()?.trim_end_matches(".rs");
    (!matches!(first, "main" | "lib")).then(|| first.to_owned())
}

/// The path of a file below its package's `src`.
fn inside(path: &str) -> Option<&str> {
    path.strip_prefix("src/").or_else(|| path.split_once("/src/").map(|(_, inside)| inside))
}

/// Paths from the crate's root that a file names, `crate::…` and as many `super::` as lead there.
fn imports(file: &Source, tops: &BTreeSet<&str>) -> BTreeSet<String> {
    let parts = inside(&file.path).unwrap_or_default().trim_end_matches(".rs").trim_end_matches("/mod");
    let supers = "super::".repeat(parts.split('/').count());
    let mut found = BTreeSet::new();
    for root in ["crate::", "amarre_core::", supers.as_str()] {
        for (at, _) in file.code.match_indices(root) {
            expand(&file.code[at + root.len()..], "", &mut found);
        }
    }
    found.retain(|path| tops.contains(path.split("::").next().unwrap_or_default()));
    found
}

/// `a::{b, c::d}` → `a::b`, `a::c::d`. Returns how much of the text it was.
fn expand(text: &str, prefix: &str, found: &mut BTreeSet<String>) -> usize {
    let name_len = text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':')).count();
    let path = format!("{prefix}{}", &text[..name_len]);
    if !text[name_len..].starts_with('{') {
        found.insert(path.trim_end_matches("::self").trim_end_matches(':').to_owned());
        return name_len;
    }
    let mut at = name_len + 1;
    while at < text.len() && !text[at..].starts_with('}') {
        let next = text.as_bytes()[at];
        at += if next.is_ascii_alphabetic() { expand(&text[at..], &path, found) } else { 1 };
    }
    at + 1
}

/// Whether a word stands there, and not as part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |char: Option<char>| char.is_some_and(|char| char.is_alphanumeric() || char == '_');
    text.match_indices(word).any(|(at, _)| {
        let starts = word.starts_with(|char: char| char.is_alphanumeric()) && is_part(text[..at].chars().next_back());
        let ends =
            word.ends_with(|char: char| char.is_alphanumeric()) && is_part(text[at + word.len()..].chars().next());
        !starts && !ends
    })
}

/// Every `A0000` in a text.
fn codes(text: &str) -> BTreeSet<String> {
    let is_code =
        |word: &&str| word.len() == 5 && word.starts_with('A') && word[1..].bytes().all(|byte| byte.is_ascii_digit());
    text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_').filter(is_code).map(str::to_owned).collect()
}

/// Where `[text](target)` leads, without its `#part`.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets
        .map(|target| target.split('#').next().unwrap_or_default().to_owned())
        .filter(|path| !path.is_empty())
        .collect()
}

/// A code span that is a path in the repository: without spaces and stars, below one of our folders.
fn file_name(span: &str) -> Option<&str> {
    const OURS: [&str; 9] = ["core/", "crates/", "src/", "sim/", "scripts/", "tests/", "docs/", "examples/", ".ci/"];
    let path = span.split(':').next()?;
    let is_path = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-'));
    (is_path && OURS.iter().any(|ours| path.starts_with(ours))).then_some(path)
}

#[track_caller]
fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
