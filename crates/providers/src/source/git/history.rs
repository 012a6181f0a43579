//! Attributes each file to the commit that last changed it. Silent where the fetched history does not tell.

use std::collections::BTreeMap;

use git2::{Commit, Delta, DiffOptions, Oid, Repository, Sort};

use super::clone::{DEPTH, edges};
use super::tree::describe;
use amarre_core::model::{self, History};

/// Merges reach further back than the depth of one line; this many commits are examined.
const COMMITS_MAX: usize = 20 * DEPTH as usize;
/// Files touched by one commit; one that touches more was a mass move.
const TOUCHED_MAX: usize = 20_000;

/// Reads it from the newest commit down.
///
/// A file's commit is the newest one whose result is the present file, and none of whose parents had it.
pub(super) fn read(repository: &Repository, head: Oid, folder: &str) -> Result<History, git2::Error> {
    let mut history = History::default();
    let edges = edges(repository);
    let present = files(repository, head, folder)?;
    let mut walk = repository.revwalk()?;
    walk.set_sorting(Sort::TOPOLOGICAL | Sort::TIME)?;
    walk.push(head)?;
    for id in walk.take(COMMITS_MAX) {
        // Beyond the fetched history nothing is known.
        let Ok(id) = id else { break };
        if edges.contains(&id) {
            continue;
        }
        let Ok(commit) = repository.find_commit(id) else { break };
        let Ok(touched) = touched(repository, &commit, folder) else { continue };
        if touched.is_empty() {
            continue;
        }
        let described = describe(&commit);
        for (path, result) in touched {
            claim(&mut history, &present, path, result, &described);
        }
    }
    Ok(history)
}

fn claim(
    history: &mut History,
    present: &BTreeMap<String, Oid>,
    path: String,
    result: Option<Oid>,
    commit: &model::Commit,
) {
    match (present.get(&path), result) {
        (Some(now), Some(result)) if *now == result => {
            history.changed.entry(path).or_insert_with(|| commit.clone());
        }
        (None, None) => {
            history.removed.entry(path).or_insert_with(|| commit.clone());
        }
        (Some(_), Some(_) | None) | (None, Some(_)) => (),
    }
}

/// Files in which a commit differs from each of its parents: their new content, `None` = removed.
fn touched(
    repository: &Repository,
    commit: &Commit<'_>,
    folder: &str,
) -> Result<BTreeMap<String, Option<Oid>>, git2::Error> {
    let tree = commit.tree()?;
    let mut common: Option<BTreeMap<String, Option<Oid>>> = None;
    let parents: Vec<Option<git2::Tree<'_>>> = match commit.parent_count() {
        0 => vec![None],
        _ => commit.parents().map(|parent| parent.tree().map(Some)).collect::<Result<_, _>>()?,
    };
    for parent in parents {
        let mut options = DiffOptions::new();
        options.disable_pathspec_match(true).skip_binary_check(true).ignore_submodules(true);
        if !folder.is_empty() {
            options.pathspec(folder);
        }
        let diff = repository.diff_tree_to_tree(parent.as_ref(), Some(&tree), Some(&mut options))?;
        let mut found = BTreeMap::new();
        for delta in diff.deltas().take(TOUCHED_MAX) {
            let file = if delta.status() == Delta::Deleted { delta.old_file() } else { delta.new_file() };
            let Some(path) = file.path_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok()) else { continue };
            let result = (delta.status() != Delta::Deleted).then(|| file.id());
            found.insert(path.to_owned(), result);
        }
        common = Some(match common {
            None => found,
            Some(mut known) => {
                known.retain(|path, result| found.get(path) == Some(result));
                known
            }
        });
    }
    Ok(common.unwrap_or_default())
}

/// What the newest commit holds, by path.
fn files(repository: &Repository, head: Oid, folder: &str) -> Result<BTreeMap<String, Oid>, git2::Error> {
    let tree = repository.find_commit(head)?.tree()?;
    let mut options = DiffOptions::new();
    options.disable_pathspec_match(true).skip_binary_check(true);
    if !folder.is_empty() {
        options.pathspec(folder);
    }
    let diff = repository.diff_tree_to_tree(None, Some(&tree), Some(&mut options))?;
    let path = |delta: git2::DiffDelta<'_>| {
        let file = delta.new_file();
        Some((std::str::from_utf8(file.path_bytes()?).ok()?.to_owned(), file.id()))
    };
    Ok(diff.deltas().filter_map(path).collect())
}
