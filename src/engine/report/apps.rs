//! Apps as the last pass found them: which commit runs, which one is on its way, and what was found out of the repository.

use serde_json::{Value as Json, json};

use super::exact_time;
use crate::engine::PassResult;
use crate::source::AppState;
use crate::words::say;
use amarre_core::model::app::{AppSource, Build};
use amarre_core::model::{Code, Kind, Language, Text};
use amarre_core::plan::render::{Style, Tone};
use amarre_core::plan::safety::builds;
use amarre_core::text;

/// How far an app is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AppStage {
    /// Its repository is not known yet, or a person has to say something.
    Pending,
    /// Its image is being built.
    Provisioning,
    /// A new container takes over.
    Deploying,
    /// It runs as its newest commit says.
    Running,
    /// Its newest commit could not be built or does not run.
    Failed,
    /// A person has stopped it.
    Stopped,
}

impl AppStage {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Provisioning, Self::Deploying, Self::Running, Self::Failed, Self::Stopped];

    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Provisioning => "provisioning",
            Self::Deploying => "deploying",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }

    const fn tone(self) -> Tone {
        match self {
            Self::Running => Tone::Green,
            Self::Failed => Tone::Red,
            Self::Pending | Self::Provisioning | Self::Deploying => Tone::Yellow,
            Self::Stopped => Tone::Dim,
        }
    }
}

/// An app.
#[derive(Debug, Clone)]
pub struct AppRow {
    /// Its name.
    pub name: String,
    /// Where its files are.
    pub source: AppSource,
    /// What is known of the repository.
    pub state: AppState,
    /// What is built; `None`: nothing is known yet.
    pub build: Option<Build>,
    /// How far it is.
    pub stage: AppStage,
    /// Why, where that is not plain.
    pub why: Text,
    /// The code of that.
    pub code: Option<Code>,
}

/// Every app, by name.
pub fn rows(picture: &PassResult) -> Vec<AppRow> {
    picture.apps.iter().map(|(name, (source, state))| row(picture, name, source, state)).collect()
}

/// One app.
pub fn find(picture: &PassResult, name: &str) -> Option<AppRow> {
    let (source, state) = picture.apps.get(name)?;
    Some(row(picture, name, source, state))
}

fn row(picture: &PassResult, name: &str, source: &AppSource, state: &AppState) -> AppRow {
    let service = picture.services.get(name);
    let build = service.and_then(|service| service.build()).cloned();
    let (stage, why, code) = stage(picture, name);
    AppRow { name: name.to_owned(), source: source.clone(), state: state.clone(), build, stage, why, code }
}

fn stage(picture: &PassResult, name: &str) -> (AppStage, Text, Option<Code>) {
    let own = picture.plan.changes.iter().filter(|change| change.service == name);
    let failing =
        picture.failing.values().find(|error| error.change.service == name && builds::is_build(&error.change));
    let broken = picture.diagnostics.iter().find(|one| one.service.as_deref() == Some(name) && one.code >= Code::A0770);
    let is_container = |kind: Kind| matches!(kind, Kind::Container | Kind::Image);
    let service = picture.services.get(name);
    if let Some(error) = failing {
        return (AppStage::Failed, Text::foreign(error.error.message.clone()), Some(error.error.code));
    }
    if let Some(why) = picture.broken.get(name) {
        let why = broken.map_or_else(|| why.clone(), |one| one.message.clone());
        return (AppStage::Pending, Text::foreign(why), broken.map(|one| one.code));
    }
    let mut own = own.peekable();
    if own.clone().any(builds::is_build) {
        return (AppStage::Provisioning, Text::default(), None);
    }
    if let Some(refusal) = own.clone().find_map(|change| change.refusal()) {
        return (AppStage::Failed, Text::foreign(refusal.message.clone()), Some(refusal.code));
    }
    if service.is_some_and(|service| service.stopped) {
        return (AppStage::Stopped, Text::default(), None);
    }
    if service.is_none() {
        return (AppStage::Pending, text!("its repository is not known yet"), None);
    }
    match own.any(|change| is_container(change.address.kind)) {
        true => (AppStage::Deploying, Text::default(), None),
        false => (AppStage::Running, Text::default(), None),
    }
}

/// The document of all apps.
pub fn document(rows: &[AppRow]) -> Json {
    json!({"schema": "amarre.apps/v1", "apps": rows.iter().map(app).collect::<Vec<_>>()})
}

/// The document of one app.
pub fn app_document(row: &AppRow) -> Json {
    let mut document = app(row);
    document["schema"] = json!("amarre.app/v1");
    document
}

fn app(row: &AppRow) -> Json {
    let commit = row.build.as_ref().map(|build| &build.commit).or(row.state.commit.as_ref());
    let found = row.build.iter().flat_map(|build| &build.reasons);
    json!({
        "name": row.name,
        "repository": row.source.url.to_string(), "ref": row.source.reference, "path": row.source.path,
        "state": row.stage.word(),
        "why": (!row.why.is_empty()).then(|| row.why.to_string()), "code": row.code,
        "framework": row.build.as_ref().map(|build| &build.framework),
        "image": row.build.as_ref().map(|build| &build.image),
        "commit": commit.map(|commit| json!({
            "id": commit.id, "subject": commit.subject, "author": commit.author, "at": commit.at.rfc3339(),
        })),
        "found": found.map(|(part, value, because)| json!({"what": part, "value": value, "because": because.to_string()})).collect::<Vec<_>>(),
        "notes": row.build.iter().flat_map(|build| &build.notes).map(ToString::to_string).collect::<Vec<_>>(),
        "asked_at": row.state.asked.map(amarre_core::model::Timestamp::rfc3339),
        "error": row.state.error.as_ref().map(|error| json!({"code": error.code, "message": error.message})),
    })
}

/// All apps, a line each.
pub fn table(rows: &[AppRow], style: Style) -> String {
    if rows.is_empty() {
        return "There is no app: docs/apps.md says how to write one.\n".to_owned();
    }
    let names = rows.iter().map(|row| row.name.len()).max().unwrap_or_default().max(4) + 2;
    let mut out = format!("{:names$}{:14}{:10}FRAMEWORK\n", "NAME", "STATE", "COMMIT");
    for row in rows {
        let state = style.paint(row.stage.tone(), &format!("{:14}", row.stage.word()));
        let commit = row.build.as_ref().map(|build| build.commit.short()).unwrap_or_default();
        let framework = row.build.as_ref().map(|build| build.framework.as_str()).unwrap_or_default();
        out.push_str(format!("{:names$}{state}{commit:10}{framework}", row.name).trim_end());
        out.push('\n');
    }
    out
}

/// One app, with what was found out.
pub fn app_text(row: &AppRow, style: Style) -> String {
    let language = style.language;
    let why = if row.why.is_empty() { String::new() } else { format!(": {}", say(&row.why, language)) };
    let code = row.code.map(|code| format!(" ({code})")).unwrap_or_default();
    let mut out = format!("{}  {}{why}{code}\n", row.name, style.paint(row.stage.tone(), row.stage.word()));
    let folder = if row.source.path.is_empty() { String::new() } else { format!(", folder {}", row.source.path) };
    out.push_str(&format!("from {}, {}{folder}\n", row.source.url, row.source.reference));
    if let Some(build) = &row.build {
        let at = exact_time(build.commit.at, language);
        out.push_str(&format!(
            "commit {} \"{}\", {}, {at}\nimage {}\n",
            build.commit.short(),
            build.commit.subject,
            build.commit.author,
            build.image
        ));
        out.push('\n');
        out.push_str(&found_text(&build.reasons, language));
        for note in &build.notes {
            out.push_str(&format!("note: {}\n", say(note, language)));
        }
    }
    if let Some(error) = &row.state.error {
        out.push_str(&format!("\nwarning[{}]: {}\n", error.code, error.message));
    }
    out
}

/// What was found out, a line each.
pub fn found_text(reasons: &[(&'static str, String, Text)], language: Language) -> String {
    let widest =
        |of: &dyn Fn(&(&'static str, String, Text)) -> usize| reasons.iter().map(of).max().unwrap_or_default() + 2;
    let (parts, values) = (widest(&|one| one.0.len()), widest(&|one| one.1.len()).min(50));
    let line = |(part, value, because): &(&'static str, String, Text)| {
        format!("{part:parts$}{value:values$}  {}\n", say(because, language))
    };
    reasons.iter().map(line).collect()
}
