//! Apps, deployments and builds as documents: the structs are the JSON, and their schemas.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::DateTime;
use super::apps::AppRow;
use super::builds::{BaseRow, FoundBuild};
use super::deployments::{DeploymentStats, has_image};
use crate::engine::report::pass_view::PassView;
use crate::ledger::{Deployment, DeploymentState};
use amarre_core::model::build_log::LoggedStep;
use amarre_core::model::{Code, Commit, Timestamp};

/// `amarre.apps/v1`
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Apps")]
pub struct AppsDocument {
    schema: &'static str,
    apps: Vec<AppParts>,
}

/// `amarre.app/v1`
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "App")]
pub struct AppDocument {
    schema: &'static str,
    #[serde(flatten)]
    app: AppParts,
}

#[derive(Debug, Serialize, JsonSchema)]
struct AppParts {
    name: String,
    repository: String,
    #[serde(rename = "ref")]
    reference: String,
    path: String,
    /// The commit that its manifest names.
    pinned: Option<String>,
    /// A state of a deployment.
    state: &'static str,
    why: Option<String>,
    code: Option<String>,
    framework: Option<String>,
    image: Option<String>,
    /// The newest one.
    deployment: Option<u64>,
    commit: Option<CommitDocument>,
    found: Vec<FoundPart>,
    notes: Vec<String>,
    asked_at: Option<DateTime>,
    /// When Amarre asks its repository again, which it has asked as often as it may.
    next_ask_at: Option<DateTime>,
    /// The images that it is built from.
    bases: Vec<BaseDocument>,
    error: Option<AppError>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct CommitDocument {
    id: String,
    subject: String,
    author: String,
    at: DateTime,
}

/// What was found out of a repository.
#[derive(Debug, Serialize, JsonSchema)]
struct FoundPart {
    what: &'static str,
    value: String,
    because: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct AppError {
    code: String,
    message: String,
}

/// An image that builds begin from.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BaseImage")]
pub struct BaseDocument {
    image: String,
    /// What every build has; null: it came from no registry.
    digest: Option<String>,
    /// What the registry has by now, where that is another one.
    newer: Option<String>,
    asked_at: Option<DateTime>,
    /// Why the registry did not say.
    error: Option<String>,
}

/// `amarre.deployments/v1`
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Deployments")]
pub struct DeploymentsDocument {
    schema: &'static str,
    deployments: Vec<DeploymentParts>,
    stats: StatsParts,
}

/// `amarre.deployment/v1`
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Deployment")]
pub struct DeploymentDocument {
    schema: &'static str,
    #[serde(flatten)]
    deployment: DeploymentParts,
}

#[derive(Debug, Serialize, JsonSchema)]
struct DeploymentParts {
    id: u64,
    app: String,
    /// `pending`, `provisioning`, `deploying`, `running`, `failed`, `stopped` or `deleted`.
    state: &'static str,
    why: Option<String>,
    code: Option<String>,
    commit: CommitDocument,
    /// Commits since the one before that came too fast.
    skipped_commits: usize,
    /// A person went back to it.
    rollback: bool,
    framework: Option<String>,
    image: Option<String>,
    /// One can go back to it.
    has_image: bool,
    began_at: DateTime,
    build_began_at: Option<DateTime>,
    build_ended_at: Option<DateTime>,
    ran_at: Option<DateTime>,
    ended_at: Option<DateTime>,
    url: Option<String>,
}

/// `amarre.deployment-stats/v1`
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DeploymentStats")]
pub struct StatsDocument {
    schema: &'static str,
    /// Null: of all apps.
    app: Option<String>,
    #[serde(flatten)]
    stats: StatsParts,
}

#[derive(Debug, Serialize, JsonSchema)]
struct StatsParts {
    total: usize,
    running: usize,
    failed: usize,
    /// Those that ran at any time.
    ran: usize,
    /// Percent of those that ran or failed; null: none did.
    success_rate: Option<usize>,
    /// The median of those that ran, in seconds; null: none was built.
    build_s: Option<i64>,
}

/// `amarre.build-log/v1`
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BuildLog")]
pub struct BuildLogDocument {
    schema: &'static str,
    name: Option<String>,
    deployment: Option<u64>,
    image: Option<String>,
    /// All of it as text.
    lines: Vec<String>,
    builds: Vec<BuildDocument>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct BuildDocument {
    image: String,
    began_at: DateTime,
    /// Null: it runs.
    ended_at: Option<DateTime>,
    error: Option<String>,
    /// The digest of each image that it began from.
    bases: BTreeMap<String, String>,
    steps: Vec<StepDocument>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct StepDocument {
    name: String,
    /// `running`, `done`, `cached` or `failed`.
    state: &'static str,
    began_at: Option<DateTime>,
    ended_at: Option<DateTime>,
    took_ms: Option<i64>,
    lines: Vec<String>,
    /// Lines before those, which are not kept.
    lost_lines: usize,
}

/// A text that says something.
fn given(text: impl ToString) -> Option<String> {
    Some(text.to_string()).filter(|text| !text.is_empty())
}

fn word(code: Option<Code>) -> Option<String> {
    code.map(|code| code.to_string())
}

impl AppsDocument {
    pub fn new(rows: &[AppRow]) -> Self {
        Self { schema: "amarre.apps/v1", apps: rows.iter().map(AppParts::new).collect() }
    }
}

impl AppDocument {
    pub fn new(row: &AppRow) -> Self {
        Self { schema: "amarre.app/v1", app: AppParts::new(row) }
    }
}

impl AppParts {
    fn new(row: &AppRow) -> Self {
        let (build, source, state) = (row.build.as_ref(), &row.source, &row.state);
        let commit = build.map(|build| &build.commit).or(state.commit.as_ref());
        let found = build.iter().flat_map(|build| &build.reasons);
        let error = |error: &crate::source::SourceError| AppError {
            code: error.code.to_string(),
            message: error.message.clone(),
        };
        Self {
            name: row.name.clone(),
            repository: source.url.to_string(),
            reference: source.reference.clone(),
            path: source.path.clone(),
            pinned: source.commit.clone(),
            state: row.stage.state.word(),
            why: given(&row.stage.why),
            code: word(row.stage.code),
            framework: build.map(|build| build.framework.clone()),
            image: build.map(|build| build.image.clone()),
            deployment: row.deployment.as_ref().map(|newest| newest.id),
            commit: commit.map(CommitDocument::new),
            found: found
                .map(|(what, value, because)| FoundPart { what, value: value.clone(), because: because.to_string() })
                .collect(),
            notes: build.iter().flat_map(|build| &build.notes).map(ToString::to_string).collect(),
            asked_at: state.asked.map(DateTime),
            next_ask_at: state.limited.map(DateTime),
            bases: row.bases.iter().map(BaseDocument::new).collect(),
            error: state.error.as_ref().map(error),
        }
    }
}

impl CommitDocument {
    fn new(commit: &Commit) -> Self {
        let Commit { id, subject, author, at, .. } = commit;
        Self { id: id.clone(), subject: subject.clone(), author: author.clone(), at: DateTime(*at) }
    }
}

impl BaseDocument {
    pub fn new(row: &BaseRow) -> Self {
        let BaseRow { image, digest, newer, asked, error } = row.clone();
        Self { image, digest, newer, asked_at: asked.map(DateTime), error }
    }
}

impl DeploymentsDocument {
    pub fn new(pass: &PassView, rows: &[&Deployment], stats: &DeploymentStats) -> Self {
        let deployments = rows.iter().map(|one| DeploymentParts::new(pass, one)).collect();
        Self { schema: "amarre.deployments/v1", deployments, stats: StatsParts::new(stats) }
    }
}

impl DeploymentDocument {
    pub fn new(pass: &PassView, one: &Deployment) -> Self {
        Self { schema: "amarre.deployment/v1", deployment: DeploymentParts::new(pass, one) }
    }
}

impl DeploymentParts {
    fn new(pass: &PassView, one: &Deployment) -> Self {
        let url = pass.statuses().get(&one.app).and_then(|row| row.urls.first());
        Self {
            id: one.id,
            app: one.app.clone(),
            state: one.state.word(),
            why: given(&one.why),
            code: word(one.code),
            commit: CommitDocument::new(&one.commit),
            skipped_commits: one.skipped,
            rollback: one.is_rollback,
            framework: given(&one.framework),
            image: given(&one.image),
            has_image: has_image(pass, one),
            began_at: DateTime(one.began),
            build_began_at: one.build_began.map(DateTime),
            build_ended_at: one.build_ended.map(DateTime),
            ran_at: one.ran.map(DateTime),
            ended_at: one.ended.map(DateTime),
            url: url.filter(|_| one.state == DeploymentState::Running).cloned(),
        }
    }
}

impl StatsDocument {
    pub fn new(app: Option<&str>, stats: &DeploymentStats) -> Self {
        Self { schema: "amarre.deployment-stats/v1", app: app.map(str::to_owned), stats: StatsParts::new(stats) }
    }
}

impl StatsParts {
    fn new(stats: &DeploymentStats) -> Self {
        Self {
            total: stats.total,
            running: stats.running,
            failed: stats.failed,
            ran: stats.ran,
            success_rate: stats.success_rate(),
            build_s: stats.build_time.map(|time| time.0 / 1_000),
        }
    }
}

impl BuildLogDocument {
    /// Of one build, or of those of a service.
    pub fn new(builds: &[FoundBuild], now: Timestamp) -> Self {
        let first = builds.first();
        let lines = builds.iter().flat_map(|build| build.log.lines(build.ended.unwrap_or(now)));
        Self {
            schema: "amarre.build-log/v1",
            name: first.map(|build| build.service.clone()),
            deployment: first.and_then(|build| build.deployment),
            image: first.map(|build| build.image.clone()),
            lines: lines.collect(),
            builds: builds.iter().map(|build| BuildDocument::new(build, now)).collect(),
        }
    }
}

impl BuildDocument {
    fn new(build: &FoundBuild, now: Timestamp) -> Self {
        let until = build.ended.unwrap_or(now);
        Self {
            image: build.image.clone(),
            began_at: DateTime(build.began),
            ended_at: build.ended.map(DateTime),
            error: build.log.error.clone(),
            bases: build.log.bases.clone(),
            steps: build.log.steps.iter().map(|step| StepDocument::new(step, until)).collect(),
        }
    }
}

impl StepDocument {
    fn new(step: &LoggedStep, now: Timestamp) -> Self {
        Self {
            name: step.name.clone(),
            state: step.state().word(),
            began_at: step.began.map(DateTime),
            ended_at: step.ended.map(DateTime),
            took_ms: step.took(now).map(|took| took.0),
            lines: step.lines.clone(),
            lost_lines: step.lost,
        }
    }
}
