//! The tables of ARCHITECTURE.md name files where they are: one that is named without its folder is below a folder of its row.

use std::path::Path;

use amarre_tidy::{files, read, root};

use super::{file_name, none};

#[test]
fn a_row_names_files_below_its_own_folders() {
    let text = read("ARCHITECTURE.md");
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let wrong = rows.flat_map(missing).collect::<Vec<_>>();
    assert!(text.contains("pass.rs"), "the code map names no file of a row");
    none(&wrong);
}

#[test]
fn a_file_of_another_room_is_not_found() {
    assert_eq!(missing("| `crates/engine/src/engine/reconcile` | `pass.rs` is one pass |"), [""; 0]);
    assert_eq!(missing("| who holds a delete | `core/src/plan/mod.rs`; `safety/protect.rs` |"), [""; 0]);
    assert_eq!(missing("| `crates/engine/src/engine/reconcile` | `record.rs` writes down what was found |").len(), 1);
}

/// What a row names without a folder and does not have below the folders that it names.
fn missing(row: &str) -> Vec<String> {
    let spans: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
    let mut folders: Vec<String> = Vec::new();
    for path in spans.iter().filter_map(|span| file_name(span)) {
        let is_folder = root().join(path).is_dir();
        let folder = if is_folder { Some(Path::new(path)) } else { Path::new(path).parent() };
        folders.extend(folder.and_then(Path::to_str).map(str::to_owned));
    }
    let named = spans.iter().filter(|span| span.ends_with(".rs") && file_name(span).is_none());
    let is_there =
        |name: &&&str| folders.iter().flat_map(|folder| files(folder)).any(|path| path.ends_with(&format!("/{name}")));
    let lost = named.filter(|name| !is_there(name));
    lost.map(|name| format!("ARCHITECTURE.md: names {name}, and {} has no such file", folders.join(", "))).collect()
}
