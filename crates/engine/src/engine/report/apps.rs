//! Apps as the last pass found them: which commit runs, which one is on its way, and what was found out of the repository.

use super::builds::{self as built, BaseRow, bases_text};
use super::exact_time;
use super::waits::builds_limit_text;
use crate::engine::report::pass_view::PassView;
use crate::ledger::{Deployment, DeploymentState};
use crate::source::apps::{ASKS_MAX, COUNTED as ASKS_COUNTED};
use crate::source::{AppState, SourceError};
use crate::words::say;
use amarre_core::model::app::{AppSource, Build};
use amarre_core::model::{Address, Change, Code, Commit, Gate, Kind, Language, Readiness, Text, Timestamp, Wait};
use amarre_core::plan::render::{Style, Tone};
use amarre_core::plan::safety::builds;
use amarre_core::text;

/// The color of a state.
pub const fn tone(state: DeploymentState) -> Tone {
    match state {
        DeploymentState::Running => Tone::Green,
        DeploymentState::Failed => Tone::Red,
        DeploymentState::Pending | DeploymentState::Provisioning | DeploymentState::Deploying => Tone::Yellow,
        DeploymentState::Stopped | DeploymentState::Deleted => Tone::Dim,
    }
}

#[derive(Debug, Clone)]
pub struct AppRow {
    pub name: String,
    /// Where its files are.
    pub source: AppSource,
    /// What is known of the repository.
    pub state: AppState,
    /// What is built; `None`: nothing is known yet.
    pub build: Option<Build>,
    /// How far it is.
    pub stage: AppStage,
    /// The newest one.
    pub deployment: Option<Deployment>,
    /// The images that it is built from.
    pub bases: Vec<BaseRow>,
}

/// How far an app is, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppStage {
    /// How far.
    pub state: DeploymentState,
    /// Why, where that is not plain.
    pub why: Text,
    /// The code of that.
    pub code: Option<Code>,
}

impl AppStage {
    fn plain(state: DeploymentState) -> Self {
        Self { state, ..Self::default() }
    }

    fn because(state: DeploymentState, why: Text, code: impl Into<Option<Code>>) -> Self {
        Self { state, why, code: code.into() }
    }
}

/// Every app, by name.
pub fn rows(pass: &PassView) -> Vec<AppRow> {
    pass.apps.iter().map(|(name, (source, state))| row(pass, name, source, state)).collect()
}

pub fn find(pass: &PassView, name: &str) -> Option<AppRow> {
    let (source, state) = pass.apps.get(name)?;
    Some(row(pass, name, source, state))
}

fn row(pass: &PassView, name: &str, source: &AppSource, state: &AppState) -> AppRow {
    let build = pass.services.get(name).and_then(|service| service.build()).cloned();
    let deployment = pass.deployments.get(name).and_then(|all| all.last()).cloned();
    let stage = stage(pass, name);
    let bases = pass.services.get(name).map(|service| built::bases(pass, service)).unwrap_or_default();
    AppRow { name: name.to_owned(), source: source.clone(), state: state.clone(), build, stage, deployment, bases }
}

/// What of an app is to run: a commit, and its image once it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployTarget {
    pub commit: Commit,
    /// Its image; empty: not known.
    pub image: String,
    /// The framework; empty: not known.
    pub framework: String,
}

impl DeployTarget {
    /// Whether a deployment is the one of it. A commit that changes nothing of an image deploys nothing.
    pub fn is_of(&self, known: &Deployment) -> bool {
        let is_same_image = !self.image.is_empty() && known.image == self.image;
        let is_open = self.image.is_empty() || known.image.is_empty();
        known.state != DeploymentState::Deleted && (is_same_image || is_open && known.commit.id == self.commit.id)
    }
}

/// Apps whose repository could not be read to its newest commit, with the reason; what was read before stays effective. Of one of which
/// nothing could be read its own line tells.
pub fn behind(pass: &PassView) -> impl Iterator<Item = (&String, &SourceError)> {
    let effective = pass.apps.iter().filter(|(name, _)| !pass.broken.contains_key(*name));
    effective.filter_map(|(name, (_, state))| Some((name, state.error.as_ref()?)))
}

/// What of an app is to run by now; `None`: its repository is not known yet.
pub fn target(pass: &PassView, name: &str) -> Option<DeployTarget> {
    let (_, state) = pass.apps.get(name)?;
    let build = pass.services.get(name).and_then(|service| service.build());
    let newest = state.commit.as_ref().filter(|newest| build.is_none_or(|build| build.commit.id != newest.id));
    // What stays effective is an earlier one.
    let is_behind = newest.is_some() && pass.broken.contains_key(name);
    match build.filter(|_| !is_behind) {
        Some(build) => Some(DeployTarget {
            commit: build.commit.clone(),
            image: build.image.clone(),
            framework: build.framework.clone(),
        }),
        None => Some(DeployTarget { commit: newest?.clone(), image: String::new(), framework: String::new() }),
    }
}

/// How far an app is. A look that does not act tells of what was done before.
pub fn stage(pass: &PassView, name: &str) -> AppStage {
    let fresh = fresh_stage(pass, name);
    if pass.acts || !fresh.state.is_moving() || pass.broken.contains_key(name) {
        return fresh;
    }
    let target = target(pass, name);
    let known = pass.deployments.get(name).and_then(|all| all.last());
    match known.filter(|known| target.is_some_and(|target| target.is_of(known))) {
        Some(known) => AppStage::because(known.state, Text::foreign(known.why.clone()), known.code),
        None if fresh.why.is_empty() => {
            AppStage::because(DeploymentState::Pending, text!("nothing was done for this commit yet"), None)
        }
        None => fresh,
    }
}

fn fresh_stage(pass: &PassView, name: &str) -> AppStage {
    let Some(why) = pass.broken.get(name) else { return effective_stage(pass, name) };
    let broken = pass.diagnostics.iter().find(|one| one.service.as_deref() == Some(name) && one.code >= Code::A0770);
    let why = broken.map_or_else(|| Text::foreign(why.clone()), |one| one.message.clone());
    AppStage::because(DeploymentState::Pending, why, broken.map(|one| one.code))
}

/// How far the build is that is effective: of the newest commit, or of the last one that could be read.
pub fn effective_stage(pass: &PassView, name: &str) -> AppStage {
    let suspension = pass.facts.suspended.get(name);
    if suspension.is_some_and(|suspension| suspension.destroy) {
        return if pass.statuses().get(name).is_some_and(|row| !row.resources.is_empty() && !row.deleted) {
            AppStage::because(DeploymentState::Pending, text!("it is being deleted"), None)
        } else {
            AppStage::plain(DeploymentState::Deleted)
        };
    }
    let service = pass.services.get(name);
    let Some((service, build)) = service.and_then(|service| Some((service, service.build()?))) else {
        return AppStage::because(DeploymentState::Pending, text!("its repository is not known yet"), None);
    };
    let is_it = |address: &Address| address.kind == Kind::Image && address.name == build.image;
    // What a lane was given is planned no more.
    if pass.facts.in_progress.keys().any(is_it) {
        return AppStage::plain(DeploymentState::Provisioning);
    }
    let failing = pass.failing.values().find(|error| builds::is_build(&error.change) && is_it(&error.change.address));
    if let Some(error) = failing {
        let why = error.error.message.clone();
        return AppStage::because(DeploymentState::Failed, why, error.error.code);
    }
    let own = || pass.plan.changes.iter().filter(|change| change.service == name);
    if let Some(change) = own().find(|change| builds::is_build(change)) {
        return building(pass, change, suspension.is_some());
    }
    if service.stopped {
        return AppStage::plain(DeploymentState::Stopped);
    }
    let is_container = |change: &&Change| matches!(change.address.kind, Kind::Container | Kind::Image);
    let held = own().filter_map(|change| Some((change, change.refusal()?)));
    if let Some((change, refusal)) = held.min_by_key(|(change, _)| !is_container(change)) {
        let is_failed = suspension.is_none() && is_container(&change);
        if suspension.is_none() || is_container(&change) {
            let state = if is_failed { DeploymentState::Failed } else { DeploymentState::Pending };
            return AppStage::because(state, refusal.message.clone(), refusal.code);
        }
    }
    let wanted = pass
        .wants
        .map
        .iter()
        .filter(|(address, want)| address.kind == Kind::Container && want.service == name && !want.keep_only);
    let ready: Vec<&Readiness> = wanted.filter_map(|(address, _)| Some(&pass.world.seen.get(address)?.ready)).collect();
    let failed = ready.iter().find_map(|ready| if let Readiness::Failed { why } = ready { Some(why) } else { None });
    if let Some(why) = failed {
        return AppStage::because(DeploymentState::Failed, why.clone(), None);
    }
    let is_starting = ready.iter().any(|ready| matches!(ready, Readiness::NotYet { .. }));
    if is_starting || own().any(|change| is_container(&change)) {
        AppStage::plain(DeploymentState::Deploying)
    } else {
        AppStage::plain(DeploymentState::Running)
    }
}

/// How far an image is that is to be built.
fn building(pass: &PassView, change: &Change, is_suspended: bool) -> AppStage {
    match &change.gate {
        Gate::Now if pass.busy.contains(&change.service) => AppStage::plain(DeploymentState::Provisioning),
        Gate::Now => AppStage::because(DeploymentState::Pending, text!("nothing was done for this commit yet"), None),
        Gate::Until { what: Wait::Builds, .. } => {
            AppStage::because(DeploymentState::Pending, builds_limit_text(pass), None)
        }
        Gate::After(_) | Gate::Until { .. } => {
            AppStage::because(DeploymentState::Pending, text!("its build waits for its turn"), None)
        }
        Gate::Held(refusal) => {
            let state = if is_suspended { DeploymentState::Pending } else { DeploymentState::Failed };
            AppStage::because(state, refusal.message.clone(), refusal.code)
        }
    }
}

/// A repository was asked for as often as may be.
pub fn limited_text(next: Timestamp) -> Text {
    let (count, span) = (ASKS_MAX.to_string(), ASKS_COUNTED.in_words());
    let at = exact_time(next, Language::En);
    text!("its repository was asked for {count} times within {span}: next at {at}", count, span, at)
}

/// All apps, a line each.
pub fn table(rows: &[AppRow], style: Style) -> String {
    if rows.is_empty() {
        return "There is no app: docs/apps.md says how to write one.\n".to_owned();
    }
    let names = rows.iter().map(|row| row.name.len()).max().unwrap_or_default().max(4) + 2;
    let mut out = format!("{:names$}{:14}{:10}FRAMEWORK\n", "NAME", "STATE", "COMMIT");
    for row in rows {
        let state = style.paint(tone(row.stage.state), &format!("{:14}", row.stage.state.word()));
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
    let why = if row.stage.why.is_empty() { String::new() } else { format!(": {}", say(&row.stage.why, language)) };
    let code = row.stage.code.map(|code| format!(" ({code})")).unwrap_or_default();
    let mut out = format!("{}  {}{why}{code}\n", row.name, style.paint(tone(row.stage.state), row.stage.state.word()));
    let folder = if row.source.path.is_empty() { String::new() } else { format!(", folder {}", row.source.path) };
    out.push_str(&format!("from {}, {}{folder}\n", row.source.url, row.source.shown_reference()));
    if let Some(build) = &row.build {
        let at = exact_time(build.commit.at, language);
        out.push_str(&format!(
            "commit {} \"{}\", {}, {at}\nimage {}\n",
            build.commit.short(),
            build.commit.subject,
            build.commit.author,
            build.image
        ));
        out.push_str(&bases_text(&row.bases, &row.name, language));
        out.push('\n');
        out.push_str(&found_text(&build.reasons, language));
        for note in &build.notes {
            out.push_str(&format!("note: {}\n", say(note, language)));
        }
    }
    if let Some(next) = row.state.limited {
        out.push_str(&format!("note: {}\n", say(&limited_text(next), language)));
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
