//! A manifest before it stands where manifests come from: what it would lead to, and how it gets there.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::engine::Picture;
use crate::engine::reconcile::daemon::Handle;
use crate::engine::report;
use crate::engine::report::service_plan;
use crate::engine::report::service_plan::OfService;
use crate::source::{Author, Edit, Snapshot, SourceError, moved};
use amarre_core::manifest::{self, Diagnostic, Severity};
use amarre_core::model::Hint;
use amarre_core::plan::render::Sign;

/// What a message may be long.
const MESSAGE_CHARS_MAX: usize = 2_000;

/// Something that must be settled before a manifest is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    /// Line and column of the text that was given, where it stands there.
    pub at: Option<(usize, usize)>,
    /// What is wrong.
    pub text: String,
    /// The ways past it.
    pub hints: Vec<Hint>,
    /// Its code; empty where there is none.
    pub code: String,
}

impl Settle {
    /// Something with a code; an empty one: without.
    pub fn of(text: impl Into<String>, code: &str, hints: &[Hint]) -> Self {
        Self { at: None, text: text.into(), hints: hints.to_vec(), code: code.to_owned() }
    }

    /// With its place in the text in front, for a reader who sees the text: `3:7: no such key`.
    pub fn placed(&self) -> String {
        match self.at {
            Some((line, column)) => format!("{line}:{column}: {}", self.text),
            None => self.text.clone(),
        }
    }

    /// The same file is another one by now.
    pub fn moved(file: &str) -> Self {
        moved(file).into()
    }
}

impl From<SourceError> for Settle {
    fn from(error: SourceError) -> Self {
        Self::of(error.message, error.code, &error.hints)
    }
}

/// What a manifest would lead to.
pub struct Draft {
    /// What must be settled first.
    pub settle: Vec<Settle>,
    /// What would be done, by service; of one whose manifest cannot be read, nothing is said.
    pub plans: Vec<(String, OfService)>,
    /// Everything as it would be.
    pub after: Arc<Picture>,
    /// The services that the file would hold.
    pub names: BTreeSet<String>,
}

/// A change of one file by somebody.
pub struct Change {
    /// As shown.
    pub file: String,
    /// What stood there; `None`: nothing.
    pub before: Option<String>,
    /// What is to stand there; `None`: the file goes.
    pub after: Option<String>,
    /// Name and e-mail of whoever makes it.
    pub author: (String, String),
    /// What the commit says.
    pub message: String,
}

/// The file in which a service's manifest stands, and its text.
pub fn file_of(picture: &Picture, name: &str) -> Option<(String, String)> {
    let file = &picture.services.get(name)?.origin.file;
    let found = picture.source.files.iter().find(|(path, _)| path == file);
    found.map(|(path, text)| (path.clone(), text.clone()))
}

/// Which text somebody saw: browsers change line ends, and a text is long.
pub fn tag(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// What a file holds, for whoever asks about the service `name`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// The manifest of this service and nothing else.
    Alone,
    /// Nothing that is known to be another one's, but its name cannot be read either.
    Unreadable,
    /// Something of others.
    Others,
}

/// What a file holds for the service `name`. A file is only guessed by its name while its manifest is not good: what
/// calls itself otherwise is somebody else's.
pub fn holds(picture: &Picture, (file, text): (&str, &str), name: &str) -> Holds {
    let mut good = picture.services.values().filter(|service| service.origin.file == file);
    let names = manifest::names_in(text);
    let is_other = |known: &String| known != name;
    if names.len() > 1 || names.iter().flatten().any(is_other) || good.clone().any(|service| is_other(&service.name)) {
        return Holds::Others;
    }
    match names.first() {
        Some(Some(_)) => Holds::Alone,
        Some(None) | None if good.any(|service| service.name == name) => Holds::Alone,
        Some(None) | None => Holds::Unreadable,
    }
}

/// Whether there is a manifest of this name, good or not, or a file where it would stand. What only left data behind may
/// come back.
pub fn is_taken(handle: &Handle, name: &str) -> bool {
    let ((picture, _), file) = (handle.picture(), handle.path_of(name));
    let has_file = picture.source.files.iter().any(|(path, _)| *path == file);
    picture.services.contains_key(name) || picture.broken.contains_key(name) || (!name.is_empty() && has_file)
}

/// The source with one file changed.
fn changed(picture: &Picture, path: &str, text: Option<&str>) -> Snapshot {
    let mut snapshot = picture.source.clone();
    snapshot.files.retain(|(known, _)| known != path);
    snapshot.files.extend(text.map(|text| (path.to_owned(), text.to_owned())));
    snapshot.files.sort();
    // Another state has another name.
    let mut digest = Sha256::new();
    [&snapshot.revision, path, text.unwrap_or_default()].iter().for_each(|part| digest.update(part.as_bytes()));
    snapshot.revision = hex::encode(&digest.finalize()[..20]);
    snapshot
}

/// What the engine makes of a manifest that is not written yet; `None`: the loop has ended. `promised`: secrets that are
/// made with it.
pub async fn draft(handle: &Handle, (path, text): (&str, &str), named: &str, promised: Vec<String>) -> Option<Draft> {
    let (picture, _) = handle.picture();
    let after = handle.preview(changed(&picture, path, Some(text)), promised).await?.picture;
    let known: BTreeSet<(&str, &str)> =
        picture.diagnostics.iter().map(|old| (old.code, old.message.as_str())).collect();
    let errors = after.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    // What the change breaks elsewhere is its matter too.
    let errors = errors.filter(|found| found.file == path || !known.contains(&(found.code, found.message.as_str())));
    let mut settle: Vec<Settle> = errors
        .map(|found| Settle {
            at: (found.line > 0 && found.file == path).then_some((found.line, found.column)),
            text: match found.file == path || found.line == 0 {
                true => found.message.clone(),
                false => format!("{}:{}:{}: {}", found.file, found.line, found.column, found.message),
            },
            hints: found.hint.clone().map(Hint::text).into_iter().collect(),
            code: found.code.to_owned(),
        })
        .collect();
    settle.extend(after.source_error.clone().map(Settle::from));
    let in_file = |picture: &Picture| -> BTreeSet<String> {
        let services = picture.services.values().filter(|service| service.origin.file == path);
        services.map(|service| service.name.clone()).collect()
    };
    let names = in_file(&after);
    let mut mine = names.clone();
    // What goes with the change, too.
    mine.extend(in_file(&picture));
    mine.insert(named.to_owned());
    // What is planned for a manifest that cannot be read is its last good one's, and nothing that this text leads to.
    let planned = mine.iter().filter(|name| !after.broken.contains_key(*name));
    let plans = planned.filter_map(|name| Some((name.clone(), service_plan::of_service(&after, name)?)));
    let plans: Vec<(String, OfService)> = plans.collect();
    let rows = plans.iter().flat_map(|(_, plan)| &plan.rows);
    let refusals = rows.filter(|row| row.sign == Sign::Refuse).filter_map(|row| row.refusal.as_ref());
    // What holds several things is told once.
    let mut told = BTreeSet::new();
    settle.extend(
        refusals
            .filter(|refusal| !refusal.is_left() && told.insert((&refusal.code, &refusal.message)))
            .map(|refusal| Settle::of(refusal.message.clone(), &refusal.code, &refusal.hints)),
    );
    if let Some(missing) = after.broken.get(named).filter(|_| settle.is_empty()) {
        settle.push(Settle::of(missing.clone(), "A0101", &[]));
    }
    Some(Draft { settle, plans, after, names })
}

/// What would be done if a file went; `None`: the loop has ended.
pub async fn without(handle: &Handle, path: &str) -> Option<Arc<Picture>> {
    Some(handle.preview(changed(&handle.picture().0, path, None), Vec::new()).await?.picture)
}

/// Writes a change to the source, and waits for the look that takes it up.
///
/// # Errors
/// The file is another one by now (A0312), or the source takes no change (A0313).
pub async fn write(handle: &Handle, change: Change) -> Result<(), Settle> {
    let message = change.message.chars().filter(|c| !c.is_control() || *c == '\n').take(MESSAGE_CHARS_MAX);
    let mut message: String = message.collect();
    // Whoever reads the history is to know that nobody saw it work.
    let simulated = report::test_mode(&handle.picture().0).join(", ");
    if !simulated.is_empty() {
        message = format!("{}\n\nAmarre-Test-Mode: {simulated}", message.trim_end());
    }
    let (name, email) = change.author;
    let (path, before, after) = (change.file, change.before, change.after);
    handle.write(Edit { path, before, after, author: Author { name, email }, message }).await?;
    let _ = handle.look().await;
    Ok(())
}

/// All that is wrong with the manifests of the last look.
pub fn validated(picture: &Picture) -> Json {
    let good = picture.services.keys().filter(|name| !picture.broken.contains_key(*name)).count();
    validation(&report::revision_json(picture), good, picture.broken.keys(), &picture.diagnostics)
}

/// What is wrong with the manifests of a revision, `amarre.validate/v1`.
pub fn validation<'a>(
    revision: &Json,
    good: usize,
    broken: impl Iterator<Item = &'a String>,
    diagnostics: &[Diagnostic],
) -> Json {
    let one = |found: &Diagnostic| {
        let mut row = json!({
            "code": found.code, "severity": if found.severity == Severity::Error { "error" } else { "warning" },
            "file": found.file, "line": found.line, "column": found.column, "message": found.message,
        });
        if let Some(object) = row.as_object_mut() {
            object.extend(found.hint.iter().map(|hint| ("hint".to_owned(), json!(hint))));
            object.extend(found.service.iter().map(|service| ("service".to_owned(), json!(service))));
        }
        row
    };
    json!({
        "schema": "amarre.validate/v1",
        "revision": revision,
        "good": good,
        "broken": broken.collect::<Vec<_>>(),
        "diagnostics": diagnostics.iter().map(one).collect::<Vec<_>>(),
    })
}
