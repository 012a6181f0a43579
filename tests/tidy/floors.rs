//! The floors inside a room: which of its modules may use which.

use std::collections::BTreeSet;

use amarre_tidy::{Source, rust_files};

use super::{expand, inside, none};

/// A folder, the module that it is in its package, and its floors from the lowest to the highest. A module uses its own floor and those
/// below; what stands on no floor is checked nowhere.
const ROOMS: &[(&str, &str, &[&[&str]])] = &[
    (
        "core/src/manifest",
        "manifest",
        &[
            &["limits", "secret_keys", "yaml"],
            &["variables", "budget"],
            &["source_files", "opened_files"],
            &["scope"],
            &["named_files", "reader", "resolve", "schema_keys"],
            &["policy"],
            &["compose"],
            &["kinds"],
            &["parse"],
            &["render"],
        ],
    ),
    (
        "core/src/plan",
        "plan",
        &[
            &["look_time"],
            &["input"],
            &["left_alone", "protection", "settling", "compare", "addressing"],
            &["targets"],
            &["exclusive", "indexes"],
            &["expansion"],
            &["desired"],
            &["rollout"],
            &["diff"],
            &["safety", "expand"],
            &["forecast", "kept"],
            &["render"],
        ],
    ),
    (
        "crates/engine/src/engine",
        "engine",
        &[&["backoff", "ledger_trouble"], &["pass_result"], &["progress"], &["report"], &["reconcile"], &["commands"]],
    ),
];

#[test]
fn a_module_uses_its_own_floor_and_those_below() {
    let mut wrong = Vec::new();
    for (folder, room, floors) in ROOMS {
        let floor_of = |module: &str| floors.iter().position(|floor| floor.contains(&module));
        for file in rust_files(folder) {
            let own = module_path(&file);
            let Some(floor) = own.get(1).and_then(|module| floor_of(module)) else { continue };
            for path in imports(&file, &own) {
                let Some(below) = path.strip_prefix(&format!("{room}::")) else { continue };
                let module = below.split("::").next().unwrap_or_default();
                let is_reexport = module.starts_with(|first: char| first.is_ascii_uppercase());
                if is_reexport || floor_of(module).is_some_and(|used| used > floor) {
                    wrong.push(format!("{}: `{}` may not use `{path}`", file.path, own[1]));
                }
            }
        }
    }
    none(&wrong);
}

/// `engine`, `report`, `status` for `…/src/engine/report/status.rs`.
fn module_path(file: &Source) -> Vec<String> {
    let path = inside(&file.path).unwrap_or_default().trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

/// Every path that a file names, from the root of its package.
fn imports(file: &Source, own: &[String]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, root) in file.product.match_indices("crate::") {
        expand(&file.product[at + root.len()..], "", &mut found);
    }
    let mut code = file.product.as_str();
    while let Some(at) = code.find("super::") {
        let rest = code[at..].trim_start_matches("super::");
        let ups = (code.len() - at - rest.len()) / "super::".len();
        let parent = own.get(..own.len().saturating_sub(ups)).unwrap_or_default();
        let prefix: String = parent.iter().map(|part| format!("{part}::")).collect();
        expand(rest, &prefix, &mut found);
        code = rest;
    }
    found
}
