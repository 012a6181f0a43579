//! A manifest that is not written yet: checks it, forecasts what it would lead to, and writes it to the source.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::engine::reconcile::daemon::Handle;
use crate::engine::report;
use crate::engine::report::pass_view::PassView;
use crate::engine::report::service_plan;
use crate::engine::report::service_plan::ServicePlan;
use crate::source::{CommitAuthor, Edit, Snapshot, SourceError, moved};
use amarre_core::manifest::{self, Diagnostic, Severity};
use amarre_core::model::{Code, Hint, Text};
use amarre_core::plan::render::Sign;

/// The longest commit message, in characters.
const MESSAGE_CHARS_MAX: usize = 2_000;

/// A problem that must be solved before a manifest is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestRemark {
    /// Line and column in the submitted text, if the problem has a place there.
    pub at: Option<(usize, usize)>,
    pub text: String,
    /// The same for other languages.
    pub said: Text,
    /// Hints.
    pub hints: Vec<Hint>,
    /// The error code.
    pub code: Code,
}

impl ManifestRemark {
    /// A problem without a place.
    pub fn new(text: impl Into<Text>, code: Code, hints: &[Hint]) -> Self {
        let said = text.into();
        Self { at: None, text: said.to_string(), said, hints: hints.to_vec(), code }
    }

    /// The message with its place in front, for a reader who sees the text: `3:7: no such key`.
    pub fn with_place(&self) -> String {
        match self.at {
            Some((line, column)) => format!("{line}:{column}: {}", self.text),
            None => self.text.clone(),
        }
    }

    /// The file has changed since it was read.
    pub fn file_changed(file: &str) -> Self {
        moved(file).into()
    }
}

impl From<SourceError> for ManifestRemark {
    fn from(error: SourceError) -> Self {
        Self::new(error.message, error.code, &error.hints)
    }
}

/// The forecast of a manifest.
pub struct ManifestDraft {
    /// Problems to solve first.
    pub settle: Vec<ManifestRemark>,
    /// The planned changes, by service. Nothing is reported for a service whose manifest cannot be read.
    pub plans: Vec<(String, ServicePlan)>,
    /// The pass result as it would be.
    pub after: Arc<PassView>,
    /// The services that the file would define.
    pub names: BTreeSet<String>,
}

/// A change of one file by an account.
pub struct FileChange {
    /// The path, as shown.
    pub file: String,
    /// The text before the change; `None`: no file.
    pub before: Option<String>,
    /// The text after the change; `None`: the file is deleted.
    pub after: Option<String>,
    /// Name and e-mail of the author.
    pub author: (String, String),
    /// The commit message.
    pub message: String,
}

/// The file that holds a service's manifest, and its text.
pub fn file_of(pass: &PassView, name: &str) -> Option<(String, String)> {
    let file = &pass.services.get(name)?.origin.file;
    let found = pass.source.files.iter().find(|(path, _)| path == file);
    found.map(|(path, text)| (path.clone(), text.clone()))
}

/// The tag of a text: browsers change line ends, and a text is too long to send back.
pub fn tag(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// What a file holds, as seen by someone who asks about the service `name`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Only the manifest of this service.
    Alone,
    /// No manifest of another service as far as is known, but the name in it cannot be read.
    Unreadable,
    /// Manifests of other services.
    Others,
}

/// What a file holds for the service `name`. The file name decides only while the manifest in it is not good: a
/// manifest that states another name belongs to another service.
pub fn file_holds(pass: &PassView, (file, text): (&str, &str), name: &str) -> Holds {
    let mut good = pass.services.values().filter(|service| service.origin.file == file);
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

/// Whether a manifest of this name exists, good or not, or a file where it would stand. A deleted service that left
/// only data may be created again.
pub fn is_taken(handle: &Handle, name: &str) -> bool {
    let ((pass, _), file) = (handle.last_pass(), handle.path_of(name));
    let has_file = pass.source.files.iter().any(|(path, _)| *path == file);
    pass.services.contains_key(name) || pass.broken.contains_key(name) || (!name.is_empty() && has_file)
}

/// The source with one file changed.
fn snapshot_with(pass: &PassView, path: &str, text: Option<&str>) -> Snapshot {
    let mut snapshot = pass.source.clone();
    snapshot.files.retain(|(known, _)| known != path);
    snapshot.files.extend(text.map(|text| (path.to_owned(), text.to_owned())));
    snapshot.files.sort();
    // Another text needs another revision.
    let mut digest = Sha256::new();
    [&snapshot.revision, path, text.unwrap_or_default()].iter().for_each(|part| digest.update(part.as_bytes()));
    snapshot.revision = hex::encode(&digest.finalize()[..20]);
    snapshot
}

/// Forecasts a manifest that is not written yet; `None`: the loop has ended. `new_secrets`: secrets that are created with
/// it. `is_own`: who asks may write manifests here, and so may use credentials of ours for repositories of apps.
pub async fn draft(
    handle: &Handle,
    (path, text): (&str, &str),
    named: &str,
    new_secrets: Vec<String>,
    is_own: bool,
) -> Option<ManifestDraft> {
    let (pass, _) = handle.last_pass();
    let after = handle.preview(snapshot_with(&pass, path, Some(text)), new_secrets, is_own).await?.pass;
    let known: BTreeSet<(Code, &Text)> = pass.diagnostics.iter().map(|old| (old.code, &old.message)).collect();
    let errors = after.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    // Errors that the change causes in other files are reported, too.
    let errors = errors.filter(|found| found.file == path || !known.contains(&(found.code, &found.message)));
    let mut settle: Vec<ManifestRemark> = errors
        .map(|found| {
            let text = if found.file == path || found.line == 0 { found.message.clone() } else { found.placed() };
            let hints: Vec<Hint> = found.hint.clone().map(Hint::text).into_iter().collect();
            let at = (found.line > 0 && found.file == path).then_some((found.line, found.column));
            ManifestRemark { at, ..ManifestRemark::new(text, found.code, &hints) }
        })
        .collect();
    settle.extend(after.source_error.clone().map(ManifestRemark::from));
    let in_file = |pass: &PassView| -> BTreeSet<String> {
        let services = pass.services.values().filter(|service| service.origin.file == path);
        services.map(|service| service.name.clone()).collect()
    };
    let names = in_file(&after);
    let mut mine = names.clone();
    // Changes of other services that the edit causes are listed, too.
    mine.extend(in_file(&pass));
    mine.insert(named.to_owned());
    // For an unreadable manifest the plan follows its last good text, which says nothing about this text.
    let planned = mine.iter().filter(|name| !after.broken.contains_key(*name));
    let plans = planned.filter_map(|name| Some((name.clone(), service_plan::of_service(&after, name)?)));
    let plans: Vec<(String, ServicePlan)> = plans.collect();
    let rows = plans.iter().flat_map(|(_, plan)| &plan.rows);
    let refusals = rows.filter(|row| row.sign == Sign::Refuse).filter_map(|row| row.refusal.as_ref());
    // A refusal that holds several resources is reported once.
    let mut told = BTreeSet::new();
    settle.extend(
        refusals
            .filter(|refusal| !refusal.is_left() && told.insert((refusal.code, &refusal.message)))
            .map(|refusal| ManifestRemark::new(refusal.message.clone(), refusal.code, &refusal.hints)),
    );
    if let Some(missing) = after.broken.get(named).filter(|_| settle.is_empty()) {
        settle.push(ManifestRemark::new(missing.clone(), Code::A0101, &[]));
    }
    Some(ManifestDraft { settle, plans, after, names })
}

/// Forecasts the deletion of a file; `None`: the loop has ended.
pub async fn draft_without(handle: &Handle, path: &str) -> Option<Arc<PassView>> {
    Some(handle.preview(snapshot_with(&handle.last_pass().0, path, None), Vec::new(), false).await?.pass)
}

/// Writes a change to the source, and waits for the pass that reads it.
///
/// # Errors
/// The file has changed meanwhile (A0312), or the source cannot be written (A0313).
pub async fn write(handle: &Handle, change: FileChange) -> Result<(), ManifestRemark> {
    let message = change.message.chars().filter(|c| !c.is_control() || *c == '\n').take(MESSAGE_CHARS_MAX);
    let mut message: String = message.collect();
    // The history must show that the change was made in test mode.
    let simulated = report::test_mode(&handle.last_pass().0).join(", ");
    if !simulated.is_empty() {
        message = format!("{}\n\nAmarre-Test-Mode: {simulated}", message.trim_end());
    }
    let (name, email) = change.author;
    let (path, before, after) = (change.file, change.before, change.after);
    handle.write(Edit { path, before, after, author: CommitAuthor { name, email }, message }).await?;
    let _ = handle.pass().await;
    Ok(())
}

/// All diagnostics of the last pass.
pub fn validated(pass: &PassView) -> Json {
    let good = pass.services.keys().filter(|name| !pass.broken.contains_key(*name)).count();
    validation(&report::revision_json(pass), good, pass.broken.keys(), &pass.diagnostics)
}

/// The diagnostics of a revision, `amarre.validate/v1`.
pub fn validation<'a>(
    revision: &Json,
    good: usize,
    broken: impl Iterator<Item = &'a String>,
    diagnostics: &[Diagnostic],
) -> Json {
    let one = |found: &Diagnostic| {
        let mut row = json!({
            "code": found.code, "severity": if found.severity == Severity::Error { "error" } else { "warning" },
            "file": found.file, "line": found.line, "column": found.column, "message": found.message.to_string(),
        });
        if let Some(object) = row.as_object_mut() {
            object.extend(found.hint.iter().map(|hint| ("hint".to_owned(), json!(hint.to_string()))));
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
